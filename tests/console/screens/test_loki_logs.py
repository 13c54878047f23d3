"""The log screen over Loki: the demo's stand-in behind the real client."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from kept_lines import KeptLines
from painting import notices_of

from console.logs import merged_log
from console.logs.pattern_report import PatternReport
from console.replay.contents import KeptPattern
from console.replay.logs import restore_report
from console.screens.messages import OpenAlertRequested, OpenLogPatternsRequested, OpenLogsRequested
from queries.errors import RequestRejected
from queries.http.endpoint import Endpoint
from queries.loki import Loki
from queries.model.change import Change

NANO = 10**9
LABELS = {"namespace": "cad-ml-platform", "container": "api"}
POD, GONE = "cad-ml-api-7d9c6b5f4-x2x9k", "cad-ml-api-7d9c6b5f4-zzzzz"


@pytest.fixture
def kept(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> KeptLines:
    monkeypatch.setattr(merged_log, "FRAME_SECONDS", 0.01)
    kept = KeptLines(1_767_276_000)
    kept.store.push({**LABELS, "pod": GONE}, [((kept.now - 3000) * NANO, "ERROR long gone")])
    lines = [((kept.now - 600 + at) * NANO, f"INFO line {at}") for at in range(0, 600, 3)]
    kept.store.push({**LABELS, "pod": POD}, lines)
    return kept


@pytest.fixture
def open_screen(stage: Callable[..., Any], kept: KeptLines, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A stage whose session asks the stand-in, and whose pods have no log any more."""
    staged = stage()
    session = staged.session
    loki: Loki = kept.client()
    monkeypatch.setattr(session, "require_loki", lambda: loki)
    session.clock = lambda: kept.now
    monkeypatch.setattr(session.settings.__class__, "loki", Endpoint("http://loki.test"), raising=False)

    def refuse(query: Any) -> Any:
        raise RequestRejected("deployment/cad-ml-api has no pods", status=404)

    monkeypatch.setattr(session, "create_log_source", refuse)
    return staged


async def test_from_the_pods_to_loki_and_its_chart(open_screen: Any, kept: KeptLines) -> None:
    """Pods that are gone lead to Loki, by a key that is named; the chart counts the lines, and [ goes to the part before."""
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested("deployment/cad-ml-api"))
        await open_screen.until(pilot, "o asks Loki, which may have its lines")
        await open_screen.press(pilot, "o")
        await open_screen.until(pilot, "INFO line 597")
        text = await open_screen.until(pilot, "201 lines, at most")
        assert 'Loki {namespace="cad-ml-platform", pod=~"cad-ml-api-' in text
        assert "█" in text.splitlines()[3]
        await open_screen.press(pilot, "home", "left_square_bracket")
        await open_screen.until(pilot, "ERROR long gone")


async def test_what_a_line_contains_is_text(open_screen: Any, kept: KeptLines) -> None:
    """Escape codes, markup and a megabyte in one line: shown as they are, never interpreted, and that it was cut is said."""
    hostile = "WARN \x1b[2J\x1b]52;c;aGk=\x07 [bold red]boom[/] \u202eevil"
    kept.store.push({**LABELS, "pod": POD}, [((kept.now - 2) * NANO, "x" * (1 << 20)), ((kept.now - 1) * NANO, hostile)])
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested("deployment/cad-ml-api", at=float(kept.now)))
        text = await open_screen.until(pilot, "[bold red]boom[/]")
        assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
        await open_screen.until(pilot, "1,048,576 bytes")


async def test_a_server_that_gives_up_says_what_to_do(open_screen: Any, kept: KeptLines) -> None:
    """Loki answers 504 where a query takes longer than its limit: its sentence is shown, and nobody claims that no line is."""
    advice = "request timed out, decrease the duration of the request or add more label matchers"
    kept.fails = lambda _: httpx.Response(504, text=advice, headers={"content-type": "text/plain"})
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested("deployment/cad-ml-api", at=float(kept.now)))
        text = await open_screen.until(pilot, "decrease the duration of the request")
        assert "no lines" not in text


