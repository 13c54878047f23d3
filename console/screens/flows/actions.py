"""What screens ask for, done: opening details, running actions, silencing, owning, copying, commands."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from console.actions.action import Action
from console.actions.plan import Preview, Request
from console.journal import acknowledgements
from console.journal.acknowledgements import AcknowledgeResult, Ownership, held_sentence, whose
from console.journal.sqlite import JournalError
from console.screens import messages
from console.screens.action_run import ActionRunModel, ActionRunScreen, outcome_sentence, preview_lines
from console.screens.alert_detail import AlertDetailScreen
from console.screens.base import ConsoleScreen
from console.screens.command_line import CommandLine
from console.screens.commands import commands, perform
from console.screens.dashboards import DashboardPanelScreen
from console.screens.explore import ExploreScreen
from console.screens.flows.incident import IncidentFlow
from console.screens.flows.silence_form import duration_hint, request_of, wish_of
from console.screens.handover import HandoverScreen
from console.screens.help import HelpScreen
from console.screens.incident import IncidentScreen
from console.screens.logs import LogsScreen
from console.screens.panel_detail import PanelDetailScreen
from console.screens.registry import MODES
from console.screens.runbook import RunbookScreen
from console.text_files import write_export
from widgets.dialogs.confirm import ConfirmDialog
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.silence import SilenceDialog
from widgets.formatting import format_age
from widgets.styled_text import text, wrap
from widgets.terminal.clipboard import ClipboardReach

if TYPE_CHECKING:
    from console.journal.unfinished import Unfinished
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot


class ActionFlow:
    """The half of the application that answers `…Requested` messages; imported when the first frame is on the screen."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self.running: list[ActionRunModel] = []
        self._began_at = app.clock()
        self._named: set[str] = set()
        """The runs without an outcome that were named already."""
        self._taking: set[str] = set()
        """The alerts that are just being taken or released here: how that ends is said there."""
        self.incidents = IncidentFlow(app, self)

    def say(self, words: str, *, trouble: bool = False, seconds: float = 4) -> None:
        """A notice in plain text."""
        self.app.notify(
            words, markup=False, severity="warning" if trouble else "information", timeout=8 if trouble else seconds
        )

    # opening

    def open(self, what: str, subject: str, *, about: str = "") -> None:
        """Push the detail of something onto where one is."""
        screen: ConsoleScreen
        match what:
            case "panel":
                screen = PanelDetailScreen(subject)
            case "dashboard panel":
                screen = DashboardPanelScreen(subject)
            case "alert":
                screen = AlertDetailScreen(subject)
            case "runbook":
                screen = RunbookScreen(subject, fingerprint=about)
            case "incident":
                screen = IncidentScreen(subject)
            case "logs":
                screen = LogsScreen(subject)
            case "handover":
                screen = HandoverScreen()
            case "screen":
                if subject in MODES:
                    self.app.go(subject)
                else:
                    self.say(f"there is no screen {subject}", trouble=True)
                return
            case _:
                screen = ExploreScreen(subject)
        self.app.push_screen(screen)

    def help(self) -> None:

        if isinstance(self.app.screen, ConsoleScreen) and not isinstance(self.app.screen, HelpScreen):
            self.app.push_screen(HelpScreen(self.app.screen))

    def command_line(self) -> None:

        if isinstance(self.app.screen, ConsoleScreen):
            found = commands(self.app)
            self.app.push_screen(CommandLine(found), lambda words: perform(self.app, words) if words else None)

    # actions

    def run_action(self, request: Request) -> None:
        """Ask for what is missing, then run all stages; the run outlives its screen."""
        if self.app.session is None:
            self.say("the session is not open yet", trouble=True)
            return
        self.app.run_worker(self._ask_and_run(self.app.session, request), f"the action {request.action}", "action")

    async def _ask_and_run(self, session: Session, request: Request) -> None:

        action = next((item for item in session.actions if item.name == request.action), None)
        if action is None:
            self.say(f"there is no action {request.action!r}", trouble=True)
            return
        missing = [item for item in action.parameters if item.missing_from(request.parameters)]
        if missing:
            answers = await self._ask(action, request)
            if answers is None:
                return
            parameters = {**request.parameters, **answers}
            request = replace(request, parameters=parameters)
        run = ActionRunModel(request)
        self.running.append(run)
        self.app.push_screen(ActionRunScreen(run))

        async def confirm(preview: Preview) -> bool:
            run.declined = not await self._confirm(preview)
            return not run.declined

        await run.drive(session, confirm, self._told, partial(self.app.report_error, f"the action {request.action}"))
        if run.declined and isinstance(self.app.screen, ActionRunScreen) and self.app.screen.run is run:
            self.app.pop_screen()  # back to where one was: there is nothing to watch
            self.say(f"{run.request.action} {run.request.target}: nothing was sent")

    async def _ask(self, action: Action, request: Request) -> dict[str, str] | None:

        questions = tuple(
            FormField(
                item.name, item.meaning, request.parameters.get(item.name, self._known(request, item.name)), item.required
            )
            for item in action.parameters
        )
        return await self.app.push_screen_wait(FormDialog(f"{action.title} {request.target}", questions))

    def _known(self, request: Request, parameter: str) -> str:
        """What stands there before one types: the present number of replicas."""
        cluster = self.app.view.snapshot.cluster if self.app.view.snapshot else None
        workload = cluster.workload(request.target.removeprefix("deployment/")) if cluster else None
        return str(workload.wanted) if workload and parameter == "replicas" else ""

    async def _confirm(self, preview: Preview) -> bool:

        session = self.app.session
        lines = preview_lines(preview, self.app.view, max(16, min(100, self.app.size.width) - 4))
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

    def _told(self, run: ActionRunModel) -> None:

        if run.finished:
            self.running = [item for item in self.running if item is not run]
        shown = next((item for item in self.app.screen_stack if isinstance(item, ActionRunScreen) and item.run is run), None)
        if shown is not None:
            shown.show_view(self.app.view)
        elif run.finished:
            end = run.outcome
            words = outcome_sentence(end) if end else run.fault or "ended without an outcome"
            self.say(f"{run.request.action} {run.request.target}: {words}", trouble=not (end and end.outcome == "done"))
        if run.finished and self.app.session is not None:
            self.app.session.refresh_now()

    async def may_leave(self) -> bool:
        """Whether to quit although an action's outcome is still open."""

        under_way = [run for run in self.running if run.under_way]
        if not under_way:
            return True
        lines = tuple(((f" {run.request.action} {run.request.target} is under way", "warn"),) for run in under_way)
        more = ((" leaving now leaves its outcome unknown; the next start will name it", ""),)
        return await self.app.push_screen_wait(ConfirmDialog((*lines, more), verb="Leave", cancel="Stay"))

    async def name_unfinished(self) -> None:
        """Says at the start which action of an earlier run has no known outcome."""
        session = self.app.session
        if session is None:
            return
        if session.journal is None:
            if session.journal_fault:
                self.say(f"no journal, so no actions: {session.journal_fault}", trouble=True)
            return
        journal, loop = session.journal, asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(None, journal.unfinished)
        except JournalError as error:
            self.say(str(error), trouble=True)
            return
        for item in found:
            self._name(item)
            if not item.ended:
                continue  # it may have an outcome yet; until then, or until a person settles it, every screen of it says so
            settle = partial(journal.settle, item.intent, now=self.app.clock(), author=self.app.settings.user)
            try:
                await loop.run_in_executor(None, settle)
            except JournalError as error:  # it will be named again at the next start, which is better than never
                self.say(str(error), trouble=True)

    def name_begun_before(self, snapshot: Snapshot) -> None:
        """What the shared store brings only now: an action that was begun elsewhere before this console, and has no outcome."""
        for item in snapshot.unfinished:
            if item.intent.at < self._began_at:
                self._name(item)

    def _name(self, item: Unfinished) -> None:
        if item.intent.subject in self._named:
            return
        self._named.add(item.intent.subject)
        told = item.sentence(format_age(max(0.0, self.app.clock() - item.intent.at)))
        self.app.notify(
            f"outcome unknown: {told}; {item.look(self.app.settings)} (6)",
            title="An earlier action has no outcome", severity="warning", timeout=60, markup=False,
        )  # fmt: skip

    # silences and owners

    def silence(self, event: messages.SilenceRequested) -> None:
        self.app.run_worker(self._silence(event), "opening the silence", "silence")

    async def _silence(self, event: messages.SilenceRequested) -> None:

        if self.app.session is None:
            self.say("the session is not open yet", trouble=True)
            return
        before = wish_of(event, now=self.app.clock())
        wish = await self.app.push_screen_wait(
            SilenceDialog(
                before,
                matches=self.app.session.silence_matches,
                editing=event.silence is not None,
                duration_hint=duration_hint(event),
            )
        )
        if wish is not None:
            self.run_action(request_of(wish, event, before=before))

    def own(self, fingerprint: str) -> None:
        self.app.run_worker(self._own(fingerprint), "marking the alert", "own")

    async def _own(self, fingerprint: str) -> None:
        session, snapshot = self.app.session, self.app.view.snapshot
        tracked = snapshot.alert(fingerprint) if snapshot else None
        if session is None or snapshot is None or tracked is None:
            return
        name, user = tracked.alert.name, self.app.settings.user
        taking = whose(snapshot.ledger.owners.get(fingerprint), user=user) is not Ownership.OURS
        self._taking.add(fingerprint)
        try:
            found = await session.acknowledge(fingerprint, on=taking)
            while found.mark is not None and found.whose.held and not found.written:
                if not await self._take_over(name, found):
                    return
                found = await session.acknowledge(fingerprint, on=taking, over=found.mark)
        except JournalError as error:
            self.say(f"not marked: {error}", trouble=True)
            return
        finally:
            self._taking.discard(fingerprint)
        lost = taking and found.whose.held
        self.say(acknowledgements.outcome_sentence(name, found, taking=taking), trouble=lost or bool(found.doubt))

    async def _take_over(self, name: str, found: AcknowledgeResult) -> bool:
        """Whether a person takes it from the one who has it; Cancel is what enter does."""
        assert found.mark is not None  # noqa: S101  only what is held is asked about
        told = held_sentence(found.mark, found.whose, format_age(max(0.0, self.app.clock() - found.mark.at)))
        lines = [f"{name}: {told}: take it over?"]
        lines += [f"not known whether that is still so: {found.doubt}"] if found.doubt else []
        width = max(16, min(100, self.app.size.width) - 4)
        drawn = tuple(((f" {part}", "warn"),) for line in lines for part in wrap(text(line)[0], width))
        return await self.app.push_screen_wait(ConfirmDialog(drawn, verb="Take over"))

    def tell_taken_over(self, before: Snapshot, after: Snapshot) -> None:
        """Somebody took what was ours: who had it is told at once."""
        if before.ledger.incidents is not after.ledger.incidents:
            self.incidents.tell_taken_over(before, after)
        if before.ledger.owners is after.ledger.owners:
            return
        user = self.app.settings.user
        for fingerprint, old in before.ledger.owners.items():
            new = after.ledger.owners.get(fingerprint)
            if new is None or new.id == old.id or fingerprint in self._taking:
                continue
            if whose(old, user=user) is not Ownership.OURS or not whose(new, user=user).held:
                continue
            tracked = after.alert(fingerprint) or before.alert(fingerprint)
            name = tracked.alert.name if tracked else fingerprint
            told = f"{new.author} took over {name}"
            if new.at <= old.at:
                told = f"{new.author} had taken {name} before you: it is not yours"
            self.app.notify(told, title="Taken over", severity="warning", timeout=60, markup=False)

    def copy(self, event: messages.CopyRequested) -> None:
        self.app.run_worker(self._copy(event), f"copying {event.named}", "copy", exclusive=True)

    async def _copy(self, event: messages.CopyRequested) -> None:
        told, file = await self.copy_text(event.text, event.named)
        self.say(told, seconds=10 if file else 4)

    async def copy_text(self, text: str, named: str) -> tuple[str, str]:
        """Puts a text where a person can paste it; gives the sentence that says where, and the path of its file, if any.

        Only what tmux confirms is called copied; everything else is in a file too.
        """
        reach = await self.app.copy_text(text)
        if reach is ClipboardReach.TMUX:
            return f"copied {named} into tmux's buffer: prefix ] pastes it", ""
        try:
            path = await asyncio.to_thread(write_export, self.app.settings.paths.state_dir, named, text, now=self.app.clock())
            file, where = str(path), f"it is in {path}"
        except OSError as error:
            file, where = "", f"it could not be written to a file either: {error.filename}: {error.strerror}"
        if reach is ClipboardReach.TERMINAL:
            return f"sent {named} to the terminal's clipboard (OSC 52), which no terminal confirms; {where}", file
        return f"the multiplexer passes nothing on to a clipboard, so {named} was not copied; {where}", file
