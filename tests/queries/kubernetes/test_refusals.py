"""What every refusal of an API server, or of what stands before it, means: kind, sentence, hint and status."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from limits import extend
from loopback import http_answer

from queries.errors import SourceError
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import is_answer, is_read, quote_segment, resource_group, resource_path
from queries.kubernetes.client import Kubernetes
from queries.model.fault import FaultKind, was_never_sent

FORBIDDEN = (
    'deployments.apps "x" is forbidden: User "a" cannot patch resource "deployments" in API group "apps" in the namespace "n"'
)
CORE = 'pods is forbidden: User "a" cannot list resource "pods" in API group "" in the namespace "n"'
NO_RIGHT = "ask the cluster's administrators which permission or policy is missing"
HOOK = 'Internal error occurred: failed calling webhook "v.example.com": failed to call webhook: connection refused'
WRONG = "check the kubeconfig's server: is this an API server, and nothing in between?"
BUDGET = {"causes": [{"reason": "DisruptionBudget", "message": "The budget api needs 2 healthy pods and has 2 currently"}]}
FIELDS = {
    "causes": [{"field": "spec.a", "message": "too large"}, {"message": "again"}, {"field": "spec.b", "message": "unknown"}]
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "what", "hint"),
    [
        (401, {"message": "Unauthorized"}, FaultKind.DENIED, "the API server does not accept these credentials (401)",
         "log in again: the token expired"),
        (407, {}, FaultKind.DENIED, "the proxy in front of the API server requires credentials (407)",
         "add them to the kubeconfig's proxy-url"),
        (407, {"message": "m"}, FaultKind.DENIED, "m", "add them to the kubeconfig's proxy-url"),
        (403, {"message": FORBIDDEN}, FaultKind.DENIED, FORBIDDEN, "ask for permission to patch deployments.apps"),
        (403, {"message": CORE}, FaultKind.DENIED, CORE, "ask for permission to list pods"),
        (403, {"message": "denied by policy"}, FaultKind.DENIED, "denied by policy", NO_RIGHT),
        (403, {}, FaultKind.DENIED, "the API server forbids this (403)", NO_RIGHT),
        (302, {}, FaultKind.DENIED, "a log-in page or proxy answers instead of the API server", "log in there first"),
        (429, {"message": "Cannot evict pod.", "details": BUDGET}, FaultKind.REJECTED,
         "Cannot evict pod. The budget api needs 2 healthy pods and has 2 currently", "wait until more of its pods are ready"),
        (429, {"message": "slow down"}, FaultKind.THROTTLED, "slow down", "the polling interval is increased"),
        (429, {}, FaultKind.THROTTLED, "the API server is over its limit (429)", "the polling interval is increased"),
        (504, {"message": "m"}, FaultKind.TIMED_OUT, "m", "it or a proxy is overloaded"),
        (408, {}, FaultKind.TIMED_OUT, "the API server aborted the request (408)", "it or a proxy is overloaded"),
        (500, {"message": HOOK}, FaultKind.REJECTED,
         "the admission webhook v.example.com did not answer: failed to call webhook: connection refused",
         "the API server rejects such changes"),
        (500, {"message": 'failed calling webhook "v"'}, FaultKind.REJECTED,
         "the admission webhook v did not answer: no reason given", "the API server rejects such changes"),
        (499, {"message": HOOK}, FaultKind.REJECTED, HOOK, ""),
        (503, {"message": "etcd is gone"}, FaultKind.UNREACHABLE, "etcd is gone", "it may be starting or stopping"),
        (500, {}, FaultKind.UNREACHABLE, "the API server is unhealthy (500)", "it may be starting or stopping"),
        (404, {}, FaultKind.REJECTED, "the API server does not serve this (404)", WRONG),
        (404, {"message": 'pods "x" not found'}, FaultKind.REJECTED, 'pods "x" not found', ""),
        (422, {"message": "invalid", "details": FIELDS}, FaultKind.REJECTED, "invalid", "spec.a: too large; spec.b: unknown"),
        (399, {}, FaultKind.DENIED, "a log-in page or proxy answers instead of the API server", "log in there first"),
        (400, {}, FaultKind.REJECTED, "the API server rejects this (400)", ""),
        (409, {}, FaultKind.REJECTED, "the API server rejects this (409)", ""),
        (400, {"message": "x" * 501}, FaultKind.REJECTED, "x" * 500, ""),
    ],
)  # fmt: skip
async def test_a_refusal(
    serve, tmp_path: Path, status: int, body: dict[str, Any], kind: FaultKind, what: str, hint: str
) -> None:
    """The server's own sentence where it has one, else ours; the hint says what to ask for, and the status stays."""
    server = await serve(http_answer(f"{status} X", json.dumps({"kind": "Status", **body}).encode()))
    client = open_client(tmp_path, server.url)
    with pytest.raises(SourceError) as refused:
        await client.get_raw("/api/v1/pods")
    fault = refused.value.fault
    assert (fault.kind, fault.what, fault.status, fault.where) == (kind, what, status, server.url)
    assert fault.hint.startswith(hint) and bool(fault.hint) is bool(hint)
    await client.close()


