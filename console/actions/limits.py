"""Set the CPU and memory limits of a container; a request above its new limit is lowered with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, ClassVar

from console.actions.action import Parameter
from console.actions.deployment_action import DeploymentAction, find_replaced_pods
from console.actions.deployment_preflight import JSON_PATCH
from console.actions.deployment_state import RESOURCES, DeploymentState
from console.actions.new_pods import NewPods
from console.actions.plan import ActionRefused, Difference, NothingToDo, Plan, Request
from console.actions.reconcilers import TEMPLATE
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.numbers import parse_quantity

NAME = "limits"
NONE = "none"
"""The value that removes a limit or a request."""
_QUANTITY = re.compile(r"\d{1,24}(\.\d{1,9})?([eE]-?\d{1,2}|[numkMGTPE]|[KMGTPE]i)?")
"""Whatever the server may have stored: an undo brings it back."""
_PARTS = (("cpu", "limits", "cpu"), ("memory", "limits", "memory"),
          ("cpu_request", "requests", "cpu"), ("memory_request", "requests", "memory"))  # fmt: skip
"""Each parameter with its part of `resources`."""


@dataclass(frozen=True, slots=True)
class _Change:
    """The container, where it stands in the template, and its `resources` before and after."""

    index: int
    name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    containers: int

    def values(self, resources: Mapping[str, Any]) -> dict[str, str]:
        """By parameter, `none` where there is none."""
        return {name: str((resources.get(group) or {}).get(key, NONE)) for name, group, key in _PARTS}

    def changed(self) -> dict[str, tuple[str, str]]:
        """The parameters whose value changes, with both values."""
        before, after = self.values(self.before), self.values(self.after)
        return {name: (before[name], after[name]) for name in before if _amount(before[name]) != _amount(after[name])}

    def differences(self) -> tuple[Difference, ...]:
        of = "" if self.containers == 1 else f" {self.name}"
        return tuple(
            Difference(f"{key} {group.removesuffix('s')}{of}", *self.changed()[name])
            for name, group, key in _PARTS
            if name in self.changed()
        )

    def undo(self, target: str) -> ActionCall:
        """The call that sets the values of before."""
        before = {name: old for name, (old, _) in self.changed().items()}
        return ActionCall(NAME, target, {**before, "container": self.name})

    def patch(self, resource_version: str) -> list[dict[str, Any]]:
        path = f"/spec/template/spec/containers/{self.index}"
        return [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "test", "path": f"{path}/name", "value": self.name},
            {"op": "add", "path": f"{path}/resources", "value": self.after},
        ]

    def apply(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """The pod template with the new limits."""
        spec = dict(template["spec"])
        spec["containers"] = [
            {**item, "resources": self.after} if index == self.index else item for index, item in enumerate(spec["containers"])
        ]
        return {**template, "spec": spec}


def _find_change(request: Request, template: Mapping[str, Any], subject: str) -> _Change:
    """The change that the request asks for. Raises ActionRefused."""
    containers = list((template.get("spec") or {}).get("containers") or ())
    names = ", ".join(visible(str(item["name"])) for item in containers)
    requested = request.parameters.get("container", "")
    if not requested and len(containers) > 1:
        raise ActionRefused(f"{subject} has the containers {names}: name one with --container")
    index = next((at for at, item in enumerate(containers) if not requested or item["name"] == requested), None)
    if index is None:
        raise ActionRefused(f"{subject} has no container {requested[:80]!r}; it has {names or 'none'}")
    container = containers[index]
    given = {name: request.parameters[name].strip() for name, _, _ in _PARTS if request.parameters.get(name, "").strip()}
    before = container.get("resources") or {}
    change = _Change(index, str(container["name"]), before, _apply(before, given), len(containers))
    if not change.changed():
        raise NothingToDo(f"{change.name} of {subject} already has these limits")
    return change


def _apply(before: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The resources with the given values; a request that nobody named stays at or under its limit."""
    after = {**before, "limits": dict(before.get("limits") or {}), "requests": dict(before.get("requests") or {})}
    for name, group, key in _PARTS:
        value = given.get(name)
        if value is None:
            continue
        if value != NONE and not _QUANTITY.fullmatch(value):
            raise ActionRefused(f"{name} {value[:40]!r} is not a quantity such as 500m or 256Mi, nor {NONE}")
        after[group].pop(key, None)
        if value != NONE:
            after[group][key] = value
    for key in ("cpu", "memory"):
        limit, request_now = after["limits"].get(key), after["requests"].get(key)
        if limit is None or request_now is None or parse_quantity(str(request_now)) <= parse_quantity(str(limit)):
            continue
        if f"{key}_request" in given:
            raise ActionRefused(f"the {key} request {request_now} is above the limit {limit}")
        after["requests"][key] = limit
    return {name: value for name, value in after.items() if value}


