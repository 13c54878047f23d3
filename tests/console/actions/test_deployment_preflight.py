"""The checks of every change of a workload, each value on its line, from objects as an API server returns them."""

from __future__ import annotations

from typing import Any

import pytest
from plain_cluster import PlainCluster, described

from console.actions.deployment_action import find_replaced_pods
from console.actions.deployment_preflight import (
    check_access,
    check_autoscaling,
    check_budgets,
    check_dry_run,
    check_rollout,
    check_strategy,
    expected_containers,
    without_precondition,
)
from console.actions.deployment_state import DeploymentState, fetch_deployment_state, parse_target
from console.actions.plan import ActionRefused, CheckLevel, Plan, Request
from console.actions.scale import Scale, check_factor
from queries.errors import AccessDenied, RateLimited, RequestRejected, SourceError, TimedOut, Unreachable
from queries.model.replica_limits import Autoscaler, DisruptionBudget

EXCEEDED = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
OK, WARN, ASK, BLOCK = CheckLevel.OK, CheckLevel.WARN, CheckLevel.ASK, CheckLevel.BLOCK
DONE = {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 4, "readyReplicas": 4, "availableReplicas": 4}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "b"}], "initContainers": [{"name": "a"}]}}


def deployment(replicas: int = 4, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    own = {"replicas": replicas, "template": TEMPLATE, "selector": {"matchLabels": {"app": "web"}}, **spec}
    return described("web", "Deployment", spec=own, status={**DONE, **(status or {})})


def scaler(name: str = "web", kind: str = "Deployment", target: str = "web", most: int = 8) -> Autoscaler:
    return Autoscaler("n", name, kind, target, 3, most, 4, 4)


def state(
    found: dict[str, Any] | None = None, *, scalers: tuple[Autoscaler, ...] | None = (), budgets: Any = (), **given: Any
) -> DeploymentState:
    return DeploymentState(found or deployment(), (), scalers, budgets, **given)


@pytest.mark.parametrize(
    ("current", "replicas", "said"),
    [
        (4, None, "HPA web 3–8 is active; replicas may change"),
        (4, 2, "WILL REVERT this within 15s: 2 is below its minimum 3"),
        (4, 3, "is active and may change 3 again"),
        (4, 8, "is active and may change 8 again"),
        (4, 9, "WILL REVERT this within 15s: 9 is above its maximum 8"),
        (4, 0, "is disabled at 0 replicas: nothing scales up again"),
        (0, 1, "was disabled at 0 replicas; this enables it again"),
        (0, None, "is active; replicas may change"),
        (1, 3, "is active and may change 3 again"),
    ],
)
def test_an_autoscaler_undoes_only_what_is_outside_its_limits(current: int, replicas: int | None, said: str) -> None:
    """Minimum and maximum are inside. Of several it is that of this workload: kind and name both."""
    others = scaler("x", kind="StatefulSet"), scaler("y", target="other")
    found = check_autoscaling(state(deployment(current), scalers=(*others, scaler())), replicas=replicas)
    assert [item.level for item in found] == [WARN] and found[0].text.endswith(said) and "HPA web" in found[0].text
    assert check_autoscaling(state(scalers=others), replicas=replicas) == ()
    (unread,) = check_autoscaling(state(scalers=None, unread=("HPAs: forbidden", "x")), replicas=replicas)
    assert (unread.level, unread.text) == (WARN, "could not check for a conflicting HPA (HPAs: forbidden; x)")


@pytest.mark.parametrize(
    ("strategy", "replicas", "level", "text"),
    [
        ({"type": "Recreate"}, 4, WARN, "strategy Recreate: 0 of 4 pods serve for a while"),
        ({"type": "Recreate"}, 0, OK, "strategy Recreate: 0 of 0 pods serve for a while"),
        ({"type": "OnDelete"}, 4, WARN, "strategy OnDelete: each pod keeps the old template until someone deletes it"),
        ({"type": "Other"}, 4, WARN, "strategy Other: not known how many pods serve meanwhile"),
        ({"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}, 4, OK,
         "surge 2, unavailable 0: 4 of 4 pods serve throughout, at most 6 run"),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, 4, WARN,
         "surge 0, unavailable 1: at the worst moment 3 of 4 pods serve, at most 4 run"),
        ({"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": "50%"}}, 4, WARN,
         "surge 2, unavailable 2: at the worst moment 2 of 4 pods serve, at most 6 run"),
    ],
)  # fmt: skip
def test_the_worst_moment_of_a_rollout_in_numbers(
    strategy: dict[str, Any], replicas: int, level: CheckLevel, text: str
) -> None:
    check = check_strategy(state(deployment(replicas, strategy=strategy)))
    assert (check.level, check.text.endswith(text)) == (level, True), check.text


