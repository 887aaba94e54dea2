"""One engine for all jobs of a night: a Spark Connect server, of Spark or of Sail, which the first job starts.

    python -m spark_jobs.runtime.engine stop

The state is in CHURN_HOME/running/engine_<host>:

| file | what it is |
|---|---|
| record.json | address, token, process group, start time, fingerprint of code and settings; for its owner alone |
| start.lock | held by who starts or stops the server, or joins it: of two starters one wins |
| <id>.alive | locked as long as the server's processes live, however they end |
| <id>.users | locked by every job that uses the server, as long as the job lives |
| <id>.socket | of a server in a network of its own, see own_network.py: where jobs reach it |

A server that is dead, or was started from other code or settings, is replaced; the latter first serves the jobs that
use it. A server ends by `stop`, and by itself after some minutes without a job. Standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from subprocess import DEVNULL, Popen

from spark_jobs.contract.errors import TransientError
from spark_jobs.contract.settings import SAIL, Settings
from spark_jobs.runtime import own_network
from spark_jobs.runtime.engine_command import EngineOptions, find_spark_home, make_command
from spark_jobs.runtime.object_store import VARIABLES as STORE

SUPERVISOR = "spark_jobs.runtime.engine_supervisor"
START_SECONDS = 120.0
LOG = Path("logs", "engine.log")
#: Packages that Spark's Python workers import and keep loaded.
PACKAGES = ("spark_jobs", "training", "infra")
#: Variables that affect how Spark starts.
SERVER_VARIABLES = ("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_SUBMIT_OPTS", "SPARK_DRIVER_MEMORY", "JAVA_HOME", *STORE)
_POLL_SECONDS = 0.1

_held_locks: list[int] = []  # of this process, until it ends


@dataclass(frozen=True)
class Engine:
    """A running server. group: its process group. fingerprint: of the code and settings that it was started from.
    socket: the path that leads to the port of a server in a network of its own; empty if the port is reached itself."""

    id: str
    port: int
    token: str
    group: int
    started_at: float
    fingerprint: str
    socket: str = ""

    @property
    def url(self) -> str:
        if self.socket:
            return f"unix:{own_network.shorten(self.socket)}"
        return f"sc://localhost:{self.port}/;token={self.token}"


def join_engine(home: Path, options: EngineOptions) -> Engine:
    """The server, which is started if necessary. It serves this process until the process ends.
    Raises TransientError if it does not start."""
    folder, fingerprint = find_folder(home), make_fingerprint(options)
    with locked(folder):
        engine = read_record(folder)
        if engine is None or engine.fingerprint != fingerprint or not is_alive(folder, engine):
            if engine and not is_used(folder, engine.id):
                end(folder, engine)
            engine = _start(folder, home, options, fingerprint)
        users = os.open(folder / f"{engine.id}.users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(users, fcntl.LOCK_SH)
        _held_locks.append(users)
    return engine


def require_alive(home: Path, engine: Engine, advice: str) -> None:
    """Raises TransientError if the server that this process has joined has ended. advice: what helps if it had too
    little memory."""
    if not _is_locked(find_folder(home) / f"{engine.id}.alive"):
        raise TransientError(f"the engine ended while a job used it: read the end of {home / LOG}; if memory was"
                             f" short, {advice}")  # fmt: skip


def stop_engine(home: Path) -> bool:
    """Ends the server unless a job uses it; returns whether none is left."""
    folder = find_folder(home)
    if not (folder / "record.json").exists():
        return True
    with locked(folder):
        engine = read_record(folder)
        if engine and is_used(folder, engine.id):
            return False
        if engine:
            end(folder, engine)
    return True


def find_folder(home: Path) -> Path:
    return home / "running" / f"engine_{socket.gethostname()}"


@contextmanager
def locked(folder: Path, waits: bool = True) -> Iterator[bool]:
    """Holds the lock for starting, stopping or joining a server. Yields False if another process has it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock(lock, waits)
    finally:
        os.close(lock)


