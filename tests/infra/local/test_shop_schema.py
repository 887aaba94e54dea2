"""Does the schema accept every shop.toml of the repository, and refuse what the reader refuses?"""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import jsonschema
import pytest

from infra.local.shop_schema import make_schema
from tests.conftest import ROOT

FILES = sorted([*(ROOT / "infra").rglob("shop.toml"), *(ROOT / "tests" / "onboarding").glob("*.toml")])
CHECK = jsonschema.Draft7Validator(make_schema())


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return str(value) if isinstance(value, date) else value


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_every_shop_file_fits(file):
    assert [error.message for error in CHECK.iter_errors(as_json(tomllib.loads(file.read_text())))] == []


@pytest.mark.parametrize(
    "fault",
    [
        {"curency": "EUR"},
        {"language": "xx"},
        {"churn": {"primary_horizon": 60}},
        {"sources": {"purchases": {"max_quarantined_share": "0.2"}}},
        {"sources": {"purchases": {"reject": [{"column": "a", "starts": "x"}]}}},
    ],
)
def test_a_fault_is_found(fault):
    assert list(CHECK.iter_errors(fault))
