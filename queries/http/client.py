"""The HTTP client: every HTTP request that reads is sent through a `Client`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast
from urllib.parse import quote_plus

import msgspec

from queries.concurrency import offload, run_cpu_bound
from queries.decoding import decode_json
from queries.errors import InvalidResponse, SourceError, TimedOut, Unreachable
from queries.http import error_mapping, tls
from queries.http import transport as wire
from queries.http.body import PIECE_BYTES, Body
from queries.http.clock_skew import ServerClock
from queries.http.credentials import Credentials
from queries.http.direct import BodyStream
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx
from queries.http.proxy import proxy_for
from queries.model.frozen import dataclass
from queries.text.durations import format_duration

if TYPE_CHECKING:
    from queries.http.web_socket import WebSocket

T = TypeVar("T")

LIMIT_BYTES = 64 << 20
"""The limit of every response; a request may set a smaller one."""
_LARGE = 32 << 10
"""A larger response is decoded off the event loop."""
_ERROR_BYTES = 64 << 10
"""How much of an error response is read."""
_YIELD_SECONDS = 0.005
"""How long one response may be read before the loop runs other tasks."""
_HEADERS = ((b"accept", b"application/json"), (b"user-agent", b"cad-console"))
_MOST_BUILT = 16
"""How many requests a client keeps to send them again."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Progress:
    """The phase of one attempt, from the transport's trace events, for the message of a timeout."""

    __slots__ = ("dialled", "phase")

    def __init__(self) -> None:
        self.phase = "waiting for a connection"
        self.dialled = False

    async def trace(self, event: str, _info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.phase, self.dialled = "connecting", True
        elif event.endswith("start_tls.started"):
            self.phase = "in the TLS handshake"
        elif event.endswith("send_request_headers.started"):
            self.phase = "waiting for the answer"
        elif event.endswith("receive_response_body.started"):
            self.phase = "receiving the answer"


@dataclass(frozen=True, slots=True)
class _Request:
    """One request of a caller, before redirects and retries."""

    method: str
    path: str
    limit_bytes: int
    params: Sequence[tuple[str, str]] = ()
    content: bytes | None = None
    accept: Sequence[int] = ()
    url: httpx.URL | None = None
    """The exact URL, instead of the endpoint's with `path`."""
    any_body: bool = False
    """Accept any content of a successful response except a web page."""


_Key: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...], bytes | None, tuple[tuple[bytes, bytes], ...]]


