"""What a screen asks the application for: to go somewhere, to run an action, to make a silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from console.actions.plan import Request
    from queries.model.alert import TrackedAlert
    from queries.model.silence import Silence


@dataclass
class ViewRequested(Message):
    """A screen came into view and wants to be drawn."""


@dataclass
class OpenRequested(Message):
    """Open the detail of something: `panel`, `alert`, `runbook`, `logs` or `explore`, by its key; or go to a `screen`."""

    what: str
    subject: str
    about: str = ""
    """For a runbook, the fingerprint of the alert that it is opened for."""


@dataclass
class ActionRequested(Message):
    """Run an action through its stages; parameters that it needs and that are missing will be asked for."""

    request: Request
    ask: tuple[str, ...] = field(default=())


@dataclass
class SilenceRequested(Message):
    """Open the silence dialog: for an alert, for matchers, or to change a silence."""

    alert: TrackedAlert | None = None
    silence: Silence | None = None
    matchers: str = ""


@dataclass
class OwnRequested(Message):
    """Mark an alert as ours, or take the mark away."""

    fingerprint: str


@dataclass
class IncidentRequested(Message):
    """Do something to an incident: declare, note, tick, role, severity, update, deliver, changes, report or close.

    `told` is the note's text, or the fingerprint of the alert that one is declared from.
    """

    what: str
    identity: str
    told: str = ""


@dataclass
class CopyRequested(Message):
    """Bring this text to where a person can paste it."""

    text: str
    named: str
