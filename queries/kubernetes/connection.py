"""The connections to one API server with the credentials of one log-in, through urllib3; usable from any thread."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from queries.errors import NotConfigured, Unreachable
from queries.http.wire_limit import limit_pools
from queries.kubernetes.kubeconfig_fields import ClusterFields

if TYPE_CHECKING:
    import urllib3
    from urllib3.response import BaseHTTPResponse

POOL_SIZE = 16
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 9))
"""As client-go: 30 s (transport/cache.go), and Go's defaults for the interval and the number of probes (net/tcpsock.go)."""


class Connection:
    """Sends requests to `host`, the server's URL, through a manager that is opened for the first one. `authorize` gives the
    Authorization header or nothing.
    """

    def __init__(
        self,
        host: str,
        open_manager: Callable[[], urllib3.PoolManager],
        authorize: Callable[[], str],
        *,
        tls: Callable[[], ssl.SSLContext | None] | None = None,
        server_name: str = "",
    ) -> None:
        """`tls` makes the context for connections without a proxy that are not the manager's, None for plain HTTP; it is None
        itself where only the manager knows the way to the server. `server_name` is the one to verify instead of the host's.
        """
        self.host = host
        self.tls = tls
        self.server_name = server_name
        self._open_manager = open_manager
        self._manager: urllib3.PoolManager | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._authorize = authorize

    @property
    def manager(self) -> urllib3.PoolManager:
        """Its connections keep the WireLimit of the thread that uses them. Raises Unreachable after `close`."""
        with self._lock:
            if self._closed:
                raise Unreachable("this client was closed")
            if self._manager is None:
                self._manager = self._open_manager()
                limit_pools(self._manager)
            return self._manager

    @property
    def authorization(self) -> str:
        return self._authorize()

    def send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: Iterable[tuple[str, str]],
        body: object = None,
        *,
        timeout: tuple[float, float],
    ) -> BaseHTTPResponse:
        """Send one request, with `body` as JSON. `timeout` is that of the connection and that of each read, in seconds.

        Returns the response once its headers are read. Raises urllib3's errors.
        """
        from urllib3 import HTTPHeaderDict, Timeout  # noqa: PLC0415 - not before the first request

        sent = HTTPHeaderDict()
        for name, value in self.headers(headers):
            # A dict holds one header of each name, but there is one for each impersonated group.
            sent.add(name, value)
        url = self.url(path, query)
        content = None if body is None else json.dumps(body)
        return self.manager.request(
            method,
            url,
            body=content,
            headers=sent,
            timeout=Timeout(connect=timeout[0], read=timeout[1]),
            preload_content=False,
        )

    def url(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        url = self.host + path
        return f"{url}?{'&'.join(f'{name}={quote(value)}' for name, value in query)}" if query else url

    def headers(self, given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """All headers of a request with these."""
        authorization = self.authorization
        return [("User-Agent", "cad-console"), *given, *([("Authorization", authorization)] if authorization else [])]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._manager is not None:
                self._manager.clear()


def open_plain(cluster: ClusterFields, certificates: Mapping[str, str], authorization: str) -> Connection:
    """The connection to a cluster without a proxy, as client-go makes it. Raises NotConfigured for a missing file.

    `certificates` are the kubeconfig's fields of the client certificate, by their names there.
    """
    host = _host(cluster)
    verify = not cluster.insecure_skip_tls_verify
    cert_reqs = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    secure = _tls_options(cluster, certificates, cert_reqs) if host.startswith("https") else {}
    if cluster.tls_server_name:
        secure["server_hostname"] = cluster.tls_server_name

    def open_manager() -> urllib3.PoolManager:
        import urllib3  # noqa: PLC0415 - not before the first request

        if not verify:
            # The user chose it in the kubeconfig; a warning per request would be written over the screen.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        base = urllib3.connection.HTTPConnection.default_socket_options
        return urllib3.PoolManager(
            retries=False, maxsize=POOL_SIZE, socket_options=_socket_options(base), cert_reqs=cert_reqs, **secure
        )

    def tls() -> ssl.SSLContext | None:
        return _direct_context(secure, verify=verify) if host.startswith("https") else None

    # A client certificate in the kubeconfig itself would have to be written to a file once more.
    given = None if "ssl_context" in secure else tls
    return Connection(host, open_manager, lambda: authorization, tls=given, server_name=cluster.tls_server_name or "")


def _direct_context(options: Mapping[str, Any], *, verify: bool) -> ssl.SSLContext:
    """What urllib3 makes of the same options. Raises OSError and ValueError."""
    context = ssl.create_default_context(cafile=options.get("ca_certs"), cadata=options.get("ca_cert_data"))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "cert_file" in options:
        context.load_cert_chain(options["cert_file"], options["key_file"], password=_refuse_password)
    return context


def _host(cluster: ClusterFields) -> str:
    return (cluster.server or "").rstrip("/")


def _socket_options(base: Iterable[tuple[int, int, int | bytes]]) -> list[tuple[int, int, int | bytes]]:
    known = [(getattr(socket, name), value) for name, value in _KEEPALIVE if hasattr(socket, name)]
    return [*base, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, name, value) for name, value in known)]


