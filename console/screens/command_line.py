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
from textual.widgets import Input

from console.screens.commands import Entry, run_command
from console.screens.completion import Completion
from console.screens.worker_errors import ReportsWorkerErrors
from queries.concurrency import maybe_offload
from queries.model.text import visible
from widgets.dialogs.dialog import Dialog
from widgets.rows import Rows
from widgets.styled_text import Line, fit, text

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp

_DISCOVERED = 12
"""Commands that the palette lists before anything is typed."""


class CommandLine(ReportsWorkerErrors, Dialog[str]):
    """Returns the command to run, or an empty string."""

    TAKES_TYPE_AHEAD = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", tooltip="Run nothing", id="command.leave"),
        Binding("tab", "complete", "complete", priority=True, tooltip="Complete the command", id="command.complete"),
        Binding("down,ctrl+n", "choose(1)", "next", priority=True, tooltip="Next command", id="command.next"),
        Binding("up,ctrl+p", "choose(-1)", "previous", priority=True, tooltip="Previous command", id="command.previous"),
    ]

    def __init__(self, completion: Completion) -> None:
        super().__init__()
        self._completion = completion
        self._choices: Rows[Entry] = Rows(
            key=lambda item: item.text, draw=_render_entry, empty="no such command", id="command-choices"
        )
        self._choices.can_focus = False
        self._shown_for: str | None = None
        """The text that the choices complete; None while they are computed."""
        self._entered = False
        """Whether a person pressed enter before the choices for the text were there."""
        self._moved = False
        """Whether a person moved the cursor since the last character."""

    def compose(self) -> ComposeResult:
        with Vertical(id="command-dialog", classes="dialog"):
            yield self._choices
            yield Input(
                placeholder="a command: tab completes, a space lists what may follow", id="command-input", select_on_focus=False
            )

    def on_mount(self) -> None:
        self._choices.always_active = True
        self._show("", self._completion.complete(""))
        self.set_focus(self.query_one(Input))
        cast("ConsoleApp", self.app).release_typed()

    def action_leave(self) -> None:
        self.dismiss("")

    def action_complete(self) -> None:
        entry = self._choices.current
        if entry is not None and self._shown_for is not None:
            self._set_text(entry.text + (" " if entry.open_ended and not entry.text.endswith("=") else ""))

    def action_choose(self, by: int) -> None:
        self._moved = True
        self._choices.action_move(by)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._moved, self._entered, self._shown_for = False, False, None
        self.run_worker(partial(self._complete, event.value), "completing the command", "completion", exclusive=True)

    async def _complete(self, typed: str) -> None:
        """Of a large cluster in a thread: with 10,000 workloads a key press would wait."""
        self._show(typed, await maybe_offload(partial(self._completion.complete, typed), self._completion.size))
        if self._entered:
            self._run_chosen()

    def _show(self, typed: str, entries: tuple[Entry, ...]) -> None:
        self._choices.show(entries, empty="enter runs it" if self._completion.is_complete(typed) else "no such command")
        self._choices.action_edge(-1)
        self._shown_for = typed

    def show_worker_error(self, group: str) -> None:
        self._choices.show((), empty=self.worker_errors.get(group, ""))
        self._shown_for = self.query_one(Input).value

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if self._shown_for == event.value:
            self._run_chosen()
        else:
            self._entered = True

    def _run_chosen(self) -> None:
        """What was typed if that is a whole command, else the entry under the cursor; one that needs more is completed."""
        typed, entry = self.query_one(Input).value.strip(), self._choices.current
        if entry is None or (not self._moved and self._completion.is_complete(typed)):
            self.dismiss(typed)
        elif self._completion.is_complete(entry.text):
            self.dismiss(entry.text)
        else:
            self.action_complete()

    @on(Rows.Selected)
    def _entry_selected(self, event: Rows.Selected) -> None:
        self._moved = True
        self._run_chosen()

    def _set_text(self, value: str) -> None:
        field = self.query_one(Input)
        field.value = value
        field.cursor_position = len(value)


def _render_entry(item: Entry, width: int) -> Line:
    names = min(40, max(24, width // 2))
    return (text(fit(text(item.text)[0], names) + " ", "strong"), text(item.description, "dim"))


class CommandPaletteProvider(Provider):
    """The same commands in Textual's palette."""

    async def startup(self) -> None:
        app = cast("ConsoleApp", self.app)
        self._completion = Completion(app.context, app.history.texts, dict(app.settings.aliases))

    async def discover(self) -> Hits:
        app = cast("ConsoleApp", self.app)
        for entry in self._completion.complete("")[:_DISCOVERED]:
            yield DiscoveryHit(Content(visible(entry.text)), partial(run_command, app, entry.text), help=entry.description)

    async def search(self, query: str) -> Hits:
        app = cast("ConsoleApp", self.app)
        found = await maybe_offload(partial(self._completion.complete, query), self._completion.size)
        for at, entry in enumerate(found):
            yield Hit(
                1.0 / (1 + at),
                Content(visible(entry.text)),
                partial(run_command, app, entry.text),
                text=entry.text,
                help=visible(entry.description),
            )
