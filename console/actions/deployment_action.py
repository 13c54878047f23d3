"""What the actions on a Deployment share: one patch, its preflight, and its rollout watched until kubectl calls it done."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

from console.actions import deployment_preflight as checks
from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.deployment_state import RESOURCES, DeploymentState, fetch_deployment_state, fetch_target, parse_target
from console.actions.new_pods import NewPods, check_new_pods
from console.actions.object_patch import describe_missing
from console.actions.plan import Difference, Plan, PreflightCheck, Reconciler, Request, plan_digest
from console.actions.reconcilers import TEMPLATE, last_writer, reconcilers
from console.actions.rollout_obstacles import Obstacle, add_events, find_obstacle
from console.journal.payloads import RevisionFacts
from queries.errors import SourceError
from queries.kubernetes.cluster_decode import decode_event
from queries.kubernetes.pod_decode import decode_pod
from queries.kubernetes.revision_decode import decode_revision
from queries.kubernetes.workload_decode import decode_workload
from queries.model.action import ActionCall
from queries.model.pod import Pod
from queries.model.rollout import RolloutPhase, RolloutStatus, describe_on_delete, rollout_status
from queries.model.workload import Workload

_OBSTACLE_SECONDS = 2.0
"""The interval at which the rollout's obstacles are read again."""
FAILED_POLLS = 8
"""The status reports an older rollout's exceeded deadline for a moment after a new rollout started."""


