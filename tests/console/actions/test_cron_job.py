"""What the preview of a CronJob's actions says, from objects as an API server returns them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plain_cluster import PlainCluster, described, pod

from console.actions.action import Progress
from console.actions.cron_job import RunNow, RunNowFacts, Suspend, Unsuspend
from console.actions.object_patch import ObjectFacts
from console.actions.plan import CheckLevel, Difference, Plan, PreflightCheck, Request
from queries.errors import RequestRejected

ARGO = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:batch/CronJob:n/backup"}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}
HELM = {"annotations": {"meta.helm.sh/release-name": "batch"}}


def plan(action: Suspend | Unsuspend, meta: dict[str, Any] | None = None, *, running: int = 0, **spec: Any) -> Plan:
    facts = {
        "metadata": {"name": "backup", "namespace": "n", "uid": "u", "resourceVersion": "5", **(meta or {})},
        "spec": {"schedule": "0 3 * * *", "suspend": isinstance(action, Unsuspend), **spec},
        "status": {"active": [{"name": f"backup-{number}"} for number in range(running)]},
    }
    return action.plan(Request(action.name, "cronjob/backup"), ObjectFacts(facts, ("kubectl",)), 0.0)


@pytest.mark.parametrize(
    ("spec", "running", "notes"),
    [
        ({}, 0, ("a run missed while it was suspended starts at once",)),
        ({"startingDeadlineSeconds": 3600}, 0, ("a run missed within the last 1h starts at once",)),
        ({"startingDeadlineSeconds": 0}, 0, ()),
        ({}, 1, ("1 of its Jobs is running and continues", "a run missed while it was suspended starts at once")),
        (
            {"concurrencyPolicy": "Forbid"},
            1,
            (
                "1 of its Jobs is running and continues",
                "a run missed while it was suspended starts once no Job is running (concurrencyPolicy Forbid)",
            ),
        ),
        (
            {"concurrencyPolicy": "Replace", "startingDeadlineSeconds": 90},
            2,
            (
                "2 of its Jobs are running",
                "a run missed within the last 1m30s starts at once and ends them (concurrencyPolicy Replace)",
            ),
        ),
    ],
)
def test_letting_it_run_again_names_the_run_that_this_starts(
    spec: dict[str, Any], running: int, notes: tuple[str, ...]
) -> None:
    """The controller starts the last missed run at once: of any age, or not older than its starting deadline."""
    assert plan(Unsuspend(), running=running, **spec).notes == notes


def test_suspending_starts_and_ends_nothing() -> None:
    """Running Jobs continue, whatever the concurrencyPolicy is."""
    assert plan(Suspend(), running=2, concurrencyPolicy="Replace").notes == ("2 of its Jobs are running and continue",)


def test_another_deadline_is_another_plan() -> None:
    """It decides whether a run starts at once, so the preview has to be shown again."""
    assert plan(Unsuspend()).digest != plan(Unsuspend(), startingDeadlineSeconds=3600).digest


@pytest.mark.parametrize("action", [Suspend(), Unsuspend()])
@pytest.mark.parametrize(
    ("meta", "owners"),
    [
        ({}, []),
        (ARGO, ["Argo CD application shop"]),
        (FLUX, ["Flux Kustomization flux-system/apps"]),
        (HELM, ["Helm release batch"]),
        ({"managedFields": [{"manager": "kustomize-controller"}]}, ["Flux (kustomize-controller)"]),
    ],
)
def test_who_may_set_it_back_is_named(action: Suspend | Unsuspend, meta: dict[str, Any], owners: list[str]) -> None:
    """As for a workload: by labels, annotations and field managers."""
    assert [item.name for item in plan(action, meta).reconcilers] == owners


class Jobs:
    """A cluster with one Job, or a refusal."""

    def __init__(self, found: dict[str, Any] | None = None, *, status: int = 404) -> None:
        self.found, self.status = found, status
        self.asked: list[tuple[str, str]] = []

    async def read(self, resource: str, name: str) -> dict[str, Any]:
        self.asked.append((resource, name))
        if self.found is None:
            raise RequestRejected("refused", status=self.status)
        return self.found


async def test_a_run_that_was_started_is_found_by_its_name() -> None:
    """After an answer that got lost: a Job of that name is this write's, no Job means that it did not happen, and a refusal
    says neither.
    """
    job = replace(plan(Suspend()), subject="job/backup-x1")
    there = Jobs({"metadata": {"name": "backup-x1", "uid": "u7"}})
    applied = await RunNow().check_applied(job, there)  # type: ignore[arg-type]
    assert applied.plan is not None and applied.plan.written == "u7" and there.asked == [("jobs", "backup-x1")]
    gone = await RunNow().check_applied(job, Jobs())  # type: ignore[arg-type]
    assert (gone.plan, gone.text) == (None, "job/backup-x1 does not exist")
    with pytest.raises(RequestRejected):
        await RunNow().check_applied(job, Jobs(status=403))  # type: ignore[arg-type]


def job(*, uid: str = "j1", suspend: bool = False, **status: Any) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"job": "backup-x"}}, "suspend": suspend}
    return described("backup-x", "Job", meta={"uid": uid}, spec=spec, status=status)


def ended(kind: str, at: str = "2026-01-01T00:02:30Z", **more: str) -> list[dict[str, str]]:
    return [{"type": "Suspended", "status": "False"}, {"type": kind, "status": "True", "lastTransitionTime": at, **more}]


def ended_pod(name: str, created: str, code: int) -> dict[str, Any]:
    found = pod(name, ready=False, phase="Failed", labels={"job": "backup-x"}, creationTimestamp=created)
    found["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"exitCode": code, "reason": "Error"}}}]
    return found


async def run_now_reports(*looks: dict[str, Any] | None, **told: Any) -> list[tuple[str, bool | None]]:
    """Text and end of each report of `run_now_progress`."""
    return [(item.text, item.done) for item in await run_now_progress(*looks, **told)]


async def run_now_progress(*looks: dict[str, Any] | None, pods: Any = (), written: str = "j1") -> list[Progress]:
    """What the verification says of the Job as it is found, look after look; None where it is gone."""
    cluster = PlainCluster(jobs=[], pods=list(pods))
    made = Plan(Request("run-now", "cronjob/backup"), "Run", "job/backup-x", (), (), "", "backup", {}, written=written)
    found: list[Progress] = []
    left = list(looks)
    cluster.objects["jobs"] = [] if left[0] is None else [left[0]]
    reports = RunNow().verify(made, cluster)  # type: ignore[arg-type]
    async for item in reports:
        found.append(item)
        left.pop(0)
        if not left:
            break
        cluster.objects["jobs"] = [] if left[0] is None else [left[0]]
    await reports.aclose()
    return found


async def test_a_run_is_done_with_the_outcome_of_its_own_job() -> None:
    """While it runs its pods are counted; then it says how long it took, and of a failure how its newest pod ended."""
    running = job(active=2, ready=1, failed=1)
    complete = job(startTime="2026-01-01T00:00:00Z", succeeded=3, conditions=ended("Complete"))
    assert await run_now_reports(job(), job(active=1, ready=1), running, complete) == [
        ("job/backup-x: 0 pods running, 0 ready", None),
        ("job/backup-x: 1 pod running, 1 ready", None),
        ("job/backup-x: 2 pods running, 1 ready, 1 failed", None),
        ("job/backup-x completed after 2m30s: 3 pods succeeded", True),
    ]
    failed = job(
        startTime="2026-01-01T00:00:00Z", conditions=ended("Failed", reason="BackoffLimitExceeded", message="too often")
    )
    assert await run_now_reports(failed) == [("job/backup-x failed after 2m30s: BackoffLimitExceeded: too often", False)]
    pods = [ended_pod("new", "2026-01-01T00:02:00Z", 3), ended_pod("old", "2026-01-01T00:01:00Z", 7)]
    ((text, done),) = await run_now_reports(failed, pods=pods)
    assert done is False and "; new: " in text and "3" in text.rpartition("new: ")[2] and "old" not in text
    bare = job(conditions=[{"type": "Complete", "status": "True"}])
    assert await run_now_reports(bare) == [("job/backup-x completed: 0 pods succeeded", True)]
    assert (await run_now_reports(job(conditions=[{"type": "Failed", "status": "False"}])))[0][1] is None


async def test_a_job_that_is_gone_suspended_or_another_one_ends_the_watch() -> None:
    """A deleted Job was not seen to end, one with its name is another one, and one that is suspended waits for somebody."""
    assert await run_now_reports(job(active=1), None) == [
        ("job/backup-x: 1 pod running, 0 ready", None),
        ("job/backup-x was deleted before the console saw it end", False),
    ]
    other = [("job/backup-x was deleted, and another Job now has its name", False)]
    assert await run_now_reports(job(uid="j2", conditions=ended("Complete"))) == other
    assert (await run_now_reports(job(uid="j2", active=1), written=""))[0][1] is None
    assert await run_now_reports(job(suspend=True)) == [("job/backup-x is created and suspended", True)]
    assert [report.unseen for report in await run_now_progress(job(active=1), None)] == [False, True]
    done = job(suspend=True, conditions=ended("Complete"))
    assert (await run_now_reports(done))[0][0].startswith("job/backup-x completed")


POD_SPEC = {"containers": [{"name": "dump", "image": "pg:16"}, {"name": "copy", "image": "s3:2"}]}


async def preflight(plan: Plan, facts: RunNowFacts, cluster: Any, writer: Any) -> tuple[PreflightCheck, ...]:
    """The checks with a cluster and a writer that have only what these need."""
    return tuple(await RunNow().preflight(plan, facts, cluster, writer))


def run_now_facts(*jobs: dict[str, Any], template: dict[str, Any] | None = None, **spec: Any) -> RunNowFacts:
    made = {"metadata": {"labels": {"team": "ml"}, "annotations": {"note": "x"}}, "spec": {"template": {"spec": POD_SPEC}}}
    found = described("backup", "CronJob", spec={"schedule": "0 3 * * *", "jobTemplate": template or made, **spec})
    return RunNowFacts(ObjectFacts(found, ("kubectl",)), jobs)


def job_of(name: str, owner: str = "backup", end: str = "") -> dict[str, Any]:
    """A Job of that CronJob; ended so if `end` is given."""
    owners = [{"kind": "CronJob", "name": owner, "uid": f"uid-{owner}", "controller": True}]
    status = {"conditions": ended(end)} if end else {"active": 1}
    return described(name, "Job", meta={"ownerReferences": owners}, spec={"template": {"spec": POD_SPEC}}, status=status)


RUN_NOW = Request("run-now", "cronjob/backup")


def test_the_job_that_is_created_is_the_one_of_the_preview() -> None:
    """Under the lowest free name, with the template's own labels and annotations, owned by its CronJob; each image is shown."""
    facts = run_now_facts(job_of("backup-manual-1"), job_of("backup-manual-3"), job_of("backup-manual-2", owner="other"))
    made = RunNow().plan(RUN_NOW, facts, 0.0)
    assert (made.subject, made.confirm_word, made.notes) == ("job/backup-manual-4", "backup", ())
    assert made.differences == (
        Difference("job", "-", "backup-manual-4"), Difference("schedule", "0 3 * * *", "0 3 * * *"),
        Difference("image", "pg:16", "pg:16"), Difference("image", "s3:2", "s3:2"),
    )  # fmt: skip
    assert made.command == "kubectl -n n create job backup-manual-4 --from=cronjob/backup"
    assert made.body == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "backup-manual-4",
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual", "note": "x"},
            "labels": {"team": "ml"},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "CronJob", "name": "backup", "uid": "uid-backup", "controller": True}
            ],
        },
        "spec": {"template": {"spec": POD_SPEC}},
    }
    assert RunNow().plan(RUN_NOW, run_now_facts(job_of("backup-manual-2")), 0.0).subject == "job/backup-manual-1"
    assert RunNow().plan(RUN_NOW, run_now_facts(), 0.0).digest != made.digest


