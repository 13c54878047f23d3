"""Checklist runs as the journal has them: who answered what, which notes were added, who signed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from console.journal.elapsed import NO_TIMESTAMP, BootTimestamp, Elapsed, elapsed_between
from console.journal.event import Event
from console.journal.payloads import ItemAnswered, RunNoteAdded, RunSigned, RunStarted, decode, event_kinds
from console.journal.projection import Projection
from queries.model.frozen import dataclass
from queries.model.verdict import Verdict
from queries.text.times import is_same_period, local_hour, local_midnight

AGREE, OVERRULE = "agree", "overrule"
KEPT = 120
"""Runs of one checklist that the state holds; older ones stay in the journal."""
_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """A person's answer to one item. `evidence_verdict` is what the data said, None for a question; `resulting_verdict` is what
    the person leaves it at. `value` is in the item's unit, None where there was none; `value_text` is the same as text.
    """

    item: str
    author: str
    at: float
    answer: str
    resulting_verdict: Verdict
    evidence_verdict: Verdict | None = None
    value: float | None = None
    value_text: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    item: str
    author: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Signature:
    """`name` is what the person signed with, `author` the account; `open` are the sentences on what was not ok."""

    name: str
    author: str
    at: float
    open: tuple[str, ...] = ()
    remark: str = ""
    uptime: BootTimestamp = NO_TIMESTAMP


@dataclass(frozen=True, slots=True)
class ChecklistRun:
    """One run through one checklist. Nothing in it is ever replaced: a correction follows what it corrects."""

    id: str
    checklist: str
    started_at: float
    started_by: str
    answers: tuple[ItemAnswer, ...] = ()
    notes: tuple[Note, ...] = ()
    signatures: tuple[Signature, ...] = ()
    uptime: BootTimestamp = NO_TIMESTAMP

    @property
    def signature(self) -> Signature | None:
        """The first one counts; later ones are kept beside it."""
        return self.signatures[0] if self.signatures else None

    def answers_to(self, item: str) -> tuple[ItemAnswer, ...]:
        """Everybody's latest answer, in the order in which they first answered."""
        last: dict[str, ItemAnswer] = {}
        for answer in self.answers:
            if answer.item == item:
                last[answer.author] = answer
        return tuple(last.values())

    def answer_to(self, item: str) -> ItemAnswer | None:
        """The answer that counts: the first person's, as that person last corrected it."""
        return next(iter(self.answers_to(item)), None)

    def disputed(self, item: str) -> bool:
        """Whether several people leave it at different verdicts."""
        return len({answer.resulting_verdict for answer in self.answers_to(item)}) > 1

    def notes_on(self, item: str) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.item == item)

    @property
    def answered_items(self) -> frozenset[str]:
        return frozenset(answer.item for answer in self.answers)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who wrote something into it."""
        entries: tuple[ItemAnswer | Note | Signature, ...] = (*self.answers, *self.notes, *self.signatures)
        wrote = sorted((item.at, item.author) for item in entries)
        return tuple(dict.fromkeys([self.started_by, *(author for _, author in wrote)]))

    @property
    def duration(self) -> Elapsed | None:
        """From its start to its signature; None while nobody has signed."""
        end = self.signature
        return elapsed_between((self.started_at, self.uptime), (end.at, end.uptime)) if end else None


@dataclass(frozen=True, slots=True)
class ChecklistRuns:
    """The newest runs of every checklist, oldest first."""

    by_checklist: tuple[tuple[str, tuple[ChecklistRun, ...]], ...] = ()

    def for_checklist(self, checklist: str) -> tuple[ChecklistRun, ...]:
        return next((runs for name, runs in self.by_checklist if name == checklist), ())

    def get(self, run_id: str) -> ChecklistRun | None:
        return next((run for _, runs in self.by_checklist for run in reversed(runs) if run.id == run_id), None)

    def signed(self, checklist: str) -> tuple[ChecklistRun, ...]:
        """The signed ones, oldest first."""
        return tuple(run for run in self.for_checklist(checklist) if run.signature)

    def current(self, checklist: str, *, due: str, now: float) -> ChecklistRun | None:
        """The run to continue: the first of this period that nobody signed."""
        unsigned = (
            run for run in self.for_checklist(checklist) if not run.signature and is_same_period(run.started_at, now, due=due)
        )
        return next(unsigned, None)

    def of_period(self, checklist: str, *, due: str, now: float) -> tuple[ChecklistRun, ...]:
        """Those that were started on the local day of `now`, or in its hour if `due` is `hourly`, oldest first.

        One of yesterday that was signed after midnight is yesterday's; one that was signed before it was due is today's.
        """
        start = local_hour(now) if due == "hourly" else local_midnight(now)
        return tuple(run for run in self.for_checklist(checklist) if run.started_at >= start)

    def last_reviewed_at(self, checklists: tuple[str, ...], *, until: float) -> float | None:
        """Up to when somebody reviewed what happened, Unix seconds: the beginning of the last run of one of these that was
        signed up to a time. What happened between an answer and the signature, nobody may have seen.
        """
        signed = ((run, run.signature) for name in checklists for run in self.for_checklist(name))
        return max((min(run.started_at, end.at) for run, end in signed if end and end.at <= until), default=None)


class ChecklistRunsProjection(Projection[ChecklistRuns]):
    """Folds the events of checklist runs; one that belongs to no known run means nothing."""

    kinds = event_kinds(RunStarted, ItemAnswered, RunNoteAdded, RunSigned)

    def initial(self) -> ChecklistRuns:
        return ChecklistRuns()

    def apply(self, state: ChecklistRuns, event: Event) -> ChecklistRuns:
        return self.fold(state, (event,))

    def fold(self, state: ChecklistRuns, events: Iterable[Event]) -> ChecklistRuns:
        runs = {run.id: run for _, listed in state.by_checklist for run in listed}
        for event in events:
            after = _run_after(runs.get(event.subject), event)
            if after is not None:
                runs[event.subject] = after
        by_checklist: dict[str, list[ChecklistRun]] = {}
        for run in runs.values():
            by_checklist.setdefault(run.checklist, []).append(run)
        return ChecklistRuns(tuple((name, tuple(listed[-KEPT:])) for name, listed in by_checklist.items()))


def _run_after(run: ChecklistRun | None, event: Event) -> ChecklistRun | None:
    """Raises ValueError for an event whose data does not fit its kind."""
    payload = decode(event)
    if isinstance(payload, RunStarted):
        uptime = payload.uptime or NO_TIMESTAMP
        return run or ChecklistRun(event.subject, payload.checklist, event.at, event.author, uptime=uptime)
    if run is None:
        return None
    match payload:
        case RunNoteAdded():
            return replace(run, notes=(*run.notes, Note(payload.item, event.author, event.at, payload.text)))
        case RunSigned():
            signature = Signature(
                payload.name or event.author,
                event.author,
                event.at,
                payload.open,
                payload.remark or "",
                payload.uptime or NO_TIMESTAMP,
            )
            return replace(run, signatures=(*run.signatures, signature))
        case ItemAnswered():
            value = payload.value  # the journal writes a NaN as text
            answer = ItemAnswer(
                item=payload.item,
                author=event.author,
                at=event.at,
                answer=payload.answer,
                # A verdict of another release is not known to be ok.
                resulting_verdict=_verdict(payload.resulting_verdict) or Verdict.NO_DATA,
                evidence_verdict=_verdict(payload.verdict),
                value=value if isinstance(value, float) and abs(value) < _LARGEST else None,
                value_text=payload.value_text,
                reason=payload.reason or "",
            )
            return replace(run, answers=(*run.answers, answer))
    return run


def _verdict(value: str | None) -> Verdict | None:
    return Verdict(value) if value in tuple(Verdict) else None
