"""The time machine as a person uses it: to a moment and back, on from mark to mark, and nothing changed on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import patience
import pytest
from painting import notices_of, text_of
from past_platform import POISON, THEN, past_platform, past_settings
from textual.app import UnknownModeError
from textual.geometry import Region
from textual.pilot import Pilot
from textual.screen import Screen
from told_platform import ToldPlatform

from console.config.settings import Settings
from console.journal.payloads import NoteWritten, create_event
from console.journal.sqlite import Journal
from console.monitor.past_marks import Marks
from console.monitor.past_session import PastSession
from console.monitor.session import Session
from console.screens.app import ConsoleApp
from console.screens.filterable_screen import FilterableScreen
from console.screens.past_row import Timeline, render_timeline
from queries.model.chart import ChartMark
from queries.text.times import format_moment, format_shown, use_zone
from widgets.footer import Footer
from widgets.rows import Rows
from widgets.styled_text import width_of

CLOCK = format_shown(THEN, "%H:%M:%S")
AT = format_moment(THEN)


@pytest.fixture
def platform() -> Iterator[ToldPlatform]:
    with past_platform() as told:
        yield told


@pytest.fixture
def settings(platform: ToldPlatform, tmp_path: Path) -> Settings:
    found = past_settings(platform, tmp_path)
    with Journal.open(found.paths.journal_file) as journal:
        for at, words in ((THEN - 1200.0, "before"), (THEN + 1200.0, POISON)):
            note = create_event(NoteWritten(words), at=at, subject="note", author="ann", environment=found.environment)
            journal.append(note)
    return found


def console(settings: Settings, at: str = "") -> ConsoleApp:
    return ConsoleApp(settings, session_factory=Session.open, ascii_only=False, at=at)


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    await patience.until(pilot, lambda: all(word in text_of(app.screen) for word in words), f"{words}")
    return text_of(app.screen)


async def wait_for_notice(app: ConsoleApp, pilot: Pilot[None], words: str) -> None:
    await patience.until(pilot, lambda: any(words in notice for notice in notices_of(app)), words)


async def go(app: ConsoleApp, pilot: Pilot[None], text: str) -> str:
    await pilot.press("colon", *f"at {text}", "enter")
    return await until(app, pilot, "AS OF")


def record_frames(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every frame that is displayed from now on, as text."""
    frames: list[str] = []
    monkeypatch.setattr(app, "post_display_hook", lambda: frames.append(text_of(app.screen)))
    return frames


