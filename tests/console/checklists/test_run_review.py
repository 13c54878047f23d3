"""What a run leaves open and how it compares with earlier ones: two people, two runs, two items."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from screen_samples import NOW, snapshot

from console.checklists import report
from console.checklists.definition import Checklist, Item, PlatformEvidence, QuestionEvidence
from console.checklists.evaluate import EvaluationInput, evaluate
from console.checklists.report import ChecklistReport
from console.checklists.report_junit import as_junit
from console.checklists.result import Detail, ItemResult
from console.checklists.run_review import (
    answer_text,
    find_streaks,
    last_answer,
    open_items,
    recorded_results,
    resulting_verdict,
    streak_of,
)
from console.checklists.section import ReportSection
from console.checklists.service import build_report
from console.state.checklist_runs import ChecklistRun, ChecklistRuns, ItemAnswer, Note, Signature
from queries.model.fault import Fault, FaultKind
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.text.times import format_local

ONE, TWO = (Item(name, name.title(), f"Is {name} well?", QuestionEvidence(f"{name}?")) for name in ("one", "two"))
CHECKLIST = Checklist("daily", "Daily", (ONE, TWO))
OK, WARN, CRITICAL, NO_DATA = Verdict.OK, Verdict.WARN, Verdict.CRITICAL, Verdict.NO_DATA

pytestmark = pytest.mark.usefixtures("utc")


def answer(item: str, evidence: Verdict | None = OK, *, author: str = "ann", at: float = NOW, **more: Any) -> ItemAnswer:
    given = more.pop("answer", "agree")
    stands = more.pop("stands", resulting_verdict(evidence, given))
    return ItemAnswer(item, author, at, given, stands, evidence, value_text="5 %", **more)


def run(number: int, *answers: ItemAnswer, signed: bool = True, **more: Any) -> ChecklistRun:
    signatures = (Signature("Ann", "ann", NOW + number),) if signed else ()
    return ChecklistRun(f"r{number}", "daily", NOW + number, "ann", answers, signatures=signatures, **more)


@pytest.mark.parametrize(
    ("evidence", "given", "stands"),
    [
        (None, "agree", OK), (OK, "agree", OK), (WARN, "agree", WARN), (NO_DATA, "agree", NO_DATA),
        (None, "overrule", WARN), (OK, "overrule", WARN), (WARN, "overrule", OK), (CRITICAL, "overrule", OK),
        (NO_DATA, "overrule", OK), (OK, "something", NO_DATA), (None, "", NO_DATA),
    ],
)  # fmt: skip
def test_what_an_answer_leaves_an_item_at(evidence: Verdict | None, given: str, stands: Verdict) -> None:
    """To overrule what is well is to warn, and anything else to call it well; what nobody knows is not known."""
    assert resulting_verdict(evidence, given) is stands


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (answer("one", None), "answered yes"), (answer("one", None, answer="overrule"), "answered no"),
        (answer("one", None, answer="overrule", reason="late"), "answered no: late"), (answer("one", WARN), "agreed to WARN"),
        (answer("one", WARN, answer="overrule", reason="known"), "overruled WARN to ok: known"),
        (answer("one", OK, answer="overrule"), "overruled ok to WARN"),
    ],
)  # fmt: skip
def test_an_answer_in_words(given: ItemAnswer, text: str) -> None:
    assert answer_text(given) == text


RESULTS = (ItemResult(ONE, WARN, "7 %", "too much"), ItemResult(TWO, None, "for you", "two?"))


def test_what_is_open_is_named_item_by_item() -> None:
    """Without an answer, at odds, or not well; what is well is not open. Who answered what stands beside two that differ."""
    found = open_items(CHECKLIST, run(1), RESULTS)
    assert [(item.item, item.verdict, item.sentence) for item in found] == [
        (ONE, NO_DATA, "One: not answered (WARN 7 %)"), (TWO, NO_DATA, "Two: not answered (ASK)"),
    ]  # fmt: skip
    assert open_items(CHECKLIST, run(1, answer("one"), answer("two", None)), RESULTS) == ()
    differ = run(1, answer("one", WARN), answer("one", WARN, author="bob", answer="overrule", reason="known"), answer("two"))
    (one,) = open_items(CHECKLIST, differ, RESULTS)
    assert (one.verdict, one.sentence) == (
        WARN, "One: the answers differ: ann agreed to WARN; bob overruled WARN to ok: known",
    )  # fmt: skip
    same = run(1, answer("one", WARN, reason="why"), answer("one", WARN, author="bob"), answer("two", CRITICAL))
    assert [item.sentence for item in open_items(CHECKLIST, same, ())] == ["One: WARN 5 % (why)", "Two: CRIT 5 %"]
    assert [item.sentence for item in open_items(CHECKLIST, run(1), ())] == ["One: not answered", "Two: not answered"]


def test_a_signed_run_stays_as_it_was() -> None:
    """The first person's last answer with its time, whatever is so now; an item without one says so."""
    corrected = run(1, answer("one", WARN), answer("one", CRITICAL, author="bob"), answer("one", OK, at=NOW + 60.0))
    one, two = recorded_results(CHECKLIST, corrected)
    assert (one.item, one.verdict, one.value_text) == (ONE, OK, "5 %")
    assert (
        one.reason.startswith("as recorded at ") and one.reason != recorded_results(CHECKLIST, run(1, answer("one")))[0].reason
    )
    assert (two.item, two.verdict, two.reason) == (TWO, None, "not answered before the run was signed")


