"""What people do with incidents, on a real journal: what each use-case writes, returns and refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from journalled_session import JournalledSession, matrix, vector
from screen_samples import NOW, alerts, settings, snapshot, tracked

from console.config.settings import IncidentSettings
from console.incidents.postmortem import as_markdown
from console.incidents.postmortem_html import as_html
from console.incidents.response_timers import update_due_at
from console.incidents.service import IncidentError, IncidentService, open_steps, parse_due
from console.journal.payloads import ChangeSeen, RoleAssigned, Source
from console.journal.presence import Presence, PresentConsole
from console.journal.shared_store import EVENT_BYTES, to_json
from console.logs.pattern_report import PatternReport
from console.logs.patterns import Span
from console.state.incident import DeliveryState, Role, Step
from console.state.public_status import PublicStatus, public_status
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert
from queries.model.severity import Priority
from queries.model.source import Health
from queries.text.times import parse_rfc3339, use_zone


class Bench:
    def __init__(self, folder: Path) -> None:
        self.session = JournalledSession(settings(folder), snapshot(alerts=()))
        self.now = NOW
        self.service = IncidentService(self.session, clock=lambda: self.now)

    def written(self, kind: str) -> list[dict[str, object]]:
        """The data of every event of one kind, oldest first."""
        return [dict(event.data) for event in self.session.journal.events(kinds=(kind,))]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_declared_from_an_alert_and_found_again(bench: Bench) -> None:
    """Title and severity come from the first alert unless somebody gives others; it is found by number, id and its start."""
    first, second = alerts()[:2]
    title, severity = bench.service.propose((first, second))
    made = await bench.service.declare(alerts=(first, second))
    assert (made.title, made.severity, made.number) == (title, severity, 1) and title
    assert [item.fingerprint for item in made.alerts] == [first.alert.fingerprint, second.alert.fingerprint]
    other = await bench.service.declare(title="by hand", severity=Priority.P3, commander="bob", stability_seconds=90.0)
    assert (other.title, other.severity, other.number) == ("by hand", Priority.P3, 2)
    assert (other.person(Role.COMMANDER), other.stability_seconds) == ("bob", 90.0)
    for name in ("1", made.id, made.id[:5]):
        assert (await bench.service.find(name)).id == made.id
    assert [item.id for item in await bench.service.all()] == [made.id, other.id]


async def test_without_a_name_the_only_open_one(bench: Bench) -> None:
    """With two open it asks which, with their numbers; with none open it takes the newest; with none at all it says so."""
    with pytest.raises(IncidentError, match=r"^no incidents yet$"):
        await bench.service.find()
    with pytest.raises(IncidentError, match=r"^no incident '9'; known: none$"):
        await bench.service.find("9")
    one = await bench.service.declare(title="one")
    assert (await bench.service.find()).id == one.id
    two = await bench.service.declare(title="two")
    with pytest.raises(IncidentError, match=r"^which incident\? open: 1, 2$"):
        await bench.service.find()
    await bench.service.close(one, "done")
    assert (await bench.service.find()).id == two.id
    with pytest.raises(IncidentError, match=r"^no incident '9'; known: 1, 2$"):
        await bench.service.find("9")


async def test_more_than_twenty_are_counted_and_not_listed(bench: Bench) -> None:
    """The newest twenty by number, and how many older ones there are; twenty are listed without a count."""
    for number in range(20):
        await bench.service.declare(title=f"number {number + 1}")
    with pytest.raises(IncidentError, match=r"known: 1, 2, .*, 20$"):
        await bench.service.find("99")
    await bench.service.declare(title="one more")
    with pytest.raises(IncidentError, match=r"known: 2, 3, .*, 21 and 1 older ones$"):
        await bench.service.find("99")


async def test_an_incident_needs_a_title(bench: Bench) -> None:
    """Without alert and title it is refused, and nothing is proposed."""
    with pytest.raises(IncidentError):
        await bench.service.declare()
    assert bench.service.propose(()) == ("", Priority.P2)
    assert bench.written("incident.declared") == []


async def test_notes_and_links(bench: Bench) -> None:
    """A note returns the id of its entry, which another note can correct; an empty one and an unknown id are refused."""
    made = await bench.service.declare(title="errors")
    first = await bench.service.add_note(made, "it is OCR")
    made = await bench.service.find(made.id)
    second = await bench.service.add_note(made, "it is Vision", corrects=first)
    found = {entry.id: entry for entry in (await bench.service.find(made.id)).entries}
    assert (found[first].text, found[second].text, found[second].corrects) == ("it is OCR", "it is Vision", first)
    with pytest.raises(IncidentError, match="a note needs a text"):
        await bench.service.add_note(made, " \n")
    with pytest.raises(IncidentError, match="no entry 'nothing'"):
        await bench.service.add_note(made, "x", corrects="nothing")
    (alert, *_) = alerts()
    await bench.service.link_alert(made.id, alert)
    (linked,) = (await bench.service.find(made.id)).alerts
    assert (linked.fingerprint, linked.name) == (alert.alert.fingerprint, alert.alert.name)
    assert (linked.starts_at, linked.labels) == (alert.alert.starts_at, alert.alert.labels)
    await bench.service.link_alert(made.id, alerts()[1])
    both = (await bench.service.find(made.id)).alerts
    assert [item.labels for item in both] == [item.alert.labels for item in alerts()[:2]]


async def test_steps_and_what_a_resolution_misses(bench: Bench) -> None:
    """A step returns the completion before; one that is not done cannot be reopened; a resolution notes what it misses."""
    made = await bench.service.declare(title="errors", stability_seconds=90.0)
    assert await bench.service.change_step(made, Step.ASSESS, done=True, note="all of OCR") is None
    made = await bench.service.find(made.id)
    before = await bench.service.change_step(made, Step.ASSESS, done=False)
    assert before is not None and (before.author, before.note) == ("you@bastion", "all of OCR")
    with pytest.raises(IncidentError, match="mitigate is not done"):
        await bench.service.change_step(made, Step.MITIGATE, done=False)
    assert bench.service.early_resolution(made) == "without a mitigation"
    await bench.service.change_step(made, Step.MITIGATE, done=True)
    made = await bench.service.find(made.id)
    for later, caveat in ((89.0, "1s before the stability window ended"), (90.0, "")):
        bench.now = NOW + later
        assert bench.service.early_resolution(made) == caveat
    bench.now = NOW + 60.0
    await bench.service.change_step(made, Step.RESOLVE, done=True, note="calm")
    found = await bench.service.find(made.id)
    assert found.completions[Step.RESOLVE].note == "30s before the stability window ended: calm"
    assert found.completions[Step.MITIGATE].note == ""
    assert public_status(found) is PublicStatus.RESOLVED
    assert open_steps(found) == (Step.ACKNOWLEDGE, Step.ASSESS, Step.COMMUNICATE)


async def test_a_resolution_says_that_nobody_knows_the_alerts(bench: Bench) -> None:
    """With Alertmanager down the note of a resolution says so; an incident without alerts waits for none."""
    made = await bench.service.declare(alerts=alerts()[:1], stability_seconds=90.0)
    alone = await bench.service.declare(title="by hand", stability_seconds=90.0)
    for item in (made, alone):
        await bench.service.change_step(item, Step.MITIGATE, done=True)
    thing = f"alert:{made.alerts[0].fingerprint}"
    await bench.session.record(f"{made.id}/1", ChangeSeen(thing, "resolved", 1, NOW, Source.ALERTMANAGER, "resolved"))
    bench.now = NOW + 90.0
    made, alone = await bench.service.find(made.id), await bench.service.find(alone.id)
    assert bench.service.early_resolution(made) == ""
    down = tuple(replace(item, health=Health.DOWN) for item in bench.session.shown.sources)
    bench.session.deliver(replace(bench.session.shown, sources=down))
    for item in (made, alone):
        await bench.service.change_step(item, Step.RESOLVE, done=True)
    notes = [(await bench.service.find(item.id)).completions[Step.RESOLVE].note for item in (made, alone)]
    assert notes == ["while the state of its alerts is unknown", ""]


async def test_a_role_is_taken_over_only_when_confirmed(bench: Bench) -> None:
    """Free, held by oneself, or held by the one who was confirmed: written; otherwise nothing is, and the holder is named."""
    made = await bench.service.declare(title="errors")
    assert (await bench.service.assign_role(made.id, Role.COMMANDER, "bob")).holder == "bob"
    assert (await bench.service.assign_role(made.id, Role.COMMANDER, "bob")).holder == "bob"
    assert len(bench.written("incident.role")) == 1
    refused = await bench.service.assign_role(made.id, Role.COMMANDER, "carol")
    assert (refused.holder, len(bench.written("incident.role"))) == ("bob", 1)
    assert (await bench.service.assign_role(made.id, Role.COMMANDER, "you@bastion", over="bob")).holder == "you@bastion"
    assert (await bench.service.assign_role(made.id, Role.COMMANDER, "")).holder == ""
    assert [item["over"] for item in bench.written("incident.role")] == ["", "bob", "you@bastion"]
    await bench.session.record(made.id, RoleAssigned(Role.SCRIBE, "dan", ""))
    assert (await bench.service.assign_role(made.id, Role.SCRIBE, "eve", over="bob")).holder == "dan"


async def test_a_role_is_taken_from_a_list_of_people(tmp_path: Path) -> None:
    """Who asks, those of the config, those who are on, and those who did something: each once, nobody else."""
    named = replace(settings(tmp_path), incidents=IncidentSettings(people=("carol", "bob")))
    on = replace(Presence(), others=(PresentConsole("c1", "dan@vm"), PresentConsole("c2", "bob")))
    session = JournalledSession(named, snapshot(alerts=(), presence=on))
    service = IncidentService(session, clock=lambda: NOW)
    made = await service.declare(title="errors", commander="eve")
    assert service.people(made) == ("you@bastion", "carol", "bob", "dan@vm", "eve")


async def test_closed_once_and_reopened_once(bench: Bench) -> None:
    """Closing a closed one and reopening an open one are refused, and write nothing."""
    made = await bench.service.declare(title="errors")
    with pytest.raises(IncidentError, match="incident 1 is open"):
        await bench.service.reopen(made)
    await bench.service.close(made, "false alarm")
    closed = await bench.service.find(made.id)
    assert (closed.open, closed.closed_at, closed.closed_by) == (False, NOW, "you@bastion")
    with pytest.raises(IncidentError, match="incident 1 is closed already"):
        await bench.service.close(closed)
    await bench.service.reopen(closed, "not over")
    assert (await bench.service.find(made.id)).open
    with pytest.raises(IncidentError, match=r"^incident 1 is already P1: nothing was changed$"):
        await bench.service.change_severity(made, Priority.P1)
    await bench.service.change_severity(made, Priority.P3, "one customer")
    assert (await bench.service.find(made.id)).severity is Priority.P3
    assert [len(bench.written(kind)) for kind in ("incident.closed", "incident.reopened", "incident.severity")] == [1, 1, 1]


async def test_updates_are_kept_saved_and_marked(bench: Bench, tmp_path: Path) -> None:
    """A text is kept before it goes anywhere; a file has it with one line end; the last one is marked by default."""
    made = await bench.service.declare(title="errors")
    with pytest.raises(IncidentError, match=r"^there is no update yet$"):
        await bench.service.mark_sent(made, "chat")
    first = await bench.service.write_update(made, "We look at it.\n\n")
    second = await bench.service.write_update(made, "Still looking.")
    assert (first.at, first.author, first.text) == (NOW, "you@bastion", "We look at it.\n\n")
    await bench.service.save_update(made, first, str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_text() == "We look at it.\n"
    await bench.service.record_copy(made, second, DeliveryState.COPIED, "clipboard")
    made = await bench.service.find(made.id)
    assert [[(one.where, one.state) for one in item.deliveries] for item in made.updates] == [
        [(str(tmp_path / "out.txt"), DeliveryState.WRITTEN)],
        [("clipboard", DeliveryState.COPIED)],
    ]
    assert made.communicated_at is None
    with pytest.raises(IncidentError, match=rf"^there is no update 'nothing'; known: {first.id}, {second.id}$"):
        await bench.service.mark_sent(made, "chat", update="nothing")
    assert (await bench.service.mark_sent(made, "chat", seconds_ago=40.0)).id == second.id
    assert bench.written("incident.delivered")[-1]["at"] == NOW - 40.0
    assert (await bench.service.mark_sent(made, "phone", update=first.id)).id == first.id
    assert (await bench.service.find(made.id)).communicated_at == NOW


async def test_a_draft_is_filled_from_the_incident(bench: Bench) -> None:
    """From the audience's template for its public status, by the clock of the console."""
    made = await bench.service.declare(title="OCR fails", severity=Priority.P1)
    templates = await bench.service.load_templates()
    bench.now = NOW + 1800.0
    drafts = [bench.service.draft_update(made, templates, name, bench.session.snapshot()) for name in templates.audiences]
    assert len(drafts) > 1 and all(text.strip() and "$" not in text for text in drafts)
    assert any("OCR fails" in text for text in drafts) and any("P1" in text for text in drafts)
    assert bench.service.draft_update(made, templates, templates.audiences[0], replace(bench.session.snapshot(), panels=()))


