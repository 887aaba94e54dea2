"""Does the page of `make bench` have the ratios and exponents of its runs?"""

import pytest

from infra.bench.nights.results import Runs, fit_exponent, make_sections, write_results
from infra.bench.nights.runs import Run, Step


def make_runs() -> list[Run]:
    runs = []
    for customers, factor in ((1_000, 1), (10_000, 10)):
        for half, share in ((", half the history", 0.5), ("", 1.0)):
            steps = {"etl.clean": Step(6.0 * factor, 9.0, 10**9), "etl.series": Step(4.0 * share), "airflow": Step(5.0)}
            runs.append(Run(customers, "product", f"night{half}", steps, 20.0, 2 * 10**9, floor_seconds=0.25))
            runs.append(Run(customers, "duckdb", f"night{half}", {"start": Step(0.5), "clean": Step(1.5)}, 2.0, 10**8))
    return runs


def test_the_page_compares_engines_and_the_costs_of_history_and_customers():
    lines = set(make_sections(Runs(make_runs())))
    assert "| 1,000 | night | 15.0 | 10.0 | 2.0 | 5.0 |  |  | 0.25 |" in lines  # Airflow's share is not the ETL's
    assert "| 1,000 | night | etl.series | 2.0 | 4.0 | 2.00 |" in lines
    assert "| 1,000 | night | its ETL | 8.0 | 10.0 | 1.25 |" in lines
    assert "| night | etl.clean | 1.00 |" in lines
    assert "| 1,000 | night | etl.clean | 6.0 | 9.0 | 1,000 |" in lines


def test_an_exponent_is_the_slope_between_sizes():
    assert fit_exponent({1_000: 3.0, 10_000: 30.0, 100_000: 300.0}) == pytest.approx(1)
    assert fit_exponent({3_000: 8.0, 30_000: 8.0}) == pytest.approx(0, abs=1e-9)


def test_the_files_are_written(tmp_path):
    page, picture = write_results(tmp_path, make_runs())
    assert "bench.svg" in page.read_text()
    assert picture.read_text().count("<svg") == 1
    assert '"case": "night"' in (tmp_path / "bench.json").read_text()
