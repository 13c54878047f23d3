"""The handover: since when the shift runs, and nothing in it that is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from journalled_session import JournalledSession, matrix
from screen_samples import NOW, alerts, settings, snapshot

from console.alerts.recent_changes import LIMIT
from console.checklists.alert_history import AlertHistory, AlertWindow, FiringInterval
from console.checklists.definition import Checklist, Item, QuestionEvidence
from console.checklists.loader import BrokenChecklist, Checklists
from console.checklists.section import ReportSection
from console.handover.sections import HandoverInput, build_sections
from console.handover.shift import Shift, current_shift, fetch_budget
from console.journal.event import Event
from console.journal.payloads import NoteWritten, create_event
from console.journal.sync import SyncStatus
from console.state.checklist_runs import ChecklistRun, ChecklistRuns, ItemAnswer, Note, Signature
from console.state.handovers import HandoverSignature, HandoversProjection
from console.state.incident import Incident, Incidents
from console.state.journal_text import event_text
from console.state.snapshot import Snapshot
from queries.http.endpoint import Endpoint
from queries.model.alert import Priority
from queries.model.change import Change
from queries.model.fault import Fault, FaultKind
from queries.model.matcher import Matcher
from queries.model.panel import Origin
from queries.model.silence import Silence
from queries.model.source import Health, PollResult, SourceState
from queries.model.verdict import Verdict
from queries.prometheus.client import Prometheus

pytestmark = pytest.mark.usefixtures("utc")

HOUR = 3600.0
MORNING = Checklist(
    "morning",
    "Morning",
    (Item("a", "Errors", "?", QuestionEvidence("?")), Item("b", "Queue", "?", QuestionEvidence("?"))),
    "09:00",
)
HOURLY = Checklist("hourly", "Hourly", MORNING.items, "hourly")
SHIFT = Shift(NOW - 8 * HOUR)


def sections_of(shown: Snapshot | None = None, **facts: Any) -> dict[str, Any]:
    """Each section by the first words of its title: its lines, or what stands there instead."""
    made = HandoverInput(shown or snapshot(), SHIFT, Checklists((MORNING, HOURLY)), Incidents(), None, NOW)
    found = build_sections(replace(made, **facts))
    return {section.title.split(" ")[0]: [line.text for line in section.lines] or section.empty for section in found}


def points(*values: float, taken_at: float = NOW) -> PollResult[Any]:
    step = 8 * HOUR / (len(values) - 1)
    return PollResult(
        "prometheus", taken_at, 0.0, tuple((NOW - 8 * HOUR + step * at, value) for at, value in enumerate(values))
    )


def test_the_last_handover_begins_the_shift() -> None:
    """Signed, it is the beginning; without one, or with one from the future or of long ago, it is the configured length."""
    projection = HandoversProjection()
    events = [Event(NOW - at * HOUR, "handover.signed", "h", "ann", data={"name": "Ann", "to": "Bob"}) for at in (30, 8)]
    known = projection.fold(projection.initial(), events)
    assert current_shift(known, now=NOW, hours=12) == Shift(
        NOW - 8 * HOUR, HandoverSignature(NOW - 8 * HOUR, "ann", "Ann", "Bob")
    )
    assert current_shift((), now=NOW, hours=12) == Shift(NOW - 12 * HOUR)
    future, ancient = replace(known[0], at=NOW + 60), replace(known[0], at=NOW - 30 * 86_400)
    assert current_shift((ancient, future), now=NOW, hours=6) == Shift(NOW - 6 * HOUR)
    assert event_text(events[0]) == "handover: signed by Ann to Bob"


def test_what_the_next_person_has_to_know() -> None:
    """Incidents of the shift, alerts with their owner, silences that end or hide nothing, changes, and what was left open."""
    open_one = Incident("i1", 1, "Errors", Priority.P2, NOW - 600, "ann")
    closed = Incident("i2", 2, "Queue", Priority.P3, NOW - 9000, "ann", closed_at=NOW - 8000)
    old = replace(closed, id="i3", closed_at=NOW - 9 * HOUR)
    ends = Silence("s1", (Matcher("alertname", "HighErrorRate"),), NOW - 60, NOW + HOUR, "ops", "x")
    idle = Silence("s2", (Matcher("alertname", "Gone"),), NOW - 60, NOW + 90 * HOUR, "ops", "y")
    both = replace(idle, id="s3", ends_at=NOW + 60)
    stays, later = replace(ends, id="s4", ends_at=NOW + 90 * HOUR), replace(ends, id="s5", starts_at=NOW + 60)
    answer = ItemAnswer("a", "ann", NOW - HOUR, "agree", Verdict.OK)
    begun = ChecklistRun("w", "morning", NOW - 2 * HOUR, "ann", answers=(answer,))
    walks = ChecklistRuns((("morning", (begun,)),))
    shown = snapshot(silences=(ends, idle, both, stays, later))
    fires = next(item for item in shown.alerts if item.alert.name == "HighErrorRate")
    hidden = replace(fires, alert=replace(fires.alert, silenced_by=("s1", "s4")))  # by Alertmanager's own word
    shown = replace(shown, alerts=tuple(hidden if item is fires else item for item in shown.alerts))
    shown = replace(shown, ledger=replace(shown.ledger, checklist_runs=walks))
    found = sections_of(shown, incidents=Incidents((closed, open_one, old)))
    assert found["Incidents"] == [
        "P2 Errors (1), open for 10m, no commander",
        "P3 Queue (2), closed 11:50 UTC after 16m40s",
    ]
    assert [line.split("  ")[0] for line in found["Alerts"]][:2] == ["P1 HighErrorRate", "P3 PodNotReady cad-ml-api"]
    assert any("owner you" in line for line in found["Alerts"]) and any("silenced" in line for line in found["Alerts"])
    assert [line.rpartition("(")[2] for line in found["Silences"]] == [
        "ends soon and matches nothing now)",
        "ends soon)",
        "matches nothing now)",
    ]
    assert found["Changes"][0] == "13:58 UTC  rollout cad-ml-api 41→42 image 1.8.2→1.9.0, ci"
    assert found["Open"] == [
        "Morning: started 12:03 UTC by ann, not answered: Queue",
        "Hourly: overdue since 14:00 UTC, not started",
    ]


def test_what_a_signed_walk_left_is_handed_on_and_yesterdays_is_not() -> None:
    """Of today's newest walk what was open at its signature; the day before is over; a list that is broken is named."""
    signature = Signature("Ann", "ann", NOW - HOUR, ("Errors: WARN 1.4 %",))
    today = ChecklistRun("w", "morning", NOW - 2 * HOUR, "ann", signatures=(signature,))
    hourly = ChecklistRun("h", "hourly", NOW - 60, "ann", signatures=(replace(signature, open=()),))
    shown = snapshot()
    shown = replace(
        shown, ledger=replace(shown.ledger, checklist_runs=ChecklistRuns((("morning", (today,)), ("hourly", (hourly,)))))
    )
    lists = Checklists((MORNING, HOURLY), (BrokenChecklist("weekly", "w", "w:3: no such panel"),))
    assert sections_of(shown, checklists=lists)["Open"] == [
        "Morning, signed 13:03 UTC by Ann: Errors: WARN 1.4 %",
        "weekly cannot be read: w:3: no such panel",
    ]
    yesterday = replace(today, started_at=NOW - 30 * HOUR)
    shown = replace(shown, ledger=replace(shown.ledger, checklist_runs=ChecklistRuns((("morning", (yesterday,)),))))
    assert sections_of(shown)["Open"][0] == "Morning: overdue since 09:00 UTC, not started"


