"""Runs actions from their parameters to their outcome, and names those that ended without one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from console.actions.action import Action
from console.actions.plan import Preview, Request
from console.journal.sqlite import JournalError
from console.screens.action_run import ActionRunModel, ActionRunScreen, describe_outcome, render_preview
from queries.text.durations import format_age
from widgets.dialogs.confirm import ConfirmDialog
from widgets.dialogs.form import FormDialog, FormField

if TYPE_CHECKING:
    from console.journal.unfinished import Unfinished
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot


class ActionFlow:
    """A run outlives its screen; `running` holds those without an outcome yet."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self.running: list[ActionRunModel] = []
        self._started_at = app.clock()
        self._reported: set[str] = set()
        """Subjects of the runs without an outcome that a notice has named."""

    def run(self, request: Request) -> None:
        """Ask for missing parameters, then run all stages."""
        if self.app.session is None:
            self.app.show_notice("the session is not open yet", warning=True)
            return
        self.app.run_worker(self._run(self.app.session, request), f"the action {request.action}", "action")

    async def _run(self, session: Session, request: Request) -> None:
        action = next((item for item in session.actions if item.name == request.action), None)
        if action is None:
            self.app.show_notice(f"there is no action {request.action!r}", warning=True)
            return
        if any(item.missing_from(request.parameters) for item in action.parameters):
            parameters = await self._ask_parameters(action, request)
            if parameters is None:
                return
            request = replace(request, parameters={**request.parameters, **parameters})
        run = ActionRunModel(request)
        self.running.append(run)
        self.app.push_screen(ActionRunScreen(run))

        async def confirm(preview: Preview) -> bool:
            run.declined = not await self._confirm(preview)
            return not run.declined

        await run.drive(session, confirm, self._show_progress, partial(self.app.report_error, f"the action {request.action}"))
        if run.declined and isinstance(self.app.screen, ActionRunScreen) and self.app.screen.run is run:
            self.app.pop_screen()  # nothing to watch
            self.app.show_notice(f"{run.request.action} {run.request.target}: nothing was sent")

    async def _ask_parameters(self, action: Action, request: Request) -> dict[str, str] | None:
        fields = tuple(
            FormField(
                item.name,
                item.description,
                request.parameters.get(item.name, self._current_value(request, item.name)),
                item.required,
            )
            for item in action.parameters
        )
        return await self.app.push_screen_wait(FormDialog(f"{action.title} {request.target}", fields))

    def _current_value(self, request: Request, parameter: str) -> str:
        """The initial value of a field: the current number of replicas."""
        cluster = self.app.context.snapshot.cluster if self.app.context.snapshot else None
        workload = cluster.workload(request.target.removeprefix("deployment/")) if cluster else None
        return str(workload.desired) if workload and parameter == "replicas" else ""

    async def _confirm(self, preview: Preview) -> bool:
        session = self.app.session
        lines = render_preview(preview, self.app.context, max(16, min(100, self.app.size.width) - 4))
        reason = ""
        if self.app.settings.read_only:
            reason = "READ-ONLY: this is what it would do; nothing is sent"
        elif preview.blocked:
            reason = "this cannot be done now: see BLOCK above"
        if reason:
            await self.app.push_screen_wait(ConfirmDialog((*lines, ((f" {reason}", "warn"),)), verb="", cancel="Close"))
            return False
        name = preview.plan.request.action
        verb = next((item.title for item in (session.actions if session else ()) if item.name == name), preview.plan.title)
        return await self.app.push_screen_wait(ConfirmDialog(lines, verb=verb, confirm_word=preview.phrase))

    def _show_progress(self, run: ActionRunModel) -> None:
        if run.finished:
            self.running = [item for item in self.running if item is not run]
        screen = next((item for item in self.app.screen_stack if isinstance(item, ActionRunScreen) and item.run is run), None)
        if screen is not None:
            screen.show_context(self.app.context)
        elif run.finished:
            end = run.outcome
            outcome = describe_outcome(end) if end else run.error or "ended without an outcome"
            done = end is not None and end.outcome == "done"
            self.app.show_notice(f"{run.request.action} {run.request.target}: {outcome}", warning=not done)
        if run.finished and self.app.session is not None:
            self.app.session.refresh_now()

    async def may_quit(self) -> bool:
        """Whether to quit although an action has no outcome yet."""
        in_progress = [run for run in self.running if run.in_progress]
        if not in_progress:
            return True
        lines = tuple(((f" {run.request.action} {run.request.target} is in progress", "warn"),) for run in in_progress)
        consequence = ((" if you quit now, its outcome stays unknown; the next start will name it", ""),)
        return await self.app.push_screen_wait(ConfirmDialog((*lines, consequence), verb="Quit", cancel="Stay"))

    async def report_unfinished(self) -> None:
        """Name the actions of earlier runs whose outcome is unknown; called once, at the start."""
        session = self.app.session
        if session is None:
            return
        if session.journal is None:
            if session.journal_fault:
                self.app.show_notice(f"no journal, so no actions: {session.journal_fault}", warning=True)
            return
        journal, loop = session.journal, asyncio.get_running_loop()
        try:
            unfinished = await loop.run_in_executor(None, journal.unfinished)
        except JournalError as error:
            self.app.show_notice(str(error), warning=True)
            return
        for item in unfinished:
            self._report(item)
            if not item.ended:
                continue  # its process may still write an outcome; until then every screen of the action says so
            settle = partial(journal.settle, item.intent, now=self.app.clock(), author=self.app.settings.user)
            try:
                await loop.run_in_executor(None, settle)
            except JournalError as error:  # the next start will name it again, which is better than never
                self.app.show_notice(str(error), warning=True)

    def report_unfinished_elsewhere(self, snapshot: Snapshot) -> None:
        """Name an action without an outcome that another console started earlier and the shared store delivers only now."""
        for item in snapshot.unfinished:
            if item.intent.at < self._started_at:
                self._report(item)

    def _report(self, item: Unfinished) -> None:
        if item.intent.subject in self._reported:
            return
        self._reported.add(item.intent.subject)
        sentence = item.sentence(format_age(max(0.0, self.app.clock() - item.intent.at)))
        self.app.notify(
            f"outcome unknown: {sentence}; {item.inspection_hint(self.app.settings)} (6)",
            title="An earlier action has no outcome", severity="warning", timeout=60, markup=False,
        )  # fmt: skip
