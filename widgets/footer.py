"""The last line: the keys that work here and now, with the dangerous ones apart."""

from __future__ import annotations

from textual.binding import Binding
from textual.screen import Screen

from widgets.line_view import LineView
from widgets.styled_text import Line, Span, spread, width_of

LAST = ("/", ":", "?")
"""Keys that stand last and never give way: from them everything else can be found."""

DANGEROUS = Binding.Group("dangerous")
"""The group of the bindings that change something outside."""


class Footer(LineView):
    """Derived from the bindings of the screen; on a narrow terminal the later ones give way, `?` never does."""

    DEFAULT_CSS = """
    Footer { dock: bottom; height: 1; background: $panel; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._safe: tuple[Span, ...] = ()
        self._danger: tuple[Span, ...] = ()
        self._note = ""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)
        self._read()

    def line_count(self, width: int) -> int:
        return 1

    def line_at(self, index: int, width: int) -> Line:
        right: tuple[Span, ...] = (*_pairs(self._danger), (" ", ""))
        if self._note and width_of(right) + len(self._note) + 20 <= width:
            right = ((f" {self._note} ", "dim"), *right)
        left: tuple[Span, ...] = ()
        room = width - (width_of(right) if width_of(right) < width else 0) - 1
        last: tuple[Span, ...] = _pairs(tuple(item for item in self._safe if item[0] in LAST))
        first = [item for item in self._safe if item[0] not in LAST]
        if width_of((*_pairs(tuple(first)), *last)) > room:
            last = tuple((f" {key}", "key") for key, _ in self._safe if key in LAST)
        for item in first:
            more = (*left, *_pairs((item,)))
            if width_of((*more, *last)) <= room:
                left = more
        left = (*left, *last)
        return spread(left, right if width_of(right) < width else (), width)

    def tell(self, note: str) -> None:
        """Something beside the keys; it gives way where there is no room."""
        if note != self._note:
            self._note = note
            if self.is_mounted:
                self.compare()

    def _bindings_changed(self, screen: Screen[object]) -> None:
        self._read()

    def _read(self) -> None:
        safe: dict[str, Span] = {}
        danger: dict[str, Span] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or not active.enabled:
                continue
            into = danger if binding.group is DANGEROUS else safe
            name = binding.id or binding.action
            if name not in into:
                into[name] = (self.app.get_key_display(binding), binding.description)
        self._safe, self._danger = tuple(safe.values()), tuple(danger.values())
        self.compare()


def _pairs(keys: tuple[Span, ...]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for key, words in keys:
        spans += [(f" {key}", "key"), (f" {words} ", "")]
    return tuple(spans)
