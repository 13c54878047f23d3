"""An exception in any worker is logged, shown as a notice, and replaces what the screen was waiting for."""

from __future__ import annotations

import ast
import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from journalled_session import JournalledSession
from painting import notices_of, text_of
from screen_samples import NOW, StillSession, settings, snapshot, tracked
from textual.pilot import Pilot

import console
from console.actions.plan import Outcome, Request, RunStep, Stage
from console.config.settings import NotifySettings
from console.journal.payloads import ActionIntent
from console.journal.unfinished import Unfinished
from console.logs.line_fields import LineField
from console.monitor.poller import Poller
from console.monitor.session import Session
from console.runbooks.index import RunbookIndex
from console.screens.action_run import ActionRunScreen
from console.screens.action_run_model import ActionRunModel
from console.screens.alert_detail import AlertDetailScreen
from console.screens.app import ConsoleApp
from console.screens.checklist import ChecklistScreen
from console.screens.checklist_run import ChecklistRunScreen
from console.screens.command_line import CommandLine
from console.screens.dashboards import DashboardPanelScreen
from console.screens.explore import ExploreScreen
from console.screens.flows.acknowledge import AcknowledgeFlow
from console.screens.flows.actions import ActionFlow
from console.screens.flows.batch import BatchFlow
from console.screens.flows.clipboard import ClipboardFlow
from console.screens.flows.drills import DrillFlow
from console.screens.flows.incident import IncidentFlow
from console.screens.flows.navigation import Navigation
from console.screens.flows.notifications import NotificationFlow
from console.screens.flows.past import PastFlow
from console.screens.flows.place import PlaceFlow
from console.screens.flows.silence import SilenceFlow
from console.screens.handover import HandoverScreen
from console.screens.incident import IncidentScreen
from console.screens.incidents import IncidentsScreen
from console.screens.journal import JournalScreen
from console.screens.log_fields import LogFieldsDialog
from console.screens.log_file import LogFileScreen
from console.screens.log_reading import LogReadingScreen
from console.screens.logs import LogsScreen
from console.screens.messages import (
    ChoicesChanged,
    OpenAlertRequested,
    OpenExploreRequested,
    OpenHandoverRequested,
    OpenIncidentRequested,
    OpenLogFileRequested,
    OpenLogsRequested,
    OpenNodesRequested,
    OpenPanelRequested,
    OpenRequested,
    OpenRunbookRequested,
)
from console.screens.panel_detail import PanelDetailScreen
from console.screens.reading_screen import ReadingScreen
from console.screens.runbook import RunbookScreen
from console.screens.runbooks import RunbooksScreen
from console.screens.sources import SourcesScreen
from console.screens.time_range import ChartScreen
from console.screens.workloads import WorkloadsScreen
from queries.errors import Unreachable
from queries.http.endpoint import ClusterEndpoint, Endpoint
from queries.kubernetes.client import Kubernetes
from queries.model.log import LogLine, LogSink
from queries.model.panel_result import PanelHistory
from queries.model.severity import Priority
from queries.prometheus.client import Prometheus
from widgets.rows import Rows
from widgets.table import Table

pytestmark = pytest.mark.usefixtures("utc", "own_log")

SECRET = "hunter2-is-no-sentence"
WAITING = (
    "fetching …",
    "counting failed requests …",
    "evaluating …",
    "reading …",
    "running its steps …",
    "no answer yet",
    "…       ",
)


