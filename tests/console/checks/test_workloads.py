"""The verdict on what runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.checks.workloads import assess_status, assess_workloads, evaluate_workloads
from queries.kubernetes.workload_decode import decode_workload
from queries.model.cluster import Cluster, ClusterEvent, KindFault
from queries.model.panel import PanelSpec, PanelState, Threshold, Unit
from queries.model.pod import Pod
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob, Condition, Revision, UpdateStrategy, Workload

SPEC = PanelSpec("workloads", "Workloads", Unit.COUNT, source="kubernetes")
NOW = 1_800_000_000.0
RECORDINGS = Path(__file__).parents[2] / "queries" / "recordings"
API = Workload(
    namespace="n", name="cad-ml-api", uid="u", resource_version="1", generation=1, observed_generation=1, desired=3, replicas=3,
    updated=3, ready=3, available=3, paused=False, revision=2, created_at=NOW - 9e5, selector=(("app", "cad-ml-api"),),
)  # fmt: skip
POD = Pod("n", "cad-ml-api-1", "p1", "Running", True, 0, NOW - 100, labels=(("app", "cad-ml-api"),))


def state_of(*workloads: Workload, now: float = NOW, **more: object) -> PanelState:
    cluster = Cluster("n", workloads, (Revision(2, "r", "u", NOW - 300, 3),), **more)  # type: ignore[arg-type]
    return evaluate_workloads(SPEC, Threshold(), cluster, taken_at=NOW, now=now, stale_after=30.0)


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, Verdict.OK, "all desired pods are ready"),
        ({"ready": 0}, Verdict.CRITICAL, "none of 3 pods is ready"),
        ({"ready": 0, "desired": 0}, Verdict.OK, "all desired"),
        ({"ready": 2}, Verdict.WARN, "2 of 3 pods ready"),
        ({"updated": 1}, Verdict.WARN, "1 of 3 new pods created"),
        ({"conditions": (Condition("Progressing", "False", "ProgressDeadlineExceeded"),)}, Verdict.CRITICAL, "rollout failed"),
    ],
)
def test_one_workload_decides(change: dict[str, object], verdict: Verdict, words: str) -> None:
    """Nothing ready or a failed rollout is critical; missing pods and a running rollout warn."""
    told = state_of(replace(API, **change), replace(API, name="other", uid="v"))  # type: ignore[arg-type]
    assert told.verdict is verdict
    assert words in told.reason


@pytest.mark.parametrize(("ready", "verdict"), [(0, Verdict.CRITICAL), (1, Verdict.WARN), (2, Verdict.WARN), (3, None)])
def test_missing_pods_are_one_finding(ready: int, verdict: Verdict | None) -> None:
    """None of them, or some: either is said once, and a workload with all of them has no finding."""
    found = assess_status(replace(API, ready=ready), now=NOW)
    assert [item.verdict for item in found if "ready" in item.text] == ([verdict] if verdict else [])


def test_the_note_names_the_worst() -> None:
    """Ready of wanted, then the worst workload with its revision and the moment of its rollout."""
    assert state_of(replace(API, ready=2)).note == "2/3 ready  cad-ml-api 2/3 · rev 2 rolled out 07:55Z"


def test_recent_restarts_warn() -> None:
    """A pod that crashes, or whose restarts were seen to grow, is not fine although it is ready."""
    assert state_of(API, pods=(replace(POD, reason="CrashLoopBackOff"),)).verdict is Verdict.WARN
    cluster = Cluster("n", (API,), (), (replace(POD, restarts=4),))
    seen = evaluate_workloads(
        SPEC, Threshold(), cluster, taken_at=NOW, now=NOW, stale_after=30.0, restarted_at={"p1": NOW - 60}
    )
    assert seen.verdict is Verdict.WARN
    assert state_of(API, pods=(replace(POD, restarts=4),)).verdict is Verdict.OK


@pytest.mark.parametrize(("ago", "verdict"), [(899.9, Verdict.WARN), (900.0, Verdict.OK)])
def test_a_restart_is_recent_for_a_quarter_of_an_hour(ago: float, verdict: Verdict) -> None:
    """Of two pods the one that restarted, by an observed counter or by an event; at 15 minutes it is over."""
    pods = (replace(POD, name="calm", uid="p0"), replace(POD, restarts=4, last_exit="OOMKilled"))
    seen = evaluate_workloads(
        SPEC,
        Threshold(),
        Cluster("n", (API,), (), pods),
        taken_at=NOW,
        now=NOW,
        stale_after=30.0,
        restarted_at={"p1": NOW - ago},
    )
    events = (
        ClusterEvent("n", "Pod", POD.name, "Warning", "BackOff", "back-off", NOW - ago),
        ClusterEvent("n", "Pod", "calm", "Warning", "BackOff", "back-off", NOW),
        ClusterEvent("n", "Job", POD.name, "Warning", "BackOff", "back-off", NOW),
    )
    told = state_of(API, pods=pods, events=events)
    assert (seen.verdict, told.verdict) == (verdict, verdict)
    behind = Cluster(
        "n", (API,), (), pods, events=tuple(replace(item, at=item.at - 600.0) for item in events), ahead_seconds=-600.0
    )
    assert assess_workloads(behind, now=NOW)[0].verdict is verdict  # an event's time is by the clock of the cluster
    if verdict is Verdict.WARN:
        reason = f"cad-ml-api: {POD.name} restarted (4 times in total, last OOMKilled)"
        assert (seen.reason, told.reason) == (reason, reason)


def test_what_is_not_known_is_not_fine() -> None:
    """No cluster, an empty namespace and an old answer are no_data, no_data and stale."""
    nothing = evaluate_workloads(
        SPEC, Threshold(), None, taken_at=0, now=NOW, stale_after=30, unanswered="Kubernetes is not configured"
    )
    assert (nothing.verdict, nothing.value, nothing.reason) == (Verdict.NO_DATA, None, "Kubernetes is not configured")
    assert state_of().verdict is Verdict.NO_DATA
    assert [state_of(API, now=NOW + later).verdict for later in (30.0, 30.1)] == [Verdict.OK, Verdict.STALE]
    both = state_of(API, replace(API, name="other", uid="v", ready=2))
    assert [(sample.label("deployment"), sample.value) for sample in both.samples] == [("cad-ml-api", 3.0), ("other", 2.0)]


STORE = replace(API, name="store", uid="s", kind="StatefulSet", update_revision="a", current_revision="a", revision=0)


def test_a_stateful_set_without_a_ready_pod_is_critical() -> None:
    """As a Deployment: it is the worst, it is named, and its sample has its own kind, so that equal names do not collide."""
    found = state_of(API, replace(STORE, name=API.name, ready=0))
    assert (found.verdict, found.reason) == (Verdict.CRITICAL, "cad-ml-api: none of 3 pods is ready")
    assert [sample.labels for sample in found.samples] == [(("deployment", API.name),), (("statefulset", API.name),)]
    assert found.note.startswith("3/6 ready  cad-ml-api 0/3")


def test_a_kind_whose_watch_fails_is_stale_and_never_ok() -> None:
    """Its rows are STALE whatever they last said; the others keep their verdict; the panel is stale unless another is worse."""
    fault = KindFault("statefulsets", "the API server is unhealthy (500)", since=NOW - 40)
    cluster = Cluster("n", (API, replace(STORE, ready=0)), faults=(fault,))
    assert [item.verdict for item in assess_workloads(cluster, now=NOW)] == [Verdict.STALE, Verdict.OK]
    panel = evaluate_workloads(SPEC, Threshold(), cluster, taken_at=NOW, now=NOW, stale_after=30.0)
    assert (panel.verdict, panel.age_seconds) == (Verdict.STALE, 40.0)
    assert panel.reason == "statefulsets: the API server is unhealthy (500)"
    worse = replace(cluster, workloads=(replace(API, ready=2), STORE))
    panel = evaluate_workloads(SPEC, Threshold(), worse, taken_at=NOW, now=NOW, stale_after=30.0)
    assert panel.verdict is Verdict.WARN
    alone = evaluate_workloads(SPEC, Threshold(), replace(cluster, workloads=()), taken_at=NOW, now=NOW, stale_after=30.0)
    assert alone.verdict is Verdict.NO_DATA


def test_a_kind_that_may_not_be_listed_is_named() -> None:
    """The verdict is on what is visible, and the reason says what is not."""
    found = state_of(API, faults=(KindFault("statefulsets", "no", forbidden=True), KindFault("jobs", "no", forbidden=True)))
    assert found.verdict is Verdict.OK
    assert found.reason == "all desired pods are ready; not visible: list statefulsets, jobs is forbidden"
    assert found.note.startswith("3/3 ready, not visible: statefulsets, jobs · cad-ml-api rev 2 rolled out")


def _job(name: str, *, owner: str = "", at: float = NOW - 600, **facts: Any) -> Workload:
    return replace(API, name=name, uid=name, kind="Job", owner=owner, batch=BatchJob("Job", name, created_at=at, **facts))


def _cron_job(**facts: Any) -> Workload:
    return replace(API, name="nightly", uid="c", kind="CronJob", batch=BatchJob("CronJob", "nightly", **facts))


HOUR = 1_799_996_400.0 - 1_799_996_400.0 % 3600
FAILED = {"failed": True, "finished": True, "reason": "BackoffLimitExceeded"}


@pytest.mark.parametrize(
    ("workload", "verdict", "over", "words"),
    [
        (_job("load", active=1, completions=3, succeeded=2), Verdict.OK, False, "running, 2 of 3"),
        (_job("load", finished=True), Verdict.OK, True, "complete"),
        (_job("load", **FAILED), Verdict.WARN, False, "failed, BackoffLimitExceeded"),
        (_job("load", suspended=True), Verdict.OK, True, "suspended"),
        (_cron_job(), Verdict.OK, False, "no active run"),
        (_cron_job(suspended=True), Verdict.OK, True, "suspended"),
        (
            replace(API, kind="Pod", name="debug", desired=1, ready=0, phase="CrashLoopBackOff"),
            Verdict.WARN,
            False,
            "not ready",
        ),
        (replace(API, kind="Pod", name="debug", desired=1, ready=1), Verdict.OK, False, "ready"),
        (replace(API, kind="Pod", name="debug", desired=0, phase="Succeeded"), Verdict.OK, True, "Succeeded"),
    ],
)
def test_what_runs_to_its_end_has_its_own_verdict(workload: Workload, verdict: Verdict, over: bool, words: str) -> None:
    """A Job that failed warns; a complete one, a suspended one and a pod that succeeded are over, and none is critical."""
    (found,) = assess_workloads(Cluster("n", (workload,)), now=NOW)
    assert (found.verdict, found.over) == (verdict, over) and words in found.reason


@pytest.mark.parametrize(
    ("workload", "notes"),
    [
        (replace(API, paused=True), ["its rollout is paused"]),
        (
            replace(API, kind="DaemonSet", updated=1, strategy=UpdateStrategy("OnDelete")),
            ["2 of 3 pods keep the old template until someone deletes them (strategy OnDelete)"],
        ),
        (_cron_job(suspended=True, started_at=NOW - 600), ["suspended"]),
        (_job("load", suspended=True), ["suspended"]),
        (API, []),
    ],
)
def test_what_somebody_set_on_purpose_is_a_note(workload: Workload, notes: list[str]) -> None:
    """A paused rollout, a suspended Job and OnDelete page nobody: the verdict is ok, and the note says what waits."""
    found = assess_status(workload, now=NOW)
    assert [(item.verdict, item.text) for item in found] == [(Verdict.OK, note) for note in notes]
    assert assess_workloads(Cluster("n", (workload,)), now=NOW)[0].verdict is Verdict.OK


def test_a_paused_rollout_that_waits_warns_first() -> None:
    """That it is paused does not hide that its pods are missing; the pause is the second thing to know."""
    found = assess_status(replace(API, paused=True, updated=0), now=NOW)
    assert [item.verdict for item in found] == [Verdict.WARN, Verdict.OK] and "new pods created" in found[0].text


def test_a_later_success_of_the_cron_job_ends_the_warning() -> None:
    """The failed run warns with its CronJob, the newest failed one counts, and a success after it makes both fine again."""
    runs = (_job("nightly-1", owner="CronJob/nightly", at=NOW - 900, **FAILED),
            _job("nightly-2", owner="CronJob/nightly", at=NOW - 600, **{**FAILED, "reason": "DeadlineExceeded"}))  # fmt: skip
    found = assess_workloads(Cluster("n", (_cron_job(succeeded_at=NOW - 700), *runs)), now=NOW)
    assert {item.workload.name: item.verdict for item in found} == {
        "nightly": Verdict.WARN, "nightly-1": Verdict.OK, "nightly-2": Verdict.WARN,
    }  # fmt: skip
    assert next(item.reason for item in found if item.workload.kind == "CronJob").endswith("failed, DeadlineExceeded")
    found = assess_workloads(Cluster("n", (_cron_job(succeeded_at=NOW - 500), *runs)), now=NOW)
    assert {item.verdict for item in found} == {Verdict.OK}


@pytest.mark.parametrize(
    ("facts", "job", "verdict"),
    [
        ({"started_at": NOW - 600, "succeeded_at": NOW - 9e4}, (), Verdict.WARN),
        ({"started_at": NOW - 600, "succeeded_at": NOW - 300}, (), Verdict.OK),
        ({"started_at": NOW - 600, "succeeded_at": NOW - 9e4, "active": 1}, (), Verdict.OK),
        ({"started_at": NOW - 600, "suspended": True}, (), Verdict.OK),
        ({"started_at": NOW - 600}, (_job("nightly-9", owner="CronJob/nightly", at=NOW - 599, finished=True),), Verdict.OK),
    ],
)
def test_a_run_that_nobody_can_see_counts_by_the_cron_job(
    facts: dict[str, Any], job: tuple[Workload, ...], verdict: Verdict
) -> None:
    """Where Jobs may not be listed, or the failed one is deleted, a run that ended without a success warns; where its Job is
    listed, that one tells.
    """
    cluster = Cluster("n", (_cron_job(**facts), *job), faults=(KindFault("jobs", "no", forbidden=True),) if not job else ())
    found = next(item for item in assess_workloads(cluster, now=NOW) if item.workload.kind == "CronJob")
    assert found.verdict is verdict and ("ended without a success" in found.reason) is (verdict is Verdict.WARN)


@pytest.mark.parametrize(
    ("facts", "texts"),
    [
        ({"started_at": HOUR}, ["missed 3 scheduled runs, the last one was due 30m ago"]),
        ({"started_at": HOUR + 7200}, ["missed 1 scheduled run, the last one was due 30m ago"]),
        ({"started_at": HOUR + 10_800}, []),
        ({"created_at": HOUR + 60}, ["missed 3 scheduled runs, the last one was due 30m ago"]),
        ({"started_at": HOUR, "suspended": True}, ["suspended, no run starts until it is resumed"]),
        ({"started_at": HOUR - 97 * 3600}, ["missed 100 scheduled runs, the last one was due 30m ago"]),
        ({"started_at": HOUR - 98 * 3600}, ["missed more than 100 scheduled runs, the last one was due 30m ago"]),
        ({"started_at": HOUR - 400 * 3600}, ["missed more than 100 scheduled runs, the last one was due 30m ago"]),
        (
            {"started_at": HOUR, "active": 1, "forbids_overlap": True},
            [
                "missed 3 scheduled runs, the last one was due 30m ago; no run starts while one is active (concurrencyPolicy "
                "Forbid)"
            ],
        ),
        (
            {"started_at": HOUR, "starting_deadline_seconds": 200},
            [
                "missed 3 scheduled runs, the last one was due 30m ago; it starts no later than 3m20s after its time "
                "(startingDeadlineSeconds)"
            ],
        ),
        ({"started_at": HOUR, "starting_deadline_seconds": 3600}, ["missed 3 scheduled runs, the last one was due 30m ago"]),
        ({"started_at": HOUR + 5400, "time_zone": "Asia/Kolkata"}, ["missed 1 scheduled run, the last one was due 1h ago"]),
        (
            {"started_at": HOUR, "time_zone": "Mars/Olympus"},
            ["not known whether it missed a run, the time zone 'Mars/Olympus' is not known on this machine"],
        ),
    ],
)
def test_runs_that_were_due_and_did_not_start_are_counted(facts: dict[str, Any], texts: list[str]) -> None:
    """Since the last run or the creation, by the schedule in its time zone, until two minutes ago; none while it is suspended.
    Why the controller starts none is said where the object tells it, and an unknown zone is never ok.
    """
    item = _cron_job(schedule="0 * * * *", **{"succeeded_at": 2 * NOW, **facts})
    now = HOUR + 3 * 3600 + 1800
    found = assess_status(item, now=now)
    assert [", ".join(filter(None, (each.text, each.detail))) for each in found] == texts
    verdict = Verdict.NO_DATA if "zone" in "".join(texts) else Verdict.WARN if "missed" in "".join(texts) else Verdict.OK
    assert assess_workloads(Cluster("n", (item,)), now=now)[0].verdict is verdict
    assert assess_status(_cron_job(schedule="0 * * * *", started_at=HOUR, succeeded_at=2 * NOW), now=HOUR + 3700) == ()


@pytest.mark.parametrize(
    ("now", "ahead", "verdict"),
    [
        (HOUR + 3900, 0.0, Verdict.WARN),
        (HOUR + 3900, -600.0, Verdict.OK),
        (HOUR + 3300, 0.0, Verdict.OK),
        (HOUR + 3300, 600.0, Verdict.WARN),
    ],
)
def test_the_clock_of_the_cluster_says_which_run_is_due(now: float, ahead: float, verdict: Verdict) -> None:
    """The controller starts runs by it: where this machine's differs, no run is missed that is not due, and none is hidden."""
    item = _cron_job(schedule="0 * * * *", started_at=HOUR, succeeded_at=2 * NOW)
    assert assess_workloads(Cluster("n", (item,), ahead_seconds=ahead), now=now)[0].verdict is verdict


