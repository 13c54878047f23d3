"""What `?` shows: what the screen is for, and every key that works on it."""

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
    """Derived from the active bindings of the screen it explains."""

    SCREEN_TITLE = "Help"
    HELP_TEXT = "The keys and what they do."
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, explained: ConsoleScreen) -> None:
        super().__init__()
        self._explained = explained
        actives = explained.active_bindings.values()
        self._active = [active.binding for active in actives]
        self._reasons = {
            active.binding.id: explained.disabled_reason(active.binding.action) or "not possible now"
            for active in actives
            if not active.enabled
        }
        self._page = TextView(id="help", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def draw(self, context: RenderContext) -> None:
        self._page.show(tuple(self._lines(self.size.width - 1)))

    def _lines(self, width: int) -> Iterable[Line]:
        yield section(self._explained.SCREEN_TITLE, width)
        for part in wrap(self._explained.HELP_TEXT, width - 2):
            yield ((f" {part}", ""),)
        groups: dict[str, list[tuple[str, Binding]]] = {
            "Here": [],
            "Changes something (with a preview first)": [],
            "Everywhere": [],
        }
        for name, keys, binding in self._keys():
            if binding.group is DANGEROUS:
                groups["Changes something (with a preview first)"].append((keys, binding))
            elif name.startswith(("app.", "screen.")):
                groups["Everywhere"].append((keys, binding))
            else:
                groups["Here"].append((keys, binding))
        for title, entries in groups.items():
            if entries:
                yield section(title, width)
            for keys, binding in entries:
                reason = self._reasons.get(binding.id, "")
                tooltip = f"{binding.tooltip} (not now: {reason})" if reason else binding.tooltip
                for at, part in enumerate(wrap(text(tooltip)[0], width - 36)):
                    # In the footer, `1` stands for all digits.
                    label = "Overview" if binding.id == "screen.overview" else binding.description
                    name, label_column = (fit(keys, 16), fit(label, 17)) if at == 0 else (" " * 16, " " * 17)
                    tones = ("dim", "dim") if reason else ("key", "strong")
                    yield ((f" {name} ", tones[0]), text(f"{label_column} ", tones[1]), (part, "dim"))
        yield section("Vocabulary", width)
        for term, meaning in _VOCABULARY:
            yield ((f" {fit(term, 16)} ", "strong"), (meaning, "dim"))

    def _keys(self) -> Iterable[tuple[str, str, Binding]]:
        """One entry per binding, with all its keys."""
        bindings: dict[str, tuple[list[str], Binding]] = {}
        for binding in self._active:
            if binding.system or not binding.id:
                continue
            keys, _ = bindings.setdefault(binding.id, ([], binding))
            shown = self.app.get_key_display(binding) if binding.id != "screen.overview" else "1"
            if shown not in keys:
                keys.append(shown)
        for name, (keys, binding) in bindings.items():
            yield name, " ".join(keys), binding
            if name == "app.command":
                yield "app.palette", "^p", Binding("ctrl+p", "", "palette", tooltip="The same by fuzzy search")


_VOCABULARY = (
    ("no answer yet", "the source has not responded so far"),
    ("AS OF 03:12:00Z", "a past moment is shown; f4 or `:live` returns to now"),
    ("NOT KNOWN THEN", "nothing keeps what this source said at that moment"),
    ("NO DATA", "the source responded without this series; the row says why"),
    ("IN DOUBT", "two counts contradict each other, or the value is impossible; the row says which"),
    ("STALE 40s", "the last value and its age"),
    ("PAUSED 40s", "not polled for this long: detached, stopped or suspended"),
    ("DENIED", "the source refuses access"),
    ("0", "a real zero, never missing data"),
    ("•", "changed with the last refresh"),
)