def test_every_run_that_is_open_is_handed_on() -> None:
    """Of two consoles that started one checklist at once, also where the newer run is signed; an earlier hour's is over."""
    signature = Signature("Ann", "ann", NOW - HOUR, ("Errors: WARN 1.4 %",))
    first = ChecklistRun("w1", "morning", NOW - 2 * HOUR, "ann")
    second = ChecklistRun("w2", "morning", NOW - 2 * HOUR + 60, "bob")
    hours = tuple(ChecklistRun(f"h{at}", "hourly", NOW - at, "ann") for at in (2 * HOUR, 100.0, 60.0))

    def open_items(*runs: ChecklistRun) -> list[str]:
        shown = snapshot()
        known = ChecklistRuns((("morning", runs), ("hourly", hours)))
        shown = replace(shown, ledger=replace(shown.ledger, checklist_runs=known))
        return [line.partition(", not answered")[0] for line in sections_of(shown)["Open"]]

    hourly = ["Hourly: started 14:01 UTC by ann", "Hourly: started 14:02 UTC by ann"]
    both = ["Morning: started 12:03 UTC by ann", "Morning: started 12:04 UTC by bob"]
    assert open_items(first, second) == [*both, *hourly]
    signed = "Morning, signed 13:03 UTC by Ann: Errors: WARN 1.4 %"
    assert open_items(first, replace(second, signatures=(signature,))) == [both[0], signed, *hourly]


