"""The eviction of a pod: refused, or let through to a deletion, as its PodDisruptionBudgets allow."""

from __future__ import annotations

import copy
from typing import Any

from console.demo.cluster import api_errors, selector
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import BUDGETS, PODS, Object

_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def evict(registry: Registry, namespace: str, name: str, eviction: Object, *, dry: bool) -> Object:
    """The Status of a success. Raises ApiError 400, 404, 409, 429, and 500 for a pod with more than one budget.

    Source: Kubernetes 1.36, pkg/registry/core/pod/storage/eviction.go.
    """
    if (eviction.get("metadata") or {}).get("name") != name:
        raise api_errors.bad_request("name in URL does not match name in Eviction object")
    options = eviction.get("deleteOptions") or {}
    dry = dry or options.get("dryRun") == ["All"]
    pod = registry.existing(PODS, namespace, name)
    if not _ignores_budgets(pod):
        budgets = _budgets_of(registry, pod)
        if len(budgets) > 1:
            message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            raise api_errors.internal(message)
        for budget in budgets:
            if not _is_unhealthy_surplus(pod, budget):
                _take_from(registry, budget, dry=dry)
    registry.delete(PODS, namespace, name, options=options, dry=dry)
    return dict(_SUCCESS)


def _ignores_budgets(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") in ("Succeeded", "Failed", "Pending")


def _budgets_of(registry: Registry, pod: Object) -> list[Object]:
    labels = pod["metadata"].get("labels") or {}
    every = registry.store.items(BUDGETS, pod["metadata"]["namespace"])
    return [item for item in every if item["spec"].get("selector") and selector.of_object(item["spec"]["selector"])(labels)]


def _is_unhealthy_surplus(pod: Object, budget: Object) -> bool:
    """A pod that is not ready, while enough others are."""
    status: dict[str, Any] = budget.get("status") or {}
    conditions = pod["status"].get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return not ready and status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0


def _take_from(registry: Registry, budget: Object, *, dry: bool) -> None:
    status, name = budget.get("status") or {}, budget["metadata"]["name"]
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise api_errors.too_many_disruptions(f"The disruption budget {name} is still being processed by the server.", 10)
    if not status.get("disruptionsAllowed"):
        need, have = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise api_errors.too_many_disruptions(
            f"The disruption budget {name} needs {need} healthy pods and has {have} currently", 0
        )
    if not dry:
        taken = copy.deepcopy(budget)
        taken["status"]["disruptionsAllowed"] -= 1
        registry.store.update(BUDGETS, taken)
