"""The verdict on every workload, and on the workloads panel: ready pods against desired ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

from console.checks.panels import NO_ANSWER, TOO_OLD, effective_threshold
from queries.model.cluster import Cluster, describe_forbidden
from queries.model.frozen import dataclass
from queries.model.panel import Origin, PanelSpec, PanelState, Threshold
from queries.model.pod import STARTING_REASONS, Pod
from queries.model.rollout import RolloutPhase, rollout_status
from queries.model.series import Sample
from queries.model.sorted_rows import SortedRows, find_changed_keys, find_changes
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob, Workload
from queries.text.cron_schedule import MOST, InvalidScheduleError, count_missed_runs
from queries.text.durations import format_age, format_duration
from queries.text.times import format_minute

RECENT_SECONDS = 900.0
"""A restart counts as recent for a quarter of an hour."""
UNSEEN_SECONDS = 60.0
"""A Job gets its start time within a second; one that has none after this time has no controller."""
MISSED_SECONDS = 120.0
"""A run that is due starts within seconds; one that has not after this time is missed."""


@dataclass(frozen=True, slots=True)
class WorkloadVerdict:
    """One workload, its verdict and the reason for it. One that is `over` has ended, or is not meant to run now."""

    workload: Workload
    verdict: Verdict
    reason: str
    over: bool = False

    @property
    def order(self) -> tuple[bool, int, int, str, str]:
        """The worst first; what is over last."""
        item = self.workload
        return (self.over, -self.verdict.rank, item.ready - item.desired, item.name, item.kind)


def assess_workloads(
    cluster: Cluster, *, now: float, restarted_at: Mapping[str, float] | None = None
) -> tuple[WorkloadVerdict, ...]:
    """The verdict on each workload, the worst first. `restarted_at` maps a pod's uid to its last observed restart."""
    return WorkloadAssessor().assess(cluster, now=now, restarted_at=restarted_at or {}).verdicts


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on each workload, the worst first, and what the workloads panel shows of all that serve: ready and desired
    pods, the ready pods of each, and the one that was rolled out last (None without one).
    """

    verdicts: tuple[WorkloadVerdict, ...] = ()
    ready: int = 0
    desired: int = 0
    samples: tuple[Sample, ...] = ()
    newest: Workload | None = None


class WorkloadAssessor:
    """Assesses one result after another. Of thousands of workloads only those are evaluated again whose object or restarted
    pods changed, and the Jobs and CronJobs, on which time alone passes a verdict.
    """

    def __init__(self) -> None:
        self._cluster = Cluster("")
        self._pods: Mapping[str, tuple[Pod, ...]] = {}
        self._restarted = RestartedPods()
        self._found: dict[str, WorkloadVerdict] = {}
        self._verdicts: SortedRows[WorkloadVerdict] = SortedRows()
        self._samples: SortedRows[Sample] = SortedRows()
        self._batch: dict[str, Workload] = {}
        self._rolling: dict[str, Workload] = {}
        """What may be rolled out: all that serves except bare pods."""
        self._newest: Workload | None = None
        self._ready = self._desired = 0

    def assess(self, cluster: Cluster, *, now: float, restarted_at: Mapping[str, float]) -> Assessment:
        """`restarted_at` maps a pod's uid to its last observed restart."""
        before, self._cluster = self._cluster, cluster
        pods_before, self._pods = self._pods, cluster.group_pods()
        gone, new = find_changes(before.workloads, cluster.workloads)
        self._count(gone, -1)
        self._count(new, 1)
        if gone or new:
            samples = {_key(item): Sample(((item.kind.lower(), item.name),), float(item.ready)) for item in new if item.serves}
            self._samples.change([_key(item) for item in gone if item.serves], samples)
        self._find_newest(cluster, before, gone, new)
        was = self._restarted.uids
        restarted = self._restarted.update(before, cluster, now, restarted_at)
        due = {item.target: item for item in (cluster.workloads if before.faults != cluster.faults else new)}
        if was or restarted:
            changed = {pod.uid for pod in find_changes(before.pods, cluster.pods)[1]}
            touched = [*find_changed_keys(pods_before, self._pods), *cluster.find_targets((was ^ restarted) - changed)]
            rows = {target: self._found[target].workload for target in touched if target in self._found and target not in due}
            out = {item.target for item in gone}
            due |= {target: item for target, item in rows.items() if target not in out}
        due |= self._batch
        self._evaluate(due, {item.target: item for item in gone}, cluster, restarted, now + cluster.ahead_seconds)
        return Assessment(self._verdicts.rows(), self._ready, self._desired, self._samples.rows(), self._newest)

    def _count(self, items: Iterable[Workload], sign: int) -> None:
        for item in items:
            if item.serves:
                self._ready += sign * item.ready
                self._desired += sign * item.desired
            for known, belongs in ((self._batch, item.batch is not None), (self._rolling, item.serves and item.kind != "Pod")):
                if sign > 0 and belongs:
                    known[item.target] = item
                elif sign < 0:
                    known.pop(item.target, None)

    def _find_newest(self, cluster: Cluster, before: Cluster, gone: Iterable[Workload], new: Iterable[Workload]) -> None:
        if before.revisions is not cluster.revisions or any(item.serves and item.kind != "Pod" for item in (*gone, *new)):
            rolling = sorted(self._rolling.values(), key=_key)
            self._newest = max(rolling, key=cluster.rolled_out_at, default=None)

    def _evaluate(
        self, due: Mapping[str, Workload], gone: Mapping[str, Workload], cluster: Cluster, restarted: Set[str], now: float
    ) -> None:
        stale = {item.plural: item for item in cluster.faults if not item.forbidden}
        batch = sorted(self._batch.values(), key=_key)
        jobs, failed = _newest_jobs(batch, failed=False), _newest_jobs(batch, failed=True)
        out, found = [], {}
        for target in {**gone, **due}:
            known, item = self._found.pop(target, None), due.get(target)
            if item is not None:
                self._found[target] = verdict = (
                    WorkloadVerdict(item, Verdict.STALE, f"{item.plural}: {visible(fault.what)}")
                    if (fault := stale.get(item.plural))
                    else _evaluate_job(item, item.batch, cluster, restarted, now)
                    if item.batch is not None and item.kind == "Job"
                    else _evaluate_cron_job(item, item.batch, jobs, failed, now)
                    if item.batch is not None
                    else _evaluate_pod(item, cluster, restarted)
                    if item.kind == "Pod"
                    else _evaluate_one(item, cluster, restarted, now)
                )
                if known is not None and known.workload is item and known == verdict:
                    self._found[target] = known
                    continue
                found[verdict.order] = verdict
            if known is not None:
                out.append(known.order)
        if out or found:
            self._verdicts.change([key for key in out if key not in found], found)


