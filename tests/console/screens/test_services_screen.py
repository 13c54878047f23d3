"""`:services`: the services outside the cluster, with real health URLs on loopback and a real journal."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import always, http_answer, loopback
from painting import text_of
from screen_samples import settings
from textual.pilot import Pilot

from console.config.services import Service
from console.config.settings import Settings
from console.journal.payloads import ActionIntent, ActionOutcome, ActionStep, Payload, create_event
from console.journal.sqlite import Journal
from console.screens.app import ConsoleApp

COMMANDS = tuple((step, (f"./{step}",)) for step in ("backup", "update", "restore", "smoke"))
Until = Callable[[ConsoleApp, Pilot[None]], Awaitable[str]]


def record(config: Settings, *events: tuple[str, Payload, float]) -> None:
    """Each with the run's id, and how many seconds ago it was."""
    with Journal.open(config.paths.journal_file) as journal:
        for run, payload, age in events:
            journal.append(
                create_event(payload, at=time.time() - age, subject=run, author="ann@vm", environment=config.environment)
            )


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    for _ in range(300):
        shown = text_of(app.screen)
        if all(word in shown for word in words):
            return shown
        await pilot.pause(0.05)
    raise AssertionError(f"{words} did not appear:\n{text_of(app.screen)}")


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_services_are_listed_by_their_health(tmp_path: Path, size: tuple[int, int]) -> None:
    """The worst first, what a program would have to tell is never called healthy; the journal has backups and changes."""
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(loopback(always(http_answer("200 OK", b"ok", "text/plain"))))
        bad = await stack.enter_async_context(loopback(always(http_answer("503 Service Unavailable", b"no", "text/plain"))))
        services = (
            Service("fine", COMMANDS, health_url=f"{good.url}/health"),
            Service("broken", COMMANDS, health_url=f"{bad.url}/health"),
            Service("by-program", (*COMMANDS, ("health", ("./health",)))),
            Service("never-seen", (*COMMANDS, ("health", ("./health",)))),
        )
        config = replace(settings(tmp_path), services=services)
        record(
            config,
            ("r1", ActionStep("backup", "done", "backup: done", target="external/fine", answer="b-17"), 7300.0),
            ("r1", ActionOutcome("rolled back", "rolled back: smoke failed", target="external/fine"), 7200.0),
            ("r2", ActionStep("health", "done", "health: done", target="external/by-program"), 3650.0),
        )
        app = ConsoleApp(config)
        async with app.run_test(size=size) as pilot:
            await pilot.press("colon", *"services", "enter")
            shown = await until(app, pilot, "1 of 4 healthy", "503")
            lines = [line.lstrip(" ›") for line in shown.splitlines()]
            rows = [
                line for line in lines if line.startswith(("CRIT", "ok ", "STALE", "NO DATA")) and "no platform" not in line
            ]
            names = [next(name for name in line.split() if name in {item.name for item in services}) for line in rows]
            assert names == ["broken", "never-seen", "by-program", "fine"]
            assert rows[0].startswith("CRIT") and rows[2].startswith("STALE") and re.search(r"healthy 1h(\d+m)? ago", rows[2])
            assert "rolled back 2h" in rows[3] and " 2h " in rows[3]
            assert "GET " in shown and "./update" in shown  # of the one under the cursor
            await pilot.press("down", "down", "down")
            await until(app, pilot, "b-17", "external/fine", "rolled back: smoke failed")
            await pilot.press("x")
            await until(app, pilot, "Update external/fine", "Restore external/fine")


async def test_a_run_without_an_outcome_is_named(tmp_path: Path) -> None:
    """A service on which another run began and did not end is not ok, although it answers; without services that is said."""
    async with loopback(always(http_answer("200 OK", b"ok", "text/plain"))) as good:
        config = replace(settings(tmp_path), services=(Service("fine", COMMANDS, health_url=f"{good.url}/health"),))
        begun = ActionIntent(action="update-service", title="Update fine", target="external/fine", process="elsewhere 1 1")
        record(config, ("r1", begun, 60.0))
        app = ConsoleApp(config)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("colon", *"services", "enter")
            shown = await until(app, pilot, "0 of 1 healthy", "ann@vm: Update fine")
            assert any("WARN" in line and "healthy; a run" in line for line in shown.splitlines()), shown
    app = ConsoleApp(settings(tmp_path / "none"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("colon", *"services", "enter")
        await until(app, pilot, "the config file names none under")
