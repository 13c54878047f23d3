"""Synchronises the journal with the store that several hosts share: pushes the outbox, pulls the others' events."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from console.journal.errors import JournalError
from console.journal.event import Event, validate
from console.journal.shared_store import READ_ONLY, SharedStore
from queries.errors import SourceError, TimedOut
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
from queries.text.durations import format_duration, format_span

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

_log = logging.getLogger(__name__)

_IDLE_SECONDS = 0.3
"""The interval at which the outbox is checked; another process may have added to it."""
_PING_SECONDS, _FAULT_PING_SECONDS = 5.0, 1.5
"""The interval of pings: normally, and while the store does not answer."""
_LATE_SECONDS = 6.0
"""A call that exceeds all of its own limits is reported from another thread, because its own is blocked."""
_BATCH = 200
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """The state of the shared journal. `waiting` events will be pushed without further action, `kept` ones never."""

    store: str
    writes: bool = True
    waiting: int = 0
    kept: int = 0
    elsewhere: int = 0
    """The number of events pending for another store, in another environment or cluster."""
    fault: Fault | None = None
    since: float | None = None
    """When the fault began, Unix seconds."""
    last_good_at: float | None = None
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Entries of the store that every console rejects, and events of this journal that the store rejects; one sentence each."""
    local: bool = False
    """The fault is one of this console's journal file, not of the store."""

    @property
    def word(self) -> str:
        if self.fault:
            return "FAILED" if self.local else "UNREACHABLE"
        return "no answer yet" if self.last_good_at is None else "IN DOUBT" if self.left_out else "ok"

    def sentence(self) -> str:
        """The state in one sentence, with what happens next or what to do."""
        waiting = f"{self.waiting} {'event waits' if self.waiting == 1 else 'events wait'} here"
        if self.fault is not None and self.local:
            return f"{self.fault.sentence()}; events are neither pulled nor pushed"
        if self.fault is not None:
            then = f"; {waiting} and will be shared once it answers" if self.waiting else "; new events will wait here"
            return f"{self.fault.sentence()}{then if self.writes else ''}"
        if self.last_good_at is None:
            return f"{waiting} until it answers" if self.waiting else "no answer yet"
        if self.left_out and not self.waiting:
            return "; ".join(self.left_out)
        if not self.writes:
            return "read-only: other consoles' events arrive, none of this console are shared"
        if self.waiting:
            return f"{waiting}; sharing now"
        if not self.elsewhere:
            return "everything is shared"
        others = f"{self.elsewhere} {'event waits' if self.elsewhere == 1 else 'events wait'} for another store"
        return f"everything for this store is shared; {others} (`cad-console journal --unshared`)"


def describe_unread(why: str) -> str:
    """Why what other consoles journalled is not known, in one sentence; `why` is that of the store."""
    return f"the shared journal cannot be read now: {why}"


def _refused(count: int, why: str) -> str:
    events = f"{count} {'event' if count == 1 else 'events'} of this journal"
    return f"{events} will never be shared: {why}; `cad-console journal --unshared` names them"


