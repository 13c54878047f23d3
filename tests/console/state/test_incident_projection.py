"""Incidents folded from events: whose tick counts, what belongs to which incident, and that nothing is ever edited."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.incidents.timeline_recorder import change_subject
from console.journal.event import Event
from console.journal.payloads import (
    AlertAcknowledged,
    AlertLinked,
    ChangeSeen,
    IncidentClosed,
    IncidentDeclared,
    IncidentNoteAdded,
    Payload,
    StepChanged,
    UpdateDelivered,
    UpdateWritten,
    encode,
    event_kind,
)
from console.state.incident import (
    DeliveryState,
    Incident,
    Incidents,
    LinkedAlert,
    Role,
    Source,
    Step,
    find_entry,
    resolve_corrections,
)
from console.state.incident_projection import IncidentsProjection
from queries.model.alert import Priority

T = 1_767_276_000.0
PROJECTION = IncidentsProjection()
ALERT = LinkedAlert("fp1", "HighErrorRate", T - 120, (("alertname", "HighErrorRate"), ("severity", "critical")))


class Journal:
    """Events one second apart, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, subject: str, payload: Payload, *, author: str = "ann", at: float | None = None) -> Event:
        return self.add_raw(event_kind(payload), subject, encode(payload), author=author, at=at)

    def add_raw(self, kind: str, subject: str, data: dict[str, Any], *, author: str = "ann", at: float | None = None) -> Event:
        when = T + len(self.events) if at is None else at
        number = len(self.events) + 1
        event = Event(when, kind, subject, author, "prod", json.loads(json.dumps(data)), number, f"e{number}")
        self.events.append(event)
        return event

    def declare(self, identity: str = "i1", *alerts: LinkedAlert, **more: Any) -> None:
        self.add(identity, IncidentDeclared.of("errors", Priority.P1, alerts=alerts or (ALERT,), **more))

    def folded(self) -> Incidents:
        return PROJECTION.fold_understood(Incidents(), self.events)[0]

    def incident(self, identity: str = "i1") -> Incident:
        found = self.folded().get(identity)
        assert found is not None
        return found


def outcome(action: str, outcome: str = "done", **data: str) -> dict[str, Any]:
    return {"action": action, "title": f"{action} it", "target": "deployment/x", "outcome": outcome, "text": outcome, **data}


def texts(incident: Incident) -> list[str]:
    return [entry.text for entry in incident.entries]


def test_declared_from_an_alert() -> None:
    """Its number, its first alert's start as the detection, and both in the timeline in the order in which they happened."""
    journal = Journal()
    journal.declare(panels=("error_ratio",), commander="ann")
    found = journal.incident()
    assert (found.number, found.severity, found.declared_at, found.detected_at) == (1, Priority.P1, T, T - 120)
    assert found.began_at == T - 120
    assert texts(found) == ["HighErrorRate started firing", "declared P1: errors"]
    assert found.person(Role.COMMANDER) == "ann"
    assert found.person(Role.SCRIBE) == ""


def test_two_people_tick_the_same_step() -> None:
    """Both entries stand, the first counts; after it was taken back the next one counts."""
    journal = Journal()
    journal.declare()
    journal.add("i1", StepChanged(Step.ASSESS, done=True, note="all of OCR"), author="ann")
    journal.add("i1", StepChanged(Step.ASSESS, done=True), author="bob")
    found = journal.incident()
    assert found.completions[Step.ASSESS].author == "ann"
    assert found.done_at(Step.ASSESS) == T + 1
    assert texts(found)[-2:] == ["assess: done: all of OCR", "assess: done (already done)"]
    journal.add("i1", StepChanged(Step.ASSESS, done=False, note="vision too"), author="bob")
    assert Step.ASSESS not in journal.incident().completions
    journal.add("i1", StepChanged(Step.ASSESS, done=True), author="bob")
    assert journal.incident().completions[Step.ASSESS].author == "bob"
    assert len(journal.incident().entries) == 6