async def test_every_screen_of_the_past_shows_nothing_of_now(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line 1 names the moment; every screen of the registry, its details and the help are without a word of now."""
    app = console(settings)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, POISON)
        shown = await go(app, pilot, AT)
        assert f"AS OF {CLOCK} · 5h ago" in shown.splitlines()[0]
        frames = record_frames(app, monkeypatch)
        for key in (*"2345678901", "f2", "f6"):
            await pilot.press(key)
            await pilot.pause(0.15)
            assert f"AS OF {CLOCK}" in text_of(app.screen).splitlines()[0]
        await pilot.press("1", "enter")
        await pilot.pause(0.3)
        await pilot.press("escape", "2", "enter")
        await until(app, pilot, "HighErrorRate")
        assert len(frames) > 10 and not [frame for frame in frames if POISON in frame]


async def test_a_start_at_a_moment_never_shows_now(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cad-console --at`: the first thing with a value is of then."""
    app = console(settings, at=AT)
    frames = record_frames(app, monkeypatch)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        shown = await until(app, pilot, "AS OF", "7.8")
        assert "HighErrorRate" in shown or "silenced" in shown
        assert not [frame for frame in frames if POISON in frame or "666" in frame]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_notice_covers_no_mark(settings: Settings, size: tuple[int, int]) -> None:
    """What it says when a moment is first shown stands above the marks, by which one goes on at once."""
    app = console(settings)

    def laid_out(selector: str) -> list[Region]:
        return [item.region for item in app.screen.query(selector) if item.region.height]

    def covers_nothing() -> bool:
        shown, marks = laid_out("Toast"), laid_out("#marks")
        return bool(shown) and len(marks) == 1 and marks[0].height == 2 and not any(map(marks[0].overlaps, shown))

    async with app.run_test(size=size, notifications=True) as pilot:
        await until(app, pilot, POISON)
        await go(app, pilot, AT)
        app.show_notice("as of then", seconds=600.0)  # the first one is gone after six seconds
        await patience.until(pilot, covers_nothing, "a notice above the marks")


async def test_a_notice_of_any_length_is_shown_to_its_end(settings: Settings) -> None:
    """Also where its last word begins another line, at the width of a terminal."""
    app = console(settings)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(app, pilot, POISON)
        for length in range(68, 88):
            app.clear_notifications()
            app.show_notice(f"{'abcdefg ' * 12}"[: length - 4] + f"{length}th", seconds=600.0)
            await patience.until(pilot, lambda last=length: f"{last}th" in text_of(app.screen), f"{length} characters")  # type: ignore[misc]


async def test_live_returns_exactly_to_where_one_was(settings: Settings) -> None:
    """Screen, cursor and filter, whatever was opened meanwhile; and the past begins on the same screen with the same filter."""
    app = console(settings)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, POISON)
        await pilot.press("5", "slash", *"latency", "enter", "down")
        screen = app.screen
        assert isinstance(screen, FilterableScreen)
        cursor = screen.query(Rows).first().cursor_key
        assert cursor
        await go(app, pilot, AT)
        past = app.screen
        assert isinstance(past, FilterableScreen) and past is not screen and type(past) is type(screen)
        await patience.until(pilot, lambda: past.capture_view("x") == screen.capture_view("x"), "the same filter")
        await pilot.press("3", "2", "f4")
        await patience.until(pilot, lambda: app.screen is screen, "the screen of before")
        assert screen.query(Rows).first().cursor_key == cursor and screen.capture_view("x").filter == "latency"
        assert "AS OF" not in text_of(app.screen) and app.settings is settings
        with pytest.raises(UnknownModeError):
            await app.switch_mode("past/runbooks")


async def test_nothing_can_be_changed(settings: Settings, platform: ToldPlatform) -> None:
    """Keys of actions, acknowledgement, silence and incident say why they are off; nothing is sent and nothing is written."""
    app = console(settings)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, POISON)
        await go(app, pilot, AT)
        assert app.session is not None and app.session.settings.read_only
        with Journal.open_to_read(settings.paths.journal_file) as journal:
            before = journal.last_sequence()
        await pilot.press("2")
        await until(app, pilot, "HighErrorRate")
        for key in ("a", "z", "h", "i"):
            app.clear_notifications()
            await pilot.press(key)
            await wait_for_notice(app, pilot, "what is shown is past")
            assert len(app.screen_stack) == 1
        for command in ("scale cad-ml-api 4", "silence", "incident declare"):
            app.clear_notifications()
            await pilot.press("colon", *command, "enter")
            await wait_for_notice(app, pilot, "what is shown is past")
        with Journal.open_to_read(settings.paths.journal_file) as journal:
            assert journal.last_sequence() == before
    assert platform.methods <= {"GET", "POST"} and "/api/v2/silence" not in platform.paths


