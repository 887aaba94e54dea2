"""Records of past trainings by run key, so that the same training is not repeated."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

from spark_jobs.contract import errors
from spark_jobs.warehouse.records import ModelRecord
from training.serving.integrity import read_files


def find_record(models: Path, run_key: str) -> ModelRecord | None:
    """The record of the training with this run key, if its bundle still exists and is intact."""
    path = models / "trainings" / f"{run_key}.json"
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    record = ModelRecord(**{
        **values,
        "trained_through": date.fromisoformat(values["trained_through"]),
        "created_at": datetime.fromisoformat(values["created_at"]),
    })  # fmt: skip
    try:
        read_files(Path(record.location), record.bundle_hash)
    except errors.ChurnError:
        return None  # lost or damaged: training again gives the same bundle
    return record


def keep_record(models: Path, run_key: str, record: ModelRecord) -> None:
    path = models / "trainings" / f"{run_key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(vars(record), default=lambda day: day.isoformat(), indent=1))
    draft.rename(path)
