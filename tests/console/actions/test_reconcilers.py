"""Who set a field last, as a real API server 1.36 recorded it."""

from __future__ import annotations

import json
import shlex

import pytest
from loopback import RECORDINGS

from console.actions.reconcilers import REPLICAS, TEMPLATE, last_writer, owners


def test_a_kubectl_under_another_name_is_named_as_it_is_called() -> None:
    """`k scale` of a kubectl that is called `k` is recorded as `k`, without a time; `k set` and `k rollout` as kubectl's: the
    newest counts, and none of them is taken for a controller."""
    deployment = json.loads((RECORDINGS / "kubernetes-1.36-kubectl-managers.json").read_text())
    managers = {item["manager"]: item.get("time", "") for item in deployment["metadata"]["managedFields"]}
    assert managers["k"] == "" and "" < managers["kubectl-set"] < managers["kubectl-rollout"]
    assert last_writer(deployment, REPLICAS, ()) == "k"
    assert last_writer(deployment, TEMPLATE, ()) == "kubectl-rollout"
    assert owners(deployment) == ()


def test_of_two_in_one_second_it_was_the_reconciler() -> None:
    """The server keeps whole seconds, so a controller that takes a change back at once has the time of who made it."""
    fields = {"fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:template": {}}}, "time": "2026-03-01T14:03:27Z"}
    labels = {f"{_FLUX}/name": "apps", f"{_FLUX}/namespace": "flux-system"}
    managed = [{"manager": name, "operation": "Update", **fields} for name in ("kubectl", "kustomize-controller")]
    for entries in (managed, managed[::-1]):
        deployment = {"metadata": {"labels": labels, "managedFields": entries}}
        assert last_writer(deployment, TEMPLATE, owners(deployment)) == "Flux Kustomization flux-system/apps"


_FLUX = "kustomize.toolkit.fluxcd.io"
_HELM = "meta.helm.sh/release"


@pytest.mark.parametrize(
    ("meta", "name", "way"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}, "Argo CD application shop",
            "revert it in Git, or argocd app rollback shop with automated sync off",
        ),
        (
            {"labels": {f"{_FLUX}/name": "apps", f"{_FLUX}/namespace": "flux-system"}}, "Flux Kustomization flux-system/apps",
            "revert it in Git; flux suspend kustomization apps -n flux-system keeps Flux from setting it again until then",
        ),
        (
            {"annotations": {f"{_HELM}-name": "cad", f"{_HELM}-namespace": "prod"}}, "Helm release cad",
            "helm rollback cad -n prod",
        ),
    ],
)  # fmt: skip
def test_the_managers_own_way_is_offered_as_text(meta: dict[str, dict[str, str]], name: str, way: str) -> None:
    """For a person to run: the console itself changes nothing in a manager."""
    (owner,) = owners({"metadata": meta})
    assert (owner.name, owner.own_way) == (name, way)


def test_a_managers_name_is_one_word_of_the_shell() -> None:
    """Annotations are anybody's text."""
    (owner,) = owners({"metadata": {"annotations": {f"{_HELM}-name": "x; rm -rf /"}}})
    assert shlex.split(owner.own_way) == ["helm", "rollback", "x; rm -rf /"]
