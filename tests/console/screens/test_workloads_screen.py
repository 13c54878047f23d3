"""The workloads screen: every kind in one list, and only the actions that a kind has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from painting import notices_of
from screen_samples import NOW, cluster, snapshot, tracked
from textual.pilot import Pilot

from console.actions.registry import ACTIONS
from queries.errors import AccessDenied
from queries.model.cluster import KindFault
from queries.model.pod import PodUsage
from queries.model.workload import BatchJob, Workload

API = cluster().workloads[0]
STORE = replace(API, name="cad-ml-api", uid="uid-store", kind="StatefulSet", ready=0, desired=3, revision=0, selector=())
NIGHTLY = replace(
    API,
    name="nightly-backup",
    uid="uid-cron",
    kind="CronJob",
    selector=(),
    batch=BatchJob("CronJob", "nightly-backup", "10 3 * * *"),
)


def build_snapshot(*more: Workload, **changes: Any) -> Any:
    given = cluster()
    return snapshot(cluster=replace(given, workloads=(*given.workloads, *more), **changes))


async def test_every_kind_is_listed_filtered_and_sorted(stage: Callable[..., Any]) -> None:
    """The worst first, whatever its kind; what may not be listed is named in the title; `/` filters and `o` sorts."""
    scene = stage(build_snapshot(STORE, NIGHTLY, faults=(KindFault("jobs", "no", forbidden=True),)))
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        text = await scene.press(pilot, "3")
        assert "not visible: list jobs is forbidden" in text
        rows = [line.split()[:3] for line in text.splitlines() if line.startswith((" ok", " CRIT", " WARN", "›"))]
        assert rows[:2] == [["›CRIT", "sts", "cad-ml-api"], ["WARN", "deploy", "cad-ml-api"]]
        assert ["ok", "cj", "nightly-backup"] in rows
        text = await scene.press(pilot, "slash", *"cj", "enter")
        assert "1 of 4" in text and "nightly-backup" in text and "ocr-provider" not in text
        text = await scene.press(pilot, "slash", *"zz", "enter")
        assert "nothing matches the filter" in text and "cad-ml-api-rs42" not in text, "no pods of a row that is not shown"
        text = await scene.press(pilot, "escape", "o")
        assert "by name" in text and "ocr-provider" in text


async def test_the_whole_reason_stands_below_the_list(stage: Callable[..., Any]) -> None:
    """Also where its column is cut: exit code and message of the worst pod. What may not be listed is not `no pods`."""
    pod = replace(cluster().pods[5], owner_uid="uid-store", last_exit="OOMKilled, exit code 137", message="back-off 5m0s")
    scene = stage(build_snapshot(STORE, pods=(pod,)))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        text = await scene.press(pilot, "3")
        assert "0 of 3 pods ready; CrashLoopBackOff: OOMKilled, exit code 137: back-off 5m0s" in text
        given = replace(scene.session.shown.cluster, pods=(), faults=(KindFault("pods", "no", forbidden=True),))
        scene.session.deliver(replace(scene.session.shown, cluster=given))
        text = await scene.until(pilot, "not visible: list pods is forbidden")
        assert "no pods" not in text


async def test_a_kind_has_only_its_own_actions(stage: Callable[..., Any]) -> None:
    """What a CronJob cannot do is dim in the footer, dim with the reason in the menu, and its key says why; what it can do
    without a key is in the menu."""
    scene = stage(build_snapshot(NIGHTLY))
    scene.session.actions = ACTIONS
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "3", "slash", *"nightly", "enter")
        await scene.press(pilot, "S")
        assert notices_of(scene.app) == ["scale: not for a CronJob, only for Deployment, StatefulSet"]
        text = await scene.press(pilot, "x")
        assert "Suspend cronjob/nightly-backup" in text and "Run now cronjob/nightly-backup" in text
        assert "S   scale       not for a CronJob" in text
        await scene.press(pilot, "S")
        assert "S   scale       not for a CronJob" in scene.text, "a disabled letter chooses nothing"
        assert len(scene.app.screen_stack) == 2


async def test_usage_is_asked_for_only_where_it_is_shown(stage: Callable[..., Any]) -> None:
    """Not at 120 columns; every 15 s at 160, with the word where the cluster refuses."""
    scene = stage(build_snapshot())
    asked: list[float] = []

    async def pod_usage() -> tuple[PodUsage, ...]:
        asked.append(scene.now)
        if len(asked) > 1:
            raise AccessDenied("pods.metrics.k8s.io is forbidden", status=403)
        return (PodUsage("n", "cad-ml-api-rs42-0", 0.5, 256 << 20),)

    scene.session.pod_usage = pod_usage

    async def later(pilot: Pilot[None], seconds: float) -> None:
        scene.now = NOW + seconds
        scene.session.deliver(replace(scene.session.shown, taken_at=scene.now))
        await pilot.pause()

    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "3")
        await later(pilot, 20)
        assert asked == []
        await pilot.resize_terminal(160, 40)
        await scene.until(pilot, "256 MiB")
        await later(pilot, 30)
        assert len(asked) == 1
        await later(pilot, 36)
        await scene.until(pilot, "usage DENIED: pods.metrics.k8s.io is forbidden")
        assert len(asked) == 2


async def test_an_alert_about_a_cron_job_opens_its_page(stage: Callable[..., Any]) -> None:
    """No action is suggested for it, and still its labels name it."""
    alert = tracked("CronJobFailing", "warning", component="batch", cronjob="nightly-backup")
    scene = stage(replace(build_snapshot(NIGHTLY), alerts=(alert,)))
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "CronJobFailing")
        await scene.press(pilot, "2", "w")
        assert "cronjob/nightly-backup" in await scene.until(pilot, "nightly-backup")
        assert type(scene.app.screen).__name__ == "WorkloadScreen"


async def test_the_log_of_a_cron_job_is_that_of_its_newest_run(stage: Callable[..., Any]) -> None:
    """`l` on a CronJob opens its newest pod's log; where no pod is left, a notice says so."""
    job = replace(NIGHTLY, name="nightly-1", uid="uid-1", kind="Job", owner="CronJob/nightly-backup")
    (sample, *_) = cluster().pods
    runs = tuple(
        replace(sample, name=name, uid=name, labels=(), owner_uid="uid-1", created_at=at)
        for name, at in (("nightly-1-new", 2.0), ("nightly-1-old", 1.0))
    )
    for pods in ((), runs):
        scene = stage(build_snapshot(NIGHTLY, job, pods=pods))
        async with scene.app.run_test(size=(80, 24)) as pilot:
            await scene.until(pilot, "HighErrorRate")
            await scene.press(pilot, "3", "slash", *"cj/nightly", "enter", "l")
            if pods:
                await scene.until(pilot, "Log nightly-1-new")
            else:
                assert notices_of(scene.app) == ["no pod of a run of nightly-backup is left or visible, so there is no log"]
