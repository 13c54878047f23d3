"""Alertmanager and Prometheus restart while an alert fires: real servers, and a console that watches them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from limits import extend
from page_server import Reply, serve
from servers import start_alertmanager, start_prometheus

from console.config.load import load_settings
from console.config.settings import NotifySettings
from console.demo.process import ServerProcess
from console.monitor.notification_watch import NotificationWatch
from console.monitor.session import Session
from console.state.snapshot import Snapshot
from queries.model.alert import AlertState
from queries.model.source import Health

pytestmark = pytest.mark.servers

NAMES = ("KeepsFiring", "Ends")


def port_of(server: ServerProcess) -> int:
    return urlsplit(server.url).port or 0


class Servers:
    """Both fire for each name whose gauge is 1; each can be restarted on its port, Alertmanager without its alerts."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack, self._started = folder, stack, 0
        self.gauges = dict.fromkeys(NAMES, 0)
        self._target = urlsplit(stack.enter_context(serve(lambda request: self._metrics()))).netloc
        self.alertmanager = self._start_alertmanager(0)
        self.prometheus = self._start_prometheus(0, "1s")

    def fire(self) -> None:
        """Once Prometheus evaluates its rules and knows its Alertmanager: what it could not send comes a minute later."""
        ends = time.monotonic() + extend(30.0)
        while not (self._fetch("alertmanagers")["activeAlertmanagers"] and self._are_evaluated()):
            assert time.monotonic() < ends
            time.sleep(0.1)
        self.gauges.update(dict.fromkeys(NAMES, 1))

    def _are_evaluated(self) -> bool:
        return all(rule["health"] == "ok" for group in self._fetch("rules")["groups"] for rule in group["rules"])

    def _fetch(self, name: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.prometheus.url}/api/v1/{name}", trust_env=False).raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data

    def _metrics(self) -> Reply:
        text = "".join(f'burning{{name="{name}"}} {value}\n' for name, value in self.gauges.items())
        return Reply(text.encode(), headers={"Content-Type": "text/plain; version=0.0.4"})

    def _start_alertmanager(self, port: int) -> ServerProcess:
        return self._stack.enter_context(start_alertmanager(folder=self._folder / "alertmanager", port=port))

    def _start_prometheus(self, port: int, interval: str) -> ServerProcess:
        rules = [
            {"alert": name, "expr": f'burning{{name="{name}"}} == 1', "labels": {"severity": "critical"}} for name in NAMES
        ]
        manager = {"static_configs": [{"targets": [urlsplit(self.alertmanager.url).netloc]}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": interval, "external_labels": {"cluster": "eu"}},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "page", "static_configs": [{"targets": [self._target]}]}],
            "alerting": {"alertmanagers": [manager]},
        }
        files = {"rules.yml": json.dumps({"groups": [{"name": "g", "rules": rules}]})}
        started = start_prometheus(json.dumps(config), files, folder=self._folder / "prometheus", port=port)
        return self._stack.enter_context(started)

    def receive(self, labels: dict[str, str]) -> None:
        """Alertmanager receives an alert as another Prometheus sends it."""
        answer = httpx.post(f"{self.alertmanager.url}/api/v2/alerts", json=[{"labels": labels}], trust_env=False)
        answer.raise_for_status()

    def restart_alertmanager(self) -> None:
        self.alertmanager.kill()
        self.alertmanager = self._start_alertmanager(port_of(self.alertmanager))

    def restart_both(self, interval: str) -> None:
        """Prometheus evaluates its rules first within this interval."""
        self.prometheus.kill()
        self.restart_alertmanager()
        self.prometheus = self._start_prometheus(port_of(self.prometheus), interval)


class Console:
    """A console that runs, with what it notifies of."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.titles: list[str] = []
        self._watch = NotificationWatch(NotifySettings(), session.severity_policies, shift_hours=12.0)
        self._latest: Snapshot | None = None
        self._arrived = asyncio.Event()
        session.start(self._take)

    def _take(self, snapshot: Snapshot) -> None:
        self.titles += [item.title for item in self._watch.collect(snapshot, snapshot.taken_at) if item.kind != "timer"]
        self._latest = snapshot
        self._arrived.set()

    async def wait(self, met: Callable[[Snapshot], bool]) -> Snapshot:
        async with asyncio.timeout(extend(90.0)):
            while self._latest is None or not met(self._latest):
                self._arrived.clear()
                await self._arrived.wait()
        return self._latest

    async def poll(self, since: Snapshot) -> None:
        """Until Alertmanager has answered so often that the rules were read anew, and the journal after them."""
        at = listed_at(since)
        for _ in range(6):
            at = listed_at(await self.wait(lambda told, at=at: is_up(told) and listed_at(told) > at))  # type: ignore[misc]

    def ends(self) -> tuple[list[str], list[str], set[str]]:
        """What was called resolved: by a notification, by the timeline; and the alerts that are still acknowledged."""
        snapshot = self.session.snapshot()
        (incident,) = snapshot.ledger.incidents.open
        notified = [title for title in self.titles if "resolved" in title]
        written = [entry.text for entry in incident.entries if "resolved" in entry.text]
        return notified, written, set(snapshot.ledger.owners)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        found = Servers(tmp_path, stack)
        found.fire()
        yield found


@pytest.fixture
async def console(servers: Servers, tmp_path: Path) -> AsyncIterator[Console]:
    given = {
        "HOME": str(tmp_path),
        "USER": "you",
        "PROMETHEUS_URL": servers.prometheus.url,
        "ALERTMANAGER_URL": servers.alertmanager.url,
    }
    settings = load_settings({"refresh": 1.0}, given, service_account="/nonexistent")
    session = await asyncio.to_thread(Session.open, replace(settings, backoff_cap_seconds=1.0))
    yield Console(session)
    await session.close()


def is_up(snapshot: Snapshot) -> bool:
    states = [snapshot.source(name) for name in ("prometheus", "alertmanager")]
    return all(state is not None and state.health is Health.UP for state in states)


def listed_at(snapshot: Snapshot) -> float:
    state = snapshot.source("alertmanager")
    return state.last_good_at or 0.0 if state is not None else 0.0


def delivered(snapshot: Snapshot) -> set[str]:
    return {item.alert.name for item in snapshot.alerts if item.alert.state is AlertState.ACTIVE}


async def test_a_restart_ends_no_alert(console: Console, servers: Servers) -> None:
    """An alert that really ends is notified of, stands in the incident's timeline, and loses its owner. One that goes on firing
    while Alertmanager restarts without its alerts, or while Prometheus returns and has not evaluated its rules yet, keeps all.
    """
    shown = await console.wait(lambda told: delivered(told) == set(NAMES))
    fingerprints = {item.alert.name: item.alert.fingerprint for item in shown.alerts}
    for name in NAMES:
        await console.session.acknowledge(fingerprints[name])
    await console.session.incidents.declare(alerts=shown.alerts)

    servers.gauges["Ends"] = 0
    kept = {fingerprints["KeepsFiring"]}
    over = (["P1 Ends resolved"], ["Ends resolved"], kept)
    await console.wait(lambda told: len(console.ends()[0]) == len(console.ends()[1]) == 1 and console.ends()[2] == kept)

    await asyncio.to_thread(servers.restart_alertmanager)
    lost = await console.wait(lambda told: is_up(told) and not delivered(told))
    await console.poll(lost)
    assert console.ends() == over

    await asyncio.to_thread(servers.restart_both, "1h")
    waiting = await console.wait(lambda told: is_up(told) and {rule.health for rule in told.rules} == {"unknown"})
    assert waiting.alerts == ()
    await console.poll(waiting)
    assert console.ends() == over


async def test_a_restart_ends_no_alert_of_another_cluster(console: Console, servers: Servers) -> None:
    """Its Prometheus sends to the same Alertmanager, and has a rule of the same name: that the one here does not fire shows
    nothing of it.
    """
    labels = {"alertname": "Ends", "cluster": "us", "severity": "critical"}
    servers.gauges["Ends"] = 0
    await console.wait(lambda told: delivered(told) == {"KeepsFiring"})
    await asyncio.to_thread(servers.receive, labels)
    await console.wait(lambda told: delivered(told) == set(NAMES))

    await asyncio.to_thread(servers.restart_alertmanager)
    lost = await console.wait(lambda told: is_up(told) and not delivered(told))
    await console.poll(lost)
    assert labels in [dict(alert.labels) for alert in console.session.snapshot().open_ends]
