"""Snapshots of what the journal adds up to: never another thing than the events say, and no start waits for them."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from journal_damage import by_hand, stamp_index_lacks
from journal_files import ENVIRONMENT, INSERT_2, events, rows_2, write_old

from console.journal.event import Event
from console.journal.integrity import verify
from console.journal.ordered import read_as_written, read_in_order
from console.journal.projection import Settled
from console.journal.snapshots import Snapshots, StoredSnapshot, reducer_fingerprint
from console.journal.sqlite import Journal
from console.state import incident_projection
from console.state import journal_state as ledger_module
from console.state.journal_state import PROJECTIONS, JournalReader, JournalState

ROOT = Path(__file__).parents[3]
LIMITS: dict[str, int] = {}
REDUCERS = (JournalState, *(type(projection) for _, projection in PROJECTIONS))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a few hundred events reach."""
    monkeypatch.setitem(LIMITS, "tail", 8)
    monkeypatch.setitem(LIMITS, "every_while_reading", 32)
    monkeypatch.setattr(ledger_module, "read_in_order", partial(read_in_order, limit=40))
    monkeypatch.setattr(ledger_module, "read_as_written", partial(read_as_written, limit=40))
    monkeypatch.setattr(incident_projection, "KEPT", 2)
    monkeypatch.setattr(incident_projection, "ENTRIES", 10)
    monkeypatch.setattr(incident_projection, "FEW", 3)


def opened(journal: Journal, **more: Any) -> JournalReader:
    ledger = JournalReader(journal, environment=ENVIRONMENT, **{"every": 16, **LIMITS, **more})
    ledger.refresh()
    return ledger


def read_state(journal: Journal) -> JournalState:
    """What all events add up to, in their order and in one go, without any snapshot."""
    found = sorted(journal.events(), key=lambda event: event.order)
    made = {
        name: item.fold(item.initial(), [event for event in found if event.kind in item.kinds]) for name, item in PROJECTIONS
    }
    return replace(JournalState(), **made)


def same(ledger: JournalReader, wanted: JournalState) -> None:
    """Every field is as the events say; of incidents what is at hand, and with the rest of the file every one whole."""
    state = ledger.state
    for name in ("owners", "recent", "checklist_runs", "handovers", "unfinished", "left_out"):
        assert getattr(state, name) == getattr(wanted, name), name
    incidents = wanted.incidents
    assert (state.incidents.count, dict(state.incidents.acknowledgements)) == (
        len(incidents.all),
        dict(incidents.acknowledgements),
    )
    assert [item.id for item in state.incidents.open] == [item.id for item in incidents.open]
    for item in incidents.all:
        assert ledger.incident(item.id) == item
    assert (state.known, state.lost) == (True, 0)


def mixed(count: int, chance: random.Random) -> list[list[Event]]:
    """Events as a shared store brings them: in portions, most of them in their order, some long after they were written."""
    found = [
        replace(event, id=f"{number:08x}", stamp=int(event.at * 1e6) + number)
        for number, event in enumerate(events(count, seed=chance.randrange(1000), incidents=40))
    ]
    keys = {item.id: number + (chance.randrange(count) if chance.random() < 0.05 else 0) for number, item in enumerate(found)}
    found.sort(key=lambda item: keys[item.id])
    portions = []
    while found:
        size = chance.choice((1, 3, 20, 90))
        portions.append(found[:size])
        found = found[size:]
    return portions


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("small")
def test_it_is_what_the_events_say_however_they_came(tmp_path: Path, seed: int) -> None:
    """Two consoles that live on, one that is begun again and again, late events of every age: all hold what all events say."""
    chance = random.Random(seed)
    with Journal.open(tmp_path / "j", store="s") as one, Journal.open(tmp_path / "j", store="s") as two:
        for journal in (one, two):
            journal.select("PRAGMA synchronous = OFF", ())
        living = [opened(one), opened(two)]
        for portion in mixed(500, chance):
            one.merge(portion)
            for ledger in living:
                if chance.random() < 0.7:
                    ledger.refresh()
            if chance.random() < 0.2:
                opened(two)
        wanted = read_state(one)
        assert len(wanted.incidents.all) > 2
        for ledger in (*living, opened(one)):
            ledger.refresh()
            same(ledger, wanted)
        assert one.select("SELECT count(*) FROM snapshots", ())[0][0] > 0
        assert verify(one).faults == ()


