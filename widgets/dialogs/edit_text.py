"""A dialog to edit a text of several lines."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, TextArea

from widgets.dialogs.button import DialogButton
from widgets.dialogs.dialog import Dialog
from widgets.styled_text import text
from widgets.text_view import TextView


class EditTextDialog(Dialog[str | None]):
    """Returns the text, or None when cancelled. Enter inserts a new line; ctrl+s keeps the text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", priority=True, tooltip="Discard the text", id="letter.cancel"),
        Binding("ctrl+s", "keep", "keep", priority=True, tooltip="Keep the text", id="letter.keep"),
        Binding("tab", "app.focus_next", show=False, priority=True, tooltip="To the buttons", id="letter.next"),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True, tooltip="Back", id="letter.before"),
    ]

    def __init__(self, title: str, text: str, *, verb: str = "Keep") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._verb = verb
        self._error = TextView(classes="caption")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView(((text(f" {self._title}", "title"),),), classes="caption")
            yield TextArea(self._text, id="letter", soft_wrap=True, tab_behavior="focus")
            yield self._error
            with Horizontal(classes="buttons"):
                yield TextView((((" esc cancels · tab: buttons · ctrl+s keeps the text", "dim"),),), classes="keys")
                yield DialogButton("Cancel", id="cancel")
                yield DialogButton(self._verb, id="keep", variant="primary")

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _on_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#keep")
    def action_keep(self) -> None:
        content = self.query_one(TextArea).text.strip()
        if not content:
            self._error.show((((" the text is empty", "warn"),),))
            return
        self.dismiss(content)
