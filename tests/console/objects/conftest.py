"""A cluster in the process, and what the console reads of its objects."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from action_bench import NAMESPACE, QUICK
from steerable_cluster import SteerableCluster

from console.objects.service import ObjectService
from queries.errors import NotConfigured
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made:
        yield made


async def no_metrics(query: str) -> Any:
    raise NotConfigured("Prometheus is not configured")


@pytest.fixture
async def objects(cluster: SteerableCluster, tmp_path: Path) -> AsyncIterator[Callable[..., ObjectService]]:
    """A service with the rights of a token, and the metrics of `evaluate`."""
    opened: list[Kubernetes] = []

    def make(token: str = "", evaluate: Any = no_metrics) -> ObjectService:
        path = tmp_path / f"kubeconfig-{len(opened)}"
        cluster.kubeconfig(path, token=token)
        opened.append(Kubernetes(ClusterEndpoint(NAMESPACE, kubeconfig=str(path), timeout_seconds=5.0)))
        client = opened[-1]
        return ObjectService(lambda: client, evaluate, clock=time.time)

    yield make
    for client in opened:
        await client.close()
