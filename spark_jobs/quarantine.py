"""Shows which records were rejected and why, and takes corrected records back in.

    python -m spark_jobs.quarantine show   --shop SHOP.toml [--log purchases] [--reason price_invalid] [--day DAY]
    python -m spark_jobs.quarantine fix    --shop SHOP.toml --log purchases --file fixed.jsonl [--reason …] [--day …]
    python -m spark_jobs.quarantine replay --shop SHOP.toml --log purchases --file fixed.jsonl

The lake keeps only the place of a rejected record, its keyed hash and the reasons; the record itself is read from the
raw file. `fix` writes rejected records to a file for a person to edit. `replay` turns the edited file into a delivery,
which the next run of clean reads. A record can be replayed once. If the shop has delivered the same event again
meanwhile, it is recognised as a duplicate, so nothing counts twice.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from spark_jobs.cleaning.deliveries import find_changed, find_intake, read_fixes
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import DELIVERIES
from spark_jobs.contract.rejections import explain
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import quarantine
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.raw.reader import FIXED, MENDED_PLACE, RawRecord, read_records
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, make_console, show_table

PLACE = MENDED_PLACE
REASONS = "_reasons"
TEXT = "_text"


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("action", choices=("show", "fix", "replay"))
    parser.add_argument("--log", help="only this log")
    parser.add_argument("--reason", help="only records with this reason")
    parser.add_argument("--day", type=day, help="only this delivery day")
    parser.add_argument("--limit", type=int, default=10, help="show: the most records to show for each reason")
    parser.add_argument("--file", type=Path, help="fix: the file to write; replay: the file to read")
    arguments, shop = load_arguments(parser, argv)
    if arguments.log and arguments.log not in shop.sources:
        raise ChurnError(f"{shop.name} has no log {arguments.log}: choose among {', '.join(shop.sources)}")
    settings = Settings.from_environment()
    lake = Lake(settings.lake(shop.name))
    if arguments.action == "show":
        show(make_console(), lake, shop, settings, arguments)
    elif arguments.log is None:
        raise ChurnError(f"{arguments.action} needs --log, one of {', '.join(shop.sources)}")
    elif shop.sources[arguments.log].hashes_orders:
        raise ChurnError(f"{arguments.log}: with updates and event_key, an order is what its newest file contains:"
                         " correct the record in the shop, and the next file contains it")  # fmt: skip
    elif arguments.action == "fix":
        write_fixes(lake, shop, settings, arguments)
    else:
        replay(lake, shop, settings, arguments.log, arguments.file)


def select(lake: Lake, log: str, arguments: argparse.Namespace) -> list[dict]:
    """The rows of the log's quarantine that match the arguments, sorted by place."""
    partitions = [arguments.day.isoformat()] if arguments.day else None
    rows = lake.arrow(quarantine(log), partitions).to_pylist()
    wanted = [row for row in rows if arguments.reason is None or arguments.reason in row["reasons"]]
    return sorted(wanted, key=lambda row: (row["delivery_day"], row["delivery_id"], row["record_number"]))


def find_raw(lake: Lake, shop: Shop, settings: Settings, log: str, rows: list[dict]) -> dict[tuple, tuple]:
    """(delivery, record number) -> (path, record) for these rows of the quarantine. Every file is read once, up to the
    last record needed. Files that are gone or have changed since they were registered are left out; the changed ones
    are printed.
    """
    wanted = defaultdict(set)
    for row in rows:
        wanted[row["delivery_id"]].add(row["record_number"])
    deliveries = [row for row in lake.arrow(DELIVERIES, [log]).to_pylist() if row["delivery_id"] in wanted]
    paths = {row["delivery_id"]: row["path"] for row in deliveries}
    changed = find_changed(find_intake(shop, log, settings), deliveries)
    for path in sorted(paths[delivery_id] for delivery_id in changed):
        print(f"{log}: {path} has changed since these records were rejected, so they cannot be read")
    found = {}
    for delivery_id, numbers in wanted.items():
        if delivery_id in changed:
            continue
        for number, record in _pick(shop, settings, log, paths[delivery_id], numbers):
            found[delivery_id, number] = (paths[delivery_id], record)
    return found


def _pick(shop: Shop, settings: Settings, log: str, path: str, numbers: set[int]) -> Iterator[tuple[int, RawRecord]]:
    for number, record in enumerate(read_records(find_intake(shop, log, settings), path), start=1):
        if number in numbers:
            yield number, record
        if number >= max(numbers):
            return


