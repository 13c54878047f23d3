"""Which tool applies an object again and again: Argo CD, Flux or Helm, by its metadata and its field managers."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

OWN_MANAGER = "cad-console"
"""The field manager as which a console writes."""


class ManagingTool(NamedTuple):
    """A tool; `because` is what names it, `managers` are the field managers that it writes as. `own_way` is how a
    person makes the change with it instead.
    """

    kind: str
    name: str
    because: str
    managers: tuple[str, ...]
    own_way: str


def find_managing_tools(
    labels: Mapping[str, str], annotations: Mapping[str, str], writers: Collection[str]
) -> tuple[ManagingTool, ...]:
    """The GitOps tools that apply the object, else its Helm release; `writers` are its field managers."""
    gitops = tuple(item for item in (_argo(labels, annotations, writers), *_flux(labels, writers)) if item)
    if gitops:
        return gitops
    release = annotations.get("meta.helm.sh/release-name", "")
    if release or labels.get("app.kubernetes.io/managed-by") == "Helm" or "helm" in writers:
        namespace = annotations.get("meta.helm.sh/release-namespace", "")
        way = shlex.join(["helm", "rollback", release or "RELEASE", *(["-n", namespace] if namespace else [])])
        return (ManagingTool("helm", f"Helm release {release}".rstrip(), "annotations and labels", ("helm", "Helm"), way),)
    return ()


def describe_tools(tools: Iterable[ManagingTool]) -> str:
    """Their names; empty without one."""
    return ", ".join(item.name for item in tools)


def _argo(labels: Mapping[str, str], annotations: Mapping[str, str], writers: Collection[str]) -> ManagingTool | None:
    """`app.kubernetes.io/instance` names the application only if Argo CD is a field manager: Helm sets the same label."""
    managers = tuple(sorted({"argocd-controller", *(item for item in writers if item.startswith("argocd"))}))
    tracking_id = annotations.get("argocd.argoproj.io/tracking-id", "")
    name, why = tracking_id.partition(":")[0], "the annotation argocd.argoproj.io/tracking-id"
    if not name:
        key = "argocd.argoproj.io/instance"
        name, why = labels.get(key, "") or annotations.get(key, ""), key
    if not name and not set(writers) & set(managers):
        return None
    if not name:
        name, why = labels.get("app.kubernetes.io/instance", ""), "the field manager argocd-controller"
    # Source: argocd's own refusal: "rollback cannot be performed against an application with automated sync enabled".
    way = f"revert it in Git, or {shlex.join(['argocd', 'app', 'rollback', name or 'APPLICATION'])} with automated sync off"
    return ManagingTool("argocd", f"Argo CD application {name}" if name else "Argo CD", why, managers, way)


def _flux(labels: Mapping[str, str], writers: Collection[str]) -> Iterator[ManagingTool]:
    for prefix, kind, manager in (
        ("kustomize.toolkit.fluxcd.io", "Flux Kustomization", "kustomize-controller"),
        ("helm.toolkit.fluxcd.io", "Flux HelmRelease", "helm-controller"),
    ):
        name, namespace = labels.get(f"{prefix}/name", ""), labels.get(f"{prefix}/namespace", "")
        words = ["flux", "suspend", kind.split()[1].lower(), name or "NAME", *(["-n", namespace] if namespace else [])]
        way = f"revert it in Git; {shlex.join(words)} keeps Flux from setting it again until then"
        if name:
            full = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
            yield ManagingTool("flux", full, f"the label {prefix}/name", (manager,), way)
        elif manager in writers:
            yield ManagingTool("flux", f"Flux ({manager})", f"the field manager {manager}", (manager,), way)
