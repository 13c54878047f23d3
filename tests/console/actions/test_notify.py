"""Updates sent to channels that work, hang, fail, echo and redirect: real HTTP on loopback, the real session and journal."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from action_bench import settings_for
from loopback import Behaviour, Loopback, always, http_answer, loopback

from console.actions.plan import Outcome, Preview, Request, RunStep
from console.actions.writers.writer import Writer
from console.config.settings import Channel, IncidentSettings
from console.journal.payloads import IncidentDeclared, StepChanged, UpdateWritten
from console.journal.sqlite import Journal
from console.monitor.session import Session
from console.runbooks.index import RunbookIndex
from console.state.incident import DeliveryState, Incident
from console.state.incident import Step as IncidentStep
from queries.errors import NotConfigured, SourceError
from queries.http.endpoint import HttpConfig
from queries.model.alert import Priority

SECRET = "T0p/B1llion/s3cretHook77"
KEY = "r0ut1ngK3yOfThePager"
TEXT = "8 % of requests fail <!channel>\nwe roll back"


class Desk:
    """A session with one incident, one update and one channel."""

    def __init__(self, session: Session, server: Loopback) -> None:
        self.session = session
        self.server = server
        self.previews: list[Preview] = []

    async def declare(self) -> None:
        await self.session.record("i1", IncidentDeclared.of("Errors everywhere", Priority.P1))
        await self.session.record("i1", UpdateWritten("u1", TEXT))

    async def send(self, channel: str = "chat") -> RunStep:
        """The last step."""

        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        found = []
        async with aclosing(self.session.run(Request("notify", "update/i1/u1", {"channel": channel}), agree)) as steps:  # type: ignore[type-var]
            async for step in steps:
                found.append(step)
        assert all(SECRET.split("/")[2] not in step.text and KEY not in step.text for step in found)
        return found[-1]

    async def incident(self) -> Incident:
        found = (await self.session.ledger()).incidents.get("i1")
        assert found is not None
        return found

    async def state(self) -> tuple[DeliveryState, str]:
        """Of the newest attempt."""
        sending = (await self.incident()).updates[0].deliveries[-1]
        return sending.state, sending.why


@asynccontextmanager
async def desk(folder: Path, behave: Behaviour, *, kind: str = "slack", read_only: bool = False) -> AsyncIterator[Desk]:
    async with loopback(behave) as server:
        url = f"{server.url}/services/{SECRET}?token=alsoSecret99"
        key = KEY if kind == "pagerduty" else ""
        channel = Channel("chat", kind, url=url, routing_key=key, timeout_seconds=0.5)
        settings = settings_for(folder, None, incidents=IncidentSettings(channels=(channel,)), read_only=read_only)
        journal = Journal.open(settings.paths.journal_file)
        session = Session(settings, specs=(), runbooks=RunbookIndex.load(""), journal=journal)
        try:
            made = Desk(session, server)
            await made.declare()
            yield made
        finally:
            await session.close()


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def hang(head: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def reset(head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def echo(head: bytes, writer: asyncio.StreamWriter) -> None:
    """As a gateway that quotes the request line in its error page, cut somewhere."""
    target = head.split(b" ")[1]
    writer.write(http_answer("502 Bad Gateway", b"cannot forward " + target + b" because", "text/plain"))


async def test_slack_takes_it(tmp_path: Path) -> None:
    """Sent once to the very URL, as plain text that calls nobody; the step is ticked and the timeline says so."""
    async with desk(tmp_path, always(http_answer("200 OK", b"ok", "text/plain"))) as made:
        end = await made.send()
        assert (end.outcome, end.text) == (Outcome.DONE, "done in 0s; chat accepted it")
        assert made.server.requests[0].startswith(f"POST /services/{SECRET}?token=alsoSecret99 HTTP".encode())
        assert json.loads(made.server.bodies[0]) == {"text": "8 % of requests fail &lt;!channel&gt;\nwe roll back"}
        assert await made.state() == (DeliveryState.SENT, "")
        incident = await made.incident()
        assert incident.completions[IncidentStep.COMMUNICATE].because == "update sent to chat"
        assert incident.entries[-1].text == "update to chat: done in 0s; chat accepted it"
        await made.send()
        assert [check.text for check in made.previews[1].checks][1] == "tester already sent it there"
    assert SECRET.encode() not in written(tmp_path)


async def test_a_generic_webhook_and_the_pager(tmp_path: Path) -> None:
    """A webhook gets incident and update as JSON; PagerDuty an event with its key, under one name for the whole incident."""
    answer = always(http_answer("202 Accepted", b'{"status": "success"}'))
    async with desk(tmp_path / "a", answer, kind="webhook") as made:
        assert (await made.send()).outcome is Outcome.DONE
        body = json.loads(made.server.bodies[0])
        assert body["update"]["text"] == TEXT
        assert (body["incident"]["severity"], body["incident"]["status"]) == ("P1", "investigating")
    async with desk(tmp_path / "b", answer, kind="pagerduty") as made:
        assert (await made.send()).outcome is Outcome.DONE
        body = json.loads(made.server.bodies[0])
        assert (body["routing_key"], body["event_action"], body["dedup_key"]) == (KEY, "trigger", "cad-console-i1")
        assert body["payload"]["severity"] == "critical"
        assert body["payload"]["summary"] == "P1 Errors everywhere: 8 % of requests fail <!channel>"
        await made.session.record("i1", StepChanged(IncidentStep.RESOLVE, done=True))
        await made.send()
        assert json.loads(made.server.bodies[1])["event_action"] == "resolve"
    assert KEY.encode() not in written(tmp_path)


FAULTS = {
    "hangs": (hang, Outcome.UNKNOWN, DeliveryState.UNKNOWN, "no complete answer within 500ms"),
    "breaks off": (reset, Outcome.UNKNOWN, DeliveryState.UNKNOWN, "the connection broke"),
    "500": (
        always(http_answer("500 Oops", b"boom", "text/plain")), Outcome.UNKNOWN, DeliveryState.UNKNOWN, "500 the server failed"
    ),
    "echo": (echo, Outcome.UNKNOWN, DeliveryState.UNKNOWN, "502"),
    "refused": (
        always(http_answer("404 Not Found", b"no_service", "text/plain")), Outcome.FAILED, DeliveryState.NOT_SENT, "no_service"
    ),
    "login page": (
        always(http_answer("200 OK", b"<html>sign in", "text/html")), Outcome.UNKNOWN, DeliveryState.UNKNOWN, "web page"
    ),
    "redirect": (
        always(http_answer("302 Found", b"", "", f"Location: /login/{SECRET}")), Outcome.UNKNOWN, DeliveryState.UNKNOWN, "302"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
async def test_a_channel_that_does_not_take_it(name: str, tmp_path: Path) -> None:
    """The update is kept and shown as not sent, with why and without a word of the URL; nothing is repeated by itself; when a
    person asks again and the channel is well, it goes out.
    """
    behave, outcome, delivery, why = FAULTS[name]
    well = False

    async def now(head: bytes, writer: asyncio.StreamWriter) -> None:
        await (always(http_answer("200 OK", b"ok", "text/plain")) if well else behave)(head, writer)

    async with desk(tmp_path, now) as made:
        end = await made.send()
        assert end.outcome is outcome
        assert why in end.text
        state, told = await made.state()
        assert state is delivery
        assert why in told
        incident = await made.incident()
        assert incident.updates[0].text == TEXT
        assert incident.communicated_at is None
        assert IncidentStep.COMMUNICATE not in incident.completions
        await asyncio.sleep(0.2)
        assert len(made.server.requests) == 1
        well = True
        assert (await made.send()).outcome is Outcome.DONE
        assert (await made.incident()).communicated_at is not None
    for part in (*SECRET.split("/")[1:], "alsoSecret99"):
        assert part.encode() not in written(tmp_path)


@pytest.mark.parametrize("kind", ["slack", "webhook", "pagerduty"])
async def test_a_lost_answer_of_a_channel_is_known_to_nobody(kind: str, tmp_path: Path) -> None:
    """The channel took the page and the connection broke: nothing is claimed of it, neither here nor in the journal."""

    async def deliver_and_break(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with desk(tmp_path, deliver_and_break, kind=kind) as made:
        end = await made.send()
        assert len(made.server.requests) == 1, "it was delivered"
        assert end.outcome is Outcome.UNKNOWN
        assert "has not taken effect" not in end.text
        assert "whether it arrived is unknown" in end.text
        incident = await made.incident()
        assert "whether it arrived is unknown" in incident.entries[-1].text
        assert (await made.state())[0] is DeliveryState.UNKNOWN


async def test_nothing_listens(tmp_path: Path) -> None:
    """What cannot have arrived is refused, and said so."""
    async with desk(tmp_path, reset) as made:
        async with loopback(reset) as gone:
            pass
        channel = Channel("chat", "slack", url=f"{gone.url}/{SECRET}", timeout_seconds=0.5)
        made.session.settings = settings_for(tmp_path, None, incidents=IncidentSettings(channels=(channel,)))
        end = await made.send()
        assert end.outcome is Outcome.REFUSED
        assert end.text.startswith("nothing was sent: ")
        assert (await made.state())[0] is DeliveryState.NOT_SENT


async def test_read_only_sends_nothing(tmp_path: Path) -> None:
    """The preview is there, and not one connection is made."""
    async with desk(tmp_path, reset, read_only=True) as made:
        end = await made.send()
        assert end.outcome is Outcome.REFUSED
        assert "read-only" in end.text
        assert made.server.connections == 0


@pytest.mark.parametrize(
    ("target", "channel", "told"),
    [
        ("update/i1/u1", "pager", "there is no channel 'pager'"),
        ("update/i1/u9", "chat", "the incident i1 has no update 'u9'"),
        ("update/i9/u1", "chat", "the journal has no incident 'i9'"),
        ("deployment/x", "chat", "is not update/INCIDENT/UPDATE"),
    ],
)
async def test_what_cannot_be_sent(target: str, channel: str, told: str, tmp_path: Path) -> None:
    """Refused with what is wrong and what there is instead, before any connection."""
    async with desk(tmp_path, reset) as made:

        async def agree(preview: Preview) -> bool:
            raise AssertionError("nothing to confirm")

        texts = [step.text async for step in made.session.run(Request("notify", target, {"channel": channel}), agree)]
        assert told in texts[-1]
        assert made.server.connections == 0


USERS = {
    "reader:s%40cret%3Aword": "reader:s@cret:word",
    "reader": "reader:",
    ":onlyAToken9": ":onlyAToken9",
    "t%C3%A9am:p%C3%A4ss99": "téam:päss99",
}


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("userinfo", USERS)
async def test_user_and_password_of_the_url_are_sent(userinfo: str, in_file: bool, tmp_path: Path) -> None:
    """As Basic, with the percent-encoding taken off; the URL itself goes without them, and no error shows them."""
    async with loopback(always(http_answer("200 OK", b"ok", "text/plain"))) as server:
        url = f"http://{userinfo}@127.0.0.1:{server.port}/hook?x=1"
        file = tmp_path / "url"
        file.write_text(f"{url}\n")
        channel = Channel("chat", "webhook", **({"url_file": str(file)} if in_file else {"url": url}))
        await _post(channel, tmp_path)
        head = server.requests[0].decode()
        assert head.startswith("POST /hook?x=1 HTTP/1.1")
        sent = [line.partition(" ")[2] for line in head.split("\r\n") if line.lower().startswith("authorization:")]
        assert sent == [f"Basic {base64.b64encode(USERS[userinfo].encode()).decode()}"]
        assert "@" not in head


async def test_user_and_password_of_the_url_are_in_no_error(tmp_path: Path) -> None:
    """A server that echoes what it was sent does not make them known."""

    async def echo(head: bytes, writer: asyncio.StreamWriter) -> None:
        sent = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:"))
        told = sent + b" " + base64.b64decode(sent.rpartition(b" ")[2])
        writer.write(http_answer("400 Bad Request", told, "text/plain"))

    async with loopback(echo) as server:
        url = f"http://operator:sw%40rdfish77@127.0.0.1:{server.port}/hook"
        with pytest.raises(SourceError) as caught:
            await _post(Channel("chat", "webhook", url=url), tmp_path)
    told = str(caught.value)
    assert "400" in told
    for secret in ("sw@rdfish77", "sw%40rdfish77", base64.b64encode(b"operator:sw@rdfish77").decode()):
        assert secret not in told


async def test_two_authorizations_are_refused(tmp_path: Path) -> None:
    """User and password in the URL and an Authorization header beside them: refused by name, and nothing leaves."""
    async with loopback(always(http_answer("200 OK", b"ok", "text/plain"))) as server:
        url = f"http://reader:sw0rdfish@127.0.0.1:{server.port}/hook"
        for http, name in (
            (HttpConfig(credentials="t0ken99"), "authorization"),
            (HttpConfig(username="x", password="y"), "basic_auth"),
            (HttpConfig(http_headers=(("authorization", "x"),)), "http_headers.Authorization"),
        ):
            with pytest.raises(NotConfigured, match=f"http_config.{name} is set too") as caught:
                await _post(Channel("chat", "webhook", url=url, http=http), tmp_path)
            assert "sw0rdfish" not in str(caught.value)
        assert server.requests == []


@pytest.mark.parametrize("url", ["http://[::1", "http://u:p@", "https://u:s3cretword@[x"])
async def test_a_url_file_that_holds_no_url(url: str, tmp_path: Path) -> None:
    """It is said, without a word of it."""
    file = tmp_path / "url"
    file.write_text(url)
    with pytest.raises(SourceError, match="URL") as caught:
        await _post(Channel("chat", "webhook", url_file=str(file)), tmp_path)
    assert "s3cretword" not in str(caught.value)


async def _post(channel: Channel, folder: Path) -> None:
    writer = Writer(settings_for(folder, None, incidents=IncidentSettings(channels=(channel,)), read_only=False))
    try:
        await writer.post_update("chat", {"text": "x"})
    finally:
        await writer.close()
