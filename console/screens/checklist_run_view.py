"""The pages of a checklist run as lines: an item with its evidence and answers, and the sign-off."""

from __future__ import annotations

from collections.abc import Iterable

from console.checklists.definition import Checklist
from console.checklists.result import ItemResult
from console.checklists.run_review import answer_text, last_answer, open_items, streak_of
from console.checklists.section import ReportSection
from console.screens.base import section
from console.state.checklist_runs import OVERRULE, ChecklistRun, ChecklistRuns, ItemAnswer
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.times import format_local
from widgets.formatting import VERDICT_WIDTH
from widgets.sparkline import render_sparkline
from widgets.styled_text import VERDICT_TONES, Line, Span, cut, fit, text, width_of, wrap

LABEL = 10
SIGN_OFF = ""
"""The key of the last page in the rail."""
_TREND = 40


@dataclass(frozen=True, slots=True)
class ChecklistRunView:
    """What the pages show of a run at one moment."""

    checklist: Checklist
    results: tuple[ItemResult, ...]
    run: ChecklistRun
    runs: ChecklistRuns
    now: float
    fetched_at: float = 0.0
    """When the evidence was fetched, Unix seconds; 0 until then."""


def verdict_tone(verdict: Verdict | None) -> str:
    """The tone of a verdict."""
    return VERDICT_TONES[verdict] if verdict is not None else "accent"


def render_rail_line(view: ChecklistRunView, key: str, width: int) -> Line:
    """`● WARN    Error ratio`: whether it is answered, its verdict, its title."""
    if key == SIGN_OFF:
        count = len(open_items(view.checklist, view.run, view.results))
        content = "signed" if view.run.signature else f"{count} open" if count else "all ok"
        return (("  ", ""), (fit("sign", VERDICT_WIDTH), "accent"), (fit(content, max(1, width - 2 - VERDICT_WIDTH)), "strong"))
    result = next(item for item in view.results if item.item.id == key)
    answer = view.run.answer_to(key)
    return (
        _answer_glyph(answer, disputed=view.run.disputed(key)),
        (fit(result.label, VERDICT_WIDTH), verdict_tone(result.verdict)),
        (fit(visible(result.item.title), max(1, width - 2 - VERDICT_WIDTH)), "" if answer else "strong"),
    )


def _answer_glyph(answer: ItemAnswer | None, *, disputed: bool) -> Span:
    if answer is None:
        return ("○ ", "dim")
    return ("▲ ", "warn") if disputed or answer.answer == OVERRULE else ("● ", "ok")


def render_item(view: ChecklistRunView, result: ItemResult, number: int, width: int) -> tuple[Line, ...]:
    """One item: its question, the evidence against its target, earlier values, what people answered, where to go."""
    item, lines = result.item, []
    lines.append(_render_page_title(f"{number} of {len(view.checklist.items)}", item.title))
    lines += _wrap_lines(visible(item.asks), width)
    lines.append(())
    head: Line = ((f" {result.label} ", verdict_tone(result.verdict)), (f" {result.value_text}", "strong"))
    target = f"target: {result.limit}" if result.limit else ""
    limit: Span = (f"  {target}", "dim")
    fits = width_of((*head, limit)) <= width
    lines.append((*head, limit) if fits else head)
    lines += [] if fits else _wrap_lines(target, width, "dim")
    if result.reason and result.reason not in (result.value_text, item.asks):
        lines += _wrap_lines(result.reason, width, verdict_tone(result.verdict) if result.verdict is not Verdict.OK else "")
    lines.append(())
    lines += _render_history(view, result, width)
    lines += _render_answers(view, result, width)
    if result.details:
        lines.append(section("Evidence", width))
        for detail in result.details:
            word: Span = (fit(detail.verdict.word, VERDICT_WIDTH), verdict_tone(detail.verdict)) if detail.verdict else ("", "")
            room = width - 1 - (VERDICT_WIDTH if detail.verdict else 0)
            for at, content in enumerate(wrap(detail.text, max(10, room))):
                lead = word if at == 0 else (" " * len(word[0]), "")
                lines.append(((" ", ""), lead, (content, "" if detail.verdict else "dim")))
    if result.targets:
        lines.append(section("g goes to", width))
        lines += _wrap_lines(" · ".join(place.label for place in result.targets), width, "accent")
    return tuple(cut(line, width) for line in lines)


