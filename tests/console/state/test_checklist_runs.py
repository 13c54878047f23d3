"""Walks folded from the journal: nothing is replaced, the first word counts, and clocks that jump do not matter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.checklists.definition import Checklist, Item, PanelEvidence, QuestionEvidence
from console.checklists.result import ItemResult
from console.checklists.run_review import find_streaks, last_answer, open_items
from console.checklists.service import ChecklistService, RunSignedError
from console.journal.elapsed import NO_TIMESTAMP, BootTimestamp, boot_timestamp, elapsed_between
from console.journal.event import Event
from console.journal.payloads import Payload, RunSigned, RunStarted, encode, event_kind
from console.state.checklist_runs import AGREE, KEPT, OVERRULE, ChecklistRun, ChecklistRuns, ChecklistRunsProjection
from queries.model.panel import Threshold
from queries.model.verdict import Verdict
from queries.text.times import due_today, format_local, is_same_period, local_midnight, local_yesterday

NOW = 1_767_276_207.0
RATIO = Item("error-ratio", "Error ratio", "Under 1 %?", PanelEvidence("error_ratio", Threshold()))
ASKED = Item("tickets", "Tickets", "Up to date?", QuestionEvidence("Up to date?"))
MORNING = Checklist("morning", "Morning", (RATIO, ASKED), due="09:00")
BAD = ItemResult(RATIO, Verdict.WARN, "1.40 %", "1.4 % is at or over 1 %", value=1.4)
GOOD = ItemResult(RATIO, Verdict.OK, "0.40 %", "0.4 % is under 1 %", value=0.4)
OPEN = ItemResult(ASKED, None, "for you to say", "Up to date?")


class Told:
    """A journal of events, and what they add up to; stands for the session behind the service."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.unread: list[Event] = []
        """What other hosts wrote into the shared journal since it was last read."""
        self.who, self.at = "ann", NOW
        self.service = ChecklistService(self, clock=lambda: self.at)  # type: ignore[arg-type]

    async def ledger(self) -> SimpleNamespace:
        return SimpleNamespace(checklist_runs=self.walks)

    async def newest_ledger(self) -> tuple[SimpleNamespace, str]:
        self.events += self.unread
        return await self.ledger(), ""

    async def record(self, subject: str, payload: Payload) -> Event:
        return self.say(subject, payload, who=self.who, at=self.at)

    def say(self, subject: str, payload: Payload, *, who: str = "ann", at: float = NOW) -> Event:
        return self.say_raw(event_kind(payload), subject, encode(payload), who=who, at=at)

    def say_raw(self, kind: str, subject: str, data: dict[str, Any], *, who: str = "ann", at: float = NOW) -> Event:
        self.events.append(Event(at, kind, subject, who, "prod", data, len(self.events) + 1))
        return self.events[-1]

    def start(self, subject: str, *, who: str = "ann", at: float = NOW) -> None:
        self.say(subject, RunStarted("morning", "Morning", boot_timestamp()), who=who, at=at)

    def answer(
        self, subject: str, result: ItemResult, answer: str, *, reason: str = "", who: str = "ann", at: float = NOW
    ) -> None:
        self.who, self.at = who, at
        asyncio.run(self.service.answer(subject, result, answer, reason=reason))

    def sign(
        self, run: ChecklistRun, results: tuple[ItemResult, ...], *, name: str, remark: str = "", who: str = "ann", at: float
    ) -> None:
        self.who, self.at = who, at
        asyncio.run(self.service.sign(MORNING, run, results, name=name, remark=remark))

    def walk(self, subject: str, finding: ItemResult, *, at: float = NOW, answer: str = AGREE, who: str = "ann") -> None:
        """A whole run of one item, signed."""
        self.start(subject, at=at, who=who)
        self.answer(subject, finding, answer, at=at + 60, who=who)
        found = self.walks.get(subject)
        assert found is not None
        self.sign(found, (finding, OPEN), name="Ann", at=at + 120, who=who)

    @property
    def walks(self) -> ChecklistRuns:
        projection = ChecklistRunsProjection()
        return projection.fold_understood(projection.initial(), self.events)[0]


@pytest.fixture
def log() -> Told:
    return Told()