def _key(item: Workload) -> tuple[str, str]:
    return item.name, item.kind


@dataclass(frozen=True, slots=True)
class StatusFinding:
    """One thing that a workload's own status says; a note has the verdict ok. `detail` is the rest of the sentence."""

    verdict: Verdict
    text: str
    detail: str = ""


def assess_status(
    item: Workload, *, now: float, newest: BatchJob | None = None, failed: BatchJob | None = None
) -> tuple[StatusFinding, ...]:
    """What the status of one workload says, the worst first, for the list and for its page; empty if it is as desired.

    What somebody has set on purpose (paused, suspended, OnDelete) is a note. `newest` and `failed` are the newest Job of a
    CronJob and the newest that failed, if they are known. `now` is Unix seconds by the API server's clock.
    """
    if item.batch is not None:
        cron = item.batch.kind == "CronJob"
        return tuple(_assess_cron_job(item.batch, newest, failed, now) if cron else _assess_job(item.batch, now))
    return () if item.kind == "Pod" else tuple(_assess_pods(item))


def _assess_pods(item: Workload) -> Iterator[StatusFinding]:
    rollout = rollout_status(item)
    sentence = visible(rollout.sentence.partition(": ")[2])
    if item.desired > 0 and item.ready == 0:
        yield StatusFinding(Verdict.CRITICAL, f"none of {item.desired} pods is ready")
    if rollout.phase is RolloutPhase.FAILED:
        text = f"the rollout failed, {item.ready} of {item.desired} ready"
        yield StatusFinding(Verdict.CRITICAL, text, sentence)
    if 0 < item.ready < item.desired:
        yield StatusFinding(Verdict.WARN, f"{item.ready} of {item.desired} pods ready")
    if rollout.phase is RolloutPhase.WAITING and item.ready >= item.desired:
        yield StatusFinding(Verdict.WARN, sentence)
    if rollout.phase is RolloutPhase.ON_DELETE:
        yield StatusFinding(Verdict.OK, sentence)
    if item.paused:
        yield StatusFinding(Verdict.OK, "its rollout is paused", "a changed pod template waits until you resume it")


