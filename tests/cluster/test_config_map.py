"""Set a key of a ConfigMap, on every cluster: previewed as a diff, proved by the restarts, rolled back if something fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cluster_fixture import MERGE, Namespace
from cluster_hands import TARGET, Hands
from fault_proxy import Answer, Exchange, Fault, FaultProxy, ProxyHouse
from guard_bench import BRIEF, Signals, guards_of

from console.actions.plan import CheckLevel, Outcome, RunStep

MAP = "configmap/breaker"
CONF = "[breaker]\nfailure_threshold = 5\nreset = 30\n"


@pytest.fixture
def proxy(ns: Namespace) -> Iterator[FaultProxy]:
    with ProxyHouse() as house:
        yield house.proxy(str(ns.http.base_url))


@pytest.fixture
async def hands(ns: Namespace, proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[Hands]:
    ns.add_map("breaker", threshold="5", conf=CONF, empty="")
    refers = [{"name": "THRESHOLD", "valueFrom": {"configMapKeyRef": {"name": "breaker", "key": "threshold"}}}]
    container = {"name": "web", "image": "registry.example.com/web:1", "env": refers}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    ns.add(replicas=1, template={"metadata": {"labels": {"app": "web"}}, "spec": spec})
    await asyncio.to_thread(ns.rolled_out)
    made = Hands(ns, tmp_path, server=proxy.url)
    yield made
    await made.close()


def data(ns: Namespace) -> dict[str, str]:
    return dict(ns.get(ns.maps("breaker"))["data"])


def differences(hands: Hands) -> dict[str, tuple[str, str]]:
    return {item.name: (item.before, item.after) for item in hands.previews[-1].plan.differences}


async def test_a_key_is_set_and_its_reader_restarted(ns: Namespace, hands: Hands) -> None:
    """The preview names old and new value and the way back; the other keys stay, the pods are new, and the undo that it
    named restores both.
    """
    before, pods = data(ns), {item["metadata"]["uid"] for item in ns.pods()}
    end = await hands.act("set-key", target=MAP, key="threshold", value="9", restart=TARGET)
    assert end.outcome is Outcome.DONE, end.text
    assert data(ns) == {**before, "threshold": "9"}
    assert not pods & {item["metadata"]["uid"] for item in ns.pods()}
    assert differences(hands) == {"threshold": ("5", "9"), "restarted": ("-", TARGET)}
    undo = hands.previews[-1].plan.undo
    assert undo is not None and (undo.action, undo.target) == ("set-key", MAP)
    assert dict(undo.parameters) == {"key": "threshold", "value": "5", "restart": TARGET}
    end = await hands.act(undo.action, target=undo.target, **undo.parameters)
    assert end.outcome is Outcome.DONE and data(ns) == before, end.text


async def test_lines_that_differ_are_shown_and_a_reader_that_stays_is_named(ns: Namespace, hands: Hands) -> None:
    """Of a file in a key the preview has the changed lines alone; a Deployment that reads it and is not restarted warns."""
    end = await hands.act("set-key", target=MAP, key="conf", value=CONF.replace("30", "60") + "probe = 1\n")
    assert end.outcome is Outcome.DONE, end.text
    assert differences(hands) == {"conf line 3": ("reset = 30", "reset = 60"), "conf line 4": ("-", "probe = 1")}
    (warning,) = [item.text for item in hands.previews[-1].checks if item.how == "readers"]
    assert warning == "deployment/web reads it and will not be restarted (--restart)"


async def test_a_key_is_added_and_removed(ns: Namespace, hands: Hands) -> None:
    """The way back of a new key is its removal, and the other way round; of an empty value there is none."""
    before = data(ns)
    assert (await hands.act("set-key", target=MAP, key="new", value="1")).outcome is Outcome.DONE
    undo = hands.previews[-1].plan.undo
    assert undo is not None and dict(undo.parameters) == {"key": "new", "unset": "yes"}
    assert (await hands.act("set-key", target=MAP, key="new", unset="yes")).outcome is Outcome.DONE
    assert data(ns) == before
    assert "nothing to do" in (await hands.act("set-key", target=MAP, key="new", unset="yes")).text
    assert (await hands.act("set-key", target=MAP, key="empty", value="1")).outcome is Outcome.DONE
    assert hands.previews[-1].plan.undo is None
    assert any("nothing rolls this back by itself" in note for note in hands.previews[-1].plan.notes)


async def test_what_is_refused(ns: Namespace, hands: Hands) -> None:
    """The same value, one that looks like a secret, a key without a value, a consumer that is none, and an immutable map:
    nothing is written, and no text has the secret.
    """
    before = data(ns)
    for parameters, why in (
        ({"key": "threshold", "value": "5"}, "nothing to do: breaker already has this value of threshold"),
        ({"key": "api_token", "value": "canary-93bf2c51"}, "looks like a secret: keep it in a Secret"),
        ({"key": "threshold"}, "needs value"),
        ({"key": "threshold", "value": "9", "restart": "web"}, "'web' is not a workload"),
        ({"key": "threshold", "value": "x" * 9000}, "at most 8192 can be previewed"),
    ):
        end = await hands.act("set-key", target=MAP, wait=False, **parameters)
        assert end.outcome is Outcome.REFUSED and why in end.text, end.text
        assert "canary" not in repr(hands.steps)
    assert ns.patch(ns.maps("breaker"), {"immutable": True}).status_code == 200
    end = await hands.act("set-key", target=MAP, wait=False, key="threshold", value="9")
    assert end.outcome is Outcome.REFUSED and "immutable" in end.text, end.text
    assert data(ns) == before


async def test_somebody_who_wrote_meanwhile_is_not_overwritten(ns: Namespace, hands: Hands) -> None:
    """Between the preview and the write: the plan is made again from what is there, and previewed again."""

    def write(step: RunStep) -> None:
        if step.preview is not None and len(hands.previews) == 0:
            ns.patch(ns.maps("breaker"), {"data": {"threshold": "7"}}, MERGE)

    await hands.act("set-key", target=MAP, meanwhile=write, key="threshold", value="9")
    assert [item.plan.differences[0].before for item in hands.previews] == ["5", "7"]
    assert data(ns)["threshold"] == "9"


@pytest.mark.parametrize(
    ("status", "lost", "outcome"),
    [(422, False, Outcome.FAILED), (500, False, Outcome.UNKNOWN), (500, True, Outcome.DONE)],
)
async def test_a_write_that_fails_changes_nothing(
    ns: Namespace, hands: Hands, proxy: FaultProxy, status: int, lost: bool, outcome: Outcome
) -> None:
    """A server that refuses it: failed, nothing was changed. One whose answer is lost: it is looked up, and not seen within the
    time it may still arrive.
    """

    async def fail(exchange: Exchange) -> bool:
        if lost:
            await exchange.real()
        await exchange.send(Answer(status, "No", (("Content-Type", "text/plain"),), b"no\n").raw())
        return True

    def only(exchange: Exchange) -> bool:
        path, _, query = exchange.target.partition("?")
        return exchange.method == "PATCH" and path.endswith("/configmaps/breaker") and "dryRun" not in query

    proxy.use(Fault("refuse", fail, only=only))
    end = await hands.act("set-key", target=MAP, key="threshold", value="9")
    assert end.outcome is outcome, end.text
    assert data(ns)["threshold"] == ("9" if lost else "5")


async def test_a_restart_that_fails_brings_the_value_back(ns: Namespace, hands: Hands, proxy: FaultProxy) -> None:
    """Rolled back: the value of before is there, and the consumer restarted with it."""
    failed: list[str] = []

    async def fail(exchange: Exchange) -> bool:
        failed.append(json.dumps(data(ns)))
        await exchange.send(Answer(500, "Internal Server Error", (("Content-Type", "text/plain"),), b"no\n").raw())
        return True

    def only(exchange: Exchange) -> bool:
        path, _, query = exchange.target.partition("?")
        return exchange.method == "PATCH" and path.endswith("/deployments/web") and "dryRun" not in query and not failed

    before = data(ns)
    proxy.use(Fault("refuse", fail, only=only))
    end = await hands.act("set-key", target=MAP, key="threshold", value="9", restart=TARGET)
    assert end.outcome is Outcome.ROLLED_BACK, end.text
    assert json.loads(failed[0])["threshold"] == "9" and data(ns) == before
    assert f"restart {TARGET} again" in [step.text.partition(":")[0] for step in hands.steps]


@pytest.mark.parametrize("worse", [True, False])
async def test_a_guarded_value_is_set_back_or_kept(ns: Namespace, hands: Hands, worse: bool) -> None:
    """A signal that gets worse sets the value of before and restarts the consumer again."""
    before, signals = data(ns), Signals(hands.journal)

    def worsen(step: RunStep) -> None:
        if worse and step.guard is not None:
            signals.values["error_ratio"] = 8.0

    end = await hands.act(
        "set-key", target=MAP, guard=BRIEF, source=signals, meanwhile=worsen, key="threshold", value="9", restart=TARGET
    )
    assert end.outcome is (Outcome.ROLLED_BACK if worse else Outcome.DONE), end.text
    assert data(ns) == (before if worse else {**before, "threshold": "9"})
    assert [item.result for item in guards_of(hands.journal).ended] == ["rolled back" if worse else "kept"]
    assert not [item for item in hands.previews[0].checks if item.level is CheckLevel.BLOCK]
