"""CHURN_LOG=json: every line that a command or a job prints is one JSON object, for a collector of logs.

    {"time": "2026-11-21T01:00:07+00:00", "level": "info", "job": "clean", "run_id": "5f0c…", "shop": "corner_shop",
     "as_of": "2026-11-20", "message": "purchases: nothing new up to 2026-11-20"}

`run_id` is the same for everything that one `churn` command starts (CHURN_RUN_ID names one of your own); shop and as_of
are there once they are known. Tasks of Airflow print text, because Airflow's task log is structured itself.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import TextIO, cast

from spark_jobs.contract.settings import Settings

#: Airflow sets it for every task.
IN_AIRFLOW = "AIRFLOW_CTX_DAG_ID"
_ERROR, _WARNING = "error: ", "warning: "

_context: dict[str, object] = {}


def describe_run(**fields: object) -> None:
    """Adds fields to every following record of this process; None removes one."""
    _context.update(fields)
    for name in [name for name, value in _context.items() if value is None]:
        del _context[name]


def is_json(environment: Mapping[str, str] | None = None) -> bool:
    """Whether lines are to be JSON objects. Raises ChurnError if CHURN_LOG is neither text nor json."""
    environment = os.environ if environment is None else environment
    return Settings.from_environment(environment).log_format == "json" and IN_AIRFLOW not in environment


def make_record(message: str, **fields: object) -> str:
    """One record as a line of JSON, without the line's end."""
    level, text = "info", message
    if message.startswith(_ERROR):
        level, text = "error", message.removeprefix(_ERROR)
    elif _WARNING in message:
        level = "warning"
    head = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level}
    job = {"job": Path(sys.argv[0]).stem} if sys.argv and sys.argv[0] not in ("", "-c") else {}
    known = {**head, **job, **_context, **fields}
    return json.dumps({**known, "message": text}, default=str, ensure_ascii=False)


class JsonLines(io.TextIOBase):
    """A text stream that writes each finished line to another one as a record; blank lines are left out."""

    def __init__(self, stream: TextIO):
        self.stream, self._begun = stream, ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                self.stream.write(make_record(line.rstrip()) + "\n")
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def finish(self) -> None:
        """Writes a last line that has no end."""
        if self._begun:
            self.write("\n")
        self.flush()

    def fileno(self) -> int:
        return self.stream.fileno()

    def writable(self) -> bool:
        return True


def as_records(stream: TextIO) -> TextIO:
    """The stream, or where the settings say so one that makes records of its lines."""
    return cast(TextIO, JsonLines(stream)) if is_json() else stream


@contextmanager
def json_lines(with_stdout: bool = True) -> Iterator[None]:
    """Makes records of what this process prints, if the settings say so. with_stdout: not only of stderr."""
    if not is_json() or isinstance(sys.stderr, JsonLines):
        yield
        return
    describe_run(run_id=Settings.from_environment().run_id or token_hex(8))
    before = sys.stdout, sys.stderr
    streams = tuple(map(JsonLines, before))
    sys.stderr = cast(TextIO, streams[1])
    if with_stdout:
        sys.stdout = cast(TextIO, streams[0])
    try:
        yield
    finally:
        for stream in streams:
            stream.finish()
        sys.stdout, sys.stderr = before
