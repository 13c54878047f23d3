"""A dialog with a text of several lines that a person reads over and changes before it is kept."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, TextArea

from widgets.dialogs.button import DialogButton
from widgets.styled_text import text
from widgets.text_view import TextView


class EditTextDialog(ModalScreen[str | None]):
    """Gives the text as it stands, or None when it was left. Enter makes a new line; ctrl+s keeps it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", priority=True, tooltip="Keep nothing", id="letter.cancel"),
        Binding("ctrl+s", "keep", "keep", priority=True, tooltip="Keep the text", id="letter.keep"),
        Binding("tab", "app.focus_next", show=False, priority=True, tooltip="To the buttons", id="letter.next"),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True, tooltip="Back", id="letter.before"),
    ]

    def __init__(self, title: str, letter: str, *, verb: str = "Keep") -> None:
        super().__init__()
        self._title = title
        self._letter = letter
        self._verb = verb
        self._complaint = TextView(classes="caption")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView(((text(f" {self._title}", "title"),),), classes="caption")
            yield TextArea(self._letter, id="letter", soft_wrap=True, tab_behavior="focus")
            yield self._complaint
            with Horizontal(classes="buttons"):
                yield TextView((((" esc cancels · tab: the buttons · ctrl+s keeps it", "dim"),),), classes="keys")
                yield DialogButton("Cancel", id="cancel")
                yield DialogButton(self._verb, id="keep", variant="primary")

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#keep")
    def action_keep(self) -> None:
        told = self.query_one(TextArea).text.strip()
        if not told:
            self._complaint.show((((" there is no text yet", "warn"),),))
            return
        self.dismiss(told)
