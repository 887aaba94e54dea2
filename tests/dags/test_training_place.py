"""Does the training run where the connection says, as if it ran here? Scripts stand for `ssh` and `kubectl`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from dags.shops import find_shops
from dags.training_place import CONNECTION, TrainingOperator
from tests.dags.interrupting import interrupted

SHOP = next(shop for shop in find_shops() if shop.name == "online_retail")
#: What a training there does: prints half a letter, what it got, and its result.
TRAINING = (
    'printf "\\303\\n"; echo "$MARK $CHURN_LOG $*"; echo \'result: {"version": "v1", "report": "shop/page.html"}\''
)


@pytest.fixture
def commands(tmp_path, monkeypatch) -> Path:
    """A folder of commands, the first on PATH. Each notes its arguments, a line each, in a file NAME.args."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CHURN_HOME", str(tmp_path / "home"))
    return tmp_path


def add_command(folder: Path, name: str, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    note = f'printf "%s\\n" "$@" >> {folder / name}.args'
    (folder / name).write_text(f"#!/bin/bash\n{note}\n{script}\n")
    (folder / name).chmod(0o755)


def set_place(monkeypatch, **fields) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(fields))


def train() -> tuple[dict, dict]:
    """The result of the task, and its XComs."""
    pushed: dict = {}
    names = {"dag_id": "dag", "run_id": "run", "task_id": "train", "map_index": -1}
    ti = SimpleNamespace(**names, xcom_push=lambda key, value: pushed.update({key: value}))
    task = TrainingOperator(
        task_id="train", command=["training.train"], shop=SHOP, days=["2011-09-06"], with_result=True,
        options=["--epochs=3", ""],
    )  # fmt: skip
    return task.execute({"ti": ti}), pushed


def make_host(folder: Path, monkeypatch, training: str = TRAINING) -> None:
    """A host with a checkout and a file of variables; `ssh` runs its last argument."""
    add_command(folder / "checkout/.venv/bin", "python", training)
    (folder / "churn.env").write_text("MARK='its own variable'\nCHURN_LOG=json\n")
    add_command(folder, "ssh", 'exec sh -c "${@: -1}"')
    extra = {"folder": str(folder / "checkout"), "variables": str(folder / "churn.env"), "key_file": "/keys/one"}
    set_place(monkeypatch, conn_type="ssh", host="gpu.example", login="churn", port=2222, extra=extra)


def test_over_ssh_the_host_trains_and_the_result_comes_back(commands, monkeypatch, capsys):
    make_host(commands, monkeypatch)
    result, _ = train()
    assert result == {"version": "v1", "report": "shop/page.html"}
    asked = (commands / "ssh.args").read_text().splitlines()
    assert asked[asked.index("-p") + 1] == "2222"
    assert asked[asked.index("-i") + 1] == "/keys/one"
    assert "churn@gpu.example" in asked
    ran = (commands / "checkout/.venv/bin/python.args").read_text().split()
    days = ["--as-of", "2011-09-06"]
    assert ran == ["-m", "training.train", "--shop", str(SHOP.path), *days, "--epochs=3", "--result", "-"]
    assert "its own variable text -m training.train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("training", "kind", "text"),
    [
        ("echo 'error: no GPU is free' >&2; exit 1", AirflowFailException, "no GPU is free"),
        ("echo Killed; exit 137", AirflowException, "Killed"),
    ],
)
def test_an_error_there_is_the_error_of_the_task(commands, monkeypatch, training, kind, text):
    make_host(commands, monkeypatch, training)
    with pytest.raises(AirflowException, match=text) as caught:
        train()
    assert type(caught.value) is kind


