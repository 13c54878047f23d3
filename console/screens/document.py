"""A text to read and search: an object's YAML, or its description."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.screens import keys
from console.screens.filterable_screen import FilterField
from console.screens.messages import CopyRequested
from console.screens.reading_screen import ReadingScreen
from console.screens.render_context import RenderContext
from queries.concurrency import maybe_offload
from widgets.styled_text import VERDICT_TONES, Line, text, wrap
from widgets.text_view import TextView

_KEY = re.compile(r"^(\s*(?:- )*)([^\s:#'\"][^:]*:)(?=\s|$)")


class DocumentLine(NamedTuple):
    """One line of text from outside, not escaped yet, and its tone."""

    text: str
    tone: str = ""


class DocumentView(TextView):
    """Lines with a mark at those that match a search, also readable without colour."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, focusable=True)
        self.add_class("grow")
        self._matches: frozenset[int] = frozenset()
        self._chosen = -1

    def mark(self, matches: frozenset[int], chosen: int) -> None:
        """Mark these lines, and the chosen one as under a cursor; -1 for none."""
        self._matches, self._chosen = matches, chosen
        self.refresh_changes()

    def line_at(self, index: int, width: int) -> Line:
        sign = "»" if index in self._matches else " "
        return ((sign, "changed"), *super().line_at(index, width))

    def row_tone(self, index: int) -> str:
        return "cursor" if index == self._chosen else ""


