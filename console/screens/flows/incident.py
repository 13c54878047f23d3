"""What is asked of an incident on a screen, done: declare, note, tick, roles, updates, review."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.actions.plan import ActionRefused, Request
from console.config.errors import ConfigError
from console.incidents.declaration import declaration
from console.incidents.postmortem import as_markdown
from console.incidents.postmortem_data import changes_before, review
from console.incidents.response_timers import clocks, early_resolution
from console.incidents.templates import STATUS_PAGE, TemplateError, Templates, facts_of
from console.incidents.text import clock_words, moment
from console.journal.sqlite import JournalError
from console.screens.changes import ChangesScreen
from console.screens.incident import IncidentScreen
from console.state import incident_events
from console.state.incident import DeliveryState, Incident, Role, Step, Update
from console.state.public_status import phase
from queries.model.alert import Priority
from queries.text.spans import InvalidTime, seconds_of
from widgets.dialogs.confirm import ConfirmDialog
from widgets.dialogs.edit_text import EditTextDialog
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.select import SelectDialog
from widgets.styled_text import text

if TYPE_CHECKING:
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp
    from console.screens.flows.actions import ActionFlow
    from console.state.snapshot import Snapshot

_CLIPBOARD, _FILE, _NOWHERE = "copied", "to a file", "nowhere yet"


@dataclass(frozen=True, slots=True)
class _Option:
    """One thing to pick: its key, its name, and what is to be said of it."""

    key: str
    name: str
    told: str = ""


class IncidentFlow:
    """Each errand asks what it has to, writes to the journal, and says so; the timeline shows the rest."""

    def __init__(self, app: ConsoleApp, errands: ActionFlow) -> None:
        self.app = app
        self.errands = errands
        self._giving: set[tuple[str, Role]] = set()
        """Roles that are just being given here."""

    def run(self, what: str, identity: str, told: str = "") -> None:
        self.app.run_worker(self._run(what, identity, told), f"the incident's {what}", "incident")

    async def _run(self, what: str, identity: str, told: str) -> None:
        session = self.app.session
        if session is None:
            self.errands.say("the session is not open yet", trouble=True)
            return
        try:
            if what == "declare":
                await self._declare(session, told)
                return
            incident = await session.incident(identity)
            if incident is None:
                self.errands.say("this incident is not in the journal", trouble=True)
                return
            await self._work[what](self, session, incident, told)
        except (JournalError, TemplateError, ConfigError, ActionRefused, InvalidTime) as error:
            self.errands.say(str(error), trouble=True)
        except OSError as error:
            self.errands.say(f"{error.filename}: {error.strerror}", trouble=True)

    async def _declare(self, session: Session, fingerprint: str) -> None:
        snapshot = session.snapshot()
        tracked = snapshot.alert(fingerprint) if fingerprint else None
        running = next((item for item in snapshot.ledger.incidents.open if fingerprint and item.links(fingerprint)), None)
        if running is not None:
            self.app.push_screen(IncidentScreen(running.id))
            return
        own = (tracked,) if tracked else ()
        try:
            proposed = declaration(snapshot, alerts=own)
            title, severity = str(proposed["title"]), str(proposed["severity"])
        except ValueError:
            title, severity = "", Priority.P2.value
        if tracked and snapshot.ledger.incidents.open and await self._joins(session, tracked.alert.name, fingerprint):
            return
        answers = await self.app.push_screen_wait(
            FormDialog(
                "Declare an incident",
                (
                    FormField("title", "what is wrong", title),
                    FormField("severity", "P1 platform down · P2 major feature · P3 slow · P4 minor", severity),
                    FormField("commander", "who leads", self.app.settings.user, required=False),
                ),
                verb="Declare",
            )
        )
        if answers is None:
            return
        try:
            level = Priority(answers["severity"].upper())
        except ValueError:
            self.errands.say(f"{answers['severity']!r} is none of {', '.join(Priority)}: nothing was declared", trouble=True)
            return
        data = declaration(
            session.snapshot(), title=answers["title"], severity=level, alerts=own, commander=answers.get("commander", "")
        )
        identity = incident_events.new_id()
        await session.record(incident_events.DECLARED, identity, data)
        self.app.push_screen(IncidentScreen(identity))

    async def _joins(self, session: Session, name: str, fingerprint: str) -> bool:
        """Whether the alert belongs to an incident that is open already."""
        from console.incidents.declaration import linked  # noqa: PLC0415

        options = tuple(
            _Option(item.id, f"#{item.number} {item.severity}", item.title) for item in session.snapshot().ledger.incidents.open
        )
        picked = await self._pick(f"{name}: belongs to", (*options, _Option("new", "a new incident", "declare one")))
        if picked is None:
            return True
        tracked = session.snapshot().alert(fingerprint)
        if picked != "new" and tracked is not None:
            await session.record(incident_events.ALERT, picked, incident_events.alert(linked(tracked), on=True))
            self.app.push_screen(IncidentScreen(picked))
        return picked != "new"

    async def _note(self, session: Session, incident: Incident, told: str) -> None:
        await session.record(incident_events.NOTE, incident.id, incident_events.note(told))

    async def _tick(self, session: Session, incident: Incident, told: str) -> None:
        now, response = self.app.clock(), session.response.of(incident.severity)
        options = tuple(
            _Option(item.step.value, item.step.value, clock_words(item, now)) for item in clocks(incident, response, now)
        )
        picked = await self._pick("Tick or untick a step", options)
        if picked is None:
            return
        step = Step(picked)
        done = step not in incident.ticks
        early = early_resolution(incident, response, now) if done and step is Step.RESOLVE else ""
        verb = "Done" if done else "Not done"
        title = f"{step}: {'done' if done else 'not done after all'}{f' ({early})' if early else ''}"
        answers = await self.app.push_screen_wait(
            FormDialog(title, (FormField("note", "what for", required=False),), verb=verb)
        )
        if answers is None:
            return
        note = ": ".join(part for part in (early, answers.get("note", "")) if part)
        await session.record(incident_events.STEP, incident.id, incident_events.step(step, done=done, note=note))

    async def _role(self, session: Session, incident: Incident, told: str) -> None:
        options = tuple(_Option(role.value, role.value, incident.person(role) or "nobody") for role in Role)
        picked = await self._pick("Who has which role", options)
        if picked is None:
            return
        role = Role(picked)
        question = FormField("person", "empty: nobody", incident.person(role) or self.app.settings.user, required=False)
        answers = await self.app.push_screen_wait(FormDialog(f"{role} of this incident", (question,), verb="Set"))
        if answers is None:
            return
        person, over = answers.get("person", ""), ""
        while True:
            self._giving.add((incident.id, role))
            try:
                has, doubt = await session.give_role(incident.id, role, person, over=over)
            finally:
                self._giving.discard((incident.id, role))
            if has == person:
                break
            asked = [f"{has} has the role {role}: give it to {person or 'nobody'}?"]
            asked += [f"not known whether that is still so: {doubt}"] if doubt else []
            lines = tuple(((f" {text(line)[0]}", "warn"),) for line in asked)
            if not await self.app.push_screen_wait(ConfirmDialog(lines, verb="Take over")):
                return
            over = has
        if doubt:
            self.errands.say(
                f"{role}: {person or 'nobody'}; it is not known whether somebody else changed it: {doubt}", trouble=True
            )

    def tell_taken_over(self, before: Snapshot, after: Snapshot) -> None:
        """Somebody took a role that this person had: who had it is told at once."""
        user = self.app.settings.user
        for incident in before.ledger.incidents.open:
            now = after.ledger.incidents.get(incident.id)
            for role, person in incident.roles if now is not None and now is not incident else ():
                has = now.person(role) if now else ""
                if person == user and has != user and (incident.id, role) not in self._giving:
                    told = f"{has or 'nobody'} has the role {role} of incident {incident.number} instead of you"
                    self.app.notify(told, title="Taken over", severity="warning", timeout=60, markup=False)

    async def _severity(self, session: Session, incident: Incident, told: str) -> None:
        options = tuple(_Option(level.value, level.value, session.response.of(level).meaning) for level in Priority)
        picked = await self._pick(f"Severity, now {incident.severity}", options)
        if picked is not None and picked != incident.severity:
            await session.record(incident_events.SEVERITY, incident.id, incident_events.severity(Priority(picked)))

    async def _update(self, session: Session, incident: Incident, told: str) -> None:
        templates = await asyncio.to_thread(Templates.load, session.settings.incidents.templates_dir)
        audience = templates.audiences[0]
        if len(templates.audiences) > 1:
            order = sorted(templates.audiences, key=lambda item: item != STATUS_PAGE)
            picked = await self._pick("An update for", tuple(_Option(item, item) for item in order))
            if picked is None:
                return
            audience = picked
        facts = facts_of(incident, session.snapshot(), session.response.of(incident.severity), now=self.app.clock())
        text = templates.fill(audience, facts, phase(incident))
        letter = await self.app.push_screen_wait(EditTextDialog(f"Update for {audience}, {phase(incident)}", text))
        if letter is None:
            return
        data = incident_events.update(letter)
        await session.record(incident_events.UPDATE, incident.id, data)
        await self._bring_out(session, incident, Update(str(data["update"]), self.app.clock(), self.app.settings.user, letter))

    async def _deliver(self, session: Session, incident: Incident, told: str) -> None:
        if not incident.updates:
            self.errands.say("there is no update yet; u writes one")
            return
        await self._bring_out(session, incident, incident.updates[-1])

    async def _bring_out(self, session: Session, incident: Incident, update: Update) -> None:
        """The update is in the journal; where it goes now is one question, and may be asked again with U."""
        went = {item.where: f"{item.state} {moment(item.at)}" for item in update.sendings}
        options = [
            _Option(f"channel {item.name}", f"to {item.name}", f"{item.kind}, with a preview  {went.get(item.name, '')}")
            for item in session.settings.incidents.channels
        ]
        by_hand = "to paste it by hand; o marks it as sent"
        options += [_Option(_CLIPBOARD, _CLIPBOARD, f"{by_hand}  {went.get('clipboard', '')}"), _Option(_FILE, _FILE, by_hand)]
        options.append(_Option(_NOWHERE, "nowhere yet", "it is kept; U asks again"))
        picked = await self._pick("The update is kept. It goes", tuple(options))
        if picked in (None, _NOWHERE):
            return
        if picked == _CLIPBOARD:
            told, file = await self.errands.copy_text(update.text, "the update")
            how, where = (DeliveryState.WRITTEN, file) if file else (DeliveryState.COPIED, "tmux's buffer")
            if file or told.startswith("copied"):
                await session.record(incident_events.DELIVERED, incident.id, incident_events.delivered(update.id, how, where))
            self.errands.say(f"{told}. Paste it where people read it, then o marks it as sent", seconds=15)
        elif picked == _FILE:
            await self._to_file(session, incident, update)
        elif picked is not None:
            channel = picked.removeprefix("channel ")
            self.errands.run_action(Request("notify", f"update/{incident.id}/{update.id}", {"channel": channel}))

    async def _to_file(self, session: Session, incident: Incident, update: Update) -> None:
        proposed = f"incident-{incident.id}-update.txt"
        answers = await self.app.push_screen_wait(FormDialog("Write the update to", (FormField("file", "a path", proposed),)))
        if answers is None:
            return
        await asyncio.to_thread(_write, answers["file"], update.text + "\n")
        await session.record(
            incident_events.DELIVERED, incident.id, incident_events.delivered(update.id, DeliveryState.WRITTEN, answers["file"])
        )
        self.errands.say(f"written to {answers['file']}; o marks it as sent once it is out")

    async def _sent(self, session: Session, incident: Incident, told: str) -> None:
        """A person says that the last update is out, and since when: the clock of the next one begins there."""
        if not incident.updates:
            self.errands.say("there is no update yet; u writes one")
            return
        update = incident.updates[-1]
        questions = (
            FormField("where", "where people read it", STATUS_PAGE),
            FormField("ago", "how long ago it went out, as 5m; empty: now", required=False),
        )
        first = update.text.strip().partition("\n")[0][:40]
        answers = await self.app.push_screen_wait(FormDialog(f"This update is out: {first}", questions, verb="It is out"))
        if answers is None:
            return
        ago = answers.get("ago", "")
        at = self.app.clock() - (seconds_of(ago) if ago else 0.0)
        await session.record(
            incident_events.DELIVERED,
            incident.id,
            incident_events.delivered(update.id, DeliveryState.MARKED, answers["where"], at=at),
        )
        self.errands.say("marked as sent; the next update is due from then on")

    async def _changes(self, session: Session, incident: Incident, told: str) -> None:
        self.errands.say("asking what changed")
        self.app.push_screen(ChangesScreen(await changes_before(session, incident)))

    async def _report(self, session: Session, incident: Incident, told: str) -> None:
        question = FormField("file", "a path; Markdown", f"incident-{incident.id}.md")
        answers = await self.app.push_screen_wait(FormDialog("Write the post-incident review to", (question,), verb="Write"))
        if answers is None:
            return
        made = await review(session, incident, now=self.app.clock())
        await asyncio.to_thread(_write, answers["file"], as_markdown(made))
        self.errands.say(f"written to {answers['file']}")

    async def _close(self, session: Session, incident: Incident, told: str) -> None:
        verb = "Close" if incident.open else "Open again"
        missing = [step.value for step in Step if step not in incident.ticks and step is not Step.REVIEW]
        title = f"{verb} incident {incident.number}"
        if incident.open and missing:
            title += f" (not done: {', '.join(missing)})"
        question = FormField("why", "for the timeline", required=False)
        answers = await self.app.push_screen_wait(FormDialog(title, (question,), verb=verb))
        if answers is not None:
            kind = incident_events.CLOSED if incident.open else incident_events.REOPENED
            await session.record(kind, incident.id, incident_events.closed(answers.get("why", "")))

    async def _pick(self, title: str, options: tuple[_Option, ...]) -> str | None:
        """The key of the one that was chosen; None where none was."""
        names = max(len(item.name) for item in options) + 2
        rows = tuple((item.key, f"{item.name:<{names}}{item.told}".rstrip()) for item in options)
        return await self.app.push_screen_wait(SelectDialog(title, rows)) or None

    _work: dict[str, Callable[[IncidentFlow, Any, Incident, str], Awaitable[None]]] = {  # noqa: RUF012 - never changed
        "note": _note,
        "tick": _tick,
        "role": _role,
        "severity": _severity,
        "update": _update,
        "deliver": _deliver,
        "sent": _sent,
        "changes": _changes,
        "report": _report,
        "close": _close,
    }


def _write(file: str, text: str) -> None:
    Path(file).expanduser().write_text(text, encoding="utf-8")
