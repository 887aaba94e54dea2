"""Does `churn` refuse wrong arguments at once, with a suggestion and the right exit code?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial

import click
import pytest

from infra.cli import commands, running
from infra.cli.__main__ import run
from tests.conftest import ROOT

WAITING = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1] + ".draft").write_text(str(os.getpid()))
os.rename(sys.argv[1] + ".draft", sys.argv[1])
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ("nigth", 2, "'night'"),
        ("night --shp x", 2, "'--shop'"),
        ("night --as-of 2011-13-01", 2, "write it like 2011-09-06"),
        ("export --to x.txt", 1, ".csv or .parquet"),
        ("night", 1, "churn init"),
        ("night --shop online_retial", 1, "did you mean 'online_retail'"),
        ("night --shop nowhere/shop.toml", 1, "there is no file nowhere/shop.toml"),
        ("night --shop online_retail", 1, "ended on 2011-09-06: give --as-of"),
        ("train --shop online_retail --as-of 2011-09-07", 1, "after the shop's end_date"),
        ("train --shop live --as-of 2099-01-01", 1, "in the future"),
        ("night --shop online_retail --as-of 2011-09-06 --restate 2011-09-06", 1, "must be a day after"),
        ("night --shop online_retail --as-of 2011-09-06", 1, "`churn demo --shop online_retail` delivers them"),
        ("restore nothing.tar", 1, "is not a backup"),
        ("backtest --shop online_retail --cutoffs 2012-01-01", 1, "after the shop's end_date"),
        ("backtest --shop online_retail --cutoffs 2011-05-01,2011-13-01", 2, "'2011-13-01' is no day"),
        ("rebuild --shop online_retail --table customer_dya", 1, "did you mean 'customer_day'"),
        ("export score --to x.csv", 2, "did you mean 'scores'"),
        ("reject lstm --shop online_retail", 1, "nothing in the warehouse yet"),
        ("init nothing.csv", 1, "there is no nothing.csv"),
        ("init README.md --like shopfy", 1, "did you mean 'shopify'"),
        ("init README.md --time-zone Europe/Berln --name A_b", 1, "--name: expected a name of a-z, 0-9 and _"),
        ("init README.md --time-zone Europe/Berln", 1, "did you mean 'Europe/Berlin'"),
        ("init README.md --currency EURO", 1, "--currency: expected a currency code like GBP, found 'EURO'"),
        ("init README.md --to nowhere/shop.toml", 1, "there is no folder"),
        ("init infra/demo/online_retail/README.md", 1, "shop.toml exists: give another file with --to"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(words, code, part, capsys, home):
    assert run(words.split()) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert part in lines[0]
    assert not (home / "warehouse").exists()


def test_a_misspelt_variable_is_refused_and_an_unrelated_one_is_not(monkeypatch, capsys):
    monkeypatch.setenv("CHURN_LANDING", "/data")
    monkeypatch.setenv("CHURN_WAREHOUSE_ULR", "postgresql://")
    assert run(["models"]) == 1
    assert capsys.readouterr().err == (
        "error: the variable CHURN_WAREHOUSE_ULR is no setting; did you mean 'CHURN_WAREHOUSE_URL'?\n"
    )


def test_wrong_arguments_are_refused_without_heavy_imports():
    code = (
        "import sys; from infra.cli.__main__ import run; run(['night', '--shp']);"
        "print(sorted({'pyarrow', 'deltalake', 'rich', 'psycopg', 'pyspark'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_exit_code_is_that_of_the_module_behind_the_verb(monkeypatch, tmp_path):
    module = tmp_path / "failing_module.py"
    module.write_text("import sys; sys.exit(int(sys.argv[1]))")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for code in (0, 1, 2):
        job = partial(running.run_job, "failing_module", code, output=running.Output())
        monkeypatch.setitem(commands.churn.commands, "fail", click.Command("fail", callback=job))
        assert run(["fail"]) == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_what_runs_without_a_traceback(tmp_path, number):
    (tmp_path / "waiting_module.py").write_text(WAITING)
    marker = tmp_path / "marker"
    code = (
        "import sys, click; from infra.cli import commands, running; from infra.cli.__main__ import run;"
        f"job = lambda: running.run_job('waiting_module', {str(marker)!r}, output=running.Output());"
        "commands.churn.add_command(click.Command('wait', callback=job)); sys.exit(run(['wait']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(number)
    _, errors = started.communicate(timeout=30)
    assert (errors.strip(), started.returncode) == ("stopped; run this again to continue", 130)
    assert not os.path.exists(f"/proc/{marker.read_text()}")


def test_ctrl_c_also_ends_the_shared_spark_and_may_say_what_continues(monkeypatch, home, capsys):
    ended = []
    monkeypatch.setattr(running, "stop_engine", ended.append)
    monkeypatch.setattr(running, "end_group", lambda child: None)
    monkeypatch.setattr(running.subprocess.Popen, "wait", lambda self, *_: (_ for _ in ()).throw(KeyboardInterrupt))

    def job() -> None:
        try:
            running.run_job("platform", output=running.Output(is_quiet=True))
        except KeyboardInterrupt:
            raise running.Stopped("stopped; churn check continues") from None

    monkeypatch.setitem(commands.churn.commands, "wait", click.Command("wait", callback=job))
    assert run(["wait"]) == 130
    assert capsys.readouterr().err.strip() == "stopped; churn check continues"
    assert ended == [home]
