"""The journal's thread: it writes events, reads those of other consoles, and updates the state store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from console.config.settings import Settings
from console.journal import process
from console.journal.acknowledgements import (
    Acknowledgement,
    AcknowledgeResult,
    Ownership,
    find_resolved,
    ownership_of,
)
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.file_watch import FileWatch
from console.journal.payloads import AlertAcknowledged, AlertReleased, Payload, create_event
from console.journal.sync import SyncStatus, SyncWorker, describe_unread
from console.monitor.state_store import StateStore
from console.state.journal_state import JournalReader
from console.state.news import KEPT, read_news
from console.state.revisions import observe_rollouts
from queries.model.source import PollResult

if TYPE_CHECKING:
    from console.incidents.timeline_recorder import TimelineRecorder
    from console.journal.shared_store import SharedStore
    from console.journal.sqlite import Journal
    from console.state.incident import Incident
    from console.state.snapshot import Snapshot
    from queries.model.alert import Alert, AlertRule
    from queries.model.cluster import Cluster

_log = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
"""Other consoles of this user write too: how often their thread reads the one number that says so."""
AT_LEAST_SECONDS = 5.0
"""The longest time between two reads without any news."""
_SLICE_SECONDS, _BETWEEN_SECONDS = 0.05, 0.02
"""A long journal is read in slices, so that a write waits for at most one of them, and a key press for none."""
_PROGRESS_SECONDS = 2.0

_SHARED_SECONDS = 4.0
"""How long a command waits for the shared store, to read the events of others and to push its own."""
_FETCH_SECONDS = 2.0
"""How long a person's decision waits for the latest events of others."""
_UNLISTED_SECONDS = 300.0
"""How long the rules' answers must lack an alert that only Prometheus lists, until its acknowledgement ends: after a restart
Prometheus first has to scrape, and then waits for the rule's `for`.
"""
_MEANWHILE_SECONDS = 0.5
"""Usually longer than another console needs to push an event to the shared store."""


