"""Is a job that is forked from the server like one that is started by `python -m`, and does it end with its client?"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from spark_jobs.runtime import job_client
from spark_jobs.runtime.job_client import VARIABLE, make_command
from tests.waiting import wait_until

PROBE = """
import json, os, sys
if __name__ == "__main__":
    print(json.dumps({"argv": sys.argv, "path": sys.path[0], "folder": os.getcwd(), "in": sys.stdin.read(),
                      "colour": os.environ.get("COLOUR"), "own": os.environ.get("SERVERS_OWN"),
                      "parent": os.getppid(), "main": sys.modules["__main__"].__file__}))
    sys.exit("no such day")
"""
ENDLESS = """
import os, subprocess, time
if __name__ == "__main__":
    child = subprocess.Popen(["sleep", "600"])
    print(os.getpid(), child.pid, flush=True)
    time.sleep(600)
"""
LIBRARIES = """
import sys
import deltalake, numpy, pyarrow, pyarrow.compute, pyarrow.dataset
if __name__ == "__main__":
    table = pyarrow.table({"x": numpy.random.default_rng(1).random(200_000), "part": numpy.arange(200_000) % 4})
    deltalake.write_deltalake(sys.argv[1], table, partition_by=["part"])
    files = deltalake.DeltaTable(sys.argv[1]).file_uris()
    found = pyarrow.dataset.dataset(files).to_table(use_threads=True)
    matrix = numpy.ones((300, 300))
    print(found.num_rows, int((matrix @ matrix).sum()))
"""
TIDY = """
import signal, sys, time
def leave(*_):
    time.sleep(0.2)
    sys.exit("tidied up")
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    print("ready", flush=True)
    time.sleep(600)
"""
#: Ends in the way that its argument names. `Freed` would speak if Python freed the module.
ENDING = """
import atexit, ctypes, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
class Freed:
    def __del__(self):
        print("freed", flush=True)
def say(word):
    time.sleep(0.2)
    sys.stdout.write(word + "\\n")
if __name__ == "__main__":
    kept = Freed()
    atexit.register(say, "handler")
    threading.Thread(target=say, args=["thread"]).start()
    ThreadPoolExecutor(1).submit(say, "pool")
    ctypes.CDLL(None).printf(b"in-C\\n")
    sys.exit(eval(sys.argv[1]))
"""
#: The server's code seems to change with every look at it.
CHANGING = "import sys; from spark_jobs.runtime import job_server as s; s.list_code = object; s.main(sys.argv[1:])"


class Server:
    """A server that forks the modules of a folder."""

    def __init__(self, folder: Path, *start: str):
        self.folder, self.socket = folder, folder / "socket"
        modules = {"probe": PROBE, "endless": ENDLESS, "libraries": LIBRARIES, "ending": ENDING, "tidy": TIDY}
        for name, code in modules.items():
            (folder / f"{name}.py").write_text(code)
        environment = {**os.environ, "PYTHONPATH": str(folder), "SERVERS_OWN": "1"}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket))
            listener.listen()
            words = [*(start or ("-m", "spark_jobs.runtime.job_server")), str(listener.fileno()), *modules]
            self.process = subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, env=environment,
                                            pass_fds=[listener.fileno()])  # fmt: skip

    def start(self, *words: str, **options) -> subprocess.Popen:
        command = [sys.executable, "-IS", job_client.__file__, str(self.socket), sys.executable, *words]
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "COLOUR": "blue"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=environment, **{**pipes, **options})

    def start_endless(self, **options) -> tuple[subprocess.Popen, list[int]]:
        """The client, and the ids of the job and of the job's child."""
        client = self.start("endless", **options)
        return client, [int(word) for word in client.stdout.readline().split()]


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.process.communicate()
    assert server.process.returncode == 0, "the server ends with its input"


