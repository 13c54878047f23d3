"""Why a rollout makes no progress, in the cluster's own message, and how long that must last to be certain."""

from __future__ import annotations

import math
from collections.abc import Iterable

from queries.model.cluster import ClusterEvent
from queries.model.frozen import dataclass
from queries.model.pod import Pod
from queries.model.text import visible
from queries.model.workload import Workload

_CERTAIN_SECONDS = 3.0
"""The kubelet tried to start the container and reported that it cannot."""
_PATIENT_SECONDS = 20.0
"""A pod may terminate, a node may join, a dependency may start: a failure only if it lasts."""
_NEVER = math.inf
"""A probe fails for as long as a model loads: only the Deployment's progress deadline and the verification timeout end it."""
_REASONS = {
    **dict.fromkeys(("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"), _CERTAIN_SECONDS),
    "ImagePullBackOff": _CERTAIN_SECONDS,
    **dict.fromkeys(("ErrImagePull", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"), _PATIENT_SECONDS),
    **dict.fromkeys(("Unschedulable", "SchedulingGated", "Error", "OOMKilled"), _PATIENT_SECONDS),
}
_MOST_EVENTS = 2


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An obstacle of a rollout. `reason` is Kubernetes' own; `certain_seconds` is how long it must last to count as a failure,
    infinite if it never does.
    """

    reason: str
    text: str
    certain_seconds: float
    pod: str = ""


def find_obstacle(workload: Workload, new_pods: Iterable[Pod]) -> Obstacle | None:
    """The first of: pods that cannot be created, new pods that cannot be scheduled or started, new pods that are not ready."""
    for condition in workload.conditions:
        if condition.type == "ReplicaFailure" and condition.status == "True":
            text = f"{condition.reason}: {visible(condition.message)}"
            return Obstacle(condition.reason, text, _PATIENT_SECONDS)
    unready = sorted((pod for pod in new_pods if not pod.ready and not _ended(pod)), key=lambda pod: (-pod.restarts, pod.name))
    for pod in unready:
        word = pod.reason.removeprefix("Init:")
        if word in _REASONS:
            details = "; ".join(visible(item) for item in (pod.message, pod.last_exit) if item)
            text = f"{visible(pod.name)}: {visible(pod.reason)}{f' ({details})' if details else ''}"
            return Obstacle(pod.reason, text, _REASONS[word], pod.name)
    waiting = next((pod for pod in unready if pod.reason == "NotReady"), None)
    return Obstacle("NotReady", f"{visible(waiting.name)} is not ready", _NEVER, waiting.name) if waiting else None


def _ended(pod: Pod) -> bool:
    """Whether its controller is replacing or has replaced it."""
    return pod.ended or pod.reason == "Terminating"


def add_events(obstacle: Obstacle, events: Iterable[ClusterEvent]) -> Obstacle | None:
    """The obstacle with its pod's last warnings. A pod that is only not ready is one only while a probe fails, else None."""
    warnings = sorted((item for item in events if item.type == "Warning"), key=lambda item: -item.at)
    if obstacle.reason == "NotReady":
        warnings = [item for item in warnings if item.reason == "Unhealthy"]
        if not warnings:
            return None
    texts = [
        f"{visible(item.reason)}: {visible(item.message)}{f' ({item.count} times)' if item.count > 1 else ''}"
        for item in warnings[:_MOST_EVENTS]
        if visible(item.message) not in obstacle.text
    ]
    return Obstacle(obstacle.reason, "; ".join([obstacle.text, *texts]), obstacle.certain_seconds, obstacle.pod)
