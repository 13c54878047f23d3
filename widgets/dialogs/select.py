"""A small dialog to choose one of several options."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key

from widgets.dialogs.dialog import Dialog
from widgets.rows import Rows
from widgets.styled_text import Line, text
from widgets.text_view import TextView


class SelectDialog(Dialog[str]):
    """Returns the key of the chosen row, or an empty string. `choices` are (key, label) pairs; a typed character of `letters`
    chooses its key. The `disabled` keys are shown dimmed and cannot be chosen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", tooltip="Choose nothing", id="pick.leave"),
    ]

    def __init__(
        self,
        title: str,
        choices: tuple[tuple[str, str], ...],
        letters: Mapping[str, str] = MappingProxyType({}),
        *,
        disabled: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self._title = title
        self._letters = letters
        self._disabled = disabled
        self._choices: Rows[tuple[str, str]] = Rows(key=lambda item: item[0], draw=self._line, id="pick-choices")
        self._choices.show(choices)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView(((text(f" {self._title}", "title"),),), classes="caption")
            yield self._choices
            yield TextView((((" enter selects · esc goes back", "dim"),),), classes="caption")

    def on_mount(self) -> None:
        self._choices.focus()

    def on_key(self, event: Key) -> None:
        if event.character and event.character in self._letters:
            event.stop()
            self.dismiss(self._letters[event.character])

    def action_leave(self) -> None:
        self.dismiss("")

    @on(Rows.Selected)
    def _on_selected(self, event: Rows.Selected) -> None:
        if event.key in self._disabled:
            self.app.bell()
        else:
            self.dismiss(event.key)

    def _line(self, item: tuple[str, str], width: int) -> Line:
        return (text(item[1], "dim" if item[0] in self._disabled else ""),)
