"""A complete P1 at the keyboard, from declaration to report: real session, journal and writers, and a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from action_bench import API, POLL_SECONDS, QUICK, journal_ready, placed, second_revision
from journalled_session import JournalledSession
from limits import extend
from loopback import always, http_answer, loopback
from painting import notices_of, text_of
from patience import until as wait
from screen_samples import NOW, StillSession, settings, snapshot
from steerable_cluster import SteerableCluster
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from console.config.settings import Channel, IncidentSettings, Settings
from console.incidents.declaration import declaration
from console.incidents.response_timers import RESPONSE
from console.incidents.severity_policy import load_severity_policies
from console.journal.payloads import (
    ActionOutcome,
    IncidentDeclared,
    IncidentNoteAdded,
    Payload,
    RoleAssigned,
    StepChanged,
    UpdateWritten,
    create_event,
)
from console.screens.alerts import AlertsScreen
from console.screens.app import ConsoleApp
from console.screens.flows.incident import IncidentFlow
from console.screens.header import render_header
from console.screens.incident_view import render_side, render_steps
from console.screens.render_context import RenderContext
from console.state.incident import (
    RESOLVED,
    DeliveryState,
    Incident,
    Incidents,
    LastRecorded,
    LinkedAlert,
    Role,
    Step,
    StepCompletion,
)
from console.state.incident_projection import IncidentsProjection
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot
from queries.alertmanager import AlertmanagerState
from queries.http.endpoint import ClusterEndpoint
from queries.model.alert import Alert, AlertState, Priority
from queries.model.fault import Fault, FaultKind
from queries.model.source import Health, PollResult

WITHOUT_PROMETHEUS = tuple(
    replace(item, health=Health.DOWN) if item.name == "prometheus" else item for item in snapshot().sources
)


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    found = SteerableCluster(timings=QUICK)
    found.seed()
    found.start()
    second_revision(found)
    yield found
    found.stop()


@pytest.fixture
def given(tmp_path: Path, cluster: SteerableCluster) -> Callable[..., Settings]:
    kubeconfig = tmp_path / "kubeconfig"
    cluster.kubeconfig(kubeconfig)

    def make(*channels: Channel, **changes: Any) -> Settings:
        made = settings(tmp_path, protected=False, **changes)
        journal_ready(cluster, made, revision=1)
        return replace(
            made,
            kubernetes=placed(ClusterEndpoint("cad-ml-platform", str(kubeconfig), "demo")),
            verify_timeout_seconds=20.0,
            verify_poll_seconds=POLL_SECONDS,
            incidents=IncidentSettings(channels=channels),
        )

    return make


def shown(app: ConsoleApp) -> str:
    return text_of(app.screen)


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    ends = time.monotonic() + extend(20.0)
    while time.monotonic() < ends:
        if all(word in shown(app) for word in words):
            return shown(app)
        await pilot.pause(0.1)
    raise AssertionError(f"{words} did not appear:\n{shown(app)}")


def alerting(app: ConsoleApp) -> None:
    assert app.session is not None
    labels = (("alertname", "HighErrorRate"), ("component", "platform"), ("deployment", API), ("severity", "critical"))
    alert = Alert("f1", AlertState.ACTIVE, labels, (("summary", "Too many errors"),), starts_at=time.time() - 60)
    app.session.ingest(PollResult("alertmanager", time.time(), 0.01, AlertmanagerState((alert,), (), (), 1, 1, "0.28")))


async def open_alerts(app: ConsoleApp, pilot: Pilot[None]) -> None:
    """The overview names the alert too: wait until it is on the screen that has the keys for it."""
    alerting(app)
    await pilot.press("2")
    await wait(pilot, lambda: isinstance(app.screen, AlertsScreen) and "HighErrorRate" in shown(app), "the alert's row")


def the(app: ConsoleApp) -> Incident:
    assert app.session is not None
    return app.session.snapshot().ledger.incidents.all[0]


@pytest.mark.slow
async def test_a_complete_p1(given: Callable[..., Settings], cluster: SteerableCluster, tmp_path: Path) -> None:
    """Declared from the alert, acknowledged, assessed, sent to the chat, rolled back, resolved, reviewed and closed: each
    change completes its step, the timeline has all of them, and the review is written.
    """
    async with loopback(always(http_answer("200 OK", b"ok", "text/plain"))) as chat:
        app = ConsoleApp(given(Channel("chat", "slack", url=f"{chat.url}/services/X")), ascii_only=False)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(app, pilot, "Workloads", "ready")
            await open_alerts(app, pilot)
            await pilot.press("i")
            await until(app, pilot, "Declare an incident", "Too many errors")
            await pilot.press("enter")
            await until(app, pilot, "P1 #1 Too many errors", "Acknowledge", "due in 4m5", "declared P1: Too many errors")
            await pilot.press("n", *"x8 percent", "enter")
            await until(app, pilot, "x8 percent")
            await pilot.press("t", "down", "enter")
            await until(app, pilot, "assess: done")
            await pilot.press(*"all of OCR", "enter")
            await until(app, pilot, "assess: done: all of OCR")
            await pilot.press("r", "down", "enter")
            await until(app, pilot, "operations of this incident", "someone else")
            await pilot.press("enter")
            await until(app, pilot, "ops you@bastion")
            assert the(app).person(Role.COMMANDER) == "you@bastion"

            await pilot.press("u")
            await until(app, pilot, "An update for")
            await pilot.press("enter")
            await until(app, pilot, "Update for status-page, identified", "It is not known how many requests are")
            await pilot.press("ctrl+s")
            await until(app, pilot, "Send the update", "to chat", "slack")
            assert the(app).updates[0].out_at is None
            await pilot.press("enter")
            await until(app, pilot, "Send the update to chat", "[ Cancel ]")
            await pilot.press("right", "enter")
            await until(app, pilot, "done in", "chat accepted it")
            await pilot.press("escape")
            await until(app, pilot, "update to chat: done")
            assert b"how many requests are affected" in chat.bodies[0]

            await pilot.press("2")
            await until(app, pilot, "HighErrorRate", "worst first")
            await pilot.press("a")
            await pilot.press("3")
            await until(app, pilot, "api:1.9.0")
            await pilot.press("B")
            await until(app, pilot, "Roll back deployment/cad-ml-api", "[ Cancel ]")
            await pilot.press("right", "enter")
            await until(app, pilot, "done in")
            await pilot.press("9")
            await until(
                app, pilot, "Roll back deployment/cad-ml-api: done", "rollout cad-ml-api 2→3", "acknowledged HighErrorRate"
            )
            assert set(the(app).completions) == {Step.ACKNOWLEDGE, Step.ASSESS, Step.COMMUNICATE, Step.MITIGATE}

            await pilot.press("t", "end", "up", "enter")
            await until(app, pilot, "resolve: done (while alerts still fire: HighErrorRate)")
            await pilot.press("enter")
            await until(app, pilot, "resolve: done: while alerts still fire")
            await pilot.press("m")
            await until(app, pilot, "Write the post-incident review to")
            file = tmp_path / "review.md"
            await pilot.press("ctrl+a", "ctrl+k", *str(file), "enter")
            for _ in range(100):
                if file.exists() and file.stat().st_size:
                    break
                await pilot.pause(0.1)
            told = file.read_text()
            assert "# P1 incident 1: Too many errors" in told
            assert "| requests failed | unknown | Prometheus is not configured |" in told
            assert "rollout" in told
            await pilot.press("X", "enter")
            await until(app, pilot, "closed after")
            assert not the(app).open


@pytest.mark.parametrize("another", [False, True])
async def test_an_incident_that_somebody_declared_meanwhile_is_shown_first(tmp_path: Path, another: bool) -> None:
    """Two people press the key on the same alert. The second one sees who declared what, and declares another only on purpose;
    else that one opens.
    """
    session = JournalledSession(settings(tmp_path), snapshot())
    app = ConsoleApp(session.settings, session_factory=lambda _: session, clock=lambda: NOW, ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "HighErrorRate")
        await pilot.press("2")
        await wait(pilot, lambda: isinstance(app.screen, AlertsScreen) and "HighErrorRate" in shown(app), "the alert's row")
        await pilot.press("i")
        await until(app, pilot, "Declare an incident")
        assert session.journal is not None
        payload = IncidentDeclared.of("Errors everywhere", Priority.P1)
        environment = session.settings.environment
        session.journal.append(create_event(payload, at=NOW, subject="i9", author="bob@vm", environment=environment))
        await pilot.press("enter")
        await until(app, pilot, "bob@vm has already declared P1 incident #1: Errors everywhere", "[ Open #1 ]")
        await pilot.press(*(("right", "enter") if another else ("escape",)))
        await until(app, pilot, "P1 #2" if another else "P1 #1 Errors everywhere")
    assert len(session.snapshot().ledger.incidents.all) == (2 if another else 1)


async def test_a_long_title_of_an_incident_declared_meanwhile_is_whole(tmp_path: Path) -> None:
    """At 80x24 the question before a second incident shows the end of the first one's title too."""
    session = JournalledSession(settings(tmp_path), snapshot())
    app = ConsoleApp(session.settings, session_factory=lambda _: session, clock=lambda: NOW, ascii_only=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "HighErrorRate")
        await pilot.press("2")
        await wait(pilot, lambda: isinstance(app.screen, AlertsScreen) and "HighErrorRate" in shown(app), "the alert's row")
        await pilot.press("i")
        await until(app, pilot, "Declare an incident")
        assert session.journal is not None
        payload = IncidentDeclared.of("uploads of large drawings fail for every tenant in the second region only", Priority.P1)
        environment = session.settings.environment
        session.journal.append(create_event(payload, at=NOW, subject="i9", author="bob@vm", environment=environment))
        await pilot.press("enter")
        await until(app, pilot, "bob@vm has already declared P1 incident #1", "region only", "Declare another", "Open #1")


