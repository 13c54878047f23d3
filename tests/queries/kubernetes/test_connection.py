"""Connections made without the official client, which is the reference for what is sent and for what TLS accepts."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from steerable_cluster import SteerableCluster

from queries.errors import NotConfigured, SourceError, Unreachable
from queries.http.direct import DirectTransport
from queries.kubernetes.connection import Connection, open_plain
from queries.kubernetes.kubeconfig_fields import ClusterFields
from queries.kubernetes.official_client import open_kubeconfig

ROOT = Path(__file__).parents[3]
CERTIFICATES = ROOT / "tests" / "queries" / "certificates"
AUTHORITY, SERVER, KEY = (str(CERTIFICATES / name) for name in ("authority.pem", "localhost.pem", "server.key"))
WAYS = ("plain", "official")


def encoded(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


def connect(way: str, cluster: dict[str, Any], certificates: dict[str, str] | None = None, token: str = "t") -> Connection:
    authorization = f"Bearer {token}" if token else ""
    if way == "plain":
        return open_plain(msgspec.convert(cluster, ClusterFields), certificates or {}, authorization)
    return open_kubeconfig(cluster, certificates or {}, authorization, socks=None, basic=lambda *_: "")


class Heard(BaseHTTPRequestHandler):
    """Keeps every request as it came, and whether the peer showed a certificate."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, list[tuple[str, str]], bytes, bool]]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = sorted((name.lower(), value) for name, value in self.headers.items() if name.lower() != "host")
        certificate = isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert())
        self.requests.append((f"{self.command} {self.path}", headers, body, certificate))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer

    def log_message(self, *_: object) -> None:
        return


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A refused handshake is what some tests want."""


@pytest.fixture
def heard() -> Iterator[tuple[type[Heard], dict[str, str]]]:
    """A server with and one without TLS, which asks for a client certificate."""
    handler = type("Handler", (Heard,), {"requests": []})
    made = {}
    servers = [Quiet(("127.0.0.1", 0), handler) for _ in range(2)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SERVER, KEY)
    context.load_verify_locations(AUTHORITY)
    context.verify_mode = ssl.CERT_OPTIONAL
    servers[1].socket = context.wrap_socket(servers[1].socket, server_side=True, do_handshake_on_connect=False)
    for scheme, server in zip(("http", "https"), servers, strict=True):
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        made[scheme] = f"{scheme}://localhost:{server.server_address[1]}"
    yield handler, made
    for server in servers:
        server.shutdown()
        server.server_close()


REQUESTS: list[tuple[str, str, list[tuple[str, str]], list[tuple[str, str]], object]] = [
    ("GET", "/version", [], [("Accept", "application/json, */*")], None),
    (
        "GET",
        "/api/v1/pods",
        [("labelSelector", "app in (a, b),tier!=x/y"), ("limit", "500"), ("continue", "ä=&")],
        [("Accept", "application/json, */*"), ("Impersonate-Group", "one"), ("Impersonate-Group", "two")],
        None,
    ),
    (
        "POST",
        "/apis/x",
        [("dryRun", "All")],
        [("Content-Type", "application/json")],
        {"spec": {"text": "größe", "n": [1, 2.5]}},
    ),
    ("POST", "/apis/x", [], [], None),
    ("PATCH", "/apis/x", [], [("Content-Type", "application/merge-patch+json")], {}),
    ("PATCH", "/apis/x", [], [("Content-Type", "application/json-patch+json")], [{"op": "test", "path": "/a", "value": None}]),
    ("DELETE", "/apis/x", [("propagationPolicy", "Foreground")], [("Content-Type", "application/json")], {"dryRun": ["All"]}),
    ("DELETE", "/apis/x", [], [], None),
]


def official_send(way: Connection, method: str, path: str, query: Any, headers: Any, body: object) -> Any:
    """The same request through the official client's own serialization."""
    from kubernetes.client.api_client import ApiClient
    from kubernetes.client.configuration import Configuration
    from urllib3 import HTTPHeaderDict

    configuration = Configuration(host=way.host)
    configuration.api_key["BearerToken"] = way.authorization
    client = ApiClient(configuration)
    client.user_agent = "cad-console"
    client.rest_client.pool_manager = way.manager
    verb, url, given, sent_body, _ = client.param_serialize(
        method, path, query_params=list(query), header_params={}, body=body, auth_settings=["BearerToken"]
    )
    sent = HTTPHeaderDict(given)
    for name, value in headers:
        sent.add(name, value)
    return client.call_api(verb, url, sent, sent_body, _request_timeout=(5.0, 5.0)).response


