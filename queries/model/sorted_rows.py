"""Rows that stay sorted while a few of them change: of ten thousand, only those few are touched by Python code."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from operator import is_not
from typing import Any, Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")

_MANY = 8
"""If more than one row in so many changes, sorting all of them is faster."""


def find_changes(before: Sequence[T], now: Sequence[T]) -> tuple[list[T], list[T]]:
    """What is only in the first and what is only in the second, by identity; the order is theirs."""
    if before is now:
        return [], []
    if len(before) == len(now):
        differ = [*map(is_not, before, now)]
        gone = [*compress(before, differ)]
        if _MANY * len(gone) <= len(before):
            return gone, [*compress(now, differ)]
    old, new = set(map(id, before)), set(map(id, now))
    return [item for item in before if id(item) not in new], [item for item in now if id(item) not in old]


def find_changed_keys(before: Mapping[K, T], now: Mapping[K, T]) -> list[K]:
    """The keys whose values are other objects than before, or that are in only one of the two."""
    if before is now:
        return []
    found = [*compress(now, map(is_not, map(before.get, now), now.values()))]
    if len(before) != len(now) or not all(map(before.__contains__, found)):
        found += before.keys() - now.keys()
    return found


class SortedRows(Generic[T]):
    """Rows by a key, sorted by it."""

    def __init__(self) -> None:
        self._keys: list[Any] = []
        self._rows: list[T] = []
        self._tuple: tuple[T, ...] | None = ()

    def __len__(self) -> int:
        return len(self._rows)

    def replace(self, rows: Mapping[Any, T]) -> None:
        """These rows instead of all others."""
        self._keys = sorted(rows)
        self._rows = [rows[key] for key in self._keys]
        self._tuple = None

    def change(self, gone: Collection[Any], new: Mapping[Any, T]) -> None:
        """Take out the rows with some keys, and put others in."""
        if _MANY * (len(gone) + len(new)) > len(self._rows):
            out = set(gone)
            kept = {key: row for key, row in zip(self._keys, self._rows, strict=True) if key not in out}
            self.replace({**kept, **new})
            return
        for key in gone:
            if key not in new:
                self.remove(key)
        for key, row in new.items():
            self.put(key, row)

    def put(self, key: Any, row: T) -> None:
        """Put a row in, in place of the one with its key."""
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self._rows[at] = row
        else:
            self._keys.insert(at, key)
            self._rows.insert(at, row)
        self._tuple = None

    def remove(self, key: Any) -> None:
        """Take out the row with this key, if there is one."""
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            del self._keys[at], self._rows[at]
            self._tuple = None

    def rows(self) -> tuple[T, ...]:
        """All rows; the same tuple until one changes."""
        if self._tuple is None:
            self._tuple = tuple(self._rows)
        return self._tuple
