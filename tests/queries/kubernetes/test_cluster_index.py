"""The rows and pods of a namespace, kept up to date, against the same found anew."""

from __future__ import annotations

from changing_cluster import STEPS, ChangingCluster
from hypothesis import given, settings

from queries.kubernetes.cluster_index import ClusterIndex
from queries.kubernetes.workload_decode import build_lone_pod
from queries.model.cluster import Cluster
from queries.model.pod import Pod
from queries.model.workload import Revision, Workload


def _find_lone_pods(
    workloads: list[Workload], revisions: tuple[Revision, ...], pods: tuple[Pod, ...], listed: frozenset[str]
) -> list[Workload]:
    """One pod after another, without an index."""
    found = []
    for pod in pods:
        owner = next((item for item in revisions if item.uid == pod.owner_uid), None)
        uid = owner.owner_uid if owner else pod.owner_uid
        controller = owner.owner if owner else pod.owner
        selected = any(item.selector and set(item.selector) <= set(pod.labels) for item in workloads)
        if not (any(item.uid == uid for item in workloads) or selected or controller.partition("/")[0] in listed):
            found.append(build_lone_pod(pod, controller))
    return found


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_an_index_that_follows_changes_equals_one_made_anew(steps: list[tuple[str, int, int]]) -> None:
    """After any sequence of changes, rows, names and the pods of each workload are those of a fresh look at the lists."""
    state, index = ChangingCluster(), ClusterIndex()
    assert steps
    for step in steps:
        state.change(*step)
        by_kind, revisions, pods = state.lists()
        index.update(by_kind, revisions, pods, state.listed)
        every = [item for each in by_kind for item in each]
        rows = [*every, *_find_lone_pods(every, revisions, pods, state.listed)]
        expected = Cluster("n", tuple(sorted(rows, key=lambda item: (item.name, item.kind))), revisions, pods)
        assert index.rows == expected.workloads
        found = Cluster("n", index.rows, revisions, pods)
        found.keep_pods(index.pods_by_target)
        names = {name for item in expected.workloads for name in (item.name, item.target)} | {"w0", "w1", "w2"}
        assert {name: found.workload(name) for name in names} == {name: expected.workload(name) for name in names}
        assert {item.target: found.pods_of(item) for item in rows} == {item.target: expected.pods_of(item) for item in rows}


def test_only_what_changed_is_made_anew() -> None:
    """A pod that changed leaves every other row and group as it is, the very same objects."""
    state, index = ChangingCluster(), ClusterIndex()
    index.update(*state.lists(), state.listed)
    rows, pods = index.rows, dict(index.pods_by_target)
    (changed,) = [target for target, own in pods.items() if own[0].name == "p0" and target.startswith("pod/")]
    state.change("status", 0, 1)
    index.update(*state.lists(), state.listed)
    assert [new.target for old, new in zip(rows, index.rows, strict=True) if old is not new] == [changed]
    assert [target for target, own in index.pods_by_target.items() if own is not pods[target]] == [changed]
