"""A small dialog to choose one of several options."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from widgets.rows import Rows
from widgets.styled_text import Line, text
from widgets.text_view import TextView


class SelectDialog(ModalScreen[str]):
    """Returns the key of the chosen row, or an empty string. `choices` are (key, label) pairs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", tooltip="Choose nothing", id="pick.leave"),
    ]

    def __init__(self, title: str, choices: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._title = title
        self._choices: Rows[tuple[str, str]] = Rows(key=lambda item: item[0], draw=_line, id="pick-choices")
        self._choices.show(choices)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView(((text(f" {self._title}", "title"),),), classes="caption")
            yield self._choices
            yield TextView((((" enter selects · esc goes back", "dim"),),), classes="caption")

    def on_mount(self) -> None:
        self._choices.focus()

    def action_leave(self) -> None:
        self.dismiss("")

    @on(Rows.Selected)
    def _on_selected(self, event: Rows.Selected) -> None:
        self.dismiss(event.key)


def _line(item: tuple[str, str], width: int) -> Line:
    return (text(item[1]),)