def test_what_the_console_does_ticks_the_right_step() -> None:
    """Taking the alert and silencing it acknowledge; a rollback that was done mitigates, one that failed does not."""
    journal = Journal()
    journal.declare()
    journal.add_raw("action.outcome", "r1", outcome("rollback", "failed", fingerprint="fp1"))
    assert not journal.incident().completions
    journal.add_raw("alert.owned", "fp1", {"name": "HighErrorRate"}, author="bob")
    assert journal.incident().completions[Step.ACKNOWLEDGE].author == "bob"
    journal.add_raw("action.outcome", "r2", outcome("rollback", fingerprint="fp1"))
    found = journal.incident()
    assert set(found.completions) == {Step.ACKNOWLEDGE, Step.MITIGATE}
    assert found.completions[Step.MITIGATE].because == "rollback it"
    silenced = Journal()
    silenced.declare()
    silenced.add_raw("action.outcome", "r1", outcome("silence", target='alertname="CacheHitRateLow"'))
    assert not silenced.incident().completions
    silenced.add_raw("action.outcome", "r2", outcome("silence", target='alertname="HighErrorRate"'))
    assert set(silenced.incident().completions) == {Step.ACKNOWLEDGE}


def test_an_alert_that_was_taken_before_the_declaration_is_acknowledged() -> None:
    """The mark counts from when it was set; one that was given back does not."""
    journal = Journal()
    journal.add_raw("alert.owned", "fp1", {"name": "HighErrorRate"}, author="bob")
    journal.declare()
    assert journal.incident().acknowledged_at == T
    journal.add_raw("alert.released", "fp1", {"why": "resolved"})
    journal.declare("i2")
    second = journal.incident("i2")
    assert second.acknowledged_at is None
    assert "released" not in " ".join(texts(journal.incident()))  # the console ended it, no person released it


def test_the_first_acknowledgement_before_the_declaration_counts() -> None:
    """Who took the alert first acknowledged it, however often it was handed on and taken over; a release begins anew."""
    journal = Journal()
    journal.add_raw("alert.owned", "fp1", {"name": "HighErrorRate"}, author="ann", at=T - 100)
    journal.add_raw("alert.released", "fp1", {"name": "HighErrorRate"}, author="ann", at=T - 90)
    journal.add_raw("alert.owned", "fp1", {"name": "HighErrorRate"}, author="bob", at=T - 80)
    journal.add_raw("alert.owned", "fp1", {"name": "HighErrorRate", "to": "carol@vm"}, author="bob", at=T - 50)
    journal.add_raw("alert.owned", "fp1", {"name": "HighErrorRate"}, author="dan", at=T - 20)
    journal.declare()
    completed = journal.incident().completions[Step.ACKNOWLEDGE]
    assert (completed.at, completed.author) == (T - 80, "bob")


def test_what_was_done_before_the_declaration_belongs_to_the_incident() -> None:
    """Fix first, declare later: since its first alert, whatever somebody did to its alerts and their workloads is in the
    timeline with who did it and when, and completes its steps; what was earlier or about something else is not.
    """
    journal = Journal()
    other = {"fingerprint": "fp9", "target": "deployment/other"}
    journal.add_raw("action.outcome", "r0", outcome("restart", fingerprint="fp1"), at=T - 121)
    journal.add_raw("alert.owned", "fp1", {"name": "HighErrorRate"}, author="bob", at=T - 100)
    journal.add_raw("action.outcome", "r1", outcome("rollback", **other), at=T - 95)
    journal.add_raw("action.intent", "r2", {"action": "rollback", "title": "Roll back x", "target": "deployment/x"}, at=T - 90)
    journal.add_raw("action.outcome", "r2", outcome("rollback"), author="bob", at=T - 60)
    facts = {"deployment": "u", "replica_set": "x-2", "revision": 3, "ready": 6, "desired": 6}
    rolled = {"revisions": facts, "target": "deployment/x", "text": "revision 3 rolled out, 6 of 6 pods ready"}
    journal.add_raw("rollout.complete", "u/x-2", rolled, at=T - 50)
    journal.add_raw("action.outcome", "r3", outcome("silence", target='alertname="HighErrorRate"'), at=T - 40)
    journal.add_raw("action.outcome", "r4", outcome("silence", target='alertname="Else"'), at=T - 30)
    journal.add("i1", IncidentDeclared.of("errors", Priority.P1, alerts=(ALERT,), targets=("deployment/x",)), at=T)
    found = journal.incident()
    assert texts(found) == [
        "HighErrorRate started firing",
        "acknowledged HighErrorRate",
        "Roll back x: confirmed, sending",
        "rollback it: done",
        "x: revision 3 rolled out, 6 of 6 pods ready",
        "silence it: done",
        "declared P1: errors",
    ]
    assert [(entry.at - T, entry.author) for entry in found.entries[1:4]] == [(-100, "bob"), (-90, "ann"), (-60, "bob")]
    assert {step: (done.at - T, done.author, done.because) for step, done in found.completions.items()} == {
        Step.ACKNOWLEDGE: (-100, "bob", "acknowledged HighErrorRate"),
        Step.MITIGATE: (-60, "bob", "rollback it"),
    }
    assert len({entry.id for entry in found.entries}) == len(found.entries)


