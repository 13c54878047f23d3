"""What no single answer shows: clocks, peers, flapping, slowness, and everything gone at once."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import wire_faults
from fault_proxy import Fault, FaultProxy, ProxyHouse
from servers import start_alertmanager
from sitting import CAP_SECONDS, EVERY_SECONDS, MARK_PATHS, SOURCES, TIMEOUT_SECONDS, Sitting, sentence, settings_for

from console.demo.stack import DemoStack
from console.state.snapshot import Snapshot
from queries.kubernetes import cluster_watch
from queries.kubernetes.cluster_watch import ClusterWatch
from queries.model.source import Health

pytestmark = pytest.mark.servers

HOUR = 3600.0


@pytest.fixture
def proxies(stack: DemoStack, house: ProxyHouse, monkeypatch: pytest.MonkeyPatch) -> dict[str, FaultProxy]:
    """One in front of each source; the pulse of Kubernetes is quicker than the console's."""
    monkeypatch.setattr(cluster_watch, "ClusterWatch", partial(ClusterWatch, ping_seconds=1.0))
    output = stack.addresses
    assert stack.cluster is not None
    real = {
        "prometheus": output.prometheus,
        "alertmanager": output.alertmanager,
        "platform": output.platform,
        "kubernetes": stack.cluster.url,
    }
    return {name: house.proxy(url) for name, url in real.items()}


@pytest.fixture
def watched(stack: DemoStack, proxies: dict[str, FaultProxy], tmp_path: Path) -> Sitting:
    urls = {name: proxy.url for name, proxy in proxies.items()}
    text = Path(stack.addresses.kubeconfig).read_text()
    config = tmp_path / "kubeconfig"
    assert stack.cluster is not None
    config.write_text(text.replace(stack.cluster.url, urls["kubernetes"]))
    return Sitting(settings_for(tmp_path, {**urls, "kubernetes": str(config)}))


async def use(fault: Fault | None, *proxies: FaultProxy) -> None:
    await asyncio.gather(*(asyncio.to_thread(proxy.use, fault) for proxy in proxies))


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_a_clock_one_hour_off_is_said(seconds: float, watched: Sitting, proxies: dict[str, FaultProxy]) -> None:
    """Each source whose clock differs says so, by how much and on which side; its data goes on; right again, it is gone."""
    async with watched:
        await watched.until_up()
        await use(wire_faults.clock_off(seconds), *proxies.values())

        def output(snapshot: Snapshot) -> bool:
            states = [watched.state(name, snapshot) for name in SOURCES]
            return all("clock differs by 1h" in " ".join(state.warnings) for state in states)

        await watched.until(output, "every source to tell of its clock", seconds=6.0)
        for name in SOURCES:
            state = watched.state(name)
            assert state.health is Health.DEGRADED and state.fault is None
            assert ("ahead of" if seconds > 0 else "behind") in sentence(state)
            assert "'since' are wrong" in sentence(state) and "check the time service" in sentence(state)
            assert watched.now.taken_at - (state.last_good_at or 0.0) < 3.0
        await use(None, *proxies.values())
        await watched.until_up(seconds=5.0)
    assert watched.left == []


async def test_a_slow_source_is_slow_and_alone(watched: Sitting, proxies: dict[str, FaultProxy]) -> None:
    """An answer that takes half a second is told as latency; nobody waits for it; its source is up."""
    async with watched:
        await watched.until_up()
        began = time.monotonic()
        await use(Fault("slow", wire_faults.delayed(0.5)), proxies["platform"])
        await watched.until(
            lambda snapshot: (watched.state("platform", snapshot).latency_seconds or 0.0) >= 0.5, "the latency", seconds=5.0
        )
        await asyncio.sleep(1.5)
        for name in SOURCES:
            assert watched.not_live(name, since=began, until=time.monotonic()) == []
        assert (watched.state("prometheus").latency_seconds or 0.0) < 0.4


@pytest.mark.parametrize("silent", SOURCES)
async def test_nobody_waits_for_a_silent_source(silent: str, watched: Sitting, proxies: dict[str, FaultProxy]) -> None:
    """While one source keeps a request for longer than the others may grow old, these are asked and told in their cadence."""
    patience = 6.0
    if silent == "alertmanager":
        held: dict[str, object] = {
            "alertmanagers": tuple(replace(item, timeout_seconds=patience) for item in watched.settings.alertmanagers)
        }
    else:
        held = {silent: replace(getattr(watched.settings, silent), timeout_seconds=patience)}
    watched.settings = replace(watched.settings, **held)  # type: ignore[arg-type]
    async with watched:
        await watched.until_up()
        began = time.monotonic()
        await use(wire_faults.named("silence"), proxies[silent])
        await asyncio.sleep(3.5)
        ended = time.monotonic()
        for other in SOURCES:
            if other != silent:
                assert watched.not_live(other, since=began, until=ended) == []
        # A request is out, and has been for long: that is what nobody waited for.
        assert any(began <= item.at <= ended - 2.2 for item in proxies[silent].asked)
        assert watched.state(silent).health is not Health.DOWN
    assert watched.left == []


