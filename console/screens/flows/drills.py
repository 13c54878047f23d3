"""Runs drills from their form to their report, and ends those whose console is gone."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from console.actions.plan import Preview, Request
from console.drills.run import DrillRun, DrillStep
from console.drills.service import DrillRefused
from console.journal.errors import JournalError
from console.screens.action_run_model import ActionRunModel
from console.screens.drills import DrillReportScreen, DrillsModel, DrillsScreen
from console.state.drills import UNDO_FAILED, DrillRecord
from queries.model.severity import Priority
from widgets.dialogs.form import FormDialog, FormField

if TYPE_CHECKING:
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot


class DrillFlow:
    """One drill at a time; it goes on when its page is left, and its run is among those that a person is asked about."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self.model = DrillsModel()
        self._run: DrillRun | None = None
        self._followed: ActionRunModel | None = None
        """The run as `actions` knows it, which says whether a person confirmed it."""
        self._closed: set[str] = set()

    def open(self, argument: str) -> str:
        """`drill`, `drill 3` or `drill NAME TARGET [10m]`; returns why that cannot be done."""
        name, *rest = argument.split() or [""]
        if not name:
            if not isinstance(self.app.screen, DrillsScreen):
                self.app.push_screen(DrillsScreen(self.model))
            return ""
        if name.isascii() and name.isdigit():
            return self.open_report(int(name))
        self.start(name, *rest[:2])
        return ""

    def open_report(self, number: int) -> str:
        """Show the report of a drill that ended; returns why there is none."""
        snapshot = self.app.context.snapshot
        record = snapshot.ledger.drills.find(number) if snapshot is not None and number < 1 << 31 else None
        if record is None or not record.result:
            return f"drill {number} is not among the newest that ended"
        self.app.push_screen(DrillReportScreen(record))
        return ""

    def start(self, name: str, target: str = "", limit: str = "") -> None:
        """Ask for what is missing, then run it."""
        if self.app.session is None:
            self.app.show_notice("the session is not open yet", warning=True)
        elif self.model.running:
            self.app.show_notice("a drill is already running: press s in :drill to roll it back", warning=True)
        else:
            self.app.run_worker(self._start(self.app.session, name, target, limit), f"the drill {name}", "drill")

    def stop(self) -> None:
        """Roll the fault back now."""
        if self._run is not None:
            self._run.stop(self.app.settings.user)

    async def _start(self, session: Session, name: str, target: str, limit: str) -> None:
        service = session.drills
        try:
            drill = service.find(name)
            if service.refusal:
                raise DrillRefused(service.refusal)
            if not (target or drill.target):
                values = await self.app.push_screen_wait(
                    FormDialog(
                        f"Drill {drill.id}: {drill.title}",
                        (
                            FormField("target", "the workload, as deployment/NAME"),
                            FormField("for", "roll it back after so long", limit or drill.limit),
                        ),
                    )
                )
                if values is None:
                    return
                target, limit = values["target"], values["for"]
            run = service.start(name, target, confirm=self._confirm, limit=limit)
        except DrillRefused as refusal:
            self.app.show_notice(str(refusal), warning=True)
            return
        await self._follow(run)

    async def _confirm(self, preview: Preview) -> bool:
        """From a person's yes on the drill is in progress: its start is journalled before the fault is sent."""
        followed = self._followed
        if followed is None:
            return False
        followed.confirmed = False
        followed.confirmed = await self.app.flows.actions.confirm(preview)
        return followed.confirmed

    async def _follow(self, run: DrillRun) -> None:
        model, actions = self.model, self.app.flows.actions
        followed = ActionRunModel(Request(run.drill.action, run.target, cause=f"drill {run.drill.id}"))
        followed.control = run.control
        self._followed, self._run, model.running, model.status, model.text = followed, run, True, run.status, ""
        actions.running.append(followed)
        self.open("")
        try:
            async with aclosing(run.steps()) as steps:
                async for step in steps:
                    self._show(step, followed)
        finally:
            model.running, followed.finished, self._run, self._followed = False, True, None, None
            actions.forget(followed)
            self._redraw()
        self._report_end(run)

    def _show(self, step: DrillStep, followed: ActionRunModel) -> None:
        self.model.status, self.model.text = step.status, step.text
        if step.run is not None and step.run.outcome is None:
            followed.steps.append(step.run)
        self._redraw()

    def _redraw(self) -> None:
        if isinstance(self.app.screen, DrillsScreen):
            self.app.screen.show_context(self.app.context)

    def _report_end(self, run: DrillRun) -> None:
        status = self.model.status
        if status is None:
            return
        title = f"drill {run.drill.id} on {run.target}"
        lost = status.result == UNDO_FAILED
        if lost or not isinstance(self.app.screen, DrillsScreen):
            self.app.show_notice(f"{title}: {status.result or 'ended'}: {status.text}", warning=True)
        if status.fault_at is not None:
            severity = Priority.P1 if lost else Priority.P3
            self.app.flows.notifications.send("action", severity, f"{title}: {status.result}", status.text)

    def close_abandoned(self, snapshot: Snapshot) -> None:
        """Name the drills whose console has ended, and journal their ends; each once."""
        session = self.app.session
        if session is None or not snapshot.ledger.drills.open or not session.journal_known or self.app.settings.read_only:
            return
        for record in session.drills.list_abandoned(snapshot.ledger, snapshot.presence):
            if record.id not in self._closed:
                self._closed.add(record.id)
                self.app.run_worker(self._close(session, record), f"the end of the drill {record.start.drill}", "drill")

    async def _close(self, session: Session, record: DrillRecord) -> None:
        try:
            text = await session.drills.close(record, session.snapshot().ledger.guards)
        except JournalError as error:
            text = f"the drill {record.title} of {record.author} has ended without a record: {error}"
        self.app.show_notice(text, warning=True)
