"""A few screens as snapshots, in colour and without, small and large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from screen_samples import NOW, StillSession, settings, snapshot
from textual.pilot import Pilot

from console.screens.app import ConsoleApp


def console(folder: Path, **changes: Any) -> ConsoleApp:
    """The console on the platform in trouble, at a fixed time."""
    return ConsoleApp(
        settings(folder, **changes),
        session_factory=lambda given: StillSession(given, snapshot()),
        clock=lambda: NOW,
        ascii_only=False,
    )


def pressing(*keys: str) -> Any:
    async def press(pilot: Pilot[None]) -> None:
        await pilot.pause(0.4)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.2)

    return press


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
def test_overview(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    """Verdicts, values with units and thresholds, firing alerts and changes."""
    assert snap_compare(console(tmp_path), terminal_size=size, run_before=pressing())


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
def test_alert(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    """Facts on the left, trend with its threshold on the right, the deciding step and the actions below."""
    assert snap_compare(console(tmp_path), terminal_size=size, run_before=pressing("2", "enter"))


def test_overview_without_colour(snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under NO_COLOR every state still has its word."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(console(tmp_path), terminal_size=(80, 24), run_before=pressing())


def test_alerts_for_colour_blind_people(snap_compare: Any, tmp_path: Path) -> None:
    """The table in the theme for colour-blind people."""
    assert snap_compare(console(tmp_path, theme="colour-blind"), terminal_size=(80, 24), run_before=pressing("2"))


def test_silence_dialog_in_the_light_theme(snap_compare: Any, tmp_path: Path) -> None:
    """Matchers prefilled, duration, comment, and the alerts it would match."""
    assert snap_compare(console(tmp_path, theme="light"), terminal_size=(80, 24), run_before=pressing("2", "z"))
