"""A server in a network of its own: its owner reaches it through a socket, and nobody through its port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from spark_jobs.runtime import own_network

PORT = 15002
#: Answers each connection with what it receives in capital letters, and more of it than fits in one piece.
SERVER = """
import socket
listener = socket.create_server(("127.0.0.1", int(__import__("sys").argv[1])))
while True:
    connection, _ = listener.accept()
    while piece := connection.recv(1 << 16):
        connection.sendall(piece.upper() * 1000)
"""

if not own_network.is_allowed():
    pytest.skip("this machine lets its user make no network namespace", allow_module_level=True)


@pytest.fixture
def served(tmp_path):
    """The path of a socket that is too long for an address, and its server's process."""
    folder = tmp_path / ("deep" * 25)
    folder.mkdir()
    path = str(folder / "socket")
    command = own_network.wrap(path, PORT, [sys.executable, "-c", SERVER, str(PORT)])
    server = subprocess.Popen(command)
    until = time.monotonic() + 10
    while not os.path.exists(path) and time.monotonic() < until:
        time.sleep(0.02)
    yield path, server
    server.kill()
    server.wait()


def open_socket(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(own_network.shorten(path))
    return client


def open_again_and_again(path: str) -> None:
    """What serves the socket is killed by the kernel a moment after the server."""
    for _ in range(100):
        open_socket(path).close()
        time.sleep(0.05)


def test_only_the_socket_leads_to_the_server(served):
    path, _ = served
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open_socket(path) as client:
        client.sendall(b"a" * 5000)
        received = 0
        while received < 5_000_000:
            received += len(piece := client.recv(1 << 20))
            assert piece
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", PORT), timeout=1)


def test_the_socket_is_served_as_long_as_the_server_lives(served):
    path, server = served
    with open_socket(path) as client:
        server.kill()
        server.wait()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        open_again_and_again(path)