@pytest.mark.parametrize("listed", [True, False])
def test_no_update_of_a_successful_run_warns(listed: bool) -> None:
    """As 1.36.3 sent a CronJob and its Jobs, update by update: the end of a run and its success come in one, so a good run is
    never a warning in between; a bad one warns from its end on. The same where Jobs may not be listed, but for the next run.
    """
    objects: dict[str, Workload] = {}
    told: dict[str, list[Verdict]] = {"good": [], "bad": []}
    now = 0.0
    for event in json.loads((RECORDINGS / "kubernetes-1.36-cron-job-runs.json").read_text(encoding="utf-8")):
        item = event["object"]
        if event["type"] == "DELETED":
            objects.pop(item["metadata"]["uid"], None)
        elif listed or item["kind"] == "CronJob":
            objects[item["metadata"]["uid"]] = decode_workload(item)
        now = max(at for each in objects.values() if each.batch for at in (now, each.batch.started_at, each.created_at))
        for found in assess_workloads(Cluster("c", tuple(objects.values())), now=now):
            history = told.get(found.workload.name, [])
            if history[-1:] != [found.verdict]:
                history.append(found.verdict)
    again = [] if listed else [Verdict.OK, Verdict.WARN]
    assert told == {"good": [Verdict.OK], "bad": [Verdict.OK, Verdict.WARN, *again]}