class JournalService:
    """Writes and reads the journal, and polls it for the events of others."""

    def __init__(
        self,
        journal: Journal,
        state: StateStore,
        settings: Settings,
        *,
        clock: Callable[[], float],
        store: SharedStore | None = None,
        watch_seconds: float = 0.9,
    ) -> None:
        """`watch_seconds` is the shortest interval between comparisons of a snapshot with an open incident's timeline."""
        self._watch_seconds = watch_seconds
        self.fault = ""
        """Why the last read failed, empty if it succeeded."""
        self.report: Callable[[str], None] = _log.info
        """Receives the progress of a command's read every few seconds."""
        self._journal = journal
        self._store = state
        self._author = settings.user
        self._environment = settings.environment
        self._ledger = JournalReader(journal, environment=settings.environment, clock=clock)
        self._clock = clock
        self._present: tuple[float, frozenset[str]] | None = None
        self._listed: tuple[tuple[Alert, ...], frozenset[str]] = ((), frozenset())
        """The alerts of the last list, and their fingerprints."""
        self._rules: PollResult[Any] | None = None
        self._unlisted: dict[str, float] = {}
        """The acknowledged alerts of Prometheus' own that its answers lack, and since which of them."""
        self._owners: Mapping[str, Acknowledgement] = {}
        self._arrived: dict[str, float] = {}
        """The acknowledgements of the last read, and when each was first read here, by this machine's clock."""
        self._woken = asyncio.Event()
        self._recorder: TimelineRecorder | None = None
        self._watched: Future[None] | None = None
        self._watched_at = float("-inf")
        self._cluster: Cluster | None = None
        """The last one whose rollouts were recorded."""
        self._news_after: int | None = None
        """The sequence up to which events are no news; None until this console knows what was there before it."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sync_worker: SyncWorker | None = None
        if store is not None:
            self._sync_worker = SyncWorker(
                journal, store, writes=not settings.read_only, changed=self._shared_changed, clock=clock
            )
        # Its own thread: a hanging fsync must not block the threads that decode responses.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self.watch_files = FileWatch(EVERY_SECONDS, name="journal watch")
        """The thread that looks whether another process changed a file; others may have it look at theirs."""
        self._counts: tuple[int, int] | None = None

    @property
    def sharing(self) -> SyncStatus | None:
        """The state of the shared journal; None if there is none."""
        return self._sync_worker.status() if self._sync_worker else None

    async def fetch(self) -> str:
        """Reads the current events of the shared store; returns why they are unknown, or an empty text.

        Waits two seconds at most: a key press must not wait for a hanging store.
        """
        fault = await asyncio.to_thread(self._sync_worker.fetch, _FETCH_SECONDS) if self._sync_worker is not None else None
        await self.read_all()
        shared = describe_unread(fault.sentence()) if fault else ""
        return self.fault or self._store.ledger.error or shared

    async def fetch_after_write(self) -> str:
        """As `fetch`, after an event that another console may write at the same time: the first read pushes it, the second
        brings what others were still pushing.
        """
        caveat = await self.fetch()
        if self._sync_worker is not None and not caveat:
            await asyncio.sleep(_MEANWHILE_SECONDS)
            caveat = await self.fetch()
        return caveat

    async def sync(self) -> None:
        """For a command: pushes and pulls the shared events, within a few seconds."""
        if self._sync_worker is not None:
            await asyncio.to_thread(self._sync_worker.flush, _SHARED_SECONDS)

    def on_alerts(self, result: PollResult[Any]) -> None:
        """Alertmanager's latest result; only a complete one proves that an alert has resolved."""
        state = result.value
        if state is None or state.peer_faults:
            self._present = None
            return
        if self._listed[0] is not state.alerts:
            self._listed = (state.alerts, frozenset(item.fingerprint for item in state.alerts))
        self._present = (result.taken_at, self._listed[1])

    def on_rules(self, result: PollResult[Any]) -> None:
        """The rules' latest result; a complete one of evaluated rules lists every alert of Prometheus' own."""
        self._rules = result

    async def record(self, subject: str, payload: Payload) -> Event:
        """Appends an event. When this returns it is on disk and in the state store. Raises JournalError."""
        event = await asyncio.get_running_loop().run_in_executor(self._disk, self._write, subject, payload)
        if self._sync_worker is not None:
            self._sync_worker.wake()
        return event

    async def acknowledge(
        self,
        fingerprint: str,
        name: str,
        *,
        on: bool,
        over: Acknowledgement | None = None,
        to: str = "",
        console: str = "",
    ) -> AcknowledgeResult:
        """Acknowledges an alert, or releases it, for screens and commands alike. Raises JournalError.

        With `to`, and that person's `console` if it is known, the alert is theirs afterwards.

        It first reads the events of others. Another person's acknowledgement stays unless it is `over`, which means that the
        takeover was confirmed. Then it reads again: two people may have acknowledged the alert at the same time.
        """
        caveat = await self.fetch()
        present = self._store.ledger.owners.get(fingerprint)
        ownership = ownership_of(present, user=self._author)
        if on and ownership is Ownership.OURS and not to:
            return AcknowledgeResult(present, ownership, written=False, caveat=caveat)
        if present is not None and ownership.held_by_other and (over is None or over.id != present.id):
            return AcknowledgeResult(present, ownership, written=False, caveat=caveat)
        seen = present.id if present else ""
        payload: Payload = AlertReleased(name, seen)
        if on:
            own = process.current().text()
            payload = AlertAcknowledged(name, console or None, seen, to) if to else AlertAcknowledged(name, own, seen)
        await self.record(fingerprint, payload)
        if not caveat:
            caveat = await self.fetch_after_write()  # a notification reports later ones
        if not caveat and self._sync_worker is not None and not self._sync_worker.status().writes:
            caveat = "this console is read-only, so nobody else sees it"
        present = self._store.ledger.owners.get(fingerprint)
        return AcknowledgeResult(present, ownership_of(present, user=self._author), written=True, caveat=caveat)

    def watch(self, snapshot: Snapshot) -> None:
        """Records rollouts and an open incident's timeline, in the journal's thread and without waiting for it."""
        now = time.monotonic()
        if self._watched is not None and not self._watched.done():
            return
        news = snapshot.cluster is not self._cluster or snapshot.ledger.incidents.open
        if news and now - self._watched_at >= self._watch_seconds:
            self._watched_at, self._cluster = now, snapshot.cluster
            self._watched = self._disk.submit(self._observe, snapshot)

    def wake(self) -> None:
        """Reads at once."""
        self._woken.set()

    async def run(self, changed: Callable[[], None]) -> None:
        """Reads until cancelled; calls `changed` for every read with news."""
        self._loop = asyncio.get_running_loop()
        if self._sync_worker is not None:
            self._sync_worker.start()
        self.watch_files.add(self._look)
        while True:
            self._woken.clear()
            if await self.read():
                changed()
            try:
                async with asyncio.timeout(self._pause_seconds()):
                    await self._woken.wait()
            except TimeoutError:
                pass

    def _pause_seconds(self) -> float:
        """How long to wait without news: an acknowledged alert may end at any time, and a failed read is tried again soon."""
        ledger = self._store.ledger
        if not ledger.known:
            return _BETWEEN_SECONDS
        return EVERY_SECONDS if self.fault or ledger.owners or self._news_after is None else AT_LEAST_SECONDS

    async def read(self) -> bool:
        """Reads once; returns whether there is news. A failed read keeps the known state and sets `fault`."""
        before, fault, new = self.fault, "", False
        try:
            new = await asyncio.get_running_loop().run_in_executor(self._disk, self._read_slice, self._present, self._rules)
        except JournalError as error:
            fault = str(error)
        self.fault = fault  # not before it is known: while a read is under way, the last one counts
        return new or fault != before

    async def read_all(self, *, seconds: float = float("inf")) -> None:
        """For a command: reads the whole journal, for at most so long. In a running console one slice: `run` reads the rest."""
        began = reported = time.monotonic()
        while await self.read() or not self._store.ledger.known:
            now = time.monotonic()
            if self._loop is not None or self.fault or now - began >= seconds:
                return
            if now - reported >= _PROGRESS_SECONDS:
                reported = now
                self.report(self._store.ledger.error)

    async def incident(self, name: str) -> Incident | None:
        """By number, id or the start of an id, with its whole timeline, however old it is. Raises JournalError."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, self._ledger.find_incident, name)

    async def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]:
        """Outlines of the incidents that the state does not contain, the newest first. Raises JournalError."""
        read = partial(self._ledger.older_incidents, before=before, limit=limit)
        return await asyncio.get_running_loop().run_in_executor(self._disk, read)

    async def close(self) -> None:
        """Waits a moment for the current read, so that the journal is not closed under it."""
        if self._sync_worker is not None:
            await asyncio.to_thread(self._sync_worker.close, _SHARED_SECONDS if self._loop is None else 1.0)
        try:
            async with asyncio.timeout(1.0):
                await asyncio.to_thread(self._end_threads)
        except TimeoutError:
            pass

    def _end_threads(self) -> None:
        self.watch_files.close()  # first: a disk that hangs may keep the other longer than `close` waits
        self._disk.shutdown(wait=True, cancel_futures=True)

    def _look(self) -> None:
        """In a thread of its own, so that the loop sleeps while nobody writes."""
        try:
            found = self._journal.change_counts()
        except JournalError:
            found = None  # the next read says why
        if found is None or found != self._counts:
            self._counts = found
            self._shared_changed()

    def _shared_changed(self) -> None:
        """In another thread: the file or the shared store has news, or the store's state changed."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._woken.set)
            except RuntimeError:  # the loop is closed
                return

    # In the journal's thread

    def _observe(self, snapshot: Snapshot) -> None:
        from console.incidents.timeline_recorder import TimelineRecorder  # noqa: PLC0415  # no command observes

        try:
            self._refresh()
            rollouts = observe_rollouts(snapshot.cluster, self._ledger.state.revisions) if snapshot.cluster else ()
            self._recorder = self._recorder or TimelineRecorder()
            changes = self._recorder.find_changes(snapshot, self._ledger.state.incidents)
            for subject, payload in (*rollouts, *changes):
                self._journal.append_once(self._event(subject, payload))
            if rollouts or changes:
                self._refresh()
        except JournalError as error:
            self.fault = str(error)  # the next snapshot shows it again
        except Exception:
            _log.exception("could not journal what the snapshot shows")

    def _event(self, subject: str, payload: Payload) -> Event:
        return create_event(payload, at=self._clock(), subject=subject, author=self._author, environment=self._environment)

    def _write(self, subject: str, payload: Payload) -> Event:
        event = self._journal.append(self._event(subject, payload))
        self._refresh()
        return event

    def _read_slice(self, present: tuple[float, frozenset[str]] | None, rules: PollResult[Any] | None) -> bool:
        new = self._refresh()
        owners, arrived = self._ledger.state.owners, self._note_arrivals()
        gone = find_resolved(owners, present[1], taken_at=present[0], arrived=arrived) if present else ()
        if gone:
            from console.alerts.resolution import has_ended  # noqa: PLC0415  # not before an acknowledged alert is gone

            snapshot = self._store.snapshot(self._clock())
            gone = tuple(item for item in gone if has_ended(item, owners[item].labels, snapshot))
        gone = (*gone, *self._find_unlisted(owners, arrived, rules))
        for fingerprint in gone:
            # It names what it ends: one that is still on its way here is another one, of an alert that fires again.
            self._write(fingerprint, AlertReleased(of=owners[fingerprint].id, why=AlertReleased.RESOLVED))
        return self._collect_news() or new or bool(gone)

    def _find_unlisted(
        self, owners: Mapping[str, Acknowledgement], arrived: Mapping[str, float], rules: PollResult[Any] | None
    ) -> tuple[str, ...]:
        """The acknowledged alerts of Prometheus' own that its answers have lacked for long enough."""
        own = [item for item in owners if ":" in item]
        found = rules.value if rules is not None and own else None
        if rules is None or found is None or found.partial or not _are_evaluated(found.rules):
            self._unlisted = {}
            return ()
        listed = {item.fingerprint.rpartition(":")[2] for item in found.alerts}
        missing = [item for item in own if item.rpartition(":")[2] not in listed and arrived[item] < rules.taken_at]
        self._unlisted = {item: min(self._unlisted.get(item, rules.taken_at), rules.taken_at) for item in missing}
        return tuple(item for item, since in self._unlisted.items() if rules.taken_at - since >= _UNLISTED_SECONDS)

    def _note_arrivals(self) -> dict[str, float]:
        """When each acknowledgement arrived here, by fingerprint."""
        owners = self._ledger.state.owners
        if owners is not self._owners:
            before, arrived, now = self._owners, self._arrived, self._clock()
            self._owners = owners
            self._arrived = {
                fingerprint: arrived[fingerprint] if fingerprint in before and before[fingerprint].id == held.id else now
                for fingerprint, held in owners.items()
            }
        return self._arrived

    def _collect_news(self) -> bool:
        """Passes what other consoles did to the state store; returns whether there is any.

        What the first read of the file and of the shared store brings happened before this console was on. Arrival counts, not
        time: clocks differ.
        """
        state = self._ledger.state
        if not state.known or state.behind or self._loop is None:
            return False
        if self._news_after is None:
            if self._sync_worker is None or self._sync_worker.status().last_good_at is not None:
                self._news_after = self._journal.last_sequence()
            return False
        if state.sequence <= self._news_after:
            return False
        news = read_news(
            self._journal,
            after=self._news_after,
            until=state.sequence,
            environment=self._environment,
            user=self._author,
        )
        self._news_after = state.sequence
        if news:
            self._store.news = (*self._store.news, *news)[-KEPT:]
        return bool(news)

    def _refresh(self) -> bool:
        """Passes new state to the state store, which may be busy in its own thread; returns whether there is any."""
        new = self._ledger.refresh(seconds=_SLICE_SECONDS)
        if new:
            self._store.set_ledger(self._ledger.state)
        return new


def _are_evaluated(rules: Collection[AlertRule]) -> bool:
    """Whether the server has evaluated each rule since it started; without any, none has an alert any more."""
    return all(item.health != "unknown" for item in rules)
