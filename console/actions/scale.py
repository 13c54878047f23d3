"""Set how many replicas a Deployment wants, through its Scale subresource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from console.actions import deployment_preflight as checks
from console.actions.action import ChangeWriter, ClusterReader, Parameter
from console.actions.deployment_state import DeploymentState, kubectl
from console.actions.digest import digest
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request
from console.actions.reconcilers import REPLICAS, reconcilers
from console.actions.rollout import DeploymentAction

_MOST = 10_000
_WARN_FACTOR, _ASK_FACTOR = 2.0, 5.0
"""From which factor on, up or down, the preview warns, and asks for the number again."""


@dataclass(frozen=True, slots=True)
class Scale(DeploymentAction):
    name: str = "scale"
    title: str = "Scale"
    key: str = "s"
    targets: str = "deployment"
    heals: bool = True
    changes: ClassVar[str] = REPLICAS
    subresource: ClassVar[str] = "scale"
    parameters: tuple[Parameter, ...] = (
        Parameter("replicas", required=True, meaning="how many pods it shall have; 0 stops them all"),
    )

    def plan(self, request: Request, facts: DeploymentState, now: float) -> Plan:
        workload = facts.workload
        wanted = _number(request.parameters.get("replicas", ""))
        if wanted == workload.desired:
            raise ActionRefused(f"nothing to do: {workload.name} already wants {_count(wanted)}")
        images = tuple(
            Difference(f"image {item.name}" if len(workload.containers) > 1 else "image", item.image, item.image)
            for item in workload.containers
        )
        notes = [f"now {workload.ready} of {workload.desired} ready"]
        if wanted == 0:
            notes.append("stops every pod: whatever it serves is down until it is scaled up again")
        return Plan(
            request=request,
            title=f"Scale {workload.target} to {_count(wanted)}",
            subject=workload.target,
            differences=(Difference("replicas", str(workload.desired), str(wanted)), *images),
            notes=tuple(notes),
            command=kubectl(facts, "scale", workload.target, f"--replicas={wanted}"),
            confirm_word=workload.name,
            body={"metadata": {"resourceVersion": facts.resource_version}, "spec": {"replicas": wanted}},
            resource_version=facts.resource_version,
            generation=workload.generation,
            record=_record(facts, wanted),
            # With 0 replicas an HPA is switched off.
            reconcilers=tuple(item for item in reconcilers(facts, REPLICAS) if wanted or item.kind != "hpa"),
            digest=digest(self.name, workload.uid, workload.desired, wanted),
        )

    async def preflight(
        self, plan: Plan, facts: DeploymentState, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        wanted = _wanted(plan)
        return (
            *drastic(facts.workload.desired, wanted),
            await checks.access(reads, facts.workload.name, subresource="scale"),
            await checks.dry_run(plan, facts, writes, content_type=checks.MERGE_PATCH, subresource="scale"),
            checks.running(facts),
            *checks.autoscaling(facts, replicas=wanted),
            *checks.budgets(facts, scaling_down=wanted < facts.workload.desired),
        )

    def holds(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return bool(deployment["spec"].get("replicas") == _wanted(plan))

    def otherwise(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} wants {deployment['spec'].get('replicas')} again"


def _record(facts: DeploymentState, wanted: int) -> dict[str, Any]:
    """Once it is rolled out, and only then, the present revision was ready with so many pods."""
    present = facts.revision_record()
    return {**present, "goal": present["replica_set"], "goal_desired": wanted} if present else {}


def drastic(now: int, wanted: int) -> tuple[PreflightCheck, ...]:
    """Whether the step is so large that it may be a slip of the finger: a digit too many is ten times as many."""
    if wanted == 0:
        return (PreflightCheck(CheckLevel.ASK, f"stops all {now} pods: type 0 again", "factor", word="0"),)
    # From 0 there is no factor: it is compared with one pod.
    up, base = wanted > now, max(1, now)
    factor = wanted / base if up else base / wanted
    if factor < _WARN_FACTOR:
        return ()
    step = f"{now} to {wanted} is {f'×{factor:.3g}' if up else f'1/{factor:.3g} of it'}"
    if factor < _ASK_FACTOR:
        return (PreflightCheck(CheckLevel.WARN, step, "factor"),)
    return (PreflightCheck(CheckLevel.ASK, f"{step}: type the number again", "factor", word=str(wanted)),)


def _wanted(plan: Plan) -> int:
    return _number(plan.request.parameters.get("replicas", ""))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > _MOST:
        raise ActionRefused(f"replicas {text[:20]!r} is not a number from 0 to {_MOST}")
    return int(text)


def _count(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"