def _render_history(view: ChecklistRunView, result: ItemResult, width: int) -> Iterable[Line]:
    """Yesterday, the previous run, the streak and the trend, as far as they exist."""
    now = view.now
    if result.before:
        yield from _render_fact("yesterday", result.before, width)
    last = last_answer(view.runs, view.checklist.name, result.item.id, before=view.run)
    if last is not None:
        answer = last[1]
        when = format_local(answer.at, now=now)
        content = f"{answer_text(answer)}, {visible(answer.value_text)}, {when} {visible(answer.author)}"
        yield from _render_fact("last run", content, width)
    streak = streak_of(tuple(each for each in view.runs.signed(view.checklist.name) if each.id != view.run.id), result.item.id)
    if streak is not None and streak.verdict is result.verdict:
        at_least = "" if streak.complete else "at least "
        value = (
            f"{streak.verdict.word} in {at_least}{streak.runs + 1} runs in a row, since {format_local(streak.since, now=now)}"
        )
        yield from _render_fact("streak", value, width, "warn")
    if result.trend:
        room = max(8, min(_TREND, width - LABEL - len(result.trend_period) - 4))
        sparkline = render_sparkline(
            result.trend,
            room,
            window=result.trend_window,
            thresholds=result.thresholds,
            lower_is_worse=result.below,
        )
        yield ((f" {'trend':<{LABEL}}", "dim"), (sparkline, verdict_tone(result.verdict)), (f"  {result.trend_period}", "dim"))
    if view.fetched_at and now - view.fetched_at >= 60.0 and result.trend_period != "the last hour":
        yield from _render_fact("fetched", f"{format_span(now - view.fetched_at)} ago; u fetches again", width)


def _render_answers(view: ChecklistRunView, result: ItemResult, width: int) -> Iterable[Line]:
    answers, notes = view.run.answers_to(result.item.id), view.run.notes_on(result.item.id)
    if not answers and not notes:
        return
    yield section("Answers" if not view.run.disputed(result.item.id) else "Answers: they differ", width)
    for answer in answers:
        content = f"{format_local(answer.at, now=view.now)}  {visible(answer.author)} {answer_text(answer)}"
        yield from _wrap_lines(content, width, verdict_tone(answer.resulting_verdict))
    for note in notes:
        yield from _wrap_lines(f"{format_local(note.at, now=view.now)}  {visible(note.author)}: {visible(note.text)}", width)


def render_sign_off(view: ChecklistRunView, width: int) -> tuple[Line, ...]:
    """What is not ok, who answered, how long it took, and the signatures."""
    run, checklist, now = view.run, view.checklist, view.now
    lines: list[Line] = [_render_page_title("Sign-off", checklist.title)]
    answered = len(run.answered_items & {item.id for item in checklist.items})
    people = ", ".join(visible(name) for name in run.people)
    lines += _wrap_lines(
        f"{answered} of {len(checklist.items)} answered, started {format_local(run.started_at, now=now)}, by {people}", width
    )
    lines.append(())
    signature = run.signature
    for other in run.signatures:
        took = f" after {format_span(run.duration.seconds)}" if run.duration and other is signature else ""
        content = f"signed {format_local(other.at, now=now)} by {visible(other.name)} ({visible(other.author)}){took}"
        lines += _wrap_lines(content + (f": {visible(other.remark)}" if other.remark else ""), width, "ok")
    listed_items = open_items(checklist, run, view.results)
    lines.append(section("Not ok", width))
    if signature is not None:
        listed = [(Verdict.WARN, visible(content)) for content in signature.open]
    else:
        listed = [(item.verdict, visible(item.sentence)) for item in listed_items]
    for verdict, content in listed:
        lines += _wrap_lines(content, width, verdict_tone(verdict))
    if not listed:
        lines.append(((" nothing is open", "ok"),))
    overruled = [answer for item in checklist.items if (answer := run.answer_to(item.id)) and answer.answer == OVERRULE]
    if overruled:
        lines.append(section("Overruled", width))
        titles = {item.id: item.title for item in checklist.items}
        for answer in overruled:
            lines += _wrap_lines(f"{visible(titles[answer.item])}: {visible(answer.author)} {answer_text(answer)}", width)
    if run.notes:
        lines.append(section("Notes", width))
        titles = {item.id: item.title for item in checklist.items}
        for note in run.notes:
            lines += _wrap_lines(
                f"{visible(titles.get(note.item, note.item))}: {visible(note.author)}: {visible(note.text)}", width
            )
    lines.append(())
    if signature is None:
        lines += _wrap_lines("enter signs it in your name, with what is open", width, "dim")
    else:
        lines += _wrap_lines("y copies it as Markdown", width, "dim")
    return tuple(cut(line, width) for line in lines)


