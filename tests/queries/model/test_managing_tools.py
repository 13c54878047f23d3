"""Which tool would undo a change: by the metadata and field managers that Argo CD, Flux and Helm leave, and how to use each."""

from __future__ import annotations

import pytest

from queries.model.managing_tools import ManagingTool, describe_tools, find_managing_tools

ARGO = "argocd.argoproj.io/"
FLUX = "kustomize.toolkit.fluxcd.io/"
FLUX_HELM = "helm.toolkit.fluxcd.io/"
HELM = {"meta.helm.sh/release-name": "cad", "meta.helm.sh/release-namespace": "ml"}


def revert(command: str) -> str:
    return f"revert it in Git, or {command} with automated sync off"


def suspend(command: str) -> str:
    return f"revert it in Git; {command} keeps Flux from setting it again until then"


@pytest.mark.parametrize(
    ("labels", "annotations", "writers", "tool"),
    [
        (
            {},
            {f"{ARGO}tracking-id": "cad-app:apps/Deployment:ml/api"},
            ["argocd-controller", "argocd-x", "kubectl"],
            ("argocd", "Argo CD application cad-app", "the annotation argocd.argoproj.io/tracking-id",
             ("argocd-controller", "argocd-x"), revert("argocd app rollback cad-app")),
        ),
        (
            {f"{ARGO}instance": "by-label"},
            {f"{ARGO}instance": "by-annotation"},
            [],
            ("argocd", "Argo CD application by-label", "argocd.argoproj.io/instance", ("argocd-controller",),
             revert("argocd app rollback by-label")),
        ),
        (
            {},
            {f"{ARGO}instance": "by annotation"},
            [],
            ("argocd", "Argo CD application by annotation", "argocd.argoproj.io/instance", ("argocd-controller",),
             revert("argocd app rollback 'by annotation'")),
        ),
        (
            {"app.kubernetes.io/instance": "cad"},
            {},
            ["argocd-controller"],
            ("argocd", "Argo CD application cad", "the field manager argocd-controller", ("argocd-controller",),
             revert("argocd app rollback cad")),
        ),
        (
            {},
            {},
            ["argocd-application-controller"],
            ("argocd", "Argo CD", "the field manager argocd-controller",
             ("argocd-application-controller", "argocd-controller"), revert("argocd app rollback APPLICATION")),
        ),
        (
            {f"{FLUX}name": "apps", f"{FLUX}namespace": "flux-system"},
            {},
            [],
            ("flux", "Flux Kustomization flux-system/apps", f"the label {FLUX}name", ("kustomize-controller",),
             suspend("flux suspend kustomization apps -n flux-system")),
        ),
        (
            {f"{FLUX_HELM}name": "cad"},
            HELM,
            ["helm-controller"],
            ("flux", "Flux HelmRelease cad", f"the label {FLUX_HELM}name", ("helm-controller",),
             suspend("flux suspend helmrelease cad")),
        ),
        (
            {},
            {},
            ["helm-controller"],
            ("flux", "Flux (helm-controller)", "the field manager helm-controller", ("helm-controller",),
             suspend("flux suspend helmrelease NAME")),
        ),
        ({}, HELM, [], ("helm", "Helm release cad", "annotations and labels", ("helm", "Helm"), "helm rollback cad -n ml")),
        (
            {"app.kubernetes.io/managed-by": "Helm"},
            {},
            [],
            ("helm", "Helm release", "annotations and labels", ("helm", "Helm"), "helm rollback RELEASE"),
        ),
        ({}, {}, ["helm"], ("helm", "Helm release", "annotations and labels", ("helm", "Helm"), "helm rollback RELEASE")),
    ],
)  # fmt: skip
def test_the_tool_and_its_own_way(
    labels: dict[str, str], annotations: dict[str, str], writers: list[str], tool: tuple[str, str, str, tuple[str, ...], str]
) -> None:
    """Its kind and name, what names it, the managers it writes as, and the command by which a person makes the change."""
    assert find_managing_tools(labels, annotations, writers) == (ManagingTool(*tool),)


def test_nobody_manages_a_plain_object() -> None:
    """Helm's `instance` label alone names no Argo CD application, nor does any other manager or label."""
    labels = {"app.kubernetes.io/instance": "cad", "app.kubernetes.io/managed-by": "kustomize"}
    assert find_managing_tools(labels, {"x": "y"}, ["kubectl", "cad-console", "kube-controller-manager"]) == ()


def test_two_tools_are_both_named() -> None:
    """Argo CD and both controllers of Flux may apply one object; the Helm release behind them is not told to roll back."""
    labels = {f"{FLUX}name": "apps", f"{ARGO}instance": "cad"}
    found = find_managing_tools(labels, HELM, ["helm-controller"])
    assert describe_tools(found) == "Argo CD application cad, Flux Kustomization apps, Flux (helm-controller)"
    assert describe_tools(()) == ""
