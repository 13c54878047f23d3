"""The Roles of deploy/ against the console's own requests: the acting one suffices, the reading one refuses, none is more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import checks
import pytest
from action_bench import API, NAMESPACE, QUICK, Bench, Facts, outcome, second_revision, settings_for
from cutting_proxy import CuttingProxy
from limits import extend
from shared_host import Host, cluster_store, until
from steerable_cluster import SteerableCluster, grants

from console.actions import registry
from console.actions.action import CLUSTER_TARGETS
from console.actions.plan import Outcome
from console.config.services import Token
from console.journal.sqlite import Journal
from console.logs.merged_log import MergedLog
from console.logs.pod_source import PodLogSource
from console.logs.query import LogQuery
from console.monitor.record_service import record
from console.objects.service import ObjectService
from console.recording.objects import decode_cluster
from console.recording.reader import Recording as Recorded
from console.recording.reader import Unknown
from queries.errors import AccessDenied, NotConfigured, RequestRejected
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.cluster_watch import ClusterWatch
from queries.kubernetes.pod_log_reader import PodLogReader
from queries.kubernetes.watch import KINDS
from queries.model.pod_log import LogRequest
from queries.model.source import PollResult

TARGET = f"deployment/{API}"
PARAMETERS = {
    "rollback": {"revision": "1"},
    "scale": {"replicas": "4"},
    "image": {"image": ":2.0.0"},
    "limits": {"cpu": "250m", "memory": "256Mi"},
}
ACTIONS: tuple[tuple[str, dict[str, str]], ...] = tuple(
    (item.name, PARAMETERS.get(item.name, {})) for item in registry.ACTIONS if item.target_kind == "deployment"
)


def roles(*names: str, folder: str = "base") -> list[dict[str, Any]]:
    """The rules that a service account has by its bindings in a folder of deploy/."""
    found = [item for name in names for item in checks.documents((checks.DEPLOY / folder / name).read_text())]
    return [item for item in found if item["kind"] == "Role"]


NODES = [
    item for item in checks.documents((checks.DEPLOY / "nodes" / "cluster-role-read.yaml").read_text())
    if item["kind"] == "ClusterRole"
]  # fmt: skip
READ, ACT = roles("role-read.yaml"), roles("role-read.yaml", "role-act.yaml")
RUN_NOW = roles("role.yaml", folder="run-now")
ROTATE = roles("role.yaml", folder="rotate-token")
SET_KEY = roles("role.yaml", folder="set-key")


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made:
        yield made


def endpoint(cluster: SteerableCluster, folder: Path, granted: list[dict[str, Any]]) -> ClusterEndpoint:
    path = folder / "kubeconfig"
    cluster.kubeconfig(path, token=cluster.admit("system:serviceaccount:cad-ml-platform:cad-console", granted))
    return ClusterEndpoint(NAMESPACE, kubeconfig=str(path), timeout_seconds=3.0)


@pytest.fixture
async def bench(cluster: SteerableCluster, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A console whose cluster knows it by the Roles that the test names."""
    where = endpoint(cluster, tmp_path, request.param)
    facts = Facts(where)
    settings = settings_for(tmp_path, where)
    with Journal.open(settings.paths.journal_file) as journal:
        yield Bench(cluster, settings, facts, journal)
    await facts.close()