async def test_a_source_that_flaps_every_second_is_followed(watched: Sitting, proxies: dict[str, FaultProxy]) -> None:
    """Refused and good by turns: each turn is seen or passed over, no task piles up, it is asked no more than in good times."""
    async with watched:
        await watched.until_up()
        tasks = len(asyncio.all_tasks())
        began = time.monotonic()
        flapping = proxies["prometheus"]
        for turn in range(6):
            await use(wire_faults.REFUSED if turn % 2 == 0 else None, flapping)
            await asyncio.sleep(1.0)
        ended = time.monotonic()
        await watched.until_up("prometheus", seconds=CAP_SECONDS * 1.1 + TIMEOUT_SECONDS + 1.0)
        states = {watched.state("prometheus", sight.snapshot).health for sight in watched.seen if sight.at >= began}
        assert {Health.UP, Health.DOWN} <= states
        for other in ("alertmanager", "kubernetes", "platform"):
            assert watched.not_live(other, since=began, until=ended) == []
        rounds = flapping.rounds(since=began, until=ended, path=MARK_PATHS["prometheus"])
        assert len(rounds) <= (ended - began) / (EVERY_SECONDS * 0.9) + 2
        # A connection or an answer may be under way; what piles up would be one for each turn.
        assert len(asyncio.all_tasks()) <= tasks + 3
    assert watched.left == []


@pytest.mark.parametrize("fault", [wire_faults.REFUSED, wire_faults.MUTE], ids=lambda fault: fault.name)
async def test_all_gone_at_the_start(fault: Fault, watched: Sitting, proxies: dict[str, FaultProxy]) -> None:
    """Nothing answers when the session begins: each source says so within five seconds; later all come by themselves."""
    await use(fault, *proxies.values())
    async with watched:
        await watched.until(
            lambda snapshot: all(watched.state(name, snapshot).health is Health.DOWN for name in SOURCES),
            "all down",
            seconds=5.0,
        )
        assert not watched.now.answered and not watched.now.alerts_known
        assert {panel.verdict.value for panel in watched.now.panels} == {"no_data"}
        for name in SOURCES:
            assert ": " in sentence(watched.state(name))  # what happened, and what to try
        await use(None, *proxies.values())
        await watched.until_up(seconds=max(CAP_SECONDS * 1.2, 2.0) + 2 * TIMEOUT_SECONDS + 1.5)
        await watched.until(lambda snapshot: snapshot.alerts_known, "the alerts", seconds=2.0)
    assert watched.left == []


async def test_all_gone_at_once_later(watched: Sitting, proxies: dict[str, FaultProxy]) -> None:
    """Values stay, called stale, never as current; nobody is asked more often than backed off; all come back within the cap."""
    async with watched:
        await watched.until_up()
        await watched.until(lambda snapshot: snapshot.panel("request_rate").value is not None, "a value", seconds=5.0)  # type: ignore[union-attr]
        began = time.monotonic()
        await use(wire_faults.dying(wire_faults.named("503 starting or stopping")), *proxies.values())
        await watched.until(
            lambda snapshot: all(watched.state(name, snapshot).health is Health.DOWN for name in SOURCES),
            "all down",
            seconds=5.0,
        )
        await watched.until(
            lambda snapshot: snapshot.panel("request_rate").verdict.value == "stale", "the value to be stale", seconds=6.0  # type: ignore[union-attr]
        )  # fmt: skip
        await asyncio.sleep(max(0.0, 5.0 - (time.monotonic() - began)))
        ended = time.monotonic()
        for name, path in MARK_PATHS.items():
            waits = _waits(proxies[name].rounds(since=began, until=ended, path=path))
            # The third wait on is the cap: never longer, never a tighter circle.
            assert all(CAP_SECONDS * 0.85 < wait < CAP_SECONDS * 1.1 + TIMEOUT_SECONDS for wait in waits[2:]), (name, waits)
        await use(None, *proxies.values())
        await watched.until_up(seconds=max(CAP_SECONDS * 1.2, 2.0) + 2 * TIMEOUT_SECONDS + 1.0)
    assert watched.left == []


