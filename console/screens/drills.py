"""Game day: the drills that can be run, the one that runs, and what the newest ones measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.drills.report import format_drill, time_row
from console.journal.payloads import DrillTime
from console.screens.base import ConsoleScreen, section
from console.screens.document import DocumentLine, DocumentScreen
from console.screens.messages import DrillRequested, OpenDrillReportRequested, StopDrillRequested
from console.screens.render_context import RenderContext
from console.state.drills import CHANGED, GOALS, MET, MISSED, ROLLED_BACK, DrillRecord
from console.state.guards import is_abandoned
from queries.catalogue.drills import Drill
from queries.text.durations import format_age, format_duration
from queries.text.times import format_clock, format_minute
from widgets.column_widths import Column
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, cut, text, wrap
from widgets.table import Table
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.drills.run import DrillStatus

_COLUMNS = (
    Column("drill", 15),
    Column("what it does", 30, flex=3),
    Column("limit", 6, right=True),
    Column("rolled back by", 20, flex=2, rank=1),
)
_RESULT_TONES = {MET: "ok", MISSED: "critical", ROLLED_BACK: "ok", CHANGED: "ok"}


class DrillsModel:
    """What the flow and the page share: the drill that this console runs, or ran last; None before the first."""

    def __init__(self) -> None:
        self.status: DrillStatus | None = None
        self.text = ""
        """Its newest report."""
        self.running = False


class DrillsScreen(ConsoleScreen):
    """The drill that runs comes first, then the catalogue, then the newest reports."""

    SCREEN_TITLE = "Game day"
    HELP_TEXT = (
        "Drills break something on purpose in an environment that is not protected: enter runs the one under the cursor, after "
        "its preview, which names what rolls it back and when. s rolls it back at once; when this console ends, the next one "
        "on this host does. The times to detect, acknowledge and recover are what this console saw, each with its source; a "
        "dash means that it was not observed, and says why. r opens the newest report, :drill N that of drill N."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop_drill", "roll back", tooltip="Roll back the fault of the running drill now", id="drill.stop"),
        Binding("r", "report", "report", tooltip="The report of the newest drill", id="drill.report"),
    ]

    def __init__(self, model: DrillsModel) -> None:
        super().__init__()
        self._model = model
        self._head = TextView(classes="title")
        self._now = TextView(id="drill-now")
        self._table: Table[Drill] = Table(
            _COLUMNS, key=lambda item: item.id, cells=_cells, empty=NO_ANSWER, id="drills", sortable=False
        )
        self._past = TextView(id="drill-past", focusable=True)
        self._past.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._now
        yield self._table
        yield self._past

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "stop_drill":
                return True if self._model.running else None
            case "report":
                return True if self._newest() is not None else None
        return super().check_action(action, parameters)

    def why_disabled(self, action: str) -> str:
        match action:
            case "stop_drill":
                return "this console runs no drill"
            case "report":
                return "no drill has ended yet"
        return super().why_disabled(action)

    def draw(self, context: RenderContext) -> None:
        width = self.width
        goals = " · ".join(f"{what} {format_duration(seconds)}" for what, seconds in GOALS.items())
        self._head.show((cut(((" Game day ", "title"), (f" goals: {goals}", "dim")), width),))
        self._now.show(tuple(self._render_now(context, width)))
        service = context.session.drills if context.session is not None else None
        self._table.show(tuple(service.drills.values()) if service is not None else ())
        self._past.show(tuple(_render_past(context, width)))
        self.refresh_bindings()

    def _newest(self) -> DrillRecord | None:
        snapshot = self.context.snapshot if self.context else None
        return snapshot.ledger.drills.newest if snapshot is not None else None

    def _render_now(self, context: RenderContext, width: int) -> Iterable[Line]:
        status = self._model.status
        if status is not None and self._model.running:
            yield from render_status(status, self._model.text, now=context.now, width=width)
            return
        if context.session is not None and (why := context.session.drills.refusal):
            yield from _wrapped(why, width, "warn")
        snapshot = context.snapshot
        for record in snapshot.ledger.drills.open if snapshot is not None else ():
            gone = snapshot is not None and is_abandoned(record.start.process, snapshot.presence)
            yield from _render_open(record, now=context.now, width=width, gone=gone)
        if status is not None and status.result:
            yield section(f"{status.drill.id} on {text(status.target)[0]}: {status.result}", width)
            yield from _wrapped(status.text, width, _RESULT_TONES.get(status.result, "critical"))
            yield from _render_times(status.times, status.goals, width, ended=True)

    def action_stop_drill(self) -> None:
        self.post_message(StopDrillRequested())

    def action_report(self) -> None:
        newest = self._newest()
        if newest is not None:
            self.post_message(OpenDrillReportRequested(newest.number))

    @on(Rows.Selected)
    def _run_selected(self, event: Rows.Selected) -> None:
        self.post_message(DrillRequested(event.key))


def render_status(status: DrillStatus, newest: str, *, now: float, width: int) -> Iterable[Line]:
    """The drill that runs: what is broken, until when, what rolls it back, and the three times so far."""
    yield section(f"{status.drill.id} on {text(status.target)[0]}", width)
    if status.ends_at is None:
        yield from _wrapped(f"{status.phase.value}: nothing is sent yet", width, "dim")
    else:
        left = max(0.0, status.ends_at - now)
        when = f": {format_age(left)} left, until {format_clock(status.ends_at)}; s rolls it back now"
        words = status.phase.value.upper() + (when if status.phase.name == "FAULT" else "")
        yield from _wrapped(words, width, "critical" if status.phase.name == "FAULT" else "warn")
    if status.undo:
        yield from _wrapped(f"undo: {status.undo}", width, "")
    yield from _render_times(status.times, status.goals, width)
    if newest:
        yield from _wrapped(newest, width, "dim")


def _render_open(record: DrillRecord, *, now: float, width: int, gone: bool) -> Iterable[Line]:
    """A drill that another console runs, or that nobody runs any more."""
    until = record.rolls_back_at
    when = f", rolled back in {format_age(max(0.0, until - now))} ({format_clock(until)})" if until is not None else ""
    who = f"{record.author}: its console has ended" if gone else record.author
    yield section(f"{text(record.title)[0]}, by {text(who)[0]}", width)
    yield from _wrapped(f"{record.fault or 'nothing is sent yet'}{when}; undo: {record.start.undo}", width, "warn")
    yield from _render_times(record.times, record.start.goals or GOALS, width)


def _render_times(times: tuple[DrillTime, ...], goals: object, width: int, *, ended: bool = False) -> Iterable[Line]:
    """` met       detect        19s  goal 2m  alert HighErrorRate fires`: what is open waits."""
    known = {item.what: item for item in times}
    for what in GOALS:
        item = known.get(what) or DrillTime(what, GOALS[what], None, "" if ended else "waiting", "")
        _, goal, measured, result, source = time_row(item)
        head: Line = (
            (f" {result:<13}", _RESULT_TONES.get(item.result, "unknown")),
            (f"{what:<12}", ""),
            (f"{measured:>6}", "strong"),
            (f"  goal {goal:<4}", "dim"),
        )
        indent = sum(len(part) for part, _ in head)
        first, *rest = wrap(text(source)[0], max(16, width - indent - 2))
        yield (*head, (f" {first}", ""))
        yield from (((" " * (indent + 1), ""), (part, "")) for part in rest)


def _render_past(context: RenderContext, width: int) -> Iterable[Line]:
    records = context.snapshot.ledger.drills.ended if context.snapshot is not None else ()
    yield section("Past drills", width)
    if not records:
        known = context.session is not None and context.session.journal_known
        yield ((" none yet" if known else " not known yet", "dim"),)
    for record in reversed(records):
        times = "  ".join(f"{item.what} {time_row(item)[2]}" for item in record.times)
        tone = _RESULT_TONES.get(record.result, "critical")
        yield cut(
            (
                (f" {record.number:>3} ", "dim"),
                (f"{format_minute(record.started_at, now=context.now)}  ", "dim"),
                (f"{record.result:<12} ", tone),
                text(f"{record.title}  ", "strong"),
                (times, "dim"),
            ),
            width,
        )


def _cells(item: Drill) -> tuple[Span, ...]:
    undo = item.undo or "its own undo, by a guard"
    return (
        text(item.id, "strong"),
        text(f"{item.title}: {item.about}" if not item.own else f"{item.title} (yours): {item.about}"),
        (format_duration(item.limit_seconds), ""),
        text(undo, "dim"),
    )


def _wrapped(words: str, width: int, tone: str) -> Iterable[Line]:
    return (((f" {part}", tone),) for part in wrap(text(words)[0], max(16, width - 2)))


class DrillReportScreen(DocumentScreen):
    """The report of one drill, as `cad-console drill report` prints it."""

    SCREEN_TITLE = "Drill"
    HELP_TEXT = (
        "What was broken, how it was rolled back, and the three times with their sources. A dash is a time that nobody "
        "observed; its line says why. y copies the report; cad-console drill report N --format markdown writes it to a file."
    )

    def __init__(self, record: DrillRecord) -> None:
        super().__init__(str(record.number))
        self._record = record

    async def fetch(self) -> tuple[DocumentLine, ...]:
        now = self.context.now if self.context else self._record.started_at
        found = format_drill(self._record, format="text", now=now)
        return tuple(DocumentLine(line) for line in found.splitlines())