def test_a_rollout_is_judged_by_what_argos_controller_wrote() -> None:
    """As Argo Rollouts 1.8.3 left a canary after each step, with the console's promote, abort and retry: a new template that it
    has not seen is no longer healthy, although its phase still says so, and a Rollout without a status is not ready.
    """
    told = {}
    for moment, item in json.loads((RECORDINGS / "argo-rollouts-1.8-rollout.json").read_text(encoding="utf-8")).items():
        (found,) = assess_workloads(Cluster("n", (decode_workload(item),)), now=NOW)
        told[moment] = (found.verdict, found.workload.revision, found.reason.removeprefix("shop: "))
    waits = (Verdict.WARN, 2, "Paused: CanaryPauseStep")
    assert told == {
        "created": (Verdict.CRITICAL, 0, "none of 4 pods is ready"),
        "healthy": (Verdict.OK, 1, "all desired pods are ready"),
        "patched": (Verdict.WARN, 1, "waiting for the controller to observe the new spec"),
        "paused": waits,
        "promoted": waits,
        "aborted": (Verdict.CRITICAL, 2, "the rollout failed, 4 of 4 ready"),
        "retried": waits,
        "last promotion": (Verdict.OK, 2, "all desired pods are ready"),
    }


def test_the_note_names_a_run_that_failed() -> None:
    """A Job and a CronJob have no ready pods to count: the note says what happened."""
    told = state_of(API, _job("load", **FAILED))
    assert (told.verdict, told.note) == (Verdict.WARN, "3/3 ready  load: failed, BackoffLimitExceeded")


