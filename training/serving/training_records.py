"""Records of past trainings by run key, so that the same training is not repeated."""

from __future__ import annotations

import json
from datetime import date, datetime

from spark_jobs.contract import errors
from spark_jobs.lake.location import Location, Place
from spark_jobs.warehouse.records import ModelRecord
from training.serving.integrity import read_files


def find_record(models: Place, run_key: str) -> ModelRecord | None:
    """The record of the training with this run key, if its bundle still exists and is intact."""
    path = _locate(models, run_key)
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    record = ModelRecord(**{
        **values,
        "trained_through": date.fromisoformat(values["trained_through"]),
        "created_at": datetime.fromisoformat(values["created_at"]),
    })  # fmt: skip
    try:
        read_files(record.location, record.bundle_hash)
    except errors.ChurnError:
        return None  # lost or damaged: training again gives the same bundle
    return record


def keep_record(models: Place, run_key: str, record: ModelRecord) -> None:
    _locate(models, run_key).write_text(json.dumps(vars(record), default=lambda day: day.isoformat(), indent=1))


def _locate(models: Place, run_key: str) -> Location:
    return Location.parse(models) / "trainings" / f"{run_key}.json"
