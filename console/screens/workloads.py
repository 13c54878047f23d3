"""The deployments of the namespace, with the pods and revisions of the one under the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.actions.plan import Request
from console.checks.workloads import WorkloadVerdict
from console.screens import keys
from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import ActionRequested, BatchRequested, CopyRequested, OpenLogsRequested, OpenWorkloadRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import PAUSED, as_of_suffix, unhealthy_label
from console.screens.workload_actions import WorkloadActionsScreen
from console.screens.workload_rows import COLUMNS, SORTS, USAGE_WIDTH, PodUsages, RowFacts, image_name, select_rows
from console.state.revisions import rollout_authors
from queries.errors import SourceError
from queries.model.cluster import Cluster, describe_forbidden
from queries.model.pod import Pod
from queries.model.source import Health
from queries.model.workload import Revision
from queries.text.durations import format_age
from widgets.column_widths import Column
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, text
from widgets.table import Table, set_keys
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.actions.action import Action
    from console.journal.event import Event

POD_COLUMNS = (
    Column("pod", 26, flex=3),
    Column("", 9, flex=2, name="status"),
    Column("restarts", 8, right=True),
    Column("age", 7, right=True),
    Column("last exit", 12, flex=2, rank=1),
    Column("rev", 4, right=True, rank=2),
    Column("node", 12, flex=1, rank=3),
)
REVISION_COLUMNS = (
    Column("rev", 4, right=True),
    Column("age", 7, right=True),
    Column("pods", 5, right=True, rank=1),
    Column("image", 16, flex=2),
    Column("cause", 12, flex=2, rank=2),
)


_USAGE_SECONDS = 15.0
"""As often as a metrics server measures."""
_NO_REVISIONS = {
    "Deployment": "no revisions",
    "Rollout": "no revisions",
    "StatefulSet": "its ControllerRevisions are read when you roll back",
    "DaemonSet": "its ControllerRevisions are read when you roll back",
}


class WorkloadsScreen(FilterableScreen, WorkloadActionsScreen):
    """Three lists; left and right move between them."""

    SCREEN_TITLE = "Workloads"
    HELP_TEXT = (
        "Every workload, the worst first: ready and desired pods, restarts, when and by whom it was last rolled out, why it is "
        "unhealthy; "
        "on a wide screen also the HPA's range (at max: it cannot grow), PDB 0 (it allows no eviction), image, owner, and CPU "
        "and memory as a share of the limit, or of the request (r). Below, pods and revisions of the workload under the "
        "cursor. / filters by name, kind, state (warn, crit, stale), label (app=web) and image. On a revision, roll back "
        "returns to it; l shows the log of a pod, or of all pods of a workload."
    )
    FILTER_HINT = "name, sts, warn, app=web, image"
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.LOGS,
        keys.PREVIOUS_LOG,
        keys.COPY,
        keys.ACTIONS,
        *keys.WORKLOAD_ACTIONS,
        Binding("escape", "leave_filter", "back", tooltip="Clear marks and filter, else back", id="workloads.clear"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._why = TextView(classes="title hidden")
        """Why the workload under the cursor is not well, in full: the column is narrow."""
        self._table: Table[WorkloadVerdict] = Table(
            set_keys(
                COLUMNS,
                {"CPU": self._used_ratio, "memory": lambda item: self._used_ratio(item, memory=True)},
            ),
            key=lambda item: item.workload.target,
            cells=self._cells,
            empty=NO_ANSWER,
            marks=True,
            orders=SORTS,
            id="workload-list",
        )
        self._pods: Table[Pod] = Table(
            POD_COLUMNS, key=lambda item: item.name, cells=self._pod_cells, empty="no pods", id="pods"
        )
        self._revisions: Table[Revision] = Table(
            REVISION_COLUMNS, key=lambda item: item.name, cells=self._revision_cells, empty="no revisions", id="revisions"
        )
        self._words = ""
        self._arranged: tuple[object, ...] = ()
        """From what the rows were last arranged: verdicts, words and order."""
        self._rows: tuple[WorkloadVerdict, ...] = ()
        self._facts: RowFacts | None = None
        self._recent: tuple[Event, ...] = ()
        """The actions of the journal from which the rows know who rolled out."""
        self._stale_label = ""
        self._usage = PodUsages()
        self._usage_at = 0.0
        """When the usage was last asked for, Unix seconds."""
        self._possible: tuple[str, ...] = ()
        """The actions that the row under the cursor has."""

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._table
        yield self._why
        yield self._field
        with Horizontal(classes="halves stacked"):
            with Vertical(classes="left"):
                yield self._pods
            with Vertical(classes="right"):
                yield self._revisions

    def draw(self, context: RenderContext) -> None:
        cluster = context.snapshot.cluster if context.snapshot else None
        if cluster is None:
            reason = NO_ANSWER
            source = context.snapshot.source("kubernetes") if context.snapshot else None
            if source is not None and source.health is not Health.WAITING:
                reason = source.fault.sentence() if source.fault else source.health.value
            self._title.show((((" Workloads  ", "title"), text(reason, "unknown")),))
            self._table.show((), empty=reason)
            return
        recent = context.snapshot.ledger.recent if context.snapshot else ()
        if self._facts is None or self._facts.cluster is not cluster or self._recent is not recent:
            self._facts, self._recent = RowFacts(cluster, rollout_authors(recent)), recent
        self._stale_label = unhealthy_label(context, "kubernetes")
        rows = self._arrange(context.snapshot.workloads if context.snapshot else (), self._facts)
        self._title.show((self._render_title(context, cluster, len(rows)),))
        self._table.show(rows, empty="nothing matches the filter" if self._words else f"no workload in {cluster.namespace}")
        self._show_details(cluster)
        due = context.now - self._usage_at >= _USAGE_SECONDS and not self.has_worker("usage")
        if self.width >= USAGE_WIDTH and context.session is not None and due:
            self._usage_at = context.now
            self.run_worker(self._fetch_usage(), "fetching the usage of pods", "usage", exclusive=True)

    def _render_title(self, context: RenderContext, cluster: Cluster, shown: int) -> Line:
        ready, desired = cluster.count_ready()
        every = len(cluster.workloads)
        count = f"{shown} of {every}" if shown != every else str(every)
        spans: list[Span] = [(" Workloads ", "title"), (f" {count} ", "strong"), (f" {ready}/{desired} pods ready", "dim")]
        if self._table.order_text:
            spans.append((f" · {self._table.order_text}", "dim"))
        if self._words:
            spans.append(text(f" · filter: {self._words}", "accent"))
        spans.append((self.marks_text(), "accent"))
        spans.append((as_of_suffix(context, "kubernetes"), "unknown"))
        for sentence in (describe_forbidden(cluster.faults), self._usage.reason if self.width >= USAGE_WIDTH else ""):
            if sentence:
                spans.append(text(f" · {sentence}", "unknown"))
        return tuple(spans)

    def _arrange(self, verdicts: tuple[WorkloadVerdict, ...], facts: RowFacts) -> tuple[WorkloadVerdict, ...]:
        """Computed when something changes, not once per tick."""
        known = (verdicts, self._words, self._table.order)
        if not self._arranged or self._arranged[0] is not verdicts or self._arranged[1:] != known[1:]:
            self._arranged = known
            self._rows = select_rows(verdicts, facts, self._words, self._table.order)
        return self._rows

    async def _fetch_usage(self) -> None:
        session = self.context.session if self.context else None
        if session is None:
            return
        try:
            self._usage = PodUsages({item.name: item for item in await session.pod_usage()})
        except SourceError as error:
            fault = error.fault
            if fault.status == 403:
                self._usage = PodUsages(word="DENIED", reason=f"usage DENIED: {fault.what}")
            elif fault.status == 404 or not self._usage.pods:
                why = "this cluster has no metrics.k8s.io" if fault.status == 404 else fault.what
                self._usage = PodUsages(word="NO DATA", reason=f"usage NO DATA: {why}")
            else:
                self._usage = replace(self._usage, word="STALE", reason=f"usage STALE: {fault.what}")
        self._arranged = ()  # the rows may be sorted by it
        self.redraw()

    def _used_ratio(self, found: WorkloadVerdict, *, memory: bool = False) -> float | None:
        return self._facts.used_ratio(found, self._usage, memory=memory) if self._facts else None

    def apply_filter(self, text: str) -> None:
        self._words = text.strip()
        self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "act" and self.why_disabled(f"act({parameters[0]!r})"):
            return None
        return super().check_action(action, parameters)

    def why_disabled(self, action: str) -> str:
        known = next((item for item in self.list_actions() if action == f"act({item.name!r})"), None)
        if known is not None and self._table.marked and self.focused is self._table:
            wrong = [item.workload.target for item in self._table.marked if item.workload.kind not in known.kinds]
            return f"not for {', '.join(wrong)}; space unmarks it" if wrong else ""
        if known is None or self._table.current is None or self.find_target(known):
            return super().why_disabled(action)
        return f"not for a {self._table.current.workload.kind}, only for {', '.join(known.kinds)}"

    def find_target(self, action: Action) -> str:
        """The workload under the cursor, or the pod in the focused list of pods; empty if the action is for neither."""
        pod = self._pods.current if self.focused is self._pods else None
        if pod is not None and "Pod" in action.kinds:
            return f"pod/{pod.name}"
        found = self._table.current
        return found.workload.target if found is not None and found.workload.kind in action.kinds else ""

    def action_logs(self) -> None:
        self._open_log(previous=False)

    def action_previous_log(self) -> None:
        self._open_log(previous=True)

    def _open_log(self, *, previous: bool) -> None:
        """The log of the pod under the cursor; on the list of workloads, those of all pods of the workload. A CronJob's runs
        are not one log: that of its newest pod.
        """
        workload, pod = self._table.current, self._pods.current
        if self.focused is self._table and workload is not None and workload.workload.kind == "CronJob" and self._facts:
            newest = max(
                self._facts.cluster.pods_of(workload.workload), key=lambda item: (item.created_at, item.name), default=None
            )
            if newest is None:
                self.show_notice(f"no pod of a run of {workload.workload.name} is left or visible, so there is no log")
            else:
                self.post_message(OpenLogsRequested(newest.name, previous))
        elif self.focused is self._table and workload is not None:
            self.post_message(OpenLogsRequested(workload.workload.target, previous))
        elif pod is not None:
            self.post_message(OpenLogsRequested(pod.name, previous))

    def action_copy(self) -> None:
        workload = self._table.current
        if workload is not None:
            self.post_message(CopyRequested(workload.workload.target, workload.workload.target))

    def action_act(self, name: str) -> None:
        if self._table.marked and self.focused is self._table:
            targets = (item.workload.target for item in self._table.marked)
            self.post_message(BatchRequested(tuple(Request(name, target) for target in targets)))
            return
        found = self._table.current
        if found is None:
            self.show_notice("no workload under the cursor")
            return
        workload = found.workload
        parameters: dict[str, str] = {}
        revision = self._revisions.current
        if name == "rollback" and self.focused is self._revisions and revision and revision.number != workload.revision:
            parameters["revision"] = str(revision.number)
        action = self.find_action(name)
        target = self.find_target(action) if action else workload.target
        self.post_message(ActionRequested(Request(name, target, parameters, panel_id="workloads")))

    @on(Rows.Highlighted, "#workload-list")
    def _workload_highlighted(self) -> None:
        if self._facts is not None:
            self._show_details(self._facts.cluster)

    @on(Rows.EdgeReached)
    def _cross_edge(self, event: Rows.EdgeReached) -> None:
        order: list[Rows[Any]] = [self._table, self._pods, self._revisions]
        at = next((index for index, rows in enumerate(order) if rows is event.rows), 0) + event.direction
        if 0 <= at < len(order):
            order[at].focus()

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        if event.rows is self._table:
            found = self._table.current
            if found is not None:
                self.post_message(OpenWorkloadRequested(found.workload.target))
        elif event.rows is self._pods:
            self.action_logs()
        else:
            self.action_act("rollback")

    def _show_details(self, cluster: Cluster) -> None:
        found = self._table.current
        why = self._facts.reason(found, self.context.now) if found and self._facts and self.context else ("", "")
        self._why.show(((text(" "), why),))
        self._why.set_class(not why[0], "hidden")
        if found is None:
            self._pods.show((), empty="")
            self._revisions.show((), empty="")
            return
        workload = found.workload
        forbidden = {item.plural: describe_forbidden((item,)) for item in cluster.faults}
        pods = sorted(cluster.pods_of(workload), key=lambda item: (item.ready, item.ended, -item.restarts, item.name))
        self._pods.show(pods, empty=forbidden.get("pods") or "no pods")
        empty = _NO_REVISIONS.get(workload.kind, f"a {workload.kind} has no revisions")
        self._revisions.show(cluster.revisions_of(workload), empty=forbidden.get("replicasets") or empty)
        possible = tuple(item.name for item in self.list_actions() if workload.kind in item.kinds)
        if possible != self._possible:
            self._possible = possible
            self.refresh_bindings()

    def _cells(self, found: WorkloadVerdict) -> tuple[Span, ...]:
        assert self._facts is not None and self.context is not None  # noqa: S101  set before rows are drawn
        stale = ("PAUSED" if self._stale_label == PAUSED else "STALE") if self._stale_label else ""
        return self._facts.cells(found, now=self.context.now, stale_word=stale, usage=self._usage)

    def _pod_cells(self, pod: Pod) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        number = next(
            (item.number for item in (self._facts.cluster.revisions if self._facts else ()) if _is_pod_of(item, pod)), 0
        )
        return (
            text(pod.name, "strong"),
            self._readiness(pod),
            (str(pod.restarts), "warn" if pod.restarts else "dim"),
            (format_age(now - pod.created_at), ""),
            text(pod.last_exit or "-", "warn" if pod.last_exit else "dim"),
            (str(number) if number else "-", "dim"),
            text(pod.node, "dim"),
        )

    def _readiness(self, pod: Pod) -> Span:
        if self._stale_label:
            return text("was ready" if pod.ready else f"was {pod.reason or pod.phase or 'not ready'}", "unknown")
        if pod.phase == "Succeeded" and not pod.reason:
            return ("completed", "dim")
        return ("ready", "ok") if pod.ready else text(pod.reason or pod.phase or "not ready", "critical")

    def _revision_cells(self, item: Revision) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        found = self._table.current
        workload = found.workload if found else None
        current = workload is not None and workload.revision == item.number
        since = self._facts.cluster.revision_since(workload, item) if self._facts and workload else item.created_at
        return (
            (str(item.number), "strong"),
            (format_age(now - since), ""),
            (f"{item.ready}/{item.replicas}", "" if item.replicas else "dim"),
            text(", ".join(image_name(container.image) for container in item.containers), "strong" if current else ""),
            text(("now · " if current else "") + item.change_cause, "dim"),
        )


def _is_pod_of(revision: Revision, pod: Pod) -> bool:
    return pod.name.startswith(revision.name + "-")