@pytest.mark.parametrize(
    ("phase", "reason", "verdict"),
    [
        ("Pending", "ImagePullBackOff", Verdict.WARN),
        ("Pending", "Unschedulable", Verdict.WARN),
        ("Running", "CrashLoopBackOff", Verdict.WARN),
        ("Pending", "ContainerCreating", Verdict.OK),
        ("Failed", "Error", Verdict.OK),
        ("Running", "", Verdict.OK),
    ],
)
def test_a_job_whose_pod_does_not_start_warns(phase: str, reason: str, verdict: Verdict) -> None:
    """An active Job whose pod cannot start makes no progress; one whose first try failed runs on."""
    job = _job("load", active=1)
    pod = replace(POD, phase=phase, reason=reason, ready=False, owner_uid="load", labels=())
    (found,) = assess_workloads(Cluster("n", (job,), pods=(pod,)), now=NOW)
    assert found.verdict is verdict and (reason in found.reason or verdict is Verdict.OK or "restarted" in found.reason)


JOB = Workload(
    namespace="n", name="backup-1", uid="j", resource_version="1", generation=1, observed_generation=1, desired=1, replicas=0,
    updated=0, ready=0, available=0, paused=False, revision=0, created_at=NOW - 50.0, kind="Job",
)  # fmt: skip


