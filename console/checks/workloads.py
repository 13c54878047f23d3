"""The verdict on the workloads panel: ready pods against desired ones."""

from __future__ import annotations

from collections.abc import Mapping

from console.checks.panels import effective_threshold
from queries.model.panel import Origin, PanelSpec, PanelState, Threshold
from queries.model.series import Sample
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Cluster, Pod, RolloutPhase, Workload, rollout_status
from queries.text.times import format_time

RECENT_SECONDS = 900.0
"""A restart counts as recent for a quarter of an hour."""


def evaluate_workloads(
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
    """Critical if a workload has desired but no ready pods or a failed rollout; warn for missing pods, a rollout in progress
    or recent restarts.

    The value is the number of ready pods. `restarted_at` maps a pod's uid to its last observed restart.
    """
    limits = effective_threshold(spec, threshold)
    where = f"deployments in {cluster.namespace}" if cluster else "deployments"
    if cluster is None or not cluster.workloads:
        reason = unanswered if cluster is None else f"no deployments in namespace {visible(cluster.namespace)}"
        return PanelState(spec, Verdict.NO_DATA, limits, query=where, reason=reason)
    # Iterate over all pods once, not once per workload: there may be thousands.
    restarted = recently_restarted(cluster, now, restarted_at or {})
    verdicts = sorted((_evaluate_one(item, restarted) for item in cluster.workloads), key=_order)
    verdict, reason, worst = verdicts[0]
    age = max(0.0, now - taken_at)
    if not age <= stale_after:
        verdict, reason = Verdict.STALE, unanswered
    ready = sum(item.ready for item in cluster.workloads)
    desired = sum(item.desired for item in cluster.workloads)
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
        note=_note(cluster, worst, verdicts[0][0], ready=ready, desired=desired, now=now),
    )


def recently_restarted(cluster: Cluster, now: float, restarted_at: Mapping[str, float]) -> tuple[Pod, ...]:
    """The pods that crash now, or whose recent restart was observed or reported by an event."""
    backing_off = {
        item.name
        for item in cluster.events
        if item.kind == "Pod" and item.reason == "BackOff" and now - item.at < RECENT_SECONDS
    }
    observed = {uid for uid, at in restarted_at.items() if now - at < RECENT_SECONDS}
    return tuple(
        pod
        for pod in cluster.pods
        if "CrashLoop" in pod.reason or pod.uid in observed or (pod.restarts and pod.name in backing_off)
    )


def _evaluate_one(item: Workload, restarted: tuple[Pod, ...]) -> tuple[Verdict, str, Workload]:
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
        return Verdict.WARN, f"{name}: {visible(own.name)} restarted ({own.restarts} times in total)", item
    return Verdict.OK, "all desired pods are ready", item


def _order(entry: tuple[Verdict, str, Workload]) -> tuple[int, int, str]:
    verdict, _, item = entry
    return (-verdict.rank, item.ready - item.desired, item.name)


def _note(cluster: Cluster, worst: Workload, verdict: Verdict, *, ready: int, desired: int, now: float) -> str:
    text = f"{ready}/{desired} ready"
    shown = worst
    if verdict is Verdict.OK:
        # Everything is ready: show the newest rollout.
        shown = max(cluster.workloads, key=cluster.rolled_out_at)
    else:
        text += f"  {visible(shown.name)} {shown.ready}/{shown.desired}"
    at = cluster.rolled_out_at(shown)
    if at and shown.revision:
        age = format_time(at, "%H:%M") if now - at < 86_400 else f"{int((now - at) // 86_400)}d ago"
        name = f"{visible(shown.name)} " if verdict is Verdict.OK else ""
        text += f" · {name}rev {shown.revision} rolled out {age}"
    return text
