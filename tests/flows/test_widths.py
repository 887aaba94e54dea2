"""Do the tables of all verbs fit 80 and 140 columns and a pipe, with uncut headings and ids?

One prepared home serves the verbs that only read. What others print is printed from rows of the same kind.
"""

from __future__ import annotations

import io
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from infra.cli.__main__ import run
from infra.cli.commands import churn
from infra.local.init import Guess
from infra.local.init import show as show_guesses
from infra.local.results import show_metrics, show_risks
from spark_jobs.checking.overview import show_files_lines
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.quarantine import _show_records
from spark_jobs.raw.hashing import make_hasher
from spark_jobs.raw.reader import RawRecord
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.warehouse.connection import connect
from tests.conftest import ROOT
from tests.spark_jobs.warehouse.support import DAY, make_model, make_pairs, make_rows, publish
from training.drift import show as show_drift
from training.monitoring.findings import Finding
from training.outcomes import show as show_outcomes
from training.reporting.gate import show_gate

SHOP = """
name = "widths"
time_zone = "Europe/Berlin"
currency = "EUR"
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
columns = { customer_id = "client", event_at = "at", unit_price = "price" }
"""
LONG_ID = "customer-of-the-shop-0123456789"
PIPE = 200
#: Verb -> texts that must be uncut on every screen.
VERBS = {
    "models": ("version", "state", "lstm-2011-01-31-0123abcd", "waits for approval"),
    f"customer {LONG_ID}": ("as of", "30 days", "2011-09-06"),
    "status": ("warehouse", "scores", "approval"),
    f"erase {LONG_ID}": ("churn_risk", "identity.customers"),
}
#: Verbs without a table of their own. psql, and the pages of a browser, lay out their own.
WITHOUT_TABLE = set(
    ["airflow", "approve", "backup", "export", "night", "open", "rebuild", "reject", "restore", "sql", "stop"]
)
KEY = "3f3969c3a913c5fa7b3cd1ee0d5a6f21"
REASON = "A purchase only every 203 days, the last one 41 days ago; half as many visits as in the weeks before"
METRICS = {"n": 12345, "churn_rate": 0.512, "predicted_rate": 0.5, "expected_rate": 0.5, "auroc": 0.771, "pr_auc": 0.8,
           "log_loss": 0.5551, "brier": 0.19, "ece": 0.021, "lift_10": 1.7, "as_of": DAY}  # fmt: skip
ROWS = [{**METRICS, "horizon_days": days, "method": method} for days in (30, 60, 90) for method in ("lstm", "boosting")]


def print_demo(console: PlainConsole, shop: Shop) -> None:
    money = {"band": "medium", "spend_at_risk": 2_879_123.89, "reason_text": REASON, "as_of": DAY, "customer_id": KEY}
    show_risks(console, [money | {f"p_churn_{days}d": 0.5 for days in (30, 60, 90)}], shop)
    show_metrics(console, {"cutoff": str(DAY), "metrics": ROWS}, SimpleNamespace(kind="lstm"))


def print_training(console: PlainConsole, shop: Shop) -> None:
    verdict = SimpleNamespace(promoted="lstm", refused={}, unjudged=[], reasons=[], warnings=[], passed=True)
    rows = [SimpleNamespace(**row) for row in ROWS]
    show_gate(SimpleNamespace(cutoff=DAY, metrics=rows, verdict=verdict), console.console)


def print_rejected(console: PlainConsole, shop: Shop) -> None:
    rows = [{"delivery_id": "d", "record_number": number} for number in (3, 4, 117)]
    records = {("d", row["record_number"]): ("2026/orders.csv", RawRecord([LONG_ID, "now", "free"])) for row in rows}
    _show_records(console, shop, "purchases", rows, records)


def print_check(console: PlainConsole, shop: Shop) -> None:
    counts = dict.fromkeys(("lines_in", "clean", "quarantined", "duplicates"), 12_345_678)
    show_files_lines(console, [{"path": f"2026/11/{LONG_ID}.csv", **counts}])


