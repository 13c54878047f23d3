"""What every way of failing over HTTP means: content type first, then status, then Prometheus' `errorType`."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping

import msgspec

from queries.errors import AccessDenied, InvalidResponse, RateLimited, RequestRejected, SourceError, TimedOut, Unreachable
from queries.http.lean_httpx import httpx
from queries.text.durations import format_duration

_SAMPLE = 200
"""How many characters of a server's message are quoted."""


class _ErrorBody(msgspec.Struct):
    """Prometheus' `error` and `errorType`, Alertmanager's and Kubernetes' `message`, FastAPI's `detail`."""

    error: object = ""
    errorType: object = ""
    message: object = ""
    detail: object = ""


AGENT = "unavailable with Prometheus Agent"
"""The error with which a Prometheus in agent mode rejects every query."""


_ERROR: msgspec.json.Decoder[str | _ErrorBody] = msgspec.json.Decoder(str | _ErrorBody)


def from_response(status: int, headers: Mapping[str, str], body: bytes, *, where: str, now: float) -> SourceError:
    """The error for an unsuccessful response; `now` (Unix seconds) is the reference of Retry-After."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body.lstrip()[:1] == b"<":
        media = "text/html"  # whatever its content type; some login pages have none
    retry_after = _retry_after(headers.get("retry-after", ""), now)
    if media == "application/json" or media.endswith("+json"):
        message, error_type = _json_message(body)
    else:
        message, error_type = _text_message(body, media), ""
    quoted = f" ({message})" if message else ""
    if status in (401, 403, 407):
        return _denied(status, message, where)
    busy = retry_after is not None or "concurrent" in message  # Alertmanager sends no Retry-After
    if status == 429 or (status == 503 and busy and not error_type):
        wait = (
            f"it asks to wait {format_duration(round(retry_after))}"
            if retry_after is not None
            else "the polling interval is increased"
        )
        return RateLimited(
            f"the server is over its limit: {status}{quoted}",
            where=where,
            hint=wait,
            retry_after_seconds=retry_after,
            status=status,
        )
    if error_type:
        return _by_error_type(error_type, message, status, where, retry_after)
    if "text/html" in media and status < 400:
        return AccessDenied(
            "a web page came instead of JSON",
            where=where,
            status=status,
            hint="probably a login page: check the credentials, or the URL and its path prefix",
        )
    if status < 300:
        return InvalidResponse(
            f"{media or 'something without a content type'} came instead of JSON{quoted}",
            where=where,
            status=status,
            hint="check that the URL is this server's",
        )
    return _by_status(status, quoted, message, where, retry_after)


def _denied(status: int, message: str, where: str) -> AccessDenied:
    quoted = f" ({message})" if message else ""
    if "no org id" in message:
        hint = "name the tenant in http_config: http_headers: {X-Scope-OrgID: {values: [TENANT]}}"
        return AccessDenied(f"{status} the server requires a tenant{quoted}", where=where, hint=hint, status=status)
    what, hint = {
        401: ("401 the server requires credentials", "set basic_auth or authorization for this server, or renew the token"),
        403: ("403 these credentials lack read permission", "ask for read access"),
        407: ("407 the proxy requires credentials", "put them into proxy_url, or name the host in no_proxy"),
    }[status]
    return AccessDenied(what + quoted, where=where, hint=hint, status=status)


def _by_error_type(error_type: str, message: str, status: int, where: str, retry_after: float | None) -> SourceError:
    text = message or error_type
    if error_type in ("timeout", "canceled"):
        return TimedOut(
            f"the server aborted the query: {text}",
            where=where,
            status=status,
            hint="it is too heavy or the server is overloaded",
            retry_after_seconds=retry_after,
        )
    if error_type in ("unavailable", "internal"):
        return Unreachable(
            f"the server failed: {text}",
            where=where,
            status=status,
            retry_after_seconds=retry_after,
            hint="check its log",
        )
    hint = "it scrapes and forwards only: use the URL of the server that it writes to" if AGENT in text else ""
    return RequestRejected(text, where=where, hint=hint, status=status)


def _by_status(status: int, quoted: str, message: str, where: str, retry_after: float | None) -> SourceError:
    # VictoriaMetrics returns 400 in plain text for a path that it does not serve.
    if status == 404 or (status == 400 and message.startswith("unsupported path requested")):
        return InvalidResponse(
            f"{status} nothing at this path{quoted}", where=where, status=status, hint="check the URL and its path prefix"
        )
    if status in (408, 504):
        return TimedOut(
            f"{status} the server or a proxy timed out{quoted}", where=where, status=status, retry_after_seconds=retry_after
        )
    if status == 400 and "HTTP request to an HTTPS server" in message:
        return Unreachable("the server speaks TLS on this port", where=where, status=status, hint="use https:// in the URL")
    if status in (502, 503):
        return Unreachable(
            f"{status} the server is starting, stopping or behind a broken proxy{quoted}",
            where=where,
            status=status,
            retry_after_seconds=retry_after,
        )
    if status >= 500:
        return Unreachable(
            f"{status} the server failed{quoted}",
            where=where,
            status=status,
            hint="check its log",
            retry_after_seconds=retry_after,
        )
    if status == 405:
        return RequestRejected(f"405 the method is not allowed here{quoted}", where=where, status=status)
    return RequestRejected(f"{status}{quoted or ' the server refused the request'}", where=where, status=status)


def from_redirect(status: int, target: httpx.URL, *, origin: httpx.URL, where: str, followed: bool) -> SourceError:
    """The error for a refused redirect; the target is named without its query, which may hold a token."""
    place = bare(target)
    if target.host == origin.host and (origin.scheme, target.scheme) == ("http", "https"):
        return InvalidResponse(
            f"{status} the server requires https", where=where, hint=f"use {place} in the URL", status=status
        )
    if followed:
        return InvalidResponse(f"{status} endless redirects", where=where, hint=f"the last one leads to {place}", status=status)
    return AccessDenied(
        f"{status} the server redirects to {place}",
        where=where,
        status=status,
        hint="probably a login page: set credentials that this server accepts directly",
    )


def from_exception(error: httpx.HTTPError, *, where: str, host: str) -> SourceError:
    """The error for a request without a complete response; by its cause, never by a text that may hold a secret."""
    if isinstance(error, httpx.ConnectTimeout):
        return TimedOut("no connection in time", where=where, hint="check host, port, VPN, firewall and proxy")
    if isinstance(error, httpx.TimeoutException):
        return TimedOut("no answer in time", where=where)
    if isinstance(error, httpx.UnsupportedProtocol):
        return Unreachable("the URL is not http or https", where=where, hint="write http://host:port or https://host")
    if isinstance(error, httpx.ProxyError):
        if "407" in str(error):
            return _denied(407, "", where)
        return Unreachable("the proxy refused the connection", where=where, hint="check proxy_url and no_proxy")
    if isinstance(error, httpx.LocalProtocolError):
        return AccessDenied(
            "a header of this endpoint cannot be sent",
            where=where,
            hint="check for line breaks in http_headers, credentials or their files",
        )
    if isinstance(error, httpx.RemoteProtocolError):
        return _protocol(str(error), where)
    return from_causes(error, where=where, host=host) or Unreachable(
        "no connection" if isinstance(error, httpx.ConnectError) else "the connection broke",
        where=where,
        hint="check host and port",
    )


def _protocol(text: str, where: str) -> SourceError:
    if "without sending a response" in text:
        return Unreachable(
            "the server closed the connection without an answer",
            where=where,
            hint="it may be stopping, or speak TLS on this port",
        )
    if "incomplete" in text or "peer closed" in text:
        return InvalidResponse("the answer was cut off", where=where, hint="the server or a proxy broke the connection")
    if "does not begin" in text or "too long" in text:
        return InvalidResponse("the answer does not end", where=where, hint="check that the URL is this server's")
    return InvalidResponse("the server does not speak HTTP here", where=where, hint="check the port")


def from_causes(error: BaseException, *, where: str, host: str) -> SourceError | None:
    """The error for a failed connection by its cause: TLS, name resolution, network; None for another cause."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause, where, host)
        if isinstance(cause, ssl.SSLError):
            return _tls(cause, where)
        if isinstance(cause, socket.gaierror):
            return Unreachable(f"cannot resolve {host}", where=where, hint="check its spelling, DNS, VPN or proxy")
        if isinstance(cause, OSError) and cause.errno in _NETWORK:
            what, hint = _NETWORK[cause.errno]
            return Unreachable(what, where=where, hint=hint)
    return None