def render_sections(sections: Iterable[ReportSection], width: int) -> Iterable[Line]:
    """The sections of a summary or a handover, each line with its verdict."""
    for each in sections:
        yield section(each.title, width)
        room = VERDICT_WIDTH if any(line.verdict for line in each.lines) else 0
        for line in each.lines:
            word: Span = (fit(line.verdict.word, room), verdict_tone(line.verdict)) if line.verdict else (" " * room, "")
            for at, content in enumerate(wrap(line.text, max(10, width - 2 - room))):
                yield ((" ", ""), word if at == 0 else (" " * room, ""), (content, ""))
        if not each.lines:
            yield from _wrap_lines(each.empty, width, "dim" if each.known else "unknown")


def _render_page_title(count: str, title: str) -> Line:
    return ((f" {count}  ", "dim"), (visible(title), "title"))


def _render_fact(label: str, content: str, width: int, tone: str = "") -> Iterable[Line]:
    for at, part in enumerate(wrap(content, max(10, width - LABEL - 2))):
        yield ((f" {label if at == 0 else '':<{LABEL}}", "dim"), (part, tone))


def _wrap_lines(content: str, width: int, tone: str = "") -> list[Line]:
    return [((f" {part}", tone),) for part in wrap(content, max(10, width - 2))]


def render_past_run(
    run: ChecklistRun, before: ChecklistRun | None, titles: dict[str, str], now: float, width: int
) -> tuple[Line, ...]:
    """A past run: every answer next to that of the previous run, the notes, the signature."""
    lines: list[Line] = []
    items = dict.fromkeys([*titles, *(answer.item for answer in run.answers)])
    for item in items:
        answer = run.answer_to(item)
        old = before.answer_to(item) if before else None
        head = fit(visible(titles.get(item, item)), 20)
        if answer is None:
            lines.append(((f" {head} ", ""), ("not answered", "unknown")))
            continue
        previous = f"   before {old.resulting_verdict.word} {visible(old.value_text)}" if old else ""
        lines.append(
            (
                (f" {head} ", ""),
                (f"{answer.resulting_verdict.word} ", verdict_tone(answer.resulting_verdict)),
                text(answer.value_text),
                (f"  {answer_text(answer)}" if answer.reason or answer.answer == OVERRULE else "", "warn"),
                (previous, "dim"),
            )
        )
    for note in run.notes:
        lines += _wrap_lines(
            f"{visible(titles.get(note.item, note.item))}: {visible(note.author)}: {visible(note.text)}", width
        )
    signature = run.signature
    if signature is not None:
        when = format_local(signature.at, now=now)
        open_items = "nothing was open"
        if signature.open:
            open_items = f"open: {'; '.join(visible(content) for content in signature.open)}"
        lines += _wrap_lines(f"signed {when} by {visible(signature.name)}, {open_items}", width, "dim")
    else:
        lines += _wrap_lines("never signed", width, "warn")
    return tuple(lines)
