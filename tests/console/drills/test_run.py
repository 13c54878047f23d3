"""A drill: confirmed from a preview, rolled back at the latest when its time is up, and witnessed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import API, outcome, quiet
from drill_bench import QUICK_PACE, TARGET, DrillBench, fire, protect
from guard_bench import guards_of
from limits import extend

from console.actions.guard.guard import GuardControl
from console.actions.guard.model import GuardOptions
from console.actions.guard.takeover import GuardTakeover
from console.actions.plan import Outcome, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.drills.run import DrillPhase
from console.drills.service import DrillRefused
from console.journal.payloads import AlertAcknowledged, DrillFault, DrillStarted, IncidentDeclared, create_event
from console.state.drills import MET, NOT_EXPECTED, NOT_OBSERVED
from queries.errors import RequestRejected, SourceError, TimedOut, Unreachable
from queries.model.severity import Priority
from queries.model.source import Health


def kinds(drills: DrillBench) -> list[str]:
    assert drills.journal is not None
    return [event.kind for event in drills.journal.events()]


async def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Waits until it returns something true."""
    ends = time.monotonic() + extend(seconds)
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.02)


async def test_a_fault_is_rolled_back_when_its_time_is_up(drills: DrillBench) -> None:
    """Scale to zero: the preview names undo, limit and goals; the pods are back by themselves after the limit, and the journal
    has the drill around the guarded action.
    """
    before = drills.replicas()
    end = await drills.drive(drills.start("scale-to-zero", limit="5s"))
    assert end.result == "rolled back", end.text
    assert "the time limit of 5s is over" in end.text and end.text.endswith("healthy again")
    assert drills.replicas() == before
    (preview,) = drills.previews
    notes = " ".join(preview.plan.notes)
    assert f"after 5s, or at once when you stop it, rolled back by: scale {TARGET} --replicas {before}" in notes
    assert "goals: detect within 2m, acknowledge within 5m of that, recover within 20m" in notes
    assert preview.plan.title.startswith("Drill scale-to-zero: Scale")
    assert len(drills.bench.writes()) == 2
    found = kinds(drills)
    assert found[0] == "drill.started" and found[-1] == "drill.ended"
    assert found.index("guard.started") < found.index("drill.fault") < found.index("guard.ended")
    (record,) = drills.drills.ended
    assert record.number == 1 and record.title == f"scale-to-zero on {TARGET}"
    assert [(item.what, item.seconds, item.result) for item in record.times] == [
        ("detect", None, NOT_OBSERVED), ("acknowledge", None, NOT_OBSERVED), ("recover", None, NOT_OBSERVED)
    ]  # fmt: skip
    assert record.time("recover") and "the drill rolled it back after" in str(record.time("recover"))


async def test_stopping_takes_the_fault_back_at_once(drills: DrillBench) -> None:
    """One key ends a drill of an hour: the undo is sent within a second, also while the rollout of a bad image never ends."""
    drills.bench.cluster.break_image("no-such-tag")
    (deployment,) = [item for item in drills.bench.cluster.objects("deployments") if item["metadata"]["name"] == API]
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    drill = drills.start("bad-image", limit="1h")
    task = asyncio.create_task(drills.drive(drill))
    await until(lambda: drill.status.phase is DrillPhase.FAULT)
    await until(lambda: any("ImagePullBackOff" in step.text for step in drills.steps))
    stopped = time.monotonic()
    drill.stop("ann")
    await until(lambda: len(drills.bench.writes()) == 2, seconds=3.0)
    assert time.monotonic() - stopped < extend(3.0)
    end = await task
    assert end.result == "rolled back" and "a person stopped the drill" in end.text
    assert drills.bench.cluster.deployment(API).image == image


