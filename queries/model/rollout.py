"""How far a rollout is, judged exactly as kubectl judges it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queries.model.workload import Workload


class RolloutPhase(StrEnum):
    WAITING = "waiting"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    phase: RolloutPhase
    sentence: str


def rollout_status(workload: Workload) -> RolloutStatus:
    """Source: kubectl's `rollout status` for Deployments, in its order of tests."""
    name = workload.name
    if workload.generation > workload.observed_generation:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: waiting for the controller to see the new spec")
    if any(item.type == "Progressing" and item.reason == "ProgressDeadlineExceeded" for item in workload.conditions):
        return RolloutStatus(RolloutPhase.FAILED, f"{name}: exceeded its progress deadline")
    if workload.updated < workload.wanted:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {workload.updated} of {workload.wanted} new pods made")
    if workload.replicas > workload.updated:
        old = workload.replicas - workload.updated
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {old} old pods still to end")
    if workload.available < workload.updated:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {workload.available} of {workload.updated} new pods available")
    return RolloutStatus(RolloutPhase.DONE, f"{name}: rolled out, {workload.available} of {workload.wanted} available")