def open_client(folder: Path, url: str, **more: Any) -> Kubernetes:
    cluster, user = {"name": "c", "cluster": {"server": url, **more}}, {"name": "u", "user": {"token": "t"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    path = folder / "kubeconfig"
    path.write_text(json.dumps({"current-context": "x", "contexts": [context], "clusters": [cluster], "users": [user]}))
    return Kubernetes(ClusterEndpoint("n", kubeconfig=str(path), timeout_seconds=5.0), read_only=False)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("x", None), ("", None), ("-1", None)])
async def test_how_long_to_wait(serve, tmp_path: Path, header: str, seconds: float | None) -> None:
    """Whole seconds as the API server sends them; anything else is no wish."""
    server = await serve(http_answer("429 X", b"{}", "application/json", f"Retry-After: {header}"))
    client = open_client(tmp_path, server.url)
    with pytest.raises(SourceError) as refused:
        await client.get_raw("/api/v1/pods")
    assert refused.value.fault.retry_after_seconds == seconds
    await client.close()


@pytest.mark.parametrize(
    ("answer", "kind", "what"),
    [
        (http_answer("200 OK", b"<html>", "text/html"), FaultKind.DENIED, "a log-in page or proxy answers"),
        (http_answer("500 X", b"not JSON", "text/plain"), FaultKind.UNREACHABLE, "the API server is unhealthy (500)"),
        (http_answer("200 OK", b"[1]"), FaultKind.MALFORMED, ""),
        (http_answer("200 OK", b"{", "application/json"), FaultKind.MALFORMED, ""),
    ],
)
async def test_what_is_no_answer_of_an_api_server(serve, tmp_path: Path, answer: bytes, kind: FaultKind, what: str) -> None:
    """A page instead of JSON, and JSON of another shape."""
    server = await serve(answer)
    client = open_client(tmp_path, server.url)
    with pytest.raises(SourceError) as refused:
        await client.call_object("GET", "/api/v1/pods/x")
    assert refused.value.fault.kind is kind and refused.value.fault.what.startswith(what)
    await client.close()


@pytest.mark.parametrize(("method", "kind"), [("GET", FaultKind.UNREACHABLE), ("PATCH", FaultKind.TIMED_OUT)])
async def test_a_connection_that_breaks(serve, tmp_path: Path, method: str, kind: FaultKind) -> None:
    """A read is tried once more; after a write nobody knows whether it took effect, and it is never tried again."""
    server = await serve(b"", close=True)
    client = open_client(tmp_path, server.url)
    with pytest.raises(SourceError) as refused:
        await client.call(method, "/api/v1/pods/x", (), {}, {"Content-Type": "application/merge-patch+json"})
    fault = refused.value.fault
    assert fault.kind is kind and len(server.requests) == (2 if method == "GET" else 1)
    if method == "PATCH":
        assert (fault.what, fault.hint) == ("the connection broke during the write", "it may or may not have taken effect")
    await client.close()


CERTIFICATES = Path(__file__).parents[1] / "certificates"


