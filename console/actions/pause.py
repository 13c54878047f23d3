"""Pause a Deployment's rollout, or resume it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

from console.actions.action import ClusterReader, Progress
from console.actions.deployment_action import DeploymentAction, find_replaced_pods
from console.actions.deployment_preflight import check_strategy
from console.actions.deployment_state import DeploymentState
from console.actions.new_pods import NewPods
from console.actions.plan import Difference, NothingToDo, Plan, PreflightCheck, Request
from console.actions.pod_template_diff import diff_templates
from console.actions.reconcilers import PAUSED
from console.actions.rollback import undo_rollout
from queries.model.action import ActionCall


class Pause(DeploymentAction):
    name = "pause"
    undone_by: ClassVar[str] = "resume"
    title = "Pause the rollout"
    expects_recovery = False
    changes: ClassVar[str] = PAUSED

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        workload = state.workload
        if workload.paused:
            raise NothingToDo(f"{workload.name} is already paused")
        return self.build_plan(
            request,
            state,
            title=f"Pause the rollout of {workload.target}",
            differences=(
                Difference("rollout", "in progress", "paused"),
                Difference("new pods", f"{workload.updated} of {workload.desired}", "no new pods until resumed"),
            ),
            notes=("running pods stay; a paused Deployment can neither be rolled back nor restarted",),
            command=("rollout", "pause", workload.target),
            body={"paused": True},
            digest_of=(workload.paused, state.template),
            undo=ActionCall(Resume.name, workload.target),
        )

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return bool(deployment["spec"].get("paused"))

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} was resumed again"

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Only that it is paused: a paused rollout never completes."""
        yield await self.check_undone(plan, reader) or Progress(f"{plan.subject} is paused", done=True)


class Resume(DeploymentAction):
    name = "resume"
    undone_by: ClassVar[str] = "rollback"
    title = "Resume the rollout"
    changes: ClassVar[str] = PAUSED

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        workload = state.workload
        if not workload.paused:
            raise NothingToDo(f"{workload.name} is not paused")
        revisions = state.revisions()
        pending = diff_templates(revisions[0][1]["spec"]["template"], state.template) if revisions else ()
        changes = any(item.before != item.after for item in pending)
        note = "rolls out what was changed while it was paused" if changes else "nothing was changed while it was paused"
        if not revisions:
            note = f"rolls out its first revision, {workload.desired} pods: it has no ReplicaSet yet"
        return self.build_plan(
            request,
            state,
            title=f"Resume the rollout of {workload.target}",
            differences=(Difference("rollout", "paused", "in progress"), *pending),
            notes=(note,),
            command=("rollout", "resume", workload.target),
            body={"paused": False},
            digest_of=(workload.paused, state.template),
            undo=undo_rollout(state) if changes else None,
        )

    def side_effect_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        return (check_strategy(state),)

    def find_new_pods(self, plan: Plan, state: DeploymentState) -> NewPods | None:
        return find_replaced_pods(state, state.template)

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return not deployment["spec"].get("paused")

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} was paused again"
