"""Alertmanager's alerts and silences, from one peer or several that disagree."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from loopback import RECORDINGS
from stopwatch import turns

from queries.alertmanager import Alertmanager
from queries.alertmanager_counts import LARGE_BYTES
from queries.errors import AccessDenied, InvalidResponse, NotConfigured, RateLimited, Unreachable
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
        if isinstance(given, int):
            return httpx.Response(given, text="no")
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


async def test_a_restart_is_noticed_when_alerts_are_gone() -> None:
    """Its start is read again at once where no alert stayed as it was: Alertmanager keeps none over a restart. Where one did,
    the others have ended, and nothing more is requested.
    """
    answers: Answers = {
        "alerts": [alert("1"), alert("2"), alert("3")],
        "status": {"versionInfo": {"version": "0.28.1"}, "uptime": "2026-01-01T00:00:00Z"},
    }
    source, asked = peers(answers)
    first = (await source.state()).started_at
    assert first == pytest.approx(1_767_225_600.0)
    answers["alerts"] = [alert("1"), alert("2", updated="2026-01-01T00:01:00Z")]
    answers["status"] = {**answers["status"], "uptime": "2026-01-01T00:05:00Z"}
    assert (await source.state()).started_at == first
    assert sum(path.endswith("status") for path in asked) == 1
    answers["alerts"] = [alert("1", updated="2026-01-01T00:06:00Z")]
    assert (await source.state()).started_at == pytest.approx(1_767_225_900.0)
    assert sum(path.endswith("status") for path in asked) == 2
    await source.close()


async def test_a_restart_whose_time_cannot_be_read_was_just_now() -> None:
    """Otherwise the start from before it would say that the peer has run long enough to know every alert. The two differ as
    states, too: who keeps the earlier object for an equal state keeps its start.
    """
    answers: Answers = {
        "alerts": [alert("1")],
        "status": {"versionInfo": {"version": "0.28.1"}, "uptime": "2026-01-01T00:00:00Z"},
    }
    source, _ = peers(answers)
    first = await source.state()
    assert first.started_at == pytest.approx(1_767_225_600.0)
    answers |= {"alerts": [], "status": 503}
    before = time.time()
    again = await source.state()
    assert again.started_at is not None and again.started_at >= before - 1.0
    assert (again.version, replace(again, started_at=first.started_at) == again) == ("0.28.1", False)
    await source.close()


async def test_of_several_peers_the_one_that_ran_longest_counts() -> None:
    """It has what the others lost; a peer that does not say when it started says nothing."""
    old, new = (
        {"status": {"versionInfo": {"version": "0.28.1"}, "uptime": at}}
        for at in ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    )
    source, _ = peers(new, old, {})
    assert (await source.state()).started_at == pytest.approx(1_767_225_600.0)
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


async def test_a_large_list_without_counts_is_requested_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has no metrics of Alertmanager at its URL is asked for them once, and for its list always."""
    monkeypatch.setattr("queries.alertmanager.LARGE_BYTES", 1)
    for metrics in (b"[]", b"<!doctype html><p>not found"):
        bodies: Answers = {"alerts": [alert("1")], "metrics": metrics}
        source, asked = peers(bodies)
        for name in ("1", "2", "3"):
            bodies["alerts"] = [alert(name)]
            assert [item.fingerprint for item in (await source.state(fresh=False)).alerts] == [name]
        assert [path.rpartition("/")[2] for path in asked].count("metrics") == 1
        await source.close()


async def test_peers_that_list_the_same_are_merged_once() -> None:
    """So that nothing compares thousands of alerts again; one that lists another alert is merged at once."""
    bodies: list[Answers] = [{"alerts": [alert("1")]}, {"alerts": [alert("2")]}]
    source, _ = peers(*bodies)
    first = (await source.state()).alerts
    assert (await source.state()).alerts is first
    bodies[1]["alerts"] = [alert("3")]
    assert [item.fingerprint for item in (await source.state()).alerts] == ["1", "3"]
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


CONFIG = "route:\n  receiver: r\n  routes:\n  - receiver: r\n    mute_time_intervals:\n    - offhours\n"


