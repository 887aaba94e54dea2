"""Runs the shared server, and ends it once no job has used it for some time: see engine.py.

    python -m spark_jobs.runtime.engine_supervisor FOLDER ID IDLE_SECONDS COMMAND …

A server that engine.py has replaced ends as soon as no job uses it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired

from spark_jobs.runtime.engine import is_used, locked, read_record, remove_files

POLL_SECONDS = 0.5
GRACE_SECONDS = 10


def main(folder: str, engine_id: str, idle_seconds: str, *command: str) -> int:
    alive = os.open(Path(folder, f"{engine_id}.alive"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX)
    # The server inherits the lock, which is released when all processes have ended.
    server = Popen(command, stdin=DEVNULL, pass_fds=[alive])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(server, Path(folder), engine_id, float(idle_seconds))
    finally:
        server.terminate()
        try:
            server.wait(GRACE_SECONDS)
        except TimeoutExpired:
            server.kill()
        remove_files(Path(folder), engine_id)
    return 0


def serve(server: Popen, folder: Path, engine_id: str, idle_seconds: float) -> None:
    """Waits until the server has ended or was unused for this time; returns at once if it is replaced."""
    last_use = time.monotonic()
    while server.poll() is None:
        time.sleep(POLL_SECONDS)
        with locked(folder, waits=False) as is_ours:
            if not is_ours:  # a job is starting or joining it
                continue
            record = read_record(folder)
            is_recorded = record is not None and record.id == engine_id
            if is_used(folder, engine_id):
                last_use = time.monotonic()
            elif time.monotonic() - last_use > (idle_seconds if is_recorded else 0):
                if is_recorded:
                    Path(folder, "record.json").unlink(missing_ok=True)
                return


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
