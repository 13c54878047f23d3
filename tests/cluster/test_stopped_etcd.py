"""A real control plane whose etcd stops, hangs or comes back: what nothing confirms any more is called stale."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cluster_fixture import deployment
from control_plane import ControlPlane, assets

from console.__main__ import main
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_watch import ClusterWatch
from queries.model.cluster import Cluster
from queries.model.fault import FaultKind
from queries.model.source import PollResult

pytestmark = pytest.mark.control_plane

STALE_SECONDS = 15.0
RECOVERED_SECONDS = 15.0


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    found = assets()
    if found is None:
        pytest.skip("no control plane: make cluster-assets")
    with ControlPlane(found) as started:
        with started.client() as client:
            answer = client.post(
                "/apis/apps/v1/namespaces/default/deployments", json=deployment("web", replicas=2, image="x:1")
            )
            assert answer.status_code == 201
        yield started


class Followed:
    """What a console that follows the cluster was given."""

    def __init__(self) -> None:
        self.readings: list[tuple[float, PollResult[Cluster]]] = []

    def __call__(self, reading: PollResult[Cluster]) -> None:
        self.readings.append((time.monotonic(), reading))

    @property
    def last(self) -> PollResult[Cluster] | None:
        return self.readings[-1][1] if self.readings else None

    async def until(self, kind: FaultKind | None, *, since: float, seconds: float) -> float:
        """How long after `since` the first reading with this fault came, None for a good one."""
        while True:
            for at, reading in self.readings:
                if at >= since and (reading.fault.kind if reading.fault else None) is kind:
                    return at - since
            assert time.monotonic() < since + seconds, self.last
            await asyncio.sleep(0.05)


@asynccontextmanager
async def followed(plane: ControlPlane, folder: Path) -> AsyncIterator[Followed]:
    config = folder / "kubeconfig"
    plane.kubeconfig(config)
    source, found = Kubernetes(ClusterEndpoint("default", kubeconfig=str(config))), Followed()
    following = asyncio.create_task(ClusterWatch(source).follow(found))
    try:
        await found.until(None, since=time.monotonic(), seconds=20.0)
        yield found
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        await source.close()


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_stopped_etcd_makes_the_cluster_stale_and_its_return_live(
    plane: ControlPlane, number: signal.Signals, tmp_path: Path
) -> None:
    """Every watch stays open and the API server goes on answering from its cache: stale within 15 s, with the reason, and
    live again when etcd is back; nothing good is read in between."""
    async with followed(plane, tmp_path) as found:
        await asyncio.sleep(1.0)
        began = time.monotonic()
        await asyncio.to_thread(plane.send, "etcd", number)
        try:
            took = await found.until(FaultKind.STALE, since=began, seconds=STALE_SECONDS)
            assert took < STALE_SECONDS
            fault = found.last.fault if found.last else None
            assert fault is not None
            assert "answers from its cache only" in fault.what
            assert "etcd" in fault.hint and plane.url in fault.where
            stale = time.monotonic()
            await asyncio.sleep(6.0)
            assert {reading.fault.kind for at, reading in found.readings if at >= stale and reading.fault} <= {FaultKind.STALE}
            assert all(reading.fault for at, reading in found.readings if at >= stale)
        finally:
            back = time.monotonic()
            if number is signal.SIGSTOP:
                plane.send("etcd", signal.SIGCONT)
            else:
                await asyncio.to_thread(plane.start_etcd)
        assert await found.until(None, since=back, seconds=RECOVERED_SECONDS) < RECOVERED_SECONDS
        with plane.client() as client:
            change = {"spec": {"replicas": 3 if number is signal.SIGSTOP else 4}}
            headers = {"Content-Type": "application/merge-patch+json"}
            path = "/apis/apps/v1/namespaces/default/deployments/web"
            answer = await asyncio.to_thread(client.patch, path, content=json.dumps(change), headers=headers)
            assert answer.status_code == 200
        ends = time.monotonic() + 10.0
        while (
            found.last is None
            or found.last.value is None
            or found.last.value.workloads[0].desired != change["spec"]["replicas"]
        ):
            assert time.monotonic() < ends, found.last
            await asyncio.sleep(0.05)


async def test_an_api_server_that_hangs_is_no_cache(plane: ControlPlane, tmp_path: Path) -> None:
    """Where it answers nothing at all it is timed out, not stale; and live again when it goes on."""
    async with followed(plane, tmp_path) as found:
        began = time.monotonic()
        plane.send("kube-apiserver", signal.SIGSTOP)
        try:
            assert await found.until(FaultKind.TIMED_OUT, since=began, seconds=STALE_SECONDS) < STALE_SECONDS
            assert not [reading for at, reading in found.readings if reading.fault and reading.fault.kind is FaultKind.STALE]
        finally:
            plane.send("kube-apiserver", signal.SIGCONT)
        assert await found.until(None, since=time.monotonic(), seconds=RECOVERED_SECONDS) < RECOVERED_SECONDS


def test_status_names_the_stale_cluster(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that asks once reads consistently: it says STALE and why, and shows no workload as well."""
    config = tmp_path / "kubeconfig"
    plane.kubeconfig(config)
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(("CAD_", "PROMETHEUS", "ALERTMANAGER")):
            patch.delenv(name)
    patch.setenv("XDG_STATE_HOME", str(tmp_path))
    patch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    plane.send("etcd", signal.SIGSTOP)
    try:
        code = main(["status", "--kubeconfig", str(config), "--namespace", "default"])
    finally:
        plane.send("etcd", signal.SIGCONT)
        patch.undo()
    output = capsys.readouterr()
    assert code != 0
    assert "STALE" in output.out + output.err
    assert "answers from its cache only" in output.out + output.err