async def test_what_the_console_sees_is_timed_with_its_source(drills: DrillBench) -> None:
    """The alert that fires, who acknowledges it, and the healthy target after a person's fix: three numbers, each with its
    source; the drill rolls back nothing that somebody changed.
    """
    drill = drills.start("scale-to-zero", limit="1m")
    task = asyncio.create_task(drills.drive(drill))
    await until(lambda: drill.status.phase is DrillPhase.FAULT and drills.replicas() == 0)
    alert = fire()
    drills.alerts = (alert,)
    await until(lambda: drill.status.times)
    await drills.record(alert.alert.fingerprint, AlertAcknowledged("HighErrorRate"))
    await until(lambda: len(drill.status.times) == 2)
    await drills.change("scale", replicas="3")
    drills.alerts = ()
    end = await task
    assert end.result == "changed", end.text
    times = {item.what: item for item in drills.drills.ended[-1].times}
    assert [times[what].result for what in ("detect", "acknowledge", "recover")] == [MET] * 3
    assert times["detect"].source == "alert HighErrorRate fires (Alertmanager)"
    assert times["acknowledge"].source == "tester acknowledged alert HighErrorRate (journal)"
    assert "scaled back to 3" in times["recover"].source
    assert all(item.seconds is not None and item.seconds < 20.0 for item in times.values())
    assert drills.replicas() == 3
    assert len(drills.bench.writes()) == 2, "the fault and the person's fix, no undo"


@pytest.mark.slow
async def test_a_killed_pod_is_replaced_and_nothing_has_to_fire(drills: DrillBench) -> None:
    """The platform bears the loss of one pod: recovery is timed, and no detection is expected."""
    end = await drills.drive(drills.start("kill-pod", limit="10s"))
    assert end.result == "rolled back", end.text
    (write,) = drills.bench.writes()
    assert write.method == "DELETE" and API in write.path
    times = {item.what: item for item in drills.drills.ended[-1].times}
    assert times["detect"].result == NOT_EXPECTED and times["acknowledge"].seconds is None
    assert drills.previews[0].second_words == ("delete",)


@pytest.mark.slow
async def test_pods_are_deleted_again_and_again_until_the_time_is_up(drills: DrillBench, tmp_path: Path) -> None:
    """A team's own drill: one confirmation for all deletions, which the preview says; after the limit none is sent any more."""
    own, limit = tmp_path / "drills.yaml", f"{extend(5.0):.0f}s"
    drill = f"title: Kill them, about: ours, action: delete-pod, pods: each, every: 1s, undo: none, limit: {limit}"
    own.write_text(f"drills: {{often: {{{drill}}}}}")
    team = DrillBench(drills.bench, replace(drills.settings, own=replace(drills.settings.own, drills=(str(own),))))
    end = await team.drive(team.start("often", limit=limit))
    assert end.result == "rolled back", end.text
    deleted = [item for item in drills.bench.writes() if item.method == "DELETE"]
    assert len(deleted) > 3 and f"{len(deleted)} pods deleted, then stopped" in end.text
    assert len(team.previews) == 1
    assert "confirming this confirms all of them" in " ".join(team.previews[0].plan.notes)
    await asyncio.sleep(1.5)
    assert len([item for item in drills.bench.writes() if item.method == "DELETE"]) == len(deleted)


def fail_deletions(monkeypatch: pytest.MonkeyPatch, fail: Callable[[str], SourceError]) -> None:
    """Every deletion that is no dry run raises what `fail` returns for the name of the pod."""
    delete = Writer.delete

    async def refuse(
        writer: Writer, resource: str, name: str, options: Mapping[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        if not dry_run:
            raise fail(name)
        return await delete(writer, resource, name, options, dry_run=dry_run)

    monkeypatch.setattr(Writer, "delete", refuse)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RequestRejected("an admission webhook denied it", status=403), "failed, nothing was changed: "),
        (RequestRejected("the object was modified", status=409), "failed, nothing was changed: "),
        (Unreachable("no connection"), "nothing was sent: "),
    ],
)
async def test_a_deletion_that_the_server_rejects_is_no_fault(
    drills: DrillBench, monkeypatch: pytest.MonkeyPatch, error: SourceError, text: str
) -> None:
    """The pod is still there: the drill was not made, nothing was timed, and it says why at once."""
    fail_deletions(monkeypatch, lambda name: error)
    end = await drills.drive(drills.start("kill-pod", limit="5s"))
    assert (end.result, end.text.startswith(text)) == ("not made", True), end.text
    assert drills.drills.ended[-1].times == ()
    assert drills.bench.writes() == []