async def test_the_review_has_every_part(bench: Bench) -> None:
    """Without Prometheus and Kubernetes every figure is unknown with its reason, and the policy is that of the severity."""
    made = await bench.service.declare(title="errors", severity=Priority.P3)
    bench.now = NOW + 600.0
    found = await bench.service.review(made)
    assert (found.incident.id, found.created_at, found.end) == (made.id, NOW + 600.0, NOW + 600.0)
    assert found.policy == bench.session.severity_policies.for_severity(Priority.P3)
    assert (found.impact.start, found.impact.end, found.impact.requests) == (NOW, NOW + 600.0, None)
    assert found.metrics.count(Priority.P3) == 1
    changes = await bench.service.changes(made)
    assert (changes.start, changes.end) == (NOW - 3600.0, NOW) == (found.correlation.start, found.correlation.end)
    assert any("Prometheus is not configured" in fault for fault in changes.faults)


async def test_a_review_with_charts(tmp_path: Path) -> None:
    """The panels of the incident from a margin before it to now; what Prometheus refuses is the chart's message."""
    asked: list[tuple[float, float]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        form = parse_qs((request.content or request.url.query).decode())
        if not request.url.path.endswith("range"):
            return vector()
        start, end, step = (float(form[name][0]) for name in ("start", "end", "step"))
        if "latency" in form["query"][0] or "duration" in form["query"][0]:
            return httpx.Response(422, json={"status": "error", "errorType": "execution", "error": "too many samples"})
        asked.append((start, end))
        return matrix(({}, [(start + step * at, 7.5) for at in range(int((end - start) / step) + 1)]))

    session = JournalledSession(settings(tmp_path), snapshot(), told=respond)
    service = IncidentService(session, clock=lambda: NOW + 1200.0)
    made = await service.declare(alerts=alerts()[:1])
    assert "p95_latency" not in made.panels and (await service.review(made)).charts == ()
    with_latency = replace(made, panels=("p95_latency", *made.panels))
    found = await service.review(with_latency, charts=True)
    by_title = {chart.title: chart.data for chart in found.charts}
    assert {"Error ratio", "P95 latency"} <= set(by_title)
    ratio = by_title["Error ratio"]
    assert ratio.series and [mark.letter for mark in ratio.marks] == ["F", "I"]
    assert ratio.start < found.impact.start - 299 and ratio.end == found.end and (ratio.start, ratio.end) in asked
    assert "too many samples" in by_title["P95 latency"].message
    assert as_html(found).count("<polyline") >= 1


async def test_the_log_is_compared_around_the_change_that_may_have_caused_it(tmp_path: Path) -> None:
    """A release before the incident's first sign: what it writes from then on is new, not only more; without one, the start."""
    asked: list[float] = []

    class Session(JournalledSession):
        async def read_pattern_report(self, target: str, *, moment: float) -> PatternReport:
            asked.append(moment)
            return PatternReport((), Span(0, 1), Span(1, 2), lines=0)

    given = replace(settings(tmp_path), loki=Endpoint("http://loki.test"))
    target = "deployment/cad-ml-api"
    shown = snapshot()
    session = Session(given, shown)
    service = IncidentService(session, clock=lambda: NOW)
    made = replace(await service.declare(alerts=alerts()[:1]), targets=(target,))
    found = await service.review(made)
    assert found.log_news is not None and (found.log_news.moment, found.log_news.since) == (NOW - 327, "rollout")
    assert "the rollout" in as_markdown(found)
    session.deliver(replace(session.shown, changes=(), cluster=None))
    found = await service.review(made)
    assert found.log_news is not None and found.log_news.since == "" and asked == [NOW - 327, found.impact.start]


async def test_a_follow_up_is_finished_once(bench: Bench) -> None:
    """The one that is named, of two; what it says, its owner and its date stay; nobody finishes it twice."""
    made = await bench.service.declare(title="t", severity=Priority.P3)
    with pytest.raises(IncidentError, match=r"no follow-up '?gone'?; known: none"):
        await bench.service.finish_follow_up(made, "gone")
    first = await bench.service.add_follow_up(made, " a canary ", owner=" ann ", due="2026-03-01")
    second = await bench.service.add_follow_up(made, "an alert")
    with pytest.raises(IncidentError, match="a follow-up needs a text"):
        await bench.service.add_follow_up(made, " \n")
    made = await bench.service.find(made.id)
    done = await bench.service.finish_follow_up(made, first)
    assert (done.id, done.text, done.owner, done.due, done.done) == (first, "a canary", "ann", "2026-03-01", False)
    made = await bench.service.find(made.id)
    assert [(item.id, item.text, item.owner, item.due, item.done) for item in made.follow_ups] == [
        (first, "a canary", "ann", "2026-03-01", True),
        (second, "an alert", "", "", False),
    ]
    with pytest.raises(IncidentError, match=f"the follow-up {first} is already done"):
        await bench.service.finish_follow_up(made, first)
    with pytest.raises(IncidentError, match=f"known: {first}, {second}"):
        await bench.service.finish_follow_up(made, "gone")
    assert (await bench.service.finish_follow_up(made, second)).id == second


async def test_a_note_may_name_a_generated_entry_by_its_old_id(bench: Bench) -> None:
    """A script that kept the id of an older release's list still corrects the entry, and the note names it by its new id."""
    made = await bench.service.declare(title="t", severity=Priority.P3)
    entry = made.entries[-1]
    second = await bench.service.add_note(made, "two", corrects=f"{entry.old_id}:1")
    assert bench.written("incident.note")[-1]["corrects"] == entry.id != second


@pytest.mark.parametrize(
    ("now", "due", "date"),
    [
        ("2027-03-27T23:30:00+01:00", "1d", "2027-03-28"),
        ("2027-03-27T23:30:00+01:00", "2d", "2027-03-29"),
        ("2027-03-27T23:30:00+01:00", "1h", "2027-03-28"),
        ("2027-03-27T23:30:00+01:00", "1d1h", "2027-03-29"),
        ("2027-10-31T00:30:00+02:00", "1d", "2027-11-01"),
        ("2027-10-31T00:30:00+02:00", "1w", "2027-11-07"),
        ("2027-10-31T00:30:00+02:00", "2026-12-05", "2026-12-05"),
    ],
)
def test_days_until_a_follow_up_is_due(now: str, due: str, date: str) -> None:
    """Days of the calendar in the local zone, where the clocks change too; hours are hours."""
    use_zone("Europe/Berlin")
    try:
        assert parse_due(due, now=parse_rfc3339(now)) == date
    finally:
        use_zone("")


async def test_a_note_corrects_only_an_entry_that_is_there(bench: Bench) -> None:
    """An empty one and one about nothing are refused; the entry that it corrects stays named."""
    made = await bench.service.declare(title="t", severity=Priority.P3)
    with pytest.raises(IncidentError, match="a note needs a text"):
        await bench.service.add_note(made, "  ")
    first = await bench.service.add_note(made, "one")
    made = await bench.service.find(made.id)
    with pytest.raises(IncidentError, match="there is no entry"):
        await bench.service.add_note(made, "two", corrects="gone")
    second = await bench.service.add_note(made, "two", corrects=first)
    assert len({first, second}) == 2
    assert [item.get("corrects") or "" for item in bench.written("incident.note")] == ["", first]


async def test_a_reopened_incident_is_not_resolved(bench: Bench) -> None:
    """It is not over: its updates are due again, and its public status is no longer "resolved"; the mitigation stays done."""
    made = await bench.service.declare(title="errors")
    for step in (Step.MITIGATE, Step.RESOLVE):
        await bench.service.change_step(made, step, done=True)
    await bench.service.close(await bench.service.find(made.id))
    await bench.service.reopen(await bench.service.find(made.id), "it fails again")
    found = await bench.service.find(made.id)
    policy = bench.session.severity_policies.for_severity(found.severity)
    assert found.open and set(found.completions) == {Step.MITIGATE}
    assert public_status(found) is PublicStatus.MONITORING and update_due_at(found, policy) is not None
    assert [entry.text for entry in found.entries][-2:] == [
        "reopened: it fails again",
        "resolve: reopened: the incident was reopened",
    ]


async def test_an_update_needs_a_text(bench: Bench) -> None:
    """A program that wrote nothing into the pipe sends nobody an empty update."""
    made = await bench.service.declare(title="errors")
    for text in ("", " \n"):
        with pytest.raises(IncidentError, match=r"^an update needs a text$"):
            await bench.service.write_update(made, text)
    assert bench.written("incident.update") == []


async def test_a_declaration_in_a_storm_can_be_shared(bench: Bench) -> None:
    """Of thousands of alerts it links the first two hundred, fewer with long labels, so that every console gets it; a note says
    how many it leaves out. A long summary is cut.
    """
    storm = [tracked("PodDown", "critical", pod=f"pod-{at}", note="x" * 100) for at in range(3000)]
    for shown, linked in (
        (storm, 200),
        ([replace(item, alert=_with_label(item.alert, "y" * 5000)) for item in storm[:300]], 19),
    ):
        bench.session.deliver(replace(bench.session.shown, alerts=tuple(shown)))
        made = await bench.service.declare(title="all pods")
        assert len(made.alerts) == linked and made.alerts[0].name == "PodDown"
        event = bench.session.journal.events(kinds=("incident.declared",))[-1]
        assert len(to_json(event)) < EVENT_BYTES
        left = f"{len(shown) - linked:,} more alerts were firing; only {linked} are linked"
        assert any(entry.text.startswith(left) for entry in made.entries)
    long = replace(storm[0], alert=replace(storm[0].alert, annotations=(("summary", "z" * 400_000),)))
    assert len((await bench.service.declare(alerts=(long,))).title) == 300
    few = await bench.service.declare(alerts=storm[:2])
    assert len(few.alerts) == 2 and not [entry for entry in few.entries if "more alerts" in entry.text]


def _with_label(alert: Alert, value: str) -> Alert:
    return replace(alert, labels=tuple(sorted((*alert.labels, ("long", value)))))