@pytest.mark.parametrize(
    ("found", "level", "text"),
    [
        (deployment(), OK, "no rollout in progress, not paused"),
        (deployment(paused=True), WARN, "its rollout is paused"),
        (deployment(status={"updatedReplicas": 3}), WARN, "a rollout is in progress: web: 3 of 4 new pods created"),
        (deployment(status={"observedGeneration": 1}), WARN, "a rollout is in progress: web: waiting for the controller"),
        (
            deployment(status={"conditions": [EXCEEDED]}),
            WARN, "the last rollout failed: web: exceeded its progress deadline",
        ),
    ],
)  # fmt: skip
def test_a_rollout_in_progress_is_warned_of(found: dict[str, Any], level: CheckLevel, text: str) -> None:
    check = check_rollout(state(found))
    assert (check.level, check.text.startswith(text)) == (level, True), check.text


def test_a_daemon_set_that_waits_for_deletions_is_no_rollout() -> None:
    status = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 1, "numberAvailable": 3}
    found = described("web", "DaemonSet", spec={"updateStrategy": {"type": "OnDelete"}, "template": TEMPLATE}, status=status)
    check = check_rollout(state(found))
    assert (check.level, "2 of 3 pods keep the old template" in check.text) == (OK, True)


@pytest.mark.parametrize(("scaling_down", "level"), [(True, WARN), (False, OK)])
def test_a_budget_limits_evictions_only(scaling_down: bool, level: CheckLevel) -> None:
    """Those that select the pods, each in a line of its own; another app's is none of them."""
    own = DisruptionBudget("n", "own", (("app", "web"),), 1, "at least 1 available")
    every, other = DisruptionBudget("n", "all", (), 1, everything=True), DisruptionBudget("n", "other", (("app", "x"),), 1)
    found = check_budgets(state(budgets=(own, other, every)), scaling_down=scaling_down)
    assert [item.level for item in found] == [level, level]
    names = ["PodDisruptionBudget own (at least 1 available) ", "PodDisruptionBudget all "]
    assert [item.text.startswith(name) for item, name in zip(found, names, strict=True)] == [True, True]
    assert check_budgets(state(budgets=None), scaling_down=scaling_down) == ()


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (TimedOut("slow"), True), (Unreachable("gone"), True), (RateLimited("later", status=429), True),
        (RequestRejected("bad", status=422), False), (AccessDenied("no", status=403), False),
        (RequestRejected("conflict", status=409), False),
    ],
)  # fmt: skip
async def test_a_dry_run_without_an_answer_is_not_called_a_rejection(error: SourceError, asked: bool) -> None:
    """It blocks either way: nobody knows what the server would do, or it would refuse."""

    async def fail() -> None:
        raise error

    async def accept() -> None:
        return None

    check = await check_dry_run(fail())
    words = "could not check whether the server would accept it" if asked else "the server would reject it"
    assert (check.level, check.text) == (BLOCK, f"{words}: {error}")
    assert (await check_dry_run(accept())).level is OK


class Rights(PlainCluster):
    def __init__(self, answer: tuple[bool, str] | SourceError) -> None:
        super().__init__()
        self.answer = answer
        self.reviewed: list[tuple[str, str, str, str]] = []

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        self.reviewed.append((verb, resource, subresource, name))
        if isinstance(self.answer, SourceError):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        ((True, ""), OK, "you may patch deployments"),
        ((False, ""), BLOCK, "you may not patch deployments"),
        ((False, "no role"), BLOCK, ": no role"),
        (Unreachable("gone"), WARN, "could not check whether you may patch deployments"),
    ],
)
async def test_what_the_server_says_of_a_right(answer: Any, level: CheckLevel, text: str) -> None:
    rights: Any = Rights(answer)
    check = await check_access(rights, "deployments", "web", subresource="scale")
    assert check.level is level and text in check.text.replace("/scale", "")
    assert rights.reviewed == [("patch", "deployments", "scale", "web")]


