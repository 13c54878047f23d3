"""A client of the platform's API: /health and /ready at every poll, optional pages in turn, and /metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from queries.catalogue.exposition import Exposition, parse_exposition
from queries.concurrency import task_group
from queries.errors import InvalidResponse, SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx
from queries.model.fault import Fault, FaultKind
from queries.model.platform import PlatformHealth, Readiness
from queries.platform.pages import (
    breakers_of,
    build_of,
    health_of,
    providers_of,
    readiness_of,
    vectors_of,
)
from queries.text.durations import format_duration

READY, BREAKERS, EXTENDED, PROVIDERS = "/ready", "/health/circuit-breakers", "/health/extended", "/api/v1/providers/health"
_RARE = {BREAKERS: 0.0, EXTENDED: 60.0, PROVIDERS: 60.0}
"""Optional pages, at most one per poll, and for how many seconds each stays valid."""
_ABSENT_SECONDS = 3600.0
"""For how long a page that this build lacks is not requested."""
_MOST_BUILDS = 16
_UNHEALTHY_STATUSES = (500, 503)
"""Statuses with which an unhealthy platform still describes itself in JSON."""
_LARGEST_PAGE = 4 << 20
_LARGEST_EXPOSITION = 32 << 20


class Platform:
    """Tolerant of unknown and missing fields, but not of another kind of document."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        page_seconds: float = 2.0,
    ) -> None:
        """`page_seconds` is the timeout of an optional page: the providers' page checks them all, and readiness must not wait
        for it.
        """
        self._page_seconds = page_seconds
        self._client = Client(endpoint, name="platform", transport=transport)
        self._clock = clock
        self._build = ""
        self._absent: dict[str, dict[str, float]] = {}
        """By build, until when a page that returned 404 is not requested: one address may alternate between two builds."""
        self._pages: dict[str, object] = {}
        """The last content of each page of `_RARE`."""
        self._read_at: dict[str, float] = {}
        self._unread: dict[str, str] = {}
        self._reports_breakers = False

    @property
    def where(self) -> str:
        return self._client.where

    @property
    def ahead_seconds(self) -> float:
        """The least by which the server's clock is ahead of this machine's, negative if it is behind."""
        return self._client.ahead_seconds

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of a server that does answer, such as a wrong clock."""
        return self._client.warnings

    async def health(self, *, whole: bool = False) -> PlatformHealth:
        """Raises SourceError if `/health` does not answer; other missing pages are in `unread`.

        It requests `/health`, `/ready` and at most one other page; with `whole` every page at once.
        """
        due = self._due(whole=whole)
        async with task_group() as group:
            health = group.create_task(self._health_page())
            ready = group.create_task(self._ready()) if not self._is_absent(READY) else None
            others = [group.create_task(self._page(path)) for path in due]
        body = health.result()
        before, self._build = self._build, build_of(body)
        if len(self._absent) > _MOST_BUILDS:
            self._absent.clear()
        found = health_of(body)
        self._reports_breakers = bool(found.breakers)
        readiness = self._keep_ready(ready.result()) if ready else None
        for path, answer in zip(due, (task.result() for task in others), strict=True):
            self._keep(path, answer)
        # These pages were requested for the previous build, which may be back at the next poll.
        self._absent.setdefault(before, {}).update(self._absent.get(self._build, {}) if ready or others else {})
        return self._with_pages(found, readiness)

    async def _health_page(self) -> dict[str, object]:
        try:
            return await self._client.fetch("/health", decode=self._body, limit_bytes=_LARGEST_PAGE, accept=_UNHEALTHY_STATUSES)
        except SourceError as error:
            if error.fault.kind in (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT):
                self.forget_absent()  # the build that comes back may be another one
            raise

    def forget_absent(self) -> None:
        """Request missing pages again."""
        self._absent.clear()

    async def metrics(self) -> Exposition:
        """The exporter's `/metrics`. Raises SourceError."""
        decode = partial(parse_exposition, where=f"{self.where}/metrics")
        return await self._client.fetch("/metrics", decode=decode, limit_bytes=_LARGEST_EXPOSITION, any_body=True)

    async def close(self) -> None:
        await self._client.close()

    def _body(self, body: bytes) -> dict[str, object]:
        found = self._client.decode(dict[str, object], body)
        if not isinstance(found.get("status"), (str, bool, dict)):
            raise InvalidResponse("/health names no status", where=self.where, hint="check that the URL is the platform's API")
        return found

    # Pages that not every build has

    def _is_absent(self, path: str) -> bool:
        return self._absent.get(self._build, {}).get(path, float("-inf")) > self._clock()

    def _due(self, *, whole: bool) -> tuple[str, ...]:
        """The pages to ask for now: of those that are due, the one that was read longest ago."""
        now = self._clock()
        due = [
            path
            for path, seconds in _RARE.items()
            if not self._is_absent(path)
            and not (path == BREAKERS and self._reports_breakers)
            and now - self._read_at.get(path, float("-inf")) >= seconds
        ]
        due.sort(key=lambda path: self._read_at.get(path, float("-inf")))
        return tuple(due if whole else due[:1])

    async def _page(self, path: str) -> object | Fault:
        try:
            async with asyncio.timeout(self._page_seconds):
                return await self._client.get(path, type=object, limit_bytes=_LARGEST_PAGE)
        except SourceError as error:
            return error.fault
        except TimeoutError:
            return Fault(
                FaultKind.TIMED_OUT, f"{path} did not respond within {format_duration(self._page_seconds)}", where=self.where
            )

    async def _ready(self) -> Readiness | Fault:
        try:
            status, body = await self._client.answer(READY, limit_bytes=_LARGEST_PAGE, accept=(503,))
            return readiness_of(self._client.decode(dict[str, object], body) if body.strip() else {}, status=status)
        except SourceError as error:
            if error.fault.status == 503:
                return Readiness(ready=False, reason=error.fault.what)
            return error.fault

    def _keep_ready(self, answer: Readiness | Fault) -> Readiness | None:
        if isinstance(answer, Readiness):
            self._unread.pop(READY, None)
            return answer
        self._keep_fault(READY, answer)
        return None

    def _keep(self, path: str, answer: object | Fault) -> None:
        self._read_at[path] = self._clock()
        self._pages.pop(path, None)
        if isinstance(answer, Fault):
            self._keep_fault(path, answer)
        else:
            self._unread.pop(path, None)
            self._pages[path] = answer

    def _keep_fault(self, path: str, fault: Fault) -> None:
        absent = fault.status in (404, 410)
        self._unread[path] = "" if absent else fault.sentence()
        if absent:
            self._absent.setdefault(self._build, {})[path] = self._clock() + _ABSENT_SECONDS

    def _with_pages(self, found: PlatformHealth, readiness: Readiness | None) -> PlatformHealth:
        return PlatformHealth(
            status=found.status,
            services=found.services,
            error_rates=found.error_rates,
            breakers=found.breakers or breakers_of(self._pages.get(BREAKERS)),
            resilience=found.resilience,
            degraded_reasons=found.degraded_reasons,
            models=found.models,
            readiness=readiness,
            providers=providers_of(self._pages.get(PROVIDERS)),
            vectors=vectors_of(self._pages.get(EXTENDED)),
            # A page whose content /health has is not missed.
            unread=tuple(sorted(item for item in self._unread.items() if not (item[0] == BREAKERS and found.breakers))),
        )