def test_a_person_says_when_it_began() -> None:
    """Declared after its alerts resolved: without alert and target, everything since then belongs to it, nothing before."""
    journal = Journal()
    journal.add_raw("action.outcome", "r1", outcome("restart"), at=T - 601)
    journal.add_raw("action.outcome", "r2", outcome("rollback"), at=T - 300)
    journal.add("i1", IncidentDeclared.of("errors", Priority.P2, since=T - 600), at=T)
    found = journal.incident()
    assert found.began_at == T - 600
    assert texts(found) == ["rollback it: done", "declared P2: errors"] and found.mitigated_at == T - 300
    journal.add("i2", IncidentDeclared.of("no beginning", Priority.P2), at=T + 1)
    assert texts(journal.incident("i2")) == ["declared P2: no beginning"]


def test_an_alert_that_is_linked_later_brings_what_was_done_about_it() -> None:
    """Once, also where the open incident took note of it already."""
    journal = Journal()
    journal.add_raw("action.outcome", "r1", outcome("restart", fingerprint="fp2"), at=T - 10)
    journal.add("i1", IncidentDeclared.of("errors", Priority.P1, alerts=(ALERT,)), at=T)
    assert "restart it: done" not in texts(journal.incident())
    journal.add_raw("action.outcome", "r2", outcome("scale", fingerprint="fp2"), at=T + 5)
    journal.add("i1", AlertLinked("fp2", "QueueBacklog", T - 20), at=T + 9)
    found = texts(journal.incident())
    assert found.count("restart it: done") == found.count("scale it: done") == 1
    assert journal.incident().mitigated_at == T - 10  # neither was about the incident before


@pytest.mark.parametrize("acknowledged", [False, True])
def test_what_a_person_reopened_stays_open_where_the_alert_is_listed_anew(acknowledged: bool) -> None:
    """An alert that begins to fire has another fingerprint, and one is linked: what was done before does not complete the steps
    again. An acknowledgement of the new fingerprint counts.
    """
    journal = Journal()
    pending = LinkedAlert("pending:1", ALERT.name, ALERT.starts_at, ALERT.labels)
    journal.declare("i1", pending, targets=("deployment/x",))
    journal.add_raw("action.outcome", "r1", outcome("rollback"))
    journal.add("pending:1", AlertAcknowledged("HighErrorRate"))
    assert {Step.MITIGATE, Step.ACKNOWLEDGE} <= journal.incident().completions.keys()
    for step in (Step.MITIGATE, Step.ACKNOWLEDGE):
        journal.add("i1", StepChanged(step, done=False))
    journal.add("i1", AlertLinked("fp2", "QueueBacklog", T - 20))
    if acknowledged:
        journal.add("fp1", AlertAcknowledged("HighErrorRate"))
    fires = ChangeSeen("alert:pending:1", "firing", 1, T + 9, Source.ALERTMANAGER, "it fires", "fp1")
    journal.add(change_subject("i1", "alert:pending:1", 1), fires)
    assert journal.incident().links("fp1")
    assert journal.incident().completions.keys() == ({Step.ACKNOWLEDGE} if acknowledged else set())


