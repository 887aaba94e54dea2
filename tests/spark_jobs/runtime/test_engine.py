"""One Spark server for all jobs: which job starts it, which find it, and when does it end? A script replaces Spark."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from spark_jobs.contract.errors import ChurnError, TransientError
from spark_jobs.contract.settings import CONNECT, SAIL, Settings
from spark_jobs.runtime import engine, own_network
from spark_jobs.runtime.java import require_java
from spark_jobs.runtime.session import open_session
from tests.waiting import wait_until

SERVER = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""
#: A job that joins the server, prints its address, and works until its standard input ends.
JOB = """
import sys
from pathlib import Path
from spark_jobs.runtime import engine
engine.make_command = lambda port, options: [sys.executable, "-c", sys.argv[3], str(port)]
engine.make_fingerprint = lambda options: sys.argv[2]
options = engine.EngineOptions("local[1]", {}, int(sys.argv[4]), sys.argv[5])
print(engine.join_engine(Path(sys.argv[1]), options).url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start_job(tmp_path):
    """Starts jobs; ends them and the server after the test."""
    jobs = []

    def start(code: str = "code", idle_seconds: int = 60, kind: str = CONNECT) -> subprocess.Popen:
        words = [sys.executable, "-c", JOB, str(tmp_path), code, SERVER, str(idle_seconds), kind]
        job = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        jobs.append(job)
        return job

    yield start
    for job in jobs:
        job.kill()
        job.communicate()
    for _ in range(50):
        if engine.stop_engine(tmp_path):
            return
        time.sleep(0.1)


def read_url(job: subprocess.Popen) -> str:
    return job.stdout.readline().strip()


def leave(job: subprocess.Popen) -> None:
    job.communicate("")


def find_record(home: Path) -> engine.Engine | None:
    return engine.read_record(engine.find_folder(home))


def is_running(home: Path, found: engine.Engine) -> bool:
    return engine.is_alive(engine.find_folder(home), found)


def test_one_of_two_starters_wins_and_later_jobs_use_its_server(start_job, tmp_path):
    first, second = start_job(), start_job()
    urls = {read_url(first), read_url(second)}
    leave(first)
    leave(second)
    assert urls == {read_url(start_job())}
    record = engine.find_folder(tmp_path) / "record.json"
    assert record.stat().st_mode & 0o077 == 0
    assert json.loads(record.read_text())["token"] in urls.pop()


def test_a_dead_server_is_replaced(start_job, tmp_path):
    job = start_job()
    before = read_url(job)
    os.killpg(find_record(tmp_path).group, signal.SIGKILL)
    after = read_url(start_job())
    assert after.startswith("sc://localhost:")
    assert after != before


def test_after_a_code_change_the_old_server_finishes_its_jobs_and_ends(start_job, tmp_path):
    job = start_job("old code")
    read_url(job)
    old = find_record(tmp_path)
    read_url(start_job("new code"))
    assert find_record(tmp_path).fingerprint == "new code"
    assert is_running(tmp_path, old)
    leave(job)
    wait_until(lambda: not is_running(tmp_path, old), 10)
    assert is_running(tmp_path, find_record(tmp_path))


def test_a_server_ends_by_itself_once_its_last_job_has_ended_even_if_that_was_killed(start_job, tmp_path):
    job = start_job(idle_seconds=1)
    read_url(job)
    found = find_record(tmp_path)
    time.sleep(2)
    assert is_running(tmp_path, found)
    job.kill()
    wait_until(lambda: not is_running(tmp_path, found), 10)
    assert find_record(tmp_path) is None


def test_stop_leaves_a_server_that_is_in_use(start_job, tmp_path):
    job = start_job()
    read_url(job)
    found = find_record(tmp_path)
    assert not engine.stop_engine(tmp_path)
    assert is_running(tmp_path, found)
    leave(job)
    assert engine.stop_engine(tmp_path)
    wait_until(lambda: not is_running(tmp_path, found), 10)


@pytest.mark.skipif(not own_network.is_allowed(), reason="this machine lets its user make no network namespace")
def test_no_port_leads_to_a_server_that_checks_no_token(start_job, tmp_path):
    job = start_job(kind=SAIL)
    url, found = read_url(job), find_record(tmp_path)
    assert url == f"unix:{engine.find_folder(tmp_path)}/{found.id}.socket"
    assert is_running(tmp_path, found)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", found.port), timeout=1)
    leave(job)
    assert engine.stop_engine(tmp_path)
    wait_until(lambda: not Path(found.socket).exists(), 10)


def test_a_server_that_does_not_start_is_an_error_that_names_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "make_command", lambda port, options: [sys.executable, "-c", "exit('no Java')"])
    with pytest.raises(TransientError, match=r"engine\.log"):
        engine.join_engine(tmp_path, engine.EngineOptions("local[1]", {}, 1))
    assert "no Java" in (tmp_path / "logs" / "engine.log").read_text()


def test_a_missing_java_is_said_before_spark_starts_unless_its_own_script_sets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ChurnError, match="Java 17 or 21 is needed"):
        engine.join_engine(tmp_path, engine.EngineOptions("local[1]", {}, 1))
    with pytest.raises(ChurnError, match="Java 17 or 21 is needed"):
        open_session("none", Settings(tmp_path))
    (tmp_path / "spark-env.sh").touch()
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    require_java()


def test_an_installed_library_changes_the_fingerprint(monkeypatch, tmp_path):
    options = engine.EngineOptions("local[1]", {}, 1)
    (libraries := tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(libraries))
    known = engine.make_fingerprint(options)
    assert engine.make_fingerprint(options) == known
    os.utime(libraries, (0, 0))
    assert engine.make_fingerprint(options) != known


def test_a_change_of_settings_or_of_code_changes_the_fingerprint(monkeypatch, tmp_path):
    options = engine.EngineOptions("local[1]", {"spark.ui.enabled": "false"}, 1)
    known = engine.make_fingerprint(options)
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")  # as Spark's client sets it
    assert engine.make_fingerprint(options) == known
    assert engine.make_fingerprint(engine.EngineOptions("local[2]", options.conf, 1)) != known
    monkeypatch.setenv("SPARK_DRIVER_MEMORY", "3g")
    assert engine.make_fingerprint(options) != known
