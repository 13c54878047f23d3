"""The payloads of events: both ways without a difference, and journals of earlier releases load unchanged.

`recorded/version-3.*` is the journal of the release before the payload structs: one event of every kind at least, written by
that release, with the state that its own reducers derived.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console import __version__
from console.journal.event import Event
from console.journal.hash_chain import ChainEntry, parse_line, verify_chain
from console.journal.payloads import PAYLOADS, IncidentDeclared, NoteWritten, decode, encode, event_kind, try_decode
from console.journal.sqlite import Journal
from console.state.incident import Incident
from console.state.journal_state import JournalReader, JournalState
from console.state.journal_text import event_text
from queries.model.alert import Priority

RECORDED = Path(__file__).parent / "recorded"
NOW = 1_767_279_600.0
NEW_FIELDS = {"incident.declared": {"targets": []}}
"""Fields that came after the recording, with the value that an event without them has."""


def recorded_events(version: int) -> Iterator[Event]:
    for line in gzip.decompress((RECORDED / f"version-{version}.jsonl.gz").read_bytes()).decode().splitlines():
        entry = parse_line(line)
        if isinstance(entry, ChainEntry):
            yield entry.event


def test_every_published_kind_is_recorded() -> None:
    """No recorded kind was dropped, and once this version is released, the recording has an event of every kind."""
    recorded, known = {event.kind for event in recorded_events(3)}, {event_kind(payload) for payload in PAYLOADS}
    assert recorded and recorded <= known
    changelog = (Path(__file__).parents[3] / "CHANGELOG.md").read_text(encoding="utf-8")
    if f"## {__version__} (unreleased)" not in changelog:
        assert known == recorded, "add an event of each to tests/console/journal/recorded"


@pytest.mark.parametrize("version", [2, 3])
def test_events_of_earlier_releases_decode(version: int) -> None:
    events = tuple(recorded_events(version))
    assert len(events) >= 42
    for event in events:
        assert event_kind(decode(event)) == event.kind
        assert event_text(event)


def test_encoding_writes_the_same_json() -> None:
    """Decoded and encoded again, the data of every event of the release before is the same: keys, types and values. A field
    that came later has its default.
    """
    events = recorded_events(3)
    assert events
    for event in events:
        written = json.loads(json.dumps(encode(decode(event))))
        for name, value in NEW_FIELDS.get(event.kind, {}).items():
            assert name not in event.data and written.pop(name) == value
        assert written == event.data, event.kind
        assert [type(value) for value in written.values()] == [type(event.data[key]) for key in written]


def incident_fields(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "number": incident.number,
        "title": incident.title,
        "severity": incident.severity.value,
        "declared_at": incident.declared_at,
        "declared_by": incident.declared_by,
        "detected_at": incident.detected_at,
        "alerts": [[item.fingerprint, item.name, item.starts_at, item.labels] for item in incident.alerts],
        "panels": incident.panels,
        "roles": [[role.value, person] for role, person in incident.roles],
        "completions": {step.value: [item.at, item.author, item.note] for step, item in incident.completions.items()},
        "updates": [
            [
                item.id,
                item.at,
                item.author,
                item.text,
                [[d.at, d.author, d.where, d.state.value, d.why] for d in item.deliveries],
            ]
            for item in incident.updates
        ],
        "entries": [[item.at, item.source.value, item.author, item.recorded_at, item.corrects] for item in incident.entries],
        "closed_at": incident.closed_at,
        "stability_seconds": incident.stability_seconds,
        "seen": {thing: [item.value, item.at, item.count] for thing, item in incident.seen.items()},
    }


def state_fields(state: JournalState) -> dict[str, Any]:
    run = state.checklist_runs.get("w1")
    assert run is not None and run.duration is not None
    return {
        "incidents": [incident_fields(item) for item in state.incidents.all],
        "run": {
            "checklist": run.checklist,
            "started_at": run.started_at,
            "started_by": run.started_by,
            "answers": [
                [
                    *(item.item, item.author, item.at, item.answer, item.resulting_verdict.value),
                    item.evidence_verdict.value if item.evidence_verdict else None,
                    *(item.value, item.value_text, item.reason),
                ]
                for item in run.answers
            ],
            "notes": [[item.item, item.author, item.at, item.text] for item in run.notes],
            "signatures": [[item.name, item.author, item.at, item.open, item.remark] for item in run.signatures],
            "seconds": run.duration.seconds,
            "measured": run.duration.measured,
        },
        "handovers": [[item.at, item.author, item.name, item.to, item.remark] for item in state.handovers],
        "owners": {key: [item.author, item.at, item.id, item.console] for key, item in state.owners.items()},
        "unfinished": sorted(state.unfinished),
        "settled": sorted(state.settled),
        "recent": [event.subject for event in state.recent],
        "revisions": sorted(
            [*key, item.ready_at, item.failed_at, item.left_at, item.left_by, item.left_number]
            for key, item in state.revisions.items()
        ),
        "left_out": len(state.left_out),
    }


def test_the_journal_of_the_release_before_folds_to_the_same_state(tmp_path: Path) -> None:
    """The file opens without a migration, its chain is intact, and every value is the one that the old reducers derived, except
    that an incident now takes over the acknowledgement of its alert a second before it was declared.
    """
    file = tmp_path / "journal.sqlite3"
    file.write_bytes(gzip.decompress((RECORDED / "version-3.sqlite3.gz").read_bytes()))
    with Journal.open(file) as journal:
        assert verify_chain(journal.links(), whole=False).faults == ()
        reader = JournalReader(journal, environment="production", clock=lambda: NOW)
        reader.refresh()
        found = json.loads(json.dumps(state_fields(reader.state)))
    expected = json.loads((RECORDED / "version-3.state.json").read_text(encoding="utf-8"))
    declared_at = expected["incidents"][0]["declared_at"]
    expected["incidents"][0]["entries"].insert(1, [declared_at - 1.0, "person", "ann@bastion", declared_at - 1.0, ""])
    assert found == expected


def event(kind: str, data: dict[str, Any]) -> Event:
    return Event(1.0, kind, "s", "ann", "prod", data)


def test_a_key_of_a_later_release_is_ignored() -> None:
    assert decode(event("note", {"text": "x", "colour": "red"})) == NoteWritten("x")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("note", {"text": 5}),
        ("incident.step", {"step": "dance", "done": True}),
        ("incident.step", {"step": "assess"}),
        ("incident.declared", {"title": "x", "severity": "P9"}),
        ("incident.seen", {"thing": "a", "value": "b", "count": 1, "at": 10**400, "source": "prometheus", "text": "x"}),
        ("of.tomorrow", {}),
    ],
)
def test_what_does_not_fit_its_kind_is_an_error(kind: str, data: dict[str, Any]) -> None:
    """Named with its kind; where the caller only shows events, there is no payload."""
    with pytest.raises(ValueError, match=kind):
        decode(event(kind, data))
    assert try_decode(event(kind, data)) is None
    assert event_text(event(kind, data))


def test_the_detection_is_written_where_there_is_none() -> None:
    """`detected_at` is null and no other key is."""
    written = encode(IncidentDeclared.of("errors", Priority.P1))
    assert [key for key, value in written.items() if value is None] == ["detected_at"]