async def test_a_query_is_completed_edited_and_refused(open_screen: Any, kept: KeptLines) -> None:
    """Labels and values are the server's; its refusal is shown in its own words."""
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested('{container="api"}'))
        await open_screen.until(pilot, "INFO line 597")
        await open_screen.press(pilot, "e", "ctrl+u", *"{po")
        await open_screen.until(pilot, '{pod="')
        await open_screen.press(pilot, "right", *"cad-ml-api-7d9c6b5f4-z")
        await open_screen.until(pilot, f'{{pod="{GONE}"')
        await open_screen.press(pilot, "right", "}", "enter")
        text = await open_screen.until(pilot, "ERROR long gone")
        assert f'Log {{pod="{GONE}"}}' in text
        await open_screen.press(pilot, "e", "backspace", "enter")
        await open_screen.until(pilot, "parse error at line 1")
        await open_screen.press(pilot, "o")
        assert any("query of Loki's" in notice for notice in notices_of(open_screen.app))


async def test_a_time_and_a_server_that_cannot_count(open_screen: Any, kept: KeptLines) -> None:
    """Lines around a time; without a count the chart says why, and the lines are there."""
    kept.fails = lambda request: (
        httpx.Response(400, text="maximum number of series (5) reached") if "count_over_time" in str(request.url) else None
    )
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested("deployment/cad-ml-api", at=kept.now - 2900))
        await open_screen.until(pilot, "the lines cannot be counted: 400 (maximum number of series (5) reached)")
        text = await open_screen.until(pilot, "ERROR long gone")
        assert "INFO" not in text and "around 01-01 13:11:40" in text


async def test_what_is_new_and_the_lines_of_it(open_screen: Any, kept: KeptLines) -> None:
    """Enter shows the lines of a pattern, [ moves the moment; without lines from before nothing is new."""
    kept.now -= 1
    bad = [((kept.now - 300 + at) * NANO, f"ERROR schema v2 of result {at} not understood") for at in range(0, 290, 10)]
    kept.store.push({**LABELS, "pod": POD}, bad)
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogPatternsRequested("deployment/cad-ml-api", kept.now - 300.0))
        text = await open_screen.until(pilot, "new, 29 lines of 1 pod")
        assert "E new, 29 lines of 1 pod" in text and "ERROR schema v2 of result <*> not understood" in text
        below = text.partition("── Pattern ──")[2]
        assert "all lines  ERROR schema v2 of result <*> not understood" in below and f"pods       {POD}" in below
        assert re.search(r"first line \d\d:\d\d:\d\dZ ERROR schema v2 of result \d+ not understood", below)
        await open_screen.press(pilot, "enter")
        await open_screen.until(pilot, "ERROR schema v2 of result 280 not understood")
        assert "INFO line" not in open_screen.text
        await open_screen.press(pilot, "escape", "left_square_bracket")
        await open_screen.until(pilot, "200 lines (0 before)")
        assert "what is new is unknown" in open_screen.text
        kept.fails = lambda _: httpx.Response(504, text="request timed out, decrease the duration")
        await open_screen.press(pilot, "u")
        await open_screen.until(pilot, "decrease the duration")