def test_what_was_changed_before_an_incident_began_does_not_mitigate_it() -> None:
    """An alert that has fired for days is linked: a rollback of yesterday ended nothing that began today."""
    journal = Journal()
    journal.add_raw("action.outcome", "r1", outcome("rollback"), at=T - 86_400)
    journal.add("i1", IncidentDeclared.of("errors", Priority.P1, alerts=(ALERT,), targets=("deployment/x",)), at=T)
    journal.add("i1", AlertLinked("fp2", "QueueBacklog", T - 3 * 86_400), at=T + 9)
    assert "rollback it: done" in texts(journal.incident()) and journal.incident().mitigated_at is None


def test_what_was_changed_since_the_linked_alert_fired_mitigates_where_nobody_said_when_it_began() -> None:
    """Fix first, then declare without an alert, then link the one that fired: the declaration is not when it began."""
    journal = Journal()
    journal.add_raw("action.outcome", "r1", outcome("rollback", fingerprint="fp2"), at=T - 300)
    journal.add("i1", IncidentDeclared.of("slow", Priority.P1), at=T)
    journal.add("i1", AlertLinked("fp2", "QueueBacklog", T - 600), at=T + 9)
    assert journal.incident().mitigated_at == T - 300


def test_an_action_belongs_to_the_incident_of_its_alert() -> None:
    """With two open, by the alert that it was for; one that is for no alert of either belongs to both; none to a closed one."""
    other = LinkedAlert("fp2", "QueueBacklog", T - 10)
    journal = Journal()
    journal.declare("i1")
    journal.declare("i2", other)
    journal.add_raw("action.outcome", "r1", outcome("rollback", fingerprint="fp1"))
    assert Step.MITIGATE in journal.incident("i1").completions
    assert Step.MITIGATE not in journal.incident("i2").completions
    journal.add("i1", IncidentClosed("over"))
    count = len(journal.incident("i1").entries)
    journal.add_raw("action.outcome", "r2", outcome("scale"))
    assert Step.MITIGATE in journal.incident("i2").completions
    assert len(journal.incident("i1").entries) == count
    assert [item.id for item in journal.folded().open] == ["i2"]


def test_an_observation_of_two_consoles_counts_once() -> None:
    """The same change under the same count is one entry; what happened earlier stands earlier, with when it was written."""
    journal = Journal()
    journal.declare(seen={"panel:error_ratio": "critical"})
    said = ChangeSeen("panel:error_ratio", "ok", count=1, at=T + 0.5, source=Source.PROMETHEUS, text="Error ratio: CRIT → ok")
    journal.add("i1", IncidentNoteAdded("n1", "first"))
    for author in ("ann", "bob"):
        journal.add(change_subject("i1", "panel:error_ratio", 1), said, author=author)
    found = journal.incident()
    assert texts(found)[-2:] == ["Error ratio: CRIT → ok", "first"]
    assert found.entries[-2].recorded_at == T + 2
    assert found.seen["panel:error_ratio"].count == 1


def test_quiet_since_the_last_of_its_alerts_ended() -> None:
    """Nothing is quiet while one of them fires; without alerts it cannot be told."""
    journal = Journal()
    journal.declare("i1", ALERT, LinkedAlert("fp2", "Other", T - 5))
    assert journal.incident().quiet_since is None
    for count, fingerprint in enumerate(("fp1", "fp2")):
        thing = f"alert:{fingerprint}"
        said = ChangeSeen(thing, "resolved", count=1, at=T + 10 + count, source=Source.ALERTMANAGER, text="ended")
        journal.add(change_subject("i1", thing, 1), said)
    assert journal.incident().quiet_since == T + 11
    journal.add("i1", AlertLinked("fp3", "Third", T, on=True))
    assert [item.name for item in journal.incident().firing] == ["Third"]
    journal.add("i1", AlertLinked("fp3", "Third", T, on=False))
    assert journal.incident().quiet_since == T + 11


