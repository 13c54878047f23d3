"""Who looks after which alert: marks in the journal that end when the alert does, and whose word counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from console.journal import process
from console.journal.event import Event
from console.journal.projection import Projection, newest

OWNED = "alert.owned"
RELEASED = "alert.released"
MOST = 2000
"""Marks that are kept: of alerts of which nobody sees the end, the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """`at` is when it was set, Unix seconds; `id` is the event that set it. `console` is the process that wrote it, empty
    where an older console did: an account may be shared, so a name alone does not say which person it was.
    """

    author: str
    at: float
    id: str = field(default="", compare=False)
    console: str = field(default="", compare=False)


class Ownership(Enum):
    """To whom an alert belongs, seen from one console. SAME_ACCOUNT: to another console of the very account, and so perhaps
    to another person.
    """

    NOBODY = "nobody"
    OURS = "ours"
    SAME_ACCOUNT = "same account"
    ANOTHER = "another"

    @property
    def held(self) -> bool:
        """Whether somebody has to be asked about."""
        return self in (Ownership.SAME_ACCOUNT, Ownership.ANOTHER)


@dataclass(frozen=True, slots=True)
class AcknowledgeResult:
    """How an alert stands after somebody wanted to take or to release it. Where it is held by somebody else and nothing was
    `written`, a person has to be asked; where it was written all the same, somebody else came first. `doubt` says why it is
    not known what others did.
    """

    mark: Acknowledgement | None
    whose: Ownership
    written: bool
    doubt: str = ""


class Acknowledgements(Projection[Mapping[str, Acknowledgement]]):
    """The mark of each owned alert, by fingerprint."""

    kinds = (OWNED, RELEASED)

    def initial(self) -> Mapping[str, Acknowledgement]:
        return MappingProxyType({})

    def apply(self, state: Mapping[str, Acknowledgement], event: Event) -> Mapping[str, Acknowledgement]:
        return self.fold(state, (event,))

    def fold(self, state: Mapping[str, Acknowledgement], events: Iterable[Event]) -> Mapping[str, Acknowledgement]:
        marks = dict(state)
        for event in events:
            mark = mark_after(marks.pop(event.subject, None), event)
            if mark is not None:
                marks[event.subject] = mark  # the newest stand last
        return MappingProxyType(newest(marks, MOST))


def mark_after(mark: Acknowledgement | None, event: Event) -> Acknowledgement | None:
    """Whose the alert is after one more event; the very mark where the event came too late.

    An event says which mark it takes over or ends. Of two people who take an alert at the same moment both say that nobody
    had it: the first in the order of all consoles has it. An event of an older console says nothing, and counts.
    """
    said = event.data.get("over" if event.kind == OWNED else "of")
    late = mark is not None and bool(mark.id) and isinstance(said, str) and said != mark.id
    if late:
        return mark
    if event.kind == RELEASED:
        return None
    console = event.data.get("console")
    return Acknowledgement(event.author, event.at, event.id, console if isinstance(console, str) else "")


def whose(mark: Acknowledgement | None, *, user: str) -> Ownership:
    """Seen from this process. What an earlier console of this account on this machine took is ours as soon as it ended."""
    if mark is None:
        return Ownership.NOBODY
    if mark.author != user:
        return Ownership.ANOTHER
    here = not mark.console or mark.console == process.this().text() or process.alive(mark.console) is False
    return Ownership.OURS if here else Ownership.SAME_ACCOUNT


def taken(name: str, over: Acknowledgement | None) -> dict[str, Any]:
    """The data of `alert.owned`."""
    return {"name": name, "console": process.this().text(), "over": over.id if over else ""}


def released(name: str, mark: Acknowledgement | None) -> dict[str, Any]:
    """The data of `alert.released`."""
    return {"name": name, "of": mark.id if mark else ""}


def held_sentence(mark: Acknowledgement, held: Ownership, elapsed: str) -> str:
    """`ann@bastion took it 2m ago`."""
    other = ", on another console of this account" if held is Ownership.SAME_ACCOUNT else ""
    return f"{mark.author} took it {elapsed} ago{other}"


def outcome_sentence(name: str, found: AcknowledgeResult, *, taking: bool) -> str:
    """What a person is told when it was written, for screen and command alike."""
    if taking and found.mark is not None and found.whose.held:
        other = " on another console" if found.whose is Ownership.SAME_ACCOUNT else ""
        return f"{found.mark.author}{other} took {name} first: it is not yours"
    if not taking:
        said = f"{name} is nobody's again" if found.mark is None else f"{name} was taken by {found.mark.author} meanwhile"
        return f"{said}; {found.doubt}" if found.doubt else said
    if found.doubt:
        return f"{name} is marked as yours here; it is not known whether somebody else took it: {found.doubt}"
    return f"{name} is yours until it resolves"


def resolved(marks: Mapping[str, Acknowledgement], present: Collection[str], *, taken_at: float) -> tuple[str, ...]:
    """The fingerprints of owned alerts that are not there any more.

    `present` must come from a whole answer of Alertmanager, taken at `taken_at`: one that could not be asked has not
    resolved anything, and a mark that is younger than the answer may be of an alert that the answer could not have yet.
    A fingerprint with a colon is Prometheus' own, which Alertmanager does not know.
    """
    return tuple(
        fingerprint
        for fingerprint, mark in marks.items()
        if mark.at < taken_at and fingerprint not in present and ":" not in fingerprint
    )
