"""Runs one action on several marked rows: one form, one preview, one confirmation, and each run through all stages."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from console.actions.batch import MOST, Batch, Confirm, confirm_phrase
from console.actions.guard.model import default_guard
from console.actions.plan import Outcome, Preview, Request
from console.screens.action_run_model import ActionRunModel
from console.screens.batch_run import BatchRunScreen, render_batch
from console.screens.flows.silence import DEFAULT_DURATION
from queries.model.severity import Priority
from widgets.dialogs.confirm import ConfirmDialog
from widgets.dialogs.form import FormDialog, FormField
from widgets.styled_text import text

if TYPE_CHECKING:
    from console.actions.action import Action
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp


class BatchFlow:
    """The runs are those of the action flow: it knows which are in progress, and their previews see what others do."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def run(self, requests: tuple[Request, ...]) -> None:
        """All of one action; a single one goes the usual way."""
        if self.app.refuse_in_past():
            return
        if len(requests) == 1:
            self.app.flows.actions.run(requests[0])
        elif len(requests) > MOST:
            self.app.show_notice(f"{len(requests)} are marked; at most {MOST} can be previewed at once", warning=True)
        elif self.app.session is None:
            self.app.show_notice("the session is not open yet", warning=True)
        else:
            self.app.run_worker(self._run(self.app.session, requests), f"the action {requests[0].action} on several", "action")

    async def _run(self, session: Session, requests: tuple[Request, ...]) -> None:
        name = requests[0].action
        action = next((item for item in session.actions if item.name == name), None)
        if action is None:
            self.app.show_notice(f"there is no action {name!r}", warning=True)
            return
        if default_guard(name, protected=self.app.settings.protected) is not None:
            reason = f"{self.app.settings.environment} is protected, where a guard watches each {name}, and several have none"
            self.app.show_notice(f"{action.title} one at a time: {reason}", warning=True)
            return
        title = f"{action.title} {len(requests)} {_describe_targets(requests)}"
        given = await self._ask_parameters(action, requests, title)
        if given is None:
            return
        runs = tuple(self._build_run(replace(item, parameters={**item.parameters, **given})) for item in requests)
        batch = Batch(len(runs), partial(self._drive, session, runs))
        over = False
        screen = BatchRunScreen(title, runs, batch, is_over=lambda: over)
        self.app.flows.actions.running += runs
        self.app.push_screen(screen)
        try:
            await batch.prepare()
            if await self._confirm(title, action, runs, batch):
                await batch.carry_out()
            await batch.close()
        finally:
            over = True
            batch.cancel()
        self._report_end(title, runs, screen)

    async def _drive(self, session: Session, runs: tuple[ActionRunModel, ...], at: int, confirm: Confirm) -> Outcome | None:
        run = runs[at]

        async def confirm_run(preview: Preview) -> bool:
            run.confirmed = False
            run.confirmed = await confirm(preview)
            run.confirmed_at = self.app.clock() if run.confirmed else None
            run.declined = not run.confirmed
            return run.confirmed

        report = partial(self.app.report_error, f"the action {run.request.action}")
        await run.drive(session, confirm_run, self._show_progress, report)
        return run.outcome.outcome if run.outcome is not None else None

    def _show_progress(self, run: ActionRunModel) -> None:
        if run.finished:
            self.app.flows.actions.forget(run)
        self.app.show_progress()

    def _build_run(self, request: Request) -> ActionRunModel:
        snapshot = self.app.context.snapshot
        tracked = snapshot.alert(request.fingerprint) if snapshot and request.fingerprint else None
        began_at = tracked.alert.starts_at if tracked else None
        return ActionRunModel(request, alert=tracked.alert.name if tracked else "", began_at=began_at)

    async def _ask_parameters(self, action: Action, requests: tuple[Request, ...], title: str) -> dict[str, str] | None:
        """One form for all: what each of them lacks."""
        missing = [item for item in action.parameters if any(item.missing_from(each.parameters) for each in requests)]
        if not missing:
            return {}
        presets = {"duration": DEFAULT_DURATION}
        fields = tuple(FormField(item.name, item.description, presets.get(item.name, "")) for item in missing)
        return await self.app.push_screen_wait(FormDialog(f"{title}: the same for each", fields))

    async def _confirm(self, title: str, action: Action, runs: tuple[ActionRunModel, ...], batch: Batch) -> bool:
        width = max(16, min(100, self.app.size.width) - 6)
        previews = tuple(batch.previews)
        settings = self.app.settings
        lines = render_batch(title, runs, previews, width, place=f"{settings.environment.upper()}  {settings.namespace}")
        possible = tuple(item for item in previews if item is not None)
        reason = ""
        if not possible:
            reason = "none of them is possible now"
        elif settings.read_only:
            reason = "READ-ONLY: this is what it would do; nothing is sent"
        if reason:
            await self.app.push_screen_wait(ConfirmDialog((*lines, (text(f" {reason}", "warn"),)), verb="", cancel="Close"))
            return False
        phrase = confirm_phrase(action.name, possible)
        dialog = ConfirmDialog(lines, verb=f"{action.title} {len(possible)}", confirm_word=phrase)
        targets = tuple(item.plan.request.target for item in possible)
        return await self.app.flows.actions.show_preview(dialog, title, targets)

    def _report_end(self, title: str, runs: tuple[ActionRunModel, ...], screen: BatchRunScreen) -> None:
        """Take back the screen if nothing was confirmed; else say how many are done, where nobody sees it."""
        session = self.app.session
        if session is not None:
            session.refresh_now()
        if not any(run.confirmed_at is not None for run in runs):
            if self.app.screen is screen:
                self.app.pop_screen()
            self.app.show_notice(f"{title}: nothing was sent")
            return
        self.app.show_progress()
        done = sum(run.outcome is not None and run.outcome.outcome is Outcome.DONE for run in runs)
        sentence = f"{done} of {len(runs)} done" + ("" if done == len(runs) else "; the journal says what became of each (6)")
        if screen not in self.app.screen_stack:
            self.app.show_notice(f"{title}: {sentence}", warning=done != len(runs))
        if not (screen is self.app.screen and self.app.app_focus):
            severity = Priority.P3 if done == len(runs) else Priority.P2
            self.app.flows.notifications.send("action", severity, title, sentence)


def _describe_targets(requests: tuple[Request, ...]) -> str:
    """`workloads`, `alerts`, `silences`: what the targets are together."""
    first = requests[0]
    if first.action == "silence":
        return "alerts"
    return "silences" if first.target.startswith("silence/") else "workloads"
