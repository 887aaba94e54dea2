"""A mail server and a webhook on this machine that receive alerts."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

RECEIVER = "ops@example.com"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Inbox:
    """mails: receiver, subject and text of each; calls: the text of each message to the webhook."""

    environment: dict[str, str] = field(default_factory=dict)
    mails: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802
        """aiosmtpd calls it for each mail."""
        mail = message_from_bytes(envelope.content)
        texts = [part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart()]
        self.mails.append((envelope.rcpt_tos[0], mail["Subject"], "\n".join(texts)))
        return "250 OK"

    def wait_for(self, subject: str, part: str, seconds: float = 60) -> None:
        """Waits for a mail and a webhook message with this subject and this in the text. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not (
            any(subject in mail[1] and part in mail[2] for mail in self.mails)
            and any(subject in call and part in call for call in self.calls)
        ):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{subject!r} with {part!r} did not come: {self.mails}, {self.calls}")
            time.sleep(0.2)

    def make_handler(self) -> type[BaseHTTPRequestHandler]:
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def open_inbox() -> Iterator[Inbox]:
    """Starts both servers; `environment` configures the product and Airflow to use them."""
    inbox = Inbox()
    mail_port = free_port()
    mail_server = Controller(inbox, hostname="127.0.0.1", port=mail_port)
    webhook = ThreadingHTTPServer(("127.0.0.1", 0), inbox.make_handler())
    threading.Thread(target=webhook.serve_forever, daemon=True).start()
    mail_server.start()
    plain = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": mail_port, "extra": plain}
    chat = {"conn_type": "http", "host": f"http://127.0.0.1:{webhook.server_port}"}
    inbox.environment.update({
        "CHURN_ALERT_EMAIL": RECEIVER, "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail),
        "CHURN_ALERT_WEBHOOK": "chat", "AIRFLOW_CONN_CHAT": json.dumps(chat),
    })  # fmt: skip
    try:
        yield inbox
    finally:
        mail_server.stop()
        webhook.shutdown()
        webhook.server_close()
