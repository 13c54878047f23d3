"""Pause a Deployment's rollout, or let it go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from console.actions import deployment_preflight as checks
from console.actions.action import ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.deployment_state import DeploymentState, kubectl
from console.actions.digest import digest
from console.actions.plan import ActionRefused, Difference, Plan, PreflightCheck, Request
from console.actions.pod_template_diff import differences
from console.actions.reconcilers import PAUSED, reconcilers
from console.actions.rollout import DeploymentAction


async def preflight(
    plan: Plan, facts: DeploymentState, reads: ClusterReader, writes: ChangeWriter
) -> tuple[PreflightCheck, ...]:
    return (
        await checks.access(reads, facts.workload.name),
        await checks.dry_run(plan, facts, writes, content_type=checks.MERGE_PATCH),
        checks.running(facts),
    )


@dataclass(frozen=True, slots=True)
class Pause(DeploymentAction):
    name: str = "pause"
    title: str = "Pause the rollout"
    key: str = "p"
    targets: str = "deployment"
    heals: bool = False
    changes: ClassVar[str] = PAUSED
    parameters: tuple[Parameter, ...] = ()

    def plan(self, request: Request, facts: DeploymentState, now: float) -> Plan:
        workload = facts.workload
        if workload.paused:
            raise ActionRefused(f"nothing to do: {workload.name} is already paused")
        return Plan(
            request=request,
            title=f"Pause the rollout of {workload.target}",
            subject=workload.target,
            differences=(
                Difference("rollout", "goes on", "paused"),
                Difference("new pods", f"{workload.updated} of {workload.desired}", "no more are made until it is resumed"),
            ),
            notes=("running pods stay; while paused it can neither be rolled back nor restarted",),
            command=kubectl(facts, "rollout", "pause", workload.target),
            confirm_word=workload.name,
            body={"metadata": {"resourceVersion": facts.resource_version}, "spec": {"paused": True}},
            resource_version=facts.resource_version,
            generation=workload.generation,
            record=facts.revision_record(),
            reconcilers=reconcilers(facts, PAUSED),
            digest=digest(self.name, workload.uid, workload.paused, facts.template),
        )

    async def preflight(
        self, plan: Plan, facts: DeploymentState, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        return await preflight(plan, facts, reads, writes)

    def holds(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return bool(deployment["spec"].get("paused"))

    def otherwise(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} was resumed again"

    async def verify(self, plan: Plan, reads: ClusterReader) -> AsyncGenerator[Progress, None]:
        """That it is paused is all that there is to see: a paused rollout is never done."""
        yield await self.undone(plan, reads) or Progress(f"{plan.subject} is paused", done=True)


@dataclass(frozen=True, slots=True)
class Resume(DeploymentAction):
    name: str = "resume"
    title: str = "Resume the rollout"
    key: str = "P"
    targets: str = "deployment"
    heals: bool = True
    changes: ClassVar[str] = PAUSED
    parameters: tuple[Parameter, ...] = ()

    def plan(self, request: Request, facts: DeploymentState, now: float) -> Plan:
        workload = facts.workload
        if not workload.paused:
            raise ActionRefused(f"nothing to do: {workload.name} is not paused")
        known = facts.revisions()
        waiting = differences(known[0][1]["spec"]["template"], facts.template) if known else ()
        changes = any(item.before != item.after for item in waiting)
        note = "rolls out what was changed while it was paused" if changes else "nothing was changed while it was paused"
        if not known:
            note = f"rolls out its first revision, {workload.desired} pods: it has no ReplicaSet yet"
        return Plan(
            request=request,
            title=f"Resume the rollout of {workload.target}",
            subject=workload.target,
            differences=(Difference("rollout", "paused", "goes on"), *waiting),
            notes=(note,),
            command=kubectl(facts, "rollout", "resume", workload.target),
            confirm_word=workload.name,
            body={"metadata": {"resourceVersion": facts.resource_version}, "spec": {"paused": False}},
            resource_version=facts.resource_version,
            generation=workload.generation,
            record=facts.revision_record(),
            reconcilers=reconcilers(facts, PAUSED),
            digest=digest(self.name, workload.uid, workload.paused, facts.template),
        )

    async def preflight(
        self, plan: Plan, facts: DeploymentState, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        return await preflight(plan, facts, reads, writes)

    def holds(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return not deployment["spec"].get("paused")

    def otherwise(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} was paused again"