class Client:
    """A client of one server; every method returns decoded content or raises a SourceError.

    The endpoint's timeout covers a whole request: name resolution, connection, redirects, retry and the last byte.
    Nothing is opened or read before the first request.
    """

    def __init__(
        self, endpoint: Endpoint, *, name: str, transport: httpx.AsyncBaseTransport | None = None, writes: bool = False
    ) -> None:
        self.name = name
        self._config = endpoint.http
        self._timeout = endpoint.timeout_seconds
        self._writes = writes
        self._clock = ServerClock()
        self._given = transport
        self._transport: httpx.AsyncBaseTransport | None = None
        self._stamp: object = None
        self._opening = asyncio.Lock()
        self._base: httpx.URL | None = None
        self._urls: dict[str, httpx.URL] = {}
        self._built: dict[_Key | None, tuple[httpx.URL, httpx.Request]] = {}
        """The latest requests by what they were built from."""
        user = password = ""
        if (base := parse_url(endpoint.url)) is not None:
            user, password = base.username, base.password
            self._base = base.copy_with(userinfo=b"", query=None, fragment=None, path=base.path.rstrip("/") or "/")
        self.where = str(self._base).rstrip("/") if self._base else f"the URL of {name}"
        self._credentials = Credentials(endpoint.http, where=self.where, username=user, password=password)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of a server that does answer: a wrong clock."""
        warning = self._clock.warning(self.where)
        return (warning,) if warning else ()

    @property
    def ahead_seconds(self) -> float:
        """The least by which the server's clock is ahead of this machine's, negative if it is behind."""
        return self._clock.ahead_seconds

    async def get(
        self, path: str, params: Sequence[tuple[str, str]] = (), *, type: type[T], limit_bytes: int = LIMIT_BYTES
    ) -> T:
        """GET and decode into `type`. Raises SourceError."""
        return await self.fetch(path, params, decode=partial(self.decode, type), limit_bytes=limit_bytes)

    async def fetch(
        self,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        decode: Callable[[bytes], T],
        limit_bytes: int = LIMIT_BYTES,
        method: str = "GET",
        accept: Sequence[int] = (),
        any_body: bool = False,
    ) -> T:
        """As `get` with a decoder, which runs off the event loop for a large response.

        `accept` are statuses beyond 2xx whose JSON body is valid too; `any_body` accepts any content except a web page.
        The decoder raises SourceError itself.
        """
        _, body = await self._exchange(_Request(method, path, limit_bytes, params=params, accept=accept, any_body=any_body))
        return await run_cpu_bound(partial(decode, body)) if len(body) > _LARGE else decode(body)

    async def answer(self, path: str, *, limit_bytes: int = LIMIT_BYTES, accept: Sequence[int] = ()) -> tuple[int, bytes]:
        """GET; returns status and JSON body, for a server whose status matters. Raises SourceError."""
        return await self._exchange(_Request("GET", path, limit_bytes, accept=accept))

    async def send(self, method: str, path: str, *, json: object = None, query: Sequence[tuple[str, str]] = ()) -> object:
        """Send one write; returns the decoded response, None for an empty one. Only for a client with `writes`.

        Never retried, never redirected. After a SourceError the write certainly did not happen if the status is 4xx, or if
        the fault is UNREACHABLE without a status; after any other fault the outcome is unknown.
        """
        if not self._writes:
            raise PermissionError(f"read-only: {method} {path} is not sent")
        content = msgspec.json.encode(json) if json is not None else None
        # The parameters of a POST would become its form.
        url = _with_query(_join_path(self._base, path), tuple(query)) if query and self._base else None
        _, body = await self._exchange(_Request(method, path, 8 << 20, content=content, url=url))
        if not body.strip():
            return None
        decode = partial(self.decode, object, body)
        return await run_cpu_bound(decode) if len(body) > _LARGE else decode()

    async def deliver(self, url: str, *, json: object) -> None:
        """POST to exactly this URL, which may be a secret and appears in no error; any successful response except a web page is
        valid. As `send`, never retried and never redirected; only for a client with `writes`, for a URL of its endpoint.
        """
        if not self._writes:
            raise PermissionError("read-only: nothing is sent")
        target = parse_url(url)
        if target is None:
            raise Unreachable(
                "its URL cannot be used", where=self.where, hint="write http://host:port/path or https://host/path"
            )
        request = _Request("POST", "", 1 << 20, content=msgspec.json.encode(json), url=target, any_body=True)
        await self._exchange(request)

    def web_socket(self, path: str, params: Sequence[tuple[str, str]]) -> WebSocket | None:
        """A WebSocket that is only read, not opened yet; None where there is none: through a proxy, or over a transport that
        was given. Raises SourceError.
        """
        base = self._base
        if base is None or self._given is not None:
            return None
        port = base.port or (443 if base.scheme == "https" else 80)
        if proxy_for(base.scheme, base.host, port, self._config, os.environ):
            return None
        from queries.http.web_socket import WebSocket  # noqa: PLC0415  # not before a stream is followed

        return WebSocket(
            _with_query(_join_path(base, path), tuple(params)),
            [(b"user-agent", b"cad-console"), *self._credentials.headers()],
            self._config,
            where=self.where,
            timeout_seconds=self._timeout,
            redact=self._credentials.redact_error,
        )

    async def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def redact(self, text: str) -> str:
        """The text without any secret of this endpoint, which a server may echo."""
        return self._credentials.redact(text)

    def decode(self, type: type[T], body: bytes) -> T:
        """Decode the JSON body. Raises InvalidResponse: truncated, not JSON, or of another shape."""
        return decode_json(type, body, where=self.where)

    async def _exchange(self, request: _Request) -> tuple[int, bytes]:
        progress = _Progress()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._attempt(request, progress)
        except TimeoutError:
            raise TimedOut(
                f"no complete answer within {format_duration(self._timeout)} ({progress.phase})",
                where=self.where,
                hint=_hint(progress.phase),
            ) from None
        except SourceError as error:
            raise self._credentials.redact_error(error) from None

    async def _attempt(self, request: _Request, progress: _Progress) -> tuple[int, bytes]:
        transport, base = await self._open()
        method, reads = request.method, request.method in ("GET", "HEAD") or not self._writes
        url = request.url or self._join_path(base, request.path)
        for hop in range(6):
            repeated = not hop or method == request.method == "POST"
            sent = self._build_request(method, url, request if repeated else None, progress)
            try:
                sent_at = time.time()
                try:
                    response = await transport.handle_async_request(sent)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError):
                    # The server had closed a kept-alive connection without a response, so one retry is safe.
                    if not reads or progress.dialled:
                        raise
                    response = await transport.handle_async_request(sent)
                response.request = sent
                self._clock.on_response(response.headers, sent_at=sent_at, received_at=time.time())
                try:
                    target = self._redirect(response, base, method, reads, hop)
                    if target is None:
                        return response.status_code, await self._read_body(response, request)
                finally:
                    await response.aclose()
            except httpx.HTTPError as error:
                mapped = error_mapping.from_exception(error, where=self.where, host=base.host)
                if not reads and isinstance(mapped, Unreachable) and not isinstance(error, httpx.ConnectError):
                    raise TimedOut(
                        "the connection broke during the write",
                        where=self.where,
                        hint="it may or may not have taken effect",
                    ) from None
                raise mapped from None
            url = target
            if response.status_code in (301, 302, 303):
                method = "GET"
        raise AssertionError("unreachable: _redirect ends the chain")

    def _build_request(self, method: str, url: httpx.URL, request: _Request | None, progress: _Progress) -> httpx.Request:
        """`request` is None after a redirect, whose target is complete.

        What every refresh sends again is built once.
        """
        # `_exchange` sets the overall deadline; this one closes the socket of a hanging TLS handshake.
        extensions: dict[str, Any] = {"trace": progress.trace, "timeout": {"connect": self._timeout * 0.8}}
        if self._config.server_name:
            extensions["sni_hostname"] = self._config.server_name
        own = tuple(self._credentials.headers())
        key = (method, request.path, tuple(request.params), request.content, own) if request and request.url is None else None
        known = self._built.get(key)
        if known is not None and known[0] is url:
            return _with_extensions(known[1], extensions)
        headers = [*_HEADERS, (b"accept-encoding", accept_encoding(url.host).encode()), *own]
        target, content = url, request.content if request else None
        if content is not None:
            headers.append((b"content-type", b"application/json"))
        elif request and request.params and method == "POST":
            content = _encode_query(request.params)
            headers.append((b"content-type", b"application/x-www-form-urlencoded"))
        elif request and request.params:
            target = _with_query(url, tuple(request.params))
        built = httpx.Request(method, target, content=content, headers=headers, extensions=extensions)
        if key is not None and len(content or b"") < _LARGE:
            if len(self._built) >= _MOST_BUILT:
                self._built.clear()
            self._built[key] = (url, built)
        return built

    def _join_path(self, base: httpx.URL, path: str) -> httpx.URL:
        """The same object for the same path."""
        if (url := self._urls.get(path)) is None:
            if len(self._urls) >= _MOST_BUILT:
                self._urls.clear()
            url = self._urls[path] = _join_path(base, path)
        return url

    def _redirect(self, response: httpx.Response, base: httpx.URL, method: str, reads: bool, hop: int) -> httpx.URL | None:
        """The target of a redirect, None for another response; only reads are redirected, and only within the origin."""
        if response.status_code not in (301, 302, 303, 307, 308) or "location" not in response.headers:
            return None
        try:
            target = response.request.url.join(response.headers["location"])
        except (httpx.InvalidURL, ValueError):
            message = "the server redirects to an invalid URL"
            raise InvalidResponse(message, where=self.where, hint="check the proxy in front of it") from None
        same = (target.scheme, target.host, target.port) == (base.scheme, base.host, base.port)
        if same and reads and self._config.follow_redirects and hop < 5:
            return target
        raise error_mapping.from_redirect(
            response.status_code, target, origin=base, where=self.where, followed=same and hop >= 5
        )

    async def _read_body(self, response: httpx.Response, request: _Request) -> bytes:
        good = response.is_success or response.status_code in request.accept
        media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        json = media.endswith("json")
        content = await self._read_content(response, request) if good else await self._read_error(response)
        # Some servers label their JSON wrongly; HTML is never JSON.
        if good and (json or not content or ("html" not in media and content.lstrip()[:1] in (b"{", b"["))):
            return content
        if good and request.any_body and "html" not in media and content.lstrip()[:1] != b"<":
            return content
        raise error_mapping.from_response(response.status_code, response.headers, content, where=self.where, now=time.time())

    async def _read_content(self, response: httpx.Response, request: _Request) -> bytes:
        body = self._new_body(response, min(request.limit_bytes, LIMIT_BYTES))
        await read_into(response, body)
        content = body.start()
        return content if body.decoded else await run_cpu_bound(body.whole)

    async def _read_error(self, response: httpx.Response) -> bytes:
        """The beginning of an error response; empty if it cannot be read, because the status matters more."""
        try:
            body = self._new_body(response, 2 * PIECE_BYTES)
            await read_into(response, body, _ERROR_BYTES)
            return body.start()[:_ERROR_BYTES]
        except InvalidResponse:
            return b""

    def _new_body(self, response: httpx.Response, limit_bytes: int) -> Body:
        accepted = accept_encoding(response.request.url.host)
        return Body(response.headers, limit_bytes=limit_bytes, where=self.where, accepted=accepted, status=response.status_code)

    async def _open(self) -> tuple[httpx.AsyncBaseTransport, httpx.URL]:
        """The transport, created at the first request and again when a TLS file was replaced.

        Used without httpx' client, which adds its own cookies, redirects and authentication.
        """
        base = self._base
        if base is None:
            raise Unreachable(f"{self.where} is not a URL", hint="write http://host:port or https://host")
        stamp = tls.file_stamps(self._config) if base.scheme == "https" else ()
        if self._transport is not None and stamp == self._stamp:
            return self._transport, base
        async with self._opening:
            if self._transport is not None and stamp == self._stamp:
                return self._transport, base
            inner = self._given
            if inner is None:
                inner = await offload(partial(wire.build_transport, base, self._config, where=self.where))
            old, self._stamp = self._transport, stamp
            self._transport = inner if self._writes else wire.ReadOnlyTransport(inner)
            if old is not None and self._given is None:
                await old.aclose()
        return self._transport, base


async def read_into(response: httpx.Response, body: Body, enough: float = float("inf")) -> None:
    """Feed the body of a response until it has more than `enough` bytes; yields to the loop now and then."""
    if isinstance(response.stream, BodyStream) and (whole := response.stream.take_whole()) is not None:
        if whole:
            body.feed(whole)
        return
    pause = time.monotonic() + _YIELD_SECONDS
    async for piece in cast("httpx.AsyncByteStream", response.stream):
        body.feed(piece)
        if body.size > enough:
            return
        if time.monotonic() > pause:  # a hundred thousand one-byte pieces arrive without a wait between them
            await asyncio.sleep(0)
            pause = time.monotonic() + _YIELD_SECONDS


def accept_encoding(host: str) -> str:
    """The Accept-Encoding for this host: compression pays only over a network."""
    return "identity" if host in _LOOPBACK else "gzip"


def parse_url(text: str) -> httpx.URL | None:
    """Parse an http or https URL; None if it is not one."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError):
        return None
    return url if url.scheme in ("http", "https") and url.host and "%" not in url.host and (url.port or 0) < 65536 else None


def _hint(phase: str) -> str:
    if phase == "waiting for the answer":
        return "the server is overloaded or the query is heavy"
    return "check VPN, firewall and proxy" if phase in ("connecting", "in the TLS handshake") else ""


def _with_extensions(request: httpx.Request, extensions: dict[str, Any]) -> httpx.Request:
    """The same request for another exchange: nobody changes its headers or its content."""
    copied = object.__new__(httpx.Request)
    copied.__dict__ = {**request.__dict__, "extensions": extensions}
    return copied


@lru_cache(maxsize=64)
def _join_path(base: httpx.URL, path: str) -> httpx.URL:
    return base.copy_with(path=base.path.rstrip("/") + path)


@lru_cache(maxsize=64)
def _with_query(url: httpx.URL, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    return url.copy_with(query=_encode_query(params))


def _encode_query(params: Sequence[tuple[str, str]]) -> bytes:
    return "&".join(f"{_quote(name)}={_quote(value)}" for name, value in params).encode()


@lru_cache(maxsize=64)
def _quote(text: str) -> str:
    """Cached, because every refresh sends the same query with another time, and quoting a long one costs more than sending."""
    return quote_plus(text)
