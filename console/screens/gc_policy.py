"""GC scheduling: no full collection while a person is typing."""

from __future__ import annotations

import gc

_EVERY_SECONDS = 300.0
_QUIET_SECONDS = 20.0
_YOUNG = (700, 10)
_NEVER = 1_000_000_000


class GcPolicy:
    """A full collection walks every alert and pod: 40 to 90 ms with thousands of them, and every thread stops meanwhile.

    It frees next to nothing, because hardly anything is in a cycle. So the young generations are collected as usual, and the
    oldest only every five minutes, when no key was pressed for a while.
    """

    def __init__(self) -> None:
        self._last: float | None = None

    def start(self, now: float) -> None:
        """Exempt what is imported so far from collection, and enable the young generations."""
        gc.freeze()
        gc.set_threshold(*_YOUNG, _NEVER)
        gc.enable()
        self._last = now

    def collect_if_idle(self, now: float, *, last_key_at: float) -> None:
        """Collect if a collection is due and nobody is typing; both times are seconds of one clock. No-op before `start`."""
        if self._last is not None and now - self._last >= _EVERY_SECONDS and now - last_key_at >= _QUIET_SECONDS:
            self._last = now
            gc.collect()
