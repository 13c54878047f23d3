"""The page of one workload: what is wrong, its pods, events and revisions, how it is set up and what it depends on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.actions.plan import Request
from console.objects.problems import Problem, find_overall_verdict, list_problems
from console.objects.reading import WorkloadReading
from console.screens import keys
from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import (
    ActionRequested,
    OpenDescriptionRequested,
    OpenLogsRequested,
    OpenRevisionDiffRequested,
    OpenYamlRequested,
)
from console.screens.reading_screen import ReadingScreen
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_caveat
from console.screens.workload_actions import WorkloadActionsScreen
from console.screens.workload_view import PageRow, Related, build_page, find_related
from console.state.snapshot import Snapshot, active
from queries.model.verdict import Verdict
from queries.model.workload import parse_kind
from widgets.rows import Rows
from widgets.styled_text import VERDICT_TONES, Line, Span, text
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.actions.action import Action

REFRESH_SECONDS = 10.0


class WorkloadScreen(FilterableScreen, ReadingScreen, WorkloadActionsScreen):
    """One list of rows; the cursor starts on the worst finding."""

    SCREEN_TITLE = "Workload"
    HELP_TEXT = (
        "One workload: what is wrong first, then its pods by revision, events, revisions, strategy, HPA, PDB, manager, what it "
        "depends on, its alerts and panels. It is read from the API server when it opens and every 10s. Enter opens what is "
        "under the cursor: a pod's description, an alert, what a revision changed; c marks a revision, then compares it with "
        "the one under the cursor. What could not be read is named, and never counts as healthy."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.DESCRIBE,
        keys.YAML,
        keys.LOGS,
        keys.PREVIOUS_LOG,
        Binding("c", "compare", "compare", tooltip="Compare two revisions: press it on each", id="workload.compare"),
        keys.ACTIONS,
        *keys.PAGE_ACTIONS,
    ]
    refresh_seconds = REFRESH_SECONDS

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target
        self._head = TextView(classes="title")
        self._failure = TextView(id="workload-failure")
        self._rows: Rows[PageRow] = Rows(key=lambda row: row.key, draw=lambda row, width: row.line, id="workload-page")
        self._rows.add_class("grow")
        self._reading: WorkloadReading | None = None
        self._related: tuple[Snapshot | None, WorkloadReading, Related] | None = None
        """What the snapshot has about the workload, and from what that was found."""
        self._findings: tuple[Problem, ...] = ()
        self._marked = ""
        """The name of the revision to compare with."""
        self._placed = False
        """Whether the cursor was put on the worst finding."""

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._failure
        yield self._rows
        yield self._field

    def describe_reading(self) -> str:
        return f"reading {self._target}"

    def draw(self, context: RenderContext) -> None:
        self.read_if_due()
        reading = self._reading
        pending = reading.pending_parts() if reading else ()
        self._failure.show(self.render_failure(self.width))
        if reading is None:
            self._head.show((((" Workload ", "title"), text(self._target, "strong"), *self.state_of_reading()),))
            return
        self._findings = list_problems(reading, now=context.now)
        related = self._find_related(context, reading)
        self._head.show(((*self._headline(reading, related), *self.state_of_reading(pending)),))
        width = max(20, (self._rows.inner_width or self.width) - 1)
        self._rows.show(build_page(reading, self._findings, related, now=context.now, width=width, current=self._is_current()))
        if not self._placed and not pending:
            self._placed = True
            self._rows.move_to(next((row.key for row in self._rows.items if row.key.startswith("finding ")), ""))

    def _find_related(self, context: RenderContext, reading: WorkloadReading) -> Related:
        """Thousands of alerts are searched once for each snapshot."""
        caveat, known = alerts_caveat(context), self._related
        if known is None or known[0] is not context.snapshot or known[1] is not reading or known[2].alerts_caveat != caveat:
            known = self._related = context.snapshot, reading, find_related(context.snapshot, reading, alerts_caveat=caveat)
        return known[2]

    async def read(self) -> bool:
        session = self.context.session if self.context else None
        if session is None:
            return False
        before = self._reading
        async for reading in session.objects.workload(self._target):
            # A page that was complete stays until the next one is.
            if before is None or not reading.pending_parts():
                self._reading = reading
                self.redraw()
        return True

    def _is_current(self) -> bool:
        """While the first reading arrives in parts there is no older one."""
        return self.current or (not self.read_at and not self.read_error)

    def _headline(self, reading: WorkloadReading, related: Related) -> Line:
        item = reading.workload
        verdict = find_overall_verdict(self._findings, reading)
        word, tone = verdict.word, VERDICT_TONES[verdict]
        if not self._is_current():
            word, tone = Verdict.STALE.word, VERDICT_TONES[Verdict.STALE]
        number = reading.current_revision()
        revision = f"  revision {number.number}" if number else ""
        counts = text(f"  {item.ready}/{item.desired} ready{revision}" if item.serves else "")
        firing = len(active(related.alerts))
        alerts: Span = (f"  {firing} alert{'s fire' if firing > 1 else ' fires'}" if firing else "", "critical")
        return ((" ", ""), text(self._target, "strong"), (f"  {word}", tone), alerts, counts)

    def _row(self) -> PageRow | None:
        return self._rows.current

    def _subject(self) -> str:
        row = self._row()
        return row.subject if row is not None and row.subject else self._target

    def action_yaml(self) -> None:
        self.post_message(OpenYamlRequested(self._subject()))

    def action_describe(self) -> None:
        subject = self._subject()
        known = subject.startswith(("pod/", "node/"))
        self.post_message(OpenDescriptionRequested(subject if known else self._target))

    def action_logs(self) -> None:
        self._open_log(previous=False)

    def action_previous_log(self) -> None:
        self._open_log(previous=True)

    def _open_log(self, *, previous: bool) -> None:
        row = self._row()
        pod = row.pod or row.subject.removeprefix("pod/") if row and (row.pod or row.subject.startswith("pod/")) else ""
        if not pod and self._target.startswith("cronjob/") and self._reading is not None:
            pod = next((item.name for item in self._reading.pods.value or ()), "")
        self.post_message(OpenLogsRequested(pod or self._target, previous))

    def action_compare(self) -> None:
        row = self._row()
        if row is None or not row.revision:
            self.show_notice("put the cursor on a revision to compare it")
        elif not self._marked or self._marked == row.revision:
            self._marked = row.revision
            self.show_notice(f"compare {row.revision} with: put the cursor on another revision and press c")
        else:
            before, self._marked = self._marked, ""
            self._open_diff(before, row.revision)

    def find_target(self, action: Action) -> str:
        """The pod under the cursor, or this workload; empty if the action is for neither."""
        subject = self._subject()
        if "Pod" in action.kinds and subject.startswith("pod/"):
            return subject
        return self._target if parse_kind(self._target.partition("/")[0]) in action.kinds else ""

    def action_act(self, name: str) -> None:
        row = self._row()
        parameters: dict[str, str] = {}
        reading = self._reading
        if name == "rollback" and row is not None and row.revision and reading is not None:
            current = reading.current_revision()
            chosen = next((item for item in reading.revisions.value or () if item.name == row.revision), None)
            if chosen is not None and (current is None or chosen.name != current.name):
                parameters["revision"] = str(chosen.number)
        action = self.find_action(name)
        target = (self.find_target(action) if action else "") or self._target
        self.post_message(ActionRequested(Request(name, target, parameters, panel_id="workloads")))

    @on(Rows.Selected)
    def _open_selected(self) -> None:
        row = self._row()
        if row is None:
            return
        if row.opens is not None:
            self.post_message(row.opens)
        elif row.revision and self._reading is not None:
            self._show_change(self._reading, row.revision)

    def _show_change(self, reading: WorkloadReading, name: str) -> None:
        """An older revision against the current one; the current one against the one before it."""
        names = [item.name for item in reading.revisions.value or ()]
        current = reading.current_revision()
        if current is not None and name != current.name:
            self._open_diff(name, current.name)
        elif len(names) > names.index(name) + 1:
            self._open_diff(names[names.index(name) + 1], name)
        else:
            self.show_notice("there is no other revision to compare it with")

    def _open_diff(self, one: str, other: str) -> None:
        revisions = self._reading.revisions.value or () if self._reading else ()
        numbers = {item.name: item.number for item in revisions}
        before, after = sorted((one, other), key=lambda name: numbers.get(name, 0))
        self.post_message(OpenRevisionDiffRequested(self._target, revisions, before, after))
