"""Lines of a file that may have millions: only where each begins is kept, and only the lines in view are read."""

from __future__ import annotations

import os
import stat
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

from console.logs.merged_log import LineKey
from console.logs.search import LineSearch
from queries.concurrency import CPU_LOCK
from queries.model.log import LINE_BYTES, LogLine

_SEARCHED = 2_000
"""Lines that are searched at once: a key press may wait for so many."""


class FileLines:
    """LogLines of a file. A line's order is its number; its time is in its text.

    `read_more` and `find` run in a thread; the other methods cost the same however long the file is.
    """

    def __init__(self, path: Path, *, chunk_bytes: int = 1 << 18, gap_bytes: int = 1 << 16) -> None:
        """`chunk_bytes` are read at once, and a key press may wait for so many; lines in view that lie within `gap_bytes` are
        read at once.
        """
        self.path = path
        self._chunk_bytes, self._gap_bytes = chunk_bytes, gap_bytes
        self.search: LineSearch | None = None
        self.only_matches = False
        self.restarted = 0
        """How often the file became shorter or was replaced, and was read from its beginning again."""
        self.replaced = False
        """Another file has its name now, as after a rotation: nothing more is written to this one."""
        self._file = path.open("rb", buffering=0)
        self._starts = array("Q", [0])
        """Where each line begins, and at the end where the next one will."""
        self._size = 0
        self._matches = array("L")
        """The numbers of the lines that match the search."""
        self._searched = 0
        self._closed = False

    def close(self) -> None:
        self._closed = True
        self._file.close()

    # In a thread

    def read_more(self, on_progress: Callable[[], None] = lambda: None) -> bool:
        """Find the lines that were written since the last call; whether there are any. Raises OSError."""
        facts = os.fstat(self._file.fileno())
        self.replaced = self._is_replaced(facts)
        if facts.st_size < self._size:
            self._start_over()
        before = self._size
        while not self._closed:
            part = os.pread(self._file.fileno(), self._chunk_bytes, self._size)
            if not part:
                break
            with CPU_LOCK:
                self._add(part)
            on_progress()
        return self._size != before

    def reopen(self) -> None:
        """Read the file that has its name now, from the beginning. Raises OSError."""
        with self.path.open("rb", buffering=0) as file:
            os.dup2(file.fileno(), self._file.fileno())  # another thread may be reading
        self._start_over()
        self.replaced = False

    def _start_over(self) -> None:
        self._starts, self._size, self._matches, self._searched = array("Q", [0]), 0, array("L"), 0
        self.restarted += 1

    def _is_replaced(self, facts: os.stat_result) -> bool:
        try:
            named = self.path.stat()
        except OSError:
            return False  # nothing has its name: another file may get it
        return stat.S_ISREG(named.st_mode) and not os.path.samestat(facts, named)

    def _add(self, part: bytes) -> None:
        *whole, _ = part.split(b"\n")
        ends = accumulate(map(len, whole), lambda at, length: at + length + 1, initial=self._size)
        next(ends)
        self._starts.extend(ends)
        self._size += len(part)

    def find(self, search: LineSearch | None, on_progress: Callable[[], None] = lambda: None) -> None:
        """Search all lines from the first on, and what `read_more` found since; a call with another one ends this one."""
        if search is not self.search:
            self._searched, self._matches, self.search = 0, array("L"), search
            self.only_matches = self.only_matches and search is not None
        while search is not None and search is self.search and self._searched < self.line_count and not self._closed:
            first = self._searched
            lines = self.read_lines(first, min(first + _SEARCHED, self.line_count))
            with CPU_LOCK:
                found = [line.order for line in lines if search.matches(line.text)]
            if search is self.search:
                self._matches.extend(found)
                self._searched = first + len(lines)
            on_progress()

    def all_lines(self, count: int) -> Iterator[list[LogLine]]:
        """The first `count` lines, many at once, until it is closed."""
        for first in range(0, count, _SEARCHED):
            if self._closed or first >= self.line_count:  # it became shorter
                return
            yield self.read_lines(first, min(first + _SEARCHED, count, self.line_count))

    @property
    def searching(self) -> bool:
        return self.search is not None and self._searched < self.line_count

    # The lines in view

    @property
    def line_count(self) -> int:
        """The number of lines; the last one may not have ended yet."""
        return len(self._starts) - (self._size == self._starts[-1])

    def count(self) -> int:
        return len(self._matches) if self.only_matches else self.line_count

    def window(self, first: int, last: int) -> list[LogLine]:
        first, last = max(0, first), min(last, self.count())
        if not self.only_matches:
            return self.read_lines(first, last)
        return [line for number in self._matches[first:last] for line in self.read_lines(number, number + 1)]

    def index_of(self, key: LineKey) -> int:
        return bisect_left(self._matches, key[1]) if self.only_matches else min(key[1], self.line_count)

    def read_lines(self, first: int, last: int) -> list[LogLine]:
        """The lines from number `first` up to, not including, `last`. A long one is cut; what a file no longer has is empty."""
        lines = []
        starts, size = self._starts, self._size
        at = first
        while at < last:
            begins = starts[at]
            # As many lines as lie close together in one read; of a long one only the part that is kept.
            until = max(at + 1, min(last, bisect_right(starts, begins + self._gap_bytes, at, min(last + 1, len(starts))) - 1))
            ends = starts[until] if until < len(starts) else size
            data = os.pread(self._file.fileno(), min(ends - begins, max(self._gap_bytes, LINE_BYTES)), begins)
            for number in range(at, until):
                end = starts[number + 1] - 1 if number + 1 < len(starts) else size
                length = end - starts[number]
                text = data[starts[number] - begins : starts[number] - begins + min(length, LINE_BYTES)]
                cut = length if length > LINE_BYTES else 0
                lines.append(LogLine(0, number, "", text.rstrip(b"\r").decode("utf-8", "replace"), cut))
            at = until
        return lines

    # Matches

    def match_count(self) -> int:
        return len(self._matches)

    def match_number(self, key: LineKey) -> int:
        """Which match this line is, from 1; 0 if it is none."""
        at = bisect_left(self._matches, key[1])
        return at + 1 if at < len(self._matches) and self._matches[at] == key[1] else 0

    def next_match(self, key: LineKey | None, direction: int) -> LineKey | None:
        """The match after (1) or before (-1) this line, around the end; None without a match."""
        if not self._matches:
            return None
        if key is None:
            return (0, self._matches[-1])
        at = bisect_right(self._matches, key[1]) if direction > 0 else bisect_left(self._matches, key[1]) - 1
        return (0, self._matches[at % len(self._matches)])
