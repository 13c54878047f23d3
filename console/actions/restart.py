"""Restart a Deployment's pods one after another, as `kubectl rollout restart` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from console.actions import deployment_preflight as checks
from console.actions.action import ChangeWriter, ClusterReader, Parameter
from console.actions.deployment_state import DeploymentState, kubectl
from console.actions.digest import digest
from console.actions.plan import ActionRefused, Difference, Plan, PreflightCheck, Request
from console.actions.reconcilers import TEMPLATE, reconcilers
from console.actions.rollout import DeploymentAction
from queries.text.times import utc

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True, slots=True)
class Restart(DeploymentAction):
    name: str = "restart"
    title: str = "Restart"
    key: str = "r"
    targets: str = "deployment"
    heals: bool = True
    changes: ClassVar[str] = TEMPLATE
    pods_must_be_new: ClassVar[bool] = True
    parameters: tuple[Parameter, ...] = ()

    def plan(self, request: Request, facts: DeploymentState, now: float) -> Plan:
        workload = facts.workload
        if workload.paused:
            raise ActionRefused(f"{workload.name} is paused: a restart would wait; resume its rollout first")
        if workload.desired == 0:
            raise ActionRefused(f"nothing to do: {workload.name} wants 0 replicas")
        moment = utc(now)
        template = {"metadata": {"annotations": {RESTARTED_AT: moment}}}
        pods = "1 pod" if workload.desired == 1 else f"{workload.desired} pods"
        last, many = _restarted_at(facts.raw), len(workload.containers) > 1
        return Plan(
            request=request,
            title=f"Restart {workload.target}",
            subject=workload.target,
            differences=(
                Difference("pods", f"{workload.ready} of {workload.desired} ready", f"{pods} made anew, one after another"),
                Difference("restarted at", last or "never", moment),
                *(
                    Difference(f"image {item.name}" if many else "image", item.image, item.image)
                    for item in workload.containers
                ),
                Difference("replicas", str(workload.desired), str(workload.desired)),
            ),
            notes=("becomes a new revision with the same image",),
            command=kubectl(facts, "rollout", "restart", workload.target),
            confirm_word=workload.name,
            body={"metadata": {"resourceVersion": facts.resource_version}, "spec": {"template": template}},
            resource_version=facts.resource_version,
            generation=workload.generation,
            record=facts.revision_record(),
            reconcilers=reconcilers(facts, TEMPLATE),
            digest=digest(self.name, workload.uid, facts.template, workload.desired),
        )

    async def preflight(
        self, plan: Plan, facts: DeploymentState, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        return (
            await checks.access(reads, facts.workload.name),
            await checks.dry_run(plan, facts, writes, content_type=checks.MERGE_PATCH),
            checks.running(facts),
            *checks.autoscaling(facts),
            *checks.budgets(facts, scaling_down=False),
        )

    def holds(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return _restarted_at(deployment) == _moment(plan)

    def otherwise(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} has another pod template again"


def _restarted_at(deployment: Mapping[str, Any]) -> str:
    meta = deployment["spec"]["template"].get("metadata") or {}
    return str((meta.get("annotations") or {}).get(RESTARTED_AT, ""))


def _moment(plan: Plan) -> str:
    assert isinstance(plan.body, dict)  # noqa: S101 - made by `plan` alone
    return _restarted_at(plan.body)
