"""While nobody can see the screen nothing is asked, and nothing that is not asked looks current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from screen_samples import NOW, settings, snapshot

from console.board import ALERTMANAGER, KUBERNETES, PROMETHEUS
from console.refresh import Poller
from console.runbooks import RunbookIndex
from console.screens.masthead import masthead
from console.screens.view import View
from console.session import Session
from console.snapshot import Snapshot
from queries.catalogue.loader import load_board
from queries.model.reading import Reading
from queries.model.source import Health, SourceState


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

    taken: list[Reading[Any]] = []
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
    """Unseen, the polled sources of every snapshot are flagged as paused, the watched one is not; seen again, none is."""
    session = Session(settings(tmp_path), specs=load_board("overview"), runbooks=RunbookIndex.load(tmp_path), clock=lambda: NOW)
    session._asks = dict.fromkeys((PROMETHEUS, ALERTMANAGER), None)  # type: ignore[assignment]
    told: list[Snapshot] = []
    session._desk.open(told.append)
    session.set_visible(False)
    flagged = {item.name: item.paused for item in session.snapshot().sources}
    assert flagged[PROMETHEUS] and flagged[ALERTMANAGER] and not flagged[KUBERNETES]
    await until(lambda: bool(told))  # and the screen is told
    session.set_visible(True)
    await until(lambda: not any(item.paused for item in session.snapshot().sources))
    await session.close()


def test_a_paused_source_does_not_look_current(tmp_path: Path) -> None:
    """The masthead says `paused` and for how long, never `ok`; a source that is down stays down."""
    base = snapshot()
    up = SourceState("prometheus", Health.UP, "", 0.01, NOW - 720, paused=True)
    down = replace(base.sources[3], paused=True)
    shown = replace(base, sources=(up, down))
    line = "".join(words for words, _ in masthead(View(settings(tmp_path), NOW, None, shown), 160)[1])
    assert "prom paused 12m" in line
    assert "ok" not in line
    assert "api DENIED" in line
