"""Could a night advance each customer's LSTM state by the newest step alone, instead of reading the whole history?

    make demo
    python -m infra.bench.carried_state --shop infra/demo/online_retail/shop.toml --as-of 2011-09-04

Takes the LSTM of the model that scores --as-of, and the customers of that day's training series. Steps are weeks that
are counted back from the night, so a night goes on from the state of seven nights ago, and 7 states are kept.

carried   the state of CHAIN steps ago, advanced step by step by the last step of each night since
windowed  the network over the last N steps only, for customers with more: what a sliding window changes
apart     the largest difference of a calibrated probability to that of the whole history
mean      the mean difference at the primary horizon
above     share of customers with a probability more than TOLERANCE apart
µs        CPU microseconds per customer, the median of several runs, on one core
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial

from infra.bench import ONE_CORE, time_once

os.environ |= ONE_CORE

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.bench.onnx_serving import find_network
from infra.local.environment import read_settings
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from training.backtest import read_series
from training.models.members import NetworkMembers
from training.reporting.markdown import write_table
from training.selection.fit import Candidate
from training.tensors.dataset import Tensors, TensorSpec
from training.tensors.series import truncate

CHAIN = 13
WINDOWS = (8, 13, 26, 36)
TOLERANCE = 1e-5
TRIES = 9


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__), argv)
    settings = read_settings()
    candidate, members = find_network(connect(settings), shop, arguments.as_of)
    source = read_series(Lake(settings.lake(shop.name)), shop, [arguments.as_of])[arguments.as_of]
    series = pa.concat_tables(source.chunks()).combine_chunks()
    nights = build_nights(series, candidate.spec, arguments.as_of)
    now, spec = nights[0], candidate.spec
    primary = spec.churn.horizons_days.index(spec.churn.primary_horizon_days)
    size = members.count * 2 * members.network.architecture.lstm_units * 4
    print(f"{len(now.lengths):,} customers of up to {now.lengths.max()} steps; {count_changed(now, nights[1])} of them "
          f"have other inputs at a step that a night {spec.step_days} days ago saw; a state has {size:,} bytes, "
          f"those of {spec.step_days} nights {size * spec.step_days:,}\n")  # fmt: skip
    print("\n".join(write_table(list(compare(candidate, members, nights, primary)))), "\n")
    print("\n".join(write_table(list(time_parts(series, candidate, members, now, arguments.as_of)))))


def build_nights(series: pa.Table, spec: TensorSpec, as_of: date) -> list[Tensors]:
    """The tensors of the night, and of CHAIN nights before it, a step apart, from the newest on."""
    days = [as_of - timedelta(days=back * spec.step_days) for back in range(CHAIN + 1)]
    return [spec.build(truncate(series, day), day) for day in days]


def find_rows(night: Tensors, earlier: Tensors) -> np.ndarray:
    """(customers,) the rows of the night's customers in the earlier night; -1 for those who were not known yet."""
    rows = pc.index_in(night.customer_id, value_set=earlier.customer_id)
    return pc.fill_null(rows, -1).to_numpy(zero_copy_only=False)


def count_changed(now: Tensors, before: Tensors) -> int:
    rows = find_rows(now, before)
    own, width = np.flatnonzero(rows >= 0), before.inputs.shape[1]
    is_shared = np.arange(width) < before.lengths[rows[own], None]
    differs = (now.inputs[own, :width] != before.inputs[rows[own]]).any(axis=2)
    return int((differs & is_shared).any(axis=1).sum())


