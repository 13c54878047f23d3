"""Runs actions from their parameters to their outcome, and names those that ended without one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from console.actions.action import Action, Guardable, Parameter, list_parameters
from console.actions.guard.model import OFF, GuardPhase, default_guard, parse_guard
from console.actions.guard.takeover import NotTaken
from console.actions.plan import ActionRefused, Outcome, Preview, Request
from console.journal.errors import JournalError
from console.screens.action_preview import render_preview
from console.screens.action_run import ActionRunScreen
from console.screens.action_run_model import ActionRunModel, describe_outcome
from console.screens.guard_view import describe_next
from console.state.news import describe_action, find_console
from queries.model.severity import Priority
from queries.text.durations import format_age, format_duration
from widgets.dialogs.confirm import ConfirmDialog, wrap_sentences
from widgets.dialogs.form import FormDialog, FormField
from widgets.styled_text import text

if TYPE_CHECKING:
    from console.journal.unfinished import Unfinished
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp
    from console.state.guards import GuardRecord
    from console.state.snapshot import Snapshot


class OpenPreview:
    """An open preview, and what was known of its target when it opened."""

    def __init__(self, dialog: ConfirmDialog, targets: tuple[str, ...], snapshot: Snapshot | None) -> None:
        self.dialog = dialog
        self._targets = targets
        self._known = frozenset(event.id for event in snapshot.news) if snapshot is not None else frozenset[str]()
        self._generations = {target: _find_generation(snapshot, target) for target in targets}

    def moved(self, snapshot: Snapshot, *, now: float) -> tuple[str, ...]:
        """What happened to the targets since the preview opened, in sentences."""
        return tuple(sentence for target in self._targets for sentence in self._moved(target, snapshot, now))

    def _moved(self, target: str, snapshot: Snapshot, now: float) -> Iterator[str]:
        own = [event for event in snapshot.news if event.id not in self._known and event.data.get("target") == target]
        if own:
            ahead = snapshot.presence.clock_ahead_seconds(own[-1].author, find_console(own))
            if sentence := describe_action(own, format_age(max(0.0, now - own[-1].at + ahead))):
                yield sentence
        for other in snapshot.presence.previews:
            if other.target == target:
                yield f"{other.user} previews {other.preview} too"
        before, generation = self._generations[target], _find_generation(snapshot, target)
        if own or (generation is not None and before is not None and generation != before):
            yield f"{target} changed since this preview: confirming shows a new one first"


def _find_generation(snapshot: Snapshot | None, target: str) -> int | None:
    """The generation of the target's spec, which every change of it increments; None where it is not a workload."""
    cluster = snapshot.cluster if snapshot is not None else None
    workload = cluster.workload(target) if cluster is not None and "/" in target else None
    return workload.generation if workload is not None else None


_GUARD, _SIGNALS, _OVERRULE = "guard", "signals", "overrule"
_OF_THE_GUARD = (_GUARD, _SIGNALS, _OVERRULE)
"""Parameters of every action that can be guarded: `rollback cad-ml-api guard=10m signals=error_ratio`."""
_DIALOG_LINES = 4
"""Of the confirmation, around its preview."""
_SCROLL_BAR = 2