@pytest.mark.parametrize(("method", "path", "query", "headers", "body"), REQUESTS)
def test_a_request_is_what_the_official_client_sends(
    heard: tuple[type[Heard], dict[str, str]], method: str, path: str, query: Any, headers: Any, body: object
) -> None:
    """Line, headers and body are equal, also for repeated headers, odd query values, an empty object and no body at all."""
    handler, urls = heard
    for name in ("plain", "reference"):
        made = connect("plain" if name == "plain" else "official", {"server": urls["http"]})
        if name == "plain":
            response = made.send(method, path, query, headers, body, timeout=(5.0, 5.0))
        else:
            response = official_send(made, method, path, query, headers, body)
        assert response.status == 200
        response.read()
        response.release_conn()
        made.close()
    ours, theirs = handler.requests
    assert ours == theirs


CLUSTERS: list[tuple[str, dict[str, Any], dict[str, str], bool]] = [
    ("trusted file", {"certificate-authority": AUTHORITY}, {}, True),
    ("trusted data", {"certificate-authority-data": encoded(AUTHORITY)}, {}, True),
    ("no authority", {}, {}, False),
    ("another authority", {"certificate-authority": SERVER}, {}, False),
    ("broken authority", {"certificate-authority-data": base64.b64encode(b"no PEM").decode()}, {}, False),
    ("not verified", {"insecure-skip-tls-verify": True}, {}, True),
    ("another name", {"certificate-authority": AUTHORITY, "tls-server-name": "elsewhere.example"}, {}, False),
    ("its own name", {"certificate-authority": AUTHORITY, "tls-server-name": "localhost"}, {}, True),
    ("client files", {"certificate-authority": AUTHORITY}, {"client-certificate": SERVER, "client-key": KEY}, True),
    (
        "client data",
        {"certificate-authority": AUTHORITY},
        {"client-certificate-data": encoded(SERVER), "client-key-data": encoded(KEY)},
        True,
    ),
    (
        "client data, authority data",
        {"certificate-authority-data": encoded(AUTHORITY)},
        {"client-certificate-data": encoded(SERVER), "client-key-data": encoded(KEY)},
        True,
    ),
    (
        "client data and file, no authority",
        {},
        {"client-certificate-data": encoded(SERVER), "client-key": KEY},
        False,
    ),
    (
        "client data, not verified",
        {"insecure-skip-tls-verify": True},
        {"client-certificate-data": encoded(SERVER), "client-key-data": encoded(KEY)},
        True,
    ),
]


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize(
    ("cluster", "certificates", "accepted"), [row[1:] for row in CLUSTERS], ids=[row[0] for row in CLUSTERS]
)
async def test_tls_accepts_what_it_accepts_through_the_official_client(
    heard: tuple[type[Heard], dict[str, str]], cluster: dict[str, Any], certificates: dict[str, str], accepted: bool
) -> None:
    """Authority, name and client certificate of a kubeconfig, from files and as data: the same servers are trusted, and the
    server sees the certificate in the same cases; also over the loop's own connections, which do not write out a certificate.
    """
    from urllib3.exceptions import SSLError

    handler, urls = heard
    outcomes = []
    for way in WAYS:
        made = connect(way, {"server": urls["https"], **cluster}, certificates)
        try:
            response = made.send("GET", "/version", [], [], timeout=(5.0, 5.0))
            response.read()
            outcomes.append("answered")
        except SSLError:
            outcomes.append("refused")
        finally:
            made.close()
    ways = 2
    made = connect("plain", {"server": urls["https"], **cluster}, certificates)
    assert (made.tls is None) == ("client-certificate-data" in certificates)
    if made.tls is not None:
        ways = 3
        outcomes.append(await get_directly(made))
    assert outcomes == ["answered" if accepted else "refused"] * ways
    shown = [certificate for *_, certificate in handler.requests]
    assert shown == [bool(certificates)] * (ways if accepted else 0)


async def get_directly(made: Connection) -> str:
    """Whether the server answers over the loop's own connections."""
    try:
        transport = DirectTransport(made.tls() if made.tls else None)
    except (OSError, ValueError):
        return "refused"
    extensions = {"timeout": {"connect": 5.0}, **({"sni_hostname": made.server_name} if made.server_name else {})}
    try:
        request = httpx.Request("GET", made.url("/version", []), headers=made.headers([]), extensions=extensions)
        response = await transport.handle_async_request(request)
        await response.aread()
        return "answered"
    except httpx.ConnectError as error:
        assert isinstance(error.__cause__, ssl.SSLError)
        return "refused"
    finally:
        await transport.aclose()