_NETWORK = {
    errno.ECONNREFUSED: ("the connection was refused", "is the server running, and on this port?"),
    errno.ECONNRESET: ("the server reset the connection", "it may be stopping, or speak TLS on this port"),
    errno.EPIPE: ("the server closed the connection", ""),
    errno.EHOSTUNREACH: ("there is no route to the host", "check VPN and firewall"),
    errno.ENETUNREACH: ("the network is unreachable", "check VPN and network"),
    errno.ETIMEDOUT: ("the connection timed out", "check VPN and firewall"),
    errno.EACCES: ("this machine forbids the connection", "check firewall and sandbox"),
    errno.EMFILE: ("this process has too many files open", "raise its limit (ulimit -n)"),
}


def _certificate(cause: ssl.SSLCertVerificationError, where: str, host: str) -> SourceError:
    code = cause.verify_code
    if code == 10:
        return Unreachable("TLS: the server's certificate has expired", where=where, hint="renew it on the server")
    if code == 9:
        return Unreachable("TLS: the server's certificate is not valid yet", where=where, hint="check the clocks")
    if code in (62, 64):
        return Unreachable(
            f"TLS: the server's certificate is for another host than {host}",
            where=where,
            hint="use the name in the certificate, or set tls_config.server_name",
        )
    if code in (18, 19):
        return Unreachable(
            "TLS: the server's certificate is self-signed", where=where, hint="name its CA in tls_config.ca_file"
        )
    if code in (2, 20, 21):
        return Unreachable(
            "TLS: the server's certificate comes from an unknown authority",
            where=where,
            hint="name its CA in tls_config.ca_file",
        )
    return Unreachable(f"TLS: the server's certificate is not accepted ({cause.verify_message})", where=where)