class Place:
    """One console with a journal, one of whose workers fails."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings(folder)
        self.session: StillSession = JournalledSession(self.settings, snapshot())
        self.app = ConsoleApp(self.settings, session_factory=lambda _: self.session, clock=lambda: NOW, ascii_only=False)

    @property
    def text(self) -> str:
        return text_of(self.app.screen)

    @property
    def notices(self) -> list[str]:
        return notices_of(self.app)

    @property
    def log(self) -> str:
        path = Path(self.settings.paths.log_file)
        return path.read_text() if path.exists() else ""

    async def until(self, pilot: Pilot[None], met: Callable[[], object]) -> None:
        for _ in range(400):
            if met():
                return
            await pilot.pause(0.02)
        raise AssertionError(f"{self.notices}\n{self.text}")


Journey = Callable[[Place, Pilot[None]], Awaitable[None]]


def opened(request: OpenRequested, *keys: str) -> Journey:
    async def go(place: Place, pilot: Pilot[None]) -> None:
        place.app.flows.navigation.open(request)
        await pilot.pause()
        await pilot.press(*keys)

    return go


def pressed(*keys: str) -> Journey:
    async def go(place: Place, pilot: Pilot[None]) -> None:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()

    return go


def walked(*keys: str) -> Journey:
    async def go(place: Place, pilot: Pilot[None]) -> None:
        assert isinstance(place.session, JournalledSession)
        await pilot.press("8")
        await place.until(pilot, lambda: "Morning" in place.text)
        assert isinstance(place.app.screen, ChecklistScreen)
        checklist = place.app.screen.query(Table).first().current
        assert checklist is not None
        place.app.push_screen(ChecklistRunScreen(checklist, await place.session.checklists.start(checklist)))
        await place.until(
            pilot, lambda: isinstance(place.app.screen, ChecklistRunScreen) and place.app.screen.evidence is not None
        )
        await pilot.press(*keys)

    return go


async def crowded(place: Place, pilot: Pilot[None]) -> None:
    alerts = tuple(tracked(f"Crowded{number}", "warning") for number in range(400))
    place.session.deliver(replace(place.session.shown, alerts=alerts))
    await walked()(place, pilot)


async def leave(place: Place, pilot: Pilot[None]) -> None:
    place.app.flows.actions.running.append(ActionRunModel(Request("rollback", "deployment/cad-ml-api")))
    await pilot.press("q")


async def settled(place: Place, pilot: Pilot[None]) -> None:
    assert isinstance(place.session, JournalledSession)
    intent = await place.session.record("r1", ActionIntent("rollback"))
    place.session.deliver(replace(place.session.shown, unfinished=(Unfinished(intent, "bastion", True),)))
    await pilot.press("6")
    await place.until(pilot, lambda: isinstance(place.app.screen, JournalScreen) and place.app.screen.current_event() == intent)
    await pilot.press("e")


async def acted(place: Place, pilot: Pilot[None]) -> None:
    place.app.flows.actions.run(Request("rollback", "deployment/cad-ml-api"))


async def guarded_by_the_dead(place: Place, pilot: Pilot[None]) -> None:
    await place.until(pilot, lambda: place.session.journal_known)
    record: Any = SimpleNamespace(id="g1", start=SimpleNamespace(target="deployment/cad-ml-api"))
    place.app.flows.actions.take_over_guards(SimpleNamespace(unguarded=(record,)))  # type: ignore[arg-type]


async def drilled(place: Place, pilot: Pilot[None]) -> None:
    place.app.flows.drills.start("scale-to-zero", "deployment/cad-ml-api")


async def left_a_drill(place: Place, pilot: Pilot[None]) -> None:
    await place.until(pilot, lambda: place.session.journal_known)
    record: Any = SimpleNamespace(id="d1", run="", start=SimpleNamespace(drill="kill-pod", process=""))
    ledger = SimpleNamespace(drills=SimpleNamespace(open=(record,)), guards=SimpleNamespace(open=()))
    place.app.flows.drills.close_abandoned(SimpleNamespace(ledger=ledger, presence=None))  # type: ignore[arg-type]


async def acted_on_two(place: Place, pilot: Pilot[None]) -> None:
    place.app.flows.batches.run(tuple(Request("restart", f"deployment/{name}") for name in ("cad-ml-api", "cad-render")))


async def older(place: Place, pilot: Pilot[None]) -> None:
    place.app.go("incident")
    await place.until(pilot, lambda: isinstance(place.app.screen, IncidentsScreen))
    screen = place.app.screen
    assert isinstance(screen, IncidentsScreen)
    await place.until(pilot, lambda: bool(screen.query(Table)))
    table = screen.query_one(Table)
    table.post_message(Rows.EdgeReached(table, 1))


async def seen(place: Place, pilot: Pilot[None]) -> None:
    place.session.kubernetes = Kubernetes(ClusterEndpoint("n"))  # connects at the first request, and there is none
    await pilot.press("7")


def ended(**changes: Any) -> Journey:
    async def go(place: Place, pilot: Pilot[None]) -> None:
        run = ActionRunModel(Request("rollback", "deployment/cad-ml-api", panel_id="error_ratio"))
        run.finished, run.confirmed_at, run.failed_requests = True, NOW, changes.get("failed_requests", (1.0, ""))
        run.steps.append(RunStep(Stage.OUTCOME, "done", NOW, 1.0, outcome=Outcome.DONE, recovered_at=NOW))
        place.app.push_screen(ActionRunScreen(run))

    return go


async def switched(place: Place, pilot: Pilot[None]) -> None:
    place.app.flows.place.switch("environment", "staging")


async def chose_a_chart(place: Place, pilot: Pilot[None]) -> None:
    place.app.post_message(ChoicesChanged())


def travelled(*, back: bool = False) -> Journey:
    """To a moment of the past, and with `back` to now."""

    async def go(place: Place, pilot: Pilot[None]) -> None:
        await place.until(pilot, lambda: place.app.live_session is not None)
        place.app.flows.past.go_to("-1h")
        if back:
            await place.until(pilot, lambda: "AS OF" in place.text)
            place.app.flows.past.leave()

    return go


async def widened(place: Place, pilot: Pilot[None]) -> None:
    """The usage of pods is fetched where its columns fit."""
    await pilot.resize_terminal(160, 45)
    place.app.go("workloads")
    await place.until(pilot, lambda: any("failed: KeyError" in told for told in place.notices))
    await pilot.resize_terminal(80, 24)
    await pilot.pause()


async def from_loki(place: Place, pilot: Pilot[None]) -> None:
    class Nothing:
        def describe(self) -> str:
            return ""

        describe_time = describe

        async def read(self, sink: LogSink) -> None:
            await asyncio.sleep(0)

    place.session.create_loki_source = lambda query: Nothing()  # type: ignore[method-assign, assignment, return-value]
    place.app.flows.navigation.open(OpenLogsRequested('{app="cad-ml-api"}', at=NOW - 60.0))


async def open_fields(place: Place, pilot: Pilot[None]) -> None:
    async def read(line: LogLine) -> tuple[LineField, ...]:
        raise NotImplementedError  # the worker fails before it reads

    line = LogLine(int(NOW * 1e9), 0, "cad-ml-api-rs42-0/app", "error: timeout")
    place.app.push_screen(LogFieldsDialog(line, read=read, step=lambda *_: None, trace_url="", links=False))


async def nothing(place: Place, pilot: Pilot[None]) -> None:
    return


@dataclass(frozen=True)
class Case:
    """How a worker is started; `waits` if its screen waits for it and has to show the error."""

    owner: type
    method: str
    journey: Journey
    waits: bool = False


async def notified(place: Place, pilot: Pilot[None]) -> None:
    p1 = (Priority.P1,)
    place.app.shown.settings = replace(place.settings, notify=NotifySettings(desktop="osc9", desktop_severities=p1, tmux=p1))
    place.app.flows.notifications.send("alert", Priority.P1, "HighErrorRate fires")
    await pilot.pause()


CASES = (
    Case(ConsoleApp, "_open", nothing),
    Case(ConsoleApp, "_quit_if_confirmed", leave),
    Case(ConsoleApp, "_keep_choices", chose_a_chart),
    Case(WorkloadsScreen, "_fetch_usage", widened),
    Case(CommandLine, "_complete", pressed("colon", "a")),
    Case(HandoverScreen, "_fetch", opened(OpenHandoverRequested()), waits=True),
    Case(HandoverScreen, "_sign", opened(OpenHandoverRequested(), "s")),
    Case(ChecklistScreen, "_load", pressed("8"), waits=True),
    Case(ChecklistScreen, "_open_run", pressed("8", "enter")),
    Case(ChecklistRunScreen, "_fetch_evidence", walked(), waits=True),
    Case(ChecklistRunScreen, "_evaluate", crowded, waits=True),
    Case(ChecklistRunScreen, "_sign", walked("end", "enter")),
    Case(ChecklistRunScreen, "_answer", walked("enter")),
    Case(ChecklistRunScreen, "_overrule", walked("o")),
    Case(ChecklistRunScreen, "_note", walked("n")),
    Case(ChartScreen, "_fetch_history", opened(OpenPanelRequested("error_ratio")), waits=True),
    Case(AlertDetailScreen, "_fetch_steps", opened(OpenAlertRequested("fp-HighErrorRate-")), waits=True),
    Case(AlertDetailScreen, "_fetch_log", opened(OpenAlertRequested("fp-HighErrorRate-"))),
    Case(RunbookScreen, "_fetch_steps", opened(OpenRunbookRequested("high-error-rate")), waits=True),
    Case(RunbooksScreen, "_match_rules", pressed("5")),
    Case(ExploreScreen, "_evaluate", opened(OpenExploreRequested("up")), waits=True),
    Case(JournalScreen, "_show", pressed("6"), waits=True),
    Case(JournalScreen, "_settle", settled),
    Case(SourcesScreen, "_fetch_identity", seen, waits=True),
    Case(ReadingScreen, "_read", opened(OpenNodesRequested())),
    Case(LogReadingScreen, "_fetch", opened(OpenLogsRequested("cad-ml-api-rs42-0")), waits=True),
    Case(LogReadingScreen, "_read_volume", from_loki),
    Case(LogFieldsDialog, "_read_all", open_fields, waits=True),
    Case(LogFileScreen, "_follow", opened(OpenLogFileRequested(__file__)), waits=True),
    Case(LogFileScreen, "_find", opened(OpenLogFileRequested(__file__), "slash", "x", "enter")),
    Case(LogsScreen, "_save", opened(OpenLogsRequested("cad-ml-api-rs42-0"), "s", "enter")),
    Case(ActionFlow, "_run", acted),
    Case(ActionFlow, "_take_over", guarded_by_the_dead),
    Case(BatchFlow, "_run", acted_on_two),
    Case(DrillFlow, "_start", drilled),
    Case(DrillFlow, "_close", left_a_drill),
    Case(ActionRunScreen, "_fetch_history", ended(), waits=True),
    Case(ActionRunScreen, "_count_failed", ended(failed_requests=None), waits=True),
    Case(SilenceFlow, "_open", pressed("z")),
    Case(AcknowledgeFlow, "_toggle", pressed("a")),
    Case(AcknowledgeFlow, "_hand_over", pressed("h")),
    Case(NotificationFlow, "_show_on_desktop", notified),
    Case(NotificationFlow, "_show_in_tmux", notified),
    Case(Navigation, "_open_board_panel", opened(OpenPanelRequested("burn_6h"))),
    Case(ClipboardFlow, "_copy", opened(OpenPanelRequested("error_ratio"), "y")),
    Case(IncidentFlow, "_run", pressed("i")),
    Case(PlaceFlow, "_switch", switched),
    Case(PastFlow, "_resolve_and_go", travelled()),
    Case(PastFlow, "_go", travelled()),
    Case(PastFlow, "_read_marks", travelled()),
    Case(ConsoleApp, "_close_past", travelled(back=True)),
    Case(IncidentsScreen, "_read_older", older),
    Case(IncidentScreen, "_fetch", opened(OpenIncidentRequested("i0gone")), waits=True),
)


def workers() -> set[tuple[str, str]]:
    """Class and method of every worker that the code starts."""
    found = set()
    for path in Path(console.__file__).parent.rglob("*.py"):
        for owner in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)):
            for call in (node for node in ast.walk(owner) if isinstance(node, ast.Call)):
                if (
                    isinstance(call.func, ast.Attribute)
                    and call.func.attr == "run_worker"
                    and owner.name != "ReportsWorkerErrors"
                ):
                    work = call.args[0]
                    assert isinstance(work, ast.Call), ast.unparse(call)
                    deferred = isinstance(work.func, ast.Name) and work.func.id == "partial"
                    method = work.args[0] if deferred else work.func
                    assert isinstance(method, ast.Attribute), ast.unparse(call)
                    assert len(call.args) == 3, f"{path.name}: {ast.unparse(call)} says neither what it does nor its group"
                    found.add((owner.name, method.attr))
    return found


def test_every_worker_has_a_case() -> None:
    """The cases are exactly the workers that the code starts; none bypasses the handler."""
    assert {(case.owner.__name__, case.method) for case in CASES} == workers()
    code = "\n".join(path.read_text() for path in Path(console.__file__).parent.rglob("*.py"))
    assert "@work" not in code and "exit_on_error=True" not in code
    assert issubclass(DashboardPanelScreen, PanelDetailScreen)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.owner.__name__}.{case.method}")
async def test_a_failing_worker_is_reported(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has the frames but not the exception's message, a notice says what failed and where the log is, the screen stops
    waiting, and the console continues."""

    runs = 0

    async def broken(*_: object, **__: object) -> None:
        nonlocal runs
        runs += 1
        # The console keeps the choices for charts once more when it ends, and that is no worker.
        if case.method != "_keep_choices" or runs == 1:
            raise KeyError(SECRET)

    place = Place(tmp_path)
    opening = case.owner is ConsoleApp and case.method == "_open"
    if opening or case.owner is not ConsoleApp:
        # The run is opened first, and its evidence fetched again.
        monkeypatch.setattr(case.owner, case.method, broken)
    async with place.app.run_test(size=(80, 24)) as pilot:
        if not opening:
            await place.until(pilot, lambda: "HighErrorRate" in place.text)
        if case.method in ("_quit_if_confirmed", "_keep_choices", "_close_past"):
            monkeypatch.setattr(ConsoleApp, case.method, broken)
        if case.owner is ChecklistRunScreen and case.method == "_fetch_evidence":
            await pilot.press("8")
            await place.until(pilot, lambda: "Morning" in place.text)
            await pilot.press("enter")
        else:
            await case.journey(place, pilot)
        await place.until(pilot, lambda: any("failed: KeyError in test_worker_errors.py:" in told for told in place.notices))
        assert any("console.log" in told for told in place.notices)
        assert SECRET not in str(place.notices) and SECRET not in place.log
        assert "KeyError" in place.log and "in broken" in place.log
        if case.waits:
            place.app.clear_notifications()
            await pilot.pause(0.1)
            assert "failed:" in place.text
            assert not [words for words in WAITING if words in place.text], place.text
        if opening:
            assert "opening the session failed: KeyError" in place.text.splitlines()[1]
        assert max(len(line) for line in place.text.splitlines()) <= 80
        assert place.app.is_running


