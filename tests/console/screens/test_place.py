"""Switching to another environment, context or namespace inside the console, on two clusters in the process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import patience
import pytest
from action_bench import API, QUICK
from painting import text_of
from steerable_cluster import SteerableCluster
from textual.pilot import Pilot

from console.config.switch import SettingsSource
from console.journal.sqlite import Journal
from console.screens.app import ConsoleApp, SnapshotArrived
from console.screens.commands import run_command

ONLY_IN_PRODUCTION, ONLY_IN_STAGING = "api:9.9.9", "api:7.7.7"


class Two:
    """Production and staging, each with a cluster, a context and an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.production, self.staging = SteerableCluster(timings=QUICK), SteerableCluster(timings=QUICK)
        merged: dict[str, list[Any]] = {"clusters": [], "contexts": [], "users": []}
        for cluster, name, image in (
            (self.production, "prod", ONLY_IN_PRODUCTION), (self.staging, "stage", ONLY_IN_STAGING)
        ):  # fmt: skip
            cluster.seed()
            cluster.start()
            container = cluster.patch("deployments", API, {})["spec"]["template"]["spec"]["containers"][0]["name"]
            containers = [{"name": container, "image": f"registry.example.com/cad-ml/{image}"}]
            cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": containers}}}})
            cluster.kubeconfig(folder / "one")
            text = re.sub(r'"(demo|cad-console-demo)"', f'"{name}"', (folder / "one").read_text())
            for section in merged:
                merged[section] += json.loads(text)[section]
        (folder / "kubeconfig").write_text(json.dumps({**merged, "current-context": "prod"}))
        (folder / "config.yaml").write_text(
            "environments:\n"
            "  production: {kubernetes: {kubeconfig: kubeconfig, context: prod}}\n"
            "  staging: {protected: false, kubernetes: {kubeconfig: kubeconfig, context: stage}}\n"
            "refresh: {settle: {hpa: 0}}\n"
        )

    def app(self, environment: str = "production") -> ConsoleApp:
        environ = {"HOME": str(self.folder), "USER": "you"}
        source = SettingsSource({"config": str(self.folder / "config.yaml"), "environment": environment}, environ)
        self.settings = source.load()
        return ConsoleApp(self.settings, source=source, ascii_only=False)

    def stop(self) -> None:
        self.production.stop()
        self.staging.stop()


