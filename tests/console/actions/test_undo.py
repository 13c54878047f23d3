"""What rolls a change back, named before it is made."""

from __future__ import annotations

import pytest
from action_bench import API, Bench, outcome, second_revision

from console.actions.action import Guardable
from console.actions.plan import Outcome, Preview, Request
from console.actions.registry import action_named

TARGET = f"deployment/{API}"


async def decline(preview: Preview) -> bool:
    return False


@pytest.mark.parametrize(
    ("name", "target", "parameters"),
    [
        ("scale", TARGET, {"replicas": "4"}),
        ("rollback", TARGET, {"revision": "1"}),
        ("image", TARGET, {"image": ":1.9.9"}),
        ("pause", TARGET, {}),
        ("suspend", "cronjob/nightly-backup", {}),
        ("cordon", "node/node-1", {}),
    ],
)
async def test_the_undo_of_a_plan_brings_the_state_back(
    bench: Bench, name: str, target: str, parameters: dict[str, str]
) -> None:
    """The plan's `undo` is a call that another run carries out, and then the digest of the state is the first one again."""
    if name == "rollback":
        second_revision(bench.cluster)
    if name == "suspend":
        spec = {"spec": {"suspend": False}}
        bench.cluster.patch("cronjobs", "nightly-backup", spec, content_type="application/merge-patch+json")
    action = action_named(name)
    assert isinstance(action, Guardable)
    before = await action.fetch_state(Request(name, target), bench.facts)
    result, text = outcome(await bench.act(name, target, **parameters))
    assert result is Outcome.DONE, text
    plan = bench.previews[0].plan
    changed = await action.fetch_state(plan.request, bench.facts)
    assert plan.undo is not None
    result, text = outcome(await bench.act(plan.undo.action, plan.undo.target, **plan.undo.parameters))
    assert result is Outcome.DONE, text
    assert await action.fetch_state(plan.request, bench.facts) == before != changed


async def test_a_restart_has_no_undo(bench: Bench) -> None:
    """Pods that were recreated cannot be brought back, so nothing pretends to."""
    await bench.act("restart", TARGET, confirm=decline)
    assert bench.previews[0].plan.undo is None


async def test_the_undo_of_a_switch_is_the_deployment_that_served(bench: Bench) -> None:
    """A Service goes back to the one Deployment whose pods it selected."""
    await bench.act("switch", f"service/{API}", to="cad-render", confirm=decline)
    undo = bench.previews[0].plan.undo
    assert undo is not None
    assert (undo.action, undo.target, dict(undo.parameters)) == ("switch", f"service/{API}", {"to": API})