@pytest.mark.usefixtures("small")
def test_what_is_over_is_found_by_number_by_id_and_in_pages(tmp_path: Path) -> None:
    """An incident that the state holds no more is read whole from the file, and older ones are listed page by page."""
    with Journal.open(tmp_path / "j") as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        for event in events(1500, seed=5, incidents=40):
            journal.append(event)
        ledger, wanted = opened(journal), read_state(journal).incidents
        held = ledger.state.incidents
        assert held.older > 2 and len(held.all) - len(held.open) <= 2
        for item in wanted.all:
            assert ledger.find_incident(str(item.number)) == item
            assert ledger.find_incident(item.id) == item
        assert ledger.find_incident("i") is None
        assert ledger.find_incident(str(held.count + 1)) is None
        listed, before = [], held.count + 1
        while page := ledger.older_incidents(before=before, limit=2):
            listed += page
            before = page[-1].number
        older = {item.number for item in wanted.all} - {item.number for item in held.all}
        assert [item.number for item in listed] == sorted(older, reverse=True)
        assert all(item.title == wanted.get(item.id).title for item in listed)  # type: ignore[union-attr]


@pytest.mark.usefixtures("small")
def test_an_event_about_what_is_over_counts(tmp_path: Path) -> None:
    """A note on an incident that settled long ago, and its being opened again, change that one and no other."""
    with Journal.open(tmp_path / "j") as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        told_events = list(events(1500, seed=5, incidents=40))
        for event in told_events:
            journal.append(event)
        ledger = opened(journal)
        first = read_state(journal).incidents.all[0]
        assert ledger.state.incidents.get(first.id) is None
        at = told_events[-1].at
        journal.append(Event(at, "incident.note", first.id, "ann", ENVIRONMENT, {"id": "late", "text": "by the way"}))
        journal.append(Event(at, "incident.reopened", first.id, "ann", ENVIRONMENT, {"why": "again"}))
        ledger.refresh()
        same(ledger, read_state(journal))
        assert [entry.text for entry in ledger.state.incidents.get(first.id).entries[-2:]] == [  # type: ignore[union-attr]
            "by the way", "reopened: again",
        ]  # fmt: skip
        same(opened(journal), read_state(journal))


def filled(path: Path, count: int = 400) -> None:
    with Journal.open(path) as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        for event in events(count, seed=3, incidents=10):
            journal.append(event)
        opened(journal)


def taken(journal: Journal) -> bool:
    """Whether a start would begin with a snapshot."""
    return Snapshots(journal, ENVIRONMENT, ledger_module.reducer_fingerprint(REDUCERS)).newest() is not None


def _edit(statement: str) -> Any:
    def do(path: Path) -> None:
        with by_hand(path) as hand:
            hand.executescript(statement)

    return do


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "change",
    [
        _edit("UPDATE events SET author = 'mallory' WHERE sequence = 20"),
        _edit("DELETE FROM events WHERE sequence = 20"),
        _edit("DELETE FROM events WHERE sequence > 300"),
        _edit("UPDATE events SET hash = previous WHERE sequence > 300"),
        _edit("CREATE TABLE more (x)"),
    ],
)
def test_a_snapshot_is_not_taken_where_the_rows_are_other_ones(tmp_path: Path, change: Any) -> None:
    """Rows that were edited or deleted by hand, or another head: it is made again from the events, and says what they say."""
    filled(tmp_path / "j")
    with Journal.open(tmp_path / "j") as journal:
        assert taken(journal)
    change(tmp_path / "j")
    with Journal.open(tmp_path / "j") as journal:
        assert not taken(journal)
        state, wanted = opened(journal).state, read_state(journal)
        assert (state.recent, state.owners, state.checklist_runs) == (wanted.recent, wanted.owners, wanted.checklist_runs)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("column", ["body", "covered", "sequence", "digest", "tables"])
def test_a_snapshot_that_was_damaged_is_not_taken(tmp_path: Path, column: str) -> None:
    """Another byte in it, or another number beside it: older ones may be, and the state is what the events say."""
    filled(tmp_path / "j")
    with Journal.open(tmp_path / "j") as journal:
        value = "CAST(replace(body, substr(body, 9, 1), x'00') AS BLOB)" if column == "body" else f"{column} || '1'"
        with journal.writing() as connection:
            newest = "SELECT max(stamp) FROM snapshots"
            connection.execute(f"UPDATE snapshots SET {column} = {value} WHERE stamp = ({newest})")
        same(opened(journal), read_state(journal))


