"""A cache of decoded items: the same bytes are not decoded twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

V = TypeVar("V")


class DecodeCache(Generic[V]):
    """Keeps the values of the last answer by their bytes.

    A long list is mostly unchanged since the last poll: equal bytes give the same object, so that comparing two answers is
    fast. Decoding item by item also keeps each step short for the other threads.
    """

    def __init__(self, build: Callable[[msgspec.Raw], V]) -> None:
        self._build = build
        self._known: dict[bytes, V] = {}

    def read(self, items: Iterable[msgspec.Raw]) -> list[V]:
        """One value per item, in order. Raises what `build` raises, and then keeps nothing of this answer."""
        before, now = self._known, {}
        values: list[V] = []
        for item in items:
            content = bytes(item)
            value = before.get(content)
            if value is None:
                value = self._build(item)
            now[content] = value
            values.append(value)
        self._known = now
        return values
