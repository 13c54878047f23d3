"""The journal: everything that was done, newest first, a page at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ClassVar, TypeAlias

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.search import SearchHit, SearchPage, SearchQuery, parse_query, search
from console.journal.sqlite import Journal
from console.journal.unfinished import Unfinished
from console.screens.base import section
from console.screens.filterable_screen import FilterableScreen
from console.screens.render_context import RenderContext
from console.state.journal_text import event_text
from queries.text.durations import format_age
from queries.text.times import format_minute, format_moment
from widgets.column_widths import Column
from widgets.dialogs.confirm import ConfirmDialog, wrap_sentences
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, fit, text, wrap
from widgets.table import Table
from widgets.text_view import TextView

COLUMNS = (
    Column("", 1),
    Column("when", 16),
    Column("kind", 15, rank=1),
    Column("outcome", 8),
    Column("who", 12, flex=1, rank=2),
    Column("what", 30, flex=5),
)
LOCAL_MARK = "↑"
IGNORED_MARK = "!"
_TONES = {
    "done": "ok", "refused": "warn", "failed": "critical", "unknown": "critical", "undone": "critical",
    "rolled back": "warn", "rollback failed": "critical", "begun": "dim",
}  # fmt: skip
_REFRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 0.5
"""A read that takes longer is shown."""
_Key: TypeAlias = tuple[SearchQuery, str, tuple[int, int]]
"""What a page shows: the query, where it starts, and the journal's version."""


