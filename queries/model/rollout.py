"""The progress of a rollout: kubectl's checks of a workload's status, for each kind."""

from __future__ import annotations

from enum import StrEnum

from queries.model.frozen import dataclass
from queries.model.workload import Workload


class RolloutPhase(StrEnum):
    WAITING = "waiting"
    FAILED = "failed"
    DONE = "done"
    ON_DELETE = "on delete"
    """The template changed, and pods keep the old one until someone deletes them."""


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    phase: RolloutPhase
    sentence: str


def describe_on_delete(workload: Workload) -> str:
    """How many pods of a workload with the strategy OnDelete keep the old template."""
    old = max(0, workload.desired - workload.updated)
    if not old:
        return f"{workload.name}: every pod has the new template (strategy OnDelete)"
    keep, them = ("pod keeps", "it") if old == 1 == workload.desired else ("pods keep", "them")
    text = f"{old} of {workload.desired} {keep} the old template until someone deletes {them}"
    return f"{workload.name}: {text} (strategy OnDelete)"


def _stateful_set_status(workload: Workload) -> RolloutStatus:
    name, waiting = workload.name, RolloutPhase.WAITING
    if workload.generation > workload.observed_generation:
        return RolloutStatus(waiting, f"{name}: waiting for the controller to observe the new spec")
    if workload.ready < workload.desired:
        return RolloutStatus(waiting, f"{name}: {workload.ready} of {workload.desired} pods ready")
    if workload.replicas > workload.desired:
        surplus = workload.replicas - workload.desired
        return RolloutStatus(waiting, f"{name}: {surplus} surplus pods pending termination")
    if workload.strategy.type == "OnDelete":
        phase = RolloutPhase.ON_DELETE if workload.updated < workload.desired else RolloutPhase.DONE
        return RolloutStatus(phase, describe_on_delete(workload))
    # Equal revisions do not suffice: after a rollback in mid-rollout both are equal at once, while pods still have the other.
    new = workload.desired - workload.strategy.partition
    if workload.updated < new:
        above = " above the partition" if workload.strategy.partition else ""
        return RolloutStatus(waiting, f"{name}: {workload.updated} of {new} new pods{above}")
    if workload.strategy.partition:
        text = f"{name}: rolled out above its partition, {workload.updated} new pods"
        return RolloutStatus(RolloutPhase.DONE, text)
    if workload.update_revision != workload.current_revision:
        return RolloutStatus(waiting, f"{name}: {workload.updated} of {workload.desired} new pods ready")
    return RolloutStatus(RolloutPhase.DONE, f"{name}: rolled out, {workload.ready} of {workload.desired} ready")


def _argo_status(workload: Workload) -> RolloutStatus:
    """Argo's own verdict in `status.phase`: its steps and analyses decide, not the numbers of pods."""
    message = f": {workload.message}" if workload.message else ""
    if workload.generation > workload.observed_generation:
        return RolloutStatus(RolloutPhase.WAITING, f"{workload.name}: waiting for the controller to observe the new spec")
    match workload.phase:
        case "Healthy":
            text = f"{workload.name}: rolled out, {workload.available} of {workload.desired} available"
            return RolloutStatus(RolloutPhase.DONE, text)
        case "Degraded":
            return RolloutStatus(RolloutPhase.FAILED, f"{workload.name}: Degraded{message}")
    return RolloutStatus(RolloutPhase.WAITING, f"{workload.name}: {workload.phase or 'no phase reported yet'}{message}")


def rollout_status(workload: Workload) -> RolloutStatus:
    """The progress of a rollout, by the checks of kubectl's `rollout status` for each kind, in the same order.

    Two checks more than kubectl: a StatefulSet's surplus pods, and the strategy OnDelete, for which kubectl gives no status.
    """
    name = workload.name
    if workload.kind == "StatefulSet":
        return _stateful_set_status(workload)
    if workload.kind == "Rollout":
        return _argo_status(workload)
    if workload.generation > workload.observed_generation:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: waiting for the controller to observe the new spec")
    if any(item.type == "Progressing" and item.reason == "ProgressDeadlineExceeded" for item in workload.conditions):
        return RolloutStatus(RolloutPhase.FAILED, f"{name}: exceeded its progress deadline")
    if workload.strategy.type == "OnDelete" and workload.updated < workload.desired:
        if workload.available < workload.desired:
            return RolloutStatus(RolloutPhase.WAITING, f"{name}: {workload.available} of {workload.desired} pods available")
        return RolloutStatus(RolloutPhase.ON_DELETE, describe_on_delete(workload))
    if workload.updated < workload.desired:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {workload.updated} of {workload.desired} new pods created")
    if workload.replicas > workload.updated:
        old = workload.replicas - workload.updated
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {old} old pods pending termination")
    if workload.available < workload.updated:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {workload.available} of {workload.updated} new pods available")
    return RolloutStatus(RolloutPhase.DONE, f"{name}: rolled out, {workload.available} of {workload.desired} available")
