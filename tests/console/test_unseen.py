"""While nobody can see the screen nothing is asked, and nothing that is not asked looks current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from screen_samples import NOW, StillSession, settings, snapshot

from console.config.settings import NotifySettings
from console.journal.payloads import IncidentDeclared
from console.journal.sqlite import Journal
from console.monitor.pauses import ClockPause, PauseDetector
from console.monitor.poller import Poller
from console.monitor.session import Session
from console.monitor.source_results import ALERTMANAGER, KUBERNETES, PLATFORM, PROMETHEUS
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from console.screens.app import ConsoleApp
from console.screens.header import render_header
from console.screens.render_context import RenderContext
from console.state.snapshot import Snapshot
from queries.alertmanager import Alertmanager
from queries.catalogue.loader import load_board
from queries.errors import TimedOut
from queries.http.endpoint import Endpoint
from queries.model.platform import PlatformHealth, Readiness
from queries.model.severity import Priority
from queries.model.source import Health, PollResult, SourceState
from queries.prometheus.client import Prometheus


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.001)


async def test_a_pause_asks_nothing_and_its_end_asks_at_once() -> None:
    """Paused, a cadence of a millisecond asks nothing for a tenth of a second; resumed, the next question is immediate."""
    asked = 0

    async def ask() -> tuple[Any, tuple[str, ...]]:
        nonlocal asked
        asked += 1
        return "good", ()

    taken: list[PollResult[Any]] = []
    poller = Poller("x", ask, taken.append, every=0.001, timeout=1, cap=1)
    task = asyncio.create_task(poller.run())
    await until(lambda: asked >= 3)
    poller.pause(True)
    await asyncio.sleep(0.02)  # the question under way may end
    before = asked
    await asyncio.sleep(0.1)
    assert asked == before
    poller.pause(False)
    await until(lambda: asked > before)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_not_asked_is_flagged(tmp_path: Path) -> None:
    """Unseen, the polled sources of every snapshot are flagged as paused, the watched one is not; seen again, each until it
    responds. A source that has not answered yet is not paused: begun detached, all are asked until they answer, if only with
    an error, and neither a silent nor an unreachable one has."""
    server, respond, up, now = Endpoint("http://server:9090"), asyncio.Event(), False, NOW
    respond.set()

    async def answer(request: httpx.Request) -> httpx.Response:
        await respond.wait()
        if not up and request.url.path.startswith("/api/v2"):
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(403, text="no")

    transport = httpx.MockTransport(answer)
    journal = Journal.open(tmp_path / "journal.sqlite3")
    session = Session(
        settings(tmp_path, prometheus=server, alertmanagers=(server,)),
        specs=load_board("overview"),
        runbooks=RunbookIndex.load(tmp_path),
        prometheus=Prometheus(server, transport=transport),
        alertmanager=Alertmanager((server,), transport=transport),
        journal=journal,
        clock=lambda: now,
    )
    shown: list[Snapshot] = []

    def paused() -> dict[str, bool]:
        return {item.name: item.paused for item in shown[-1].sources}

    def health() -> dict[str, Health]:
        return {item.name: item.health for item in shown[-1].sources}

    session.start(shown.append)
    session.set_visible(False)
    await until(lambda: bool(shown) and health()[PROMETHEUS] is Health.DENIED and health()[ALERTMANAGER] is Health.DOWN)
    session.set_visible(False)
    before = len(shown)
    await until(lambda: len(shown) > before)
    assert not any(paused().values())
    up = True
    session.refresh_now()
    await until(lambda: health()[ALERTMANAGER] is Health.DENIED)
    respond.clear()
    session.set_visible(False)
    await until(lambda: paused()[PROMETHEUS])
    assert paused()[PROMETHEUS] and paused()[ALERTMANAGER] and not paused()[KUBERNETES]
    before = len(shown)
    now += 1.0
    session.set_visible(True)
    await until(lambda: len(shown) > before)
    assert paused()[PROMETHEUS] and paused()[ALERTMANAGER] and not paused()[KUBERNETES] and not paused()[PLATFORM]
    respond.set()
    await until(lambda: not any(paused().values()))
    assert health()[PROMETHEUS] is health()[ALERTMANAGER] is Health.DENIED
    await session.record("i-1", IncidentDeclared("HighErrorRate", Priority.P1))
    session.set_visible(False)
    before = len(shown)
    await until(lambda: len(shown) > before)
    assert not any(paused().values())  # the incident's timeline is recorded from what the sources return
    await session.close()


async def test_whoever_is_called_by_a_program_is_called_while_nobody_looks(tmp_path: Path) -> None:
    """Detached with a command under `notify`, the console asks on: whom it calls has gone away because it does."""
    server, asked = Endpoint("http://server:9090"), 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(403, text="no")

    notify = NotifySettings(commands=((Priority.P1, ("page", "{title}")),))
    session = Session(
        settings(tmp_path, prometheus=server, notify=notify, refresh_seconds=0.01),
        specs=load_board("overview"),
        runbooks=RunbookIndex.load(tmp_path),
        prometheus=Prometheus(server, transport=httpx.MockTransport(answer)),
        clock=lambda: NOW,
    )
    shown: list[Snapshot] = []
    session.start(shown.append)
    await until(lambda: bool(shown) and shown[-1].sources[0].health is Health.DENIED)
    session.set_visible(False)
    before = asked
    await until(lambda: asked > before + 2)
    states = {item.name: item.paused for item in shown[-1].sources}
    assert states[PROMETHEUS] is False
    await session.close()


def test_a_paused_source_does_not_look_current(tmp_path: Path) -> None:
    """The masthead says `PAUSED` and for how long, never `ok`; of one that was down it is not said that it is."""
    base = snapshot()
    up = SourceState("prometheus", Health.UP, "", 0.01, NOW - 725, paused_at=NOW - 720)
    down = replace(base.sources[3], paused_at=NOW - 720)
    shown = replace(base, sources=(up, down))
    line = "".join(words for words, _ in render_header(RenderContext(settings(tmp_path), NOW, None, shown), 160)[1])
    assert "prom PAUSED 12m" in line
    assert "ok" not in line.replace("not known", "")
    assert "api PAUSED 12m was DENIED" in line


def answers(at: float) -> PollResult[Any]:
    return PollResult(PLATFORM, at, 0.01, value=PlatformHealth("healthy", readiness=Readiness(True)))


def test_down_is_said_only_of_what_was_asked(tmp_path: Path) -> None:
    """Not asked for an hour it is PAUSED; asked again, PAUSED until it answers; asked for long without an answer, DOWN. Without
    a pause, silence is DOWN as ever."""
    board = StateStore(settings(tmp_path, platform=Endpoint("http://api:8000")), (), runbooks=RunbookIndex.load(tmp_path))

    def state(now: float) -> SourceState:
        found = board.snapshot(now).source(PLATFORM)
        assert found is not None
        return found

    board.apply(answers(NOW))
    assert (state(NOW + 20).health, state(NOW + 40).health) == (Health.UP, Health.DOWN)

    asked = frozenset({PLATFORM})
    board.pauses = (ClockPause(NOW + 5, asked),)
    assert (state(NOW + 3600).health, state(NOW + 3600).paused_at) == (Health.UP, NOW + 5)
    board.pauses = (ClockPause(NOW + 5, asked, NOW + 3600),)
    assert state(NOW + 3601).paused_at == NOW + 5
    board.apply(answers(NOW + 3602))
    assert (state(NOW + 3602).health, state(NOW + 3602).paused_at) == (Health.UP, None)

    silent = StateStore(settings(tmp_path, platform=Endpoint("http://api:8000")), (), runbooks=RunbookIndex.load(tmp_path))
    silent.apply(answers(NOW))
    silent.pauses = (ClockPause(NOW + 5, asked, NOW + 3600),)
    found = silent.snapshot(NOW + 3640).source(PLATFORM)
    assert found is not None and (found.health, found.detail, found.paused) == (Health.DOWN, "no answer any more", False)


def test_a_source_that_never_answered_is_paused_too(tmp_path: Path) -> None:
    """Begun detached: PAUSED, and neither DOWN nor an answer that is waited for."""
    board = StateStore(settings(tmp_path, platform=Endpoint("http://api:8000")), (), runbooks=RunbookIndex.load(tmp_path))
    board.pauses = (ClockPause(NOW, frozenset({PLATFORM})),)
    line = "".join(
        words for words, _ in render_header(RenderContext(settings(tmp_path), NOW + 40, None, board.snapshot(NOW + 40)), 160)[1]
    )
    assert "api PAUSED 40s" in line and "DOWN" not in line


def test_the_heartbeat_knows_when_the_process_stood_still() -> None:
    """A late beat is no pause, a missed one is; what is handled before the next beat knows of it too."""
    now = 100.0
    heart = PauseDetector(lambda: now)
    assert heart.beat() == 0.0
    now = 102.5
    assert not heart.missed_since(100.0) and heart.beat() == 0.0
    now = 140.0
    assert heart.missed_since(139.0)
    assert heart.beat() == 36.5
    assert heart.missed_since(130.0)
    now = 141.0
    assert heart.beat() == 0.0 and heart.missed() == 0.0
    assert not heart.missed_since(140.5)


async def test_a_limit_that_passed_while_it_stood_still_is_no_failure() -> None:
    """The question that was under way is given up and asked again at once; its failure is not delivered."""
    now, asked = 0.0, 0
    heart = PauseDetector(lambda: now)
    heart.beat()

    async def ask() -> tuple[Any, tuple[str, ...]]:
        nonlocal asked, now
        asked += 1
        if asked == 1:
            now += 60.0
            raise TimedOut("no answer within 5s")
        if asked == 2:
            await asyncio.sleep(60)
        return "good", ()

    taken: list[PollResult[Any]] = []
    poller = Poller("x", ask, taken.append, every=60, timeout=90, cap=1, detector=heart)
    task = asyncio.create_task(poller.run())
    await until(lambda: asked == 2)
    assert heart.beat() > 0.0
    poller.start_over()
    await until(lambda: bool(taken))
    assert asked == 3 and [item.fault for item in taken] == [None]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_snapshot_that_does_not_come_is_not_called_current(tmp_path: Path) -> None:
    """Whatever holds it up, after five seconds no source is called ok any more; nothing is asked of the clock but the time."""
    now = NOW
    session = StillSession(settings(tmp_path), snapshot())
    app = ConsoleApp(session.settings, session_factory=lambda _: session, clock=lambda: now, ascii_only=False)
    async with app.run_test(size=(120, 30)) as pilot:
        for _ in range(100):
            await pilot.pause(0.02)
            if app.context.snapshot is not None:
                break
        assert "prom ok" in "".join(words for words, _ in render_header(app.context, 160)[1])
        now = NOW + 40
        line = "".join(words for words, _ in render_header(app.context, 160)[1])
        assert "prom PAUSED 40s" in line and "ok" not in line
