"""What a person does to an incident on a screen: declare, note, steps, roles, updates, review."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from console.actions.plan import ActionRefused, Request
from console.config.errors import ConfigError
from console.incidents.observations import find_listed
from console.incidents.postmortem import as_markdown
from console.incidents.postmortem_html import as_html
from console.incidents.response_timers import ALERTS_UNKNOWN, STABLE, list_passed_deadlines, response_timers
from console.incidents.service import IncidentError, open_steps, save_text
from console.incidents.templates import STATUS_PAGE, TemplateError
from console.incidents.text import follow_up_text, timer_text
from console.journal.errors import JournalError
from console.journal.payloads import DeliveryState, Role, Step
from console.screens import messages
from console.screens.changes import ChangesScreen
from console.screens.flows.clipboard import copy_text
from console.screens.incident import IncidentScreen
from console.state.incident import Incident, Update, update_target
from console.state.public_status import public_status
from queries.model.frozen import dataclass
from queries.model.severity import Priority
from queries.text.durations import YEAR_SECONDS, parse_duration
from queries.text.times import InvalidTime, format_clock
from widgets.dialogs.confirm import ConfirmDialog, wrap_sentences
from widgets.dialogs.edit_text import EditTextDialog
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.select import SelectDialog

if TYPE_CHECKING:
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot
    from queries.model.alert import TrackedAlert

_CLIPBOARD, _FILE, _DRAFT = "clipboard", "to a file", "keep as draft"
_SOMEBODY, _NOBODY = "somebody", "nobody"
_NO_UPDATE = "there is no update yet; u writes one"
_Step: TypeAlias = "Callable[[IncidentFlow, Session, Incident, Any], Awaitable[None]]"
"""What one kind of request does; its last argument is that request."""


@dataclass(frozen=True, slots=True)
class _Option:
    """One row of a selection."""

    key: str
    label: str
    description: str = ""


class IncidentFlow:
    """Each request asks for what it needs and writes to the journal; the timeline shows the result."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app
        self._assigning: set[tuple[str, Role]] = set()
        """Roles being assigned here: the flow itself reports how that ends."""
        self._reported: set[str] = set()

    def take_reported(self) -> set[str]:
        """The ids of the incidents of which a notice named a new holder of this person's role since the last call."""
        reported, self._reported = self._reported, set()
        return reported

    def declare(self, request: messages.DeclareIncidentRequested | None = None) -> None:
        if self.app.refuse_in_past():
            return
        step = partial(self._declare, request=request or messages.DeclareIncidentRequested())
        self.app.run_worker(self._run(step), "declaring the incident", "incident")

    def run(self, request: messages.IncidentRequested) -> None:
        if not isinstance(request, messages.ShowChangesRequested) and self.app.refuse_in_past():
            return
        step, label = self._steps[type(request)]
        self.app.run_worker(self._run(partial(self._change, request, step)), label, "incident")

    async def _run(self, step: Callable[[Session], Awaitable[None]]) -> None:
        session = self.app.session
        if session is None:
            self.app.show_notice("the session is not open yet", warning=True)
            return
        try:
            await step(session)
        except (JournalError, TemplateError, ConfigError, ActionRefused, InvalidTime, IncidentError) as error:
            self.app.show_notice(str(error), warning=True)
        except OSError as error:
            self.app.show_notice(f"{error.filename}: {error.strerror}", warning=True)

    async def _change(self, request: messages.IncidentRequested, step: _Step, session: Session) -> None:
        incident = await session.incident(request.incident_id)
        if incident is None:
            self.app.show_notice("this incident is not in the journal", warning=True)
        else:
            await step(self, session, incident, request)

    async def _declare(self, session: Session, request: messages.DeclareIncidentRequested) -> None:
        snapshot, fingerprint = session.snapshot(), request.fingerprint
        # An alert that resolved is still what the incident is about: fix first, declare later.
        tracked = snapshot.alert(fingerprint) or request.alert if fingerprint else None
        existing = next((item for item in snapshot.ledger.incidents.open if fingerprint and item.links(fingerprint)), None)
        if existing is not None:
            self.app.push_screen(IncidentScreen(existing.id))
            return
        alerts = (tracked,) if tracked else ()
        title, severity = session.incidents.propose(alerts)
        if tracked and snapshot.ledger.incidents.open and await self._link_to_open(session, tracked):
            return
        values = await self.app.push_screen_wait(
            FormDialog(
                "Declare an incident",
                (
                    FormField("title", "what is wrong", title),
                    FormField("severity", "P1 platform down · P2 major feature · P3 slow · P4 minor", severity.value),
                    FormField("commander", "the incident commander", self.app.settings.user, required=False),
                    FormField("began", "how long ago (e.g. 20m); empty: with its first alert", required=False),
                ),
                verb="Declare",
            )
        )
        if values is None:
            return
        try:
            level = Priority(values["severity"].upper())
        except ValueError:
            message = f"{values['severity']!r} is not one of {', '.join(Priority)}: nothing was declared"
            self.app.show_notice(message, warning=True)
            return
        began = values.get("began", "")
        if not await self._confirm_another(session, {item.id for item in snapshot.ledger.incidents.open}):
            return
        incident = await session.incidents.declare(
            title=values["title"],
            severity=level,
            alerts=alerts,
            commander=values.get("commander", ""),
            seconds_ago=parse_duration(began, least=1.0, most=YEAR_SECONDS) if began else 0.0,
        )
        self.app.push_screen(IncidentScreen(incident.id))

    async def _confirm_another(self, session: Session, known: Collection[str]) -> bool:
        """Whether to declare one: two people see the same alert at the same time, and the second would divide the response.

        Shows what somebody declared meanwhile unless a person wants another one.
        """
        ledger, caveat = await session.newest_ledger()
        if caveat:
            self.app.show_notice(f"could not check whether someone else declared an incident: {caveat}", warning=True)
        other = next((item for item in reversed(ledger.incidents.open) if item.id not in known), None)
        if other is None:
            return True
        sentence = f"{other.declared_by} has already declared {other.severity} incident #{other.number}: {other.title}"
        lines = wrap_sentences((sentence,), self.app.size.width)
        if await self.app.push_screen_wait(ConfirmDialog(lines, verb="Declare another", cancel=f"Open #{other.number}")):
            return True
        self.app.push_screen(IncidentScreen(other.id))
        return False

    async def _link_to_open(self, session: Session, tracked: TrackedAlert) -> bool:
        """Offer to link the alert to an open incident; False when a person wants a new one."""
        options = tuple(
            _Option(item.id, f"#{item.number} {item.severity}", item.title) for item in session.snapshot().ledger.incidents.open
        )
        choice = await self._select(
            f"{tracked.alert.name}: link to", (*options, _Option("new", "a new incident", "declare one"))
        )
        if choice is None:
            return True
        if choice != "new":
            await session.incidents.link_alert(choice, tracked)
            self.app.push_screen(IncidentScreen(choice))
        return choice != "new"

    async def _add_note(self, session: Session, incident: Incident, request: messages.AddNoteRequested) -> None:
        await session.incidents.add_note(incident, request.text)

    async def _complete_step(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        now, policy = self.app.clock(), session.severity_policies.for_severity(incident.severity)
        options = tuple(
            _Option(item.step.value, item.step.value, timer_text(item, now)) for item in response_timers(incident, policy, now)
        )
        choice = await self._select("Mark a step as done or not done", options)
        if choice is None:
            return
        step = Step(choice)
        done = step not in incident.completions
        early = session.incidents.early_resolution(incident) if done and step is Step.RESOLVE else ""
        verb = "Done" if done else "Not done"
        title = f"{step}: {verb.lower()}{f' ({early})' if early else ''}"
        values = await self.app.push_screen_wait(
            FormDialog(title, (FormField("note", "for the timeline", required=False),), verb=verb)
        )
        if values is not None:
            await session.incidents.change_step(incident, step, done=done, note=values.get("note", ""))

    async def _assign_role(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        options = tuple(_Option(role.value, role.value, incident.person(role) or "nobody") for role in Role)
        choice = await self._select("Assign a role", options)
        if choice is None:
            return
        role = Role(choice)
        people = tuple(_Option(f"= {name}", name) for name in session.incidents.people(incident))
        others = (_Option(_SOMEBODY, "someone else", "type a name"), _Option(_NOBODY, "nobody", "leave the role empty"))
        choice = await self._select(f"{role} of this incident", (*people, *others))
        if choice is None:
            return
        person, over = choice.removeprefix("= "), ""
        if choice == _SOMEBODY:
            field = FormField("person", "who takes the role")
            values = await self.app.push_screen_wait(FormDialog(f"{role} of this incident", (field,), verb="Assign"))
            if values is None:
                return
            person = values["person"]
        elif choice == _NOBODY:
            person = ""
        while True:
            self._assigning.add((incident.id, role))
            try:
                change = await session.incidents.assign_role(incident.id, role, person, over=over)
            finally:
                self._assigning.discard((incident.id, role))
            if change.holder == person:
                break
            sentences = [f"{change.holder} has the role {role}: assign it to {person or 'nobody'}?"]
            sentences += [f"could not check whether this still holds: {change.caveat}"] if change.caveat else []
            lines = wrap_sentences(sentences, self.app.size.width)
            if not await self.app.push_screen_wait(ConfirmDialog(lines, verb="Take over")):
                return
            over = change.holder
        if change.caveat:
            message = f"{role}: {person or 'nobody'}; could not check whether someone else changed it: {change.caveat}"
            self.app.show_notice(message, warning=True)

    def report_takeovers(self, before: Snapshot, after: Snapshot) -> None:
        """Tell this person at once about a role of theirs that somebody else took over."""
        if before.ledger.incidents is after.ledger.incidents:
            return
        user = self.app.settings.user
        for incident in before.ledger.incidents.open:
            now = after.ledger.incidents.get(incident.id)
            for role, person in incident.roles if now is not None and now is not incident else ():
                holder = now.person(role) if now else ""
                if person == user and holder != user and (incident.id, role) not in self._assigning:
                    message = f"{holder or 'nobody'} has the role {role} of incident {incident.number} instead of you"
                    self._reported.add(incident.id)
                    self.app.flows.notifications.send("takeover", incident.severity, message, incident.title)
                    self.app.notify(message, title="Taken over", severity="warning", timeout=60, markup=False)

    def report_deadlines(self, before: Snapshot, after: Snapshot) -> None:
        """Say once that a response time, an update or a stability window has just ended."""
        session, incidents = self.app.session, after.ledger.incidents.open
        if session is None or not incidents:
            return
        passed = list_passed_deadlines(incidents, session.severity_policies, after=before.taken_at, until=after.taken_at)
        for incident, deadline in passed:
            message = f"the {deadline.name} is overdue"
            if deadline.name == STABLE:
                listed = find_listed(incident, after)
                if listed:
                    continue
                message = f"the stability window ended, {ALERTS_UNKNOWN}" if listed is None else "stable for the whole window"
            title = f"{incident.severity} incident {incident.number}"
            self.app.notify(message, title=title, severity="warning", timeout=30, markup=False)

    async def _change_severity(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        options = tuple(
            _Option(level.value, level.value, session.severity_policies.for_severity(level).meaning) for level in Priority
        )
        choice = await self._select(f"Severity, now {incident.severity}", options)
        if choice is not None:
            await session.incidents.change_severity(incident, Priority(choice))

    async def _write_update(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        templates = await session.incidents.load_templates()
        audience = templates.audiences[0]
        if len(templates.audiences) > 1:
            order = sorted(templates.audiences, key=lambda item: item != STATUS_PAGE)
            choice = await self._select("An update for", tuple(_Option(item, item) for item in order))
            if choice is None:
                return
            audience = choice
        draft = session.incidents.draft_update(incident, templates, audience, session.snapshot())
        title = f"Update for {audience}, {public_status(incident)}"
        update_text = await self.app.push_screen_wait(EditTextDialog(title, draft))
        if update_text is not None:
            await self._choose_delivery(session, incident, await session.incidents.write_update(incident, update_text))

    async def _deliver_update(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        if not incident.updates:
            self.app.show_notice(_NO_UPDATE)
            return
        await self._choose_delivery(session, incident, incident.updates[-1])

    async def _choose_delivery(self, session: Session, incident: Incident, update: Update) -> None:
        """The journal holds the update; U asks again where to send it."""
        delivered = {item.where: f"{item.state} {format_clock(item.at)}" for item in update.deliveries}
        options = [
            _Option(f"channel {item.name}", f"to {item.name}", f"{item.kind}, with a preview  {delivered.get(item.name, '')}")
            for item in session.settings.incidents.channels
        ]
        by_hand = "to paste by hand; o marks it as sent"
        options += [
            _Option(_CLIPBOARD, "to the clipboard", f"{by_hand}  {delivered.get('clipboard', '')}"),
            _Option(_FILE, _FILE, by_hand),
            _Option(_DRAFT, _DRAFT, "the journal has it; U asks again"),
        ]
        choice = await self._select("Send the update", tuple(options))
        if choice in (None, _DRAFT):
            return
        if choice == _CLIPBOARD:
            sentence, file = await copy_text(self.app, update.text, "the update")
            how, where = (DeliveryState.WRITTEN, file) if file else (DeliveryState.COPIED, "tmux's buffer")
            if file or sentence.startswith("copied"):
                await session.incidents.record_copy(incident, update, how, where)
            self.app.show_notice(f"{sentence}. Paste it where people read it, then o marks it as sent", seconds=15)
        elif choice == _FILE:
            await self._write_update_file(session, incident, update)
        elif choice is not None:
            channel = choice.removeprefix("channel ")
            self.app.flows.actions.run(Request("notify", update_target(incident.id, update.id), {"channel": channel}))

    async def _write_update_file(self, session: Session, incident: Incident, update: Update) -> None:
        path = f"incident-{incident.id}-update.txt"
        values = await self.app.push_screen_wait(FormDialog("Write the update to", (FormField("file", "a path", path),)))
        if values is None:
            return
        await session.incidents.save_update(incident, update, values["file"])
        self.app.show_notice(f"written to {values['file']}; o marks it as sent once it is published")

    async def _mark_sent(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        """A person says where and when the last update was published; the timer of the next one starts there."""
        if not incident.updates:
            self.app.show_notice(_NO_UPDATE)
            return
        update = incident.updates[-1]
        fields = (
            FormField("where", "where people read it", STATUS_PAGE),
            FormField("ago", "how long ago it was published (e.g. 5m); empty: now", required=False),
        )
        first = update.text.strip().partition("\n")[0][:40]
        values = await self.app.push_screen_wait(FormDialog(f"Published: {first}", fields, verb="Mark as sent"))
        if values is None:
            return
        ago = values.get("ago", "")
        await session.incidents.mark_sent(
            incident, values["where"], seconds_ago=parse_duration(ago, least=1.0, most=YEAR_SECONDS) if ago else 0.0
        )
        self.app.show_notice("marked as sent; the timer of the next update starts from then")

    async def _follow_up(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        left = [item for item in incident.follow_ups if not item.done]
        if left:
            done = tuple(_Option(item.id, "done", follow_up_text(item)) for item in left)
            choice = await self._select("Follow-ups", (_Option("new", "add", "something to do after the incident"), *done))
            if choice is None:
                return
            if choice != "new":
                await session.incidents.finish_follow_up(incident, choice)
                return
        fields = (
            FormField("what", "what to do after the incident"),
            FormField("owner", "the owner", self.app.settings.user),
            FormField("due", "due date: 2026-12-05, or 3d for 3 days from now", "7d"),
        )
        values = await self.app.push_screen_wait(FormDialog("Add a follow-up", fields, verb="Add"))
        if values is not None:
            await session.incidents.add_follow_up(incident, values["what"], owner=values["owner"], due=values["due"])

    async def _show_changes(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        self.app.show_notice("fetching what changed")
        self.app.push_screen(ChangesScreen(await session.incidents.changes(incident)))

    async def _write_review(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        field = FormField("file", "a path; .html with charts, anything else as Markdown", f"incident-{incident.id}.html")
        values = await self.app.push_screen_wait(FormDialog("Write the post-incident review to", (field,), verb="Write"))
        if values is None:
            return
        charts = values["file"].lower().endswith((".html", ".htm"))
        report = await session.incidents.review(incident, charts=charts)
        await save_text(values["file"], await asyncio.to_thread(as_html if charts else as_markdown, report))
        self.app.show_notice(f"written to {values['file']}")

    async def _write_bundle(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        from console.replay.collect import default_name, write_incident_bundle  # noqa: PLC0415  # only for a bundle

        field = FormField("file", "a path", default_name(incident))
        values = await self.app.push_screen_wait(FormDialog("Write the bundle to", (field,), verb="Write"))
        if values is None:
            return
        reported: dict[str, None] = {}

        def report(progress: str) -> None:
            stage = progress.partition(":")[0].rstrip("0123456789 of")
            if stage not in reported:
                reported[stage] = None
                self.app.show_notice(f"bundle: {progress} …", seconds=3)

        written = await write_incident_bundle(session, incident, values["file"], report=report)
        missing = [f"{item.name} {item.state}" for item in written.manifest.sources if item.state in ("partial", "not read")]
        caveat = f"; not complete: {', '.join(missing)}" if missing else ""
        self.app.show_notice(f"written to {written.path}{caveat}", seconds=10)

    async def _close(self, session: Session, incident: Incident, request: messages.IncidentRequested) -> None:
        verb = "Close" if incident.open else "Reopen"
        title = f"{verb} incident {incident.number}"
        if incident.open and (missing := open_steps(incident)):
            title += f" (not done: {', '.join(missing)})"
        field = FormField("why", "for the timeline", required=False)
        values = await self.app.push_screen_wait(FormDialog(title, (field,), verb=verb))
        if values is not None:
            change = session.incidents.close if incident.open else session.incidents.reopen
            await change(incident, values.get("why", ""))

    async def _select(self, title: str, options: tuple[_Option, ...]) -> str | None:
        """The key of the chosen option, or None."""
        width = max(len(item.label) for item in options) + 2
        rows = tuple((item.key, f"{item.label:<{width}}{item.description}".rstrip()) for item in options)
        return await self.app.push_screen_wait(SelectDialog(title, rows)) or None

    _steps: ClassVar[dict[type[messages.IncidentRequested], tuple[_Step, str]]] = {
        messages.AddNoteRequested: (_add_note, "adding the note"),
        messages.CompleteStepRequested: (_complete_step, "completing the step"),
        messages.AssignRoleRequested: (_assign_role, "assigning the role"),
        messages.ChangeSeverityRequested: (_change_severity, "changing the severity"),
        messages.WriteUpdateRequested: (_write_update, "writing the update"),
        messages.DeliverUpdateRequested: (_deliver_update, "sending the update"),
        messages.MarkUpdateSentRequested: (_mark_sent, "marking the update as sent"),
        messages.FollowUpRequested: (_follow_up, "recording the follow-up"),
        messages.ShowChangesRequested: (_show_changes, "fetching the changes"),
        messages.WriteReviewRequested: (_write_review, "writing the review"),
        messages.WriteBundleRequested: (_write_bundle, "writing the bundle"),
        messages.CloseIncidentRequested: (_close, "closing the incident"),
    }
