"""API servers some minors older and newer, and objects as no client writes them: each is a sentence, and the rest lives.

What an older server lacks is a 404 in plain text, as a real one answers for a group or version that it does not serve.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from action_bench import API, NAMESPACE, Bench, outcome, second_revision

from console.actions.plan import CheckLevel, Outcome
from console.checks.workloads import assess_workloads
from console.objects.problems import find_overall_verdict, list_problems
from console.objects.reading import WorkloadReading
from console.objects.service import ObjectService
from queries.errors import NotConfigured, SourceError
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.identity import fetch_identity
from queries.model.verdict import Verdict

TARGET = f"deployment/{API}"
OLDER = {
    "SelfSubjectReview (v1 since 1.28)": "/apis/authentication.k8s.io/",
    "HPAs (v2 since 1.23)": "/apis/autoscaling/v2/",
    "PodDisruptionBudgets (v1 since 1.21)": "/apis/policy/v1/",
    "CronJobs and Jobs (v1 since 1.21)": "/apis/batch/v1/",
    "the newer events": "/apis/events.k8s.io/",
    "usage": "/apis/metrics.k8s.io/",
    "EndpointSlices": "/apis/discovery.k8s.io/",
}
"""What a server did not serve at some minor, or does not serve without an add-on."""
CORE_EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"


def no_metrics(query: str) -> Any:
    raise NotConfigured("Prometheus is not configured")


async def read(bench: Bench, target: str = TARGET) -> WorkloadReading:
    service = ObjectService(lambda: bench.facts, no_metrics, clock=time.time)
    return [item async for item in service.workload(target)][-1]


@pytest.mark.parametrize("what", OLDER)
async def test_a_group_that_an_older_server_lacks_costs_only_itself(bench: Bench, what: str) -> None:
    """Workloads are listed and judged, a page opens with what is missing named, and an action is done as ever."""
    bench.cluster.stop_serving(OLDER[what])
    found = await list_cluster(bench.facts)
    api = found.workload(TARGET)
    assert api is not None and api.ready == 3
    page = await read(bench)
    for name, error in page.unread_parts():
        assert "the API server does not serve this (404)" in error, name
    assert [name for name, _ in page.unread_parts()] == {
        "HPAs (v2 since 1.23)": ["HPAs"], "PodDisruptionBudgets (v1 since 1.21)": ["PodDisruptionBudgets"],
    }.get(what, [])  # fmt: skip
    overall = find_overall_verdict(list_problems(page, now=time.time()), page)
    assert overall is (Verdict.NO_DATA if page.unread_parts() else Verdict.OK)
    result, text = outcome(await bench.act("scale", TARGET, replicas="4"))
    assert result is Outcome.DONE, text
    said = {check.text: check.level for check in bench.previews[-1].checks}
    if what.startswith("SelfSubjectReview"):
        assert (await fetch_identity(bench.facts)).username == ""
        assert any(text.startswith("the server does not report your identity; bound to cluster ") for text in said)
    if what.startswith("HPAs"):
        (text,) = [text for text in said if text.startswith("could not check for a conflicting HPA")]
        assert said[text] is CheckLevel.WARN and "does not serve this (404)" in text
    if what == "usage":
        with pytest.raises(SourceError, match="404"):
            await bench.facts.usage()


async def test_a_kind_of_workload_that_is_not_served_is_named(bench: Bench) -> None:
    """Without batch/v1 the Jobs are not 'none': they are named as not listed."""
    bench.cluster.stop_serving("/apis/batch/v1/")
    found = await list_cluster(bench.facts)
    assert sorted(item.plural for item in found.faults) == ["cronjobs", "jobs"]
    assert all("does not serve this (404)" in item.what for item in found.faults)


async def test_a_definition_of_another_version_is_named(bench: Bench) -> None:
    """Rollouts that the server has as v1beta1 only are not 'none'; with another kind in that group they are."""
    group, name = "/apis/argoproj.io", "argoproj.io/v1beta1"
    versions = [{"groupVersion": name, "version": "v1beta1"}]
    bench.cluster.serve_document(group, {"kind": "APIGroup", "name": "argoproj.io", "versions": versions})
    bench.cluster.serve_document(f"{group}/v1beta1", {"kind": "APIResourceList", "resources": [{"name": "pipelines"}]})
    assert (await list_cluster(bench.facts)).faults == ()
    bench.facts.api.served.clear()
    bench.cluster.serve_document(f"{group}/v1beta1", {"kind": "APIResourceList", "resources": [{"name": "rollouts"}]})
    found = await list_cluster(bench.facts)
    assert [item.plural for item in found.faults] == ["rollouts"]
    assert found.faults[0].what == f"the server has rollouts as {name} only, and the console reads argoproj.io/v1alpha1"
    assert found.workload(TARGET) is not None


async def test_events_of_a_server_without_the_older_api_are_read_from_the_newer(bench: Bench) -> None:
    """A page has them under their newer names."""
    before = {(item.reason, item.message) for item in (await read(bench)).events.value or ()}
    assert before
    bench.cluster.stop_serving(CORE_EVENTS)
    page = await read(bench)
    assert {(item.reason, item.message) for item in page.events.value or ()} == before


def _of_the_future(item: dict[str, Any]) -> None:
    """What a newer server may add without another API version: fields, conditions, phases and names of strategies."""
    unknown = {"a": [{"b": 1}], "c": None}
    item["metadata"]["shardInfo"] = unknown
    spec, status = item.setdefault("spec", {}), item.setdefault("status", {})
    spec["resizePolicy"], status["observedShards"] = unknown, unknown
    status.setdefault("conditions", []).append({"type": "Sharded", "status": "Maybe", "reason": "New", "message": "of 1.38"})
    template = spec.get("template", {}).get("spec")
    for pod in (spec, template) if template else (spec,):
        pod["resources"] = {"limits": {"example.com/unit": "1", "cpu": "2"}}
        for container in pod.get("containers") or ():
            container["restartPolicyRules"] = [unknown]


async def test_what_a_newer_server_adds_disturbs_nothing(bench: Bench) -> None:
    """Unknown fields and conditions at every level: the same rows, the page shows the condition, an action is done."""
    second_revision(bench.cluster)
    before = [item.target for item in (await list_cluster(bench.facts)).workloads]
    every = ("deployments", "replicasets", "pods", "horizontalpodautoscalers", "poddisruptionbudgets", "cronjobs")
    bench.cluster.edit(_of_the_future, *every)
    found = await list_cluster(bench.facts)
    assert [item.target for item in found.workloads] == before
    assert {item.reason for item in assess_workloads(found, now=time.time()) if item.verdict is not Verdict.OK} == set()
    page = await read(bench)
    assert page.unread_parts() == () and list_problems(page, now=time.time()) == ()
    service = ObjectService(lambda: bench.facts, no_metrics, clock=time.time)
    described = "\n".join(line.text for line in await service.describe(TARGET))
    assert "Sharded=Maybe" in described and "of 1.38" in described
    result, text = outcome(await bench.act("restart", TARGET))
    assert result is Outcome.DONE, text


async def test_a_strategy_that_nobody_knows_is_not_called_safe(bench: Bench) -> None:
    """A newer server's strategy: the preview names it, and says nothing about how many pods serve meanwhile."""

    def change(item: dict[str, Any]) -> None:
        item["spec"]["strategy"] = {"type": "InPlace"}

    bench.cluster.edit(change, "deployments")
    await bench.act("restart", TARGET, confirm=_no)
    (check,) = [item for item in bench.previews[-1].checks if "InPlace" in item.text]
    assert check.level is CheckLevel.WARN
    assert "serve throughout" not in check.text


