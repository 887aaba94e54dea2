"""The thresholds of all drift checks.

Only what must be a broken delivery blocks: most records of a day missing, numbers in another unit, the same score for
all customers. A real open day must never block; everything else warns or asks for a new model. `python -m
infra.bench.drift` counts both on a shop's own days.

In a shop where nothing changes there is at most one false warning in NIGHTS_PER_FALSE_ALARM nights. This error rate is
shared among the families of checks, and within a family among its members (Bonferroni): each of m inputs gets
1 / (4 * m) of it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Most thresholds are ratios to the usual value; volume_block is a ratio to the lowest of the weekdays compared.

    volume_spreads  a volume must also deviate by this many standard deviations: to block, of chance alone; to warn,
                    also of the usual variation between weeks
    values_spreads  a value must also deviate by this many standard deviations of the days before
    """

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
#: With fewer customers, medians and record counts are too noisy to compare.
FEWEST_CUSTOMERS = 8
#: In a shop where nothing changes, at most one of this many nights warns, over all checks.
NIGHTS_PER_FALSE_ALARM = 90
#: The number of families: records and values of the day, inputs, scores, labels.
FAMILIES = 4


def chance_level(members: int) -> float:
    """The confidence level for each test in a family with this many members."""
    return 1 - 1 / (NIGHTS_PER_FALSE_ALARM * FAMILIES * max(1, members))
