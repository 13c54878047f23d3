"""From an alert to its target and to what would help."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.actions.registry import ACTIONS
from console.config.settings import AlertTarget
from console.config.text_formats import is_target
from console.runbooks.page import Runbook
from console.runbooks.suggested_actions import ACTION_KINDS, fill_target, silence_of, suggest_action, suggestions_for, target_of
from console.state.place import Place
from console.state.revisions import RevisionRecord
from queries.model.action import ActionCall
from queries.model.alert import Alert, AlertState
from queries.model.cluster import Cluster
from queries.model.pod import Pod
from queries.model.workload import Container, Revision, Workload


def workload(name: str, **more: object) -> Workload:
    told: dict[str, object] = {
        "namespace": "n", "name": name, "uid": name, "resource_version": "1", "generation": 1, "observed_generation": 1,
        "desired": 3, "replicas": 3, "updated": 3, "ready": 3, "available": 3, "paused": False, "revision": 2,
        "created_at": 0.0,
        "selector": (("app", name),), "containers": (Container("c", "r/x:2"),), **more,
    }  # fmt: skip
    return Workload(**told)  # type: ignore[arg-type]


CLUSTER = Cluster(
    "n",
    (workload("cad-ml-api"), workload("ocr-provider-deepseek", revision=1)),
    (
        Revision(1, "a", "cad-ml-api", 0.0, 0, containers=(Container("c", "r/x:1"),)),
        Revision(2, "b", "cad-ml-api", 1.0, 3, containers=(Container("c", "r/x:2"),)),
        Revision(1, "c", "ocr-provider-deepseek", 0.0, 3),
    ),
    (Pod("n", "cad-ml-api-abc-1", "p", "Running", True, 0, 0.0, labels=(("app", "cad-ml-api"),)),),
)
HERE = Place("production", "n", "prod-eu", "eu-1", (("region", ("eu", "eu-west")),), ("kubectl", "--context", "prod-eu"))
RUNBOOK = Runbook("r", "r.md", "R", actions=(ActionCall("rollback", "deployment/cad-ml-api"),))


def alert(**labels: str) -> Alert:
    return Alert("f", AlertState.ACTIVE, tuple(sorted({"alertname": "A", **labels}.items())))


@pytest.mark.parametrize(
    ("labels", "target"),
    [
        ({"deployment": "cad-render"}, "deployment/cad-render"),
        ({"pod": "cad-ml-api-abc-1"}, "deployment/cad-ml-api"),
        ({"provider": "deepseek"}, "deployment/ocr-provider-deepseek"),
        ({"provider": "unknown"}, "deployment/cad-ml-api"),
        ({}, "deployment/cad-ml-api"),
    ],
)
def test_the_target_comes_from_labels_then_the_runbook(labels: dict[str, str], target: str) -> None:
    """Deployment, the pod's owner, the provider's workload, then what the runbook names."""
    assert target_of(alert(**labels), CLUSTER, runbook=RUNBOOK) == target


STORE = replace(workload("cad-ml-api"), kind="StatefulSet", uid="s")
MIXED = replace(CLUSTER, workloads=(*CLUSTER.workloads, STORE))


@pytest.mark.parametrize(
    ("labels", "target"),
    [
        ({"statefulset": "redis"}, "statefulset/redis"),
        ({"daemonset": "agent"}, "daemonset/agent"),
        ({"cronjob": "nightly", "job_name": "nightly-1"}, "cronjob/nightly"),
        ({"job_name": "load"}, "job/load"),
        ({"job": "cad-ml-api", "pod": "cad-ml-api-0"}, "statefulset/cad-ml-api"),
        ({"statefulset": "{provider}", "provider": "x"}, ""),
    ],
)
def test_an_alert_may_be_about_any_kind_of_workload(labels: dict[str, str], target: str) -> None:
    """As kube-state-metrics names it in its labels, or as the pod's controller; `job` is the scrape job of any series."""
    pod = Pod("n", "cad-ml-api-0", "p0", "Running", True, 0, 0.0, owner_uid="s", owner="StatefulSet/cad-ml-api")
    assert target_of(alert(**labels), replace(MIXED, pods=(*MIXED.pods, pod))) == target


def test_a_stateful_set_of_the_same_name_is_another_workload() -> None:
    """Each action is suggested for the very kind that the target names, and only where the kind has it."""

    def suggested(target: str, action: str = "scale") -> str:
        found = suggest_action(ActionCall(action, target, {"replicas": "5"}), MIXED, place=HERE)
        return found.command if found else ""

    paused = replace(MIXED, workloads=(*CLUSTER.workloads, replace(STORE, desired=9)))
    assert suggested("statefulset/cad-ml-api").endswith("scale statefulset/cad-ml-api --replicas=5")
    assert suggest_action(ActionCall("scale", "statefulset/cad-ml-api", {"replicas": "5"}), paused, place=HERE) is None
    assert suggested("statefulset/gone") == ""
    assert suggested("statefulset/cad-ml-api", "rollback") == "cad-console act rollback statefulset/cad-ml-api"
    found = suggestions_for(alert(cronjob="nightly"), MIXED, place=HERE, runbook=None)
    assert [item.action for item in found] == ["silence"]
    found = suggestions_for(alert(statefulset="cad-ml-api"), MIXED, place=HERE, runbook=None)
    assert [item.action for item in found] == ["rollback", "restart", "silence"]