def _assess_job(batch: BatchJob, now: float) -> Iterator[StatusFinding]:
    if batch.failed:
        reason = visible(batch.reason) or "for an unknown reason"
        yield StatusFinding(Verdict.WARN, f"failed, {reason}", visible(batch.message))
    elif batch.suspended and not batch.finished:
        yield StatusFinding(Verdict.OK, "suspended", "it starts no pod until it is resumed")
    elif not (batch.started_at or batch.active or batch.finished) and now - batch.created_at > UNSEEN_SECONDS:
        yield StatusFinding(Verdict.WARN, "not started", "no controller has reported a status for it")


def _assess_cron_job(batch: BatchJob, newest: BatchJob | None, failed: BatchJob | None, now: float) -> Iterator[StatusFinding]:
    """It warns after a run that failed, and after one that ended without a success where no Job of that run is known: Jobs may
    not be listed, or the failed one is deleted. It warns too where runs that were due did not start.
    """
    known = newest is not None and newest.created_at >= batch.started_at
    if failed is not None and failed.created_at > batch.succeeded_at:
        yield StatusFinding(Verdict.WARN, f"its last run failed, {visible(failed.reason)}")
    elif not batch.suspended and not batch.active and not known and batch.started_at > batch.succeeded_at:
        yield StatusFinding(Verdict.WARN, "its last run ended without a success")
    if not batch.suspended:
        yield from _assess_missed_runs(batch, now)
    if batch.suspended:
        yield StatusFinding(Verdict.OK, "suspended", "no run starts until it is resumed")


def _assess_missed_runs(batch: BatchJob, now: float) -> Iterator[StatusFinding]:
    """The scheduled times since the last run, or since the creation, at which the controller started none."""
    since = batch.started_at or batch.created_at
    if not (since and batch.schedule):
        return
    try:
        missed = count_missed_runs(batch.schedule, batch.time_zone, since=since, until=now - MISSED_SECONDS)
    except InvalidScheduleError as error:
        yield StatusFinding(Verdict.NO_DATA, "not known whether it missed a run", visible(str(error)))
        return
    if not missed.count:
        return
    count = f"more than {MOST}" if missed.count > MOST else str(missed.count)
    late = now - missed.last_due
    detail = f"the last one was due {format_age(late)} ago"
    deadline = batch.starting_deadline_seconds
    if batch.forbids_overlap and batch.active:
        detail += "; no run starts while one is active (concurrencyPolicy Forbid)"
    elif deadline is not None and late > deadline:
        detail += f"; it starts no later than {format_duration(deadline)} after its time (startingDeadlineSeconds)"
    yield StatusFinding(Verdict.WARN, f"missed {count} scheduled run{'' if missed.count == 1 else 's'}", detail)


def evaluate_workloads(
    spec: PanelSpec,
    threshold: Threshold,
    cluster: Cluster | None,
    *,
    taken_at: float,
    now: float,
    stale_after: float,
    unanswered: str = "",
    restarted_at: Mapping[str, float] | None = None,
    assessment: Assessment | None = None,
) -> PanelState:
    """Critical if a workload has desired but no ready pods or a failed rollout; warn for missing pods, a rollout in progress
    or recent restarts; stale if a kind of workload is no longer listed or watched, and the others are ok.

    The value is the number of ready pods. `restarted_at` maps a pod's uid to its last observed restart; `assessment` is that
    of a `WorkloadAssessor`, if the caller has one.
    """
    limits = effective_threshold(spec, threshold)
    where = f"workloads in {cluster.namespace}" if cluster else "workloads"
    if cluster is None or not (cluster.workloads or cluster.faults):
        reason = (unanswered or NO_ANSWER) if cluster is None else f"no workloads in namespace {visible(cluster.namespace)}"
        return PanelState(spec, Verdict.NO_DATA, limits, query=where, reason=reason)
    if assessment is None:
        assessment = WorkloadAssessor().assess(cluster, now=now, restarted_at=restarted_at or {})
    verdict, reason, worst = _worst(cluster, assessment.verdicts)
    age = max(0.0, now - taken_at)
    if not abs(now - taken_at) <= stale_after:
        verdict, reason = Verdict.STALE, unanswered or TOO_OLD
    elif verdict is Verdict.STALE:
        age = max([age, *(now - item.since for item in cluster.faults if item.since and not item.forbidden)])
    if worst is None:
        return PanelState(spec, verdict, limits, query=where, reason=reason)
    return PanelState(
        spec,
        verdict,
        limits,
        value=float(assessment.ready),
        age_seconds=age,
        origin=Origin.KUBERNETES,
        query=where,
        samples=assessment.samples,
        reason=reason,
        note=_note(cluster, worst, verdict, assessment, now=now),
    )


