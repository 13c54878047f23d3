"""Follows a namespace: every kind is listed, then watched, and each change gives a new result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from queries.concurrency import CPU_LOCK
from queries.kubernetes.client import SOURCE, Kubernetes
from queries.kubernetes.cluster_builder import ClusterBuilder, is_tolerated, nothing_is_visible
from queries.kubernetes.consistent_read import LATE_SECONDS, ConsistentRead, late_fault
from queries.kubernetes.identity import find_absence
from queries.kubernetes.watch import DEPLOYMENTS, KINDS, Kind, Watcher
from queries.model.cluster import Cluster, describe_forbidden
from queries.model.fault import Fault
from queries.model.source import PollResult

_GAP_SECONDS, _BUSY_GAP_SECONDS = 0.1, 0.5
"""The pause between two results: after a quiet time, and while changes keep coming."""
_FAILING_PING_SECONDS, _RECOVERING_PING_SECONDS = 2.0, 0.5
"""The pause before the next ping: while a watch fails, and when all watches are back."""


class ClusterWatch:
    """Over one Kubernetes client, whose `close` ends it."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        backoff_cap_seconds: float = 30.0,
        ping_seconds: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`ping_seconds` is the pause between two pings of a cluster that answers."""
        self._ping_seconds = ping_seconds
        self._kubernetes = kubernetes
        self._cap = backoff_cap_seconds
        self._clock = clock
        self._builder = ClusterBuilder(kubernetes)
        self._read = ConsistentRead(kubernetes, forbidden=self._forbidden_kinds)
        self._watchers: tuple[Watcher, ...] = ()

    async def follow(self, on_result: Callable[[PollResult[Cluster]], None]) -> None:
        """List, then watch, and call back in this loop with every new result, until cancelled or closed.

        A burst becomes one result per 100 ms, and while it lasts fewer, down to two a second. A ping every 5 s, a consistent
        read, distinguishes a quiet cluster from a dead connection and a dead etcd, without which every watch stays open and
        silent. A failing kind gives a result with its fault and is retried.
        """
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def report() -> None:
            if changed.is_set():
                return  # the pending wake-up covers this change too
            try:
                loop.call_soon_threadsafe(changed.set)
            except RuntimeError:  # the loop is closed
                return

        self._watchers = tuple(
            Watcher(self._kubernetes.api, kind, self._kubernetes.namespace, changed=report, backoff_cap_seconds=self._cap)
            for kind in KINDS
        )
        self._kubernetes.closers.add(self._stop_watchers)
        latency, fault = 0.0, None
        try:
            await self._kubernetes.pool.run(self._start_watchers)
            await self._wait_for_lists(changed, on_result)
            fault = await self._absence_fault()
            changed.set()
            began, gap = time.monotonic(), _GAP_SECONDS
            while True:
                pause = (
                    self._ping_seconds
                    if fault is None
                    else _FAILING_PING_SECONDS
                    if self._watch_fault()
                    else _RECOVERING_PING_SECONDS
                )
                if await _wait_for(changed, pause - (time.monotonic() - began)):
                    changed.clear()
                    # A reopened watch may have only a status line; only a complete response clears the fault.
                    fault = self._watch_fault() or fault
                else:
                    began = time.monotonic()
                    latency, fault = await self._ping()
                    fault = fault or await self._absence_fault()
                started = time.monotonic()
                on_result(await self._kubernetes.pool.run(self._build_result, latency, fault))
                # Building a large, busy cluster must not take more than a tenth of a core.
                await asyncio.sleep(max(gap, min(1.0, 10.0 * (time.monotonic() - started))))
                gap = min(_BUSY_GAP_SECONDS, 1.5 * gap) if changed.is_set() else _GAP_SECONDS
        finally:
            self._kubernetes.closers.discard(self._stop_watchers)
            self._stop_watchers()
            self._read.cancel()

    async def _ping(self) -> tuple[float, Fault | None]:
        """The latency of a consistent read and its fault; after a good one every failing watch is tried again."""
        latency, fault = await self._read.ping()
        if fault is None:
            denied = self._watch_fault() is not None
            for watcher in self._watchers:
                watcher.retry_now(forbidden=denied)
        return latency, fault

    async def _absence_fault(self) -> Fault | None:
        """The namespace's absence, if every watch works and none has an object."""
        if any(watcher.fault or watcher.items() for watcher in self._watchers):
            return None
        absent = await find_absence(self._kubernetes)
        return absent.fault if absent else None

    def _start_watchers(self) -> None:
        """Start the watchers, off the loop: each takes milliseconds. One that is stopped by then ends at once."""
        for watcher in self._watchers:
            watcher.start()

    def _stop_watchers(self) -> None:
        for watcher in self._watchers:
            watcher.stop()

    async def _wait_for_lists(self, changed: asyncio.Event, on_result: Callable[[PollResult[Cluster]], None]) -> None:
        """Wait for the first answer to every list; report while one is late, and keep waiting."""
        began = time.monotonic()
        limit = self._kubernetes.timeout_seconds + LATE_SECONDS
        while not all(watcher.settled for watcher in self._watchers):
            if not await _wait_for(changed, limit - (time.monotonic() - began)):
                on_result(PollResult(SOURCE, self._clock(), 0.0, fault=late_fault(self._kubernetes, time.monotonic() - began)))
                limit += _FAILING_PING_SECONDS
            changed.clear()

    def _forbidden_kinds(self) -> set[Kind]:
        return {item.kind for item in self._watchers if item.fault and item.fault.status == 403}

    def _watch_fault(self) -> Fault | None:
        """The fault of a watch without which nothing is current, or of all kinds of workload."""
        faults = {item.kind: item.fault for item in self._watchers if item.fault}
        fatal = [fault for kind, fault in faults.items() if not is_tolerated(kind, fault)]
        return fatal[0] if fatal else faults[DEPLOYMENTS] if nothing_is_visible(faults) else None

    def _build_result(self, latency: float, fault: Fault | None) -> PollResult[Cluster]:
        fault = fault or self._watch_fault()
        if fault:
            return PollResult(SOURCE, self._clock(), latency, fault=fault)
        failed = {item.kind: (item.fault, item.failed_at) for item in self._watchers if item.fault}
        kept = frozenset(item.kind for item in self._watchers if item.listed)
        with CPU_LOCK:
            cluster = self._builder.build({item.kind.name: item.items() for item in self._watchers}, failed, kept)
        warnings = [
            *self._kubernetes.api.warnings,
            *(f"no {kind.name}: {fault.what}" for kind, (fault, _) in failed.items() if kind.optional),
        ]
        warnings += filter(None, (describe_forbidden(cluster.faults),))
        warnings += [f"{item.plural} are STALE: {item.what}" for item in cluster.faults if not item.forbidden]
        return PollResult(SOURCE, self._clock(), latency, value=cluster, warnings=tuple(warnings))


async def _wait_for(changed: asyncio.Event, seconds: float) -> bool:
    if seconds <= 0.0:
        return False  # the ping is due, however busy the watches are
    try:
        # Not `wait_for`: up to Python 3.11 it loses a cancellation that coincides with the change.
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
