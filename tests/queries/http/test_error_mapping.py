"""What every failed answer over HTTP means, by its content type, status and Prometheus' own error type."""

from __future__ import annotations

import json
import socket
import ssl

import httpx
import pytest

from queries.http.error_mapping import from_causes, from_exception, from_redirect, from_response
from queries.model.fault import FaultKind

NOW = 1_767_225_600.0  # 2026-01-01 00:00 UTC
JSON, TEXT, HTML = "application/json", "text/plain", "text/html"


def prometheus(error_type: str, error: str = "why") -> bytes:
    return json.dumps({"status": "error", "errorType": error_type, "error": error}).encode()


@pytest.mark.parametrize(
    ("status", "media", "body", "kind", "what"),
    [
        (401, TEXT, b"", FaultKind.DENIED, "401 the server requires credentials"),
        (401, TEXT, b"no org id", FaultKind.DENIED, "401 the server requires a tenant (no org id)"),
        (403, TEXT, b"no", FaultKind.DENIED, "403 these credentials lack read permission (no)"),
        (407, TEXT, b"", FaultKind.DENIED, "407 the proxy requires credentials"),
        (429, TEXT, b"slow", FaultKind.THROTTLED, "the server is over its limit: 429 (slow)"),
        (503, TEXT, b"too many concurrent requests", FaultKind.THROTTLED,
         "the server is over its limit: 503 (too many concurrent requests)"),
        (503, TEXT, b"", FaultKind.UNREACHABLE, "503 the server is starting, stopping or behind a broken proxy"),
        (502, TEXT, b"bad", FaultKind.UNREACHABLE, "502 the server is starting, stopping or behind a broken proxy (bad)"),
        (503, JSON, prometheus("timeout"), FaultKind.TIMED_OUT, "the server aborted the query: why"),
        (503, JSON, prometheus("canceled", ""), FaultKind.TIMED_OUT, "the server aborted the query: canceled"),
        (503, JSON, prometheus("unavailable"), FaultKind.UNREACHABLE, "the server failed: why"),
        (500, JSON, prometheus("internal"), FaultKind.UNREACHABLE, "the server failed: why"),
        (422, JSON, prometheus("execution"), FaultKind.REJECTED, "why"),
        (400, JSON, prometheus("bad_data", ""), FaultKind.REJECTED, "bad_data"),
        (500, JSON, b'{"message":"m"}', FaultKind.UNREACHABLE, "500 the server failed (m)"),
        (404, JSON, b'{"detail":"Not Found"}', FaultKind.MALFORMED, "404 nothing at this path (Not Found)"),
        (404, TEXT, b"", FaultKind.MALFORMED, "404 nothing at this path"),
        (400, TEXT, b"unsupported path requested: x", FaultKind.MALFORMED,
         "400 nothing at this path (unsupported path requested: x)"),
        (400, TEXT, b"Client sent an HTTP request to an HTTPS server.", FaultKind.UNREACHABLE,
         "the server speaks TLS on this port"),
        (408, TEXT, b"", FaultKind.TIMED_OUT, "408 the server or a proxy timed out"),
        (504, TEXT, b"late", FaultKind.TIMED_OUT, "504 the server or a proxy timed out (late)"),
        (405, TEXT, b"", FaultKind.REJECTED, "405 the method is not allowed here"),
        (418, TEXT, b"", FaultKind.REJECTED, "418 the server refused the request"),
        (418, TEXT, b"tea", FaultKind.REJECTED, "418 (tea)"),
        (200, HTML, b"x", FaultKind.DENIED, "a web page came instead of JSON"),
        (200, TEXT, b" <html>", FaultKind.DENIED, "a web page came instead of JSON"),
        (200, TEXT, b"ok", FaultKind.MALFORMED, "text/plain came instead of JSON (ok)"),
        (399, HTML, b"x", FaultKind.DENIED, "a web page came instead of JSON"),
        (400, HTML, b"x", FaultKind.REJECTED, "400 the server refused the request"),
        (300, TEXT, b"no", FaultKind.REJECTED, "300 (no)"),
        (499, TEXT, b"no", FaultKind.REJECTED, "499 (no)"),
        (299, "", b"", FaultKind.MALFORMED, "something without a content type came instead of JSON"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none(status: int, media: str, body: bytes, kind: FaultKind, what: str) -> None:
    """Each by its kind, with the server's own words in brackets, its address and its status."""
    fault = from_response(status, {"content-type": media}, body, where="http://a", now=NOW).fault
    assert (fault.kind, fault.what, fault.where, fault.status) == (kind, what, "http://a", status)


def test_an_agent_is_named() -> None:
    """It has no series of its own: the hint says which server to ask."""
    fault = from_response(
        422, {"content-type": JSON}, prometheus("execution", "unavailable with Prometheus Agent"), where="", now=NOW
    ).fault
    assert (
        fault.hint.startswith("it scrapes and forwards only")
        and not from_response(422, {"content-type": JSON}, prometheus("execution"), where="", now=NOW).fault.hint
    )


@pytest.mark.parametrize(
    ("header", "seconds", "hint"),
    [
        ("7", 7.0, "it asks to wait 7s"),
        (" 90 ", 90.0, "it asks to wait 1m30s"),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0, "it asks to wait 30s"),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0, "it asks to wait 0s"),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0, "it asks to wait 0s"),
        ("", None, "the polling interval is increased"),
        ("soon", None, "the polling interval is increased"),
        ("9" * 30, 999_999_999.0, "it asks to wait"),
    ],
)
def test_when_to_ask_again(header: str, seconds: float | None, hint: str) -> None:
    """Seconds or a date, never in the past; a 503 with either is a limit and no outage."""
    for status in (429, 503):
        fault = from_response(status, {"content-type": TEXT, "retry-after": header}, b"", where="", now=NOW).fault
        assert fault.retry_after_seconds == seconds
        if status == 429 or seconds is not None:
            assert fault.kind is FaultKind.THROTTLED and fault.hint.startswith(hint)


