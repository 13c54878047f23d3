"""Who acknowledged which alert: acknowledgements end with their alert, and the earliest one counts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from enum import Enum
from types import MappingProxyType

from console.journal import process
from console.journal.event import Event
from console.journal.payloads import AlertAcknowledged, AlertReleased, decode, event_kinds
from console.journal.presence import Presence
from console.journal.projection import Projection, keep_last
from queries.model.alert import AlertState
from queries.model.frozen import dataclass
from queries.model.series import Labels

MOST = 2000
"""Acknowledgements that are kept: where nobody sees an alert end, the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """`author` holds the alert. `at` is Unix seconds; `id` is the event's. `console` is the author's process, empty where an
    older release wrote the event: people may share an account, so its name alone does not tell them apart.

    `by` is who handed the alert to the author, empty for nobody; `before` held it until then, at the console `before_console`.
    `name` is the alert's, empty where no server listed it.
    """

    author: str
    at: float
    id: str = field(default="", compare=False)
    console: str = field(default="", compare=False)
    by: str = field(default="", compare=False)
    before: str = field(default="", compare=False)
    before_console: str = field(default="", compare=False)
    name: str = field(default="", compare=False)

    @property
    def labels(self) -> Labels:
        """Those labels of the alert that are known: its name."""
        return (("alertname", self.name),) if self.name else ()


class Ownership(Enum):
    """Who holds an alert, as one console sees it. SAME_ACCOUNT: another console of this account, perhaps another person."""

    NOBODY = "nobody"
    OURS = "ours"
    SAME_ACCOUNT = "same account"
    ANOTHER = "another"

    @property
    def held_by_other(self) -> bool:
        """Whether the console has to ask before it takes the alert over."""
        return self in (Ownership.SAME_ACCOUNT, Ownership.ANOTHER)


