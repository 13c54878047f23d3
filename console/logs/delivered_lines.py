"""The lines of a followed log that were delivered lately, so that one which comes again is delivered once."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from queries.loki.responses import StoredLine
from queries.model.series import Labels

RETENTION_SECONDS = 150
"""How long before the newest line the others are remembered at least."""
MOST_REMEMBERED = 200_000
_NANO = 1_000_000_000
_Key: TypeAlias = tuple[int, Labels, str]


@dataclass(slots=True)
class _Seen:
    """How often a line with this time, stream and text was delivered, read, and sent live."""

    delivered: int = 0
    read: list[StoredLine] = field(default_factory=list)
    live: int = 0


class DeliveredLines:
    """A line that is read has its metadata. The same line sent live may have none, and the labels of a parser among those of
    its stream (a server that does not categorize them), so both are compared by the labels in `names`, those of streams.
    """

    def __init__(self, names: Collection[str], *, clock: Callable[[], float] = lambda: math.inf) -> None:
        """`clock` is Unix seconds: a line of a clock that is ahead makes no other one old."""
        self._names = frozenset(names)
        self._clock = clock
        self._seen: dict[_Key, _Seen] = {}
        self._recent: list[tuple[int, _Key]] = []
        """The delivered lines in the order of their time."""
        self.keep_ns = 0
        """From this time on lines are remembered longer, as far as there are not too many; 0 for none."""
        self.known_ns = 0.0
        """From this time on every delivered line is remembered: nothing older may be read again."""

    def keep_read(self, lines: Sequence[StoredLine]) -> list[StoredLine]:
        """The lines of an answer that were not delivered before."""
        new = []
        for line in lines:
            key = self._key(line)
            seen = self._seen.setdefault(key, _Seen())
            if line in seen.read:
                continue
            seen.read.append(line)
            if len(seen.read) > seen.delivered:
                self._deliver(key, seen)
                new.append(line)
        self._forget()
        return new

    def keep_live(self, lines: Sequence[StoredLine]) -> list[StoredLine]:
        """The lines of a live message that were not delivered before."""
        new = []
        for line in lines:
            key = self._key(line)
            seen = self._seen.setdefault(key, _Seen())
            seen.live += 1
            if seen.live > seen.delivered:
                self._deliver(key, seen)
                new.append(line)
        self._forget()
        return new

    def restart_live(self) -> None:
        """Another stream begins, which may send lines again that the one before it sent."""
        for seen in self._seen.values():
            seen.live = 0

    def newest_ns(self, until_ns: float = math.inf) -> int:
        """The time of the newest line up to then; 0 without one."""
        return self.oldest_of_last(1, until_ns)

    def oldest_of_last(self, count: int, until_ns: float = math.inf) -> int:
        """The time of the oldest of the last so many lines up to then; 0 if there are fewer."""
        at = bisect_right(self._recent, until_ns, key=_time_of) - count
        return self._recent[at][0] if at >= 0 else 0

    def count(self, after_ns: int, until_ns: int) -> int:
        """The number of lines after one time and up to another."""
        times = self._recent
        first, last = (bisect_right(times, at_ns, key=_time_of) for at_ns in (after_ns, until_ns))
        return last - first

    def _key(self, line: StoredLine) -> _Key:
        return line.at_ns, tuple(item for item in line.labels if item[0] in self._names), line.text

    def _deliver(self, key: _Key, seen: _Seen) -> None:
        seen.delivered += 1
        if not self._recent or key[0] >= self._recent[-1][0]:
            self._recent.append((key[0], key))
        else:
            insort(self._recent, (key[0], key), key=_time_of)

    def _forget(self) -> None:
        oldest_ns = min(self._recent[-1][0], self._clock() * _NANO) - RETENTION_SECONDS * _NANO if self._recent else 0
        if self.keep_ns:
            oldest_ns = max(min(oldest_ns, self.keep_ns), self.oldest_of_last(MOST_REMEMBERED))
        self.known_ns = max(self.known_ns, oldest_ns)
        gone = bisect_left(self._recent, oldest_ns, key=_time_of)
        for _, key in self._recent[:gone]:
            self._seen.pop(key, None)
        del self._recent[:gone]


def _time_of(item: tuple[int, _Key]) -> int:
    return item[0]
