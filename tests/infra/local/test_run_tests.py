"""Are all suites counted, also one without a report?"""

from __future__ import annotations

from collections import Counter

from infra.local import run_tests


def test_two_suites_are_counted_together(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="1"/></testsuites>')
    counts = run_tests.count_results(report) + run_tests.count_results(report)
    assert run_tests.sum_up(counts, 61.5) == "4 failed, 10 passed, 2 skipped, 2 error in 61.50s"


def test_a_suite_that_left_no_report_is_an_error(tmp_path):
    assert run_tests.count_results(tmp_path / "report.xml") == Counter(error=1)
