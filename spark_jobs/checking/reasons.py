"""Reports why records are rejected: each reason with its share and examples, and the remedy if shop.toml is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from pyspark.sql import functions as F

from spark_jobs.checking.discounts import suggest_discounts
from spark_jobs.checking.files import FILE_REASONS
from spark_jobs.checking.findings import TOLERATED_SHARE, Findings
from spark_jobs.checking.judged_log import JudgedLog, raw_value
from spark_jobs.checking.times import sample_texts, suggest_time_format, suggest_zones
from spark_jobs.checking.values import find_remedy, is_always_reported
from spark_jobs.cleaning.accounts import NO_RECORD, count_expected, count_reasons, find_rejected_days
from spark_jobs.cleaning.judging import COMMA
from spark_jobs.cleaning.plausible import IMPLAUSIBLE
from spark_jobs.contract.logs.purchases import propose_plausible
from spark_jobs.contract.rejections import REASONS, explain
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.reader import RawRecord, read_records
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.frames import first_row

EXAMPLES = 3
SHARE_OF_DAYS = 0.05  # if a night would stop on more days, the cause is not a single bad file
#: Reasons that are normal for a shop, not mistakes in shop.toml.
EXPECTED = {"customer_id_missing", "quantity_zero", "bot_rate", "review_empty", *NO_RECORD}
REPORTED_ELSEWHERE = {*FILE_REASONS, COMMA}  # per file, or by the reason that accompanies it


def show_reasons(
    console: PlainConsole,
    shop: Shop,
    judged: JudgedLog,
    totals: dict[str, int],
    numbers: dict[str, list[str]],
    findings: Findings,
) -> None:
    """Prints each reason with its share and examples; adds a finding for those that mean a mistake in shop.toml."""
    log, lines_in = judged.source.log, totals["lines_in"] - totals["elsewhere"]
    console.print(
        f"{totals['clean']:,} clean, {totals['quarantined']:,} quarantined ({totals['quarantined'] / lines_in:.1%}),"
        f" {totals['duplicates']:,} duplicates"
        + (f", {totals['elsewhere']:,} of other logs" if totals["elsewhere"] else "")
    )
    # If a record is rejected by an expected rule, like a line with shipping costs, its other faults do not matter.
    expected = judged.source.expected_reasons
    faulty = count_reasons([tally for tally in judged.tallies if not expected & set(tally.reasons)])
    for code, count in count_reasons(judged.tallies).most_common():
        reason, examples = explain(code), find_examples(judged, code)
        shown = f", e.g. {', '.join(map(repr, examples))}" if examples else ""
        console.print(f"  {count / lines_in:6.1%}  {code}: {reason.meaning}{shown}")
        is_fault = code in REASONS and code not in EXPECTED | REPORTED_ELSEWHERE
        is_frequent = is_fault and faulty[code] / lines_in > TOLERATED_SHARE
        if is_frequent or is_always_reported(code, judged.source):
            suggest = SUGGESTED.get(code)
            remedy = (suggest(judged, shop) if suggest else "") or find_remedy(
                code, shop, judged.source, examples, numbers
            )
            extent = f"{faulty[code] / lines_in:.0%}" if is_frequent else f"{count:,} of {lines_in:,}"
            findings.add(f"{log}: {extent} have {reason.meaning}{shown}: {remedy}")
    limit = judged.source.max_quarantined_share
    expected_count = count_expected(judged.tallies, expected)
    share = (totals["quarantined"] - expected_count) / max(1, lines_in - expected_count)
    if share > limit:
        findings.add(
            f"{log}: {share:.0%} would be quarantined, more than max_quarantined_share"
            f" {limit:.0%}: a run would stop; correct the reasons above, or set under [sources.{log}]"
            f" max_quarantined_share = {raise_share(share)}"
        )
    elif judged.source.delivery_day and (days := find_rejected_days(judged.tallies, limit, expected)):
        worst, share = max(days.items(), key=lambda day: day[1])
        sentence = (
            f"{log}: {len(days):,} days have more than max_quarantined_share {limit:.0%} quarantined, {worst} has"
            f" {share:.0%}: a night would stop there; correct the reasons above, or set under [sources.{log}]"
            f" max_quarantined_share = {raise_share(share)}"
        )
        if len(days) > SHARE_OF_DAYS * len({tally.delivery_day for tally in judged.tallies}):
            findings.add(sentence)
        else:
            console.print(f"  {sentence}")


def raise_share(share: float) -> str:
    """A limit above this share, with some room."""
    return f"{min(1.0, (math.floor(share * 20) + 2) / 20):.2f}"


def _suggest_times(judged: JudgedLog, shop: Shop) -> str:
    """A sentence with the format or zones that would read the rejected times."""
    paths, mapping = sorted(judged.paths.values()), judged.source.columns["event_at"]
    texts = sample_texts(judged.intake, paths, mapping.columns)
    spark = judged.records.sparkSession
    if mapping.zone_column and (
        zones := suggest_zones(mapping, sample_texts(judged.intake, paths, [mapping.zone_column]))
    ):
        return zones
    return suggest_time_format(spark, mapping, shop.time_zone, texts)


def _suggest_plausible(judged: JudgedLog, shop: Shop) -> str:
    """A sentence with a limit above the largest implausible amount."""
    implausible = judged.records.where(F.array_contains("reasons", IMPLAUSIBLE))
    largest = first_row(implausible.agg(F.max("amount")))[0]
    return "" if largest is None else propose_plausible(largest)


#: Reason codes whose remedy is found in the files.
SUGGESTED: dict[str, Callable[[JudgedLog, Shop], str]] = {
    "event_at_invalid": _suggest_times, IMPLAUSIBLE: _suggest_plausible,
    "price_negative": lambda judged, shop: suggest_discounts(judged),
}  # fmt: skip


def find_examples(judged: JudgedLog, code: str) -> list[str]:
    """Some different raw values of the column of a reason, from its first records."""
    show = _find_column(judged.source, code)
    if show is None:
        return []
    rejected = judged.records.where(F.array_contains("reasons", code)).select("delivery_id", "record_number")
    places = rejected.orderBy("delivery_id", "record_number").limit(20 * EXAMPLES).collect()
    wanted = {(row["delivery_id"], row["record_number"]) for row in places}
    values: dict[str, None] = {}
    for delivery_id in dict.fromkeys(row["delivery_id"] for row in places):
        for number, record in enumerate(read_records(judged.intake, judged.paths[delivery_id]), 1):
            if (delivery_id, number) in wanted and record.values:
                values[show(record)] = None
            if len(values) == EXAMPLES:
                return list(values)
    return list(values)


def _find_column(source: Source, code: str) -> Callable[[RawRecord], str] | None:
    """A function that gets the value of a reason's column from a record; None if the whole record is meant."""
    if code == "status_unknown" and source.status:
        place = source.raw_columns.index(source.status.column)
        return lambda record: (record.values[place] if record.values else "") or ""
    column = explain(code).column
    column = "amount" if column == "unit_price" and "amount" in source.columns else column
    if column is None or code.endswith("_missing") or column not in source.columns:
        return None
    return partial(raw_value, source, name=column)