@pytest.mark.usefixtures("small")
def test_a_snapshot_of_another_code_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose reducers are others makes its own, beside that of the one that may still run."""
    filled(tmp_path / "j")
    monkeypatch.setattr(ledger_module, "reducer_fingerprint", lambda classes: "another")
    with Journal.open(tmp_path / "j") as journal:
        assert not taken(journal)
        same(opened(journal), read_state(journal))
        assert len(journal.select("SELECT DISTINCT scope FROM snapshots", ())) == 2


@pytest.mark.parametrize(
    "name",
    [
        "console.state.incident_projection",
        "console.state.incident_reducer",
        "console.state.incident",
        "console.state.checklist_runs",
        "console.journal.acknowledgements",
        "console.journal.unfinished",
        "queries.model.matcher",
        "queries.text.times",
    ],
)
def test_the_code_that_makes_a_snapshot_is_all_of_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reducer calls is in the fingerprint too: its own module, its values, and what these take from elsewhere."""
    reducer_fingerprint.cache_clear()
    before = reducer_fingerprint(REDUCERS)
    module = sys.modules[name]
    changed = tmp_path / "changed.py"
    changed.write_bytes(Path(str(module.__file__)).read_bytes() + b"\n")
    monkeypatch.setattr(module, "__file__", str(changed))
    reducer_fingerprint.cache_clear()
    assert reducer_fingerprint(REDUCERS) != before
    monkeypatch.undo()
    reducer_fingerprint.cache_clear()
    assert reducer_fingerprint(REDUCERS) == before


@pytest.mark.usefixtures("small")
def test_a_late_event_costs_no_more_than_its_age(tmp_path: Path) -> None:
    """Snapshots stand at growing distances: of a thousand events one that belongs before the last fifty is read over few."""
    with Journal.open(tmp_path / "j", store="s") as journal:
        journal.select("PRAGMA synchronous = OFF", ())
        found = [replace(e, id=f"{n:08x}", stamp=int(e.at * 1e6)) for n, e in enumerate(events(1000, seed=3))]
        late = found.pop(-50)
        journal.merge(found)
        ledger = opened(journal)
        kept = [covered for (covered,) in journal.select("SELECT covered FROM snapshots ORDER BY stamp DESC", ())]
        assert 3 <= len(kept) <= 8 and kept[0] > 950 and kept[-1] < 500
        journal.merge([late])
        ((newest,),) = journal.select("SELECT max(covered) FROM snapshots", ())
        assert 700 < newest < 950
        ledger.refresh()
        same(ledger, read_state(journal))


# The first start with a long journal


def test_a_long_journal_is_read_in_slices(tmp_path: Path) -> None:
    """The first start after the update reads a file of the release before slice by slice: each is short, how far it is can be
    said, what is written between two of them is not lost, and who stops in the middle goes on from there.
    """
    write_old(tmp_path / "j", events(20_000))
    with Journal.open(tmp_path / "j") as journal:
        ledger = JournalReader(journal, environment=ENVIRONMENT)
        slices, longest, said = 0, 0.0, []
        while True:
            began = time.monotonic()
            ledger.refresh(seconds=0.01)
            longest = max(longest, time.monotonic() - began)
            slices += 1
            if ledger.state.known:
                break
            said.append((ledger.state.read, ledger.state.behind))
            assert "of 20,0" in ledger.state.error
            if slices == 15:
                journal.append(Event(1.75e9, "note", "between", "ann", ENVIRONMENT, {"text": "x"}))
            if slices == 18:
                ledger = JournalReader(journal, environment=ENVIRONMENT)
        assert slices > 10
        assert longest < 5.0  # one page of a thousand; a machine that is busy may take its time
        assert ledger.state.recent[-1].subject == "between"
        same(ledger, read_state(journal))


@pytest.mark.slow
def test_kill_9_while_the_journal_is_read_leaves_a_good_file(tmp_path: Path) -> None:
    """At whatever moment of the update and of the first reading: the file has no fault, the next start goes on and ends."""
    write_old(tmp_path / "j", events(20_000))
    code = """
        import sys
        from console.journal.sqlite import Journal
        from console.state.journal_state import JournalReader
        with Journal.open(sys.argv[1]) as journal:
            reader = JournalReader(journal, environment="prod", every_while_reading=1000)
            print("opened", flush=True)
            reader.refresh()
    """
    for seconds in (0.0, 0.05, 0.3, 0.9, 1.5):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "j")], cwd=ROOT, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            if seconds:
                assert child.stdout.readline() == b"opened\n"
            else:
                time.sleep(0.2)  # before it is open, or in the middle of that
            time.sleep(seconds)
            child.send_signal(signal.SIGKILL)
    with Journal.open(tmp_path / "j") as journal:
        assert verify(journal).faults == ()
        same(opened(journal), read_state(journal))


