"""Which cluster the console reaches and as whom: each line with where it comes from, and what nobody could read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from screen_samples import settings

from console.checks.identity import list_identity_facts
from console.config.settings import Settings
from queries.http.endpoint import ClusterEndpoint, ClusterIdentity, ClusterPlace

SEEN = ClusterIdentity("uid-1", "uid-2", "ann", ("dev", "ops"))
UNREAD = "not readable with these permissions"


def facts(chosen: Settings, found: ClusterIdentity | None = SEEN, error: str = "") -> dict[str, tuple[str, str]]:
    return {item.name: (item.value, item.origin) for item in list_identity_facts(chosen, found, error)}


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    place = ClusterPlace("prod", "main", "https://10.0.0.1:6443", "ann", "root", "a token")
    endpoint = ClusterEndpoint("cad", "", context="prod", place=place)
    origins = (("kubernetes", "the config file"), ("namespace", "--namespace"))
    return replace(settings(tmp_path), kubernetes=endpoint, namespace="cad", origins=origins)


def test_each_answer_has_its_origin(chosen: Settings) -> None:
    """What the configuration chose, then what the server says of it."""
    assert facts(chosen) == {
        "context": ("prod", "the config file"),
        "server": ("https://10.0.0.1:6443", "cluster main"),
        "namespace": ("cad", "--namespace"),
        "logs in as": ("user ann", "a token"),
        "impersonates": ("root", "`as` of user ann"),
        "seen as": ("ann", "the API server (SelfSubjectReview)"),
        "groups": ("dev, ops", "the API server (SelfSubjectReview)"),
        "cluster uid": ("uid-1", "UID of kube-system"),
        "namespace uid": ("uid-2", "UID of cad"),
    }


def test_what_could_not_be_read_is_said_and_nothing_is_made_up(chosen: Settings) -> None:
    """Neither the kubeconfig nor the server; before its answer it is fetched, after a fault there is the fault."""
    assert chosen.kubernetes is not None
    place = chosen.kubernetes.place
    assert place is not None
    plain = replace(chosen.kubernetes, place=replace(place, impersonates="", cluster="", user=""))
    found = facts(replace(chosen, kubernetes=plain))
    assert (found["impersonates"], found["server"]) == (("nobody", ""), ("https://10.0.0.1:6443", ""))
    assert found["logs in as"] == ("the kubeconfig cannot be read", "a token")
    broken = replace(chosen.kubernetes, place=None, context="")
    found = facts(replace(chosen, kubernetes=broken, origins=()), ClusterIdentity())
    unread = "the kubeconfig cannot be read"
    assert [found[name] for name in ("context", "server", "namespace", "logs in as", "impersonates")] == [
        (unread, ""), (unread, ""), ("cad", "default"), (unread, ""), (unread, ""),
    ]  # fmt: skip
    assert [found[name][0] for name in ("seen as", "groups", "cluster uid", "namespace uid")] == [UNREAD] * 4
    waits = list_identity_facts(replace(chosen, kubernetes=None), None)
    assert [(item.name, item.value) for item in waits] == [("seen as", "fetching …")]
    assert facts(chosen, None, "no connection")["seen as"] == ("no connection", "the API server")


def test_a_pod_says_that_it_is_one(chosen: Settings) -> None:
    """Its server comes from its variables, and it logs in with its service account."""
    assert chosen.kubernetes is not None
    place = ClusterPlace(server="https://kubernetes.default", credential="the mounted token")
    pod = replace(chosen.kubernetes, in_cluster=True, place=place)
    found = facts(replace(chosen, kubernetes=pod))
    assert found["context"][0] == "in-cluster"
    assert found["server"] == ("https://kubernetes.default", "KUBERNETES_SERVICE_HOST")
    assert found["logs in as"] == ("the pod's service account", "the mounted token")
