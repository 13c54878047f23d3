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
    """A ring buffer of points per panel; a step holds its newest value. Times are Unix seconds."""

    def __init__(self, window_seconds: float = WINDOW_SECONDS) -> None:
        self.window_seconds = window_seconds
        self.step_seconds = window_seconds / POINTS
        self._rings: dict[str, deque[Point]] = {}
        self._extended_at: float | None = None
        self._seeded_at: float | None = None

    def needs_window(self, now: float) -> bool:
        """Whether the whole window must be fetched: at first, and after a gap (a suspend, an outage)."""
        if self._seeded_at is None or self._extended_at is None:
            return True
        return not -self.step_seconds <= now - self._extended_at <= _GAP_STEPS * self.step_seconds

    def seed(self, panel_id: str, points: Iterable[Point], now: float) -> None:
        """Set the window as fetched, and keep the values polled since its end."""
        known = deque((point for point in points if not math.isnan(point[1])), maxlen=_SIZE)
        end = known[-1][0] if known else -math.inf
        known.extend(point for point in self._rings.get(panel_id, ()) if point[0] > end + self.step_seconds / 2)
        self._rings[panel_id] = known
        self._drop_old(known, now)

    def mark_seeded(self, now: float) -> None:
        self._seeded_at = now

    def extend(self, panel_id: str, value: float | None, now: float) -> None:
        """Add a value polled now; None and NaN leave a gap."""
        ring = self._rings.setdefault(panel_id, deque(maxlen=_SIZE))
        if value is not None and not math.isnan(value):
            if ring and ring[-1][0] // self.step_seconds == now // self.step_seconds:
                ring.pop()
            # Aligned to the step, so that an unchanged value gives an unchanged line.
            ring.append((now // self.step_seconds * self.step_seconds, value))
        self._drop_old(ring, now)

    def mark_extended(self, now: float) -> None:
        self._extended_at = now

    def points(self, panel_id: str) -> tuple[Point, ...]:
        return tuple(self._rings.get(panel_id, ()))

    def _drop_old(self, ring: deque[Point], now: float) -> None:
        while ring and ring[0][0] < now - self.window_seconds - self.step_seconds:
            ring.popleft()


_SIZE = POINTS + 2
