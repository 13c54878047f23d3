"""The command line at the foot of the screen: type, complete with tab, run with enter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from console.screens.commands import ScreenCommand, fitting
from widgets.rows import Rows
from widgets.styled_text import Line, fit, text


class CommandLine(ModalScreen[str]):
    """Gives the words to run, empty when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", tooltip="Run nothing", id="command.leave"),
        Binding("tab", "complete", "complete", priority=True, tooltip="Complete to the chosen name", id="command.complete"),
        Binding("down,ctrl+n", "choose(1)", "next", priority=True, tooltip="The next name", id="command.next"),
        Binding("up,ctrl+p", "choose(-1)", "previous", priority=True, tooltip="The name before", id="command.previous"),
    ]

    def __init__(self, found: tuple[ScreenCommand, ...]) -> None:
        super().__init__()
        self._found = found
        self._choices: Rows[ScreenCommand] = Rows(
            key=lambda item: item.words, draw=_line, empty="no such command", id="command-choices"
        )
        self._choices.can_focus = False
        self._chosen = False

    def compose(self) -> ComposeResult:
        with Vertical(id="command-dialog", classes="dialog"):
            yield self._choices
            yield Input(placeholder="a screen, a panel, a runbook, an action", id="command-input", select_on_focus=False)

    def on_mount(self) -> None:
        self._choices.always_active = True
        self._choices.show(self._found)
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        self.dismiss("")

    def action_complete(self) -> None:
        chosen = self._choices.current
        if chosen is not None:
            self._put(chosen)

    def action_choose(self, by: int) -> None:
        self._chosen = True
        self._choices.action_move(by)

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        self._chosen = False
        self._choices.show(fitting(self._found, event.value))
        self._choices.action_edge(-1)

    @on(Input.Submitted)
    def _run(self, event: Input.Submitted) -> None:
        typed, chosen = event.value.strip(), self._choices.current
        known = any(item.words == typed or (item.open_ended and typed.startswith(item.words + " ")) for item in self._found)
        with_more = chosen is None or (" " in typed and "=" in typed)
        self.dismiss(typed if (known and not self._chosen) or with_more or chosen is None else chosen.words)

    @on(Rows.Selected)
    def _picked(self, event: Rows.Selected) -> None:
        self.dismiss(event.key)

    def _put(self, chosen: ScreenCommand) -> None:
        field = self.query_one(Input)
        field.value = chosen.words + (" " if chosen.open_ended else "")
        field.cursor_position = len(field.value)


def _line(item: ScreenCommand, width: int) -> Line:
    names = min(40, max(24, width // 2))
    return (text(fit(text(item.words)[0], names) + " ", "strong"), text(item.meaning, "dim"))
