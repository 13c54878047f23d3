"""The lines that Loki keeps of a workload or of any selector, as one source; followed by asking for what is new."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from console.logs.logql import complete
from console.logs.query import ALL, LogQuery
from queries.errors import RateLimited, SourceError
from queries.loki.selector import build_selector, choose_labels, is_selector
from queries.model.fault import FaultKind
from queries.model.log import LogCounts, LogSink, LogStatus, TimedLine
from queries.model.series import format_labels, label
from queries.text.durations import format_span
from queries.text.times import format_clock, format_shown

if TYPE_CHECKING:
    from queries.loki.client import Loki
    from queries.loki.responses import Page, StoredLine

MOST_LINES = 100_000
"""As many as a screen keeps."""
POLL_SECONDS = 1.0
"""How often a followed log is asked for new lines."""
_DEFAULT_SECONDS = 86_400
"""How far back the last lines are looked for."""
_VOLUME_SECONDS = 3600
_LONGEST_SECONDS = 30 * 86_400
"""Loki refuses longer ranges unless it is told otherwise."""
_AHEAD_SECONDS = 600
"""Loki takes lines of clocks that are up to ten minutes ahead."""
_OVERLAP_SECONDS = 10
_OVERLAP_LINES = 1000
"""Lines reach Loki late and out of order: what is read again with every poll is as long as this, or has so many lines."""
_COUNT_SECONDS = 60
"""How often the lines since the last count are counted at the server, to find those that came later still."""
_MOST_COUNTED_SECONDS = 120
_NANO = 1_000_000_000
_TEMPORARY = (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT, FaultKind.THROTTLED, FaultKind.STALE)


class LokiSource:
    """A LogSource of one target or selector.

    `labels` are a team's own names of the labels for namespace, pod, container and workload; the others are found among those
    that the server has.
    """

    def __init__(
        self,
        loki: Loki,
        query: LogQuery,
        *,
        namespace: str,
        labels: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.query = query
        self.selector = query.target if is_selector(query.target) else ""
        """The query as it is sent; empty until the labels of the server are known."""
        self.truncated = False
        """The time has older lines than those that were read."""
        self.prepared = asyncio.Event()
        """Set once selector and time are known."""
        self.start_ns = self.end_ns = 0
        """The time that was read."""
        self._loki = loki
        self._namespace = namespace
        self._own_labels = labels or {}
        self._names: tuple[str, ...] = ()
        self._labels: Mapping[str, str] = {}
        self._containers: tuple[str, ...] = ()
        self._clock = clock
        self._recent: deque[StoredLine] = deque()
        """The last lines in the order of their time, which later polls bring again."""
        self._known: set[StoredLine] = set()
        self._counted_until = 0
        self._status = LogStatus(total=1, reading=1)

    def describe(self) -> str:
        return f"Loki {self.selector}" if self.selector != self.query.target else "Loki"

    def describe_time(self) -> str:
        """`in the last 24h`, `between 11-29 02:52Z and 11-29 03:12Z`: what was searched; empty before."""
        if not self.prepared.is_set():
            return ""
        if self.query.until is None:
            return f"in the last {format_span(self._clock() - self.start_ns / _NANO)}"
        start, end = (format_shown(at / _NANO, "%m-%d %H:%M:%S") for at in (self.start_ns, self.end_ns))
        return f"between {start} and {end}"

    def parts(self) -> tuple[str, ...]:
        return ("", *self._containers) if len(self._containers) > 1 else ()

    async def read(self, sink: LogSink) -> None:
        """Read the time that was asked for, then follow until cancelled. Raises SourceError."""
        await self._prepare()
        query, now = self.query, self._clock()
        seconds = query.since_seconds
        if seconds is None:
            seconds = _DEFAULT_SECONDS if query.tail_lines is not None else _LONGEST_SECONDS
        end = query.until if query.until is not None else now + _AHEAD_SECONDS
        self.end_ns = int(end * _NANO)
        self.start_ns = int(((query.until if query.until is not None else now) - seconds) * _NANO)
        self.prepared.set()
        sink.show_status(self._status)
        await self._read_back(sink, MOST_LINES if query.tail_lines is None else query.tail_lines)
        if query.follow and query.until is None:
            await self._follow(sink)

    async def volume(self, columns: int) -> LogCounts:
        """The number of lines in each of at most so many parts of the time that was read, and at most of its last hour where
        only the end of the log was wanted. Raises SourceError.
        """
        end_ns = min(self.end_ns, int(self._clock() * _NANO))
        start_ns = self.start_ns if self.query.tail_lines is None else max(self.start_ns, end_ns - _VOLUME_SECONDS * _NANO)
        step = max(1, -(-(end_ns - start_ns) // (_NANO * max(1, columns - 1))))
        step_ns = step * _NANO
        # A count covers the part that ends at its time.
        start_ns, last = start_ns // step_ns * step_ns, -(-end_ns // step_ns)
        query = f"sum(count_over_time({self.selector} [{step}s]))"
        counts = [0] * (last - start_ns // step_ns)
        found = await self._loki.series(query, start_ns=start_ns + step_ns, end_ns=last * step_ns, step_seconds=step)
        for series in found:
            for at, count in series.points:
                counts[min(len(counts) - 1, max(0, round((at * _NANO - start_ns) / step_ns) - 1))] += int(count)
        return LogCounts(start_ns, step_ns, tuple(counts))

    async def complete(self, text: str) -> str | None:
        """What a person types of a query, completed by the labels and values that the server has. Raises SourceError."""
        return await complete(text, self._names or await self._loki.labels(), self._loki.label_values)

    async def _prepare(self) -> None:
        self._names = await self._loki.labels()
        self._labels = choose_labels(self._names, self._own_labels)
        if is_selector(self.query.target):
            return
        whole = build_selector(self.query.target, self._labels, namespace=self._namespace)
        chosen = "" if self.query.container == ALL else self.query.container
        self.selector = build_selector(self.query.target, self._labels, namespace=self._namespace, container=chosen)
        if "container" in self._labels:
            self._containers = await self._loki.label_values(self._labels["container"], query=whole)

    async def _read_back(self, sink: LogSink, most: int) -> None:
        """Deliver the newest lines of the time, page by page, backwards."""
        oldest_ns, more = self.end_ns, False
        async for page in self._loki.pages(self.selector, start_ns=self.start_ns, end_ns=self.end_ns, most=most):
            await self._deliver(sink, page)
            more = page.more
            oldest_ns = page.lines[0].at_ns if page.lines else oldest_ns
        self.truncated = more and oldest_ns < self.end_ns
        if self.truncated:
            self._status = self._status._replace(incomplete=self.query.tail_lines is None)
            sink.show_status(self._status)
            await asyncio.to_thread(sink.remark, oldest_ns - 1, "Loki has older lines than these")

    async def _follow(self, sink: LogSink) -> None:
        """Ask for new lines again and again; a server that fails is asked until it answers, and then for all since."""
        pause, self._counted_until = POLL_SECONDS, int(self._clock())
        while True:
            await asyncio.sleep(pause)
            try:
                await self._read_on(sink)
                await self._count_late(sink)
                pause = POLL_SECONDS
                self._show(sink, "")
            except SourceError as error:
                if error.fault.kind not in _TEMPORARY:
                    raise
                pause = min(30.0, max(2 * pause, error.fault.retry_after_seconds or 0.0))
                busy = isinstance(error, RateLimited)
                self._show(sink, error.fault.sentence() if busy else f"reconnecting: {error.fault.sentence()}")

    async def _read_on(self, sink: LogSink) -> None:
        newest_ns = self._recent[-1].at_ns if self._recent else self.start_ns
        start_ns = newest_ns - _OVERLAP_SECONDS * _NANO
        if len(self._recent) >= _OVERLAP_LINES:
            start_ns = max(start_ns, self._recent[-_OVERLAP_LINES].at_ns)
        await self._read_again(sink, max(self.start_ns, start_ns), int((self._clock() + _AHEAD_SECONDS) * _NANO))

    async def _read_again(self, sink: LogSink, start_ns: int, end_ns: int) -> int:
        """Deliver the lines of a time that were not delivered yet; returns their number."""
        count = 0
        async for page in self._loki.pages(self.selector, start_ns=start_ns, end_ns=end_ns, most=MOST_LINES, forward=True):
            count += await self._deliver(sink, page)
        return count

    async def _count_late(self, sink: LogSink) -> None:
        """Lines that came later than what is read again: the server counts more than were delivered."""
        end = int(self._clock()) - _OVERLAP_SECONDS
        if end - self._counted_until < _COUNT_SECONDS:
            return
        seconds = min(end - self._counted_until, _MOST_COUNTED_SECONDS)
        end_ns, start_ns = end * _NANO, (end - seconds) * _NANO
        counted = await self._loki.count(self.selector, seconds=seconds, end_ns=end_ns)
        self._counted_until = end
        if counted <= sum(start_ns < line.at_ns <= end_ns for line in self._recent):
            return
        late = await self._read_again(sink, start_ns + 1, end_ns + 1)
        if late:
            lines = "a line" if late == 1 else f"{late:,} lines"
            await asyncio.to_thread(sink.remark, end_ns, f"{lines} before {format_clock(end)} reached Loki late")

    async def _deliver(self, sink: LogSink, page: Page) -> int:
        """Deliver what is new of a page; returns the number of lines."""
        new = [line for line in page.lines if line not in self._known]
        self._remember(new)
        by_source: dict[str, list[TimedLine]] = {}
        for line in new:
            by_source.setdefault(self._source_of(line), []).append((line.at_ns, line.text, line.size_bytes))
        # A sink that is full makes its caller wait.
        for source, lines in by_source.items():
            await asyncio.to_thread(sink.deliver, source, lines)
        if page.skipped_ns:
            self._status = self._status._replace(incomplete=True)
            text = "lines are missing: Loki has more of them in one nanosecond than it gives at once"
            await asyncio.to_thread(sink.remark, page.skipped_ns, text)
            sink.show_status(self._status)
        return len(new)

    def _remember(self, lines: list[StoredLine]) -> None:
        if not lines:
            return
        ordered = not self._recent or lines[0].at_ns >= self._recent[-1].at_ns
        self._recent.extend(lines)
        if not ordered:
            self._recent = deque(sorted(self._recent))
        self._known.update(lines)
        oldest_ns = self._recent[-1].at_ns - (_MOST_COUNTED_SECONDS + 2 * _OVERLAP_SECONDS) * _NANO
        while self._recent and self._recent[0].at_ns < oldest_ns:
            self._known.discard(self._recent.popleft())

    def _source_of(self, line: StoredLine) -> str:
        """`pod/container` as the pods' own logs have it; all labels where none names a pod."""
        pod = label(line.labels, self._labels.get("pod", ""))
        container = label(line.labels, self._labels.get("container", ""))
        if not pod:
            return format_labels(line.labels)
        return f"{pod}/{container}" if container and self._several_containers() else pod

    def _several_containers(self) -> bool:
        return len(self._containers) > 1 and self.query.container in ("", ALL)

    def _show(self, sink: LogSink, waiting: str) -> None:
        status = self._status._replace(waiting=(waiting,) if waiting else (), reading=0 if waiting else 1)
        if status != self._status:
            self._status = status
            sink.show_status(status)