async def test_keys_that_change_something_are_grey_in_the_past(settings: Settings) -> None:
    """In the footer, the menu of actions and the help, each with the reason; with now they are back."""
    app = console(settings)

    def keys_of(screen: Screen[object]) -> dict[str, bool]:
        found = {active.binding.description: active.enabled for active in screen.active_bindings.values()}
        return {name: found[name] for name in ("roll back", "ack", "silence", "incident", "runbook", "actions")}

    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await until(app, pilot, POISON)
        await pilot.press("2")
        await patience.until(pilot, lambda: all(keys_of(app.screen).values()), "every key works now")
        await go(app, pilot, AT)
        await until(app, pilot, "HighErrorRate")
        enabled = keys_of(app.screen)
        assert enabled == {
            "roll back": False, "ack": False, "silence": False, "incident": False, "runbook": True, "actions": True,
        }  # fmt: skip
        footer = app.screen.query_one(Footer).line_at(0, 160)
        tones = {words.strip(): tone for words, tone in footer}
        assert tones["runbook"] == ""
        off = ("roll back", "ack", "silence")
        assert {tones.get(name, "dim") for name in off} == {"dim"}, "grey, or left out for want of room"
        await pilot.press("question_mark")
        await until(app, pilot, "not now: what is shown is past")
        await pilot.press("escape", "x")
        await until(app, pilot, "what is shown is past")
        await pilot.press("escape", "f4")
        await patience.until(pilot, lambda: all(keys_of(app.screen).values()), "every key works again")


async def test_steps_and_marks(settings: Settings) -> None:
    """A minute and a second each way, to the alert's start and to the note before it, and no further than the row reaches."""
    app = console(settings)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, POISON)
        await go(app, pilot, AT)
        for key, moment in (
            ("right_curly_bracket", THEN + 60.0),
            ("left_curly_bracket", THEN),
            ("apostrophe", THEN + 1.0),
            ("semicolon", THEN),
        ):
            await pilot.press(key)
            await until(app, pilot, f"AS OF {format_shown(moment, '%H:%M:%S')}")
        await until(app, pilot, "alert HighErrorRate platform", "note")
        await pilot.press("left_parenthesis")
        await until(app, pilot, "now here: alert HighErrorRate")
        await pilot.press("left_parenthesis")
        await until(app, pilot, "now here: note before", f"AS OF {format_shown(THEN - 1200.0, '%H:%M:%S')}")
        await pilot.press("left_parenthesis", "right_parenthesis", "right_parenthesis")
        await until(app, pilot, "now here: alert HighErrorRate")


async def test_playing_and_pausing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """f8 plays at 60×, a minute a second, f9 faster, and f8 again stops it."""
    monkeypatch.setattr("console.screens.flows.past.FRAME_SECONDS", 0.2)
    app = console(settings)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, POISON)
        await go(app, pilot, AT)
        await pilot.press("f8")
        await until(app, pilot, "playing 60×", f"AS OF {format_shown(THEN + 24.0, '%H:%M:%S')}")
        await pilot.press("f9")
        await until(app, pilot, "playing 600×")
        await pilot.press("f8")
        shown = await until(app, pilot, "paused 600×")
        await pilot.pause(0.6)
        assert text_of(app.screen).splitlines()[0] == shown.splitlines()[0]


async def test_moments_that_cannot_be_shown(settings: Settings) -> None:
    """Each says why, and the console stays where it is."""
    app = console(settings)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, POISON)
        for text, why in (
            ("soon", "is not a time"),
            ("2999-01-01", "is in the future"),
            ("incident 7", "there is no incident"),
        ):
            app.clear_notifications()
            await pilot.press("colon", *f"at {text}", "enter")
            await wait_for_notice(app, pilot, why)
            assert "AS OF" not in text_of(app.screen).splitlines()[0]
        await go(app, pilot, format_moment(time.time() - 20 * 3600.0))
        shown = await until(app, pilot, "NO DATA", "NOT KNOWN THEN")
        assert "none firing" not in shown and "alerts not known" in shown