async def _no(_preview: object) -> bool:
    return False


PHASES = ("Unknown", "Hibernating", "")


@pytest.mark.parametrize("phase", PHASES)
async def test_a_pod_in_a_phase_that_nobody_knows_is_not_ready(bench: Bench, phase: str) -> None:
    """Its row names the phase; the workload is critical, its page too, and none of them is called ready."""

    def change(item: dict[str, Any]) -> None:
        item["status"] = {"phase": phase} if phase else {}

    def lose(item: dict[str, Any]) -> None:
        item["status"] = {"observedGeneration": item["metadata"]["generation"], "replicas": 3, "updatedReplicas": 3}

    bench.cluster.edit(change, "pods")
    bench.cluster.edit(lose, "deployments")
    found = await list_cluster(bench.facts)
    api = next(item for item in assess_workloads(found, now=time.time()) if item.workload.target == TARGET)
    assert (api.verdict, api.workload.ready) == (Verdict.CRITICAL, 0)
    page = await read(bench)
    assert not any(pod.ready for pod in page.pods.value or ())
    problems = list_problems(page, now=time.time())
    assert problems[0].verdict is Verdict.CRITICAL
    assert any((phase or "not ready") in item.text and "pods" in item.text for item in problems)


async def test_objects_without_a_status_or_a_spec_are_not_called_healthy(bench: Bench) -> None:
    """As before a controller has seen them, or where there is none: each kind is listed, and none of them is ok."""
    base = {"metadata": {"name": "bare"}, "spec": {"selector": {"matchLabels": {"app": "bare"}}, "template": _template()}}
    for kind in ("StatefulSet", "DaemonSet"):
        bench.cluster.apply([{"apiVersion": "apps/v1", "kind": kind, **base}])
    job = {"metadata": {"name": "bare"}, "spec": {"template": _template(restartPolicy="Never")}}
    bench.cluster.apply([{"apiVersion": "batch/v1", "kind": "Job", **job}])

    def strip(item: dict[str, Any]) -> None:
        item.pop("status", None)

    bench.cluster.freeze()
    bench.cluster.edit(strip, "deployments", "statefulsets", "daemonsets", "jobs", "pods")
    verdicts = {item.workload.target: item for item in assess_workloads(await list_cluster(bench.facts), now=time.time() + 120)}
    for target in (TARGET, "statefulset/bare", "daemonset/bare", "job/bare"):
        assert verdicts[target].verdict is not Verdict.OK, (target, verdicts[target].reason)
        page = await read(bench, target)
        assert find_overall_verdict(list_problems(page, now=time.time() + 120), page) is not Verdict.OK, target


