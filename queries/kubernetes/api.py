"""Requests to the Kubernetes API server, behind a gate that refuses writes of a read-only client."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from queries.decoding import decode_json
from queries.errors import AccessDenied, InvalidResponse, RateLimited, RequestRejected, SourceError, TimedOut, Unreachable
from queries.http import wire_limit
from queries.http.body import Body
from queries.http.clock_skew import ServerClock
from queries.http.wire_limit import HEAD_BYTES, WireLimit
from queries.kubernetes.arrival_pace import gather
from queries.kubernetes.auth import KubeAccess
from queries.model.later import lazy_pattern
from queries.text.durations import format_duration
from queries.text.numbers import format_size

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

    from queries.kubernetes.connection import Connection

T = TypeVar("T")
Query = Sequence[tuple[str, str]]

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SELF_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
LIMIT_BYTES = 64 << 20
"""A page of 500 pods has some megabytes."""
LINE_BYTES = 8 << 20
"""No object in etcd is larger, so a longer line is not a watch event."""
REFUSAL_BYTES = 1 << 20
_LINE_WIRE_BYTES = 2 * LINE_BYTES + HEAD_BYTES


_FORBIDDEN = lazy_pattern(r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"(?: in API group "(?P<group>[^"]*)")?')
_WEBHOOK = lazy_pattern(r'failed calling webhook "(?P<name>[^"]{1,253})"(?:: )?(?P<why>.*)', re.DOTALL)
"""Source: Kubernetes 1.36, apiserver/pkg/util/webhook, ErrCallingWebhook."""
_WHOSE = "Kubernetes'"
_BUDGET = "DisruptionBudget"
"""The reason of the cause that names the PodDisruptionBudget behind a refused eviction."""
_WRONG_URL = "check the kubeconfig's server: is this an API server, and nothing in between?"


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    details: _Details | None = None


def is_read(method: str, path: str, query: Query, body: object = None) -> bool:
    """Whether a read-only client is allowed to send this: GET, a review of its own access or identity, or a full dry run.

    The API server ignores the query of a DELETE that has a body, so that body must say it too.
    Source: Kubernetes 1.36, apiserver/pkg/endpoints/handlers/delete.go.
    """
    if method == "GET":
        return True
    if method == "POST" and path in (REVIEWS, SELF_REVIEWS):
        return True
    if method == "DELETE" and body is not None and not (isinstance(body, Mapping) and body.get("dryRun") == ["All"]):
        return False
    return [value for name, value in query if name == "dryRun"] == ["All"]


def is_answer(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a response is the API server's success; a log-in page is none."""
    return 200 <= status < 300 and "html" not in headers.get("Content-Type", "")


def quote_segment(text: str) -> str:
    """Quote a name as one path segment; also names of dots only, which would climb."""
    return quote(text, safe="", errors="replace") if text.strip(".") else text.replace(".", "%2E")


GROUP_VERSIONS = {
    **dict.fromkeys(("deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions"), "apps/v1"),
    **dict.fromkeys(("cronjobs", "jobs"), "batch/v1"),
    "rollouts": "argoproj.io/v1alpha1",
    "endpointslices": "discovery.k8s.io/v1",
}
"""The group and version of each kind outside the core group, by its plural."""
_CLUSTER_SCOPED = frozenset({"nodes"})


def resource_path(resource: str, namespace: str, name: str = "", subresource: str = "") -> str:
    """The path of a kind's objects in the namespace, or of the object `name`; an empty namespace stands for all."""
    version = GROUP_VERSIONS.get(resource, "v1")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"namespaces/{quote_segment(namespace)}" if namespace and resource not in _CLUSTER_SCOPED else ""
    return "/".join(filter(None, (root, place, resource, quote_segment(name) if name else "", subresource)))


def resource_group(resource: str) -> str:
    """The API group of a kind, empty for the core group."""
    return GROUP_VERSIONS.get(resource, "").partition("/")[0]


class ByteStream:
    """The handle of one response without an end: `close` ends it from another thread, also before it has begun."""

    def __init__(self) -> None:
        self.closed = False
        self._response: BaseHTTPResponse | None = None
        self._lock = threading.Lock()

    def attach(self, response: BaseHTTPResponse) -> None:
        """The response that `close` ends."""
        with self._lock:
            self._response = response

    def close(self) -> None:
        """A blocked read returns at once."""
        with self._lock:
            self.closed = True
            response = self._response
        if response is not None:
            _shut_down(response)


