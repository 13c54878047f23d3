"""What the guard of a change tells the open incident of its workload, and the channels of that incident: a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from action_bench import Bench, outcome
from guard_bench import BRIEF, Signals
from limits import extend
from loopback import Behaviour, Loopback, always, http_answer, loopback

from console.actions.guard.model import GuardOptions, GuardPhase
from console.actions.guard.notices import GuardNotices
from console.actions.plan import Outcome, Request, RunStep
from console.actions.runner import Confirm
from console.config.settings import Channel, IncidentSettings
from console.demo.cluster.request import HttpRequest
from console.journal.event import Event
from console.journal.payloads import (
    ActionOutcome,
    IncidentClosed,
    IncidentDeclared,
    Payload,
    UpdateWritten,
    create_event,
)
from console.state.incident import DeliveryState, Incident
from console.state.incident_projection import IncidentsProjection
from queries.errors import RequestRejected
from queries.model.severity import Priority

NODE = "node/node-1"
ACCEPTS = always(http_answer("200 OK", b"ok", "text/plain"))


async def hang(head: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


def note(bench: Bench, payload: Payload, subject: str = "i1") -> None:
    assert bench.journal is not None
    event = create_event(payload, at=time.time(), subject=subject, author="ann", environment=bench.settings.environment)
    bench.journal.append(event)


def incident(bench: Bench) -> Incident:
    told = IncidentsProjection()
    assert bench.journal is not None
    found = told.fold(told.initial(), bench.journal.events(kinds=told.kinds)).get("i1")
    assert found is not None
    return found


def guard_lines(bench: Bench) -> list[str]:
    return [item.text for item in incident(bench).entries if item.text.startswith("guard of ")]


@asynccontextmanager
async def channel(
    bench: Bench, behave: Behaviour, *, used: bool = True, guards: bool = True, target: str = NODE
) -> AsyncIterator[Loopback]:
    """An open incident about the target, and a channel that already had an update of it, if it was `used`."""
    async with loopback(behave) as server:
        chat = Channel("chat", "slack", url=f"{server.url}/hook", timeout_seconds=2.0, guards=guards)
        bench.settings = replace(bench.settings, incidents=IncidentSettings(channels=(chat,)))
        note(bench, IncidentDeclared("Errors", Priority.P1, targets=(target,)))
        note(bench, UpdateWritten("u1", "we look at it"))
        if used:
            note(bench, ActionOutcome("done", "done", action="notify", title="Send", target="update/i1/u1/chat"), "r0")
        yield server


async def run_worse(bench: Bench, signals: Signals, guard: GuardOptions = BRIEF) -> list[RunStep]:
    """A change whose error ratio is worse as soon as it is watched."""

    async def meanwhile(step: RunStep) -> None:
        if step.guard is not None:
            signals.values["error_ratio"] = 8.0

    return await bench.act("cordon", NODE, guard=guard, source=signals, meanwhile=meanwhile)


async def test_the_incident_and_its_channel_get_announcement_and_end(bench: Bench) -> None:
    """A roll-back is announced and reported in the timeline and to the channel that had an update; the preview names both."""
    signals = Signals(bench.journal)
    async with channel(bench, ACCEPTS) as server:
        steps = await run_worse(bench, signals, replace(BRIEF, countdown_seconds=0.5))
        result, text = outcome(steps)
        assert result is Outcome.ROLLED_BACK
        assert text.endswith("; incident 1: chat accepted it")
        assert not any(step.text.endswith("telling the incident") for step in steps)
        assert "incident 1 gets the guard events; it is sent to chat" in bench.previews[0].plan.notes
        sent = [json.loads(body)["text"] for body in server.bodies]
    announced, ended = guard_lines(bench)
    assert sent == [announced, ended]
    assert announced.startswith(
        "guard of node/node-1: Error ratio 8.00 % is at or over 1.00 %, 0.30 % before: rolls back in 500ms"
    )
    assert ended.startswith("guard of node/node-1: rolled back: Error ratio 8.00 %")
    assert [item.deliveries[-1].state for item in incident(bench).updates] == [DeliveryState.SENT] * 3


async def test_a_kept_change_and_a_failed_roll_back_are_told(bench: Bench) -> None:
    """Both ends are in the timeline and went to the channel."""
    signals = Signals(bench.journal)
    async with channel(bench, ACCEPTS) as server:
        assert outcome(await bench.act("cordon", NODE, guard=BRIEF, source=signals))[0] is Outcome.DONE
        await bench.act("uncordon", NODE)

        async def meanwhile(step: RunStep) -> None:
            if step.guard is not None:
                signals.values["error_ratio"] = 8.0
                bench.cluster.on_request(
                    lambda item: (
                        bench.cluster.fail_next(422) if item.method == "PATCH" and "dryRun" not in dict(item.query) else None
                    )
                )

        steps = await bench.act("cordon", NODE, guard=BRIEF, source=signals, meanwhile=meanwhile)
        assert outcome(steps)[0] is Outcome.ROLLBACK_FAILED
        sent = [json.loads(body)["text"].partition(": ")[2] for body in server.bodies]
    assert [text.partition(":")[0] for text in sent] == ["kept", "Error ratio 8.00 % is at or over 1.00 %, 0.30 % before",
                                                         "ROLLBACK FAILED"]  # fmt: skip
    assert len(guard_lines(bench)) == 3


@pytest.mark.slow
async def test_a_channel_that_does_not_answer_is_unknown_and_holds_nothing_up(bench: Bench) -> None:
    """Nobody claims that it was sent, and the roll-back is sent within a second of the end of the countdown."""
    signals, patched = Signals(bench.journal), []
    async with channel(bench, hang):

        def note_patch(item: HttpRequest) -> None:
            if item.method == "PATCH" and "dryRun" not in dict(item.query):
                patched.append(time.time())

        bench.cluster.on_request(note_patch)
        steps = await run_worse(bench, signals)
        result, text = outcome(steps)
    assert result is Outcome.ROLLED_BACK
    assert text.endswith("incident 1: whether chat got it is unknown")
    announced = next(step for step in steps if step.guard is not None and step.guard.phase is GuardPhase.COUNTDOWN)
    assert announced.guard is not None and announced.guard.acts_at is not None
    assert patched[-1] - announced.guard.acts_at < extend(1.0)
    assert any(step.text.endswith("telling the incident") for step in steps)
    states = [item.deliveries[-1].state for item in incident(bench).updates[1:]]
    assert states == [DeliveryState.UNKNOWN] * 2
    assert not [item for item in incident(bench).entries if "accepted" in item.text and "chat" in item.text]


async def test_only_the_channels_of_the_incident_get_it(bench: Bench) -> None:
    """A channel without an update, one that wants nothing of guards, and a closed incident get nothing."""
    signals = Signals(bench.journal)
    async with channel(bench, ACCEPTS, used=False) as server:
        steps = await run_worse(bench, signals)
        assert outcome(steps)[1].endswith("; incident 1 has it in its timeline")
        assert "incident 1 gets the guard events; none of its updates went to a channel, so none is sent" in (
            bench.previews[0].plan.notes
        )
        assert not server.requests and len(guard_lines(bench)) == 2
        note(bench, ActionOutcome("done", "done", action="notify", target="update/i1/u1/chat"), "r0")
        quiet = replace(bench.settings.incidents.channels[0], guards=False)
        bench.settings = replace(bench.settings, incidents=IncidentSettings(channels=(quiet,)))
        signals.values["error_ratio"] = 0.3
        await run_worse(bench, signals)
        assert not server.requests
        note(bench, IncidentClosed())
        signals.values["error_ratio"] = 0.3
        assert "incident" not in outcome(await run_worse(bench, signals))[1]
        assert not server.requests


async def test_an_incident_about_another_workload_gets_nothing(bench: Bench) -> None:
    """Neither its timeline nor its channel hears of a guard that is not about it."""
    signals = Signals(bench.journal)
    async with channel(bench, ACCEPTS, target="deployment/cad-render") as server:
        assert "incident" not in outcome(await run_worse(bench, signals))[1]
        assert not server.requests
    assert guard_lines(bench) == []


async def test_a_console_that_ends_sends_nothing_more(bench: Bench) -> None:
    """Also where the incidents cannot be read at the very moment at which it ends: the texts that wait are not sent."""
    reads: list[asyncio.Task[None]] = []

    async def fetch_incidents() -> tuple[tuple[Incident, ...], str]:
        async def fail() -> None:
            raise RequestRejected("no")

        reads.append(asyncio.create_task(fail()))
        await asyncio.gather(reads[-1], asyncio.sleep(30.0))
        return (), ""

    def append(subject: str, payload: Payload) -> Event:
        raise AssertionError("nothing is sent")

    async def send(request: Request, confirm: Confirm) -> AsyncGenerator[RunStep, None]:
        raise AssertionError("nothing is sent")
        yield

    notices = GuardNotices(
        NODE, fingerprint="", settings=bench.settings.incidents, fetch_incidents=fetch_incidents, append=append, send=send
    )
    notices.announce("it is worse")
    notices.announce("it is rolled back")
    for _ in range(100):
        if reads and reads[0].done():
            break
        await asyncio.sleep(0)
    async with asyncio.timeout(extend(5.0)):
        await notices.close()
    assert not notices.sending and len(reads) == 1
