"""The one client factory: every HTTP request that reads leaves through a Client made here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar, cast
from urllib.parse import quote_plus

import httpx
import msgspec

from queries.concurrency import offload, run_cpu_bound
from queries.decoding import decode_json
from queries.errors import InvalidResponse, SourceError, TimedOut, Unreachable
from queries.http import error_mapping, tls
from queries.http import transport as wire
from queries.http.body import PIECE_BYTES, Body
from queries.http.clock_skew import ServerClock
from queries.http.credentials import Credentials
from queries.http.endpoint import Endpoint

T = TypeVar("T")

LIMIT_BYTES = 64 << 20
"""No answer is larger; each may have a smaller limit of its own."""
_LARGE = 32 << 10
"""Bytes from which decoding leaves the event loop."""
_ERROR_BYTES = 64 << 10
"""How much of an answer is read that only explains a failure."""
_TURN_SECONDS = 0.005
"""How long one answer's pieces may be taken in before somebody else gets a turn."""
_HEADERS = ((b"accept", b"application/json"), (b"user-agent", b"cad-console"))
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Progress:
    """How far one attempt came, from the transport's own events; it makes the sentence of a time-out."""

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
class _Ask:
    """One request as the caller meant it, before redirects and retries."""

    method: str
    path: str
    limit_bytes: int
    params: Sequence[tuple[str, str]] = ()
    content: bytes | None = None
    accept: Sequence[int] = ()
    whole: httpx.URL | None = None
    """The very URL to ask instead of the endpoint's with `path`."""
    any_body: bool = False
    """Whatever stands in a good answer is fine, unless it is a web page."""