def test_what_is_suggested_for_a_kind_is_what_the_action_can_change() -> None:
    """The table and the actions themselves agree."""
    kinds = {action.name: tuple(kind.lower() for kind in action.kinds) for action in ACTIONS if action.name in ACTION_KINDS}
    assert kinds == ACTION_KINDS


def test_the_config_beats_the_labels() -> None:
    """What a person wrote into the config is meant."""
    told = (AlertTarget("A", "deployment/redis"),)
    assert target_of(alert(deployment="x"), CLUSTER, configured=told) == "deployment/redis"


@given(st.text(max_size=80))
def test_a_label_never_makes_anything_but_a_name(value: str) -> None:
    """Whatever a label holds, a target is empty or deployment/NAME with a name that Kubernetes allows."""
    for target in (
        fill_target("deployment/ocr-provider-{provider}", (("provider", value),)),
        fill_target("deployment/{provider}", (("provider", value),)),
        target_of(alert(deployment=value), None),
        target_of(alert(provider=value), None),
    ):
        assert target == "" or is_target(target)


def test_a_rollback_says_what_it_would_do() -> None:
    """From and to which revision, with the images; nothing is offered where there is nothing to go back to."""
    seen = {("cad-ml-api", "a"): RevisionRecord(ready_at=1.0)}
    told = suggest_action(ActionCall("rollback", "deployment/cad-ml-api"), CLUSTER, place=HERE, records=seen)
    assert told is not None and told.sentence == "roll back cad-ml-api 2 → 1 (image 2 → 1)"
    assert told.command == "kubectl --context prod-eu -n n rollout undo deployment/cad-ml-api --to-revision=1"
    assert told.parameters == {"revision": "1"}
    assert suggest_action(ActionCall("rollback", "deployment/ocr-provider-deepseek"), CLUSTER, place=HERE) is None
    assert suggest_action(ActionCall("rollback", "deployment/gone"), CLUSTER, place=HERE) is None


def test_a_rollback_names_what_is_not_known_and_offers_nothing_that_is_known_to_be_bad() -> None:
    """Without a record the one before is offered as what it is; one that failed, or was rolled back from, is not offered."""
    told = suggest_action(ActionCall("rollback", "deployment/cad-ml-api"), CLUSTER, place=HERE)
    assert told is not None and told.sentence == "roll back cad-ml-api 2 → 1 (image 2 → 1); 1 is not known to have been ready"
    for record in (RevisionRecord(failed_at=1.0), RevisionRecord(ready_at=1.0, left_at=2.0, left_by="ann", left_number=1)):
        records = {("cad-ml-api", "a"): record}
        assert suggest_action(ActionCall("rollback", "deployment/cad-ml-api"), CLUSTER, place=HERE, records=records) is None
    named = {"revision": "1"}
    told = suggest_action(ActionCall("rollback", "deployment/cad-ml-api", named), CLUSTER, place=HERE, records=records)
    assert told is not None and told.sentence.endswith("; 1 was rolled back from at 1970-01-01 00:00Z by ann")


def test_scaling_up_only() -> None:
    """A runbook's five replicas are offered while there are fewer."""
    five = {"replicas": "5"}
    told = suggest_action(ActionCall("scale", "deployment/cad-ml-api", five), CLUSTER, place=HERE)
    assert told is not None and told.sentence == "scale cad-ml-api 3 → 5 replicas"
    assert suggest_action(ActionCall("scale", "deployment/cad-ml-api", {"replicas": "2"}), CLUSTER, place=HERE) is None


def test_a_silence_is_always_possible() -> None:
    """Also an alert of which nothing is known can be silenced, and it comes last."""
    told = suggestions_for(alert(), None, place=HERE, runbook=None)
    assert [item.action for item in told] == ["silence"]
    told = suggestions_for(alert(), CLUSTER, place=HERE, runbook=RUNBOOK)
    assert [item.action for item in told] == ["rollback", "silence"]


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_the_equal_command_survives_a_shell(value: str) -> None:
    """Quotes and dollars in a label stay text when the command is pasted."""
    command = silence_of((("alertname", value),)).command
    words = shlex.split(command)
    assert len(words) == 4
    assert words[3].startswith("alertname=")
