"""What was done, newest first, a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeAlias

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.checklists.journal_text import event_words
from console.journal.event import Event
from console.journal.search import SearchHit, SearchPage, SearchQuery, page, parse_wanted
from console.journal.sqlite import Journal, JournalError
from console.journal.unfinished import Unfinished
from console.screens import keys
from console.screens.base import section
from console.screens.filterable_screen import FilterableScreen, FilterField
from console.screens.render_context import RenderContext
from widgets.dialogs.confirm import ConfirmDialog
from widgets.formatting import NO_ANSWER, format_age, format_minute, format_timestamp
from widgets.rows import Rows
from widgets.styled_text import Line, Span, fit, text, wrap
from widgets.table import Column, Table
from widgets.text_view import TextView

COLUMNS = (
    Column("", 1),
    Column("when", 12),
    Column("kind", 15, rank=1),
    Column("outcome", 8),
    Column("who", 12, flex=1, rank=2),
    Column("what", 30, flex=5),
)
UNSHARED = "↑"
LEFT_OUT = "!"
_TONES = {"done": "ok", "refused": "warn", "failed": "critical", "unknown": "critical", "undone": "critical"}
_AGAIN_SECONDS = 1.0
_Key: TypeAlias = tuple[SearchQuery, str, tuple[int, int]]
"""What a page shows: the wish, where it begins, and the journal's version."""


