"""When the next frame may leave: not before the terminal has drawn the last ones, and seldom on a slow line."""

from __future__ import annotations

from collections import deque

MARK = "\x1b[6n"
"""Sent after a frame, the question where the cursor is: the answer says that everything before it was drawn."""

_WINDOW_BYTES = 4096
"""So much may be on its way without an answer, so that typing does not wait for a whole round trip."""

_STALL_SECONDS = 0.25
"""An answer later than this: nothing more is sent until it comes. What cannot be seen on the way is the stale screen."""

_TRIES = 3
"""A terminal that answered none of the first questions is not asked any more."""

_FIRST_PROBE_SECONDS = 2.0
_LAST_PROBE_SECONDS = 30.0
_LOOK_SECONDS = 0.25
_SLOW_SECONDS = 1.0
_SLOW_KEY_SECONDS = 0.25
_STRUGGLE_SECONDS = 2.5
"""After so long without being able to send, in all, the line is called slow."""
_LONG_SECONDS = 0.5
"""A shorter wait is the ordinary round trip of a distant line."""


class FlowControl:
    """Keeps what is on its way and what has been answered; every method is given the time (seconds of any clock)."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow = slow
        self.blocked_seconds = 0.0
        """How long in all frames had to wait for the line."""
        self._flying: deque[tuple[int, float]] = deque()
        self._answers = False
        self._heard = 0
        self._settled = 0
        self._asked = 0
        self._probes = 0
        self._probe_at = 0.0
        self._sent_at = -1e9
        self.key_at = -1e9
        """When a person last did something."""
        self._blocked_at: float | None = None

    @property
    def struggling(self) -> bool:
        return self.blocked_seconds >= _STRUGGLE_SECONDS

    @property
    def unanswered(self) -> bool:
        """Whether an answer is still to come from a terminal that gives answers."""
        self._settle()
        return self._answers and bool(self._flying)

    def key(self, now: float) -> None:
        """A person did something: what it changes is shown soon also on a slow line."""
        self.key_at = now

    def wait(self, now: float, *, pending: bool) -> float:
        """Seconds until a frame may leave; 0 for now. Asked again when the line is free or an answer came."""
        blocked = pending or self._too_much(now)
        if blocked:
            if self._blocked_at is None:
                self._blocked_at = now
            return _LOOK_SECONDS
        if self._blocked_at is not None:
            waited = now - self._blocked_at
            self._blocked_at = None
            if waited >= _LONG_SECONDS:
                self.blocked_seconds += waited
        if not self.slow:
            return 0.0
        every = _SLOW_KEY_SECONDS if self.key_at > self._sent_at else _SLOW_SECONDS
        return max(0.0, self._sent_at + every - now)

    def sent(self, count: int, now: float) -> str:
        """A frame leaves; gives the question to put behind it, if any."""
        self._sent_at = now
        self._settle()
        if not self._answers and self._asked >= _TRIES:
            return ""
        self._asked += 1
        if self._answers or not self._flying:
            self._flying.append((count, now))
        return MARK

    def answered(self) -> None:
        """The terminal has drawn what was sent before the oldest question. The only method for another thread."""
        self._heard += 1

    def probe(self, now: float) -> str:
        """The question again, ever more seldom, while the answer does not come: it may have been lost."""
        if not self.unanswered:
            return ""
        if now < max(self._probe_at, self._flying[0][1] + _FIRST_PROBE_SECONDS):
            return ""
        self._probe_at = now + min(_LAST_PROBE_SECONDS, _FIRST_PROBE_SECONDS * 2.0 ** (self._probes + 1))
        self._probes += 1
        return MARK

    def restart(self) -> None:
        """The terminal was somebody else's for a while: what was asked before is not answered any more."""
        self._settle()
        self._flying.clear()
        self._probes = 0
        self._blocked_at = None

    def _settle(self) -> None:
        while self._settled < self._heard:
            self._settled += 1
            self._answers = True
            if self._probes:
                # Some answers may have been lost, and which question this one belongs to cannot be told.
                self._flying.clear()
                self._probes = 0
            elif self._flying:
                self._flying.popleft()

    def _too_much(self, now: float) -> bool:
        if not self.unanswered:
            return False
        oldest = self._flying[0][1]
        return now - oldest > _STALL_SECONDS or sum(count for count, _ in self._flying) >= _WINDOW_BYTES
