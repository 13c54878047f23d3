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
class Mark:
    """`at` is when it was set, Unix seconds; `id` is the event that set it. `console` is the process that wrote it, empty
    where an older console did: an account may be shared, so a name alone does not say which person it was.
    """

    author: str
    at: float
    id: str = field(default="", compare=False)
    console: str = field(default="", compare=False)


class Whose(Enum):
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
        return self in (Whose.SAME_ACCOUNT, Whose.ANOTHER)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """How an alert stands after somebody wanted to take or to release it. Where it is held by somebody else and nothing was
    `written`, a person has to be asked; where it was written all the same, somebody else came first. `doubt` says why it is
    not known what others did.
    """

    mark: Mark | None
    whose: Whose
    written: bool
    doubt: str = ""


class Owners(Projection[Mapping[str, Mark]]):
    """The mark of each owned alert, by fingerprint."""

    kinds = (OWNED, RELEASED)

    def initial(self) -> Mapping[str, Mark]:
        return MappingProxyType({})

    def apply(self, state: Mapping[str, Mark], event: Event) -> Mapping[str, Mark]:
        return self.fold(state, (event,))

    def fold(self, state: Mapping[str, Mark], events: Iterable[Event]) -> Mapping[str, Mark]:
        marks = dict(state)
        for event in events:
            mark = mark_after(marks.pop(event.subject, None), event)
            if mark is not None:
                marks[event.subject] = mark  # the newest stand last
        return MappingProxyType(newest(marks, MOST))


def mark_after(mark: Mark | None, event: Event) -> Mark | None:
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
    return Mark(event.author, event.at, event.id, console if isinstance(console, str) else "")


def whose(mark: Mark | None, *, user: str) -> Whose:
    """Seen from this process. What an earlier console of this account on this machine took is ours as soon as it ended."""
    if mark is None:
        return Whose.NOBODY
    if mark.author != user:
        return Whose.ANOTHER
    here = not mark.console or mark.console == process.this().text() or process.alive(mark.console) is False
    return Whose.OURS if here else Whose.SAME_ACCOUNT


def taken(name: str, over: Mark | None) -> dict[str, Any]:
    """The data of `alert.owned`."""
    return {"name": name, "console": process.this().text(), "over": over.id if over else ""}


def released(name: str, mark: Mark | None) -> dict[str, Any]:
    """The data of `alert.released`."""
    return {"name": name, "of": mark.id if mark else ""}


def held_sentence(mark: Mark, held: Whose, elapsed: str) -> str:
    """`ann@bastion took it 2m ago`."""
    other = ", on another console of this account" if held is Whose.SAME_ACCOUNT else ""
    return f"{mark.author} took it {elapsed} ago{other}"


def outcome_sentence(name: str, found: Acknowledgement, *, taking: bool) -> str:
    """What a person is told when it was written, for screen and command alike."""
    if taking and found.mark is not None and found.whose.held:
        other = " on another console" if found.whose is Whose.SAME_ACCOUNT else ""
        return f"{found.mark.author}{other} took {name} first: it is not yours"
    if not taking:
        said = f"{name} is nobody's again" if found.mark is None else f"{name} was taken by {found.mark.author} meanwhile"
        return f"{said}; {found.doubt}" if found.doubt else said
    if found.doubt:
        return f"{name} is marked as yours here; it is not known whether somebody else took it: {found.doubt}"
    return f"{name} is yours until it resolves"


def resolved(marks: Mapping[str, Mark], present: Collection[str], *, taken_at: float) -> tuple[str, ...]:
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