def print_init(console: PlainConsole, shop: Shop) -> None:
    guesses = [Guess("time_zone", "Europe/Berlin", REASON), Guess("currency", "EUR", "12,345 records of orders.csv")]
    show_guesses(console.console, Path("/data/shop.toml"), None, guesses)


def print_drift(console: PlainConsole, shop: Shop) -> None:
    show_drift([Finding("inputs", "days_since_purchase", 1.0, 2.0, 0.4, "warn", REASON)], console.console)


#: Name -> what prints its tables, and texts that must be uncut on every screen.
PRINTERS = {
    "demo": (print_demo, (KEY, "60 days", "at risk, EUR", "AUROC", "log loss", "boosting")),
    "train": (print_training, ("horizon", "method", "AUROC", "log loss", "boosting")),
    "outcomes": (lambda console, shop: show_outcomes(ROWS, console.console), ("as of", "AUROC", str(DAY))),
    "quarantine": (print_rejected, ("record 3", LONG_ID, "client", "2026/orders.csv")),
    "check": (print_check, (f"{LONG_ID}.csv", "lines", "12,345,678")),
    "init": (print_init, ("time_zone", "Europe/Berlin")),
    "drift": (print_drift, ("days_since_purchase",)),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, warehouse_url):
    home = tmp_path_factory.mktemp("widths")
    (home / "shop.toml").write_text(SHOP)
    settings = Settings(home, warehouse_url=warehouse_url)
    shop, warehouse = load_shop(home / "shop.toml"), connect(settings)
    warehouse.prepare(shop)
    key = make_hasher(settings, shop).customer_key(LONG_ID)
    warehouse.upsert_customers(shop, "k1", [make_pairs(**{key: LONG_ID})])
    for back in range(3):
        rows = make_rows([key], DAY - timedelta(back), reason_text=REASON)
        publish(warehouse, shop, f"run-{back}", rows, DAY - timedelta(back))
    for version in ("lstm-2011-01-31-0123abcd", "blend-2011-01-30-0123abcd"):
        warehouse.register_model(shop, make_model(version))
    return home


@pytest.mark.parametrize("width", [80, 140, None])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.split()[0])
def test_a_verb_fits_the_screen(verb, width, home, warehouse_url, monkeypatch, capfd):
    monkeypatch.setenv("CHURN_HOME", str(home))
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", warehouse_url)
    monkeypatch.delenv("COLUMNS", raising=False)
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    run([*verb.split(), "--shop", str(home / "shop.toml")])
    shown = capfd.readouterr().out
    tables = [line for line in shown.splitlines() if line[:1] in "│┃┏┡├└┌✓✗ "]
    assert tables
    assert max(map(len, tables)) <= (width or PIPE)
    assert "…" not in shown
    assert [text for text in VERBS[verb] if text not in shown] == []


@pytest.mark.parametrize("width", [80, 140, PIPE])
@pytest.mark.parametrize("name", PRINTERS)
def test_what_other_commands_print_fits_the_screen(name, width, home):
    printer, texts = PRINTERS[name]
    file = io.StringIO()
    printer(PlainConsole(Console(file=file, width=width, highlight=False)), load_shop(home / "shop.toml"))
    shown = file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    assert [text for text in texts if text not in shown] == []


def test_every_verb_is_tried_here_or_has_no_table():
    tried = {verb.split()[0] for verb in VERBS} | PRINTERS.keys()
    assert churn.commands.keys() - tried - {"backtest"} == WITHOUT_TABLE  # tests/training/test_backtest.py has that one


@pytest.mark.parametrize("verb", ["", *churn.commands])
def test_help_fits_80_columns(verb, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*filter(None, [verb]), "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_list_of_make_commands_fits_80_columns():
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("words", ["models", f"customer {LONG_ID}", "status", "export --to scores.csv",
                                   "reject blend-2011-01-30-0123abcd", "approve lstm-2011-01-31-0123abcd"])  # fmt: skip
def test_with_json_stdout_is_one_json_value(words, home, warehouse_url, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("CHURN_HOME", str(home))
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", warehouse_url)
    monkeypatch.chdir(tmp_path)
    run([*words.split(), "--json", "--shop", str(home / "shop.toml")])
    assert json.loads(capfd.readouterr().out)