class DeploymentAction(ABC):
    """The base of every action on a Deployment; a subclass plans its patch and recognises its own change."""

    name: str
    title: str
    key: str
    target_kind: str = "deployment"
    expects_recovery: bool = True
    parameters: tuple[Parameter, ...] = ()
    changes: ClassVar[str]
    """The field of the spec that it changes; by its manager the API server names who reverted the change."""
    kinds: ClassVar[tuple[str, ...]] = ("Deployment",)
    """The kinds of workload that it can change."""
    undone_by: ClassVar[str] = ""
    """As `Guardable.undone_by`."""
    content_type: ClassVar[str] = checks.MERGE_PATCH
    subresource: ClassVar[str] = ""
    waits_for_new_pods: ClassVar[bool] = False
    """Done only once no older ReplicaSet has a pod left."""

    # To be defined by each action

    @abstractmethod
    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        """The plan, from fresh facts. Raises ActionRefused."""

    @abstractmethod
    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        """Whether the Deployment has what the plan set."""

    @abstractmethod
    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        """What the Deployment has instead."""

    def own_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        """The action's own preflight checks, shown first."""
        return ()

    def side_effect_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        """Strategy, HPAs and PodDisruptionBudgets, if the action creates or deletes pods."""
        if self.changes != TEMPLATE:
            return ()
        return (
            checks.check_strategy(state),
            *checks.check_autoscaling(state),
            *checks.check_budgets(state, scaling_down=False),
        )

    def find_status(self, workload: Workload) -> RolloutStatus:
        """How far the change is: by default that of the rollout."""
        return rollout_status(workload)

    # Shared

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> DeploymentState:
        return await fetch_deployment_state(request, reader, self.kinds)

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
        content_type: str = "",
        undo: ActionCall | None = None,
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
            content_type=content_type,
            undo=undo,
        )

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """As `Guardable.fetch_state`: of the field that it changes."""
        found = await fetch_target(request, reader)
        return plan_digest(found["metadata"]["uid"], found["spec"].get(self.changes))

    async def preflight(
        self, plan: Plan, state: DeploymentState, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        name, subresource = state.workload.name, self.subresource
        access, dry_run, new_pods = await asyncio.gather(
            checks.check_access(reader, state.resource, name, subresource=subresource),
            checks.dry_run(plan, state, writer, content_type=plan.content_type or self.content_type, subresource=subresource),
            self._check_new_pods(plan, state, reader),
        )
        return (
            *self.own_checks(plan, state),
            access,
            dry_run,
            checks.check_rollout(state),
            *self.side_effect_checks(plan, state),
            *new_pods,
        )

    def find_new_pods(self, plan: Plan, state: DeploymentState) -> NewPods | None:
        """The pods that it creates at the same time; None if it creates none."""
        return find_replaced_pods(state, state.template) if self.changes == TEMPLATE else None

    async def _check_new_pods(self, plan: Plan, state: DeploymentState, reader: ClusterReader) -> tuple[PreflightCheck, ...]:
        new = self.find_new_pods(plan, state)
        return await check_new_pods(reader, new) if new else ()

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        kind, name = parse_target(plan.request)
        content_type = plan.content_type or self.content_type
        await writer.patch(RESOURCES[kind], name, plan.body, subresource=self.subresource, content_type=content_type)
        return ""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """The write carries a resourceVersion: once the Deployment has another one, it can no longer take effect."""
        deployment = await fetch_target(plan.request, reader)
        meta = deployment["metadata"]
        if self.is_in_place(plan, deployment):
            return AppliedCheck(plan)
        if meta.get("generation") == plan.generation and str(meta["resourceVersion"]) != plan.resource_version:
            text = f"{plan.subject} has its old spec and a newer resourceVersion, so the server rejects this write"
            return AppliedCheck(text=text, final=True, unchanged=True)
        return describe_missing(plan, deployment)

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return self._revert(plan, await fetch_target(plan.request, reader))

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Reports until the rollout is done, failed or reverted. Raises SourceError."""
        failed, stuck = 0, _StuckRollout(reader)
        while True:
            deployment = await fetch_target(plan.request, reader)
            reverted = self._revert(plan, deployment)
            if reverted:
                yield reverted
                return
            workload = decode_workload(deployment)
            status = self.find_status(workload)
            observed = workload.generation <= workload.observed_generation
            if observed and self.changes == TEMPLATE and workload.strategy.type == "OnDelete":
                # The action changes no pod, so neither their number nor their state says anything about it.
                yield Progress(f"the template changed; {describe_on_delete(workload)}", done=True, expects_recovery=False)
                return
            if status.phase is RolloutPhase.FAILED:
                failed += 1
                text = await stuck.describe(workload, deployment, status.sentence)
                yield Progress(text, done=False if failed >= FAILED_POLLS else None)
                if failed >= FAILED_POLLS:
                    return
            elif status.phase is not RolloutPhase.WAITING:
                waits = self.waits_for_new_pods and workload.kind == "Deployment"
                old = await _count_old_pods(reader, deployment) if waits else 0
                if not old:
                    yield Progress(status.sentence, done=True)
                    return
                yield Progress(f"{workload.name}: {old} old pods terminating")
            else:
                text = await stuck.describe(workload, deployment, status.sentence)
                yield Progress(text, done=False if stuck.certain else None)
                if stuck.certain:
                    return

    def _revert(self, plan: Plan, deployment: Mapping[str, Any]) -> Progress | None:
        if self.is_in_place(plan, deployment):
            return None
        by = last_writer(deployment, self.changes, plan.reconcilers)
        return Progress(self.describe_revert(plan, deployment), done=False, undone_by=by)


class _StuckRollout:
    """The obstacle of a rollout, and for how long it has prevented progress; read every two seconds during the wait."""

    def __init__(self, reader: ClusterReader) -> None:
        self._reader = reader
        self._read_at = -math.inf
        self._obstacle: Obstacle | None = None
        self._seen: tuple[str, int, int] | None = None
        self._since = self._now = 0.0

    @property
    def certain(self) -> bool:
        return self._obstacle is not None and self._now - self._since >= self._obstacle.certain_seconds

    async def describe(self, workload: Workload, deployment: dict[str, Any], sentence: str) -> str:
        """The rollout's status, with its obstacle."""
        self._now = time.monotonic()
        if self._now - self._read_at >= _OBSTACLE_SECONDS:
            self._read_at = self._now
            observed = workload.generation <= workload.observed_generation  # before that it is the older rollout's
            self._obstacle = await self._find(workload, deployment) if observed else None
        seen = (self._obstacle.reason, workload.updated, workload.available) if self._obstacle else None
        if seen != self._seen:
            self._seen, self._since = seen, self._now
        return f"{sentence}; {self._obstacle.text}" if self._obstacle else sentence

    async def _find(self, workload: Workload, deployment: dict[str, Any]) -> Obstacle | None:
        """Without permission to read pods or events, only the rollout's status is used."""
        try:
            obstacle = find_obstacle(workload, await self._read_new_pods(workload, deployment))
            if obstacle is None or not obstacle.pod:
                return obstacle
            return add_events(obstacle, map(decode_event, await self._reader.events(obstacle.pod)))
        except SourceError as error:
            if error.fault.status in (403, 404):
                return None
            raise

    async def _read_new_pods(self, workload: Workload, deployment: dict[str, Any]) -> list[Pod]:
        """The pods with the newest template; none of a DaemonSet, whose status does not name it."""
        if workload.kind == "DaemonSet":
            return []
        pods = [decode_pod(item) for item in await self._reader.pods(deployment)]
        if workload.kind == "StatefulSet":
            return [pod for pod in pods if ("controller-revision-hash", workload.update_revision) in pod.labels]
        sets = await self._reader.replica_sets(deployment)
        newest = max(sets, key=lambda item: decode_revision(item).number, default=None)
        return [pod for pod in pods if newest and pod.owner_uid == newest["metadata"]["uid"]]


def find_replaced_pods(state: DeploymentState, template: Mapping[str, Any], *, ran: bool = False) -> NewPods:
    """The pods that a rollout of `template` creates at the same time; `ran`: a pod of that template was ready before."""
    workload = state.workload
    desired, strategy = workload.desired, workload.strategy
    surge = strategy.surge(desired)
    # Until the controller has observed the template, `updated` counts pods of the one before.
    observed = workload.generation <= workload.observed_generation
    known = ((state.template,) if observed and workload.updated and workload.ready else ()) + ((template,) if ran else ())
    if surge:
        return NewPods(template, min(surge, desired), known=known)
    return NewPods(template, strategy.unavailable(desired), replaced=state.template, known=known)


async def _count_old_pods(reader: ClusterReader, deployment: dict[str, Any]) -> int:
    sets = [decode_revision(item) for item in await reader.replica_sets(deployment)]
    newest = max((item.number for item in sets), default=0)
    return sum(item.replicas for item in sets if item.number != newest)


def image_differences(state: DeploymentState) -> tuple[Difference, ...]:
    """The images, unchanged."""
    containers = state.workload.containers
    return tuple(
        Difference(f"image {item.name}" if len(containers) > 1 else "image", item.image, item.image) for item in containers
    )