class DocumentScreen(ReadingScreen):
    """A subclass fetches the lines; long ones are wrapped, and laid out off the UI loop when there are many."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", key_display="/", tooltip="Search the text; esc ends it", id="document.search"),
        Binding("n", "match(1)", "next", tooltip="Next match", id="document.next"),
        Binding("N", "match(-1)", "previous", show=False, tooltip="Previous match", id="document.previous"),
        Binding("escape", "leave_filter", "back", show=False, tooltip="End the search, else back", id="document.leave"),
        keys.COPY,
    ]

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target
        self._head = TextView(classes="title")
        self._failure = TextView(id="document-failure")
        self._view = DocumentView(id="document")
        self._field = FilterField(placeholder="search", id="document-field", classes="field hidden")
        self._document: tuple[DocumentLine, ...] = ()
        self._folded: tuple[str, ...] = ()
        """For the search: the lines in one case, as read, however long."""
        self._rows: tuple[int, ...] = ()
        """The first row on the screen of each line."""
        self._laid_out = 0
        self._resized = False
        """Whether the next read only lays out what was read before."""
        self._matching: tuple[int, ...] = ()
        self._at = 0

    async def fetch(self) -> tuple[DocumentLine, ...]:
        """Raises SourceError."""
        raise NotImplementedError

    @property
    def document_text(self) -> str:
        """The whole text, as read."""
        return "\n".join(line.text for line in self._document)

    def document_title(self) -> Line:
        return ((f" {self.SCREEN_TITLE} ", "title"), text(self._target, "strong"))

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._failure
        yield self._field
        yield self._view

    def on_mount(self) -> None:
        super().on_mount()
        self._view.focus()

    def draw(self, context: RenderContext) -> None:
        self.read_if_due()
        count: Line = ()
        if self._field.value:
            found = f"{self._at + 1} of {len(self._matching)} matches" if self._matching else "no match"
            count = ((f"  {found}", "warn" if not self._matching else "accent"),)
        self._head.show(((*self.document_title(), *count, *self.state_of_reading()),))
        self._failure.show(self.render_failure(self.width))
        width = self._view.inner_width
        if width and width != self._laid_out and self._document:
            self._resized = True
            self.action_read()

    async def read(self) -> bool:
        fetches = not self._resized
        self._resized = False
        if fetches:
            document = self._document = await self.fetch()
            self._folded = await maybe_offload(lambda: tuple(line.text.casefold() for line in document), len(document))
        await self._lay_out()
        return fetches

    async def _lay_out(self) -> None:
        document = self._document
        self._laid_out = width = self._view.inner_width or self.width
        lines, rows = await maybe_offload(lambda: _lay_out(document, max(12, width - 2)), len(document))
        self._rows = rows
        self._view.show(lines)
        self._search(keep=True)

    def action_search(self) -> None:
        self._field.open()

    async def action_leave_filter(self) -> None:
        if not self._field.clear_to(self._view):
            await self.app.run_action("back")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "match":
            return True if self._matching else None
        return not (action == "search" and self._field.has_focus)

    def why_disabled(self, action: str) -> str:
        return "nothing is searched for, or nothing matches" if action.startswith("match(") else super().why_disabled(action)

    def action_match(self, by: int) -> None:
        if self._matching:
            self._at = (self._at + by) % len(self._matching)
            self._show_match()

    def action_copy(self) -> None:
        if self._document:
            self.post_message(CopyRequested(self.document_text, f"{self.SCREEN_TITLE} of {self._target}"))

    @on(Input.Changed, "FilterField")
    def _search_changed(self) -> None:
        self._search(keep=False)

    @on(Input.Submitted, "FilterField")
    def _search_submitted(self) -> None:
        self._field.keep_to(self._view)

    def _search(self, *, keep: bool) -> None:
        needle = self._field.value.casefold()
        had = bool(self._matching)
        self._matching = tuple(at for at, line in enumerate(self._folded) if needle in line) if needle else ()
        if not keep:
            # From the first line in view on, as in a pager.
            top = self._view.scroll_offset.y
            self._at = next((at for at, line in enumerate(self._matching) if self._rows[line] >= top), 0)
        self._at = min(self._at, max(0, len(self._matching) - 1))
        if had != bool(self._matching):
            self.refresh_bindings()
        self._show_match()

    def _show_match(self) -> None:
        if not self._rows or not self._matching:
            self._view.mark(frozenset(), -1)
        else:
            row = self._rows[self._matching[self._at]]
            self._view.mark(frozenset(self._rows[at] for at in self._matching), row)
            top, height = self._view.scroll_offset.y, self._view.size.height
            if not top <= row < top + height:
                self._view.scroll_to(y=max(0, row - height // 3), animate=False, immediate=True)
        self.redraw()


class YamlScreen(DocumentScreen):
    """The YAML of one object."""

    SCREEN_TITLE = "YAML"
    HELP_TEXT = (
        "The object as kubectl shows it, read when the screen opened; u reads it again. / searches, n and N go through the "
        "matches, m shows managedFields. Data of Secrets and values that look like secrets are never shown: (hidden a1b2c3) "
        "differs when the value differs."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "managed_fields", "managedFields", tooltip="Show or hide managedFields", id="yaml.managed"),
    ]

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._managed = False

    def action_managed_fields(self) -> None:
        self._managed = not self._managed
        self.action_read()

    async def fetch(self) -> tuple[DocumentLine, ...]:
        session = self.context.session if self.context else None
        if session is None:
            return ()
        lines = await session.objects.yaml(self._target, managed_fields=self._managed)
        return tuple(map(DocumentLine, lines))


class DescriptionScreen(DocumentScreen):
    """Everything about one workload, pod or node, what is wrong first."""

    SCREEN_TITLE = "Describe"
    HELP_TEXT = (
        "Everything about one workload, pod or node, in the order in which people ask: what is wrong, state, pods or "
        "containers, events, then how it is set up. Read when the screen opened; u reads it again. / searches, n and N go "
        "through the matches."
    )

    async def fetch(self) -> tuple[DocumentLine, ...]:
        session = self.context.session if self.context else None
        if session is None:
            return ()
        described = await session.objects.describe(self._target)
        return tuple(
            DocumentLine(f"── {item.text}", "title")
            if item.heading
            else DocumentLine(f"  {item.text}", VERDICT_TONES[item.verdict] if item.verdict else "")
            for item in described
        )


def _lay_out(document: tuple[DocumentLine, ...], width: int) -> tuple[tuple[Line, ...], tuple[int, ...]]:
    """The rows on the screen, and the first row of each line."""
    lines: list[Line] = []
    rows: list[int] = []
    for item in document:
        rows.append(len(lines))
        content = text(item.text)[0]
        bare = content.lstrip(" ")
        indent = content[: min(len(content) - len(bare), width // 2)]
        # In the worst case a character takes two cells.
        first, *rest = wrap(bare, width - len(indent) - 2) if len(content) * 2 > width else [bare]
        key = None if item.tone else _KEY.match(first)
        if key is not None:
            lines.append(((indent + key[1], ""), (key[2], "accent"), (first[key.end() :], "")))
        else:
            lines.append(((indent + first, item.tone),))
        lines += [((f"{indent}  {part}", item.tone),) for part in rest]
    return tuple(lines), tuple(rows)
