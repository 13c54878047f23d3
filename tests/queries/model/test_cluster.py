"""What a namespace tells about its workloads."""

from __future__ import annotations

from dataclasses import replace

from queries.model.cluster import Cluster, PodControllers, PodSelectors, find_groups
from queries.model.pod import Pod
from queries.model.replica_limits import Autoscaler
from queries.model.workload import Condition, Revision, Workload

API = Workload("n", "api", "u", "1", 1, 1, 1, 1, 1, 1, 1, False, 3, 10.0)


def test_a_rollback_is_a_rollout_of_now() -> None:
    """Going back re-uses an old ReplicaSet: the rollout's own time counts, not the age of the revision."""
    progressing = Condition("Progressing", "True", updated_at=700.0)
    workload = replace(API, conditions=(Condition("Available", "True", updated_at=900.0), progressing))
    cluster = Cluster("n", (workload,), (Revision(3, "api-a", "u", created_at=50.0, replicas=1),))
    assert cluster.rolled_out_at(workload) == 700.0


def test_a_rollout_that_missed_its_deadline_is_as_old_as_its_last_progress() -> None:
    """The condition is updated when the deadline ends: an alert that began meanwhile began after the rollout, not before it."""
    failed = Condition("Progressing", "False", "ProgressDeadlineExceeded", updated_at=1700.0)
    workload = replace(API, conditions=(failed,))
    assert Cluster("n", (workload,)).rolled_out_at(workload) == 1100.0
    assert Cluster("n", (workload,)).rolled_out_at(replace(workload, progress_deadline_seconds=60.0)) == 1640.0


def test_without_that_condition_the_revision_tells() -> None:
    """A server that gives no Progressing condition: the ReplicaSet's creation, else the workload's own."""
    revision = Revision(3, "api-a", "u", created_at=50.0, replicas=1)
    assert Cluster("n", (API,), (revision,)).rolled_out_at(API) == 50.0
    assert Cluster("n", (API,)).rolled_out_at(API) == 10.0


def test_a_revision_is_as_old_as_its_rollout_not_as_its_replica_set() -> None:
    """What was rolled back to 30 s ago is not 9 days old; an earlier revision has its ReplicaSet's age."""
    progressing = Condition("Progressing", "True", "NewReplicaSetAvailable", "", 970.0)
    workload = Workload("n", "w", "u", "1", 1, 1, 3, 3, 3, 3, 3, False, 3, 1.0, conditions=(progressing,))
    back, bad = Revision(3, "w-a", "u", 100.0, 3), Revision(2, "w-b", "u", 900.0, 0)
    cluster = Cluster("n", (workload,), (back, bad))
    assert (cluster.revision_since(workload, back), cluster.revision_since(workload, bad)) == (970.0, 900.0)


def _pod(name: str, owner_uid: str = "", owner: str = "", **labels: str) -> Pod:
    return Pod(
        "n", name, f"uid-{name}", "Running", True, 0, 0.0, labels=tuple(labels.items()), owner_uid=owner_uid, owner=owner
    )


SHOP = replace(API, name="shop", uid="d", selector=(("app", "shop"),))
SHOP_SET = replace(SHOP, kind="StatefulSet", uid="s")
SET = Revision(1, "shop-7d9", "d", 0.0, 1, uid="r", owner="Deployment/shop")


def test_workloads_of_one_name_never_collide() -> None:
    """A Deployment and a StatefulSet with the same name and the same selector: each has its own target and its own pods."""
    pods = (_pod("shop-7d9-a", "r", "ReplicaSet/shop-7d9", app="shop"), _pod("shop-0", "s", "StatefulSet/shop", app="shop"))
    cluster = Cluster("n", (SHOP, SHOP_SET), (SET,), pods)
    assert [cluster.pods_of(item) for item in (SHOP, SHOP_SET)] == [pods[:1], pods[1:]]
    assert (cluster.workload("statefulset/shop"), cluster.workload("sts/shop")) == (SHOP_SET, SHOP_SET)
    assert (cluster.workload("shop"), cluster.workload("deployment/shop")) == (SHOP, SHOP)
    assert cluster.workload("job/shop") is None and cluster.workload("nonsense/shop") is None


