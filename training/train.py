"""Trains every kind of model, lets the gate choose one, and registers it.

    python -m training.train --shop SHOP.toml --as-of 2011-09-06 [--promote]

1. gate       trains every kind on what was known one longest horizon before as_of; evaluates it on what happened since
2. final      trains the kind that the gate chose on everything known at as_of
3. kept       stores it as a bundle beside the lake, in MLflow and in the warehouse's registry, with a report
4. --promote  makes it score from as_of on, or from the newest day with scores if that is later

Among the kinds that pass the gate, the one with the best validation is chosen. If a model was trained before from the
same series, settings and code, nothing is trained, and that bundle is registered.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console

from spark_jobs.contract import errors
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.keys import code_hash, make_run_key
from spark_jobs.lake.location import Location, Place
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_dry_run, add_result, load_arguments, make_parser, run_command, write_result
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.records import ModelRecord
from training.config import MODEL_CODE, ModelSettings
from training.reporting.ablation import read_ablation
from training.reporting.gate import describe_gate, show_gate
from training.reporting.progress import show_progress
from training.reporting.report import Findings, render_model_card, write_report
from training.reporting.tracking import log_training
from training.reporting.words import METHOD_NAMES
from training.selection.fit import Candidate, fit_candidates
from training.selection.gate import GateResult, mean_losses, run_gate, validated_losses
from training.selection.profit import expect_spend_at
from training.selection.spend import find_cut, fit_spend
from training.serving.bundle import Bundle, write_bundle
from training.serving.effect_estimates import learn_evidence
from training.serving.training_records import find_record, keep_record
from training.tensors.dataset import TensorSpec
from training.tensors.label_delay import read_label_delay
from training.tensors.series import Series


@dataclass(frozen=True)
class Training:
    """The inputs of a training. `run_key` identifies them and the code."""

    shop: Shop
    as_of: date
    settings: ModelSettings
    series: Series
    run_key: str


def plan_training(lake: Lake, shop: Shop, as_of: date, settings: ModelSettings) -> Training:
    """Raises MissingInputError if training_series is not published for the day."""
    partition, version = as_of.isoformat(), lake.version(TRAINING_SERIES)
    published = {} if version is None else lake.partitions(TRAINING_SERIES, version)
    if partition not in published:
        raise errors.MissingInputError(
            f"no training_series as of {as_of}: run python -m spark_jobs.customer_series --shop {shop.path} --all "
            f"--as-of {as_of}"
        )
    spec, delay_days = TensorSpec.from_shop(shop, settings), read_label_delay(lake, shop, as_of)
    run_key = make_run_key(
        TRAINING_SERIES, partition, published[partition], model=settings.as_dict(), churn=repr(shop.churn),
        features={feature.name: feature.fingerprint for feature in spec.features},
        label_delay_days=delay_days, code=code_hash(*MODEL_CODE),
    )  # fmt: skip
    series = Series(lake.dataset(TRAINING_SERIES, [partition], version), as_of, delay_days)
    return Training(shop, as_of, settings, series, run_key)


def train(plan: Training, home: Settings, report_folder: Place, console: Console) -> ModelRecord:
    """Runs the gate and the final training, writes bundle, report and MLflow run; returns the record to register."""
    shop, as_of = plan.shop, plan.as_of
    with show_progress(f"gate {shop.name}", console) as progress:
        gate = run_gate(plan.series, as_of, shop, plan.settings, progress)
    with show_progress(f"final {shop.name}", console) as progress:
        kind = gate.verdict.promoted
        [candidate] = fit_candidates(plan.series, as_of, shop, plan.settings, (kind,), progress).values()
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(fit_spend, plan.series, as_of, shop, candidate.spec)
            candidate = prepare_reasons(candidate, plan)
            spend = coming.result()
    findings = gather_findings(gate, candidate, plan)
    findings = replace(findings, ablation=read_ablation(home.ablation(shop.name)),
                       facts={**findings.facts, "spend": describe_limit(spend.limits, plan)})  # fmt: skip
    bundle = write_bundle(
        home.models(shop.name), shop.name, as_of, candidate, plan.settings, describe_gate(gate),
        render_model_card(findings), spend,
    )  # fmt: skip
    facts = {"bundle": bundle.version, "sha256 of the bundle": bundle.hash, **findings.facts}
    report = write_report(report_folder, replace(findings, facts=facts))
    log_training(home, shop.name, plan.run_key, as_of,
                 {"as_of": as_of, "kind": kind, "version": bundle.version, **plan.settings.as_dict()},
                 gate.metrics, [report])  # fmt: skip
    show_gate(gate, console)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
    return make_record(bundle, kind, gate, as_of)


def prepare_reasons(candidate: Candidate, plan: Training) -> Candidate:
    """The candidate with the regression that explanations need. It learns from the code that explains, whose LSTM
    continues from stored states instead of computing whole histories."""
    spec, as_of = candidate.spec, plan.as_of
    steps = spec.steps_for(plan.series.first_day, as_of)
    batches = (spec.build(chunk, as_of, steps=steps) for chunk in plan.series.chunks())
    served = replace(candidate, members=candidate.members.for_serving())
    return replace(candidate, evidence=learn_evidence(served, batches))


def gather_findings(gate: GateResult, candidate: Candidate, plan: Training) -> Findings:
    """The content of the report and the model card."""
    validated = mean_losses(validated_losses(gate.candidates))
    expected_spend = None
    if plan.shop.contact:
        expected_spend = expect_spend_at(plan.series, gate.cutoff, plan.shop, candidate.spec)
    return Findings(plan.shop, plan.as_of, gate.predictions, gate.metrics, gate.verdict,
                    describe_candidate(candidate, plan), gate.segments, validated, expected_spend)  # fmt: skip


def describe_candidate(candidate: Candidate, plan: Training) -> dict[str, object]:
    """Facts for the report and the model card."""
    calibration = candidate.calibration
    lines = zip(plan.shop.churn.horizons_days, calibration.slope, calibration.intercept, strict=True)
    return {
        "kind": METHOD_NAMES.get(candidate.kind, candidate.kind),
        "trained through": plan.as_of,
        "sha256 of the training's inputs": plan.run_key,
        "data": {
            "logs": list(plan.shop.mapped_columns),
            "first day": plan.series.first_day,
            "last day": plan.as_of,
            "customers": plan.series.count,
            "outcomes closed": f"{plan.series.delay_days} days after their window, the delay of late files",
        },
        "members": f"{candidate.members.count}, each trained without one fold of the customers",
        "calibration": {f"{h} days": f"slope {slope:.3f}, intercept {at:+.3f}" for h, slope, at in lines},
        "settings": plan.settings.as_dict(),
        "inputs": {feature.name: feature.meaning for feature in candidate.spec.features},
    }


def describe_limit(limits: Mapping[str, float], plan: Training) -> str:
    """A sentence about the limit on a customer's daily spend, and how much of the sales it cuts off."""
    if "spend" not in limits:
        return "not limited: too few days to estimate what is usual"
    days, cut, total = find_cut(plan.series, limits)
    share = cut / total if total else 0.0
    return (f"a customer's day counts at most {limits['spend']:,.2f} {plan.shop.currency}; "
            f"{days:,} days were above it, which leaves out {share:.1%} of all sales")  # fmt: skip


