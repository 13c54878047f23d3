"""The verdict on the workloads panel: what runs, against what was wanted."""

from __future__ import annotations

from collections.abc import Mapping

from console.checks.panels import effective
from queries.model.panel import Origin, PanelSpec, PanelState, Threshold
from queries.model.series import Sample
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Cluster, Pod, RolloutPhase, Workload, rollout_status
from queries.text.times import format_time

RECENT_SECONDS = 900.0
"""A restart counts as recent for a quarter of an hour."""


def judge_workloads(
    spec: PanelSpec,
    threshold: Threshold,
    cluster: Cluster | None,
    *,
    taken_at: float,
    now: float,
    stale_after: float,
    unanswered: str = "no answer yet",
    restarted_at: Mapping[str, float] | None = None,
) -> PanelState:
    """Critical where nothing of a wanted workload is ready or a rollout failed; warn where pods are missing, a rollout runs
    or pods restarted lately. The value is the number of ready pods. `restarted_at` maps a pod's uid to its last seen restart.
    """
    limits = effective(spec, threshold)
    where = f"deployments in {cluster.namespace}" if cluster else "deployments"
    if cluster is None or not cluster.workloads:
        reason = unanswered if cluster is None else f"no deployments in namespace {visible(cluster.namespace)}"
        return PanelState(spec, Verdict.NO_DATA, limits, query=where, reason=reason)
    # All pods are walked once, not once a workload: there may be thousands of them.
    restarted = pods_restarted(cluster, now, restarted_at or {})
    judged = sorted((_judge_one(item, restarted) for item in cluster.workloads), key=_order)
    verdict, reason, worst = judged[0]
    age = max(0.0, now - taken_at)
    if not age <= stale_after:
        verdict, reason = Verdict.STALE, unanswered
    ready = sum(item.ready for item in cluster.workloads)
    wanted = sum(item.desired for item in cluster.workloads)
    return PanelState(
        spec,
        verdict,
        limits,
        value=float(ready),
        age_seconds=age,
        origin=Origin.KUBERNETES,
        query=where,
        samples=tuple(Sample((("deployment", item.name),), float(item.ready)) for item in cluster.workloads),
        reason=reason,
        note=_note(cluster, worst, judged[0][0], ready=ready, wanted=wanted, now=now),
    )


def pods_restarted(cluster: Cluster, now: float, restarted_at: Mapping[str, float]) -> tuple[Pod, ...]:
    """The pods that crash now, restarted lately as far as was seen, or of which an event says so."""
    told = {
        item.name
        for item in cluster.events
        if item.kind == "Pod" and item.reason == "BackOff" and now - item.at < RECENT_SECONDS
    }
    lately = {uid for uid, at in restarted_at.items() if now - at < RECENT_SECONDS}
    return tuple(
        pod for pod in cluster.pods if "CrashLoop" in pod.reason or pod.uid in lately or (pod.restarts and pod.name in told)
    )


def _judge_one(item: Workload, restarted: tuple[Pod, ...]) -> tuple[Verdict, str, Workload]:
    name = visible(item.name)
    rollout = rollout_status(item)
    if item.desired > 0 and item.ready == 0:
        return Verdict.CRITICAL, f"{name}: none of {item.desired} pods is ready", item
    if rollout.phase is RolloutPhase.FAILED:
        return Verdict.CRITICAL, f"{name}: the rollout failed, {item.ready} of {item.desired} ready", item
    if item.ready < item.desired:
        return Verdict.WARN, f"{name}: {item.ready} of {item.desired} pods ready", item
    if rollout.phase is RolloutPhase.WAITING:
        return Verdict.WARN, visible(rollout.sentence), item
    selector = set(item.selector)
    own = next((pod for pod in restarted if selector and selector.issubset(pod.labels)), None)
    if own:
        return Verdict.WARN, f"{name}: {visible(own.name)} restarted ({own.restarts} times in all)", item
    return Verdict.OK, "all wanted pods are ready", item


def _order(judged: tuple[Verdict, str, Workload]) -> tuple[int, int, str]:
    verdict, _, item = judged
    return (-verdict.rank, item.ready - item.desired, item.name)


def _note(cluster: Cluster, worst: Workload, verdict: Verdict, *, ready: int, wanted: int, now: float) -> str:
    text = f"{ready}/{wanted} ready"
    shown = worst
    if verdict is Verdict.OK:
        # All is well: then the newest rollout is what one wants to know of.
        shown = max(cluster.workloads, key=cluster.rolled_out_at)
    else:
        text += f"  {visible(shown.name)} {shown.ready}/{shown.desired}"
    at = cluster.rolled_out_at(shown)
    if at and shown.revision:
        age = format_time(at, "%H:%M") if now - at < 86_400 else f"{int((now - at) // 86_400)}d ago"
        named = f"{visible(shown.name)} " if verdict is Verdict.OK else ""
        text += f" · {named}rev {shown.revision} rolled out {age}"
    return text
