"""Where an alert points: here, elsewhere, or to a place of which nothing is known."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.config.settings import AlertTarget
from console.runbooks.page import Runbook
from console.runbooks.suggested_actions import suggestions_for
from console.state.place import Place, pod_owners
from queries.model.action import ActionCall
from queries.model.alert import Alert, AlertState
from queries.model.cluster import Cluster
from queries.model.pod import Pod
from queries.model.series import Sample
from queries.model.workload import Container, Revision, Workload
from queries.prometheus.kube_state import read_cluster

HERE = Place(
    "production", "cad-ml-platform", "prod-eu", "eu-1", (("region", ("eu", "eu-west")),), ("kubectl", "--context", "prod-eu")
)
API = Workload(
    namespace="cad-ml-platform", name="cad-ml-api", uid="u", resource_version="1", generation=1, observed_generation=1,
    desired=3, replicas=3, updated=3, ready=3, available=3, paused=False, revision=2, created_at=0.0,
    selector=(("app", "cad-ml-api"),),
    containers=(Container("c", "r/x:2"),),
)  # fmt: skip
CLUSTER = Cluster(
    "cad-ml-platform",
    (API,),
    (
        Revision(1, "cad-ml-api-5d4f", "u", 0.0, 0, containers=(Container("c", "r/x:1"),)),
        Revision(2, "cad-ml-api-7c9b", "u", 1.0, 3, containers=(Container("c", "r/x:2"),)),
    ),
    (
        Pod("cad-ml-platform", "cad-ml-api-7c9b-aaaaa", "p", "Running", True, 0, 0.0, labels=(("app", "cad-ml-api"),)),
        Pod("cad-ml-platform", "redis-0", "q", "Running", True, 0, 0.0),
    ),
)
RUNBOOK = Runbook("r", "r.md", "R", actions=(ActionCall("rollback", "deployment/cad-ml-api"),))


def alert(**labels: str) -> Alert:
    return Alert("f", AlertState.ACTIVE, tuple(sorted({"alertname": "A", **labels}.items())))


def offered(place: Place, **labels: str) -> list[str]:
    told = suggestions_for(alert(**labels), CLUSTER, place=place, runbook=RUNBOOK)
    return [item.action for item in told]


POINTS_HERE = (
    {},
    {"namespace": "cad-ml-platform"},
    {"namespace": "monitoring", "exported_namespace": "cad-ml-platform"},
    {"namespace": "otel", "k8s_namespace_name": "cad-ml-platform"},
    {"environment": "production"},
    {"environment": "PROD"},
    {"env": "prod", "cluster": "eu-1", "context": "prod-eu"},
    {"cluster": "prod-eu"},
    {"cluster": "production"},
    {"region": "eu-west"},
    {"pod": "cad-ml-api-7c9b-aaaaa"},
    {"pod": "cad-ml-api-5d4f-gone1"},
    {"pod": "redis-0"},
    {"pod": "not-of-this-namespace", "namespace": "cad-ml-platform"},
    {"pod": "kube-state-metrics-0", "exported_pod": "cad-ml-api-7c9b-aaaaa"},
)
POINTS_ELSEWHERE = (
    ({"namespace": "payments"}, "namespace says payments", "kubectl --context prod-eu -n payments rollout history"),
    (
        {"namespace": "cad-ml-platform", "exported_namespace": "payments"},
        "exported_namespace says payments",
        "kubectl --context prod-eu -n payments",
    ),
    ({"kube_namespace": "payments"}, "kube_namespace says payments", "-n payments"),
    ({"k8s.namespace.name": "payments"}, "k8s.namespace.name says payments", "-n payments"),
    ({"environment": "staging"}, "this is production", "cad-console --environment staging --namespace cad-ml-platform"),
    ({"env": "stg"}, "env says stg", "cad-console --environment stg"),
    ({"cluster": "us-1"}, "an unknown place: here only prod-eu or eu-1 or production is known", "--context us-1"),
    ({"context": "prod-us"}, "this is context prod-eu", "kubectl --context prod-us -n cad-ml-platform"),
    ({"region": "us"}, "here that would be eu, eu-west", "kubectl"),
    (
        {"pod": "payments-7f-x"},
        "its pod payments-7f-x is not one of",
        "get pods -A --field-selector metadata.name=payments-7f-x",
    ),
    ({"namespace": "payments", "environment": "staging"}, "staging", "cad-console --environment staging --namespace payments"),
)


@pytest.mark.parametrize("labels", POINTS_HERE)
def test_an_alert_of_this_place_has_its_actions(labels: dict[str, str]) -> None:
    """The names that this place is known by, an exporter's own namespace beside the object's, and no place at all."""
    assert HERE.elsewhere(alert(**labels).labels, pod_owners(CLUSTER)) is None
    assert "rollback" in offered(HERE, **labels)


@pytest.mark.parametrize(("labels", "reason", "command"), POINTS_ELSEWHERE)
def test_an_alert_of_elsewhere_has_no_action_and_says_what_to_run(labels: dict[str, str], reason: str, command: str) -> None:
    """Namespace, cluster, context, environment, configured label, pod: the reason names the label, the command looks there."""
    away = HERE.elsewhere(alert(deployment="cad-ml-api", **labels).labels, pod_owners(CLUSTER))
    assert away is not None
    assert reason in away.reason
    assert command in away.command
    assert not {"undo", "restart", "scale", "pause"} & set(shlex.split(away.command))
    assert offered(HERE, deployment="cad-ml-api", **labels) == ["silence"]


def test_a_configured_target_does_not_lead_an_alert_of_elsewhere_here() -> None:
    """`alert_targets` names a workload of this namespace; it says nothing of another one's alert."""
    configured = (AlertTarget("A", "deployment/cad-ml-api"),)
    for namespace, actions in (("payments", ["silence"]), ("cad-ml-platform", ["rollback", "restart", "silence"])):
        told = suggestions_for(alert(namespace=namespace), CLUSTER, place=HERE, runbook=None, configured=configured)
        assert [item.action for item in told] == actions