def _tls(cause: ssl.SSLError, where: str) -> SourceError:
    reason = (cause.reason or "").upper()
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"):
        return Unreachable("the server does not speak TLS on this port", where=where, hint="use http:// in the URL")
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason or "BAD_CERTIFICATE" in reason:
        return AccessDenied(
            f"TLS: the server refused the connection ({reason.lower().replace('_', ' ')})",
            where=where,
            hint="it may require a client certificate: set tls_config.cert_file and key_file",
        )
    return Unreachable(f"TLS failed ({reason.lower().replace('_', ' ') or 'no reason given'})", where=where)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all its causes, also in exception groups (several addresses may have been tried)."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        waiting.extend((current.__cause__, current.__context__))


def bare(url: httpx.URL) -> str:
    """A URL for people: without user information, query and fragment."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


def _json_message(body: bytes) -> tuple[str, str]:
    """The message of a JSON error body and Prometheus' error type; empty for what is not there."""
    try:
        value = _ERROR.decode(body)
    except msgspec.MsgspecError:
        return _clean(body.decode("utf-8", "replace")), ""
    except (UnicodeDecodeError, RecursionError):
        return "", ""
    if isinstance(value, str):
        return _clean(value), ""
    messages = (value.error, value.message, value.detail, _describe_detail(value.detail))
    message = next((item for item in messages if isinstance(item, str) and item), "")
    return _clean(message, limit=600), value.errorType if isinstance(value.errorType, str) else ""


def _describe_detail(detail: object) -> str:
    """FastAPI's own `detail` of a 422, a list with place and message, or an application's, a mapping with a message."""
    if isinstance(detail, dict):
        return str(detail.get("message") or "")
    found = [item for item in detail if isinstance(item, dict)] if isinstance(detail, list) else []
    places = [".".join(map(str, item["loc"])) if isinstance(item.get("loc"), list) else "" for item in found]
    return "; ".join(
        ": ".join(filter(None, (place, str(item.get("msg", ""))))) for place, item in zip(places, found, strict=True)
    )


def _text_message(body: bytes, media: str) -> str:
    return "" if "html" in media else _clean(body.decode("utf-8", "replace"))


def _clean(text: str, *, limit: int = _SAMPLE) -> str:
    """One line of printable text, because control characters of a server must not reach the terminal."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _retry_after(text: str, now: float) -> float | None:
    """Seconds from now, from either form of the header; None if it is absent or invalid."""
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # only for a date

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return None
