"""Actions at the keyboard, through the real session, on an in-process cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import patience
import pytest
from action_bench import API, NO_SETTLE, POLL_SECONDS, QUICK, journal_ready, placed
from painting import text_of
from screen_samples import settings
from steerable_cluster import SteerableCluster
from textual.pilot import Pilot

from console.actions.plan import Outcome, Preview, Request
from console.config.settings import Settings
from console.journal.event import Event
from console.monitor.session import Session
from console.screens.app import ConsoleApp
from console.screens.header import render_header
from console.screens.render_context import RenderContext
from queries.alertmanager import AlertmanagerState
from queries.http.endpoint import ClusterEndpoint, ClusterPlace
from queries.kubernetes.kubeconfig import choose_context, kubeconfig_files
from queries.model.alert import Alert, AlertState
from queries.model.source import PollResult
from widgets.table import Table

IMAGE = "registry.example.com/cad-ml/api:1.9.0"


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    """The platform with a bad release of its API rolled out."""
    found = SteerableCluster(timings=QUICK)
    found.seed()
    found.start()
    container = {"name": _container_name(found), "image": IMAGE}
    found.patch("deployments", API, {"spec": {"template": {"spec": {"containers": [container]}}}})
    until_settled(found)
    yield found
    found.stop()


def until_settled(cluster: SteerableCluster) -> None:
    """Until the pods of the release before are gone: a revision with ready pods is one known to have been ready."""
    deadline = time.monotonic() + 20.0
    while not (cluster.deployment(API).revision == 2 and cluster.deployment(API).settled):
        assert time.monotonic() < deadline, cluster.deployment(API)
        time.sleep(0.01)


def _container_name(cluster: SteerableCluster) -> str:
    """The API's own container, so that the patch adds none."""
    read = cluster.patch("deployments", API, {})
    return str(read["spec"]["template"]["spec"]["containers"][0]["name"])


@pytest.fixture
def given(tmp_path: Path, cluster: SteerableCluster) -> Callable[..., Settings]:
    kubeconfig = tmp_path / "kubeconfig"
    cluster.kubeconfig(kubeconfig)

    def make(**changes: Any) -> Settings:
        endpoint = ClusterEndpoint("cad-ml-platform", str(kubeconfig), "demo")
        return replace(
            settings(tmp_path, **changes),
            kubernetes=placed(endpoint),
            verify_timeout_seconds=20.0,
            verify_poll_seconds=POLL_SECONDS,
            settle=NO_SETTLE,
        )

    return make


def shown(app: ConsoleApp) -> str:
    return text_of(app.screen)


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    for _ in range(200):
        if all(word in shown(app) for word in words):
            return shown(app)
        await pilot.pause(0.1)
    raise AssertionError(f"{words} did not appear:\n{shown(app)}")


async def back_on_workloads(app: ConsoleApp, pilot: Pilot[None]) -> None:
    """Declining returns to the same place without another key."""
    await until(app, pilot, "pods ready")
    assert app.screen is app.screen_stack[0]


