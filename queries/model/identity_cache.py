"""What was derived from a large value, kept as long as the value itself is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_KEPT = 2
"""The newest value, and the one that is still on the screen while the newest is being prepared in another thread."""


class IdentityCache(Generic[K, V]):
    """Derives once for each object, told apart by identity: comparing thousands of alerts would cost what it saves."""

    def __init__(self, derive: Callable[[K], V]) -> None:
        self._derive = derive
        self._found: tuple[tuple[K, V], ...] = ()

    def __call__(self, of: K) -> V:
        for known, value in self._found:
            if known is of:
                return value
        value = self._derive(of)
        self._found = ((of, value), *self._found)[:_KEPT]
        return value