def test_an_update_is_kept_and_tells_where_it_went() -> None:
    """Not known to be out, whether copied, written or unknown, nothing is ticked; sent, it communicates from then on."""
    journal = Journal()
    journal.declare()
    journal.add("i1", UpdateWritten("u1", "we look at it"))
    target = "update/i1/u1/chat"
    journal.add_raw("action.intent", "r1", {"action": "notify", "title": "Send", "target": target})
    assert journal.incident().updates[0].deliveries[0].state is DeliveryState.SENDING
    journal.add_raw("action.outcome", "r1", outcome("notify", "unknown", target=target, text="no answer"))
    found = journal.incident()
    assert [(item.where, item.state, item.why) for item in found.updates[0].deliveries] == [
        ("chat", DeliveryState.UNKNOWN, "no answer")
    ]
    assert found.communicated_at is None
    assert Step.COMMUNICATE not in found.completions
    journal.add("i1", UpdateDelivered("u1", DeliveryState.COPIED, "tmux's buffer"))
    journal.add("i1", UpdateDelivered("u1", DeliveryState.WRITTEN, "update.txt"))
    found = journal.incident()
    assert found.communicated_at is None and Step.COMMUNICATE not in found.completions
    assert texts(found)[-1] == "update written to update.txt, to be posted by hand"
    journal.add_raw("action.outcome", "r2", outcome("notify", "done", target=target))
    found = journal.incident()
    assert found.communicated_at == found.updates[0].deliveries[-1].at
    assert found.completions[Step.COMMUNICATE].because == "update sent to chat"
    assert len(found.updates[0].deliveries) == 4


def test_two_consoles_send_one_update_to_one_channel() -> None:
    """Each attempt stands for itself: the outcome of one neither ends nor hides the other, whose console may have died."""
    for ended in ("r1", "r2"):
        journal = Journal()
        journal.declare()
        journal.add("i1", UpdateWritten("u1", "we look at it"))
        target = "update/i1/u1/chat"
        for run, author in (("r1", "ann"), ("r2", "bob")):
            journal.add_raw("action.intent", run, {"action": "notify", "title": "Send", "target": target}, author=author)
        assert [item.author for item in journal.incident().updates[0].deliveries] == ["ann", "bob"]
        journal.add_raw("action.outcome", ended, outcome("notify", target=target), author="x")
        other = ("r2", "bob") if ended == "r1" else ("r1", "ann")
        assert [(item.run, item.author, item.state) for item in journal.incident().updates[0].deliveries] == [
            (*other, DeliveryState.SENDING),
            (ended, "x", DeliveryState.SENT),
        ]


def test_a_person_says_when_an_update_went_out() -> None:
    """Marked as sent it communicates, from the moment that was named: not before it was written, and not in the future."""
    for named, expected in ((None, T + 60), (T + 30, T + 30), (T - 500, T + 10), (T + 9000, T + 60), (float("nan"), None)):
        journal = Journal()
        journal.declare()
        journal.add("i1", UpdateWritten("u1", "we look at it"), at=T + 10)
        data = UpdateDelivered("u1", DeliveryState.MARKED, "status-page", at=named)
        journal.add("i1", data, at=T + 60)
        found = journal.incident()
        assert found.communicated_at == expected
        if expected is not None:
            assert found.completions[Step.COMMUNICATE].because == "update marked as sent to status-page"


def test_a_correction_is_an_entry_of_its_own() -> None:
    """The corrected note stays word for word, and the new one names it."""
    journal = Journal()
    journal.declare()
    first = journal.add("i1", IncidentNoteAdded("n1", "8 % fail"))
    journal.add("i1", IncidentNoteAdded("n2", "80 % fail", corrects=first.data["id"]))
    old, new = journal.incident().entries[-2:]
    assert (old.text, new.text, new.corrects) == ("8 % fail", "80 % fail", old.id)


def numbered(journal: Journal, first: int) -> Incident:
    """The incident as a console reads it whose file has other events before these."""
    events = [replace(event, id=f"id{at}", sequence=first + at) for at, event in enumerate(journal.events)]
    found = PROJECTION.fold_understood(Incidents(), events)[0].get("i1")
    assert found is not None
    return found


