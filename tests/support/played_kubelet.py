"""The log endpoint of a kubelet over TLS, for a real API server to ask: what it sends is the test's own log."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NANO = 1_000_000_000


class PlayedKubelet:
    """One log, whatever is asked for; `write` appends to it, `cut` breaks every connection. `requests` are
    the queries."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[dict[str, str]] = []
        self.lines: list[tuple[int, str]] = []
        self.cuts = 0
        key, certificate = folder / "kubelet.key", folder / "kubelet.crt"
        subject = ["-subj", "/CN=kubelet", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> PlayedKubelet:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()

    def write(self, *lines: str) -> None:
        """Each with the time of its own nanosecond."""
        for line in lines:
            self.lines.append((time.time_ns(), line))

    def cut(self) -> None:
        self.cuts += 1

    def _handler(kubelet) -> type[BaseHTTPRequestHandler]:  # `self` is the request
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                return

            def do_GET(self) -> None:
                query = dict(parse_qsl(urlsplit(self.path).query))
                kubelet.requests.append(query)
                cuts, position = kubelet.cuts, len(kubelet.lines)
                since = datetime.fromisoformat(query["sinceTime"]).timestamp() * NANO if "sinceTime" in query else 0.0
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self._send([line for line in kubelet.lines[:position] if line[0] >= since])
                while query.get("follow") == "true":
                    if kubelet.cuts != cuts:
                        self.close_connection = True
                        return
                    self._send(kubelet.lines[position:])
                    position = len(kubelet.lines)
                    time.sleep(0.01)
                self.wfile.write(b"0\r\n\r\n")

            def _send(self, lines: list[tuple[int, str]]) -> None:
                content = b"".join(f"{_stamp(at)} {line}\n".encode() for at, line in lines)
                if content:
                    self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")

        return Handler


def _stamp(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // NANO, UTC):%Y-%m-%dT%H:%M:%S}.{at_ns % NANO:09d}Z"