async def test_a_deletion_that_may_have_arrived_is_unknown(drills: DrillBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a response, and with nothing that shows whether the pod goes, nobody knows whether the fault was made."""

    def lose(name: str) -> SourceError:
        drills.bench.cluster.break_path(f"/pods/{name}")
        return TimedOut("no response")

    fail_deletions(monkeypatch, lose)
    end = await drills.drive(drills.start("kill-pod", limit="5s"))
    assert (end.result, end.text.startswith("unknown: ")) == ("unknown", True), end.text


# Refusals


@pytest.mark.parametrize("name", ["kill-pod", "stop-pods", "scale-to-zero", "low-limits", "bad-image", "small-cache"])
async def test_a_protected_environment_is_refused_by_name(drills: DrillBench, name: str) -> None:
    """Every drill of the catalogue, before anything is read or previewed."""
    production = DrillBench(drills.bench, protect(drills.settings))
    before = len(drills.bench.cluster.requests)
    with pytest.raises(DrillRefused, match="production is protected"):
        production.start(name)
    assert len(drills.bench.cluster.requests) == before


async def test_the_runner_refuses_a_drill_where_it_is_protected(drills: DrillBench) -> None:
    """Whoever builds the request by hand: the guard of a drill is refused below the screens too."""
    steps = await drills.bench.act(
        "scale", TARGET, settings=protect(drills.settings), guard=GuardOptions(signals=(), drill="scale-to-zero"),
        source=drills.signals, replicas="0",
    )  # fmt: skip
    result, text = outcome(steps)
    assert result is Outcome.REFUSED and "production is protected: drills run only" in text
    assert drills.bench.writes() == []


@pytest.mark.parametrize("name", ["kill-pod", "stop-pods", "scale-to-zero", "low-limits", "bad-image"])
async def test_read_only_sends_nothing(drills: DrillBench, name: str) -> None:
    """Every drill stops at its preview, and the server sees no write."""
    reading = DrillBench(drills.bench, replace(drills.settings, read_only=True))
    end = await reading.drive(reading.start(name))
    assert end.result == "not made" and "read-only" in end.text
    assert drills.bench.writes() == []


async def test_a_target_that_is_bad_already_is_refused(drills: DrillBench) -> None:
    """What fires before the drill would be taken for its detection: nothing is sent, and the alert is named."""
    drills.alerts = (fire(),)
    end = await drills.drive(drills.start("scale-to-zero"))
    assert end.result == "not made"
    assert "is not healthy before the drill: alert HighErrorRate fires" in end.text
    assert drills.bench.writes() == [] and drills.drills.count == 0


async def test_no_drill_during_an_incident_or_another_drill(drills: DrillBench) -> None:
    """Both block by name."""
    await drills.record("i1", IncidentDeclared("errors", Priority.P1))
    await drills.record("d1", DrillStarted("bad-image", "Release a bad image", "deployment/other"))
    end = await drills.drive(drills.start("scale-to-zero"))
    assert end.result == "not made"
    assert "incident 1 P1 is open: no drill during an incident" in end.text
    assert "the drill bad-image on deployment/other of tester runs" in end.text
    assert drills.bench.writes() == []


async def test_a_declined_preview_sends_nothing(drills: DrillBench) -> None:
    """The journal has no drill then."""
    end = await drills.drive(drills.start("scale-to-zero", agree=False))
    assert (end.result, drills.bench.writes(), drills.drills.count) == ("not made", [], 0)


async def test_a_source_that_does_not_answer_gives_no_number(drills: DrillBench) -> None:
    """While the alerts are not known nothing is called detected or missed: the reason stands where the time would."""
    drills = DrillBench(drills.bench, pace=replace(QUICK_PACE, blind_seconds=0.5))
    drill = drills.start("scale-to-zero", limit="5s")
    task = asyncio.create_task(drills.drive(drill))
    await until(lambda: drill.status.phase is DrillPhase.FAULT)
    drills.health = Health.DOWN
    await until(lambda: drill.status.phase is DrillPhase.RECOVERY)
    drills.health = Health.UP
    await task
    detect = drills.drills.ended[-1].time("detect")
    assert detect is not None and detect.seconds is None and detect.result == NOT_OBSERVED
    assert detect.source.startswith("Alertmanager does not answer, for ")


# A console that ends


@pytest.mark.slow
async def test_a_console_that_ends_leaves_the_fault_to_the_next_one(drills: DrillBench) -> None:
    """The guard that nothing runs any more is taken over: what is left of the time limit passes, then the fault is rolled back;
    the drill itself is journalled as interrupted.
    """
    drill = drills.start("scale-to-zero", limit="5s")
    task = asyncio.create_task(drills.drive(drill))
    await until(lambda: drill.status.phase is DrillPhase.FAULT and bool(guards_of(drills.journal).open))
    await until(lambda: bool(guards_of(drills.journal).open[0].state))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert drills.replicas() == 0
    (ended,) = drills.drills.ended
    assert ended.result == "interrupted"
    steps = await take_over(drills)
    assert steps[-1].outcome is Outcome.ROLLED_BACK, steps[-1].text
    assert "the time limit of 5s is over" in steps[-1].text
    quiet(drills.bench.cluster, past=0)
    assert drills.replicas() > 0


async def test_a_drill_whose_console_was_killed_is_named(drills: DrillBench) -> None:
    """Without a guard there is nothing to take over: the next console says what was going on, and ends the record."""
    gone = "host 00000000-0000-0000-0000-000000000000 1 1"
    await drills.record("d1", DrillStarted("stop-pods", "Kill", TARGET, gone, 300.0, "their controller recreates them"))
    await drills.record("d1", DrillFault("r1", "sending"))
    assert drills.journal is not None
    here = create_event(
        DrillStarted("stop-pods", "Kill", TARGET, f"{socket.gethostname()} - 1 1", 300.0, "their controller recreates them"),
        at=time.time(), subject="d2", author="ann", environment="test",
    )  # fmt: skip
    drills.journal.append(here)
    shown = drills.snapshot()
    found = drills.service.list_abandoned(shown.ledger, shown.presence)
    assert [item.id for item in found] == ["d2"], "whether a process of another host runs is not known"
    text = await drills.service.close(found[0], drills.snapshot().ledger.guards)
    assert "the console of ann ended during the drill stop-pods" in text
    assert [item.id for item in drills.drills.open] == ["d1"]
    assert drills.drills.ended[-1].result == "interrupted"


async def take_over(drills: DrillBench) -> list[RunStep]:
    """As the next console does."""
    bench = drills.bench
    writer = Writer(drills.settings)
    assert drills.journal is not None
    takeover = GuardTakeover(
        guards_of(drills.journal).open[0],
        settings=drills.settings,
        reader=drills.reader,
        writer=writer,
        journal=drills.journal,
        source=drills.signals,
        run_undo=lambda request, confirm: run(
            request, RunContext(drills.settings, drills.reader, writer, drills.journal), confirm
        ),
        control=GuardControl(),
        clock=time.time,
    )
    try:
        return [step async for step in takeover.steps()]
    finally:
        await writer.close()
        assert bench.journal is drills.journal


@pytest.mark.parametrize(("turn", "result"), [(-1, "not made"), (1, "rolled back")])
async def test_of_two_drills_at_the_same_moment_the_first_runs(drills: DrillBench, turn: int, result: str) -> None:
    """Another console's start arrives after this one's was written. In the order of all consoles one of the two comes first,
    and only the other gives way.
    """
    journal = drills.journal
    assert journal is not None
    payload = DrillStarted("kill-pod", "Kill a pod", TARGET, "elsewhere 1 2 3")

    def arrive() -> None:
        (own,) = journal.events()
        other = create_event(payload, at=own.at, subject="d2", author="ann", environment="test")
        journal.merge([replace(other, id="of ann", stamp=own.stamp + turn)])

    drills.arrive = arrive
    end = await drills.drive(drills.start("scale-to-zero", limit="5s"))
    assert end.result == result, end.text
    assert len(drills.bench.writes()) == (0 if turn < 0 else 2)
    if turn < 0:
        assert end.text.endswith(f"ann started the drill kill-pod on {TARGET} at the same moment")