class ActionFlow:
    """A run outlives its screen; `running` holds those without an outcome yet."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self.running: list[ActionRunModel] = []
        self._previews: list[OpenPreview] = []
        self._started_at = app.clock()
        self._tried: set[str] = set()
        self._not_taken: dict[str, str] = {}
        """Why a guard was not taken over, by its id: a sentence for a person."""
        """The guards of consoles that have ended, which this one took over or could not."""
        self._reported: set[str] = set()
        """Subjects of the runs without an outcome that a notice has named."""

    def run(self, request: Request) -> None:
        """Ask for missing parameters, then run all stages."""
        if self.app.refuse_in_past():
            return
        if self.app.session is None:
            self.app.show_notice("the session is not open yet", warning=True)
            return
        self.app.run_worker(self._run(self.app.session, request), f"the action {request.action}", "action")

    async def _run(self, session: Session, request: Request) -> None:
        action = next((item for item in session.actions if item.name == request.action), None)
        if action is None:
            self.app.show_notice(f"there is no action {request.action!r}", warning=True)
            return
        try:
            known = list_parameters(action, request.target, session.reader)
        except ActionRefused as refusal:
            self.app.show_notice(f"{action.name}: {refusal}", warning=True)
            return
        # A call whose parameters are all optional shows what could be given, unless something was.
        open_call = known != action.parameters and known and not request.parameters
        if open_call or any(item.missing_from(request.parameters) for item in known):
            parameters = await self._ask_parameters(action, known, request)
            if parameters is None:
                return
            request = replace(request, parameters={**request.parameters, **parameters})
        try:
            request = self._add_guard(request)
        except ValueError as error:
            self.app.show_notice(f"{action.name}: guard: {error}", warning=True)
            return
        snapshot = self.app.context.snapshot
        tracked = snapshot.alert(request.fingerprint) if snapshot and request.fingerprint else None
        run = ActionRunModel(
            request, alert=tracked.alert.name if tracked else "", began_at=tracked.alert.starts_at if tracked else None
        )
        self.running.append(run)
        self.app.push_screen(ActionRunScreen(run))

        async def confirm(preview: Preview) -> bool:
            run.confirmed = False
            run.confirmed = await self.confirm(preview)
            run.confirmed_at = self.app.clock() if run.confirmed else None
            run.declined = not run.confirmed
            return run.confirmed

        await run.drive(session, confirm, self._show_progress, partial(self.app.report_error, f"the action {request.action}"))
        if run.declined and isinstance(self.app.screen, ActionRunScreen) and self.app.screen.run is run:
            self.app.pop_screen()  # nothing to watch
            self.app.show_notice(f"{run.request.action} {run.request.target}: nothing was sent")

    async def _ask_parameters(self, action: Action, known: tuple[Parameter, ...], request: Request) -> dict[str, str] | None:
        fields = tuple(
            FormField(
                item.name,
                item.description,
                request.parameters.get(item.name, self._current_value(request, item.name)),
                item.required and not item.unless,
            )
            for item in known
        )
        if isinstance(action, Guardable):
            default = default_guard(action.name, protected=self.app.settings.protected)
            shown = request.parameters.get(_GUARD, format_duration(default.watch_seconds) if default else "")
            fields = (*fields, FormField(_GUARD, "watch it for so long (10m) and roll back if it gets worse", shown, False))
            if any(item.ends_at(self.app.clock()) is not None for item in self.app.settings.freezes):
                shown = request.parameters.get(_OVERRULE, "")
                fields = (*fields, FormField(_OVERRULE, "why it is changed although the environment is frozen", shown, False))
        return await self.app.push_screen_wait(FormDialog(f"{action.title} {request.target}", fields))

    def _add_guard(self, request: Request) -> Request:
        """The request with the guard that its parameters `guard` and `signals` ask for, else with the action's default; and
        with the reason that its parameter `overrule` has.

        Raises ValueError for a duration that is not one.
        """
        given = {name: value for name, value in request.parameters.items() if name not in _OF_THE_GUARD}
        duration, signals = (request.parameters.get(name) for name in (_GUARD, _SIGNALS))
        if duration is None:
            guard = request.guard or default_guard(request.action, protected=self.app.settings.protected)
        else:
            guard = parse_guard(duration.strip() or OFF, signals=signals or "")
        overrule = request.parameters.get(_OVERRULE, "").strip() or request.overrule
        return replace(request, parameters=given, guard=guard, overrule=overrule)

    def _current_value(self, request: Request, parameter: str) -> str:
        """The initial value of a field: the current number of replicas, or the image of a pod's only container."""
        cluster = self.app.context.snapshot.cluster if self.app.context.snapshot else None
        workload = cluster.workload(request.target) if cluster else None
        if workload is None:
            return ""
        if parameter == "image":
            return workload.containers[0].image if len(workload.containers) == 1 else ""
        return str(workload.desired) if parameter == "replicas" else ""

    async def confirm(self, preview: Preview) -> bool:
        """Show the preview and ask; one that blocks is only shown."""
        session = self.app.session
        width = max(16, min(100, self.app.size.width) - 4)
        lines = render_preview(preview, self.app.context, width)
        if len(lines) > self.app.size.height - _DIALOG_LINES:
            # It will scroll, and the scroll bar would cover the ends of long words, such as those of a command.
            lines = render_preview(preview, self.app.context, width - _SCROLL_BAR)
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
        dialog = ConfirmDialog(lines, verb=verb, confirm_word=preview.phrase)
        return await self.show_preview(dialog, preview.plan.title, (preview.plan.request.target,))

    async def show_preview(self, dialog: ConfirmDialog, title: str, targets: tuple[str, ...]) -> bool:
        """The other consoles see what is previewed here; the dialog says at once when its facts move."""
        session = self.app.session
        opened = OpenPreview(dialog, targets, self.app.context.snapshot)
        self._previews.append(opened)
        if session is not None:
            session.announce(preview=title, target=targets[0])
        try:
            return await self.app.push_screen_wait(dialog)
        finally:
            self._previews.remove(opened)
            if session is not None:
                session.announce(preview="", target="")

    def forget(self, run: ActionRunModel) -> None:
        """It ended."""
        self.running = [item for item in self.running if item is not run]

    def watch_previews(self, after: Snapshot) -> None:
        """Say in an open preview what another console did to its target, or that the target changed."""
        for opened in self._previews:
            sentences = opened.moved(after, now=self.app.clock())
            opened.dialog.warn(wrap_sentences(sentences, self.app.size.width, tone="critical"))

    def _show_progress(self, run: ActionRunModel) -> None:
        if run.dropped:
            return
        if run.finished:
            self.forget(run)
        if not self.app.screen_stack:
            return  # the console is closing, and its runs end with it
        screen = next((item for item in self.app.screen_stack if isinstance(item, ActionRunScreen) and item.run is run), None)
        if screen is not None:
            screen.show_context(self.app.context)
        self._announce_guard(run, seen=screen is self.app.screen)
        if run.finished:
            self._report_end(run, open_screen=screen)
        if run.finished and self.app.session is not None:
            self.app.session.refresh_now()

    def _announce_guard(self, run: ActionRunModel, *, seen: bool) -> None:
        """Tell at once, where the page of the run is not `seen`, and whoever does not look, what a guard is about to do."""
        guard = run.guard
        if guard is None or guard.phase is run.announced:
            return
        run.announced = guard.phase
        if guard.phase in (GuardPhase.HOLD, GuardPhase.COUNTDOWN):
            words, _ = describe_next(guard, self.app.clock())
            title = f"guard of {run.request.target}"
            if not seen:
                self.app.show_notice(f"{title}: {words}", warning=True)
            severity = Priority.P1 if guard.phase is GuardPhase.COUNTDOWN else Priority.P2
            self.app.flows.notifications.send("action", severity, title, words)

    def take_over_guards(self, snapshot: Snapshot) -> None:
        """Watch on for consoles of this host that have ended; each guard is tried once, and line 1 names what is unguarded."""
        session = self.app.session
        for record in snapshot.unguarded if session is not None and not self.app.settings.read_only else ():
            if session is not None and record.id not in self._tried and session.journal_known:
                self._tried.add(record.id)
                self.app.run_worker(self._take_over(session, record), f"the guard of {record.start.target}", "action")

    async def _take_over(self, session: Session, record: GuardRecord) -> None:
        run = ActionRunModel(Request(record.start.action, record.start.target, cause="guard taken over"))
        run.confirmed, run.confirmed_at = True, record.changed_at or record.started_at
        self.running.append(run)

        def report_failure(error: BaseException) -> str:
            if isinstance(error, NotTaken):
                self._not_taken[record.id] = sentence = f"UNGUARDED: {record.title} of {record.author}: {error}"
                return sentence
            return self.app.report_error(f"the guard of {record.start.target}", error)

        def show(followed: ActionRunModel) -> None:
            if len(followed.steps) == 1 and not followed.finished:
                self.app.show_notice(followed.steps[0].text, warning=True)
            self._show_progress(followed)

        await run.follow(session.take_over(record, control=run.control), show, report_failure)

    def open_guard(self) -> str:
        """Show the page of a running guard; else return why there is none, and what stays unguarded."""
        run = next((item for item in reversed(self.running) if item.guard is not None), None)
        if run is not None:
            self.app.push_screen(ActionRunScreen(run))
            return ""
        unguarded = self.app.context.snapshot.unguarded if self.app.context.snapshot is not None else ()
        named = [self._not_taken[item.id] for item in unguarded if item.id in self._not_taken]
        return "; ".join(named) or "no guard runs here; the journal (6) has those that ended"

    def _report_end(self, run: ActionRunModel, *, open_screen: ActionRunScreen | None) -> None:
        """Say how a run ended where nobody sees it: on another screen, or, of a run that was confirmed, in another window."""
        end = run.outcome
        outcome = describe_outcome(end) if end else run.error or "ended without an outcome"
        done = end is not None and end.outcome == Outcome.DONE
        title = f"{run.request.action} {run.request.target}"
        if open_screen is None:
            self.app.show_notice(f"{title}: {outcome}", warning=not done)
        if not run.declined and not (open_screen is self.app.screen and self.app.app_focus):
            word = end.outcome.value if end is not None and end.outcome is not None else "ended"
            lost = end is not None and end.outcome is Outcome.ROLLBACK_FAILED
            severity = Priority.P3 if done else Priority.P1 if lost else Priority.P2
            self.app.flows.notifications.send("action", severity, f"{title}: {word}", outcome)

    @property
    def in_progress(self) -> tuple[str, ...]:
        """The runs that a person confirmed and that have no outcome yet: `rollback deployment/cad-ml-api`."""
        return tuple(f"{run.request.action} {run.request.target}" for run in self.running if run.in_progress)

    def drop_unconfirmed(self) -> tuple[str, ...]:
        """Forget the runs that nobody confirmed, whose workers are about to be cancelled: nothing was sent."""
        dropped = tuple(f"{run.request.action} {run.request.target}" for run in self.running)
        for run in self.running:
            run.dropped = True
        self.running = []
        return dropped

    async def may_quit(self) -> bool:
        """Whether to quit although an action has no outcome yet."""
        in_progress = self.in_progress
        if not in_progress:
            return True
        lines = tuple((text(f" {run} is in progress", "warn"),) for run in in_progress)
        guarded = any(run.guard is not None for run in self.running)
        end = "nothing guards it until another console takes over" if guarded else "its outcome stays unknown"
        consequence = ((f" if you quit now, {end}; the next start will name it", ""),)
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