def test_a_dry_run_goes_without_its_precondition() -> None:
    """In both forms of a patch; all else stays, and what has none is as it was."""
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": "5"}
    rest = {"op": "test", "path": "/metadata/name", "value": "web"}
    assert without_precondition([version, rest]) == [rest]
    merge = {"metadata": {"resourceVersion": "5", "labels": {"a": "b"}}, "spec": {"x": 1}}
    assert without_precondition(merge) == {"metadata": {"labels": {"a": "b"}}, "spec": {"x": 1}}
    assert merge["metadata"]["resourceVersion"] == "5"  # type: ignore[index]
    for body in ({"spec": {}}, "text", {"metadata": None}):
        assert without_precondition(body) == body


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"spec": {"replicas": 1}}, ("a", "b")),
        ({"spec": {"template": {"spec": {"containers": [{"name": "x"}]}}}}, ("a", "b")),
        ({"spec": {"template": {"$patch": "replace", "spec": {"containers": [{"name": "x"}]}}}}, ("x",)),
        ({"spec": None}, ("a", "b")),
        (
            [{"op": "test", "path": "/x"}, {"path": "/spec/template", "value": {"spec": {"containers": [{"name": "y"}]}}}],
            ("y",),
        ),
        ([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "i"}], ("a", "b")),
    ],
)
def test_only_a_replaced_template_may_have_other_containers(body: Any, names: tuple[str, ...]) -> None:
    """Every other patch leaves the workload's own, init containers included."""
    plan = Plan(Request("x", "deployment/web"), "", "", (), (), "", "web", body)
    assert expected_containers(plan, state()) == names


# Scale


@pytest.mark.parametrize(("text", "given"), [("0", 0), ("1", 1), ("10000", 10_000), ("000000007", 7), ("10001", None),
                                             ("0000000007", None), ("", None), ("-1", None), ("٣", None)])  # fmt: skip
def test_a_number_of_replicas_is_from_0_to_10000(text: str, given: int | None) -> None:
    """At most nine digits, which no int is too long for."""
    request = Request("scale", "deployment/web", {"replicas": text})
    if given is None:
        with pytest.raises(ActionRefused, match="is not a number from 0 to 10000"):
            Scale().plan(request, state(), 0.0)
    else:
        plan = Scale().plan(request, state(), 0.0)
        assert (plan.body["spec"], plan.command.endswith(f" --replicas={given}")) == ({"replicas": given}, True)
        assert plan.title == f"Scale deployment/web to {'1 replica' if given == 1 else f'{given} replicas'}"
        assert plan.undo is not None and dict(plan.undo.parameters) == {"replicas": "4"}


@pytest.mark.parametrize("current", [0, 1, 3, 4, 7, 20])
@pytest.mark.parametrize("desired", [1, 2, 3, 4, 8, 15, 19, 20, 35, 100])
def test_a_factor_of_two_warns_and_one_of_five_asks(current: int, desired: int) -> None:
    """Exactly two and exactly five already, up and down; from none it is compared with one pod."""
    low, high = sorted((max(1, current), desired))
    level = ASK if high >= 5 * low else WARN if high >= 2 * low else None
    found = check_factor(current, desired)
    assert [item.level for item in found] == ([level] if level else [])


@pytest.mark.parametrize(("current", "desired", "more", "down"), [(4, 5, 1, False), (4, 3, 0, True), (4, 9, 5, False)])
def test_a_scale_adds_pods_only_upwards(current: int, desired: int, more: int, down: bool) -> None:
    """As many as are missing; down, a budget does not prevent it."""
    budget = DisruptionBudget("n", "own", (("app", "web"),), 1)
    found = state(deployment(current), budgets=(budget,))
    plan = Scale().plan(Request("scale", "deployment/web", {"replicas": str(desired)}), found, 0.0)
    new = Scale().find_new_pods(plan, found)
    assert (new.count if new else 0) == more
    assert [item.level for item in Scale().side_effect_checks(plan, found)] == [WARN if down else OK]
    unready = state(deployment(current, status={"readyReplicas": 0}))
    assert bool(new and new.known) is bool(more) and not getattr(Scale().find_new_pods(plan, unready), "known", ())


# The state


