"""Are the reference pages those of the code?"""

from __future__ import annotations

from infra.local import generate_docs


def test_every_page_is_fresh():
    assert [path.name for path, text in generate_docs.make_pages().items() if path.read_text() != text] == []
