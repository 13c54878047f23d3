"""What is wrong with one workload, the worst first, from one reading: what could not be read is among it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from console.checks.workloads import RECENT_SECONDS, assess_status
from console.objects.reading import WorkloadReading
from queries.kubernetes.object_decode import decode_conditions
from queries.model.frozen import dataclass
from queries.model.object_page import EventCount, Existence, ObjectEvent
from queries.model.pod import Pod
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Condition
from queries.text.durations import format_age

_MOST_NAMES = 3

_MEANINGS = {
    ("Available", "True"): "enough pods are available",
    ("Available", "False"): "fewer pods are available than its strategy allows",
    ("Progressing", "True", "NewReplicaSetAvailable"): "the last rollout is complete",
    ("Progressing", "True", "ReplicaSetUpdated"): "a rollout is in progress",
    ("Progressing", "True", "NewReplicaSetCreated"): "a rollout has started",
    ("Progressing", "True", "FoundNewReplicaSet"): "a rollout has started, with an existing ReplicaSet",
    ("Progressing", "Unknown", "DeploymentPaused"): "the rollout is paused",
    ("Progressing", "Unknown", "DeploymentResumed"): "the rollout was resumed",
    ("Progressing", "False", "ProgressDeadlineExceeded"): "the rollout made no progress within its deadline",
    ("Progressing", "False"): "the rollout makes no progress",
    ("ReplicaFailure", "True"): "pods cannot be created or deleted",
    ("Complete", "True"): "it is complete",
    ("Failed", "True"): "it has failed",
    ("Ready", "True"): "ready",
    ("Ready", "False"): "not ready",
    ("Ready", "Unknown"): "not known: its kubelet no longer reports",
    ("MemoryPressure", "True"): "the node is short of memory",
    ("DiskPressure", "True"): "the node is short of disk space",
    ("PIDPressure", "True"): "the node is short of process ids",
    ("NetworkUnavailable", "True"): "the node's network is not set up",
    ("ScalingActive", "False"): "the HPA cannot compute a number of replicas",
    ("AbleToScale", "False"): "the HPA cannot scale",
    ("ScalingLimited", "True"): "the HPA is at a limit of its range",
}


_HEALTHY = frozenset({("Available", "True"), ("Progressing", "True"), ("Ready", "True")})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or is not known; with the verdict ok a note. `subject` is the target of the object that it is
    about, else empty.
    """

    verdict: Verdict
    text: str
    subject: str = ""

    @property
    def word(self) -> str:
        """The word for the screen: that of the verdict, or `note`."""
        return "note" if self.verdict is Verdict.OK else self.verdict.word


def describe_condition(condition: Condition) -> str:
    """What a condition means, with the server's reason and message: nothing is left out, an unknown one is shown as it is."""
    kind, status, reason = condition.type, condition.status, condition.reason
    meaning = _MEANINGS.get((kind, status, reason)) or _MEANINGS.get((kind, status)) or ""
    name = f"{kind}={status}"
    text = f"{meaning} ({name}, {reason})" if meaning and reason else f"{meaning} ({name})" if meaning else name
    if not meaning and reason:
        text += f" {reason}"
    return visible(f"{text}: {condition.message}" if condition.message else text)


def summarize_condition(condition: Condition) -> str:
    """As `describe_condition`, but without the message of a condition that is as on a healthy object."""
    healthy = (condition.type, condition.status) in _HEALTHY
    return describe_condition(replace(condition, message="") if healthy else condition)


def describe_count(event: ObjectEvent, now: float) -> str:
    """How often and when: `7 times in 5m, last 20s ago`. A series is counted by its recorder, which writes the count rarely, so
    it is a lower bound; a combined event counts similar events, not this message.
    """
    ago = f"{format_age(max(0.0, now - event.last_at))} ago" if event.last_at else "at an unknown time"
    span = event.last_at - event.first_at if event.first_at and event.last_at else 0.0
    within = f" in {format_age(span)}" if span >= 1.0 else ""
    match event.counted:
        case EventCount.ONCE:
            return ago
        case EventCount.SERIES:
            return f"at least {event.count} times{within}, last {ago}"
        case EventCount.COMBINED:
            return f"{event.count} similar events{within}, this is the last, {ago}"
    return f"{event.count} times{within}, last {ago}"


def list_problems(reading: WorkloadReading, *, now: float) -> tuple[Problem, ...]:
    """The problems, worst first; then notes. Empty only if everything was read and nothing is wrong."""
    now += reading.ahead_seconds
    found = [
        *_check_status(reading, now),
        *_check_conditions(reading),
        *_check_dependencies(reading),
        *_check_pods(reading, now),
        *_check_scaling(reading),
        *_name_unread(reading),
    ]
    return tuple(sorted(found, key=lambda item: -item.verdict.rank))