def test_what_a_label_may_say_here_can_be_configured() -> None:
    """A configured label takes the values that it lists and no others, whatever the label is called."""
    told = replace(HERE, labels=(("cluster", ("us-1",)), ("namespace", ("cad-ml-platform", "monitoring"))))
    assert offered(told, cluster="us-1", namespace="monitoring") == ["rollback", "silence"]
    assert offered(told, cluster="eu-1") == ["silence"]


def test_a_place_without_names_takes_no_label_for_its_own() -> None:
    """Without a config nobody knows which environment or cluster this is: a label that names one is an unknown place."""
    unknown = Place("", "cad-ml-platform")
    assert offered(unknown, namespace="cad-ml-platform") == ["rollback", "silence"]
    assert offered(unknown, environment="production") == ["silence"]
    assert offered(unknown, cluster="eu-1") == ["silence"]
    away = unknown.elsewhere(alert(environment="production", cluster="eu-1").labels)
    assert away is not None
    assert "--environment" in away.reason
    assert "no name of this cluster is known here" in away.reason


@given(st.dictionaries(st.sampled_from(["namespace", "cluster", "environment", "pod", "deployment"]), st.text(max_size=30)))
def test_whatever_labels_hold_the_command_is_words_of_a_shell(labels: dict[str, str]) -> None:
    """Text from outside becomes one word each, and the reason one line."""
    away = HERE.elsewhere(alert(**labels).labels, pod_owners(CLUSTER))
    if away is not None:
        assert shlex.split(away.command)[0] in ("kubectl", "cad-console")
        assert "\n" not in away.reason


def series(name: str, value: float, **labels: str) -> Sample:
    return Sample(tuple(sorted({"__name__": name, "namespace": "cad-ml-platform", **labels}.items())), value)


def workload_of(name: str, desired: float, ready: float, **labels: str) -> list[Sample]:
    return [
        series("kube_deployment_spec_replicas", desired, deployment=name, **labels),
        series("kube_deployment_status_replicas_ready", ready, deployment=name, **labels),
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"cluster": "eu-1"}, {"cluster": "us-1"}),
        ({}, {"cluster": "us-1"}),
        ({"env": "prod"}, {"env": "staging"}),
        ({"region": "eu-west"}, {"region": "us"}),
    ],
)
def test_series_of_several_clusters_are_told_apart(ours: dict[str, str], theirs: dict[str, str]) -> None:
    """A Prometheus of several clusters has a Deployment of one name in a namespace of one name in each: only ours counts."""
    own, other = workload_of("cad-ml-api", 3.0, 1.0, **ours), workload_of("cad-ml-api", 9.0, 9.0, **theirs)
    for samples in ([*own, *other], [*other, *own]):
        found, others = HERE.select_own(samples)
        assert (set(found), others) == (set(own), "")
        cluster = read_cluster(found, "cad-ml-platform")
        assert cluster is not None and [(item.desired, item.ready) for item in cluster.workloads] == [(3, 1)]


def test_one_cluster_is_ours_whatever_it_is_called_and_of_two_unknown_ones_none_is() -> None:
    """Which of them it is, is not known then: neither is shown for the other."""
    one, two = workload_of("api", 3.0, 1.0, cluster="x"), workload_of("api", 9.0, 9.0, cluster="y\x1b[2J")
    assert HERE.select_own(one) == (tuple(one), "") and HERE.select_own(()) == ((), "")
    found, others = HERE.select_own([*one, *two])
    assert found == () and others.startswith('cluster="x" or cluster="y') and "\x1b" not in others