async def test_a_state_is_read_again_until_the_spec_stands_still() -> None:
    """At most three times: another uid, generation or annotation asks for another look; a newer version alone does not."""

    class Moving(PlainCluster):
        def __init__(self, *changes: dict[str, Any]) -> None:
            super().__init__(horizontalpodautoscalers=[], poddisruptionbudgets=[], replicasets=[])
            self.changes = list(changes)
            self.reads = 0

        async def workload(self, resource: str, name: str) -> dict[str, Any]:
            self.reads += 1
            change = self.changes.pop(0) if len(self.changes) > 1 else self.changes[0]
            found = deployment()
            return {**found, "metadata": {**found["metadata"], **change}}

    async def reads(*changes: dict[str, Any]) -> tuple[int, str]:
        found: Any = Moving(*changes)
        got = await fetch_deployment_state(Request("restart", "deployment/web"), found)
        return found.reads, got.resource_version

    assert await reads({}) == (2, "5")
    assert await reads({}, {"resourceVersion": "6"}) == (2, "6")
    assert await reads({}, {"generation": 3, "resourceVersion": "7"}) == (3, "7")
    for change in ({"uid": "other"}, {"annotations": {"a": "b"}}):
        assert await reads({}, change) == (3, "5")
    assert (await reads(*({"generation": number} for number in range(3, 12))))[0] == 4
    with pytest.raises(ActionRefused, match="a StatefulSet cannot be changed this way: pause is for a Deployment"):
        await fetch_deployment_state(Request("pause", "sts/web"), Moving({}), ("Deployment",))  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "unread"), [(403, True), (404, True), (500, False)])
async def test_a_list_that_may_not_be_read_is_named(status: int, unread: bool) -> None:
    """Both lists, each with its own reason; a server in trouble is an error."""
    found: Any = PlainCluster(deployments=[deployment()])
    found.broken = {
        "horizontalpodautoscalers": RequestRejected("no HPAs", status=status),
        "poddisruptionbudgets": RequestRejected("no budgets", status=403),
    }
    request = Request("restart", "deployment/web")
    if not unread:
        with pytest.raises(RequestRejected, match="no HPAs"):
            await fetch_deployment_state(request, found)
        return
    got = await fetch_deployment_state(request, found)
    assert (got.autoscalers, got.budgets) == (None, None)
    assert got.unread == ("HPAs: no HPAs", "PodDisruptionBudgets: no budgets")
    assert (got.autoscaler(), got.own_budgets(), got.revision_record()) == (None, (), None)


@pytest.mark.parametrize(
    "target", ["deployment", "deployment/", "/web", "pod/web", "job/web", "deployment/We b", "deployment/a/b"]
)
def test_what_is_no_workload_that_an_action_changes(target: str) -> None:
    with pytest.raises(ActionRefused, match="is not deployment/NAME"):
        parse_target(Request("restart", target))
    assert [parse_target(Request("restart", f"{word}/web"))[0] for word in ("deploy", "sts", "DaemonSet")] == [
        "Deployment", "StatefulSet", "DaemonSet",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "known"),
    [
        ({}, True),
        ({"observedGeneration": 3}, True),
        ({"observedGeneration": 1}, False),
        ({"updatedReplicas": 0}, False),
        ({"readyReplicas": 0}, False),
        ({"updatedReplicas": 1, "readyReplicas": 1}, True),
    ],
)
def test_a_template_is_known_once_pods_of_it_were_ready(status: dict[str, Any], known: bool) -> None:
    """As of the generation that the controller has observed: before, the counts are those of the template before it."""
    new = {**TEMPLATE, "spec": {"containers": [{"name": "b", "image": "x:2"}]}}
    found = find_replaced_pods(state(deployment(status=status)), new)
    assert found.known == ((TEMPLATE,) if known else ())
    assert find_replaced_pods(state(deployment(status=status)), new, ran=True).known == (*found.known, new)


@pytest.mark.parametrize(
    ("strategy", "count", "replaces"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 3}}, 1, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "200%", "maxUnavailable": 0}}, 4, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}}, 2, True),
        ({"type": "Recreate"}, 4, True),
    ],
)
def test_how_many_pods_a_rollout_creates_at_once(strategy: dict[str, Any], count: int, replaces: bool) -> None:
    """Those beyond the desired ones, at most as many as are desired; without any each takes the place of another."""
    found = find_replaced_pods(state(deployment(strategy=strategy)), TEMPLATE)
    assert (found.count, found.replaced) == (count, TEMPLATE if replaces else None)