def runs(*each: ChecklistRun) -> ChecklistRuns:
    return ChecklistRuns((("other", (replace(run(99, answer("one", CRITICAL)), checklist="other"),)), ("daily", each)))


def test_the_last_answer_is_that_of_the_newest_signed_run() -> None:
    """Before the run at hand, and none where that one has none; an unsigned one does not count."""
    first, second = run(1, answer("one", WARN)), run(2, answer("one", OK), answer("two", WARN))
    third, open_run = run(3, answer("two", OK)), run(4, answer("one", CRITICAL), signed=False)
    found = last_answer(runs(first, second, open_run), "daily", "one")
    assert found is not None and (found[0].id, found[1].evidence_verdict) == ("r2", OK)
    found = last_answer(runs(first, second), "daily", "one", before=second)
    assert found is not None and found[0].id == "r1"
    assert last_answer(runs(first, third), "daily", "one") is None
    assert (
        last_answer(runs(open_run), "daily", "one") is None and last_answer(runs(first), "daily", "one", before=first) is None
    )


@pytest.mark.parametrize(
    ("verdicts", "length", "since"),
    [
        ([WARN], 1, 0), ([WARN, WARN], 2, 0), ([OK, WARN, WARN], 2, 1), ([WARN, OK, WARN], 1, 2),
        ([CRITICAL, WARN, WARN], 2, 1),
        ([WARN, WARN, OK], 0, 0), ([None, WARN], 1, 1), ([WARN, None], 0, 0), ([NO_DATA] * 3, 3, 0), ([], 0, 0),
    ],
)  # fmt: skip
def test_a_streak_is_of_one_verdict_up_to_the_newest_run(verdicts: list[Verdict | None], length: int, since: int) -> None:
    """Another verdict, ok or a run without an answer ends it; one run alone is no streak to speak of."""
    each = tuple(run(at, *([answer("one", verdict)] if verdict else [])) for at, verdict in enumerate(verdicts))
    found = streak_of(each, "one")
    assert (found.runs if found else 0) == length
    if found:
        assert (found.verdict, found.since, found.complete) == (verdicts[-1], NOW + since, True)
    assert [item.item for item in find_streaks(runs(*each), CHECKLIST)] == (["one"] if length > 1 else [])