async def test_a_pattern_of_a_bundle_opens_its_excerpts(open_screen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle has no time of each line and no query that selects them: enter opens the excerpts of the workload."""
    moment = 1_767_276_000.0
    target = "deployment/cad-ml-api"
    kept = KeptPattern(target, moment, 900.0, 300.0, "new", 0, 29, "error", "ERROR schema <*>", "ERROR schema v2", [POD])

    async def read(target: str, *, moment: float) -> PatternReport:
        return restore_report([kept], target, moment=moment)

    monkeypatch.setattr(open_screen.session, "read_pattern_report", read)
    async with open_screen.app.run_test(size=(80, 24)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogPatternsRequested(target, moment))
        await open_screen.until(pilot, "first line 14:00:00Z ERROR schema v2")
        await open_screen.press(pilot, "enter")
        await open_screen.until(pilot, f"Log {target}")


async def test_the_alert_page_tells_what_is_new(open_screen: Any, kept: KeptLines) -> None:
    """By itself, for the workload that its actions change, from five minutes before it fired; and that it is unknown."""
    alert = open_screen.session.snapshot().alerts[0].alert
    kept.now = int(alert.starts_at) + 600
    lines = [((int(alert.starts_at) - 60 + at) * NANO, f"ERROR schema v2 of result {at} not understood") for at in range(30)]
    kept.store.push({**LABELS, "pod": POD}, lines)
    async with open_screen.app.run_test(size=(80, 24)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenAlertRequested(alert.fingerprint))
        text = await open_screen.until(pilot, "New in the log since")
        assert "new, 30 lines of 1 pod" in text and "ERROR schema v2" in text and POD not in text
        await pilot.resize_terminal(160, 45)
        line = next(row for row in (await open_screen.until(pilot, POD)).splitlines() if "ERROR schema v2" in row)
        assert line.rstrip().endswith(POD), line
        await pilot.resize_terminal(80, 24)
        await open_screen.press(pilot, "N")
        await open_screen.until(pilot, "Log patterns deployment/cad-ml-api")
        kept.fails = lambda _: httpx.Response(504, text="request timed out, decrease the duration")
        await open_screen.press(pilot, "escape")
        open_screen.app.flows.navigation.open(OpenAlertRequested(alert.fingerprint))
        await open_screen.until(pilot, "New in the log: unknown")


async def test_levels_fields_and_the_lines_around(open_screen: Any, kept: KeptLines) -> None:
    """L shows errors only, then warnings too, then all; v the message of JSON first; x all lines around those of a filter."""
    lines = [((kept.now - 5) * NANO, '{"level":"error","msg":"broken","code":7}'), ((kept.now - 4) * NANO, "WARN slow")]
    kept.store.push({**LABELS, "pod": POD}, lines)
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested('{container="api"} != "INFO"'))
        await open_screen.until(pilot, "WARN slow")
        await open_screen.press(pilot, "L")
        text = await open_screen.until(pilot, "/errors")
        assert "broken" in text and "WARN slow" not in text
        await open_screen.press(pilot, "L")
        await open_screen.until(pilot, "WARN slow")
        await open_screen.press(pilot, "L", "v")
        await open_screen.until(pilot, "broken  code=7")
        await open_screen.press(pilot, "v", "end", "x")
        await open_screen.until(pilot, "INFO line 597")
        assert 'Log {container="api"}  around 01-01 13:59:56' in open_screen.text


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_a_filter_by_a_field_of_a_line(open_screen: Any, kept: KeptLines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter shows labels and metadata; a label that is chosen filters, stands above the lines, and r removes it."""
    kept.store.push({**LABELS, "pod": POD}, [((kept.now - 2) * NANO, "WARN slow")], metadata={"trace_id": TRACE})
    url = "https://tempo.test/trace/{trace_id}"
    monkeypatch.setattr(open_screen.session.settings.__class__, "trace_url", url, raising=False)
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested('{container="api"}'))
        await open_screen.until(pilot, "WARN slow")
        await open_screen.press(pilot, "enter")
        text = await open_screen.until(pilot, "metadata")
        assert "container" in text and "WARN slow" in text and TRACE in text and "o copies the link of the trace" in text
        await open_screen.press(pilot, "end", "o")
        assert any("the link of the trace" in notice for notice in notices_of(open_screen.app))
        await open_screen.press(pilot, "left_square_bracket")
        await open_screen.until(pilot, "INFO line 597")
        await open_screen.press(pilot, "home", "down", "down", "exclamation_mark")
        text = await open_screen.until(pilot, f'pod!="{POD}"')
        await open_screen.until(pilot, "ERROR long gone")
        assert "INFO line" not in open_screen.text and "r removes" in open_screen.text
        await open_screen.press(pilot, "r")
        await open_screen.until(pilot, "INFO line 597")
        assert "r removes" not in open_screen.text
        await open_screen.press(pilot, "r")
        assert any("there is no filter" in notice for notice in notices_of(open_screen.app))


