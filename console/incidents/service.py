"""What people do with incidents, one function a use-case; the screen and the command line call the same ones."""

from __future__ import annotations

import asyncio
import datetime
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from console.incidents.correlation import Correlation
from console.incidents.declaration import choose_alerts, declaration, linked_alert
from console.incidents.observations import find_listed
from console.incidents.postmortem import Postmortem
from console.incidents.postmortem_data import PostmortemSources, changes_before, review
from console.incidents.response_timers import early_resolution
from console.incidents.templates import Templates, template_variables
from console.journal.payloads import (
    AlertLinked,
    DeliveryState,
    FollowUpRecorded,
    IncidentClosed,
    IncidentNoteAdded,
    IncidentReopened,
    Payload,
    Role,
    RoleAssigned,
    SeverityChanged,
    Source,
    Step,
    StepChanged,
    UpdateDelivered,
    UpdateWritten,
)
from console.state.incident import FollowUp, Incident, Incidents, StepCompletion, Update, find_entry
from console.state.public_status import public_status
from queries.model.alert import TrackedAlert
from queries.model.frozen import dataclass
from queries.model.severity import Priority
from queries.model.text import visible
from queries.text.durations import UNIT_SECONDS, YEAR_SECONDS, parse_duration
from queries.text.times import InvalidTime, local_date

if TYPE_CHECKING:
    from console.journal.event import Event
    from console.state.journal_state import JournalState
    from console.state.snapshot import Snapshot

_PAGE = 500
_LISTED = 20


class IncidentError(Exception):
    """A use-case that is not possible; the message says why, and what to do instead."""


class IncidentSession(PostmortemSources, Protocol):
    """What the service needs of a session."""

    async def newest_ledger(self) -> tuple[JournalState, str]: ...

    async def record(self, subject: str, payload: Payload) -> Event: ...

    async def incident(self, name: str) -> Incident | None: ...

    async def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]: ...


@dataclass(frozen=True, slots=True)
class RoleChange:
    """Who holds the role now; `caveat` says why other consoles' events are not known."""

    holder: str
    caveat: str = ""


