"""Setting a key without a server: what the preview shows of any two values, and what is there after each step that fails."""

from __future__ import annotations

import asyncio
import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from plain_cluster import PlainCluster, PlainWriter, described
from quick_clock import run_quickly

from console.actions.config_map import ConfigMapFacts, SetKey
from console.actions.object_patch import ObjectFacts
from console.actions.plan import ActionRefused, CheckLevel, Outcome, Plan, Request, StepReport
from queries.errors import RequestRejected, SourceError, TimedOut, Unreachable

TARGET = "configmap/breaker"
CONSUMERS = "deployment/web, deployment/db"


def config_map(**data: str) -> dict[str, Any]:
    return described("breaker", "ConfigMap", data=data)


def deployment(name: str, *reads: str) -> dict[str, Any]:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": item, "key": "k"}}} for item in reads]
    container = {"name": "one", "image": "one:1", "env": env}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    status = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    selector = {"matchLabels": {"app": name}}
    return described(name, "Deployment", spec={"replicas": 1, "selector": selector, "template": template}, status=status)


def cluster(**data: str) -> PlainCluster:
    both = [deployment("web", "other", "breaker"), deployment("db", "breaker"), deployment("apart", "other")]
    return PlainCluster(configmaps=[config_map(**data)], deployments=both)


def planned(before: str | None, **given: str) -> Plan:
    data = {} if before is None else {"mode": before}
    facts = ConfigMapFacts(ObjectFacts(config_map(other="x", **data), ("kubectl",)), (), ())
    return SetKey().plan(Request("set-key", TARGET, {"key": "mode", **given}), facts, 0.0)


async def facts_of(found: PlainCluster, **given: str) -> tuple[Plan, ConfigMapFacts]:
    request = Request("set-key", TARGET, {"key": "mode", "value": "9", **given})
    facts = await SetKey().fetch_facts(request, found)  # type: ignore[arg-type]
    return SetKey().plan(request, facts, 0.0), facts


def shown(plan: Plan) -> list[tuple[str, str, str]]:
    return [(item.name, item.before, item.after) for item in plan.differences]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("5", "9", [("mode", "5", "9")]),
        (None, "9", [("mode", "-", "9")]),
        ("5", None, [("mode", "5", "-")]),
        ("", "9", [("mode", '""', "9")]),
        ("5\n", "9\n", [("mode", "5", "9")]),
        ("5", "5\n", [("mode, its end", "'5'", "'5\\n'")]),
        ("a\nb", "a\nc", [("mode line 2", "b", "c")]),
        ("a", "a\nb", [("mode line 2", "-", "b")]),
        ("a\nb", "b", [("mode line 1", "a", "-")]),
        ("a\nb", None, [("mode line 1", "a", "-"), ("mode line 2", "b", "-")]),
        ("a\nb\nc", "x\nc", [("mode line 1", "a", "x"), ("mode line 2", "b", "-")]),
    ],
)
def test_a_value_is_shown_whole_or_by_the_lines_that_differ(
    before: str | None, after: str | None, lines: list[tuple[str, str, str]]
) -> None:
    """One line as it is, more by their numbers; what is not there is `-`, and an end that differs is named."""
    plan = planned(before, **({"unset": "yes"} if after is None else {"value": after}))
    assert shown(plan) == lines
    assert plan.body == {"metadata": {"resourceVersion": "5"}, "data": {"mode": after}}
    assert plan.title == f"{'Remove' if after is None else 'Set'} mode of configmap/breaker"
    undo = dict(plan.undo.parameters) if plan.undo else None
    assert undo == (None if before == "" else {"key": "mode", **({"unset": "yes"} if before is None else {"value": before})})
    command = shlex.split(plan.command)
    assert command[:6] == ["kubectl", "-n", "n", "patch", "configmap/breaker", "--type=merge"]
    assert json.loads(command[-1]) == {"data": {"mode": after}}


@example(count=60, changed=set(range(1, 20)))
@example(count=60, changed=set(range(1, 21)))
@example(count=60, changed=set(range(1, 22)))
@given(count=st.integers(2, 60), changed=st.sets(st.integers(1, 60)))
def test_every_changed_line_is_shown_up_to_twenty(count: int, changed: set[int]) -> None:
    """By its number, with both texts; of more the rest is counted. Exactly twenty need no count."""
    hit = sorted(number for number in changed if number <= count)
    before = [f"line {number}" for number in range(1, count + 1)]
    after = [f"new {number}" if number in hit else text for number, text in enumerate(before, start=1)]
    if not hit:
        return
    lines = [(f"mode line {number}", f"line {number}", f"new {number}") for number in hit]
    more = [("mode, more lines", "", str(len(hit) - 20))] if len(hit) > 20 else []
    assert shown(planned("\n".join(before), value="\n".join(after))) == [*lines[:20], *more]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(("length", "allowed"), [(8191, True), (8192, True), (8193, False)])
