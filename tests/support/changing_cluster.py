"""A namespace in which anything may change: the lists of it as a watch has them, after each of any number of steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from queries.model.cluster import ClusterEvent
from queries.model.pod import Pod
from queries.model.workload import BatchJob, Revision, Workload

CONTROLLERS = ("Deployment", "StatefulSet", "Job", "CronJob")
_STEPS = ("pod", "status", "kill", "controller", "scale", "drop", "event", "listed", "again")
STEPS = st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)


@dataclass
class ChangingCluster:
    """`change` makes one step; two numbers choose what it does."""

    pods: dict[str, Pod] = field(default_factory=dict)
    workloads: dict[tuple[str, str], Workload] = field(default_factory=dict)
    revisions: dict[str, Revision] = field(default_factory=dict)
    events: tuple[ClusterEvent, ...] = ()
    listed: frozenset[str] = frozenset({"Deployment", "StatefulSet", "Job", "CronJob", "ReplicaSet"})
    count: int = 0

    def __post_init__(self) -> None:
        """Every kind of controller, and pods of each, to begin with."""
        for number in range(12):
            self.change("controller", number, number // 4 + 3 * (number % 2))
        for number in range(10):
            self.change("pod", number, number)

    def change(self, step: str, one: int, two: int) -> None:
        self.count += 1
        kind, name, pod = CONTROLLERS[one % 4], f"w{two % 3}", f"p{one}"
        known = self.workloads.get((kind, name))
        match step:
            case "pod":
                self.pods[pod] = self._build_pod(pod, two)
            case "status" if pod in self.pods:
                reason = ("", "CrashLoopBackOff", "NotReady")[two % 3]
                self.pods[pod] = replace(self.pods[pod], ready=not reason, reason=reason, restarts=two)
            case "kill":
                self.pods.pop(pod, None)
            case "controller":
                self._add_controller(kind, name, two)
            case "scale" if known is not None:
                batch = replace(known.batch, failed=two > 5, active=two % 2) if known.batch else None
                self.workloads[kind, name] = replace(known, ready=two % 3, desired=2, batch=batch)
            case "drop":
                self.workloads.pop((kind, name), None)
                self.revisions.pop(name, None)
            case "event":
                self.events = (ClusterEvent("n", "Pod", pod, "Warning", "BackOff", "", float(two * 100)),)
            case "listed":
                self.listed ^= {("ReplicaSet", "Job", "StatefulSet")[two % 3]}
            case "again":  # a new list: equal objects, none of which is the same
                self.pods = {key: replace(item) for key, item in self.pods.items()}

    def _build_pod(self, name: str, two: int) -> Pod:
        owners = [
            ("", ""),
            ("rs-w0", "ReplicaSet/w0-1"),
            ("rs-w9", "ReplicaSet/gone"),
            ("StatefulSet-w1", "StatefulSet/w1"),
            ("Job-w2", "Job/w2"),
            ("k", "StrimziPodSet/kafka"),
        ]
        uid, owner = owners[two % len(owners)]
        labels = (("app", f"w{two % 3}"),) if two % 2 else ()
        return Pod("n", name, f"{name}-{self.count}", "Running", True, 0, 0.0, labels=labels, owner_uid=uid, owner=owner)

    def _add_controller(self, kind: str, name: str, two: int) -> None:
        batch = None
        if kind in ("Job", "CronJob"):
            batch = BatchJob(kind, name, created_at=float(two), succeeded_at=5.0 * (two % 2), finished=two > 7)
        self.workloads[kind, name] = Workload(
            "n", name, f"{kind}-{name}", "1", 1, 1, 2, 2, 2, two % 3, 2, False, 1, float(two), kind=kind, batch=batch,
            selector=(("app", name),) if two % 2 and batch is None else (),
            owner="CronJob/w0" if kind == "Job" and two % 2 else "",
        )  # fmt: skip
        if kind == "Deployment":
            self.revisions[name] = Revision(
                1, f"{name}-1", f"Deployment-{name}", float(two), 1, uid=f"rs-{name}", owner=f"Deployment/{name}"
            )

    def lists(self) -> tuple[list[tuple[Workload, ...]], tuple[Revision, ...], tuple[Pod, ...]]:
        """Of each kind of controller its workloads, then the ReplicaSets and the pods, each sorted by name."""
        by_kind = [tuple(item for (own, _), item in sorted(self.workloads.items()) if own == kind) for kind in CONTROLLERS]
        return (
            by_kind,
            tuple(item for _, item in sorted(self.revisions.items())),
            tuple(item for _, item in sorted(self.pods.items())),
        )
