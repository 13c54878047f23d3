"""The guard of one run: its gates in the preview, its events in the journal, and its watch once the change is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from console.actions.action import Action, ClusterReader, Guardable
from console.actions.guard.checks import GuardChecks
from console.actions.guard.drill import describe_protected, guard_class
from console.actions.guard.fence import GuardFence
from console.actions.guard.guard import Guard, GuardControl, GuardReport, RunUndo
from console.actions.guard.model import GuardOptions, GuardResult
from console.actions.guard.notices import UNTOLD, AppendTo, GuardNotices, Send
from console.actions.guard.source import GuardSource
from console.actions.plan import ActionRefused, CheckLevel, ClusterTarget, Plan, PreflightCheck
from console.actions.preflight import changes_cluster
from console.config.settings import Settings
from console.journal import process
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import GuardEnded, GuardSignal, GuardStarted, GuardTakenOver, GuardWatching, Payload
from console.state.guards import GuardRecord, Guards
from queries.errors import SourceError
from queries.text.secrets import redact_value

Append = Callable[[Payload], Event]
"""Journals an event of this run. May block; raises JournalError."""


class GuardedRun:
    """The run calls `check` for its preview, `start` before the change, `on_accepted` after it, and then `watch`."""

    def __init__(
        self,
        identity: str,
        action: Action,
        options: GuardOptions,
        source: GuardSource,
        *,
        settings: Settings,
        reader: ClusterReader,
        append: Append,
        append_to: AppendTo,
        fence: GuardFence,
        run_undo: RunUndo,
        send: Send,
        control: GuardControl,
        clock: Callable[[], float],
    ) -> None:
        """Raises ActionRefused for an action whose change cannot be watched."""
        if not isinstance(action, Guardable):
            raise ActionRefused(f"{action.name} changes nothing that a guard could watch")
        if options.drill and settings.protected:
            raise ActionRefused(describe_protected(settings.environment))
        self.guard: Guard | None = None
        self._identity = identity
        self._action = action
        self._stateful: Guardable = action
        self._options = options
        self._source = source
        self._settings = settings
        self._reader = reader
        self._append = append
        self._fence = fence
        self._state = ""
        """The digest of what the change is about when the server accepted it; empty if it could not be read."""
        self._run_undo = run_undo
        self._control = control
        self._clock = clock
        self._checks = GuardChecks(options, source, settings)
        self._append_to = append_to
        self._send = send
        self._open = False

    async def check(self, plan: Plan, target: ClusterTarget) -> tuple[PreflightCheck, ...]:
        """The gates. Raises SourceError if the signals cannot be read."""

        def others(guards: Guards) -> tuple[GuardRecord, ...]:
            return tuple(item for item in guards.of_target(plan.subject, target.identity) if item.id != self._identity)

        request = plan.request
        checks = await self._checks.check(
            plan.subject, others, self._clock(), fingerprint=request.fingerprint, overrule=request.overrule
        )
        return tuple(checks)

    def describe(self, plan: Plan) -> tuple[str, ...]:
        """The notes of the preview."""
        return self._checks.describe(plan.undo)

    async def start(self, plan: Plan, target: ClusterTarget) -> None:
        """Measures the signals again, journals the guard, and makes sure that no other one was first.

        Raises SourceError, JournalError and ActionRefused; nothing was sent then.
        """
        previewed = self._checks.signals
        checks = await self._checks.measure(plan.subject)
        if blocked := [item.text for item in checks if item.level is CheckLevel.BLOCK]:
            raise ActionRefused("; ".join(blocked))
        if laxer := [item.title or item.panel for item in self._checks.signals if not _is_as_strict(item, previewed)]:
            raise ActionRefused(f"the limit of {', '.join(laxer)} is laxer than in the preview; review again")
        state = await self._stateful.fetch_state(plan.request, self._reader)
        options, undo, identity = self._options, plan.undo, target.identity
        if undo is not None and undo.action != self._stateful.undone_by:
            raise TypeError(f"{plan.request.action} does not declare that {undo.action} rolls it back")
        await asyncio.to_thread(
            self._append,
            GuardStarted(
                plan.request.action,
                plan.subject,
                plan.title,
                identity.cluster_uid,
                identity.namespace_uid,
                process.current().text(),
                options.watch_seconds,
                options.hold_seconds,
                options.countdown_seconds,
                self._checks.signals,
                options.twin,
                undo.action if undo else "",
                undo.target if undo else "",
                dict(undo.parameters) if undo else {},
                state,
                plan.request.fingerprint,
                options.drill,
                {name: redact_value(name, value) for name, value in plan.request.parameters.items()},
            ),
        )
        self._open = True
        guards, _ = await self._source.fetch_guards()
        known = guards.of_target(plan.subject, identity)
        if known and known[0].id != self._identity:
            raise ActionRefused(f"{known[0].author} started a guard of {plan.subject} at the same moment")

    async def on_accepted(self, plan: Plan) -> None:
        """The server has the change: from now on its signals count."""
        self.guard = guard_class(self._options)(
            self._options,
            self._checks.signals,
            target=plan.subject,
            undo=plan.undo,
            source=self._source,
            settings=self._settings,
            record=self.record,
            run_undo=self._run_undo,
            find_change=lambda: self._find_change(plan),
            find_loss=self._fence.find_loss,
            control=self._control,
            clock=self._clock,
            fingerprint=plan.request.fingerprint,
            notices=self._notices(plan),
        )
        try:
            self._state = await self._stateful.fetch_state(plan.request, self._reader)
        except (SourceError, ActionRefused):
            self._state = ""  # another console can name the guard then, but not watch on
        await self.record(GuardWatching(self._state))

    async def watch(self, failure: str = "") -> AsyncGenerator[GuardReport, None]:
        """As `Guard.watch`."""
        if self.guard is None:
            return
        async with aclosing(self.guard.watch(failure)) as reports:
            async for report in reports:
                self._open = self._open and report.outcome is None
                yield report

    async def end(self, result: GuardResult, text: str, plan: Plan) -> str:
        """The guard ends before its watch; returns who was told, as the end of a sentence."""
        if not self._open:
            return ""
        self._open = False
        await self.record(GuardEnded(result.value, text, plan.subject, plan.request.fingerprint))
        if result in UNTOLD:
            return ""
        notices = self._notices(plan)
        notices.announce(text)
        try:
            return await notices.finish()
        finally:
            await notices.close()

    def _notices(self, plan: Plan) -> GuardNotices:
        return GuardNotices(
            plan.subject,
            fingerprint=plan.request.fingerprint,
            settings=self._settings.incidents,
            fetch_incidents=self._source.fetch_incidents,
            append=self._append_to,
            send=self._send,
        )

    def abandon(self) -> None:
        """The run stops although the guard has not ended: journal that nothing watches the change, without waiting."""
        if self._open:
            self._open = False
            try:
                self._append(GuardTakenOver("", process.current().text()))
            except JournalError:
                return  # the process ends, and that tells the others

    async def record(self, payload: Payload) -> str:
        """Why the event could not be journalled; empty if it was."""
        try:
            await asyncio.to_thread(self._append, payload)
        except JournalError as error:
            return str(error)
        return ""

    async def _find_change(self, plan: Plan) -> str:
        undone = await self._action.check_undone(plan, self._reader)
        if undone:
            return f"{undone.text}, by {undone.undone_by}"
        state = await self._stateful.fetch_state(plan.request, self._reader)
        if self._state and state != self._state:
            return f"{plan.subject} was changed by someone else since"
        # Of a change outside the cluster nothing else tells whether it is still there.
        known = self._state or changes_cluster(self._action, plan.request, self._settings)
        return "" if known else f"{plan.subject} could not be read when it was changed, so a later change would not be noticed"


def _is_as_strict(signal: GuardSignal, previewed: Sequence[GuardSignal]) -> bool:
    """Whether a signal counts against the change at least where the preview said so."""
    limit = next((item.limit for item in previewed if item.panel == signal.panel), None)
    if limit is None or signal.limit is None:
        return limit is None
    return signal.limit >= limit if signal.below else signal.limit <= limit