def test_a_suspended_job_says_who_has_to_go_on() -> None:
    """The CronJob's own does not matter to a Job that a person starts, its template's does; without labels it has none."""
    template = {"spec": {"suspend": True, "template": {"spec": POD_SPEC}}}
    made = RunNow().plan(RUN_NOW, run_now_facts(template=template, suspend=True), 0.0)
    assert made.notes == (
        "the CronJob is suspended; a Job that you start runs anyway",
        "its Jobs are created suspended: a person or a queue controller has to resume this one",
    )
    assert "labels" not in made.body["metadata"] and set(made.body["metadata"]["annotations"]) == {
        "cronjob.kubernetes.io/instantiate"
    }


class Creating:
    """A writer whose dry runs succeed."""

    def __init__(self) -> None:
        self.dry_runs: list[Any] = []

    async def create(self, resource: str, body: Any, *, dry_run: bool = False) -> dict[str, Any]:
        assert dry_run
        self.dry_runs.append((resource, body))
        return dict(body)


@pytest.mark.parametrize(
    ("jobs", "policy", "level", "text"),
    [
        ([], "Allow", CheckLevel.OK, "none of its Jobs is running"),
        ([job_of("a", end="Complete"), job_of("b", end="Failed"), job_of("c", owner="other")], "Allow", CheckLevel.OK,
         "none of its Jobs is running"),
        ([job_of("a")], "Allow", CheckLevel.WARN, "a is running: the new Job runs alongside"),
        ([job_of("a"), job_of("b", end="Complete"), job_of("c")], "Allow", CheckLevel.WARN,
         "a, c are running: the new Job runs alongside"),
        ([job_of(name) for name in "abcd"], "Forbid", CheckLevel.WARN,
         "a, b, c are running: the new Job runs alongside; concurrencyPolicy Forbid applies to scheduled Jobs only"),
    ],
)  # fmt: skip
async def test_jobs_that_run_beside_the_new_one_are_named(
    jobs: list[dict[str, Any]], policy: str, level: CheckLevel, text: str
) -> None:
    """Its own that have not ended, three of them at most; the dry run has the very body of the plan."""
    facts, writer = run_now_facts(*jobs, concurrencyPolicy=policy), Creating()
    made = RunNow().plan(RUN_NOW, facts, 0.0)
    checks = await preflight(made, facts, PlainCluster(nodes=[]), writer)
    assert (checks[0].level, checks[0].text) == (level, text)
    assert writer.dry_runs == [("jobs", made.body)]


@pytest.mark.parametrize(
    ("spec", "count"),
    [({}, 1), ({"parallelism": 3}, 3), ({"parallelism": 3, "completions": 2}, 2), ({"parallelism": 3, "completions": 9}, 3)],
)
async def test_as_many_pods_need_room_as_run_at_once(spec: dict[str, int], count: int) -> None:
    """No more than are to complete, and no more than may run at the same time."""
    pod_spec = {"containers": [{"name": "dump", "image": "pg:16", "resources": {"requests": {"cpu": "1"}}}]}
    facts = run_now_facts(template={"spec": {**spec, "template": {"spec": pod_spec}}})
    made = RunNow().plan(RUN_NOW, facts, 0.0)
    node = described("node-1", spec={}, status={"allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"}})
    checks = await preflight(made, facts, PlainCluster(nodes=[node]), Creating())
    (room,) = [item.text for item in checks if item.how == "requests"]
    assert room.startswith(f"room for {count} new pod{'' if count == 1 else 's'} "), room
