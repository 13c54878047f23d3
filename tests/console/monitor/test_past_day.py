"""A day of random events at compressed time: what the console showed then, and what it says of each moment afterwards.

The servers are in this process and answer from one list of events: about now with the objects of Alertmanager's and Kubernetes'
APIs, about a moment with the series that Prometheus has of it, one scrape and one evaluation apart.
`tests/e2e/test_past_truth.py` does the same on real servers.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from screen_samples import settings
from seen_snapshot import Seen, read_snapshot

from console.journal.payloads import AlertAcknowledged, NoteWritten, create_event
from console.journal.sqlite import Journal
from console.monitor.past_session import PastSession
from console.monitor.session import Session
from console.runbooks.index import RunbookIndex
from queries.alertmanager import Alertmanager
from queries.catalogue.loader import load_board
from queries.http.endpoint import ClusterEndpoint, Endpoint
from queries.kubernetes import cluster_list
from queries.model.cluster import Cluster
from queries.model.series import Labels
from queries.model.workload import Workload
from queries.prometheus.alert_series import fingerprint
from queries.prometheus.client import Prometheus
from queries.text.times import utc
from queries.yaml import load_yaml

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow
DAY = 86_400.0
BEGINS = 1_767_276_000.0
SCRAPE = EVALUATION = 30.0
APART = SCRAPE + EVALUATION
"""A moment nearer to a change is not compared: the series are of the last scrape, the snapshot is of now."""
SNAPSHOTS, MOMENTS = 320, 200
OUTAGE = (BEGINS + 50_000.0, BEGINS + 52_400.0)
"""Prometheus neither scrapes nor evaluates."""
NAMESPACE = "cad-ml-platform"
RULES = {"HighErrorRate": 120.0, "ProviderDown": 60.0, "PodNotReady": 300.0, "CacheHitRateLow": 0.0}
WORKLOADS = ("cad-ml-api", "cad-render", "ocr-provider-paddle")
PANELS = {
    "error_ratio": ("platform_error_ratio", 0.0, 12.0),
    "request_rate": ("platform_requests_per_second", 10.0, 400.0),
}
Series = tuple[Mapping[str, str], float]
OURS = {
    rule["record"]: rule["expr"]
    for group in load_yaml((ROOT / "queries" / "rules" / "recording.yaml").read_text(encoding="utf-8"), where="rules")["groups"]
    for rule in group["rules"]
}
"""Our recording rules: a series that another expression records is not read."""


@dataclass
class Steps:
    """A value that changes at times: `at` gives the one in force."""

    times: list[float] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def change(self, at: float, value: object) -> None:
        self.times.append(at)
        self.values.append(value)

    def at(self, moment: float) -> object:
        index = bisect_right(self.times, moment) - 1
        return self.values[index] if index >= 0 else None


@dataclass(frozen=True)
class Firing:
    """An alert: since when its expression is true, and until when."""

    name: str
    labels: Labels
    begins: float
    ends: float

    @property
    def fires(self) -> float:
        return self.begins + RULES[self.name]


@dataclass(frozen=True)
class Silenced:
    id: str
    name: str
    starts: float
    ends: float


class Day:
    """Random events of a day, and what servers say of them."""

    def __init__(self, seed: int) -> None:
        dice = self.dice = random.Random(seed)
        self.now = BEGINS
        self.figures = {name: Steps() for name in PANELS}
        self.ready = {name: Steps() for name in WORKLOADS}
        self.alerts: list[Firing] = []
        self.silences: list[Silenced] = []
        self.changes: list[float] = [*OUTAGE]
        for name, (_, low, high) in PANELS.items():
            self.figures[name].change(BEGINS - DAY, low)
            for _ in range(20):
                at = self._pick()
                self.figures[name].change(at, round(dice.uniform(low, high), 3))
        for steps in self.ready.values():
            steps.change(BEGINS - DAY, (3, 3))
            for _ in range(10):
                desired = dice.randint(1, 6)
                steps.change(self._pick(), (dice.randint(0, desired), desired))
        for steps in (*self.figures.values(), *self.ready.values()):
            order = sorted(zip(steps.times, steps.values, strict=True), key=lambda pair: pair[0])
            steps.times, steps.values = [pair[0] for pair in order], [pair[1] for pair in order]
        for name in RULES:
            at = BEGINS + dice.uniform(0, 3600.0)
            while at < BEGINS + DAY:
                begins = at // EVALUATION * EVALUATION
                ends = begins + dice.choice((300.0, 1800.0, 5400.0, 120.0)) // EVALUATION * EVALUATION
                firing = Firing(name, (("alertname", name), ("severity", dice.choice(("critical", "warning")))), begins, ends)
                self.alerts.append(firing)
                self.changes += (begins, firing.fires, ends)
                at = ends + dice.uniform(600.0, 9000.0)
        for number in range(16):
            starts = self._pick()
            ends = starts + dice.uniform(300.0, 7200.0)
            self.silences.append(Silenced(f"s-{number}", dice.choice(list(RULES)), starts, ends))
            self.changes += (ends,)

    def _pick(self) -> float:
        at = BEGINS + self.dice.uniform(0.0, DAY)
        self.changes.append(at)
        return at

    def settled(self, moment: float) -> bool:
        return all(not moment - APART <= at <= moment + APART for at in self.changes)

    def firing(self, moment: float) -> list[tuple[Firing, bool]]:
        """The alerts of a moment, and whether each fires or is pending."""
        return [(item, moment >= item.fires) for item in self.alerts if item.begins <= moment < item.ends]

    # Prometheus

    def prometheus(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs((request.content or request.url.query).decode())
        path = request.url.path
        if path == "/api/v1/rules":
            return _json({"groups": [{"name": "g", "file": "f", "interval": EVALUATION, "rules": self._rules()}]})
        if path == "/api/v1/query":
            moment = float(form["time"][0]) if "time" in form else self.now
            found = self._series(form["query"][0], moment) if not OUTAGE[0] <= moment < OUTAGE[1] else []
            return _json({"resultType": "vector", "result": [{"metric": dict(a), "value": [moment, str(b)]} for a, b in found]})
        if path == "/api/v1/query_range":
            return _json({"resultType": "matrix", "result": []})
        return httpx.Response(404, text="404 page not found")

    def _rules(self) -> list[dict[str, object]]:
        active: dict[str, list[dict[str, object]]] = {name: [] for name in RULES}
        for item, fires in self.firing(self.now):
            state = "firing" if fires else "pending"
            since = {"labels": dict(item.labels), "annotations": {}, "state": state, "activeAt": utc(item.begins), "value": "1"}
            active[item.name].append(since)
        alerting = [
            {
                "type": "alerting", "name": name, "query": f"vector(1) > 0 # {name}", "duration": seconds, "labels": {},
                "annotations": {}, "health": "ok", "state": "firing" if active[name] else "inactive", "alerts": active[name],
            }
            for name, seconds in RULES.items()
        ]  # fmt: skip
        recording = [
            {"type": "recording", "name": series, "query": OURS[series], "health": "ok"} for series, *_ in PANELS.values()
        ]
        return [*alerting, *recording]

    def _series(self, query: str, moment: float) -> Iterable[Series]:
        scraped, evaluated = moment // SCRAPE * SCRAPE, moment // EVALUATION * EVALUATION
        parts = re.findall(r'label_replace\(\n(.*?)\n, "__q__", "([^"]*)", "", ""\)', query, re.S)
        for _, key in parts or [(query, "")]:
            panel, _, kind = key.partition("/")
            if kind == "recorded" and panel in PANELS:
                yield {"__q__": key, "__name__": PANELS[panel][0]}, float(str(self.figures[panel].at(evaluated)))
            elif key in ("then/scraped", "then/evaluated"):
                yield {"__q__": key}, 3.0
            elif key == "then/alerts":
                for item, fires in self.firing(evaluated):
                    state = "firing" if fires else "pending"
                    yield {"__q__": key, "__name__": "ALERTS", "alertstate": state, **dict(item.labels)}, 1.0
                    yield {"__q__": key, "__name__": "ALERTS_FOR_STATE", **dict(item.labels)}, item.begins
            elif key == "then/cluster":
                for name, steps in self.ready.items():
                    ready, desired = steps.at(scraped)  # type: ignore[misc]
                    own = {"__q__": key, "namespace": NAMESPACE, "deployment": name}
                    yield {**own, "__name__": "kube_deployment_spec_replicas"}, float(desired)
                    yield {**own, "__name__": "kube_deployment_status_replicas_ready"}, float(ready)

    # Alertmanager

    def alertmanager(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v2/alerts":
            return httpx.Response(200, json=[self._alert(item) for item, fires in self.firing(self.now) if fires])
        if request.url.path == "/api/v2/silences":
            return httpx.Response(200, json=[self._silence(item) for item in self.silences if item.starts <= self.now])
        if request.url.path == "/api/v2/status":
            return httpx.Response(200, json={})
        return httpx.Response(200, json=[])

    def _alert(self, item: Firing) -> dict[str, object]:
        by = [each.id for each in self.silences if each.name == item.name and each.starts <= self.now < each.ends]
        state = {"state": "suppressed" if by else "active", "silencedBy": by, "inhibitedBy": []}
        return {
            "fingerprint": fingerprint(item.labels), "labels": dict(item.labels), "annotations": {}, "receivers": [],
            "startsAt": utc(item.fires), "endsAt": utc(self.now + 240.0), "updatedAt": utc(self.now), "status": state,
        }  # fmt: skip

    def _silence(self, item: Silenced) -> dict[str, object]:
        matcher = {"name": "alertname", "value": item.name, "isRegex": False, "isEqual": True}
        return {
            "id": item.id, "matchers": [matcher], "startsAt": utc(item.starts), "endsAt": utc(item.ends),
            "updatedAt": utc(item.starts), "createdBy": "ann", "comment": "x",
            "status": {"state": "active" if self.now < item.ends else "expired"},
        }  # fmt: skip

    # Kubernetes

    def cluster(self) -> Cluster:
        found = []
        for name, steps in self.ready.items():
            ready, desired = steps.at(self.now)  # type: ignore[misc]
            numbers = {"replicas": desired, "updated": desired, "available": ready}
            place = {"namespace": NAMESPACE, "name": name, "uid": name, "resource_version": "1"}
            found.append(
                Workload(
                    **place, **numbers, generation=1, observed_generation=1, desired=desired, ready=ready, paused=False,
                    revision=1, created_at=BEGINS - DAY, kind="Deployment",
                )
            )  # fmt: skip
        return Cluster(NAMESPACE, workloads=tuple(found))


def _json(data: object) -> httpx.Response:
    return httpx.Response(200, json={"status": "success", "data": data})


async def live_through(day: Day, session: Session, journal: Journal) -> list[Seen]:
    """Every snapshot of the day, at random times, with people who acknowledge alerts and write notes in between."""
    dice = day.dice
    seen: list[Seen] = []
    for moment in sorted(BEGINS + dice.uniform(600.0, DAY) for _ in range(SNAPSHOTS)):
        day.now = moment
        snapshot = await session.once()
        seen.append(read_snapshot(snapshot))
        firing = [item for item, fires in day.firing(moment) if fires]
        if firing and dice.random() < 0.2:
            acknowledged = AlertAcknowledged(firing[0].name)
            write(journal, day, moment + 1.0, fingerprint(firing[0].labels), acknowledged)
        elif dice.random() < 0.1:
            write(journal, day, moment + 1.0, "note", NoteWritten(f"note {dice.randrange(100)}"))
    return seen


def write(journal: Journal, day: Day, at: float, subject: str, payload: AlertAcknowledged | NoteWritten) -> None:
    journal.append(create_event(payload, at=at, subject=subject, author="ann", environment="production"))
    day.changes.append(at)


class WatchedCluster:
    """A client that lists what the day has."""

    warnings = ()

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("seed", [16, 17, 18])
async def test_the_past_is_what_was_seen_then(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels, alerts with owner and silences, workloads and notes of 200 random moments away from any change; at least 95 % are
    known, and what is not is of the time in which Prometheus was down.
    """
    day = Day(seed)
    servers = {"prometheus": Endpoint("http://prometheus.test"), "alertmanagers": (Endpoint("http://alertmanager.test"),)}
    given = settings(tmp_path, kubernetes=ClusterEndpoint(NAMESPACE), **servers)
    journal = Journal.open(given.paths.journal_file)
    specs = tuple(spec for spec in load_board("overview") if spec.id in PANELS)

    def clock() -> float:
        return day.now

    prometheus = Prometheus(Endpoint("http://prometheus.test"), transport=httpx.MockTransport(day.prometheus), clock=clock)
    manager = Alertmanager(
        (Endpoint("http://alertmanager.test"),), transport=httpx.MockTransport(day.alertmanager), clock=clock
    )
    session = Session(
        given,
        specs=specs,
        runbooks=RunbookIndex(()),
        journal=journal,
        prometheus=prometheus,
        alertmanager=manager,
        kubernetes=WatchedCluster(),
        clock=clock,  # type: ignore[arg-type]
    )

    async def list_now(kubernetes: object) -> Cluster:
        return day.cluster()

    monkeypatch.setattr(cluster_list, "list_cluster", list_now)
    seen = await live_through(day, session, journal)
    day.now = BEGINS + DAY + 3600.0
    past = PastSession(session, clock=clock)
    compared: dict[str, int] = {}
    wrong, unknown = [], 0
    candidates = [item for item in seen if day.settled(item.at)]
    for expected in day.dice.sample(candidates, min(MOMENTS, len(candidates))):
        then = read_snapshot(await past.go(expected.at))
        down = OUTAGE[0] <= expected.at < OUTAGE[1]
        for name in ("alerts", "workloads", "silences", "notes", "panels"):
            compared[name] = compared.get(name, 0) + 1
            found, wanted = getattr(then, name), getattr(expected, name)
            if down and name in ("alerts", "workloads", "panels"):
                unknown += 1
                assert not found or all(value is None for _, value in then.panels.values()), f"{name} of a time without samples"
            elif found != wanted:
                wrong.append(f"{name} at {expected.at:.0f}: {found} instead of {wanted}")
    await past.close()
    await session.close()
    assert not wrong, "\n".join(wrong[:10])
    assert compared["alerts"] >= MOMENTS / 2, f"only {compared} of {len(seen)} snapshots were away from any change"
    assert unknown <= 0.05 * sum(compared.values())
    measured = [value for item in seen for _, value in item.panels.values()]
    assert sum(value is not None for value in measured) >= 0.95 * len(measured)
    assert any(item.alerts for item in seen) and any(item.silences for item in seen) and seen[-1].notes
    assert any(owner for item in seen for _, _, _, owner in item.alerts), "somebody owned an alert"