async def test_roll_back_with_a_typed_name(cluster: SteerableCluster, given: Callable[..., Settings]) -> None:
    """Cancel has the focus; only the typed name arms the verb; then come stages and outcome, journalled."""
    where = given()
    journal_ready(cluster, where, revision=1)
    app = ConsoleApp(where, ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("B")
        preview = await until(app, pilot, "Roll back deployment/cad-ml-api", "type cad-ml-api to confirm")
        assert "PRODUCTION" in preview
        assert "kubectl -n cad-ml-platform rollout undo deployment/cad-ml-api" in preview
        assert app.focused is not None
        assert app.focused.id == "cancel"
        assert "[ Cancel ]" in preview
        await pilot.press("enter")
        await back_on_workloads(app, pilot)
        assert cluster.deployment(API).image.endswith("1.9.0")
        await pilot.press("B")
        await until(app, pilot, "type cad-ml-api to confirm")
        await pilot.press(*"cad-ml-ap", "enter")
        await pilot.pause(0.3)
        assert "type cad-ml-api to confirm" in shown(app)
        assert cluster.deployment(API).image.endswith("1.9.0")
        await pilot.press("i", "enter", "enter")
        await until(app, pilot, "done")
        assert cluster.deployment(API).image.endswith("1.8.2")
        await until(app, pilot, "after confirmation; nothing had to recover; failed requests unknown: Prometheus is not")
        await until(app, pilot, " new  revision 3  ███  3 ready")
        await pilot.press("6")
        await until(app, pilot, "action.outcome")


async def test_marked_workloads_are_restarted_with_one_preview(
    cluster: SteerableCluster, given: Callable[..., Settings]
) -> None:
    """One preview lists each and says what happens to the others when one fails; the count is typed; each ends for itself, and
    the journal has an intent and an outcome of each. Declining sends nothing.
    """
    app = ConsoleApp(given(), ascii_only=False)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("space", "space")
        await until(app, pilot, " marked")
        marked = len(app.screen.query_one("#workload-list", Table).marked)
        assert marked == 2
        await pilot.press("R")
        await until(app, pilot, f"Restart {marked} workloads", "the rest are not", f"type restart {marked} to confirm")
        await pilot.press("enter")
        await until(app, pilot, f"Restart {marked} workloads: nothing was sent")
        assert app.screen is app.screen_stack[0]
        before = [item for item in cluster.requests if item.method == "PATCH" and "dryRun" not in str(item.query)]
        await pilot.press("R")
        await until(app, pilot, f"type restart {marked} to confirm")
        await pilot.press(*f"restart {marked}", "enter", "enter")
        await until(app, pilot, f"{marked} of {marked} done")
        sent = [item for item in cluster.requests if item.method == "PATCH" and "dryRun" not in str(item.query)]
        assert len(sent) - len(before) == marked
        assert app.session is not None and app.session.journal is not None
        kinds = [item.kind for item in app.session.journal.events() if item.kind.startswith("action.")]
        assert kinds == ["action.declined"] * marked + ["action.intent", "action.outcome"] * marked
        await pilot.press("enter")
        await until(app, pilot, "Stages", "done in")
        await pilot.press("escape", "escape", "escape")
        assert not app.screen.query_one("#workload-list", Table).marked, "esc clears the marks before it goes back"


async def test_a_silence_for_each_marked_alert(given: Callable[..., Settings]) -> None:
    """One form for what all of them need; each silence has the matchers of its own alert."""
    app = ConsoleApp(given(), ascii_only=False)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        assert app.session is not None
        asked: list[tuple[Request, ...]] = []
        app.flows.batches.run = asked.append  # type: ignore[method-assign]
        (one,) = _one_alert().alerts
        two = replace(one, fingerprint="f2", labels=(("alertname", "Other"), ("severity", "warning")))
        app.session.ingest(PollResult("alertmanager", time.time(), 0.01, replace(_one_alert(), alerts=(one, two))))
        await pilot.press("2")
        await until(app, pilot, "HighErrorRate", "Other")
        await pilot.press("asterisk", "z")
        await until(app, pilot, "2 marked")
        ((first, second),) = asked
        assert {first.fingerprint, second.fingerprint} == {"f1", "f2"} and first.action == second.action == "silence"
        assert 'alertname="Other"' in first.target + second.target and first.target != second.target


async def test_a_revision_never_seen_ready_has_to_be_typed(cluster: SteerableCluster, given: Callable[..., Settings]) -> None:
    """Without protection too: the check asks, and typing the number, not enter, arms the verb."""
    app = ConsoleApp(given(protected=False), ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("B")
        await until(app, pilot, "ASKS", "is not known to have been ready: type its number", "type 1 to confirm")
        await pilot.press("right", "enter")
        await pilot.pause(0.3)
        assert "type 1 to confirm" in shown(app)
        assert cluster.deployment(API).image.endswith("1.9.0")
        await pilot.press("1", "enter", "enter")
        await until(app, pilot, "done")
        assert cluster.deployment(API).image.endswith("1.8.2")


async def test_a_console_that_closes_on_a_preview_reports_no_defect(
    given: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """The run ends with the console, and its last step has no screen to be shown on."""
    app = ConsoleApp(given(), ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("B")
        await until(app, pilot, "Roll back deployment/cad-ml-api", "[ Cancel ]")
    assert "failed" not in caplog.text, caplog.text


async def test_read_only_shows_what_it_would_do_and_sends_nothing(
    cluster: SteerableCluster, given: Callable[..., Settings]
) -> None:
    """Under read-only the same key shows the preview without a verb, and the deployment does not change."""
    app = ConsoleApp(given(read_only=True), ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "READ-ONLY", "Workloads")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("B")
        await until(app, pilot, "READ-ONLY: this is what it would do")
        assert not app.screen.query("#confirm")
        await pilot.press("enter")
        await back_on_workloads(app, pilot)
        assert cluster.deployment(API).image.endswith("1.9.0")


async def test_scaling_asks_for_the_replicas(cluster: SteerableCluster, given: Callable[..., Settings]) -> None:
    """The form asks for a required parameter, filled with the current value; without protection nothing has to be typed."""
    app = ConsoleApp(given(protected=False), ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("S")
        await until(app, pilot, "the desired number of pods")
        await pilot.press("5", "enter")
        await until(app, pilot, "Scale deployment/cad-ml-api", "[ Cancel ]")
        await pilot.press("right")
        assert "[ Scale ]" in await until(app, pilot, "  Cancel  ")
        await pilot.press("enter")
        await until(app, pilot, "done")
        assert cluster.deployment(API).desired == 5


async def test_typing_replaces_the_initial_value(cluster: SteerableCluster, given: Callable[..., Settings]) -> None:
    """The current number is selected: typing 6 gives six replicas, not thirty-six; the preview shows the factor."""
    app = ConsoleApp(given(protected=False), ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("S")
        await until(app, pilot, "the desired number of pods")
        await pilot.press("6", "enter")
        assert "3 to 6 is ×2" in await until(app, pilot, "Scale deployment/cad-ml-api to 6 replicas", "[ Cancel ]")


async def test_scaling_six_times_asks_for_the_number_again(cluster: SteerableCluster, given: Callable[..., Settings]) -> None:
    """From 3 to 18 the number has to be typed again, protected or not; before that the verb is disabled."""
    app = ConsoleApp(given(protected=False), ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("S")
        await until(app, pilot, "the desired number of pods")
        await pilot.press("1", "8", "enter")
        await until(app, pilot, "type 18 to confirm")
        await pilot.press("1", "enter")
        await pilot.pause(0.2)
        assert "type 18 to confirm" in shown(app)
        await pilot.press("8", "enter", "enter")
        await until(app, pilot, "journalled")
    assert cluster.deployment(API).desired == 18


async def test_an_alert_is_acknowledged_and_released(given: Callable[..., Settings]) -> None:
    """a confirms only what the journal has, and the same key releases the alert: through the real session and journal."""
    app = ConsoleApp(given(), ascii_only=False)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        assert app.session is not None
        app.session.ingest(PollResult("alertmanager", time.time(), 0.01, _one_alert()))
        await pilot.press("2")
        await until(app, pilot, "HighErrorRate")
        await pilot.press("a")
        await until(app, pilot, "HighErrorRate is yours until it resolves", "you@")
        await pilot.press("a")
        assert "not acknowledged" not in await until(app, pilot, "HighErrorRate is released")


async def test_a_takeover_is_confirmed_and_reported_to_the_owner(given: Callable[..., Settings]) -> None:
    """Taking over another console's alert asks first, with owner and time, Cancel focused; when that console takes it back, a
    notice says so; an acknowledgement by the same account on another host does not count as one's own.
    """
    where = given()
    other = Session.open(replace(where, user="bob@vm"))
    app = ConsoleApp(where, ascii_only=False)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        session = app.session
        assert session is not None and session.journal is not None
        session.ingest(PollResult("alertmanager", time.time(), 0.01, _one_alert()))
        assert (await other.acknowledge("f1")).written
        await pilot.press("2")
        await until(app, pilot, "HighErrorRate", "bob@")
        await pilot.press("a")
        await until(app, pilot, "HighErrorRate: bob@vm acknowledged it ", " ago: take it over?", "Take over")
        await pilot.press("enter")
        await patience.until(pilot, lambda: len(app.screen_stack) == 1, "the dialog to close")
        assert session.snapshot().ledger.owners["f1"].author == "bob@vm"
        await pilot.press("a")
        await until(app, pilot, "take it over?")
        await pilot.press("tab", "enter")
        await until(app, pilot, "HighErrorRate is yours until it resolves", "you@")
        app.clear_notifications()
        taken = await other.acknowledge("f1")
        assert not taken.written
        assert (await other.acknowledge("f1", over=taken.acknowledgement)).written
        await until(app, pilot, "bob@vm took over HighErrorRate")
        app.clear_notifications()
        mark = session.snapshot().ledger.owners["f1"]
        elsewhere = {"name": "HighErrorRate", "console": "vm2 boot 7 5", "over": mark.id}
        session.journal.append(Event(time.time(), "alert.owned", "f1", where.user, where.environment, elsewhere))
        await until(app, pilot, "  you@")
        await pilot.press("a")
        await until(app, pilot, "from another console of this account: take it", "over?")
        await pilot.press("escape", "h")
        await until(app, pilot, "Hand HighErrorRate to", "back to", "someone else, by name")
        await pilot.press("end", "enter")
        await until(app, pilot, "as their console shows them")
        await pilot.press(*"ann@vm", "enter")
        await until(app, pilot, "hand it to", "ann@vm?", "Hand over")
        await pilot.press("tab", "enter")
        await until(app, pilot, "HighErrorRate handed to ann@vm")
        app.clear_notifications()
        held = (await other.acknowledge("f1")).acknowledgement
        assert held is not None and (held.author, held.by) == ("ann@vm", where.user)
        await other.acknowledge("f1", over=held)
        await other.acknowledge("f1", to=where.user)
        await until(app, pilot, "bob@vm handed HighErrorRate to you")
    await other.close()


async def test_an_open_preview_says_that_another_console_was_faster(
    cluster: SteerableCluster, given: Callable[..., Settings]
) -> None:
    """Ann reads a preview of a rollback; bob opens the same one, which line 1 shows, and confirms it: her preview says at once
    who did what, and that its facts moved. Confirming it sends nothing: the refusal begins with what bob did.
    """
    where = given()
    journal_ready(cluster, where, revision=1)
    other = Session.open(replace(where, user="bob@vm", protected=False))
    other.start(lambda _: None)
    app = ConsoleApp(where, ascii_only=False)
    async with app.run_test(size=(160, 30), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("B")
        await until(app, pilot, "type cad-ml-api to confirm")
        await patience.until(pilot, lambda: bool(other.snapshot().presence.previews), "bob's console to see the preview")
        (seen,) = other.snapshot().presence.previews
        assert (seen.user, seen.preview, seen.target) == ("you@bastion", f"Roll back deployment/{API}", f"deployment/{API}")
        other.announce(preview="Roll back it", target=f"deployment/{API}")
        await until(app, pilot, "bob@vm previews Roll back it too")

        async def agree(_: Preview) -> bool:
            return True

        request = Request("rollback", f"deployment/{API}", {"revision": "1"})
        assert [step.outcome async for step in other.run(request, agree)][-1] is Outcome.DONE
        await until(app, pilot, f"bob@vm: Roll back deployment/{API}, image 1.9.0 → 1.8.2, ", "s ago: done in ")
        assert f"deployment/{API} changed since this preview: confirming shows a new one first" in shown(app)
        writes = len([item for item in cluster.requests if item.method == "PATCH" and "dryRun" not in str(item.query)])
        await pilot.press(*API, "enter", "enter")
        await until(app, pilot, f"refused, nothing was sent: bob@vm: Roll back deployment/{API}, image 1.9.0 → 1.8.2, ")
        assert len([item for item in cluster.requests if item.method == "PATCH" and "dryRun" not in str(item.query)]) == writes
    await other.close()


async def test_an_unfinished_action_is_reported_once_at_the_next_start(given: Callable[..., Settings]) -> None:
    """A notice reports the intent of a dead process, so that nobody repeats it blindly; then the journal has it as unknown."""
    where = given()
    _leave_an_intent(where)
    app = ConsoleApp(where, ascii_only=False)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(app, pilot, "outcome unknown", "rollback deployment/cad-ml-api")
        assert app.session is not None
        journal = app.session.journal
        assert journal is not None
        await patience.until(pilot, lambda: journal.unfinished() == (), "the intent to be settled")


async def test_an_action_that_may_still_run_elsewhere_stays_until_settled(
    given: Callable[..., Settings],
) -> None:
    """The intent of another host's process is reported at the start and on the overview, with how to check it, and stays open;
    `e` on its row of the journal asks, Cancel focused, and settles it.
    """
    where = given()
    _leave_an_intent(where, process="cad-console-7f9c boot 7 5", author="bob@vm")
    app = ConsoleApp(where, ascii_only=False)
    async with app.run_test(size=(160, 40), notifications=True) as pilot:
        await until(app, pilot, "outcome unknown", "by bob@vm on cad-console-7f9c", "it may still be running")
        app.clear_notifications()  # they cover the list
        await until(app, pilot, "kubectl -n", "rollout status", "settles it")
        session = app.session
        assert session is not None
        assert [item.intent.subject for item in session.snapshot().unfinished] == ["run-1"]
        await pilot.press("6")
        await until(app, pilot, "action.intent")
        await pilot.press("end")  # the oldest row, below what the console observed meanwhile
        await pilot.press("e")
        await until(app, pilot, "Settle", "Cancel")
        await pilot.press("enter")
        assert session.snapshot().unfinished
        await pilot.press("e")
        await until(app, pilot, "Settle", "Cancel")
        await pilot.press("tab", "enter")
        await patience.until(pilot, lambda: not session.snapshot().unfinished, "the intent to be settled")
        assert "settled by" in await until(app, pilot, "action.outcome")


def _one_alert() -> AlertmanagerState:
    alert = Alert("f1", AlertState.ACTIVE, (("alertname", "HighErrorRate"), ("severity", "critical")), starts_at=1.0)
    return AlertmanagerState((alert,), (), (), 1, 1, "0.28")


def _leave_an_intent(where: Settings, *, process: str = "", author: str = "ops") -> None:
    """Another process journals an intent and ends; with `process` it ran on that host."""
    code = (
        "import sys; from console.journal.sqlite import Journal; from console.journal.event import Event; "
        "facts = {'action': 'rollback', 'target': 'deployment/cad-ml-api', 'process': sys.argv[3]}; "
        "journal = Journal.open(sys.argv[1], store='s'); "
        "told = Event(1767276000.0, 'action.intent', 'run-1', sys.argv[4], sys.argv[2], facts, 0, 'x', 1767276000000000); "
        "journal.merge([told]) if sys.argv[3] else journal.append(told)"
    )
    words = [where.paths.journal_file, where.environment, process, author]
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=30)


async def test_an_alert_from_another_cluster_offers_no_action(
    cluster: SteerableCluster, given: Callable[..., Settings]
) -> None:
    """At 80x24 its page explains why and what to run instead, its keys do nothing; only a silence is offered."""
    app = ConsoleApp(given(), ascii_only=False)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(app, pilot, "Workloads", "ready")
        assert app.session is not None
        app.session.ingest(PollResult("alertmanager", time.time(), 0.01, _of_place(namespace="payments", deployment=API)))
        await pilot.press("2")
        await until(app, pilot, "HighErrorRate")
        await pilot.press("enter")
        page = await until(app, pilot, "so only a silence is offered", "instead   kubectl -n payments rollout history")
        assert "namespace says payments" in " ".join(page.split())
        assert "silence HighErrorRate" in page
        assert "▶ roll back" not in page
        await pilot.press("B")
        await until(app, pilot, "this alert is about another place")
        assert not any(type(screen).__name__ == "ActionRunScreen" for screen in app.screen_stack)
        assert cluster.deployment(API).image.endswith("1.9.0")


async def test_header_and_preview_name_cluster_and_identity(given: Callable[..., Settings]) -> None:
    """Context, server and impersonated identity are shown before a confirmation; line 2 explains a surprising choice once."""
    told = given()
    assert told.kubernetes is not None
    place = choose_context(kubeconfig_files(told.kubernetes.kubeconfig)).place
    server, note = place.server, "KUBECONFIG of the shell is ignored"
    told = replace(told, kubernetes=replace(told.kubernetes, place=place), cluster_note=note)
    app = ConsoleApp(told, ascii_only=False)
    async with app.run_test(size=(140, 30)) as pilot:
        first, second, *_ = (await until(app, pilot, "KUBECONFIG of the shell is ignored")).splitlines()
        assert f"in demo at {server.removeprefix('http://')}" in first
        assert "ignored" in second
        await until(app, pilot, "Workloads", "ready")
        await pilot.press("3")
        await until(app, pilot, "api:1.9.0")
        await pilot.press("B")
        await until(app, pilot, f"context demo, server {server}, user demo, namespace cad-ml-platform")


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_narrow_header_keeps_the_context(given: Callable[..., Settings], width: int) -> None:
    """At 80 columns the context and the impersonated user are shown; a long name loses its start; wide has the server."""
    told = given()
    assert told.kubernetes is not None
    place = ClusterPlace("arn:aws:eks:eu-west-1:1:cluster/prod", "c", "https://10.0.0.1:6443", "u", "viewer (groups a)")
    told = replace(told, kubernetes=replace(told.kubernetes, place=place))
    line = "".join(words for words, _ in render_header(RenderContext(told, now=0.0), width)[0])
    assert len(line) <= width
    if width >= 80:
        assert "cluster/prod" in line
        assert "as viewer" in line
    assert ("10.0.0.1:6443" in line) is (width >= 160)


def _of_place(**labels: str) -> AlertmanagerState:
    told = {"alertname": "HighErrorRate", "severity": "critical", **labels}
    alert = Alert("f1", AlertState.ACTIVE, tuple(sorted(told.items())), starts_at=1.0)
    return AlertmanagerState((alert,), (), (), 1, 1, "0.28")


async def test_the_menu_lists_the_actions_and_a_letter_runs_one(given: Callable[..., Settings]) -> None:
    """`x` offers what changes the cluster; small letters of other consoles change nothing; `:workload` opens one by name."""
    app = ConsoleApp(given())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "cad-ml-api")
        await pilot.press("colon", *"workload cad-render", "enter")
        await until(app, pilot, "deployment/cad-render  ok", "cad-render-")
        for key in ("p", "escape", "s", "r", "ctrl+l", "d", "escape"):
            await pilot.press(key)
        await pilot.pause()
        assert app.screen.id != "confirm" and len(app.screen_stack) == 2
        await pilot.press("x")
        await until(app, pilot, "Actions: nothing is sent before a preview", "R   restart", "S   scale")
        await pilot.press("S")
        await until(app, pilot, "Scale deployment/cad-render")


async def test_a_pod_with_two_containers_has_two_logs(given: Callable[..., Settings], cluster: SteerableCluster) -> None:
    """It opens with the one that kubectl picks and says so; `c` goes to the other, `p` asks for the log before the restart."""
    notes = {"kubectl.kubernetes.io/default-container": "proxy"}
    containers = [{"name": "proxy", "image": "registry.example.com/proxy:1"}]
    template = {"metadata": {"annotations": notes}, "spec": {"containers": containers}}
    cluster.patch("deployments", "cad-render", {"spec": {"template": template}})
    app = ConsoleApp(given())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "cad-ml-api")
        await pilot.press("colon", *"workload cad-render", "enter")
        await until(app, pilot, "proxy:1", "2/2")
        await pilot.press("l")
        await until(app, pilot, "container proxy (default, ")
        await pilot.press("c")
        await until(app, pilot, " of 2)")
        assert "default" not in shown(app).splitlines()[2]
        await pilot.press("p")
        await until(app, pilot, "previous", "previous terminated container")
        sent = [dict(item.query) for item in cluster.requests if item.path.endswith("/log")]
        # A followed log is requested again where its pod is still being replaced: the order of the choices counts.
        chosen = list(dict.fromkeys((item["container"], item.get("previous", "")) for item in sent))
        other = chosen[1][0]
        assert chosen == [("proxy", ""), (other, ""), (other, "true")] and other != "proxy"