async def test_an_update_that_a_channel_rejects(given: Callable[..., Settings]) -> None:
    """It stays NOT SENT at the foot of the screen, with a key to send it again; nothing is sent automatically."""
    async with loopback(always(http_answer("503 Busy", b"later", "text/plain"))) as chat:
        app = ConsoleApp(given(Channel("chat", "webhook", url=f"{chat.url}/hook")), ascii_only=False)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(app, pilot, "Workloads", "ready")
            await open_alerts(app, pilot)
            await pilot.press("i")
            await until(app, pilot, "Declare an incident")
            await pilot.press("enter")
            await until(app, pilot, "P1 #1")
            await pilot.press("u")
            await until(app, pilot, "An update for")
            await pilot.press("enter")
            await until(app, pilot, "Update for status-page")
            await pilot.press("ctrl+s")
            await until(app, pilot, "Send the update")
            await pilot.press("enter")
            await until(app, pilot, "Send the update to chat")
            await pilot.press("right", "enter")
            await until(app, pilot, "unknown: 503")
            await pilot.press("escape")
            await until(app, pilot, "NOT SENT", "503")
            assert the(app).updates[0].deliveries[-1].state is DeliveryState.UNKNOWN
            assert len(chat.requests) == 1
            await pilot.press("U")
            await until(app, pilot, "Send the update", "to chat")


