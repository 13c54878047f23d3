"""The pages of a workload, of its changes, its YAML and of the nodes, on a cluster in the process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import API, QUICK
from painting import text_of
from screen_samples import settings
from steerable_cluster import SteerableCluster
from textual.pilot import Pilot

from console.config.settings import Settings
from console.screens.app import ConsoleApp
from console.screens.messages import OpenYamlRequested
from queries.http.endpoint import ClusterEndpoint

TOKEN = "hunter2"


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    """The platform with a second revision of its API, which needs a ConfigMap that does not exist."""
    found = SteerableCluster(timings=QUICK)
    found.seed()
    with found:
        env = [
            {"name": "API_TOKEN", "value": TOKEN},
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "a"}}},
        ]
        container = {"name": API, "image": "registry.example.com/cad-ml/api:1.9.0", "env": env}
        found.patch("deployments", API, {"spec": {"template": {"spec": {"containers": [container]}}}})
        yield found


@pytest.fixture
def config(tmp_path: Path, cluster: SteerableCluster) -> Settings:
    kubeconfig = tmp_path / "kubeconfig"
    cluster.kubeconfig(kubeconfig)
    return replace(settings(tmp_path), kubernetes=ClusterEndpoint("cad-ml-platform", str(kubeconfig), "demo"))


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    for _ in range(300):
        shown = text_of(app.screen)
        if all(word in shown for word in words):
            return shown
        await pilot.pause(0.05)
    raise AssertionError(f"{words} did not appear:\n{text_of(app.screen)}")


async def open_page(app: ConsoleApp, pilot: Pilot[None]) -> str:
    await until(app, pilot, "kubernetes ok")
    await pilot.press("3")
    await until(app, pilot, API)
    await pilot.press("colon", *f"workload {API}", "enter")
    return await until(app, pilot, f"deployment/{API}  ", "Panels")


async def test_the_page_begins_with_what_is_wrong(config: Settings) -> None:
    """The missing ConfigMap is the first row and has the cursor; enter on a revision shows what it changed, with signs
    and without the secret; the YAML is searched, and hides it too.
    """
    app = ConsoleApp(config, ascii_only=False)
    async with app.run_test(size=(80, 60)) as pilot:
        await open_page(app, pilot)
        shown = await until(app, pilot, "› CRIT")
        assert "CRIT" in shown.splitlines()[2]
        assert "ConfigMap gone (environment of cad-ml-api) does not exist" in " ".join(shown.split())
        order = [
            shown.index(f"── {title}") for title in ("What is wrong", "Pods", "Events", "Revisions", "Set-up", "Depends on")
        ]
        assert order == sorted(order)
        assert "HPA       cad-ml-api: 3 to 20 replicas" in shown and "revision 2 (current)" in shown
        rows = app.screen.query_one("#workload-page")
        rows.move_to(next(row.key for row in rows.items if row.key.startswith("revision ")))  # type: ignore[attr-defined]
        await pilot.press("enter")
        shown = await until(app, pilot, "revision 1 → 2", "+     image: registry.example.com/cad-ml/api:1.9.0")
        assert "-     image: registry.example.com/cad-ml/api:1.8.2" in shown and TOKEN not in shown
        await pilot.press("full_stop")
        await until(app, pilot, "revision 2 → 2", "their pod templates are equal")
        await pilot.press("escape", "y")
        await until(app, pilot, "apiVersion: apps/v1")
        await pilot.press("slash", *"maxsurge", "enter")
        shown = await until(app, pilot, "1 of 1 matches", "maxSurge: 25%")
        assert any(line.startswith("»") and "maxSurge" in line for line in shown.splitlines()) and "managedFields:" not in shown
        assert TOKEN not in app.screen.document_text and "(hidden " in app.screen.document_text  # type: ignore[attr-defined]
        await pilot.press("escape", "escape", "d")
        await until(app, pilot, "Describe deployment/cad-ml-api", "── What is wrong")


async def test_a_page_that_cannot_be_read_again_is_stale(config: Settings, cluster: SteerableCluster) -> None:
    """A read of more than half a second is reported. After one that fails, what was read stays, without a word that claims what
    is now, and the reason is named.
    """
    app = ConsoleApp(config, ascii_only=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_page(app, pilot)
        cluster.delay(3.0)
        await pilot.press("u")
        await until(app, pilot, "reading … ", "›")
        cluster.delay(0.0)
        for _ in range(100):
            if "reading" not in text_of(app.screen):
                break
            await pilot.pause(0.05)
        cluster.deny("get", "deployments")
        await pilot.press("u")
        shown = await until(app, pilot, "STALE", "deployments")
        assert "was ready" in shown and "were ready" in shown
        pods = [line for line in shown.splitlines() if f"{API}-" in line and "node-" in line]
        assert len(pods) == 3 and all("was ready" in line for line in pods) and " ok " not in shown.splitlines()[2]


async def test_nodes_open_by_name_and_name_what_is_forbidden(config: Settings, cluster: SteerableCluster) -> None:
    """`:nodes` shows requests against what a node can give; where nodes are forbidden it says so, and the volumes live."""
    app = ConsoleApp(config, ascii_only=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(app, pilot, "kubernetes ok")
        await pilot.press("colon", *"nodes", "enter")
        shown = await until(app, pilot, "3 of 3 ready", "every pod has a node", "models")
        assert "of 8 (" in shown and "NO DATA" in shown and "usage unknown, Prometheus is not configured" in shown
        await pilot.press("enter")
        await until(app, pilot, "Describe node/node-1", "── Requests")
        await pilot.press("escape")
        cluster.deny("list", "nodes")
        await pilot.press("u")
        await until(app, pilot, 'cannot list resource "nodes"', "models")


async def test_a_large_object_can_be_read(config: Settings, cluster: SteerableCluster) -> None:
    """An annotation of a megabyte and 200 containers: the page of the YAML opens, is searched, and is cut line by line."""
    containers: list[dict[str, Any]] = [{"name": f"c{at}", "image": f"i:{at}"} for at in range(200)]
    change = {
        "metadata": {"annotations": {"big": "x" * 1_000_000}},
        "spec": {"paused": True, "template": {"spec": {"containers": containers}}},
    }
    cluster.patch("deployments", "cad-render", change)
    app = ConsoleApp(config, ascii_only=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "kubernetes ok")
        app.flows.navigation.open(OpenYamlRequested("deployment/cad-render"))
        await until(app, pilot, "apiVersion: apps/v1")
        await pilot.press("slash", *"image: i:199", "enter")
        await until(app, pilot, "1 of 1 matches", "image: i:199")
