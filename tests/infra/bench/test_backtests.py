"""The tables of results: every number is in its shop's column, and means over shops are weighted by tasks."""

from __future__ import annotations

from infra.bench.backtests import Backtest, write_short_table, write_tables


def make_backtest(name: str, tasks: int, rank: float, worse: int) -> Backtest:
    row = {"auroc_difference": 0.01, "auroc_interval": [-0.005, 0.025], "better_tasks": 2, "worse_tasks": worse}
    summary = {
        "tasks": tasks, "promoted": {"2024-01-01": "blend", "2024-02-01": "lstm"}, "auroc": 0.7512, "log_loss": 0.5,
        "bound": 0.49, "bias": -0.02, "calibrated_tasks": tasks - 1, "mean_rank": rank,
        "methods": [{"method": m, "mean_rank": rank + n, **row} for n, m in enumerate(("blend", "lstm"))],
    }  # fmt: skip
    ways = {way: {"log loss": 0.6, "|bias|": 0.0312, "cut-offs": 21} for way in ("none", "bound")}
    return Backtest(name, name.title(), summary, "table", ways if name == "corner" else {})


def test_numbers_are_listed_under_their_shop():
    lines = write_tables([make_backtest("corner", 3, 1.0, 0), make_backtest("mall", 6, 2.5, 1)]).splitlines()
    assert "| Corner | 3 | 1 × blend, 1 × lstm | 0.751 | 0.5000 | 0.4900 | -0.020 | 2 of 3 | 4 / 0 of 3 |" in lines
    assert "| Mall | 6 | 1 × blend, 1 × lstm | 0.751 | 0.5000 | 0.4900 | -0.020 | 5 of 6 | 4 / 2 of 6 |" in lines
    assert "| promoted | 1.00 | 2.50 | 2.00 |" in lines  # (3 * 1.0 + 6 * 2.5) / 9
    assert "| lstm | 2.00 | 3.50 | 3.00 |" in lines
    assert "| blend | +0.0100 (-0.0050 to +0.0250) | +0.0100 (-0.0050 to +0.0250) |" in lines
    assert "| none | 0.6000, 0.031 |" in lines
    assert lines[-1].count("](backtest_") == 2


def test_the_readme_table_has_self_explanatory_columns():
    lines = write_short_table([make_backtest("corner", 3, 1.0, 0)]).splitlines()
    assert (
        lines[0] == "| shop | AUROC | log loss | expected − actual churn | calibrated | significantly better / worse |"
    )
    assert lines[2] == "| Corner | 0.751 | 0.5000 | -0.020 | 2 of 3 | 4 / 0 of 3 |"
