"""Runs a command that never outlives the process that started it: `python leash.py PARENT LOCK COMMAND …`.

PARENT is the id of the process that starts this one. When the parent ends, even by SIGKILL, this process ends the
command with everything that the command has started.

While the command runs, the lock file is locked and holds the id of its process group. If the leash itself was killed,
the next try of the same task, which uses the same lock file, first ends that group and then starts its own command.

Standard library only: this file is run by its path, outside both environments. `leashed-spark-submit` beside it runs
spark-submit on a leash; Airflow calls it as its Spark binary, with LOCK_VARIABLE, PARENT_VARIABLE and PYTHON_VARIABLE
in the environment.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: How long a command has to end after SIGTERM, before SIGKILL.
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.2
#: What leashed-spark-submit reads: the lock file, the parent's process id, and the Python that runs this file.
LOCK_VARIABLE, PARENT_VARIABLE, PYTHON_VARIABLE = "CHURN_LEASH_LOCK", "CHURN_LEASH_PARENT", "CHURN_LEASH_PYTHON"


def main(parent: str, lock_path: str, *command: str) -> int:
    lock = take_lock(Path(lock_path))
    # The command and its children inherit the lock, which is released when the last of them has ended.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=[lock])
    os.pwrite(lock, str(process.pid).encode(), 0)
    # In threads, because this thread must stay in wait(): a group is gone only once its leader has been waited for.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _start(end_group, process.pid))
    _start(end_with_parent, process.pid, int(parent))
    code = process.wait()
    end_group(process.pid, grace_seconds=0)  # children that the command left running
    Path(lock_path).unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def take_lock(path: Path) -> int:
    """Locks and empties the file, after ending the command that held it; returns its descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    while not _try_lock(lock):
        if pid := os.pread(lock, 32, 0).decode():
            print(f"ending process group {pid}, which an earlier try has left running", flush=True)
            end_group(int(pid))
        time.sleep(0.1)
    if not path.exists() or path.stat().st_ino != os.fstat(lock).st_ino:
        os.close(lock)  # the previous holder has removed the file meanwhile
        return take_lock(path)
    os.ftruncate(lock, 0)
    return lock


def end_holder(path: Path) -> None:
    """Ends the command that runs under this lock, if there is one, and waits until it has ended."""
    if path.exists():
        os.close(take_lock(path))


def _start(function: Callable[..., None], *arguments: int) -> None:
    threading.Thread(target=function, args=arguments, daemon=True).start()


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_with_parent(pid: int, parent: int) -> None:
    """Waits until this process has another parent, because its own has ended; then ends the process group `pid`."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    end_group(pid)


def end_group(pid: int, grace_seconds: float = GRACE_SECONDS) -> None:
    """Sends SIGTERM to the process group, and SIGKILL after the grace period. Does nothing if the group is gone."""
    with suppress(ProcessLookupError):
        end = time.monotonic() + grace_seconds
        os.killpg(pid, signal.SIGTERM)
        while time.monotonic() < end:
            os.killpg(pid, 0)
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
