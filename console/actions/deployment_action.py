"""What the actions on a Deployment share: one patch, its preflight, and its rollout watched until kubectl calls it done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from console.actions import deployment_preflight as checks
from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.deployment_state import DeploymentState, deployment_name, fetch_deployment_state
from console.actions.plan import Difference, Plan, PreflightCheck, Reconciler, Request, plan_digest
from console.actions.reconcilers import TEMPLATE, last_writer, reconcilers
from console.journal.payloads import RevisionFacts
from queries.kubernetes import decode
from queries.model.workload import RolloutPhase, rollout_status

POLL_SECONDS = 0.5
FAILED_POLLS = 8
"""The status reports an older rollout's exceeded deadline for a moment after a new rollout started."""


class DeploymentAction:
    """The base of every action on a Deployment; a subclass plans its patch and recognises its own change."""

    name: str
    title: str
    key: str
    target_kind: str = "deployment"
    expects_recovery: bool = True
    parameters: tuple[Parameter, ...] = ()
    changes: ClassVar[str]
    """The field of the spec that it changes; by its manager the API server names who reverted the change."""
    content_type: ClassVar[str] = checks.MERGE_PATCH
    subresource: ClassVar[str] = ""
    waits_for_new_pods: ClassVar[bool] = False
    """Done only once no older ReplicaSet has a pod left."""

    # To be defined by each action

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        raise NotImplementedError

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        """Whether the Deployment has what the plan set."""
        raise NotImplementedError

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        """What the Deployment has instead."""
        raise NotImplementedError

    def own_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        """The action's own preflight checks, shown first."""
        return ()

    def side_effect_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        """HPAs and PodDisruptionBudgets, if the action creates or ends pods."""
        if self.changes != TEMPLATE:
            return ()
        return (*checks.check_autoscaling(state), *checks.check_budgets(state, scaling_down=False))

    # Shared

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> DeploymentState:
        return await fetch_deployment_state(request, reader)

    def build_plan(
        self,
        request: Request,
        state: DeploymentState,
        *,
        title: str,
        differences: tuple[Difference, ...],
        command: tuple[str, ...],
        body: object,
        digest_of: tuple[object, ...],
        notes: tuple[str, ...] = (),
        record: RevisionFacts | None = None,
        reverted_by: tuple[Reconciler, ...] | None = None,
    ) -> Plan:
        """The plan of one patch, with the Deployment's resourceVersion as its precondition.

        A merge patch as `body` is only its `spec`. `digest_of` is what a later plan must share to do the same.
        """
        workload = state.workload
        if isinstance(body, dict):
            body = {"metadata": {"resourceVersion": state.resource_version}, "spec": body}
        return Plan(
            request=request,
            title=title,
            subject=workload.target,
            differences=differences,
            notes=notes,
            command=state.kubectl_command(*command),
            confirm_word=workload.name,
            body=body,
            resource_version=state.resource_version,
            generation=workload.generation,
            record=state.revision_record() if record is None else record,
            reconcilers=reconcilers(state, self.changes) if reverted_by is None else reverted_by,
            digest=plan_digest(self.name, workload.uid, *digest_of),
        )

    async def preflight(
        self, plan: Plan, state: DeploymentState, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        name, subresource = state.workload.name, self.subresource
        return (
            *self.own_checks(plan, state),
            await checks.check_access(reader, name, subresource=subresource),
            await checks.dry_run(plan, state, writer, content_type=self.content_type, subresource=subresource),
            checks.check_rollout(state),
            *self.side_effect_checks(plan, state),
        )

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        name = deployment_name(plan.request)
        await writer.patch("deployments", name, plan.body, subresource=self.subresource, content_type=self.content_type)
        return ""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """The write carries a resourceVersion: once the Deployment has another one, it can no longer take effect."""
        deployment = await reader.deployment(deployment_name(plan.request))
        meta = deployment["metadata"]
        if self.is_in_place(plan, deployment):
            return AppliedCheck(replace(plan))
        if str(meta["resourceVersion"]) == plan.resource_version:
            return AppliedCheck(text=f"{plan.subject} is unchanged")
        if meta.get("generation") == plan.generation:
            text = f"{plan.subject} has its old spec and a newer resourceVersion, so the server rejects this write"
            return AppliedCheck(text=text, final=True, unchanged=True)
        text = f"{plan.subject} was modified meanwhile and lacks the change: rejected as a conflict, or reverted at once"
        return AppliedCheck(text=text, final=True)

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return self._revert(plan, await reader.deployment(deployment_name(plan.request)))

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Reports until the rollout is done, failed or reverted. Raises SourceError."""
        failed = 0
        while True:
            deployment = await reader.deployment(deployment_name(plan.request))
            reverted = self._revert(plan, deployment)
            if reverted:
                yield reverted
                return
            workload = decode.decode_workload(deployment)
            status = rollout_status(workload)
            if status.phase is RolloutPhase.FAILED:
                failed += 1
                yield Progress(status.sentence, done=False if failed >= FAILED_POLLS else None)
                if failed >= FAILED_POLLS:
                    return
            elif status.phase is RolloutPhase.DONE:
                old = await _count_old_pods(reader, deployment) if self.waits_for_new_pods else 0
                if not old:
                    yield Progress(status.sentence, done=True)
                    return
                yield Progress(f"{workload.name}: {old} old pods terminating")
            else:
                yield Progress(status.sentence)
            await asyncio.sleep(POLL_SECONDS)

    def _revert(self, plan: Plan, deployment: Mapping[str, Any]) -> Progress | None:
        if self.is_in_place(plan, deployment):
            return None
        by = last_writer(deployment, self.changes, plan.reconcilers)
        return Progress(self.describe_revert(plan, deployment), done=False, undone_by=by)


async def _count_old_pods(reader: ClusterReader, deployment: dict[str, Any]) -> int:
    sets = [decode.decode_revision(item) for item in await reader.replica_sets(deployment)]
    newest = max((item.number for item in sets), default=0)
    return sum(item.replicas for item in sets if item.number != newest)


def image_differences(state: DeploymentState) -> tuple[Difference, ...]:
    """The images, unchanged."""
    containers = state.workload.containers
    return tuple(
        Difference(f"image {item.name}" if len(containers) > 1 else "image", item.image, item.image) for item in containers
    )
