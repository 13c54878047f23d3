"""Who else sets a Deployment's fields: autoscalers and GitOps controllers, known by labels, annotations and field managers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from console.actions.deployment_state import DeploymentState
from console.actions.plan import Reconciler

OWN = "cad-console"
"""The console's own field manager."""
REPLICAS, TEMPLATE, PAUSED = "replicas", "template", "paused"
"""The fields of a Deployment's spec that an action changes."""
_EVERY = (REPLICAS, TEMPLATE, PAUSED)


def reconcilers(facts: DeploymentState, field: str) -> tuple[Reconciler, ...]:
    """Those that set this field of the Deployment."""
    return tuple(item for item in _known(facts) if field in item.fields)


def taken_back_by(deployment: Mapping[str, Any], field: str, known: tuple[Reconciler, ...]) -> str:
    """Whose value the field has now: a reconciler's name, or the field manager's as the server keeps it."""
    newest = max(_owners(deployment, field), key=lambda item: str(item.get("time", "")), default=None)
    if newest is None:
        return "somebody whom the server does not name"
    manager = str(newest.get("manager", ""))
    return next((item.name for item in known if manager in item.managers), manager or "a manager without a name")


def _known(facts: DeploymentState) -> Iterator[Reconciler]:
    meta = facts.raw["metadata"]
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    writers = {str(item.get("manager", "")) for item in meta.get("managedFields") or ()}
    scaler = facts.autoscaler()
    if scaler is not None:
        keda = f" of KEDA ScaledObject {scaler.scaled_object}" if scaler.scaled_object else ""
        yield Reconciler("hpa", f"HPA {scaler.name}{keda}", "its target", (REPLICAS,), ("kube-controller-manager",))
    gitops = tuple(item for item in (_argo(labels, notes, writers), *_flux(labels, writers)) if item)
    yield from gitops
    release = notes.get("meta.helm.sh/release-name", "")
    if not gitops and (release or labels.get("app.kubernetes.io/managed-by") == "Helm" or "helm" in writers):
        yield Reconciler("helm", f"Helm release {release}".rstrip(), "its annotations and labels", _EVERY, ("helm", "Helm"))


def _argo(labels: Mapping[str, str], notes: Mapping[str, str], writers: set[str]) -> Reconciler | None:
    """`app.kubernetes.io/instance` names the application only where Argo CD writes: Helm sets the same label."""
    managers = tuple(sorted({"argocd-controller", *(item for item in writers if item.startswith("argocd"))}))
    tracked = notes.get("argocd.argoproj.io/tracking-id", "")
    name, why = tracked.partition(":")[0], "the annotation argocd.argoproj.io/tracking-id"
    if not name:
        key = "argocd.argoproj.io/instance"
        name, why = labels.get(key, "") or notes.get(key, ""), key
    writes = bool(writers & set(managers))
    if not name and not writes:
        return None
    if not name:
        name, why = labels.get("app.kubernetes.io/instance", ""), "the field manager argocd-controller"
    return Reconciler("argocd", f"Argo CD application {name}" if name else "Argo CD", why, _EVERY, managers)


def _flux(labels: Mapping[str, str], writers: set[str]) -> Iterator[Reconciler]:
    for prefix, kind, manager in (
        ("kustomize.toolkit.fluxcd.io", "Flux Kustomization", "kustomize-controller"),
        ("helm.toolkit.fluxcd.io", "Flux HelmRelease", "helm-controller"),
    ):
        name = labels.get(f"{prefix}/name", "")
        if name:
            place = labels.get(f"{prefix}/namespace", "")
            full = f"{kind} {place}/{name}" if place else f"{kind} {name}"
            yield Reconciler("flux", full, f"the label {prefix}/name", _EVERY, (manager,))
        elif manager in writers:
            yield Reconciler("flux", f"Flux ({manager})", f"the field manager {manager}", _EVERY, (manager,))


def _owners(deployment: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    """The entries of managedFields that hold a part of the field, without our own and those of the status."""
    for item in deployment["metadata"].get("managedFields") or ():
        spec = (item.get("fieldsV1") or {}).get("f:spec") or {}
        if f"f:{field}" in spec and item.get("manager") != OWN and item.get("subresource") != "status":
            yield item
