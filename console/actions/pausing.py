"""Pause a Deployment's rollout, or let it go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from console.actions import workload_checks as checks
from console.actions.action import Parameter, Progress, Reads, Writes
from console.actions.digest import digest
from console.actions.plan import Difference, Plan, PreflightCheck, Refusal, Request
from console.actions.rollout import patch_deployment, watched_rollout
from console.actions.template import differences
from console.actions.workload_facts import WorkloadFacts, kubectl, name_of, workload_facts


async def preflight(plan: Plan, facts: WorkloadFacts, reads: Reads, writes: Writes) -> tuple[PreflightCheck, ...]:
    return (
        await checks.access(reads, facts.workload.name),
        await checks.dry_run(plan, facts, writes, content_type=checks.MERGE_PATCH),
        checks.running(facts),
    )


async def landed(plan: Plan, reads: Reads, *, paused: bool) -> Plan | None:
    deployment = await reads.deployment(name_of(plan.request))
    return replace(plan) if bool(deployment["spec"].get("paused")) is paused else None


@dataclass(frozen=True, slots=True)
class Pause:
    name: str = "pause"
    title: str = "Pause the rollout"
    key: str = "p"
    targets: str = "deployment"
    heals: bool = False
    parameters: tuple[Parameter, ...] = ()

    async def facts(self, request: Request, reads: Reads) -> WorkloadFacts:
        return await workload_facts(request, reads)

    def plan(self, request: Request, facts: WorkloadFacts, now: float) -> Plan:
        workload = facts.workload
        if workload.paused:
            raise Refusal(f"nothing to do: {workload.name} is already paused")
        return Plan(
            request=request,
            title=f"Pause the rollout of {workload.target}",
            subject=workload.target,
            differences=(
                Difference("rollout", "goes on", "paused"),
                Difference("new pods", f"{workload.updated} of {workload.wanted}", "no more are made until it is resumed"),
            ),
            notes=("running pods stay; while paused it can neither be rolled back nor restarted",),
            command=kubectl(facts, "rollout", "pause", workload.target),
            confirm_word=workload.name,
            body={"metadata": {"resourceVersion": facts.resource_version}, "spec": {"paused": True}},
            resource_version=facts.resource_version,
            digest=digest(self.name, workload.uid, workload.paused, facts.template),
        )

    async def preflight(self, plan: Plan, facts: WorkloadFacts, reads: Reads, writes: Writes) -> tuple[PreflightCheck, ...]:
        return await preflight(plan, facts, reads, writes)

    async def execute(self, plan: Plan, writes: Writes) -> str:
        await patch_deployment(plan, writes, content_type=checks.MERGE_PATCH)
        return ""

    async def landed(self, plan: Plan, reads: Reads) -> Plan | None:
        return await landed(plan, reads, paused=True)

    async def verify(self, plan: Plan, reads: Reads) -> AsyncGenerator[Progress, None]:
        there = await landed(plan, reads, paused=True)
        yield Progress(f"{plan.subject} is {'paused' if there else 'not paused: somebody resumed it'}", done=there is not None)


@dataclass(frozen=True, slots=True)
class Resume:
    name: str = "resume"
    title: str = "Resume the rollout"
    key: str = "P"
    targets: str = "deployment"
    heals: bool = True
    parameters: tuple[Parameter, ...] = ()

    async def facts(self, request: Request, reads: Reads) -> WorkloadFacts:
        return await workload_facts(request, reads)

    def plan(self, request: Request, facts: WorkloadFacts, now: float) -> Plan:
        workload = facts.workload
        if not workload.paused:
            raise Refusal(f"nothing to do: {workload.name} is not paused")
        known = facts.revisions()
        waiting = differences(known[0][1]["spec"]["template"], facts.template) if known else ()
        changes = any(item.before != item.after for item in waiting)
        note = "rolls out what was changed while it was paused" if changes else "nothing was changed while it was paused"
        if not known:
            note = f"rolls out its first revision, {workload.wanted} pods: it has no ReplicaSet yet"
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
            digest=digest(self.name, workload.uid, workload.paused, facts.template),
        )

    async def preflight(self, plan: Plan, facts: WorkloadFacts, reads: Reads, writes: Writes) -> tuple[PreflightCheck, ...]:
        return await preflight(plan, facts, reads, writes)

    async def execute(self, plan: Plan, writes: Writes) -> str:
        await patch_deployment(plan, writes, content_type=checks.MERGE_PATCH)
        return ""

    async def landed(self, plan: Plan, reads: Reads) -> Plan | None:
        return await landed(plan, reads, paused=False)

    async def verify(self, plan: Plan, reads: Reads) -> AsyncGenerator[Progress, None]:
        def wished(deployment: dict[str, object]) -> str:
            spec = deployment["spec"]
            assert isinstance(spec, dict)  # noqa: S101 - the API's own shape
            return f"{plan.subject} was paused again" if spec.get("paused") else ""

        async for progress in watched_rollout(plan, reads, wished=wished):
            yield progress
