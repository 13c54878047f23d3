"""The checklists of the day: which are due, open or signed, their past walks and what keeps coming back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.checklists.definition import HOURLY, Checklist
from console.checklists.loader import BrokenChecklist, ChecklistNames, Checklists
from console.checklists.run_events import begun, new_id, streaks
from console.journal.errors import JournalError
from console.screens.base import ConsoleScreen, section
from console.screens.checklist_run import ChecklistRunScreen
from console.screens.checklist_run_view import past_lines, tone_of
from console.screens.render_context import RenderContext
from console.state.checklist_runs import BEGUN, ChecklistRun, ChecklistRuns
from queries.model.text import visible
from queries.text.formatting import span
from queries.text.local_time import due_today, hour, local_clock
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, text
from widgets.table import Column, Table
from widgets.text_view import TextView

_LISTS = (
    Column("checklist", 12, flex=2),
    Column("due", 7, rank=2),
    Column("now", 26, flex=3),
    Column("last signed", 26, flex=3, rank=1),
)
_HISTORY = (
    Column("begun", 20, flex=1),
    Column("by", 14, flex=2, rank=2),
    Column("took", 8, rank=1),
    Column("signed", 12, flex=2),
    Column("open", 5, right=True),
)


class ChecklistScreen(ConsoleScreen):
    """Files are read in a thread whenever the screen is opened; everything else comes from the journal."""

    TITLE_WORDS = "Checklists"
    ABOUT = (
        "The checklists with their state, and below them the past walks of the one under the cursor. Enter begins a walk or "
        "takes up the one that is open, also somebody else's. `cad-console doctor` names the folder of a team's own."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "read", "read again", tooltip="Read the files again", id="checklist.read"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._lists: Table[Checklist] = Table(
            _LISTS, key=lambda item: item.name, cells=self._cells, empty=NO_ANSWER, id="checklists"
        )
        self._history: Table[ChecklistRun] = Table(
            _HISTORY, key=lambda item: item.id, cells=self._past_cells, empty="no walk yet", id="past-walks"
        )
        self._history.add_class("grow")
        self._rule = TextView(classes="title")
        self._detail = TextView(id="event")
        self._known: Checklists | None = None

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._lists
        yield self._rule
        yield self._history
        yield self._detail

    def draw(self, view: RenderContext) -> None:
        if self._known is None and view.session is not None and "checklists" not in self.worker_errors:
            self.action_read()
        known = self._known
        broken: tuple[BrokenChecklist, ...] = known.broken if known else ()
        fault = view.session.journal_trouble if view.session else ""
        said: Span = text(f"  no journal, so no walk: {fault}", "critical") if fault else ("", "")
        if broken:
            said = text(f"  BROKEN {broken[0].why}", "warn")
        self._title.show((((" Checklists ", "title"), said),))
        failed = self.worker_errors.get("checklists", "")
        self._lists.show(known.lists if known else (), empty="no checklist can be read" if known else failed or NO_ANSWER)
        self._lists.refresh_changes()
        chosen = self._lists.current
        walks = self._walks()
        self._rule.show((section(f"Past walks of {visible(chosen.title)}" if chosen else "Past walks", self.width),))
        past = tuple(reversed(walks.of(chosen.name))) if chosen else ()
        self._history.show(past, empty="no walk yet; enter begins one")
        self._history.refresh_changes()
        self._detail.show(tuple(self._detail_lines(view, chosen, walks)))

    def action_read(self) -> None:
        if not self.has_worker("checklists"):
            self.run_worker(self._read(), "reading the checklists", "checklists")

    async def _read(self) -> None:
        view = self.view
        if view is None or view.session is None:
            return
        settings = view.settings
        vocabulary = ChecklistNames.configured(settings, view.session.specs, view.session.runbooks)
        loop = asyncio.get_running_loop()
        self._known = await loop.run_in_executor(None, Checklists.load, settings.paths.checklists_dir, vocabulary)
        self.redraw()

    @on(Rows.Selected, "#checklists")
    def _open(self, event: Rows.Selected) -> None:
        checklist = self._known.get(event.key) if self._known else None
        if checklist is not None:
            self.run_worker(self._walk(checklist), "opening the walk", "walk", exclusive=True)

    async def _walk(self, checklist: Checklist) -> None:
        """Take up the walk that is open, or begin one; what is shown as begun is in the journal."""
        view = self.view
        if view is None or view.session is None or view.snapshot is None:
            self._say("nothing is known yet: wait for the first answer")
            return
        walk = self._walks().current(checklist.name, due=checklist.due, now=view.now)
        if walk is None:
            identity = new_id()
            try:
                await view.session.record(BEGUN, identity, begun(checklist))
            except JournalError as error:
                self._say(f"no walk was begun: {error}")
                return
            self.app.push_screen(ChecklistRunScreen(checklist, identity))
            return
        first_open = next((item.id for item in checklist.items if item.id not in walk.answered), "")
        self.app.push_screen(ChecklistRunScreen(checklist, walk.id, at=first_open))

    @on(Rows.Selected, "#past-walks")
    def _reopen(self, event: Rows.Selected) -> None:
        """A walk that is still open is taken up; a past one is read below."""
        checklist = self._lists.current
        walk = self._walks().get(event.key)
        if checklist is not None and walk is not None and not walk.signed:
            self.app.push_screen(ChecklistRunScreen(checklist, walk.id))

    @on(Rows.Highlighted)
    def _another(self) -> None:
        self.redraw()

    @on(Rows.EdgeReached)
    def _over(self, event: Rows.EdgeReached) -> None:
        if event.rows is self._lists and event.direction > 0 and self._history.items:
            self._history.focus()
        elif event.rows is self._history and event.direction < 0:
            self._lists.focus()

    def on_descendant_focus(self) -> None:
        self.redraw()

    def _walks(self) -> ChecklistRuns:
        snapshot = self.view.snapshot if self.view else None
        return snapshot.ledger.walks if snapshot else ChecklistRuns()

    def _cells(self, item: Checklist) -> tuple[Span, ...]:
        now = self.view.now if self.view else 0.0
        walks = self._walks()
        last = next(iter(reversed(walks.signed(item.name))), None)
        signed = last.signed if last else None
        left = f", {len(signed.open)} open" if signed and signed.open else ""
        told = f"{local_clock(signed.at, now=now)} {visible(signed.name)}{left}" if signed else "never"
        return (text(item.title, "strong"), text(item.due or "-", "dim"), self._state(item, walks, now), text(told, "dim"))

    def _state(self, item: Checklist, walks: ChecklistRuns, now: float) -> Span:
        walk = walks.current(item.name, due=item.due, now=now)
        if walk is not None:
            answered = len(walk.answered & {each.id for each in item.items})
            return text(f"open, {answered} of {len(item.items)}, {', '.join(walk.people)}", "warn")
        signed = next((each.signed for each in reversed(walks.signed(item.name)) if each.signed), None)
        due = _due_at(item, now)
        if due is None:
            return ("", "")
        if signed is not None and signed.at >= due:
            return ("done", "ok")
        if now < due:
            return (f"due in {span(due - now)}", "dim")
        return (f"due since {local_clock(due, now=now)}", "warn")

    def _past_cells(self, walk: ChecklistRun) -> tuple[Span, ...]:
        now = self.view.now if self.view else walk.begun_at
        signature, took = walk.signed, walk.took
        about = "" if took is None or took.measured else "~"
        return (
            text(local_clock(walk.begun_at, now=now)),
            text(", ".join(walk.people), "dim"),
            (f"{about}{span(took.seconds)}" if took else "", "dim"),
            text(signature.name) if signature else ("not signed", "warn"),
            (str(len(signature.open)) if signature else "-", "warn" if signature and signature.open else "dim"),
        )

    def _detail_lines(self, view: RenderContext, checklist: Checklist | None, walks: ChecklistRuns) -> Iterable[Line]:
        if checklist is None:
            return
        titles = {item.id: item.title for item in checklist.items}
        walk = self._history.current
        if walk is not None and self._history.has_focus:
            older = [each for each in walks.signed(checklist.name) if each.begun_at < walk.begun_at]
            yield section(f"Walk of {local_clock(walk.begun_at, now=view.now)}, beside the one before", self.width)
            yield from past_lines(walk, older[-1] if older else None, titles, view.now, self.width)
            return
        found = streaks(walks, checklist)
        if found:
            yield section("Again and again", self.width)
        for streak in found:
            more = "" if streak.whole else "at least "
            words = f" {visible(titles.get(streak.item, streak.item))}: in {more}{streak.walks} walks in a row"
            yield (
                (f" {streak.verdict.word}", tone_of(streak.verdict)),
                (words, ""),
                (f", since {local_clock(streak.since, now=view.now)}", "dim"),
            )

    def _say(self, words: str) -> None:
        self.app.notify(words, markup=False, severity="warning", timeout=8)


def _due_at(item: Checklist, now: float) -> float | None:
    """Since when it is wanted: its time today, or the beginning of this hour."""
    return hour(now) if item.due == HOURLY else due_today(item.due, now)
