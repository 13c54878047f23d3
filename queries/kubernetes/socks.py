"""SOCKS5 for a kubeconfig's `proxy-url`: RFC 1928, with the user name and password of RFC 1929."""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from queries.errors import AccessDenied, SourceError, Unreachable
from queries.http.endpoint import parse_credentials
from queries.model.frozen import dataclass
from queries.text.durations import format_duration

if TYPE_CHECKING:
    import urllib3

SCHEME = "socks5"
_DEFAULT_PORT = 1080
_CONNECT_SECONDS = 10.0
_NO_LOGIN, _PASSWORD, _NONE_ACCEPTABLE = 0, 2, 0xFF
_IPV4, _NAME, _IPV6 = 1, 3, 4
_REPLIES = {
    1: "general failure", 2: "its rules forbid the connection", 3: "the network is unreachable", 4: "the host is unreachable",
    5: "the server refuses connections", 6: "the connection timed out", 7: "it does not support CONNECT",
    8: "it does not support this kind of address",
}  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class SocksProxy:
    """A proxy's address and log-in, of a kubeconfig's `proxy-url` with the scheme socks5."""

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def parse(cls, url: str) -> SocksProxy:
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or _DEFAULT_PORT, *parse_credentials(url))

    @property
    def where(self) -> str:
        return f"{SCHEME}://{self.host}:{self.port}"


def dial_through(manager: urllib3.PoolManager, proxy: SocksProxy) -> None:
    """Make every connection of this manager through the proxy, which also resolves the server's name, as in client-go."""
    manager.pool_classes_by_scheme = {
        scheme: _proxied_pool(pool, proxy) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _proxied_pool(pool: type[Any], proxy: SocksProxy) -> type[Any]:
    def connect(self: Any) -> socket.socket:
        seconds = self.timeout if isinstance(self.timeout, int | float) else _CONNECT_SECONDS
        return connect_through(proxy, self.host, self.port, seconds=seconds)

    connection = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"_new_conn": connect})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


def connect_through(proxy: SocksProxy, host: str, port: int, *, seconds: float) -> socket.socket:
    """A connection to the host through the proxy, within `seconds`. Raises Unreachable or AccessDenied."""
    until = time.monotonic() + seconds
    try:
        found = socket.create_connection((proxy.host, proxy.port), seconds)
    except OSError as error:
        what = f"no connection to the SOCKS5 proxy ({error.strerror or error})"
        raise Unreachable(what, where=proxy.where, hint="check the kubeconfig's proxy-url") from None
    try:
        _Handshake(found, proxy, until).run(host, port)
        found.settimeout(seconds)
        return found
    except TimeoutError:
        found.close()
        what = f"the SOCKS5 proxy did not connect within {format_duration(seconds)}"
        # Not TimedOut: nothing was sent to the API server, and that fault would leave the outcome of a write unknown.
        raise Unreachable(what, where=proxy.where, hint="check the proxy and the cluster's address") from None
    except OSError as error:
        found.close()
        what = f"the connection to the SOCKS5 proxy broke ({error.strerror or error})"
        raise Unreachable(what, where=proxy.where, hint="check the kubeconfig's proxy-url") from None
    except SourceError:
        found.close()
        raise


class _Handshake:
    """The bytes before the proxied connection, each wait bounded by the same deadline."""

    def __init__(self, connection: socket.socket, proxy: SocksProxy, until: float) -> None:
        self._connection = connection
        self._proxy = proxy
        self._until = until

    def run(self, host: str, port: int) -> None:
        methods = (_NO_LOGIN, _PASSWORD) if self._proxy.user else (_NO_LOGIN,)
        self._connection.sendall(bytes((5, len(methods), *methods)))
        version, method = self._read(2)
        if version != 5:
            raise self._failed("is not a SOCKS5 proxy")
        if method == _NONE_ACCEPTABLE or method not in methods:
            raise self._denied("requires credentials that the kubeconfig does not have")
        if method == _PASSWORD:
            user, password = self._proxy.user.encode()[:255], self._proxy.password.encode()[:255]
            self._connection.sendall(bytes((1, len(user))) + user + bytes((len(password),)) + password)
            if self._read(2)[1]:
                raise self._denied("rejects the user name or the password")
        self._connection.sendall(bytes((5, 1, 0)) + _encode_address(host) + port.to_bytes(2, "big"))
        version, reply, _, kind = self._read(4)
        if version != 5 or reply:
            raise self._failed(f"cannot reach the API server: {_REPLIES.get(reply, f'code {reply}')}")
        length = {_IPV4: 4, _IPV6: 16}.get(kind)
        self._read((self._read(1)[0] if length is None else length) + 2)

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            left = self._until - time.monotonic()
            if left <= 0.0:
                raise TimeoutError
            self._connection.settimeout(left)
            piece = self._connection.recv(count - len(found))
            if not piece:
                raise self._failed("closed the connection")
            found += piece
        return found

    def _failed(self, what: str) -> SourceError:
        return Unreachable(f"the SOCKS5 proxy {what}", where=self._proxy.where, hint="check the kubeconfig's proxy-url")

    def _denied(self, what: str) -> SourceError:
        return AccessDenied(f"the SOCKS5 proxy {what}", where=self._proxy.where, hint="add them to the kubeconfig's proxy-url")


def _encode_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = host.encode("idna")[:255]
        return bytes((_NAME, len(name))) + name
    return bytes((_IPV4 if address.version == 4 else _IPV6,)) + address.packed
