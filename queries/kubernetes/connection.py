"""The connections to one API server with the credentials of one log-in, through urllib3; usable from any thread."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from queries.errors import NotConfigured, Unreachable
from queries.kubernetes.kubeconfig_fields import ClusterFields

if TYPE_CHECKING:
    import urllib3
    from urllib3.response import BaseHTTPResponse

POOL_SIZE = 16
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 9))
"""As client-go: 30 s (transport/cache.go), and Go's defaults for the interval and the number of probes (net/tcpsock.go)."""


class Connection:
    """Sends requests to `host`, the server's URL, through `manager`. `authorize` gives the Authorization header or nothing."""

    def __init__(self, host: str, manager: urllib3.PoolManager, authorize: Callable[[], str]) -> None:
        self.host = host
        self.manager = manager
        self._authorize = authorize

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

        sent = HTTPHeaderDict({"User-Agent": "cad-console"})
        for name, value in headers:
            # A dict holds one header of each name, but there is one for each impersonated group.
            sent.add(name, value)
        if authorization := self.authorization:
            sent["Authorization"] = authorization
        url = self.host + path
        if query:
            url += "?" + "&".join(f"{name}={quote(value)}" for name, value in query)
        content = None if body is None else json.dumps(body)
        return self.manager.request(
            method,
            url,
            body=content,
            headers=sent,
            timeout=Timeout(connect=timeout[0], read=timeout[1]),
            preload_content=False,
        )

    def close(self) -> None:
        self.manager.clear()


def open_plain(cluster: ClusterFields, certificates: Mapping[str, str], authorization: str) -> Connection:
    """The connection to a cluster without a proxy, as client-go makes it. Raises NotConfigured for a missing file.

    `certificates` are the kubeconfig's fields of the client certificate, by their names there.
    """
    import urllib3  # noqa: PLC0415 - not before the first request

    host = _host(cluster)
    verify = not cluster.insecure_skip_tls_verify
    options: dict[str, Any] = {
        "retries": False,
        "maxsize": POOL_SIZE,
        "socket_options": _socket_options(urllib3.connection.HTTPConnection.default_socket_options),
        "cert_reqs": ssl.CERT_REQUIRED if verify else ssl.CERT_NONE,
    }
    if cluster.tls_server_name:
        options["server_hostname"] = cluster.tls_server_name
    if host.startswith("https"):
        options |= _tls_options(cluster, certificates, options["cert_reqs"])
    return Connection(host, urllib3.PoolManager(**options), lambda: authorization)


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
