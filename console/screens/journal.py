"""What was done with this console, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.checklists.event_words import event_words
from console.journal.event import Event
from console.screens.base import ConsoleScreen, section
from console.screens.view import View
from widgets.line import Line, Span, fit, text, wrap
from widgets.page import Page
from widgets.rows import Rows
from widgets.table import Column, Table
from widgets.words import NO_ANSWER, minute, moment

COLUMNS = (
    Column("when", 12),
    Column("kind", 15, rank=1),
    Column("outcome", 8),
    Column("who", 12, flex=1, rank=2),
    Column("what", 30, flex=5),
)
_TONES = {"done": "ok", "refused": "warn", "failed": "critical", "unknown": "critical"}


class JournalScreen(ConsoleScreen):
    """Read in a thread when the screen opens and every few seconds."""

    TITLE_WORDS = "Journal"
    ABOUT = "Every action with its intent and its outcome, and who owned which alert; append-only, on this machine."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "read_again", "read again", tooltip="Read the journal now", id="journal.again"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = Page(classes="title")
        self._table: Table[Event] = Table(
            COLUMNS, key=lambda item: str(item.sequence), cells=self._cells, empty=NO_ANSWER, id="journal"
        )
        self._table.add_class("grow")
        self._event = Page(id="event")
        self._read_at = 0.0
        self._fault = ""

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._event

    def draw(self, view: View) -> None:
        session = view.session
        fault = self._fault or (session.journal_fault if session else "")
        words: Span = text(f"  {fault}", "critical") if fault else ("", "")
        self._title.show((((" Journal ", "title"), text(f" {view.settings.paths.journal_file}", "dim"), words),))
        if session is not None and session.journal is not None and view.now - self._read_at > 5.0:
            self.action_read_again()
        if session is not None and session.journal is None:
            self._table.show((), empty="there is no journal, and without it nothing is changed")
        self._table.compare()
        self._detail()

    def action_read_again(self) -> None:
        self._read_at = self.view.now if self.view else 0.0
        self.run_worker(self._read(), group="journal", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        session = self.view.session if self.view else None
        journal = session.journal if session else None
        if journal is None:
            return
        try:
            events = await asyncio.get_running_loop().run_in_executor(None, journal.events)
        except Exception as error:  # whatever the store says, it is shown where the events would be
            self._fault = str(error)
            self.redraw()
            return
        self._fault = ""
        self._table.show(tuple(reversed(events[-2000:])), empty="nothing was done yet")
        self.redraw()

    @on(Rows.Moved)
    def _another(self) -> None:
        self._detail()

    def _detail(self) -> None:
        event = self._table.current
        if event is None:
            self._event.show(())
            return
        width = self.size.width
        lines: list[Line] = [section(f"{moment(event.at)}  {event.kind}", width)]
        pairs = [("subject", event.subject), ("author", event.author), ("environment", event.environment)]
        pairs += [(name, str(value)) for name, value in event.data.items()]
        for name, value in pairs[:10]:
            for at, words in enumerate(wrap(text(value)[0], width - 16)[:3]):
                lines.append((text(f" {fit(text(name)[0], 12) if at == 0 else ' ' * 12} ", "dim"), (words, "")))
        self._event.show(tuple(lines))

    def _cells(self, event: Event) -> tuple[Span, ...]:
        now = self.view.now if self.view else event.at
        outcome = str(event.data.get("outcome", ""))
        return (
            (minute(event.at, now=now), "dim"),
            text(event.kind, "accent"),
            text(outcome, _TONES.get(outcome, "")),
            text(event.author, "dim"),
            text(event_sentence(event)),
        )


def event_sentence(event: Event) -> str:
    """`rollback deployment/cad-ml-api: done in 26 s; error ratio 7.8 → 0.4 %`, from whatever the event holds."""
    data = event.data
    if told := event_words(event):
        return told
    what = " ".join(str(data[name]) for name in ("action", "target") if data.get(name))
    parts = [what or str(data.get("title", "")) or str(data.get("name", "")) or event.subject]
    outcome, told = str(data.get("outcome") or ""), str(data.get("text") or "")
    parts += [told] if told.startswith(outcome) else [outcome, told]
    parts.append(str(data.get("comment") or ""))
    return ": ".join(part for part in parts if part)
