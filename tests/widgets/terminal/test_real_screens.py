"""The frame renderer under the real console: after any change the terminal shows what a full repaint would."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from painting import Painting, difference, full_repaint
from rich.color import ColorSystem
from rich.console import RenderableType
from screen_samples import HOSTILE, NOW, StillSession, settings, snapshot, tracked, trend
from textual import constants
from textual.pilot import Pilot
from textual.screen import Screen

import console.screens.app
from console.screens.app import ConsoleApp
from console.state.snapshot import Snapshot
from queries.model.verdict import Verdict
from widgets.terminal.frame_renderer import FrameRenderer

KEYS = (
    "j",
    "k",
    "down",
    "up",
    "pagedown",
    "end",
    "home",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "tab",
    "enter",
    "escape",
    "o",
    "v",
    "?",
)
SIZES = ((80, 24), (120, 40), (20, 5), (100, 30), (61, 17), (160, 45), (300, 100))
NAMES = (
    "HighErrorRate",
    "日本語アラート",
    "e\u0301galite\u0301",
    "🙂 happy",
    "x" * 90,
    HOSTILE,
    "PodNotReady",
    "ProviderTimeout",
)


class Watched(ConsoleApp):
    """The console, with its frames rendered to an emulated terminal."""

    CSS_PATH = Path(console.screens.app.__file__).with_name("console.tcss")

    def lay_out(self, columns: int, rows: int) -> None:
        self.twin = FrameRenderer(ColorSystem.TRUECOLOR)
        self.painting = Painting(columns, rows)
        self.bytes = 0

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        if renderable is not None and self.twin.ingest(renderable):  # type: ignore[arg-type]
            width, height = self.twin.size
            if (width, height) != (self.painting.screen.columns, self.painting.screen.lines):
                self.painting.resize(width, height)
            frame = self.twin.render(self.screen.outer_size.clamp_offset(self.cursor_position))
            self.bytes += len(frame.encode())
            self.painting.feed(frame)


def watched(folder: Path, size: tuple[int, int], shown: Snapshot) -> tuple[Watched, StillSession]:
    given = settings(folder)
    session = StillSession(given, shown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "COLOR_SYSTEM", "truecolor")  # what an app's console begins with
        app = Watched(given, session_factory=lambda _: session, clock=lambda: NOW, ascii_only=False)
    app.lay_out(*size)
    return app, session


def check(app: Watched) -> str:
    expected = Painting(*app.screen.size)
    expected.feed(full_repaint(app.screen, app.console))
    return difference(app.painting.screen, expected.screen)


def another(chance: random.Random) -> Snapshot:
    base = snapshot()
    panels = tuple(
        replace(
            item,
            value=chance.uniform(0, 500),
            verdict=chance.choice(tuple(Verdict)),
            note=chance.choice(NAMES),
            trend=trend(chance.uniform(0, 5), chance.uniform(5, 50)),
        )
        for item in base.panels
    )
    alerts = tuple(
        tracked(chance.choice(NAMES), chance.choice(("critical", "warning", "info")), minutes=chance.uniform(1, 99), at=str(at))
        for at in range(chance.choice((0, 1, 5, 60)))
    )
    return replace(base, panels=panels, alerts=alerts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_any_journey_ends_on_a_full_repaint(seed: int, tmp_path: Path) -> None:
    """101 random steps (values, keys, scrolls, screens, dialogs, resizes): after each, cell by cell the same."""
    chance = random.Random(seed)
    app, session = watched(tmp_path, (80, 24), snapshot())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for step in range(101):
            done = await _step(chance, pilot, session)
            await pilot.pause()
            wrong = check(app)
            if wrong:  # a message may have been pending between the two renderings
                await pilot.pause(0.05)
                wrong = check(app)
            assert not wrong, f"step {step}, {done}:\n{wrong}"


async def _step(chance: random.Random, pilot: Pilot[None], session: StillSession) -> str:
    large = pilot.app.size.width > 200  # comparing a large screen takes long
    kind = "resize" if large else chance.choice(("values", "values", "values", "key", "key", "key", "key", "resize", "scroll"))
    if kind == "values":
        session.deliver(another(chance))
        return kind
    if kind == "resize":
        size = chance.choice(SIZES[:-1] if large else SIZES)
        await pilot.resize_terminal(*size)
        return f"resize {size}"
    if kind == "scroll":
        widget = chance.choice([item for item in pilot.app.screen.query("*") if item.region.area] or [pilot.app.screen])
        widget.scroll_to(y=chance.randrange(60), animate=False)
        return f"scroll {widget}"
    key = chance.choice(KEYS)
    pilot.app.simulate_key(key)
    return f"key {key}"


async def test_bytes_per_kind_of_frame(tmp_path: Path) -> None:
    """120x40: at most 16 KB at the start, none without a change, 150 B for one value, 7 KB for all values and trends."""
    app, session = watched(tmp_path, (120, 40), snapshot())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.3)
        first = app.bytes
        assert 4_000 < first <= 16_384

        session.deliver(snapshot())
        await pilot.pause(0.1)
        assert app.bytes == first

        base = snapshot()
        one = tuple(replace(item, value=7.9) if item.spec.id == "error_ratio" else item for item in base.panels)
        session.deliver(replace(base, panels=one))
        await pilot.pause(0.1)
        assert 0 < app.bytes - first <= 150

        before = app.bytes
        every = tuple(
            replace(item, value=(item.value or 0) * 1.7 + 3, trend=trend(9, 1)) if item.value is not None else item
            for item in base.panels
        )
        session.deliver(replace(base, panels=every))
        await pilot.pause(0.1)
        assert 500 < app.bytes - before <= 7_168
        assert not check(app)
