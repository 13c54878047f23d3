"""Cordon a node, or uncordon it, as kubectl does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from console.actions.action import ClusterReader
from console.actions.deployment_preflight import STRATEGIC_PATCH
from console.actions.object_patch import BooleanPatch, ObjectFacts, parse_name, read_if_allowed
from console.actions.plan import CheckLevel, Difference, Plan, PreflightCheck, Request
from console.actions.reconcilers import UNSCHEDULABLE
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.text import visible

_CORDONED_TAINT = "node.kubernetes.io/unschedulable"
_BLOCKS = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node, all nodes, and how many pods of the namespace run on it; None for what this identity may not list."""

    node: ObjectFacts
    nodes: tuple[dict[str, Any], ...] | None
    pods: int | None


class _SetSchedulable(BooleanPatch):
    target_kind: str = "node"
    resource: ClassVar[str] = "nodes"
    changes: ClassVar[str] = UNSCHEDULABLE
    content_type: ClassVar[str] = STRATEGIC_PATCH
    states: ClassVar[tuple[str, str]] = ("schedulable", "cordoned")

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> NodeFacts:
        name = parse_name(request, self.target_kind)
        node, nodes, pods = await asyncio.gather(
            reader.read("nodes", name),
            read_if_allowed(reader.list_objects("nodes")),
            read_if_allowed(reader.list_objects("pods", fields=f"spec.nodeName={name}")),
        )
        return NodeFacts(
            ObjectFacts(node, reader.kubectl), None if nodes is None else tuple(nodes), None if pods is None else len(pods)
        )

    def plan(self, request: Request, facts: NodeFacts, now: float) -> Plan:
        node = facts.node.raw
        name, before = node["metadata"]["name"], self.read_value(node)
        count = "unknown" if facts.pods is None else f"{facts.pods} of this namespace"
        return self.build_plan(
            request,
            facts.node,
            title=f"{self.title} node/{name}",
            differences=(
                self.state_difference("new pods"),
                Difference("pods here", count, count),
            ),
            notes=("pods that run on it stay", "a DaemonSet still places its pods on it") if self.value else (),
            command=(self.name, name),
            # As kubectl: false is removed.
            body={"spec": {"unschedulable": True if self.value else None}},
            digest_of=(before,),
            undo=ActionCall(self.undone_by, f"node/{name}"),
        )

    async def own_checks(self, plan: Plan, facts: NodeFacts, reader: ClusterReader) -> tuple[PreflightCheck, ...]:
        return (_check_taints(facts.node.raw),) if not self.value else (_check_others(facts),)


class Cordon(_SetSchedulable):
    name = "cordon"
    title = "Cordon"
    undone_by: ClassVar[str] = "uncordon"
    value: ClassVar[bool] = True


class Uncordon(_SetSchedulable):
    name = "uncordon"
    title = "Uncordon"
    undone_by: ClassVar[str] = "cordon"
    value: ClassVar[bool] = False


def is_schedulable(node: Mapping[str, Any]) -> bool:
    """Whether the node takes a pod that tolerates no taint: ready, not cordoned, without a taint that keeps pods away. One that
    does not say whether it is ready does not count: `kubectl get nodes` calls it Unknown.
    """
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    cordoned = (node.get("spec") or {}).get(UNSCHEDULABLE)
    return ready and not cordoned and not _list_blocking_taints(node)


def _list_blocking_taints(node: Mapping[str, Any]) -> list[str]:
    taints = (node.get("spec") or {}).get("taints") or ()
    return [str(item.get("key")) for item in taints if item.get("effect") in _BLOCKS and item.get("key") != _CORDONED_TAINT]


def _check_others(facts: NodeFacts) -> PreflightCheck:
    """Where new pods can still go."""
    if facts.nodes is None:
        return PreflightCheck(CheckLevel.WARN, "not checked: the other nodes (you may not list nodes)", "nodes")
    name = facts.node.raw["metadata"]["name"]
    others = [item for item in facts.nodes if item["metadata"]["name"] != name]
    left = sum(map(is_schedulable, others))
    text = f"{left} of {len(others)} other nodes take new pods"
    if not left:
        return PreflightCheck(CheckLevel.WARN, f"{text}: no pod can be scheduled any more", "nodes")
    return PreflightCheck(CheckLevel.OK, text, "nodes")


def _check_taints(node: Mapping[str, Any]) -> PreflightCheck:
    keys = _list_blocking_taints(node)
    if keys:
        text = f"its taints still keep pods away: {', '.join(map(visible, keys))}"
        return PreflightCheck(CheckLevel.WARN, text, "taints")
    return PreflightCheck(CheckLevel.OK, "no taint keeps pods away from it", "taints")