def verdict_of(*workloads: Workload, now: float = NOW, **more: object) -> dict[str, tuple[Verdict, str, bool]]:
    cluster = Cluster("n", workloads, (), **more)  # type: ignore[arg-type]
    return {item.workload.name: (item.verdict, item.reason, item.over) for item in assess_workloads(cluster, now=now)}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize(("ready", "desired"), [(0, 0), (0, 1), (0, 3), (1, 1), (1, 3), (2, 3), (3, 3), (4, 3), (1, 0)])
def test_ready_against_desired_pods(kind: str, ready: int, desired: int) -> None:
    """None of some is critical, fewer warn, as many or more are fine; without desired pods nothing is missing: it is over."""
    counts = {"updated": desired, "replicas": desired, "available": desired}
    item = replace(STORE if kind == "StatefulSet" else API, name="x", ready=ready, desired=desired, **counts)  # type: ignore[arg-type]
    verdict, reason, over = verdict_of(item, replace(API, name="calm", uid="c"))["x"]
    if desired and not ready:
        assert (verdict, reason) == (Verdict.CRITICAL, f"x: none of {desired} pods is ready")
    elif ready < desired:
        assert (verdict, reason) == (Verdict.WARN, f"x: {ready} of {desired} pods ready")
    else:
        assert (verdict, over) == (Verdict.OK, desired == 0)