async def test_across_a_change_of_the_clocks(settings: Settings) -> None:
    """Where an hour passes twice the two are told apart, typed and shown; a second goes from the first pass to the second; a
    time that the clocks skipped never was.
    """
    app = console(settings)
    use_zone("Europe/Berlin")
    try:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await until(app, pilot, POISON)
            for text, why in (
                ("2025-10-26 02:30", "2025-10-26 02:30 CEST or 2025-10-26 02:30 CET"),
                ("2025-03-30 02:30", "skipped"),
            ):
                await pilot.press("colon", *f"at {text}", "enter")
                await wait_for_notice(app, pilot, why)
                assert "AS OF" not in text_of(app.screen).splitlines()[0]
            await pilot.press("colon", *"at 2025-10-26 02:59:59 CEST", "enter")
            await until(app, pilot, "AS OF 26 Oct 02:59:59 CEST")
            await pilot.press("apostrophe")
            await until(app, pilot, "AS OF 26 Oct 02:00:00 CET")
            await pilot.press("semicolon", "left_curly_bracket")
            await until(app, pilot, "AS OF 26 Oct 02:58:59 CEST")
    finally:
        use_zone("")


def test_the_row_of_marks_fits_and_names_its_neighbours() -> None:
    """At any width both lines fit, the moment stands among the marks, and the nearest on each side is named."""
    marks = (
        ChartMark(1000.0, "!", "alert", "HighErrorRate"),
        ChartMark(1030.0, "R", "rollout", "cad-ml-api"),
        ChartMark(5000.0, "N", "note", "called the team"),
    )
    timeline = Timeline(0.0, 7200.0, marks)
    for width in (20, 40, 80, 120, 300):
        axis, words = render_timeline(timeline, 3000.0, speed=60, playing=True, width=width)
        assert width_of(axis) <= width and width_of(words) <= width
    axis, words = render_timeline(timeline, 3000.0, speed=60, playing=True, width=160)
    drawn, said = "".join(span for span, _ in axis), "".join(span for span, _ in words)
    assert "┃" in drawn and "N" in drawn and said.count("rollout cad-ml-api") == 1 and "note called the team" in said
    _, words = render_timeline(Timeline(0.0, 7200.0, marks[2:]), 3000.0, speed=60, playing=False, width=80)
    assert "note called the team (" in "".join(span for span, _ in words), "the room that the missing neighbour does not need"


def test_marks_that_could_not_be_read_are_not_none() -> None:
    """The row says whose may be missing, and calls no neighbour the last one."""
    timeline = Timeline(0.0, 7200.0, missing="Prometheus")
    for width in (40, 80, 120):
        axis, words = render_timeline(timeline, 3000.0, speed=60, playing=False, width=width)
        assert width_of(axis) <= width and width_of(words) <= width
    said = "".join(span for span, _ in words)
    assert "marks may be missing: Prometheus" in said and "no known earlier mark" in said and "no later mark" not in said


async def test_marks_are_read_again_where_they_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near now as anywhere: what happened since the row was read is not called no mark; and a source that did not answer is
    asked again with the next jump.
    """
    ranges: list[float] = []
    answers = [Marks(missing="Prometheus"), Marks(), Marks()]

    async def read(past: PastSession, start: float, end: float) -> Marks:
        ranges.append(end)
        return answers[len(ranges) - 1]

    monkeypatch.setattr(PastSession, "read_marks", read)
    ahead = 0.0
    app = ConsoleApp(settings, session_factory=Session.open, ascii_only=False, clock=lambda: time.time() + ahead)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, POISON)
        await go(app, pilot, "-10m")
        await until(app, pilot, "marks may be missing: Prometheus", "no known later mark")
        await pilot.press("right_parenthesis")
        await wait_for_notice(app, pilot, "no known later mark in this row: Prometheus could not be read")
        await pilot.press("right_curly_bracket")
        await patience.until(pilot, lambda: len(ranges) == 2, "asked again")
        await until(app, pilot, "no later mark")
        await pilot.press("right_curly_bracket")
        await pilot.pause(0.5)
        assert len(ranges) == 2, "the row reaches far enough"
        ahead = 1500.0
        await pilot.press("right_curly_bracket")
        await patience.until(pilot, lambda: len(ranges) == 3, "the row ended before now")
        assert ranges[2] - ranges[1] > 1400.0
