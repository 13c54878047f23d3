"""What a pod, an alert and a series cost where there are ten and four times as many, and how long a key takes then.

Pods and alerts in this process: CPU and memory of each, for the first list and for one in which one differs. Series and keys in
front of real servers (`crowds_served.py`).
"""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import crowds_served
from figure import Figure
from stage import Stage

FEW, MANY_PODS, MANY_ALERTS = 5_000, 50_000, 20_000
_PODS_OF_ONE = 100
_ROUNDS = 5
_CHANGES = 15
_GOAL = 1.2
_NOW = 1_800_000_000.0


def measure(stage: Stage) -> list[Figure]:
    from console.screens.gc_policy import GcPolicy

    served = crowds_served.measure_series(stage)
    served += crowds_served.measure_keys(stage, pods=MANY_PODS, alerts=MANY_ALERTS)
    GcPolicy().start(0.0)
    return [*_compare("alert", Alerts, MANY_ALERTS), *_compare("pod", Pods, MANY_PODS), *served]


def _compare(name: str, crowd: Callable[[int], Alerts | Pods], many: int) -> list[Figure]:
    """Few and many in turn, so that a busy machine slows both."""
    firsts, changes = [], []
    for _ in range(_ROUNDS):
        few, more = crowd(FEW), crowd(many)
        firsts.append((_cpu(few.first) / FEW, _cpu(more.first) / many))
        changes += [(_cpu(few.change) / FEW, _cpu(more.change) / many) for _ in range(_CHANGES)]
    memory = [_memory(crowd, count) / count for count in (FEW, many)]
    return [
        _figure(f"CPU for each {name}, first list, {many:,} ÷ {FEW:,}", firsts),
        _figure(f"CPU for each {name}, one of them differs, {many:,} ÷ {FEW:,}", changes),
        Figure(
            f"memory of each {name}, {many:,} ÷ {FEW:,}", memory[1] / memory[0], "×", _GOAL,
            f"{memory[1] / 1024:.2f} against {memory[0] / 1024:.2f} KB",
        ),
    ]  # fmt: skip


def _figure(what: str, pairs: list[tuple[float, float]]) -> Figure:
    few, many = (statistics.median(found) * 1e6 for found in zip(*pairs, strict=True))
    return Figure(what, statistics.median(more / one for one, more in pairs), "×", _GOAL, f"{many:.2f} against {few:.2f} us")


def _cpu(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _memory(crowd: Callable[[int], Alerts | Pods], count: int) -> float:
    """Of all that is kept, what the client returned included."""
    tracemalloc.start()
    kept_alive = crowd(count)
    kept_alive.first()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(kept)


class Alerts:
    """As many alerts of both servers, through the state store."""

    def __init__(self, count: int) -> None:
        from console.config.settings import Paths, Settings
        from console.monitor.state_store import StateStore
        from console.runbooks.index import RunbookIndex
        from queries.http.endpoint import Endpoint
        from queries.model.alert import Alert, AlertState

        servers: dict[str, Any] = {"prometheus": Endpoint("http://p"), "alertmanagers": (Endpoint("http://a"),)}
        settings = Settings("bench", "n", False, False, "you@host", Paths("", "", "", "", "", ""), **servers)
        self._store = StateStore(settings, (), runbooks=RunbookIndex(()))
        chance = random.Random(count)
        self._changed = 0
        self.delivered: list[Alert] = []
        self.evaluated: list[Alert] = []
        for number in range(count):
            labels = (
                ("alertname", f"Alert{number % 40}"),
                ("component", f"c{number % 17}"),
                ("namespace", "n"),
                ("pod", f"pod-{number}"),
                ("severity", ("critical", "warning", "info")[number % 3]),
            )
            began = _NOW - chance.randrange(100_000)
            key = f"{chance.getrandbits(64):016x}"
            self.delivered.append(Alert(key, AlertState.ACTIVE, labels, (("summary", "not well"),), starts_at=began))
            self.evaluated.append(Alert(f"prometheus:{key}", AlertState.ACTIVE, labels, starts_at=began, value=1.0))
        self.delivered.sort(key=lambda item: item.fingerprint)

    def first(self) -> None:
        from queries.model.source import PollResult
        from queries.prometheus.responses import RulesResult

        self._deliver()
        self._store.apply(PollResult("rules", _NOW, 0.0, RulesResult((), tuple(self.evaluated), ())))
        self._store.snapshot(_NOW)

    def change(self) -> None:
        self._changed += 1
        at = self._changed * 997 % len(self.delivered)
        self.delivered[at] = replace(self.delivered[at], updated_at=_NOW + self._changed)
        self._deliver()
        self._store.snapshot(_NOW + self._changed)

    def _deliver(self) -> None:
        from queries.alertmanager import AlertmanagerState
        from queries.model.source import PollResult

        state = AlertmanagerState(tuple(self.delivered), (), (), 1, 1, "0.35")
        self._store.apply(PollResult("alertmanager", _NOW, 0.0, state))


class Pods:
    """As many pods, a hundred of each Deployment, through the index and the verdicts."""

    def __init__(self, count: int) -> None:
        from console.checks.workloads import WorkloadAssessor
        from queries.kubernetes.cluster_index import ClusterIndex
        from queries.model.pod import Pod
        from queries.model.workload import Workload

        self._index, self._assessor = ClusterIndex(), WorkloadAssessor()
        size = _PODS_OF_ONE
        self._workloads = tuple(
            Workload(
                "n", f"w{number:04}", f"u{number}", "1", 1, 1, size, size, size, size, size, False, 1, _NOW,
                selector=(("app", f"w{number:04}"),),
            )
            for number in range(count // size)
        )  # fmt: skip
        self._pods = [
            Pod("n", f"w{at // size:04}-{at:05}", f"p{at}", "Running", True, 0, _NOW, labels=(("app", f"w{at // size:04}"),))
            for at in range(count)
        ]
        self._changed = 0

    def first(self) -> None:
        from queries.model.cluster import Cluster

        pods = tuple(self._pods)
        self._index.update([self._workloads], (), pods, {"Deployment"})
        cluster = Cluster("n", self._index.rows, (), pods)
        cluster.keep_pods(self._index.pods_by_target)
        self._assessor.assess(cluster, now=_NOW, restarted_at={})

    def change(self) -> None:
        self._changed += 1
        at = self._changed * 997 % len(self._pods)
        self._pods[at] = replace(self._pods[at], restarts=self._changed)
        self.first()