def are_dead(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def test_a_forked_job_finds_what_a_started_one_does(server, tmp_path):
    client = server.start("probe", "--day", "2011-09-06")
    output, errors = client.communicate("given")
    found = json.loads(output)
    assert found.pop("parent") != server.process.pid
    file = str(tmp_path / "probe.py")
    assert found == {"argv": [file, "--day", "2011-09-06"], "path": str(tmp_path), "folder": str(tmp_path),
                     "in": "given", "colour": "blue", "own": None, "main": file}  # fmt: skip
    assert (client.returncode, errors) == (1, "no such day\n")


@pytest.mark.parametrize(("given", "code", "error"), [
    ("None", 0, ""), ("3", 3, ""), ("-1", 255, ""), ("'no such day'", 1, "no such day"), ("1 / 0", 1, "by zero"),
    ("exec('raise KeyboardInterrupt')", 130, "KeyboardInterrupt"),
])  # fmt: skip
def test_a_forked_job_ends_as_a_started_one_but_frees_nothing(server, given, code, error):
    client = server.start("ending", given)
    output, errors = client.communicate(timeout=60)
    assert client.returncode == code
    assert errors.strip().endswith(error)
    assert sorted(output.split()) == ["handler", "in-C", "pool", "thread"]


def test_a_forked_job_uses_the_threads_of_the_libraries_that_the_server_loaded(server, tmp_path):
    output, errors = server.start("libraries", str(tmp_path / "table")).communicate(timeout=60)
    assert output.split() == ["200000", str(300**3)], errors


def test_signals_reach_the_job(server):
    client, pids = server.start_endless()
    client.send_signal(signal.SIGTERM)
    assert client.wait(20) == 128 + signal.SIGTERM
    wait_until(lambda: are_dead(pids))


def test_a_job_and_its_children_are_killed_with_their_client(server):
    client, pids = server.start_endless()
    client.kill()
    client.wait()
    wait_until(lambda: are_dead(pids))


def test_a_job_is_killed_with_the_process_that_watches_it(server):
    client, pids = server.start_endless()
    guard = psutil.Process(pids[0]).parent()
    assert guard.pid not in (server.process.pid, client.pid)
    guard.kill()
    assert client.wait(20) == 128 + signal.SIGKILL
    wait_until(lambda: are_dead(pids[:1]))


def test_a_stop_of_all_processes_leaves_a_job_time_to_tidy_up(server):
    """`make airflow --stop` sends SIGTERM to whatever carries the mark, in any order."""
    client = server.start("tidy")
    assert client.stdout.readline() == "ready\n"
    guard = next(child for child in psutil.Process(server.process.pid).children() if child.children())
    job = guard.children()[0]
    guard.terminate()
    job.terminate()
    assert client.communicate(timeout=20)[1] == "tidied up\n"
    assert client.returncode == 1


def test_a_job_holds_the_lock_of_its_leash(server, tmp_path):
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    client, pids = server.start_endless(pass_fds=[lock])
    os.close(lock)
    with (tmp_path / "lock").open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        client.kill()
        wait_until(lambda: are_dead(pids))
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    client.wait()


def test_without_a_server_the_client_becomes_the_command(server):
    """Also for a module that the server was not given."""
    assert server.start("json.tool").communicate("[1]")[0] == "[\n    1\n]\n"
    server.process.communicate()
    client = server.start("probe")
    output, _ = client.communicate("")
    assert (json.loads(output)["parent"], client.returncode) == (os.getpid(), 1)


def test_changed_code_is_not_run_by_the_old_server(tmp_path):
    server = Server(tmp_path, "-c", CHANGING)
    output, _ = server.start("probe").communicate("")
    assert json.loads(output)["parent"] == os.getpid()
    server.process.communicate()


def test_a_command_goes_through_the_server_that_the_environment_names(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert make_command("python", ["probe", "--x"]) == ["python", "-m", "probe", "--x"]
    monkeypatch.setenv(VARIABLE, "/tmp/socket")
    assert make_command("python", ["probe", "--x"])[-4:] == ["/tmp/socket", "python", "probe", "--x"]
