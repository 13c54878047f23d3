"""Actions whose outcome nobody knows: an intent in the journal without an outcome, from whatever host."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from console.journal import process
from console.journal.event import Event
from console.journal.payloads import ActionIntent, ActionOutcome, ActionStep, event_kind, event_kinds, try_decode
from console.journal.projection import Projection, keep_last
from queries.model.frozen import dataclass

if TYPE_CHECKING:
    from console.config.settings import Settings

MOST = 500
"""That the state names; `cad-console journal` lists them all."""
_INTENT, STEP = event_kind(ActionIntent), event_kind(ActionStep)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`host` is where its console ran, as far as is known; `ended` says whether that console is known to have ended."""

    intent: Event
    host: str
    ended: bool

    def sentence(self, elapsed: str) -> str:
        """`rollback deployment/x: started 12m ago by ann on bastion; no outcome, it may still be running`."""
        intent, payload = self.intent, _intent_of(self.intent)
        what = payload.title or " ".join(filter(None, (payload.action, payload.target)))
        where = f" on {self.host}" if self.host and not intent.author.endswith(f"@{self.host}") else ""
        then = "its console ended before the outcome was known" if self.ended else "no outcome, it may still be running"
        step = f"; the last step that began: {payload.step}" if payload.step else ""
        return f"{what or intent.subject}: started {elapsed} ago by {intent.author}{where}; {then}{step}"

    def inspection_hint(self, settings: Settings) -> str:
        """How to find out: a command where it leads to the very place of the action, else that place as text."""
        intent, here, payload = self.intent, settings.kubernetes, _intent_of(self.intent)
        target, place = payload.target or "", payload.cluster or ""
        if not target.startswith(("deployment/", "statefulset/", "daemonset/")):
            return "inspect what it changes before anybody runs it again"
        where, _, namespace = place.rpartition(", namespace ")
        if place and not (here and here.place and here.place.is_in(where)):
            return f"inspect {target} in {place}: not this console's cluster"
        # An older release journalled only the environment, not the cluster.
        if not place and intent.environment != settings.environment:
            return f"inspect {target} in the environment {intent.environment}: not this console's"
        if here is None or here.place is None:
            return f"inspect {target} in the environment {intent.environment}: this console does not know its own cluster"
        command = (*here.kubectl, "-n", namespace or settings.namespace, "rollout", "status", target)
        return f"inspect: {shlex.join(command)}"


class UnfinishedProjection(Projection[Mapping[str, Event]]):
    """The intents without an outcome, by run, each with the last step that began."""

    kinds = event_kinds(ActionIntent, ActionStep, ActionOutcome)

    def initial(self) -> Mapping[str, Event]:
        return MappingProxyType({})

    def apply(self, state: Mapping[str, Event], event: Event) -> Mapping[str, Event]:
        return self.fold(state, (event,))

    def fold(self, state: Mapping[str, Event], events: Iterable[Event]) -> Mapping[str, Event]:
        intents = dict(state)
        for event in events:
            # Whatever its data says: an intent that cannot be decoded is unfinished all the same.
            if event.kind == _INTENT:
                intents[event.subject] = event
            elif event.kind == STEP:
                if event.subject in intents:
                    intents[event.subject] = add_step(intents[event.subject], event)
            else:
                intents.pop(event.subject, None)
        return state if intents == state else MappingProxyType(keep_last(intents, MOST))


def add_step(intent: Event, event: Event) -> Event:
    """The intent with the step of this event, if the event says that it began."""
    payload = try_decode(event)
    if not isinstance(payload, ActionStep) or payload.state != "begun":
        return intent
    return replace(intent, data={**intent.data, "step": payload.text or payload.step})


def examine(intent: Event, writer: str = "") -> Unfinished | None:
    """What is known of it; None where its process still runs on this machine. `writer` is the file's own record of that."""
    where = writer or _intent_of(intent).process or ""
    running = process.is_running(where) if where else None
    if running:
        return None
    return Unfinished(intent, where.partition(" ")[0] or intent.author.rpartition("@")[2], ended=running is False)


def open_actions(intents: Iterable[Event]) -> tuple[Unfinished, ...]:
    """Those that this machine cannot see running, oldest first."""
    return tuple(item for intent in intents if (item := examine(intent)) is not None)


def unknown_outcome(intent: Event, text: str) -> ActionOutcome:
    """The outcome of an intent that nobody saw end; `text` says why it is written now."""
    payload = _intent_of(intent)
    return ActionOutcome("unknown", text, payload.action, payload.title, payload.target)


def _intent_of(event: Event) -> ActionIntent:
    payload = try_decode(event)
    return payload if isinstance(payload, ActionIntent) else ActionIntent()