async def test_a_retry_clears_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `u` the result replaces the error."""
    place = Place(tmp_path)
    failing = True

    class Ready:
        def describe(self) -> str:
            return ""

        async def read(self, sink: LogSink) -> None:
            if failing:
                raise ValueError(SECRET)
            sink.deliver("pod", [(1, "ready to serve", 0)])

    monkeypatch.setattr(place.session, "create_log_source", lambda query: Ready())
    async with place.app.run_test(size=(80, 24)) as pilot:
        await place.until(pilot, lambda: "HighErrorRate" in place.text)
        place.app.flows.navigation.open(OpenLogsRequested("cad-ml-api-rs42-0"))
        await place.until(pilot, lambda: "fetching the log failed: ValueError" in place.text)
        failing = False
        await pilot.press("u")
        await place.until(pilot, lambda: "ready to serve" in place.text)
        assert not place.app.screen.worker_errors  # type: ignore[attr-defined]


async def test_a_source_error_is_not_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SourceError that a worker did not catch is shown as it is, and not called a defect."""
    place = Place(tmp_path)

    async def histories(*_: object, **__: object) -> Any:
        yield PanelHistory("", 0.0, 0.0, 0.0)
        raise Unreachable("Prometheus refused the connection", where="http://prometheus:9090")

    monkeypatch.setattr(place.session, "histories", histories)
    async with place.app.run_test(size=(80, 24)) as pilot:
        await place.until(pilot, lambda: "HighErrorRate" in place.text)
        place.app.flows.navigation.open(OpenPanelRequested("error_ratio"))
        await place.until(pilot, lambda: any("Prometheus refused the connection" in told for told in place.notices))
        assert "defect" not in str(place.notices)