class SetLimits(DeploymentAction):
    """Of a Deployment, StatefulSet or DaemonSet: its pods are recreated with them."""

    name = NAME
    undone_by: ClassVar[str] = NAME
    title = "Set limits"
    changes: ClassVar[str] = TEMPLATE
    kinds: ClassVar[tuple[str, ...]] = tuple(RESOURCES)
    content_type: ClassVar[str] = JSON_PATCH
    parameters = (
        Parameter("cpu", required=True, description=f"the CPU limit, such as 500m; {NONE} removes it", unless="memory"),
        Parameter("memory", required=True, description=f"the memory limit, such as 256Mi; {NONE} removes it", unless="cpu"),
        Parameter("cpu_request", required=False, description="the CPU request (default: as it is, at most the limit)"),
        Parameter("memory_request", required=False, description="the memory request (default: as it is, at most the limit)"),
        Parameter("container", required=False, description="the container, if the pod has several"),
    )

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        workload = state.workload
        if workload.paused:
            raise ActionRefused(f"{workload.name} is paused: resume its rollout first")
        change = _find_change(request, state.template, workload.target)
        desired, undo = str(workload.desired), change.undo(workload.target)
        flags = " ".join(f"--{name.replace('_', '-')} {shlex.quote(value)}" for name, value in undo.parameters.items())
        resources = [
            f"--{group}={','.join(f'{key}={value}' for key, value in (change.after.get(group) or {}).items())}"
            for group in ("limits", "requests")
            if change.after.get(group)
        ]
        return self.build_plan(
            request,
            state,
            title=f"Set limits of {workload.target}",
            differences=(*change.differences(), Difference("replicas", desired, desired)),
            notes=(f"to undo: cad-console act {NAME} {workload.target} {flags}",),
            command=("set", "resources", workload.target, "-c", change.name, *resources),
            body=change.patch(state.resource_version),
            digest_of=(state.template, change.name, change.after, workload.desired),
            undo=undo,
        )

    def find_new_pods(self, plan: Plan, state: DeploymentState) -> NewPods:
        return find_replaced_pods(state, _find_change(plan.request, state.template, plan.subject).apply(state.template))

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        name, after = plan.body[1]["value"], plan.body[2]["value"]
        containers = (deployment["spec"].get("template") or {}).get("spec", {}).get("containers") or ()
        return any(item["name"] == name and _same(item.get("resources") or {}, after) for item in containers)

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} has other limits of {plan.body[1]['value']} again"


def _amount(text: str) -> float | None:
    return None if text == NONE else parse_quantity(text)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both have the same limits and requests, in whatever spelling: the server writes 1000m as 1."""

    def values(resources: Mapping[str, Any]) -> dict[tuple[str, str], float]:
        found = ((group, resources.get(group) or {}) for group in ("limits", "requests"))
        return {(group, key): parse_quantity(str(value)) for group, each in found for key, value in each.items()}

    return values(one) == values(other)
