"""The dashboard that is looked at: asked only then, judged honestly, and gone from the wire when nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fake_prometheus import FakePrometheus
from screen_samples import NOW, settings

from console.config.load import load_other_environments, load_settings
from console.config.settings import Settings
from console.monitor import dashboard_poller
from console.monitor.dashboard_poller import DashboardPoller, DashboardReading, evaluate_dashboard
from console.monitor.session import Session
from queries.catalogue.loader import load_dashboards
from queries.http.endpoint import Endpoint
from queries.model.dashboard import DASHBOARDS, Dashboard, DashboardChoice, DashboardResult
from queries.model.fault import Fault, FaultKind
from queries.model.panel import Origin, PanelSpec, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.series import Sample
from queries.model.source import PollResult
from queries.model.verdict import Verdict

CHOICE = DashboardChoice("slo_tracking", back_seconds=86400.0)
SPECS = tuple(PanelSpec(name, name.title(), Unit.PERCENT, raw=name, threshold=Threshold(1.0, 5.0)) for name in "abc")


def answer(name: str, value: float | None) -> PanelResult:
    return PanelResult(name, Origin.RAW, name, () if value is None else (Sample((), value),))


def reading(earlier: tuple[float | None, ...] = (0.5, None, 0.0)) -> PollResult[DashboardResult]:
    board = Dashboard("slo_tracking", "SLO Tracking", "", SPECS)
    now = tuple(answer(spec.id, value) for spec, value in zip(SPECS, (7.0, 0.0, None), strict=True))
    then = tuple(answer(spec.id, value) for spec, value in zip(SPECS, earlier, strict=True)) if earlier else ()
    return PollResult("dashboard", NOW, 0.01, DashboardResult(board, now, then))


def test_verdicts_and_what_they_are_compared_with(tmp_path: Path) -> None:
    """Crossed is critical, zero is zero and fine, no series is NO DATA; the same of yesterday, where nothing is not 0."""
    good = reading()
    state = evaluate_dashboard(DashboardReading(CHOICE, good, good), settings(tmp_path), NOW)
    assert state is not None
    assert [item.verdict for item in state.panels] == [Verdict.CRITICAL, Verdict.OK, Verdict.NO_DATA]
    assert [item.value for item in state.comparisons] == [0.5, None, 0.0]
    assert state.comparisons[1].reason == "no series then"
    odd = reading((170.0, None, 0.0))
    state = evaluate_dashboard(DashboardReading(CHOICE, odd, odd), settings(tmp_path), NOW)
    assert state is not None and [item.doubtful for item in state.comparisons] == [True, False, False]


def test_an_old_answer_is_stale_and_says_why(tmp_path: Path) -> None:
    """When the server is gone the last values stay, as STALE with its reason; before any answer there are no panels."""
    fault = Fault(FaultKind.UNREACHABLE, "nobody listens")
    failed: PollResult[DashboardResult] = PollResult("dashboard", NOW + 60, 0.01, fault=fault)
    state = evaluate_dashboard(DashboardReading(CHOICE, failed, reading()), settings(tmp_path), NOW + 60)
    assert state is not None and state.fault is fault
    assert [item.verdict for item in state.panels] == [Verdict.STALE, Verdict.STALE, Verdict.NO_DATA]
    assert "nobody listens" in state.panels[0].reason
    nothing = evaluate_dashboard(DashboardReading(CHOICE, failed), settings(tmp_path), NOW)
    assert nothing is not None and nothing.panels == () and nothing.fault is fault
    assert evaluate_dashboard(None, settings(tmp_path), NOW) is None


def test_thresholds_of_the_config_count_here_too(tmp_path: Path) -> None:
    """A threshold that a person set holds on the dashboards as well."""
    given = replace(settings(tmp_path), thresholds=(("a", Threshold(critical=50.0)),))
    state = evaluate_dashboard(DashboardReading(CHOICE, reading(), reading()), given, NOW)
    assert state is not None and state.panels[0].verdict is Verdict.WARN


def test_every_panel_of_a_dashboard_may_have_a_threshold(tmp_path: Path) -> None:
    """The config takes the ids of all dashboards' panels, and no other."""
    file = tmp_path / "config.yaml"
    ids = sorted({spec.id for board in load_dashboards() for spec in board.panels})
    file.write_text("thresholds:\n" + "".join(f"  {name}: {{warn: 1, critical: 1}}\n" for name in ids))
    assert len(load_settings({"config": str(file)}, {}).thresholds) == len(ids)


def wired(folder: Path, fake: FakePrometheus) -> tuple[DashboardPoller, list[DashboardReading | None]]:
    shown: list[DashboardReading | None] = []
    quick = replace(settings(folder), refresh_seconds=0.02)
    return DashboardPoller(quick, fake.source(), shown.append, environ={}), shown


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.005)


