"""Lines of several sources merged by time, in a ring: what falls out of it is counted."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from console.logs.search import LineSearch
from queries.concurrency import CPU_LOCK
from queries.model.log import LogLine, LogStatus, TimedLine

MAX_LINES = 100_000
MAX_BYTES = 64 << 20
"""Very long lines would fill the memory long before there are so many."""
FRAME_SECONDS = 0.1
"""Lines are merged, and a screen is told, no more often than this."""
_MAX_PENDING = 20_000
_BATCH = 5_000
"""Lines merged or searched at once: a key press may wait for so many."""

LineKey: TypeAlias = tuple[int, int]
"""`at_ns` and `order` of a line, which identify it and sort as the lines do."""


class MergedLog:
    """A LogSink. Its thread, between `start` and `close`, merges and searches; `on_change` is called there, once a frame.

    `deliver` blocks while too many lines are pending: then the sources wait, and nothing is lost. The reading methods give the
    lines in view, which are all lines or, with `show_matches`, only matches and their context.
    """

    def __init__(
        self, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self.received = 0
        self.dropped = 0
        """Lines that fell out of the ring, the oldest first."""
        self.status = LogStatus()
        self.search: LineSearch | None = None
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._on_change = on_change
        self._order = 0
        self._sources: dict[str, None] = {}
        self._bytes = 0
        self._lines: list[LogLine] = []
        self._matches: list[LineKey] = []
        self._context: int | None = None
        self._filtered: list[LogLine] = []
        self._lock = threading.Lock()
        self._news = threading.Condition()
        self._pending: deque[tuple[str, Sequence[TimedLine]]] = deque()
        self._pending_count = 0
        self._requested: Callable[[], None] | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    # From the source, in any thread

    def deliver(self, source: str, lines: Sequence[TimedLine]) -> None:
        with self._news:
            self._news.wait_for(lambda: self._closed or self._pending_count < _MAX_PENDING)
            if self._closed:
                return
            for first in range(0, len(lines), _BATCH):
                self._pending.append((source, lines[first : first + _BATCH]))
            self._pending_count += len(lines)
            self._news.notify_all()

    def remark(self, at_ns: int, text: str) -> None:
        self.deliver("", [(at_ns, text, 0)])

    def show_status(self, status: LogStatus) -> None:
        self.status = status
        self.request_change()

    def request_change(self) -> None:
        """Call `on_change` with the next frame."""
        self._request(lambda: None)

    # Its own thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log-merge", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Refuse more lines and end the thread; what was merged stays readable."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closed or self._pending or self._requested)
                if self._closed:
                    return
            self.merge_pending()
            self._on_change()
            with self._news:
                self._news.wait_for(lambda: self._closed, FRAME_SECONDS)

    def merge_pending(self) -> None:
        """Merge what was delivered, and carry out a request of the screen."""
        with self._news:
            request, self._requested = self._requested, None
        if request is not None:
            request()
        while True:
            with self._news:
                batch: list[tuple[str, Sequence[TimedLine]]] = []
                count = 0
                while self._pending and count < _BATCH:
                    batch.append(self._pending.popleft())
                    count += len(batch[-1][1])
                self._pending_count -= count
                if self._pending_count < _MAX_PENDING:
                    self._news.notify_all()
            if not batch:
                return
            with CPU_LOCK:
                self._merge(batch)

    def _merge(self, batch: list[tuple[str, Sequence[TimedLine]]]) -> None:
        new: list[LogLine] = []
        for source, lines in batch:
            if source:
                self._sources[source] = None
            for at_ns, line, size in lines:
                new.append(LogLine(at_ns, self._order, source, line, size, not source))
                self._order += 1
        if not new:
            return
        new.sort()
        found = [(line.at_ns, line.order) for line in new if not line.notice and self.search and self.search.matches(line.text)]
        with self._lock:
            self.received += sum(not line.notice for line in new)
            self._bytes += sum(len(line.text) for line in new)
            at = _splice(self._lines, new)
            if found:
                _splice(self._matches, found)
            removed = self._trim()
            if self._context is not None:
                self._refilter(max(0, at - removed))

    def _trim(self) -> int:
        """Drop the oldest lines beyond the limits; returns how many entries."""
        count = max(0, len(self._lines) - self._max_lines)
        excess = self._bytes - sum(len(line.text) for line in self._lines[:count]) - self._max_bytes
        while excess > 0 and count < len(self._lines):
            excess -= len(self._lines[count].text)
            count += 1
        if not count:
            return 0
        gone = self._lines[:count]
        del self._lines[:count]
        self._bytes -= sum(len(line.text) for line in gone)
        self.dropped += sum(not line.notice for line in gone)
        first = self._lines[0][:2] if self._lines else (1 << 63, 0)
        del self._matches[: bisect_left(self._matches, first)]
        del self._filtered[: bisect_left(self._filtered, first)]
        return count

    def _refilter(self, start: int) -> None:
        """Find the matches and their context again from this index on."""
        context = self._context or 0
        lines, start = self._lines, max(0, start - context)
        if start >= len(lines):
            return
        del self._filtered[bisect_left(self._filtered, lines[start]) :]
        matches = set(self._matches[bisect_left(self._matches, lines[max(0, start - context)][:2]) :])
        next_index, after = start, 0
        for index in range(max(0, start - context), len(lines)):
            if lines[index][:2] in matches:
                first = max(next_index, index - context)
                if index >= start:
                    self._filtered += lines[first : index + 1]
                    next_index = index + 1
                after = context
            elif after:
                after -= 1
                if index >= start:
                    self._filtered.append(lines[index])
                    next_index = index + 1

    # Requests of the screen, which the thread carries out

    def find(self, search: LineSearch | None) -> None:
        """Search all lines, and each that arrives from now on; None ends the search."""
        self._request(lambda: self._find(search))

    def show_matches(self, context: int | None) -> None:
        """Show only matches, with so many lines before and after each; None shows all lines."""
        self._request(lambda: self._show_matches(context))

    def _request(self, work: Callable[[], None]) -> None:
        with self._news:
            earlier = self._requested

            def run() -> None:
                if earlier is not None:
                    earlier()
                work()

            self._requested = run
            self._news.notify_all()

    def _find(self, search: LineSearch | None) -> None:
        lines = list(self._lines)  # only this thread changes them
        found: list[LineKey] = []
        for first in range(0, len(lines) if search else 0, _BATCH):
            with CPU_LOCK:
                part = lines[first : first + _BATCH]
                found += [line[:2] for line in part if not line.notice and search and search.matches(line.text)]
        with self._lock:
            self.search, self._matches = search, found
            if search is None:
                self._context = None
            if self._context is not None:
                self._refilter(0)

    def _show_matches(self, context: int | None) -> None:
        with self._lock:
            self._context = context if self.search else None
            self._filtered.clear()
            if self._context is not None:
                self._refilter(0)

    # The lines in view

    @property
    def context(self) -> int | None:
        """The number of lines around each match if only matches are in view, else None."""
        return self._context

    def count(self) -> int:
        """The number of lines in view."""
        with self._lock:  # a merge takes lines out before it puts them in again
            return len(self._shown)

    def window(self, first: int, last: int) -> list[LogLine]:
        """The lines from index `first` up to, not including, `last`."""
        with self._lock:
            return self._shown[max(0, first) : max(0, last)]

    def index_of(self, key: LineKey) -> int:
        """The index of this line, or of the next one if it is not in view."""
        with self._lock:
            return bisect_left(self._shown, key)

    def covers(self, at_ns: int) -> bool:
        """Whether lines of this time, if there are any, are among those that are kept."""
        with self._lock:
            return bool(self._lines) and self._lines[0].at_ns <= at_ns <= self._lines[-1].at_ns

    def take(self) -> list[LogLine]:
        """The lines so far, which are forgotten; only where nothing searches them and no thread merges."""
        with self._lock:
            lines, self._lines, self._bytes = self._lines, [], 0
            return lines

    def sources(self) -> tuple[str, ...]:
        """The sources of all lines so far, in the order of their first line."""
        return tuple(self._sources)

    def match_count(self) -> int:
        return len(self._matches)

    def match_number(self, key: LineKey) -> int:
        """Which match this line is, from 1; 0 if it is none."""
        with self._lock:
            at = bisect_left(self._matches, key)
            return at + 1 if at < len(self._matches) and self._matches[at] == key else 0

    def next_match(self, key: LineKey | None, direction: int) -> LineKey | None:
        """The match after (1) or before (-1) this line, around the end; None without a match."""
        with self._lock:
            if not self._matches:
                return None
            if key is None:
                return self._matches[-1]
            at = bisect_right(self._matches, key) if direction > 0 else bisect_left(self._matches, key) - 1
            return self._matches[at % len(self._matches)]

    @property
    def _shown(self) -> list[LogLine]:
        return self._lines if self._context is None else self._filtered


def _splice(lines: list, new: list) -> int:  # type: ignore[type-arg]
    """Merge sorted entries into a sorted list; returns the index of the first one that changed."""
    if not lines or new[0] > lines[-1]:
        lines += new
        return len(lines) - len(new)
    at = bisect_right(lines, new[0])
    tail = lines[at:]
    del lines[at:]
    tail += new
    tail.sort()
    lines += tail
    return at