class IncidentService:
    """Every method that writes raises JournalError, and IncidentError where the use-case is not possible."""

    def __init__(self, session: IncidentSession, *, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock

    # Finding

    async def known(self) -> Incidents:
        """The incidents that the state holds."""
        return (await self._session.ledger()).incidents

    async def find(self, name: str = "") -> Incident:
        """By number, id or the start of an id, with the whole timeline; without a name the only open one, else the newest.

        Raises IncidentError, which lists the incidents there are.
        """
        known = await self.known()
        current = known.current()
        key = name or (current.id if current else "")
        incident = await self._session.incident(key) if key else None
        if incident is not None:
            return incident
        numbers = ", ".join(str(item.number) for item in (known.all[-_LISTED:] if name else known.open)) or "none"
        if name:
            more = f" and {known.count - _LISTED} older ones" if known.count > _LISTED else ""
            raise IncidentError(f"no incident {visible(name)!r}; known: {numbers}{more}")
        raise IncidentError(f"which incident? open: {numbers}" if known.open else "no incidents yet")

    async def all(self) -> tuple[Incident, ...]:
        """All of them, oldest first; of closed ones the outlines."""
        known = await self.known()
        older: list[Incident] = []
        before = known.count + 1
        while len(older) < known.older and (page := await self._session.older_incidents(before=before, limit=_PAGE)):
            older += page
            before = page[-1].number
        return (*reversed(older), *known.all)

    # Declaring

    async def declare(
        self,
        *,
        title: str = "",
        severity: Priority | None = None,
        alerts: Iterable[TrackedAlert] = (),
        commander: str = "",
        stability_seconds: float | None = None,
        seconds_ago: float = 0.0,
    ) -> Incident:
        """Title and severity default to those of the first alert. `seconds_ago` is how long ago it began, where a person says
        so: what was done to its alerts and their workloads since it began belongs to it.
        """
        snapshot = self._session.snapshot()
        linked, left_out = choose_alerts(snapshot, alerts, severity)
        try:
            payload = declaration(
                snapshot,
                title=title,
                severity=severity,
                alerts=linked,
                commander=commander,
                stability_seconds=stability_seconds,
                since=self._clock() - seconds_ago if seconds_ago else None,
            )
        except ValueError as error:
            raise IncidentError(str(error)) from None
        # The id starts with a letter, so that nobody can take it for a number.
        identity = f"i{uuid.uuid4().hex[:7]}"
        await self._session.record(identity, payload)
        if left_out:
            text = (
                f"{left_out:,} more alerts were firing; only {len(linked)} are linked, and only they delay the stability window"
            )
            await self._session.record(identity, IncidentNoteAdded(_new_part_id(), text))
        return await self.find(identity)

    def propose(self, alerts: Iterable[TrackedAlert]) -> tuple[str, Priority]:
        """Title and severity for a declaration; the title is empty where no alert provides one."""
        try:
            payload = declaration(self._session.snapshot(), alerts=alerts)
        except ValueError:
            return "", Priority.P2
        return payload.title, payload.severity

    async def link_alert(self, incident: str, tracked: TrackedAlert) -> None:
        alert = linked_alert(tracked)
        await self._session.record(incident, AlertLinked(alert.fingerprint, alert.name, alert.starts_at, alert.labels, on=True))

    # Working on it

    async def add_note(self, incident: Incident, text: str, *, corrects: str = "") -> str:
        """Returns the id of the new timeline entry; `corrects` is the id of the entry that it corrects."""
        if not text.strip():
            raise IncidentError("a note needs a text")
        corrected = find_entry(incident.entries, corrects) if corrects else None
        if corrects and corrected is None:
            raise IncidentError(f"there is no entry {visible(corrects)!r}; `incident show --format json` lists the ids")
        identity = _new_part_id()
        await self._session.record(incident.id, IncidentNoteAdded(identity, text, corrected.id if corrected else ""))
        return identity

    async def add_follow_up(self, incident: Incident, text: str, *, owner: str = "", due: str = "") -> str:
        """Something to do after the incident; `due` is a date or a duration from now. Returns its id."""
        if not text.strip():
            raise IncidentError("a follow-up needs a text")
        identity = _new_part_id()
        date = parse_due(due, now=self._clock()) if due else ""
        await self._session.record(incident.id, FollowUpRecorded(identity, text.strip(), owner.strip(), date))
        return identity

    async def finish_follow_up(self, incident: Incident, identity: str) -> FollowUp:
        found = next((item for item in incident.follow_ups if item.id == identity), None)
        if found is None:
            known = ", ".join(item.id for item in incident.follow_ups) or "none"
            raise IncidentError(f"there is no follow-up {visible(identity)!r}; known: {known}")
        if found.done:
            raise IncidentError(f"the follow-up {found.id} is already done")
        payload = FollowUpRecorded(found.id, found.text, found.owner, found.due, done=True)
        await self._session.record(incident.id, payload)
        return found

    async def change_step(self, incident: Incident, step: Step, *, done: bool, note: str = "") -> StepCompletion | None:
        """Completes or reopens a step; returns the completion that was there before, which still counts.

        The note of a resolution says what is missing of the stability window.
        """
        before = incident.completions.get(step)
        if not done and before is None:
            raise IncidentError(f"{step} is not done")
        caveat = self.early_resolution(incident) if done and step is Step.RESOLVE else ""
        await self._session.record(incident.id, StepChanged(step, done, ": ".join(filter(None, (caveat, note)))))
        return before

    def early_resolution(self, incident: Incident) -> str:
        """What a resolution now would miss of the stability window; empty where nothing."""
        policy = self._session.severity_policies.for_severity(incident.severity)
        listed = find_listed(incident, self._session.snapshot())
        return early_resolution(incident, policy, self._clock(), listed=listed)

    def people(self, incident: Incident) -> tuple[str, ...]:
        """Who can take a role: this person, those of the config, those whose consoles are on, and those who did something."""
        present = (item.user for item in self._session.snapshot().presence.others)
        holders = (person for _, person in incident.roles)
        acted = (entry.author for entry in incident.entries if entry.source in (Source.PERSON, Source.CONSOLE))
        own = self._session.settings
        return tuple(dict.fromkeys(filter(None, (own.user, *own.incidents.people, *present, *holders, *acted))))

    async def assign_role(self, incident: str, role: Role, person: str, *, over: str = "") -> RoleChange:
        """Assigns a role, or with an empty person nobody. `over` is who holds it, where somebody confirmed the takeover.

        Writes nothing where somebody else holds the role.
        """

        def holder(state: JournalState) -> str:
            found = state.incidents.get(incident)
            return found.person(role) if found else ""

        state, caveat = await self._session.newest_ledger()
        before = holder(state)
        if before == person or before not in ("", over, self._session.settings.user):
            return RoleChange(before, caveat)
        await self._session.record(incident, RoleAssigned(role, person, before))
        if caveat:
            return RoleChange(holder(await self._session.ledger()), caveat)
        state, caveat = await self._session.newest_ledger()
        return RoleChange(holder(state), caveat)

    async def change_severity(self, incident: Incident, severity: Priority, why: str = "") -> None:
        if severity is incident.severity:
            raise IncidentError(f"incident {incident.number} is already {severity}: nothing was changed")
        await self._session.record(incident.id, SeverityChanged(severity, why))

    async def close(self, incident: Incident, why: str = "") -> None:
        if not incident.open:
            raise IncidentError(f"incident {incident.number} is closed already")
        await self._session.record(incident.id, IncidentClosed(why))

    async def reopen(self, incident: Incident, why: str = "") -> None:
        if incident.open:
            raise IncidentError(f"incident {incident.number} is open")
        await self._session.record(incident.id, IncidentReopened(why))
        if incident.resolved_at is not None:
            # It is not over: otherwise no update would be due, and PagerDuty would be told that it is resolved.
            await self._session.record(incident.id, StepChanged(Step.RESOLVE, done=False, because="the incident was reopened"))

    # Public updates

    async def load_templates(self) -> Templates:
        """Raises TemplateError."""
        return await asyncio.to_thread(Templates.load, self._session.settings.incidents.templates_dir)

    def draft_update(self, incident: Incident, templates: Templates, audience: str, snapshot: Snapshot) -> str:
        """A text from the audience's template, filled from live data. Raises TemplateError."""
        policy = self._session.severity_policies.for_severity(incident.severity)
        services = dict(self._session.settings.incidents.services)
        variables = template_variables(incident, snapshot, policy, now=self._clock(), services=services)
        return templates.fill(audience, variables, public_status(incident))

    async def write_update(self, incident: Incident, text: str) -> Update:
        """Keeps an update; nobody outside has it yet. Raises IncidentError for an empty one."""
        if not text.strip():
            raise IncidentError("an update needs a text")
        identity = _new_part_id()
        event = await self._session.record(incident.id, UpdateWritten(identity, text))
        return Update(identity, event.at, event.author, text)

    async def save_update(self, incident: Incident, update: Update, file: str) -> None:
        """Writes the update to a file, for a person to post. Raises OSError."""
        await save_text(file, update.text.strip() + "\n")
        await self.record_copy(incident, update, DeliveryState.WRITTEN, file)

    async def record_copy(self, incident: Incident, update: Update, how: DeliveryState, where: str) -> None:
        """Somebody has the text to post it: COPIED or WRITTEN."""
        await self._session.record(incident.id, UpdateDelivered(update.id, how, where))

    async def mark_sent(self, incident: Incident, where: str, *, update: str = "", seconds_ago: float = 0.0) -> Update:
        """A person confirms that an update (the last one by default) went out: the next one is due counted from then."""
        updates = [item for item in incident.updates if not update or item.id == update]
        if not updates:
            known = ", ".join(item.id for item in incident.updates) or "none"
            raise IncidentError(
                f"there is no update {visible(update)!r}; known: {known}" if update else "there is no update yet"
            )
        at = self._clock() - seconds_ago
        await self._session.record(incident.id, UpdateDelivered(updates[-1].id, DeliveryState.MARKED, where, at))
        return updates[-1]

    # Looking back

    async def changes(self, incident: Incident) -> Correlation:
        """What changed in the hour before its first alert."""
        return await changes_before(self._session, incident)

    async def review(self, incident: Incident, *, charts: bool = False) -> Postmortem:
        return await review(self._session, incident, now=self._clock(), charts=charts)


def parse_due(text: str, *, now: float) -> str:
    """The date of `2026-12-05` or of `3d` from now, as YYYY-MM-DD in the local zone; `1d` is always tomorrow, also where the
    clocks change. Raises IncidentError.
    """
    try:
        return str(datetime.date.fromisoformat(text))
    except ValueError:
        pass
    try:
        days, rest = divmod(parse_duration(text, least=1.0, most=YEAR_SECONDS), UNIT_SECONDS["d"])
    except InvalidTime:
        raise IncidentError(f"{visible(text)!r} is not a date; write it like 2026-12-05, or 3d for 3 days from now") from None
    return local_date(now + rest, days=int(days))


def open_steps(incident: Incident) -> tuple[Step, ...]:
    """The steps that a closed incident should have completed."""
    return tuple(step for step in Step if step not in incident.completions and step is not Step.REVIEW)


async def save_text(file: str, text: str) -> None:
    """Raises OSError."""
    await asyncio.to_thread(_write, file, text)


def _write(file: str, text: str) -> None:
    Path(file).expanduser().write_text(text, encoding="utf-8")


def _new_part_id() -> str:
    """Of a note or an update within its incident."""
    return uuid.uuid4().hex[:8]
