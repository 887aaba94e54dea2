"""The embedded PostgreSQL: a server from a Python wheel, started once and left running. It holds the warehouse, and
other databases for this machine, such as Airflow's.

It listens on a loopback TCP port with a password, so BI tools can query it while a night writes. Port and password
are chosen once. Everything is below CHURN_HOME: warehouse/data, warehouse/port, secrets/warehouse_password. The
server ends by itself within a minute after its folder is deleted.

The lock on warehouse/lock shows whether it runs: the process that starts it takes the lock and passes it to the server,
whose processes inherit it, so it is released when the last of them ends, in whatever way. Process ids are not trusted,
because they may be reused.

Root may start it too, see programs.py.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg import sql

from infra.local.ports import is_free
from infra.local.programs import give_to_owner, name_for_program, run_program
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import EMBEDDED_DATABASE, EMBEDDED_USER, Settings

START_SECONDS = 120

SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",  # none, because their paths have a length limit
    "timezone": "UTC",
    "max_wal_size": "2GB",  # a night's load without a forced checkpoint
    "jit": "off",
    "max_parallel_workers_per_gather": "0",  # the night needs the cores, and containers have little shared memory
    "log_min_error_statement": "panic",  # statements and details may hold customer ids
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres:
    """The server of one CHURN_HOME. Every failure is a ChurnError of one line."""

    def __init__(self, home: Path):
        self._settings = Settings(home.resolve())
        self.folder = self._settings.embedded_folder
        self.data = self.folder / "data"
        self.log = self.data / "server.log"
        self._port_file = self._settings.embedded_port_file
        self.password_file = self._settings.embedded_password_file

    @property
    def url(self) -> str:
        """The URL of the warehouse, with the password: for connecting, never for printing."""
        return self._settings.locate_embedded()

    def locate(self, database: str) -> str:
        """The URL of one of its databases, with the password."""
        return self._settings.locate_embedded(database)

    def start(self) -> str:
        """Starts the server unless it runs; returns its URL. If several processes call this at once, one starts it."""
        with _errors_in_one_line(f"the warehouse in {self.folder} cannot be started"):
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

    def open_database(self, name: str) -> str:
        """Starts the server and creates this database if necessary; returns its URL."""
        self.start()
        if not self.has_database(name):
            with self._connect(autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.locate(name)

    def has_database(self, name: str) -> bool:
        """Whether the running server has this database."""
        with self._connect() as connection:
            return bool(connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount)

    def stop(self) -> bool:
        """Ends the server cleanly, cancelling open queries. Returns False if it was not running."""
        with _errors_in_one_line(f"the warehouse in {self.folder} cannot be stopped"):
            if not self.data.exists():
                return False
            stopped, deadline = False, time.monotonic() + START_SECONDS
            while time.monotonic() < deadline:
                with self._lock() as lock:
                    if lock is not None:
                        return stopped
                if not stopped and (self.data / "postmaster.pid").exists():
                    where = ("-D", name_for_program(self.data))
                    waiting = ("-w", "-t", str(START_SECONDS))
                    run_program("pg_ctl", "stop", *where, "-m", "fast", *waiting, folder=self.data)
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

    def _connect(self, autocommit: bool = False) -> psycopg.Connection:
        try:
            return psycopg.connect(self.url, autocommit=autocommit)
        except psycopg.OperationalError as error:
            raise ChurnError(f"the embedded PostgreSQL does not answer: {str(error).splitlines()[0]}") from None

    @contextmanager
    def _lock(self) -> Iterator[int | None]:
        """The descriptor of the lock; None while a server, or a process that starts one, holds it."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield descriptor if _take_lock(descriptor) else None
        finally:
            os.close(descriptor)  # the server's inherited copy keeps the lock

    def _start(self, lock: int) -> None:
        if not self.data.exists():
            self._create()
        self._forget_dead_server()
        settings = SERVER_SETTINGS | {"port": str(self._choose_port())}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        where = ("-D", name_for_program(self.data), "-l", self.log.name)
        waiting = ("-w", "-t", str(START_SECONDS))
        try:
            run_program("pg_ctl", "start", *where, "-o", options, *waiting, folder=self.data, hand_down=(lock,))
        except ChurnError:
            raise ChurnError(f"the embedded PostgreSQL does not start: {self._last_log_line()} ({self.log})") from None

    def _create(self) -> None:
        """Creates the cluster in a temporary folder and renames it, so that no partial cluster ever exists."""
        for leftover in self.folder.glob("data.*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="data.", dir=self.folder))
        give_to_owner(fresh)
        where = ("-D", name_for_program(fresh))
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = ("--username", EMBEDDED_USER, "--auth=scram-sha-256", "--pwfile=/dev/stdin")
        run_program("initdb", *where, *access, *locale, folder=fresh, stdin=self._keep_password())
        run_program(
            "postgres", "--single", *where, "postgres", folder=fresh, stdin=f"CREATE DATABASE {EMBEDDED_DATABASE}\n"
        )
        fresh.rename(self.data)

    def _forget_dead_server(self) -> None:
        """Replaces the process id in a leftover postmaster.pid by an impossible one. We hold the lock, so no server
        runs, but the id may belong to another program by now, which PostgreSQL would take for a running server.

        The other lines stay, because from them PostgreSQL sees whether the cluster was started in another way.
        """
        file = self.data / "postmaster.pid"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        if len(lines) > 1:
            file.write_text("".join([f"{2**31 - 1}\n", *lines[1:]]))
        else:
            file.unlink(missing_ok=True)  # incomplete

    def _choose_port(self) -> int:
        """The port that the first start chose. It never changes, because BI tools have it in their settings."""
        if self._port_file.exists():
            port = int(self._port_file.read_text())
            if not is_free(port):
                raise ChurnError(f"port {port} is taken by another program: stop it, or remove {self._port_file} "
                                 "to have another port chosen")  # fmt: skip
            return port
        # Below the range of ephemeral ports; derived from the path, so that several homes get different ports.
        first = int(sha256(str(self.folder).encode()).hexdigest(), 16) % 10_000
        free = (p for n in range(100) if is_free(p := 20_000 + (first + n) % 10_000))
        port = next(free, 0)
        if not port:
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

    def _last_log_line(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        telling = [line for line in lines if "FATAL" in line or "could not" in line]
        return (telling or lines or ["it left no log"])[-1]


def _take_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _errors_in_one_line(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ChurnError(f"{what}: {error.strerror or error} ({error.filename or 'no file'})") from None
