"""Whatever JSON an event of any kind holds: nothing raises, from the fold to the last line that is drawn of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from screen_samples import NOW, snapshot
from screen_samples import settings as told_settings

from console.alerts.recent_changes import recent_changes
from console.checklists.incidents import incident_metric_lines
from console.cli.journal import as_json
from console.handover.shift import current_shift
from console.incidents import postmortem
from console.incidents.correlation import Correlation
from console.incidents.impact import Impact
from console.incidents.response_timers import early_resolution, response_timers
from console.incidents.severity_policy import load_severity_policies
from console.incidents.templates import template_variables
from console.incidents.text import entry_row, incident_lines
from console.journal.event import Event, validate
from console.journal.shared_store import from_json
from console.journal.sqlite import Journal
from console.screens.incident_view import render_due_line, render_entry, render_head, render_side, render_steps
from console.screens.render_context import RenderContext
from console.state.incident import Incidents
from console.state.incident_metrics import compute_metrics
from console.state.incident_projection import IncidentsProjection
from console.state.journal_state import PROJECTIONS, JournalReader, JournalState
from console.state.journal_text import event_text

KINDS = sorted({kind for _, projection in PROJECTIONS for kind in projection.kinds})
GOOD: dict[str, dict[str, Any]] = {
    "action.intent": {"action": "rollback", "title": "roll back", "target": "deployment/x", "fingerprint": "fp"},
    "action.outcome": {"action": "rollback", "title": "roll back", "target": "deployment/x", "outcome": "done", "text": "done"},
    "alert.owned": {"name": "HighErrorRate"},
    "alert.released": {"why": "resolved"},
    "note": {"text": "we look"},
    "incident.declared": {
        "title": "errors", "severity": "P1", "commander": "ann", "detected_at": NOW - 100, "panels": ["error_ratio"],
        "alerts": [{"fingerprint": "fp", "name": "HighErrorRate", "starts_at": NOW - 100, "labels": [["a", "b"]]}],
        "seen": {"alert:fp": "firing"}, "stability_seconds": 60,
    },
    "incident.severity": {"severity": "P2", "why": "less"},
    "incident.role": {"role": "commander", "person": "bob"},
    "incident.step": {"step": "mitigate", "done": True, "note": "n", "because": "b"},
    "incident.note": {"id": "n1", "text": "t", "corrects": ""},
    "incident.alert": {"fingerprint": "fp2", "name": "Other", "starts_at": NOW, "labels": [], "on": True},
    "incident.update": {"update": "u1", "text": "we know"},
    "incident.delivered": {"update": "u1", "how": "copied", "where": ""},
    "incident.seen": {"thing": "alert:fp", "value": "over", "count": 1, "at": NOW, "source": "alertmanager", "text": "x"},
    "walk.begun": {"checklist": "daily", "title": "Daily", "uptime": {"boot": "b", "seconds": 5}},
    "walk.item": {"item": "a", "answer": "agree", "verdict": "ok", "stands": "ok", "value": 5.0, "told": "5 %"},
    "walk.signed": {"checklist": "daily", "name": "Ann", "open": ["a"], "uptime": {"boot": "b", "seconds": 9}},
    "handover.signed": {"name": "Ann", "to": "Bob", "remark": "r"},
}  # fmt: skip
SUBJECTS = ("i1", "i1/x", "w1", "fp", "run")
NUMBERS = [10**400, -(10**400), 1e308, -1e308, -7e10, 2**53, 2**62]
ODD = st.sampled_from([*NUMBERS, True, None, "", "\ud800", "\x1b[31m", "x" * 9000, [], {}, [[]], "NaN"])
ANY = st.recursive(
    ODD | st.integers() | st.floats(), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x)
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Of every kind: what the console writes, with some of it exchanged for anything at all, lost or added."""
    kind = draw(st.sampled_from(KINDS))
    data = dict(GOOD.get(kind, {}))
    names = [*data, "title", "name", "text", "at", "open", "uptime", "seen", "count"]
    for name in draw(st.lists(st.sampled_from(names), max_size=3)):
        if draw(st.booleans()):
            data[name] = draw(ANY)
        else:
            data.pop(name, None)
    at = draw(st.sampled_from([0.0, 1.0, NOW, NOW + 80_000.0]))
    return {"kind": kind, "subject": draw(st.sampled_from(SUBJECTS)), "at": at, "data": data}


def in_store(told: list[dict[str, Any]]) -> list[Event]:
    """As they come out of the shared store, where they come out of it at all."""
    found = []
    for number, item in enumerate(told, 1):
        more = {"id": f"id{number}", "stamp": number, "author": "eve", "environment": "test"}
        try:
            found.append(replace(from_json(json.dumps({**item, **more}), now=NOW), sequence=number))
        except ValueError:
            continue
    return found


