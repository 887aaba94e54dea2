"""What a review says, from -1 (bad) to 1 (good)."""

from __future__ import annotations

from collections.abc import Sequence


def score_reviews(texts: Sequence[str | None], ratings: Sequence[float | None]) -> list[float | None]:
    """By the rating, 1 to 5; None where there is none."""
    return [None if rating is None else round((rating - 3) / 2, 3) for rating in ratings]
