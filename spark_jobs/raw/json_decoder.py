"""A strict JSON decoder: no repeated keys, no NaN, and numbers keep all their digits."""

from __future__ import annotations

import json


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a key is given twice")
    return value


#: Numbers stay texts, so they keep all digits.
JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_without_repeats)