def compare(candidate: Candidate, members: NetworkMembers, nights: Sequence[Tensors], primary: int):
    """Rows of the table of differences."""
    yield "way", "customers", "apart", "mean", f"above {TOLERANCE:.0e}"
    now = nights[0]
    whole = members.predict_last(now.inputs, now.lengths)
    found = {f"carried over {CHAIN} steps": (np.arange(len(now.lengths)), carry(members, nights))}
    for steps in WINDOWS:
        longer = np.flatnonzero(now.lengths > steps)
        found[f"windowed, {steps} steps"] = longer, members.predict_last(*cut(now, longer, steps))
    for way, (rows, p) in found.items():
        apart = np.abs(candidate.calibration.apply(p) - candidate.calibration.apply(whole[rows]))
        share = (apart.max(axis=1) > TOLERANCE).mean()
        yield way, f"{len(rows):,}", f"{apart.max():.1e}", f"{apart[:, primary].mean():.1e}", f"{share:.1%}"


def carry(members: NetworkMembers, nights: Sequence[Tensors]) -> np.ndarray:
    """(customers, H) probabilities from the states of the oldest night, and from the last step of each since."""
    now, oldest = nights[0], nights[-1]
    begun = [np.zeros((len(now.lengths), *state.shape[1:]), np.float32) for state in find_states(members, oldest)]
    rows = find_rows(now, oldest)
    for own, state in zip(begun, find_states(members, oldest), strict=True):
        own[rows >= 0] = state[rows[rows >= 0]]
    tails = np.zeros((len(rows), CHAIN, now.inputs.shape[2]), np.float32)
    for back, night in enumerate(nights[:CHAIN]):
        rows = find_rows(now, night)
        last = night.last(night.inputs)
        tails[rows >= 0, CHAIN - 1 - back] = last[rows[rows >= 0]]
    return advance(members, begun, tails, np.minimum(now.lengths, CHAIN))


def find_states(members: NetworkMembers, night: Tensors) -> list[np.ndarray]:
    """(customers, 2, units) of each member: the state after the night's last step."""
    further = np.pad(night.inputs, ((0, 0), (0, 1), (0, 0)))
    return [memory[1] for memory in members.predict_with_states(further, night.lengths + 1, (1,))[1]]


def advance(members: NetworkMembers, begun: Sequence[np.ndarray], tails: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """(customers, H) probabilities after so many `steps` at the end of tails (customers, S, F)."""
    rows = np.arange(len(tails))
    most = np.full(len(tails), tails.shape[1])
    # predict_tails takes its steps from the start of tails, as far as `lengths` says.
    first = tails[rows[:, None], np.minimum(np.arange(tails.shape[1]) + (most - steps)[:, None], tails.shape[1] - 1)]
    return members.predict_tails([{tails.shape[1]: state} for state in begun], rows, first, steps, most)


def cut(night: Tensors, rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The last `steps` of these customers, who have more, and their number."""
    places = (night.lengths[rows] - steps)[:, None] + np.arange(steps)
    return night.inputs[rows[:, None], places], np.full(len(rows), steps)


def time_parts(series: pa.Table, candidate: Candidate, members: NetworkMembers, now: Tensors, as_of: date):
    """Rows of the table of costs."""
    yield "part of a score", "µs"
    begun, last = find_states(members, now), now.last(now.inputs)[:, None]
    ones, known = np.ones(len(last), np.int64), truncate(series, as_of)
    weights = np.random.default_rng(0).integers(1, 2**63, now.inputs[0].size, dtype=np.uint64)
    parts: dict[str, Callable] = {
        "inputs of all steps": partial(candidate.spec.build, known, as_of),
        "LSTM over all steps": partial(members.predict_last, now.inputs, now.lengths),
        "all models": partial(candidate.predict, now.inputs, now.lengths),
        "LSTM, one step from a state": partial(advance, members, begun, last, ones),
        "a hash of the inputs of all steps": partial(hash_inputs, now.inputs, weights),
    }
    for name, work in parts.items():
        yield name, f"{np.median([time_once(work) for _ in range(TRIES)]) / len(last) * 1e6:.1f}"


def hash_inputs(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(customers,) by which a state would be looked up: that it is of the same inputs."""
    return inputs.reshape(len(inputs), -1).view(np.uint32).astype(np.uint64) @ weights


if __name__ == "__main__":
    sys.exit(run_command(main))