def show(console: PlainConsole, lake: Lake, shop: Shop, settings: Settings, arguments: argparse.Namespace) -> None:
    """Prints every reason with its count and remedy, and some raw records."""
    for log in [arguments.log] if arguments.log else shop.sources:
        rows = select(lake, log, arguments)
        counts = Counter(reason for row in rows for reason in row["reasons"])
        console.print(f"{log}: {len(rows):,} rejected records", style="bold")
        for code, count in counts.most_common():
            if arguments.reason in (None, code):
                chosen = [row for row in rows if code in row["reasons"]][: arguments.limit]
                remedy = explain(code).remedy
                sentence = f"\n{code}, {count:,}: {explain(code).meaning}. {remedy[:1].upper()}{remedy[1:]}."
                console.print(sentence)
                _show_records(console, shop, log, chosen, find_raw(lake, shop, settings, log, chosen))


def _show_records(console: PlainConsole, shop: Shop, log: str, rows: list[dict], found: dict[tuple, tuple]) -> None:
    """A table of the records of each file that have values, one in each column, and a line for each of the others."""
    tables: dict[str, list[ScreenColumn]] = {}
    for row in rows:
        path, record = found.get(
            (row["delivery_id"], row["record_number"]), ("a file that is gone or changed", RawRecord(None))
        )
        if record.values:
            cells = [value or "" for value in record.values]
            shown = tables.setdefault(path, [ScreenColumn("column", shop.sources[log].raw_columns)])
            shown.append(ScreenColumn(f"record {row['record_number']}", cells, len(shown) - 1))
        else:
            console.print(f"  {path}, record {row['record_number']}: {record.text or record.fault or ''}")
    for path, columns in tables.items():
        show_table(console, path, columns)


def write_fixes(lake: Lake, shop: Shop, settings: Settings, arguments: argparse.Namespace) -> None:
    """Writes the selected records as JSON lines, to be edited. Raises ChurnError where there is nothing to write."""
    log, file = arguments.log, arguments.file
    if file is None:
        raise ChurnError("fix needs --file FILE, to write the records to correct")
    done = replayed(settings, shop, log)
    rows = [row for row in select(lake, log, arguments) if _place(row) not in done]
    if not rows:
        raise ChurnError(f"{log}: there are no such rejected records, or all were already replayed")
    columns = shop.sources[log].raw_columns
    found = find_raw(lake, shop, settings, log, rows)
    rows = [row for row in rows if (row["delivery_id"], row["record_number"]) in found]
    if not rows:
        raise ChurnError(f"{log}: the files of these records were removed or changed after delivery: restore them")
    with file.open("w", encoding="utf-8") as lines:
        for row in rows:
            _, record = found[row["delivery_id"], row["record_number"]]
            line = dict(zip(columns, record.values or [None] * len(columns), strict=True))
            line |= {PLACE: _place(row), REASONS: row["reasons"]}
            line |= {} if record.values else {TEXT: record.text}
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{len(rows):,} records to correct in {file}: edit the values, delete the lines to leave out, then replay it")


def _place(row: dict) -> str:
    return f"{row['delivery_id']}:{row['record_number']}"


def replay(lake: Lake, shop: Shop, settings: Settings, log: str, file: Path | None) -> None:
    """Turns a file of corrected records into a delivery of the log. Raises ChurnError for the first faulty line."""
    if file is None or not file.is_file():
        raise ChurnError("replay needs --file FILE, the file that fix wrote and you have edited")
    known = {_place(row) for row in lake.arrow(quarantine(log)).to_pylist()}
    done = replayed(settings, shop, log)
    lines = [_check_line(shop, log, text, number, known) for number, text in enumerate(file.open("rb"), start=1)]
    places = [json.loads(line)[PLACE] for line in lines]
    if repeated := [place for place, count in Counter(places).items() if count > 1]:
        raise ChurnError(f"{file}: {repeated[0]} is corrected more than once")
    fresh = [line for line, place in zip(lines, places, strict=True) if place not in done]
    if not fresh:
        print(f"{log}: nothing new, {len(lines):,} records were replayed before")
        return
    content = "".join(line + "\n" for line in fresh)
    name = f"{sha256(content.encode()).hexdigest()[:16]}.jsonl"
    (Location.parse(find_intake(shop, log, settings).fixes) / name).write_text(content)
    print(f"{log}: {len(fresh):,} corrected records are in {FIXED}{name}; the next run of clean reads them")


def _check_line(shop: Shop, log: str, text: bytes, number: int, known: set[str]) -> str:
    """The line reduced to the raw columns and the place. Raises ChurnError if it is not a line of fix."""
    try:
        line = json.loads(text)
        place = line[PLACE]
    except (ValueError, KeyError, TypeError):
        raise ChurnError(f"line {number}: expected a JSON object with {PLACE}, as fix writes it") from None
    if place not in known:
        raise ChurnError(f"line {number}: {place!r} is no rejected record of {log}")
    return json.dumps({name: line.get(name) for name in (*shop.sources[log].raw_columns, PLACE)}, ensure_ascii=False)


def replayed(settings: Settings, shop: Shop, log: str) -> set[str]:
    """The places of all records that were replayed before."""
    return {record[PLACE] for _, record in read_fixes(find_intake(shop, log, settings))}


if __name__ == "__main__":
    sys.exit(run_command(main))
