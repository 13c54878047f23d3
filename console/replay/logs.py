"""The log lines and patterns that a bundle has, as the screens read them from a server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.logs.line_fields import FieldKind, LineFilter, find_fields
from console.logs.pattern_report import PatternReport
from console.logs.patterns import WILD, Novelty, Pattern, PatternChange, Span
from queries.errors import NotKnownThen
from queries.model.log import LogCounts, LogLevel, LogLine, LogSink, LogStatus
from queries.model.text import visible
from queries.text.times import format_moment

if TYPE_CHECKING:
    from console.logs.query import LogQuery
    from console.replay.contents import KeptLine, KeptPattern

_NANO = 1_000_000_000
_SAME_SECONDS = 30.0


class StoredLogSource:
    """A LogSource of the excerpts for one workload or pod, up to the moment that is shown."""

    live = False
    truncated = True

    def __init__(self, lines: Sequence[KeptLine], query: LogQuery) -> None:
        """Raises NotKnownThen where the bundle has no lines of the target."""
        self.query = query
        self.selector = query.target
        self.prepared = asyncio.Event()
        self.prepared.set()
        pod = query.target.removeprefix("pod/") if query.target.startswith("pod/") else ""
        own = [line for line in lines if line.target == query.target or (pod and line.source.partition("/")[0] == pod)]
        if not own:
            targets = ", ".join(sorted({line.target for line in lines}))
            raise NotKnownThen(f"the bundle has no lines of {query.target}", hint=f"it has excerpts of {targets}")
        end_ns = int(query.until * _NANO) if query.until is not None else own[-1].at_ns
        self._lines = [line for line in own if line.at_ns <= end_ns and _passes_all(line, query.filters)]
        self.start_ns = own[0].at_ns
        self.end_ns = min(end_ns, own[-1].at_ns)

    def describe(self) -> str:
        return f"excerpts in the bundle ({len(self._lines):,} lines)"

    def describe_time(self) -> str:
        return f"in the excerpts up to {format_moment(self.end_ns / _NANO)}"

    def parts(self) -> tuple[str, ...]:
        return ()

    async def read(self, sink: LogSink) -> None:
        """Every line at once; more than the excerpts is not known."""
        found: dict[str, list[KeptLine]] = {}
        for line in self._lines:
            found.setdefault(line.source, []).append(line)
        sink.show_status(LogStatus(total=1, reading=1, incomplete=True))
        sink.remark(self.start_ns, "the bundle has excerpts only: lines before, between and after them are not known")
        for source, lines in found.items():
            await asyncio.to_thread(sink.deliver, source, [(line.at_ns, line.text, line.size_bytes) for line in lines])

    async def volume(self, columns: int) -> LogCounts:
        """Raises NotKnownThen: excerpts do not tell how many lines there were."""
        raise NotKnownThen("how many lines there were is not known: the bundle has excerpts")

    async def complete(self, text: str) -> str | None:
        """Nothing completes a query: there is no server that would answer it."""
        return None

    async def find_line(self, at_ns: int, source: str, text: str) -> None:
        """The labels of a line are not in the bundle."""
        return


def _passes_all(line: KeptLine, filters: Sequence[LineFilter]) -> bool:
    return all(_passes(line, each) for each in filters)


def _passes(line: KeptLine, requested: LineFilter) -> bool:
    """Whether a line passes a filter, as far as the line itself tells."""
    if requested.field.kind is FieldKind.TEXT:
        return (requested.field.value in line.text) is not requested.without
    same = any(item.name == requested.field.name and item.value == requested.field.value for item in find_fields(line.text))
    return same is not requested.without


def restore_report(patterns: Sequence[KeptPattern], target: str, *, moment: float) -> PatternReport:
    """What was new in the log of the workload after the moment, Unix seconds. Raises NotKnownThen."""
    own = [item for item in patterns if item.target == target]
    if not own:
        known = ", ".join(sorted({item.target for item in patterns})) or "no workload"
        raise NotKnownThen(f"the bundle did not compare the log of {target}", hint=f"it did for {known}")
    first = own[0]
    if abs(first.moment - moment) > _SAME_SECONDS:
        raise NotKnownThen(f"the bundle compared the log only before and after {format_moment(first.moment)}")
    at_ns = int(first.moment * _NANO)
    before = Span(at_ns - int(first.before_seconds * _NANO), at_ns)
    after = Span(at_ns, at_ns + int(first.after_seconds * _NANO))
    changes = tuple(_restore(item, before, after) for item in own)
    return PatternReport(changes, before, after, sum(item.before + item.after for item in own), target, visible(first.note))


def _restore(item: KeptPattern, before: Span, after: Span) -> PatternChange:
    level = LogLevel(item.level or "") if (item.level or "") in set(LogLevel) else LogLevel.UNKNOWN
    sample = LogLine(after.start_ns, 0, item.sources[0] if item.sources else "", item.line)
    pattern = Pattern(item.pattern.split(" ") or [WILD], sample, level, dict.fromkeys(item.sources))
    expected = item.before * after.length_ns / before.length_ns
    novelty = Novelty(item.change) if item.change in set(Novelty) else Novelty.SAME
    return PatternChange(pattern, novelty, item.before, item.after, item.after / expected if expected else math.inf)
