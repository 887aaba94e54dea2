"""One log's files, read and judged in the same way as by clean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from pyspark.sql import DataFrame

from spark_jobs.checking.files import describe_nested, list_problems, suggest_delivery_day
from spark_jobs.checking.findings import Findings
from spark_jobs.cleaning.accounts import Tally, take_tallies
from spark_jobs.cleaning.cache import persist
from spark_jobs.cleaning.deliveries import find_intake, list_files
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.readings import judge_unseen
from spark_jobs.contract.arrivals import find_delivery_day
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.tables import EVENTS
from spark_jobs.raw.columns import FileColumns, inspect_files
from spark_jobs.raw.reader import Intake, RawRecord, read_records
from spark_jobs.runtime.session import SparkOpener

SAMPLED_FILES, SAMPLED_RECORDS = 20, 1000  # to find the number format


@dataclass(frozen=True)
class JudgedLog:
    """The result of reading one log's files."""

    intake: Intake
    files: list[dict]
    records: DataFrame
    tallies: list[Tally]
    columns: list[FileColumns]

    @property
    def source(self) -> Source:
        return self.intake.source

    @property
    def paths(self) -> dict[str, str]:
        return {file["delivery_id"]: file["path"] for file in self.files}


def judge_log(
    open_spark: SparkOpener, shop: Shop, log: str, settings: Settings, most_files: int, findings: Findings
) -> JudgedLog | None:
    """The log's judged records; None if no record can be judged, and a finding says why."""
    intake = find_intake(shop, log, settings)
    try:
        files = list(_describe_files(intake, most_files))
    except ChurnError as error:
        findings.add(str(error))
        return None
    columns = inspect_files(intake, [file["path"] for file in files])
    if all(file.problem for file in columns):
        findings.add(f"{log}: {list_problems(log, columns)}")
        if nested := describe_nested(intake.source, columns):
            findings.add(f"{log}: {nested}")
        return None
    plan = CleaningPlan(EVENTS[log], "", tuple(files), tuple(files))
    records = persist(judge_unseen(open_spark(), plan, shop, settings))
    return JudgedLog(intake, files, records, take_tallies(records), columns)


def _describe_files(intake: Intake, most_files: int) -> Iterator[dict]:
    """The files as rows of deliveries; if there are many, a sample spread over time."""
    source = intake.source
    files = sorted(list_files(intake), key=lambda file: file["path"])
    for file in files[:: -(-len(files) // most_files)]:
        day = _find_day(file["path"], files, source)
        yield file | {"delivery_id": file["path"], "delivery_day": day, "not_before": None, "seen_as_of": date.max,
                      "log": source.log}  # fmt: skip


def _find_day(path: str, files: list[dict], source: Source) -> date | None:
    """The delivery day of a file. Raises ChurnError, with the setting that would read all names if there is one."""
    try:
        return find_delivery_day(path, source.delivery_day) if source.delivery_day else None
    except ChurnError as error:
        proposal = suggest_delivery_day(source, [file["path"] for file in files])
        raise ChurnError(f"{error}{'; ' if proposal else ''}{proposal}") from None


def raw_value(source: Source, record: RawRecord, name: str) -> str:
    """The raw value of a canonical column; for an unreadable record its text or its fault."""
    mapping = source.columns.get(name)
    if mapping is None or mapping.column is None:
        return (mapping.constant if mapping else "") or ""
    if record.values is None:
        return record.text[:40] or record.fault or ""
    texts = [record.values[source.raw_columns.index(column)] or "" for column in mapping.raw_columns]
    if mapping.others and name in LOGS[source.log].numbers:
        return next((text for text in texts if re.search("[1-9]", text)), texts[0])
    return " ".join(filter(None, texts))


def sample_numbers(judged: JudgedLog) -> dict[str, list[str]]:
    """The raw numbers of the first records, by canonical column."""
    source, paths = judged.source, sorted(judged.paths.values())
    names = [name for name in LOGS[source.log].numbers if name in source.columns and source.columns[name].column]
    texts: dict[str, list[str]] = {name: [] for name in names}
    for path in paths[:: -(-len(paths) // SAMPLED_FILES)]:
        for record in islice(read_records(judged.intake, path), SAMPLED_RECORDS):
            for name in names if record.values else ():
                if text := raw_value(source, record, name).strip():
                    texts[name].append(text)
    return texts
