"""The last line: the keys of the screen, grey where they cannot work now, with the dangerous ones at the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.binding import Binding
from textual.events import Click
from textual.screen import Screen

from widgets.line_view import LineView
from widgets.styled_text import Line, Span, width_of

PINNED_KEYS = ("/", ":", "?", "esc", "q")
"""Keys that come last and are never dropped: they lead to everything else, and back."""

DANGEROUS = Binding.Group("dangerous")
"""The group of bindings that change something outside the console."""


class _Key(NamedTuple):
    """`shown` is how the key is written, `key` its name for Textual."""

    shown: str
    label: str
    key: str
    enabled: bool


class Footer(LineView):
    """Derived from the screen's active bindings; where not all have room the grey ones are left out, then the later ones, the
    pinned ones never. A click on a key presses it.
    """

    DEFAULT_CSS = """
    Footer { dock: bottom; height: 1; background: $panel; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: tuple[_Key, ...] = ()
        self._dangerous_keys: tuple[_Key, ...] = ()
        self._note = ""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)
        self._update_keys()

    def line_count(self, width: int) -> int:
        return 1

    def line_at(self, index: int, width: int) -> Line:
        return tuple(span for _, spans in self._lay_out(width) for span in spans)

    async def on_click(self, event: Click) -> None:
        """Press the key under the pointer."""
        at = 0
        for key, spans in self._lay_out(self.inner_width):
            at += width_of(spans)
            if event.x < at:
                if key is not None:
                    event.stop()
                    self.app.simulate_key(key.key)
                return

    def show_note(self, note: str) -> None:
        """Show a note beside the keys; it is dropped when there is no room."""
        if note != self._note:
            self._note = note
            if self.is_mounted:
                self.refresh_changes()

    def _lay_out(self, width: int) -> list[tuple[_Key | None, Line]]:
        """The pieces of the line from left to right, each with the key that it shows."""
        keys: Sequence[_Key] = self._keys
        right = self._lay_out_right(self._dangerous_keys, width)
        if _width([(item, _format(item)) for item in keys]) + _width(right) + 1 > width:
            keys = [item for item in keys if item.enabled or item.shown in PINNED_KEYS]
            right = self._lay_out_right([item for item in self._dangerous_keys if item.enabled], width)
        if _width(right) >= width:
            right = []
        size = _width(right)
        room = width - size - 1
        others = [item for item in keys if item.shown not in PINNED_KEYS]
        found = [item for item in keys if item.shown in PINNED_KEYS]
        pinned = sorted(found, key=lambda item: PINNED_KEYS.index(item.shown))
        last = [(item, _format(item)) for item in pinned]
        if _width([(item, _format(item)) for item in others]) + _width(last) > room:
            last = [(item, _format(item)[:1]) for item in pinned]
        left: list[tuple[_Key | None, Line]] = []
        for item in others:
            if _width(left) + width_of(_format(item)) + _width(last) <= room:
                left.append((item, _format(item)))
        left += last
        gap = max(0, width - _width(left) - size)
        return [*left, (None, ((" " * gap, ""),)), *right]

    def _lay_out_right(self, dangerous: Sequence[_Key], width: int) -> list[tuple[_Key | None, Line]]:
        right: list[tuple[_Key | None, Line]] = [(item, _format(item)) for item in dangerous]
        right.append((None, ((" ", ""),)))
        if self._note and _width(right) + len(self._note) + 20 <= width:
            right.insert(0, (None, ((f" {self._note} ", "dim"),)))
        return right

    def _bindings_changed(self, screen: Screen[object]) -> None:
        self._update_keys()

    def _update_keys(self) -> None:
        keys: dict[str, _Key] = {}
        dangerous: dict[str, _Key] = {}
        for key, active in self.screen.active_bindings.items():
            binding = active.binding
            if binding.show:
                into = dangerous if binding.group is DANGEROUS else keys
                shown = _Key(self.app.get_key_display(binding), binding.description, key, active.enabled)
                into.setdefault(binding.id or binding.action, shown)
        if (tuple(keys.values()), tuple(dangerous.values())) != (self._keys, self._dangerous_keys):
            self._keys, self._dangerous_keys = tuple(keys.values()), tuple(dangerous.values())
            self.refresh_changes()


def _format(item: _Key) -> tuple[Span, ...]:
    tones = ("key", "") if item.enabled else ("dim", "dim")
    return ((f" {item.shown}", tones[0]), (f" {item.label} ", tones[1]))


def _width(pieces: Sequence[tuple[_Key | None, Line]]) -> int:
    return sum(width_of(spans) for _, spans in pieces)