@pytest.mark.parametrize("after", ["the handshake", "the request"])
async def test_tls_that_fails_after_a_write_was_sent_leaves_its_outcome_unknown(tmp_path: Path, after: str) -> None:
    """Something between cuts in without TLS. Before the request that is no connection, and nothing was sent; once the server
    has the request, it may have carried it out, and nobody may say that nothing was sent.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "localhost.pem", CERTIFICATES / "server.key")
    received = bytearray()

    def answer(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with socket.socket(fileno=os.dup(plain.fileno())) as raw:
            if after == "the handshake":
                raw.recv(1 << 16)
                plain.close()
            else:
                plain = context.wrap_socket(plain, server_side=True)
                while b'"spec"' not in received:
                    received.extend(plain.recv(1 << 16))
            with suppress(ConnectionError):  # as soon as it has read that, the client is gone
                raw.sendall(b"HTTP/1.1 502 this is not TLS\r\n\r\n")
                raw.shutdown(socket.SHUT_WR)
                raw.recv(1)
        plain.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        client = open_client(tmp_path, url, **{"insecure-skip-tls-verify": True})
        with pytest.raises(SourceError) as refused:
            await client.call("PATCH", "/api/v1/pods/x", (), {"spec": {}}, {"Content-Type": "application/merge-patch+json"})
        await client.close()
        thread.join(extend(5.0))
    fault = refused.value.fault
    assert was_never_sent(fault) is (after == "the handshake"), fault
    assert bool(received) is (after == "the request")
    assert after == "the handshake" or fault.what == "the connection broke during the write"


@pytest.mark.parametrize(
    ("opening", "then"),
    [("502 Bad Gateway", b""), ("200 Connection established", b"HTTP/1.1 400 this is not TLS\r\n\r\n")],
)
async def test_a_proxy_that_opens_no_way_has_sent_no_write(tmp_path: Path, opening: str, then: bytes) -> None:
    """Its own answer is none to the write, which never left: with a refusal, and with TLS that fails behind it."""

    def answer(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, suppress(ConnectionError):
            assert client.recv(1 << 16).startswith(b"CONNECT ")
            client.sendall(f"HTTP/1.1 {opening}\r\n\r\n".encode())
            if then:
                client.recv(1 << 16)
                client.sendall(then)
            client.shutdown(socket.SHUT_WR)
            client.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = open_client(tmp_path, "https://cluster.example:6443", **{"proxy-url": proxy})
        with pytest.raises(SourceError) as refused:
            await client.call("PATCH", "/api/v1/pods/x", (), {"spec": {}}, {"Content-Type": "application/merge-patch+json"})
        await client.close()
        thread.join(extend(5.0))
    assert was_never_sent(refused.value.fault), refused.value.fault


@pytest.mark.parametrize(
    ("resource", "namespace", "name", "sub", "path"),
    [
        ("pods", "n", "", "", "/api/v1/namespaces/n/pods"),
        ("pods", "", "", "", "/api/v1/pods"),
        ("pods", "n", "p", "log", "/api/v1/namespaces/n/pods/p/log"),
        ("deployments", "n", "d/e", "scale", "/apis/apps/v1/namespaces/n/deployments/d%2Fe/scale"),
        ("nodes", "n", "x", "", "/api/v1/nodes/x"),
        ("cronjobs", "..", "", "", "/apis/batch/v1/namespaces/%2E%2E/cronjobs"),
        ("rollouts", "n", "", "", "/apis/argoproj.io/v1alpha1/namespaces/n/rollouts"),
    ],
)
def test_where_a_kind_is(resource: str, namespace: str, name: str, sub: str, path: str) -> None:
    """In its group and version; nodes in no namespace; no name leaves its segment."""
    assert resource_path(resource, namespace, name, sub) == path


def test_groups_and_segments() -> None:
    """The core group has no name; dots alone are quoted, dots in a name are not."""
    assert [resource_group(item) for item in ("pods", "deployments", "jobs", "rollouts")] == [
        "",
        "apps",
        "batch",
        "argoproj.io",
    ]
    assert [quote_segment(text) for text in ("a.b", ".", "..", "a/b", "ä", "a b")] == [
        "a.b",
        "%2E",
        "%2E%2E",
        "a%2Fb",
        "%C3%A4",
        "a%20b",
    ]


REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
DRY = [("dryRun", "All")]


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "read"),
    [
        ("GET", "/x", [], None, True),
        ("POST", REVIEW, [], {}, True),
        ("POST", REVIEW + "x", [], {}, False),
        ("PUT", REVIEW, [], {}, False),
        ("PATCH", "/x", DRY, {}, True),
        ("PATCH", "/x", [*DRY, *DRY], {}, False),
        ("PATCH", "/x", [("dryRun", "all")], {}, False),
        ("DELETE", "/x", DRY, None, True),
        ("DELETE", "/x", DRY, {}, False),
        ("DELETE", "/x", DRY, {"dryRun": ["All"]}, True),
        ("DELETE", "/x", DRY, "text", False),
        ("DELETE", "/x", [], {"dryRun": ["All"]}, False),
    ],
)
def test_what_a_reading_client_may_send(method: str, path: str, query: list[tuple[str, str]], body: object, read: bool) -> None:
    """Looks, reviews of its own access, and full dry runs; a deletion's body must say so as well."""
    assert is_read(method, path, query, body) is read


@pytest.mark.parametrize(
    ("status", "media", "answer"),
    [
        (199, "application/json", False), (200, "application/json", True), (299, "application/json", True), (200, "", True),
        (300, "application/json", False), (200, "text/html; charset=utf-8", False),
    ],
)  # fmt: skip
def test_only_a_success_is_an_answer(status: int, media: str, answer: bool) -> None:
    """And only without a web page."""
    assert is_answer(status, {"Content-Type": media} if media else {}) is answer