@pytest.mark.parametrize("ready", [2, 3, 4])
def test_a_rollout_that_waits_warns_once_the_pods_are_there(ready: int) -> None:
    """With pods missing these are the reason; with all of them the rollout's own sentence is."""
    found = assess_status(replace(API, ready=ready, updated=1), now=NOW)
    assert [item.verdict for item in found] == [Verdict.WARN]
    assert found[0].text == ("2 of 3 pods ready" if ready < 3 else "1 of 3 new pods created")


@pytest.mark.parametrize(("age", "seen"), [(59.9, True), (60.0, True), (60.1, False)])
def test_a_job_has_a_minute_to_start(age: float, seen: bool) -> None:
    """After it no controller takes it; one that began, runs or ended has started."""
    batch = BatchJob("Job", "backup-1", created_at=NOW - age)
    found = assess_status(replace(JOB, batch=batch), now=NOW)
    assert [item.text for item in found] == ([] if seen else ["not started"])
    for changes in ({"started_at": NOW - age}, {"active": 1}, {"finished": True}, {"suspended": True}):
        assert "not started" not in [
            item.text for item in assess_status(replace(JOB, batch=replace(batch, **changes)), now=NOW)
        ]  # type: ignore[arg-type]


CRON = BatchJob("CronJob", "backup", created_at=NOW - 9e5, started_at=NOW - 100.0, succeeded_at=NOW - 200.0)
RUN = BatchJob("Job", "backup-1", created_at=NOW - 100.0, finished=True)


