"""Alertmanager's alerts and silences, from one peer or several that disagree."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from loopback import RECORDINGS
from stopwatch import turns

from queries.alertmanager import Alertmanager
from queries.errors import AccessDenied, InvalidResponse, NotConfigured, Unreachable
from queries.http.endpoint import Endpoint
from queries.model.alert import AlertState

Answers = dict[str, Any]


def alert(fingerprint: str, *, updated: str = "2026-01-01T00:00:00Z", state: str = "active", **more: object) -> dict[str, Any]:
    status = {"state": state, "silencedBy": ["s1"] if state == "suppressed" else [], "inhibitedBy": []}
    base = {"fingerprint": fingerprint, "labels": {"alertname": fingerprint}, "annotations": {}, "receivers": [{"name": "r"}]}
    return {
        **base,
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2026-01-01T01:00:00Z",
        "updatedAt": updated,
        "status": status,
        **more,
    }


def peers(*hosts: Answers | Exception | int) -> tuple[Alertmanager, list[str]]:
    """One Alertmanager source over peers that answer by path, fail, or give a status."""
    asked: list[str] = []
    names = [f"am{index}" for index in range(len(hosts))]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.host}{request.url.path}")
        host = hosts[names.index(request.url.host)]
        if isinstance(host, Exception):
            raise host
        if isinstance(host, int):
            return httpx.Response(host, text="no")
        name = request.url.path.rpartition("/")[2]
        given = host.get(name, {"versionInfo": {"version": "0.25.0"}} if name == "status" else [])
        return httpx.Response(200, content=given) if isinstance(given, bytes) else httpx.Response(200, json=given)

    endpoints = [Endpoint(f"http://{name}") for name in names]
    return Alertmanager(endpoints, transport=httpx.MockTransport(answer)), asked


def recording(name: str) -> bytes:
    return (RECORDINGS / f"alertmanager-0.25-{name}.json").read_bytes()


async def test_recorded_answers() -> None:
    """What 0.25 really says: suppressed by which silence, no mutedBy, hostile label text, expired silences."""
    source, asked = peers({name: recording(name) for name in ("alerts", "silences", "status", "receivers")})
    state = await source.state()
    by_name = {item.name: item for item in state.alerts}
    silence = next(item for item in state.silences if item.state == "active")
    assert by_name["ProviderTimeout"].state is AlertState.SUPPRESSED
    assert by_name["ProviderTimeout"].silenced_by == (silence.id,)
    assert [str(item) for item in silence.matchers] == ['provider=~"deep.*"', 'severity!="critical"']
    assert silence.comment == 'known, "quoted"' and silence.ends_at - silence.starts_at == pytest.approx(3600, abs=1)
    assert by_name["HighErrorRate"].state is AlertState.ACTIVE and by_name["HighErrorRate"].receivers == ("nobody",)
    assert by_name["Nasty"].labels[-1] == ("text", "[bold]\n\u202e\x1b[31m")
    assert {item.state for item in state.silences} == {"active", "expired"}
    assert (state.version, state.receivers, state.peers_up, state.peers_total) == ("0.25.0", ("nobody",), 1, 1)
    assert "am0/api/v2/alerts" in asked
    await source.close()


async def test_status_and_receivers_are_asked_rarely() -> None:
    """Version and receivers change with the configuration only."""
    source, asked = peers({})
    for _ in range(3):
        await source.state()
    assert sorted(path.rpartition("/")[2] for path in asked) == ["alerts"] * 3 + ["receivers"] + ["silences"] * 3 + ["status"]
    await source.close()


async def test_silences_are_asked_less_often_than_alerts() -> None:
    """Within five seconds once; at once where an alert names one that is not known, and always where they have to be fresh."""
    hidden = alert("1", status={"state": "suppressed", "silencedBy": ["new"]})
    bodies = {"alerts": b"[]"}
    source, asked = peers(bodies)

    async def count(*, fresh: bool = False) -> int:
        asked.clear()
        await source.state(fresh=fresh)
        return sum(path.endswith("silences") for path in asked)

    assert [await count(), await count(), await count(fresh=True), await count()] == [1, 0, 1, 0]
    bodies["alerts"] = json.dumps([hidden]).encode()
    assert await count() == 1
    source.forget_silences()
    assert await count() >= 1
    await source.close()


async def test_merge_takes_the_freshest_word() -> None:
    """An alert on any peer counts; suppressed only if the freshest peer says so; silences likewise."""
    early, late = "2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"
    source, _ = peers(
        {
            "alerts": [
                alert("a", updated=early, state="suppressed"),
                alert("b", updated=late, state="suppressed"),
                alert("only-one"),
            ]
        },
        {"alerts": [alert("a", updated=late), alert("b", updated=early), alert("only-two")]},
    )
    state = await source.state()
    assert {item.fingerprint: item.state.value for item in state.alerts} == {
        "a": "active",
        "b": "suppressed",
        "only-one": "active",
        "only-two": "active",
    }
    assert (state.peers_up, state.peers_total, state.peer_faults) == (2, 2, ())
    await source.close()


async def test_loss_of_all_but_one_peer_is_survived() -> None:
    """What one peer knows is shown, and the lost ones are named."""
    source, _ = peers(httpx.ConnectError("x"), {"alerts": [alert("a")]}, 503)
    state = await source.state()
    assert [item.fingerprint for item in state.alerts] == ["a"]
    assert (state.peers_up, state.peers_total) == (1, 3)
    assert ["am0" in state.warnings[0], "am2" in state.warnings[1]] == [True, True]
    await source.close()


async def test_loss_of_all_peers_is_the_source_s_fault() -> None:
    """Nobody answers: the first peer's reason is raised; none configured is called just that."""
    source, _ = peers(httpx.ConnectError("x"), 401)
    with pytest.raises(Unreachable):
        await source.state()
    source, _ = peers(401, httpx.ConnectError("x"))
    with pytest.raises(AccessDenied):
        await source.state()
    with pytest.raises(NotConfigured, match="ALERTMANAGER_URL"):
        await Alertmanager(()).state()


async def test_half_an_answer_is_no_answer() -> None:
    """Alerts without silences would hide what is silenced: then the peer counts as lost."""
    source, _ = peers({"alerts": [alert("a")], "silences": b"<html>"}, {"alerts": [alert("b")]})
    state = await source.state()
    assert [item.fingerprint for item in state.alerts] == ["b"] and state.peers_up == 1
    await source.close()


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[1]",
        b'[{"labels": {}}]',
        b"[",
        json.dumps([alert("a", startsAt="soon")]).encode(),
        json.dumps([alert("a", labels=1)]).encode(),
    ],
)
async def test_other_shapes_are_malformed(body: bytes) -> None:
    """Another API behind the URL is said to be one."""
    source, _ = peers({"alerts": body})
    with pytest.raises(InvalidResponse):
        await source.state()
    await source.close()


async def test_five_thousand_alerts_leave_the_loop_free() -> None:
    """2 MB of alerts are decoded beside the event loop, which goes on turning."""
    many = json.dumps([alert(f"{index:016x}", annotations={"summary": "x" * 200}) for index in range(5000)]).encode()

    async def ask() -> None:
        source, _ = peers({"alerts": many})  # a new one each time: it remembers what it was told before
        try:
            assert len((await source.state()).alerts) == 5000
        finally:
            await source.close()

    beside, on_the_loop = await turns(ask)
    assert beside >= 2 * on_the_loop