def _waits(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


async def test_what_a_server_asks_for_is_honoured(watched: Sitting, proxies: dict[str, FaultProxy]) -> None:
    """429 with Retry-After beyond the cap: the source is left alone for that long."""
    async with watched:
        await watched.until_up()
        began = time.monotonic()
        patient = wire_faults.answers("429 Too Many Requests", "slow down", Retry_After="3")
        await use(Fault("429", patient), proxies["prometheus"], proxies["alertmanager"], proxies["platform"])
        await asyncio.sleep(2.8)
        rounds = {name: len(proxies[name].rounds(since=began, path=path)) for name, path in MARK_PATHS.items()}
        assert rounds and set(rounds.values()) == {1}, rounds
        await use(None, *proxies.values())
        await watched.until_up(seconds=4.0)


# Alertmanager's peers


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Three real ones that do not know of each other, as in a cluster that is split."""
    with ExitStack() as running:
        folders = [tmp_path_factory.mktemp("peer") for _ in range(3)]
        urls = [running.enter_context(start_alertmanager(folder=folder)).url for folder in folders]
        for url in urls:
            # Prometheus sends its own to another one; without one of its labels these would be called cut off after 90 s.
            fire(url, "Watchdog", severity="info")
        yield urls


def fire(url: str, name: str, *, severity: str = "critical") -> None:
    ends = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    alert = {"labels": {"alertname": name, "severity": severity}, "endsAt": ends}
    httpx.post(f"{url}/api/v2/alerts", json=[alert], timeout=5.0).raise_for_status()


def silence(url: str, name: str) -> None:
    now = datetime.now(UTC)
    matcher = {"name": "alertname", "value": name, "isRegex": False}
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=10)).isoformat()}
    body = {"matchers": [matcher], "createdBy": "tester", "comment": "in one peer only", **times}
    httpx.post(f"{url}/api/v2/silences", json=body, timeout=5.0).raise_for_status()


def names(snapshot: Snapshot) -> set[str]:
    return {item.alert.name for item in snapshot.alerts}


async def test_peers_that_disagree_are_merged(peers: list[str], stack: DemoStack, tmp_path: Path) -> None:
    """What any peer has is there: alerts and silences that only one knows, each once."""
    fire(peers[0], "OnlyInOne")
    fire(peers[2], "OnlyInThree")
    for url in peers:
        fire(url, "InAll")
    silence(peers[1], "OnlyInOne")
    settings = settings_for(tmp_path, {"prometheus": stack.addresses.prometheus, "alertmanager": peers})
    async with Sitting(settings) as watched:
        await watched.until(
            lambda snapshot: {"OnlyInOne", "OnlyInThree", "InAll"} <= names(snapshot), "the alerts", seconds=5.0
        )
        state = watched.state("alertmanager")
        assert (state.health, state.detail) == (Health.UP, "3/3")
        output = [item.alert.name for item in watched.now.alerts]
        assert len(output) == len(set(output))
        assert [item.comment for item in watched.now.silences] == ["in one peer only"]


LOST = [wire_faults.named(name) for name in ("refused", "silence", "503 starting or stopping")]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
async def test_one_of_three_peers_gone(
    fault: Fault, peers: list[str], stack: DemoStack, house: ProxyHouse, tmp_path: Path
) -> None:
    """The source is degraded, 2 of 3, and names the peer and why; alerts stay; Prometheus lives; back it is 3 of 3."""
    for url in peers:
        fire(url, "InAll")
    proxy = house.proxy(peers[1])
    settings = settings_for(
        tmp_path, {"prometheus": stack.addresses.prometheus, "alertmanager": [peers[0], proxy.url, peers[2]]}
    )
    async with Sitting(settings) as watched:
        await watched.until(
            lambda snapshot: watched.state("alertmanager", snapshot).detail == "3/3", "three peers", seconds=5.0
        )
        await watched.until_up("prometheus")
        began = time.monotonic()
        await use(fault, proxy)
        await watched.until(lambda snapshot: watched.state("alertmanager", snapshot).detail == "2/3", "two peers", seconds=5.0)
        await asyncio.sleep(2.0)
        state = watched.state("alertmanager")
        assert state.health is Health.DEGRADED
        assert str(urlsplit(proxy.url).port) in sentence(state)
        assert "InAll" in names(watched.now) and watched.now.alerts_known
        assert watched.not_live("prometheus", since=began, until=time.monotonic()) == []
        age = watched.now.taken_at - (state.last_good_at or 0.0)
        assert age < EVERY_SECONDS * 1.1 + 2 * TIMEOUT_SECONDS + 0.8
        await use(None, proxy)
        await watched.until(
            lambda snapshot: watched.state("alertmanager", snapshot).detail == "3/3", "the third again", seconds=4.0
        )
    assert watched.left == []
