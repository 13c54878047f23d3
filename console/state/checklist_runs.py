"""The walks that the journal tells of: who answered what, what was noted, who signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from console.journal.elapsed import MARK, Elapsed, lapse
from console.journal.event import Event
from console.journal.projection import Projection
from queries.model.verdict import Verdict
from queries.text.times import is_same_period

BEGUN, ITEM, NOTE, SIGNED = "walk.begun", "walk.item", "walk.note", "walk.signed"
AGREE, OVERRULE = "agree", "overrule"
KEPT = 120
"""Walks of one checklist that are kept; what is older is in the journal."""


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """What a person said to one item. `found` is the verdict of the data, None for a question; `stands` is what the person
    leaves it at. `value` is in the item's unit, None where there was none; `told` is the same in words.
    """

    item: str
    author: str
    at: float
    answer: str
    stands: Verdict
    found: Verdict | None = None
    value: float | None = None
    told: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    item: str
    author: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Signature:
    """`name` is what the person signed with, `author` the account; `open` are the titles of what was not ok."""

    name: str
    author: str
    at: float
    open: tuple[str, ...] = ()
    remark: str = ""
    mark: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChecklistRun:
    """One walk through one checklist. Nothing in it is ever replaced: a correction stands behind what it corrects."""

    id: str
    checklist: str
    begun_at: float
    begun_by: str
    answers: tuple[ItemAnswer, ...] = ()
    notes: tuple[Note, ...] = ()
    signatures: tuple[Signature, ...] = ()
    mark: Mapping[str, Any] = field(default_factory=dict)

    @property
    def signed(self) -> Signature | None:
        """The first one counts; others stand beside it."""
        return self.signatures[0] if self.signatures else None

    def answers_to(self, item: str) -> tuple[ItemAnswer, ...]:
        """Everybody's last word on it, in the order in which they first spoke."""
        last: dict[str, ItemAnswer] = {}
        for answer in self.answers:
            if answer.item == item:
                last[answer.author] = answer
        return tuple(last.values())

    def answer_to(self, item: str) -> ItemAnswer | None:
        """Whose word counts: the first person's, as last corrected by that person."""
        return next(iter(self.answers_to(item)), None)

    def disputed(self, item: str) -> bool:
        """Whether several people leave it at different verdicts."""
        return len({answer.stands for answer in self.answers_to(item)}) > 1

    def notes_on(self, item: str) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.item == item)

    @property
    def answered(self) -> frozenset[str]:
        return frozenset(answer.item for answer in self.answers)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who wrote something into it."""
        wrote = [*((item.at, item.author) for item in self.answers), *((item.at, item.author) for item in self.notes)]
        wrote += [(item.at, item.author) for item in self.signatures]
        return tuple(dict.fromkeys([self.begun_by, *(author for _, author in sorted(wrote))]))

    @property
    def took(self) -> Elapsed | None:
        """From its beginning to its signature; None while it is not signed."""
        end = self.signed
        return lapse((self.begun_at, self.mark), (end.at, end.mark)) if end else None


@dataclass(frozen=True, slots=True)
class ChecklistRuns:
    """The newest walks of every checklist, oldest first."""

    by_list: tuple[tuple[str, tuple[ChecklistRun, ...]], ...] = ()

    def of(self, checklist: str) -> tuple[ChecklistRun, ...]:
        return next((walks for name, walks in self.by_list if name == checklist), ())

    def get(self, walk_id: str) -> ChecklistRun | None:
        return next((walk for _, walks in self.by_list for walk in reversed(walks) if walk.id == walk_id), None)

    def signed(self, checklist: str) -> tuple[ChecklistRun, ...]:
        """Those that were signed, oldest first."""
        return tuple(walk for walk in self.of(checklist) if walk.signed)

    def current(self, checklist: str, *, due: str, now: float) -> ChecklistRun | None:
        """The walk that one would go on with: the first one of this period that nobody signed."""
        open_ones = (walk for walk in self.of(checklist) if not walk.signed and is_same_period(walk.begun_at, now, due=due))
        return next(open_ones, None)

    def last_signed_at(self, checklists: tuple[str, ...]) -> float | None:
        """When one of these was last signed, Unix seconds."""
        times = [walk.signed.at for name in checklists for walk in self.of(name) if walk.signed]
        return max(times, default=None)


class ChecklistRunsProjection(Projection[ChecklistRuns]):
    """Folds the journal's walk events; one that belongs to no known walk is left out."""

    kinds = (BEGUN, ITEM, NOTE, SIGNED)

    def initial(self) -> ChecklistRuns:
        return ChecklistRuns()

    def apply(self, state: ChecklistRuns, event: Event) -> ChecklistRuns:
        return self.fold(state, (event,))

    def fold(self, state: ChecklistRuns, events: Iterable[Event]) -> ChecklistRuns:
        walks = {walk.id: walk for _, listed in state.by_list for walk in listed}
        for event in events:
            walk = walks.get(event.subject)
            if event.kind == BEGUN and walk is None:
                begun = ChecklistRun(event.subject, text_in(event.data, "checklist"), event.at, event.author, mark=_mark(event))
                walks[event.subject] = begun
            elif event.kind != BEGUN and walk is not None:
                walks[walk.id] = _changed(walk, event)
        by_list: dict[str, list[ChecklistRun]] = {}
        for walk in walks.values():
            by_list.setdefault(walk.checklist, []).append(walk)
        return ChecklistRuns(tuple((name, tuple(listed[-KEPT:])) for name, listed in by_list.items()))


def _changed(walk: ChecklistRun, event: Event) -> ChecklistRun:
    data = event.data
    if event.kind == NOTE:
        note = Note(text_in(data, "item"), event.author, event.at, text_in(data, "text"))
        return replace(walk, notes=(*walk.notes, note))
    if event.kind == SIGNED:
        listed = data.get("open")
        left = tuple(str(item) for item in listed) if isinstance(listed, list) else ()
        name = text_in(data, "name") or event.author
        signature = Signature(name, event.author, event.at, left, text_in(data, "remark"), _mark(event))
        return replace(walk, signatures=(*walk.signatures, signature))
    found = _verdict(data.get("verdict"))
    value = data.get("value")
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    answer = ItemAnswer(
        item=text_in(data, "item"),
        author=event.author,
        at=event.at,
        answer=text_in(data, "answer"),
        # An answer that cannot be read is not known to be fine.
        stands=_verdict(data.get("stands")) or Verdict.NO_DATA,
        found=found,
        value=float(value) if known and value is not None else None,
        told=text_in(data, "told"),
        reason=text_in(data, "reason"),
    )
    return replace(walk, answers=(*walk.answers, answer))


def text_in(data: Mapping[str, Any], key: str) -> str:
    """The text under this key of an event's data; empty where there is none."""
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _mark(event: Event) -> Mapping[str, Any]:
    value = event.data.get(MARK)
    return value if isinstance(value, dict) else {}


def _verdict(value: object) -> Verdict | None:
    return Verdict(value) if isinstance(value, str) and value in tuple(Verdict) else None
