"""What a checklist run leaves open, and how it compares with earlier runs."""

from __future__ import annotations

from collections.abc import Iterable

from console.checklists.definition import Checklist, Item
from console.checklists.result import ItemResult
from console.state.checklist_runs import AGREE, KEPT, OVERRULE, ChecklistRun, ChecklistRuns, ItemAnswer
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.times import format_timestamp


def resulting_verdict(evidence: Verdict | None, answer: str) -> Verdict:
    """What an answer leaves an item at. Overruling turns ok into a warning, and anything else into ok."""
    if answer == AGREE:
        return Verdict.OK if evidence is None else evidence
    if answer == OVERRULE:
        return Verdict.WARN if evidence in (None, Verdict.OK) else Verdict.OK
    return Verdict.NO_DATA


def answer_text(answer: ItemAnswer) -> str:
    """`agreed to WARN`, `overruled WARN to ok: known since Monday`, `answered no: …`."""
    reason = f": {visible(answer.reason)}" if answer.reason else ""
    if answer.evidence_verdict is None:
        return ("answered yes" if answer.resulting_verdict is Verdict.OK else "answered no") + reason
    if answer.answer == OVERRULE:
        return f"overruled {answer.evidence_verdict.word} to {answer.resulting_verdict.word}{reason}"
    return f"agreed to {answer.evidence_verdict.word}{reason}"


def recorded_results(checklist: Checklist, run: ChecklistRun) -> tuple[ItemResult, ...]:
    """What the evidence said when people answered: a signed run stays as it was signed, whatever the servers say now."""
    found = []
    for item in checklist.items:
        answer = run.answer_to(item.id)
        if answer is None:
            found.append(ItemResult(item, None, "", "not answered before the run was signed"))
        else:
            when = f"as recorded at {format_timestamp(answer.at)}"
            found.append(ItemResult(item, answer.evidence_verdict, visible(answer.value_text), when, answer.value))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An item that is not ok, with the sentence that the signature records."""

    item: Item
    verdict: Verdict
    sentence: str


def open_items(checklist: Checklist, run: ChecklistRun, results: Iterable[ItemResult]) -> tuple[OpenItem, ...]:
    """Every item without an answer, with an answer other than ok, or with answers that differ."""
    by_item = {result.item.id: result for result in results}
    open_ = []
    for item in checklist.items:
        answer, result = run.answer_to(item.id), by_item.get(item.id)
        if answer is None:
            value = f" ({result.label}{f' {result.value_text}' if result.verdict is not None else ''})" if result else ""
            open_.append(OpenItem(item, Verdict.NO_DATA, f"{item.title}: not answered{value}"))
        elif run.disputed(item.id):
            answers = "; ".join(f"{visible(one.author)} {answer_text(one)}" for one in run.answers_to(item.id))
            open_.append(OpenItem(item, Verdict.WARN, f"{item.title}: the answers differ: {answers}"))
        elif answer.resulting_verdict is not Verdict.OK:
            reason = f" ({visible(answer.reason)})" if answer.reason else ""
            text = f"{item.title}: {answer.resulting_verdict.word} {visible(answer.value_text)}{reason}"
            open_.append(OpenItem(item, answer.resulting_verdict, text))
    return tuple(open_)


# Earlier runs


@dataclass(frozen=True, slots=True)
class Streak:
    """The same verdict other than ok in that many signed runs in a row, up to the newest."""

    item: str
    verdict: Verdict
    runs: int
    since: float
    complete: bool
    """Whether it started within the runs that the state holds."""


def last_answer(
    runs: ChecklistRuns, checklist: str, item: str, *, before: ChecklistRun | None = None
) -> tuple[ChecklistRun, ItemAnswer] | None:
    """The item's answer in the newest signed run other than `before`."""
    for run in reversed(runs.signed(checklist)):
        if before is not None and run.id == before.id:
            continue
        answer = run.answer_to(item)
        return (run, answer) if answer else None
    return None


def find_streaks(runs: ChecklistRuns, checklist: Checklist) -> tuple[Streak, ...]:
    """The items whose evidence had the same verdict other than ok in two or more of the last runs, longest first."""
    signed = runs.signed(checklist.name)
    streaks = (streak_of(signed, item.id) for item in checklist.items)
    return tuple(sorted((each for each in streaks if each is not None and each.runs > 1), key=lambda each: -each.runs))


def streak_of(signed: tuple[ChecklistRun, ...], item: str) -> Streak | None:
    """The streak that the newest of these runs ends; None where that one was ok, or has no answer."""
    verdict, count, since = None, 0, 0.0
    for run in reversed(signed):
        answer = run.answer_to(item)
        present = answer.evidence_verdict or answer.resulting_verdict if answer else None
        if present is None or present is Verdict.OK or verdict not in (None, present):
            return Streak(item, verdict, count, since, complete=True) if verdict else None
        verdict, count, since = present, count + 1, run.started_at
    return Streak(item, verdict, count, since, complete=len(signed) < KEPT) if verdict else None
