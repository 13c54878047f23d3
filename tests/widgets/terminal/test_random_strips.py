"""The frame renderer against Textual's own on random lines: any characters, styles and overlaps."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from collections.abc import Sequence

import pytest
from painting import Painting, difference, strips_repaint, styles
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from widgets.terminal.cell_buffer import NARROW
from widgets.terminal.cell_diff import erases_in_background
from widgets.terminal.frame_renderer import FrameRenderer

WORDS = (
    "7.84 %",
    "ok",
    "▁▂▃▄▅▆▇█",
    " ",
    "   ",
    "日本語",
    "한",
    "e\u0301galite\u0301",
    "…",
    "✗ DOWN",
    "x",
    "→",
    "a b c",
    "🙂",
    "",
)
SYSTEMS = {"truecolor": ColorSystem.TRUECOLOR, "256": ColorSystem.EIGHT_BIT, "standard": ColorSystem.STANDARD}


def console(name: str) -> Console:
    return Console(file=io.StringIO(), color_system=name, force_terminal=True, legacy_windows=False, _environ={})  # type: ignore[arg-type]


def line(chance: random.Random, width: int, looks: Sequence[Style | None]) -> Strip:
    segments: list[Segment] = []
    while sum(segment.cell_length for segment in segments) < width:
        segments.append(Segment(chance.choice(WORDS), chance.choice(looks)))
    return Strip(segments).crop(0, width)


@pytest.mark.parametrize("erases", [False, True])
@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_partial_updates_equal_a_full_repaint(system: str, erases: bool) -> None:
    """After each of 300 random partial updates the terminal shows what Textual's full repaint shows, also where the blanks at
    the end of a row are erased.
    """
    chance = random.Random(f"strips {system}")
    width, height = 37, 7
    paper, looks = console(system), styles(system)
    renderer = FrameRenderer(SYSTEMS[system], erases=erases)
    shown, target = Painting(width, height, strict=True), [line(chance, width, looks) for _ in range(height)]
    erased = 0
    renderer.ingest(LayoutUpdate([[strip] for strip in target], Region(0, 0, width, height)))
    shown.feed(renderer.render((0, 0)))
    for _ in range(300):
        for _ in range(chance.randint(1, 3)):
            y = chance.randrange(height)
            target[y] = line(chance, width, looks)
            if chance.random() < 0.5:
                target[y] = target[y].crop(0, chance.randrange(width)).adjust_cell_length(width, chance.choice(looks))
            cut = chance.randrange(1, width)
            parts = target[y].divide([cut, width])
            target[y] = Strip.join(parts)
            chops: list[dict[int, Strip | None]] = [{} for _ in range(height)]
            chops[y] = {0: parts[0], cut: parts[1]}
            renderer.ingest(ChopsUpdate(chops, [(y, 0, width)], [[cut, width] for _ in range(height)]))
        cursor = (chance.randrange(width), chance.randrange(height))
        frame = renderer.render(cursor)
        erased += frame.count("\x1b[K")
        shown.feed(frame)
        expected = Painting(width, height)
        expected.feed(strips_repaint(target, width, paper))
        assert not difference(shown.screen, expected.screen)
        assert (shown.screen.cursor.x, shown.screen.cursor.y) == cursor
        assert renderer.render(cursor) == ""
    assert (erased > 30) is erases


@pytest.mark.skipif(shutil.which("infocmp") is None, reason="no terminfo on this machine")
@pytest.mark.parametrize(
    "name", ["xterm", "xterm-256color", "linux", "rxvt", "screen-256color-bce", "tmux-256color", "screen", "vt220"]
)
def test_terminals_that_erase_in_the_background_are_those_of_terminfo(name: str) -> None:
    """`bce` of the terminal's entry in terminfo says whether it does."""
    done = subprocess.run(["infocmp", "-1", name], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"terminfo does not know {name} here")
    assert erases_in_background({"TERM": name}) is ("\tbce," in done.stdout.splitlines())


