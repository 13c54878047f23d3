"""Verdicts that follow the changes of a namespace, against the same passed anew."""

from __future__ import annotations

from changing_cluster import STEPS, ChangingCluster
from hypothesis import given, settings
from hypothesis import strategies as st

from console.checks.workloads import WorkloadAssessor
from queries.kubernetes.cluster_index import ClusterIndex
from queries.model.cluster import Cluster, KindFault


@settings(max_examples=300, deadline=None)
@given(STEPS, st.lists(st.integers(0, 9), min_size=40, max_size=40), st.lists(st.booleans(), min_size=40, max_size=40))
def test_verdicts_that_follow_changes_equal_those_passed_anew(
    steps: list[tuple[str, int, int]], times: list[int], stale: list[bool]
) -> None:
    """After any sequence of changes, restarts and kinds that become stale, at times that only grow."""
    state, index, assessor, now = ChangingCluster(), ClusterIndex(), WorkloadAssessor(), 0.0
    restarted_at: dict[str, float] = {}
    assert steps
    for step, passed, late in zip(steps, times, stale, strict=False):
        now += 200.0 * passed
        state.change(*step)
        index.update(*state.lists(), state.listed)
        _, revisions, pods = state.lists()
        if passed % 3 == 0 and pods:
            restarted_at = {**restarted_at, pods[passed % len(pods)].uid: now}
        faults = (KindFault("statefulsets", "it hangs"),) if late else ()
        cluster = Cluster("n", index.rows, revisions, pods, events=state.events, faults=faults)
        cluster.keep_pods(index.pods_by_target)
        anew = Cluster("n", index.rows, revisions, pods, events=state.events, faults=faults)
        found = assessor.assess(cluster, now=now, restarted_at=restarted_at)
        expected = WorkloadAssessor().assess(anew, now=now, restarted_at=restarted_at)
        assert found == expected
        assert found.verdicts == tuple(sorted(found.verdicts, key=lambda item: item.order))
        assert (found.ready, found.desired) == anew.count_ready()
