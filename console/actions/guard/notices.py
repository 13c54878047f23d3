"""Sends the channels of the open incidents about a workload what its guard announces and how it ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from console.actions.guard.model import GuardResult
from console.actions.notify import NAME
from console.actions.plan import Outcome, Preview, Request, RunStep
from console.config.settings import IncidentSettings
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import DeliveryState, Payload, UpdateWritten
from console.state.incident import Incident, update_target
from queries.concurrency import end_tasks
from queries.errors import SourceError

Send = Callable[[Request, Callable[[Preview], Awaitable[bool]]], AsyncGenerator[RunStep, None]]
"""Runs the action that sends an update."""
AppendTo = Callable[[str, Payload], Event]
"""Journals an event about a subject. May block; raises JournalError."""
FetchIncidents = Callable[[], Awaitable[tuple[Sequence[Incident], str]]]
"""The open incidents, and why some may be missing. Raises SourceError and JournalError."""
UNTOLD = frozenset({GuardResult.NOT_MADE})
"""The ends of which nobody outside has to know: nothing was changed."""
_PATIENCE_SECONDS = 0.4
_ARRIVED = (DeliveryState.SENT, DeliveryState.UNKNOWN)


def find_channels(incident: Incident, settings: IncidentSettings) -> tuple[str, ...]:
    """The channels that had an update of the incident before, without those that want nothing of guards."""
    used = {item.where for update in incident.updates for item in update.deliveries if item.state in _ARRIVED}
    return tuple(item.name for item in settings.channels if item.name in used and item.guards)


def describe_notices(incidents: Sequence[Incident], settings: IncidentSettings) -> tuple[str, ...]:
    """What the person confirms: who gets the guard events."""
    if not incidents:
        return ("guard events also go to any incident declared for it in the meantime, and to its channels",)
    lines = []
    for incident in incidents:
        channels = ", ".join(find_channels(incident, settings))
        sent = f"it is sent to {channels}" if channels else "none of its updates went to a channel, so none is sent"
        lines.append(f"incident {incident.number} gets the guard events; {sent}")
    return tuple(lines)


class GuardNotices:
    """Sends one text after the other while the guard goes on; `finish` waits for the last one."""

    def __init__(
        self,
        target: str,
        *,
        fingerprint: str,
        settings: IncidentSettings,
        fetch_incidents: FetchIncidents,
        append: AppendTo,
        send: Send,
    ) -> None:
        """`fingerprint` is the alert that the change was made for, empty for none."""
        self._target = target
        self._fingerprint = fingerprint
        self._settings = settings
        self._fetch_incidents = fetch_incidents
        self._append = append
        self._send = send
        self._waiting: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._results: tuple[str, ...] = ()
        """What became of the newest text."""

    @property
    def sending(self) -> bool:
        return self._task is not None and not self._task.done()

    def announce(self, text: str) -> None:
        """Sends it after those before; returns at once."""
        self._waiting.append(f"guard of {self._target}: {text}")
        if not self.sending:
            self._task = asyncio.get_running_loop().create_task(self._send_waiting(), name="notices of a guard")

    async def settle(self) -> bool:
        """Whether everything is sent, waiting no longer than a person would without being told."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_PATIENCE_SECONDS)
        return not self.sending

    async def finish(self) -> str:
        """What became of the newest text, as the end of a sentence; empty if no open incident is about the target."""
        if self._task is not None:
            await self._task
        return "".join(f"; {item}" for item in self._results)

    async def close(self) -> None:
        """Sends nothing more; what may have been sent already is journalled as unknown."""
        self._waiting.clear()
        if self._task is not None:
            await end_tasks((self._task,))

    async def _send_waiting(self) -> None:
        while self._waiting:
            text = self._waiting.pop(0)
            try:
                incidents, caveat = await self._fetch_incidents()
            except (SourceError, JournalError) as error:
                self._results = (f"no incident was told: {error}",)
                continue
            concerned = [item for item in incidents if item.is_about(self._target, self._fingerprint)]
            found = [await self._tell(item, text) for item in concerned]
            self._results = (*found, *([f"incidents may be missing: {caveat}"] if caveat else ()))

    async def _tell(self, incident: Incident, text: str) -> str:
        channels, name = find_channels(incident, self._settings), f"incident {incident.number}"
        if not channels:
            return f"{name} has it in its timeline"
        update = uuid.uuid4().hex[:8]
        try:
            await asyncio.to_thread(self._append, incident.id, UpdateWritten(update, text))
        except JournalError as error:
            return f"{name}: nothing was sent, no update without its journal entry: {error}"
        sent = await asyncio.gather(*(self._send_to(channel, update_target(incident.id, update)) for channel in channels))
        return f"{name}: {', '.join(sent)}"

    async def _send_to(self, channel: str, target: str) -> str:
        async def confirm(preview: Preview) -> bool:
            return not preview.blocked  # the person confirmed it with the change

        last: RunStep | None = None
        request = Request(NAME, target, {"channel": channel}, cause=f"guard of {self._target}")
        async with aclosing(self._send(request, confirm)) as steps:
            async for step in steps:
                last = step
        match last.outcome if last is not None else None:
            case Outcome.DONE:
                return f"{channel} accepted it"
            case Outcome.REFUSED | Outcome.FAILED:
                return f"{channel} did not get it ({last.text if last is not None else ''})"
        return f"whether {channel} got it is unknown"
