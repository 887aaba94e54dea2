"""When is a difference large enough to act on? Every threshold of the checks in one place.

Block is for what must be a broken delivery: most records of a day missing, numbers in another unit, one score for all.
Nothing that a real open day does may block; all else warns or asks for a new model. `python -m infra.bench.drift`
counts both on a shop's own days.

A quiet shop gets at most one false warning in NIGHTS_PER_FALSE_ALARM nights. That allowance is shared by the families
of checks, and within a family by its members (Bonferroni): each of m inputs has 1 / (4 * m) of it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Ratios are to what is usual, and of volume_block to the lowest of the usual weekdays. A volume that asks for
    an action also lies volume_spreads away: to block, of chance alone; to warn, of the usual weekdays too. A value that
    does lies values_spreads away, of what moved the days before."""

    volume_block: float = 0.5
    volume_warn: float = 0.75
    volume_high_warn: float = 2.0
    volume_spreads: float = 4.0
    volume_holiday: float = 0.3
    values_block: float = 10.0
    values_warn: float = 3.0
    values_spreads: float = 4.0
    largest_warn: float = 10.0
    refunds_warn: float = 0.01
    eligible_block: float = 0.5
    eligible_warn: float = 0.8
    psi_warn: float = 0.25  # the usual rule: below 0.1 nothing, above 0.25 another population
    inputs_share_retrain: float = 0.2
    labels_warn: float = 0.05
    labels_retrain: float = 0.1


LIMITS = Thresholds()
USUAL_WEEKS = 8
FEWEST_WEEKS = 4
USUAL_DAYS = 28
#: Fewer customers than this have no median and no number of records worth comparing.
FEWEST_CUSTOMERS = 8
#: In so many nights of a shop in which nothing changes one may warn, by whatever check.
NIGHTS_PER_FALSE_ALARM = 90
#: Who shares that: records and values of the day, inputs, scores, labels.
FAMILIES = 4


def chance_level(members: int) -> float:
    """The confidence at which each of so many members of a family is tested."""
    return 1 - 1 / (NIGHTS_PER_FALSE_ALARM * FAMILIES * max(1, members))
