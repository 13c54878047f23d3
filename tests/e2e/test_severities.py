"""Severities and whose list it is, on real servers: Prometheus fires, Alertmanager has the alerts, and then has not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from faulty_server import faulty_server
from real_program import Bench, platform
from servers import start_alertmanager, start_prometheus

from console.demo.process import ServerProcess

pytestmark = pytest.mark.servers

SEVERITIES = {"Paged": "page", "Shouted": "CRITICAL", "Numbered": "sev1", "Gilded": "gold", "Mute": "", "Spoken": "notice"}
PRIORITIES = {"Paged": "P1", "Shouted": "P1", "Numbered": "P1", "Gilded": "P2", "Mute": "P2", "Spoken": "P4"}


def rules(severities: dict[str, str]) -> str:
    """Each fires at once; the gauge is one of the overview's, so that something is measured."""
    alerts = [
        {"alert": name, "expr": "vector(1)", "labels": {"severity": word} if word else {}} for name, word in severities.items()
    ]
    record = {"record": "dedup2d_job_queue_depth", "expr": "vector(3)"}
    return json.dumps({"groups": [{"name": "g", "rules": [record, *alerts]}]})


@dataclass
class Scene:
    prometheus: ServerProcess
    alertmanager: ServerProcess
    bench: Bench

    def config(self, *, alertmanager: str, **more: object) -> Path:
        path = self.bench.config(self.prometheus.url)
        told = json.loads(path.read_text())
        environment = told["environments"]["hostile"]
        environment.pop("platform")
        environment.pop("alertmanager")
        if alertmanager:
            environment["alertmanager"] = [{"url": alertmanager, "timeout": 3}]
        path.write_text(json.dumps({**told, **more}))
        return path


def scene_of(folder: Path, severities: dict[str, str]) -> Iterator[Scene]:
    """Alerts are posted as Prometheus would, which finds a new Alertmanager after seconds and sends once a minute."""
    config = json.dumps({"global": {"evaluation_interval": "1s"}, "rule_files": ["rules.yml"]})
    with (
        start_alertmanager(folder=folder / "alertmanager") as manager,
        start_prometheus(config, {"rules.yml": rules(severities)}, folder=folder / "prometheus") as prometheus,
    ):
        posted = [{"labels": {"alertname": name, "severity": word}} for name, word in severities.items()]
        httpx.post(f"{manager.url}/api/v2/alerts", json=posted, trust_env=False).raise_for_status()
        deadline = time.monotonic() + 30
        while len(firing(prometheus)) < len(severities):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield Scene(prometheus, manager, Bench(folder))


def firing(prometheus: ServerProcess) -> list[object]:
    found = httpx.get(f"{prometheus.url}/api/v1/alerts", trust_env=False).json()["data"]["alerts"]
    return [item for item in found if item["state"] == "firing"]


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    yield from scene_of(tmp_path, getattr(request, "param", SEVERITIES))


def test_every_severity_has_its_priority(scene: Scene) -> None:
    """Words in any case have the priority that they mean; what nobody knows is P2 and called unknown."""
    config = scene.config(alertmanager=scene.alertmanager.url)
    table, machine = scene.bench.run_all(
        ("alerts", "--config", str(config)), ("alerts", "--config", str(config), "--format", "json")
    )
    assert (table.code, table.err, machine.code) == (0, "", 0)
    found = {item["name"]: item for item in json.loads(machine.out)}
    assert {name: item["priority"] for name, item in found.items()} == PRIORITIES
    assert {name for name, item in found.items() if not item["severity_known"]} == {"Gilded", "Mute"}
    assert {item["listed_by"] for item in found.values()} == {"alertmanager"}
    assert "severity unknown: gold" in table.out
    assert "severity unknown: none given" in table.out


@pytest.mark.parametrize(
    ("scene", "own", "code"),
    [
        ({"A": "page"}, {}, 1),
        ({"A": "gold"}, {}, 1),
        ({"A": ""}, {}, 1),
        ({"A": "Warning"}, {}, 0),
        ({"A": "error"}, {}, 0),
        ({"A": "gold"}, {"severities": {"Gold": "P4"}}, 0),
    ],
    indirect=["scene"],
)
def test_status_exits_1_for_what_is_critical_or_unknown(scene: Scene, own: dict[str, object], code: int) -> None:
    """A severity that nobody knows counts as a critical one, until the configuration says what it means."""
    config = scene.config(alertmanager=scene.alertmanager.url, **own)
    (ran,) = scene.bench.run_all(("status", "--config", str(config)))
    assert ran.code == code, ran.out


@pytest.mark.parametrize("scene", [{"A": "warning"}], indirect=True)
@pytest.mark.parametrize("how", ["down", "denied", "not configured"])
def test_a_list_that_is_not_alertmanagers_says_so(scene: Scene, how: str) -> None:
    """Prometheus' list is named as that on stderr and in JSON; `alerts` exits 3, and so does `status` for a lost one."""
    with faulty_server(platform()) as wall:
        wall.fault = "403"
        address = {"down": "http://127.0.0.1:9", "denied": wall.url, "not configured": ""}[how]
        config = str(scene.config(alertmanager=address))
        table, machine, empty, status, document = scene.bench.run_all(
            ("alerts", "--config", config),
            ("alerts", "--config", config, "--format", "json"),
            ("alerts", "--config", config, "--filter", 'alertname="None"'),
            ("status", "--config", config),
            ("status", "--config", config, "--format", "json"),
        )
    words = {"down": "Alertmanager DOWN", "denied": "Alertmanager DENIED", "not configured": "Alertmanager is not configured"}
    for ran in (table, machine, empty, status, document):
        assert "Prometheus lists these alerts, not Alertmanager" in ran.err
        assert words[how] in ran.err
    assert [ran.code for ran in (table, machine, empty)] == [3, 3, 3]
    assert status.code == document.code == (0 if how == "not configured" else 3)
    assert [(item["name"], item["listed_by"]) for item in json.loads(machine.out)] == [("A", "prometheus")]
    assert document.told["alerts_from"] == "prometheus"
    assert words[how] in document.told["alerts_caveat"]
    assert words[how] in empty.out
    assert words[how] in status.out
