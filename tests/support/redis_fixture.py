"""A server on loopback that speaks as much of Redis' protocol as a PING needs, and fails in the ways that Redis has."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ANSWERS = {
    "well": b"+PONG\r\n",
    "wrong password": b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    "no password": b"-NOAUTH Authentication required.\r\n",
    "no permission": b"-NOPERM this user has no permissions to run the 'ping' command\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "full": b"-ERR max number of clients reached\r\n",
    "no redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "silent": b"",
}


@contextmanager
def redis_server(answer: str = "well", *, password: str = "") -> Iterator[int]:
    """Its port. Every command gets the one answer; AUTH with the password, and all that a client tells of itself, get OK."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while words := self.command():
                if (words[0] == "AUTH" and password and words[-1] == password) or words[0] in ("CLIENT", "HELLO", "SELECT"):
                    self.wfile.write(b"+OK\r\n")
                elif answer != "silent":
                    self.wfile.write(ANSWERS[answer])

        def command(self) -> list[str]:
            head = self.rfile.readline()
            if not head.startswith(b"*"):
                return []
            words = []
            for _ in range(int(head[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2].decode())
            return [words[0].upper(), *words[1:]]

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
