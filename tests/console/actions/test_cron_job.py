"""What the preview of a CronJob's actions says, from objects as an API server returns them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from console.actions.cron_job import RunNow, Suspend, Unsuspend
from console.actions.object_patch import ObjectFacts
from console.actions.plan import Plan, Request
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
