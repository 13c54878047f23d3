"""The first rows of a workload's page: the alerts about it, and the runs and pods of what runs to its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, cluster, snapshot

from console.checks.workloads import assess_workloads
from console.objects.problems import find_overall_verdict, list_problems
from console.objects.reading import Part, WorkloadReading
from console.screens.workload_view import Related, build_page
from queries.model.pod import Pod
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob, UpdateStrategy, Workload

READ: Part[Any] = Part(())
(API, *_) = cluster().workloads
WELL = replace(API, ready=6, available=6)
(READY, *_) = cluster().pods


def reading_of(workload: Workload, *pods: Pod) -> WorkloadReading:
    """Everything was read, and there is nothing but these pods."""
    parts = dict.fromkeys(("revisions", "autoscaler", "budgets", "events", "dependencies"), READ)
    return WorkloadReading({"metadata": {"name": workload.name}, "status": {}}, workload, NOW, pods=Part(pods), **parts)


def first_rows(reading: WorkloadReading, related: Related) -> list[str]:
    """The texts under the first heading."""
    findings = list_problems(reading, now=NOW)
    page = build_page(reading, findings, related, now=NOW, width=100, current=True)
    texts = ["".join(words for words, _ in row.line).strip() for row in page]
    return texts[1 : next(at for at, text in enumerate(texts) if text.startswith("── Pods"))]


def test_an_alert_comes_before_what_the_cluster_reports() -> None:
    """While an alert about a workload fires, no row says that nothing is wrong: that the cluster reports nothing comes after
    it, and is said of the cluster alone.
    """
    alert, *_ = snapshot().alerts
    assert first_rows(reading_of(WELL), Related()) == ["nothing that the cluster reports"]
    first, then = first_rows(reading_of(WELL), Related(alerts=(alert,)))
    assert alert.alert.name in first and then == "the cluster itself reports no problem"
    unsure = first_rows(reading_of(WELL), Related(alerts_caveat="Alertmanager DOWN"))
    assert unsure == ["alerts: Alertmanager DOWN", "the cluster itself reports no problem"]


def _job(**facts: Any) -> Workload:
    return replace(WELL, name="load", kind="Job", batch=BatchJob("Job", "load", **facts))


FAILED_POD = replace(READY, name="load-1", phase="Failed", reason="Error", ready=False, created_at=NOW - 600)


@pytest.mark.parametrize(
    ("workload", "pods", "verdicts"),
    [
        (_job(finished=True, succeeded_at=NOW - 60), (FAILED_POD,), []),
        (_job(active=1), (FAILED_POD,), [Verdict.WARN]),
        (_job(failed=True, finished=True, reason="BackoffLimitExceeded"), (FAILED_POD,), [Verdict.WARN, Verdict.WARN]),
        (replace(WELL, kind="CronJob", batch=BatchJob("CronJob", "n", started_at=NOW - 60)), (), [Verdict.WARN]),
        (
            replace(WELL, kind="CronJob", batch=BatchJob("CronJob", "n", started_at=NOW - 60, succeeded_at=NOW - 30)),
            (FAILED_POD,),
            [],
        ),
        (WELL, (replace(FAILED_POD, phase="Running"),), [Verdict.CRITICAL]),
    ],
)
def test_a_try_that_a_later_one_made_good_is_no_problem(
    workload: Workload, pods: tuple[Pod, ...], verdicts: list[Verdict]
) -> None:
    """A Job that succeeded at the second try is well, as in the list; a run without a success warns, and is never critical."""
    assert [item.verdict for item in list_problems(reading_of(workload, *pods), now=NOW)] == verdicts


@pytest.mark.parametrize(
    ("workload", "text"),
    [
        (replace(WELL, paused=True), "its rollout is paused: a changed pod template waits until you resume it"),
        (replace(WELL, kind="DaemonSet", updated=2, strategy=UpdateStrategy("OnDelete")), "4 of 6 pods keep the old template"),
        (
            replace(WELL, kind="CronJob", batch=BatchJob("CronJob", "n", suspended=True)),
            "suspended: no run starts until it is resumed",
        ),
    ],
)
def test_the_page_judges_as_the_list_does(workload: Workload, text: str) -> None:
    """What somebody set on purpose is ok on both, and a note on the page, which still says that nothing is wrong."""
    (listed,) = assess_workloads(replace(cluster(), workloads=(workload,), pods=(), events=()), now=NOW)
    reading = reading_of(workload)
    findings = list_problems(reading, now=NOW)
    assert (listed.verdict, find_overall_verdict(findings, reading)) == (Verdict.OK, Verdict.OK)
    note, then = first_rows(reading, Related())
    assert note.startswith("note ") and text in note and then == "nothing that the cluster reports"


def test_a_completed_pod_is_not_shown_as_failing() -> None:
    """It is named completed, and not in the colour of a failure."""
    done = replace(READY, ready=False, phase="Succeeded")
    job = _job(finished=True, succeeded_at=NOW - 60)
    page = build_page(reading_of(job, done), (), Related(), now=NOW, width=100, current=True)
    (row,) = [row for row in page if row.pod]
    assert ("completed", "dim") in [(words.strip(), tone) for words, tone in row.line]


EVICTED = replace(FAILED_POD, name="api-old", reason="Evicted", message="The node was low on resource: memory.")
"""Its object remains for weeks after its ReplicaSet made another one."""


def test_an_evicted_pod_is_no_problem_of_a_workload_that_has_its_pods() -> None:
    """The page says what the list says: ok, with a note; a pod that fails now is critical beside it."""
    (listed,) = assess_workloads(replace(cluster(), workloads=(WELL,), pods=(READY, EVICTED), events=()), now=NOW)
    reading = reading_of(WELL, READY, EVICTED)
    (note,) = list_problems(reading, now=NOW)
    assert (note.word, note.text) == ("note", "api-old: ended (Evicted): The node was low on resource: memory.")
    assert (listed.verdict, find_overall_verdict((note,), reading)) == (Verdict.OK, Verdict.OK)
    crashing = replace(FAILED_POD, name="api-new", phase="Running", reason="CrashLoopBackOff")
    worst, *_ = list_problems(reading_of(WELL, EVICTED, crashing), now=NOW)
    assert worst.verdict is Verdict.CRITICAL and worst.text.startswith("api-new: CrashLoopBackOff")
