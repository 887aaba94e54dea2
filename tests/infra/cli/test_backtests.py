"""Does a backtest close with the mean of the promoted models?"""

from __future__ import annotations

import json

from infra.cli.backtests import close_backtest
from infra.cli.running import Output
from spark_jobs.contract.shop.file import load_shop
from tests.conftest import ROOT


def test_a_backtest_closes_with_numbers_place_and_next_step(tmp_path, capsys):
    def row(method, auroc, horizon=60):
        return {"method": method, "horizon_days": horizon, "auroc": auroc, "log_loss": 0.5, "ece": None}

    metrics = [[row("promoted", 0.7), row("lstm", 0.9), row("promoted", 0.1, 30)], [row("promoted", 0.8)]]
    cutoffs = [{"cutoff": f"2011-0{month}-01", "metrics": rows} for month, rows in enumerate(metrics, 5)]
    (tmp_path / "backtest.json").write_text(json.dumps({"cutoffs": cutoffs}))
    shop = load_shop(ROOT / "infra/demo/online_retail/shop.toml")
    close_backtest(shop, tmp_path, "4.0 minutes", Output())
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) <= 5
    assert lines[0] == "backtest  online_retail at 2011-05-01, 2011-06-01: done in 4.0 minutes"
    assert lines[1] == "scores    promoted models at 60 days: AUROC 0.750, log loss 0.500"
    assert str(tmp_path) in lines[2]
    close_backtest(shop, tmp_path, "4.0 minutes", Output(is_json=True))
    assert json.loads(capsys.readouterr().out)["cutoffs"] == ["2011-05-01", "2011-06-01"]
