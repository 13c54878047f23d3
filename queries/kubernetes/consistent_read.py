"""A consistent read distinguishes a quiet cluster from a dead connection and from a dead etcd."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from queries.errors import SourceError, Stale, TimedOut
from queries.kubernetes.api import Query
from queries.kubernetes.client import METADATA, Kubernetes
from queries.kubernetes.watch import DEPLOYMENTS, KINDS, Kind
from queries.model.fault import Fault, FaultKind
from queries.text.durations import format_span

LATE_SECONDS = 0.5
"""What a request may take beyond its own timeout before it counts as late."""
_LIMIT_SECONDS, _SLOW_SECONDS = 7.0, 1.0
"""The limit of a read, so that an etcd outage is reported within 15 s; and after how long the API server's cache is queried."""


class ConsistentRead:
    """Over one Kubernetes client. `forbidden` are the kinds that this identity may not list, as known at each request."""

    def __init__(self, kubernetes: Kubernetes, *, forbidden: Callable[[], Collection[Kind]] = tuple) -> None:
        self._kubernetes = kubernetes
        self._forbidden = forbidden
        self._newest: asyncio.Future[bytes] | None = None
        self._cached: asyncio.Future[bytes] | None = None

    async def ping(self) -> tuple[float, Fault | None]:
        """The latency of a read that bypasses the API server's cache, in seconds, and its fault."""
        began = time.monotonic()
        if self._newest is None:
            self._newest = asyncio.ensure_future(self._fetch([]))
        # The next ping waits for a hanging request again: new ones would use up all threads.
        done, _ = await asyncio.wait([self._newest], timeout=_SLOW_SECONDS)
        cached = None if done else asyncio.ensure_future(self.cache_answers())
        try:
            if cached is not None:
                limit = min(self._kubernetes.timeout_seconds, _LIMIT_SECONDS) + LATE_SECONDS - _SLOW_SECONDS
                done, _ = await asyncio.wait([self._newest], timeout=limit)
            fault = late_fault(self._kubernetes, time.monotonic() - began) if not done else None
            if done:
                request, self._newest = self._newest, None
                try:
                    request.result()
                except SourceError as error:
                    fault = error.fault
            if fault and fault.kind in (FaultKind.TIMED_OUT, FaultKind.UNREACHABLE) and await (cached or self.cache_answers()):
                fault = stale_error(fault).fault
            return time.monotonic() - began, fault
        finally:
            if cached is not None:
                cached.cancel()

    async def cache_answers(self) -> bool:
        """Whether the API server answers from its cache."""
        if self._cached is None:
            self._cached = asyncio.ensure_future(self._fetch([("resourceVersion", "0")]))
        done, _ = await asyncio.wait([self._cached], timeout=_SLOW_SECONDS)
        if not done:
            return False
        request, self._cached = self._cached, None
        return request.exception() is None

    async def _fetch(self, query: Query) -> bytes:
        """The metadata of one Deployment, or of another kind that may be listed; with `resourceVersion=0` in the query from the
        API server's cache.
        """
        forbidden = self._forbidden()
        kind = next((kind for kind in KINDS if not (kind.custom or kind in forbidden)), DEPLOYMENTS)
        path = kind.path(self._kubernetes.namespace)
        return await self._kubernetes.call("GET", path, [("limit", "1"), *query], None, METADATA)

    def cancel(self) -> None:
        """Wait for no response any more."""
        for waiting in (self._newest, self._cached):
            if waiting is not None:
                waiting.cancel()
        self._newest = self._cached = None


def late_fault(kubernetes: Kubernetes, seconds: float) -> Fault:
    """The fault of a request that has had no response for so long."""
    if plugin := kubernetes.api.plugin:
        what = f"the exec plugin {plugin} has returned no credential for {format_span(seconds)}"
        return TimedOut(what, hint="it may be waiting for a log-in; run it in a shell").fault
    what = f"no complete answer for {format_span(seconds)}"
    return TimedOut(what, where=kubernetes.where, hint="check the network and the cluster's health").fault


def stale_error(fault: Fault) -> Stale:
    """The error for a failed consistent read while the API server's cache still answers."""
    return Stale(
        f"the API server answers from its cache only, so this may be old: a consistent read failed ({fault.what})",
        where=fault.where,
        hint="etcd may be down or without quorum; contact the control plane's operators",
        status=fault.status,
    )