class KubeApi:
    """Blocking requests for threads; a response is raw bytes, a failure a SourceError.

    A failed write certainly did not happen if the fault's status is 4xx, if the fault is UNREACHABLE without a status, or if
    it is REJECTED; after any other fault its outcome is unknown.
    With `read_only` a write raises PermissionError before anything is sent. A GET is retried once if the kept-alive
    connection was closed; nothing else is ever retried here.
    """

    def __init__(self, access: KubeAccess, *, read_only: bool, timeout_seconds: float) -> None:
        self._access = access
        self._read_only = read_only
        self._timeout = timeout_seconds
        self._open: set[BaseHTTPResponse] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.clock = ServerClock()
        self.served: dict[str, frozenset[str]] = {}
        """The custom resources of each group and version that was asked for once, by its path."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of a server that does answer: a wrong clock."""
        warning = self.clock.warning(self.where)
        return (warning,) if warning else ()

    @property
    def where(self) -> str:
        return self._access.where

    def login(self) -> tuple[Connection, Sequence[tuple[str, str]]]:
        """The connection and the impersonation headers of every request. Raises SourceError."""
        return self._access.login()

    @property
    def plugin(self) -> str:
        """The exec plugin that is running now, else empty."""
        return self._access.running

    def call(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        on_begin: Callable[[bytes], None] | None = None,
    ) -> bytes:
        """Send a request and return the response body. Raises SourceError, or PermissionError for a write under read-only.

        `on_begin` is called with the first bytes of a success.
        """
        if self._read_only and not is_read(method, path, query, body):
            raise PermissionError("read-only: nothing will be sent")
        with WireLimit(seconds=self._timeout) as limit:
            response = self._send(method, path, query, body, headers, limit=limit, read_seconds=self._timeout)
            try:
                content = self._read(response, limit, LIMIT_BYTES, on_begin)
            except SourceError:
                response.close()
                raise
            except Exception as error:
                response.close()
                raise self._map_lost(method, self._map_error(error)) from error
        response.release_conn()
        return content.whole()

    def call_decoded(self, type_: type[T], method: str, path: str, query: Query = (), body: object = None) -> T:
        """Send a request and decode the response. Raises SourceError; InvalidResponse for another shape."""
        content = self.call(method, path, query, body, {"Content-Type": "application/json"} if body is not None else None)
        return self.decode(content, type_)

    def decode(self, content: bytes | msgspec.Raw, type_: type[T]) -> T:
        """Decode JSON into `type_`. Raises InvalidResponse."""
        return decode_json(type_, content, where=self.where, whose=_WHOSE, hint=_WRONG_URL)

    def lines(
        self, path: str, query: Query, *, idle_seconds: float, opened: Callable[[], None] = lambda: None
    ) -> Iterator[bytes]:
        """The lines of a watch as they arrive, until the server ends it. Raises SourceError.

        `opened` is called when the server has accepted, which may be long before the first line.
        `close` ends it from another thread: a blocked read returns at once.
        """
        stream = ByteStream()
        with WireLimit(seconds=idle_seconds) as limit:
            response = self._send("GET", path, query, None, None, limit=limit, read_seconds=idle_seconds)
        with self._streaming(response, stream):
            if stream.closed:
                return
            self._new_body(response, LINE_BYTES, {"content-length"})
            opened()
            limit.grant(_LINE_WIRE_BYTES, seconds=idle_seconds)
            pending = bytearray()
            for piece in gather(response.stream(1 << 16, decode_content=False)):
                first, *more = piece.split(b"\n")
                pending += first
                if len(pending) > LINE_BYTES:
                    message = f"a line of more than {format_size(LINE_BYTES)} in a watch"
                    raise InvalidResponse(message, where=self.where, hint=_WRONG_URL)
                if not more:
                    continue
                *lines, rest = bytes(pending), *more
                pending = bytearray(rest)
                limit.grant(_LINE_WIRE_BYTES, seconds=idle_seconds)
                yield from (line for line in lines if line.strip())
                limit.grant(_LINE_WIRE_BYTES, seconds=idle_seconds)
            if pending.strip():
                yield bytes(pending)

    def pieces(self, path: str, query: Query, *, stream: ByteStream, idle_seconds: float) -> Iterator[bytes]:
        """The bytes of a response without an end as they arrive, until the server ends it. Raises SourceError.

        The server may send its headers with the first byte only, so `idle_seconds` limits the wait for both.
        """
        if stream.closed:
            return
        with WireLimit(seconds=idle_seconds) as limit:
            response = self._send("GET", path, query, None, None, limit=limit, read_seconds=idle_seconds)
        with self._streaming(response, stream):
            if stream.closed:
                return
            self._new_body(response, LINE_BYTES, {"content-length"})
            limit.grant(_LINE_WIRE_BYTES, seconds=idle_seconds)
            for piece in gather(response.stream(1 << 16, decode_content=False)):
                yield piece
                limit.grant(_LINE_WIRE_BYTES, seconds=idle_seconds)

    @contextmanager
    def _streaming(self, response: BaseHTTPResponse, stream: ByteStream) -> Iterator[None]:
        """While the response is read, `close` and the stream's own `close` can end it."""
        with self._lock:
            self._open.add(response)
            if self._closed:
                stream.close()
        stream.attach(response)
        try:
            yield
        except SourceError:
            raise
        except GeneratorExit:
            raise
        except Exception as error:
            if not (self._closed or stream.closed):
                raise self._map_error(error) from error
        finally:
            with self._lock:
                self._open.discard(response)
            response.close()

    def close(self) -> None:
        """End every open watch and refuse new ones."""
        with self._lock:
            self._closed = True
            open_now = tuple(self._open)
        for response in open_now:
            _shut_down(response)
        self._access.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: object,
        headers: Mapping[str, str] | None,
        *,
        limit: WireLimit,
        read_seconds: float,
    ) -> BaseHTTPResponse:
        connection, impersonation = self._access.login()
        given = {"Accept": "application/json, */*", **(headers or {})}
        request = (method, path, query, (*given.items(), *impersonation), body)
        timeout = (self._timeout, read_seconds)
        limit.grant(HEAD_BYTES, seconds=read_seconds)  # from here on: credentials have their own limit
        sent_at = time.time()
        try:
            response = connection.send(*request, timeout=timeout)
        except Exception as error:
            if method != "GET" or not _dropped(error):
                mapped = self._map_error(error)
                # A TLS failure may be that of the connection, or come after the request.
                raise (self._map_lost(method, mapped) if _dropped(error) or limit.awaits_response else mapped) from error
            try:
                response = connection.send(*request, timeout=timeout)
            except Exception as second:
                raise self._map_error(second) from second
        self.clock.on_response(response.headers, sent_at=sent_at, received_at=time.time())
        if is_answer(response.status, response.headers):
            return response
        try:
            limit.grant(0, seconds=self._timeout)
            content = self._read(response, limit, REFUSAL_BYTES).whole()
        except Exception:
            content = b""  # the status alone must suffice
        finally:
            response.close()
        raise self.refuse(connection, response.status, content, response.headers)

    def refuse(self, connection: Connection, status: int, content: bytes, headers: Mapping[str, str]) -> SourceError:
        """The error for a refused request; after a 401 the next request logs in again."""
        if status == 401:
            self._access.reject(connection)
        return self._map_refusal(status, content, headers)

    def _map_lost(self, method: str, error: SourceError) -> SourceError:
        """The error of a connection that broke after the request was sent: the outcome of a write is unknown."""
        if method == "GET" or not isinstance(error, Unreachable):
            return error
        return TimedOut("the connection broke during the write", where=self.where, hint="it may or may not have taken effect")

    def _read(
        self,
        response: BaseHTTPResponse,
        limit: WireLimit,
        limit_bytes: int,
        on_begin: Callable[[bytes], None] | None = None,
    ) -> Body:
        body = self._new_body(response, limit_bytes)
        wire_limit.read_limited(response, body, limit, on_begin)
        return body

    def _new_body(self, response: BaseHTTPResponse, limit_bytes: int, but: Container[str] = ()) -> Body:
        """An empty body for a response. Raises InvalidResponse if it is encoded: the client accepts `identity` only."""
        headers = {lower: value for name, value in response.headers.items() if (lower := name.lower()) not in but}
        return Body(headers, limit_bytes=limit_bytes, where=self.where, status=response.status)

    def late(self) -> TimedOut:
        """The error of a request that has no whole answer in time."""
        return TimedOut(
            f"the API server did not answer within {format_duration(self._timeout)}",
            where=self.where,
            hint="check the network and the cluster's health",
        )

    def _map_error(self, error: Exception) -> SourceError:
        from urllib3 import exceptions  # noqa: PLC0415 - not before the first request

        where = self.where
        if isinstance(error, SourceError):
            return error
        reason = getattr(error, "reason", None)
        if isinstance(error, exceptions.MaxRetryError | exceptions.ProxyError) and isinstance(reason, Exception):
            return self._map_error(reason)
        if isinstance(error, exceptions.NameResolutionError):
            return Unreachable(
                "cannot resolve the API server's name", where=where, hint="check the kubeconfig's server and DNS"
            )
        if isinstance(error, exceptions.NewConnectionError):
            return self._map_connect_error(error)
        if isinstance(error, exceptions.ConnectTimeoutError):
            return Unreachable(
                f"no connection within {format_duration(self._timeout)}", where=where, hint="check network and VPN"
            )
        if isinstance(error, exceptions.SSLError):
            text = str(reason or error).splitlines()[-1][:200]
            return Unreachable("no TLS connection to the API server", where=where, hint=text)
        if isinstance(error, exceptions.ReadTimeoutError | TimeoutError):
            return self.late()
        if wire_limit.exceeds_limit(error):
            return InvalidResponse("the answer does not end", where=where, hint=_WRONG_URL)
        if isinstance(error, exceptions.HTTPError | OSError):
            return self._broken(error)
        return InvalidResponse(f"the API server's response is invalid ({type(error).__name__})", where=where, hint=_WRONG_URL)

    def _broken(self, error: BaseException) -> SourceError:
        hint = f"it may be restarting, or a proxy closed it ({type(error).__name__})"
        return Unreachable("the connection to the API server broke", where=self.where, hint=hint)

    def _map_connect_error(self, error: Exception) -> SourceError:
        """urllib3 raises one error for every failed connection; the cause is the operating system's error."""
        from queries.http.error_mapping import from_causes  # noqa: PLC0415 - imports httpx

        cause = error.__cause__
        if isinstance(cause, ConnectionRefusedError):
            hint = "does this context's cluster still exist?"
            return Unreachable("the API server refuses connections", where=self.where, hint=hint)
        if isinstance(cause, ConnectionError):
            return self._broken(cause)
        mapped = from_causes(error, where=self.where, host=urlsplit(self.where).hostname or "")
        return mapped or Unreachable("no connection to the API server", where=self.where, hint="check network and VPN")

    def _map_refusal(self, status: int, content: bytes, headers: Mapping[str, str]) -> SourceError:
        where = self.where
        try:
            answer = self.decode(content, _Status)
        except InvalidResponse:
            answer = _Status()
        message = answer.message[:500]
        # A cause without a field only repeats the message.
        causes = "; ".join(f"{cause.field}: {cause.message}" for cause in _causes(answer) if cause.field)[:300]
        if status == 401:
            return AccessDenied(
                "the API server does not accept these credentials (401)",
                where=where,
                hint="log in again: the token expired or belongs to another cluster",
                status=status,
            )
        if status == 407:
            text = message or "the proxy in front of the API server requires credentials (407)"
            return AccessDenied(text, where=where, hint="add them to the kubeconfig's proxy-url", status=status)
        if status == 403:
            text = message or "the API server forbids this (403)"
            return AccessDenied(text, where=where, hint=_missing_right(text), status=status)
        if 200 <= status < 400:
            text = "a log-in page or proxy answers instead of the API server"
            return AccessDenied(text, where=where, hint="log in there first, or check the kubeconfig's server", status=status)
        budget = next((cause.message for cause in _causes(answer) if cause.reason == _BUDGET), "")
        if status == 429 and budget:
            return RequestRejected(
                f"{message} {budget}", where=where, hint="wait until more of its pods are ready", status=status
            )
        if status == 429:
            return RateLimited(
                message or "the API server is over its limit (429)",
                where=where,
                hint="the polling interval is increased",
                retry_after_seconds=_seconds(headers.get("Retry-After")),
                status=status,
            )
        if status in (408, 504):
            text = message or f"the API server aborted the request ({status})"
            return TimedOut(text, where=where, hint="it or a proxy is overloaded", status=status)
        if status >= 500 and (hook := _WEBHOOK.search(message)):
            # Admission precedes storage, so the server did not apply the write.
            what = f"the admission webhook {hook['name']} did not answer: {hook['why'] or 'no reason given'}"
            hint = "the API server rejects such changes until that webhook answers; ask who runs it"
            return RequestRejected(what, where=where, hint=hint, status=status)
        if status >= 500:
            what = message or f"the API server is unhealthy ({status})"
            return Unreachable(what, where=where, hint="it may be starting or stopping", status=status)
        if status == 404 and not message:
            return RequestRejected("the API server does not serve this (404)", where=where, hint=_WRONG_URL, status=status)
        return RequestRejected(message or f"the API server rejects this ({status})", where=where, hint=causes, status=status)


def _causes(answer: _Status) -> Sequence[_Cause]:
    return (answer.details.causes or ()) if answer.details else ()


def _shut_down(response: BaseHTTPResponse) -> None:
    try:
        response.shutdown()
    except (RuntimeError, ValueError, OSError):  # it has just ended by itself
        return


def _missing_right(text: str) -> str:
    """The permission to request: the verb and resource in RBAC's message; a policy or webhook gives its own reason."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return "ask the cluster's administrators which permission or policy is missing"
    group = f".{found['group']}" if found["group"] else ""
    return f"ask for permission to {found['verb']} {found['resource']}{group}"


def _dropped(error: Exception) -> bool:
    """Whether the server had closed a kept-alive connection before it read the request."""
    from urllib3.exceptions import ProtocolError  # noqa: PLC0415 - as above

    return isinstance(error, ProtocolError) and not wire_limit.exceeds_limit(error)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None


def decode_object(content: bytes) -> dict[str, Any]:
    """Decode one object as the server returns it. Raises InvalidResponse."""
    return decode_json(dict[str, Any], content, whose=_WHOSE, hint=_WRONG_URL)