def test_a_blank_row_is_erased_and_not_written() -> None:
    """Three blank rows with a background take 40 bytes; blanks that show an underline are written."""
    renderer = FrameRenderer(ColorSystem.TRUECOLOR, erases=True)
    blank, line = Style(bgcolor="#101418"), Style(bgcolor="#101418", underline=True)
    rows = [Strip([Segment(" " * 100, look)]) for look in (blank, blank, line)]
    renderer.ingest(LayoutUpdate([[strip] for strip in rows[:2]], Region(0, 0, 100, 2)))
    assert len(renderer.render((0, 0))) <= 40
    renderer.ingest(LayoutUpdate([[rows[2]]], Region(0, 1, 100, 1)))
    assert renderer.render((0, 0)).count(" ") == 100


def test_narrow_characters_are_one_cell_wide() -> None:
    """Every character that the renderer treats as one cell wide is one cell wide for Rich, which did the layout."""
    assert NARROW
    assert [character for character in NARROW if cell_len(character) != 1] == []


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J", "a\x1b]52;c;aGk=\x07b", "\x00\x08\x0d\x0a\x7f", "\u009b31m", "\u202eevil", "\u2028\u2029", "\ud800"]
)
def test_no_control_character_reaches_the_terminal(hostile: str) -> None:
    """Whatever a widget returns, the frame has no control characters but the renderer's own, and nothing moves."""
    renderer = FrameRenderer(ColorSystem.TRUECOLOR)
    strip = Strip([Segment(hostile), Segment("end")]).adjust_cell_length(20)
    renderer.ingest(LayoutUpdate([[strip]], Region(0, 0, 20, 1)))
    frame = renderer.render((0, 0))
    left = frame.replace("\x1b[H", "").replace("\x1b[m", "").replace("\r", "")
    assert "end" in left
    assert all(character.isprintable() for character in left)
    assert frame.encode("utf-8", "strict")


def test_a_flood_of_combining_marks_is_cut() -> None:
    """A thousand combining marks on one letter become a few; the letter and the following text stay."""
    renderer = FrameRenderer(None)
    renderer.ingest(LayoutUpdate([[Strip([Segment("a" + "\u0301" * 1000 + "b" + " " * 18)])]], Region(0, 0, 20, 1)))
    frame = renderer.render((0, 0))
    assert frame.count("\u0301") == 4
    assert "a" in frame and "b" in frame


def test_half_a_wide_character_never_remains() -> None:
    """A narrow character over the second half of a wide one erases the first half too."""
    renderer, shown = FrameRenderer(None), Painting(6, 1, strict=True)
    renderer.ingest(LayoutUpdate([[Strip([Segment("日本語")])]], Region(0, 0, 6, 1)))
    shown.feed(renderer.render((0, 0)))
    renderer.ingest(LayoutUpdate([[Strip([Segment("日 x語")])]], Region(0, 0, 6, 1)))
    shown.feed(renderer.render((0, 0)))
    assert "".join(shown.screen.buffer[0][x].data for x in range(6)) == "日 x語"


def test_terminals_may_disagree_about_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text after a character that is two cells wide for the terminal and one for Rich is not lost."""
    monkeypatch.setattr("pyte.screens.wcwidth", lambda character: 2 if character == "☆" else 1)
    renderer, shown = FrameRenderer(None), Painting(6, 1, strict=True)
    renderer.ingest(LayoutUpdate([[Strip([Segment("abcdef")])]], Region(0, 0, 6, 1)))
    shown.feed(renderer.render((0, 0)))
    renderer.ingest(LayoutUpdate([[Strip([Segment("a☆cdef")])]], Region(0, 0, 6, 1)))
    shown.feed(renderer.render((0, 0)))
    assert "".join(shown.screen.buffer[0][x].data for x in range(2, 6)) == "cdef"


def test_no_color_sends_no_colour() -> None:
    """Under NO_COLOR no colour code is sent; bold, underline and reverse are."""
    renderer = FrameRenderer(None)
    renderer.ingest(LayoutUpdate([[Strip([Segment("words ", style) for style in styles("none")])]], Region(0, 0, 60, 1)))
    frame = renderer.render((0, 0))
    assert "38" not in frame and "48" not in frame and "31" not in frame and "44m" not in frame
    assert "\x1b[0;1m" in frame or "\x1b[1m" in frame
    assert "7m" in frame
