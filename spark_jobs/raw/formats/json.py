"""JSON under its plain name: the same as `jsonl`, which reads arrays and envelopes, too."""

from spark_jobs.raw.formats.jsonl import FORMAT

__all__ = ["FORMAT"]