def _tls_options(cluster: ClusterFields, certificates: Mapping[str, str], cert_reqs: ssl.VerifyMode) -> dict[str, Any]:
    """A file is read again for each connection, because it may be renewed; what the kubeconfig holds itself is read once."""
    options: dict[str, Any] = {}
    if cluster.certificate_authority_data:
        # As text, because bytes are taken for DER.
        options["ca_cert_data"] = base64.standard_b64decode(cluster.certificate_authority_data).decode("ascii", "ignore")
    elif cluster.certificate_authority:
        options["ca_certs"] = _existing(cluster.certificate_authority)
    if certificates.get("client-certificate-data") or certificates.get("client-key-data"):
        try:
            options["ssl_context"] = _context(certificates, cert_reqs, default_roots=not options)
        except ssl.SSLError as error:
            raise Unreachable("no TLS connection to the API server", where=_host(cluster), hint=str(error)[:200]) from None
    elif certificates.get("client-certificate"):
        options["cert_file"] = _existing(certificates["client-certificate"])
        options["key_file"] = _existing(certificates["client-key"])
    return options


def _context(certificates: Mapping[str, str], cert_reqs: ssl.VerifyMode, *, default_roots: bool) -> ssl.SSLContext:
    """A context with the client certificate, which OpenSSL reads from files only: they exist just for that moment."""
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415 - not before the first request

    context = create_urllib3_context(cert_reqs=cert_reqs)
    if default_roots:
        context.load_default_certs()
    import tempfile  # noqa: PLC0415  # only for a client certificate within the kubeconfig

    with tempfile.TemporaryDirectory(prefix="cad-console-") as folder:  # only its owner may look into it
        certificate, key = (_as_file(certificates, name, Path(folder)) for name in ("client-certificate", "client-key"))
        context.load_cert_chain(certificate, key, password=_refuse_password)
    return context


def _refuse_password() -> str:
    """OpenSSL would ask for it at the terminal."""
    raise ssl.SSLError("the client key is encrypted: a password is required")


def _as_file(certificates: Mapping[str, str], name: str, folder: Path) -> str:
    data = certificates.get(f"{name}-data")
    if not data:
        return _existing(certificates[name])
    path = folder / name
    path.write_bytes(base64.standard_b64decode(data))
    return str(path)


def _existing(path: str) -> str:
    if not os.path.isfile(path):  # noqa: PTH113 - as it is written, for the message
        raise NotConfigured(
            f"the kubeconfig cannot be used: File does not exist: {path}", hint="check it with kubectl config view"
        )
    return path
