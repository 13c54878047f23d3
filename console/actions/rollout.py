"""What the actions on a Deployment share: one patch, whether it holds, and its rollout watched until kubectl calls it done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from console.actions.action import ChangeWriter, ClusterReader, Landing, Progress
from console.actions.deployment_preflight import MERGE_PATCH
from console.actions.deployment_state import DeploymentState, name_of, workload_facts
from console.actions.plan import Plan, Request
from console.actions.reconcilers import taken_back_by
from queries.kubernetes import decode
from queries.model.workload import RolloutPhase, rollout_status

POLL_SECONDS = 0.5
FAILED_POLLS = 8
"""A deadline that an older rollout exceeded is still written down for a moment after the new one began."""


class DeploymentAction:
    """The base of every action on a Deployment; a subclass says with `holds` whether its change is there."""

    __slots__ = ()
    changes: ClassVar[str]
    """The field of the spec that it changes, by which the server tells who changed it back."""
    content_type: ClassVar[str] = MERGE_PATCH
    subresource: ClassVar[str] = ""
    pods_must_be_new: ClassVar[bool] = False
    """Done only when no older ReplicaSet has a pod left."""

    def holds(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        """Whether the Deployment has what the plan wanted."""
        raise NotImplementedError

    def otherwise(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        """What it has instead, where it does not hold."""
        raise NotImplementedError

    async def facts(self, request: Request, reads: ClusterReader) -> DeploymentState:
        return await workload_facts(request, reads)

    async def execute(self, plan: Plan, writes: ChangeWriter) -> str:
        name = name_of(plan.request)
        await writes.patch("deployments", name, plan.body, subresource=self.subresource, content_type=self.content_type)
        return ""

    async def landed(self, plan: Plan, reads: ClusterReader) -> Landing:
        """The write carries a resourceVersion: once the Deployment has another one, it can take effect no more."""
        deployment = await reads.deployment(name_of(plan.request))
        meta = deployment["metadata"]
        if self.holds(plan, deployment):
            return Landing(replace(plan))
        if str(meta["resourceVersion"]) == plan.resource_version:
            return Landing(text=f"{plan.subject} is unchanged")
        if meta.get("generation") == plan.generation:
            text = f"{plan.subject} has its old spec and a newer version, for which the server refuses this write"
            return Landing(text=text, final=True, unchanged=True)
        text = f"{plan.subject} was changed meanwhile and does not have it: refused as stale, or taken back at once"
        return Landing(text=text, final=True)

    async def undone(self, plan: Plan, reads: ClusterReader) -> Progress | None:
        return self._undone(plan, await reads.deployment(name_of(plan.request)))

    def _undone(self, plan: Plan, deployment: Mapping[str, Any]) -> Progress | None:
        if self.holds(plan, deployment):
            return None
        by = taken_back_by(deployment, self.changes, plan.reconcilers)
        return Progress(self.otherwise(plan, deployment), done=False, undone_by=by)

    async def verify(self, plan: Plan, reads: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Reports until the rollout is done, failed or undone. Raises SourceError."""
        failed = 0
        while True:
            deployment = await reads.deployment(name_of(plan.request))
            undone = self._undone(plan, deployment)
            if undone:
                yield undone
                return
            workload = decode.workload_of(deployment)
            status = rollout_status(workload)
            if status.phase is RolloutPhase.FAILED:
                failed += 1
                yield Progress(status.sentence, done=False if failed >= FAILED_POLLS else None)
                if failed >= FAILED_POLLS:
                    return
            elif status.phase is RolloutPhase.DONE:
                left = await _old_pods(reads, deployment) if self.pods_must_be_new else 0
                if not left:
                    yield Progress(status.sentence, done=True)
                    return
                yield Progress(f"{workload.name}: {left} old pods pending termination")
            else:
                yield Progress(status.sentence)
            await asyncio.sleep(POLL_SECONDS)


async def _old_pods(reads: ClusterReader, deployment: dict[str, Any]) -> int:
    sets = [decode.revision_of(item) for item in await reads.replica_sets(deployment)]
    newest = max((item.number for item in sets), default=0)
    return sum(item.replicas for item in sets if item.number != newest)
