"""The tour of the demo: it follows what a person does, leaves at any time, and costs nobody else anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from screen_samples import NOW, snapshot

from console.actions.plan import Request
from console.screens.action_run import ActionRunScreen
from console.screens.action_run_model import ActionRunModel
from console.screens.tour import Story, Tour

STORY = Story("A release fails", "HighErrorRate", "B", "roll back deployment/cad-ml-api")
LATE = ("console.screens.tour", "console.screens.first_steps", "console.setup", "console.cli.init", "console.cli.man", "shtab")


def test_nothing_of_the_first_ten_minutes_is_loaded_with_the_console() -> None:
    """Starting the console imports neither tour nor init, completion, manual page or the page without servers."""
    code = "import sys, console.cli.main, console.cli.console, console.screens.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "console.screens.app" in loaded
    assert loaded & {*LATE} == set()


async def test_the_tour_follows_a_person_from_the_start_to_the_runbook(stage: Callable[..., Any]) -> None:
    """It shows the progress, then what fires, and a further step on each screen that it asked for."""
    progress = ["cluster, platform … 3s"]
    scene = stage()
    scene.app.start_tour(Tour(STORY, lambda: progress[0]))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "The demo is starting on this machine: cluster, platform … 3s")
        progress[0] = ""
        scene.session.deliver(snapshot())
        await scene.until(pilot, "HighErrorRate fires. Press 2 for the alerts, then enter")
        await scene.press(pilot, "2", "enter")
        await scene.until(pilot, "Tour, step 2 of 5")
        await scene.press(pilot, "b")
        await scene.until(pilot, "Press B for the preview of the fix")
        run = ActionRunModel(Request("rollback", "deployment/cad-ml-api"))
        scene.app.push_screen(ActionRunScreen(run))
        await scene.until(pilot, "nothing is sent before you type what it asks for")
        run.confirmed_at = NOW
        scene.session.deliver(snapshot())
        await scene.until(pilot, "When it is done press 6")
        await scene.press(pilot, "escape")
        await scene.until(pilot, "Tour, step 3 of 5")
        await scene.press(pilot, "6")  # nothing was done yet: the journal is not the end
        await scene.until(pilot, "Tour, step 3 of 5")
        assert scene.text.count("Tour, step") == 1


async def test_one_key_leaves_the_tour_for_good(stage: Callable[..., Any]) -> None:
    """ctrl+t takes the bar away on this screen, and on those that had it before; every other key does what it always does."""
    scene = stage()
    scene.app.start_tour(Tour(STORY, str))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "Tour, step 1 of 5")
        await scene.press(pilot, "2")
        await scene.until(pilot, "Tour, step 1 of 5")
        await scene.press(pilot, "ctrl+t")
        assert "Tour" not in scene.text
        for key in ("1", "2", "3"):
            await scene.press(pilot, key)
            await pilot.pause(0.1)
            assert "Tour" not in await scene.press(pilot), key
