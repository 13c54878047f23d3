"""Set how many replicas a Deployment wants, through its Scale subresource."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

from console.actions import workload_checks as checks
from console.actions.action import Parameter, Progress, Reads, Writes
from console.actions.digest import digest
from console.actions.plan import Difference, Plan, PreflightCheck, Refusal, Request
from console.actions.rollout import patch_deployment, watched_rollout
from console.actions.workload_facts import WorkloadFacts, kubectl, name_of, workload_facts

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Scale:
    name: str = "scale"
    title: str = "Scale"
    key: str = "s"
    targets: str = "deployment"
    heals: bool = True
    parameters: tuple[Parameter, ...] = (
        Parameter("replicas", required=True, meaning="how many pods it shall have; 0 stops them all"),
    )

    async def facts(self, request: Request, reads: Reads) -> WorkloadFacts:
        return await workload_facts(request, reads)

    def plan(self, request: Request, facts: WorkloadFacts, now: float) -> Plan:
        workload = facts.workload
        wanted = _number(request.parameters.get("replicas", ""))
        if wanted == workload.wanted:
            raise Refusal(f"nothing to do: {workload.name} already wants {_count(wanted)}")
        images = tuple(
            Difference(f"image {item.name}" if len(workload.containers) > 1 else "image", item.image, item.image)
            for item in workload.containers
        )
        notes = [f"now {workload.ready} of {workload.wanted} ready"]
        if wanted == 0:
            notes.append("stops every pod: whatever it serves is down until it is scaled up again")
        return Plan(
            request=request,
            title=f"Scale {workload.target} to {_count(wanted)}",
            subject=workload.target,
            differences=(Difference("replicas", str(workload.wanted), str(wanted)), *images),
            notes=tuple(notes),
            command=kubectl(facts, "scale", workload.target, f"--replicas={wanted}"),
            confirm_word=workload.name,
            body={"metadata": {"resourceVersion": facts.resource_version}, "spec": {"replicas": wanted}},
            resource_version=facts.resource_version,
            digest=digest(self.name, workload.uid, workload.wanted, wanted),
        )

    async def preflight(self, plan: Plan, facts: WorkloadFacts, reads: Reads, writes: Writes) -> tuple[PreflightCheck, ...]:
        wanted = _wanted(plan)
        return (
            await checks.access(reads, facts.workload.name, subresource="scale"),
            await checks.dry_run(plan, facts, writes, content_type=checks.MERGE_PATCH, subresource="scale"),
            checks.running(facts),
            *checks.autoscaling(facts, replicas=wanted),
            *checks.budgets(facts, scaling_down=wanted < facts.workload.wanted),
        )

    async def execute(self, plan: Plan, writes: Writes) -> str:
        await patch_deployment(plan, writes, content_type=checks.MERGE_PATCH, subresource="scale")
        return ""

    async def landed(self, plan: Plan, reads: Reads) -> Plan | None:
        deployment = await reads.deployment(name_of(plan.request))
        return replace(plan) if deployment["spec"].get("replicas") == _wanted(plan) else None

    async def verify(self, plan: Plan, reads: Reads) -> AsyncGenerator[Progress, None]:
        wanted = _wanted(plan)

        def wished(deployment: dict[str, Any]) -> str:
            now = deployment["spec"].get("replicas")
            return "" if now == wanted else f"{plan.subject} wants {now} again: an HPA or somebody else changed it"

        async for progress in watched_rollout(plan, reads, wished=wished):
            yield progress


def _wanted(plan: Plan) -> int:
    return _number(plan.request.parameters.get("replicas", ""))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > _MOST:
        raise Refusal(f"replicas {text[:20]!r} is not a number from 0 to {_MOST}")
    return int(text)


def _count(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"
