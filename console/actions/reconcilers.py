"""Controllers that set a Deployment's fields: autoscalers and GitOps tools, recognised by labels, annotations and managers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from console.actions.deployment_state import DeploymentState
from console.actions.plan import Reconciler

OWN = "cad-console"
"""The console's own field manager."""
REPLICAS, TEMPLATE, PAUSED = "replicas", "template", "paused"
"""The fields of a Deployment's spec that an action changes."""
_ALL_FIELDS = (REPLICAS, TEMPLATE, PAUSED)


def reconcilers(state: DeploymentState, field: str) -> tuple[Reconciler, ...]:
    """The controllers that set this field of the Deployment."""
    return tuple(item for item in _detect(state) if field in item.fields)


def last_writer(deployment: Mapping[str, Any], field: str, known: tuple[Reconciler, ...]) -> str:
    """Who set the field last: a reconciler's name, or the field manager that the API server recorded."""
    newest = max(_managed_by(deployment, field), key=lambda item: str(item.get("time", "")), default=None)
    if newest is None:
        return "an unknown manager"
    manager = str(newest.get("manager", ""))
    return next((item.name for item in known if manager in item.managers), manager or "an unnamed manager")


def _detect(state: DeploymentState) -> Iterator[Reconciler]:
    meta = state.raw["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    writers = {str(item.get("manager", "")) for item in meta.get("managedFields") or ()}
    scaler = state.autoscaler()
    if scaler is not None:
        keda = f" of KEDA ScaledObject {scaler.scaled_object}" if scaler.scaled_object else ""
        yield Reconciler("hpa", f"HPA {scaler.name}{keda}", "its target", (REPLICAS,), ("kube-controller-manager",))
    gitops = tuple(item for item in (_argo(labels, annotations, writers), *_flux(labels, writers)) if item)
    yield from gitops
    release = annotations.get("meta.helm.sh/release-name", "")
    if not gitops and (release or labels.get("app.kubernetes.io/managed-by") == "Helm" or "helm" in writers):
        yield Reconciler("helm", f"Helm release {release}".rstrip(), "annotations and labels", _ALL_FIELDS, ("helm", "Helm"))


def _argo(labels: Mapping[str, str], annotations: Mapping[str, str], writers: set[str]) -> Reconciler | None:
    """`app.kubernetes.io/instance` names the application only if Argo CD is a field manager: Helm sets the same label."""
    managers = tuple(sorted({"argocd-controller", *(item for item in writers if item.startswith("argocd"))}))
    tracking_id = annotations.get("argocd.argoproj.io/tracking-id", "")
    name, why = tracking_id.partition(":")[0], "the annotation argocd.argoproj.io/tracking-id"
    if not name:
        key = "argocd.argoproj.io/instance"
        name, why = labels.get(key, "") or annotations.get(key, ""), key
    writes = bool(writers & set(managers))
    if not name and not writes:
        return None
    if not name:
        name, why = labels.get("app.kubernetes.io/instance", ""), "the field manager argocd-controller"
    return Reconciler("argocd", f"Argo CD application {name}" if name else "Argo CD", why, _ALL_FIELDS, managers)


def _flux(labels: Mapping[str, str], writers: set[str]) -> Iterator[Reconciler]:
    for prefix, kind, manager in (
        ("kustomize.toolkit.fluxcd.io", "Flux Kustomization", "kustomize-controller"),
        ("helm.toolkit.fluxcd.io", "Flux HelmRelease", "helm-controller"),
    ):
        name = labels.get(f"{prefix}/name", "")
        if name:
            namespace = labels.get(f"{prefix}/namespace", "")
            full = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
            yield Reconciler("flux", full, f"the label {prefix}/name", _ALL_FIELDS, (manager,))
        elif manager in writers:
            yield Reconciler("flux", f"Flux ({manager})", f"the field manager {manager}", _ALL_FIELDS, (manager,))


def _managed_by(deployment: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    """The managedFields entries that own part of the field, without our own and those of the status."""
    for item in deployment["metadata"].get("managedFields") or ():
        spec = (item.get("fieldsV1") or {}).get("f:spec") or {}
        if f"f:{field}" in spec and item.get("manager") != OWN and item.get("subresource") != "status":
            yield item