def test_all_of_the_shift_is_handed_over() -> None:
    """A P1 that fired and went, what was overruled with its reason, and every note of the shift; nothing from before it."""
    fired = (("alertname", "ModelLoadError"), ("severity", "critical"))
    intervals = (FiringInterval(NOW - 2 * HOUR, NOW - HOUR),)
    window = AlertWindow(NOW - 8 * HOUR, NOW, 60.0, (AlertHistory(fired, intervals, HOUR, still_firing=False),))
    overruled = ItemAnswer("a", "ann", NOW - HOUR, "overrule", Verdict.OK, Verdict.CRITICAL, reason="known since Monday")
    agreed = replace(overruled, item="b", answer="agree", reason="")
    old = replace(overruled, at=NOW - 9 * HOUR)
    notes = (Note("b", "bob", NOW - 60, "the queue is a test"), Note("b", "bob", NOW - 9 * HOUR, "old"))
    run = ChecklistRun("w", "morning", NOW - 10 * HOUR, "ann", answers=(old, overruled, agreed), notes=notes)
    plain = create_event(NoteWritten("call the vendor"), at=NOW - 120, subject="n", author="eve")
    shown = snapshot()
    ledger = replace(shown.ledger, checklist_runs=ChecklistRuns((("morning", (run,)),)), recent=(plain,))
    shown = replace(shown, ledger=ledger)

    def sections(reading: PollResult[AlertWindow] | None) -> dict[str, ReportSection]:
        made = HandoverInput(shown, SHIFT, Checklists((MORNING, HOURLY)), Incidents(), None, NOW, reading)
        return {item.title: item for item in build_sections(made)}

    found = sections(PollResult("prometheus", NOW, 0.0, window))
    resolved = found["Resolved alerts of this shift"]
    assert [(line.text, line.verdict) for line in resolved.lines] == [
        ("P1 ModelLoadError  resolved 13:03 UTC, 1h in total", Verdict.WARN)
    ]
    assert [line.text for line in found["Overrides and notes in this shift"].lines] == [
        "14:02 UTC  Morning: Queue: bob noted: the queue is a test",
        "14:01 UTC  eve noted: call the vendor",
        "13:03 UTC  Morning: Errors: ann overruled CRIT to ok: known since Monday",
    ]
    gap = replace(window, histories=(), gaps=(FiringInterval(NOW - HOUR, NOW - HOUR / 2),))
    unseen = sections(PollResult("prometheus", NOW, 0.0, gap))["Resolved alerts of this shift"]
    assert not unseen.known and unseen.lines[-1].text == "Prometheus has no data for 30m of the shift"
    fault = Fault(FaultKind.UNREACHABLE, "connection refused", "http://p")
    for reading, why in (
        (None, "fetching"),
        (PollResult("prometheus", NOW, 0.0, fault=fault), "connection refused"),
    ):
        unknown = sections(reading)["Resolved alerts of this shift"]
        assert not unknown.known and why in unknown.empty