def test_a_value_that_a_preview_can_hold(side: str, length: int, allowed: bool) -> None:
    """8192 characters, of the value of before and of the new one."""
    values = ("x" * length, "y") if side == "before" else ("y", "x" * length)
    if allowed:
        assert planned(values[0], value=values[1]).body["data"] == {"mode": values[1]}
        return
    with pytest.raises(ActionRefused, match=f"has {length} characters; at most 8192 can be previewed"):
        planned(values[0], value=values[1])


@pytest.mark.parametrize(
    ("before", "given", "why"),
    [
        ("5", {"value": "5"}, "breaker already has this value of mode"),
        (None, {"unset": "yes"}, "breaker has no key mode"),
        (None, {"unset": "TRUE"}, "breaker has no key mode"),
        ("5", {"value": f"https://u:{'geheim'}@host/x"}, "looks like a secret"),
        (f"https://u:{'geheim'}@host/x", {"value": "5"}, "looks like a secret"),
        ("5", {"value": "6", "restart": "web"}, "'web' is not a workload"),
        ("5", {"value": "6", "restart": "/web"}, "'/web' is not a workload"),
        ("5", {"value": "6", "restart": "deployment/"}, "'deployment/' is not a workload"),
        ("5", {"value": "6", "restart": "deployment/web,deployment/We b"}, "is not a workload"),
        ("5", {"value": "6", "restart": "deployment/web/db"}, "'deployment/web/db' is not a workload"),
        ("5", {"value": "6", "restart": "x/deployment/web"}, "'x/deployment/web' is not a workload"),
    ],
)
def test_what_is_no_change_or_none_that_may_be_made(before: str | None, given: dict[str, str], why: str) -> None:
    """Either value may be a secret; each of several consumers has to be one."""
    with pytest.raises(ActionRefused, match=why) as refused:
        planned(before, **given)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(("unset", "after"), [("yes", None), ("TRUE", None), ("no", "9"), ("", "9")])
def test_a_key_that_is_to_be_removed_gets_no_value(unset: str, after: str | None) -> None:
    """Whatever else the request holds; and the undo of either brings the value of before back."""
    plan = planned("5", unset=unset, value="9")
    assert plan.body["data"] == {"mode": after}
    assert plan.title == f"{'Remove' if after is None else 'Set'} mode of configmap/breaker"
    assert plan.undo is not None and plan.undo.parameters["value"] == "5"


def test_a_binary_key_is_none_of_text() -> None:
    facts = ConfigMapFacts(ObjectFacts({**config_map(), "binaryData": {"mode": "AA=="}}, ("kubectl",)), (), ())
    with pytest.raises(ActionRefused, match="is binary"):
        SetKey().plan(Request("set-key", TARGET, {"key": "mode", "value": "x"}), facts, 0.0)


@pytest.mark.parametrize(
    ("restart", "text"),
    [
        ("", "deployment/web, deployment/db read it and will not be restarted (--restart)"),
        ("deployment/web", "deployment/db reads it and will not be restarted (--restart)"),
        (" deployment/web ,deployment/db,deployment/web", None),
    ],
)
async def test_each_reader_that_stays_is_named(restart: str, text: str | None) -> None:
    """By the references of every Deployment; the consumers are taken once each, in their order."""
    found = cluster(mode="5")
    plan, facts = await facts_of(found, **({"restart": restart} if restart else {}))
    checks = await SetKey().preflight(plan, facts, found, PlainWriter(found))  # type: ignore[arg-type]
    assert [(item.level, item.text) for item in checks if item.how == "readers"] == ([(CheckLevel.WARN, text)] if text else [])
    names = [item.after for item in plan.differences if item.name == "restarted"]
    assert names == {"": [], "deployment/web": ["deployment/web"]}.get(restart, ["deployment/web, deployment/db"])
    assert plan.command.count(" rollout restart ") == len([item for item in {*restart.replace(" ", "").split(",")} if item])
    found.broken["deployments"] = RequestRejected("forbidden", status=403)
    if not restart:
        plan, facts = await facts_of(found)
        checks = await SetKey().preflight(plan, facts, found, PlainWriter(found))  # type: ignore[arg-type]
        assert [(item.level, item.unknown) for item in checks if item.how == "readers"] == [(CheckLevel.WARN, True)]


