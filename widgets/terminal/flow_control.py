"""When the next frame may be sent: only after the terminal has drawn the previous ones, and rarely on a slow link."""

from __future__ import annotations

from collections import deque

CURSOR_QUERY = "\x1b[6n"
"""Sent after a frame, a cursor position request: the reply proves that the terminal drew everything before it."""

_WINDOW_BYTES = 4096
"""Bytes that may be unacknowledged, so that typing does not wait for a whole round trip."""

_STALL_SECONDS = 0.25
"""A reply later than this stops sending until it arrives: frames queued meanwhile would be stale."""

_MAX_UNANSWERED = 3
"""A terminal that replied to none of the first requests is not queried again."""

_FIRST_PROBE_SECONDS = 2.0
_LAST_PROBE_SECONDS = 30.0
_POLL_SECONDS = 0.25
_SLOW_SECONDS = 1.0
_SLOW_KEY_SECONDS = 0.25
_CONGESTED_SECONDS = 2.5
"""The link is called slow after being blocked for this long in total."""
_LONG_WAIT_SECONDS = 0.5
"""A shorter wait is the normal round trip of a distant terminal."""


class FlowControl:
    """Tracks what is in flight and what was acknowledged; callers pass the time (seconds of any monotonic clock)."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow = slow
        self.blocked_seconds = 0.0
        """Total time for which frames had to wait for the terminal."""
        self._in_flight: deque[tuple[int, float]] = deque()
        self._terminal_replies = False
        self._received = 0
        self._processed = 0
        self._queries = 0
        self._probes = 0
        self._probe_at = 0.0
        self._sent_at = -1e9
        self.last_key_at = -1e9
        """Time of the last key press or click."""
        self._blocked_at: float | None = None

    @property
    def congested(self) -> bool:
        return self.blocked_seconds >= _CONGESTED_SECONDS

    @property
    def awaiting_reply(self) -> bool:
        """Whether a terminal that replies still owes a reply."""
        self._process_replies()
        return self._terminal_replies and bool(self._in_flight)

    def record_key(self, now: float) -> None:
        """Record a key press: its effect is shown soon even in slow mode."""
        self.last_key_at = now

    def delay(self, now: float, *, pending: bool) -> float:
        """Seconds until a frame may be sent; 0 for now. Call again when the terminal is writable or has replied."""
        blocked = pending or self._window_full(now)
        if blocked:
            if self._blocked_at is None:
                self._blocked_at = now
            return _POLL_SECONDS
        if self._blocked_at is not None:
            waited = now - self._blocked_at
            self._blocked_at = None
            if waited >= _LONG_WAIT_SECONDS:
                self.blocked_seconds += waited
        if not self.slow:
            return 0.0
        every = _SLOW_KEY_SECONDS if self.last_key_at > self._sent_at else _SLOW_SECONDS
        return max(0.0, self._sent_at + every - now)

    def record_frame(self, count: int, now: float) -> str:
        """Record a frame as sent; returns the request to append to it, or an empty string."""
        self._sent_at = now
        self._process_replies()
        if not self._terminal_replies and self._queries >= _MAX_UNANSWERED:
            return ""
        self._queries += 1
        if self._terminal_replies or not self._in_flight:
            self._in_flight.append((count, now))
        return CURSOR_QUERY

    def record_reply(self) -> None:
        """The terminal drew everything up to the oldest request. The only method that another thread may call."""
        self._received += 1

    def probe(self, now: float) -> str:
        """The request again, with growing intervals, while a reply is missing: it may have been lost."""
        if not self.awaiting_reply:
            return ""
        if now < max(self._probe_at, self._in_flight[0][1] + _FIRST_PROBE_SECONDS):
            return ""
        self._probe_at = now + min(_LAST_PROBE_SECONDS, _FIRST_PROBE_SECONDS * 2.0 ** (self._probes + 1))
        self._probes += 1
        return CURSOR_QUERY

    def reset(self) -> None:
        """Another program owned the terminal meanwhile: no reply to an earlier request will come."""
        self._process_replies()
        self._in_flight.clear()
        self._probes = 0
        self._blocked_at = None

    def _process_replies(self) -> None:
        while self._processed < self._received:
            self._processed += 1
            self._terminal_replies = True
            if self._probes:
                # Replies may have been lost, so this one cannot be matched to its request.
                self._in_flight.clear()
                self._probes = 0
            elif self._in_flight:
                self._in_flight.popleft()

    def _window_full(self, now: float) -> bool:
        if not self.awaiting_reply:
            return False
        oldest = self._in_flight[0][1]
        return now - oldest > _STALL_SECONDS or sum(count for count, _ in self._in_flight) >= _WINDOW_BYTES
