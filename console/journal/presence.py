"""Which other consoles are on, on which screen, and what each previews: heartbeats on a board that the consoles share.

The board is in the journal's shared store, or beside the journal's file. It is not part of the audit log: the next heartbeat
replaces an entry, and an entry expires with its console.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from console.journal import process
from queries.decoding import decoder
from queries.errors import SourceError
from queries.model.fault import Fault
from queries.model.frozen import dataclass

_log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
EXPIRES_SECONDS = 16.0
"""Three lost heartbeats; a console that ends removes its entry at once."""
_DEAD_SECONDS = 7.0
"""The same where the machine says that the console's process has ended. Two containers may share a host name, so that alone
proves nothing while its heartbeats arrive.
"""
_REMOVE_SECONDS = 60.0
"""From here on any acting console removes the entry of a console that was killed."""
_ANSWER_SECONDS = 1.5
_GATHER_SECONDS = 0.15
"""Several changes in a row, such as keys that lead through screens, become one write."""
_TEXT = 160
_BYTES = 7500
"""PostgreSQL's NOTIFY takes less than 8,000, with the console's id."""
_MOST = 50
"""Consoles that are shown: anybody may write to the store."""
_SKEW_SECONDS = 5.0
"""Clocks that differ by less are the same: an entry may take two seconds to arrive."""


class Beat(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one console writes; `at` is its own clock and `count` makes two heartbeats differ. From others it is only text.

    `console` identifies its process, as in an acknowledgement.
    """

    user: str
    console: str
    environment: str
    at: float
    count: int
    screen: str = ""
    preview: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class PresentConsole:
    """Another console that is on; `console` identifies its process. `preview` is the title of the change that it previews,
    `target` what that would change. `clock_ahead_seconds` is how far its clock is ahead of this machine's, 0 where they agree.
    """

    console: str
    user: str
    screen: str = ""
    preview: str = ""
    target: str = ""
    clock_ahead_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Presence:
    """Who else is on. While it is not `known`, an empty tuple means nothing; `error` is why. `shown`: whether the others see
    this console.
    """

    others: tuple[PresentConsole, ...] = ()
    known: bool = False
    shown: bool = False
    error: str = ""

    def is_on(self, user: str) -> bool:
        return any(item.user == user for item in self.others)

    def clock_ahead_seconds(self, author: str, console: str = "") -> float:
        """How far the clock of an event's author is ahead; 0 where that is not known.

        `console` is the process that wrote the event. Without it, or where it is not on, the author's consoles count as long as
        their clocks agree.
        """
        found = [item.clock_ahead_seconds for item in self.others if item.console == console] or [
            item.clock_ahead_seconds for item in self.others if item.user == author
        ]
        return found[0] if found and max(found) - min(found) < _SKEW_SECONDS else 0.0

    @property
    def previews(self) -> tuple[PresentConsole, ...]:
        return tuple(item for item in self.others if item.preview)


class PresenceBoard(Protocol):
    """One text a console, by the console's id. Calls may block for a few seconds and raise SourceError."""

    @property
    def poll_seconds(self) -> float:
        """How often `entries` has to be called although `changed` was not."""

    @property
    def live(self) -> bool:
        """Whether an entry proves that its console was on just now: a board without memory."""

    def open(self, changed: Callable[[], None]) -> None:
        """Starts to watch for changes in threads of its own, which call `changed`."""

    @property
    def fault(self) -> Fault | None:
        """Why the entries are not current at this moment."""

    def entries(self) -> Mapping[str, str] | None:
        """Every entry, also those of consoles that have ended; None before the first answer."""

    def write(self, identity: str, text: str) -> None:
        """Replaces the console's entry."""

    def remove(self, identity: str) -> None:
        """Removes it; no error if there is none."""

    def close(self) -> None:
        """Ends every wait at once."""


@dataclass
class _Seen:
    """One entry as this console observes it, by its own monotonic clock: the other's clock may be wrong by any amount."""

    text: str
    beat: Beat | None
    changed_at: float
    confirmed: bool
    ahead_seconds: float = 0.0


