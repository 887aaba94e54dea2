"""Are licences named, and bills of both environments merged?"""

from __future__ import annotations

import pytest

from infra.local.dependencies import merge_bills, name_licence


@pytest.mark.parametrize(
    ("metadata", "classifiers", "licence"),
    [
        ({"License-Expression": "MIT", "License": "x"}, ["License :: OSI Approved :: BSD License"], "MIT"),
        ({"License": "long text"}, ["License :: OSI Approved :: BSD License"], "BSD License"),
        ({"License": "\nApache 2.0\nmore"}, [], "Apache 2.0"),
        ({}, [], "not stated"),
    ],
)
def test_the_shortest_licence_text_is_used(metadata, classifiers, licence):
    assert name_licence(metadata, classifiers) == licence


def test_a_package_of_both_environments_is_listed_once():
    def bill(*needs: str) -> dict:
        return {"components": [{"bom-ref": "a"}], "dependencies": [{"ref": "a", "dependsOn": list(needs)}]}

    merged = merge_bills([bill("b"), bill("c")])
    assert merged == {"components": [{"bom-ref": "a"}], "dependencies": [{"ref": "a", "dependsOn": ["b", "c"]}]}
