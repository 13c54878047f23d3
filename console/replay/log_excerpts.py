"""The logs of a bundle: excerpts around the beginning of an incident and its end, and what was new in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from console.logs.pattern_report import change_object
from console.logs.query import LogOrigin, LogQuery
from console.replay.bundle_file import encode_lines
from console.replay.contents import KeptLine, KeptPattern
from console.replay.stored_queries import explain_failure
from queries.errors import SourceError
from queries.model.frozen import dataclass
from queries.model.log import LogStatus, TimedLine

if TYPE_CHECKING:
    from console.monitor.session import Session
    from console.state.incident import Incident

LINES = 1000
"""Of each workload: up to ten minutes after the beginning, and up to the end."""
_AFTER_SECONDS = 600.0
_MOST_TARGETS = 6
_MOST_PATTERNS = 30


@dataclass(frozen=True, slots=True)
class LogExcerpts:
    """Two parts of the bundle, and what the manifest says of them."""

    lines: bytes = b""
    patterns: bytes = b""
    state: str = "read"
    detail: str = ""


async def collect_logs(
    session: Session, incident: Incident, start: float, end: float, *, report: Callable[[str], None]
) -> LogExcerpts:
    """What Loki has of the incident's workloads; a workload that cannot be read is named."""
    targets = incident.targets[:_MOST_TARGETS]
    if not targets:
        return LogExcerpts(state="not read", detail="the incident names no workload")
    lines: dict[KeptLine, None] = {}
    patterns: list[KeptPattern] = []
    faults = []
    for target in targets:
        report(f"reading the log of {target}")
        try:
            for until in (min(end, incident.began_at + _AFTER_SECONDS), end):
                found = await _read(session, target, start=start, until=until)
                lines.update(dict.fromkeys(found))
            compared = await session.read_pattern_report(target, moment=incident.began_at)
        except SourceError as error:
            faults.append(f"{target}: {explain_failure(error)}")
            continue
        note, count = compared.note, compared.count_telling()
        if count > _MOST_PATTERNS:
            note = "; ".join(filter(None, (note, f"the bundle has {_MOST_PATTERNS} of {count} patterns that changed")))
        for change in compared.changes[:_MOST_PATTERNS]:
            patterns.append(
                KeptPattern(
                    target=target,
                    moment=incident.began_at,
                    before_seconds=compared.before.seconds,
                    after_seconds=compared.after.seconds,
                    note=note,
                    **change_object(change),
                )
            )
    left = len(incident.targets) - len(targets)
    if left:
        faults.append(f"{left} workloads were left out")
    state = "read" if not faults else "partial" if lines else "not read"
    whose = "1 workload" if len(targets) == 1 else f"{len(targets)} workloads"
    detail = "; ".join((f"excerpts: {len(lines):,} lines of {whose}", *faults))
    ordered = sorted(lines, key=lambda item: (item.target, item.at_ns))
    return LogExcerpts(encode_lines(ordered), encode_lines(patterns), state, detail)


async def _read(session: Session, target: str, *, start: float, until: float) -> Iterable[KeptLine]:
    query = LogQuery(target, since_seconds=max(1, int(until - start)), tail_lines=LINES, origin=LogOrigin.LOKI, until=until)
    sink = _Sink(target)
    await session.create_loki_source(query).read(sink)
    return sink.lines


class _Sink:
    """A LogSink that keeps the lines."""

    def __init__(self, target: str) -> None:
        self.lines: list[KeptLine] = []
        self._target = target

    def deliver(self, source: str, lines: Sequence[TimedLine]) -> None:
        self.lines += [KeptLine(self._target, source, at_ns, text, size) for at_ns, text, size in lines]

    def remark(self, at_ns: int, text: str) -> None:
        """Notices are no lines."""

    def show_status(self, status: LogStatus) -> None:
        """The reading either succeeds or raises."""
