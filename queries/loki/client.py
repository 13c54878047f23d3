"""A client of Loki's HTTP API, read-only. Behaviour seen with 3.7.8."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import msgspec

from queries.concurrency import run_cpu_bound
from queries.errors import AnswerTooLarge, RequestRejected
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx
from queries.http.web_socket import WebSocket, read_messages
from queries.loki import responses
from queries.loki.responses import Page, StoredLine, Tail
from queries.loki.selector import build_count
from queries.model.series import Sample, Series

PAGE_LINES = 2000
"""Lines requested at once. A server allows 5,000 unless it says otherwise."""
_SMALL_PAGE_BYTES = 4 << 20
"""After a full page of fewer bytes than this, the next one may have twice as many lines."""
_LEAST_LINES = 2
"""A page begins with the line at which the one before it ended."""
_FLAGS = ("X-Loki-Response-Encoding-Flags", "categorize-labels")
"""Without it each line with a trace id of its own comes back as a stream of its own."""
_TOO_MANY = re.compile(r"max_entries_limit_per_query \(\d+ > (\d+)\)|max entries limit per query exceeded.*\(\d+ > (\d+)\)")
_INSTANT = "/loki/api/v1/query"
_RANGE = "/loki/api/v1/query_range"
_TAIL = "/loki/api/v1/tail"
_LARGE = 32 << 10
"""A larger message is decoded off the event loop."""


class _Names(msgspec.Struct):
    status: str = ""
    data: list[str] = []
    """Loki leaves the key out where it has none."""


def _between(start_ns: int, end_ns: int) -> list[tuple[str, str]]:
    return [("start", str(start_ns)), ("end", str(end_ns))] if end_ns else []


class Loki:
    """Labels, lines and series of counts. Every method raises SourceError; times are Unix nanoseconds."""

    def __init__(self, endpoint: Endpoint, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        http = replace(endpoint.http, http_headers=(*endpoint.http.http_headers, _FLAGS))
        self._client = Client(replace(endpoint, http=http), name="loki", transport=transport)
        self._page_lines = PAGE_LINES
        self._fits = PAGE_LINES
        """As many lines as fit in an answer: few while they are very long."""

    @property
    def where(self) -> str:
        return self._client.where

    @property
    def ahead_seconds(self) -> float:
        """The least by which the server's clock is ahead of this machine's, negative if it is behind."""
        return self._client.ahead_seconds

    async def labels(self, *, start_ns: int = 0, end_ns: int = 0) -> tuple[str, ...]:
        """The names of the labels of a time, without one of the last six hours; without a tenant Loki answers 401 here, unlike
        at `/ready` and `/loki/api/v1/status/buildinfo`, which need none.
        """
        found = await self._client.get("/loki/api/v1/labels", _between(start_ns, end_ns), type=_Names)
        return tuple(found.data)

    async def label_values(self, name: str, *, query: str = "", start_ns: int = 0, end_ns: int = 0) -> tuple[str, ...]:
        """The values of a label in a time, without one in the last six hours; in the streams of a selector if one is given."""
        params = [*([("query", query)] if query else []), *_between(start_ns, end_ns)]
        found = await self._client.get(f"/loki/api/v1/label/{name}/values", params, type=_Names)
        return tuple(found.data)

    async def pages(self, query: str, *, start_ns: int, end_ns: int, most: int, forward: bool = False) -> AsyncIterator[Page]:
        """The lines from `start_ns` up to, not including, `end_ns`, at most `most` of them: the newest first, page by page, or
        the oldest first with `forward`. Within a page the lines are in the order of time.

        The server sends no mark that there is more: a full page is followed by another one, which begins with the nanosecond
        at which the page before it ended and without the lines that it had.
        """
        known: set[StoredLine] = set()
        count, limit, shrunk = 0, self._fits, False
        while count < most and start_ns < end_ns:
            requested = min(limit, self._page_lines)
            lines, limit = await self._page(query, start_ns, end_ns, forward, requested)
            shrunk = shrunk or limit < requested
            new = tuple(line for line in lines if line not in known)
            kept = new[: most - count] if forward else new[max(0, len(new) - (most - count)) :]
            count += len(kept)
            full, few = len(lines) >= limit, limit
            if full and not shrunk and sum(line.size_bytes for line in lines) < _SMALL_PAGE_BYTES:
                limit = min(2 * limit, self._page_lines)
            self._fits = limit
            if full and not new and limit > few:
                continue
            if full and not new:
                # More lines in one nanosecond than a page has: the rest of them cannot be requested.
                edge = lines[-1].at_ns if forward else lines[0].at_ns
                yield Page((), more=True, skipped_ns=edge)
                start_ns, end_ns = (edge + 1, end_ns) if forward else (start_ns, edge)
                known = set()
                continue
            more = full or len(kept) < len(new)
            yield Page(kept, more=more)
            if not full:
                return
            edge = lines[-1].at_ns if forward else lines[0].at_ns
            known = {line for line in lines if line.at_ns == edge} | {line for line in known if line.at_ns == edge}
            start_ns, end_ns = (edge, end_ns) if forward else (start_ns, edge + 1)

    async def _page(
        self, query: str, start_ns: int, end_ns: int, forward: bool, limit: int
    ) -> tuple[tuple[StoredLine, ...], int]:
        """One page, and how many lines it may have: fewer where the tenant does not allow so many, which is learned from the
        server's refusal, or where so many very long ones are too large for an answer.
        """
        while True:
            try:
                return await self._lines(query, start_ns, end_ns, forward, limit), limit
            except AnswerTooLarge:
                if limit <= _LEAST_LINES:
                    raise
                limit = max(_LEAST_LINES, limit // 8)
            except RequestRejected as error:
                found = _TOO_MANY.search(error.fault.what)
                allowed = int(found[1] or found[2]) if found else 0
                if not 0 < allowed < limit:
                    raise
                self._page_lines = limit = allowed

    async def _lines(self, query: str, start_ns: int, end_ns: int, forward: bool, limit: int) -> tuple[StoredLine, ...]:
        params = [
            ("query", query), ("start", str(start_ns)), ("end", str(end_ns)), ("limit", str(limit)),
            ("direction", "forward" if forward else "backward"),
        ]  # fmt: skip
        return await self._client.fetch(_RANGE, params, decode=partial(responses.decode_lines, where=self.where))

    async def series(self, query: str, *, start_ns: int, end_ns: int, step_seconds: float) -> tuple[Series, ...]:
        """The series of a metric query; their times are Unix seconds."""
        params = [("query", query), ("start", str(start_ns)), ("end", str(end_ns)), ("step", f"{step_seconds:g}")]
        return await self._client.fetch(_RANGE, params, decode=partial(responses.decode_series, where=self.where))

    async def samples(self, query: str, *, at_ns: int) -> tuple[Sample, ...]:
        """The samples of a metric query at one time; none without a line to count."""
        params = [("query", query), ("time", str(at_ns))]
        return await self._client.fetch(_INSTANT, params, decode=partial(responses.decode_samples, where=self.where))

    async def count(self, query: str, *, seconds: float, end_ns: int) -> int:
        """The number of lines in the seconds up to `end_ns`; lines that were not yet there are not counted."""
        params = [("query", build_count(query, seconds)), ("time", str(end_ns))]
        return await self._client.fetch(_INSTANT, params, decode=partial(responses.decode_count, where=self.where))

    def tail(self, query: str, *, start_ns: int) -> AsyncGenerator[Tail, None] | None:
        """The lines as they reach the server, from a WebSocket: an empty message once it is open, and about every second. It
        ends with a SourceError, also where the server closes it. None where there is no such connection: through a proxy.
        """
        # Without a start the server sends the last hour first; it refuses one that is ahead of its own clock.
        start_ns += int(min(0.0, self._client.ahead_seconds) * 1e9)
        stream = self._client.web_socket(_TAIL, [("query", query), ("start", str(start_ns)), ("limit", str(PAGE_LINES))])
        return None if stream is None else self._read_tail(stream)

    async def _read_tail(self, stream: WebSocket) -> AsyncGenerator[Tail, None]:
        async with aclosing(read_messages(stream)) as messages:
            async for body in messages:
                if not body:
                    yield Tail()
                    continue
                decode = partial(responses.decode_tail, body, where=self.where)
                yield await run_cpu_bound(decode) if len(body) > _LARGE else decode()

    async def close(self) -> None:
        await self._client.close()