def grouped(fingerprint: str, *intervals: str) -> dict[str, Any]:
    """One group with one alert, as `/alerts/groups` gives it."""
    state = "suppressed" if intervals else "active"
    status = {"state": state, "silencedBy": [], "inhibitedBy": [], "mutedBy": list(intervals)}
    return {"labels": {}, "receiver": {"name": "r"}, "alerts": [alert(fingerprint, status=status)]}


def muting_peer(hour: list[float], **more: Any) -> tuple[Alertmanager, list[str], Answers]:
    """A peer whose config mutes, with the clock `hour`; its answers may change later."""
    bodies: Answers = {
        "alerts": [alert("a"), alert("b"), alert("c")],
        "groups": [grouped("a", "offhours"), grouped("b", "offhours"), grouped("b"), grouped("c")],
        "status": {"versionInfo": {"version": "0.35.0"}, "config": {"original": CONFIG}},
        **more,
    }
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        asked.append(name)
        body = bodies.get(name, [])
        return httpx.Response(body, text="no") if isinstance(body, int) else httpx.Response(200, json=body)

    source = Alertmanager([Endpoint("http://am0")], transport=httpx.MockTransport(answer), clock=lambda: hour[0])
    return source, asked, bodies


async def test_an_alert_that_a_time_interval_mutes_is_suppressed_by_its_name() -> None:
    """`/alerts` calls it active; the groups name the interval. Muted on one of two routes it still notifies, and says so."""
    source, _, _ = muting_peer([0.0])
    by_name = {item.fingerprint: item for item in (await source.state()).alerts}
    assert {name: item.state.value for name, item in by_name.items()} == {"a": "suppressed", "b": "active", "c": "active"}
    assert [by_name[name].muted_by for name in "abc"] == [("offhours",), ("offhours",), ()]
    assert by_name["a"].suppressed_as == "muted"
    again = {item.fingerprint: item for item in (await source.state()).alerts}
    assert all(again[name] is by_name[name] for name in "abc")
    await source.close()


async def test_muting_costs_one_request_in_half_a_minute_and_none_without_intervals() -> None:
    """The groups are fetched at first, when other alerts fire and after 30 s; never where no route names an interval."""
    hour = [0.0]
    source, asked, bodies = muting_peer(hour)

    async def count() -> int:
        asked.clear()
        await source.state(fresh=False)
        return asked.count("groups")

    assert [await count(), await count()] == [1, 0]
    bodies["alerts"] = [alert("a"), alert("b")]
    assert [await count(), await count()] == [1, 0]
    hour[0] = 31.0
    assert await count() == 1
    await source.close()
    source, asked, _ = muting_peer(hour, status={"config": {"original": "route:\n  receiver: r\n"}})
    assert await count() == 0
    await source.close()


async def test_groups_that_cannot_be_read_are_a_warning() -> None:
    """The alerts are shown as they are listed, and the source says what it does not know."""
    source, _, bodies = muting_peer([0.0], groups=500)
    assert {item.state.value for item in (await source.state()).alerts} == {"active"}
    assert "could not read which alerts a time interval mutes: 500" in source.warnings[0]
    bodies["groups"] = []
    await source.state()
    assert source.warnings == ()
    await source.close()


async def test_muting_that_can_no_longer_be_confirmed_hides_no_alert() -> None:
    """A minute after the last answer about the groups the alerts are active again: the interval may have ended."""
    hour = [0.0]
    source, _, bodies = muting_peer(hour)
    await source.state()
    bodies["groups"] = 500
    hour[0] = 45.0
    assert {item.fingerprint for item in (await source.state()).alerts if item.state.value == "suppressed"} == {"a"}
    hour[0] = 61.0
    alerts = (await source.state()).alerts
    assert {(item.state.value, item.muted_by) for item in alerts} == {("active", ())}
    assert "could not read which alerts a time interval mutes: 500" in source.warnings[0]
    await source.close()


class OneAtATime(httpx.AsyncBaseTransport):
    """Alertmanager with `--web.get-concurrency=1`: refuses what comes beside another request, and the first `busy` ones."""

    def __init__(self, busy: int = 0) -> None:
        self.busy, self.open, self.refused = busy, 0, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.open or self.busy:
            self.busy, self.refused = max(0, self.busy - 1), self.refused + 1
            return httpx.Response(503, text="Limit of concurrent GET requests reached (1), try again later.\n")
        self.open += 1
        await asyncio.sleep(0.001)
        self.open -= 1
        body: Any = {"versionInfo": {"version": "0.35.0"}} if request.url.path.endswith("status") else []
        return httpx.Response(200, json=body)


