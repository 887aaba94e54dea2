"""Is the publication of a night stopped by blocking findings only?"""

from __future__ import annotations

from datetime import date

from training.drift import list_blocking
from training.monitoring.volume import check_eligible


def test_only_blocking_findings_are_listed():
    findings = [check_eligible(40, 100), check_eligible(90, 100), check_eligible(70, 100)]
    assert [finding.action for finding in findings] == ["block", "ok", "warn"]
    assert list_blocking(findings, date(2024, 6, 30)) == [
        "2024-06-30 eligible customers: 40 customers to score, the night before 100"
    ]