async def test_it_is_asked_only_while_somebody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look asks; when the looks end, so does the asking, and nothing is shown; a new look asks at once."""
    monkeypatch.setattr(dashboard_poller, "LEASE_SECONDS", 0.2)
    fake = FakePrometheus()
    feed, shown = wired(tmp_path, fake)
    assert not fake.asked, "nothing is asked before"

    def look() -> bool:
        feed.keep_alive(CHOICE)  # again and again: on a busy machine the answer takes longer than the lease
        return bool(shown[-1] and shown[-1].good)

    await until(look)
    await until(lambda: shown[-1] is None)
    await asyncio.sleep(0.05)  # the question under way may end
    fake.take()
    feed.refresh_now()
    await asyncio.sleep(0.2)
    assert not fake.asked, "nobody looks: not even a person's refresh asks"
    feed.keep_alive(CHOICE)
    await until(lambda: bool(fake.asked))
    await feed.close()


async def test_nothing_is_asked_while_the_terminal_is_not_seen(tmp_path: Path) -> None:
    """A look does not count while nobody can see it."""
    fake = FakePrometheus()
    feed, _ = wired(tmp_path, fake)
    feed.set_visible(False)
    feed.keep_alive(CHOICE)
    await asyncio.sleep(0.2)
    assert not fake.asked
    feed.set_visible(True)
    await until(lambda: bool(fake.asked))
    await feed.close()


async def test_another_choice_never_shows_the_answer_of_the_one_before(tmp_path: Path) -> None:
    """Whoever goes on to another dashboard, provider or window sees nothing of the old one, not even for a moment."""
    fake = FakePrometheus()
    feed, shown = wired(tmp_path, fake)
    for name, _ in DASHBOARDS:
        for provider in ("", "paddle"):
            choice = DashboardChoice(name, provider=provider)
            feed.keep_alive(choice)
            await asyncio.sleep(0.01)
    await until(lambda: bool(shown[-1] and shown[-1].good))
    for held in shown:
        assert held is not None
        if held.good is not None and held.good.value is not None:
            assert held.good.value.dashboard.name == held.choice.name
    assert shown[-1] is not None and shown[-1].choice.provider == "paddle"
    await feed.close()


async def test_without_prometheus_it_says_so(tmp_path: Path) -> None:
    """A source that is not configured is a fault with a hint, not an empty dashboard."""
    shown: list[DashboardReading | None] = []
    feed = DashboardPoller(settings(tmp_path), None, shown.append, environ={})
    feed.keep_alive(CHOICE)
    await until(lambda: bool(shown[-1] and shown[-1].latest))
    assert shown[-1] is not None and shown[-1].latest is not None and shown[-1].latest.fault is not None
    assert "PROMETHEUS_URL" in shown[-1].latest.fault.sentence()
    await feed.close()


def test_other_environments_come_from_the_file_alone(tmp_path: Path) -> None:
    """What variables say of this environment is not taken for another; one without Prometheus is not offered."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "environments:\n"
        "  production: {prometheus: 'http://prod:9090', namespace: live}\n"
        "  staging: {prometheus: 'http://stage:9090', namespace: trial}\n"
        "  empty: {namespace: nothing}\n"
        "  broken: {prometheus: {url: 'http://b', http_config: {bearer_token_file: gone}}}\n"
    )
    environ = {"HOME": str(tmp_path), "PROMETHEUS_URL": "http://here:9090", "CAD_CONSOLE_ENVIRONMENT": "production"}
    own = load_settings({"config": str(file)}, environ)
    found = load_other_environments(own, environ)
    assert {name: (item.prometheus.url, item.namespace) for name, item in found.items() if item.prometheus} == {
        "staging": ("http://stage:9090", "trial")
    }


def test_no_config_file_no_other_environment(tmp_path: Path) -> None:
    """Without a file there is one environment, and nothing to choose."""
    assert load_other_environments(settings(tmp_path), {"HOME": str(tmp_path)}) == {}


async def test_the_session_puts_it_into_the_snapshot(tmp_path: Path) -> None:
    """A look makes the judged dashboard part of the next snapshot, and closing leaves nothing running."""
    from console.runbooks.index import RunbookIndex
    from queries.catalogue.loader import load_board

    fake = FakePrometheus()
    given: Settings = settings(tmp_path)
    session = Session(given, specs=load_board("overview"), runbooks=RunbookIndex.load(tmp_path), prometheus=fake.source())
    assert session.settings.prometheus is None or isinstance(session.settings.prometheus, Endpoint)
    session.dashboards.keep_alive(CHOICE)
    await until(lambda: bool((now := session.snapshot().dashboard) and now.panels))
    state = session.snapshot().dashboard
    assert state is not None and {item.verdict for item in state.panels} == {Verdict.NO_DATA}
    await session.close()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if name.startswith("console dashboard")]
