"""deliveries: which raw files have arrived, and the day from which each is known.

Grain: one raw file, by path and content. Input: the source's folder. A row is written once and never changed, so that a
backfill, a retry and the night itself read the same records.

The delivery day is the date in the file's path less `lag_days` of shop.toml. If that day is published already, the file
belongs to the day of the run that first sees it. A file without a date in its path is a dump: each record belongs to
its event's day. Corrected records are deliveries, too, and belong to the first unpublished day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pyarrow as pa
import pyarrow.fs

from spark_jobs.contract.arrivals import belongs, find_delivery_day
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.ledger_tables import DELIVERIES
from spark_jobs.contract.reach import require_reachable
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.raw.reader import FIXED, Intake, open_folder

HASH_CHUNK_BYTES = 1 << 20


def find_intake(shop: Shop, log: str, settings: Settings) -> Intake:
    """Where the files of a log are: the source's folder, and that of corrected records. Raises ChurnError if the engine
    cannot read there."""
    source = shop.sources[log]
    require_reachable(settings, source.location, f"sources.{log}.location")
    return Intake(source, source.folder(settings.home), f"{settings.fixes(shop.name)}/{log}")


def register(lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> list[dict]:
    """Registers new files and returns all deliveries of the log.

    Raises MissingInputError if the source's folder does not exist.
    """
    if rows := describe_new(lake, shop, log, as_of, settings):
        lake.update(DELIVERIES, log, lambda current: _with_new(current, rows))
    return sorted(lake.arrow(DELIVERIES, [log]).to_pylist(), key=lambda row: (row["path"], row["sha256"]))


def describe_new(lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> list[dict]:
    """The deliveries that `register` would add; writes nothing."""
    intake = find_intake(shop, log, settings)
    known = lake.arrow(DELIVERIES, [log]).to_pylist()
    found = list_files(intake) + _list_fixes(intake)
    stamps = set(map(_stamp, known))
    fresh = [file for file in found if _stamp(file) not in stamps]
    newest_published = newest_night(lake) if fresh else None
    return [_describe(file, intake, newest_published, as_of) for file in fresh]


def find_changed(intake: Intake, chosen: Iterable[dict], registered: Iterable[dict] = ()) -> set[str]:
    """The delivery_ids of chosen deliveries whose file was overwritten with other content. Deleted files do not count.

    registered: deliveries whose hash is reused if a file has their path, size and time, so that it is not read again.
    """
    source_files = [row for row in chosen if not row["path"].startswith(FIXED)]  # corrections are never overwritten
    file_system, root = open_folder(intake.folder)
    infos = file_system.get_file_info([f"{root}/{row['path']}" for row in source_files])
    contents = {_stamp(row): row["sha256"] for row in (*chosen, *registered)}
    changed = set()
    for row, info in zip(source_files, infos, strict=True):
        now = (row["path"], info.size, _to_microseconds(info.mtime))
        if info.is_file and now != _stamp(row):
            contents[now] = contents.get(now) or _hash_file(intake.folder, row["path"])
            if contents[now] != row["sha256"]:
                changed.add(row["delivery_id"])
    return changed


def find_gone(intake: Intake, rows: Iterable[dict]) -> set[str]:
    """The delivery_ids of deliveries whose file was deleted."""
    source_files = [row for row in rows if not row["path"].startswith(FIXED)]
    file_system, root = open_folder(intake.folder)
    infos = file_system.get_file_info([f"{root}/{row['path']}" for row in source_files])
    return {row["delivery_id"] for row, info in zip(source_files, infos, strict=True) if not info.is_file}


def _stamp(row: dict) -> tuple:
    return row["path"], row["byte_count"], row["modified_at"]


def settle_delivery_day(path_day: date, newest_published: date | None, as_of: date) -> date:
    """The delivery day of a file with `path_day` in its path, first seen by the run of `as_of`."""
    if newest_published is None or path_day > newest_published:
        return path_day
    return first_open_day(newest_published, as_of)


def first_open_day(newest_published: date, as_of: date) -> date:
    """The delivery day of a file that arrives after its own day was published."""
    return max(as_of, newest_published + timedelta(days=1))


def _list_fixes(intake: Intake) -> list[dict]:
    return [
        {"path": FIXED + file.base_name, "byte_count": file.size,
         "modified_at": _to_microseconds(file.mtime).replace(microsecond=0)}
        for file in Location.parse(intake.fixes).list() if file.base_name.endswith(".jsonl")
    ]  # fmt: skip


def read_fixes(intake: Intake, paths: Iterable[str] | None = None) -> Iterator[tuple[str, dict]]:
    """The corrected records, each with the path of its delivery. paths: of deliveries; by default, of all of them."""
    chosen = [file["path"] for file in _list_fixes(intake)] if paths is None else paths
    for path in chosen:
        text = (Location.parse(intake.fixes) / path.removeprefix(FIXED)).read_text()
        yield from ((path, json.loads(line)) for line in text.split("\n") if line)


def list_files(intake: Intake) -> list[dict]:
    """path, byte_count and modified_at of the source's files. Raises MissingInputError if there are none."""
    source, folder = intake.source, intake.folder
    file_system, root = open_folder(folder)
    try:
        infos = file_system.get_file_info(pa.fs.FileSelector(root, recursive=True))
    except OSError as error:
        raise MissingInputError(f"{source.log}: no folder {folder} ({error}); correct location in shop.toml") from None
    files = [info for info in infos if info.is_file and belongs(_below(root, info.path), source)]
    if not files:
        raise MissingInputError(f"{source.log}: no file {source.files!r} in {folder}; correct files in shop.toml")
    return [
        {"path": _below(root, info.path), "byte_count": info.size, "modified_at": _to_microseconds(info.mtime)}
        for info in files
    ]


def _below(root: str, path: str) -> str:
    return path[len(root) :].lstrip("/")


def _to_microseconds(instant: datetime | None) -> datetime:
    return datetime.fromtimestamp(0, UTC) if instant is None else instant.astimezone(UTC)


def _describe(file: dict, intake: Intake, newest_published: date | None, as_of: date) -> dict:
    source, folder, name = intake.locate(file["path"])
    digest = _hash_file(folder, name)
    identity = "\x1f".join((source.log, file["path"], digest))
    delivery_day = not_before = None
    if source.delivery_day:
        is_fixed = file["path"].startswith(FIXED)
        path_day = as_of if is_fixed else find_delivery_day(file["path"], source.delivery_day)
        delivery_day = settle_delivery_day(path_day, newest_published, as_of)
    elif newest_published:
        not_before = first_open_day(newest_published, as_of)
    return {
        **file,
        "delivery_id": sha256(identity.encode()).hexdigest()[:16],
        "sha256": digest,
        "delivery_day": delivery_day,
        "not_before": not_before,
        "seen_as_of": as_of,
        "log": source.log,
    }


def _hash_file(folder: str, path: str) -> str:
    file_system, root = open_folder(folder)
    digest = sha256()
    with file_system.open_input_stream(f"{root}/{path}", compression=None) as stream:
        while chunk := stream.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _with_new(current: pa.Table, rows: list[dict]) -> pa.Table:
    """The current deliveries and those of `rows` that no other run has registered meanwhile."""
    registered = set(current.column("delivery_id").to_pylist())
    fresh = [row for row in rows if row["delivery_id"] not in registered]
    return pa.concat_tables([current, pa.Table.from_pylist(fresh, schema=current.schema)])
