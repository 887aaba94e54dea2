"""One customer's life: states, orders and sessions, from a random generator per customer, independent of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infra.demo.simulated.parameters import AWAY, ENGAGED, Parameters

DAY_S = 86_400
CATEGORIES, PRODUCTS_PER_CATEGORY = 24, 40
HORIZONS_DAYS = (30, 60, 90)


@dataclass(frozen=True)
class Calendar:
    days: int
    season: np.ndarray  # (days + longest horizon,)


@dataclass(frozen=True)
class Life:
    """The true properties of a customer. Days count from the first simulated one; `arrived` may be before it."""

    number: int
    generator: np.random.Generator
    kind: str  # person, bot, test or merged
    arrived: int
    order_rate: float
    session_rate: float
    language: str
    favourite: int
    merged_on: int
    state: np.ndarray  # (days,) int


def live(seed: int, number: int, calendar: Calendar, parameters: Parameters) -> Life:
    """The life of customer `number`; it does not depend on other customers."""
    generator = np.random.Generator(np.random.Philox(key=[seed, number]))
    share = generator.random()
    limits = np.cumsum([parameters.bot_customers, parameters.test_customers, parameters.merged_customers])
    kind = ("bot", "test", "merged", "person")[int(np.searchsorted(limits, share, side="right"))]
    arrived = int(generator.integers(-parameters.arrive_before_days, calendar.days))
    return Life(
        number=number,
        generator=generator,
        kind=kind,
        arrived=arrived,
        order_rate=generator.gamma(parameters.order_shape, 1 / (parameters.order_shape * parameters.order_gap_days)),
        session_rate=generator.gamma(parameters.session_shape, parameters.sessions_per_day / parameters.session_shape),
        language=generator.choice(list(parameters.languages), p=list(parameters.languages.values())),
        favourite=int(generator.integers(CATEGORIES)),
        merged_on=int(generator.integers(calendar.days)),
        state=_walk(generator, arrived, calendar.days, parameters),
    )


def _walk(generator: np.random.Generator, arrived: int, days: int, parameters: Parameters) -> np.ndarray:
    """The state of every day: engaged on arrival, then each state for a geometric number of days."""
    state, day, current = np.full(days, ENGAGED), arrived, ENGAGED
    while day < days:
        until = day + int(generator.geometric(1 / parameters.state_days[current]))
        state[max(day, 0) : max(until, 0)] = current
        day, current = until, (current + 1) % (AWAY + 1)
    return state


def order_days(life: Life, calendar: Calendar, parameters: Parameters) -> np.ndarray:
    """The days with an order; the day of arrival has one."""
    here = np.arange(calendar.days) >= life.arrived
    rate = life.order_rate * calendar.season[: calendar.days] * np.array(parameters.buying)[life.state] * here
    ordered = life.generator.random(calendar.days) < -np.expm1(-rate)
    if life.arrived >= 0:
        ordered[life.arrived] = True
    return np.flatnonzero(ordered)


def session_counts(life: Life, calendar: Calendar, parameters: Parameters) -> np.ndarray:
    """(days,) the number of sessions without an order."""
    here = np.arange(calendar.days) >= life.arrived
    rate = life.session_rate * calendar.season[: calendar.days] * np.array(parameters.browsing)[life.state] * here
    return life.generator.poisson(rate)


def survival(order_rates: np.ndarray, day: int, calendar: Calendar, parameters: Parameters) -> np.ndarray:
    """(customers, 4 states, horizons) the exact probability of no order in (day, day + H], by the state on `day`.

    Computed backwards: P(no order from a day on) = sum over tomorrow's states of P(transition) * P(no order tomorrow) *
    P(no order after it).
    """
    found = np.empty((len(order_rates), len(parameters.buying), len(HORIZONS_DAYS)))
    per_day = order_rates[:, None] * np.array(parameters.buying)
    for place, horizon in enumerate(HORIZONS_DAYS):
        stays = np.ones_like(per_day)
        for ahead in range(horizon, 0, -1):
            stays = (stays * np.exp(-per_day * calendar.season[day + ahead])) @ parameters.moves.T
        found[:, :, place] = stays
    return found