def test_a_generated_entry_has_the_same_id_on_every_console() -> None:
    """Whatever place its event has in the file: a correction of it is one at every console and in a bundle."""
    journal = Journal()
    journal.declare()
    journal.add_raw("action.outcome", "r1", outcome("rollback", fingerprint="fp1"))
    assert numbered(journal, 1).entries == numbered(journal, 40).entries
    corrected = numbered(journal, 1).entries[-1]
    journal.add("i1", IncidentNoteAdded("n1", "it was Vision", corrects=corrected.id))
    for first in (1, 40):
        found = numbered(journal, first)
        assert find_entry(found.entries, found.entries[-1].corrects) == corrected


def test_a_correction_under_an_id_of_an_older_release_still_names_its_entry() -> None:
    """That id ended in the number of the event in the file of its console; it means the same entry in every file."""
    journal = Journal()
    journal.declare()
    journal.add_raw("action.outcome", "r1", outcome("rollback", fingerprint="fp1"), at=T + 5)
    journal.add_raw("action.outcome", "r2", outcome("rollback", fingerprint="fp1"), at=T + 5)
    for run, number in (("r1", 2), ("r2", 3)):
        old = f"action.outcome:{run}:ann:{T + 5:.3f}:{number}"
        journal.add("i1", IncidentNoteAdded(f"n{number}", "it was Vision", corrects=old), at=T + 10 + number)
    journal.add("i1", IncidentNoteAdded("n9", "of what is gone", corrects=f"action.outcome:r9:ann:{T:.3f}:7"), at=T + 20)
    for first in (1, 40):
        notes = numbered(journal, first).entries[-3:]
        assert [item.corrects for item in notes] == ["id1", "id2", f"action.outcome:r9:ann:{T:.3f}:7"]


def test_a_correction_of_an_entry_that_was_cut_off_names_it_in_the_complete_timeline() -> None:
    """The state holds only the newer part; put together, the older id is replaced as well."""
    journal = Journal()
    journal.declare()
    entry = numbered(journal, 1).entries[-1]
    note = replace(entry, id="n1", old_id="", corrects=f"incident.declared:i1:ann:{T:.3f}:1")
    assert resolve_corrections((entry, note)) == (entry, replace(note, corrects=entry.id))
    assert find_entry((note,), "") is None and find_entry((entry,), f"{entry.old_id}:x") is None


def test_how_an_incident_is_named() -> None:
    """Without a name the only open one is meant; names are the journal's (test_snapshots.py)."""
    journal = Journal()
    assert journal.folded().current() is None
    journal.declare("iaa1")
    journal.declare("iab2")
    assert journal.folded().current() is None
    journal.add("iaa1", IncidentClosed())
    assert journal.folded().current().id == "iab2"  # type: ignore[union-attr]


words = st.text(max_size=8)
junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
steps = st.builds(lambda name, done: ("incident.step", encode(StepChanged(name, done))), st.sampled_from(Step), st.booleans())
notes = st.builds(lambda text: ("incident.note", encode(IncidentNoteAdded(text, text))), words)
sights = st.builds(
    lambda thing, value, count, at: (
        "incident.seen",
        encode(ChangeSeen(thing, value, count, T + at, Source.PROMETHEUS, f"{thing} {value}")),
    ),
    st.sampled_from(("panel:a", "alert:fp1")),
    words,
    st.integers(0, 4),
    st.integers(-500, 500),
)
ends = st.sampled_from([("incident.closed", {"why": ""}), ("incident.reopened", {"why": ""})])
acts = st.builds(
    lambda action, how: ("action.outcome", outcome(action, how)), st.sampled_from(("rollback", "scale", "silence")), words
)
wild = st.builds(
    lambda kind, data: (kind, data), st.sampled_from(PROJECTION.kinds), st.dictionaries(words | st.sampled_from(
        ("step", "done", "thing", "count", "at", "role", "severity", "title", "alerts", "update", "how", "target", "text", "id")
    ), junk, max_size=6)
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(steps | notes | sights | ends | acts | wild, max_size=40), st.data())
def test_folding_piece_by_piece_is_folding_at_once(told: list[tuple[str, dict[str, Any]]], data: st.DataObject) -> None:
    """Whatever the events hold and wherever the fold is cut: the same state, no exception, and every entry stays for good."""
    journal = Journal()
    journal.declare("i1")
    for kind, facts in told:
        journal.events.append(Event(T + len(journal.events), kind, "i1", "ann", "prod", facts, len(journal.events) + 1))
    whole = journal.folded()
    state, done = Incidents(), 0
    while done < len(journal.events):
        size = data.draw(st.integers(1, 7))
        before = Counter(entry for item in state.all for entry in item.entries)
        state, _ = PROJECTION.fold_understood(state, journal.events[done : done + size])
        assert before <= Counter(entry for item in state.all for entry in item.entries)
        done += size
    assert repr(state.all) == repr(whole.all)
    times = [entry.at for entry in whole.all[0].entries]
    assert times == sorted(times)


