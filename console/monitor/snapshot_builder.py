"""Builds snapshots: soon after new results, and every second for the ages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from console.log import report_error
from console.monitor.state_store import StateStore
from console.state.changed_ids import find_changed_ids
from console.state.snapshot import Snapshot
from queries.concurrency import CPU_LOCK
from queries.model.source import PollResult

_COALESCE_SECONDS = 0.05
_SILENT_SECONDS = 1.4
"""Without new results for this long, a snapshot only updates the ages."""


class SnapshotBuilder:
    """`build` returns a snapshot of the state store.

    It is called in a thread, because thousands of alerts take longer than a key press may wait. One that differs from the last
    snapshot only in its times takes less than waking a thread, so it is built in the event loop.
    """

    def __init__(self, store: StateStore, build: Callable[[], Snapshot], *, clock: Callable[[], float] = time.time) -> None:
        self.latest: Snapshot | None = None
        """None before the first one."""
        self._store = store
        self._build = build
        self._clock = clock
        self._differs = True
        """Whether something else than a result may differ."""
        self._show: Callable[[Snapshot], None] | None = None
        self._inbox: list[PollResult[Any]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._building: asyncio.Task[None] | None = None
        self._scheduled: asyncio.TimerHandle | None = None
        self._started_at = 0.0
        self._changed: tuple[Snapshot | None, Snapshot, frozenset[str]] | None = None
        """What changed from one snapshot to the latest, found in the builder's thread; None once somebody has asked."""

    def open(self, show: Callable[[Snapshot], None]) -> None:
        """From now on, build snapshots and call `show` with each in the event loop."""
        self._show = show

    def ingest(self, result: PollResult[Any]) -> None:
        self._inbox.append(result)
        self._schedule()

    def schedule(self) -> None:
        """The state changed: build one snapshot soon, for everything that arrives until then."""
        self._differs = True
        self._schedule()

    def _schedule(self) -> None:
        if self._show is None or self._scheduled is not None:
            return
        self._scheduled = asyncio.get_running_loop().call_later(_COALESCE_SECONDS, self._start)

    def find_changed_ids(self, before: Snapshot | None, after: Snapshot) -> frozenset[str]:
        """As `console.state.changed_ids`; known already if the builder has built one after the other."""
        found, self._changed = self._changed, None
        if found is not None and found[0] is before and found[1] is after:
            return found[2]
        return find_changed_ids(before, after)

    async def build_now(self) -> None:
        """Without the usual delay; returns when the current state is shown."""
        while self._building is not None:
            await asyncio.wait([self._building])
        if self._show is None:
            return
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._start()
        if self._building is not None:
            await asyncio.wait([self._building])

    def tick(self) -> None:
        """Call it once a second: ages change without new results."""
        if time.monotonic() - self._started_at >= _SILENT_SECONDS:
            self._schedule()

    async def close(self) -> None:
        self._show = None
        if self._building is not None:
            # Its thread outlives a cancelled task, so give it time to finish before the loop closes.
            building = self._building
            _, slow = await asyncio.wait([building], timeout=1.0)
            if slow:
                building.cancel()
                await asyncio.wait([building])
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _start(self) -> None:
        self._scheduled = None
        self._started_at = time.monotonic()
        if self._building is not None:
            self._schedule()  # the previous one is not finished yet
            return
        if not self._differs and self._build_here():
            return
        self._differs = False
        self._building = asyncio.get_running_loop().create_task(self._build_next(), name="console snapshot")

    def _build_here(self) -> bool:
        """Builds and shows a snapshot that differs only in its times; False if it may differ in more."""
        try:
            found = self._store.rebuild(self._inbox, self._build, now=self._clock())
            if found is None:
                return False
            self._inbox, self.latest = [], found
            if self._show is not None:
                self._show(found)
        except Exception as error:
            # What repeats the last results is not ingested again and again, and the next one is built in the thread.
            self._inbox, self._differs = [], True
            report_error("building the snapshot", error)
        return True

    async def _build_next(self) -> None:
        inbox, self._inbox = self._inbox, []
        try:
            loop = asyncio.get_running_loop()
            self.latest = await loop.run_in_executor(self._thread, self._ingest_and_build, inbox, loop)
            if self._show is not None:
                self._show(self.latest)
        except Exception as error:
            report_error("building the snapshot", error)
        finally:
            self._building = None

    def _ingest_and_build(self, inbox: Iterable[PollResult[Any]], loop: asyncio.AbstractEventLoop) -> Snapshot:
        with CPU_LOCK:
            for result in inbox:
                try:
                    self._store.apply(result)
                except Exception as error:
                    loop.call_soon_threadsafe(report_error, f"reading the response of {result.source}", error)
            before, after = self.latest, self._build()
            self._changed = before, after, find_changed_ids(before, after)
            return after
