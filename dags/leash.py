"""Runs a command that never outlives whoever asked for it: `python leash.py ASKER LOCK COMMAND …`.

The asker is the process that started this one. The command, and all that it starts, ends as soon as the asker has,
however that happened, by -9 as well. While it runs, the lock file is locked and names it, so that a second leash with
the same lock, the next try of the same task, ends the first command where even this leash was killed, and only then
starts its own.

Standard library only: it runs by path, without the environment of anybody. `leashed-spark-submit` beside it is
spark-submit on a leash, for Airflow to call as its Spark binary; LOCK_VARIABLE and ASKER_VARIABLE tell it the rest.
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

#: A command that is asked to end has so long, then it is ended.
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.2
#: What leashed-spark-submit reads: the lock, the asker's process id, and the Python that runs this file.
LOCK_VARIABLE, ASKER_VARIABLE, PYTHON_VARIABLE = "CHURN_LEASH_LOCK", "CHURN_LEASH_ASKER", "CHURN_LEASH_PYTHON"


def main(asker: str, lock_path: str, *command: str) -> int:
    lock = take_lock(Path(lock_path))
    # The command inherits the lock: it is free again when all of them have ended.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=[lock])
    os.pwrite(lock, str(process.pid).encode(), 0)
    # In threads: the waiting below has to go on, for a group ends only when its leader has been waited for.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _start(end_group, process.pid))
    _start(end_without, process.pid, int(asker))
    code = process.wait()
    end_group(process.pid, grace_seconds=0)  # what it left behind
    Path(lock_path).unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def take_lock(path: Path) -> int:
    """The locked and emptied file; whoever held it has ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    while not _try_lock(lock):
        if pid := os.pread(lock, 32, 0).decode():
            print(f"ending process group {pid}, which an earlier try has left running", flush=True)
            end_group(int(pid))
        time.sleep(0.1)
    if not path.exists() or path.stat().st_ino != os.fstat(lock).st_ino:
        os.close(lock)  # its holder removed the file meanwhile
        return take_lock(path)
    os.ftruncate(lock, 0)
    return lock


def end_holder(path: Path) -> None:
    """Ends the command that runs under this lock, if any does; gives when it has ended."""
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


def end_without(pid: int, asker: int) -> None:
    """Waits for the end of the asker, after which this process has another parent, and ends the group."""
    while os.getppid() == asker:
        time.sleep(POLL_SECONDS)
    end_group(pid)


def end_group(pid: int, grace_seconds: float = GRACE_SECONDS) -> None:
    """Asks the process group to end, and ends it after the grace; nothing where there is none."""
    with suppress(ProcessLookupError):
        end = time.monotonic() + grace_seconds
        os.killpg(pid, signal.SIGTERM)
        while time.monotonic() < end:
            os.killpg(pid, 0)
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
