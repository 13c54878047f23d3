"""A kubeconfig's `proxy-url` of SOCKS5, by the bytes of RFC 1928 and RFC 1929."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from queries.errors import AccessDenied, SourceError, Unreachable
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.identity import list_namespaces


class Namespaces(BaseHTTPRequestHandler):
    """Answers any GET with one namespace."""

    def do_GET(self) -> None:
        body = b'{"kind":"NamespaceList","metadata":{},"items":[{"metadata":{"name":"shop"}}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class Proxy:
    """Answers the handshake as it is told, keeps what it received, and relays to the real server."""

    def __init__(self, upstream: int, answers: tuple[bytes, ...]) -> None:
        self.received: list[bytes] = []
        self._upstream, self._answers = upstream, answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with suppress(OSError):
                    for answer in self._answers:
                        self.received.append(client.recv(4096))
                        client.sendall(answer)
                    onward = socket.create_connection(("127.0.0.1", self._upstream))
                    for one, other in ((client, onward), (onward, client)):
                        threading.Thread(target=_pump, args=(one, other), daemon=True).start()

    def close(self) -> None:
        self._listener.close()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(4096):
            other.sendall(piece)
    other.close()


Through = Callable[..., tuple[Proxy, Kubernetes]]


@pytest.fixture
def through(tmp_path: Path) -> Iterator[Through]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Namespaces)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    made: list[Proxy] = []

    def open_client(*answers: bytes, login: str = "", host: str = "cluster.invalid") -> tuple[Proxy, Kubernetes]:
        proxy = Proxy(server.server_port, answers)
        made.append(proxy)
        cluster = {"server": f"http://{host}:6443", "proxy-url": f"socks5://{login}127.0.0.1:{proxy.port}"}
        body: dict[str, Any] = {
            "current-context": "one",
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(body))
        return proxy, Kubernetes(ClusterEndpoint("shop", str(path), timeout_seconds=2.0))

    yield open_client
    for proxy in made:
        proxy.close()
    server.shutdown()
    server.server_close()


CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90"


async def test_the_proxy_resolves_the_servers_name(through: Through) -> None:
    """As in kubectl the name goes to the proxy: here nobody could resolve it; without a log-in none is offered."""
    proxy, client = through(b"\x05\x00", CONNECTED)
    assert await list_namespaces(client) == ("shop",)
    await client.close()
    assert proxy.received == [b"\x05\x01\x00", b"\x05\x01\x00\x03\x0fcluster.invalid\x19\x2b"]


async def test_user_and_password_of_the_url_log_in_and_an_address_stays_one(through: Through) -> None:
    """Percent-encoded as in every URL; the reply may name a host, whose length it says."""
    named = b"\x05\x00\x00\x03\x02hi\x00\x50"
    proxy, client = through(b"\x05\x02", b"\x01\x00", named, login="ann:p%40ss@", host="[2001:db8::1]")
    assert await list_namespaces(client) == ("shop",)
    await client.close()
    address = bytes.fromhex("20010db8000000000000000000000001")
    assert proxy.received == [b"\x05\x02\x00\x02", b"\x01\x03ann\x04p@ss", b"\x05\x01\x00\x04" + address + b"\x19\x2b"]


@pytest.mark.parametrize(
    ("answers", "login", "kind", "words"),
    [
        ((b"\x05\xff",), "", AccessDenied, "requires credentials that the kubeconfig does not have"),
        ((b"\x05\x02", b"\x01\x01"), "ann:secret@", AccessDenied, "rejects the user name or the password"),
        ((b"\x05\x00", b"\x05\x02\x00\x01"), "", Unreachable, "cannot reach the API server: its rules forbid the connection"),
        ((b"HTTP/1.1 400 Bad Request\r\n",), "", Unreachable, "is not a SOCKS5 proxy"),
    ],
)
async def test_what_the_proxy_refuses_is_a_sentence(
    through: Through, answers: tuple[bytes, ...], login: str, kind: type[SourceError], words: str
) -> None:
    """It names the proxy, not the API server, and no password."""
    proxy, client = through(*answers, login=login)
    with pytest.raises(kind, match=words) as caught:
        await list_namespaces(client)
    await client.close()
    assert f"socks5://127.0.0.1:{proxy.port}" in str(caught.value) and "secret" not in str(caught.value)
