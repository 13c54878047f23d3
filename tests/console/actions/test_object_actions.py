"""Run a CronJob now, evict or delete a pod, cordon a node: on a cluster in the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import API, NAMESPACE, QUICK, Bench, Facts, outcome, settings_for
from steerable_cluster import SteerableCluster

from console.actions.plan import CheckLevel, Outcome, PreflightCheck, Preview
from console.actions.writers.writer import Writer
from console.journal.sqlite import Journal
from queries.errors import RequestRejected
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import is_read
from queries.model.fault import FaultKind

JOB, RUN = "cronjob/nightly-backup", (0.01, 0.05)
BUDGET = "cad-ml-api"


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, timings=replace(QUICK, run=RUN), autoscaler_seconds=60.0)
    made.seed()
    with made:
        yield made


@pytest.fixture
async def bench(cluster: SteerableCluster, tmp_path: Path) -> AsyncIterator[Bench]:
    path = tmp_path / "kubeconfig"
    cluster.kubeconfig(path)
    endpoint = ClusterEndpoint(NAMESPACE, kubeconfig=str(path), timeout_seconds=3.0)
    facts = Facts(endpoint)
    with Journal.open(tmp_path / "state" / "journal.sqlite3") as journal:
        yield Bench(cluster, settings_for(tmp_path, endpoint), facts, journal)
    await facts.close()


def pods(cluster: SteerableCluster, app: str = API) -> list[dict[str, Any]]:
    found = [item for item in cluster.objects("pods") if (item["metadata"].get("labels") or {}).get("app") == app]
    return [item for item in found if "deletionTimestamp" not in item["metadata"]]


def pod(cluster: SteerableCluster, app: str = API) -> str:
    return f"pod/{pods(cluster, app)[0]['metadata']['name']}"


def check(bench: Bench, how: str) -> PreflightCheck:
    (found,) = [item for item in bench.previews[-1].checks if item.how == how]
    return found


async def decline(preview: Preview) -> bool:
    return False


def job_template(bench: Bench, **pod_spec: Any) -> None:
    change = {"spec": {"jobTemplate": {"spec": {"backoffLimit": 0, "template": {"spec": pod_spec}}}}}
    bench.cluster.patch("cronjobs", "nightly-backup", change)


async def test_a_job_that_completes_is_done(bench: Bench) -> None:
    """Its outcome is the Job's own, with its duration; the next one gets the next free name."""
    for number in (1, 2):
        end, text = outcome(await bench.act("run-now", JOB))
        assert end is Outcome.DONE, text
        assert f"job/nightly-backup-manual-{number} completed after " in text and text.endswith("1 pod succeeded")
    plan = bench.previews[0].plan
    assert plan.command.endswith("create job nightly-backup-manual-1 --from=cronjob/nightly-backup")
    assert check(bench, "Jobs").level is CheckLevel.OK
    (job,) = [item for item in bench.cluster.objects("jobs") if item["metadata"]["name"].endswith("-1")]
    assert job["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}


async def test_a_job_that_fails_is_failed_in_its_own_words(bench: Bench) -> None:
    """The Job's reason, and how its last pod exited."""
    job_template(bench, containers=[{"name": "backup", "image": "registry.example.com/failing:1"}], restartPolicy="Never")
    end, text = outcome(await bench.act("run-now", JOB))
    assert end is Outcome.FAILED
    assert "BackoffLimitExceeded: Job has reached the specified backoff limit; nightly-backup-manual-1-" in text
    assert text.endswith("Error, exit code 1")


async def test_a_job_that_outlasts_the_wait_is_unknown(bench: Bench) -> None:
    """It is not a failure that a backup takes longer than the console waits."""
    bench.cluster.pods.timings = replace(QUICK, run=(60.0, 60.0))
    settings = replace(bench.settings, verify_timeout_seconds=0.5)
    end, text = outcome(await bench.act("run-now", JOB, settings=settings))
    assert end is Outcome.UNKNOWN
    assert text.startswith("unknown: not done after 500ms; last seen: job/nightly-backup-manual-1: 1 pod running")
    await bench.act("run-now", JOB, settings=settings)
    warned = check(bench, "Jobs")
    assert (warned.level, warned.text) == (
        CheckLevel.WARN,
        "nightly-backup-manual-1 is running: the new Job runs alongside",
    )


async def test_an_evicted_pod_is_done_when_its_replacement_is_ready(bench: Bench) -> None:
    """The replacement is named, and the budget's allowance stands in the preview."""
    target = pod(bench.cluster)
    end, text = outcome(await bench.act("evict", target))
    assert end is Outcome.DONE, text
    assert f"{target} is gone; {API}-" in text and text.endswith("replaces it: ready")
    assert len(pods(bench.cluster)) == 3 and target.removeprefix("pod/") not in [
        item["metadata"]["name"] for item in pods(bench.cluster)
    ]
    assert check(bench, "PDB").text == f"PodDisruptionBudget {BUDGET} (at least 2 available) allows 1 now"
    (write,) = bench.writes()
    assert (write.method, write.path.endswith("/eviction")) == ("POST", True)


async def test_an_eviction_that_the_budget_does_not_allow_is_refused_by_its_name(bench: Bench) -> None:
    """In the preview, by the dry run, and in the server's own words if the budget changes after the preview."""
    bench.cluster.patch("poddisruptionbudgets", BUDGET, {"spec": {"minAvailable": 3}})
    await asyncio.sleep(0.1)
    end, text = outcome(await bench.act("evict", pod(bench.cluster)))
    assert (end, bench.writes()) == (Outcome.REFUSED, [])
    assert f"PodDisruptionBudget {BUDGET} (at least 3 available) allows no eviction now" in text
    assert f"The disruption budget {BUDGET} needs 3 healthy pods and has 3 currently" in text
    writer = Writer(bench.settings)
    name = pod(bench.cluster).removeprefix("pod/")
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    with pytest.raises(RequestRejected, match=f"The disruption budget {BUDGET} needs 3") as refused:
        await writer.create("pods", body, name=name, subresource="eviction")
    await writer.close()
    assert (refused.value.fault.kind, refused.value.fault.status) == (FaultKind.REJECTED, 429)


async def test_a_pod_with_two_budgets_is_not_evicted(bench: Bench) -> None:
    """The server answers 500 to it, which alone would read as a server in trouble: the preview names both budgets."""
    second = {"metadata": {"name": "other"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": API}}}}
    bench.cluster.apply([{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **second}])
    end, text = outcome(await bench.act("evict", pod(bench.cluster)))
    assert end is Outcome.REFUSED
    assert f"rejects the eviction of a pod that more than one PodDisruptionBudget covers: {BUDGET}, other" in text
    assert "This pod has more than one PodDisruptionBudget" in text
    assert len(pods(bench.cluster)) == 3


async def test_a_deletion_asks_for_a_word_of_its_own(bench: Bench) -> None:
    """It ignores the budget, says so, and happens only to the very pod that the preview showed."""
    bench.cluster.patch("poddisruptionbudgets", BUDGET, {"spec": {"minAvailable": 3}})
    await asyncio.sleep(0.1)
    end, text = outcome(await bench.act("delete-pod", pod(bench.cluster)))
    assert end is Outcome.DONE, text
    asked = check(bench, "PDB")
    assert (asked.level, asked.word) == (CheckLevel.ASK, "delete")
    assert asked.text.startswith(f"a deletion ignores PodDisruptionBudget {BUDGET}, which allows 0 now")
    assert bench.previews[-1].second_words == ("delete",)
    (write,) = bench.writes()
    assert write.method == "DELETE" and "uid" in json.loads(write.body)["preconditions"]


async def test_a_bare_pod_is_done_when_it_is_gone(bench: Bench) -> None:
    """Nothing recreates it, and the preview warns of that."""
    spec = {"containers": [{"name": "one", "image": "registry.example.com/one:1"}]}
    bench.cluster.apply(
        [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "labels": {"app": "bare"}}, "spec": spec}]
    )
    await asyncio.sleep(0.1)
    end, text = outcome(await bench.act("evict", "pod/bare"))
    assert (end, text) == (Outcome.DONE, "done in 0s; pod/bare is gone")
    owner = check(bench, "owner")
    assert (owner.level, owner.text) == (CheckLevel.WARN, "a bare pod: nothing recreates it")
    mirror = {"name": "static", "annotations": {"kubernetes.io/config.mirror": "x"}}
    bench.cluster.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": mirror, "spec": spec}])
    _, text = outcome(await bench.act("evict", "pod/static"))
    assert "static is a static pod: only the kubelet of" in text


async def test_a_node_is_cordoned_and_uncordoned(bench: Bench) -> None:
    """New pods go elsewhere, the others stay; the last node is warned about; twice is refused."""
    names = [f"node-{number}" for number in (1, 2, 3)]
    for name in names:
        end, text = outcome(await bench.act("cordon", f"node/{name}"))
        assert (end, text) == (Outcome.DONE, f"done in 0s; node/{name} is cordoned")
    last = check(bench, "nodes")
    assert (last.level, last.text) == (CheckLevel.WARN, "0 of 2 other nodes take new pods: no pod can be scheduled any more")
    assert "already cordoned" in outcome(await bench.act("cordon", "node/node-1"))[1]
    await bench.act("scale", f"deployment/{API}", replicas="4", confirm=decline)
    room = check(bench, "requests")
    assert room.level is CheckLevel.WARN and "no room for 1 new pod (0.25 CPU, 512 MiB each): 0 of 3 nodes fit" in room.text
    end, text = outcome(await bench.act("uncordon", "node/node-2"))
    assert end is Outcome.DONE, text
    assert bench.previews[-1].plan.command.endswith("uncordon node-2")
    nodes = {item["metadata"]["name"]: item["spec"] for item in bench.cluster.objects("nodes")}
    assert nodes == {"node-1": {"unschedulable": True}, "node-2": {}, "node-3": {"unschedulable": True}}


def test_a_deletion_is_a_dry_run_only_if_its_body_says_so() -> None:
    """The API server ignores the query of a DELETE with a body: under read-only nothing may leave that it would carry out."""
    query = [("dryRun", "All")]
    assert is_read("DELETE", "/api/v1/x", query)
    assert is_read("DELETE", "/api/v1/x", query, {"dryRun": ["All"]})
    assert not is_read("DELETE", "/api/v1/x", query, {"preconditions": {"uid": "u"}})
    assert not is_read("DELETE", "/api/v1/x", (), None)
