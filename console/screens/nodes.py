"""The nodes, the pods without a node, and how full the volumes are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from console.actions.plan import Request
from console.objects.description import describe_share, format_bytes
from console.objects.nodes import (
    NodesReading,
    describe_unscheduled,
    evaluate_node,
    evaluate_volume,
    list_node_problems,
)
from console.screens import keys
from console.screens.base import section
from console.screens.filterable_screen import FilterableScreen
from console.screens.messages import ActionRequested, OpenDescriptionRequested, OpenYamlRequested
from console.screens.reading_screen import ReadingScreen
from console.screens.render_context import RenderContext
from queries.model.object_page import Node, NodePod, Resources, VolumeClaim, VolumeUse
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from widgets.column_widths import Column
from widgets.rows import Rows
from widgets.styled_text import VERDICT_TONES, Line, Span, cut, text
from widgets.table import Table, set_keys
from widgets.text_view import TextView

REFRESH_SECONDS = 30.0
_MOST_PODS = 50
_NODE_COLUMNS = (
    Column("", 8, name="state"),
    Column("node", 16, flex=3),
    Column("CPU requests", 16, right=True),
    Column("memory requests", 19, right=True, rank=1),
    Column("pods", 10, right=True, rank=2),
    Column("version", 10, rank=4),
    Column("age", 6, right=True, rank=3),
    Column("", 10, flex=5, name="problems"),
)
_CLAIM_COLUMNS = (
    Column("", 8, name="state"),
    Column("claim", 20, flex=2),
    Column("used", 24, right=True),
    Column("inodes", 8, right=True, rank=1),
    Column("phase", 8, rank=2),
    Column("class", 12, flex=1, rank=3),
)


class NodesScreen(FilterableScreen, ReadingScreen):
    """Three lists: nodes, pods without a node, claims; left and right move between them."""

    SCREEN_TITLE = "Nodes"
    HELP_TEXT = (
        "Every node with its conditions, whether it is cordoned, and how much of its allocatable resources its pods request; "
        "the worst first. / filters every list. x cordons the node under the cursor, or uncordons it. Below, the pods without "
        "a node with the scheduler's reason, and the namespace's claims with their volume usage, from the kubelet's metrics in "
        "Prometheus. Enter describes what is under the cursor. Without permission to list the pods of every namespace, "
        "requests are those of this namespace only, and the title says so."
    )
    BINDINGS: ClassVar[list[BindingType]] = [keys.DESCRIBE, keys.YAML, keys.ACTIONS]
    refresh_seconds = REFRESH_SECONDS

    def __init__(self) -> None:
        super().__init__()
        self._head = TextView(classes="title")
        self._failure = TextView(id="nodes-failure")
        self._node_list: Table[Node] = Table(
            set_keys(
                _NODE_COLUMNS,
                {
                    "CPU requests": lambda item: self._requested_ratio(item, "cpu"),
                    "memory requests": lambda item: self._requested_ratio(item, "memory"),
                    "pods": self._count_pods,
                },
            ),
            key=lambda item: item.name,
            cells=self._node_cells,
            empty="no answer yet",
            id="nodes",
        )
        self._pods_head = TextView(classes="rule")
        self._pods: Rows[NodePod] = Rows(
            key=lambda item: f"{item.namespace}/{item.name}", draw=self._draw_pod, empty="no answer yet", id="unscheduled"
        )
        self._claims_head = TextView(classes="rule")
        self._claims: Table[VolumeClaim] = Table(
            set_keys(_CLAIM_COLUMNS, {"used": self._used_ratio, "inodes": self._inodes_ratio}),
            key=lambda item: item.name,
            cells=self._claim_cells,
            empty="no answer yet",
            id="claims",
        )
        self._reading: NodesReading | None = None
        self._node_rows: list[Node] = []
        """Another list with every reading: its rows are sorted again by what their pods request then."""

    def body(self) -> Iterable[Widget]:
        yield self._head
        yield self._failure
        yield self._node_list
        yield self._pods_head
        yield self._pods
        yield self._claims_head
        yield self._claims
        yield self._field

    def describe_reading(self) -> str:
        return "reading the nodes"

    async def read(self) -> bool:
        session = self.context.session if self.context else None
        if session is None:
            return False
        before = self._reading
        async for reading in session.objects.nodes():
            if before is None or not reading.pending_parts():
                self._reading, self._node_rows = reading, [*(reading.nodes.value or ())]
                self.redraw()
        return True

    def draw(self, context: RenderContext) -> None:
        self.read_if_due()
        reading = self._reading
        self._failure.show(self.render_failure(self.width))
        pending = reading.pending_parts() if reading else ()
        self._head.show(((*self._headline(reading), *self.state_of_reading(pending)),))
        if reading is None:
            return
        self._node_list.show(self._node_rows, empty=_why_empty(reading.nodes.error, reading.nodes.pending, "no node"))
        scope = "" if reading.everywhere else f" of namespace {reading.namespace}"
        self._pods_head.show((section(f"Pods without a node{scope}", self.width),))
        none = "every pod has a node" if self.current else "every pod had a node"
        self._pods.show(reading.unscheduled[:_MOST_PODS], empty=_why_empty(reading.pods.error, reading.pods.pending, none))
        self._claims_head.show((section(f"Volumes of {reading.namespace}{self._describe_use(reading)}", self.width),))
        ranked = sorted(reading.claims.value or (), key=lambda item: (-self._claim_verdict(item).rank, item.name))
        self._claims.show(ranked, empty=_why_empty(reading.claims.error, reading.claims.pending, "no PersistentVolumeClaim"))

    def _headline(self, reading: NodesReading | None) -> Line:
        spans: list[Span] = [(" Nodes ", "title")]
        if reading is not None and reading.nodes.value is not None:
            ready = sum(item.ready == "True" for item in reading.nodes.value)
            verb = "ready" if self.current or not self.read_at else "were ready"
            spans.append((f" {ready} of {len(reading.nodes.value)} {verb}", "strong"))
        if reading is not None and not reading.everywhere:
            spans.append(text(f"  requests of namespace {reading.namespace} only: no permission to list every pod", "unknown"))
        elif reading is not None and reading.pods.error:
            spans.append(text(f"  requests unknown: {reading.pods.error}", "unknown"))
        return tuple(spans)

    def _describe_use(self, reading: NodesReading) -> str:
        if reading.use.pending:
            return ": metrics no answer yet"
        if reading.use.error:
            return f": usage unknown, {visible(reading.use.error)}"
        if reading.use_caveat:
            return f": in doubt, {visible(reading.use_caveat)}"
        if reading.claims.value and not reading.use.value:
            return ": usage unknown, Prometheus has no kubelet_volume_stats_* for this namespace"
        return ""

    def action_describe(self) -> None:
        node = self._node_list.current
        pod = self._pods.current if self.focused is self._pods else None
        if pod is not None:
            self._open_pod(pod)
        elif node is not None:
            self.post_message(OpenDescriptionRequested(f"node/{node.name}"))

    def menu_entries(self) -> Iterable[tuple[str, str]]:
        """Cordon or uncordon the node under the cursor, whichever changes something."""
        node, session = self._node_list.current, self.context.session if self.context else None
        for item in session.actions if session and node else ():
            if node and item.target_kind == "node" and item.name == ("uncordon" if node.cordoned else "cordon"):
                yield f"act({item.name!r})", f"{item.title} node/{node.name}"

    def action_act(self, name: str) -> None:
        node = self._node_list.current
        if node is not None:
            self.post_message(ActionRequested(Request(name, f"node/{node.name}")))

    def action_yaml(self) -> None:
        claim, node = self._claims.current, self._node_list.current
        if self.focused is self._claims and claim is not None:
            self.post_message(OpenYamlRequested(f"persistentvolumeclaim/{claim.name}"))
        elif node is not None:
            self.post_message(OpenYamlRequested(f"node/{node.name}"))

    @on(Rows.Selected)
    def _open_selected(self, event: Rows.Selected) -> None:
        if event.rows is self._claims:
            self.action_yaml()
        else:
            self.action_describe()

    @on(Rows.EdgeReached)
    def _cross_edge(self, event: Rows.EdgeReached) -> None:
        order: list[Rows[Any]] = [self._node_list, self._pods, self._claims]
        at = next((index for index, rows in enumerate(order) if rows is event.rows), 0) + event.direction
        if 0 <= at < len(order):
            order[at].focus()

    def _open_pod(self, pod: NodePod) -> None:
        if self._reading is not None and pod.namespace == self._reading.namespace:
            self.post_message(OpenDescriptionRequested(f"pod/{pod.name}"))
        else:
            self.show_notice(f"{pod.name} is in namespace {pod.namespace}; this console works in another namespace")

    def _node_cells(self, node: Node) -> tuple[Span, ...]:
        reading = self._reading
        verdict = evaluate_node(node)
        word, tone = verdict.word, VERDICT_TONES[verdict]
        if not self.current and self.read_at:
            word, tone = Verdict.STALE.word, "unknown"
        requests = reading.requests_of(node) if reading else None
        known, total = requests is not None, requests or Resources()
        whole = node.allocatable
        prefix = "" if reading is not None and reading.everywhere else "≥"
        cpu = describe_share(total.cpu, whole.cpu, f"{prefix}{total.cpu:.3g}", f"{whole.cpu:.3g}")
        memory = describe_share(total.memory, whole.memory, f"{prefix}{format_bytes(total.memory)}", format_bytes(whole.memory))
        pods = f"{prefix}{total.pods:.0f} of {whole.pods:.0f}" if whole.pods else f"{prefix}{total.pods:.0f}"
        now = self.context.now if self.context else 0.0
        problems = "; ".join(item.text for item in list_node_problems(node))
        roles = ", ".join(node.roles)
        return (
            (word, tone),
            text(node.name, "strong"),
            (cpu if known else "not known", "" if known else "unknown"),
            (memory if known else "not known", "" if known else "unknown"),
            (pods if known else "not known", "" if known else "unknown"),
            text(node.version or "-", "dim"),
            (format_age(now - node.created_at) if node.created_at else "-", ""),
            text(problems or roles, tone if problems else "dim"),
        )

    def _requested_ratio(self, node: Node, resource: str) -> float | None:
        requests, whole = self._reading.requests_of(node) if self._reading else None, getattr(node.allocatable, resource)
        return getattr(requests, resource) / whole if requests is not None and whole else None

    def _count_pods(self, node: Node) -> float | None:
        requests = self._reading.requests_of(node) if self._reading else None
        return requests.pods if requests is not None else None

    def _used_ratio(self, claim: VolumeClaim) -> float | None:
        use = self._use_of(claim)
        return use.used_ratio if use else None

    def _inodes_ratio(self, claim: VolumeClaim) -> float | None:
        use = self._use_of(claim)
        return use.inodes_ratio if use else None

    def _draw_pod(self, pod: NodePod, width: int) -> Line:
        now = self.context.now if self.context else 0.0
        here = self._reading is not None and pod.namespace == self._reading.namespace
        name = pod.name if here else f"{pod.namespace}/{pod.name}"
        line: Line = (text(f"{name}  ", "strong"), text(describe_unscheduled(pod, now), "warn"))
        return cut(line, width)

    def _claim_verdict(self, claim: VolumeClaim) -> Verdict:
        if claim.phase == "Lost":
            return Verdict.CRITICAL
        if claim.phase != "Bound":
            return Verdict.WARN
        return evaluate_volume(self._use_of(claim))

    def _use_of(self, claim: VolumeClaim) -> VolumeUse | None:
        return (self._reading.use.value or {}).get(claim.name) if self._reading else None

    def _claim_cells(self, claim: VolumeClaim) -> tuple[Span, ...]:
        verdict = self._claim_verdict(claim)
        doubtful = self._reading is not None and self._reading.use_caveat and verdict is not Verdict.NO_DATA
        if doubtful:
            verdict = Verdict.IN_DOUBT
        word, tone = verdict.word, VERDICT_TONES[verdict]
        if not self.current and self.read_at:
            word, tone = Verdict.STALE.word, "unknown"
        use = self._use_of(claim)
        used = "not known"
        if use is not None and use.filled_bytes is not None and use.capacity_bytes:
            used = describe_share(
                use.filled_bytes, use.capacity_bytes, format_bytes(use.filled_bytes), format_bytes(use.capacity_bytes)
            )
        inodes = f"{use.inodes_ratio:.0%}".replace("%", " %") if use is not None and use.inodes_ratio is not None else "-"
        return (
            (word, tone),
            text(claim.name, "strong"),
            (used, tone if used != "not known" else "unknown"),
            (inodes, ""),
            text(claim.phase or "-", "" if claim.phase == "Bound" else "warn"),
            text(claim.storage_class or "-", "dim"),
        )


def _why_empty(error: str, pending: bool, none: str) -> str:
    return "no answer yet" if pending else f"not known: {visible(error)}" if error else none