@pytest.fixture(params=["Europe/Berlin", "UTC", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_a_walk_is_what_was_said_in_it(log: Told) -> None:
    """Answers, notes and the signature with what was open come back from the journal alone."""
    log.start("w1")
    log.answer("w1", BAD, AGREE)
    asyncio.run(log.service.add_note("w1", RATIO, "deepseek again [bold]x[/]"))
    walk = log.walks.get("w1")
    assert walk is not None and walk.signature is None
    log.sign(walk, (BAD, OPEN), name="Ann B.", remark="see ticket", at=NOW + 300)
    walk = log.walks.get("w1")
    assert walk is not None and walk.signature is not None
    assert (walk.answers[0].resulting_verdict, walk.answers[0].value, walk.answers[0].value_text) == (
        Verdict.WARN,
        1.4,
        "1.40 %",
    )
    assert walk.notes[0].text == "deepseek again [bold]x[/]"
    assert walk.signature.name == "Ann B." and walk.signature.remark == "see ticket"
    assert walk.signature.open == ("Error ratio: WARN 1.40 %", "Tickets: not answered (ASK)")


def test_two_people_both_stand_and_the_first_counts(log: Told) -> None:
    """Whoever spoke first counts, as corrected by that person; the other word stands beside it and is left open."""
    log.start("w1")
    log.answer("w1", BAD, AGREE, who="ann")
    log.answer("w1", BAD, OVERRULE, reason="a test", who="bob")
    walk = log.walks.get("w1")
    assert walk is not None
    assert [item.author for item in walk.answers_to("error-ratio")] == ["ann", "bob"]
    counted = walk.answer_to("error-ratio")
    assert counted is not None and counted.author == "ann" and counted.resulting_verdict is Verdict.WARN
    assert walk.disputed("error-ratio")
    assert (
        "the answers differ: ann agreed to WARN; bob overruled WARN to ok: a test" in open_items(MORNING, walk, ())[0].sentence
    )
    log.answer("w1", BAD, OVERRULE, reason="he is right", who="ann")
    walk = log.walks.get("w1")
    assert walk is not None and not walk.disputed("error-ratio") and len(walk.answers) == 3
    assert [item.item.id for item in open_items(MORNING, walk, ())] == ["tickets"]
    assert walk.people == ("ann", "bob")


def test_a_second_signature_stands_beside_the_first(log: Told) -> None:
    """Two people sign at once: the first one counts, the other is not lost."""
    log.walk("w1", GOOD)
    log.say("w1", RunSigned(name="Bob"), who="bob", at=NOW + 121)
    walk = log.walks.get("w1")
    assert walk is not None and walk.signature is not None
    assert [item.name for item in walk.signatures] == ["Ann", "Bob"] and walk.signature.name == "Ann"


def test_a_walk_goes_on_until_it_is_signed(log: Told) -> None:
    """One that is not signed is the one to go on with on the same day; a signed one, or yesterday's, is not. It reviewed
    what happened up to its beginning.
    """
    log.start("old", at=NOW - 86_400)
    log.start("w1", at=NOW - 600)
    current = log.walks.current("morning", due="09:00", now=NOW)
    assert current is not None and current.id == "w1"
    log.say("w1", RunSigned(name="Ann"), at=NOW)
    assert log.walks.current("morning", due="09:00", now=NOW) is None
    assert log.walks.last_reviewed_at(("evening", "morning"), until=NOW) == NOW - 600
    assert log.walks.last_reviewed_at(("evening",), until=NOW) is None


def test_streaks_and_the_last_walk(log: Told) -> None:
    """The same warning in each of the last walks is one streak; a good one in between ends it, whatever a person said of it."""
    for day, finding in enumerate((BAD, GOOD, BAD, BAD, BAD)):
        answer = OVERRULE if day == 3 else AGREE
        log.walk(f"w{day}", finding, at=NOW + day * 86_400, answer=answer)
    streak = find_streaks(log.walks, MORNING)
    assert [(item.item, item.verdict, item.runs, item.since, item.complete) for item in streak] == [
        ("error-ratio", Verdict.WARN, 3, NOW + 2 * 86_400, True)
    ]
    last = last_answer(log.walks, "morning", "error-ratio", before=log.walks.get("w4"))
    assert last is not None and last[0].id == "w3" and last[1].resulting_verdict is Verdict.OK
    log.walk("w9", GOOD, at=NOW + 9 * 86_400)
    assert find_streaks(log.walks, MORNING) == ()


def test_the_ledger_stays_small_however_long_the_journal_is(log: Told) -> None:
    """Of each checklist the newest are kept, the others' are not pushed out, and folding at once is folding one by one."""
    log.say("other", RunStarted("hourly"))
    for number in range(KEPT + 5):
        log.start(f"w{number}")
    assert len(log.walks.for_checklist("morning")) == KEPT and log.walks.for_checklist("morning")[-1].id == f"w{KEPT + 4}"
    assert len(log.walks.for_checklist("hourly")) == 1
    projection = ChecklistRunsProjection()
    state = projection.initial()
    for event in log.events:
        state = projection.apply(state, event)
    assert state == log.walks


KEYS = ("checklist", "item", "answer", "stands", "verdict", "value", "open", "name", "uptime")
VALUES = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=4), st.lists(st.integers(), max_size=2))
EVENTS = st.tuples(
    st.sampled_from(ChecklistRunsProjection.kinds),
    st.sampled_from("ab"),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6),
)


