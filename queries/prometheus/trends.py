"""Every panel's value over a window, by default an hour at one point a minute: fetched once, then extended by each poll."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from queries.model.series import Point

WINDOW_SECONDS = 3600.0
POINTS = 60
"""Steps in a window."""
_GAP_STEPS = 3


class Trends:
    """A ring buffer of points per panel: the worst value of each step, at the step's start. Times are Unix seconds."""

    def __init__(self, window_seconds: float = WINDOW_SECONDS) -> None:
        self.window_seconds = window_seconds
        self.step_seconds = window_seconds / POINTS
        self.sampled: frozenset[str] = frozenset()
        """The panels whose window was fetched without the worst value of each step."""
        self.changes = 0
        """Grows with every change of a point."""
        self._rings: dict[str, deque[Point]] = {}
        self._extended_at: float | None = None
        self._seeded_at: float | None = None

    def needs_window(self, now: float) -> bool:
        """Whether the whole window must be fetched: at first, and after a gap (a suspend, an outage)."""
        if self._seeded_at is None or self._extended_at is None:
            return True
        return not -self.step_seconds <= now - self._extended_at <= _GAP_STEPS * self.step_seconds

    def window(self, now: float) -> tuple[float, float]:
        """The time axis: it ends with the current step, so that it stays the same until the next one."""
        end = (now // self.step_seconds + 1) * self.step_seconds
        return end - self.window_seconds, end

    def seed(self, panel_id: str, points: Iterable[Point], now: float, *, lowest: bool) -> None:
        """Set the window as fetched, each point at its step's end, and keep the worse of it and the polled values."""
        worst = min if lowest else max
        known = {at - self.step_seconds: value for at, value in points if not math.isnan(value)}
        for at, value in self._rings.get(panel_id, ()):
            known[at] = worst(known.get(at, value), value)
        self._rings[panel_id] = ring = deque(sorted(known.items()), maxlen=_SIZE)
        self.changes += 1
        self._drop_old(ring, now)

    def mark_seeded(self, now: float, sampled: frozenset[str] = frozenset()) -> None:
        self._seeded_at, self.sampled = now, sampled
        self.changes += 1

    def extend(self, panel_id: str, value: float | None, now: float, *, lowest: bool) -> None:
        """Add a value polled now; None and NaN leave a gap."""
        ring = self._rings.setdefault(panel_id, deque(maxlen=_SIZE))
        if value is not None and not math.isnan(value):
            # Aligned to the step, so that an unchanged value gives an unchanged line.
            at = now // self.step_seconds * self.step_seconds
            last = ring[-1] if ring and ring[-1][0] == at else None
            if last is not None:
                value = (min if lowest else max)(value, last[1])
            if last is None or value != last[1]:
                if last is not None:
                    ring.pop()
                ring.append((at, value))
                self.changes += 1
        self._drop_old(ring, now)

    def mark_extended(self, now: float) -> None:
        self._extended_at = now

    def points(self, panel_id: str) -> tuple[Point, ...]:
        return tuple(self._rings.get(panel_id, ()))

    def _drop_old(self, ring: deque[Point], now: float) -> None:
        start = self.window(now)[0]
        while ring and ring[0][0] < start:
            ring.popleft()


_SIZE = POINTS + 2