def test_a_renewed_certificate_file_is_used_by_the_next_connection(
    heard: tuple[type[Heard], dict[str, str]], tmp_path: Path
) -> None:
    """An authority that is replaced in its file counts without another log-in."""
    _, urls = heard
    authority = tmp_path / "ca.pem"
    authority.write_bytes(Path(AUTHORITY).read_bytes())
    made = connect("plain", {"server": urls["https"], "certificate-authority": str(authority)})
    made.send("GET", "/version", [], [], timeout=(5.0, 5.0)).read()
    made.manager.clear()
    authority.write_bytes(Path(SERVER).read_bytes())
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        made.send("GET", "/version", [], [], timeout=(5.0, 5.0))
    made.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_file_is_named(way: str) -> None:
    """An authority or a key that is not there: NotConfigured, with its path."""
    for cluster, certificates in (
        ({"certificate-authority": "/nowhere/ca.pem"}, {}),
        ({}, {"client-certificate": "/nowhere/ca.pem", "client-key": KEY}),
    ):
        with pytest.raises(NotConfigured, match=r"cannot be used: File does not exist: /nowhere/ca\.pem"):
            connect(way, {"server": "https://localhost:1", **cluster}, certificates)


def test_a_client_certificate_as_data_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is in a file only while OpenSSL reads it, in a folder that only its owner can open; one that is broken, or needs
    a password, is a sentence.
    """
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cluster = {"server": "https://localhost:1"}
    connect("plain", cluster, {"client-certificate-data": encoded(SERVER), "client-key-data": encoded(KEY)})
    assert list(tmp_path.iterdir()) == []
    encrypted = tmp_path / "encrypted.key"
    command = ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", KEY, "-out", str(encrypted)]
    done = subprocess.run(command, capture_output=True, check=False)
    keys = [b"no PEM", *([encrypted.read_bytes()] if done.returncode == 0 else [])]
    for key in keys:
        with pytest.raises(Unreachable, match="no TLS connection to the API server"):
            connect(
                "plain",
                cluster,
                {"client-certificate-data": encoded(SERVER), "client-key-data": base64.b64encode(key).decode()},
            )


LIST = """
import asyncio, sys
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
async def main():
    client = Kubernetes(ClusterEndpoint("cad-ml-platform", kubeconfig=sys.argv[1]))
    found = await list_cluster(client)
    await client.close()
    print(len(found.workloads))
asyncio.run(main())
names = {name.partition(".")[0] for name in sys.modules}
print(*sorted(names & {"kubernetes", "requests", "pydantic", "dateutil", "urllib3"} or {"none"}))
"""


@pytest.mark.parametrize(
    ("environ", "loaded"),
    [({}, "none"), ({"NO_PROXY": "*"}, "none"), ({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"}, "")],
)
def test_a_token_needs_no_official_client(
    cluster: SteerableCluster, tmp_path: Path, environ: dict[str, str], loaded: str
) -> None:
    """A kubeconfig with a token lists a namespace without importing kubernetes, requests, pydantic or urllib3; with a
    proxy of the environment the official client is there.
    """
    path = tmp_path / "kubeconfig"
    cluster.kubeconfig(path)
    done = subprocess.run(
        [sys.executable, "-c", LIST, str(path)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    workloads, names = done.stdout.splitlines()
    assert int(workloads) > 1
    assert names == loaded or (not loaded and "kubernetes" in names)


def test_a_fault_of_the_log_in_is_a_sentence(tmp_path: Path) -> None:
    """Through the client a broken key is a SourceError, never a traceback of ssl."""
    from queries.http.endpoint import ClusterEndpoint
    from queries.kubernetes.auth import KubeAccess

    path = tmp_path / "k"
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://localhost:1"}}],
        "users": [{"name": "u", "user": {"client-certificate-data": encoded(SERVER), "client-key-data": encoded(AUTHORITY)}}],
    }
    path.write_text(json.dumps(document))
    with pytest.raises(SourceError, match="no TLS connection"):
        KubeAccess(ClusterEndpoint("ns", kubeconfig=str(path)), environ={}).login()
