"""What a namespace tells about its workloads."""

from __future__ import annotations

from queries.model.workload import Cluster, Condition, Revision, Workload


def _workload(*conditions: Condition) -> Workload:
    return Workload(
        namespace="n", name="api", uid="u", resource_version="1", generation=1, observed_generation=1, desired=1, replicas=1,
        updated=1, ready=1, available=1, paused=False, revision=3, created_at=10.0, conditions=conditions,
    )  # fmt: skip


def test_a_rollback_is_a_rollout_of_now() -> None:
    """Going back re-uses an old ReplicaSet: the rollout's own time counts, not the age of the revision."""
    workload = _workload(Condition("Available", "True", updated_at=900.0), Condition("Progressing", "True", updated_at=700.0))
    cluster = Cluster("n", (workload,), (Revision(3, "api-a", "u", created_at=50.0, replicas=1),))
    assert cluster.rolled_out_at(workload) == 700.0


def test_without_that_condition_the_revision_tells() -> None:
    """A server that gives no Progressing condition: the ReplicaSet's creation, else the workload's own."""
    workload = _workload()
    revision = Revision(3, "api-a", "u", created_at=50.0, replicas=1)
    assert Cluster("n", (workload,), (revision,)).rolled_out_at(workload) == 50.0
    assert Cluster("n", (workload,)).rolled_out_at(workload) == 10.0