@dataclass(frozen=True, slots=True)
class AcknowledgeResult:
    """How an alert stands after somebody tried to acknowledge or release it.

    Where somebody else holds it and nothing was `written`, a person has to confirm; where it was written all the same, somebody
    else came first. `caveat` says why other consoles' events are not known.
    """

    acknowledgement: Acknowledgement | None
    ownership: Ownership
    written: bool
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets an alert: an account, and its console where it is known. `label` says why, `place` on which screen they are."""

    user: str = ""
    console: str = ""
    label: str = ""
    place: str = ""


NOBODY = Recipient()


def list_recipients(held: Acknowledgement | None, presence: Presence, *, user: str) -> tuple[Recipient, ...]:
    """Who had the alert before, then everybody else who is on."""
    found: list[Recipient] = []
    if held is not None and held.before and (held.before, held.before_console) != (held.author, held.console):
        on = next((item for item in presence.others if item.console == held.before_console), None)
        place = on.screen if on else "not on" if presence.known and held.before != user else ""
        found.append(Recipient(held.before, held.before_console, "back to", place))
    found += [
        Recipient(item.user, item.console, "to", item.screen)
        for item in presence.others
        if not found or item.console != found[0].console
    ]
    return tuple(found)


class Acknowledgements(Projection[Mapping[str, Acknowledgement]]):
    """The acknowledgement of each alert, by fingerprint."""

    kinds = event_kinds(AlertAcknowledged, AlertReleased)

    def initial(self) -> Mapping[str, Acknowledgement]:
        return MappingProxyType({})

    def apply(self, state: Mapping[str, Acknowledgement], event: Event) -> Mapping[str, Acknowledgement]:
        return self.fold(state, (event,))

    def fold(self, state: Mapping[str, Acknowledgement], events: Iterable[Event]) -> Mapping[str, Acknowledgement]:
        held = dict(state)
        for event in events:
            acknowledgement = acknowledgement_after(held.pop(event.subject, None), event)
            if acknowledgement is not None:
                held[event.subject] = acknowledgement  # the newest stand last
        return MappingProxyType(keep_last(held, MOST))


def acknowledgement_after(present: Acknowledgement | None, event: Event) -> Acknowledgement | None:
    """The acknowledgement after one more event; `present` itself where the event came too late. Raises ValueError.

    An event names the acknowledgement that it takes over or ends. Of two people who acknowledge an alert in the same moment
    both saw none: the one that is first in the order of all consoles holds it. An event of an older release names nothing,
    and counts.
    """
    payload = decode(event)
    seen = (
        payload.over if isinstance(payload, AlertAcknowledged) else payload.of if isinstance(payload, AlertReleased) else None
    )
    if present is not None and present.id and seen is not None and seen != present.id:
        return present
    if isinstance(payload, AlertAcknowledged):
        before, before_console = (present.author, present.console) if present is not None else ("", "")
        by = event.author if payload.to else ""
        return Acknowledgement(
            payload.to or event.author, event.at, event.id, payload.console or "", by, before, before_console, payload.name
        )
    return None


def ownership_of(present: Acknowledgement | None, *, user: str) -> Ownership:
    """As this process sees it. What an earlier console of this account on this machine acknowledged is ours once that console
    ended.
    """
    if present is None:
        return Ownership.NOBODY
    if present.author != user:
        return Ownership.ANOTHER
    here = not present.console or present.console == process.current().text() or process.is_running(present.console) is False
    return Ownership.OURS if here else Ownership.SAME_ACCOUNT


def held_sentence(present: Acknowledgement, ownership: Ownership, elapsed: str) -> str:
    """`ann@bastion acknowledged it 2m ago`."""
    other = " from another console of this account" if ownership is Ownership.SAME_ACCOUNT else ""
    if present.by:
        return f"{present.by} handed it to {present.author} {elapsed} ago{other}"
    verb = "took it over" if present.before and present.before != present.author else "acknowledged it"
    return f"{present.author} {verb} {elapsed} ago{other}"


def outcome_sentence(
    name: str, result: AcknowledgeResult, *, taking: bool, to: str = "", state: AlertState = AlertState.ACTIVE
) -> str:
    """What screen and command report once it is written; `to` is to whom the alert was handed, and `state` is the alert's:
    one that Alertmanager does not have gets another fingerprint there, which nobody has acknowledged.
    """
    present = result.acknowledgement
    if to and present is not None and present.author == to:
        caveat = f"; could not check whether someone else acknowledged it: {result.caveat}" if result.caveat else ""
        return f"{name} handed to {to}{caveat}"
    if taking and present is not None and result.ownership.held_by_other:
        other = " on another console" if result.ownership is Ownership.SAME_ACCOUNT else ""
        return f"{present.author}{other} acknowledged {name} first: it is not yours"
    if not taking:
        text = f"{name} is released" if present is None else f"{present.author} acknowledged {name} in the meantime"
        return f"{text}; {result.caveat}" if result.caveat else text
    if result.caveat:
        return f"{name} is yours in this journal; could not check whether someone else acknowledged it: {result.caveat}"
    if state is AlertState.PENDING:
        return f"{name} is yours while it is pending; acknowledge it again once it fires"
    if state is AlertState.UNDELIVERED:
        return f"{name} is yours until Alertmanager receives it; acknowledge it again then"
    return f"{name} is yours until it resolves"


def find_resolved(
    acknowledgements: Mapping[str, Acknowledgement],
    present: Collection[str],
    *,
    taken_at: float,
    arrived: Mapping[str, float],
) -> tuple[str, ...]:
    """The fingerprints of acknowledged alerts that no longer exist.

    `present` must be a complete answer of Alertmanager, taken at `taken_at`: a failed request resolves nothing, and an
    acknowledgement younger than the answer may belong to an alert that the answer could not have yet. `arrived` is when each
    acknowledgement arrived here, by the clock of `taken_at`: its author's clock may be slow. A fingerprint with a colon is
    Prometheus' own, which Alertmanager does not know.
    """
    return tuple(
        fingerprint
        for fingerprint in acknowledgements
        if arrived.get(fingerprint, math.inf) < taken_at and fingerprint not in present and ":" not in fingerprint
    )