def read_record(folder: Path) -> Engine | None:
    try:
        return Engine(**json.loads((folder / "record.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_alive(folder: Path, engine: Engine) -> bool:
    """Whether the server's processes are alive and it accepts calls."""
    return _is_locked(folder / f"{engine.id}.alive") and _answers(engine.port, engine.socket)


def is_used(folder: Path, engine_id: str) -> bool:
    return _is_locked(folder / f"{engine_id}.users")


def end(folder: Path, engine: Engine) -> None:
    """Ends the server's processes, and forgets it."""
    (folder / "record.json").unlink(missing_ok=True)
    if _is_locked(folder / f"{engine.id}.alive"):  # otherwise its process id may now be that of another process
        with suppress(ProcessLookupError):
            os.killpg(engine.group, signal.SIGTERM)
    remove_files(folder, engine.id)


def remove_files(folder: Path, engine_id: str) -> None:
    for name in ("alive", "users", "socket"):
        (folder / f"{engine_id}.{name}").unlink(missing_ok=True)


def make_fingerprint(options: EngineOptions) -> str:
    """Changes with the code that Python workers import, the interpreter, Spark, and how Spark is started."""
    variables = {name: os.environ.get(name) for name in SERVER_VARIABLES}
    known = [list_code(), asdict(options), sys.executable, str(find_spark_home()), sorted(variables.items())]
    return sha256(repr(known).encode()).hexdigest()[:16]


def list_code() -> list[tuple[str, int, int]]:
    """Path, time of change and size of every source file of the product, and of the folder of the libraries."""
    root, libraries = Path(__file__).resolve().parents[2], Path(sysconfig.get_path("purelib"))
    files = sorted(file for package in PACKAGES for file in (root / package).rglob("*.py"))
    return [(str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in (*files, libraries)]


def _start(folder: Path, home: Path, options: EngineOptions, fingerprint: str) -> Engine:
    engine_id, port, token = secrets.token_hex(4), _find_port(), secrets.token_hex(32)
    log = home / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", SUPERVISOR, str(folder), engine_id, str(options.idle_seconds)]
    environment = {**os.environ, "SPARK_CONNECT_AUTHENTICATE_TOKEN": token, "PYSPARK_PYTHON": sys.executable}
    for name in ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SPARK_LOCAL_REMOTE"):
        environment.pop(name, None)
    command, socket_path = make_command(port, options), ""
    if options.engine == SAIL and own_network.is_allowed():
        socket_path = str(folder.resolve() / f"{engine_id}.socket")
        command = own_network.wrap(socket_path, port, command)
    elif options.engine == SAIL:
        print(f"warning: Sail checks no token, so whoever opens port {port} of this machine can run code as you; "
              "see infra/docs/explanation/engines.md", file=sys.stderr)  # fmt: skip
    with log.open("ab") as output:
        process = Popen([*words, *command], stdin=DEVNULL, stdout=output, stderr=output,
                        env=environment, start_new_session=True)  # fmt: skip
    until = time.monotonic() + START_SECONDS
    while not _answers(port, socket_path):
        if process.poll() is not None or time.monotonic() > until:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise TransientError(f"{options.title} did not start: read the end of {log}")
        time.sleep(_POLL_SECONDS)
    engine = Engine(engine_id, port, token, process.pid, time.time(), fingerprint, socket_path)
    (draft := folder / "record.draft").touch(mode=0o600)
    draft.write_text(json.dumps(asdict(engine)))
    draft.rename(folder / "record.json")
    return engine


def _find_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _answers(port: int, socket_path: str) -> bool:
    family = socket.AF_UNIX if socket_path else socket.AF_INET
    try:
        with socket.socket(family) as client:
            client.settimeout(1)
            client.connect(own_network.shorten(socket_path) if socket_path else ("127.0.0.1", port))
    except OSError:
        return False
    return True


def _is_locked(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _lock(file, waits=False)
    finally:
        os.close(file)


def _lock(file: int, waits: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def main(argv: Sequence[str]) -> int:
    if list(argv) != ["stop"]:
        print("error: usage: python -m spark_jobs.runtime.engine stop", file=sys.stderr)
        return 2
    if not stop_engine(Settings.from_environment().home):
        print("the shared engine is still in use: it ends by itself once no job uses it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