def test_a_pod_of_the_template_trains_and_the_result_comes_back(commands, monkeypatch):
    add_command(commands, "kubectl", f'MARK=pod; [ "$1" != run ] || {{ {TRAINING}; }}')
    set_place(monkeypatch, conn_type="kubernetes", extra={"namespace": "shops"})
    result, _ = train()
    assert result["version"] == "v1"
    deleted, _, ran = (commands / "kubectl.args").read_text().partition("run\n")
    assert deleted.split()[:2] == ["delete", "pod"]
    name, _, namespace, *options = ran.splitlines()
    assert namespace == "shops"
    pod = json.loads(next(o for o in options if o.startswith("--overrides=")).partition("=")[2])
    container = pod["spec"]["containers"][0]
    assert pod["metadata"]["name"] == name == deleted.split()[2]
    assert container["args"][3:7] == ["training", "python", "-m", "training.train"]
    assert container["args"][-2:] == ["--result", "-"]
    assert container["env"][-1] == {"name": "CHURN_LOG", "value": "text"}
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize(
    "run",
    [
        "echo 'error: timed out waiting for the condition' >&2; exit 1",
        "echo cut off",  # without a result, although the exit code is 0
    ],
)
def test_what_goes_wrong_on_the_way_to_a_pod_is_tried_again(commands, monkeypatch, run):
    add_command(commands, "kubectl", f'[ "$1" != run ] || {{ {run}; }}')
    set_place(monkeypatch, conn_type="kubernetes")
    with pytest.raises(AirflowException) as caught:
        train()
    assert type(caught.value) is AirflowException


def test_a_task_that_ends_removes_its_pod(commands, monkeypatch):
    add_command(commands, "kubectl", '[ "$1" != run ] || exec sleep 600')
    set_place(monkeypatch, conn_type="kubernetes")
    noted = commands / "kubectl.args"
    with (
        pytest.raises(TimeoutError),
        interrupted(lambda: noted.exists() and "--attach" in noted.read_text(), TimeoutError),
    ):
        train()
    assert (commands / "kubectl.args").read_text().split().count("delete") == 2


def test_a_connection_that_says_too_little_is_refused(commands, monkeypatch):
    set_place(monkeypatch, conn_type="ssh", host="x", extra={"folder": "there"})
    with pytest.raises(AirflowFailException, match="its extra lacks variables"):
        train()
    set_place(monkeypatch, conn_type="ssh", extra={"folder": "there", "variables": "file"})
    with pytest.raises(AirflowFailException, match="it names no host"):
        train()
    set_place(monkeypatch, conn_type="http", host="x")
    with pytest.raises(AirflowFailException, match="its type is ssh or kubernetes, not 'http'"):
        train()


# With OpenSSH's own server on this machine, where it is installed


SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.fixture
def real_host(commands, monkeypatch):
    """An SSH server on the loopback interface, whose only user is this one."""
    make_host(commands, monkeypatch)
    (commands / "ssh").unlink()
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", commands / key], check=True)
    shutil.copy(commands / "user_key.pub", commands / "authorized_keys")
    config = commands / "sshd_config"
    config.write_text(
        f"Port 22022\nListenAddress 127.0.0.1\nHostKey {commands}/host_key\nPidFile {commands}/pid\nStrictModes no\n"
        f"AuthorizedKeysFile {commands}/authorized_keys\nUsePAM no\nPasswordAuthentication no\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # Debian's service makes it
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
    host_key = (commands / "host_key.pub").read_text()
    (commands / "known_hosts").write_text(f"[127.0.0.1]:22022 {host_key}")
    add_command(commands, "ssh", f'exec /usr/bin/ssh -o UserKnownHostsFile={commands}/known_hosts "$@"')
    extra = {"folder": str(commands / "checkout"), "variables": str(commands / "churn.env"),
             "key_file": str(commands / "user_key")}  # fmt: skip
    set_place(monkeypatch, conn_type="ssh", host="127.0.0.1", port=22022, extra=extra)
    time.sleep(0.5)
    yield commands
    server.terminate()
    server.wait()


@pytest.mark.skipif(not SSHD, reason="needs openssh-server")
def test_a_real_ssh_server_trains_and_ends_the_training_with_the_connection(real_host):
    result, _ = train()
    assert result["version"] == "v1"
    add_command(real_host / "checkout/.venv/bin", "python", f"echo $$ > {real_host}/pid_there; sleep 600")
    with pytest.raises(TimeoutError), interrupted((real_host / "pid_there").exists, TimeoutError):
        train()
    there = Path("/proc", (real_host / "pid_there").read_text().strip())
    end = time.monotonic() + 10
    while there.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not there.exists()