def test_what_is_not_known_is_not_none() -> None:
    """Silent sources and an unreadable journal give 'not known' in their sections, never 'none'; an old answer says its age."""
    bare = snapshot(
        alerts=(), alerts_known=False, silences=(), cluster=None, changes=(), sources=(SourceState("kubernetes", Health.DOWN),)
    )
    found = sections_of(bare, incidents=None)
    for name in ("Incidents", "Overrides", "Alerts", "Silences", "Error"):
        assert str(found[name]).startswith("not known"), name
    assert found["Changes"] == [
        "running actions are not known: the journal could not be read",
        "rollouts are not known: the cluster has not answered",
    ]
    assert sections_of(snapshot(alerts=(), delivery_doubt="Watchdog does not reach"))["Alerts"] == ["Watchdog does not reach"]
    fault = Fault(FaultKind.UNREACHABLE, "Alertmanager is not there")
    lost = SourceState("alertmanager", Health.DOWN, last_good_at=NOW - 120, fault=fault)
    last = {"alerts_from": "alertmanager", "alerts_age_seconds": 120.0, "sources": (lost,)}
    (doubt,) = sections_of(snapshot(alerts=alerts()[:1], **last))["Alerts"][1:]
    assert doubt.startswith("these alerts are Alertmanager's list of 2m ago: whether they still fire")


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (points(61.0, 60.5, 60.0), "60.00 % now: 1.00 points spent, 0.125 an hour; at this rate it is exhausted in 20d"),
        (points(61.0, 60.9), "61.00 % left 06:03 UTC, 60.90 % now: 0.10 points spent, 0.013 an hour"),
        (points(60.0, 61.0), "nothing spent, 1.00 points recovered"),
        (points(60.0, 60.0), "60.00 % left 06:03 UTC, 60.00 % now: nothing spent"),
        (points(60.0, 61.0, taken_at=NOW + 900), "not known: Prometheus has no present value"),
        (PollResult("prometheus", NOW, 0.0, ((NOW, 60.0),)), "how much was left when the shift started is not known"),
        (PollResult("prometheus", NOW, 0.0, fault=Fault(FaultKind.TIMED_OUT, "too slow")), "not known: too slow"),
    ],
)  # fmt: skip
def test_the_budgets_trend(reading: PollResult[Any], words: str) -> None:
    """How much was spent, how fast, and when it would be used up; not known where one end is missing; an unchanged budget has
    recovered nothing.
    """
    found = sections_of(budget=reading)["Error"]
    text = found if isinstance(found, str) else found[0]
    assert words in text and "-0.00" not in text and " 0.00 points" not in text


@pytest.mark.parametrize(("origin", "steps"), [(Origin.RECORDED, 12), (Origin.RAW, 1)])
async def test_the_budget_is_one_request(origin: Origin, steps: int) -> None:
    """Twelve steps of a recorded series; both ends alone of what has to be computed from a month of counters."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return matrix(({}, [(NOW - 8 * HOUR, 61.0), (NOW, 60.0)]))

    shown = snapshot()
    panels = tuple(
        replace(item, origin=origin, query="budget") if item.spec.id == "error_budget" else item for item in shown.panels
    )
    prometheus = Prometheus(Endpoint("http://prom.test"), transport=httpx.MockTransport(answer))
    try:
        reading = await fetch_budget(replace(shown, panels=panels), SHIFT, prometheus=prometheus, now=NOW)
    finally:
        await prometheus.close()
    assert reading.value == ((NOW - 8 * HOUR, 61.0), (NOW, 60.0))
    (request,) = asked
    assert float(request.url.params["step"]) == 8 * HOUR / steps
    missing = await fetch_budget(shown, SHIFT, prometheus=None, now=NOW)
    assert missing.fault is not None and "not configured" in missing.fault.what


async def test_what_is_signed_is_what_was_read(tmp_path: Path) -> None:
    """The journal keeps every section's lines with the signature, and the head is that of the signature."""
    session = JournalledSession(settings(tmp_path), snapshot())
    handover = session.handovers.build(session.snapshot(), Checklists(), None, None, now=NOW)
    head = await session.handovers.sign(handover, name="Ann", to="Bob", remark="watch the queue")
    assert session.journal is not None and head == str(session.journal.head())
    (event,) = session.journal.events()
    data = event.data
    assert (data["name"], data["to"], data["remark"], data["since"]) == ("Ann", "Bob", "watch the queue", handover.shift.since)
    assert data["handed_over"]["Incidents"] == ["none open, none closed in this shift"]


