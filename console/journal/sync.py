"""Brings what waits in the journal to the store that several hosts share, and takes in what others brought there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from console.journal.event import Event, validate
from console.journal.shared_store import READ_ONLY, SharedStore
from queries.errors import SourceError, TimedOut
from queries.model.fault import Fault

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.3
"""How often the journal is asked whether something waits; another process may have written it."""
_PULSE_SECONDS, _ANXIOUS_SECONDS = 5.0, 1.5
"""How often the store is asked whether it still answers: in quiet times, and while it does not."""
_LATE_SECONDS = 6.0
"""A call that takes longer than any of its own limits: said from outside, because its thread can say nothing."""
_BATCH = 200
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """How the shared journal is at this moment. `waiting` events are brought by themselves, `kept` ones never."""

    store: str
    writes: bool = True
    waiting: int = 0
    kept: int = 0
    elsewhere: int = 0
    """How many wait for another store: another environment's, or one in another cluster."""
    fault: Fault | None = None
    since: float | None = None
    """When it was first in this fault, Unix seconds."""
    last_good_at: float | None = None
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """What the store holds and no console takes, and what of this journal the store does not take, though it ought to."""

    @property
    def word(self) -> str:
        if self.fault:
            return "UNREACHABLE"
        return "no answer yet" if self.last_good_at is None else "IN DOUBT" if self.left_out else "ok"

    def sentence(self) -> str:
        """One sentence that a person can act on."""
        waiting = f"{self.waiting} {'event waits' if self.waiting == 1 else 'events wait'} here"
        if self.fault is not None:
            then = f"; {waiting} and will be shared by themselves" if self.waiting else "; what is done now will wait here"
            return f"{self.fault.sentence()}{then if self.writes else ''}"
        if self.last_good_at is None:
            return f"{waiting} until it answers" if self.waiting else "it was asked and has not answered yet"
        if self.left_out and not self.waiting:
            return "; ".join(self.left_out)
        if not self.writes:
            return "others' events come in; read-only, so nothing of this console goes there"
        if self.waiting:
            return f"{waiting}, and will be there in a moment"
        if not self.elsewhere:
            return "everything is shared"
        others = f"{self.elsewhere} {'event waits' if self.elsewhere == 1 else 'events wait'} for another store"
        return f"everything for this store is shared; {others} (`cad-console journal --unshared`)"


def _refused(count: int, why: str) -> str:
    events = f"{count} {'event' if count == 1 else 'events'} of this journal"
    return f"{events} will never be shared: {why}; `cad-console journal --unshared` names them"


