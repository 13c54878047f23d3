"""Several actions at once: one confirmation, each through all stages, and none after one that is not done."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from action_bench import API, Bench

from console.actions.batch import Batch, Confirm, confirm_phrase
from console.actions.plan import Outcome, Preview


async def drive_all(bench: Bench, targets: list[str], outcomes: dict[int, Outcome | None] | None = None) -> Any:
    """A batch of restarts through the real runner; the steps of each by its number."""
    steps: dict[int, Any] = {}

    async def drive(at: int, confirm: Confirm) -> Outcome | None:
        steps[at] = await bench.act("restart", targets[at], confirm=confirm)
        return (outcomes or {}).get(at, steps[at][-1].outcome)

    return Batch(len(targets), drive), steps


def names(bench: Bench) -> list[str]:
    return [item["metadata"]["name"] for item in bench.cluster.objects("deployments")]


async def test_each_run_is_previewed_and_journalled(bench: Bench) -> None:
    """Nothing is sent before the confirmation; then each has its own intent and outcome, in order."""
    targets = [f"deployment/{name}" for name in names(bench)[:3]]
    batch, steps = await drive_all(bench, [*targets, "deployment/nobody"])
    await batch.prepare()
    assert batch.ready == (0, 1, 2), "what does not exist is refused, and the others are possible"
    assert "nobody" in steps[3][-1].text and steps[3][-1].outcome is Outcome.REFUSED
    assert not [item for item in bench.cluster.requests if item.method == "PATCH" and "dryRun" not in str(item.query)]
    await batch.carry_out()
    await batch.close()
    assert [steps[at][-1].outcome for at in range(3)] == [Outcome.DONE] * 3
    events = [(item.kind, item.data["target"]) for item in bench.journal.events() if item.kind.startswith("action.")]
    assert events == [(kind, target) for target in targets for kind in ("action.intent", "action.outcome")]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN, Outcome.UNDONE, Outcome.REFUSED, None])
async def test_nothing_follows_one_that_is_not_done(outcome: Outcome | None) -> None:
    """Whatever it is, the next ones are declined; what was done before stays done."""
    answers: dict[int, bool] = {}

    async def drive(at: int, confirm: Confirm) -> Outcome | None:
        answers[at] = await confirm(cast("Preview", _Preview()))
        return outcome if at == 1 else Outcome.DONE if answers[at] else Outcome.REFUSED

    batch = Batch(4, drive)
    await batch.prepare()
    await batch.carry_out()
    await batch.close()
    assert answers == {0: True, 1: True, 2: False, 3: False}


async def test_a_person_stops_the_rest(bench: Bench) -> None:
    """While the first runs, nothing more is sent once it is stopped; declining the preview sends nothing at all."""
    targets = [f"deployment/{name}" for name in names(bench)[:2]]
    batch, steps = await drive_all(bench, targets)
    await batch.prepare()
    going = asyncio.create_task(batch.carry_out())
    await asyncio.sleep(0)
    batch.stopped = True
    await going
    assert [steps[at][-1].outcome for at in range(2)] == [Outcome.DONE, Outcome.REFUSED]
    batch, steps = await drive_all(bench, targets)
    await batch.prepare()
    await batch.close()
    assert [steps[at][-1].text for at in range(2)] == ["not confirmed: nothing was sent"] * 2


async def test_what_moved_since_the_preview_is_not_confirmed(bench: Bench) -> None:
    """The second was scaled while the first ran: its new preview was never shown to anybody, so it is declined."""
    targets = [f"deployment/{API}", f"deployment/{next(name for name in names(bench) if name != API)}"]
    batch, steps = await drive_all(bench, targets)
    await batch.prepare()
    bench.cluster.patch("deployments", targets[1].partition("/")[2], {"spec": {"replicas": 4}})
    await batch.carry_out()
    await batch.close()
    assert [steps[at][-1].outcome for at in range(2)] == [Outcome.DONE, Outcome.REFUSED]
    assert "not confirmed" in steps[1][-1].text


class _Preview:
    def __init__(self, *words: str, protected: bool = True) -> None:
        self.blocked, self.protected, self.second_words = False, protected, words


def test_the_count_and_what_each_asks_for_have_to_be_typed() -> None:
    """In a protected environment the action and the number, and everywhere the words that checks ask for."""

    def phrase(*previews: _Preview) -> str:
        return confirm_phrase("scale", cast("tuple[Preview, ...]", previews))

    assert phrase(_Preview(), _Preview("18")) == "scale 2 18"
    assert phrase(_Preview(protected=False), _Preview("18", protected=False)) == "18"
    assert phrase(_Preview(protected=False)) == ""
