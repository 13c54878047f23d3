"""What a bundle keeps of the comparison of a log, and what a replay makes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from screen_samples import NOW

from console.logs.pattern_report import PatternReport
from console.logs.patterns import Novelty, Pattern, PatternChange, Span
from console.replay.contents import KeptPattern
from console.replay.log_excerpts import collect_logs
from console.replay.logs import restore_report
from console.state.incident import Incident
from queries.model.alert import Priority
from queries.model.log import LogLevel, LogLine

TARGET = "deployment/api"
AT_NS = int(NOW) * 10**9


class Source:
    """Loki without lines."""

    async def read(self, sink: object) -> None:
        return


class Sources:
    def __init__(self, report: PatternReport) -> None:
        self.report = report

    def create_loki_source(self, query: object) -> Source:
        return Source()

    async def read_pattern_report(self, target: str, *, moment: float) -> PatternReport:
        return self.report


def compared(count: int, note: str = "") -> PatternReport:
    """As many new patterns, and one that stayed as it was."""

    def change(name: str, novelty: Novelty, before: int) -> PatternChange:
        pattern = Pattern([name], LogLine(AT_NS, 0, "api-1", name), LogLevel.ERROR, {"api-1": None})
        return PatternChange(pattern, novelty, before, 3, 1.0)

    changes = (*(change(f"e{at}", Novelty.NEW, 0) for at in range(count)), change("served", Novelty.SAME, 9))
    before, after = Span(AT_NS - 900 * 10**9, AT_NS), Span(AT_NS, AT_NS + 300 * 10**9)
    return PatternReport(changes, before, after, 3 * count + 12, TARGET, note)


@pytest.mark.parametrize(
    ("count", "note", "shown"),
    [
        (2, "", ""),
        (2, "before: only 4m of 15m were compared", "before: only 4m of 15m were compared"),
        (33, "", "the bundle has 30 of 33 patterns that changed"),
        (33, "after: less", "after: less; the bundle has 30 of 33 patterns that changed"),
    ],
)  # fmt: skip
async def test_a_partial_comparison_stays_partial(count: int, note: str, shown: str) -> None:
    """The note of what was not compared is in the bundle and in its replay, and so is that patterns were left out; what is new
    stays known, also where no pattern of before found room.
    """
    incident: Any = Incident("i1", 1, "Errors", Priority.P2, NOW - 600, "ann", targets=(TARGET,))
    session: Any = Sources(compared(count, note))
    found = await collect_logs(session, incident, NOW - 900, NOW, report=lambda _: None)
    kept = [msgspec.json.decode(line, type=KeptPattern) for line in found.patterns.splitlines()]
    restored = restore_report(kept, TARGET, moment=incident.began_at)
    assert restored.note == shown and restored.known
    hostile = [msgspec.structs.replace(item, note="cut\x1b[2J") for item in kept]
    assert "\x1b" not in restore_report(hostile, TARGET, moment=incident.began_at).note
