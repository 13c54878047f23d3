"""Actions whose outcome nobody knows: an intent in the journal without an outcome, from whatever host."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from console.journal import process
from console.journal.event import Event
from console.journal.projection import Projection, newest

if TYPE_CHECKING:
    from console.config.settings import Settings

INTENT = "action.intent"
OUTCOME = "action.outcome"
MOST = 500
"""That are named: `cad-console journal` lists them all."""
PROCESS = "process"
"""The key of an intent's data under which its process stands, so that other hosts know where it ran."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`host` is where its console ran, as far as is known; `ended` says whether that console is known to have ended."""

    intent: Event
    host: str
    ended: bool

    def sentence(self, elapsed: str) -> str:
        """`rollback deployment/x: begun 12m ago by ann on bastion; no outcome, it may still be running`."""
        intent, data = self.intent, self.intent.data
        what = str(data.get("title") or " ".join(str(data[name]) for name in ("action", "target") if data.get(name)))
        where = f" on {self.host}" if self.host and not intent.author.endswith(f"@{self.host}") else ""
        then = "its console ended before the outcome was known" if self.ended else "no outcome, it may still be running"
        return f"{what or intent.subject}: begun {elapsed} ago by {intent.author}{where}; {then}"

    def look(self, settings: Settings) -> str:
        """What tells how it stands: a command only where it leads to the very place of the action, else that place in words."""
        intent, here = self.intent, settings.kubernetes
        target, place = str(intent.data.get("target") or ""), str(intent.data.get("cluster") or "")
        if not target.startswith("deployment/"):
            return "look at what it changes before anybody does it again"
        where, _, namespace = place.rpartition(", namespace ")
        if place and not (here and here.place and here.place.is_in(where)):
            return f"look at {target} in {place}: not this console's cluster"
        # What an older release journalled names no cluster, only its environment.
        if not place and intent.environment != settings.environment:
            return f"look at {target} in the environment {intent.environment}: not this console's"
        if here is None or here.place is None:
            return f"look at {target} in the environment {intent.environment}: which cluster this console has is not known"
        command = (*here.kubectl, "-n", namespace or settings.namespace, "rollout", "status", target)
        return f"look: {shlex.join(command)}"


class UnfinishedProjection(Projection[Mapping[str, Event]]):
    """The intents without an outcome, by run."""

    kinds = (INTENT, OUTCOME)

    def initial(self) -> Mapping[str, Event]:
        return MappingProxyType({})

    def apply(self, state: Mapping[str, Event], event: Event) -> Mapping[str, Event]:
        return self.fold(state, (event,))

    def fold(self, state: Mapping[str, Event], events: Iterable[Event]) -> Mapping[str, Event]:
        found = dict(state)
        for event in events:
            if event.kind == INTENT:
                found[event.subject] = event
            else:
                found.pop(event.subject, None)
        return state if found == state else MappingProxyType(newest(found, MOST))


def examine(intent: Event, writer: str = "") -> Unfinished | None:
    """What is known of it; None where its process still runs on this machine. `writer` is the file's own record of that."""
    told = writer or intent.data.get(PROCESS)
    where = told if isinstance(told, str) else ""
    alive = process.alive(where) if where else None
    if alive:
        return None
    return Unfinished(intent, where.partition(" ")[0] or intent.author.rpartition("@")[2], ended=alive is False)


def open_actions(intents: Iterable[Event]) -> tuple[Unfinished, ...]:
    """Those of them of which this machine cannot see that they are under way, oldest first."""
    return tuple(item for intent in intents if (item := examine(intent)) is not None)


def settled(intent: Event, text: str) -> dict[str, Any]:
    """The data of an outcome that says that nobody knows how it ended, and why that is said now."""
    told: dict[str, Any] = {"outcome": "unknown", "text": text}
    return told | {key: intent.data[key] for key in ("action", "title", "target") if key in intent.data}