class JournalScreen(FilterableScreen):
    """Reads with a connection and a thread of its own: a slow search holds up nobody who writes."""

    TITLE_WORDS = "Journal"
    ABOUT = (
        "Every action with its intent and its outcome, who owned which alert, walks and incidents; append-only. Beyond the "
        "last row the older page follows, before the first the newer one. / filters: words, kind:alert. by:ann is:unshared; "
        "esc clears it. ↑ marks what is only on this machine yet, though the journal is shared; "
        "! marks what the console ignores, because its time or its data is impossible. e settles an action without an outcome."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.FILTER,
        Binding("o", "older", "older", tooltip="The page of older entries", id="journal.older"),
        Binding("n", "newer", "newer", tooltip="The page of newer entries", id="journal.newer"),
        Binding("u", "read_again", "newest", tooltip="Read the newest page now", id="journal.again"),
        Binding("e", "settle", "settle", tooltip="Say that nobody knows how this action ended", id="journal.settle"),
        Binding("escape", "leave_filter", "clear", show=False, tooltip="Clear the filter, else back", id="journal.clear"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._table: Table[SearchHit] = Table(
            COLUMNS, key=lambda item: item.event.id, cells=self._cells, empty=NO_ANSWER, opens=False, id="journal"
        )
        self._table.add_class("grow")
        self._event = TextView(id="event")
        self._field = FilterField(
            placeholder="words, kind:alert., by:ann, is:unshared", id="journal-filter", classes="field hidden"
        )
        self._wanted = SearchQuery()
        self._page = SearchPage()
        self._before: list[Event] = []
        """Where each page that was turned begins; empty on the newest."""
        self._read_at = 0.0
        self._fault = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-pages")
        self._reader: Journal | None = None
        self._shown: _Key | None = None
        self._edge = 0
        """Where the cursor goes with the next page."""

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._event
        yield self._field

    def on_unmount(self) -> None:
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def draw(self, view: RenderContext) -> None:
        session = view.session
        if session is not None and session.journal is None:
            self._table.show((), empty="there is no journal, and without it nothing is changed")
        elif session is not None and not self._before and view.now - self._read_at >= _AGAIN_SECONDS:
            self._read_at = view.now
            self._look()
        self._title.show((self._words(view),))
        self._table.refresh_changes()
        self._detail()

    def show_worker_error(self, group: str) -> None:
        self._table.show(self._page.entries, empty=self.worker_errors.get(group, NO_ANSWER))
        self.redraw()

    def current_event(self) -> Event | None:
        entry = self._table.current
        return entry.event if entry else None

    # An action without an outcome

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "settle" and self._unfinished() is None:
            return None
        return super().check_action(action, parameters)

    def action_settle(self) -> None:
        if (item := self._unfinished()) is not None:
            self.run_worker(self._settle(item), "settling the action", "settle")

    def _unfinished(self) -> Unfinished | None:
        """The action of this row, where nobody knows how it ended."""
        event, snapshot = self.current_event(), self.view.snapshot if self.view else None
        found = snapshot.unfinished if snapshot and event else ()
        return next((item for item in found if event and item.intent.subject == event.subject), None)

    async def _settle(self, item: Unfinished) -> None:
        view, session = self.view, self.view.session if self.view else None
        if view is None or session is None:
            return
        told = (item.sentence(format_age(max(0.0, view.now - item.intent.at))), item.look(view.settings))
        width = max(16, min(100, self.size.width) - 4)
        lines = [((f" {words}", "warn"),) for part in told for words in wrap(text(part)[0], width)]
        lines.append(((" settled, it is on record as unknown and no longer named", ""),))
        if not await self.app.push_screen_wait(ConfirmDialog(tuple(lines), verb="Settle")):
            return
        try:
            await session.settle_action(item.intent)
        except JournalError as error:
            self.app.notify(f"not settled: {error}", severity="warning", markup=False)

    # Turning pages

    def action_read_again(self) -> None:
        self._before.clear()
        self._look(edge=-1)

    def action_older(self) -> None:
        if self._page.older:
            self._before.append(self._page.entries[-1].event)
            self._look(edge=-1)

    def action_newer(self) -> None:
        if self._before:
            self._before.pop()
            self._look(edge=1)

    @on(Rows.EdgeReached)
    def _beyond(self, event: Rows.EdgeReached) -> None:
        if event.direction > 0:
            self.action_older()
        else:
            self.action_newer()

    def narrow(self, words: str) -> None:
        self._wanted = parse_wanted(words)
        self._before.clear()
        self._look()

    # Reading

    def _look(self, *, edge: int = 0) -> None:
        """Only the last wish is answered; nothing is read where it is shown already and nothing was written since."""
        self._edge = edge or self._edge
        self.run_worker(self._show(), "reading the journal", "journal", exclusive=True)

    async def _show(self) -> None:
        journal = self.view.session.journal if self.view and self.view.session else None
        if journal is None:
            return
        wanted, before = self._wanted, self._before[-1] if self._before else None
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, self._read, str(journal.path), wanted, before, self._shown)
        except (JournalError, OSError) as error:
            self._fault = str(error)
            self.redraw()
            return
        self._fault = ""
        if found is not None:
            self._page, self._shown = found
        self._table.show(
            self._page.entries, empty="nothing matches the filter" if self._field.value else "nothing was done yet"
        )
        if self._edge:
            self._table.action_edge(self._edge)
            self._edge = 0
        self.redraw()

    def _read(self, path: str, wanted: SearchQuery, before: Event | None, shown: _Key | None) -> tuple[SearchPage, _Key] | None:
        """In the thread; None where this is shown already."""
        if self._reader is None:
            self._reader = Journal.open_to_read(path)
        key = (wanted, before.id if before else "", self._reader.version())
        return None if key == shown else (page(self._reader, wanted, before=before), key)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # What is shown

    def _words(self, view: RenderContext) -> Line:
        session = view.session
        fault = self._fault or self.worker_errors.get("journal", "") or (session.journal_trouble if session else "")
        count = f" {len(self._page.entries)}{'+' if self._page.older else ''}"
        if not self._wanted.words and not self._field.value:
            count = f" {len(self._page.entries)} of {self._page.last_sequence}"
        spans: list[Span] = [(" Journal ", "title"), (count, "strong")]
        if self._before:
            spans.append((f" · page {len(self._before) + 1}", "strong"))
        if self._wanted.complaint:
            spans.append(text(f" · {self._wanted.complaint}", "warn"))
        elif self._field.value:
            spans.append(text(f" · filter: {self._field.value}", "accent"))
        left_out = len(view.snapshot.ledger.left_out) if view.snapshot else 0
        if left_out:
            spans.append((f" · {left_out} left out {LEFT_OUT}", "warn"))
        sharing = session.sharing if session else None
        if sharing is not None:
            waits = f", {sharing.waiting} not shared yet {UNSHARED}" if sharing.waiting else ""
            tone = "critical" if sharing.fault else "warn" if sharing.left_out else "dim"
            spans.append(text(f" · shared: {sharing.word}{waits}", tone))
        spans.append(text(f" · {fault}", "critical") if fault else text(f" · {view.settings.paths.journal_file}", "dim"))
        return tuple(spans)

    @on(Rows.Highlighted)
    def _another(self) -> None:
        self._detail()

    def _detail(self) -> None:
        entry = self._table.current
        if entry is None:
            self._event.show(())
            return
        event, width = entry.event, self.size.width
        lines: list[Line] = [section(f"{format_timestamp(event.at)}  {event.kind}", width)]
        pairs = [("subject", event.subject), ("author", event.author), ("environment", event.environment)]
        if why := self._left_out(entry):
            pairs = [("left out", why), *pairs]
        pairs = [("not shared", entry.unshared), *pairs] if entry.unshared else pairs
        pairs += [(name, str(value)) for name, value in event.data.items()]
        for name, value in pairs[:10]:
            for at, words in enumerate(wrap(text(value)[0], width - 16)[:3]):
                told = fit(text(name)[0], 12) if at == 0 else " " * 12
                lines.append(((f" {told} ", "dim"), (words, "")))
        self._event.show(tuple(lines))

    def _left_out(self, entry: SearchHit) -> str:
        """Why the event counts for nothing; empty where it counts."""
        snapshot = self.view.snapshot if self.view else None
        known = snapshot.ledger.left_out.get(entry.event.sequence) if snapshot else None
        return known.why if known else ""

    def _cells(self, entry: SearchHit) -> tuple[Span, ...]:
        event = entry.event
        now = self.view.now if self.view else event.at
        outcome = str(event.data.get("outcome", ""))
        return (
            (LEFT_OUT if self._left_out(entry) else UNSHARED if entry.unshared else "", "warn"),
            (format_minute(event.at, now=now), "dim"),
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