def test_the_pods_that_no_workload_has_are_found() -> None:
    """Bare ones, those of a controller that nobody lists, and those of a ReplicaSet without an owner; but not a pod whose
    controller is of a listed kind: that one has just been created or deleted."""
    bare, mesh = _pod("debug"), _pod("kafka-0", "k", "StrimziPodSet/kafka")
    lone_set = _pod("old-1", "o", "ReplicaSet/old")
    owned = (_pod("shop-7d9-a", "r", "ReplicaSet/shop-7d9"), _pod("new-x", "j", "Job/new"), _pod("shop-b", app="shop"))
    sets = (SET, Revision(1, "old", "", 0.0, 1, uid="o"))
    controllers, selectors = PodControllers((SHOP,), sets), PodSelectors((SHOP,))

    def find(*listed: str) -> list[Pod]:
        return [pod for pod in (bare, mesh, lone_set, *owned) if find_groups(pod, controllers, selectors, listed) is None]

    assert find("Deployment", "StatefulSet", "Job") == [bare, mesh, lone_set]
    assert [controllers.controller(pod) for pod in (bare, mesh, lone_set)] == ["", "StrimziPodSet/kafka", "ReplicaSet/old"]
    assert find("Deployment") == [bare, mesh, lone_set, owned[1]]


def test_a_stateful_set_is_not_as_old_as_its_last_rollout() -> None:
    """It reports no time of a rollout: the last restart counts, or the creation if its spec never changed, else nothing."""
    found = replace(API, kind="StatefulSet")
    cluster = Cluster("n", (found,))
    assert cluster.rolled_out_at(found) == 10.0
    assert cluster.rolled_out_at(replace(found, generation=2)) == 0.0
    assert cluster.rolled_out_at(replace(found, generation=2, restarted_at=70.0)) == 70.0
    assert cluster.rolled_out_at(replace(found, generation=2, restarted_at=70.0, written_at=130.0)) == 70.0
    later = replace(found, generation=3, restarted_at=70.0, written_at=130.1)
    assert cluster.rolled_out_at(later) == 0.0, "the template was written again after the restart"


def test_what_serves_is_counted_and_each_workload_has_its_own_autoscaler() -> None:
    """Ready and desired of two that serve and of a lone pod, without a Job; one of another kind does not count."""
    web, worker = replace(API, name="web", desired=3, ready=2), replace(API, name="worker", desired=2, ready=2)
    job, pod = replace(API, name="job", kind="Job"), replace(API, name="p", kind="Pod")
    scalers = tuple(
        Autoscaler("n", f"{kind} {name}", kind, name, 1, 5, 1, 1)
        for kind, name in (("StatefulSet", "web"), ("Deployment", "worker"), ("Deployment", "web"))
    )
    cluster = Cluster("n", (job, pod, web, worker), autoscalers=scalers)
    assert cluster.count_ready() == (5, 6) and Cluster("n").count_ready() == (0, 0)
    found = [cluster.autoscaler_of(item) for item in (web, worker, job)]
    assert [item and item.name for item in found] == ["Deployment web", "Deployment worker", None]


def test_whose_pods_are_meant() -> None:
    """Every workload that has one of them, once; no pod is nobody's."""
    pods = (_pod("a", "r", "ReplicaSet/shop-7d9", app="shop"), _pod("b", "s", "StatefulSet/shop", app="shop"), _pod("c"))
    cluster = Cluster("n", (SHOP, SHOP_SET), (SET,), pods)
    assert cluster.find_targets(("uid-a",)) == ["deployment/shop"]
    assert sorted(cluster.find_targets(["uid-b", "uid-a", "uid-none"])) == ["deployment/shop", "statefulset/shop"]
    assert cluster.find_targets(()) == [] == cluster.find_targets(("uid-none",))
