"""In a log, is a closing one record of the command's run?"""

from __future__ import annotations

import json

from infra.cli.closing import Closing
from infra.cli.running import Output
from spark_jobs.runtime import logs


def test_a_closing_is_one_record_that_keeps_the_run_of_the_command(monkeypatch, capsys):
    monkeypatch.setenv("CHURN_LOG", "json")
    monkeypatch.setattr(logs, "_context", {"run_id": "command-1"})
    closing = Closing()
    closing.add("night", "bazaar: done", run_id="score-2", customers=3)
    closing.add("next", "churn open")
    closing.show(Output())
    record = json.loads(capsys.readouterr().out)
    assert record["message"] == "night bazaar: done; next churn open"
    assert (record["run_id"], record["published_run"], record["customers"]) == ("command-1", "score-2", 3)
