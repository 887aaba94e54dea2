"""JSON: another name of `jsonl`, which also reads arrays and objects with an array of records."""

from spark_jobs.raw.formats.jsonl import FORMAT

__all__ = ["FORMAT"]
