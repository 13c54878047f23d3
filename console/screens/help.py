"""What `?` shows: the screen in a few sentences and every key that works on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.screens.base import ConsoleScreen, section
from console.screens.render_context import RenderContext
from widgets.footer import DANGEROUS
from widgets.styled_text import Line, fit, text, wrap
from widgets.text_view import TextView


class HelpScreen(ConsoleScreen):
    """Derived from the bindings of the screen that it explains."""

    TITLE_WORDS = "Help"
    ABOUT = "The keys and what they do."
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, about: ConsoleScreen) -> None:
        super().__init__()
        self._about = about
        self._bindings_shown = [active.binding for active in about.active_bindings.values()]
        self._page = TextView(id="help", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def draw(self, view: RenderContext) -> None:
        self._page.show(tuple(self._lines(self.size.width - 1)))

    def _lines(self, width: int) -> Iterable[Line]:
        yield section(self._about.TITLE_WORDS, width)
        for words in wrap(self._about.ABOUT, width - 2):
            yield ((f" {words}", ""),)
        groups: dict[str, list[tuple[str, Binding]]] = {
            "Here": [],
            "Changes something (a preview comes first)": [],
            "Everywhere": [],
        }
        for name, keys, binding in self._keys():
            if binding.group is DANGEROUS:
                groups["Changes something (a preview comes first)"].append((keys, binding))
            elif name.startswith(("app.", "screen.")):
                groups["Everywhere"].append((keys, binding))
            else:
                groups["Here"].append((keys, binding))
        for title, entries in groups.items():
            if entries:
                yield section(title, width)
            for keys, binding in entries:
                for at, words in enumerate(wrap(text(binding.tooltip)[0], width - 36)):
                    # The footer calls the first of the digits by what they all do.
                    told = "Overview" if binding.id == "screen.overview" else binding.description
                    name, does = (fit(keys, 16), fit(told, 17)) if at == 0 else (" " * 16, " " * 17)
                    yield ((f" {name} ", "key"), text(f"{does} ", "strong"), (words, "dim"))
        yield section("Words", width)
        for word, meaning in _WORDS:
            yield ((f" {fit(word, 16)} ", "strong"), (meaning, "dim"))

    def _keys(self) -> Iterable[tuple[str, str, Binding]]:
        """One entry a binding, with all its keys."""
        found: dict[str, tuple[list[str], Binding]] = {}
        for binding in self._bindings_shown:
            if binding.system or not binding.id:
                continue
            keys, _ = found.setdefault(binding.id, ([], binding))
            shown = self.app.get_key_display(binding) if binding.id != "screen.overview" else "1"
            if shown not in keys:
                keys.append(shown)
        for name, (keys, binding) in found.items():
            yield name, " ".join(keys), binding
            if name == "app.command":
                yield "app.palette", "^p", Binding("ctrl+p", "", "palette", tooltip="The same by fuzzy search")


_WORDS = (
    ("no answer yet", "the source never answered"),
    ("NO DATA", "it answered, and there is no such series; the row says why"),
    ("IN DOUBT", "two counts contradict each other, or no such value is possible; the row says which"),
    ("STALE 40s", "the last value, that old"),
    ("PAUSED 40s", "not queried for so long: detached, stopped or suspended"),
    ("DENIED", "the source is there, but not for us"),
    ("0", "zero, and nothing else"),
    ("•", "changed with the last refresh"),
)
