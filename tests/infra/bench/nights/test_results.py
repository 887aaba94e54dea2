"""Does the page of `make bench` have the ratios and exponents of its runs?"""

import pytest

from infra.bench.nights.results import Runs, fit_exponent, make_sections, write_results
from infra.bench.nights.runs import Run, Step

#: How much of the first engine's CPU seconds an engine needs.
SHARES = {"connect": 1.0, "sail": 0.2}


def make_runs() -> list[Run]:
    runs = []
    for customers, factor in ((1_000, 1), (10_000, 10)):
        for half, share in ((", half the history", 0.5), ("", 1.0)):
            for engine, part in SHARES.items():
                clean, series = Step(6.0 * factor * part, 9.0, 10**9), Step(4.0 * share * part)
                steps = {"etl.clean": clean, "etl.series": series, "airflow": Step(5.0)}
                runs.append(Run(customers, engine, f"night{half}", steps, 20.0, 2 * 10**9, floor_seconds=0.25))
            runs.append(Run(customers, "duckdb", f"night{half}", {"start": Step(0.5), "clean": Step(1.5)}, 2.0, 10**8))
    return runs


def make_lines(runs: list[Run]) -> set[str]:
    return set("\n".join(make_sections(Runs(runs))).splitlines())


def test_the_page_compares_engines_and_the_costs_of_history_and_customers():
    lines = make_lines(make_runs())
    # Airflow's share is not the ETL's
    assert "| 1,000 | night | 15.0 | 10.0 | 5.0 | 7.0 | 2.0 | 1.0 | 2.0 | 0.25 |" in lines
    assert "| 1,000 | night | etl.clean | 6.0 | 9.0 | 1,000 | 1.2 | 9.0 | 1,000 |" in lines
    assert "| 1,000 | night | **all** | 15.0 | 20.0 | 2,000 | 7.0 | 20.0 | 2,000 |" in lines
    assert "| 1,000 | night | clean | 1.5 |  |  |" in lines
    assert "| 1,000 | night | etl.series | 2.0 | 4.0 | 2.00 | 0.4 | 0.8 | 2.00 |" in lines
    assert "| 1,000 | night | its ETL | 8.0 | 10.0 | 1.25 | 1.6 | 2.0 | 1.25 |" in lines
    assert "| 1,000 | night | its ETL | 2.0 | 2.0 | 1.00 |" in lines
    assert "| night | etl.clean | 1.00 | 1.00 |  |" in lines
    assert "| night | its ETL | 0.81 | 0.81 | 0.00 |" in lines


def test_an_engine_that_was_not_measured_has_no_columns():
    lines = make_lines([run for run in make_runs() if run.engine != "connect"])
    assert "| customers | run | Sail: whole run | its ETL | × DuckDB | DuckDB | floor |" in lines
    assert "| 1,000 | night | 7.0 | 2.0 | 1.0 | 2.0 | 0.25 |" in lines


def test_an_exponent_is_the_slope_between_sizes():
    assert fit_exponent({1_000: 3.0, 10_000: 30.0, 100_000: 300.0}) == pytest.approx(1)
    assert fit_exponent({3_000: 8.0, 30_000: 8.0}) == pytest.approx(0, abs=1e-9)


def test_the_files_are_written(tmp_path):
    page, picture = write_results(tmp_path, make_runs())
    assert "bench.svg" in page.read_text()
    assert picture.read_text().count("<svg") == 1
    assert '"case": "night"' in (tmp_path / "bench.json").read_text()
