"""A day of random events at compressed time, and what the servers of a platform say of it.

The servers are in this process and answer from one list of events: about now with the objects of Alertmanager's and Kubernetes'
APIs, about a moment with the series that Prometheus has of it, one scrape and one evaluation apart.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import httpx

from queries.model.cluster import Cluster
from queries.model.pod import Pod
from queries.model.series import Labels
from queries.model.workload import Workload
from queries.prometheus.alert_series import fingerprint
from queries.text.times import utc
from queries.yaml import load_yaml

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400.0
BEGINS = 1_767_276_000.0
SCRAPE = EVALUATION = 30.0
APART = SCRAPE + EVALUATION
"""A moment nearer to a change is not compared: the series are of the last scrape, the snapshot is of now."""
OUTAGE = (BEGINS + 50_000.0, BEGINS + 52_400.0)
"""Prometheus neither scrapes nor evaluates."""
INHIBITED, INHIBITOR = "PodNotReady", "ProviderDown"
"""While the second fires, Alertmanager inhibits the first."""
NAMESPACE = "cad-ml-platform"
RULES = {"HighErrorRate": 120.0, "ProviderDown": 60.0, "PodNotReady": 300.0, "CacheHitRateLow": 0.0}
WORKLOADS = ("cad-ml-api", "cad-render", "ocr-provider-paddle")
PANELS = {
    "error_ratio": ("platform_error_ratio", 0.0, 12.0),
    "request_rate": ("platform_requests_per_second", 10.0, 400.0),
}
Series = tuple[Mapping[str, str], float]
FIGURES = {series: panel for panel, (series, *_) in PANELS.items()}
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
        self.stopped = False
        """Whether no server answers any more."""
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
        self._require_running()
        form = {name: values[0] for name, values in parse_qs((request.content or request.url.query).decode()).items()}
        match request.url.path:
            case "/api/v1/rules":
                return _json({"groups": [{"name": "g", "file": "f", "interval": EVALUATION, "rules": self._rules()}]})
            case "/api/v1/query":
                moment = float(form.get("time", self.now))
                found = [
                    {"metric": dict(labels), "value": [moment, str(value)]}
                    for labels, value in self._series(_split(form["query"]), moment)
                ]
                return _json({"resultType": "vector", "result": found})
            case "/api/v1/query_range":
                return _json({"resultType": "matrix", "result": list(self._range(form))})
            case "/api/v1/metadata":
                return _json({})
            case "/api/v1/status/config":
                return _json({"yaml": ""})
        return httpx.Response(404, text="404 page not found")

    def _range(self, form: Mapping[str, str]) -> Iterator[Mapping[str, object]]:
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        parts = _split(form["query"])
        found: dict[tuple[tuple[str, str], ...], list[object]] = {}
        for at in range(int((end - start) / step) + 1):
            moment = start + at * step
            for labels, value in self._series(parts, moment):
                found.setdefault(tuple(sorted(labels.items())), []).append([moment, str(value)])
        for names, values in found.items():
            yield {"metric": dict(names), "values": values}

    def _require_running(self) -> None:
        if self.stopped:
            raise httpx.ConnectError("the servers are stopped")

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

    def _series(self, parts: Iterable[tuple[str, str]], moment: float) -> Iterator[Series]:
        """What the queries return at a moment, each series with the key of its query; nothing while Prometheus is down."""
        if OUTAGE[0] <= moment < OUTAGE[1]:
            return
        for query, key in parts:
            for labels, value in self._evaluate(query, moment):
                yield ({**labels, "__q__": key} if key else labels), value

    def _evaluate(self, query: str, moment: float) -> Iterator[Series]:
        scraped, evaluated = moment // SCRAPE * SCRAPE, moment // EVALUATION * EVALUATION
        if query in FIGURES:
            yield {"__name__": query}, float(str(self.figures[FIGURES[query]].at(evaluated)))
        elif query.startswith(("count(up)", "count({__name__")):
            yield {}, 3.0
        elif query == '{__name__=~"ALERTS|ALERTS_FOR_STATE"}':
            for item, fires in self.firing(evaluated):
                state = "firing" if fires else "pending"
                yield {"__name__": "ALERTS", "alertstate": state, **dict(item.labels)}, 1.0
                yield {"__name__": "ALERTS_FOR_STATE", **dict(item.labels)}, item.begins
        elif "kube_replicaset_owner" in query and "kube_deployment_spec_replicas" in query:
            for name, steps in self.ready.items():
                ready, desired = steps.at(scraped)  # type: ignore[misc]
                own = {"namespace": NAMESPACE, "deployment": name}
                yield {**own, "__name__": "kube_deployment_spec_replicas"}, float(desired)
                yield {**own, "__name__": "kube_deployment_status_replicas_ready"}, float(ready)

    # Alertmanager

    def alertmanager(self, request: httpx.Request) -> httpx.Response:
        self._require_running()
        if request.url.path == "/api/v2/alerts":
            return httpx.Response(200, json=[self._alert(item) for item, fires in self.firing(self.now) if fires])
        if request.url.path == "/api/v2/silences":
            return httpx.Response(200, json=[self._silence(item) for item in self.silences if item.starts <= self.now])
        if request.url.path == "/api/v2/status":
            return httpx.Response(200, json={})
        return httpx.Response(200, json=[])

    def _alert(self, item: Firing) -> dict[str, object]:
        by = [each.id for each in self.silences if each.name == item.name and each.starts <= self.now < each.ends]
        above = [fingerprint(each.labels) for each, fires in self.firing(self.now) if fires and each.name == INHIBITOR]
        inhibited = above if item.name == INHIBITED else []
        state = {"state": "suppressed" if by or inhibited else "active", "silencedBy": by, "inhibitedBy": inhibited}
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

    def cluster(self, moment: float | None = None) -> Cluster:
        """Of now, or of a moment."""
        found, pods = [], []
        for name, steps in self.ready.items():
            ready, desired = steps.at(self.now if moment is None else moment)  # type: ignore[misc]
            numbers = {"replicas": desired, "updated": desired, "available": ready}
            place = {"namespace": NAMESPACE, "name": name, "uid": name, "resource_version": "1"}
            found.append(
                Workload(
                    **place, **numbers, generation=1, observed_generation=1, desired=desired, ready=ready, paused=False,
                    revision=1, created_at=BEGINS - DAY, kind="Deployment",
                )
            )  # fmt: skip
            pods += [
                Pod(NAMESPACE, f"{name}-{at}", f"{name}-{at}", "Running" if at < ready else "Pending", at < ready, 0, BEGINS)
                for at in range(max(ready, desired))
            ]
        return Cluster(NAMESPACE, workloads=tuple(found), pods=tuple(sorted(pods, key=lambda item: item.name)))


def _json(data: object) -> httpx.Response:
    return httpx.Response(200, json={"status": "success", "data": data})


def _split(text: str) -> list[tuple[str, str]]:
    """The queries of a request, each with its key."""
    return re.findall(r'label_replace\(\n(.*?)\n, "__q__", "([^"]*)", "", ""\)', text, re.S) or [(text, "")]
