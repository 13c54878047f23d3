"""Panels over logs: their values, trends and charts as Loki counts them, and what its refusals become."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from kept_lines import KeptLines

from queries.errors import SourceError
from queries.loki.panels import SAMPLED, LogPanels
from queries.model.fault import FaultKind
from queries.model.panel import Aggregation, Origin, PanelSpec, Unit
from queries.model.panel_result import PanelHistory
from queries.prometheus.history import Window

NOW = 1_767_276_000.0
NANO = 10**9
SPEC = PanelSpec(
    id="errors", title="Errors", unit=Unit.COUNT, source="loki", raw='sum(count_over_time({app="api"} |= "ERROR" [5m]))'
)
BY_POD = replace(SPEC, id="by_pod", raw='sum by (pod) (count_over_time({app="api"} [5m]))', group_by="pod")


def kept() -> KeptLines:
    """An hour of one error a minute of one pod, and twice as many other lines of another."""
    loki = KeptLines(NOW)
    for minute in range(60):
        at = int((NOW - 60.0 * minute) * NANO)
        loki.store.push({"app": "api", "pod": "a"}, [(at, f"ERROR {minute}")])
        loki.store.push({"app": "api", "pod": "b"}, [(at, f"ok {minute}"), (at - NANO, f"ok too {minute}")])
    return loki


def panels(loki: KeptLines) -> LogPanels:
    client = loki.client()
    return LogPanels(lambda: client, clock=lambda: loki.now)


async def last(found: LogPanels, spec: PanelSpec, window: Window, *, back: float = 0.0) -> PanelHistory:
    *_, history = [item async for item in found.history(spec, window, back_seconds=back)]
    return history


async def test_value_and_trend_of_every_panel() -> None:
    """The series of now, the hour before in one request a panel, and the next refresh asks for the value alone."""
    loki = kept()
    found = panels(loki)
    errors, by_pod = (await found.refresh((SPEC, BY_POD))).results
    assert (errors.origin, errors.query, errors.fault) == (Origin.LOGS, SPEC.raw, None)
    assert [sample.value for sample in errors.samples] == [5.0]
    assert {sample.label("pod"): sample.value for sample in by_pod.samples} == {"a": 5.0, "b": 10.0}
    assert len(errors.trend) >= 58 and {value for _, value in errors.trend[10:]} == {5.0}
    assert errors.trend_sampled and errors.trend_window[0] <= NOW - 3540.0 < NOW < errors.trend_window[1]
    assert {value for _, value in by_pod.trend[10:]} == {10.0}, "the highest of its series"
    paths = [request.url.path.rpartition("/")[2] for request in loki.requests]
    assert sorted(paths) == ["query", "query", "query_range", "query_range"]
    loki.requests.clear()
    loki.now += 30.0
    await found.refresh((SPEC, BY_POD))
    assert [request.url.path.rpartition("/")[2] for request in loki.requests] == ["query", "query"]
    await found.close()


async def test_without_a_line_there_is_no_value() -> None:
    """An empty answer has no sample and no fault: it is not zero."""
    loki = kept()
    none = replace(SPEC, raw='sum(count_over_time({app="other"} [5m]))')
    (result,) = (await panels(loki).refresh((none,))).results
    assert (result.samples, result.fault, result.trend) == ((), None, ())


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (401, "no org id", FaultKind.DENIED),
        (429, "too many outstanding requests", FaultKind.THROTTLED),
        (504, "request timed out, decrease the duration of the request", FaultKind.TIMED_OUT),
    ],
)
async def test_a_server_that_answers_no_panel(status: int, text: str, kind: FaultKind) -> None:
    """It fails as a whole, so that the values of before grow stale, each with the reason."""
    loki = kept()
    loki.fails = lambda _: httpx.Response(status, text=text)
    with pytest.raises(SourceError) as error:
        await panels(loki).refresh((SPEC, BY_POD))
    assert error.value.fault.kind is kind


async def test_a_refused_query_is_the_fault_of_its_panel() -> None:
    """The others have their values; a query over its limit, and one that selects lines, is refused in Loki's words."""
    loki = kept()
    limit = "maximum number of series (5) reached for a single query"
    loki.fails = lambda request: httpx.Response(400, text=limit) if "by (pod)" in request.url.params["query"] else None
    lines = replace(SPEC, id="lines", raw='{app="api"}')
    errors, by_pod, selected = (await panels(loki).refresh((SPEC, BY_POD, lines))).results
    assert errors.fault is None and errors.trend
    assert by_pod.fault is not None and limit in by_pod.fault.sentence()
    assert selected.fault is not None and "log queries are not supported as an instant query" in selected.fault.sentence()
    only = (await panels(loki).refresh((lines,))).results
    assert only[0].fault is not None, "one that refuses every query answers"


