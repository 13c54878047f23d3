"""What is new in the lines that Loki keeps, against the demo's stand-in."""

from __future__ import annotations

import json

import httpx
import pytest
from kept_lines import KeptLines

from console.logs import pattern_report
from console.logs.loki_source import LokiSource
from console.logs.pattern_report import PatternReport, change_object, describe_change, read_report
from console.logs.query import LogQuery
from queries.errors import SourceError

NOW = 1_767_276_000
NANO = 10**9
LABELS = {"namespace": "cad", "container": "api"}


async def report(kept: KeptLines, *, before: int = 900, after: int = 300) -> PatternReport:
    def create(query: LogQuery) -> LokiSource:
        return LokiSource(kept.client(), query, namespace="cad", clock=lambda: kept.now)

    return await read_report(create, "deployment/api", moment=NOW, before_seconds=before, after_seconds=after)


def release(kept: KeptLines) -> None:
    """Lines of a good release, and from NOW on of a bad one; each second has one line of each pod."""
    for pod in ("api-7d9c6b5f4-zzzzz", "api-7d9c6b5f4-bbbbb"):
        kept.store.push({**LABELS, "pod": pod}, [((NOW - 900 + at) * NANO, f"INFO served {at} files") for at in range(900)])
    for pod in ("api-55f6c7d8b-ccccc", "api-55f6c7d8b-ddddd"):
        kept.store.push({**LABELS, "pod": pod}, [((NOW + at) * NANO, f"INFO served {at} files") for at in range(300)])
        bad = [((NOW + 10 + at) * NANO, f"ERROR schema v2 of result {at} not understood\x1b[31m") for at in range(0, 290, 10)]
        kept.store.push({**LABELS, "pod": pod}, bad)


async def test_the_line_that_a_release_brought() -> None:
    """It comes first, with a line as it was written and the pods that wrote it; what goes on as before is not told."""
    kept = KeptLines(NOW + 300)
    release(kept)
    found = await report(kept)
    (change,) = found.telling()
    assert describe_change(change) == "new, 58 lines of 2 pods"
    told = json.loads(json.dumps(change_object(change)))
    assert (told["change"], told["before"], told["after"], told["level"]) == ("new", 0, 58, "error")
    assert told["line"] == "ERROR schema v2 of result 0 not understood\x1b[31m"
    assert sorted(told["sources"]) == ["api-55f6c7d8b-ccccc", "api-55f6c7d8b-ddddd"]
    assert (found.lines, found.note) == (900 * 2 + 300 * 2 + 58, "")
    assert describe_change(found.changes[1]) == "600 lines (1,800 before)"


async def test_a_log_with_more_lines_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the time that was read whole is compared, and the report says how short it is: rates stay true."""
    monkeypatch.setattr(pattern_report, "MOST_LINES", 500)
    kept = KeptLines(NOW + 300)
    release(kept)
    found = await report(kept)
    assert found.before.seconds == pytest.approx(249, abs=2)
    assert found.note == "before: only 4m10s of 15m were compared, which have 500 lines"
    assert [describe_change(change).partition(",")[0] for change in found.telling()] == ["new"]


async def test_a_server_that_fails() -> None:
    """Unknown is an error, never an empty report."""
    kept = KeptLines(NOW)
    kept.fails = lambda _: httpx.Response(504, text="request timed out, decrease the duration of the request")
    with pytest.raises(SourceError, match="decrease the duration"):
        await report(kept)


async def test_a_log_that_nobody_delivers_any_more() -> None:
    """No line since the moment: whether the workload is silent or its agent died is unknown, so nothing is called gone."""
    kept = KeptLines(NOW + 300)
    kept.store.push({**LABELS, "pod": "api-7d9c6b5f4-zzzzz"}, [((NOW - 900 + at) * NANO, f"ERROR {at}") for at in range(900)])
    found = await report(kept)
    assert found.telling() == () and not found.known
    assert found.note == "Loki has no lines of it in the 5m after: what is gone is unknown"


async def test_a_pattern_that_is_gone() -> None:
    """Other lines since then show that they are delivered."""
    kept = KeptLines(NOW + 300)
    stream = {**LABELS, "pod": "api-7d9c6b5f4-zzzzz"}
    kept.store.push(stream, [((NOW - 900 + at) * NANO, f"ERROR {at}") for at in range(900)])
    kept.store.push(stream, [((NOW - 600 + at) * NANO, "INFO served") for at in range(0, 900, 60)])
    found = await report(kept)
    assert [describe_change(change) for change in found.telling()] == ["gone, 900 lines before"]
    assert (found.known, found.note) == (True, "")