@pytest.mark.parametrize(("count", "complete"), [(119, True), (120, False)])
def test_a_streak_of_all_runs_that_are_kept_may_have_begun_before(count: int, complete: bool) -> None:
    """A hundred and twenty are kept; one that ends within them is known from its beginning."""
    each = tuple(run(at, answer("one", WARN)) for at in range(count))
    found = streak_of(each, "one")
    assert found is not None and (found.runs, found.complete) == (count, complete)
    later = streak_of((replace(each[0], answers=(answer("one", OK),)), *each[1:]), "one")
    assert later is not None and (later.runs, later.complete) == (count - 1, True)


def test_the_longest_streak_stands_first() -> None:
    each = [run(at, answer("one", WARN if at else OK), answer("two", CRITICAL)) for at in range(3)]
    assert [(item.item, item.runs) for item in find_streaks(runs(*each), CHECKLIST)] == [("two", 3), ("one", 2)]
    question = run(1, answer("one", None, answer="overrule")), run(2, answer("one", None, answer="overrule"))
    assert [(item.verdict, item.runs) for item in find_streaks(runs(*question), CHECKLIST)] == [(WARN, 2)]


# The report


def checklist_report(*verdicts: Verdict | None, **more: Any) -> ChecklistReport:
    items = tuple(Item(f"i{at}", f"T{at}", f"Q{at}?", QuestionEvidence("?")) for at in range(len(verdicts)))
    details = (Detail("all of it", WARN), Detail("a note"))
    results = tuple(
        ItemResult(item, verdict, f"v{at}", f"r{at}", float(at), limit=f"l{at}", details=details, before=f"b{at}",
                   trend=((1.0, 2.0), (2.0, float("nan")), (3.0, 1.0)), trend_period="a day")
        for at, (item, verdict) in enumerate(zip(items, verdicts, strict=True))
    )  # fmt: skip
    return ChecklistReport(Checklist("daily", "Daily", items), results, snapshot(), **more)


@pytest.mark.parametrize(("count", "text"), [(0, ""), (1, "; 1 question for a person"), (2, "; 2 questions for a person")])
def test_questions_are_counted_beside_the_exit_code(count: int, text: str) -> None:
    """They fail nothing; each stands there with what it asks."""
    told = report.as_text(checklist_report(OK, *[None] * count))
    assert told.endswith(f"exit code 0: all ok{text}") and told.count("ASK Q") == count
    worse = report.as_text(checklist_report(WARN, NO_DATA, *[None] * count))
    assert worse.endswith(f"exit code 1: something is critical or warns{text}")
    assert "WARN T0: r0\n  WARN all of it\n  a note" in worse and "NO DATA T1: r1" in worse
    assert "yesterday b0" in worse and "ok T0" not in told


def test_what_is_not_well_has_its_lines_in_markdown_and_its_case_in_junit() -> None:
    """Failures, errors and skipped ones are told apart; with a summary its sections have the details."""
    found = checklist_report(OK, WARN, CRITICAL, NO_DATA, Verdict.STALE, None)
    markdown = report.as_markdown(found)
    assert markdown.count("- WARN all of it") == 5 and "**CRIT T2: r2**" in markdown and "**ok T0" not in markdown
    suite = ElementTree.fromstring(as_junit(found))
    kinds = [[child.tag for child in case] for case in suite.iter("testcase")]
    assert kinds == [["system-out"], ["failure"], ["failure"], ["error"], ["error"], ["skipped"]]
    shown = report.as_text(replace(found, sections=(ReportSection("Key figures", (Detail("x"),)),)))
    assert "all of it" not in shown and "Key figures" in shown


def test_the_json_has_every_item_with_its_trend() -> None:
    """In its order, with the ends of its finite points; a question has no verdict, and what is not finite no value."""
    told = report.as_json(checklist_report(WARN, None))
    first, second = told["items"]
    assert (told["exit_code"], told["checklist"], first["verdict"], second["verdict"]) == (1, "daily", "warn", "question")
    assert first["trend"] == {"covers": "a day", "first": 2.0, "last": 1.0, "lowest": 1.0, "highest": 2.0}
    assert first["details"] == [{"text": "all of it", "verdict": "warn"}, {"text": "a note", "verdict": None}]
    assert [first[key] for key in ("id", "title", "asks", "value", "told", "target", "reason", "yesterday")] == [
        "i0", "T0", "Q0?", 0.0, "v0", "l0", "r0", "b0",
    ]  # fmt: skip
    assert "summary" not in told and json.dumps(told)
    odd = checklist_report(OK)
    odd = replace(odd, results=(replace(odd.results[0], value=float("nan"), trend=()),))
    assert (report.as_json(odd)["items"][0]["value"], report.as_json(odd)["items"][0]["trend"]) == (None, None)