class JournalScreen(FilterableScreen):
    """Reads with its own connection and thread: a slow search delays no writer."""

    SCREEN_TITLE = "Journal"
    HELP_TEXT = (
        "Every action with its intent and outcome, acknowledgements, checklist runs and incidents; append-only. The cursor "
        "turns to the older page beyond the last row, to the newer one before the first. / filters: words, kind:alert. by:ann "
        "is:unshared; esc clears it. ↑ marks what is not shared yet; ! marks what the console ignores, because its time or "
        "its data is impossible. e settles an action without an outcome."
    )
    FILTER_HINT = "words, kind:alert., by:ann, is:unshared"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "older", "older", tooltip="Older entries", id="journal.older"),
        Binding("n", "newer", "newer", tooltip="Newer entries", id="journal.newer"),
        Binding("u", "fetch_newest", "newest", tooltip="Go to the newest entries", id="journal.again"),
        Binding("e", "settle", "settle", tooltip="Record that the outcome is unknown", id="journal.settle"),
        Binding("escape", "leave_filter", "back", tooltip="Clear the filter, else back", id="journal.clear"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._table: Table[SearchHit] = Table(
            COLUMNS,
            key=lambda item: item.event.id,
            cells=self._cells,
            empty=NO_ANSWER,
            opens=False,
            sortable=False,
            id="journal",
        )
        self._table.add_class("grow")
        self._event = TextView(id="event")
        self._query = SearchQuery()
        self._page = SearchPage()
        self._page_starts: list[Event] = []
        """The first event before each page that was turned; empty on the newest page."""
        self._read_at = 0.0
        self._reading_since: float | None = None
        """On the monotonic clock, in seconds."""
        self._error = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-pages")
        self._reader: Journal | None = None
        self._page_key: _Key | None = None
        self._edge = 0
        """Where the cursor goes on the next page: -1 to the first row, 1 to the last."""

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._event
        yield self._field

    def on_unmount(self) -> None:
        if self._reader is not None:  # the program ends when its threads have ended
            self._reader.interrupt()
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def draw(self, context: RenderContext) -> None:
        session = context.session
        if session is not None and session.journal is None:
            self._table.show((), empty="there is no journal; without it nothing can be changed")
        elif session is not None and self._is_due(context.now):
            self._read_at = context.now
            self._request_page()
        self._title.show((self._render_title(context),))
        self._table.refresh_changes()
        self._draw_event()

    def show_worker_error(self, group: str) -> None:
        self._table.show(self._page.entries, empty=self.worker_errors.get(group, NO_ANSWER))
        self.redraw()

    def current_event(self) -> Event | None:
        entry = self._table.current
        return entry.event if entry else None

    # An action without an outcome

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "settle" and self._current_unfinished() is None:
            return None
        return super().check_action(action, parameters)

    def why_disabled(self, action: str) -> str:
        return "the outcome of this entry is known" if action == "settle" else super().why_disabled(action)

    def action_settle(self) -> None:
        if (item := self._current_unfinished()) is not None:
            self.run_worker(self._settle(item), "settling the action", "settle")

    def _current_unfinished(self) -> Unfinished | None:
        """The action of the current row, if its outcome is unknown."""
        event, snapshot = self.current_event(), self.context.snapshot if self.context else None
        unfinished = snapshot.unfinished if snapshot and event else ()
        return next((item for item in unfinished if event and item.intent.subject == event.subject), None)

    async def _settle(self, item: Unfinished) -> None:
        context, session = self.context, self.context.session if self.context else None
        if context is None or session is None:
            return
        sentences = (item.sentence(format_age(max(0.0, context.now - item.intent.at))), item.inspection_hint(context.settings))
        lines = wrap_sentences(sentences, self.size.width)
        end = wrap_sentences(("once settled, it is recorded as unknown and no longer reported",), self.size.width, tone="")
        if not await self.app.push_screen_wait(ConfirmDialog((*lines, *end), verb="Settle")):
            return
        try:
            await session.settle_action(item.intent)
        except JournalError as error:
            self.show_notice(f"not settled: {error}", warning=True)

    # Pages

    def action_fetch_newest(self) -> None:
        self._page_starts.clear()
        self._request_page(edge=-1)

    def action_older(self) -> None:
        if self._page.older:
            self._page_starts.append(self._page.entries[-1].event)
            self._request_page(edge=-1)

    def action_newer(self) -> None:
        if self._page_starts:
            self._page_starts.pop()
            self._request_page(edge=1)

    @on(Rows.EdgeReached)
    def _edge_reached(self, event: Rows.EdgeReached) -> None:
        if event.direction > 0:
            self.action_older()
        else:
            self.action_newer()

    def forget_moment(self) -> None:
        self._read_at = 0.0
        self._page_starts.clear()

    def apply_filter(self, text: str) -> None:
        self._query = parse_query(text)
        self._page_starts.clear()
        self._request_page()

    # Reading

    def _is_due(self, now: float) -> bool:
        """Whether to read the newest page again: not while a search is at it, which may take longer than a second."""
        return not self._page_starts and now - self._read_at >= _REFRESH_SECONDS and not self.has_worker("journal")

    def _request_page(self, *, edge: int = 0) -> None:
        """Only the last request is answered; nothing is read if the page is shown and the journal is unchanged."""
        self._edge = edge or self._edge
        if self._reader is not None and self.has_worker("journal"):
            self._reader.interrupt()
        self._reading_since = time.monotonic()
        self.set_timer(_PATIENCE_SECONDS, self._show_patience)
        self.run_worker(self._show(), "reading the journal", "journal", exclusive=True)

    def _show_patience(self) -> None:
        if self._is_slow():
            self.redraw()

    def _is_slow(self) -> bool:
        return self._reading_since is not None and time.monotonic() - self._reading_since >= _PATIENCE_SECONDS

    async def _show(self) -> None:
        journal = self.context.session.journal if self.context and self.context.session else None
        if journal is None:
            return
        query, before = self._query, self._page_starts[-1] if self._page_starts else None
        if self.context is not None and self.context.as_of is not None:
            query = replace(query, until=self.context.as_of.moment)
        loop = asyncio.get_running_loop()
        try:
            page_and_key = await loop.run_in_executor(
                self._thread, self._read, str(journal.path), query, before, self._page_key
            )
        except (JournalError, OSError) as error:
            self._error, self._reading_since = str(error), None
            self.redraw()
            return
        self._error, self._reading_since = "", None
        if page_and_key is not None:
            self._page, self._page_key = page_and_key
        self._table.show(
            self._page.entries, empty="nothing matches the filter" if self._field.value else "the journal is empty"
        )
        if self._edge:
            self._table.action_edge(self._edge)
            self._edge = 0
        self.redraw()

    def _read(
        self, path: str, query: SearchQuery, before: Event | None, shown_key: _Key | None
    ) -> tuple[SearchPage, _Key] | None:
        """Read a page in the thread; None if it is shown already."""
        if self._reader is None:
            self._reader = Journal.open_to_read(path)
        key = (query, before.id if before else "", self._reader.change_counts())
        return None if key == shown_key else (search(self._reader, query, before=before), key)

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Rendering

    def _render_title(self, context: RenderContext) -> Line:
        session = context.session
        error = self._error or self.worker_errors.get("journal", "") or (session.journal_error if session else "")
        count = f" {len(self._page.entries)}{'+' if self._page.older else ''}"
        if not self._query.words and not self._field.value and context.as_of is None:
            count = f" {len(self._page.entries)} of {self._page.last_sequence}"
        spans: list[Span] = [(" Journal ", "title"), (count, "strong")]
        if self._page_starts:
            spans.append((f" · page {len(self._page_starts) + 1}", "strong"))
        if self._query.complaint:
            spans.append(text(f" · {self._query.complaint}", "warn"))
        elif self._field.value:
            spans.append(text(f" · filter: {self._field.value}", "accent"))
        if self._is_slow():
            spans.append((" · searching …" if self._field.value else " · reading …", "dim"))
        left_out = len(context.snapshot.ledger.left_out) if context.snapshot else 0
        if left_out:
            spans.append((f" · {left_out} ignored {IGNORED_MARK}", "warn"))
        sync = session.sharing if session else None
        if sync is not None:
            waiting = f", {sync.waiting} not shared yet {LOCAL_MARK}" if sync.waiting else ""
            tone = "critical" if sync.fault else "warn" if sync.left_out else "dim"
            spans.append(text(f" · shared: {sync.word}{waiting}", tone))
        spans.append(text(f" · {error}", "critical") if error else text(f" · {context.settings.paths.journal_file}", "dim"))
        return tuple(spans)

    @on(Rows.Highlighted)
    def _row_highlighted(self) -> None:
        self._draw_event()

    def _draw_event(self) -> None:
        entry = self._table.current
        if entry is None:
            self._event.show(())
            return
        event, width = entry.event, self.size.width
        lines: list[Line] = [section(f"{format_moment(event.at)}  {event.kind}", width)]
        pairs = [("subject", event.subject), ("author", event.author), ("environment", event.environment)]
        if reason := self._ignored_reason(entry):
            pairs = [("ignored", reason), *pairs]
        pairs = [("not shared", entry.unshared), *pairs] if entry.unshared else pairs
        pairs += [(name, str(value)) for name, value in event.data.items()]
        names = min(20, max(12, *(len(text(name)[0]) for name, _ in pairs[:10])))
        for name, value in pairs[:10]:
            for at, part in enumerate(wrap(text(value)[0], width - names - 4)[:3]):
                label = fit(text(name)[0] if at == 0 else "", names)
                lines.append(((f" {label} ", "dim"), (part, "")))
        self._event.show(tuple(lines))

    def _ignored_reason(self, entry: SearchHit) -> str:
        """Why the console ignores the event; empty if it does not."""
        snapshot = self.context.snapshot if self.context else None
        ignored = snapshot.ledger.left_out.get(entry.event.sequence) if snapshot else None
        return ignored.why if ignored else ""

    def _cells(self, entry: SearchHit) -> tuple[Span, ...]:
        event = entry.event
        now = self.context.now if self.context else event.at
        outcome = str(event.data.get("outcome", ""))
        return (
            (IGNORED_MARK if self._ignored_reason(entry) else LOCAL_MARK if entry.unshared else "", "warn"),
            (format_minute(event.at, now=now), "dim"),
            text(event.kind, "accent"),
            text(outcome, _TONES.get(outcome, "")),
            text(event.author, "dim"),
            text(event_text(event)),
        )
