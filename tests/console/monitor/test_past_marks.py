"""The marks of rollouts: from the series of kube-state-metrics, with the images that the cluster still knows."""

from __future__ import annotations

import pytest
from told_platform import told_platform

from console.monitor.past_marks import read_marks
from console.state.snapshot import Snapshot
from queries.http.endpoint import Endpoint
from queries.model.cluster import Cluster
from queries.model.workload import Container, Revision, Workload
from queries.prometheus.client import Prometheus

BEGAN = 1_800_000_000.0
SERIES = [
    ({"__name__": "kube_deployment_created", "namespace": "shop", "deployment": "api"}, str(BEGAN - 9e5)),
    *(
        each
        for name, at in (("api-old", BEGAN - 9e5), ("api-new", BEGAN + 60.0), ("api-gone", BEGAN + 30.0))
        for each in (
            ({"__name__": "kube_replicaset_created", "namespace": "shop", "replicaset": name}, str(at)),
            (
                {
                    "__name__": "kube_replicaset_owner",
                    "namespace": "shop",
                    "replicaset": name,
                    "owner_kind": "Deployment",
                    "owner_name": "api",
                },
                "1",
            ),
        )
    ),
]
CLUSTER = Cluster(
    "shop",
    (Workload("shop", "api", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 2, BEGAN - 9e5),),
    (Revision(2, "api-new", "u", BEGAN + 60.0, 3, containers=(Container("api", "registry/api:1.9.0"),)),),
)
NEW = (BEGAN + 60.0, "api: api:1.9.0")


@pytest.mark.parametrize(
    ("series", "cluster", "expected"),
    [
        (SERIES, CLUSTER, [(BEGAN + 30.0, "api: ReplicaSet api-gone"), NEW]),
        (SERIES, None, [(BEGAN + 30.0, "api: ReplicaSet api-gone"), (BEGAN + 60.0, "api: ReplicaSet api-new")]),
        ([], CLUSTER, [NEW]),
        ([], None, []),
    ],
)
async def test_a_rollout_has_its_image(
    series: list[tuple[dict[str, str], str]], cluster: Cluster | None, expected: list[tuple[float, str]]
) -> None:
    """Where the cluster still keeps the ReplicaSet; else its name stands there. The first one of a Deployment is no rollout."""
    snapshot = Snapshot("test", "shop", False, False, "ann", BEGAN)
    with told_platform(vector=lambda query: series if "kube_replicaset" in query else []) as told:
        prometheus = Prometheus(Endpoint(told.url))
        try:
            marks = await read_marks(
                prometheus, None, snapshot, cluster=cluster, heartbeat="", start=BEGAN - 3600.0, end=BEGAN + 3600.0
            )
        finally:
            await prometheus.close()
    assert [(mark.at, mark.text) for mark in marks if mark.letter == "R"] == expected