def draw_all(state: JournalState, read: list[Event]) -> None:
    """Everything that a screen or a command makes of it."""
    response = load_severity_policies(told_settings(Path()).incidents)
    shown = snapshot(ledger=state)
    view = RenderContext(told_settings(Path()), NOW, snapshot=shown)
    for event in read:
        assert validate(event, now=NOW) == ""
        assert event_text(event) and json.dumps(as_json(event))
    recent_changes(None, (), state.recent, now=NOW)
    current_shift(state.handovers, now=NOW, hours=8.0)
    incident_metric_lines(state.incidents, NOW)
    found = compute_metrics(state.incidents.all, now=NOW)
    for _, walks in state.checklist_runs.by_checklist:
        for walk in walks:
            assert walk.people is not None and (walk.duration is None or walk.duration.seconds >= 0)
    for incident in state.incidents.all:
        own = response.for_severity(incident.severity)
        response_timers(incident, own, NOW)
        early_resolution(incident, own, NOW)
        template_variables(incident, shown, own, now=NOW)
        lines = [
            *render_head(incident, NOW, 80),
            *render_steps(incident, response, NOW, 80, snapshot=None),
            render_due_line(incident, response, NOW, 80),
        ]
        lines += [*render_side(incident, view, response, 40), *(render_entry(entry, 80) for entry in incident.entries)]
        assert lines and list(incident_lines(incident, response, NOW)) and [entry_row(entry) for entry in incident.entries]
        told = postmortem.Postmortem(incident, Impact(0.0, NOW), Correlation(0.0, NOW, ()), own, found, NOW)
        assert postmortem.as_markdown(told) and json.dumps(postmortem.as_json(told))


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(events(), max_size=8))
def test_nothing_that_an_event_holds_ends_a_console(told: list[dict[str, Any]]) -> None:
    """Of any kind, with any data: folded or counted as not understood, and drawn, without one exception."""
    declared = {"kind": "incident.declared", "subject": "i1", "at": NOW, "data": GOOD["incident.declared"]}
    begun = {"kind": "walk.begun", "subject": "w1", "at": NOW, "data": GOOD["walk.begun"]}
    read = in_store([declared, begun, *told])
    made: dict[str, Any] = {}
    assert PROJECTIONS
    for name, projection in PROJECTIONS:
        own = [event for event in read if event.kind in projection.kinds]
        made[name], puzzling = projection.fold_understood(projection.initial(), own)
        assert projection.fold(projection.initial(), [event for event in own if event not in puzzling]) == made[name]
    draw_all(JournalState(**made), read)


def test_what_is_not_understood_is_counted_and_the_rest_counts() -> None:
    """An event without what its kind needs changes nothing at all, is named, and those around it are folded."""
    with TemporaryDirectory() as folder, Journal.open(Path(folder) / "j") as journal:
        for kind, data in (("incident.declared", GOOD["incident.declared"]), ("incident.severity", {"severity": [1]})):
            journal.append(Event(NOW, kind, "i1", "eve", "test", data))
        journal.append(Event(NOW, "incident.note", "i1", "ann", "test", GOOD["incident.note"]))
        journal.append(Event(NOW, "incident.seen", "i1/x", "eve", "test", {**GOOD["incident.seen"], "count": 10**9}))
        journal.append(Event(NOW, "incident.note", "never declared", "ann", "test", GOOD["incident.note"]))
        ledger = JournalReader(journal, environment="test")
        ledger.refresh()
        assert [item.text for item in ledger.state.incidents.all[0].entries][-1] == "t"
        assert {sequence: item.why for sequence, item in ledger.state.left_out.items()} == {
            2: "its data is not understood",
            4: "its data is not understood",
        }


@pytest.mark.parametrize("bad", [0, 1, 500, 999])
def test_one_bad_event_among_many_costs_little(bad: int) -> None:
    """It is found by halves: the others are folded a few times, not each alone."""
    declared = Event(NOW, "incident.declared", "i1", "ann", "test", GOOD["incident.declared"], 1, "a", 1)
    notes = [
        Event(NOW, "incident.note", "i1", "ann", "test", {"id": str(n), "text": "x"}, n + 2, str(n), n + 2) for n in range(999)
    ]
    told = [declared, *notes]
    told.insert(bad, Event(NOW, "incident.severity", "i1", "eve", "test", {}, 5000, "z", 5))
    if bad == 0:
        told[0], told[1] = told[1], told[0]
    state, puzzling = IncidentsProjection().fold_understood(Incidents(), told)
    assert [event.sequence for event in puzzling] == [5000]
    assert sum(entry.text == "x" for entry in state.all[0].entries) == 999
