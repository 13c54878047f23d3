"""What a person's steps through a walk become in the journal, and what they leave open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from console.checklists.definition import Checklist, Item
from console.checklists.result import ItemResult
from console.journal.elapsed import MARK, mark
from console.state.checklist_runs import AGREE, KEPT, OVERRULE, ChecklistRun, ChecklistRuns, ItemAnswer
from queries.model.text import visible
from queries.model.verdict import Verdict


def new_id() -> str:
    """The subject of a new walk: two consoles never take the same."""
    return uuid4().hex[:12]


def begun(checklist: Checklist) -> dict[str, Any]:
    return {"checklist": checklist.name, "title": checklist.title, MARK: mark()}


def answered(finding: ItemResult, answer: str, *, reason: str = "") -> dict[str, Any]:
    """The data of `walk.item`: what the evidence said at this moment, and what the person leaves it at."""
    data: dict[str, Any] = {
        "item": finding.item.id,
        "title": finding.item.title,
        "answer": answer,
        "stands": stands(finding.verdict, answer).value,
        "told": finding.told,
        "why": finding.reason,
    }
    if finding.verdict is not None:
        data["verdict"] = finding.verdict.value
    if finding.value is not None:
        data["value"] = finding.value
    if reason:
        data["reason"] = reason
    return data


def noted(item: Item, text: str) -> dict[str, Any]:
    return {"item": item.id, "title": item.title, "text": text}


def signed(
    checklist: Checklist, walk: ChecklistRun, findings: Iterable[ItemResult], *, name: str, remark: str = ""
) -> dict[str, Any]:
    """The data of `walk.signed`: with what name, and everything that was open."""
    left = [item.sentence for item in left_open(checklist, walk, findings)]
    data: dict[str, Any] = {"checklist": checklist.name, "title": checklist.title, "name": name, "open": left, MARK: mark()}
    return {**data, "remark": remark} if remark else data


def stands(found: Verdict | None, answer: str) -> Verdict:
    """What an answer leaves an item at. Overruling turns ok into a warning, and anything else into ok."""
    if answer == AGREE:
        return Verdict.OK if found is None else found
    if answer == OVERRULE:
        return Verdict.WARN if found in (None, Verdict.OK) else Verdict.OK
    return Verdict.NO_DATA


def answer_words(answer: ItemAnswer) -> str:
    """`agreed`, `overruled to ok: known since Monday`, `said no: …`."""
    reason = f": {visible(answer.reason)}" if answer.reason else ""
    if answer.found is None:
        return ("said yes" if answer.stands is Verdict.OK else "said no") + reason
    if answer.answer == OVERRULE:
        return f"overruled {answer.found.word} to {answer.stands.word}{reason}"
    return f"agreed to {answer.found.word}{reason}"


@dataclass(frozen=True, slots=True)
class OpenItem:
    """One item that the sign-off has to name."""

    item: Item
    verdict: Verdict
    sentence: str


def left_open(checklist: Checklist, walk: ChecklistRun, findings: Iterable[ItemResult]) -> tuple[OpenItem, ...]:
    """What is not ok: not answered, left at anything but ok, or answered differently by several people."""
    by_item = {finding.item.id: finding for finding in findings}
    found = []
    for item in checklist.items:
        answer, finding = walk.answer_to(item.id), by_item.get(item.id)
        if answer is None:
            told = f" ({finding.word}{f' {finding.told}' if finding.verdict is not None else ''})" if finding else ""
            found.append(OpenItem(item, Verdict.NO_DATA, f"{item.title}: not answered{told}"))
        elif walk.disputed(item.id):
            each = "; ".join(f"{visible(one.author)} {answer_words(one)}" for one in walk.answers_to(item.id))
            found.append(OpenItem(item, Verdict.WARN, f"{item.title}: the answers differ: {each}"))
        elif answer.stands is not Verdict.OK:
            reason = f" ({visible(answer.reason)})" if answer.reason else ""
            found.append(OpenItem(item, answer.stands, f"{item.title}: {answer.stands.word} {visible(answer.told)}{reason}"))
    return tuple(found)


# Looking back


@dataclass(frozen=True, slots=True)
class Streak:
    """The same verdict that is not ok, in so many signed walks in a row up to the newest."""

    item: str
    verdict: Verdict
    walks: int
    since: float
    whole: bool
    """Whether it began within the walks that are kept."""


def last_answer(
    walks: ChecklistRuns, checklist: str, item: str, *, before: ChecklistRun | None = None
) -> tuple[ChecklistRun, ItemAnswer] | None:
    """What the item was left at in the newest signed walk that is not this one."""
    for walk in reversed(walks.signed(checklist)):
        if before is not None and walk.id == before.id:
            continue
        answer = walk.answer_to(item)
        return (walk, answer) if answer else None
    return None


def streaks(walks: ChecklistRuns, checklist: Checklist) -> tuple[Streak, ...]:
    """The items whose data said the same thing that is not ok in each of the last walks, two or more; the longest first."""
    found = []
    signed_ones = walks.signed(checklist.name)
    for item in checklist.items:
        streak = streak_of(signed_ones, item.id)
        if streak is not None and streak.walks > 1:
            found.append(streak)
    return tuple(sorted(found, key=lambda each: -each.walks))


def streak_of(signed_ones: tuple[ChecklistRun, ...], item: str) -> Streak | None:
    """The streak that the newest of these walks ends; None where that one was ok, or did not ask."""
    verdict, count, since = None, 0, 0.0
    for walk in reversed(signed_ones):
        answer = walk.answer_to(item)
        said = answer.found or answer.stands if answer else None
        if said is None or said is Verdict.OK or verdict not in (None, said):
            return Streak(item, verdict, count, since, whole=True) if verdict else None
        verdict, count, since = said, count + 1, walk.begun_at
    return Streak(item, verdict, count, since, whole=len(signed_ones) < KEPT) if verdict else None