async def test_an_unknown_journal_is_not_signed_as_nothing(tmp_path: Path) -> None:
    """While the journal is read again, every section from it says so, and with the signature too: no notes, checklists or
    handovers of before, and no "nothing".
    """
    session = JournalledSession(settings(tmp_path), snapshot())
    await session.record("n", NoteWritten("call the vendor"))
    before = HandoverSignature(NOW - HOUR, "ann", "Ann", "Bob", "all is well")
    shown = session.snapshot()
    shown = replace(shown, ledger=replace(shown.ledger, read=5, behind=10, handovers=(before,)))
    lists = Checklists((MORNING, HOURLY), (BrokenChecklist("weekly", "w", "w:3: no such panel"),))
    handover = session.handovers.build(shown, lists, None, None, now=NOW)
    await session.handovers.sign(handover, name="Ann")
    assert session.journal is not None
    signed = list(session.journal.events())[-1].data["handed_over"]
    known = {section.title: section.known for section in handover.sections}
    why = f"not known: {shown.ledger.error}"
    assert "the journal is being read again: 5 of 15 events" in why
    for title, lines in (
        ("Incidents", [why]),
        ("Overrides and notes in this shift", [why]),
        ("Open items of today's checklists", [why, "weekly cannot be read: w:3: no such panel"]),
    ):
        assert signed[title] == lines and not known[title]
    assert signed["This shift"] == [
        "since 13:03 UTC (1h): a handover signed by Ann, possibly not the latest",
        f"the last handover is {why}",
    ]
    assert signed["Changes of the last 24h"][-1] == f"running actions are {why}"
    assert signed["Alerts still firing"][-1] == f"acknowledgements are {why}"
    assert not known["This shift"] and not known["Changes of the last 24h"]
    unread = sections_of(incidents=None)
    assert unread["This"] == [
        "since 06:03 UTC (8h): the configured length of a shift",
        "the last handover is not known: the journal could not be read",
    ]


async def test_a_cut_list_says_how_many_more_there_are(tmp_path: Path) -> None:
    """41 notes, silences and changes: 40 are listed, the last line counts the rest, and all of that is signed."""
    session = JournalledSession(settings(tmp_path), snapshot())
    shown = session.snapshot()
    notes = tuple(create_event(NoteWritten(f"note {at}"), at=NOW - at - 1, subject=f"n{at}", author="eve") for at in range(41))
    silence = Silence("s", (Matcher("alertname", "Gone"),), NOW - 60, NOW + 90 * HOUR, "ops", "x")
    shown = replace(
        shown,
        ledger=replace(shown.ledger, recent=notes),
        silences=tuple(replace(silence, id=f"s{at}") for at in range(42)),
        changes=tuple(replace(shown.changes[0], at=NOW - at) for at in range(43)),
    )
    await session.handovers.sign(session.handovers.build(shown, Checklists(), None, None, now=NOW), name="Ann")
    assert session.journal is not None
    signed = {title.split(" ")[0]: lines for title, lines in list(session.journal.events())[-1].data["handed_over"].items()}
    for title, more in (("Overrides", 1), ("Silences", 2), ("Changes", 3)):
        assert len(signed[title]) == 41 and signed[title][-1] == f"and {more} more"


@pytest.mark.parametrize(("count", "known"), [(LIMIT - 1, True), (LIMIT, False)])
def test_a_list_as_long_as_any_is_kept_may_lack_older_changes(count: int, known: bool) -> None:
    """An autoscaler's fifty scalings of the last hour: those of the night are not known, and "and 10 more" is not all."""
    shown = snapshot(changes=tuple(Change(NOW - at, "scaled", "web", f"web {at}") for at in range(count)))
    made = HandoverInput(shown, SHIFT, Checklists(), Incidents(), None, NOW)
    (changes,) = (item for item in build_sections(made) if item.title.startswith("Changes"))
    assert changes.known is known
    lines = [line.text for line in changes.lines]
    assert lines[40] == f"and {count - 40} more"
    assert lines[41:] == ([] if known else ["the console keeps only the newest 50 changes of each kind (scaled)"])


def test_an_answer_of_long_ago_is_no_present_one() -> None:
    """A cluster that answered once and is down since does not say that nothing was rolled out; Prometheus down behind an
    Alertmanager that answers does not say that nothing fires.
    """
    shown = snapshot(alerts=(), changes=())

    def build(name: str, **changes: Any) -> dict[str, ReportSection]:
        sources = tuple(replace(item, **changes) if item.name == name else item for item in shown.sources)
        made = HandoverInput(replace(shown, sources=sources), SHIFT, Checklists(), Incidents(), None, NOW)
        return {section.title: section for section in build_sections(made)}

    lost = build("kubernetes", health=Health.DOWN, last_good_at=NOW - 4 * HOUR)["Changes of the last 24h"]
    assert not lost.known
    assert [line.text for line in lost.lines] == ["later rollouts are not known: the cluster last answered 4h ago"]
    blind = build("prometheus", health=Health.DOWN)["Alerts still firing"]
    assert not blind.known and [line.verdict for line in blind.lines] == [Verdict.NO_DATA]
    assert blind.lines[0].text.startswith("an alert that is not listed may still be firing")
    well = build("platform")
    assert well["Changes of the last 24h"].known and well["Alerts still firing"].known
    assert not well["Alerts still firing"].lines