@given(st.lists(st.tuples(st.sampled_from(Step), st.booleans(), st.sampled_from(("ann", "bob"))), max_size=30))
def test_the_first_tick_after_the_last_untick_counts(told: list[tuple[Step, bool, str]]) -> None:
    """For every step and order of people."""
    journal = Journal()
    journal.declare()
    for step, done, author in told:
        journal.add("i1", StepChanged(step, done=done), author=author)
    ticks = journal.incident().completions
    assert set(ticks) <= {step for step, done, _ in told if done}
    for step in Step:
        own = [event for event in journal.events if event.kind == "incident.step" and event.data["step"] == step]
        last = max((at for at, event in enumerate(own) if not event.data["done"]), default=-1)
        first = next(iter(own[last + 1 :]), None)
        assert (ticks[step].at, ticks[step].author) == (first.at, first.author) if first else step not in ticks


def test_a_hundred_thousand_events_fold_in_a_moment() -> None:
    """Linear in their number: many at once are taken in as one, and one more does not read the others again."""
    journal = Journal()
    journal.declare()
    for number in range(100_000):
        journal.events.append(
            Event(T + number, "incident.note", "i1", "ann", "prod", {"id": str(number), "text": "x"}, number + 2)
        )
    began = time.process_time()
    state = journal.folded()
    first = time.process_time() - began
    assert len(state.all[0].entries) == 100_002
    began = time.process_time()
    state = PROJECTION.apply(state, Event(T + 1e6, "incident.note", "i1", "ann", "prod", {"id": "last", "text": "x"}))
    assert time.process_time() - began < first / 5
    assert state.all[0].entries[-1].text == "x"


def test_a_slow_clock_answers_no_earlier_than_it_was_asked() -> None:
    """Bob's clock is ten minutes slow: his step and his note come after what he had read, not before the incident began."""
    journal = Journal()
    journal.declare()
    journal.add("i1", StepChanged(Step.ACKNOWLEDGE, done=True), author="bob", at=T - 600)
    journal.add("i1", IncidentNoteAdded("n1", "looking"), author="bob", at=T - 590)
    journal.events = [replace(event, stamp=int(T * 1e6) + number) for number, event in enumerate(journal.events)]
    found = journal.incident()
    assert texts(found) == ["HighErrorRate started firing", "declared P1: errors", "acknowledge: done", "looking"]
    assert found.completions[Step.ACKNOWLEDGE].at >= found.declared_at == T


def test_what_was_done_to_something_else_mitigates_no_incident() -> None:
    """An incident about one workload takes note of an action on another, for no alert or for one of no incident, and is not
    mitigated by it; the same action on its workload mitigates it. Without a workload of its own any action for no alert does.
    """
    for target, fingerprint, mitigated in (
        ("deployment/other", "", False),
        ("deployment/other", "fp9", False),
        ("deployment/x", "", True),
        ("deployment/other", "fp1", True),
    ):
        journal = Journal()
        journal.declare(targets=("deployment/x",))
        journal.add_raw("action.outcome", "r1", outcome("scale", target=target, fingerprint=fingerprint))
        found = journal.incident()
        assert "scale it: done" in texts(found)
        assert (Step.MITIGATE in found.completions) is mitigated, (target, fingerprint)
    for fingerprint, mitigated in (("", True), ("fp9", False)):
        journal = Journal()
        journal.declare()
        journal.add_raw("action.outcome", "r1", outcome("scale", fingerprint=fingerprint))
        assert (Step.MITIGATE in journal.incident().completions) is mitigated