def test_a_run_stands_in_the_report_with_answers_notes_and_signature() -> None:
    """Both people's answers, the notes of their item, and what was open when it was signed, or is now."""
    items = checklist_report(WARN, OK)
    answers = answer("i0", WARN), answer("i0", WARN, author="bob"), answer("i1")
    own = run(1, *answers, signed=False, notes=(Note("i0", "bob", NOW, "we look"), Note("i1", "ann", NOW, "fine")))
    told = report.as_markdown(replace(items, run=own))
    assert "- T0: ann agreed to WARN (5 %)" in told and "- T0: bob agreed to WARN" in told
    assert told.index("note by bob: we look") < told.index("note by ann: fine")
    assert "Not signed; open: T0: WARN 5 %" in told
    assert "Not signed; open: nothing" in report.as_markdown(
        replace(items, run=replace(own, answers=(answer("i0"), answer("i1"))))
    )
    for left, text in (((), "Nothing was open."), (("T0: WARN", "T1: CRIT"), "Open items:\n\n- T0: WARN\n- T1: CRIT")):
        signed = replace(
            own, signatures=(Signature("Ann", "ann", NOW + 90.0, left, "all said"), Signature("Bob", "bob", NOW + 99.0))
        )
        told = report.as_markdown(replace(items, run=signed))
        assert text in told and " by Ann, after " in told and "(all said)" in told and "by Bob" not in told


def test_a_signature_of_another_day_has_its_day() -> None:
    """One of today has the time alone."""
    old = run(1, answer("i0"), signed=False)
    for at in (NOW + 90.0, NOW - 3 * 86_400.0):
        told = report.as_markdown(checklist_report(OK, run=replace(old, signatures=(Signature("Ann", "ann", at, ()),))))
        assert f"Signed {format_local(at, now=NOW)} by Ann" in told
    assert format_local(NOW - 3 * 86_400.0, now=NOW) != format_local(NOW - 3 * 86_400.0)


@pytest.mark.parametrize("summary", [True, False])
def test_a_report_has_the_daily_summary_where_the_checklist_has_one(summary: bool) -> None:
    """Evaluated where nobody did it before; results that somebody has are kept as they are."""
    question = Item("q", "Q", "All well?", QuestionEvidence("?"))
    checklist = Checklist("daily", "Daily", (question,), summary=summary)
    facts = EvaluationInput(snapshot(), None, NOW)
    told = build_report(checklist, facts)
    assert (bool(told.sections), [result.item.id for result in told.results]) == (summary, ["q"])
    given = (ItemResult(question, WARN, "v", "r"),)
    assert build_report(checklist, facts, given).results is given


@pytest.mark.parametrize(
    ("paused", "fault", "reason"),
    [
        (True, None, "polling is paused"),
        (False, None, "no answer yet"),
        (True, Fault(FaultKind.UNREACHABLE, "refused"), "refused"),
    ],
)
def test_why_the_platform_is_not_known(paused: bool, fault: Fault | None, reason: str) -> None:
    """A fault says more than a pause, and a pause more than that there is no answer; without a report there is no verdict."""
    item = Item("p", "Platform", "Is it well?", PlatformEvidence())
    source = SourceState("platform", Health.WAITING, paused_at=NOW if paused else None, fault=fault)
    shown = snapshot(sources=(source,), platform=None)
    (found,) = evaluate(Checklist("daily", "Daily", (item,)), EvaluationInput(shown, None, NOW))
    assert (found.verdict, found.value_text) == (NO_DATA, "not known") and reason in found.reason