async def test_what_is_new_since_the_last_change(open_screen: Any, kept: KeptLines, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of a followed log the workload's last change is the moment; without one, a quarter of an hour ago."""
    opened: list[OpenLogPatternsRequested] = []
    navigation = open_screen.app.flows.navigation
    change = Change(open_screen.now - 1234.0, "rollout", "deployment/cad-ml-api", "41 → 42")
    open_screen.session.shown = replace(open_screen.session.snapshot(), changes=(change,))
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        navigation.open(OpenLogsRequested("deployment/cad-ml-api"))
        await open_screen.until(pilot, "o asks Loki, which may have its lines")
        await open_screen.press(pilot, "o")
        await open_screen.until(pilot, "INFO line 597")
        monkeypatch.setattr(navigation, "open", opened.append)
        await open_screen.press(pilot, "a")
        assert [item.moment for item in opened] == [change.at]


async def test_a_filter_by_a_field_of_the_text(open_screen: Any, kept: KeptLines) -> None:
    """A field of JSON is parsed alone, and compared; of plain text only its trace is one."""
    lines = [((kept.now - 5 + at) * NANO, f'{{"msg":"served {at}","http":{{"code":{200 + at % 2}}}}}') for at in range(4)]
    kept.store.push({**LABELS, "pod": POD}, lines)
    async with open_screen.app.run_test(size=(80, 24)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested('{container="api"} |= "served"'))
        await open_screen.until(pilot, "served 3")
        await open_screen.press(pilot, "enter")
        await open_screen.until(pilot, "http.code")
        await open_screen.until(pilot, "label")
        await open_screen.press(pilot, "end", "enter")
        await open_screen.until(pilot, 'http.code="201"')
        await open_screen.until(pilot, "served 1")
        assert "served 3" in open_screen.text and "served 2" not in open_screen.text
        await open_screen.press(pilot, "e")
        assert open_screen.app.screen.query_one("#log-query").value.endswith('| json http_code="http.code" | http_code="201"')


async def test_nothing_is_claimed_before_loki_answered(open_screen: Any, kept: KeptLines) -> None:
    """While the first answer is on its way, with and without a search, no screen says that there is no line; then it does."""
    kept.held = asyncio.Event()
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested("pod/none", at=float(kept.now)))
        await open_screen.until(pilot, "fetching …")
        await pilot.pause(0.3)  # a claim would be drawn within a frame
        assert "no matching line" not in open_screen.text
        await open_screen.press(pilot, "L")
        await pilot.pause(0.3)
        assert "no line matches" not in open_screen.text and "fetching …" in open_screen.text
        kept.held.set()
        await open_screen.until(pilot, "Loki has no matching line between")


async def test_a_chart_that_is_not_counted_again_says_so(open_screen: Any, kept: KeptLines) -> None:
    """Beside the counts of before, which otherwise look like those of now."""
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested('{container="api"}'))
        await open_screen.until(pilot, "201 lines, at most")
        kept.fails = lambda request: (
            httpx.Response(504, text="request timed out") if "count_over_time" in str(request.url) else None
        )
        open_screen.app.screen.count_again()
        await open_screen.until(pilot, "not refreshed: 504")
        assert "█" in open_screen.text
        kept.fails = lambda _: None
        open_screen.app.screen.count_again()
        await open_screen.until(pilot, "201 lines, at most")


async def test_a_log_of_the_past_says_until_when_it_was_read(open_screen: Any, kept: KeptLines, monkeypatch: Any) -> None:
    """A film goes on under it: its lines do not."""
    create = open_screen.session.create_loki_source
    until = kept.now - 300.0
    monkeypatch.setattr(open_screen.session, "create_loki_source", lambda query: create(replace(query, until=until)))
    async with open_screen.app.run_test(size=(120, 30)) as pilot:
        await open_screen.until(pilot, "HighErrorRate")
        open_screen.app.flows.navigation.open(OpenLogsRequested('{container="api"}'))
        await open_screen.until(pilot, "INFO line 297")
        await open_screen.until(pilot, "up to 13:55:00Z")
        assert "INFO line 300" not in open_screen.text
