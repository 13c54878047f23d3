"""The window over a log against plain arithmetic on the rows of all its lines."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from textual import events
from textual.app import App, ComposeResult

from queries.model.log import LogLine
from widgets.log_view import LogView, build_labels, shorten_names
from widgets.styled_text import Line, wrap

WIDTH, ROOM = 30, 27


class Log:
    """The lines of a list."""

    def __init__(self, lines: Sequence[LogLine]) -> None:
        self.lines = list(lines)

    def count(self) -> int:
        return len(self.lines)

    def window(self, first: int, last: int) -> list[LogLine]:
        return self.lines[max(0, first) : max(0, last)]

    def index_of(self, key: tuple[int, int]) -> int:
        return sum(line[:2] < key for line in self.lines)


class Stage(App[None]):
    def __init__(self, log: Log, height: int = 6) -> None:
        super().__init__()
        self.view = LogView(log)
        self.view.styles.width = WIDTH
        self.view.styles.height = height
        self.moves = 0

    def compose(self) -> ComposeResult:
        yield self.view

    def on_log_view_moved(self) -> None:
        self.moves += 1

    @property
    def lines(self) -> list[Line]:
        return [self.view.line_at(at, WIDTH) for at in range(self.view.line_count(WIDTH))]

    @property
    def shown(self) -> list[str]:
        return ["".join(words for words, _ in line).rstrip() for line in self.lines]


def log(*texts: str) -> Log:
    return Log([LogLine(at, at, "pod-a", text) for at, text in enumerate(texts)])


def roll(stage: Stage, kind: type[events.MouseEvent]) -> None:
    stage.view.post_message(kind(stage.view, 1, 1, 0, 0, 0, False, False, False))


def notice(at: int) -> LogLine:
    return LogLine(at, at, "", f"notice {at}", 0, True)


@pytest.mark.parametrize("seed", range(16))
async def test_every_move_shows_the_rows_that_it_must(seed: int) -> None:
    """Lines of none to five rows, moved by rows, pages, the wheel and to both ends: the window is that many rows further on
    among all rows, never beyond the last one, where it follows the end."""
    chance = random.Random(seed)
    texts = [
        " ".join(f"{at}.{word}" for word in range(chance.choice([1, 1, 2, 9, 25]))) for at in range(chance.choice([0, 2, 30]))
    ]
    rows = [f"   {part}".rstrip() for text in texts for part in wrap(text, ROOM)]
    height = chance.randint(1, 9)
    stage = Stage(log(*texts), height)
    async with stage.run_test(size=(60, 20)) as pilot:
        stage.view.focus()
        await pilot.pause()
        assert stage.view.position()[1] == len(texts) and stage.view.follows
        top: int | None = None
        steps = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "pageup": 1 - height or -1,
            "pagedown": height - 1 or 1,
            "wheel up": -3,
            "wheel down": 3,
        }
        for key in chance.choices([*steps, "home", "g", "end", "G"], k=25):
            before = stage.moves
            by = steps.get(key, 0)
            if key.startswith("wheel"):
                roll(stage, events.MouseScrollUp if by < 0 else events.MouseScrollDown)
                await pilot.pause()
            else:
                await pilot.press(key)
            if key in ("home", "g"):
                top = 0
            elif by < 0:
                top = max(0, (max(0, len(rows) - height) if top is None else top) + by)
            elif key in ("end", "G") or (top is not None and top + by + height >= len(rows)):
                top = None
            elif top is not None:
                top += by
            if not texts:
                top = None
            at = max(0, len(rows) - height) if top is None else min(top, max(0, len(rows) - height))
            assert stage.shown == rows[at : at + height], key
            assert stage.view.follows is (top is None)
            assert stage.moves == before or stage.moves == before + 1


async def test_a_line_of_the_search_is_a_third_below_the_top() -> None:
    """With the lines before it, as far as there are any; it is marked, and the window stays there."""
    source = log(*map(str, range(40)))
    stage = Stage(source, 9)
    async with stage.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        for line, first in ((20, 17), (3, 0), (1, 0), (39, 31)):
            stage.view.show_line((line, line))
            await pilot.pause()
            assert [words.lstrip("› ") for words in stage.shown] == [str(at) for at in range(first, first + 9)]
            assert [words for words in stage.shown if words.startswith("›")] == [f"›  {line}"]
            row = stage.lines[line - first]
            assert {tone.partition("+")[0] for _, tone in row} == {"cursor"} and row[0] == ("›", "cursor+key")
            assert not any("cursor" in tone for _, tone in stage.lines[line - first - 1])
            assert stage.view.current() == source.lines[line]
        assert stage.moves == 4
        stage.view.update(lines=log("new"))
        assert stage.view.cursor is None and stage.view.follows and stage.shown == ["   new"]


async def test_the_search_steps_over_notices() -> None:
    """To the next line before or after; none at an end. A line that fell out of the log is followed by the next one."""
    lines = [notice(0), LogLine(1, 1, "a", "one"), notice(2), notice(3), LogLine(4, 4, "a", "four"), notice(5)]
    source = Log(lines)
    stage = Stage(source)
    async with stage.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        one, four = lines[1], lines[4]
        assert stage.view.current() == four, "the last line, at the end"
        assert stage.view.next_line(one, 1) == four and stage.view.cursor == (4, 4)
        assert stage.view.next_line(four, -1) == one and stage.view.cursor == (1, 1)
        assert stage.view.next_line(one, -1) is None and stage.view.next_line(four, 1) is None
        assert stage.view.cursor == (1, 1), "at an end the cursor stays"
        source.lines = [LogLine(2, 2, "a", "two"), LogLine(4, 4, "a", "four")]
        assert stage.view.next_line(one, 1) == source.lines[0]
        assert stage.view.next_line(LogLine(3, 3, "a", "gone"), -1) == source.lines[0]
        source.lines = [notice(7)]
        stage.view.update(lines=source)
        assert stage.view.current() is None and stage.view.times() == (7, 7)
        stage.view.update(lines=Log([]))
        assert stage.view.current() is None and stage.view.times() == (0, 0) and stage.view.position() == (0, 0)


async def test_what_is_in_view() -> None:
    """The first line and how many there are, the times of the first and the last line in view, and the line that a copy takes:
    the last one at the end, else the first one, which is no notice."""
    source = Log([notice(at) if at in (6, 7) else LogLine(at, at, "a", str(at)) for at in range(10)])
    stage = Stage(source, 3)
    async with stage.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert stage.view.position() == (7, 10) and stage.view.times() == (7, 9) and stage.view.current() == source.lines[9]
        stage.view.focus()
        await pilot.press("up")
        assert stage.view.position() == (6, 10) and stage.view.times() == (6, 8) and stage.view.current() == source.lines[8]
        await pilot.press("home")
        assert stage.view.position() == (0, 10) and stage.view.times() == (0, 2) and stage.view.current() == source.lines[0]
        source.lines = [LogLine(0, 0, "a", "0"), *map(notice, range(1, 9))]
        await pilot.press("home", "down")
        assert stage.view.current() == source.lines[0], "after it there are only notices"


async def test_holding_keeps_what_is_in_view() -> None:
    """Also where the window begins in the middle of a line."""
    source = log("first", " ".join(f"word{at:02}" for at in range(12)), "last")
    stage = Stage(source, 3)
    async with stage.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        before = stage.shown
        assert before[0].strip().startswith("word") and not before[0].strip().startswith("word00")
        stage.view.hold()
        source.lines.append(LogLine(9, 9, "a", "new"))
        stage.view.update()
        assert stage.shown == before and not stage.view.follows
        stage.view.hold()
        assert stage.shown == before


async def test_the_beginning_of_a_line() -> None:
    """Level, time, source; what follows is below the text. A time outside the calendar is none."""
    at = 1_767_276_207_045_000_000
    source = Log(
        [LogLine(at, 0, "api", "ERROR " + "x" * 20), LogLine(at, 1, "other", "DEBUG low"), LogLine(10**21, 2, "api", "t")]
    )
    stage = Stage(source)
    stage.view.shows_times, stage.view.labels = True, {"api": ("A ", "source-1")}
    async with stage.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert stage.shown == [
            " E 14:03:27.045 A  ERROR",
            " " * 19 + "xxxxxxxxxxx",
            " " * 19 + "xxxxxxxxx",
            " d 14:03:27.045 other DEBUG",
            " " * 22 + "low",
            "     no time    A  t",
        ]
        first = stage.lines[0]
        assert [tone for words, tone in first if words.strip()] == ["critical", "dim", "source-1", "critical"]
        stage.view.styles.width = 12
        await pilot.pause()
        assert max(len(words.split()[-1]) for words in stage.shown) <= 8, "eight cells are left for the text"


async def test_the_time_of_a_line_stands_once() -> None:
    """Beside the column of times, a line that begins with the same second is shown without it; another time stays, and so
    does every line as it is without the column."""
    at = 1_767_276_207_045_000_000
    texts = (
        "2026-01-01 14:03:27,045 INFO one",
        "[2026-01-01T15:03:27.1+01:00] two",
        "2026/01/01 14:03:27 three",
        "2026-01-01 14:03:28.045 UTC four",
        "2026-13-01 14:03:27 five",
        "2026-01-01 14:03:27 ",
    )
    stage = Stage(Log([LogLine(at, number, "api", each) for number, each in enumerate(texts)]))
    async with stage.run_test(size=(60, 20)) as pilot:
        stage.view.styles.width = 60
        await pilot.pause()
        assert [line.strip() for line in stage.shown] == [each.strip() for each in texts]
        stage.view.shows_times = True
        stage.view.update()
        shown = ("INFO one", "two", "three", texts[3], texts[4], texts[5].strip())
        assert [line.strip() for line in stage.shown] == [f"14:03:27.045 {each}" for each in shown]


async def test_matches_are_marked_across_rows() -> None:
    """Each part of a match in its row; overlapping ones once, and what is between them in the tone of the line."""
    stage = Stage(log("abcdefgh " + "x" * 25 + " tail"))
    async with stage.run_test(size=(60, 20)) as pilot:
        stage.view.spans = lambda text: [(2, 4), (3, 6), (6, 12), (34, 37), (50, 60)]
        stage.view.update()
        await pilot.pause()
        rows = [[(words, tone) for words, tone in line[2:] if words] for line in stage.lines]
        assert rows == [
            [("ab", ""), ("cd", "match"), ("ef", ""), ("gh", "match")],
            [("xxx", "match"), ("x" * 22, "")],
            [("ta", "match"), ("il", "")],
        ], "a match that begins within another one is passed over"


async def test_an_unwrapped_line_is_moved_by_twenty_columns() -> None:
    """Never further left than its beginning; a wrapped one is not moved."""
    stage = Stage(log("".join(chr(65 + at % 26) for at in range(90))))
    async with stage.run_test(size=(60, 20)) as pilot:
        stage.view.focus()
        await pilot.press("right")
        assert stage.shown[0] == "   " + "".join(chr(65 + at % 26) for at in range(27))
        stage.view.wraps = False
        stage.view.update()
        for key, column in (("left", 0), ("right", 20), ("right", 40), ("left", 20), ("h", 0), ("h", 0)):
            await pilot.press(key)
            assert len(stage.shown) == 1 and stage.shown[0][3:].startswith(chr(65 + column % 26) + chr(65 + (column + 1) % 26))


async def test_a_log_without_lines_says_why() -> None:
    """Wrapped, and no more of it than there is room for."""
    stage = Stage(Log([]), 2)
    async with stage.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert stage.shown == []
        stage.view.empty = "nothing was written here since the pod was started, an hour ago"
        stage.view.update()
        assert stage.shown == [" nothing was written here", " since the pod was started,"]
        assert stage.lines[0] == ((" nothing was written here", "dim"),)
        stage.view.format = str.upper
        stage.view.update(lines=log("text"))
        assert stage.shown == ["   TEXT"]


def test_labels_are_no_wider_than_allowed() -> None:
    """The longest name decides, up to the width; five tones in turn."""
    labels = build_labels(["a-1", "b-22", "c-333/proxy"], 5)
    assert labels == {"a-1": ("1    ", "source-0"), "b-22": ("22   ", "source-1"), "c-333/proxy": ("333/…", "source-2")}
    assert build_labels(["a-1", "b-22"], 9)["a-1"] == ("1 ", "source-0") and build_labels([], 9) == {}
    assert shorten_names(["a-1", "b-1", "c-2"]) == {"a-1": "a-1", "b-1": "b-1", "c-2": "2"}
