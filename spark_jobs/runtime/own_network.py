"""Runs a server that checks no token where only its owner reaches it: in a network namespace of its own.

    python -m spark_jobs.runtime.own_network SOCKET PORT COMMAND…

The command serves a port on the loopback of a network without any other process. A Unix socket with mode 0600, which is
made once the port answers, leads there. Linux only, and not every Linux lets a user do it: see `is_allowed`.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

# of <sched.h>, <linux/prctl.h>, <linux/sockios.h> and <net/if.h>
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
PIECE_BYTES = 1 << 20
MOST_BYTES = 107  # of a socket's address
_POLL_SECONDS = 0.05


@cache
def is_allowed() -> bool:
    """Whether this machine lets this user make a network namespace. It is tried in a process of its own."""
    if sys.platform != "linux":
        return False
    return subprocess.run([sys.executable, "-m", __name__], capture_output=True).returncode == 0


def wrap(path: str, port: int, command: Sequence[str]) -> list[str]:
    """The command that serves a port, with a Unix socket in its place."""
    return [sys.executable, "-m", __name__, path, str(port), *command]


@cache
def shorten(path: str) -> str:
    """The same file, for this process: a socket's address has few bytes, and gRPC reads % and # in it as in a URL."""
    if len(os.fsencode(path)) <= MOST_BYTES and re.fullmatch(r"[\w/.-]+", path, re.ASCII):
        return path
    folder, name = os.path.split(path)
    return f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}/{name}"


def enter_own_network() -> None:
    """Moves this process into a new network, whose loopback is up. Raises OSError if that is not allowed."""
    user, group = os.getuid(), os.getgid()
    if _unshare(CLONE_NEWNET) != 0:  # only root may, so first become root of a user namespace
        if _unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "no network namespace")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")  # files keep their owners
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _unshare(flags: int) -> int:
    return ctypes.CDLL(None, use_errno=True).unshare(flags)


async def forward(path: str, port: int) -> None:
    """Joins every connection to the socket with one to the port, for ever."""

    async def join(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(near_reader, far_writer), _copy(far_reader, near_writer))

    os.umask(0o177)
    async with await asyncio.start_unix_server(join, shorten(path), limit=PIECE_BYTES) as server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    writer.close()


def _await_port(port: int) -> None:
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(_POLL_SECONDS)


def main(*words: str) -> None:
    enter_own_network()
    if not words:
        return
    path, port, *command = words
    if os.fork() != 0:
        os.execvp(command[0], command)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # ends with the server
    _await_port(int(port))
    asyncio.run(forward(path, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
