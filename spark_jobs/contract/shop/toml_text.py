"""Values in TOML syntax, for remedies that are pasted into shop.toml and for files that are written."""

from __future__ import annotations

import json
from collections.abc import Iterable


def quote(text: str) -> str:
    """The text as a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(quote, texts))}]"
