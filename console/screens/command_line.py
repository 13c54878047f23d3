"""The command line at the foot of the screen, and the palette: two ways to run a command."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from console.screens.commands import Entry, filter_entries, list_entries, run_command
from queries.model.text import visible
from widgets.rows import Rows
from widgets.styled_text import Line, fit, text

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp

_DISCOVERED = 12
"""Commands that the palette lists before anything is typed."""


class CommandLine(ModalScreen[str]):
    """Returns the command to run, or an empty string."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", tooltip="Run nothing", id="command.leave"),
        Binding("tab", "complete", "complete", priority=True, tooltip="Complete the command", id="command.complete"),
        Binding("down,ctrl+n", "choose(1)", "next", priority=True, tooltip="Next command", id="command.next"),
        Binding("up,ctrl+p", "choose(-1)", "previous", priority=True, tooltip="Previous command", id="command.previous"),
    ]

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        super().__init__()
        self._entries = entries
        self._choices: Rows[Entry] = Rows(
            key=lambda item: item.text, draw=_render_entry, empty="no such command", id="command-choices"
        )
        self._choices.can_focus = False
        self._moved = False
        """Whether a person moved the cursor since the last character."""

    def compose(self) -> ComposeResult:
        with Vertical(id="command-dialog", classes="dialog"):
            yield self._choices
            yield Input(placeholder="a screen, a panel, a runbook, an action", id="command-input", select_on_focus=False)

    def on_mount(self) -> None:
        self._choices.always_active = True
        self._choices.show(self._entries)
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        self.dismiss("")

    def action_complete(self) -> None:
        entry = self._choices.current
        if entry is not None:
            field = self.query_one(Input)
            field.value = entry.text + (" " if entry.open_ended else "")
            field.cursor_position = len(field.value)

    def action_choose(self, by: int) -> None:
        self._moved = True
        self._choices.action_move(by)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self._moved = False
        self._choices.show(filter_entries(self._entries, event.value))
        self._choices.action_edge(-1)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        typed, entry = event.value.strip(), self._choices.current
        known = any(item.text == typed or (item.open_ended and typed.startswith(item.text + " ")) for item in self._entries)
        has_arguments = entry is None or (" " in typed and "=" in typed)
        self.dismiss(typed if (known and not self._moved) or has_arguments or entry is None else entry.text)

    @on(Rows.Selected)
    def _entry_selected(self, event: Rows.Selected) -> None:
        self.dismiss(event.key)


def _render_entry(item: Entry, width: int) -> Line:
    names = min(40, max(24, width // 2))
    return (text(fit(text(item.text)[0], names) + " ", "strong"), text(item.description, "dim"))


class CommandPaletteProvider(Provider):
    """The same commands in Textual's palette, by fuzzy search."""

    async def discover(self) -> Hits:
        app = cast("ConsoleApp", self.app)
        for entry in list_entries(app)[:_DISCOVERED]:
            yield DiscoveryHit(Content(visible(entry.text)), partial(run_command, app, entry.text), help=entry.description)

    async def search(self, query: str) -> Hits:
        app = cast("ConsoleApp", self.app)
        matcher = self.matcher(query)
        for entry in list_entries(app):
            score = matcher.match(entry.text)
            if score > 0:
                yield Hit(
                    score,
                    Content(visible(entry.text)),
                    partial(run_command, app, entry.text),
                    text=entry.text,
                    help=visible(entry.description),
                )
