"""A dashboard that is looked at: how many requests it takes, what it compares with, and what its detail asks."""

from __future__ import annotations

import asyncio

import pytest
from fake_prometheus import NOW, FakePrometheus

from queries.errors import RequestRejected, Unreachable
from queries.grafana.dashboard import OpenDashboard
from queries.model.dashboard import Dashboard, DashboardChoice, DashboardResult
from queries.model.panel import Aggregation, Origin, PanelSpec, Unit
from queries.prometheus.history import Window

BOARD = Dashboard(
    "board",
    "Board",
    "",
    (
        PanelSpec("errors", "Errors", Unit.PERCENT, recorded="rec", recorded_names=("rec",), raw="raw_errors"),
        PanelSpec(
            "health",
            "Health",
            Unit.PERCENT,
            raw="raw_health",
            group_by="provider",
            aggregation=Aggregation.MIN,
            lower_is_worse=True,
        ),
    ),
)
PROVIDERS = 'group by (provider) ({__name__=~"ocr_requests_total|vision_requests_total"})'


def told() -> FakePrometheus:
    fake = FakePrometheus()
    fake.series = {
        "rec": [({"__name__": "rec"}, "2")],
        "raw_health": [({"provider": "a"}, "91"), ({"provider": "b"}, "99")],
        PROVIDERS: [({"provider": "b"}, "1"), ({"provider": "a"}, "1"), ({}, "1")],
    }
    return fake


async def refreshed(fake: FakePrometheus, choice: DashboardChoice, times: int = 1) -> tuple[OpenDashboard, DashboardResult]:
    opened = OpenDashboard(fake.source(), BOARD, choice, clock=lambda: fake.now)
    for _ in range(times - 1):
        await opened.refresh()
        fake.now += 5.0
    return opened, await opened.refresh()


async def test_a_refresh_is_one_request() -> None:
    """The first one brings the trends along; from then on it is one joined question, providers included."""
    fake = told()
    opened, answer = await refreshed(fake, DashboardChoice("board"))
    assert sorted(fake.take()) == [("query", "joined"), ("query_range", "joined")]
    assert answer.providers == ("a", "b")
    assert [item.origin for item in answer.results] == [Origin.RECORDED, Origin.RAW]
    assert [sample.value for sample in answer.results[1].samples] == [91.0, 99.0]
    fake.now += 5.0
    await opened.refresh()
    assert fake.take() == [("query", "joined")]
    await opened.close()


async def test_an_earlier_time_is_one_more_request_a_minute() -> None:
    """Compared with yesterday: the same expressions at that time, asked again only after a minute."""
    fake = told()
    fake.then = {"rec": [({"__name__": "rec"}, "0.5")]}
    opened, answer = await refreshed(fake, DashboardChoice("board", back_seconds=86400.0))
    assert sorted(fake.take()) == [("query", "joined"), ("query", "joined"), ("query_range", "joined")]
    assert [[sample.value for sample in item.samples] for item in answer.earlier] == [[0.5], []]
    for passed in (0.0, 5.0):
        fake.now += passed
        await opened.refresh()
        assert fake.take() == [("query", "joined")]
    fake.now += 55.0  # a minute after the first
    await opened.refresh()
    assert [kind for kind, _ in fake.take()].count("query") == 2
    await opened.close()


async def test_what_cannot_be_compared_harms_nothing() -> None:
    """A server that fails on the earlier time still gives today's values, and the reason for the other."""
    fake = told()
    source = fake.source()
    query = source.query

    async def dead(text: str, *, at: float | None = None) -> object:
        if at is not None and at < fake.now:
            raise Unreachable("no connection")
        return await query(text, at=at)

    source.query = dead  # type: ignore[method-assign, assignment]
    opened = OpenDashboard(source, BOARD, DashboardChoice("board", back_seconds=60.0), clock=lambda: fake.now)
    answer = await opened.refresh()
    assert answer.results[0].samples[0].value == 2.0
    assert answer.earlier == () and answer.earlier_fault is not None and "no connection" in answer.earlier_fault.sentence()
    await opened.close()


@pytest.mark.parametrize(("window", "step"), [(3600.0, 60.0), (7 * 86400.0, 10080.0)])
async def test_the_window_is_asked_for_in_sixty_steps(window: float, step: float) -> None:
    """A longer window costs no more points."""
    fake = told()
    fake.hours = {"raw_health": [(NOW - window / 2, "95")]}
    opened, answer = await refreshed(fake, DashboardChoice("board", window_seconds=window))
    await asyncio.sleep(0)
    assert answer.results[1].trend[0] == (NOW - window / 2 - step, 95.0)
    assert set(fake.steps) == {step}
    await opened.close()


async def test_the_detail_has_yesterday_moved_to_today() -> None:
    """The history of a panel brings the folded earlier values along, at today's times, from the expression in use."""
    fake = told()
    fake.hours = {"rec": [(NOW - 86400.0 - 100.0, "3"), (NOW - 86400.0, "4")]}
    opened, _ = await refreshed(fake, DashboardChoice("board", back_seconds=86400.0))
    fake.take()
    window = Window(NOW - 3600.0, NOW, 15.0)
    histories = [item async for item in opened.histories("errors", window, back_seconds=86400.0)]
    assert histories[-1].earlier == ((NOW - 100.0, 3.0), (NOW, 4.0))
    assert fake.take() == [("query_range", "alone")] * 2
    await opened.close()


async def test_a_panel_that_the_server_refuses_for_the_earlier_time_says_so() -> None:
    """The others are compared; its value of today stays."""
    fake = told()
    fake.then = {"rec": [({"__name__": "rec"}, "0.5")]}
    source = fake.source()
    query = source.query

    async def refuse(text: str, *, at: float | None = None) -> object:
        if at is not None and at < fake.now and "raw_health" in text:
            raise RequestRejected("too many samples", status=422)
        return await query(text, at=at)

    source.query = refuse  # type: ignore[method-assign, assignment]
    opened = OpenDashboard(source, BOARD, DashboardChoice("board", back_seconds=86400.0), clock=lambda: fake.now)
    answer = await opened.refresh()
    errors, health = answer.earlier
    assert ([sample.value for sample in errors.samples], errors.fault) == ([0.5], None)
    assert health.samples == () and health.fault is not None and health.fault.what == "too many samples"
    assert answer.earlier_fault is None and answer.results[1].fault is None
    await opened.close()
