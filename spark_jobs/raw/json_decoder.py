"""JSON as it is specified, not as it is often taken: no key twice, no NaN, numbers with all their digits."""

from __future__ import annotations

import json


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a key is given twice")
    return value


#: Numbers keep their digits because they are never parsed.
JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_without_repeats)
