"""Switch a Service from the pods of one Deployment to those of another: blue/green by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

from console.actions.action import ClusterReader, Parameter, Progress
from console.actions.object_patch import FieldPatch, ObjectFacts, parse_name, read_if_allowed
from console.actions.plan import ActionRefused, CheckLevel, Difference, NothingToDo, Plan, PreflightCheck, Request
from console.actions.reconcilers import SELECTOR, owners
from console.config.text_formats import is_object_name
from queries.kubernetes.pod_decode import decode_pod
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.pod import Pod
from queries.model.text import visible

_ARGO = "argo-rollouts.argoproj.io/managed-by-rollouts"
"""The annotation of a Service that Argo Rollouts switches by itself."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A Service, the Deployment to switch it to, and the pods of the namespace that the old and the new selector match.

    `previous` is the Deployment whose pods the Service selects now; empty if it is not known, or if there are several.
    """

    service: ObjectFacts
    selector: dict[str, str]
    old: tuple[Pod, ...]
    new: tuple[Pod, ...]
    previous: str = ""


class Switch(FieldPatch):
    name = "switch"
    undone_by: ClassVar[str] = "switch"
    title = "Switch"
    target_kind: str = "service"
    expects_recovery: bool = True
    parameters = (
        Parameter("to", required=True, description="the Deployment that the Service sends its traffic to after the switch"),
    )
    resource: ClassVar[str] = "services"
    changes: ClassVar[str] = SELECTOR

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> ServiceFacts:
        name, other = parse_name(request, self.target_kind), request.parameters["to"].removeprefix("deployment/")
        if not is_object_name(other):
            raise ActionRefused(f"{other[:80]!r} is not the name of a Deployment")
        service, deployment = await asyncio.gather(reader.read("services", name), reader.workload("deployments", other))
        before = dict(service["spec"].get("selector") or {})
        if not before:
            raise ActionRefused(f"{name} has no selector: something else manages its endpoints")
        if (service["metadata"].get("annotations") or {}).get(_ARGO) or "rollouts-pod-template-hash" in before:
            raise ActionRefused(f"Argo Rollouts manages the selector of {name}: promote its Rollout instead")
        labels = (deployment["spec"]["template"].get("metadata") or {}).get("labels") or {}
        missing = [key for key in before if key not in labels]
        if missing:
            raise ActionRefused(f"the pods of {other} lack the label {visible(missing[0])}, by which {name} selects its pods")
        after = {key: str(labels[key]) for key in before}
        old, new, previous = await asyncio.gather(
            _pods_of(before, reader), _pods_of(after, reader), _find_deployment(before, reader)
        )
        return ServiceFacts(ObjectFacts(service, reader.kubectl), after, old, new, previous)

    def plan(self, request: Request, facts: ServiceFacts, now: float) -> Plan:
        name, service = parse_name(request, self.target_kind), facts.service.raw
        before, after = dict(service["spec"]["selector"]), facts.selector
        if before == after:
            raise NothingToDo(f"{name} already selects {_words(after)}")
        ready = sum(pod.ready for pod in facts.new)
        if not ready:
            raise ActionRefused(f"{_words(after)} has 0 ready pods of {len(facts.new)}: {name} would have no endpoints")
        old_ready = sum(pod.ready for pod in facts.old)
        body = {"spec": {"selector": after}}
        return self.build_plan(
            request,
            facts.service,
            title=f"Switch service/{name} to {request.parameters['to'].removeprefix('deployment/')}",
            differences=(
                Difference("selector", _words(before), _words(after)),
                Difference("ready", f"{old_ready} of {len(facts.old)} pods", f"{ready} of {len(facts.new)} pods"),
            ),
            notes=("open connections stay on the old pods until they close",),
            command=("patch", f"service/{name}", "-p", json.dumps(body, separators=(",", ":"))),
            body=body,
            reverted_by=owners(service),
            digest_of=(before, after),
            undo=ActionCall(self.name, f"service/{name}", {"to": facts.previous}) if facts.previous else None,
        )

    async def own_checks(self, plan: Plan, facts: ServiceFacts, reader: ClusterReader) -> tuple[PreflightCheck, ...]:
        old, new = (sum(pod.ready for pod in pods) for pods in (facts.old, facts.new))
        text = f"{new} ready pods take over from {old}"
        if new < old or new < len(facts.new):
            return (
                PreflightCheck(CheckLevel.WARN, f"{text}; {len(facts.new) - new} of the new ones are not ready", "endpoints"),
            )
        return (PreflightCheck(CheckLevel.OK, text, "endpoints"),)

    def is_in_place(self, plan: Plan, found: Mapping[str, Any]) -> bool:
        return bool(found["spec"].get("selector") == plan.body["spec"]["selector"])

    def describe_revert(self, plan: Plan) -> str:
        return f"{plan.subject} selects other pods again"

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Until the Service's endpoints are the new pods and no old one."""
        selector = plan.body["spec"]["selector"]
        while True:
            undone = await self.check_undone(plan, reader)
            if undone:
                yield undone
                return
            pods = await _pods_of(selector, reader)
            ready = {pod.uid for pod in pods if pod.ready}
            endpoints = await _read_endpoints(parse_name(plan.request, self.target_kind), reader)
            if endpoints is None:
                text = (
                    f"{plan.subject} selects {_words(selector)}; not checked: its endpoints (you may not read EndpointSlices)"
                )
                yield Progress(text, done=True)
                return
            taken = len(endpoints & ready)
            text = f"{plan.subject}: {taken} of {len(ready)} ready pods of {_words(selector)} are its endpoints"
            old = len(endpoints - {pod.uid for pod in pods})
            if old:
                text += f", and {old} other{'' if old == 1 else 's'}"
            done = True if ready and endpoints == ready else None
            yield Progress(text, done=done)
            if done:
                return


async def _pods_of(selector: Mapping[str, str], reader: ClusterReader) -> tuple[Pod, ...]:
    """The pods that the selector matches and that run: neither deleted nor, as an evicted one, ended."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    pods = map(decode_pod, await reader.list_objects("pods", labels=labels))
    return tuple(pod for pod in pods if pod.reason != "Terminating" and not pod.ended)


async def _find_deployment(selector: Mapping[str, str], reader: ClusterReader) -> str:
    """The only Deployment whose pods the selector matches; empty if there are others, or none that this identity may list."""
    found = [
        str(item["metadata"]["name"])
        for item in await read_if_allowed(reader.list_objects("deployments")) or ()
        if selector.items() <= ((item["spec"]["template"].get("metadata") or {}).get("labels") or {}).items()
    ]
    return found[0] if len(found) == 1 else ""


async def _read_endpoints(name: str, reader: ClusterReader) -> set[str] | None:
    """The UIDs of the pods that the Service sends traffic to now; None if this identity may not read them."""
    slices = await read_if_allowed(reader.list_objects("endpointslices", labels=f"kubernetes.io/service-name={name}"))
    if slices is None:
        return None
    every = [item for found in slices for item in found.get("endpoints") or ()]
    return {
        str((item.get("targetRef") or {}).get("uid", ""))
        for item in every
        if (item.get("conditions") or {}).get("ready") is not False
    }


def _words(selector: Mapping[str, str]) -> str:
    return ",".join(f"{visible(key)}={visible(value)}" for key, value in sorted(selector.items()))
