"""The journal's thread: what is written goes through it, and what the ledger makes of it goes to the board."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from console.config.settings import Settings
from console.incidents.timeline_recorder import TimelineRecorder
from console.journal import process
from console.journal.acknowledgements import (
    Acknowledgement,
    AcknowledgeResult,
    Ownership,
    find_resolved,
    ownership_of,
)
from console.journal.event import Event
from console.journal.payloads import AlertAcknowledged, AlertReleased, Payload, build_event
from console.journal.sync import SyncStatus, SyncWorker
from console.monitor.state_store import StateStore
from console.state.journal_state import JournalReader
from console.state.revisions import observe
from queries.model.source import PollResult

if TYPE_CHECKING:
    from console.journal.shared_store import SharedStore
    from console.journal.sqlite import Journal
    from console.state.incident import Incident
    from console.state.snapshot import Snapshot
    from queries.model.workload import Cluster

_log = logging.getLogger(__name__)

_EVERY_SECONDS = 0.5
"""Other consoles of this user write too; whether one did costs one number."""
_SLICE_SECONDS, _BETWEEN_SECONDS = 0.05, 0.02
"""A long journal is read in slices, so that who writes waits for one of them, and keys for none."""
_PROGRESS_SECONDS = 2.0

_WATCH_SECONDS = 0.9
"""How often at most a snapshot is compared with an open incident's timeline."""


_SHARED_SECONDS = 4.0
"""How long a command waits for what others wrote to the shared store, and for its own to be there."""


_FETCH_SECONDS = 2.0
"""How long a person's decision waits for what others wrote a moment ago."""


_MEANWHILE_SECONDS = 0.5
"""Longer than an event of another console needs to the shared store, as a rule."""