def make_record(bundle: Bundle, kind: str, gate: GateResult, as_of: date) -> ModelRecord:
    judged, is_refused = {h.horizon_days: h.is_judged for h in gate.verdict.horizons}, bool(gate.verdict.reasons)
    metrics = {f"{row.horizon_days}d": {**vars(row), "is_judged": judged[row.horizon_days], "is_refused": is_refused}
               for row in gate.metrics if row.method == kind}  # fmt: skip
    return ModelRecord(
        version=bundle.version,
        kind=kind,
        location=str(bundle.folder),
        bundle_hash=bundle.hash,
        trained_through=as_of,
        gate_passed=gate.verdict.passed,
        metrics=metrics,
        created_at=datetime.now(UTC),
    )


def make_train_parser() -> argparse.ArgumentParser:
    parser = add_result(add_dry_run(make_parser(__doc__)))
    parser.add_argument("--promote", action="store_true", help="make the model score from as_of on, or from the "
                        "newest day with scores if that is later")  # fmt: skip
    parser.add_argument("--epochs", type=int, metavar="N", help="overrides model.epochs of shop.toml")
    parser.add_argument("--history-steps", type=int, metavar="N", help="overrides model.history_steps of shop.toml")
    parser.add_argument("--report", type=Path, metavar="DIR", help="where the report is written")
    return parser


def read_settings(shop: Shop, arguments: argparse.Namespace) -> ModelSettings:
    """The shop's model settings, with the overrides of the command line."""
    chosen = {name: getattr(arguments, name) for name in ("epochs", "history_steps")}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    return ModelSettings.from_mapping({**ModelSettings.from_shop(shop).as_dict(), **chosen}, "the command line")


def preview(lake: Lake, shop: Shop, as_of: date, settings: ModelSettings, models: str, console: Console) -> None:
    """Prints what a training would do; writes nothing."""
    try:
        plan = plan_training(lake, shop, as_of, settings)
    except errors.MissingInputError:
        console.print(f"would train as of {as_of}, once training_series is built for it")
        return
    record = find_record(models, plan.run_key)
    would = f"would reuse {record.version}, trained" if record else "would train"
    console.print(f"{would} from {plan.series.count:,} customers as of {as_of}, with {settings.as_dict()}")


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_train_parser(), argv)
    home, console = Settings.from_environment(), Console()
    settings = read_settings(shop, arguments)
    lake, models = Lake(home.lake(shop.name)), home.models(shop.name)
    if arguments.dry_run:
        preview(lake, shop, arguments.as_of, settings, models, console)
        return
    warehouse = connect(home)
    warehouse.prepare(shop)
    plan = plan_training(lake, shop, arguments.as_of, settings)
    record = find_record(models, plan.run_key)
    if record:
        console.print(f"nothing to train: {record.version} was made from the same series, settings and code")
    else:
        record = train(plan, home, arguments.report or home.reports(shop.name), console)
        keep_record(models, plan.run_key, record)
    warehouse.register_model(shop, replace(record, location=str(Location.parse(record.location))))
    state = "is registered; --promote lets it score"
    if arguments.promote:
        state = f"scores from {warehouse.promote_model(shop, record.version).effective_from} on"
    console.print(f"model {record.version} ({record.kind}) {state}", highlight=False, soft_wrap=True)
    kept = ("version", "kind", "trained_through", "gate_passed", "metrics")
    report = f"{shop.name}/report_{arguments.as_of}.html"
    write_result(arguments.result, {name: getattr(record, name) for name in kept} | {"report": report})


if __name__ == "__main__":
    sys.exit(run_command(main))