def texts(batch: BatchJob, newest: BatchJob | None = None, failed: BatchJob | None = None) -> list[str]:
    item = replace(JOB, name="backup", kind="CronJob", batch=batch)
    return [found.text for found in assess_status(item, now=NOW, newest=newest, failed=failed)]


@pytest.mark.parametrize("late", [-0.001, 0.0, 0.001])
def test_a_run_is_known_by_a_job_that_is_not_older(late: float) -> None:
    """Created in the moment in which the run began, or after it; an older Job says nothing of this run."""
    newest = replace(RUN, created_at=CRON.started_at + late)
    unknown = ["its last run ended without a success"]
    assert texts(CRON, newest) == (unknown if late < 0 else [])
    assert texts(CRON) == unknown
    assert texts(replace(CRON, active=1)) == [] and texts(replace(CRON, suspended=True)) == ["suspended"]


@pytest.mark.parametrize(("succeeded", "ends"), [(-0.001, False), (0.0, True), (0.001, True)])
def test_a_success_ends_what_failed_before_it(succeeded: float, ends: bool) -> None:
    """One in the same moment already does; the same for a run of which nobody saw the Job."""
    failed = replace(RUN, failed=True, reason="BackoffLimitExceeded", created_at=NOW - 100.0)
    cron = replace(CRON, succeeded_at=NOW - 100.0 + succeeded)
    assert texts(cron, RUN, failed) == ([] if ends else ["its last run failed, BackoffLimitExceeded"])
    assert texts(cron) == ([] if ends else ["its last run ended without a success"])