class PresenceWorker:
    """A daemon thread that exchanges heartbeats, so that a store that hangs blocks nobody. It calls `changed` for news."""

    def __init__(
        self,
        board: PresenceBoard,
        *,
        user: str,
        environment: str,
        writes: bool,
        changed: Callable[[], None],
        console: str = "",
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.view = Presence()
        self._board = board
        console = console or process.current().text()
        self._id = hashlib.sha256(f"{console} {user}".encode()).hexdigest()[:20]
        self._writes = writes
        self._changed = changed
        self._clock = clock
        self._monotonic = monotonic
        self._own = Beat(user[:_TEXT], console, environment, 0.0, 0)
        self._written: Beat | None = None
        self._written_at = float("-inf")
        self._shown: Beat | None = None
        """The own state that was written last."""
        self._entries: Mapping[str, str] | None = None
        """What the board returned last."""
        self._seen: dict[str, _Seen] = {}
        self._read_at: float | None = None
        """When the board first answered."""
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._announced = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread; later calls do nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
            self._thread.start()

    def announce(self, *, screen: str | None = None, preview: str | None = None, target: str | None = None) -> None:
        """What this console shows from now on; None leaves it as it is. Never blocks."""
        given = {"screen": screen, "preview": preview, "target": target}
        own = msgspec.structs.replace(self._own, **{name: text[:_TEXT] for name, text in given.items() if text is not None})
        if own != self._own:
            self._own, self._announced = own, True
            self._woken.set()

    def close(self, seconds: float) -> None:
        """Removes the own entry, if the store answers within `seconds`."""
        self._stopped.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(seconds)
        self._board.close()

    # In the thread

    def _run(self) -> None:
        try:
            self._board.open(self._woken.set)
        except Exception:
            _log.exception("the consoles' presence cannot be watched")
        while not self._stopped.is_set():
            self._woken.clear()
            if self._announced:
                self._announced = False
                self._stopped.wait(_GATHER_SECONDS)
            self.exchange()
            self._woken.wait(self._pause_seconds())
        if self._written is not None:
            try:
                self._board.remove(self._id)
            except Exception as error:  # the others see it expire
                _log.info("the own presence could not be removed: %s", type(error).__name__)

    def _pause_seconds(self) -> float:
        """Until the next exchange, unless the board changes: alone, until the next heartbeat."""
        if not self._rests():
            return min(self._board.poll_seconds, BEAT_SECONDS)
        return self._written_at + BEAT_SECONDS - self._monotonic() if self._writes else BEAT_SECONDS

    def exchange(self) -> None:
        """Reads the board once, and writes the own entry where it is due."""
        error = ""
        try:
            entries = self._board.entries()
            if entries is not None and entries == self._entries and self._rests():
                return
            self._entries = None if entries is None else dict(entries)
            if fault := self._board.fault:
                error = fault.sentence()
            elif entries is not None:
                self._write(answer=self._ingest(entries))
        except SourceError as failure:
            error = failure.fault.sentence()
        except Exception as failure:  # a thread that dies silently would leave an old view on the screen
            _log.exception("the consoles' presence cannot be exchanged")
            error = f"{type(failure).__name__}; see the log"
        view = self._build(error)
        if view != self.view and not self._stopped.is_set():
            self.view = view
            self._changed()

    def _rests(self) -> bool:
        """Whether the same entries lead to the same view: no other console is on, and no own entry is due."""
        due = self._writes and (self._own is not self._shown or self._monotonic() - self._written_at >= BEAT_SECONDS * 0.9)
        return self.view.known and not self._seen and not due and self._board.fault is None

    def _ingest(self, entries: Mapping[str, str]) -> bool:
        """Notes what changed since the last read; returns whether a console is new here, which waits for an answer."""
        now, newcomers = self._monotonic(), False
        for identity, text in entries.items():
            seen = self._seen.get(identity)
            if identity == self._id or (seen is not None and seen.text == text):
                continue
            if seen is None and len(self._seen) >= 2 * _MOST:
                continue
            beat = _decode(text)
            # What stood there before the first read may be the last heartbeat of a console that was killed.
            fresh = seen is not None or self._read_at is not None or self._board.live
            newcomers = newcomers or seen is None
            ahead = beat.at - self._clock() if fresh and beat is not None else 0.0
            if seen is not None and seen.confirmed and abs(ahead - seen.ahead_seconds) < _SKEW_SECONDS:
                ahead = seen.ahead_seconds  # a heartbeat's delay is not a clock
            self._seen[identity] = _Seen(text, beat, now, fresh, ahead)
        self._seen = {identity: seen for identity, seen in self._seen.items() if identity in entries}
        if self._read_at is None:
            self._read_at = now
        for seen in self._seen.values():
            if not seen.confirmed and seen.beat is not None and process.is_running(seen.beat.console):
                seen.confirmed = True
        return newcomers

    def _write(self, *, answer: bool) -> None:
        if not self._writes:
            return
        now, own = self._monotonic(), self._own
        same = self._written is not None and _content(self._written) == _content(own)
        if same and not answer and now - self._written_at < BEAT_SECONDS * 0.9:
            return
        count = self._written.count + 1 if self._written else 1
        beat = msgspec.structs.replace(own, at=round(self._clock(), 1), count=count)
        self._board.write(self._id, _encode(beat))
        self._written, self._written_at, self._shown = beat, now, own
        for identity, seen in self._seen.items():
            if now - seen.changed_at > _REMOVE_SECONDS:
                self._board.remove(identity)

    def _build(self, error: str) -> Presence:
        now = self._monotonic()
        others = [
            PresentConsole(beat.console, beat.user, beat.screen, beat.preview, beat.target, _skew(seen.ahead_seconds))
            for seen in self._seen.values()
            if (beat := seen.beat) is not None and beat.environment == self._own.environment and _is_on(beat, seen, now)
        ]
        others.sort(key=lambda item: (item.user, item.console))
        shown = self._writes and not error and self._written is not None
        return Presence(tuple(others[:_MOST]), known=not error and self._is_settled(now), shown=shown, error=error)

    def _is_settled(self, now: float) -> bool:
        """Whether every console that is on has had the time for a heartbeat since the first read."""
        if self._read_at is None:
            return False
        if not self._board.live and all(seen.confirmed for seen in self._seen.values()):
            return True
        # Others answer a newcomer at once; a read-only console is none, so it waits for their next heartbeat.
        return now - self._read_at >= (_ANSWER_SECONDS if self._writes else BEAT_SECONDS + _ANSWER_SECONDS)


def _is_on(beat: Beat, seen: _Seen, now: float) -> bool:
    silent = now - seen.changed_at
    if not seen.confirmed or silent > EXPIRES_SECONDS:
        return False
    return silent <= _DEAD_SECONDS or process.is_running(beat.console) is not False


def _content(beat: Beat) -> Beat:
    return msgspec.structs.replace(beat, at=0.0, count=0)


def _encode(beat: Beat) -> str:
    """In ASCII, since a database may hold another encoding than ours; texts are cut until all fits into `_BYTES`."""
    length = _TEXT
    while True:
        cut = {name: getattr(beat, name)[:length] for name in ("user", "screen", "preview", "target")}
        text = json.dumps(msgspec.to_builtins(msgspec.structs.replace(beat, **cut)), separators=(",", ":"))
        if len(text) <= _BYTES or length < 2:
            return text
        length //= 2


def _skew(seconds: float) -> float:
    return 0.0 if abs(seconds) < _SKEW_SECONDS else float(round(seconds))


def _decode(text: str) -> Beat | None:
    """None for what is not a heartbeat: anybody may have written it."""
    try:
        beat = decoder(Beat).decode(text[:_BYTES])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    cut = {name: getattr(beat, name)[:_TEXT] for name in ("user", "console", "environment", "screen", "preview", "target")}
    return msgspec.structs.replace(beat, **cut) if beat.user else None
