"""A cluster in the process, and a session for drills on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from action_bench import NAMESPACE, QUICK, Bench, Facts, settings_for
from drill_bench import DrillBench
from steerable_cluster import SteerableCluster

from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterEndpoint


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made:
        yield made


@pytest.fixture
async def drills(cluster: SteerableCluster, tmp_path: Path) -> AsyncIterator[DrillBench]:
    path = tmp_path / "kubeconfig"
    cluster.kubeconfig(path)
    endpoint = ClusterEndpoint(NAMESPACE, kubeconfig=str(path), timeout_seconds=3.0)
    facts = Facts(endpoint)
    settings = settings_for(tmp_path, endpoint)
    with Journal.open(settings.paths.journal_file) as journal:
        yield DrillBench(Bench(cluster, settings, facts, journal))
    await facts.close()
