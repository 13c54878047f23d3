"""The cluster that the shared journal's tests steer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_host import NAMESPACE
from steerable_cluster import SteerableCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SteerableCluster]:
    with SteerableCluster(NAMESPACE) as opened:
        opened.kubeconfig(tmp_path / "kubeconfig")
        yield opened
