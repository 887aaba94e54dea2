"""Imports the libraries of the jobs once, and forks a process for each job that job_client.py asks for.

    python -m spark_jobs.runtime.job_server FILE MODULE… [MODULE:FUNCTION…]

Starting Python and importing Arrow, Delta and PySpark costs a job more than all it does when there is nothing to do.
Only these modules are run, and only as long as code and libraries are as they were when they were imported. The
functions are called once, and cache something that jobs need. FILE is the descriptor of a listening socket, in a folder
that only the owner can read. The server ends when its standard input ends, so never later than its starter.

    client  --request-->  guard: reports the end to the client, passes signals on, kills the job if the client is killed
                            └─ job: runs the module as `python -m` does, in a process group of its own

A process is forked before there are threads other than those of libraries that restart them after a fork (OpenBLAS).
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from spark_jobs.runtime.engine import list_code
from spark_jobs.runtime.job_client import LENGTH, PASSED_ON, STARTED

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
MOST_FILES = 100


@dataclass(frozen=True)
class Request:
    """words: the module and its arguments. files: the first three become standard input, output and error."""

    words: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


def main(argv: Sequence[str]) -> int:
    file, *modules = argv
    code = list_code()
    gc.disable()  # a collection finds nothing to free in what is imported
    for name in modules:
        module, _, function = name.partition(":")
        loaded = importlib.import_module(module)
        if function:
            getattr(loaded, function)()
    gc.freeze()  # so that no collection looks through the imports, nor writes to the memory that all jobs share
    gc.enable()
    if connection := wait_for_client(socket.socket(fileno=int(file))):
        request = receive_request(connection)
        if request.words[0] in modules and list_code() == code:
            start_job(connection, request)
            end_with(partial(run_module, *request.words))
    return 0


def wait_for_client(listener: socket.socket) -> socket.socket | None:
    """Returns a client's connection, in a process that is forked for it; in the server None, once its input ends."""
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [], 1.0)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if sys.stdin in readable:
            return None
        if listener in readable:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return connection
            connection.close()


def receive_request(connection: socket.socket) -> Request:
    head, files, _, _ = socket.recv_fds(connection, LENGTH.size, MOST_FILES)
    with connection.makefile("rb") as stream:
        head += stream.read(LENGTH.size - len(head))
        values = json.loads(stream.read(LENGTH.unpack(head)[0]))
    return Request(**values, files=list(files))


def start_job(connection: socket.socket, request: Request) -> None:
    """Returns in the process of the job. This process becomes its guard, and ends with the job."""
    connection.sendall(STARTED)
    ended, end = os.pipe()
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # with a handler, the signal writes to the pipe
    job = os.fork()
    if job:
        for number in PASSED_ON:  # a stop sends them to the job as well, which would be killed with this process
            signal.signal(number, signal.SIG_IGN)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(job, job)  # both do it, because either may be first
        for file in request.files:
            os.close(file)
        guard_job(connection, job, ended)
        os._exit(0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for file in (connection.detach(), ended, end):
        os.close(file)
    become(request)


def guard_job(connection: socket.socket, job: int, ended: int) -> None:
    """Passes on the signals that the client sends, until the job has ended; then sends its exit code."""
    with suppress(ConnectionError):
        while not (found := os.waitpid(job, os.WNOHANG))[0]:
            readable, _, _ = select.select([connection.fileno(), ended], [], [])
            if ended in readable:
                os.read(ended, 64)
            if connection.fileno() in readable:
                if not (numbers := connection.recv(64)):
                    break  # the client was killed
                for number in numbers:
                    signal_group(job, number)
        else:
            signal_group(job, signal.SIGKILL)  # children that the job left running
            code = os.waitstatus_to_exitcode(found[1])
            connection.sendall(bytes([code if code >= 0 else 128 - code]))
            return
    signal_group(job, signal.SIGKILL)
    os.waitpid(job, 0)


def signal_group(leader: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def become(request: Request) -> None:
    """Takes over what a program that the client starts would inherit."""
    os.setpgid(0, 0)
    with suppress(AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    for number, file in enumerate(request.files[:3]):
        os.dup2(file, number)
        os.close(file)
    for file in request.files[3:]:
        os.set_inheritable(file, True)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)


def run_module(module: str, *arguments: str) -> None:
    """What `python -m module` does."""
    for name in (module, f"{module}.__main__"):
        if not hasattr(sys.modules.get(name), "__path__"):
            sys.modules.pop(name, None)
    sys.path[0] = os.getcwd()
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def end_with(run: Callable[[], None]) -> NoReturn:
    """Runs the job and ends this process as Python does, but does not free the libraries one by one: as the memory is
    shared with the server, that copies it page by page, and costs more than most jobs that have nothing to do."""
    try:
        run()
        code = 0
    except SystemExit as end:
        code = read_exit_code(end.code)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the processes of multiprocessing do
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):  # jobs leave no other file open
        if not stream.closed:
            stream.flush()
    ctypes.CDLL(None).fflush(None)  # what libraries in C have printed
    os._exit(code)


def read_exit_code(given: object) -> int:
    """What `sys.exit` makes of its argument: a text is printed, and means failure."""
    if given is None or isinstance(given, int):
        return (given or 0) & 0xFF
    print(given, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
