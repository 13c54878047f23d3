"""What a guard tells two incidents and their channels, one text after the other, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from console.actions.guard.notices import GuardNotices, describe_notices, find_channels
from console.actions.plan import CheckLevel, Outcome, Plan, PreflightCheck, Preview, Request, RunStep, Stage
from console.config.settings import Channel, IncidentSettings
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import DeliveryState, Payload, UpdateWritten
from console.state.incident import Delivery, Incident, Update
from queries.errors import Unreachable
from queries.model.severity import Priority

TARGET = "deployment/api"
SETTINGS = IncidentSettings(
    channels=(
        Channel("chat", "slack"),
        Channel("mail", "slack"),
        Channel("page", "slack"),
        Channel("quiet", "slack", guards=False),
    )
)


def incident(number: int, *used: tuple[str, DeliveryState], target: str = TARGET) -> Incident:
    deliveries = tuple(Delivery(1.0, "ann", where, state) for where, state in used)
    updates = (Update("u1", 1.0, "ann", "we look"), Update("u2", 1.0, "ann", "still", deliveries))
    return Incident(f"i{number}", number, "errors", Priority.P1, 1.0, "ann", targets=(target,), updates=updates)


SENT, UNKNOWN = DeliveryState.SENT, DeliveryState.UNKNOWN
BOTH = incident(1, ("mail", UNKNOWN), ("chat", SENT), ("page", DeliveryState.NOT_SENT), ("quiet", SENT), ("gone", SENT))
NONE = incident(2, ("page", DeliveryState.COPIED))
OTHER = incident(3, ("chat", SENT), target="deployment/web")


def step(outcome: Outcome | None, text: str = "") -> RunStep:
    return RunStep(Stage.OUTCOME, text, 0.0, 0.0, outcome=outcome)


class Outside:
    """The incidents, the journal and the channels as a test sets them."""

    def __init__(self, *incidents: Incident, caveat: str = "") -> None:
        self.incidents, self.caveat = incidents, caveat
        self.failure: Exception | None = None
        self.refuse_journal = False
        self.written: list[tuple[str, str]] = []
        self.sent: list[tuple[str, str, str]] = []
        self.blocked = False
        self.hold: asyncio.Event | None = None
        self.ends: dict[str, list[RunStep]] = {}

    async def fetch(self) -> tuple[Sequence[Incident], str]:
        if self.failure is not None:
            raise self.failure
        return self.incidents, self.caveat

    def append(self, subject: str, payload: Payload) -> Event:
        if self.refuse_journal:
            raise JournalError("locked")
        assert isinstance(payload, UpdateWritten)
        self.written.append((subject, payload.text))
        return Event(1.0, "x", subject, "ann")

    async def send(self, request: Request, confirm: Callable[[Preview], Awaitable[bool]]) -> AsyncGenerator[RunStep, None]:
        if self.hold is not None:
            await self.hold.wait()
        channel = request.parameters["channel"]
        level = CheckLevel.BLOCK if self.blocked else CheckLevel.OK
        plan = Plan(request, "Send", request.target, (), (), "", "", {})
        agreed = await confirm(Preview(plan, (PreflightCheck(level, "x"),), protected=True))
        self.sent.append((channel, request.target.partition("/")[0], str(agreed)))
        assert request.cause == f"guard of {TARGET}" and request.action == "notify"
        for item in self.ends.get(channel, [step(None), step(Outcome.DONE)]):
            yield item

    def open(self) -> GuardNotices:
        return GuardNotices(
            TARGET, fingerprint="", settings=SETTINGS, fetch_incidents=self.fetch, append=self.append, send=self.send
        )


def test_the_channels_are_those_that_got_an_update() -> None:
    """Or may have got it; in the order of the settings, without one that wants no guard events or that is not there."""
    assert [find_channels(item, SETTINGS) for item in (BOTH, NONE, OTHER)] == [("chat", "mail"), (), ("chat",)]
    assert describe_notices((), SETTINGS) == (
        "guard events also go to any incident declared for it in the meantime, and to its channels",
    )
    assert describe_notices((BOTH, NONE), SETTINGS) == (
        "incident 1 gets the guard events; it is sent to chat, mail",
        "incident 2 gets the guard events; none of its updates went to a channel, so none is sent",
    )


async def test_every_incident_of_the_target_gets_every_text() -> None:
    """Each in its order, in the journal first; what became of the newest is said, with incidents that may be missing."""
    outside = Outside(BOTH, NONE, OTHER, caveat="the store is gone")
    notices = outside.open()
    assert await notices.finish() == "" and await notices.settle() and not notices.sending
    notices.announce("rolls back in 10s")
    assert notices.sending
    notices.announce("rolled back")
    assert await notices.finish() == (
        "; incident 1: chat accepted it, mail accepted it; incident 2 has it in its timeline"
        "; incidents may be missing: the store is gone"
    )
    assert outside.written == [("i1", f"guard of {TARGET}: rolls back in 10s"), ("i1", f"guard of {TARGET}: rolled back")]
    assert [channel for channel, _, _ in outside.sent] == ["chat", "mail"] * 2
    assert {agreed for _, _, agreed in outside.sent} == {"True"} and not notices.sending
    outside.incidents = (OTHER,)
    outside.caveat = ""
    notices.announce("kept")
    assert await notices.finish() == ""


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ([step(Outcome.REFUSED, "no token")], "chat did not get it (no token), mail accepted it"),
        ([step(Outcome.FAILED, "500")], "chat did not get it (500), mail accepted it"),
        ([step(Outcome.UNKNOWN, "?")], "whether chat got it is unknown, mail accepted it"),
        ([step(None, "executes")], "whether chat got it is unknown, mail accepted it"),
        ([], "whether chat got it is unknown, mail accepted it"),
    ],
)
async def test_what_a_channel_did_with_it_is_said(ends: list[RunStep], text: str) -> None:
    """Of two channels each for itself; no end is not taken for a good one."""
    outside = Outside(BOTH)
    outside.ends["chat"] = ends
    notices = outside.open()
    notices.announce("rolled back")
    assert await notices.finish() == f"; incident 1: {text}"


async def test_a_preview_that_is_blocked_is_not_confirmed() -> None:
    outside = Outside(BOTH)
    outside.blocked = True
    notices = outside.open()
    notices.announce("rolled back")
    await notices.finish()
    assert [agreed for _, _, agreed in outside.sent] == ["False", "False"]


async def test_what_fails_is_said_and_the_next_text_goes_on() -> None:
    """Incidents that cannot be read, and a journal that takes no entry, without which nothing is sent."""
    outside = Outside(BOTH)
    notices = outside.open()
    for failure in (Unreachable("no connection"), JournalError("no connection")):
        outside.failure = failure
        notices.announce("one")
        assert await notices.finish() == "; no incident was told: no connection"
    outside.failure, outside.refuse_journal = None, True
    notices.announce("two")
    text = "; incident 1: nothing was sent, no update without its journal entry: locked"
    assert await notices.finish() == text and outside.sent == []
    outside.refuse_journal = False
    notices.announce("three")
    assert "chat accepted it" in await notices.finish()


async def test_a_channel_that_hangs_holds_up_only_whoever_waits_to_the_end() -> None:
    """A moment of patience says that it still goes on; a close ends it, and sends nothing that waited."""
    outside = Outside(BOTH)
    outside.hold = asyncio.Event()
    notices: Any = outside.open()
    notices.announce("one")
    notices.announce("two")
    assert await notices.settle() is False and notices.sending
    await notices.close()
    assert not notices.sending and outside.sent == []
    await notices.close()
    free = Outside(BOTH)
    free.hold = asyncio.Event()
    other = free.open()
    other.announce("one")
    asyncio.get_running_loop().call_later(0.05, free.hold.set)
    assert await other.settle() is True and len(free.sent) == 2
