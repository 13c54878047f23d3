"""The journal as it was at a moment: the state of the events up to then, whichever way the moments go."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from console.journal.payloads import (
    AlertAcknowledged,
    AlertReleased,
    IncidentDeclared,
    IncidentNoteAdded,
    NoteWritten,
    Payload,
    create_event,
)
from console.journal.sqlite import Journal
from console.state import past_journal
from console.state.journal_state import JournalReader, JournalState
from console.state.past_journal import PastJournal

START = 1_780_000_000.0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite") as opened:
        yield opened


def payloads(dice: random.Random) -> tuple[str, Payload]:
    name = f"alert-{dice.randrange(4)}"
    return dice.choice(
        (
            (name, AlertAcknowledged("HighErrorRate")),
            (name, AlertReleased("HighErrorRate")),
            ("note", NoteWritten(f"note {dice.randrange(1000)}")),
            (f"incident-{dice.randrange(3)}", IncidentDeclared("broken", "P1")),
            (f"incident-{dice.randrange(3)}", IncidentNoteAdded(f"n{dice.randrange(99)}", "seen")),
        )
    )


def states(journal: Journal, moments: list[float], events: list[tuple[float, str, Payload]]) -> dict[float, JournalState]:
    """What the console's own reader had at each moment, while the events were written."""
    reader = JournalReader(journal, environment="test", clock=lambda: START + 1e6)
    found: dict[float, JournalState] = {}
    waiting = sorted(events, key=lambda item: item[0])
    for moment in sorted(moments):
        while waiting and waiting[0][0] <= moment:
            at, subject, payload = waiting.pop(0)
            journal.append(create_event(payload, at=at, subject=subject, author="ann", environment="test"))
        reader.refresh()
        found[moment] = reader.state
    for at, subject, payload in waiting:
        journal.append(create_event(payload, at=at, subject=subject, author="ann", environment="test"))
    return found


def same(one: JournalState, other: JournalState) -> bool:
    names = ("owners", "recent", "checklist_runs", "incidents", "handovers", "unfinished", "revisions", "guards")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def test_every_moment_is_what_the_reader_had_then(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """At fifty moments in any order, forwards and backwards, over a journal of a few hundred events in small pages."""
    monkeypatch.setattr("console.journal.ordered.read_in_order.__kwdefaults__", {"after": past_journal.FIRST, "limit": 7})
    dice = random.Random(16)
    events = [(START + 10.0 * number + dice.random(), *payloads(dice)) for number in range(300)]
    moments = [START + dice.uniform(-20.0, 3100.0) for _ in range(50)]
    expected = states(journal, moments, events)
    past = PastJournal(journal, environment="test", keep_every=1)
    dice.shuffle(moments)
    assert [moment for moment in moments if not same(past.state_at(moment), expected[moment])] == [] and len(expected) == 50


def test_an_event_that_arrives_late_takes_its_place(journal: Journal) -> None:
    """Another console wrote it then and could not share it: a state that was already computed has it afterwards."""
    for number in range(3):
        journal.append(
            create_event(NoteWritten(f"{number}"), at=START + 100.0 * number, subject="note", author="ann", environment="test")
        )
    past = PastJournal(journal, environment="test", keep_every=1)
    assert len(past.state_at(START + 150.0).recent) == 2 and len(past.state_at(START + 500.0).recent) == 3
    late = create_event(NoteWritten("late"), at=START + 50.0, subject="note", author="bob", environment="test")
    journal.merge([replace(late, id="bob-1", stamp=int((START + 50.0) * 1e6))])
    assert [event.data["text"] for event in past.state_at(START + 150.0).recent] == ["0", "late", "1"]
    assert len(past.state_at(START + 500.0).recent) == 4