async def test_a_guard_sees_the_key_or_all_of_them() -> None:
    """Another key changes nothing of this one's state, but of the whole map's."""

    async def state(found: PlainCluster, **given: str) -> str:
        return await SetKey().fetch_state(Request("set-key", TARGET, given), found)  # type: ignore[arg-type]

    one, other, absent = cluster(mode="5", more="1"), cluster(mode="5", more="2"), cluster(more="1")
    assert await state(one, key="mode") == await state(other, key="mode") != await state(absent, key="mode")
    assert await state(one) != await state(other)
    assert await state(one, key="more") != await state(other, key="more")
    again = cluster(mode="5", more="1")
    again.objects["configmaps"][0]["metadata"]["uid"] = "made again"
    assert await state(again, key="mode") != await state(one, key="mode"), "another map of the same name"


# Carrying it out


async def carried_out(found: PlainCluster, writer: PlainWriter, restart: str = CONSUMERS) -> list[StepReport]:
    plan, _ = await facts_of(found, **({"restart": restart} if restart else {}))
    return [item async for item in SetKey().carry_out(plan, found, writer)]  # type: ignore[arg-type]


def value(found: PlainCluster) -> str | None:
    (item,) = found.objects["configmaps"]
    held: str | None = item["data"].get("mode")
    assert item["data"]["more"] == "1", "the other keys stay"
    return held


def targets(writer: PlainWriter) -> list[str]:
    return [target for target, _ in writer.sent]


def refuse(*places: tuple[str, int], error: SourceError | None = None) -> Any:
    """Refuses the given writes of a target, counted from 1."""
    count: dict[str, int] = {}

    def decide(target: str) -> SourceError | None:
        count[target] = count.get(target, 0) + 1
        return (error or RequestRejected("refused", status=422)) if (target, count[target]) in places else None

    return decide


LOOP_CLOCK = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
"""The clock of a loop that jumps from one sleep to the next."""
MAP, WEB, DB = "configmaps/breaker", "deployments/web", "deployments/db"


async def test_a_key_is_set_and_each_consumer_restarted() -> None:
    """One write with its precondition, then the consumers in their order, each restarted once."""
    found = cluster(mode="5", more="1")
    writer = PlainWriter(found)
    *_, end = await carried_out(found, writer)
    assert (end.outcome, value(found), targets(writer)) == (Outcome.DONE, "9", [MAP, WEB, DB])
    assert end.text == "configmap/breaker has the new value, and deployment/web, deployment/db restarted with it"
    assert writer.sent[0][1]["metadata"] == {"resourceVersion": "5"}
    alone = cluster(mode="5", more="1")
    *_, end = await carried_out(alone, PlainWriter(alone), restart="")
    assert (end.text, value(alone)) == ("configmap/breaker has the new value", "9")


@pytest.mark.parametrize("before", ["5", None])
@pytest.mark.parametrize(("failing", "sent"), [(WEB, [MAP, WEB, MAP, WEB]), (DB, [MAP, WEB, DB, MAP, WEB, DB])])
async def test_a_restart_that_fails_brings_everything_back(failing: str, sent: list[str], before: str | None) -> None:
    """The value of before is there, or the key is gone again, and every consumer that may have the new one restarted again."""
    found = cluster(more="1", **({} if before is None else {"mode": before}))
    writer = PlainWriter(found)
    writer.before = refuse((failing, 1))
    steps = await carried_out(found, writer)
    end = steps[-1]
    assert (end.outcome, value(found), targets(writer)) == (Outcome.ROLLED_BACK, before, sent)
    assert f"restart {failing.replace('deployments', 'deployment')}: refused" in end.text
    assert end.text.endswith("configmap/breaker has the value of before, and its consumers restarted with that")


@pytest.mark.parametrize(
    ("refused", "held", "said"),
    [
        ([(MAP, 2)], "9", ["configmap/breaker does not have the value of before: refused"]),
        ([(WEB, 2)], "5", ["deployment/web may still use the new value: refused"]),
        ([(WEB, 2), (DB, 2)], "5", ["deployment/web may still use", "deployment/db may still use the new value: refused"]),
        ([(MAP, 2), (DB, 2)], "9", ["configmap/breaker does not have", "deployment/db may still use"]),
    ],
)
async def test_what_could_not_be_brought_back_is_named(refused: list[tuple[str, int]], held: str, said: list[str]) -> None:
    """Each of them, and nothing else; the rest is brought back all the same."""
    found = cluster(mode="5", more="1")
    writer = PlainWriter(found)
    writer.before = refuse((DB, 1), *refused)
    *_, end = await carried_out(found, writer)
    assert (end.outcome, value(found), targets(writer)) == (Outcome.ROLLBACK_FAILED, held, [MAP, WEB, DB, MAP, WEB, DB])
    assert end.text.startswith("rollback failed: restart deployment/db: refused; ") and end.text.endswith("; act by hand now")
    assert [text for text in said if text not in end.text] == []
    assert end.text.count("may still use") + end.text.count("does not have") == len(said)


