"""The dialog before something is changed: what would happen, what was checked, and Cancel under the finger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from widgets.dialogs.button import DialogButton
from widgets.styled_text import Line
from widgets.text_view import TextView


class ConfirmDialog(ModalScreen[bool]):
    """Gives True only when a person chose the verb, and typed `confirm_word` where one is asked for.

    Without a `verb` there is nothing to confirm: the dialog only shows why not, and closes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", tooltip="Change nothing", id="dialog.cancel"),
        Binding("left,shift+tab", "app.focus_previous", show=False, tooltip="The control before", id="dialog.before"),
        Binding("right,tab", "app.focus_next", show=False, tooltip="The next control", id="dialog.next"),
    ]

    def __init__(self, lines: tuple[Line, ...], *, verb: str, confirm_word: str = "", cancel: str = "Cancel") -> None:
        super().__init__()
        self._lines = lines
        self._verb = verb
        self._word = confirm_word if verb else ""
        self._cancel = cancel

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -danger"):
            yield TextView(self._lines, id="preview", focusable=False)
            yield from self._typed()
            with Horizontal(classes="buttons"):
                told = " esc changes nothing" + (" · tab: the other button" if self._verb else "")
                yield TextView((((told, "dim"),),), classes="keys")
                yield DialogButton(self._cancel, id="cancel")
                if self._verb:
                    yield DialogButton(self._verb, id="confirm", disabled=bool(self._word), variant="warning")

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()

    def on_resize(self) -> None:
        """The preview scrolls where it is too long; the buttons are always there."""
        below = 6 if self._word else 4
        self.query_one("#preview", TextView).styles.max_height = max(1, self.size.height - below)

    def on_key(self, event: events.Key) -> None:
        """Typing goes to the confirmation, wherever the focus is; Cancel keeps the enter key."""
        if self._word and event.is_printable and event.character and not isinstance(self.focused, Input):
            field = self.query_one("#typed", Input)
            field.focus()
            field.value += event.character
            field.cursor_position = len(field.value)
            event.stop()
        elif event.key in ("pageup", "pagedown", "up", "down"):
            page = self.query_one("#preview", TextView)
            (page.scroll_up if event.key in ("pageup", "up") else page.scroll_down)(animate=False)

    def action_cancel(self) -> None:
        self.dismiss(False)

    def _typed(self) -> Iterable[TextView | Input]:
        if self._word:
            words: Line = ((" type ", ""), (self._word, "strong"), (" to confirm:", ""))
            yield TextView((words,), classes="caption")
            yield Input(id="typed", select_on_focus=False)

    @on(Input.Changed, "#typed")
    def _compare(self, event: Input.Changed) -> None:
        self.query_one("#confirm", Button).disabled = event.value != self._word

    @on(Input.Submitted, "#typed")
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value == self._word:
            self.query_one("#confirm", Button).focus()

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(False)

    @on(Button.Pressed, "#confirm")
    def _confirmed(self) -> None:
        typed = not self._word or self.query_one("#typed", Input).value == self._word
        if typed:
            self.dismiss(True)
