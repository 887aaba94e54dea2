"""The parameters of the simulated shop. They were frozen before any model was tuned on it.

A customer is engaged, then restless (browses less, is less content, still buys), then fading (buys less), then away,
and may return from there. The states form a Markov chain with the daily transition probabilities below. The pipeline
does not see the state, only the customer's actions. The rate of purchases is the customer's own rate times a factor of
the state, so the exact probability of no purchase in the next days follows from rate and state, and nothing else known
on the day adds information. The values were chosen so that this oracle has an AUROC of .78 to .84, and the days since
the last purchase alone one of .65 at most, as in public churn data sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

ENGAGED, RESTLESS, FADING, AWAY = range(4)
STATES = ("engaged", "restless", "fading", "away")


@dataclass(frozen=True)
class Parameters:
    #: mean duration of a state in days; it ends with the same probability every day
    state_days: tuple[float, ...] = (86, 16, 23, 126)
    #: factors of the customer's own rates, by state
    buying: tuple[float, ...] = (1.0, 0.9, 0.25, 0.11)
    browsing: tuple[float, ...] = (1.0, 0.45, 0.2, 0.08)
    #: mean stars of a review, by state
    mood: tuple[float, ...] = (4.5, 3.2, 2.4, 2.4)
    #: share of products added to the cart that are abandoned there, by state
    abandoned: tuple[float, ...] = (0.3, 0.6, 0.8, 0.6)
    #: orders a day: gamma of this shape and mean
    order_shape: float = 1.6
    order_gap_days: float = 27
    #: sessions a day without an order: gamma of this shape and mean
    session_shape: float = 3.0
    sessions_per_day: float = 0.22
    year_swing: float = 0.15
    weekend_lift: float = 0.1
    #: customers arrive evenly, starting this many days before the first day
    arrive_before_days: int = 200
    review_share: float = 0.12  # of bought lines
    return_share: float = 0.04  # of bought lines
    foreign_share: float = 0.02  # of orders, in USD or CHF
    languages: dict[str, float] = field(default_factory=lambda: {"en": 0.6, "zh": 0.25, "pt": 0.15})
    without_stars: float = 0.1
    without_text: float = 0.3
    # defects, as shares of lines or (*_customers) of customers
    late_share: float = 0.02
    most_late_days: int = 10
    again_share: float = 0.01  # delivered a second time
    broken_share: float = 0.01  # a broken copy in addition to the line
    bot_customers: float = 0.002
    bot_views: int = 300  # within an hour
    test_customers: float = 0.003
    merged_customers: float = 0.02

    @property
    def moves(self) -> np.ndarray:
        """(4, 4) the transition probabilities from today's state to tomorrow's."""
        ends = 1 / np.array(self.state_days)
        moves = np.diag(1 - ends)
        moves[[ENGAGED, RESTLESS, FADING, AWAY], [RESTLESS, FADING, AWAY, ENGAGED]] = ends
        return moves

    def season(self, first_weekday: int, first_day_of_year: int, days: int) -> np.ndarray:
        """(days,) the factor of all customers' rates by season and weekday."""
        day = np.arange(days)
        year = 1 + self.year_swing * np.sin(2 * np.pi * (first_day_of_year + day) / 365.25)
        return year + self.weekend_lift * ((first_weekday + day) % 7 >= 5)