async def test_what_somebody_wrote_meanwhile_is_not_written_over() -> None:
    """Another value than ours is there when it is brought back: theirs stays, and that is said."""
    found = cluster(mode="5", more="1")
    writer = PlainWriter(found)

    def change(target: str) -> SourceError | None:
        if target == WEB and targets(writer).count(WEB) == 1:
            found.objects["configmaps"][0]["data"]["mode"] = "theirs"
            return RequestRejected("refused", status=422)
        return None

    writer.before = change
    *_, end = await carried_out(found, writer)
    assert (end.outcome, value(found)) == (Outcome.ROLLBACK_FAILED, "theirs")
    assert "does not have the value of before: somebody changed it since" in end.text


@pytest.mark.parametrize(
    ("error", "lost", "outcome", "text", "held"),
    [
        (RequestRejected("conflict", status=409), False, Outcome.FAILED, "failed, nothing was changed: write", "5"),
        (TimedOut("no answer"), False, Outcome.UNKNOWN, "unknown: write configmap/breaker: no answer; ", "5"),
        (TimedOut("no answer"), True, Outcome.DONE, "configmap/breaker has the new value", "9"),
    ],
)
def test_a_write_without_its_answer_is_looked_up(
    monkeypatch: pytest.MonkeyPatch, error: SourceError, lost: bool, outcome: Outcome, text: str, held: str
) -> None:
    """Taken all the same, it goes on; a server that refused it changed nothing, a silent one may take it yet: no restart."""
    found = cluster(mode="5", more="1")
    writer = PlainWriter(found)
    decide = refuse((MAP, 1), error=error)
    if lost:
        writer.after = decide
    else:
        writer.before = decide
    monkeypatch.setattr("console.actions.run_effect.time", LOOP_CLOCK)
    *_, end = run_quickly(carried_out(found, writer))
    assert (end.outcome, end.text.startswith(text), value(found)) == (outcome, True, held)
    assert targets(writer) == ([MAP, WEB, DB] if lost else [MAP])


@pytest.mark.parametrize(
    ("theirs", "outcome", "text"),
    [
        (None, Outcome.DONE, "configmap/breaker has the new value"),
        (
            "7",
            Outcome.UNKNOWN,
            "unknown: write configmap/breaker: no answer; configmap/breaker was modified meanwhile",
        ),
    ],
)
def test_a_write_that_arrives_after_its_answer_was_lost(
    monkeypatch: pytest.MonkeyPatch, theirs: str | None, outcome: Outcome, text: str
) -> None:
    """Seen four seconds later, it goes on; once somebody else changed the object, nobody waits for it any longer."""
    found = cluster(mode="5", more="1")
    writer = PlainWriter(found)
    writer.before = refuse((MAP, 1), error=TimedOut("no answer"))
    monkeypatch.setattr("console.actions.run_effect.time", LOOP_CLOCK)

    async def arrive() -> None:
        await asyncio.sleep(4.0)
        (item,) = found.objects["configmaps"]
        item["data"]["mode"] = theirs or "9"
        item["metadata"]["resourceVersion"] = "77"

    async def both() -> list[StepReport]:
        steps, _ = await asyncio.gather(carried_out(found, writer, ""), arrive())
        return steps

    *_, end = run_quickly(both())
    assert (end.outcome, end.text.startswith(text), value(found)) == (outcome, True, theirs or "9")


def test_a_write_that_cannot_be_looked_up_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither answer nor object: nobody claims anything, and nobody is restarted."""
    found = cluster(mode="5", more="1")
    writer = PlainWriter(found)
    monkeypatch.setattr("console.actions.run_effect.time", LOOP_CLOCK)

    def lose(target: str) -> SourceError:
        found.broken["configmaps"] = Unreachable("gone")
        return TimedOut("no answer")

    writer.before = lose
    *_, end = run_quickly(carried_out(found, writer))
    assert (end.outcome, targets(writer)) == (Outcome.UNKNOWN, [MAP])
    why = "could not check: gone 10s later; it may still arrive"
    assert end.text == f"unknown: write configmap/breaker: no answer; {why}"
