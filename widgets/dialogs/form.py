"""A small dialog that asks for a few values before an action is planned."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input

from queries.model.frozen import dataclass
from widgets.dialogs.button import DialogButton
from widgets.dialogs.dialog import Dialog
from widgets.styled_text import text
from widgets.text_view import TextView


@dataclass(frozen=True, slots=True)
class FormField:
    """One value: its name and description, its initial value, and whether it is required."""

    name: str
    description: str
    value: str = ""
    required: bool = True


class FormDialog(Dialog[dict[str, str] | None]):
    """Returns the values by name, or None when cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", tooltip="Close without doing anything", id="form.cancel"),
        Binding("tab,down", "app.focus_next", show=False, tooltip="The next field", id="form.next"),
        Binding("shift+tab,up", "app.focus_previous", show=False, tooltip="The previous field", id="form.before"),
    ]

    def __init__(self, title: str, fields: tuple[FormField, ...], *, verb: str = "Continue") -> None:
        super().__init__()
        self._title = title
        self._fields = fields
        self._verb = verb
        self._error = TextView((((" ", ""),),), classes="caption")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield TextView(((text(f" {self._title}", "title"),),), classes="caption")
            for at, item in enumerate(self._fields):
                optional = "" if item.required else " (optional)"
                yield TextView(
                    ((text(f" {item.name}", "strong"), text(f"  {item.description}{optional}", "dim")),), classes="caption"
                )
                yield Input(item.value, id=f"field-{at}")
            yield self._error
            with Horizontal(classes="buttons"):
                yield TextView((((" esc cancels · tab: next field", "dim"),),), classes="keys")
                yield DialogButton("Cancel", id="cancel")
                yield DialogButton(self._verb, id="go", variant="primary")

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _on_cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    @on(Button.Pressed, "#go")
    def _submit(self) -> None:
        answers: dict[str, str] = {}
        for at, item in enumerate(self._fields):
            field = self.query_one(f"#field-{at}", Input)
            value = field.value.strip()
            if item.required and not value:
                self._error.show((((f" {item.name} is required", "warn"),),))
                field.focus()
                return
            if value:
                answers[item.name] = value
        self.dismiss(answers)