def find_overall_verdict(findings: Iterable[Problem], reading: WorkloadReading) -> Verdict:
    """The worst of the findings; never ok while a part is unread or still being read."""
    worst = max((item.verdict for item in findings), key=lambda item: item.rank, default=Verdict.OK)
    if worst is Verdict.OK and reading.pending_parts():
        return Verdict.NO_DATA
    return worst


def _check_status(reading: WorkloadReading, now: float) -> Iterator[Problem]:
    """Of a pod nothing: its own row says it."""
    item = reading.workload
    if item.batch is None and item.kind != "Pod" and "status" not in reading.raw:
        yield Problem(Verdict.NO_DATA, f"no controller has reported a status for this {item.kind}")
        return
    for finding in assess_status(item, now=now):
        yield Problem(finding.verdict, ": ".join(filter(None, (finding.text, finding.detail))))


def _check_conditions(reading: WorkloadReading) -> Iterator[Problem]:
    for condition in decode_conditions(reading.raw):
        if condition.type == "ReplicaFailure" and condition.status == "True":
            yield Problem(Verdict.CRITICAL, describe_condition(condition))


def _check_dependencies(reading: WorkloadReading) -> Iterator[Problem]:
    for item in reading.dependencies.value or ():
        if item.existence is Existence.MISSING:
            verdict = Verdict.WARN if item.optional else Verdict.CRITICAL
            uses = visible(", ".join(item.used_as))
            optional = "; the pods start without it" if item.optional else ""
            yield Problem(verdict, f"{item.kind} {visible(item.name)} ({uses}) {visible(item.text)}{optional}")


def _check_pods(reading: WorkloadReading, now: float) -> Iterator[Problem]:
    """One finding for each reason, with the first pods of it; then restarts."""
    groups: dict[tuple[str, str], list[Pod]] = {}
    pods, batch = reading.pods.value or (), reading.workload.batch
    # A try that failed is made good by a later one.
    succeeded_at = batch.succeeded_at if batch else 0.0
    for pod in pods:
        made_good = pod.phase == "Failed" and pod.created_at <= succeeded_at
        if not pod.ready and pod.phase != "Succeeded" and not made_good:
            groups.setdefault((pod.reason or pod.phase or "not ready", pod.message), []).append(pod)
    for (reason, message), group in groups.items():
        harmless = reason in ("Terminating", "NotReady", "Pending", "ContainerCreating") or batch is not None
        verdict, word = Verdict.WARN if harmless else Verdict.CRITICAL, reason
        if reading.workload.replaces_pods and all(pod.ended for pod in group):
            verdict, word = Verdict.OK, f"ended ({reason})"
        exits = {pod.last_exit for pod in group if pod.last_exit}
        last = f"; last exit {visible(', '.join(sorted(exits)))}" if exits else ""
        text = f"{_name_pods(group)}: {visible(word)}{f': {visible(message)}' if message else ''}{last}"
        yield Problem(verdict, text, f"pod/{group[0].name}")
    recent = {
        item.name
        for item in reading.events.value or ()
        if item.kind == "Pod" and item.warning and now - item.last_at < RECENT_SECONDS
    }
    for pod in pods:
        if pod.ready and pod.restarts and pod.last_exit and (pod.name in recent or now - pod.created_at < RECENT_SECONDS):
            text = f"{visible(pod.name)} restarted {pod.restarts} times, last exit {visible(pod.last_exit)}"
            yield Problem(Verdict.WARN, text, f"pod/{pod.name}")


def _check_scaling(reading: WorkloadReading) -> Iterator[Problem]:
    for scaler, raw in reading.autoscaler.value or ():
        name = visible(scaler.name)
        if scaler.desired >= scaler.maximum > 0:
            yield Problem(Verdict.WARN, f"HPA {name} is at its maximum of {scaler.maximum} replicas")
        for condition in decode_conditions(raw):
            if condition.type in ("ScalingActive", "AbleToScale") and condition.status == "False":
                yield Problem(Verdict.WARN, f"HPA {name}: {describe_condition(condition)}")
    for budget in reading.budgets.value or ():
        if not budget.allowed and reading.workload.ready < reading.workload.desired:
            yield Problem(Verdict.WARN, f"PodDisruptionBudget {visible(budget.name)} allows no eviction now")


def _name_unread(reading: WorkloadReading) -> Iterator[Problem]:
    for name, reason in reading.unread_parts():
        yield Problem(Verdict.NO_DATA, f"{name} not known: {visible(reason)}")


def _name_pods(group: list[Pod]) -> str:
    names = ", ".join(visible(pod.name) for pod in group[:_MOST_NAMES])
    more = f" and {len(group) - _MOST_NAMES} more" if len(group) > _MOST_NAMES else ""
    return f"{names}{more}" if len(group) == 1 else f"{len(group)} pods, {names}{more}"
