"""Every fault that a wire can have, in front of each real source, while the others are watched."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import wire_faults
from fault_proxy import Fault, FaultProxy, ProxyHouse
from loopback import CERTIFICATES
from sitting import (
    CAP_SECONDS,
    EVERY_SECONDS,
    MARK_PATHS,
    SLACK_SECONDS,
    SOURCES,
    TIMEOUT_SECONDS,
    Sitting,
    play_all,
    sentence,
    settings_for,
)

from console.demo.stack import DemoStack
from queries.http.endpoint import Endpoint, HttpConfig
from queries.model.source import Health

pytestmark = pytest.mark.servers

AT_ONCE = 6
"""More sessions slow each other down in one interpreter, and a late case runs again, alone: 14 took twice as long."""
FAULT_SECONDS = 2.4
MARKED_SECONDS = 5.0
RECOVERED_SECONDS = CAP_SECONDS * 1.1 + 2 * TIMEOUT_SECONDS + 0.8
DOWN, DENIED = Health.DOWN, Health.DENIED

SAYS: dict[str, tuple[Health, str]] = {
    "refused": (DOWN, "the connection was refused & is the server running"),
    "reset": (DOWN, "the server reset the connection & it may be stopping"),
    "accepted and never answered": (DOWN, "no complete answer within 800ms & overloaded"),
    "closed without an answer": (DOWN, "closed the connection without an answer & it may be stopping"),
    "silence": (DOWN, "no complete answer within 800ms & overloaded"),
    "trickle": (DOWN, "no complete answer within 800ms (receiving the answer)"),
    "1 GB body": (DOWN, "the answer is larger than & check that the URL"),
    "endless body": (DOWN, "the answer is larger than/no complete answer within"),
    "no HTTP": (DOWN, "does not speak HTTP here & check the port"),
    "401": (DENIED, "401 the server requires credentials & renew the token"),
    "403": (DENIED, "403 these credentials lack read permission & ask for read access"),
    "404": (DOWN, "404 nothing at this path & check the URL and its path prefix"),
    "407": (DENIED, "407 the proxy requires credentials & proxy_url"),
    "408": (DOWN, "408 the server or a proxy timed out"),
    "429": (DOWN, "over its limit: 429 & asks to wait 1s"),
    "500": (DOWN, "500 the server failed & check its log"),
    "502": (DOWN, "502 the server is starting, stopping or behind a broken proxy"),
    "503 starting or stopping": (DOWN, "503 the server is starting, stopping"),
    "503 timeout": (DOWN, "aborted the query & too heavy"),
    "400 bad_data": (DOWN, "parse error"),
    "422 execution": (DOWN, "too many samples"),
    "302 to a login page": (DENIED, "https://sso.example/login & login page"),
    "200 with HTML": (DENIED, "a web page came instead of JSON & login page"),
    "truncated JSON": (DOWN, "the answer was cut off & truncated it"),
    "cut off": (DOWN, "the answer was cut off & broke the connection"),
    "gzip garbage": (DOWN, "encoded as gzip & a proxy"),
    "wrong shape": (DOWN, "the response is not in/names no status & check that the URL"),
    "TLS: expired certificate": (DOWN, "certificate has expired & renew it"),
    "TLS: another host's certificate": (DOWN, "certificate is for another host & server_name"),
    "DNS failure": (DOWN, "cannot resolve & check its spelling, DNS"),
}
"""What is said of each fault: every part between `&`, of which any word between `/` will do."""
DNS = Fault("DNS failure", cut=True)
FAULTS = {fault.name: fault for fault in (*wire_faults.WIRE, *wire_faults.TLS, DNS)}
# A platform that answers 503 with a `status` describes itself: that is no fault of the wire.
CASES = [(fault, source) for fault in FAULTS for source in MARK_PATHS if (fault, source) != ("503 timeout", "platform")]


@dataclass
class Played:
    """What one case showed; `error` is why it could not be played to its end."""

    health: Health = Health.WAITING
    said: str = ""
    url: str = ""
    marked_seconds: float = 0.0
    recovered_seconds: float = 0.0
    rounds: list[float] = field(default_factory=list)
    asked: int = 0
    others: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    error: str = ""


class Names:
    """Stands in front of the resolver: names under `.faults.test` are this machine, unless they are gone."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self._ask = socket.getaddrinfo

    def __call__(self, host: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(".faults.test"):
            if name in self.gone:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return self._ask("127.0.0.1", *args, **more)
        return self._ask(host, *args, **more)


def met(words: str, text: str) -> bool:
    return all(any(choice in text for choice in part.strip().split("/")) for part in words.split("&"))


def upstreams(stack: DemoStack) -> dict[str, str]:
    told = stack.addresses
    return {"prometheus": told.prometheus, "alertmanager": told.alertmanager, "platform": told.platform}


async def play(case: tuple[str, str], stack: DemoStack, house: ProxyHouse, names: Names, folder: Path) -> Played:
    fault, source = FAULTS[case[0]], case[1]
    real = upstreams(stack)
    tls = fault.certificate is not None
    proxy = house.proxy(
        real[source],
        certificate=CERTIFICATES / "localhost.pem" if tls else None,
        key=CERTIFICATES / "server.key" if tls else None,
    )
    name = f"{source}-{os.urandom(3).hex()}.faults.test"
    url = proxy.url.replace("127.0.0.1", name) if fault is DNS else proxy.url
    urls = {**real, source: url, "kubernetes": stack.addresses.kubeconfig}
    patient = [other for other in SOURCES if other != source]
    settings = settings_for(folder, urls, patient=patient)
    if tls:
        trusting = Endpoint(url, HttpConfig(ca_file=str(CERTIFICATES / "authority.pem")), TIMEOUT_SECONDS)
        field_name, value = {
            "prometheus": ("prometheus", trusting),
            "alertmanager": ("alertmanagers", (trusting,)),
            "platform": ("platform", trusting),
        }[source]
        settings = replace(settings, **{field_name: value})
    played = Played(url=url)
    sitting = Sitting(settings)
    try:
        async with sitting:
            await sitting.until_up()
            began = time.monotonic()
            await _begin(fault, proxy, names, name)
            played.marked_seconds = await sitting.until(
                lambda told: sitting.state(source, told).health in (DOWN, DENIED), f"{source} to be marked", seconds=8.0
            )
            await asyncio.sleep(max(0.0, FAULT_SECONDS - (time.monotonic() - began)))
            state = sitting.state(source)
            played.health, played.said = state.health, sentence(state)
            ended = time.monotonic()
            for other in patient:
                played.others += sitting.not_live(other, since=began, until=ended, slack_seconds=SLACK_SECONDS)
            played.rounds = proxy.rounds(since=began, until=ended, path=MARK_PATHS[source])
            played.asked = proxy.count(since=began)
            await _end(fault, proxy, names, name)
            played.recovered_seconds = await sitting.until_up(source, seconds=8.0)
    except Exception as error:  # the test of this case tells it
        played.error = f"{type(error).__name__}: {error}"
    finally:
        await asyncio.to_thread(house.drop, proxy)
    played.left = sitting.left
    return played


async def _begin(fault: Fault, proxy: FaultProxy, names: Names, name: str) -> None:
    if fault is DNS:
        names.gone.add(name)
    await asyncio.to_thread(proxy.use, fault)


async def _end(fault: Fault, proxy: FaultProxy, names: Names, name: str) -> None:
    names.gone.discard(name)
    await asyncio.to_thread(proxy.use, None)


def hammers(rounds: list[float]) -> str:
    """How the source was asked too often while the fault lasted; empty where it was not.

    In good times there would be one round every 0.4 s; backed off it is 0.8 s, then 1.2 s, jittered by a tenth. Counted over
    the whole fault: a request that a busy machine lets through late shortens one wait, never their sum.
    """
    least = EVERY_SECONDS * 2
    # The first was on its way when the fault began, or is the one that found its kept connection closed.
    waits = [later - earlier for earlier, later in pairwise(rounds[1:])]
    if len(rounds) > 2 + FAULT_SECONDS / (least * 0.9):
        return f"too many rounds: {rounds}"
    if sum(waits) < len(waits) * least * 0.85 - EVERY_SECONDS:
        return f"too soon again: {waits}"
    return f"too late again: {waits}" if any(wait >= RECOVERED_SECONDS for wait in waits) else ""


def as_expected(case: tuple[str, str], told: Played) -> bool:
    health, words = SAYS[case[0]]
    return (
        not told.error
        and told.health is health
        and met(words, told.said)
        and not told.others
        and told.marked_seconds < MARKED_SECONDS
        and told.recovered_seconds < RECOVERED_SECONDS
        and not hammers(told.rounds)
    )


@pytest.fixture(scope="module")
def played(
    stack: DemoStack, house: ProxyHouse, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[tuple[str, str], Played]]:
    """The chosen cases."""
    folder = tmp_path_factory.mktemp("cases")
    names = Names()
    chosen = [case for case in CASES if any(str(item.callspec.params.get("case")) == str(case) for item in _siblings(request))]
    patch = pytest.MonkeyPatch()
    patch.setattr(socket, "getaddrinfo", names)
    try:
        yield play_all(
            chosen,
            lambda case: play(case, stack, house, names, Path(tempfile.mkdtemp(dir=folder))),
            at_once=AT_ONCE,
            as_expected=as_expected,
        )
    finally:
        patch.undo()


def _siblings(request: pytest.FixtureRequest) -> list[Any]:
    return [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]


def test_every_fault_has_its_sentence() -> None:
    """No fault of the wire is left without an expectation."""
    assert set(SAYS) == set(FAULTS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}: {case[0]}")
def test_a_fault_is_named_the_rest_lives_and_it_recovers(played: dict[tuple[str, str], Played], case: tuple[str, str]) -> None:
    """The source says what and what to try; the others answer within their cadence; no task stays; it recovers by itself.

    It recovers within the cap of the back-off (with its jitter) after the fault ended, and while the fault lasts it is asked
    ever less often, never in a tighter circle than in good times.
    """
    told = played[case]
    assert not told.error
    health, words = SAYS[case[0]]
    assert told.health is health, told.said
    assert met(words, told.said), told.said
    assert told.url in told.said
    assert "secret-token" not in told.said and "\x1b" not in told.said
    assert told.marked_seconds < MARKED_SECONDS
    assert told.others == []
    assert told.left == []
    assert told.recovered_seconds < RECOVERED_SECONDS
    assert hammers(told.rounds) == ""
    assert told.asked <= 120