def still(folder: Path, **changes: Any) -> ConsoleApp:
    """One incident on the platform in trouble, at a fixed time."""
    return ConsoleApp(
        settings(folder, **changes),
        session_factory=lambda own: StillSession(own, with_incident()),
        clock=lambda: NOW,
        ascii_only=False,
    )


def with_incident() -> Snapshot:
    first = snapshot()
    unsent = ActionOutcome("unknown", "no answer within 10s", action="notify", target="update/i1/u1/chat")
    failed = ActionOutcome("failed", "failed: 409", action="rollback", title="Roll back deployment/cad-ml-api")
    note = IncidentNoteAdded("n1", "all OCR providers alike, and Vision too: it is not one provider")
    told: list[tuple[float, Payload]] = [
        (-410.0, declaration(first, title="Errors everywhere", alerts=first.alerts[:2], commander="ann")),
        (-370.0, StepChanged(Step.ACKNOWLEDGE, done=True)),
        (-300.0, RoleAssigned(Role.SCRIBE, "bob")),
        (-200.0, UpdateWritten("u1", "We look at it.")),
        (-190.0, unsent),
        (-100.0, note),
        (-20.0, failed),
    ]
    made = [
        replace(create_event(item, at=NOW + at, subject="i1", author="ann", environment="production"), sequence=1)
        for at, item in told
    ]
    return replace(first, ledger=replace(JournalState(), incidents=IncidentsProjection().fold(Incidents(), made)))


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
def test_incident_picture(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    """Severity, title, timers, what is overdue, the timeline, panels and alerts."""

    async def press(pilot: Pilot[None]) -> None:
        await pilot.pause(0.4)
        await pilot.press("9")
        await until(app, pilot, "api: failed: 409")  # whole: in its line, or below it
        await pilot.pause(0.4)

    app = still(tmp_path)
    assert snap_compare(app, terminal_size=size, run_before=press)


async def test_one_key_begins_a_note_and_nothing_else_does(tmp_path: Path) -> None:
    """Letters that are no key do nothing; after n every letter belongs to the note, also those that are keys and those typed
    before the field has the focus; enter ends it, and the next letter is a key again."""
    session = JournalledSession(settings(tmp_path), snapshot())
    await session.record("i1", declaration(snapshot(), title="Errors everywhere", severity=Priority.P1))
    app = ConsoleApp(session.settings, session_factory=lambda _: session, clock=lambda: NOW, ascii_only=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "HighErrorRate")
        await pilot.press("9")
        await until(app, pilot, "n starts a note")
        await pilot.press(*"ehv")
        await pilot.pause()
        assert "n starts a note" in shown(app)
        for key in "nXtruns m":  # without a pause: the terminal delivers a pasted line at once
            app.post_message(events.Key("space" if key == " " else key, key))
        for _ in range(50):
            if app.screen.query_one(Input).value == "Xtruns m":
                break
            await pilot.pause(0.05)
        await pilot.press("enter")
        await until(app, pilot, "n starts a note", "Xtruns m")
        assert [entry.text for entry in session.snapshot().ledger.incidents.all[0].entries][-1] == "Xtruns m"
        await pilot.press("s")
        await until(app, pilot, "Severity, now P1")


async def test_the_severity_that_it_has_is_no_change(tmp_path: Path) -> None:
    """Chosen again, the screen says so and the journal has no event: the service refuses it for every caller."""
    session = JournalledSession(settings(tmp_path), snapshot())
    await session.record("i1", declaration(snapshot(), title="Errors everywhere", severity=Priority.P1))
    app = ConsoleApp(session.settings, session_factory=lambda _: session, clock=lambda: NOW, ascii_only=False)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(app, pilot, "HighErrorRate")
        await pilot.press("9", "s")
        await until(app, pilot, "Severity, now P1")
        await pilot.press("home", "enter")
        for _ in range(50):
            if notices_of(app):
                break
            await pilot.pause(0.05)
        assert notices_of(app) == ["incident 1 is already P1: nothing was changed"]
        assert session.journal is not None and not list(session.journal.events(kinds=("incident.severity",)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ["stable for the whole window"]),
        ({"alerts_known": False}, ["the stability window ended, while the state of its alerts is unknown"]),
        ({"alerts": snapshot().alerts}, []),
        ({"sources": WITHOUT_PROMETHEUS}, ["the stability window ended, while the state of its alerts is unknown"]),
    ],
)
def test_the_end_of_a_stability_window_says_what_is_known(changes: dict[str, Any], said: list[str]) -> None:
    """It is stable only if something lists the alerts while rules are evaluated, and none of the incident's is listed."""
    (first, *_) = snapshot().alerts
    incident = Incident(
        "i1", 1, "errors", Priority.P1, NOW - 60.0, "ann", stability_seconds=30.0,
        alerts=(LinkedAlert(first.alert.fingerprint, first.alert.name),),
        completions={step: StepCompletion(NOW, "ann") for step in (Step.ACKNOWLEDGE, Step.ASSESS, Step.MITIGATE)},
        seen={f"alert:{first.alert.fingerprint}": LastRecorded(RESOLVED, NOW)},
    )  # fmt: skip
    before = snapshot(alerts=(), ledger=JournalState(incidents=Incidents((incident,))))
    found: list[str] = []
    session = SimpleNamespace(severity_policies=load_severity_policies())
    app: Any = SimpleNamespace(session=session, notify=lambda message, **_: found.append(message))
    IncidentFlow(app).report_deadlines(before, replace(before, taken_at=NOW + 31.0, **changes))
    assert found == said