@pytest.mark.parametrize(("succeeded", "verdict"), [(-0.001, Verdict.WARN), (0.0, Verdict.WARN), (0.001, Verdict.OK)])
def test_a_failed_job_is_over_once_a_later_run_succeeded(succeeded: float, verdict: Verdict) -> None:
    """Later than the Job was created; another CronJob's success says nothing."""
    job = replace(
        JOB, owner="CronJob/backup", batch=BatchJob("Job", "backup-1", created_at=NOW - 50.0, failed=True, reason="x")
    )
    own = replace(JOB, name="backup", uid="c", kind="CronJob", batch=replace(CRON, succeeded_at=NOW - 50.0 + succeeded))
    other = replace(own, name="other", uid="o", batch=replace(CRON, succeeded_at=NOW))
    found = verdict_of(job, own, other)["backup-1"]
    assert found == (
        (Verdict.OK, "backup-1: failed, and a later run succeeded", True) if verdict is Verdict.OK
        else (Verdict.WARN, "backup-1: failed, x", False)
    )  # fmt: skip


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_jobs_the_newest_counts(order: int) -> None:
    """Whatever their order in the list; of those that failed the newest that failed."""
    made = [
        replace(JOB, name=f"backup-{at}", uid=f"j{at}", owner="CronJob/backup",
                batch=replace(RUN, created_at=NOW - 300.0 + at, failed=at < 3, reason=f"R{at}"))
        for at in range(4)
    ]  # fmt: skip
    cron = replace(JOB, name="backup", uid="c", kind="CronJob", batch=replace(CRON, succeeded_at=0.0, started_at=NOW - 297.0))
    assert verdict_of(*made[::order], cron)["backup"] == (Verdict.WARN, "backup: its last run failed, R2", False)
    good = [replace(item, batch=replace(item.batch, failed=False)) for item in made if item.batch]  # type: ignore[type-var]
    assert verdict_of(*good[::order], cron)["backup"] == (Verdict.OK, "backup: no active run", False)


@pytest.mark.parametrize(
    ("late", "deadline", "text"),
    [
        (600.0, 600, ""),
        (600.0, 599, "; it starts no later than 9m59s after its time (startingDeadlineSeconds)"),
        (600.0, None, ""),
    ],
)
def test_a_missed_run_says_whether_it_may_still_start(late: float, deadline: int | None, text: str) -> None:
    """At its deadline it still may; with one that runs and a policy that forbids two, that is the reason."""
    at = NOW  # a full hour
    batch = BatchJob("CronJob", "backup", schedule="0 * * * *", time_zone="UTC", starting_deadline_seconds=deadline,
                     created_at=at - 60.0)  # fmt: skip
    item = replace(JOB, name="backup", kind="CronJob", batch=batch)
    (found,) = assess_status(item, now=at + late)
    assert (found.text, found.detail) == ("missed 1 scheduled run", f"the last one was due 10m ago{text}")
    forbids = replace(item, batch=replace(batch, forbids_overlap=True, active=1))
    assert assess_status(forbids, now=at + late)[0].detail.endswith("(concurrencyPolicy Forbid)")
    assert assess_status(item, now=at + 119.0) == () and len(assess_status(item, now=at + 120.0)) == 1


@pytest.mark.parametrize(
    ("age", "shown"), [(86_399.0, "08:00Z"), (86_400.0, "1d ago"), (86_401.0, "1d ago"), (172_800.0, "2d ago")]
)
def test_a_rollout_of_more_than_a_day_ago_is_told_in_days(age: float, shown: str) -> None:
    """Exactly a day already is; before it the time of the day."""
    cluster = Cluster("n", (API,), (Revision(2, "r", "u", NOW - age, 3),))
    told = evaluate_workloads(SPEC, Threshold(), cluster, taken_at=NOW, now=NOW, stale_after=30.0)
    assert told.note.startswith("3/3 ready · cad-ml-api rev 2 rolled out ") and told.note.endswith(shown)


@pytest.mark.parametrize("verdict", [Verdict.OK, Verdict.WARN, Verdict.CRITICAL])
def test_a_kind_that_is_not_listed_any_more_outranks_only_what_is_fine(verdict: Verdict) -> None:
    """A warning and worse stay; ok is stale then, with the reason; without any workload nothing is known."""
    changes = {Verdict.OK: {}, Verdict.WARN: {"ready": 2}, Verdict.CRITICAL: {"ready": 0}}[verdict]
    fault = KindFault("daemonsets", "it hangs")
    told = state_of(replace(API, **changes), faults=(fault,))  # type: ignore[arg-type]
    assert told.verdict is (Verdict.STALE if verdict is Verdict.OK else verdict)
    assert told.reason.startswith("daemonsets: it hangs" if verdict is Verdict.OK else "cad-ml-api: ")
    alone = state_of(faults=(fault,))
    assert (alone.verdict, alone.reason, alone.value) == (Verdict.NO_DATA, "daemonsets: it hangs", None)
