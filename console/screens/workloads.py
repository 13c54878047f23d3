"""The deployments of the namespace, with the pods and revisions of the one under the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.actions.plan import Request
from console.screens import keys
from console.screens.base import ConsoleScreen
from console.screens.messages import ActionRequested, CopyRequested, OpenLogsRequested
from console.screens.render_context import RenderContext
from console.screens.staleness import PAUSED, as_of_suffix, unhealthy_label
from queries.model.source import Health
from queries.model.workload import Cluster, Pod, Revision, RolloutPhase, Workload, rollout_status
from queries.text.durations import format_age
from widgets.formatting import NO_ANSWER
from widgets.rows import Rows
from widgets.styled_text import Line, Span, text
from widgets.table import Column, Table
from widgets.text_view import TextView

COLUMNS = (
    Column("", 5),
    Column("workload", 24, flex=3),
    Column("ready", 7, right=True),
    Column("restarts", 8, right=True),
    Column("rev", 4, right=True),
    Column("rollout", 7, right=True),
    Column("image", 20, flex=4, rank=2),
    Column("", 17, flex=4, rank=1),
)
POD_COLUMNS = (
    Column("pod", 26, flex=3),
    Column("", 9),
    Column("restarts", 8, right=True),
    Column("age", 7, right=True),
    Column("rev", 4, right=True, rank=1),
    Column("node", 12, flex=1, rank=2),
)
REVISION_COLUMNS = (
    Column("rev", 4, right=True),
    Column("age", 7, right=True),
    Column("pods", 5, right=True, rank=1),
    Column("image", 16, flex=2),
    Column("cause", 12, flex=2, rank=2),
)


class WorkloadsScreen(ConsoleScreen):
    """Three lists; left and right move between them."""

    SCREEN_TITLE = "Workloads"
    HELP_TEXT = (
        "The deployments with ready and desired pods, restarts, revision and the age of the last rollout; below, pods and "
        "revisions of the one under the cursor. On a revision, roll back returns to that one; on a pod, l shows its log."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.LOGS,
        keys.COPY,
        *keys.WORKLOAD_ACTIONS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self._title = TextView(classes="title")
        self._list: Table[Workload] = Table(
            COLUMNS, key=lambda item: item.name, cells=self._cells, empty=NO_ANSWER, id="workload-list"
        )
        self._pods: Table[Pod] = Table(
            POD_COLUMNS, key=lambda item: item.name, cells=self._pod_cells, empty="no pods", id="pods"
        )
        self._revisions: Table[Revision] = Table(
            REVISION_COLUMNS, key=lambda item: item.name, cells=self._revision_cells, empty="no revisions", id="revisions"
        )
        self._restarts: dict[str, int] = {}
        self._known: Cluster | None = None
        self._stale_label = ""

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._list
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
            return
        if cluster is not self._known:
            self._known = cluster
            for workload in cluster.workloads:
                self._restarts[workload.name] = sum(pod.restarts for pod in cluster.pods_of(workload))
        ready = sum(item.ready for item in cluster.workloads)
        desired = sum(item.desired for item in cluster.workloads)
        self._stale_label = unhealthy_label(context, "kubernetes")
        count: Line = ((f" {len(cluster.workloads)} ", "strong"), (f" {ready}/{desired} pods ready", "dim"))
        self._title.show((((" Workloads ", "title"), *count, (as_of_suffix(context, "kubernetes"), "unknown")),))
        self._list.show(cluster.workloads, empty=f"no deployment in {cluster.namespace}")
        self._show_details(cluster)

    def action_logs(self) -> None:
        pod = self._pods.current
        if pod is not None:
            self.post_message(OpenLogsRequested(pod.name))

    def action_copy(self) -> None:
        workload = self._list.current
        if workload is not None:
            self.post_message(CopyRequested(workload.target, workload.target))

    def action_act(self, name: str) -> None:
        workload = self._list.current
        if workload is None:
            self.show_notice("no workload under the cursor")
            return
        parameters: dict[str, str] = {}
        revision = self._revisions.current
        if name == "rollback" and self.focused is self._revisions and revision and revision.number != workload.revision:
            parameters["revision"] = str(revision.number)
        self.post_message(ActionRequested(Request(name, workload.target, parameters, panel_id="workloads")))

    @on(Rows.Highlighted, "#workload-list")
    def _workload_highlighted(self) -> None:
        if self._known is not None:
            self._show_details(self._known)

    @on(Rows.EdgeReached)
    def _cross_edge(self, event: Rows.EdgeReached) -> None:
        order: list[Rows[Any]] = [self._list, self._pods, self._revisions]
        at = next((index for index, rows in enumerate(order) if rows is event.rows), 0) + event.direction
        if 0 <= at < len(order):
            order[at].focus()

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        if event.rows is self._list:
            self._pods.focus()
        elif event.rows is self._pods:
            self.action_logs()
        else:
            self.action_act("rollback")

    def _show_details(self, cluster: Cluster) -> None:
        workload = self._list.current
        if workload is None:
            return
        self._pods.show(sorted(cluster.pods_of(workload), key=lambda item: (item.ready, -item.restarts, item.name)))
        self._revisions.show(cluster.revisions_of(workload))

    def _cells(self, item: Workload) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        status = rollout_status(item)
        rolled_out_at = self._known.rolled_out_at(item) if self._known else 0.0
        incomplete = item.ready < item.desired
        failed = status.phase is RolloutPhase.FAILED
        word, tone = (
            ("CRIT", "critical")
            if failed or (item.desired and not item.ready)
            else ("WARN", "warn")
            if incomplete
            else ("ok", "ok")
        )
        if self._stale_label:
            word, tone = ("PAUSED" if self._stale_label == PAUSED else "STALE"), "unknown"
        restarts = self._restarts.get(item.name, 0)
        remark = status.sentence.partition(": ")[2] if status.phase is not RolloutPhase.DONE else ""
        if item.paused:
            remark = "rollout PAUSED"
        return (
            (word, tone),
            text(item.name, "strong"),
            (f"{item.ready}/{item.desired}", tone if incomplete else ""),
            (str(restarts), "warn" if restarts else "dim"),
            (str(item.revision) if item.revision else "-", ""),
            (format_age(now - rolled_out_at) if rolled_out_at else "-", ""),
            text(", ".join(image_name(container.image) for container in item.containers)),
            text(remark, "warn" if item.paused else "dim"),
        )

    def _pod_cells(self, pod: Pod) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        number = next((item.number for item in (self._known.revisions if self._known else ()) if _is_pod_of(item, pod)), 0)
        return (
            text(pod.name, "strong"),
            self._readiness(pod),
            (str(pod.restarts), "warn" if pod.restarts else "dim"),
            (format_age(now - pod.created_at), ""),
            (str(number) if number else "-", "dim"),
            text(pod.node, "dim"),
        )

    def _readiness(self, pod: Pod) -> Span:
        if self._stale_label:
            return text("was ready" if pod.ready else f"was {pod.reason or pod.phase or 'not ready'}", "unknown")
        return ("ready", "ok") if pod.ready else text(pod.reason or pod.phase or "not ready", "critical")

    def _revision_cells(self, item: Revision) -> tuple[Span, ...]:
        now = self.context.now if self.context else 0.0
        workload = self._list.current
        current = workload is not None and workload.revision == item.number
        return (
            (str(item.number), "strong"),
            (format_age(now - item.created_at), ""),
            (f"{item.ready}/{item.replicas}", "" if item.replicas else "dim"),
            text(", ".join(image_name(container.image) for container in item.containers), "strong" if current else ""),
            text(("now · " if current else "") + item.change_cause, "dim"),
        )


def _is_pod_of(revision: Revision, pod: Pod) -> bool:
    return pod.name.startswith(revision.name + "-")


def image_name(image: str) -> str:
    """`cad-ml-api:1.9.0`, without registry and repository path."""
    return image.rpartition("/")[2]
