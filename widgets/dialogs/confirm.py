"""The dialog before a change: its preview and checks, with Cancel focused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input

from widgets.dialogs.button import DialogButton
from widgets.dialogs.dialog import Dialog
from widgets.styled_text import Line, text, wrap
from widgets.text_view import TextView


def wrap_sentences(sentences: Iterable[str], columns: int, *, tone: str = "warn") -> tuple[Line, ...]:
    """The lines of these sentences in the dialog, on a screen of so many columns."""
    width = max(16, min(100, columns) - 5)
    return tuple(((f" {part}", tone),) for sentence in sentences for part in wrap(text(sentence)[0], width))


class ConfirmDialog(Dialog[bool]):
    """Returns True only when a person pressed the verb and typed `confirm_word`, if one is required.

    Without a `verb` there is nothing to confirm: the dialog only shows why not.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", tooltip="Change nothing", id="dialog.cancel"),
        Binding("left,shift+tab", "app.focus_previous", show=False, tooltip="The previous control", id="dialog.before"),
        Binding("right,tab", "app.focus_next", show=False, tooltip="The next control", id="dialog.next"),
    ]

    def __init__(self, lines: tuple[Line, ...], *, verb: str, confirm_word: str = "", cancel: str = "Cancel") -> None:
        super().__init__()
        self._lines = lines
        self._verb = verb
        self._confirm_word = confirm_word if verb else ""
        self._cancel = cancel
        self._warning = TextView(classes="moved")

    def warn(self, lines: tuple[Line, ...]) -> None:
        """Show above the preview what happened since; the preview stays as it was."""
        if lines != self._warning.lines:
            self._warning.show(lines)
            self._fit()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -danger"):
            yield self._warning
            yield TextView(self._lines, id="preview", focusable=False)
            yield from self._confirm_word_input()
            with Horizontal(classes="buttons"):
                hint = " esc changes nothing" + (" · tab moves on" if self._verb else "")
                yield TextView((((hint, "dim"),),), classes="keys")
                yield DialogButton(self._cancel, id="cancel")
                if self._verb:
                    yield DialogButton(self._verb, id="confirm", disabled=bool(self._confirm_word), variant="warning")

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()

    def on_resize(self, event: events.Resize) -> None:
        self._fit()

    def _fit(self) -> None:
        """A long preview scrolls; the buttons are always visible."""
        below = (6 if self._confirm_word else 4) + len(self._warning.lines)
        self.query_one("#preview", TextView).styles.max_height = max(1, self.size.height - below)

    def on_key(self, event: events.Key) -> None:
        """Typing goes to the confirmation field, wherever the focus is; enter stays with Cancel."""
        if self._confirm_word and event.is_printable and event.character and not isinstance(self.focused, Input):
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

    def _confirm_word_input(self) -> Iterable[TextView | Input]:
        if self._confirm_word:
            words: Line = ((" type ", ""), (self._confirm_word, "strong"), (" to confirm:", ""))
            yield TextView((words,), classes="caption")
            yield Input(id="typed", select_on_focus=False)

    @on(Input.Changed, "#typed")
    def _check_confirm_word(self, event: Input.Changed) -> None:
        self.query_one("#confirm", Button).disabled = event.value != self._confirm_word

    @on(Input.Submitted, "#typed")
    def _on_submit(self, event: Input.Submitted) -> None:
        if event.value == self._confirm_word:
            self.query_one("#confirm", Button).focus()

    @on(Button.Pressed, "#cancel")
    def _on_cancel(self) -> None:
        self.dismiss(False)

    @on(Button.Pressed, "#confirm")
    def _on_confirm(self) -> None:
        typed = not self._confirm_word or self.query_one("#typed", Input).value == self._confirm_word
        if typed:
            self.dismiss(True)