async def test_the_reading_role_suffices_for_everything_that_is_read(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Workloads of every kind, ReplicaSets, pods, events, autoscalers, budgets, logs and usage: each is answered, also Argo's
    Rollouts where they are installed; and nothing may be watched that the console does not watch."""
    cluster.install_rollouts()
    source = Kubernetes(endpoint(cluster, tmp_path, READ))
    found = await list_cluster(source)
    assert found.workloads and found.revisions and found.pods and found.faults == ()
    deployment = await source.deployment(API)
    for call in (source.replica_sets(deployment), source.pods(deployment), source.autoscalers(), source.budgets()):
        assert isinstance(await call, list)
    assert isinstance(await PodLogReader(source).read_end(LogRequest(found.pods[0].name)), str)
    log = MergedLog()
    await PodLogSource(source, LogQuery(API)).read(log)
    assert (log.status.total, log.status.failed) == (3, ())
    for plural in ("statefulsets", "daemonsets"):
        with pytest.raises(RequestRejected, match="not found"):  # and not forbidden
            await source.workload(plural, "none")
    assert (await source.read("cronjobs", "nightly-backup"))["kind"] == "CronJob"
    assert await source.controller_revisions(deployment) == []
    await source.cron_jobs()
    await source.jobs()
    assert await source.usage()
    seen: list[PollResult[Any]] = []
    watching = asyncio.create_task(ClusterWatch(source).follow(seen.append))
    async with asyncio.timeout(20):
        while not seen or cluster.watches < len(KINDS):  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.02)
    assert seen[0].fault is None and seen[0].warnings == ()
    watched = {item.path.rpartition("/")[2] for item in cluster.requests if item.query.get("watch") == "true"}
    assert watched == {resource for _, resource, verb, _ in grants(READ) if verb == "watch"}
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not [item for item in cluster.requests if item.method != "GET"]
    await source.close()


@pytest.mark.parametrize("bench", [ACT], indirect=True)
async def test_the_acting_role_suffices_for_every_action(bench: Bench) -> None:
    """Every action on a Deployment ends as done."""
    second_revision(bench.cluster)
    assert len(ACTIONS) >= 7
    for action, parameters in ACTIONS:
        end, told = outcome(await bench.act(action, TARGET, **parameters))
        assert end is Outcome.DONE, f"{action}: {told}"


OTHERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("suspend", "cronjob/nightly-backup", {}), ("unsuspend", "cronjob/nightly-backup", {}), ("evict", "pod", {}),
    ("delete-pod", "pod", {}), ("abort", f"rollout/{API}", {}), ("switch", f"service/{API}", {"to": "cad-render"}),
)  # fmt: skip


ELSEWHERE = {"node", "configmap"}
"""Kinds of targets whose permissions have a test of their own below."""


def test_every_kind_of_target_is_tried_with_the_roles() -> None:
    """An action on a new kind of object needs its permissions in deploy/, and its row here."""
    tried = {"deployment", *(target.partition("/")[0] for _, target, _ in OTHERS)}
    assert tried | ELSEWHERE == set(CLUSTER_TARGETS) and not tried & ELSEWHERE


def target_of(cluster: SteerableCluster, target: str) -> str:
    """A pod of the API for `pod`."""
    pods = [item["metadata"] for item in cluster.objects("pods") if item["metadata"]["labels"].get("app") == API]
    return f"pod/{next(meta['name'] for meta in pods if 'deletionTimestamp' not in meta)}" if target == "pod" else target


def install_rollout(cluster: SteerableCluster) -> None:
    cluster.install_rollouts()
    status = {"stableRS": "a", "currentPodHash": "b", "phase": "Degraded", "abortedAt": "2026-01-01T00:00:00Z"}
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": API}, "status": status}
    cluster.apply([{**rollout, "spec": {"replicas": 0}}])


@pytest.mark.parametrize("bench", [[*ACT, *RUN_NOW]], indirect=True)
async def test_the_acting_role_suffices_for_jobs_pods_rollouts_and_services(bench: Bench) -> None:
    """Each ends as done; Jobs need the Role of their own."""
    install_rollout(bench.cluster)
    for action, target, parameters in (*OTHERS, ("run-now", "cronjob/nightly-backup", {})):
        end, told = outcome(await bench.act(action, target_of(bench.cluster, target), **parameters))
        assert end is Outcome.DONE, f"{action}: {told}"


@pytest.mark.parametrize("bench", [READ], indirect=True)
async def test_the_reading_role_refuses_jobs_pods_rollouts_and_services(bench: Bench) -> None:
    """Each by the verb and resource that it lacks; with the acting Role alone, no Job is created."""
    install_rollout(bench.cluster)
    for action, target, parameters in (*OTHERS, ("run-now", "cronjob/nightly-backup", {})):
        if action == "unsuspend":
            continue  # there is nothing suspended
        end, told = outcome(await bench.act(action, target_of(bench.cluster, target), **parameters))
        assert end is Outcome.REFUSED and "you may not " in told, f"{action}: {told}"
    assert bench.writes() == []


@pytest.mark.parametrize(("bench", "granted"), [(ACT, False), ([*ACT, *ROTATE], True)], indirect=["bench"])
async def test_a_token_needs_the_role_that_names_its_secret(bench: Bench, granted: bool, tmp_path: Path) -> None:
    """With the component the Secret is written and the workload restarted; without it, or for another Secret, nothing is."""
    named, other = "render-token", "another"
    for name in (named, other):
        bench.cluster.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"token": "b2xk"}}])
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\necho new\n")
    program.chmod(0o755)
    commands = tuple((step, (str(program),)) for step in ("make", "smoke", "withdraw"))
    tokens = tuple(
        Token(name, commands, secrets=(f"{name}/token",), restart=(TARGET,) if name == named else ()) for name in (named, other)
    )
    bench.settings = bench.facts.settings = replace(bench.settings, tokens=tokens)
    end, told = outcome(await bench.act("rotate-token", f"token/{other}"))
    assert (end, (tmp_path / "started").exists()) == (Outcome.REFUSED, False), told
    end, told = outcome(await bench.act("rotate-token", f"token/{named}"))
    assert (tmp_path / "started").exists() is granted
    assert end is (Outcome.DONE if granted else Outcome.REFUSED), told
    (secret,) = [item for item in bench.cluster.objects("secrets") if item["metadata"]["name"] == named]
    assert secret["data"]["token"] == ("bmV3" if granted else "b2xk")
    assert granted or bench.writes() == []


@pytest.mark.parametrize(("bench", "granted"), [(ACT, False), ([*ACT, *SET_KEY], True)], indirect=["bench"])
async def test_a_key_needs_the_role_that_names_its_config_map(bench: Bench, granted: bool) -> None:
    """With the component the key is set and the workload restarted; without it, or for another ConfigMap, nothing is."""
    bench.cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "another"}, "data": {"a": "1"}}])
    end, told = outcome(await bench.act("set-key", "configmap/another", key="a", value="2"))
    assert end is Outcome.REFUSED and "configmaps" in told, told
    end, told = outcome(
        await bench.act("set-key", "configmap/circuit-breaker-config", key="failure_threshold", value="9", restart=TARGET)
    )
    assert end is (Outcome.DONE if granted else Outcome.REFUSED), told
    assert bool(bench.writes()) is granted


@pytest.mark.parametrize("bench", [ACT], indirect=True)
async def test_the_acting_role_alone_creates_no_job(bench: Bench) -> None:
    """Permission to create Jobs is permission to run anything, so it is a component of its own."""
    end, told = outcome(await bench.act("run-now", "cronjob/nightly-backup"))
    assert end is Outcome.REFUSED and "you may not create jobs" in told


async def test_the_reading_roles_suffice_for_the_pages_of_workloads_and_nodes(
    cluster: SteerableCluster, tmp_path: Path
) -> None:
    """With the Role and the ClusterRole every part of a workload's page and of the nodes is read; with the Role alone nodes are
    named as forbidden, and pods and claims of the namespace are still there.
    """
    kubeconfig = tmp_path / "both"
    account = "system:serviceaccount:cad-ml-platform:cad-console-read"
    cluster.kubeconfig(kubeconfig, token=cluster.admit(account, READ, cluster_roles=NODES))
    source = Kubernetes(ClusterEndpoint(NAMESPACE, kubeconfig=str(kubeconfig), timeout_seconds=3.0))
    service = ObjectService(lambda: source, no_metrics, clock=time.time)
    for target in (TARGET, "cronjob/nightly-backup"):
        page = [item async for item in service.workload(target)][-1]
        assert page.unread_parts() == () and page.pending_parts() == ()
    (nodes,) = [item async for item in service.nodes() if not item.pending_parts()]
    assert nodes.everywhere and nodes.nodes.value and nodes.pods.value and nodes.claims.value
    node = await service.describe("node/node-1")
    assert any("of 8 cores" in item.text for item in node)
    await source.close()
    source = Kubernetes(endpoint(cluster, tmp_path, READ))
    service = ObjectService(lambda: source, no_metrics, clock=time.time)
    (alone,) = [item async for item in service.nodes() if not item.pending_parts()]
    assert (
        not alone.everywhere and alone.pods.value and alone.claims.value and 'cannot list resource "nodes"' in alone.nodes.error
    )
    await source.close()


async def test_nodes_are_cordoned_with_the_cluster_roles_for_it(cluster: SteerableCluster, tmp_path: Path) -> None:
    """With the one for reading alone, the preview names the missing right; the reading account has neither."""
    (cordon,) = [
        item
        for item in checks.documents((checks.DEPLOY / "cordon" / "cluster-role.yaml").read_text())
        if item["kind"] == "ClusterRole"
    ]
    assert grants([cordon]) == {("", "nodes", "patch", "")}
    for cluster_roles, expected in (([*NODES, cordon], Outcome.DONE), (NODES, Outcome.REFUSED)):
        kubeconfig = tmp_path / f"{len(cluster_roles)}.kubeconfig"
        account = "system:serviceaccount:cad-ml-platform:cad-console-act"
        cluster.kubeconfig(kubeconfig, token=cluster.admit(account, ACT, cluster_roles=cluster_roles))
        where = ClusterEndpoint(NAMESPACE, kubeconfig=str(kubeconfig), timeout_seconds=3.0)
        settings = settings_for(tmp_path / str(len(cluster_roles)), where)
        with Journal.open(settings.paths.journal_file) as journal:
            facts = Facts(where)
            bench = Bench(cluster, settings, facts, journal)
            for action in ("cordon", "uncordon"):
                if expected is Outcome.REFUSED and action == "uncordon":
                    continue  # there is nothing cordoned
                end, told = outcome(await bench.act(action, "node/node-1"))
                assert end is expected, told
            await facts.close()
    assert "you may not patch nodes node-1" in told


async def no_metrics(query: str) -> Any:
    raise NotConfigured("Prometheus is not configured")


def test_the_acting_role_names_every_deployment_of_the_platform(cluster: SteerableCluster) -> None:
    """Each that a runbook acts on is among them."""
    named = {name for rule in ACT[-1]["rules"] for name in rule.get("resourceNames", ())}
    deployments = {item["metadata"]["name"] for item in cluster.objects("deployments")}
    assert deployments and deployments <= named


@pytest.mark.parametrize(
    "bench", [[*READ, {"rules": [{**ACT[-1]["rules"][0], "resourceNames": ["cad-render"]}]}]], indirect=True
)
async def test_a_deployment_that_the_role_does_not_name_is_refused(bench: Bench) -> None:
    """The preview says so by its name, and nothing is sent."""
    end, _ = outcome(await bench.act("restart", TARGET))
    assert end is Outcome.REFUSED and bench.writes() == []
    assert any(check.text.startswith(f"you may not patch deployments {API}") for check in bench.previews[-1].checks)


@pytest.mark.parametrize("bench", [READ], indirect=True)
async def test_the_reading_role_refuses_every_action(bench: Bench) -> None:
    """Each is refused before anything is sent, and a patch that is sent all the same is denied by the cluster."""
    second_revision(bench.cluster)
    for action, parameters in ACTIONS:
        if action == "resume":
            continue  # there is nothing paused that it could resume
        end, told = outcome(await bench.act(action, TARGET, **parameters))
        assert end is Outcome.REFUSED, f"{action}: {told}"
    assert bench.writes() == []
    from console.actions.writers.writer import Writer

    writer = Writer(bench.settings)
    with pytest.raises(AccessDenied):
        await writer.patch("deployments", API, {}, content_type="application/merge-patch+json")
    await writer.close()


@pytest.mark.parametrize("kept", [rule for role in ACT for rule in role["rules"]], ids=lambda rule: "-".join(rule["resources"]))
async def test_no_rule_is_more_than_the_console_asks_for(
    cluster: SteerableCluster, tmp_path: Path, kept: dict[str, Any]
) -> None:
    """A pod is evicted or deleted, nothing else; no secret, config map, node or shell in a pod is reachable."""
    found = grants([{"rules": [kept]}])
    changes = {(resource, verb) for _, resource, verb, _ in found} - {
        (resource, verb) for _, resource, verb, _ in found if verb in ("get", "list", "watch")
    }
    patched = {(name, "patch") for name in ("deployments", "deployments/scale", "cronjobs", "services", "rollouts/status")}
    assert changes <= patched | {("pods/eviction", "create"), ("pods", "delete")}
    reachable = {resource for _, resource, _, _ in found}
    assert not reachable & {"secrets", "configmaps", "nodes", "pods/exec", "serviceaccounts", "roles", "rolebindings"}
    named = {name for _, _, verb, name in found if verb == "patch"}
    assert "" not in named and "cad-console" not in named


def test_the_bindings_give_each_account_what_it_is_for() -> None:
    """The reading account is bound to the reading Role alone, the acting one to both."""
    bindings = {
        item["metadata"]["name"]: {subject["name"] for subject in item["subjects"]}
        for name in ("role-read.yaml", "role-act.yaml")
        for item in checks.documents((checks.DEPLOY / "base" / name).read_text())
        if item["kind"] == "RoleBinding"
    }
    assert bindings == {"cad-console-read": {"cad-console-read", "cad-console-act"}, "cad-console-act": {"cad-console-act"}}


SHARED_WRITE, SHARED_READ = (roles(name, folder="shared-journal") for name in ("role-write.yaml", "role-read.yaml"))


def sharing_host(cluster: SteerableCluster, folder: Path, name: str, granted: list[dict[str, Any]], **more: Any) -> Host:
    kubeconfig = folder / f"{name}.kubeconfig"
    cluster.kubeconfig(kubeconfig, token=cluster.admit(name, granted))
    store = cluster_store(kubeconfig, segment_bytes=1024, most_segments=3, read_only=more.get("read_only", False))
    return Host(folder, name, store, **more)


def test_the_roles_of_the_shared_journal_suffice(cluster: SteerableCluster, tmp_path: Path) -> None:
    """With the writing Role one appends, begins segments and takes old ones away; with the reading one one sees it all, and
    nothing that is sent all the same is let through. None reaches more than config maps.
    """
    with (
        sharing_host(cluster, tmp_path, "ann", SHARED_WRITE) as ann,
        sharing_host(cluster, tmp_path, "eve", SHARED_READ, read_only=True) as eve,
        sharing_host(cluster, tmp_path, "odd", SHARED_READ) as odd,
    ):
        # How many events a segment gets depends on what waits together: the old ones go with one of the next writes.
        for number in range(60):
            ann.write(f"a{number}", text="x" * 200)
            until(lambda number=number: f"a{number}" in eve.subjects())
            if number >= 20 and 1 < len(cluster.objects("configmaps")) <= 4:
                break
        assert 1 < len(cluster.objects("configmaps")) <= 4
        until(lambda: ann.sharing.word == "ok" and not ann.sharing.waiting)
        assert ann.sharing.warnings == ()
        odd.write("mine")
        until(lambda: odd.sharing.fault)
        assert "deploy/shared-journal" in odd.sharing.sentence()
    for granted in (SHARED_WRITE, SHARED_READ):
        assert {resource for _, resource, _, _ in grants(granted)} == {"configmaps"}
    assert {verb for _, _, verb, _ in grants(SHARED_READ)} == {"get", "list", "watch"}


def test_the_roles_cover_the_heartbeats_of_open_consoles(cluster: SteerableCluster, tmp_path: Path) -> None:
    """With the writing Role a console leaves its heartbeat and takes it away, with the reading one it sees the others'."""
    boards = {}
    for name, role in (("ann", SHARED_WRITE), ("eve", SHARED_READ)):
        cluster.kubeconfig(tmp_path / name, token=cluster.admit(name, role))
        boards[name] = cluster_store(tmp_path / name, read_only=name == "eve").board()
        boards[name].open(lambda: None)
    until(lambda: boards["eve"].entries() == {})
    boards["ann"].write("a", "{}")
    until(lambda: boards["eve"].entries() == {"a": "{}"})
    boards["ann"].remove("a")
    until(lambda: boards["eve"].entries() == {})
    for board in boards.values():
        board.close()


def test_the_reading_role_suffices_where_the_watch_is_silent(cluster: SteerableCluster, tmp_path: Path) -> None:
    """A decision takes in what the watch did not bring: for that a segment is asked for by its name."""
    with CuttingProxy(cluster.url) as proxy, sharing_host(cluster, tmp_path, "ann", SHARED_WRITE) as ann:
        ann.write("first")
        token = cluster.admit("eve", SHARED_READ)
        cluster.kubeconfig(tmp_path / "eve.kubeconfig", token=token)
        text = (tmp_path / "eve.kubeconfig").read_text()
        (tmp_path / "eve.kubeconfig").write_text(text.replace(cluster.url, proxy.url))
        with Host(tmp_path, "eve", cluster_store(tmp_path / "eve.kubeconfig", read_only=True), read_only=True) as eve:
            until(lambda: eve.subjects() == ["first"])
            time.sleep(1.0)  # so that no answer is on its way
            proxy.forget()
            ann.write("second")
            until(lambda: not ann.journal.outbox.pending_count())
            until(lambda: eve.sharer.fetch(5.0) is None)
            assert eve.subjects() == ["first", "second"]


async def test_the_reading_role_suffices_for_the_recorder(cluster: SteerableCluster, tmp_path: Path) -> None:
    """The Deployment of deploy/recorder has the reading account, and what it records with that account is complete."""
    (manifest,) = checks.documents((checks.DEPLOY / "recorder" / "recorder.yaml").read_text())
    pod = manifest["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "cad-console-read"
    assert pod["containers"][0]["command"] == ["cad-console", "record"]
    settings = settings_for(tmp_path, endpoint(cluster, tmp_path, READ))
    stop = asyncio.Event()
    recording = asyncio.create_task(record(settings, stop, lambda status: None))
    folder = Path(settings.recording_dir)
    source = Kubernetes(settings.kubernetes)  # type: ignore[arg-type]
    expected = {item.target for item in (await list_cluster(source)).workloads}
    await source.close()
    found: dict[str, bytes] | Unknown = Unknown("")
    async with asyncio.timeout(extend(40.0)):
        while isinstance(found, Unknown):
            await asyncio.sleep(0.5)
            found = await asyncio.to_thread(Recorded.of_folder(folder).states_at, "cluster", time.time() - 7.0)
    stop.set()
    assert (await recording).error == ""
    seen = decode_cluster(found, NAMESPACE)
    assert {item.target for item in seen.workloads} == expected
    assert seen.faults == ()
