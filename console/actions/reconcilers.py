"""Controllers that set fields of a workload or a CronJob: autoscalers and GitOps tools, by metadata and field managers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from console.actions.deployment_state import DeploymentState
from console.actions.plan import Reconciler
from queries.model.managing_tools import OWN_MANAGER, find_managing_tools

REPLICAS, TEMPLATE, PAUSED, SUSPEND = "replicas", "template", "paused", "suspend"
SELECTOR, UNSCHEDULABLE = "selector", "unschedulable"
"""The fields of a spec that an action changes: of a workload, a CronJob, a Service, a node."""
_ALL_FIELDS = (REPLICAS, TEMPLATE, PAUSED, SUSPEND, SELECTOR)


def reconcilers(state: DeploymentState, field: str) -> tuple[Reconciler, ...]:
    """The controllers that set this field of the Deployment."""
    return tuple(item for item in (*_scalers(state), *owners(state.raw)) if field in item.fields)


def owners(found: Mapping[str, Any]) -> tuple[Reconciler, ...]:
    """The GitOps tools and the Helm release that set every field of the object, a workload or a CronJob."""
    meta = found["metadata"]
    writers = {str(item.get("manager", "")) for item in meta.get("managedFields") or ()}
    tools = find_managing_tools(meta.get("labels") or {}, meta.get("annotations") or {}, writers)
    return tuple(Reconciler(item.kind, item.name, item.because, _ALL_FIELDS, item.managers, item.own_way) for item in tools)


def last_writer(deployment: Mapping[str, Any], field: str, known: tuple[Reconciler, ...]) -> str:
    """Who set the field last: a reconciler's name, or the field manager that the API server recorded.

    The server records whole seconds. Of two in the same one it was the reconciler, whose work it is to set the field again.
    """
    managers = {manager for item in known for manager in item.managers}
    newest = max(
        _managed_by(deployment, field),
        key=lambda item: (str(item.get("time", "")), item.get("manager") in managers),
        default=None,
    )
    if newest is None:
        return "an unknown manager"
    manager = str(newest.get("manager", ""))
    return next((item.name for item in known if manager in item.managers), manager or "an unnamed manager")


def _scalers(state: DeploymentState) -> Iterator[Reconciler]:
    scaler = state.autoscaler()
    if scaler is not None:
        keda = f" of KEDA ScaledObject {scaler.scaled_object}" if scaler.scaled_object else ""
        edited = f"scaledobject/{scaler.scaled_object}" if scaler.scaled_object else f"hpa/{scaler.name}"
        way, managers = state.kubectl_command("edit", edited), ("kube-controller-manager",)
        yield Reconciler("hpa", f"HPA {scaler.name}{keda}", "its target", (REPLICAS,), managers, way)


def _managed_by(deployment: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    """The managedFields entries that own part of the field, without our own and those of the status."""
    for item in deployment["metadata"].get("managedFields") or ():
        spec = (item.get("fieldsV1") or {}).get("f:spec") or {}
        if f"f:{field}" in spec and item.get("manager") != OWN_MANAGER and item.get("subresource") != "status":
            yield item