@pytest.mark.parametrize(
    ("target", "followed", "kind", "what", "hint"),
    [
        ("https://a/x?t=1", False, FaultKind.MALFORMED, "302 the server requires https", "use https://a/x in the URL"),
        ("http://a/x?t=1", True, FaultKind.MALFORMED, "302 endless redirects", "the last one leads to http://a/x"),
        ("https://sso/x?t=1", False, FaultKind.DENIED, "302 the server redirects to https://sso/x", "probably a login page"),
        ("http://b/x", False, FaultKind.DENIED, "302 the server redirects to http://b/x", "probably a login page"),
    ],
)
def test_a_redirect(target: str, followed: bool, kind: FaultKind, what: str, hint: str) -> None:
    """To https, in circles, or to somewhere else; never with the query, which may hold a token."""
    fault = from_redirect(302, httpx.URL(target), origin=httpx.URL("http://a/y"), where="http://a", followed=followed).fault
    assert (
        (fault.kind, fault.what, fault.status) == (kind, what, 302) and fault.hint.startswith(hint) and "t=1" not in fault.hint
    )


@pytest.mark.parametrize(
    ("error", "kind", "what"),
    [
        (httpx.ConnectTimeout("x"), FaultKind.TIMED_OUT, "no connection in time"),
        (httpx.ReadTimeout("x"), FaultKind.TIMED_OUT, "no answer in time"),
        (httpx.UnsupportedProtocol("x"), FaultKind.UNREACHABLE, "the URL is not http or https"),
        (httpx.ProxyError("407 Proxy"), FaultKind.DENIED, "407 the proxy requires credentials"),
        (httpx.ProxyError("502"), FaultKind.UNREACHABLE, "the proxy refused the connection"),
        (httpx.LocalProtocolError("x"), FaultKind.DENIED, "a header of this endpoint cannot be sent"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), FaultKind.UNREACHABLE,
         "the server closed the connection without an answer"),
        (httpx.RemoteProtocolError("incomplete chunked read"), FaultKind.MALFORMED, "the answer was cut off"),
        (httpx.RemoteProtocolError("peer closed connection"), FaultKind.MALFORMED, "the answer was cut off"),
        (httpx.RemoteProtocolError("too long"), FaultKind.MALFORMED, "the answer does not end"),
        (httpx.RemoteProtocolError("illegal status line"), FaultKind.MALFORMED, "the server does not speak HTTP here"),
        (httpx.ConnectError("x"), FaultKind.UNREACHABLE, "no connection"),
        (httpx.ReadError("x"), FaultKind.UNREACHABLE, "the connection broke"),
    ],
)  # fmt: skip
def test_a_request_without_an_answer(error: httpx.HTTPError, kind: FaultKind, what: str) -> None:
    """By its kind, never by a text that may hold a secret."""
    fault = from_exception(error, where="http://a", host="a").fault
    assert (fault.kind, fault.what, fault.where) == (kind, what, "http://a")


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "odd"
    return error


