"""A value derived from a large one, cached while the large one is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_SIZE = 3
"""The newest value, the one still on the screen, and one between them that a thread is at."""


class IdentityCache(Generic[K, V]):
    """Derives once per object, by identity: comparing thousands of alerts would cost what the cache saves."""

    def __init__(self, derive: Callable[[K], V]) -> None:
        self._derive = derive
        self._entries: tuple[tuple[K, V], ...] = ()

    def __call__(self, key: K) -> V:
        for known, value in self._entries:
            if known is key:
                return value
        value = self._derive(key)
        self.keep(key, value)
        return value

    def keep(self, key: K, value: V) -> None:
        """Use a value that was derived elsewhere."""
        self._entries = ((key, value), *self._entries)[:_SIZE]