class SyncWorker:
    """A daemon thread that talks to the store, so that a store that hangs blocks nobody. It calls `changed`."""

    def __init__(
        self,
        journal: Journal,
        store: SharedStore,
        *,
        writes: bool,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
        ping_seconds: float = _PING_SECONDS,
    ) -> None:
        self._journal = journal
        self._store = store
        self._writes = writes
        self._changed = changed
        self._clock = clock
        self._ping_seconds = ping_seconds
        self._lock = threading.Condition()
        self._status = SyncStatus(store.where, writes)
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._store_changed = True
        self._requested = self._answered = 0
        """The number of `fetch` calls, and how many of them have been answered."""
        self._answer: Fault | None = None
        self._stopped = False
        self._read = False
        self._counted: tuple[tuple[int, int], tuple[int, Mapping[str, int], int]] | None = None
        self._fault: Fault | None = None
        self._local = False
        """The fault is one of the journal file."""
        self._busy_since: float | None = None
        self._pinged_at = time.monotonic()
        self._retry_at = self._pause_ends = 0.0
        """Before these nothing is pushed: after a failure, and because the store asked for a pause."""
        self._backoff = 0.5

    def start(self) -> None:
        """Starts the thread; later calls do nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal-share", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Makes the thread look at the outbox at once."""
        self._woken.set()

    def status(self) -> SyncStatus:
        """The latest status; a store call that has hung for too long shows as a fault."""
        busy = self._busy_since
        with self._lock:
            status = self._status
        if busy is None or time.monotonic() - busy < _LATE_SECONDS or status.fault:
            return status
        late = TimedOut(
            f"no answer for {format_span(time.monotonic() - busy)}", where=status.store, hint="check that the store is up"
        )
        return replace(status, fault=late.fault)

    def fetch(self, seconds: float) -> Fault | None:
        """Pulls the store's present events and pushes the outbox; returns the fault if that fails or takes longer."""
        self.start()
        with self._lock:
            self._requested += 1
            requested = self._requested
        self.wake()
        with self._lock:
            answered = self._lock.wait_for(lambda: self._stopped or self._answered >= requested, seconds)
            fault = self._answer
        if answered and not self._stopped:
            return fault
        late = TimedOut(
            f"no answer within {format_duration(seconds)}", where=self._store.where, hint="check that the store is up"
        )
        return self.status().fault or late.fault

    def flush(self, seconds: float) -> None:
        """Waits until everything is pulled and pushed, until a fault of the store is known, or for `seconds`."""
        self.start()
        self.wake()
        with self._lock:
            self._lock.wait_for(self._is_settled, seconds)

    def close(self, seconds: float) -> None:
        """Stops the thread, after up to `seconds` to push the last events if the store answers."""
        if self._thread is None and not (self._writes and self._pending()):
            self._store.close()
            return
        ends = time.monotonic() + seconds
        status = self.status()
        if self._writes and (status.fault is None or status.local):
            self.flush(seconds)
        self._stopped = True
        self._store.close()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(max(0.1, ends - time.monotonic()))

    def _is_settled(self) -> bool:
        status = self._status
        failed = status.fault is not None and not status.local  # the file may only be busy for a moment
        return self._stopped or failed or (self._read and not (status.writes and self._pending()))

    def _pending(self) -> int:
        try:
            return self._journal.outbox.pending_count()
        except JournalError:
            return 0

    # In the thread

    def _on_store_change(self) -> None:
        """Called by the store, in a thread of the store."""
        self._store_changed = True
        self._woken.set()

    def _run(self) -> None:
        try:
            self._store.listen(self._on_store_change)
        except Exception:
            _log.exception("the shared journal cannot be listened to")
        while not self._stopped:
            self._woken.clear()
            self._synchronise()
            self._woken.wait(_IDLE_SECONDS)

    def _synchronise(self) -> None:
        new = False
        with self._lock:
            requested = self._requested
        try:
            self._busy_since = time.monotonic()
            if requested > self._answered:
                self._store.ping(fresh=True)
                self._store_changed = True
                self._mark_healthy()
            new = self._pull()
            self._push()
            self._ping()
        except SourceError as error:
            self._mark_failed(error.fault)
        except JournalError as error:
            if not self._stopped:
                _log.warning("the journal cannot be shared now: %s", error)
                self._mark_failed(Fault(FaultKind.UNREACHABLE, str(error)), local=True)
        except Exception as error:  # a thread that dies silently would leave an old status on the screen
            _log.exception("the journal cannot be shared")
            self._mark_failed(TimedOut(f"sharing failed: {type(error).__name__}", hint="see the log").fault)
        finally:
            self._busy_since = None
        fault = self._fault or self._store.fault
        if self._read or fault:  # no response yet: the store was never read
            with self._lock:
                self._answered, self._answer = requested, fault
        news = self._publish()
        if (new or news) and not self._stopped:
            self._changed()

    def _pull(self) -> bool:
        """Merges the store's new events; returns whether there were any."""
        if not self._store_changed and self._read:
            return False
        taken = 0

        def take(events: tuple[Event, ...], cursor: str) -> None:
            nonlocal taken
            for at in range(0, len(events), _CHUNK):
                some = events[at : at + _CHUNK]
                known = self._journal.known(event.id for event in some)
                if new := [event for event in some if event.id not in known]:
                    taken += self._journal.merge(new)
            if cursor:
                self._journal.merge((), cursor=cursor)

        self._store_changed = False
        try:
            self._read = self._store.read(self._journal.cursor(), take) or self._read
        except BaseException:
            self._store_changed = True  # the rest is read the next time
            raise
        return taken > 0

    def _push(self) -> None:
        """Pushes the outbox, oldest events first."""
        if not self._writes or not self._read or time.monotonic() < self._retry_at or not self._counts()[0]:
            return
        while not self._stopped and (events := self._journal.outbox.pending(limit=_BATCH)):
            now = self._clock()
            unfit = {event.id: why for event in events if (why := validate(event, now=now))}
            for event in events:
                if event.id in unfit:
                    self._journal.outbox.mark_refused(event, unfit[event.id])
            events = tuple(event for event in events if event.id not in unfit)
            if not events:
                continue
            pushed = self._store.push(events)
            if pushed.stored:
                self._journal.outbox.mark_delivered(pushed.stored)
            for event, why in pushed.refused:
                self._journal.outbox.mark_refused(event, why)
            if not pushed.stored and not pushed.refused:
                return
            self._mark_healthy()

    def _ping(self) -> None:
        healthy = self._read and not self._fault and not self._store.fault
        every = self._ping_seconds if healthy else min(_FAULT_PING_SECONDS, self._ping_seconds)
        if time.monotonic() - self._pinged_at < every:
            return
        self._pinged_at = time.monotonic()
        self._store.ping()
        self._store_changed = True
        self._mark_healthy()

    def _mark_healthy(self) -> None:
        self._fault, self._local = None, False
        self._pinged_at = time.monotonic()
        self._retry_at, self._backoff = self._pause_ends, 0.5

    def _mark_failed(self, fault: Fault, *, local: bool = False) -> None:
        self._fault, self._local = fault, local
        self._pinged_at = time.monotonic()
        self._pause_ends = self._pinged_at + min(fault.retry_after_seconds or 0.0, 60.0)
        self._retry_at = max(self._pinged_at + self._backoff, self._pause_ends)
        self._backoff = min(self._backoff * 2, 10.0)

    def _counts(self) -> tuple[int, Mapping[str, int], int]:
        """Pending events, refused events by reason, and events pending elsewhere; counted anew only after a write."""
        version = self._journal.change_counts()
        if self._counted is None or self._counted[0] != version:
            outbox = self._journal.outbox
            self._counted = version, (outbox.pending_count(), outbox.refused(), outbox.pending_elsewhere())
        return self._counted[1]

    def _publish(self) -> bool:
        """Publishes the present status; returns whether its text differs from the last one."""
        before = self._status
        fault = self._fault or self._store.fault
        now = self._clock()
        since = None if fault is None else before.since if before.fault else now
        try:
            waiting, kept, elsewhere = self._counts()
        except JournalError:
            waiting, kept, elsewhere = before.waiting, self._counted[1][1] if self._counted else {}, before.elsewhere
        refused = (_refused(count, why) for why, count in kept.items() if why != READ_ONLY)
        left_out = (*self._store.left_out, *refused)
        last_good_at = now if self._read and fault is None else before.last_good_at
        status = SyncStatus(
            self._store.where,
            self._writes,
            waiting,
            sum(kept.values()),
            elsewhere,
            fault,
            since,
            last_good_at,
            self._store.warnings,
            left_out,
            self._local,
        )
        with self._lock:
            self._status = status
            self._lock.notify_all()
        return (before.word, before.sentence(), before.left_out) != (status.word, status.sentence(), status.left_out)