@pytest.mark.parametrize(
    ("cause", "what"),
    [
        (tls("WRONG_VERSION_NUMBER"), "the server does not speak TLS on this port"),
        (
            tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            "TLS: the server refused the connection (tlsv13 alert certificate required)",
        ),
        (tls("SSLV3_ALERT_BAD_CERTIFICATE"), "TLS: the server refused the connection (sslv3 alert bad certificate)"),
        (tls("ODD_ONE"), "TLS failed (odd one)"),
        (tls(""), "TLS failed (no reason given)"),
        (certificate(10), "TLS: the server's certificate has expired"),
        (certificate(9), "TLS: the server's certificate is not valid yet"),
        (certificate(62), "TLS: the server's certificate is for another host than a"),
        (certificate(64), "TLS: the server's certificate is for another host than a"),
        (certificate(18), "TLS: the server's certificate is self-signed"),
        (certificate(20), "TLS: the server's certificate comes from an unknown authority"),
        (certificate(99), "TLS: the server's certificate is not accepted (odd)"),
        (socket.gaierror(1, "x"), "cannot resolve a"),
        (OSError(111, "x"), "the connection was refused"),
        (OSError(104, "x"), "the server reset the connection"),
        (OSError(113, "x"), "there is no route to the host"),
    ],
)
def test_the_cause_of_a_lost_connection(cause: OSError, what: str) -> None:
    """However deep it is, also among the failures of several addresses, and also where causes go in circles."""
    inner = RuntimeError("x")
    inner.__cause__ = cause
    group = ExceptionGroup("both", [ValueError("y"), inner])
    outer = httpx.ConnectError("z")
    outer.__cause__ = group
    found = from_causes(outer, where="http://a", host="a")
    assert found is not None and found.fault.what == what and found.fault.where == "http://a"
    round_ = RuntimeError("round")
    round_.__cause__ = other = RuntimeError("other")
    other.__context__ = round_
    assert from_causes(round_, where="", host="") is None and from_causes(OSError(9999, "x"), where="", host="") is None


@pytest.mark.parametrize(("length", "shown"), [(199, "x" * 199), (200, "x" * 200), (201, "x" * 199 + "…")])
def test_a_servers_words_are_cut_at_200_characters(length: int, shown: str) -> None:
    """With a mark, and no longer than that with it."""
    fault = from_response(418, {"content-type": TEXT}, b"x" * length, where="http://a", now=0.0).fault
    assert fault.what == f"418 ({shown})"


@pytest.mark.parametrize(
    ("detail", "what"),
    [
        ([{"loc": ["query", "limit"], "msg": "too large"}, {"loc": ["body"], "msg": "missing"}],
         "422 (query.limit: too large; body: missing)"),
        ([{"msg": "no place"}, "not an entry", {"loc": "text", "msg": "again"}], "422 (no place; again)"),
        ([{"loc": ["body", 3]}], "422 (body.3)"),
        ({"message": "the index is gone", "code": 7}, "422 (the index is gone)"),
        ({"code": 7}, "422 the server refused the request"),
        ([], "422 the server refused the request"),
    ],
)  # fmt: skip
def test_the_detail_of_an_application_is_quoted(detail: object, what: str) -> None:
    """FastAPI's own list of places and messages, and an application's mapping."""
    body = json.dumps({"detail": detail}).encode()
    assert from_response(422, {"content-type": JSON}, body, where="http://a", now=0.0).fault.what == what
