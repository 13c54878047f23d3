"""What a server says again in the very same bytes is not decoded again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

V = TypeVar("V")


class DecodeCache(Generic[V]):
    """Keeps the values of the last answer by the bytes they came from.

    A long list is mostly the same as a second ago: what is said again is the same object again, so that whoever compares
    two answers is done quickly. Item by item also means that no single step of decoding holds the interpreter for long.
    """

    def __init__(self, build: Callable[[msgspec.Raw], V]) -> None:
        self._build = build
        self._known: dict[bytes, V] = {}

    def read(self, items: Iterable[msgspec.Raw]) -> list[V]:
        """One value for each item, in their order. Raises what `build` raises; then nothing of this answer is kept."""
        before, now = self._known, {}
        found: list[V] = []
        for item in items:
            said = bytes(item)
            value = before.get(said)
            if value is None:
                value = self._build(item)
            now[said] = value
            found.append(value)
        self._known = now
        return found