async def test_one_panel_that_is_too_slow_costs_no_other() -> None:
    """Its fault is its own; the trends are requested again later, for which there is no value now."""
    loki = kept()
    loki.fails = lambda request: httpx.Response(504, text="too slow") if "by (pod)" in request.url.params["query"] else None
    errors, by_pod = (await panels(loki).refresh((SPEC, BY_POD))).results
    assert errors.samples and by_pod.fault is not None and by_pod.fault.kind is FaultKind.TIMED_OUT


async def test_a_rare_query_is_sent_at_its_interval() -> None:
    """In between its last samples count, and its trend is not requested: it would be evaluated sixty times."""
    loki = kept()
    found, rare = panels(loki), replace(SPEC, raw_every_seconds=300.0)
    await found.refresh((rare,))
    loki.now += 60.0
    (result,) = (await found.refresh((rare,))).results
    assert len(loki.requests) == 1 and [sample.value for sample in result.samples] == [5.0]
    loki.now += 300.0
    await found.refresh((rare,))
    assert len(loki.requests) == 2


async def test_a_past_moment() -> None:
    """Value and trend of then, and nothing of the moment before it."""
    loki = kept()
    moment = [NOW - 1800.0]
    client = loki.client()
    found = LogPanels(lambda: client, clock=lambda: moment[0])
    (then,) = (await found.refresh((SPEC,))).results
    assert [sample.value for sample in then.samples] == [5.0] and max(at for at, _ in then.trend) <= moment[0]
    moment[0] = NOW - 3500.0
    await found.leave_moment()
    (before,) = (await found.refresh((SPEC,))).results
    assert [sample.value for sample in before.samples] == [1.0] or before.samples[0].value == 2.0
    assert max(at for at, _ in before.trend) <= moment[0]
    await found.close()


async def test_a_chart_and_its_earlier_window() -> None:
    """The series of each step with the note that they are samples, and the value of the earlier window at its place."""
    loki = kept()
    found, window = panels(loki), Window(NOW - 600.0, NOW, 60.0)
    history = await last(found, BY_POD, window, back=1200.0)
    assert [series.label("pod") for series in history.series] == ["b", "a"], "the worst first"
    assert history.note == SAMPLED and history.fault is None
    assert {value for _, value in history.earlier} == {10.0} and history.earlier[-1][0] <= NOW
    loki.fails = lambda _: httpx.Response(401, text="no org id")
    denied = await last(found, BY_POD, window)
    assert denied.fault is not None and denied.fault.kind is FaultKind.DENIED


async def test_a_panel_of_the_lowest_series() -> None:
    """Health and the like: the worst of its series is the lowest, in the value of its trend too."""
    loki = kept()
    low = replace(BY_POD, lower_is_worse=True, aggregation=Aggregation.MIN)
    (result,) = (await panels(loki).refresh((low,))).results
    assert {value for _, value in result.trend[10:]} == {5.0}


@pytest.mark.parametrize(("passed", "sent"), [(0.0, False), (299.9, False), (300.0, True), (-0.1, True)])
async def test_a_rare_query_is_sent_when_its_time_is_up(passed: float, sent: bool) -> None:
    """Exactly then, and not twice at one moment; also after the clock was set back."""
    loki = kept()
    found, rare = panels(loki), replace(SPEC, raw_every_seconds=300.0)
    await found.refresh((rare,))
    loki.requests.clear()
    loki.now += passed
    await found.refresh((rare,))
    assert bool(loki.requests) is sent
