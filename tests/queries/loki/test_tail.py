"""Loki's tail socket, against the demo's stand-in over a real connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from console.demo.loki import Limits, LineStore
from console.demo.loki_server import LokiApi
from queries.errors import SourceError
from queries.http.endpoint import Endpoint, HttpConfig
from queries.loki import Loki
from queries.loki.responses import Tail, decode_tail
from queries.model.fault import FaultKind

APP = {"app": "cad-ml-api", "pod": "a"}
QUERY = '{app="cad-ml-api"}'


@pytest.fixture
def api() -> Iterator[LokiApi]:
    api = LokiApi(LineStore(Limits(tail_entries=5)), clock=time.time)
    api.start()
    yield api
    api.stop()


async def listen(api: LokiApi, *, query: str = QUERY, tenant: str = "", lines: int = 1, text: str = "line") -> list[Tail]:
    """The messages until there were so many lines, which are pushed once live ones come."""
    http = HttpConfig(http_headers=(("X-Scope-OrgID", tenant),) if tenant else ())
    loki = Loki(Endpoint(api.url, http))
    messages = loki.tail(query, start_ns=time.time_ns())
    assert messages is not None
    found: list[Tail] = []
    async with asyncio.timeout(15), aclosing(messages):
        async for message in messages:
            if len(found) == 1:  # the one before says only that the socket is open
                api.store.push(APP, [(time.time_ns() + number, f"{text} {number}") for number in range(lines)])
            found.append(message)
            if message.dropped or sum(len(item.lines) for item in found) >= lines:
                break
    return found


async def test_lines_as_they_arrive(api: LokiApi) -> None:
    """First an empty message: it is open. Lines carry the labels of their stream alone."""
    first, *_, last = await listen(api, lines=3)
    assert first == Tail()
    assert [line.text for line in last.lines] == ["line 0", "line 1", "line 2"]
    assert dict(last.lines[0].labels) == APP and last.lines[0].metadata == ()


async def test_a_line_of_a_megabyte_is_cut_and_its_size_kept(api: LokiApi) -> None:
    """As where it is read: nothing of the rest is kept, whatever is in it."""
    *_, last = await listen(api, text="\x1b[2J" + "\u00e9" * (1 << 19))
    (line,) = last.lines
    assert line.text.startswith("\x1b[2J\u00e9") and 8190 <= len(line.text.encode()) <= 8192
    assert line.size_bytes == 4 + (1 << 20) + len(" 0")


async def test_dropped_lines_are_named(api: LokiApi) -> None:
    """Not all of them: how many the server names, and since when."""
    *_, last = await listen(api, lines=8)
    assert (len(last.lines), last.dropped) == (5, 2)
    assert last.dropped_ns > last.lines[-1].at_ns


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("{app=", FaultKind.REJECTED, "parse error"),
        ('sum(count_over_time({a="b"} [1m]))', FaultKind.UNREACHABLE, "only log selector is supported"),
    ],
)
async def test_what_the_server_refuses(api: LokiApi, query: str, kind: FaultKind, words: str) -> None:
    """Before the upgrade as any request, after it by a close frame with the reason."""
    with pytest.raises(SourceError, match=words) as raised:
        await listen(api, query=query)
    assert raised.value.fault.kind is kind


async def test_no_tenant_too_many_tails_and_a_stop(api: LokiApi) -> None:
    """Each in the server's own words."""
    api.store.limits = Limits(needs_tenant=True, tails=1)
    with pytest.raises(SourceError, match="no org id"):
        await listen(api)
    messages = Loki(Endpoint(api.url, HttpConfig(http_headers=(("X-Scope-OrgID", "a"),)))).tail(QUERY, start_ns=0)
    assert messages is not None and await anext(messages) == Tail()
    with pytest.raises(SourceError, match="max concurrent tail requests limit exceeded"):
        await listen(api, tenant="a")
    api.store.limits = Limits(tail_seconds=0.0)
    with pytest.raises(SourceError, match="reached tail max duration limit"):
        async for _ in messages:
            pass


@pytest.mark.parametrize(
    "body", [b"[]", b'{"streams":[{"values":[["x"]]}]}', b'{"dropped_entries":[{"timestamp":"x"}]}', b'{"streams":', b"\xff"]
)
def test_a_message_of_another_shape(body: bytes) -> None:
    """Malformed, not a crash."""
    with pytest.raises(SourceError) as raised:
        decode_tail(body, where="loki")
    assert raised.value.fault.kind is FaultKind.MALFORMED


def test_empty_messages() -> None:
    """`null` where there is nothing, as Go writes an empty list."""
    assert decode_tail(b'{"streams":null,"dropped_entries":null}', where="loki") == Tail()