def record_frames(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every frame that is displayed from now on, as text."""
    frames: list[str] = []
    monkeypatch.setattr(app, "post_display_hook", lambda: frames.append(text_of(app.screen)))
    return frames


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    found = Two(tmp_path)
    yield found
    found.stop()


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    await patience.until(pilot, lambda: all(word in text_of(app.screen) for word in words), f"{words}")
    return text_of(app.screen)


async def test_nothing_of_the_old_place_is_shown_under_the_title_of_the_new_one(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The title changes first; a late answer of the old cluster is dropped; the open detail and the screens of other modes
    begin anew; an action then goes to the new cluster alone, without a typed name, and the journal names the new place.
    """
    app = two.app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "PRODUCTION", "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "PRODUCTION", ONLY_IN_PRODUCTION)
        await pilot.press("question_mark")
        await patience.until(pilot, lambda: len(app.screen_stack) == 2, "the help")
        old = app.session
        assert old is not None
        late = old.snapshot()
        assert late.cluster is not None
        frames = record_frames(app, monkeypatch)
        two.staging.delay(1.0)
        titles: list[tuple[str, bool]] = []
        monkeypatch.setattr(app, "set_terminal_title", lambda text: titles.append((text, app.session is None)))
        await pilot.press("colon", *"env staging", "enter")
        await patience.until(pilot, lambda: app.settings.environment == "staging", "the switch")
        await patience.until(pilot, lambda: app.session not in (None, old), "the new session")
        app.post_message(SnapshotArrived(late, old))
        await pilot.pause(0.2)
        assert ("", True) in titles  # before the new place said anything
        two.staging.delay(0.0)
        await until(app, pilot, "STAGING", ONLY_IN_STAGING)
        assert app.current_mode == "workloads" and len(app.screen_stack) == 1
        under_the_new_title = [frame for frame in frames if "STAGING" in frame.splitlines()[0]]
        assert under_the_new_title
        assert not [frame for frame in under_the_new_title if ONLY_IN_PRODUCTION in frame]
        assert not [frame for frame in frames if ONLY_IN_STAGING in frame and "STAGING" not in frame]
        before = two.production.deployment(API).revision
        await pilot.press("R")
        await until(app, pilot, "Restart deployment/cad-ml-api", "context stage", "[ Cancel ]")
        await pilot.press("tab", "enter")
        await until(app, pilot, "done")
        assert two.production.deployment(API).revision == before
        run_command(app, "env production")
        await until(app, pilot, "PRODUCTION", ONLY_IN_PRODUCTION)
    with Journal.open(two.settings.paths.journal_file) as journal:
        (intent,) = journal.events(kinds=["action.intent"])
    assert intent.environment == "staging"
    assert intent.data["cluster"].startswith("context stage, server http://127.0.0.1")


async def test_an_unconfirmed_preview_is_closed_and_a_confirmed_action_keeps_the_console(two: Two) -> None:
    """A preview that opened while the other place was being read sends nothing; while a rollout that was confirmed has no
    outcome, the console stays, and says which action it waits for.
    """
    app = two.app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, ONLY_IN_PRODUCTION)
        revision = two.production.deployment(API).revision
        await pilot.press("R")
        await until(app, pilot, "type cad-ml-api to confirm")
        app.flows.place.switch("environment", "staging")
        await until(app, pilot, "STAGING", ONLY_IN_STAGING, "restart deployment/cad-ml-api was not confirmed")
        assert two.production.deployment(API).revision == revision
        assert len(app.screen_stack) == 1
        app.clear_notifications()
        two.staging.break_image("api", "ImagePullBackOff")
        await pilot.press("R")
        await until(app, pilot, "[ Cancel ]")
        await pilot.press("tab", "enter")
        await until(app, pilot, "accepted by the server")
        run_command(app, "ctx prod")
        await until(app, pilot, "restart deployment/cad-ml-api has no outcome yet in staging/", "STAGING")
        assert app.settings.environment == "staging" and app.settings.kubernetes is not None
        assert app.settings.kubernetes.context == "stage"


async def test_a_drill_that_nobody_confirmed_ends_with_its_place(two: Two) -> None:
    """At once, while it waits up to 15 s for its sources, so that its preview cannot open over another place."""
    app = two.app("staging")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(app, pilot, "STAGING", "Workloads", "ready")
        drills = app.flows.drills
        run_command(app, "drill scale-to-zero cad-ml-api")
        await patience.until(pilot, lambda: drills.model.running, "the drill")
        app.flows.place.switch("environment", "production")
        await until(app, pilot, "PRODUCTION", "scale deployment/cad-ml-api was not confirmed: nothing was sent")
        await patience.until(pilot, lambda: not drills.model.running, "the end of the drill", seconds=5.0)
        assert len(app.screen_stack) == 1
        assert not app.flows.actions.running
    assert two.staging.deployment(API).desired > 0


async def test_a_context_is_chosen_from_the_list_and_an_unknown_name_says_what_there_is(two: Two) -> None:
    """`:ctx` alone lists the contexts with their servers, and completion the names; the chosen one is protected, which the
    header says; `:ns` reaches another namespace, and refuses one that the cluster does not have with those that it has.
    """
    app = two.app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("colon", "c", "t")
        await until(app, pilot, "ctx stage", "Switch to the context stage")
        await pilot.press("escape")
        run_command(app, "env nowhere")
        await until(app, pilot, "env: the config file has no environment 'nowhere'; it has production, staging")
        app.clear_notifications()
        run_command(app, "ns nowhere")
        await until(app, pilot, "the cluster has no namespace 'nowhere'; it has cad-ml-platform, kube-system")
        app.clear_notifications()
        run_command(app, "ctx")
        listed = await until(app, pilot, "Switch to another context", "shown now")
        assert two.staging.url in listed
        await pilot.press("down", "enter")
        await until(app, pilot, "PRODUCTION", "in stage", "the cluster comes from :ctx, in config file")
        await until(app, pilot, "Workloads", "ready")
        assert app.settings.protected
        run_command(app, "ns kube-system")
        await until(app, pilot, " kube-system in stage", "Workloads")
        await patience.until(pilot, lambda: app.session is not None, "the session of the new namespace")
        assert app.session is not None and app.session.kubernetes is not None
        assert app.session.kubernetes.namespace == "kube-system"
