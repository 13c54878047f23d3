"""A whole P1 played headless on real servers, and its report held against Prometheus' own samples."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from console.config.load import load_settings
from console.demo import incident as played
from console.demo import server_config
from console.demo.incident import play_incident
from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack
from console.demo.verify_report import verify_figures
from console.incidents.correlation import correlate
from console.incidents.impact import measure
from console.journal.sqlite import Journal
from console.state.snapshot import Snapshot
from queries.catalogue.loader import load_board
from queries.http.endpoint import ClusterEndpoint, Endpoint
from queries.kubernetes.client import Kubernetes
from queries.prometheus.client import Prometheus

pytestmark = pytest.mark.servers


class Told:
    """What the play said, by step."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, text: str, *, step: str = "") -> None:
        self.lines.append((step, text))

    def of(self, step: str) -> list[str]:
        return [text for name, text in self.lines if name == step]


@pytest.fixture(scope="module")
def stack(servers: Servers) -> Iterator[DemoStack]:
    with DemoStack(scenario("bad-deploy"), servers) as running:
        yield running


def test_from_the_declaration_to_a_report_that_agrees(
    stack: DemoStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Declared, acknowledged, told, mitigated by rollback, stable, resolved, reported: every figure of the report lies where
    Prometheus' raw samples have it, and a report that says anything else does not pass.
    """
    settings = load_settings({"refresh": 1.0}, {**os.environ, **stack.addresses.environment()})
    output, file = Told(), tmp_path / "report.md"
    documents: list[dict[str, Any]] = []
    monkeypatch.setattr(played, "as_json", lambda made: documents.append(_json(made)) or documents[-1])

    async def ready() -> None:
        return

    passed = asyncio.run(
        play_incident(stack.scenario, settings, output, report_file=file, stability_seconds=5.0, stack_up=ready())
    )
    assert passed, output.lines[-3:]
    assert len(output.of("agreement")) == 6
    for step in ("acknowledge", "assess", "communicate", "mitigate", "resolve"):
        assert output.of(step), step
    report = file.read_text()
    assert "cad-ml-api revision 2 image 1.9.0" in report
    document = documents[0]
    assert document["impact"]["failed"] > 50
    assert document["impact"]["unknown"] == {}
    _every_lie_is_found(document, stack.addresses.prometheus)
    with Journal.open_to_read(settings.paths.journal_file) as journal:
        seen = journal.events(kinds=("incident.seen",))
        assert len({event.subject for event in seen}) == len(seen) >= 3


def _json(made: Any) -> dict[str, Any]:
    from console.incidents.postmortem import as_json

    return json.loads(json.dumps(as_json(made)))


LIES: dict[str, tuple[tuple[str, ...], Any]] = {
    "failed requests": (("impact", "failed"), 1.6),
    "requests": (("impact", "requests"), 1.3),
    "seconds outside the SLO": (("impact", "outside_slo_seconds"), 3.0),
}


def _every_lie_is_found(document: dict[str, Any], url: str) -> None:
    def wrong(output: dict[str, Any]) -> list[str]:
        found = verify_figures(output, url, alert="HighErrorRate", step_seconds=server_config.SCRAPE_SECONDS)
        return [item.what for item in found if not item.holds]

    assert wrong(document) == []
    for what, ((part, name), factor) in LIES.items():
        output = copy.deepcopy(document)
        output[part][name] *= factor
        assert wrong(output) == [what]
        output[part][name] = None
        assert wrong(output) == [what]
    output = copy.deepcopy(document)
    output["times"]["detected_at"] = document["window"]["end"]
    assert wrong(output) == ["detected"]
    output = copy.deepcopy(document)
    output["timeline"] = []
    assert wrong(output) == ["end of the alert"]
    output = copy.deepcopy(document)
    output["steps"]["mitigate"] = document["times"]["detected_at"]
    assert wrong(output) == ["error ratio when it was mitigated"]


async def test_what_cannot_be_asked_is_unknown(stack: DemoStack) -> None:
    """A Prometheus that is dead, one that had no data then, none at all: unknown with its reason, and never 0."""
    ratio = next(item for item in load_board("overview") if item.id == "error_ratio")
    now = time.time()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    dead = Prometheus(Endpoint(f"http://127.0.0.1:{port}", timeout_seconds=1.0))
    alive = Prometheus(Endpoint(stack.addresses.prometheus))
    try:
        for prometheus, why, at in (
            (None, "not configured", now),
            (dead, "refused", now),
            (alive, "nobody exported", now - 60 * 86_400),
        ):
            found = await measure(prometheus, ratio, detected_at=at - 60, end=at)
            assert (found.failed, found.requests, found.budget_percent, found.outside_seconds) == (None, None, None, None)
            assert why in found.reason("failed")
            assert found.reason("outside_seconds")
        known = await measure(alive, ratio, detected_at=now - 30, end=now)
        assert known.failed is not None
        assert known.requests is not None
        assert known.requests > 1000
        assert known.why == ()
    finally:
        await dead.close()
        await alive.close()


async def test_what_changed_from_every_source(stack: DemoStack) -> None:
    """Without a cluster Prometheus alone tells of the deploy and of other alerts; with one, who wrote which ConfigMap, and
    never what is in it. What could not be asked is named.
    """
    assert stack.cluster is not None
    empty = Snapshot("demo", "cad-ml-platform", False, False, "you", time.time(), heartbeat_alert="Watchdog")
    alive = Prometheus(Endpoint(stack.addresses.prometheus))
    kubernetes = Kubernetes(ClusterEndpoint("cad-ml-platform", stack.addresses.kubeconfig))
    try:
        alone = await correlate(empty, at=time.time(), prometheus=alive, config_maps=None)
        output = {(item.kind, item.text) for item in alone.changes}
        assert any(kind == "deploy" and "api:1.9.0 appeared" in text for kind, text in output)
        assert ("alert", "HighErrorRate started firing") in output
        assert not any("Watchdog" in text for _, text in output), "what always fires began nothing"
        assert [item.partition(":")[0] for item in alone.faults] == ["Kubernetes", "ConfigMaps"]
        own = await correlate(empty, at=time.time(), prometheus=alive, config_maps=None, own_alerts=("HighErrorRate",))
        assert not any(item.kind == "alert" and "HighErrorRate" in item.text for item in own.changes)

        stack.cluster.patch("configmaps", "circuit-breaker-config", {"data": {"failure_threshold": "s3cretValue"}})
        found = await correlate(empty, at=time.time() + 1, prometheus=None, config_maps=kubernetes.config_maps)
        config = [item for item in found.changes if item.kind == "config"]
        assert [(item.text, item.author) for item in config] == [("ConfigMap circuit-breaker-config written", "kubectl")]
        assert "s3cretValue" not in repr(found)
        assert [item.at for item in found.changes] == sorted(item.at for item in found.changes)
        assert any("Prometheus is not configured" in item for item in found.faults)
    finally:
        await alive.close()
        await kubernetes.close()