class SyncWorker:
    """One daemon thread that talks to the store, so that a store that hangs holds up nobody; `changed` is called in it."""

    def __init__(
        self,
        journal: Journal,
        store: SharedStore,
        *,
        writes: bool,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
        pulse_seconds: float = _PULSE_SECONDS,
    ) -> None:
        self._journal = journal
        self._store = store
        self._writes = writes
        self._changed = changed
        self._clock = clock
        self._pulse = pulse_seconds
        self._lock = threading.Condition()
        self._sharing = SyncStatus(store.where, writes)
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._changed_there = True
        self._requested = self._answered = 0
        """How often somebody wanted the newest at once, and up to which of these it was taken in."""
        self._answer: Fault | None = None
        self._stopped = False
        self._read = False
        self._counted: tuple[tuple[int, int], tuple[int, Mapping[str, int], int]] | None = None
        self._fault: Fault | None = None
        self._busy_since: float | None = None
        self._pulsed_at = time.monotonic()
        self._quiet_until = 0.0
        self._pause = 0.5

    def start(self) -> None:
        """Once; from then on it goes by itself."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal-share", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Something was written."""
        self._woken.set()

    def status(self) -> SyncStatus:
        """The latest; a call that hangs is seen from here."""
        busy = self._busy_since
        with self._lock:
            sharing = self._sharing
        if busy is None or time.monotonic() - busy < _LATE_SECONDS or sharing.fault:
            return sharing
        late = TimedOut(
            f"no answer for {time.monotonic() - busy:.0f} s", where=sharing.store, hint="check that the store is up"
        )
        return replace(sharing, fault=late.fault)

    def fetch(self, seconds: float) -> Fault | None:
        """Take in what the store has at this moment, and bring what waits; gives why that is not done after so long."""
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
        late = TimedOut(f"no answer within {seconds:g} s", where=self._store.where, hint="check that the store is up")
        return self.status().fault or late.fault

    def flush(self, seconds: float) -> None:
        """Wait until all is read and nothing waits, or until it is known why not, or for so long."""
        self.start()
        self.wake()
        with self._lock:
            self._lock.wait_for(self._is_settled, seconds)

    def close(self, seconds: float) -> None:
        """Ends its waits; one last moment for what was written just now, while the store is well."""
        if self._thread is None and not (self._writes and self._pending()):
            self._store.close()
            return
        ends = time.monotonic() + seconds
        if self._writes and not self.status().fault:
            self.flush(seconds)
        self._stopped = True
        self._store.close()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(max(0.1, ends - time.monotonic()))

    def _is_settled(self) -> bool:
        sharing = self._sharing
        return self._stopped or sharing.fault is not None or (self._read and not (sharing.writes and self._pending()))

    def _pending(self) -> int:
        from console.journal.errors import JournalError  # noqa: PLC0415

        try:
            return self._journal.waiting_count()
        except JournalError:
            return 0

    # In its thread

    def _hear(self) -> None:
        """Called by the store, in a thread of its own."""
        self._changed_there = True
        self._woken.set()

    def _run(self) -> None:
        try:
            self._store.listen(self._hear)
        except Exception:
            _log.exception("the shared journal cannot be listened to")
        while not self._stopped:
            self._woken.clear()
            self._round()
            self._woken.wait(_LOOK_SECONDS)

    def _round(self) -> None:
        from console.journal.errors import JournalError  # noqa: PLC0415

        new = False
        with self._lock:
            requested = self._requested
        try:
            self._busy_since = time.monotonic()
            if requested > self._answered:
                self._store.ping(fresh=True)
                self._changed_there = True
                self._well()
            new = self._take_in()
            self._give()
            self._ask()
        except SourceError as error:
            self._failed(error.fault)
        except JournalError as error:
            if not self._stopped:
                _log.warning("the journal cannot be shared now: %s", error)
        except Exception as error:  # a thread that dies silently would leave an old picture on the screen
            _log.exception("the journal cannot be shared")
            self._failed(TimedOut(f"sharing failed: {type(error).__name__}", hint="the log says more").fault)
        finally:
            self._busy_since = None
        fault = self._fault or self._store.fault
        if self._read or fault:  # what was never read has not answered
            with self._lock:
                self._answered, self._answer = requested, fault
        news = self._publish()
        if (new or news) and not self._stopped:
            self._changed()

    def _take_in(self) -> bool:
        """Read what is new in the store; gives whether there was anything."""
        if not self._changed_there and self._read:
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

        self._changed_there = False
        try:
            self._read = self._store.read(self._journal.cursor(), take) or self._read
        except BaseException:
            self._changed_there = True  # what is left of it is read the next time
            raise
        return taken > 0

    def _give(self) -> None:
        """Bring what waits, the oldest first."""
        if not self._writes or not self._read or time.monotonic() < self._quiet_until or not self._counts()[0]:
            return
        while not self._stopped and (events := self._journal.waiting(limit=_BATCH)):
            now = self._clock()
            unfit = {event.id: why for event in events if (why := validate(event, now=now))}
            for event in events:
                if event.id in unfit:
                    self._journal.kept_here(event, unfit[event.id])
            events = tuple(event for event in events if event.id not in unfit)
            if not events:
                continue
            pushed = self._store.push(events)
            if pushed.stored:
                self._journal.delivered(pushed.stored)
            for event, why in pushed.refused:
                self._journal.kept_here(event, why)
            if not pushed.stored and not pushed.refused:
                return
            self._well()

    def _ask(self) -> None:
        every = min(_ANXIOUS_SECONDS, self._pulse) if self._fault or self._store.fault or not self._read else self._pulse
        if time.monotonic() - self._pulsed_at < every:
            return
        self._pulsed_at = time.monotonic()
        self._store.ping()
        self._changed_there = True
        self._well()

    def _well(self) -> None:
        self._fault = None
        self._pulsed_at = time.monotonic()
        self._quiet_until, self._pause = 0.0, 0.5

    def _failed(self, fault: Fault) -> None:
        self._fault = fault
        self._pulsed_at = time.monotonic()
        self._quiet_until = time.monotonic() + max(self._pause, min(fault.retry_after_seconds or 0.0, 60.0))
        self._pause = min(self._pause * 2, 10.0)

    def _counts(self) -> tuple[int, Mapping[str, int], int]:
        """How many events wait, how many are kept by reason, and how many wait for another store; counted again only where
        something was written.
        """
        version = self._journal.version()
        if self._counted is None or self._counted[0] != version:
            journal = self._journal
            self._counted = version, (journal.waiting_count(), journal.kept(), journal.waiting_elsewhere())
        return self._counted[1]

    def _publish(self) -> bool:
        """Put together how it is now; gives whether a person would see another sentence."""
        from console.journal.errors import JournalError  # noqa: PLC0415

        before = self._sharing
        fault = self._fault or self._store.fault
        now = self._clock()
        since = None if fault is None else before.since if before.fault else now
        try:
            waiting, kept, elsewhere = self._counts()
        except JournalError:
            waiting, kept, elsewhere = before.waiting, self._counted[1][1] if self._counted else {}, before.elsewhere
        refused = (_refused(count, why) for why, count in kept.items() if why != READ_ONLY)
        left_out = (*self._store.left_out, *refused)
        good = now if self._read and fault is None else before.last_good_at
        sharing = SyncStatus(
            self._store.where,
            self._writes,
            waiting,
            sum(kept.values()),
            elsewhere,
            fault,
            since,
            good,
            self._store.warnings,
            left_out,
        )
        with self._lock:
            self._sharing = sharing
            self._lock.notify_all()
        return (before.word, before.sentence(), before.left_out) != (sharing.word, sharing.sentence(), sharing.left_out)
