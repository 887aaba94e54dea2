"""Does `churn stop` end everything that a command may have left running?"""

from __future__ import annotations

from infra.cli import verbs


def test_stop_ends_airflow_spark_a_cluster_and_last_the_warehouse(monkeypatch, capsys):
    ended = []
    monkeypatch.setattr(verbs, "run_module", lambda python, module, *words, output: ended.append((module, *words)))
    monkeypatch.setattr(verbs, "run_job", lambda module, *words, output: ended.append((module, *words)))
    verbs.stop_all()
    assert ended == [
        ("infra.local.airflow", "--stop"),
        ("spark_jobs.runtime.engine", "stop"),
        ("infra.local.cluster", "stop"),
        ("infra.local.warehouse", "stop"),
    ]
    assert "next" in capsys.readouterr().out