async def test_a_copied_update_counts_as_sent_once_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copied update is not sent and its timer continues; marked with o, the journal has by whom and since when, and the
    next one is due from then on."""
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    session = JournalledSession(settings(tmp_path), snapshot())
    await session.record("i1", declaration(snapshot(), title="Errors everywhere", severity=Priority.P1))
    await session.record("i1", UpdateWritten("u1", "We look at it."))
    now = NOW
    app = ConsoleApp(session.settings, session_factory=lambda _: session, clock=lambda: now, ascii_only=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(app, pilot, "HighErrorRate")
        await pilot.press("9")
        await until(app, pilot, "next update due in 15m", "NOT SENT")
        now = NOW + 600
        await pilot.press("U")
        await until(app, pilot, "Send the update", "to paste by hand")
        await pilot.press("enter")
        await until(app, pilot, "next update due in 5m", "paste the last one; o marks it as sent")
        (told,) = [message for message in notices_of(app) if "terminals do not confirm" in message]
        assert "sent the update to the terminal's clipboard" in told and "exports/the-update-" in told
        app.clear_notifications()
        (file,) = (tmp_path / "exports").iterdir()
        assert file.read_text() == "We look at it.\n"
        assert the(app).communicated_at is None and Step.COMMUNICATE not in the(app).completions

        await pilot.press("o")
        await until(app, pilot, "Published: We look at it.", "how long ago")
        await pilot.press("tab", *"never", "enter")
        for _ in range(100):
            if any("is not a duration" in message for message in notices_of(app)):
                break
            await pilot.pause(0.05)
        assert any("is not a duration" in message for message in notices_of(app))
        assert the(app).communicated_at is None
        await pilot.press("o")
        await until(app, pilot, "how long ago")
        await pilot.press("enter")
        await until(app, pilot, "update marked as sent to status-page")
        assert the(app).completions[Step.COMMUNICATE].author == "you@bastion"
        assert "NOT SENT" not in shown(app) and "paste the last one" not in shown(app)


@pytest.mark.parametrize(
    ("fingerprint", "changes", "word"),
    [
        ("prometheus:1", {}, "FIRING"),
        ("prometheus:1", {"alerts": ()}, "ended"),
        ("prometheus:1", {"alerts": (), "sources": WITHOUT_PROMETHEUS}, "?"),
        ("prometheus:1", {"alerts": (), "rules_fault": Fault(FaultKind.TIMED_OUT, "too slow")}, "?"),
        ("pending:1", {"alerts": (), "open_ends": (replace(snapshot().alerts[0].alert, fingerprint="prometheus:1"),)}, "?"),
    ],
)
def test_an_alert_of_an_incident_ends_only_where_that_is_known(
    tmp_path: Path, fingerprint: str, changes: dict[str, Any], word: str
) -> None:
    """Delivered by now, it fires under another fingerprint; with no rule evaluated, or firing in Prometheus only, nothing shows
    that it is over.
    """
    (first, *_) = snapshot().alerts
    linked = LinkedAlert(fingerprint, first.alert.name, first.alert.starts_at, first.alert.labels)
    incident = Incident("i1", 1, "errors", Priority.P1, NOW - 60.0, "ann", alerts=(linked,))
    context = RenderContext(settings(tmp_path), NOW, snapshot=snapshot(**changes))
    lines = ["".join(part for part, _ in line) for line in render_side(incident, context, load_severity_policies(), 60)]
    row = next(line for line in lines if first.alert.name in line)
    assert row.split()[0] == word


@pytest.mark.parametrize(
    ("changes", "cell", "line"),
    [
        ({"alerts": ()}, "stable: mark", " · stable "),
        ({"alerts": (), "alerts_known": False}, "not known", " · stability not known "),
        ({"alerts": (), "sources": WITHOUT_PROMETHEUS}, "not known", " · stability not known "),
        ({}, "still firing", " · still firing "),
    ],
)
def test_a_step_and_line_1_are_stable_only_where_that_is_known(
    tmp_path: Path, changes: dict[str, Any], cell: str, line: str
) -> None:
    """After the stability window: with no current list, or no rule evaluated, its alerts may fire again unseen."""
    (first, *_) = snapshot().alerts
    incident = Incident(
        "i1", 1, "errors", Priority.P1, NOW - 60.0, "ann", stability_seconds=30.0,
        alerts=(LinkedAlert(first.alert.fingerprint, first.alert.name),),
        completions={step: StepCompletion(NOW - 31.0, "ann") for step in (*RESPONSE, Step.MITIGATE)},
        seen={f"alert:{first.alert.fingerprint}": LastRecorded(RESOLVED, NOW - 31.0)},
    )  # fmt: skip
    session = StillSession(settings(tmp_path), snapshot(ledger=JournalState(incidents=Incidents((incident,))), **changes))
    context = RenderContext(session.settings, NOW, session, session.shown)
    for width in (80, 160):
        steps = render_steps(incident, session.severity_policies, NOW, width, snapshot=session.shown)
        assert cell in "".join(part for row in steps for part, _ in row)
    assert line in "".join(part for part, _ in next(iter(render_header(context, 200))))