def _template(**pod: Any) -> dict[str, Any]:
    container = {"name": "bare", "image": "registry.example.com/bare:1"}
    return {"metadata": {"labels": {"app": "bare"}}, "spec": {"containers": [container], **pod}}


@pytest.mark.parametrize(
    ("status", "words"), [(410, "too old"), (429, "over its limit"), (503, "is being shut down")], ids=["410", "429", "503"]
)
async def test_a_server_that_refuses_while_an_action_is_planned_is_quoted(bench: Bench, status: int, words: str) -> None:
    """410, 429 and 503 on each read of the plan: refused with the server's own words, and nothing was sent."""
    bench.cluster.break_path(f"/deployments/{API}", status, message=words)
    result, text = outcome(await bench.act("scale", TARGET, replicas="4"))
    assert result is Outcome.REFUSED, text
    assert words in text and "nothing was sent" in text
    assert bench.writes() == []
    bench.cluster.mend()
    result, text = outcome(await bench.act("scale", TARGET, replicas="4"))
    assert result is Outcome.DONE, text


@pytest.mark.parametrize("status", [410, 429, 503])
@pytest.mark.parametrize("part", ["pods", "events", "replicasets", "horizontalpodautoscalers", "poddisruptionbudgets"])
async def test_a_part_of_a_page_that_is_refused_for_a_while_is_named(bench: Bench, part: str, status: int) -> None:
    """The other parts are read, the verdict is not ok, and the next reading has all of them."""
    bench.cluster.break_path(f"/{part}", status, message=f"{status} for a while")
    page = await read(bench)
    ((_, error),) = page.unread_parts()
    assert f"{status} for a while" in error
    assert find_overall_verdict(list_problems(page, now=time.time()), page) is Verdict.NO_DATA
    bench.cluster.mend()
    assert (await read(bench)).unread_parts() == ()
