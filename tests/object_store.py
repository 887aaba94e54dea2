"""An object store on this machine: moto's S3 in a process of its own, which takes one request at a time.

    python -m tests.object_store PORT LOST_EVERY IGNORES_CONDITIONS

So a conditional put (If-None-Match: *) is atomic, as in the stores that people use. Of the log entries that are
created, each LOST_EVERYth is stored without an answer: the connection ends instead. With IGNORES_CONDITIONS=1 it is a
store without conditional puts.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUCKET = "bucket"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def object_store(lost_every: int = 0, ignores_conditions: bool = False) -> Iterator[dict[str, str]]:
    """Yields the variables with which everything finds the store, which has the bucket BUCKET."""
    port = free_port()
    arguments = [str(int(value)) for value in (port, lost_every, ignores_conditions)]
    server = subprocess.Popen([sys.executable, "-m", "tests.object_store", *arguments], cwd=ROOT)
    try:
        wait_for(port, server)
        url = f"http://127.0.0.1:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT")).close()
        yield {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
               "AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}  # fmt: skip
    finally:
        server.kill()
        server.wait()


def wait_for(port: int, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + 100
    while True:
        assert server.poll() is None
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)


def serve(port: int, lost_every: int, ignores_conditions: bool) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    application, lock, entries = DomainDispatcherApplication(create_backend_app), threading.Lock(), [0]

    class Quiet(WSGIRequestHandler):
        def log(self, *_arguments) -> None:
            """Prints nothing."""

    def answer(environ, start_response):
        if ignores_conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        with lock:
            body = list(application(environ, start_response))
            if environ.get("HTTP_IF_NONE_MATCH") == "*" and "/_delta_log/" in environ["PATH_INFO"]:
                entries[0] += 1
                if lost_every and entries[0] % lost_every == 0:
                    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return body

    make_server("127.0.0.1", port, answer, threaded=True, request_handler=Quiet).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
