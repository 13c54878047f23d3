"""When Python looks for garbage: never over everything while a person waits for a key."""

from __future__ import annotations

import gc

_EVERY_SECONDS = 300.0
_QUIET_SECONDS = 20.0
_YOUNG = (700, 10)
_NEVER = 1_000_000_000


class GcPolicy:
    """The whole collection walks over every alert and pod there is, 40 to 90 ms with thousands of them, and stops every
    thread meanwhile. Nearly nothing here is freed by it, because nearly nothing lies in cycles: so the young generations
    are looked through as always, and the whole only every five minutes, when no key was pressed for a while.
    """

    def __init__(self) -> None:
        self._last: float | None = None

    def begin(self, now: float) -> None:
        """What is imported stays for good and is not looked through again."""
        gc.freeze()
        gc.set_threshold(*_YOUNG, _NEVER)
        gc.enable()
        self._last = now

    def rest(self, now: float, *, last_key_at: float) -> None:
        """To be called now and then (seconds of one clock); does nothing where `begin` was not called."""
        if self._last is not None and now - self._last >= _EVERY_SECONDS and now - last_key_at >= _QUIET_SECONDS:
            self._last = now
            gc.collect()
