"""A small dialog that asks for a few values before something is planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from widgets.dialogs.button import DialogButton
from widgets.styled_text import text
from widgets.text_view import TextView


@dataclass(frozen=True, slots=True)
class FormField:
    """One value: its name, what it means, what stands there already, and whether it may stay empty."""

    name: str
    meaning: str
    value: str = ""
    required: bool = True


class FormDialog(ModalScreen[dict[str, str] | None]):
    """Gives the answers by name, or None when it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", tooltip="Ask for nothing", id="form.cancel"),
        Binding("tab,down", "app.focus_next", show=False, tooltip="The next field", id="form.next"),
        Binding("shift+tab,up", "app.focus_previous", show=False, tooltip="The field before", id="form.before"),
    ]

    def __init__(self, title: str, questions: tuple[FormField, ...], *, verb: str = "Continue") -> None:
        super().__init__()
        self._title = title
        self._questions = questions
        self._verb = verb
        self._complaint = TextView((((" ", ""),),), classes="caption")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView(((text(f" {self._title}", "title"),),), classes="caption")
            for at, question in enumerate(self._questions):
                optional = "" if question.required else " (may stay empty)"
                yield TextView(
                    ((text(f" {question.name}", "strong"), text(f"  {question.meaning}{optional}", "dim")),), classes="caption"
                )
                yield Input(question.value, id=f"field-{at}")
            yield self._complaint
            with Horizontal(classes="buttons"):
                yield TextView((((" esc cancels · tab: the next field", "dim"),),), classes="keys")
                yield DialogButton("Cancel", id="cancel")
                yield DialogButton(self._verb, id="go", variant="primary")

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    @on(Button.Pressed, "#go")
    def _finish(self) -> None:
        answers: dict[str, str] = {}
        for at, question in enumerate(self._questions):
            field = self.query_one(f"#field-{at}", Input)
            value = field.value.strip()
            if question.required and not value:
                self._complaint.show((((f" {question.name} is needed", "warn"),),))
                field.focus()
                return
            if value:
                answers[question.name] = value
        self.dismiss(answers)