class Client:
    """Asks one server and gives decoded answers, or a SourceError that a person can act on.

    The endpoint's time-out covers the whole of a request: name, connection, redirects, retry and the last byte.
    Nothing is opened and no file is read before the first request.
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
        user = password = ""
        if (base := usable(endpoint.url)) is not None:
            user, password = base.username, base.password
            self._base = base.copy_with(userinfo=b"", query=None, fragment=None, path=base.path.rstrip("/") or "/")
        self.where = str(self._base).rstrip("/") if self._base else f"the URL of {name}"
        self._credentials = Credentials(endpoint.http, where=self.where, username=user, password=password)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the server though it answers: its clock."""
        told = self._clock.warning(self.where)
        return (told,) if told else ()

    @property
    def ahead_seconds(self) -> float:
        """How far the server's clock is ahead of this machine's at least, negative where it is behind."""
        return self._clock.ahead_seconds

    async def get(
        self, path: str, params: Sequence[tuple[str, str]] = (), *, type: type[T], limit_bytes: int = LIMIT_BYTES
    ) -> T:
        """GET and decode into `type`. Raises SourceError."""
        return await self.fetch(path, params, decode=partial(self.decode, type), limit_bytes=limit_bytes)

    async def post_form(
        self, path: str, form: Sequence[tuple[str, str]], *, type: type[T], limit_bytes: int = LIMIT_BYTES
    ) -> T:
        """POST a form to one of READ_POSTS and decode into `type`. Raises SourceError."""
        return await self.fetch(path, form, decode=partial(self.decode, type), limit_bytes=limit_bytes, method="POST")

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
        """As `get`, with a decoder of its own, which runs off the event loop where the answer is large.

        `accept` names statuses beyond 2xx whose JSON body is an answer too; with `any_body` the answer may be any
        text but a web page. The decoder raises SourceError itself.
        """
        _, body = await self._exchange(_Ask(method, path, limit_bytes, params=params, accept=accept, any_body=any_body))
        return await run_cpu_bound(partial(decode, body)) if len(body) > _LARGE else decode(body)

    async def answer(self, path: str, *, limit_bytes: int = LIMIT_BYTES, accept: Sequence[int] = ()) -> tuple[int, bytes]:
        """GET and give the status with the JSON body, for a server whose status says more than its body. Raises SourceError."""
        return await self._exchange(_Ask("GET", path, limit_bytes, accept=accept))

    async def send(self, method: str, path: str, *, json: object = None) -> object:
        """Send one write and give its decoded answer, None for an empty one; only for a client made with `writes`.

        Never repeated, never redirected. After a SourceError the write certainly did not happen where the status is 4xx,
        or where the fault is UNREACHABLE without a status; with any other fault its outcome is unknown.
        """
        if not self._writes:
            raise PermissionError(f"{method} {path} is not a read: this client only reads")
        content = msgspec.json.encode(json) if json is not None else None
        _, body = await self._exchange(_Ask(method, path, 8 << 20, content=content))
        if not body.strip():
            return None
        decode = partial(self.decode, object, body)
        return await run_cpu_bound(decode) if len(body) > _LARGE else decode()

    async def deliver(self, url: str, *, json: object) -> None:
        """POST to exactly this URL, which may itself be a secret and is in no error; any answer of success but a web page is
        fine. As `send`, never repeated and never redirected; only for a client made with `writes`, for a URL of its endpoint.
        """
        if not self._writes:
            raise PermissionError("this client only reads")
        whole = usable(url)
        if whole is None:
            raise Unreachable(
                "its URL cannot be used", where=self.where, hint="write http://host:port/path or https://host/path"
            )
        ask = _Ask("POST", "", 1 << 20, content=msgspec.json.encode(json), whole=whole, any_body=True)
        await self._exchange(ask)

    async def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def decode(self, type: type[T], body: bytes) -> T:
        """The JSON body as `type`. Raises Malformed that says whether it is cut off, no JSON or of another shape."""
        return decode_json(type, body, where=self.where)

    async def _exchange(self, ask: _Ask) -> tuple[int, bytes]:
        progress = _Progress()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._attempts(ask, progress)
        except TimeoutError:
            raise TimedOut(
                f"no whole answer within {self._timeout:g} s ({progress.phase})", where=self.where, hint=_hint(progress.phase)
            ) from None
        except SourceError as error:
            raise self._credentials.redacted(error) from None

    async def _attempts(self, ask: _Ask, progress: _Progress) -> tuple[int, bytes]:
        transport, base = await self._open()
        method, reads = ask.method, ask.method in ("GET", "HEAD") or not self._writes
        url = ask.whole or _place(base, ask.path)
        for hop in range(6):
            request = self._request(method, url, ask if not hop or method == ask.method == "POST" else None, progress)
            try:
                asked_at = time.time()
                try:
                    response = await transport.handle_async_request(request)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError):
                    # A kept connection that the server had closed meanwhile: nothing was answered, so one more try is safe.
                    if not reads or progress.dialled:
                        raise
                    response = await transport.handle_async_request(request)
                response.request = request
                self._clock.heard(response.headers, asked_at=asked_at, answered_at=time.time())
                try:
                    target = self._redirect(response, base, method, reads, hop)
                    if target is None:
                        return response.status_code, await self._body(response, ask)
                finally:
                    await response.aclose()
            except httpx.HTTPError as error:
                mapped = error_mapping.from_exception(error, where=self.where, host=base.host)
                if not reads and isinstance(mapped, Unreachable) and not isinstance(error, httpx.ConnectError):
                    raise TimedOut(
                        "the connection broke while the write was under way",
                        where=self.where,
                        hint="it is not known whether it was done",
                    ) from None
                raise mapped from None
            url = target
            if response.status_code in (301, 302, 303):
                method = "GET"
        raise AssertionError("unreachable: _redirect ends the chain")

    def _request(self, method: str, url: httpx.URL, ask: _Ask | None, progress: _Progress) -> httpx.Request:
        """`ask` is None after a redirect, whose target already says everything."""
        headers = [*_HEADERS, (b"accept-encoding", accepted_encoding(url.host).encode()), *self._credentials.headers()]
        # The deadline over all of it is in _exchange; this one closes the socket of a TLS handshake that hangs.
        extensions: dict[str, Any] = {"trace": progress.trace, "timeout": {"connect": self._timeout * 0.8}}
        if self._config.server_name:
            extensions["sni_hostname"] = self._config.server_name
        content = ask.content if ask else None
        if content is not None:
            headers.append((b"content-type", b"application/json"))
        elif ask and ask.params and method == "POST":
            content = _query(ask.params)
            headers.append((b"content-type", b"application/x-www-form-urlencoded"))
        elif ask and ask.params:
            url = _asked(url, tuple(ask.params))
        return httpx.Request(method, url, content=content, headers=headers, extensions=extensions)

    def _redirect(self, response: httpx.Response, base: httpx.URL, method: str, reads: bool, hop: int) -> httpx.URL | None:
        """Where to go on, None for an answer that is no redirect; only reads are redirected, and only within the origin."""
        if response.status_code not in (301, 302, 303, 307, 308) or "location" not in response.headers:
            return None
        try:
            target = response.request.url.join(response.headers["location"])
        except (httpx.InvalidURL, ValueError):
            told = "the server redirects us to what is not a URL"
            raise InvalidResponse(told, where=self.where, hint="check the proxy in front of it") from None
        same = (target.scheme, target.host, target.port) == (base.scheme, base.host, base.port)
        if same and reads and self._config.follow_redirects and hop < 5:
            return target
        raise error_mapping.from_redirect(
            response.status_code, target, origin=base, where=self.where, followed=same and hop >= 5
        )

    async def _body(self, response: httpx.Response, ask: _Ask) -> bytes:
        good = response.is_success or response.status_code in ask.accept
        media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        json = media.endswith("json")
        content = await self._content(response, ask) if good else await self._explanation(response)
        # Some servers label their JSON wrongly; HTML is never JSON.
        if good and (json or not content or ("html" not in media and content.lstrip()[:1] in (b"{", b"["))):
            return content
        if good and ask.any_body and "html" not in media and content.lstrip()[:1] != b"<":
            return content
        raise error_mapping.from_answer(response.status_code, response.headers, content, where=self.where, now=time.time())

    async def _content(self, response: httpx.Response, ask: _Ask) -> bytes:
        body = self._empty(response, min(ask.limit_bytes, LIMIT_BYTES))
        await _read(response, body)
        content = body.start()
        return content if body.decoded else await run_cpu_bound(body.whole)

    async def _explanation(self, response: httpx.Response) -> bytes:
        """The beginning of an answer that only explains a failure; empty where it cannot be read, for its status says more."""
        try:
            body = self._empty(response, 2 * PIECE_BYTES)
            await _read(response, body, _ERROR_BYTES)
            return body.start()[:_ERROR_BYTES]
        except InvalidResponse:
            return b""

    def _empty(self, response: httpx.Response, limit_bytes: int) -> Body:
        asked = accepted_encoding(response.request.url.host)
        return Body(response.headers, limit_bytes=limit_bytes, where=self.where, asked=asked, status=response.status_code)

    async def _open(self) -> tuple[httpx.AsyncBaseTransport, httpx.URL]:
        """The transport, made at the first request, and again when a TLS file was replaced.

        It is asked without httpx' client, which adds cookies, redirects and authentication of its own to each request.
        """
        base = self._base
        if base is None:
            raise Unreachable(f"{self.where} is not a URL", hint="write http://host:port or https://host")
        stamp = tls.stamp(self._config) if base.scheme == "https" else ()
        if self._transport is not None and stamp == self._stamp:
            return self._transport, base
        async with self._opening:
            if self._transport is not None and stamp == self._stamp:
                return self._transport, base
            inner = self._given
            if inner is None:
                inner = await offload(partial(wire.made, base, self._config, where=self.where))
            old, self._stamp = self._transport, stamp
            self._transport = inner if self._writes else wire.ReadOnlyTransport(inner)
            if old is not None and self._given is None:
                await old.aclose()
        return self._transport, base


