"""Screens that open in short turns, against Textual's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import pytest
from painting import text_of
from textual._compositor import Compositor, ReflowResult
from textual.app import App, ComposeResult
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.events import Event
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from widgets.styled_once import StyledOnce
from widgets.text_view import TextView
from widgets.theme import THEMES


class Plain(Screen[None]):
    """As Textual opens it."""

    def compose(self) -> ComposeResult:
        yield TextView((((f"{'a long line ' * 9}", "accent"),),) * 40)


class Ours(StyledOnce, Plain):
    """The same page."""


class Shown(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)


class Counted:
    """How often Textual laid out a screen, and matched all of its widgets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.layouts = self.matches = 0
        lay_out, match = Compositor.reflow, Stylesheet.update_nodes

        def count_layout(compositor: Compositor, parent: Widget, size: Size) -> ReflowResult:
            self.layouts += isinstance(parent, Plain)
            return lay_out(compositor, parent, size)

        def count_match(sheet: Stylesheet, nodes: Iterable[DOMNode], animate: bool = False) -> None:
            found = list(nodes)
            self.matches += any(isinstance(node, Plain) for node in found)
            match(sheet, found, animate)

        monkeypatch.setattr(Compositor, "reflow", count_layout)
        monkeypatch.setattr(Stylesheet, "update_nodes", count_match)


async def _open(screen: Plain, monkeypatch: pytest.MonkeyPatch) -> tuple[Counted, str]:
    app = Shown()
    async with app.run_test(size=(60, 20)) as pilot:
        with monkeypatch.context() as patch:
            counted = Counted(patch)
            await app.push_screen(screen)
            await pilot.pause()
        return counted, str(text_of(app.screen))


async def test_a_screen_opens_as_textual_opens_it_with_less_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same picture with a layout less, and without matching its widgets with the style sheet a second time. With a Textual
    that does neither twice any more this fails, and `StyledOnce` can go.
    """
    ours, picture = await _open(Ours(), monkeypatch)
    textual, expected = await _open(Plain(), monkeypatch)
    assert picture == expected
    assert (ours.layouts, ours.matches) == (textual.layouts - 1, textual.matches - 1)
    assert ours.matches == 0


async def test_a_screen_fits_a_terminal_of_another_size() -> None:
    """While it is in view, and while it was covered."""
    app = Shown()
    async with app.run_test(size=(60, 20)) as pilot:
        await app.push_screen(screen := Ours())
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert screen.query_one(TextView).outer_size == (40, 12)
        await app.push_screen(Plain())
        await pilot.resize_terminal(70, 9)
        await pilot.pause()
        app.pop_screen()
        await pilot.pause()
        assert screen.query_one(TextView).outer_size == (70, 9)


async def test_a_screen_that_was_covered_has_the_theme_of_now() -> None:
    """Its widgets missed the change."""
    app = Shown()
    app.theme = THEMES[0].name
    async with app.run_test(size=(60, 20)) as pilot:
        await app.push_screen(screen := Ours())
        await pilot.pause()
        before = screen.query_one(TextView).styles.background
        await app.push_screen(Plain())
        await pilot.pause()
        app.theme = next(theme for theme in THEMES if theme.dark is not THEMES[0].dark).name
        app.pop_screen()
        await pilot.pause()
        assert screen.query_one(TextView).styles.background != before


class Slow(Event):
    """One for which the screen takes long."""


class Busy(Ours):
    def __init__(self) -> None:
        super().__init__()
        self.turns: list[int] = []
        self.turn = 0
        self.done = asyncio.Event()

    def on_slow(self) -> None:
        time.sleep(0.003)
        self.turns.append(self.turn)
        if len(self.turns) == 3:
            self.done.set()


async def test_between_two_long_events_the_loop_does_something_else() -> None:
    """A key that was pressed during one does not wait for the other."""
    app = Shown()
    async with app.run_test(size=(60, 20)) as pilot:
        await app.push_screen(screen := Busy())
        await pilot.pause()

        def count() -> None:
            screen.turn += 1
            if not screen.done.is_set():
                asyncio.get_running_loop().call_soon(count)

        messages: list[Message] = [Slow() for _ in range(3)]
        for message in messages:
            screen.post_message(message)
        count()
        await screen.done.wait()
        assert len(set(screen.turns)) == 3


async def test_a_long_layout_is_drawn_in_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key press waits for the layout or for the drawing, not for both; the picture is Textual's. A short layout is drawn at
    once, as Textual does.
    """
    turn, at = 0, {"layout": -1, "drawing": -1}
    lay_out, draw = Compositor.reflow, Compositor.render_update

    async def count_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def note_layout(compositor: Compositor, parent: Widget, size: Size) -> ReflowResult:
        at["layout"] = turn
        return lay_out(compositor, parent, size)

    def note_drawing(compositor: Compositor, *given: Any, **named: Any) -> Any:
        at["drawing"] = turn
        return draw(compositor, *given, **named)

    monkeypatch.setattr(Compositor, "reflow", note_layout)
    monkeypatch.setattr(Compositor, "render_update", note_drawing)
    app = Shown()
    async with app.run_test(size=(60, 20)) as pilot:
        await app.push_screen(screen := Ours())
        await pilot.pause()
        counting = asyncio.create_task(count_turns())
        pictures = []
        for longest in (60.0, 0.0):
            monkeypatch.setattr("widgets.styled_once.LONG_LAYOUT_SECONDS", longest)
            at.update(layout=-1, drawing=-1)
            screen.query_one(TextView).show((((f"{longest} seconds", ""),),) * 3)
            screen.refresh(layout=True)
            while at["drawing"] <= at["layout"] - (longest > 0) or at["layout"] < 0:
                await pilot.pause(0.01)
            assert (at["drawing"] == at["layout"]) is (longest > 0)
            pictures.append(text_of(screen))
        counting.cancel()
    assert all(f"{longest} seconds" in picture for longest, picture in zip((60.0, 0.0), pictures, strict=True))