class JournalService:
    """Writes and reads the journal, and looks again and again for what others wrote."""

    def __init__(
        self,
        journal: Journal,
        board: StateStore,
        settings: Settings,
        *,
        clock: Callable[[], float],
        store: SharedStore | None = None,
    ) -> None:
        self.fault = ""
        """Why it could not be read the last time, empty where it could."""
        self.report: Callable[[str], None] = _log.info
        """Told now and then how far a command's reading is."""
        self._journal = journal
        self._board = board
        self._author = settings.user
        self._environment = settings.environment
        self._ledger = JournalReader(journal, environment=settings.environment, clock=clock)
        self._clock = clock
        self._present: tuple[float, frozenset[str]] | None = None
        self._woken = asyncio.Event()
        self._recorder = TimelineRecorder()
        self._watched: Future[None] | None = None
        self._watched_at = float("-inf")
        self._cluster: Cluster | None = None
        """The one whose rollouts were looked at last."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sharer: SyncWorker | None = None
        if store is not None:
            self._sharer = SyncWorker(journal, store, writes=not settings.read_only, changed=self._shared_changed, clock=clock)
        # One thread: an fsync that hangs must not take the threads that answers are decoded in.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")

    @property
    def sharing(self) -> SyncStatus | None:
        """How the shared journal is; None where there is none."""
        return self._sharer.status() if self._sharer else None

    async def fetch(self) -> str:
        """Take in what the shared store has at this moment; gives why that is not known, empty where it is, or there is none.

        Waits two seconds at most: nobody's key press waits for a store that hangs.
        """
        fault = await asyncio.to_thread(self._sharer.fetch, _FETCH_SECONDS) if self._sharer is not None else None
        await self.read_whole()
        shared = f"the shared journal cannot be read now: {fault.sentence()}" if fault else ""
        return self.fault or self._board.ledger.trouble or shared

    async def share(self) -> None:
        """For a command: take in what others wrote, within a few seconds."""
        if self._sharer is not None:
            await asyncio.to_thread(self._sharer.flush, _SHARED_SECONDS)

    def heard(self, reading: PollResult[Any]) -> None:
        """What Alertmanager has; only a whole answer can tell that an alert is not there any more."""
        state = reading.value
        if state is None or state.peer_faults:
            self._present = None
        else:
            self._present = (reading.taken_at, frozenset(item.fingerprint for item in state.alerts))

    async def record(self, subject: str, payload: Payload) -> Event:
        """Append an event; when this returns, the disk has it and the state store too. Raises JournalError."""
        event = await asyncio.get_running_loop().run_in_executor(self._disk, self._write, subject, payload)
        if self._sharer is not None:
            self._sharer.wake()
        return event

    async def acknowledge(
        self, fingerprint: str, name: str, *, on: bool, over: Acknowledgement | None = None
    ) -> AcknowledgeResult:
        """Acknowledge an alert, or release it: screens and commands call this. Raises JournalError.

        First it reads what others wrote. What somebody else holds stays untouched unless `over` is that very acknowledgement:
        then a person confirmed it. Afterwards it reads again: two people may have acknowledged it in the same moment.
        """
        caveat = await self.fetch()
        present = self._board.ledger.owners.get(fingerprint)
        ownership = ownership_of(present, user=self._author)
        if on and ownership is Ownership.OURS:
            return AcknowledgeResult(present, ownership, written=False, caveat=caveat)
        if present is not None and ownership.held_by_other and (over is None or over.id != present.id):
            return AcknowledgeResult(present, ownership, written=False, caveat=caveat)
        seen = present.id if present else ""
        payload: Payload = AlertReleased(name, seen)
        if on:
            payload = AlertAcknowledged(name, process.current().text(), seen)
        await self.record(fingerprint, payload)
        if not caveat:
            # The first fetch pushes it, the second reads what came before it: what somebody else wrote in the same moment, and
            # what is on its way. A notification reports what comes later still.
            caveat = await self.fetch()
            if self._sharer is not None and not caveat:
                await asyncio.sleep(_MEANWHILE_SECONDS)
                caveat = await self.fetch()
        if not caveat and self._sharer is not None and not self._sharer.status().writes:
            caveat = "this console is read-only, so nobody else sees it"
        present = self._board.ledger.owners.get(fingerprint)
        return AcknowledgeResult(present, ownership_of(present, user=self._author), written=True, caveat=caveat)

    def watch(self, snapshot: Snapshot) -> None:
        """Have rollouts and an open incident's timeline written, in the journal's thread; nobody waits for it."""
        now = time.monotonic()
        if self._watched is not None and not self._watched.done():
            return
        news = snapshot.cluster is not self._cluster or snapshot.ledger.incidents.open
        if news and now - self._watched_at >= _WATCH_SECONDS:
            self._watched_at, self._cluster = now, snapshot.cluster
            self._watched = self._disk.submit(self._observe, snapshot)

    def wake(self) -> None:
        """Read again now."""
        self._woken.set()

    async def run(self, changed: Callable[[], None]) -> None:
        """Read again and again until cancelled; `changed` is called where that brought something new."""
        self._loop = asyncio.get_running_loop()
        if self._sharer is not None:
            self._sharer.start()
        while True:
            self._woken.clear()
            if await self.read():
                changed()
            try:
                async with asyncio.timeout(_EVERY_SECONDS if self._board.ledger.known else _BETWEEN_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def read(self) -> bool:
        """Once; gives whether something is new. A journal that cannot be read leaves what was known, and its fault."""
        from console.journal.sqlite import JournalError  # noqa: PLC0415

        before, self.fault = self.fault, ""
        new = False
        try:
            new = await asyncio.get_running_loop().run_in_executor(self._disk, self._look, self._present)
        except JournalError as error:
            self.fault = str(error)
        return new or self.fault != before

    async def read_whole(self, *, seconds: float = float("inf")) -> None:
        """For a command: until all is read, or for so long. In a running console a slice of it: there `run` goes on."""
        began = told = time.monotonic()
        while await self.read() or not self._board.ledger.known:
            now = time.monotonic()
            if self._loop is not None or self.fault or now - began >= seconds:
                return
            if now - told >= _PROGRESS_SECONDS:
                told = now
                self.report(self._board.ledger.trouble)

    async def incident(self, words: str) -> Incident | None:
        """By number, id or the beginning of an id, with its whole timeline, however old it is. Raises JournalError."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, self._ledger.find_incident, words)

    async def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]:
        """Outlines of those that the ledger's state does not hold, the newest first. Raises JournalError."""
        read = partial(self._ledger.older_incidents, before=before, limit=limit)
        return await asyncio.get_running_loop().run_in_executor(self._disk, read)

    async def close(self) -> None:
        """Waits a moment for what is being read, so that the journal is not closed under it."""
        if self._sharer is not None:
            await asyncio.to_thread(self._sharer.close, _SHARED_SECONDS if self._loop is None else 1.0)
        try:
            async with asyncio.timeout(1.0):
                await asyncio.to_thread(self._disk.shutdown, wait=True, cancel_futures=True)
        except TimeoutError:
            pass

    def _shared_changed(self) -> None:
        """In the sharer's thread: the store brought something, or is not as it was."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._woken.set)
            except RuntimeError:  # the loop is closed: nobody looks any more
                return

    # In the journal's thread

    def _observe(self, snapshot: Snapshot) -> None:
        from console.journal.sqlite import JournalError  # noqa: PLC0415

        try:
            self._take_in()
            rollouts = observe(snapshot.cluster, self._ledger.state.revisions) if snapshot.cluster else ()
            changes = self._recorder.find_changes(snapshot, self._ledger.state.incidents)
            for subject, payload in (*rollouts, *changes):
                self._journal.append_once(self._event(subject, payload))
            if rollouts or changes:
                self._take_in()
        except JournalError as error:
            self.fault = str(error)  # it is seen again with the next snapshot
        except Exception:
            _log.exception("what was observed could not be journalled")

    def _event(self, subject: str, payload: Payload) -> Event:
        return build_event(payload, at=self._clock(), subject=subject, author=self._author, environment=self._environment)

    def _write(self, subject: str, payload: Payload) -> Event:
        event = self._journal.append(self._event(subject, payload))
        self._take_in()
        return event

    def _look(self, present: tuple[float, frozenset[str]] | None) -> bool:
        new = self._take_in()
        gone = find_resolved(self._ledger.state.owners, present[1], taken_at=present[0]) if present else ()
        for fingerprint in gone:
            self._write(fingerprint, AlertReleased(why=AlertReleased.RESOLVED))
        return new or bool(gone)

    def _take_in(self) -> bool:
        """Tell the board, which may be busy in its own thread, what is new; gives whether something is."""
        new = self._ledger.refresh(seconds=_SLICE_SECONDS)
        if new:
            self._board.set_ledger(self._ledger.state)
        return new
