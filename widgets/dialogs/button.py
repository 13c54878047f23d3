"""A button of a dialog whose focus is seen without colour: `[ Cancel ]`."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Button
from textual.widgets.button import ButtonVariant


class DialogButton(Button):
    """Brackets stand around the words while it has the focus; it is as wide without them."""

    def __init__(self, words: str, *, id: str, variant: ButtonVariant = "default", disabled: bool = False) -> None:
        super().__init__(_label(words, focused=False), id=id, variant=variant, disabled=disabled, compact=True)
        self._words = words

    def on_focus(self) -> None:
        self.label = _label(self._words, focused=True)

    def on_blur(self) -> None:
        self.label = _label(self._words, focused=False)


def _label(words: str, *, focused: bool) -> Content:
    return Content(f"[ {words} ]" if focused else f"  {words}  ")
