"""Runs a job in a process that is forked from job_server.py, which has imported the libraries already.

    python -IS job_client.py ADDRESS PYTHON MODULE ARGUMENT …

Acts like `PYTHON -m MODULE ARGUMENT …`: the job has the output, the environment, the folder and the open files of this
process, and its exit code becomes that of this process. SIGTERM and SIGINT are passed on; if this process is killed,
the job is killed too. If the server does not answer or refuses, this process becomes that command.

Standard library only: Airflow's tasks run this file by its path, without site-packages.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress

#: Names the server's socket, for the tasks of one run of DAGs.
VARIABLE = "CHURN_JOB_SERVER"
STARTED = b"s"
PASSED_ON = (signal.SIGINT, signal.SIGTERM)
LENGTH = struct.Struct("!I")


def make_command(python: str, words: Sequence[str]) -> list[str]:
    """The command that runs a module, whose name is the first of the words, in this interpreter: through the server
    if there is one."""
    if address := os.environ.get(VARIABLE):
        return [sys.executable, "-IS", os.path.abspath(__file__), address, python, *words]
    return [python, "-m", *words]


def main(address: str, python: str, *words: str) -> int:
    connection = socket.socket(socket.AF_UNIX)
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # until it is known who gets them
    if is_started(connection, address, words):
        return wait_for_end(connection)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    os.execvp(python, [python, "-m", *words])


def is_started(connection: socket.socket, address: str, words: Sequence[str]) -> bool:
    """Asks the server to start the job with this process's open files; returns whether it has."""
    request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(request).encode()
    with suppress(OSError):
        connection.connect(address)
        socket.send_fds(connection, [LENGTH.pack(len(text))], [0, 1, 2, *list_inherited()])
        connection.sendall(text)
        return connection.recv(1) == STARTED
    return False


def list_inherited() -> list[int]:
    """The files that a program started from here would inherit, without the first three: the lock of the leash."""
    found = []
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # the folder's own descriptor is closed by now
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
    return found


def wait_for_end(connection: socket.socket) -> int:
    """The exit code of the job; 128 and the number of the signal that ended it."""

    def pass_on(number: int, _frame: object) -> None:
        with suppress(OSError):  # the job has ended meanwhile
            connection.send(bytes([number]))

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    with suppress(OSError):
        if code := connection.recv(1):
            return code[0]
    print("the process that watches the job was killed", file=sys.stderr)
    return 128 + signal.SIGKILL


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
