"""Rolling a StatefulSet or DaemonSet back without a server: which of its ControllerRevisions, and what is asked again."""

from __future__ import annotations

from typing import Any

import pytest
from plain_cluster import described

from console.actions.deployment_action import image_differences
from console.actions.deployment_preflight import STRATEGIC_PATCH
from console.actions.deployment_state import DeploymentState
from console.actions.plan import ActionRefused, CheckLevel, Plan, Request
from console.actions.rollback import Rollback


def template(image: str, *more: str) -> dict[str, Any]:
    containers = [{"name": "one", "image": image}, *({"name": name, "image": image} for name in more)]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}


def revision(number: int, image: str) -> dict[str, Any]:
    data = {"spec": {"template": {"$patch": "replace", **template(image)}}}
    return {**described(f"web-{number}", "ControllerRevision"), "revision": number, "data": data}


def state(*revisions: dict[str, Any], image: str = "one:3", observed: int = 2, **spec: Any) -> DeploymentState:
    own = {"replicas": 2, "selector": {}, "template": template(image), **spec}
    status = {"observedGeneration": observed, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    found = described("web", "StatefulSet", spec=own, status=status)
    return DeploymentState(found, (), (), (), controller_revisions=revisions)


ALL = (revision(2, "one:2"), revision(10, "one:3"), revision(9, "one:1"))


def planned(found: DeploymentState, requested: str = "") -> Plan:
    request = Request("rollback", "statefulset/web", {"revision": requested} if requested else {})
    return Rollback().plan(request, found, 0.0)


@pytest.mark.parametrize(("requested", "number", "image"), [("", 9, "one:1"), ("9", 9, "one:1"), ("2", 2, "one:2")])
def test_the_one_before_the_newest_is_the_default(requested: str, number: int, image: str) -> None:
    """By their numbers, not their order; it becomes the next one, and its undo is the newest. Its number is typed again."""
    plan = planned(state(*ALL), requested)
    assert (plan.content_type, plan.notes) == (STRATEGIC_PATCH, ("becomes revision 11",))
    assert plan.body["spec"]["template"]["spec"]["containers"][0]["image"] == image
    assert plan.command == f"kubectl -n n rollout undo statefulset/web --to-revision={number}"
    assert plan.undo is not None and dict(plan.undo.parameters) == {"revision": "10"}
    shown = {item.name: (item.before, item.after) for item in plan.differences}
    assert shown["revision"][0] == "10" and shown["revision"][1].startswith(f"{number} (created ")
    assert (shown["image"], shown["replicas"]) == (("one:3", image), ("2", "2"))
    (check,) = Rollback().own_checks(plan, state(*ALL))
    assert (check.level, check.word) == (CheckLevel.ASK, str(number))
    assert Rollback().find_new_pods(plan, state(*ALL)).template["spec"]["containers"][0]["image"] == image
    assert Rollback().is_in_place(plan, {"spec": {"template": template(image)}})
    assert not Rollback().is_in_place(plan, {"spec": {"template": template("one:9")}})


@pytest.mark.parametrize(
    ("found", "requested", "why"),
    [
        (state(), "", "web has no revision to go back to"),
        (state(revision(1, "one:1")), "", "web has no revision to go back to"),
        (state(revision(1, "one:1")), "1", "web has no revision to go back to"),
        (state(*ALL), "7", "web has no revision 7; it has 10, 9, 2"),
        (state(*ALL), "10", "web already runs the template of revision 10"),
        (state(*ALL, image="one:1"), "", "web already runs the template of revision 9"),
        (state(*ALL, observed=1), "", "its controller has not observed it yet"),
        (state(*ALL, paused=True), "", "web is paused: resume its rollout first"),
    ],
)
def test_what_no_revision_can_be_rolled_back_to(found: DeploymentState, requested: str, why: str) -> None:
    """One alone is none to go back to; an unknown number is named with those that there are."""
    with pytest.raises(ActionRefused, match=why):
        planned(found, requested)
    assert planned(state(*ALL[:2])).command.endswith("=2")


@pytest.mark.parametrize(("more", "names"), [((), ["image"]), (("two",), ["image one", "image two"])])
def test_an_image_needs_a_name_beside_another(more: tuple[str, ...], names: list[str]) -> None:
    """One container is `image`, of two each has its own."""
    found = state(template=template("one:3", *more))
    assert [(item.name, item.before, item.after) for item in image_differences(found)] == [
        (name, "one:3", "one:3") for name in names
    ]