async def _read(response: httpx.Response, body: Body, enough: float = float("inf")) -> None:
    """Feed the body with what comes, until it has more than `enough` bytes; the loop gets its turn now and then."""
    pause = time.monotonic() + _TURN_SECONDS
    async for piece in cast("httpx.AsyncByteStream", response.stream):
        body.feed(piece)
        if body.size > enough:
            return
        if time.monotonic() > pause:  # a hundred thousand pieces of one byte each come without a wait between them
            await asyncio.sleep(0)
            pause = time.monotonic() + _TURN_SECONDS


def accepted_encoding(host: str) -> str:
    """What a request to this host says that it takes: compression pays on a network only."""
    return "identity" if host in _LOOPBACK else "gzip"


def usable(text: str) -> httpx.URL | None:
    """The text as a URL that a client can dial, None where it is none."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError):
        return None
    return url if url.scheme in ("http", "https") and url.host and "%" not in url.host and (url.port or 0) < 65536 else None


def _hint(phase: str) -> str:
    if phase == "waiting for the answer":
        return "the server is overloaded or the query is heavy"
    return "check VPN, firewall and proxy" if phase in ("connecting", "in the TLS handshake") else ""


@lru_cache(maxsize=64)
def _place(base: httpx.URL, path: str) -> httpx.URL:
    return base.copy_with(path=base.path.rstrip("/") + path)


@lru_cache(maxsize=64)
def _asked(url: httpx.URL, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    return url.copy_with(query=_query(params))


def _query(params: Sequence[tuple[str, str]]) -> bytes:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in params).encode()


@lru_cache(maxsize=64)
def _quoted(text: str) -> str:
    """Every refresh asks the same, also where the time beside it differs: quoting a long query costs more than sending it."""
    return quote_plus(text)
