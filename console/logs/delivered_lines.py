"""The lines of a followed log that were delivered lately, so that one which comes again is delivered once."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from queries.loki.responses import StoredLine
from queries.model.series import Labels

RETENTION_SECONDS = 150
"""How long before the newest line the others are remembered: nothing older is read again."""
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

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._seen: dict[_Key, _Seen] = {}
        self._recent: list[tuple[int, _Key]] = []
        """The delivered lines in the order of their time."""

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

    def newest_ns(self) -> int:
        """The time of the newest line; 0 without one."""
        return self._recent[-1][0] if self._recent else 0

    def oldest_of_last(self, count: int) -> int:
        """The time of the oldest of the last so many lines; 0 if there are fewer."""
        return self._recent[-count][0] if len(self._recent) >= count else 0

    def count(self, after_ns: int, until_ns: int) -> int:
        """The number of lines after one time and up to another."""
        times = self._recent
        first, last = (bisect_right(times, at_ns, key=lambda item: item[0]) for at_ns in (after_ns, until_ns))
        return last - first

    def _key(self, line: StoredLine) -> _Key:
        return line.at_ns, tuple(item for item in line.labels if item[0] in self._names), line.text

    def _deliver(self, key: _Key, seen: _Seen) -> None:
        seen.delivered += 1
        if not self._recent or key[0] >= self._recent[-1][0]:
            self._recent.append((key[0], key))
        else:
            insort(self._recent, (key[0], key), key=lambda item: item[0])

    def _forget(self) -> None:
        oldest_ns = self.newest_ns() - RETENTION_SECONDS * _NANO
        gone = bisect_right(self._recent, oldest_ns - 1, key=lambda item: item[0])
        for _, key in self._recent[:gone]:
            self._seen.pop(key, None)
        del self._recent[:gone]