async def test_errors_of_tasks_and_threads_are_reported_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task without an awaiter, a callback of the loop, and a thread: each is logged and shown as a notice."""

    async def task(_poller: Poller) -> None:
        raise KeyError(SECRET)

    def callback() -> None:
        raise IndexError(SECRET)

    def thread() -> None:
        raise ZeroDivisionError(SECRET)

    server = Endpoint("http://prometheus.test")
    place = Place(tmp_path)
    polling = Session(
        replace(place.settings, prometheus=server),
        specs=(),
        runbooks=RunbookIndex.load(tmp_path),
        prometheus=Prometheus(server, transport=httpx.MockTransport(lambda _: httpx.Response(200))),
    )
    monkeypatch.setattr(Poller, "run", task)
    async with place.app.run_test(size=(80, 24)) as pilot:
        await place.until(pilot, lambda: "HighErrorRate" in place.text)
        polling.start(lambda _: None)
        asyncio.get_running_loop().call_soon(callback)
        threading.Thread(target=thread, name="watch-pods").start()
        for words in (
            "the task of prometheus failed: KeyError",
            "a callback in the background failed: IndexError",
            "the thread watch-pods failed: ZeroDivisionError",
        ):
            await place.until(pilot, lambda words=words: any(words in told for told in place.notices))  # type: ignore[misc]
        assert SECRET not in str(place.notices) + place.log
        assert all(name in place.log for name in ("KeyError", "IndexError", "ZeroDivisionError"))
        await polling.close()
    assert threading.excepthook is threading.__excepthook__


async def test_a_recurring_failure_is_one_notice(tmp_path: Path) -> None:
    """A repeated failure does not cover the screen; the log has every one."""
    place = Place(tmp_path)
    async with place.app.run_test(size=(80, 24)) as pilot:
        await place.until(pilot, lambda: "HighErrorRate" in place.text)
        for _ in range(20):
            place.app.report_error("reading", KeyError(SECRET))
        await pilot.pause()
        assert len(place.notices) == 1
        assert place.log.count("reading failed") == 20
