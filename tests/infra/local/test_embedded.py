"""Does the embedded server run only once, and does it start again after any kill?

All tests share one server, because its cluster takes seconds to create.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.local.embedded import EmbeddedPostgres
from spark_jobs.contract.errors import ChurnError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    yield home
    EmbeddedPostgres(home).stop()


@pytest.fixture
def server(home):
    """The running server."""
    server = EmbeddedPostgres(home)
    server.start()
    return server


def test_server_survives_its_starter_and_the_starters_process_group(home, server):
    server.stop()
    code = (
        "import os, time; from infra.local.embedded import *; "
        f"EmbeddedPostgres(Path({str(home)!r})).start(); print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    assert starter.stdout.readline() == b"up\n"

    os.killpg(starter.pid, signal.SIGINT)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()

    assert server.is_answering()


def test_a_further_database_is_made_once_and_is_not_the_warehouse(server):
    url = server.open_database("second-one")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")

    assert server.open_database("second-one") == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT one FROM mine").fetchone() == (1,)
    with psycopg.connect(server.url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT one FROM mine")


def test_server_keeps_port_password_and_data_over_a_restart(server):
    url = server.url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")

    assert server.stop() is True
    assert not server.is_answering()
    assert server.stop() is False
    assert server.start() == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]


def test_stop_ends_a_server_with_open_transactions(server):
    reader = psycopg.connect(server.url)
    reader.execute("SELECT 1")
    assert server.stop() is True
    reader.close()
    assert server.start() == server.url


@pytest.mark.parametrize("reused_by", ["nobody", "this process", "a torn file"])
def test_server_comes_back_after_kill_9(server, reused_by):
    pid_file = server.data / "postmaster.pid"
    pid, *others = pid_file.read_text().splitlines(keepends=True)
    os.kill(int(pid), signal.SIGKILL)
    # Process ids are reused: PostgreSQL by itself refuses to start if its old id belongs to a running process.
    if reused_by == "this process":
        pid_file.write_text("".join([f"{os.getpid()}\n", *others]))
    elif reused_by == "a torn file":
        pid_file.write_text("")

    assert server.start() == server.url
    assert server.is_answering()


def test_concurrent_starts_share_one_server(home, server):
    server.stop()
    code = f"from infra.local.embedded import *; EmbeddedPostgres(Path({str(home)!r})).start()"
    starters = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE) for _ in range(3)]

    assert [(s.communicate()[1], s.returncode) for s in starters] == [(b"", 0)] * 3
    assert server.is_answering()


def test_server_listens_on_loopback_only_and_asks_for_the_password(server):
    with psycopg.connect(server.url) as connection:
        addresses = connection.execute("SHOW listen_addresses").fetchone()
        methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
    assert (addresses, methods) == (("127.0.0.1",), [("scram-sha-256",)])
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(make_conninfo(server.url, password="wrong"))


def test_password_file_is_private(server):
    assert server.password_file.stat().st_mode & 0o077 == 0
    assert server.password_file.read_text() in server.url


def test_a_taken_port_is_reported_in_one_line(server):
    server.stop()
    port_file = server.folder / "port"
    port = port_file.read_text()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(port)))
        other.listen()
        with pytest.raises(ChurnError, match=f"port {port.strip()} is taken by another program"):
            server.start()
    server.start()


def test_another_port_is_chosen_if_the_port_file_is_lost(server):
    server.stop()
    (server.folder / "port").unlink()
    server.start()
    assert server.is_answering()


def test_a_replaced_password_file_is_reported_in_one_line(server):
    password = server.password_file.read_text()
    server.password_file.write_text("wrong")
    try:
        with pytest.raises(ChurnError, match=r"refuses the password in .*: restore that file"):
            server.start()
    finally:
        server.password_file.write_text(password)


@pytest.mark.skipif(os.geteuid() != 0, reason="the way in for a server that root starts")
def test_root_needs_no_permission_of_others_on_the_folders_above(home, server):
    assert home.parent.stat().st_mode & 0o007 == 0
    assert server.data.stat().st_uid != 0


def test_a_read_only_home_is_reported_in_one_line(tmp_path):
    (tmp_path / "warehouse").write_text("a file where the folder should be")

    with pytest.raises(ChurnError) as failure:
        EmbeddedPostgres(tmp_path).start()

    assert str(tmp_path) in str(failure.value)
    assert "\n" not in str(failure.value)


def test_an_interrupted_first_start_is_cleaned_up(tmp_path):
    half = tmp_path / "warehouse" / "data.half"
    half.mkdir(parents=True)
    server = EmbeddedPostgres(tmp_path)
    server.start()
    try:
        assert not half.exists()
    finally:
        server.stop()