async def test_requests_to_one_peer_follow_one_another() -> None:
    """A peer that takes one GET at a time is asked so, also where a screen reads a silence list beside the refresh."""
    transport = OneAtATime()
    source = Alertmanager([Endpoint("http://am0")], transport=transport)
    state, _, _ = await asyncio.gather(source.state(), source.raw_silences(), source.statuses())
    assert (state.version, transport.refused) == ("0.35.0", 0)
    await source.close()


async def test_a_busy_peer_is_asked_again() -> None:
    """Others may use up its limit: three refusals cost a second, and the fourth is its answer, as busy."""
    source = Alertmanager([Endpoint("http://am0")], transport=OneAtATime(busy=3))
    assert (await source.state()).peers_up == 1
    await source.close()
    source = Alertmanager([Endpoint("http://am0")], transport=OneAtATime(busy=99))
    with pytest.raises(RateLimited, match=r"over its limit: 503 .Limit of concurrent"):
        await source.state()
    await source.close()


@pytest.mark.parametrize(("passed", "asked_again"), [(-0.1, True), (0.0, False), (4.9, False), (5.0, True)])
async def test_silences_are_five_seconds_old_at_most(passed: float, asked_again: bool) -> None:
    """And fetched again after the clock went back."""
    hour = [100.0]
    source, asked, _ = muting_peer(hour)
    await source.state(fresh=False)
    hour[0] += passed
    asked.clear()
    await source.state(fresh=False)
    assert ("silences" in asked) is asked_again
    await source.close()


@pytest.mark.parametrize(("passed", "groups", "rare"), [(-0.1, 1, 1), (29.9, 0, 0), (30.0, 1, 0), (59.9, 1, 0), (60.0, 1, 1)])
async def test_how_often_the_rest_is_asked(passed: float, groups: int, rare: int) -> None:
    """Who is muted every half minute, version and receivers every minute, each exactly then; and after the clock went back."""
    hour = [1000.0]
    source, asked, _ = muting_peer(hour)
    await source.state()
    hour[0] += passed
    asked.clear()
    await source.state()
    assert (asked.count("groups"), asked.count("receivers"), asked.count("status")) == (groups, rare, rare)
    await source.close()


@pytest.mark.parametrize(("passed", "muted"), [(-0.1, False), (0.0, True), (59.9, True), (60.0, False)])
async def test_muting_is_believed_for_a_minute(passed: float, muted: bool) -> None:
    """From the last answer about the groups on, and not after the clock went back."""
    hour = [1000.0]
    source, _, bodies = muting_peer(hour)
    await source.state()
    bodies |= {"groups": 500, "alerts": [alert("a"), alert("d")]}
    hour[0] += passed
    assert any(item.state is AlertState.SUPPRESSED for item in (await source.state()).alerts) is muted
    await source.close()


@pytest.mark.parametrize(("second", "state"), [("00:00:01", "suppressed"), ("00:00:00", "active"), ("00:00:02", "suppressed")])
async def test_of_two_peers_the_later_word_counts(second: str, state: str) -> None:
    """At the same second the first one's; alerts that only one of them has are all there."""
    first = alert("x", updated="2026-01-01T00:00:00Z")
    later = alert("x", updated=f"2026-01-01T{second}Z", state="suppressed")
    source, _ = peers({"alerts": [first, alert("y")]}, {"alerts": [later, alert("z")]})
    found = {item.fingerprint: item.state.value for item in (await source.state()).alerts}
    assert found == {"x": state, "y": "active", "z": "active"}
    await source.close()


@pytest.mark.parametrize(("size", "counted"), [(LARGE_BYTES - 1, False), (LARGE_BYTES, True)])
async def test_a_list_of_256_kib_is_large(size: int, counted: bool) -> None:
    """From there on the counts are read first; below, the list costs no more than they."""
    body = json.dumps([alert("1")]).encode()
    bodies: Answers = {"alerts": body + b" " * (size - len(body))}
    source, asked = peers(bodies)
    for _ in range(2):
        await source.state(fresh=False)
    assert ("am0/metrics" in asked) is counted
    await source.close()
