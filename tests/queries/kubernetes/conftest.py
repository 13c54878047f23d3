"""A cluster in the process, and clients of its namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from steerable_cluster import SteerableCluster

from console.demo.cluster import PodTimings
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes

NAMESPACE = "cad-ml-platform"
QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, timings=QUICK, autoscaler_seconds=60.0, anonymous=False)
    made.seed()
    with made:
        yield made


@pytest.fixture
async def kube(cluster: SteerableCluster, tmp_path: Path) -> AsyncIterator[Callable[..., Kubernetes]]:
    opened: list[Kubernetes] = []

    def start(*, token: str = "", read_only: bool = True, timeout: float = 3.0) -> Kubernetes:
        path = tmp_path / f"kubeconfig-{len(opened)}"
        cluster.kubeconfig(path, token=token)
        endpoint = ClusterEndpoint(NAMESPACE, kubeconfig=str(path), timeout_seconds=timeout)
        opened.append(Kubernetes(endpoint, read_only=read_only))
        return opened[-1]

    yield start
    for each in opened:
        await each.close()
