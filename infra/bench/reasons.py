"""Do the reasons explain the scores faithfully, and what do they cost?

    make backtest SHOP=infra/demo/online_retail/shop.toml      # lands the files and builds the series
    python -m infra.bench.reasons --shop infra/demo/online_retail/shop.toml --as-of 2011-09-06

Trains every kind on the series as of the day, loads it from a bundle as the scoring job does, and explains the
customers at risk (bands medium and high).

explained       share of them whose risk is raised by some evidence; the others have the reason base_rate
named           mean change of the primary probability when the first reason's evidence is removed
same weeks      the same for a random group of inputs over the same weeks
fidelity        named / same weeks: above 1, the named evidence matters more than other inputs of those weeks
anywhere        named / the same for a random group over equally many weeks anywhere in the history; it is larger,
                because old weeks hardly affect a score
best of all     named, as a share of the effect of the best group and window by exhaustive search
other weights   share of customers whose first reason changes when the network's weights are shuffled
cost            CPU time for explaining the customers at risk, relative to scoring them, on one core
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.bench import ONE_CORE, time_once

os.environ |= ONE_CORE

import numpy as np
import pyarrow as pa
from rich.console import Console

from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from training.backtest import read_series
from training.config import ModelSettings
from training.models.members import NetworkMembers
from training.reporting.markdown import write_table
from training.reporting.progress import show_progress
from training.selection.fit import Candidate, fit_candidates
from training.serving.bundle import load_bundle, write_bundle
from training.serving.effect_estimates import learn_evidence
from training.serving.evidence import WINDOW_WEEKS, ScoredInputs, find_spans, list_groups, remove_evidence
from training.serving.explanation import Reasons, find_reasons
from training.serving.reason_choice import choose_reasons
from training.serving.scorer import find_bands
from training.tensors.dataset import Tensors
from training.tensors.outcomes import take_outcomes
from training.train import Training, prepare_reasons

COLUMNS = ("kind", "at risk", "explained", "named", "same weeks", "fidelity", "anywhere", "best of all",
           "other weights", "cost")  # fmt: skip
SEED = 0
TRIES = 9


@dataclass(frozen=True)
class AtRisk:
    """The customers in the bands medium and high of a candidate."""

    candidate: Candidate
    batch: pa.Table
    tensors: Tensors

    @classmethod
    def from_series(cls, candidate: Candidate, series: pa.Table, shop: Shop) -> AtRisk:
        tensors = candidate.spec.build(series, series["as_of"][0].as_py())
        rows = np.flatnonzero(find_bands(shop.bands, score_inputs(candidate, tensors).present) != "low")
        return cls(candidate, series.take(pa.array(rows)), tensors.take(rows))

    @cached_property
    def present(self) -> np.ndarray:
        return score_inputs(self.candidate, self.tensors).present

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return score_inputs(self.candidate, replace(self.tensors, inputs=inputs)).present

    def explain(self) -> Reasons:
        return explain(self.candidate, self.tensors)

    def remove(self, group: np.ndarray, weeks: np.ndarray) -> np.ndarray:
        return remove_evidence(self.candidate, self.tensors.inputs, self.tensors.lengths, group, weeks)


def score_inputs(candidate: Candidate, tensors: Tensors) -> ScoredInputs:
    return ScoredInputs.at(candidate, tensors.inputs, tensors.lengths)


def explain(candidate: Candidate, tensors: Tensors) -> Reasons:
    return find_reasons(candidate, score_inputs(candidate, tensors), np.arange(len(tensors.lengths)))


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__), argv)
    lake, settings = Lake(Settings.from_environment().lake(shop.name)), ModelSettings.from_shop(shop)
    series = read_series(lake, shop, [arguments.as_of])[arguments.as_of]
    with show_progress(f"training {shop.name}", Console(stderr=True)) as progress:
        candidates = fit_candidates(series, arguments.as_of, shop, settings, progress=progress)
    eligible = pa.concat_tables(keep_eligible(chunk, shop) for chunk in series.chunks()).combine_chunks()
    plan = Training(shop, arguments.as_of, settings, series, run_key="")
    rows = [[kind, *measure(serve(prepare_reasons(candidate, plan), plan), eligible, shop)]
            for kind, candidate in candidates.items()]  # fmt: skip
    print("\n".join(write_table([COLUMNS, *rows])))


def serve(candidate: Candidate, plan: Training) -> Candidate:
    """The candidate as the scoring job has it: loaded from a bundle."""
    with TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder), plan.shop.name, plan.as_of, candidate, plan.settings, {}, "")
        return load_bundle(bundle.folder).candidate


def keep_eligible(chunk: pa.Table, shop: Shop) -> pa.Table:
    return chunk.filter(pa.array(take_outcomes(chunk, chunk["as_of"][0].as_py(), shop).eligible))


def measure(candidate: Candidate, eligible: pa.Table, shop: Shop) -> list[str]:
    """The values of all columns after the kind."""
    at_risk = AtRisk.from_series(candidate, eligible, shop)
    count = len(at_risk.present)
    if not count:
        return ["0", *["–"] * (len(COLUMNS) - 2)]
    cost = time_reasons(at_risk, shop)
    reasons = at_risk.explain()
    named, strongest = measure_first_reasons(at_risk, reasons)
    by_chance = [np.abs(at_risk.present - at_risk.predict(inputs)).mean() for inputs in draw_removals(at_risk, reasons)]
    anywhere, same_weeks = by_chance
    return [f"{count:,}", f"{np.isfinite(reasons.effect[:, 0]).mean():.0%}", f"{named:.4f}", f"{same_weeks:.4f}",
            _write_times(named, same_weeks), _write_times(named, anywhere), f"{strongest:.0%}",
            shuffle_weights(at_risk, reasons, eligible), f"{cost:.2f}"]  # fmt: skip


def _write_times(named: float, by_chance: float) -> str:
    return f"{named / by_chance:.1f}" if by_chance else "–"


def measure_first_reasons(at_risk: AtRisk, reasons: Reasons) -> tuple[float, float]:
    """The mean effect of the first reasons, and its share of the best effects by exhaustive search."""
    everyone = np.ones(len(at_risk.present), int)
    best = np.zeros(len(everyone))
    for group in range(len(list_groups(at_risk.candidate.spec))):
        for w in WINDOW_WEEKS:
            effect = at_risk.present - at_risk.predict(at_risk.remove(group * everyone, w * everyone))
            best = np.maximum(best, np.where(w < at_risk.tensors.lengths, effect, 0.0))
    effect = np.nan_to_num(reasons.effect[:, 0])
    return float(effect.mean()), float(effect.sum() / max(best.sum(), 1e-12))


def draw_removals(at_risk: AtRisk, reasons: Reasons) -> Iterator[np.ndarray]:
    """The inputs without a random group for each customer: over equally many weeks anywhere, then the same weeks."""
    generator = np.random.default_rng(SEED)
    inputs, lengths, weeks = at_risk.tensors.inputs, at_risk.tensors.lengths, reasons.weeks[:, 0]
    spec = at_risk.candidate.spec
    group = generator.integers(0, len(list_groups(spec)), len(lengths))
    steps = find_spans(spec, weeks) + (weeks > 0)  # a change needs a step before it
    until = generator.integers(np.minimum(steps, lengths), lengths, endpoint=True)
    is_later = np.arange(inputs.shape[1]) >= until[:, None]
    yield np.where(is_later[:, :, None], inputs, remove_evidence(at_risk.candidate, inputs, until, group, weeks))
    yield at_risk.remove(group, weeks)


def shuffle_weights(at_risk: AtRisk, reasons: Reasons, eligible: pa.Table) -> str:
    """The share of first reasons that change when the network's weights are shuffled."""
    members = at_risk.candidate.members
    if not isinstance(members, NetworkMembers):
        return "–"
    constants = 2 * len(at_risk.candidate.typical)  # mean and scale of the inputs come first, and stay
    generator, shuffled = np.random.default_rng(SEED), members.weights.copy()
    for weights in shuffled:
        generator.shuffle(weights[constants:])
    other = replace(at_risk.candidate, members=NetworkMembers(members.network, shuffled))
    tensors = other.spec.build(eligible, eligible["as_of"][0].as_py())
    other = replace(other, evidence=learn_evidence(other, [tensors]))
    return f"{(explain(other, at_risk.tensors).group[:, 0] != reasons.group[:, 0]).mean():.0%}"


def time_reasons(at_risk: AtRisk, shop: Shop) -> float:
    """CPU seconds that reasons add, relative to those of scoring: the median of several runs."""
    candidate, batch, as_of = at_risk.candidate, at_risk.batch, at_risk.batch["as_of"][0].as_py()

    def score() -> None:
        tensors = candidate.spec.build(batch, as_of)
        candidate.predict(tensors.inputs, tensors.lengths)

    def score_and_explain() -> None:
        scored = score_inputs(candidate, candidate.spec.build(batch, as_of))
        reasons = find_reasons(candidate, scored, np.arange(len(scored.present)))
        choose_reasons(reasons, batch, candidate.spec.measures, as_of, shop, scored.present)

    return float(np.median([time_once(score_and_explain) / time_once(score) - 1 for _ in range(TRIES)]))


if __name__ == "__main__":
    sys.exit(run_command(main))
