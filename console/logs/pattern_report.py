"""What is new in a log after a moment: the lines before and after it, read and compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from console.logs.patterns import MOST_SOURCES, Novelty, PatternChange, PatternMiner, Span, compare_patterns
from console.logs.query import LogOrigin, LogQuery
from queries.concurrency import CPU_LOCK
from queries.model.frozen import dataclass
from queries.model.log import LogLine, LogStatus, TimedLine, split_stamp
from queries.model.text import visible
from queries.text.durations import format_duration

if TYPE_CHECKING:
    from console.logs.loki_source import LokiSource

MOST_LINES = 20_000
"""Lines read before, and after, the moment."""
_NANO = 1_000_000_000


def describe_change(change: PatternChange) -> str:
    """`new, 12 lines of 3 pods`; `5.2 times as many, 60 lines (6 before)`; `gone, 40 lines before`."""
    before, after = count_lines(change.before), count_lines(change.after)
    if change.novelty is Novelty.NEW:
        count = len(change.pattern.sources)
        if not any(change.pattern.sources):  # of a file
            return f"new, {after}"
        return f"new, {after} of {count if count < MOST_SOURCES else f'at least {count}'} {'pod' if count == 1 else 'pods'}"
    if change.novelty is Novelty.GONE:
        return f"gone, {before} before"
    if change.novelty is Novelty.MORE:
        return f"{change.factor:.1f} times as many, {after} ({change.before:,} before)"
    return f"{after} ({change.before:,} before)"


def brief_line(change: PatternChange) -> str:
    """A line of the pattern without the time at its beginning."""
    return split_stamp(change.pattern.sample.text)[1]


def name_sources(change: PatternChange, width: int) -> str:
    """What wrote the pattern's lines, as many names as fit into `width` characters: `api-7d4b9-x2x, api-7d4b9-k8p +1`."""
    names = [visible(name) for name in change.pattern.sources]
    shown = names[:1]
    for name in names[1:]:
        if len(", ".join((*shown, name))) > width - 4:
            break
        shown.append(name)
    return ", ".join(shown) + (f" +{len(names) - len(shown)}" if len(names) > len(shown) else "")


def change_object(change: PatternChange) -> dict[str, Any]:
    """One change as a JSON object; the text of the line is as it was written."""
    pattern = change.pattern
    return {
        "change": change.novelty.value or "same",
        "before": change.before,
        "after": change.after,
        "level": pattern.level.value or None,
        "pattern": pattern.template,
        "line": pattern.sample.text,
        "sources": list(pattern.sources),
    }


def count_lines(count: int) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{count:,} {'line' if count == 1 else 'lines'}"


@dataclass(frozen=True, slots=True)
class PatternReport:
    """The changes, the most telling first, with the times that were compared and the number of lines read.

    `note` is a sentence where less was compared than was asked for; empty otherwise.
    """

    changes: tuple[PatternChange, ...]
    before: Span
    after: Span
    lines: int
    selector: str = ""
    """Loki's selector of the lines that were compared."""
    note: str = ""

    @property
    def known(self) -> bool:
        """Whether there are lines from before and after, which can be compared: without them nothing has changed."""
        changed = any(change.novelty is not Novelty.SAME for change in self.changes)
        return changed or (any(change.before for change in self.changes) and any(change.after for change in self.changes))

    def count_telling(self) -> int:
        """How many patterns changed."""
        return sum(change.novelty is not Novelty.SAME for change in self.changes)

    def telling(self, most: int = 3) -> tuple[PatternChange, ...]:
        """The first changes, without patterns that stayed as they were."""
        return tuple(change for change in self.changes if change.novelty is not Novelty.SAME)[:most]


async def read_report(
    create: Callable[[LogQuery], LokiSource], target: str, *, moment: float, before_seconds: int, after_seconds: int
) -> PatternReport:
    """Read and compare the time before the moment (Unix seconds) and after it. Raises SourceError."""
    miner = PatternMiner()
    before, selector = await _read(create, target, miner, end=moment, seconds=before_seconds)
    after, _ = await _read(create, target, miner, end=moment + after_seconds, seconds=after_seconds)
    lines = sum(pattern.count for pattern in miner.patterns) + miner.other

    def compare() -> tuple[PatternChange, ...]:
        with CPU_LOCK:
            miner.sort()
            return compare_patterns(miner.patterns, before=before, after=after)

    changes = await asyncio.to_thread(compare)
    note = _note(miner, before, before_seconds, after, after_seconds)
    return PatternReport(changes, before, after, lines, selector, note)


async def _read(
    create: Callable[[LogQuery], LokiSource], target: str, miner: PatternMiner, *, end: float, seconds: int
) -> tuple[Span, str]:
    """Read into the miner; returns the time of which all lines were read, and Loki's selector."""
    query = LogQuery(target, since_seconds=seconds, tail_lines=MOST_LINES, origin=LogOrigin.LOKI, until=end)
    source, sink = create(query), _MinerSink(miner)
    await source.read(sink)
    start_ns = sink.first_ns if source.truncated else source.start_ns
    return Span(start_ns, source.end_ns), source.selector


def _note(miner: PatternMiner, before: Span, before_seconds: int, after: Span, after_seconds: int) -> str:
    if not any(pattern.between(before.start_ns, before.end_ns) for pattern in miner.patterns):
        length = format_duration(before_seconds)
        also = "" if miner.patterns or miner.other else f" and {format_duration(after_seconds)} after"
        return f"Loki has no lines of it in the {length} before{also}: what is new is unknown"
    if not any(pattern.between(after.start_ns, after.end_ns) for pattern in miner.patterns):
        return f"Loki has no lines of it in the {format_duration(after_seconds)} after: what is gone is unknown"
    for span, seconds, where in ((before, before_seconds, "before"), (after, after_seconds, "after")):
        if span.length_ns < 0.99 * seconds * _NANO:
            read, whole = format_duration(span.seconds), format_duration(seconds)
            return f"{where}: only {read} of {whole} were compared, which have {MOST_LINES:,} lines"
    return note_other(miner)


def note_other(miner: PatternMiner) -> str:
    """Why lines are missing from the patterns; empty if none are."""
    return f"{miner.other:,} lines are in none of the patterns: there are too many" if miner.other else ""


class _MinerSink:
    """A LogSink that keeps the patterns only."""

    def __init__(self, miner: PatternMiner) -> None:
        self.first_ns = 0
        self._miner = miner

    def deliver(self, source: str, lines: Sequence[TimedLine]) -> None:
        with CPU_LOCK:
            self._miner.add(LogLine(at_ns, 0, source, text, size) for at_ns, text, size in lines)
        first_ns = min((line[0] for line in lines), default=0)
        self.first_ns = min(self.first_ns or first_ns, first_ns)

    def remark(self, at_ns: int, text: str) -> None:
        """Notices are no lines."""

    def show_status(self, status: LogStatus) -> None:
        """The reading either succeeds or raises."""
