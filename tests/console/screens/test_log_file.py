"""The page of a log file: its end, searching, only matches, what is written later, and what is no file."""

from __future__ import annotations

from pathlib import Path

import patience
import pytest
from painting import notices_of, text_of
from screen_samples import StillSession, settings, snapshot
from textual.pilot import Pilot

from console.screens.app import ConsoleApp


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.log"
    path.write_text("".join(f"{'ERROR' if number % 100 == 7 else 'INFO'} line {number}\n" for number in range(5000)))
    return path


def console(folder: Path, log: str = "") -> ConsoleApp:
    return ConsoleApp(
        settings(folder), session_factory=lambda given: StillSession(given, snapshot()), ascii_only=False, log=log
    )


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    await patience.until(pilot, lambda: all(word in text_of(app.screen) for word in words), f"{words}")
    return text_of(app.screen)


async def test_a_file_opens_at_its_end_and_follows(file: Path, tmp_path: Path) -> None:
    """`--log FILE` begins there; a line that is written later appears, until a person moves up."""
    app = console(tmp_path, str(file))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "line 4999", "end · 5,000 lines")
        with file.open("a") as written:
            written.write("WARN \x1b[2Jlater\n")
        shown = await until(app, pilot, "5,001 lines", "later")
        assert "\x1b" not in shown
        await pilot.press("home")
        await until(app, pilot, "line 0", "at 1 · 5,001 lines")


def rotate(file: Path, text: str) -> None:
    """Rename the file, and write another one of its name."""
    file.rename(file.with_suffix(".1"))
    file.write_text(text)


async def test_a_rotated_file_is_followed(file: Path, tmp_path: Path) -> None:
    """The new file of the same name at once where its end is followed; elsewhere the lines stay, the title says that another
    file has the name, and f reads it.
    """
    app = console(tmp_path, str(file))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(app, pilot, "end · 5,000 lines")
        rotate(file, "".join(f"INFO again {number}\n" for number in range(100)))
        await until(app, pilot, "INFO again 99", "end · 100 lines")
        await pilot.press("home")
        rotate(file, "after the second rotation\n")
        await until(app, pilot, "replaced: f reads the new file · at 1 · 100 lines", "INFO again 0")
        await pilot.press("f")
        await until(app, pilot, "after the second rotation", "end · 1 line")


async def test_a_search_and_only_matches(file: Path, tmp_path: Path) -> None:
    """`:logs FILE` opens it too; / goes to the last match, N to the one before, m shows only them, esc ends the search."""
    app = console(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await patience.until(pilot, lambda: app.session is not None, "the session")
        await pilot.press("colon", *f"logs {file}", "enter")
        await until(app, pilot, "5,000 lines")
        await pilot.press("slash", *"ERROR", "enter")
        await until(app, pilot, "/ERROR  50 of 50 matches", "ERROR line 4907")
        await pilot.press("N")
        await until(app, pilot, "49 of 50 matches", "ERROR line 4807")
        await pilot.press("m")
        assert "INFO" not in await until(app, pilot, "· 50 lines")
        await pilot.press("escape")
        await until(app, pilot, "5,000 lines", "INFO line")
        await pilot.press("escape")
        await patience.until(pilot, lambda: len(app.screen_stack) == 1, "back")


async def test_the_patterns_of_a_file(file: Path, tmp_path: Path) -> None:
    """a counts all lines by pattern; above the end it compares from the line in view on, [ moves that line, and enter shows
    only the lines of the pattern."""
    with file.open("a") as written:
        written.write("WARN disk nearly full\n")
    app = console(tmp_path, str(file))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "nearly full", "5,001 lines")
        await pilot.press("a")
        shown = await until(app, pilot, "Log patterns", "4,950 lines", "first line 8: ERROR line 7")
        assert "E 50 lines" in shown and "W 1 line " in shown and "from line" not in shown and "pods" not in shown
        await pilot.press("left_square_bracket")
        await until(app, pilot, "from line 4,752 on", "new, 1 line ")
        await pilot.press("escape", "home", *["down"] * 10, "a")
        await until(app, pilot, "from line 11 on", "first line 5,001: WARN disk nearly full")
        await pilot.press("enter")
        await until(app, pilot, "Log file", "/WARN disk nearly full  1 of 1 match · only matches", "· 1 line")
        await pilot.press("escape")
        await until(app, pilot, "5,001 lines", "INFO line")


async def test_the_patterns_of_an_empty_file(tmp_path: Path) -> None:
    """Nothing opens, and a notice says why."""
    (tmp_path / "x.log").touch()
    app = console(tmp_path, str(tmp_path / "x.log"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "the file is empty")
        await pilot.press("a")
        await patience.until(pilot, lambda: "there is no line yet" in notices_of(app), "the notice")


async def test_what_is_no_file_says_so(tmp_path: Path) -> None:
    """With its name, in place of lines."""
    app = console(tmp_path, str(tmp_path / "none.log"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "No such file or directory")
