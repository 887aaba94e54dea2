"""The records of runs, models and promotions that a warehouse returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

#: Why gate_passed is false, for messages.
UNPASSED = "no kind passed the gate of its training"
UNJUDGED = "too few customers had churned or stayed to judge it"


@dataclass(frozen=True)
class RunOrigin:
    """What a run was made from.

    model_version  the model that scored
    code           hash of the product's source
    inputs         lake table to version
    known_as_of    for a restated night, the later day up to whose deliveries it was rebuilt
    """

    model_version: str
    code: str
    inputs: Mapping[str, int]
    known_as_of: date | None = None


@dataclass(frozen=True)
class PublishedRun:
    """A run that is visible for its day or, if `superseded_at` is set, was visible before."""

    as_of: date
    run_id: str
    rows: int
    published_at: datetime
    superseded_at: datetime | None
    lake_version: int
    is_hindsight: bool
    model_version: str | None
    code: str | None
    inputs: Mapping[str, int] | None
    known_as_of: date | None


@dataclass(frozen=True)
class ModelRecord:
    """A registered model. `location` is the folder of its bundle."""

    version: str
    kind: str
    location: str
    bundle_hash: str
    trained_through: date
    gate_passed: bool
    metrics: Mapping[str, Any]
    created_at: datetime

    @property
    def gate_words(self) -> str:
        """The result of the gate, to complete a sentence about the model that scores."""
        return f"scores although {self.doubts}" if self.doubts else "passed the gate"

    @property
    def doubts(self) -> str:
        """Why the gate let no kind pass, in words; empty where one passed."""
        if self.gate_passed:
            return ""
        return " and ".join(words for words, holds in (
            (UNPASSED, self.is_refused), (UNJUDGED, not self.is_judged)) if holds)  # fmt: skip

    @property
    def is_refused(self) -> bool:
        """Whether the gate refused every kind of model at some horizon that could be judged."""
        was_refused = any(metrics.get("is_refused", False) for metrics in self._of_horizons)
        return not self.gate_passed and (self.is_judged or was_refused)

    @property
    def is_judged(self) -> bool:
        """Whether the gate had enough outcomes at every horizon."""
        return all(metrics.get("is_judged", True) for metrics in self._of_horizons)

    @property
    def _of_horizons(self) -> list[Mapping[str, Any]]:
        return [metrics for metrics in self.metrics.values() if isinstance(metrics, Mapping)]


@dataclass(frozen=True)
class Promotion:
    """The day from which a model scores, whether that is new, and the promotion for a later day that it replaces."""

    effective_from: date
    is_new: bool
    replaced: tuple[str, date] | None = None