def _worst(cluster: Cluster, verdicts: Sequence[WorkloadVerdict]) -> tuple[Verdict, str, WorkloadVerdict | None]:
    """Verdict, reason and the worst workload; the reason names what is not visible."""
    worst = verdicts[0] if verdicts else None
    verdict, reason = (worst.verdict, worst.reason) if worst else (Verdict.NO_DATA, "")
    stale = next((item for item in cluster.faults if not item.forbidden), None)
    if stale is not None and verdict.rank <= Verdict.NO_DATA.rank:
        verdict, reason = Verdict.STALE if worst else Verdict.NO_DATA, f"{stale.plural}: {visible(stale.what)}"
    reasons = (reason if worst or stale else "", describe_forbidden(cluster.faults))
    return verdict, "; ".join(filter(None, reasons)), worst


class RestartedPods:
    """The pods that crash now, or whose recent restart was observed or reported by an event."""

    def __init__(self) -> None:
        self.uids: frozenset[str] = frozenset()
        self._crashing: set[str] = set()
        self._by_name: dict[str, Pod] = {}

    def update(self, before: Cluster, now: Cluster, at: float, restarted_at: Mapping[str, float]) -> frozenset[str]:
        """The uids at this time, Unix seconds; `before` is the cluster of the last update."""
        gone, new = find_changes(before.pods, now.pods)
        for pod in gone:
            self._crashing.discard(pod.uid)
            self._by_name.pop(pod.name, None)
        for pod in new:
            self._by_name[pod.name] = pod
            if "CrashLoop" in pod.reason:
                self._crashing.add(pod.uid)
        named = (
            self._by_name.get(item.name)
            for item in now.events
            if item.kind == "Pod" and item.reason == "BackOff" and at + now.ahead_seconds - item.at < RECENT_SECONDS
        )
        backing_off = {pod.uid for pod in named if pod is not None and pod.restarts}
        observed = {uid for uid, when in restarted_at.items() if at - when < RECENT_SECONDS}
        self.uids = frozenset(self._crashing | backing_off | observed)
        return self.uids


def _evaluate_one(item: Workload, cluster: Cluster, restarted: Collection[str], now: float) -> WorkloadVerdict:
    name = visible(item.name)
    verdict, reason = Verdict.OK, "all desired pods are ready"
    found = assess_status(item, now=now)
    if found and found[0].verdict is not Verdict.OK:
        verdict, reason = found[0].verdict, f"{name}: {found[0].text}"
    elif own := _find_restarted(item, cluster, restarted):
        verdict, reason = Verdict.WARN, _describe_restart(name, own)
    return WorkloadVerdict(item, verdict, reason, over=verdict is Verdict.OK and item.desired == 0)


def _evaluate_pod(item: Workload, cluster: Cluster, restarted: Collection[str]) -> WorkloadVerdict:
    """A pod that no workload has: nobody replaces it, and it is seldom what serves, so it is never critical."""
    name, why = visible(item.name), visible(item.phase)
    if item.desired == 0:
        return WorkloadVerdict(item, Verdict.OK, f"{name}: {why}", over=True)
    if not item.ready:
        return WorkloadVerdict(item, Verdict.WARN, f"{name}: not ready, {why or 'of unknown phase'}")
    if own := _find_restarted(item, cluster, restarted):
        return WorkloadVerdict(item, Verdict.WARN, _describe_restart(name, own))
    return WorkloadVerdict(item, Verdict.OK, "the pod is ready")


