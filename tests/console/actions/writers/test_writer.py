"""Read-only is enforced where a write leaves, whoever calls: no server gets one, no program starts, no file changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from action_bench import settings_for
from loopback import Loopback, always, http_answer, loopback

from console.actions.writers.writer import Writer
from console.config.services import Service
from console.config.settings import Channel, IncidentSettings
from queries.errors import NotConfigured, SourceError
from queries.http.endpoint import Endpoint
from queries.text.secrets import SecretText

WRITES: dict[str, Callable[[Writer, Path], Awaitable[object]]] = {
    "create a silence": lambda writer, _: writer.post_silence({}),
    "expire a silence": lambda writer, _: writer.expire_silence("id"),
    "call the platform": lambda writer, _: writer.call_platform("POST", "/api/v1/x", (), {}),
    "send an update": lambda writer, _: writer.post_update("chat", {"text": "x"}),
    "start a program": lambda writer, _: writer.run_program("external/render", "update", {}),
    "replace a token file": lambda writer, folder: writer.write_token_file(str(folder / "token"), SecretText("new")),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("read_only", [True, False])
async def test_under_read_only_no_write_leaves(name: str, read_only: bool, tmp_path: Path) -> None:
    """The call raises PermissionError and changes nothing; without read-only the very same call does."""
    (tmp_path / "token").write_text("old")
    async with loopback(always(http_answer("200 OK", b'{"silenceID": "x"}'))) as server:
        endpoint = Endpoint(server.url)
        settings = settings_for(
            tmp_path,
            None,
            read_only=read_only,
            alertmanagers=(endpoint,),
            administration=endpoint,
            incidents=IncidentSettings(channels=(Channel("chat", "webhook", url=f"{server.url}/hook"),)),
            services=(Service("render", (("update", ("touch", str(tmp_path / "started"))),), str(tmp_path)),),
        )
        writer = Writer(settings)
        try:
            if read_only:
                with pytest.raises(PermissionError, match="read-only"):
                    await WRITES[name](writer, tmp_path)
            else:
                await WRITES[name](writer, tmp_path)
        finally:
            await writer.close()
        sent = [head for head in server.requests if not head.startswith(b"GET ")]
    changed = bool(sent) or (tmp_path / "started").exists() or (tmp_path / "token").read_text() == "new"
    assert changed is not read_only


def peers(folder: Path, *urls: str) -> Writer:
    return Writer(settings_for(folder, None, alertmanagers=tuple(Endpoint(url, timeout_seconds=5.0) for url in urls)))


def methods(server: Loopback) -> list[bytes]:
    return [head.split(b" ")[0] for head in server.requests]


async def test_a_silence_goes_to_the_first_peer_that_answers(tmp_path: Path) -> None:
    """Whether it answers is asked before; a write that fails is not repeated on the next one, which has no request at all."""
    good = always(http_answer("200 OK", b'{"silenceID": "s1"}'))
    broken = always(http_answer("500 Internal Server Error", b'"broken"'))
    async with loopback(broken) as first, loopback(good) as second, loopback(good) as third:
        writer = peers(tmp_path, first.url, second.url, third.url)
        try:
            assert await writer.post_silence({}) == "s1"
        finally:
            await writer.close()
        assert b"POST" not in methods(first) and third.requests == []
        assert methods(second) == [b"GET", b"POST"]

    async def only_reads(head: bytes, answer: asyncio.StreamWriter) -> None:
        status, body = ("200 OK", b"{}") if head.startswith(b"GET") else ("500 Internal Server Error", b'"broken"')
        answer.write(http_answer(status, body))
        await answer.drain()

    async with loopback(only_reads) as first, loopback(good) as second:
        writer = peers(tmp_path, first.url, second.url)
        try:
            with pytest.raises(SourceError, match="broken"):
                await writer.post_silence({})
        finally:
            await writer.close()
        assert methods(first).count(b"POST") == 1 and second.requests == []


async def test_without_any_peer_the_last_reason_is_said(tmp_path: Path) -> None:
    """No Alertmanager at all, and two that do not answer."""
    bare = peers(tmp_path)
    with pytest.raises(NotConfigured, match="Alertmanager"):
        await bare.expire_silence("s1")
    await bare.close()
    one, two = (always(http_answer("500 Internal Server Error", text)) for text in (b'"one"', b'"two"'))
    async with loopback(one) as first, loopback(two) as second:
        writer = peers(tmp_path, first.url, second.url)
        try:
            with pytest.raises(SourceError, match="two"):
                await writer.expire_silence("s1")
        finally:
            await writer.close()


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"silenceID": ""}', b'{"silenceID": 7}'])
async def test_a_silence_without_an_id_is_not_called_made(tmp_path: Path, answer: bytes) -> None:
    """Whatever else the server answers: nobody could expire it."""
    async with loopback(always(http_answer("200 OK", answer))) as server:
        writer = peers(tmp_path, server.url)
        try:
            with pytest.raises(SourceError):
                await writer.post_silence({})
        finally:
            await writer.close()


async def test_what_is_not_configured_says_where_to_name_it(tmp_path: Path) -> None:
    """A channel, a health URL, the administration and the cluster, each with its own words; of two channels the other one."""
    service = Service("db")
    channels = IncidentSettings(channels=(Channel("chat", "webhook"),))
    writer = Writer(settings_for(tmp_path, None, services=(service,), incidents=channels))
    calls: tuple[tuple[Callable[[], Awaitable[object]], str], ...] = (
        (lambda: writer.post_update("mail", {}), "there is no channel mail"),
        (lambda: writer.check_health("db"), "the service db has no health URL"),
        (lambda: writer.check_health("other"), "the service other has no health URL"),
        (lambda: writer.call_platform("POST", "/x", (), {}), "the platform's administration is not configured"),
        (writer.cluster_identity, "Kubernetes is not configured"),
        (lambda: writer.delete("pods", "a", {}), "Kubernetes is not configured"),
    )
    for call, why in calls:
        with pytest.raises(NotConfigured, match=why):
            await call()
    await writer.close()


@pytest.mark.parametrize(
    ("status", "body", "healthy"),
    [("200 OK", b"ok", True), ("204 No Content", b"", True), ("503 Service Unavailable", b"starting", False)],
)
async def test_a_service_is_healthy_if_its_url_says_so(tmp_path: Path, status: str, body: bytes, healthy: bool) -> None:
    """Of two services that of the name; a reason is no health."""
    async with loopback(always(http_answer(status, body, "text/plain"))) as server:
        services = (Service("other", health_url="http://127.0.0.1:9/"), Service("db", health_url=f"{server.url}/healthz"))
        writer = Writer(settings_for(tmp_path, None, services=services))
        why = await writer.check_health("db")
        assert (why == "") is healthy and (await writer.check_health("other")) != ""
        assert server.requests[0].startswith(b"GET /healthz ")
        await writer.close()
