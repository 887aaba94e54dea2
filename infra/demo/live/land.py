"""Writes the live shop's days, each once it is over: three logs, one gzipped file a day.

The first call sets and stores the first day, HISTORY_DAYS back; from then on every customer's life is fixed. Existing
files are left alone, and the same day always gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # started by its path

from infra.demo.simulated.life import live
from infra.demo.simulated.lines import HEADERS, ZONE, Line, Writer
from infra.demo.simulated.parameters import Parameters
from infra.demo.simulated.simulate import LOGS, SEED, make_calendar
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import day, run_command

HISTORY_DAYS, DAYS, CUSTOMERS = 300, 500, 800


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="CHURN_HOME")
    parser.add_argument("--until", type=day, help="last day to land; without it yesterday in the shop's time zone")
    arguments = parser.parse_args(argv)
    until = arguments.until or datetime.now(ZONE).date() - timedelta(days=1)
    land(arguments.home / "landing" / "live_shop", until)


def land(folder: Path, until: date) -> list[Path]:
    """Writes the missing files up to a day, and returns their paths."""
    first_day = find_first_day(folder, until)
    missing = set(due_files(folder, first_day, until))
    if not missing:
        return []
    contents = defaultdict(list)
    for line in simulate_lines(first_day):
        contents[name_file(folder, line.log, first_day + timedelta(days=line.delivered))].append(line)
    for file in missing:
        write_file(file, contents[file])
    return sorted(missing)


def find_first_day(folder: Path, until: date) -> date:
    """The first day, as set by the first call. Raises ChurnError if the shop's simulated days are over."""
    kept = folder / "first_day"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(f"{until - timedelta(days=HISTORY_DAYS)}\n")
    first_day = date.fromisoformat(kept.read_text().strip())
    if until >= first_day + timedelta(days=DAYS):
        raise ChurnError(f"the live shop ends after {DAYS} days: use a new CHURN_HOME")
    return first_day


def due_files(folder: Path, first_day: date, until: date) -> Iterator[Path]:
    for ahead in range((until - first_day).days + 1):
        for log in LOGS:
            file = name_file(folder, log, first_day + timedelta(days=ahead))
            if not file.exists():
                yield file


def name_file(folder: Path, log: str, delivered: date) -> Path:
    return folder / log / f"{delivered}.{LOGS[log]}"


def simulate_lines(first_day: date) -> Iterator[Line]:
    parameters = Parameters()
    calendar = make_calendar(first_day, DAYS, parameters)
    for number in range(CUSTOMERS):
        yield from Writer(live(SEED, number, calendar, parameters), calendar, parameters, first_day).lines()


def write_file(file: Path, lines: list[Line]) -> None:
    """Writes the file atomically, because a sensor may be waiting for it."""
    log = file.parent.name
    texts = [HEADERS[log]] if log in HEADERS else []
    texts += [line.text for line in sorted(lines, key=lambda line: line.key)]
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    content = "".join(f"{text}\n" for text in texts)
    draft.write_bytes(gzip.compress(content.encode(), compresslevel=6, mtime=0))
    draft.rename(file)


if __name__ == "__main__":
    sys.exit(run_command(main))
