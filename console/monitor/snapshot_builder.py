"""Puts what came in together into snapshots: in a thread of its own, soon after it came, and each second for the ages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from console.log import report_error
from console.monitor.state_store import StateStore
from console.state.snapshot import Snapshot
from queries.concurrency import CPU_LOCK
from queries.model.source import PollResult

_COALESCE_SECONDS = 0.05
_SILENT_SECONDS = 1.4
"""Ages are brought up to date where nothing came for so long; with a refresh a second that is never."""


class SnapshotBuilder:
    """`make` puts the snapshot together from the board as it is; it is called in the desk's thread.

    One thread: with thousands of alerts that takes longer than a key press may wait.
    """

    def __init__(self, board: StateStore, make: Callable[[], Snapshot]) -> None:
        self.shown: Snapshot | None = None
        """The newest; None while there is none."""
        self._board = board
        self._make = make
        self._show: Callable[[Snapshot], None] | None = None
        self._inbox: list[PollResult[Any]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="board")
        self._making: asyncio.Task[None] | None = None
        self._scheduled: asyncio.TimerHandle | None = None
        self._began_at = 0.0

    def open(self, show: Callable[[Snapshot], None]) -> None:
        """From now on `show` is called in the loop with every snapshot; before, nothing is made."""
        self._show = show

    def take(self, reading: PollResult[Any]) -> None:
        self._inbox.append(reading)
        self.schedule()

    def schedule(self) -> None:
        """Something on the board is another: a snapshot will be made soon, one for all that comes until then."""
        if self._show is None or self._scheduled is not None:
            return
        self._scheduled = asyncio.get_running_loop().call_later(_COALESCE_SECONDS, self._begin)

    async def at_once(self) -> None:
        """Without the usual pause; back when what is on the board now is shown."""
        while self._making is not None:
            await asyncio.wait([self._making])
        if self._show is None:
            return
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._begin()
        if self._making is not None:
            await asyncio.wait([self._making])

    def tick(self) -> None:
        """Once a second: values grow old also where nothing comes in."""
        if time.monotonic() - self._began_at >= _SILENT_SECONDS:
            self.schedule()

    async def close(self) -> None:
        self._show = None
        if self._making is not None:
            # A cancelled task lets its thread finish after this loop is closed.
            making = self._making
            _, slow = await asyncio.wait([making], timeout=1.0)
            if slow:
                making.cancel()
                await asyncio.wait([making])
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _begin(self) -> None:
        self._scheduled = None
        self._began_at = time.monotonic()
        if self._making is not None:
            self.schedule()  # the one before is not ready yet
            return
        self._making = asyncio.get_running_loop().create_task(self._make_one(), name="console snapshot")

    async def _make_one(self) -> None:
        inbox, self._inbox = self._inbox, []
        try:
            loop = asyncio.get_running_loop()
            self.shown = await loop.run_in_executor(self._thread, self._digest, inbox, loop)
            if self._show is not None:
                self._show(self.shown)
        except Exception as error:
            report_error("building the snapshot", error)
        finally:
            self._making = None

    def _digest(self, inbox: Iterable[PollResult[Any]], loop: asyncio.AbstractEventLoop) -> Snapshot:
        with CPU_LOCK:
            for reading in inbox:
                try:
                    self._board.apply(reading)
                except Exception as error:
                    loop.call_soon_threadsafe(report_error, f"reading the response of {reading.source}", error)
            return self._make()
