"""The lines that Loki keeps of a workload or of any selector, as one source; followed through its tail socket."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from console.logs.delivered_lines import DeliveredLines
from console.logs.line_fields import add_filters
from console.logs.logql import complete
from console.logs.query import ALL, LogQuery
from queries.errors import RateLimited, RequestRejected, SourceError
from queries.loki.client import PAGE_LINES
from queries.loki.selector import build_count, build_selector, choose_labels, is_selector
from queries.model.fault import FaultKind
from queries.model.log import LogCounts, LogSink, LogStatus, TimedLine
from queries.model.series import format_labels, label
from queries.text.durations import format_span
from queries.text.times import format_clock, format_shown

if TYPE_CHECKING:
    from queries.loki.client import Loki
    from queries.loki.responses import Page, StoredLine, Tail
    from queries.model.series import Series

MOST_LINES = 100_000
"""As many as a screen keeps."""
_TAIL_BEFORE_SECONDS = 5
"""How long before now a stream begins: the server's clock may be behind."""
_LABELS_SECONDS = 6 * 3600
"""How far back the labels are looked for at first, as the server does by itself."""
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
_MOST_COUNTED_SECONDS = 3600
_OUTAGE_SECONDS = 90
"""An outage of Loki from which its lines may arrive later than the next count: agents repeat with pauses of minutes."""
_LATE_SECONDS = 600
"""For how long after an outage its whole time is counted again."""
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
        poll_seconds: float = 1.0,
        retry_seconds: float = 60.0,
    ) -> None:
        """While the server does not send new lines by itself, they are requested every `poll_seconds`, and the stream is opened
        again after `retry_seconds`.
        """
        self._poll_seconds, self._retry_seconds = poll_seconds, retry_seconds
        self.query = query
        self.selector = query.target if is_selector(query.target) else ""
        """The query as it is sent; empty until the labels of the server are known."""
        self.truncated = False
        """The time has older lines than those that were read."""
        self.prepared = asyncio.Event()
        """Set once selector and time are known."""
        self.live = False
        """The server sends new lines by itself."""
        self.start_ns = self.end_ns = 0
        """The time that was read."""
        self._loki = loki
        self._namespace = namespace
        self._own_labels = labels or {}
        self._names: tuple[str, ...] = ()
        self._labels_ns = 0
        """Since when the labels were looked for."""
        self._labels: Mapping[str, str] = {}
        self._containers: tuple[str, ...] = ()
        self._clock = clock
        self._delivered = DeliveredLines(())
        self._counted_until = 0
        """Until then (Unix seconds) the server was asked how many lines there are."""
        self._failing_since = 0.0
        """When the server began to fail; 0 while it answers."""
        self._outage = (0, 0)
        """Since when lines of an outage may arrive late, and until when (Unix seconds) they are expected."""
        self._complete_until = 0
        """Until then every line was read that the server had."""
        self._missing_ns = 0
        """Since when lines may be missing; 0 if none are."""
        self._read_at = 0.0
        self._searched = False
        """Every line of the time was read that the server had."""
        self._reason = ""
        """Why the server sends no lines by itself, as it was said last."""
        self._status = self._shown = LogStatus(total=1, reading=1)

    def describe(self) -> str:
        name = "Loki, live" if self.live else "Loki"
        return f"{name} {self.selector}" if self.selector != self.query.target else name

    def describe_time(self) -> str:
        """`in the last 24h`, `between 11-29 02:52Z and 11-29 03:12Z`: what was searched; empty until that is done."""
        if not self._searched:
            return ""
        if self.query.until is None:
            return f"in the last {format_span(self._clock() - self.start_ns / _NANO)}"
        start, end = (format_shown(at / _NANO, "%m-%d %H:%M:%S") for at in (self.start_ns, self.end_ns))
        return f"between {start} and {end}"

    def parts(self) -> tuple[str, ...]:
        return ("", *self._containers) if len(self._containers) > 1 else ()

    async def read(self, sink: LogSink) -> None:
        """Read the time that was asked for, then follow until cancelled. Raises SourceError."""
        query, now = self.query, self._clock()
        seconds = query.since_seconds
        if seconds is None:
            seconds = _DEFAULT_SECONDS if query.tail_lines is not None else _LONGEST_SECONDS
        end = query.until if query.until is not None else now + _AHEAD_SECONDS
        self.end_ns = int(end * _NANO)
        self.start_ns = int(((query.until if query.until is not None else now) - seconds) * _NANO)
        await self._prepare()
        self.prepared.set()
        sink.show_status(self._status)
        await self._read_back(sink, MOST_LINES if query.tail_lines is None else query.tail_lines)
        self._searched = True
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
        query = build_count(self.selector, step)
        counts = [0] * (last - start_ns // step_ns)
        # Loki counts at multiples of the step alone. Of now the last part is still to come; of a past moment the rest of it is
        # later than the moment.
        whole = last if self.query.until is None else end_ns // step_ns
        if whole < last:
            counts[-1] = await self._loki.count(self.selector, seconds=(end_ns % step_ns) / _NANO, end_ns=end_ns - 1)
        found: Sequence[Series] = ()
        if whole * step_ns > start_ns:
            found = await self._loki.series(query, start_ns=start_ns + step_ns, end_ns=whole * step_ns, step_seconds=step)
        for series in found:
            for at, count in series.points:
                counts[min(len(counts) - 1, max(0, round((at * _NANO - start_ns) / step_ns) - 1))] += int(count)
        return LogCounts(start_ns, step_ns, tuple(counts))

    async def complete(self, text: str) -> str | None:
        """What a person types of a query, completed by the labels and values that the server has. Raises SourceError."""
        read_values = partial(self._loki.label_values, start_ns=self._labels_ns, end_ns=self.end_ns)
        return await complete(text, self._names or await self._loki.labels(), read_values)

    async def find_line(self, at_ns: int, source: str, text: str) -> StoredLine | None:
        """A line with its labels and metadata; None if the server does not have it. Raises SourceError."""
        async for page in self._loki.pages(self.selector, start_ns=at_ns, end_ns=at_ns + 1, most=PAGE_LINES):
            for line in page.lines:
                if line.text == text and self._source_of(line) == source:
                    return line
        return None

    async def _prepare(self) -> None:
        # Where nothing was written before the end of the time, such as after an agent died, the labels are older.
        recent_ns = self._labels_ns = self.end_ns - _LABELS_SECONDS * _NANO
        self._names = await self._loki.labels(start_ns=recent_ns, end_ns=self.end_ns)
        if not self._names and self.start_ns < recent_ns:
            self._names = await self._loki.labels(start_ns=self.start_ns, end_ns=self.end_ns)
        self._labels_ns = min(recent_ns, self.start_ns)
        self._delivered = DeliveredLines(self._names, clock=self._server_now)
        self._labels = choose_labels(self._names, self._own_labels)
        if is_selector(self.query.target):
            self.selector = self._filtered(self.query.target)
            return
        whole = build_selector(self.query.target, self._labels, namespace=self._namespace)
        chosen = "" if self.query.container == ALL else self.query.container
        selector = build_selector(self.query.target, self._labels, namespace=self._namespace, container=chosen)
        self.selector = self._filtered(selector)
        if "container" in self._labels:
            name, start_ns = self._labels["container"], self._labels_ns
            self._containers = await self._loki.label_values(name, query=whole, start_ns=start_ns, end_ns=self.end_ns)

    def _filtered(self, query: str) -> str:
        return add_filters(query, self.query.filters) if self.query.filters else query

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
        """Deliver new lines as the server sends them, and read what it may not have sent; poll while it sends none."""
        self._counted_until = int(self._server_now())
        self._delivered.keep_ns = self._counted_until * _NANO
        while True:
            began, reason = self._clock(), ""
            stream = self._loki.tail(self.selector, start_ns=int((began - _TAIL_BEFORE_SECONDS) * _NANO))
            if stream is not None:
                try:
                    await self._listen(sink, stream)
                except SourceError as error:
                    reason = error.fault.sentence()
            self.live = False
            lasted = self._clock() - began
            if reason and lasted < self._retry_seconds and reason != self._reason:
                # One that breaks after a while is opened again at once, which a person need not know.
                text = f"Loki does not send new lines by itself, so the console requests them every second: {reason}"
                await asyncio.to_thread(sink.remark, int(self._clock() * _NANO), text)
                self._reason = reason
            again = self._retry_seconds if lasted < self._retry_seconds else 0.0
            await self._poll(sink, again if stream is not None else math.inf)

    async def _listen(self, sink: LogSink, stream: AsyncGenerator[Tail, None]) -> None:
        """Deliver what the stream sends until it ends with a SourceError."""
        self._delivered.restart_live()
        async with aclosing(stream) as messages:
            async for message in messages:
                if not self.live:
                    await self._read_on(sink)  # what came before the stream was open
                    self.live, self._reason = True, ""
                    self._show(sink, "")
                await self._send(sink, self._delivered.keep_live(message.lines))
                if message.dropped:
                    await self._miss(sink, message)
                if self._missing_ns and self._clock() - self._read_at >= self._poll_seconds:
                    await self._read_missing(sink)
                await self._count_late(sink)

    async def _miss(self, sink: LogSink, message: Tail) -> None:
        """Lines were dropped: more than the server names, and since the last time at which all lines were read."""
        if not self._missing_ns:
            least = "a line" if message.dropped == 1 else f"{message.dropped:,} lines"
            text = f"lines are missing: Loki dropped at least {least} here, which are read again"
            await asyncio.to_thread(sink.remark, message.dropped_ns, text)
        start_ns = (self._complete_until - _OVERLAP_SECONDS) * _NANO
        self._missing_ns = min(item for item in (self._missing_ns, message.dropped_ns, start_ns) if item)
        self._show(sink, "")

    async def _read_missing(self, sink: LogSink) -> None:
        start_ns, self._missing_ns, self._read_at = self._missing_ns, 0, self._clock()
        try:
            count = await self._read_since(sink, start_ns)
        except SourceError:
            self._missing_ns = start_ns
            raise
        lines = "a missing line was" if count == 1 else f"{count:,} missing lines were"
        await asyncio.to_thread(sink.remark, int(self._clock() * _NANO), f"{lines} read")
        self._show(sink, "")

    async def _poll(self, sink: LogSink, seconds: float) -> None:
        """Ask for new lines for so long, and once at least; a server that fails is asked until it answers, and then for all
        since.
        """
        until, pause, waits = self._clock() + seconds, self._poll_seconds, False
        while True:
            try:
                if self._missing_ns:
                    await self._read_missing(sink)
                await self._read_on(sink)
                await self._note_outage(sink)
                await self._count_late(sink)
                pause, waits = self._poll_seconds, False
                self._show(sink, "")
            except SourceError as error:
                if error.fault.kind not in _TEMPORARY:
                    raise
                self._failing_since = self._failing_since or self._clock()
                pause, waits = min(30.0, max(2 * pause, error.fault.retry_after_seconds or 0.0)), True
                busy = isinstance(error, RateLimited)
                self._show(sink, error.fault.sentence() if busy else f"reconnecting: {error.fault.sentence()}")
            if not waits and self._clock() >= until:
                return
            await asyncio.sleep(pause)

    async def _read_on(self, sink: LogSink) -> None:
        now_ns = int(self._server_now() * _NANO)
        start_ns = (self._delivered.newest_ns(now_ns) or self.start_ns) - _OVERLAP_SECONDS * _NANO
        await self._read_since(sink, max(self.start_ns, start_ns, self._delivered.oldest_of_last(_OVERLAP_LINES, now_ns)))

    def _server_now(self) -> float:
        """The server's clock, which is nearer than this machine's to those of the lines; Unix seconds."""
        return self._clock() + self._loki.ahead_seconds

    async def _read_since(self, sink: LogSink, start_ns: int) -> int:
        now = self._server_now()
        count = await self._read_again(sink, start_ns, int((now + _AHEAD_SECONDS) * _NANO))
        self._complete_until = int(now)
        return count

    async def _read_again(self, sink: LogSink, start_ns: int, end_ns: int) -> int:
        """Deliver the lines of a time that were not delivered yet; returns their number."""
        count, last_ns, more = 0, start_ns, False
        async for page in self._loki.pages(self.selector, start_ns=start_ns, end_ns=end_ns, most=MOST_LINES, forward=True):
            count += await self._deliver(sink, page)
            more, last_ns = page.more, page.lines[-1].at_ns if page.lines else last_ns
        if more:
            self._status = self._status._replace(incomplete=True)
            await asyncio.to_thread(sink.remark, last_ns, f"lines are missing: there are more than {MOST_LINES:,} here")
            self._show(sink, "")
        return count

    async def _note_outage(self, sink: LogSink) -> None:
        """The server answers again: lines of the time in which it did not may still be on their way to it."""
        since, now = self._failing_since, self._clock()
        self._failing_since = 0.0
        if not since or now - since < _OUTAGE_SECONDS:
            return
        start = self._outage[0] or self._counted_until
        self._outage = start, int(self._server_now()) + _LATE_SECONDS
        until = format_clock(self._outage[1])
        text = f"lines may be missing: Loki did not answer for {format_span(now - since)}; late lines are read until {until}"
        await asyncio.to_thread(sink.remark, int(self._server_now() * _NANO), text)

    async def _count_late(self, sink: LogSink) -> None:
        """Lines that came later than what is read again: the server counts more than were delivered."""
        end = int(self._server_now()) - _OVERLAP_SECONDS
        self._counted_until = min(self._counted_until, end + _OVERLAP_SECONDS)  # a clock that was set back
        if end - self._counted_until < _COUNT_SECONDS:
            return
        uncounted = self._outage[0] or self._counted_until
        start = max(uncounted, end - _MOST_COUNTED_SECONDS, -(-int(self._delivered.known_ns) // _NANO))
        if start > uncounted:
            text = f"lines are missing: late arrivals from before {format_clock(start)} are not read"
            self._status = self._status._replace(incomplete=True)
            await asyncio.to_thread(sink.remark, start * _NANO, text)
        end_ns, start_ns = end * _NANO, start * _NANO
        try:
            counted = await self._loki.count(self.selector, seconds=end - start, end_ns=end_ns) if start < end else 0
        except RequestRejected as error:
            counted = 0  # it has lines that it cannot count; following them needs no count
            if self._outage[1] and not self._status.incomplete:
                self._status = self._status._replace(incomplete=True)
                text = f"lines may be missing: late arrivals cannot be counted: {error.fault.sentence()}"
                await asyncio.to_thread(sink.remark, end_ns, text)
        late = 0
        if counted > self._delivered.count(start_ns, end_ns):
            late = await self._read_again(sink, start_ns + 1, end_ns + 1)
        # Only now: after a read that failed, the same time is counted again.
        self._counted_until, self._complete_until = end, max(self._complete_until, end)
        over = self._server_now() >= self._outage[1]
        self._outage = (0, 0) if over else (start, self._outage[1])
        self._delivered.keep_ns = (self._outage[0] or end) * _NANO
        if late:
            lines = "a line" if late == 1 else f"{late:,} lines"
            await asyncio.to_thread(sink.remark, end_ns, f"{lines} before {format_clock(end)} reached Loki late")
        self._show(sink, "")

    async def _deliver(self, sink: LogSink, page: Page) -> int:
        """Deliver what is new of a page; returns the number of lines."""
        new = self._delivered.keep_read(page.lines)
        await self._send(sink, new)
        if page.skipped_ns:
            self._status = self._status._replace(incomplete=True)
            text = "lines are missing: Loki has more of them in one nanosecond than it gives at once"
            await asyncio.to_thread(sink.remark, page.skipped_ns, text)
            sink.show_status(self._status)
        return len(new)

    async def _send(self, sink: LogSink, lines: Sequence[StoredLine]) -> None:
        by_source: dict[str, list[TimedLine]] = {}
        for line in lines:
            by_source.setdefault(self._source_of(line), []).append((line.at_ns, line.text, line.size_bytes))
        # A sink that is full makes its caller wait.
        for source, timed in by_source.items():
            await asyncio.to_thread(sink.deliver, source, timed)

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
        self._status = self._status._replace(waiting=(waiting,) if waiting else (), reading=0 if waiting else 1)
        doubtful = self._missing_ns > 0 or self._outage[1] > 0
        shown = self._status._replace(incomplete=self._status.incomplete or doubtful)
        if shown != self._shown:
            self._shown = shown
            sink.show_status(shown)