def test_a_console_of_the_release_before_goes_on_beside_this_one(tmp_path: Path) -> None:
    """One that was open before the update goes on writing as it did: the chain stays whole, this one sees it, and verify says
    which entries it wrote. One that is opened afterwards says that the file is newer, by the file's version.
    """
    write_old(tmp_path / "j", events(700))
    running = sqlite3.connect(tmp_path / "j", isolation_level=None)
    last = "SELECT sequence, hash, stamp FROM events ORDER BY sequence DESC LIMIT 1"
    sequence, previous, stamp = running.execute(last).fetchone()
    with Journal.open(tmp_path / "j") as journal:
        ledger = opened(journal)
        journal.append(Event(1.75e9, "note", "new", "ann", ENVIRONMENT, {"text": "x"}))
        for number in range(3):
            sequence, previous, stamp = running.execute(last).fetchone()
            old = Event(1.75e9 + 1, "note", f"old {number}", "bob", ENVIRONMENT, {"text": "x"})
            running.executemany(INSERT_2, rows_2([old], begin=sequence + 1, previous=previous, stamp=stamp))
        ledger.refresh()
        assert [event.subject for event in ledger.state.recent[-4:]] == ["new", "old 0", "old 1", "old 2"]
        found = verify(journal)
        assert (found.faults, found.entries, found.older) == ((), 704, 703)
        assert running.execute("PRAGMA user_version").fetchone() == (3,)
    running.close()


# Damage


@pytest.mark.usefixtures("small")
def test_rows_that_an_index_hides_are_missed(tmp_path: Path) -> None:
    """The index by which the console sorts lacks an event: what is said of the journal comes with that."""
    filled(tmp_path / "j")
    stamp_index_lacks(tmp_path / "j", 100)
    with Journal.open(tmp_path / "j") as journal:
        ledger = opened(journal)
        assert ledger.state.lost == 1
        assert "1 events are missing" in ledger.state.error
        journal.append(Event(1.75e9, "note", "new", "ann", ENVIRONMENT, {"text": "x"}))
        ledger.refresh()
        assert ledger.state.lost == 1
        again = opened(journal)
        assert (again.state.lost, taken(journal)) == (1, True)


def test_nothing_is_said_to_be_missing_of_a_whole_journal(tmp_path: Path) -> None:
    """Not of an empty one, not with events that no console takes, not with those of another environment."""
    with Journal.open(tmp_path / "j", store="s") as journal:
        ledger = opened(journal)
        assert (ledger.state.lost, ledger.state.known) == (0, True)
        journal.append(Event(1.0, "note", "x", "ann", "staging", {"text": "x"}))
        journal.merge([Event(5e9, "note", "far", "eve", ENVIRONMENT, {"text": "x"}, 0, "far", 5 * 10**15)])
        journal.append(Event(2.0, "note", "x", "ann", ENVIRONMENT, {"text": "x"}))
        ledger.refresh()
        for each in (ledger, opened(journal)):
            assert (each.state.lost, [event.subject for event in each.state.recent]) == (0, ["x"])
            assert list(each.state.left_out) == [2]


@pytest.mark.parametrize(("late", "gone"), [(-1, False), (0, False), (1, True)])
def test_snapshots_of_a_release_that_no_longer_runs_go_after_a_week(tmp_path: Path, late: int, gone: bool) -> None:
    """With what settled beside them; those of another environment, and of this release, stay."""
    week = 7 * 86_400 * 1_000_000
    with Journal.open(tmp_path / "j") as journal:
        read = journal.append(Event(1.0, "note", "x", "ann", "prod")).sequence
        old, other, new = (Snapshots(journal, *of) for of in (("prod a", "old"), ("staging a", "old"), ("prod a", "new")))
        settled = [Settled("incident", "i1", 0, {"x": 1})]
        for each in (old, other, new):
            assert each.store(StoredSnapshot(1000, 1, b"first"), settled, after=None, read=read)
        assert new.store(StoredSnapshot(1000 + week + late, 1, b"second"), (), after=1000, read=read)
        assert [each.newest() is None for each in (old, other, new)] == [gone, False, False]
        left = [list(each.settled("incident", "i1", until=1000)) for each in (old, other, new)]
        assert [len(parts) for parts in left] == [0 if gone else 1, 1, 1]
        found = new.newest()
        assert found is not None and found.body == b"second"
