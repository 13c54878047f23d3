"""The disruption controller: computes how many pods each PodDisruptionBudget allows to evict."""

from __future__ import annotations

import math
from typing import Any

from console.demo.cluster import selector
from console.demo.cluster.owned_pods import is_ready, is_terminating
from console.demo.cluster.resource import BUDGETS, PODS, Object
from console.demo.cluster.store import Store


class Budgets:
    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self, namespace: str, name: str) -> None:
        budget = self._store.copy(BUDGETS, namespace, name)
        if budget is None:
            return
        spec = budget["spec"]
        chosen = selector.of_object(spec.get("selector"))
        pods = [pod for pod in self._store.items(PODS, namespace) if chosen(pod["metadata"].get("labels") or {})]
        expected = len(pods)
        healthy = sum(is_ready(pod) and not is_terminating(pod) for pod in pods)
        if "minAvailable" in spec:
            desired = _count(spec["minAvailable"], expected)
        else:
            desired = max(0, expected - _count(spec.get("maxUnavailable", 0), expected))
        allowed = max(0, healthy - desired) if expected else 0
        condition = {
            "type": "DisruptionAllowed",
            "status": "True" if allowed else "False",
            "observedGeneration": budget["metadata"]["generation"],
            "lastTransitionTime": self._transition_time(budget, allowed=bool(allowed)),
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
        }
        budget["status"] = {
            "observedGeneration": budget["metadata"]["generation"],
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": [condition],
        }
        self._store.update(BUDGETS, budget)

    def _transition_time(self, budget: Object, *, allowed: bool) -> str:
        for old in (budget.get("status") or {}).get("conditions") or ():
            if old["type"] == "DisruptionAllowed" and (old["status"] == "True") is allowed:
                return str(old["lastTransitionTime"])
        return self._store.now()


def _count(value: Any, of: int) -> int:
    return math.ceil(int(value.rstrip("%")) * of / 100) if isinstance(value, str) else int(value)
