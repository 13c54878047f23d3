"""The Roles of deploy/ against the console's own requests: the acting one suffices, the reading one refuses, none is more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import checks
import pytest
from action_bench import API, NAMESPACE, QUICK, Bench, Facts, outcome, second_revision, settings_for
from cutting_proxy import CuttingProxy
from shared_host import Host, cluster_store, until
from steerable_cluster import SteerableCluster, grants

from console.actions.plan import Outcome
from console.journal.sqlite import Journal
from queries.errors import AccessDenied
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.model.source import PollResult

TARGET = f"deployment/{API}"
ACTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("rollback", {"revision": "1"}), ("scale", {"replicas": "4"}), ("restart", {}), ("pause", {}), ("resume", {}),
)  # fmt: skip


def roles(*names: str, folder: str = "base") -> list[dict[str, Any]]:
    """The rules that a service account has by its bindings in a folder of deploy/."""
    found = [item for name in names for item in checks.documents((checks.DEPLOY / folder / name).read_text())]
    return [item for item in found if item["kind"] == "Role"]


READ, ACT = roles("role-read.yaml"), roles("role-read.yaml", "role-act.yaml")


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
    """Deployments, ReplicaSets, pods, events, autoscalers, budgets, jobs, logs and usage: each is answered."""
    source = Kubernetes(endpoint(cluster, tmp_path, READ))
    found = await source.cluster()
    assert found.workloads and found.revisions and found.pods
    deployment = await source.deployment(API)
    for call in (source.replica_sets(deployment), source.pods(deployment), source.autoscalers(), source.budgets()):
        assert isinstance(await call, list)
    assert isinstance(await source.logs(found.pods[0].name), str)
    await source.cron_jobs()
    await source.jobs()
    assert await source.usage()
    seen: list[PollResult[Any]] = []
    watching = asyncio.create_task(source.follow(seen.append))
    async with asyncio.timeout(20):
        while not seen or not cluster.watches:  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.02)
    assert seen[0].fault is None
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not [item for item in cluster.requests if item.method != "GET"]
    await source.close()


@pytest.mark.parametrize("bench", [ACT], indirect=True)
async def test_the_acting_role_suffices_for_every_action(bench: Bench) -> None:
    """Roll back, scale, restart, pause and resume end as done."""
    second_revision(bench.cluster)
    for action, parameters in ACTIONS:
        end, told = outcome(await bench.act(action, TARGET, **parameters))
        assert end is Outcome.DONE, f"{action}: {told}"


def test_the_acting_role_names_every_deployment_of_the_platform(cluster: SteerableCluster) -> None:
    """Each that a runbook acts on is among them."""
    named = {name for rule in ACT[-1]["rules"] for name in rule["resourceNames"]}
    assert {item["metadata"]["name"] for item in cluster.objects("deployments")} <= named


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
    from console.actions.writers import Writer

    writer = Writer(bench.settings)
    with pytest.raises(AccessDenied):
        await writer.patch("deployments", API, {}, content_type="application/merge-patch+json")
    await writer.close()


@pytest.mark.parametrize("kept", [rule for role in ACT for rule in role["rules"]], ids=lambda rule: "-".join(rule["resources"]))
async def test_no_rule_is_more_than_the_console_asks_for(
    cluster: SteerableCluster, tmp_path: Path, kept: dict[str, Any]
) -> None:
    """Nothing is created, deleted or replaced; no secret, config map, node or shell in a pod is reachable."""
    found = grants([{"rules": [kept]}])
    assert {verb for _, _, verb, _ in found} <= {"get", "list", "watch", "patch"}
    reachable = {resource for _, resource, _, _ in found}
    assert not reachable & {"secrets", "configmaps", "nodes", "pods/exec", "serviceaccounts", "roles", "rolebindings"}
    assert {resource for _, resource, verb, _ in found if verb == "patch"} <= {"deployments", "deployments/scale"}
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
        for number in range(20):
            ann.write(f"a{number}", text="x" * 200)
            until(lambda number=number: f"a{number}" in eve.subjects())
        until(lambda: ann.sharing.word == "ok" and not ann.sharing.waiting)
        assert ann.sharing.warnings == ()
        assert 1 < len(cluster.objects("configmaps")) <= 4
        odd.write("mine")
        until(lambda: odd.sharing.fault)
        assert "deploy/shared-journal" in odd.sharing.sentence()
    for granted in (SHARED_WRITE, SHARED_READ):
        assert {resource for _, resource, _, _ in grants(granted)} == {"configmaps"}
    assert {verb for _, _, verb, _ in grants(SHARED_READ)} == {"get", "list", "watch"}


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
            until(lambda: not ann.journal.waiting_count())
            until(lambda: eve.sharer.fetch(5.0) is None)
            assert eve.subjects() == ["first", "second"]
