"""Set a Deployment's desired replicas through its Scale subresource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import structs

from console.actions import deployment_preflight as checks
from console.actions.action import Parameter
from console.actions.deployment_action import DeploymentAction, image_differences
from console.actions.deployment_state import DeploymentState
from console.actions.new_pods import NewPods
from console.actions.plan import ActionRefused, CheckLevel, Difference, NothingToDo, Plan, PreflightCheck, Request
from console.actions.reconcilers import REPLICAS, reconcilers
from console.journal.payloads import RevisionFacts
from queries.model.action import ActionCall
from queries.model.rollout import RolloutPhase, RolloutStatus, rollout_status
from queries.model.workload import Workload

_MAX_REPLICAS = 10_000
_WARN_FACTOR, _ASK_FACTOR = 2.0, 5.0
"""From these factors on, up or down, the preview warns, and asks for the number again."""


class Scale(DeploymentAction):
    name = "scale"
    undone_by: ClassVar[str] = "scale"
    title = "Scale"
    changes: ClassVar[str] = REPLICAS
    kinds: ClassVar[tuple[str, ...]] = ("Deployment", "StatefulSet")
    subresource: ClassVar[str] = "scale"
    parameters = (Parameter("replicas", required=True, description="the desired number of pods; 0 stops them all"),)

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        workload = state.workload
        desired = _desired(request)
        if desired == workload.desired:
            raise NothingToDo(f"{workload.name} already has {_count(desired)}")
        notes = [f"now {workload.ready} of {workload.desired} ready"]
        if desired == 0:
            notes.append("stops every pod: what it serves is down until it is scaled up again")
        return self.build_plan(
            request,
            state,
            title=f"Scale {workload.target} to {_count(desired)}",
            differences=(Difference("replicas", str(workload.desired), str(desired)), *image_differences(state)),
            notes=tuple(notes),
            command=("scale", workload.target, f"--replicas={desired}"),
            body={"replicas": desired},
            # While its rollout is paused, pods of two revisions make up the number: it proves neither ready.
            record=None if workload.paused else _record(state, desired),
            # Kubernetes disables an HPA at 0 replicas.
            reverted_by=tuple(item for item in reconcilers(state, REPLICAS) if desired or item.kind != "hpa"),
            digest_of=(workload.desired, desired),
            undo=ActionCall(self.name, workload.target, {"replicas": str(workload.desired)}),
        )

    def own_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        return check_factor(state.workload.desired, _desired(plan.request))

    def side_effect_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        desired = _desired(plan.request)
        return (
            *checks.check_autoscaling(state, replicas=desired),
            *checks.check_budgets(state, scaling_down=desired < state.workload.desired),
        )

    def find_new_pods(self, plan: Plan, state: DeploymentState) -> NewPods | None:
        more = _desired(plan.request) - state.workload.desired
        return NewPods(state.template, more, known=(state.template,) if state.workload.ready else ()) if more > 0 else None

    def find_status(self, workload: Workload) -> RolloutStatus:
        """A paused rollout does not go on: of a paused Deployment only the number of pods counts, whatever their template."""
        if not workload.paused or workload.generation > workload.observed_generation:
            return rollout_status(workload)
        phase = RolloutPhase.DONE
        if workload.replicas != workload.desired or workload.available < workload.desired:
            phase = RolloutPhase.WAITING
        count = f"{workload.available} of {workload.desired} pods available"
        surplus = workload.replicas - workload.desired
        more = f", {surplus} surplus {'pod' if surplus == 1 else 'pods'} pending termination" if surplus > 0 else ""
        return RolloutStatus(phase, f"{workload.name}: {count}{more}; its rollout is paused")

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return bool(deployment["spec"].get("replicas") == _desired(plan.request))

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} was scaled back to {deployment['spec'].get('replicas')}"


def _record(state: DeploymentState, desired: int) -> RevisionFacts | None:
    """Only once it is rolled out was the current revision ready with that many pods."""
    current = state.revision_record()
    return structs.replace(current, goal=current.replica_set, goal_desired=desired) if current else None


def check_factor(current: int, desired: int) -> tuple[PreflightCheck, ...]:
    """Whether the step is so large that it may be a typo: one digit too many is a factor of ten."""
    if desired == 0:
        return (PreflightCheck(CheckLevel.ASK, f"stops all {current} pods: type 0 again", "factor", word="0"),)
    # From 0 there is no factor: compare with one pod.
    up, base = desired > current, max(1, current)
    factor = desired / base if up else base / desired
    if factor < _WARN_FACTOR:
        return ()
    step = f"{current} to {desired} is {f'×{factor:.3g}' if up else f'1/{factor:.3g} of it'}"
    if factor < _ASK_FACTOR:
        return (PreflightCheck(CheckLevel.WARN, step, "factor"),)
    return (PreflightCheck(CheckLevel.ASK, f"{step}: type the number again", "factor", word=str(desired)),)


def _desired(request: Request) -> int:
    text = request.parameters.get("replicas", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > _MAX_REPLICAS:
        raise ActionRefused(f"replicas {text[:20]!r} is not a number from 0 to {_MAX_REPLICAS}")
    return int(text)


def _count(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"