@given(st.lists(EVENTS))
def test_whatever_the_journal_holds_it_can_be_folded(events: list[tuple[str, str, dict[str, Any]]]) -> None:
    """An event that another version wrote is never a fault, and an answer that cannot be read is never fine."""
    log = Told()
    for subject in "ab":
        log.start(subject)
    for kind, subject, data in events:
        log.say_raw(kind, subject, data)
    assert log.walks.by_checklist
    for _, walks in log.walks.by_checklist:
        for walk in walks:
            assert all(item.resulting_verdict is not Verdict.OK for item in walk.answers if "ok" not in str(events))
            _ = walk.duration


# Clocks


def test_how_long_it_took_does_not_depend_on_the_clock() -> None:
    """Set back or forward in the middle, it is the time that passed; after a restart of the machine only the clock tells."""
    begins, ends = BootTimestamp("b1", 100.0), BootTimestamp("b1", 160.0)
    assert elapsed_between((NOW, begins), (NOW - 3600, ends)).seconds == 60.0
    assert elapsed_between((NOW, begins), (NOW + 9e5, ends)).seconds == 60.0
    rebooted = elapsed_between((NOW, begins), (NOW + 90, BootTimestamp("b2", 5.0)))
    assert (rebooted.seconds, rebooted.measured) == (90.0, False)
    assert elapsed_between((NOW, begins), (NOW - 90, NO_TIMESTAMP)).seconds == 0.0
    before, after = boot_timestamp(), boot_timestamp()
    assert before.seconds is not None and after.seconds is not None
    assert after.seconds >= before.seconds and after.boot == before.boot


def test_a_run_that_another_host_signed_is_not_signed_again(log: Told) -> None:
    """The shared journal is read before a signature: two hosts sign one run once."""
    log.start("w1")
    walk = log.walks.get("w1")
    assert walk is not None
    log.unread.append(Event(NOW + 60, "walk.signed", "w1", "bob", "prod", {"name": "Bob"}, 2))
    with pytest.raises(RunSignedError, match="Bob signed this run"):
        log.sign(walk, (BAD, OPEN), name="Ann", at=NOW + 120)
    assert [event.kind for event in log.events] == ["walk.begun", "walk.signed"]


def test_a_run_belongs_to_the_day_or_hour_in_which_it_was_started(zone: str) -> None:
    """Whenever it is signed: one of yesterday is not today's, and one that was started before it was due is."""
    start = local_midnight(NOW)
    runs = tuple(ChecklistRun(str(at), "morning", start + at, "ann") for at in (-600, 0, 3500, 3700))
    known, now = ChecklistRuns((("morning", runs),)), start + 3900
    assert [run.id for run in known.of_period("morning", due="09:00", now=now)] == ["0", "3500", "3700"]
    assert [run.id for run in known.of_period("morning", due="hourly", now=now)] == ["3700"]
    assert known.of_period("hourly", due="hourly", now=now) == ()


def test_the_day_is_the_local_one_also_when_the_clocks_change(zone: str) -> None:
    """Yesterday at this time is 23, 24 or 25 hours ago; midnight and a due time are the local ones."""
    lengths = {local_yesterday(NOW + day * 86_400) - (NOW + day * 86_400) for day in range(365)}
    assert lengths == ({-86_400.0} if zone == "UTC" else {-82_800.0, -86_400.0, -90_000.0})
    for day in range(365):
        at = NOW + day * 86_400
        assert time.localtime(local_midnight(at))[3:6] == (0, 0, 0) and 0 <= at - local_midnight(at) < 25 * 3600
        due = due_today("09:00", at)
        assert due is not None and time.localtime(due)[2:5] == (time.localtime(at)[2], 9, 0)
    assert due_today("hourly", NOW) is None and due_today("", NOW) is None


def test_a_walk_over_midnight_or_a_clock_change_is_still_the_same(zone: str) -> None:
    """Within a quarter of an hour it is the same period whatever the clock says; else the local day or hour tells."""
    start = local_midnight(NOW)
    assert is_same_period(start - 300, start + 300, due="09:00") and is_same_period(start - 300, start + 300, due="hourly")
    assert not is_same_period(start - 1200, start + 300, due="09:00")
    assert is_same_period(start + 60, start + 86_000, due="09:00") and not is_same_period(
        start + 60, start + 86_000, due="hourly"
    )
    assert is_same_period(start + 600, start, due="hourly"), "the clock was set back by ten minutes"


def test_times_are_shown_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the zone's name, so that nobody takes them for UTC; with the day where it is another."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    assert format_local(NOW) == "15:03 CET"
    assert format_local(NOW, now=NOW + 86_400) == "Thu 1 Jan 15:03 CET"
    monkeypatch.undo()
    time.tzset()
