"""The last line: the keys that work now, with the dangerous ones at the right."""

from __future__ import annotations

from textual.binding import Binding
from textual.screen import Screen

from widgets.line_view import LineView
from widgets.styled_text import Line, Span, spread, width_of

PINNED_KEYS = ("/", ":", "?")
"""Keys that come last and are never dropped: they lead to everything else."""

DANGEROUS = Binding.Group("dangerous")
"""The group of bindings that change something outside the console."""


class Footer(LineView):
    """Derived from the screen's active bindings; on a narrow terminal the later ones are dropped, the pinned ones never."""

    DEFAULT_CSS = """
    Footer { dock: bottom; height: 1; background: $panel; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: tuple[Span, ...] = ()
        self._dangerous_keys: tuple[Span, ...] = ()
        self._note = ""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)
        self._update_keys()

    def line_count(self, width: int) -> int:
        return 1

    def line_at(self, index: int, width: int) -> Line:
        right: tuple[Span, ...] = (*_format_keys(self._dangerous_keys), (" ", ""))
        if self._note and width_of(right) + len(self._note) + 20 <= width:
            right = ((f" {self._note} ", "dim"), *right)
        left: tuple[Span, ...] = ()
        room = width - (width_of(right) if width_of(right) < width else 0) - 1
        last: tuple[Span, ...] = _format_keys(tuple(item for item in self._keys if item[0] in PINNED_KEYS))
        first = [item for item in self._keys if item[0] not in PINNED_KEYS]
        if width_of((*_format_keys(tuple(first)), *last)) > room:
            last = tuple((f" {key}", "key") for key, _ in self._keys if key in PINNED_KEYS)
        for item in first:
            more = (*left, *_format_keys((item,)))
            if width_of((*more, *last)) <= room:
                left = more
        left = (*left, *last)
        return spread(left, right if width_of(right) < width else (), width)

    def show_note(self, note: str) -> None:
        """Show a note beside the keys; it is dropped when there is no room."""
        if note != self._note:
            self._note = note
            if self.is_mounted:
                self.refresh_changes()

    def _bindings_changed(self, screen: Screen[object]) -> None:
        self._update_keys()

    def _update_keys(self) -> None:
        keys: dict[str, Span] = {}
        dangerous: dict[str, Span] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or not active.enabled:
                continue
            into = dangerous if binding.group is DANGEROUS else keys
            name = binding.id or binding.action
            if name not in into:
                into[name] = (self.app.get_key_display(binding), binding.description)
        self._keys, self._dangerous_keys = tuple(keys.values()), tuple(dangerous.values())
        self.refresh_changes()


def _format_keys(keys: tuple[Span, ...]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for key, label in keys:
        spans += [(f" {key}", "key"), (f" {label} ", "")]
    return tuple(spans)