async def test_what_other_consoles_wrote_is_not_nothing_while_the_store_is_away(tmp_path: Path) -> None:
    """While the shared store does not answer, every section of the journal says that it lacks the others' entries, and so does
    what is signed.
    """
    fault = Fault(FaultKind.UNREACHABLE, "no connection to PostgreSQL", "db:5432")

    class Alone(JournalledSession):
        status = SyncStatus("db:5432", fault=fault)

        @property
        def sharing(self) -> SyncStatus:
            return self.status

    session = Alone(settings(tmp_path), snapshot())
    journal = ("This shift", "Incidents", "Open items of today's checklists", "Overrides and notes in this shift",
               "Changes of the last 24h")  # fmt: skip
    handover = session.handovers.build(session.snapshot(), Checklists(), None, None, now=NOW)
    await session.handovers.sign(handover, name="Ann")
    assert session.journal is not None
    signed = session.journal.events()[-1].data["handed_over"]
    known = {section.title: section.known for section in handover.sections}
    why = "the shared journal cannot be read now: no connection to PostgreSQL at db:5432"
    for title in journal:
        assert signed[title][-1] == f"other consoles' entries are not known: {why}" and not known[title], title
    assert signed["Incidents"] == [f"other consoles' entries are not known: {why}"]
    for status in (SyncStatus("db:5432", last_good_at=NOW), SyncStatus("db:5432", last_good_at=NOW, waiting=2)):
        session.status = status
        again = session.handovers.build(session.snapshot(), Checklists(), None, None, now=NOW)
        assert all(section.known for section in again.sections if section.title in journal)
    session.status = SyncStatus("db:5432")
    again = session.handovers.build(session.snapshot(), Checklists(), None, None, now=NOW)
    assert not any(section.known for section in again.sections if section.title in journal)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"health": Health.DOWN}, "as of alertmanager's last answer 2m ago"),
        (
            {"health": Health.DOWN, "fault": Fault(FaultKind.TIMED_OUT, "too slow")},
            "as of alertmanager's last answer 2m ago: too slow",
        ),
        ({"paused_at": NOW - 120.0}, "as of alertmanager's last answer 2m ago"),
        ({}, None),
    ],
)
def test_silences_of_an_old_answer_say_so(changes: dict[str, Any], line: str | None) -> None:
    """Also where the answer only stays away, without an error, and where nothing is polled."""
    silence = Silence("s", (Matcher("alertname", "Gone"),), NOW - 60, NOW + 90 * HOUR, "ops", "x")
    shown = snapshot(silences=(silence,))
    sources = tuple(
        replace(item, last_good_at=NOW - 120.0, **changes) if item.name == "alertmanager" else item for item in shown.sources
    )
    shown = replace(shown, sources=sources)
    found = sections_of(shown)["Silences"]
    assert [item for item in found if item.startswith("as of")] == ([line] if line else [])
    made = build_sections(HandoverInput(shown, SHIFT, Checklists(), Incidents(), None, NOW))
    (silences,) = (item for item in made if item.title.startswith("Silences"))
    assert silences.known is (line is None)


def test_an_override_that_was_taken_back_is_not_handed_over() -> None:
    """Ann overruled a critical item and corrected that: her last answer counts, as in the run itself. Bob's own stays."""
    overruled = ItemAnswer("a", "ann", NOW - HOUR, "overrule", Verdict.OK, Verdict.CRITICAL, reason="wrong item")
    agreed = replace(overruled, at=NOW - HOUR / 2, answer="agree", resulting_verdict=Verdict.CRITICAL, reason="")
    other = replace(overruled, author="bob", reason="known")
    run = ChecklistRun("w", "morning", NOW - 2 * HOUR, "ann", answers=(overruled, other, agreed))
    shown = snapshot()
    shown = replace(shown, ledger=replace(shown.ledger, checklist_runs=ChecklistRuns((("morning", (run,)),))))
    assert sections_of(shown)["Overrides"] == ["13:03 UTC  Morning: Errors: bob overruled CRIT to ok: known"]
