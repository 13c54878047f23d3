"""The pages of a walk, as lines: one item with its evidence and answers, and the sign-off with what is not ok."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from console.checklists.definition import Checklist
from console.checklists.result import ItemResult
from console.checklists.run_events import answer_words, last_answer, left_open, streak_of
from console.checklists.section import ReportSection
from console.screens.base import section
from console.state.checklist_runs import OVERRULE, ChecklistRun, ChecklistRuns, ItemAnswer
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.formatting import span
from queries.text.local_time import local_clock
from widgets.formatting import VERDICT_WIDTH
from widgets.sparkline import render_sparkline
from widgets.styled_text import VERDICT_TONES, Line, Span, cut, fit, text, width_of, wrap

LABEL = 10
SIGN_OFF = ""
"""The key of the last page in the rail."""
_TREND = 40


@dataclass(frozen=True, slots=True)
class ChecklistRunView:
    """What one look at a walk shows. `walk` is None where the journal does not have it (any more)."""

    checklist: Checklist
    findings: tuple[ItemResult, ...]
    walk: ChecklistRun
    walks: ChecklistRuns
    now: float
    asked_at: float = 0.0
    """When the evidence was asked, Unix seconds; 0 while the answers have not come."""


def tone_of(verdict: Verdict | None) -> str:
    return VERDICT_TONES[verdict] if verdict is not None else "accent"


def rail_line(sight: ChecklistRunView, key: str, width: int) -> Line:
    """`● WARN    Error ratio`: whether it was answered, what the data says, its title."""
    if key == SIGN_OFF:
        left = len(left_open(sight.checklist, sight.walk, sight.findings))
        words = "signed" if sight.walk.signed else f"{left} open" if left else "all ok"
        return (("  ", ""), (fit("sign", VERDICT_WIDTH), "accent"), (fit(words, max(1, width - 2 - VERDICT_WIDTH)), "strong"))
    finding = next(item for item in sight.findings if item.item.id == key)
    answer = sight.walk.answer_to(key)
    return (
        _mark(answer, disputed=sight.walk.disputed(key)),
        (fit(finding.word, VERDICT_WIDTH), tone_of(finding.verdict)),
        (fit(visible(finding.item.title), max(1, width - 2 - VERDICT_WIDTH)), "" if answer else "strong"),
    )


def _mark(answer: ItemAnswer | None, *, disputed: bool) -> Span:
    if answer is None:
        return ("○ ", "dim")
    return ("▲ ", "warn") if disputed or answer.answer == OVERRULE else ("● ", "ok")


def item_lines(sight: ChecklistRunView, finding: ItemResult, number: int, width: int) -> tuple[Line, ...]:
    """One item: its question, the evidence against its target, then and now, what people said, where to look."""
    item, found = finding.item, []
    found.append(_title(f"{number} of {len(sight.checklist.items)}", item.title))
    found += _wrapped(visible(item.asks), width)
    found.append(())
    head: Line = ((f" {finding.word} ", tone_of(finding.verdict)), (f" {finding.told}", "strong"))
    limit: Span = (f"  {finding.limit}", "dim")
    fits = width_of((*head, limit)) <= width
    found.append((*head, limit) if fits else head)
    found += [] if fits else _wrapped(finding.limit, width, "dim")
    if finding.reason and finding.reason not in (finding.told, item.asks):
        found += _wrapped(finding.reason, width, tone_of(finding.verdict) if finding.verdict is not Verdict.OK else "")
    found.append(())
    found += _then(sight, finding, width)
    found += _said(sight, finding, width)
    if finding.details:
        found.append(section("Evidence", width))
        for detail in finding.details:
            word: Span = (fit(detail.verdict.word, VERDICT_WIDTH), tone_of(detail.verdict)) if detail.verdict else ("", "")
            room = width - 1 - (VERDICT_WIDTH if detail.verdict else 0)
            for at, words in enumerate(wrap(detail.text, max(10, room))):
                lead = word if at == 0 else (" " * len(word[0]), "")
                found.append(((" ", ""), lead, (words, "" if detail.verdict else "dim")))
    if finding.places:
        found.append(section("g goes there", width))
        found += _wrapped(" · ".join(place.words for place in finding.places), width, "accent")
    return tuple(cut(line, width) for line in found)


def _then(sight: ChecklistRunView, finding: ItemResult, width: int) -> Iterable[Line]:
    """Yesterday, the last walk, the streak, the trend; each only where there is one."""
    now = sight.now
    if finding.before:
        yield from _fact("yesterday", finding.before, width)
    last = last_answer(sight.walks, sight.checklist.name, finding.item.id, before=sight.walk)
    if last is not None:
        answer = last[1]
        when = local_clock(answer.at, now=now)
        yield from _fact("last walk", f"{answer_words(answer)}, {visible(answer.told)}, {when} {visible(answer.author)}", width)
    streak = streak_of(
        tuple(each for each in sight.walks.signed(sight.checklist.name) if each.id != sight.walk.id), finding.item.id
    )
    if streak is not None and streak.verdict is finding.verdict:
        more = "" if streak.whole else "at least "
        told = f"{streak.verdict.word} in {more}{streak.walks + 1} walks in a row, since {local_clock(streak.since, now=now)}"
        yield from _fact("streak", told, width, "warn")
    if finding.trend:
        room = max(8, min(_TREND, width - LABEL - len(finding.trend_words) - 4))
        drawn = render_sparkline(finding.trend, room, thresholds=finding.lines, lower_is_worse=finding.below)
        yield ((f" {'trend':<{LABEL}}", "dim"), (drawn, tone_of(finding.verdict)), (f"  {finding.trend_words}", "dim"))
    if sight.asked_at and now - sight.asked_at >= 60.0 and finding.trend_words != "the last hour":
        yield from _fact("asked", f"{span(now - sight.asked_at)} ago; u asks again", width)


def _said(sight: ChecklistRunView, finding: ItemResult, width: int) -> Iterable[Line]:
    answers, notes = sight.walk.answers_to(finding.item.id), sight.walk.notes_on(finding.item.id)
    if not answers and not notes:
        return
    yield section("Said" if not sight.walk.disputed(finding.item.id) else "Said: the answers differ", width)
    for answer in answers:
        words = f"{local_clock(answer.at, now=sight.now)}  {visible(answer.author)} {answer_words(answer)}"
        yield from _wrapped(words, width, tone_of(answer.stands))
    for note in notes:
        yield from _wrapped(f"{local_clock(note.at, now=sight.now)}  {visible(note.author)}: {visible(note.text)}", width)


def sign_off_lines(sight: ChecklistRunView, width: int) -> tuple[Line, ...]:
    """Everything that is not ok, who walked, for how long, and the signature where there is one."""
    walk, checklist, now = sight.walk, sight.checklist, sight.now
    found: list[Line] = [_title("Sign-off", checklist.title)]
    answered = len(walk.answered & {item.id for item in checklist.items})
    people = ", ".join(visible(name) for name in walk.people)
    found += _wrapped(
        f"{answered} of {len(checklist.items)} answered, begun {local_clock(walk.begun_at, now=now)}, by {people}", width
    )
    found.append(())
    signature = walk.signed
    for other in walk.signatures:
        took = f" after {span(walk.took.seconds)}" if walk.took and other is signature else ""
        words = f"signed {local_clock(other.at, now=now)} by {visible(other.name)} ({visible(other.author)}){took}"
        found += _wrapped(words + (f": {visible(other.remark)}" if other.remark else ""), width, "ok")
    left = left_open(checklist, walk, sight.findings)
    found.append(section("Not ok", width))
    if signature is not None:
        listed = [(Verdict.WARN, visible(words)) for words in signature.open]
    else:
        listed = [(item.verdict, visible(item.sentence)) for item in left]
    for verdict, words in listed:
        found += _wrapped(words, width, tone_of(verdict))
    if not listed:
        found.append(((" nothing is open", "ok"),))
    overruled = [answer for item in checklist.items if (answer := walk.answer_to(item.id)) and answer.answer == OVERRULE]
    if overruled:
        found.append(section("Overruled", width))
        titles = {item.id: item.title for item in checklist.items}
        for answer in overruled:
            found += _wrapped(f"{visible(titles[answer.item])}: {visible(answer.author)} {answer_words(answer)}", width)
    if walk.notes:
        found.append(section("Notes", width))
        titles = {item.id: item.title for item in checklist.items}
        for note in walk.notes:
            found += _wrapped(
                f"{visible(titles.get(note.item, note.item))}: {visible(note.author)}: {visible(note.text)}", width
            )
    found.append(())
    if signature is None:
        found += _wrapped("enter signs it with your name and with what is open", width, "dim")
    else:
        found += _wrapped("y copies it as Markdown", width, "dim")
    return tuple(cut(line, width) for line in found)


def section_lines(sections: Iterable[ReportSection], width: int) -> Iterable[Line]:
    """A summary's or a handover's sections, each line with its verdict in a word."""
    for each in sections:
        yield section(each.title, width)
        room = VERDICT_WIDTH if any(line.verdict for line in each.lines) else 0
        for line in each.lines:
            word: Span = (fit(line.verdict.word, room), tone_of(line.verdict)) if line.verdict else (" " * room, "")
            for at, words in enumerate(wrap(line.text, max(10, width - 2 - room))):
                yield ((" ", ""), word if at == 0 else (" " * room, ""), (words, ""))
        if not each.lines:
            yield from _wrapped(each.empty, width, "dim" if each.known else "unknown")


def _title(count: str, title: str) -> Line:
    return ((f" {count}  ", "dim"), (visible(title), "title"))


def _fact(label: str, words: str, width: int, tone: str = "") -> Iterable[Line]:
    for at, part in enumerate(wrap(words, max(10, width - LABEL - 2))):
        yield ((f" {label if at == 0 else '':<{LABEL}}", "dim"), (part, tone))


def _wrapped(words: str, width: int, tone: str = "") -> list[Line]:
    return [((f" {part}", tone),) for part in wrap(words, max(10, width - 2))]


def past_lines(
    walk: ChecklistRun, before: ChecklistRun | None, titles: dict[str, str], now: float, width: int
) -> tuple[Line, ...]:
    """A past walk: every answer beside that of the walk before it, the notes, the signature."""
    found: list[Line] = []
    items = dict.fromkeys([*titles, *(answer.item for answer in walk.answers)])
    for item in items:
        answer = walk.answer_to(item)
        old = before.answer_to(item) if before else None
        head = fit(visible(titles.get(item, item)), 20)
        if answer is None:
            found.append(((f" {head} ", ""), ("not answered", "unknown")))
            continue
        then = f"   before {old.stands.word} {visible(old.told)}" if old else ""
        found.append(
            (
                (f" {head} ", ""),
                (f"{answer.stands.word} ", tone_of(answer.stands)),
                text(answer.told),
                (f"  {answer_words(answer)}" if answer.reason or answer.answer == OVERRULE else "", "warn"),
                (then, "dim"),
            )
        )
    for note in walk.notes:
        found += _wrapped(f"{visible(titles.get(note.item, note.item))}: {visible(note.author)}: {visible(note.text)}", width)
    signature = walk.signed
    if signature is not None:
        when = local_clock(signature.at, now=now)
        left = f"open: {'; '.join(visible(words) for words in signature.open)}" if signature.open else "nothing was open"
        found += _wrapped(f"signed {when} by {visible(signature.name)}, {left}", width, "dim")
    else:
        found += _wrapped("never signed", width, "warn")
    return tuple(found)
