"""A dialog button whose focus is visible without colour: `[ Cancel ]`."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Button
from textual.widgets.button import ButtonVariant


class DialogButton(Button):
    """Shows its label in brackets while focused; its width does not change."""

    def __init__(self, label: str, *, id: str, variant: ButtonVariant = "default", disabled: bool = False) -> None:
        super().__init__(_label(label, focused=False), id=id, variant=variant, disabled=disabled, compact=True)
        self._text = label

    def on_focus(self) -> None:
        self.label = _label(self._text, focused=True)

    def on_blur(self) -> None:
        self.label = _label(self._text, focused=False)


def _label(label: str, *, focused: bool) -> Content:
    return Content(f"[ {label} ]" if focused else f"  {label}  ")