def _newest_jobs(batch: Iterable[Workload], *, failed: bool) -> dict[str, BatchJob]:
    """The newest Job of each CronJob, or the newest that failed, by `CronJob/NAME`."""
    found: dict[str, BatchJob] = {}
    for item in batch:
        if item.batch is not None and item.owner and (item.batch.failed or not failed):
            known = found.get(item.owner)
            found[item.owner] = item.batch if known is None or known.created_at < item.batch.created_at else known
    return found


def _evaluate_job(item: Workload, batch: BatchJob, cluster: Cluster, restarted: Collection[str], now: float) -> WorkloadVerdict:
    """A failed Job warns until a later run of its CronJob succeeds; a running one warns while a pod of it cannot run."""
    name = visible(item.name)
    if batch.failed:
        owner = cluster.workload(item.owner) if item.owner.startswith("CronJob/") else None
        if owner is not None and owner.batch is not None and owner.batch.succeeded_at > batch.created_at:
            return WorkloadVerdict(item, Verdict.OK, f"{name}: failed, and a later run succeeded", over=True)
    if found := assess_status(item, now=now):
        return WorkloadVerdict(item, found[0].verdict, f"{name}: {found[0].text}", over=found[0].verdict is Verdict.OK)
    if batch.finished:
        return WorkloadVerdict(item, Verdict.OK, f"{name}: complete", over=True)
    for pod in cluster.pods_of(item):
        waits = pod.phase == "Pending" and pod.reason not in (*STARTING_REASONS, "Terminating")
        if waits:
            return WorkloadVerdict(item, Verdict.WARN, f"{name}: {visible(pod.name)} does not start, {visible(pod.reason)}")
        if pod.uid in restarted:
            return WorkloadVerdict(item, Verdict.WARN, _describe_restart(name, pod))
    return WorkloadVerdict(item, Verdict.OK, f"{name}: running, {batch.succeeded} of {batch.completions} completions")


def _evaluate_cron_job(
    item: Workload, batch: BatchJob, jobs: Mapping[str, BatchJob], failed: Mapping[str, BatchJob], now: float
) -> WorkloadVerdict:
    name, target = visible(item.name), f"CronJob/{item.name}"
    if found := assess_status(item, now=now, newest=jobs.get(target), failed=failed.get(target)):
        return WorkloadVerdict(item, found[0].verdict, f"{name}: {found[0].text}", over=found[0].verdict is Verdict.OK)
    return WorkloadVerdict(item, Verdict.OK, f"{name}: {batch.active} active" if batch.active else f"{name}: no active run")


def _find_restarted(item: Workload, cluster: Cluster, restarted: Collection[str]) -> Pod | None:
    return next((pod for pod in cluster.pods_of(item) if pod.uid in restarted), None) if restarted else None


def _describe_restart(name: str, pod: Pod) -> str:
    last = f", last {visible(pod.last_exit)}" if pod.last_exit else ""
    return f"{name}: {visible(pod.name)} restarted ({pod.restarts} times in total{last})"


def _note(cluster: Cluster, worst: WorkloadVerdict, verdict: Verdict, found: Assessment, *, now: float) -> str:
    text = f"{found.ready}/{found.desired} ready"
    shown = worst.workload
    if verdict is Verdict.OK:
        # Everything is ready: show the newest rollout.
        shown = found.newest or shown
    else:
        text += f"  {visible(shown.name)} {shown.ready}/{shown.desired}" if shown.serves else f"  {worst.reason}"
    # First of all parts, and so not the one that a narrow screen leaves out.
    hidden = ", ".join(item.plural for item in cluster.faults if item.forbidden)
    text += f", not visible: {hidden}" if hidden else ""
    at = cluster.rolled_out_at(shown)
    if at and shown.revision:
        age = format_minute(at, now=now) if now - at < 86_400 else f"{int((now - at) // 86_400)}d ago"
        name = f"{visible(shown.name)} " if verdict is Verdict.OK else ""
        text += f" · {name}rev {shown.revision} rolled out {age}"
    return text
