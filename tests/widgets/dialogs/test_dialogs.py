"""Dialogs at the keyboard: what each returns, and what it says before it returns anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from painting import text_of
from screen_samples import tracked
from textual.app import App
from textual.screen import Screen
from textual.widgets import Button, Input, TextArea

from queries.model.alert import TrackedAlert
from queries.model.matcher import Matcher
from widgets.dialogs.columns import ColumnsDialog
from widgets.dialogs.confirm import ConfirmDialog
from widgets.dialogs.edit_text import EditTextDialog
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.select import SelectDialog
from widgets.dialogs.silence import SilenceDialog, SilenceForm
from widgets.table import Arrangement

OPEN = "still open"
STYLES = Path(__file__).resolve().parents[3] / "console" / "screens" / "details.tcss"


class Stage(App[None]):
    """A dialog over an empty screen; `answer` is what it returned."""

    CSS_PATH = STYLES

    def __init__(self, dialog: Screen[Any]) -> None:
        super().__init__()
        self.dialog = dialog
        self.answer: Any = OPEN
        self.rung = 0

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self._keep)

    def _keep(self, answer: Any) -> None:
        self.answer = answer

    def bell(self) -> None:
        self.rung += 1

    def lines(self) -> list[str]:
        return [line.strip("│") for line in str(text_of(self.screen)).split("\n")]


async def answer_of(dialog: Screen[Any], *keys: str) -> Any:
    stage = Stage(dialog)
    async with stage.run_test(size=(80, 24)) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        return stage.answer


CHOICES = (("a", "first"), ("b", "second"), ("c", "third"))


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (("enter",), "a"),
        (("down", "down", "enter"), "c"),
        (("escape",), ""),
        (("x",), "b"),
        (("y",), OPEN),
        (("down", "enter"), OPEN),
    ],
)
async def test_one_of_several_is_chosen(keys: tuple[str, ...], answer: str) -> None:
    """By the cursor or by its letter; escape chooses nothing, and neither does what cannot be chosen."""
    disabled = frozenset({"b"})
    assert await answer_of(SelectDialog("Which?", CHOICES, {"x": "b"}, disabled=disabled), *keys) == answer


async def test_what_cannot_be_chosen_is_dimmed_and_rings() -> None:
    """The title and every choice are shown."""
    stage = Stage(SelectDialog("Which?", CHOICES, disabled=frozenset({"b"})))
    async with stage.run_test(size=(40, 12)) as pilot:
        await pilot.press("down", "enter")
        assert stage.rung == 1 and stage.answer == OPEN
        assert [line.strip() for line in stage.lines() if line.strip()][1:5] == ["Which?", "first", "›second", "third"]
        await pilot.press("up", "enter")
        assert stage.answer == "a" and stage.rung == 1


LABELS = ("name", "age", "node")


@pytest.mark.parametrize(
    ("keys", "hidden", "order", "descending"),
    [
        ((), "", "", False),
        (("space",), "name", "", False),
        (("space", "space"), "", "", False),
        (("space", "down", "space", "down", "space"), "name,age", "", False),
        (("enter",), "", "name", False),
        (("enter", "enter"), "", "name", True),
        (("enter", "enter", "enter"), "", "name", False),
        (("enter", "enter", "down", "enter"), "", "age", False),
        (("enter", "down", "space", "r"), "", "", False),
    ],
)
async def test_the_columns_of_a_table(keys: tuple[str, ...], hidden: str, order: str, descending: bool) -> None:
    """Space hides and shows, but the last one stays; enter sorts and then reverses, another column begins forwards; `r` is the
    usual table."""
    expected = Arrangement(order, descending, frozenset(filter(None, hidden.split(","))))
    assert await answer_of(ColumnsDialog(LABELS, Arrangement()), *keys, "escape") == expected


async def test_each_column_shows_how_it_is() -> None:
    """Shown or hidden, sorted or reversed, as soon as it changes."""
    stage = Stage(ColumnsDialog(LABELS, Arrangement("age", True, frozenset({"node"}))))
    async with stage.run_test(size=(80, 12)) as pilot:
        await pilot.pause()
        rows = [line.strip().split("  ")[0] + "|" + line[25:].strip() for line in stage.lines() if "[" in line]
        assert rows == ["›[x] name|", "[x] age|↓ sorted, reversed", "[ ] node|"]
        await pilot.press("down", "enter", "down", "space")
        rows = [line.strip().split("  ")[0] + "|" + line[25:].strip() for line in stage.lines() if "[" in line]
        assert rows == ["[x] name|", "[x] age|↑ sorted", "›[x] node|"]
        await pilot.press("r")
        assert not any("sorted" in line for line in stage.lines() if "[" in line)


FIELDS = (FormField("replicas", "how many", "3"), FormField("note", "why", required=False))


async def test_a_form_returns_what_was_typed() -> None:
    """Without blanks around it; an optional field that is empty is left out, and escape or Cancel returns nothing."""
    assert await answer_of(FormDialog("Scale", FIELDS), "end", "1", "enter") == {"replicas": "31"}
    assert await answer_of(FormDialog("Scale", FIELDS), "tab", "space", "x", "space", "enter") == {"replicas": "3", "note": "x"}
    assert await answer_of(FormDialog("Scale", FIELDS), "down", "y", "up", "end", "0", "enter") == {
        "replicas": "30",
        "note": "y",
    }
    assert await answer_of(FormDialog("Scale", FIELDS), "escape") is None
    assert await answer_of(FormDialog("Scale", FIELDS), "tab", "tab", "enter") is None, "Cancel comes first"
    assert await answer_of(FormDialog("Scale", FIELDS, verb="Go"), "tab", "tab", "tab", "enter") == {"replicas": "3"}


async def test_a_required_field_is_asked_for() -> None:
    """The field that is missing has the focus, and the form says which."""
    stage = Stage(FormDialog("Scale", (FIELDS[1], FIELDS[0]), verb="Go"))
    async with stage.run_test(size=(60, 16)) as pilot:
        await pilot.press("tab", "end", "backspace", "shift+tab", "enter")
        await pilot.pause()
        assert stage.answer == OPEN and isinstance(stage.focused, Input) and stage.focused.value == ""
        shown = "\n".join(stage.lines())
        assert "replicas is required" in shown and "note  why (optional)" in shown and "how many (optional)" not in shown
        assert "Go" in shown and " Scale" in shown
        await pilot.press("5", "enter")
        assert stage.answer == {"replicas": "5"}


async def test_a_text_is_edited() -> None:
    """The cursor begins at its end; enter is a new line, ctrl+s keeps it, escape discards it, and an empty one is not kept."""
    assert await answer_of(EditTextDialog("Note", "one"), "x", "enter", "y", "ctrl+s") == "onex\ny"
    assert await answer_of(EditTextDialog("Note", "one"), "x", "escape") is None
    assert await answer_of(EditTextDialog("Note", "one"), "x", "tab", "enter") is None
    assert await answer_of(EditTextDialog("Note", "one"), "x", "tab", "tab", "enter") == "onex"
    assert await answer_of(EditTextDialog("Note", "one"), "tab", "shift+tab", "z", "ctrl+s") == "onez"
    stage = Stage(EditTextDialog("Note", "  ", verb="Send"))
    async with stage.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+s")
        await pilot.pause()
        shown = "\n".join(stage.lines())
        assert stage.answer == OPEN and "the text is empty" in shown and "Send" in shown and " Note" in shown
        stage.screen.query_one(TextArea).text = "a"
        await pilot.press("ctrl+s")
        assert stage.answer == "a"


LINES = tuple(((f"line {at}", ""),) for at in range(30))


async def test_a_change_is_confirmed_only_by_its_button() -> None:
    """Cancel has the focus: enter changes nothing, escape neither; the next button is the change."""
    assert await answer_of(ConfirmDialog(LINES[:2], verb="Delete"), "enter") is False
    assert await answer_of(ConfirmDialog(LINES[:2], verb="Delete"), "escape") is False
    assert await answer_of(ConfirmDialog(LINES[:2], verb="Delete"), "tab", "enter") is True
    assert await answer_of(ConfirmDialog(LINES[:2], verb="Delete"), "right", "left", "enter") is False
    assert await answer_of(ConfirmDialog(LINES[:2], verb="", confirm_word="api", cancel="Close"), "tab", "enter") is False
    stage = Stage(ConfirmDialog(LINES[:2], verb="", confirm_word="api", cancel="Close"))
    async with stage.run_test(size=(60, 16)) as pilot:
        await pilot.pause()
        shown = "\n".join(stage.lines())
        assert "[ Close ]" in shown and not stage.screen.query(Input) and len(stage.screen.query(Button)) == 1
        assert "esc changes nothing" in shown and "tab moves on" not in shown


async def test_a_dangerous_change_is_typed_first() -> None:
    """Typing goes to the field, wherever the focus is; until the word is there the button cannot be pressed, with it enter goes
    to the button, and only that confirms."""
    stage = Stage(ConfirmDialog(LINES[:2], verb="Delete", confirm_word="api"))
    async with stage.run_test(size=(80, 16)) as pilot:
        await pilot.pause()
        button, typed = stage.screen.query_one("#confirm", Button), stage.screen.query_one("#typed", Input)
        assert (
            button.disabled and "type api to confirm" in "\n".join(stage.lines()) and "tab moves on" in "\n".join(stage.lines())
        )
        await pilot.press("a", "p")
        assert typed.value == "ap" and stage.focused is typed and button.disabled
        await pilot.press("enter")
        assert stage.focused is typed and stage.answer == OPEN
        await pilot.press("i")
        assert not button.disabled
        await pilot.press("x")
        assert button.disabled, "more than the word is not the word"
        await pilot.press("backspace", "enter")
        assert stage.focused is button and stage.answer == OPEN
        await pilot.press("enter")
        assert stage.answer is True
    assert await answer_of(ConfirmDialog(LINES[:2], verb="Delete", confirm_word="api"), "a", "p", "i", "escape") is False
    assert await answer_of(ConfirmDialog(LINES[:2], verb="Delete", confirm_word="api"), "enter") is False


@pytest.mark.parametrize(("word", "warned", "room"), [("", 0, 12), ("api", 0, 10), ("", 2, 10), ("api", 1, 9)])
async def test_a_long_preview_scrolls_and_the_buttons_stay(word: str, warned: int, room: int) -> None:
    """The keys scroll it also while a button has the focus; what happened since stands above it."""
    dialog = ConfirmDialog(LINES, verb="Delete", confirm_word=word)
    stage = Stage(dialog)
    async with stage.run_test(size=(60, 16)) as pilot:
        dialog.warn(tuple(((f"warning {at}", "warn"),) for at in range(warned)))
        await pilot.pause()
        await pilot.pause()
        shown = "\n".join(stage.lines())
        assert "[ Cancel ]" in shown and shown.count("line ") == room and shown.count("warning") == warned
        assert "line 0" in shown and (not warned or shown.index("warning") < shown.index("line 0"))
        await pilot.press("down", "pagedown", "pagedown", "up")
        await pilot.pause()
        assert dialog.query_one("#preview").scroll_offset.y == 2
        assert "[ Cancel ]" in "\n".join(stage.lines())


ALERTS = tuple(tracked(f"Alert{at}", "warning", minutes=at + 1) for at in range(7))


def matching(count: int) -> Any:
    def matches(matchers: tuple[Matcher, ...]) -> tuple[TrackedAlert, ...]:
        assert matchers
        return ALERTS[:count]

    return matches


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "matches no current alert"),
        (1, "would match 1 alert now"),
        (2, "would match 2 alerts now"),
        (5, "would match 5 alerts"),
        (6, "and 1 more"),
    ],
)
async def test_a_silence_shows_what_it_would_match(count: int, said: str) -> None:
    """Up to five alerts by name, and how many there are besides."""
    stage = Stage(SilenceDialog(SilenceForm("a=b", "2h", ""), matches=matching(count)))
    async with stage.run_test(size=(80, 30)) as pilot:
        await pilot.pause()
        shown = "\n".join(stage.lines())
        assert said in shown and shown.count("WARN Alert") == min(count, 5) and ("more" in shown) is (count > 5)
        assert stage.focused is not None and stage.focused.id == "comment", "an alert gave the matchers"


@pytest.mark.parametrize(
    ("form", "said", "field"),
    [
        (SilenceForm("", "2h", "why"), "at least one matcher is required", "matchers"),
        (SilenceForm("a=", "nonsense", ""), "expected a duration", "duration"),
        (SilenceForm("a=b", "0", "why"), "expected a duration", "duration"),
        (SilenceForm("a=b", "500ms", "why"), "expected a duration", "duration"),
        (SilenceForm("a=b", "2h", "  "), "a comment is required", "comment"),
    ],
)
async def test_a_silence_that_is_not_complete_says_what_is_missing(form: SilenceForm, said: str, field: str) -> None:
    """And goes to the field."""
    stage = Stage(SilenceDialog(form, matches=matching(1)))
    async with stage.run_test(size=(110, 30)) as pilot:
        await pilot.pause()
        stage.screen.query_one("#matchers", Input).focus()
        await pilot.press("enter")
        await pilot.pause()
        assert stage.answer == OPEN and stage.focused is not None and stage.focused.id == field
        assert said in "\n".join(stage.lines())


async def test_a_silence_is_returned_as_typed() -> None:
    """Without blanks around its fields, at least a second long; cancelled it is none. Matchers that cannot be read say why, and
    none at all say so; a new silence begins with its matchers."""
    form = SilenceForm("a=b ", " 1s", " why ")
    assert await answer_of(SilenceDialog(form, matches=matching(1)), "enter") == SilenceForm("a=b", "1s", "why")
    assert await answer_of(SilenceDialog(form, matches=matching(1)), "escape") is None
    assert await answer_of(SilenceDialog(form, matches=matching(1)), "tab", "enter") is None
    assert await answer_of(SilenceDialog(form, matches=matching(1)), "tab", "tab", "enter") == SilenceForm("a=b", "1s", "why")
    stage = Stage(SilenceDialog(SilenceForm("", "2h", ""), matches=matching(3), editing=True, duration_hint="from noon"))
    async with stage.run_test(size=(80, 30)) as pilot:
        await pilot.pause()
        shown = "\n".join(stage.lines())
        assert "no matcher yet" in shown and "Edit the silence" in shown and "from noon" in shown
        assert stage.focused is not None and stage.focused.id == "matchers"
        await pilot.press("a", "~")
        await pilot.pause()
        assert "would match" not in "\n".join(stage.lines()) and "no matcher yet" not in "\n".join(stage.lines())
        await pilot.press("enter")
        assert stage.answer == OPEN and stage.focused.id == "matchers"
        await pilot.press("backspace", "=", "b")
        await pilot.pause()
        assert "would match 3 alerts now" in "\n".join(stage.lines())


async def test_the_button_with_the_focus_is_seen_without_colour() -> None:
    """It has brackets, and no other has; nothing moves when they come and go."""
    stage = Stage(ConfirmDialog(LINES[:1], verb="Delete"))
    async with stage.run_test(size=(60, 16)) as pilot:
        await pilot.pause()
        first = next(line for line in stage.lines() if "Delete" in line)
        await pilot.press("tab")
        second = next(line for line in stage.lines() if "Delete" in line)
        assert "[ Cancel ]" in first and "[ Delete ]" not in first
        assert "[ Delete ]" in second and "[ Cancel ]" not in second
        assert first.index("Delete") == second.index("Delete") and first.index("Cancel") == second.index("Cancel")
