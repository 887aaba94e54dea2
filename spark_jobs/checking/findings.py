"""The results of a check: findings, to be solved before the first night, and notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

#: A fault in at most this share of the records is not a fault of shop.toml.
TOLERATED_SHARE = 0.02


@dataclass
class Findings:
    """Findings and notes, one sentence each, without repetitions. last_days: log -> the day of its newest event."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    last_days: dict[str, date] = field(default_factory=dict)

    def add(self, sentence: str) -> None:
        if sentence not in self.problems:
            self.problems.append(sentence)

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def add_or_note(self, sentence: str, is_problem: bool) -> None:
        (self.add if is_problem else self.note)(sentence)
