"""The journal's file: append-only, private, shared by processes, and honest about what is wrong with it."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from action_bench import settings_for

from console.journal import process
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.hash_chain import verify_chain
from console.journal.sqlite import Journal
from console.journal.sqlite_tables import VERSION
from console.journal.unfinished import Unfinished
from queries.http.endpoint import ClusterEndpoint, ClusterPlace

ROOT = Path(__file__).parents[3]


def event(kind: str = "note", subject: str = "s", at: float = 1000.0, **data: object) -> Event:
    return Event(at, kind, subject, "tester", "test", dict(data))


def script(text: str, *arguments: str, **named: object) -> subprocess.Popen[str]:
    code = "from console.journal.sqlite import *\nfrom console.journal.event import Event\nimport sys, os, time\n"
    return subprocess.Popen(
        [sys.executable, "-c", code + textwrap.dedent(text), *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **named,  # type: ignore[call-overload]
    )


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    """What was appended is read back in order, whatever characters it holds, by kind, after a sequence, the newest N."""
    with Journal.open(tmp_path / "j") as journal:
        first = journal.append(event(text="zeile\n\x1b[31m 🦊 [bold]"))
        second = journal.append(event("action.intent", "run"))
        third = journal.append(event("action.outcome", "run", outcome="done"))
        assert journal.events() == (first, second, third)
        assert journal.events(kinds=("action.outcome", "action.intent")) == (second, third)
        assert journal.events(after=first.sequence) == (second, third)
        assert journal.events(limit=1) == (third,)


def test_the_file_is_private(tmp_path: Path) -> None:
    """A new journal is 0600 in a folder of 0700, whatever the umask; a loose old file is made private."""
    old = os.umask(0)
    try:
        path = tmp_path / "state" / "cad" / "journal.sqlite3"
        with Journal.open(path) as journal:
            journal.append(event())
            for file in path.parent.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    Journal.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_can_be_changed_or_deleted(tmp_path: Path) -> None:
    """UPDATE and DELETE are refused by the database itself, also from another program."""
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event())
    other = sqlite3.connect(tmp_path / "j")
    for statement in ("UPDATE events SET author = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()


def test_every_append_reaches_the_disk(tmp_path: Path) -> None:
    """WAL with synchronous=FULL, so that an intent survives a power cut."""
    with Journal.open(tmp_path / "j") as journal:
        assert journal.select("PRAGMA journal_mode", ()) == [("wal",)]
        assert journal.select("PRAGMA synchronous", ()) == [(2,)]


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Two processes open the same new file at once and append 500 events each: all 1000 are there, each once."""
    code = """
        journal = Journal.open(sys.argv[1])
        for number in range(500):
            journal.append(Event(float(number), "note", sys.argv[2], "p", "", {"number": number}))
    """
    running = [script(code, str(tmp_path / "j"), name) for name in ("a", "b")]
    for each in running:
        _, complaint = each.communicate(timeout=60)
        assert each.returncode == 0, complaint
    with Journal.open(tmp_path / "j") as journal:
        found = [(item.subject, item.data["number"]) for item in journal.events()]
    assert len(found) == 1000
    assert set(found) == {(name, number) for name in "ab" for number in range(500)}


def test_kill_9_in_the_middle_is_named_once(tmp_path: Path) -> None:
    """A process that is killed after its intent: it is unfinished while nobody settles it, and not before it is dead."""
    code = """
        journal = Journal.open(sys.argv[1])
        journal.append(Event(1.0, "action.intent", "run-1", "p", "test", {"title": "Roll back deployment/x"}))
        print("written", flush=True)
        time.sleep(60)
    """
    with script(code, str(tmp_path / "j")) as child, Journal.open(tmp_path / "j") as journal:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        assert journal.unfinished() == ()
        child.send_signal(signal.SIGKILL)
        child.wait()
        (found,) = journal.unfinished()
        assert (found.intent.subject, found.intent.data["title"], found.ended) == ("run-1", "Roll back deployment/x", True)
        journal.settle(found.intent, now=2.0, author="next")
        assert journal.unfinished() == ()
        assert journal.events()[-1].data["outcome"] == "unknown"


def test_intents_of_living_processes_and_finished_ones_are_not_named(tmp_path: Path) -> None:
    """Our own open intent is under way; one with an outcome is finished."""
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event("action.intent", "mine"))
        assert journal.unfinished() == ()
        journal.append(event("action.outcome", "mine", outcome="done"))
        assert journal.unfinished() == ()


def test_a_reused_process_id_is_not_taken_for_the_old_process() -> None:
    """The same pid with another start or another boot is another process; another machine cannot be asked."""
    me = process.current()
    assert process.is_running(me.text()) is True
    assert process.is_running(process.Process(me.host, me.boot, me.pid, "1").text()) is False
    assert process.is_running(process.Process(me.host, "other-boot", me.pid, me.started).text()) is False
    assert process.is_running(process.Process("elsewhere", me.boot, me.pid, me.started).text()) is None
    assert process.is_running("garbage") is False


def test_locked_is_said_within_the_limit(tmp_path: Path) -> None:
    """While another process holds the lock, appending and probing fail in bounded time, naming the lock."""
    with (
        Journal.open(tmp_path / "j", busy_seconds=0.2) as journal,
        closing(sqlite3.connect(tmp_path / "j", isolation_level=None)) as holder,
    ):
        holder.execute("BEGIN IMMEDIATE")
        for call in (journal.probe, lambda: journal.append(event())):
            with pytest.raises(JournalError, match="locked by another process"):
                call()
        holder.execute("ROLLBACK")
        journal.probe()
        journal.append(event())


def test_a_full_disk_is_said_and_does_no_harm(tmp_path: Path) -> None:
    """When the file may not grow, the append fails with a sentence, and what was there is still there."""
    with Journal.open(tmp_path / "j") as journal:
        kept = journal.append(event())
    code = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        journal = Journal.open(sys.argv[1])
        try:
            for number in range(100):
                journal.append(Event(1.0, "note", "x", "p", "", {"text": "x" * 10_000}))
        except JournalError as error:
            print(error)
    """
    with script(code, str(tmp_path / "j")) as child:
        told, complaint = child.communicate(timeout=30)
    assert "cannot be written" in told, complaint
    with Journal.open(tmp_path / "j") as journal:
        assert journal.events()[0] == kept
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Where the journal can be neither made nor opened, the sentence names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(tmp_path / "file" / "state" / "journal")
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        with pytest.raises(JournalError, match="cannot be opened"):
            Journal.open(locked / "journal")


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    """A file that is something else, or of a newer console, is named and not touched."""
    path = tmp_path / "j"
    path.write_text("dear diary, " * 100)
    with pytest.raises(JournalError, match="not a journal"):
        Journal.open(path)
    assert path.read_text().startswith("dear diary")
    newer = tmp_path / "newer"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match="newer cad-console"):
        Journal.open(newer)


@pytest.mark.parametrize(
    ("fault", "read"),
    [("newer", True), ("not a journal", True), ("no table", True), ("newer", False), ("not a journal", False)],
)
def test_a_file_that_cannot_be_opened_is_closed_again(fault: str, read: bool, tmp_path: Path) -> None:
    """As long as somebody holds the error, its traceback holds the connection: it has to be closed, not only forgotten."""
    path = tmp_path / "j"
    if fault == "not a journal":
        path.write_text("dear diary, " * 100)
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE other (x)")
            connection.execute(f"PRAGMA user_version = {99 if fault == 'newer' else VERSION}")
    with pytest.raises(JournalError) as held:
        (Journal.open_to_read if read else Journal.open)(path)
    handles = [os.path.realpath(item) for item in Path("/proc/self/fd").iterdir()]
    assert not [item for item in handles if item.startswith(str(path))], held


def test_reading_makes_nothing(tmp_path: Path) -> None:
    """Reading a journal that is not there makes no file; reading one that is there cannot write."""
    with pytest.raises(FileNotFoundError):
        Journal.open_to_read(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event())
        with Journal.open_to_read(tmp_path / "j") as reader:
            assert len(reader.events()) == 1
            with pytest.raises(JournalError, match="read-only"):
                reader.append(event())


def test_what_several_see_is_written_once(tmp_path: Path) -> None:
    """Of eight consoles that append the same kind and subject at the same time one does; another subject is another event."""
    path = tmp_path / "journal.sqlite3"
    Journal.open(path).close()
    seen = [Event(float(number), "incident.seen", f"i1/{number % 5}", f"console {number % 8}") for number in range(200)]

    def write(own: list[Event]) -> int:
        with Journal.open(path) as journal:
            return sum(journal.append_once(event) is not None for event in own)

    with ThreadPoolExecutor(8) as hands:
        written = sum(hands.map(write, [seen[at::8] for at in range(8)]))
    with Journal.open(path) as journal:
        assert written == len(journal.events()) == 5
        assert {event.subject for event in journal.events()} == {f"i1/{number}" for number in range(5)}


# Identity, order and chain


def test_every_event_has_an_id_and_a_stamp_that_grows(tmp_path: Path) -> None:
    """Ids differ, and a clock that jumps back, or stands, gives no stamp that is less than one before."""
    with Journal.open(tmp_path / "j") as journal:
        events = [journal.append(event(at=at)) for at in (2000.0, 2000.0, 500.0, 3000.0)]
        assert len({item.id for item in events}) == 4
        assert [item.stamp for item in events] == [2_000_000_000, 2_000_000_001, 2_000_000_002, 3_000_000_000]
        assert [item.at for item in events] == [2000.0, 2000.0, 500.0, 3000.0]
        assert journal.events() == tuple(events)


def test_the_chain_of_two_processes_is_one(tmp_path: Path) -> None:
    """Two processes that append at once, one of them killed in the middle, leave one whole chain."""
    code = """
        journal = Journal.open(sys.argv[1])
        for number in range(2000):
            print(journal.append(Event(float(number), "note", sys.argv[2], "p", "", {"number": number})).id, flush=True)
    """
    with script(code, str(tmp_path / "j"), "a") as killed, script(code, str(tmp_path / "j"), "b") as living:
        assert killed.stdout is not None and living.stdout is not None
        told = {killed.stdout.readline().strip() for _ in range(100)}
        for _ in range(100):
            living.stdout.readline()
        killed.send_signal(signal.SIGKILL)
        told |= {line.strip() for line in killed.stdout.read().splitlines()[:-1]}
        living.send_signal(signal.SIGKILL)
    with Journal.open(tmp_path / "j") as journal:
        found = verify_chain(journal.links(), whole=False)
        assert found.faults == ()
        assert (found.first, found.last) == (1, found.entries)
        assert told <= {item.id for item in journal.events()}


def test_a_planted_change_is_named(tmp_path: Path) -> None:
    """Somebody with the file and SQLite changes, empties, or deletes an entry: the check names it."""
    with Journal.open(tmp_path / "j") as journal:
        for number in range(9):
            journal.append(event(number=number))
    hand = sqlite3.connect(tmp_path / "j")
    for trigger in ("events_are_not_changed", "events_are_not_deleted"):
        hand.execute(f"DROP TRIGGER {trigger}")
    hand.execute("UPDATE events SET author = 'somebody else' WHERE sequence = 3")
    hand.execute("UPDATE events SET data = 'nonsense' WHERE sequence = 5")
    hand.execute("DELETE FROM events WHERE sequence = 7")
    hand.execute("DELETE FROM events WHERE sequence = 9")
    hand.commit()
    hand.close()
    with Journal.open(tmp_path / "j") as journal:
        faults = verify_chain(journal.links(), whole=False).faults
        assert [fault.split()[:3] for fault in faults] == [
            ["#3", "was", "changed:"],
            ["#5", "was", "changed:"],
            ["#7", "is", "missing"],
        ]
        assert journal.counted() == 9
        assert next(item for item in journal.events() if item.sequence == 5).data == {"damaged": "nonsense"}


VERSION_1 = (
    """CREATE TABLE events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
        author TEXT NOT NULL, environment TEXT NOT NULL, data TEXT NOT NULL, writer TEXT NOT NULL
    )""",
    "CREATE INDEX events_by_kind ON events (kind, subject)",
    """CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    "PRAGMA user_version = 1",
)
OLD_INSERT = "INSERT INTO events (at, kind, subject, author, environment, data, writer) VALUES (?, ?, ?, ?, ?, ?, ?)"


def old_file(path: Path, count: int = 5) -> sqlite3.Connection:
    """A journal as the first version wrote it."""
    hand = sqlite3.connect(path, isolation_level=None)
    hand.execute("PRAGMA journal_mode = WAL")
    for statement in VERSION_1:
        hand.execute(statement)
    for number in range(count):
        at = 1000.0 - number if number % 2 else 1000.0 + number
        hand.execute(OLD_INSERT, (at, "action.intent", f"run-{number}", "ann", "prod", '{"title": "t ü"}', "gone - 1 1"))
    return hand


def test_a_file_of_the_first_version_goes_on(tmp_path: Path) -> None:
    """Its events stay what they were, get ids, stamps in their order and a chain; it can only grow, as before."""
    old_file(tmp_path / "j").close()
    with Journal.open_to_read(tmp_path / "j") as reader:
        before = reader.events()
        assert [item.subject for item in before] == [f"run-{number}" for number in range(5)]
        assert [item.intent.subject for item in reader.unfinished()] == [f"run-{number}" for number in range(5)]
        with pytest.raises(JournalError, match="no chain yet"):
            next(reader.links())
    with Journal.open(tmp_path / "j") as journal:
        after = journal.events()
        assert [(item.sequence, item.at, item.data) for item in after] == [
            (item.sequence, item.at, item.data) for item in before
        ]
        assert sorted(item.stamp for item in after) == [item.stamp for item in after]
        assert journal.append(event()).sequence == 6
        assert verify_chain(journal.links(), whole=False).faults == ()
        assert {item.intent.subject for item in journal.unfinished()} <= {f"run-{number}" for number in range(5)}
    with sqlite3.connect(tmp_path / "j") as hand, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        hand.execute("DELETE FROM events")
    hand.close()


def test_an_older_console_that_is_still_open_is_refused_and_does_no_harm(tmp_path: Path) -> None:
    """It has the file open while a newer one brings it to its version: its next entry fails, so it acts no more."""
    older = old_file(tmp_path / "j")
    with Journal.open(tmp_path / "j") as journal:
        with pytest.raises(sqlite3.IntegrityError):
            older.execute(OLD_INSERT, (1.0, "note", "s", "ann", "prod", "{}", "w"))
        older.close()
        assert verify_chain(journal.links(), whole=False).entries == 5


def test_two_consoles_bring_an_old_file_up_at_once(tmp_path: Path) -> None:
    """Both open it in the same moment: it is done once, and both append."""
    old_file(tmp_path / "j", 2000).close()
    code = "Journal.open(sys.argv[1], busy_seconds=20.0).append(Event(1.0, 'note', 's', 'p', ''))"
    running = [script(code, str(tmp_path / "j")) for _ in range(3)]
    for each in running:
        _, complaint = each.communicate(timeout=60)
        assert each.returncode == 0, complaint
    with Journal.open(tmp_path / "j") as journal:
        assert verify_chain(journal.links(), whole=False).faults == ()
        assert journal.last_sequence() == 2003


def test_a_disk_that_is_full_leaves_an_old_file_as_it_was(tmp_path: Path) -> None:
    """Where there is no room to bring it up, the console says so, and the old file is whole."""
    old_file(tmp_path / "j", 500).close()
    code = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = os.path.getsize(sys.argv[1]) + 4096
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            Journal.open(sys.argv[1])
        except JournalError as error:
            print(error)
    """
    with script(code, str(tmp_path / "j")) as child:
        told, complaint = child.communicate(timeout=30)
    assert "cannot be written" in told, complaint
    with sqlite3.connect(tmp_path / "j") as hand:
        assert hand.execute("PRAGMA user_version").fetchone() == (1,)
        assert hand.execute("SELECT count(*) FROM events").fetchone() == (500,)
    hand.close()


# What is shared


def test_what_comes_from_elsewhere_is_taken_once(tmp_path: Path) -> None:
    """The same event brought twice, alone or among others, is there once; one of our own no longer waits then."""
    with Journal.open(tmp_path / "a", store="s") as ours, Journal.open(tmp_path / "b", store="s") as theirs:
        mine = ours.append(event(subject="mine"))
        other = theirs.append(event(subject="other"))
        assert ours.outbox.pending() == (mine,)
        assert ours.merge([other, mine], cursor="2") == 1
        assert ours.merge([mine, other], cursor="3") == 0
        assert (ours.outbox.pending(), ours.outbox.unshared(), ours.cursor()) == ((), (), "3")
        assert [(item.subject, item.id, item.stamp) for item in ours.events()] == [
            ("mine", mine.id, mine.stamp), ("other", other.id, other.stamp)
        ]  # fmt: skip
        assert ours.append(event()).stamp > other.stamp
        assert verify_chain(ours.links(), whole=False).faults == ()
    with Journal.open(tmp_path / "a", store="s") as again:
        assert again.cursor() == "3"
        assert len(again.outbox.pending()) == 1


def test_what_waits_waits_in_its_order_and_for_its_store(tmp_path: Path) -> None:
    """Without a store nothing waits; with one all does, the oldest first, until it was delivered or can never be."""
    with Journal.open(tmp_path / "j") as alone:
        alone.append(event())
        assert (alone.outbox.pending(), alone.outbox.unshared()) == ((), ())
    with Journal.open(tmp_path / "j", store="s") as journal:
        events = [journal.append(event(number=number)) for number in range(5)]
        assert journal.outbox.pending(limit=2) == tuple(events[:2])
        journal.outbox.mark_delivered(events[:2])
        journal.outbox.mark_refused(events[2], "too large")
        assert journal.outbox.pending() == tuple(events[3:])
        assert journal.outbox.unshared() == ((4, "s", "too large"), (5, "s", ""), (6, "s", ""))
    with Journal.open(tmp_path / "j", store="another") as journal:
        assert (journal.outbox.pending(), len(journal.outbox.unshared())) == ((), 3)


def test_an_intent_from_elsewhere_is_named_at_once_as_what_may_still_run(tmp_path: Path) -> None:
    """Whether the process of another host still runs cannot be seen: it is named at once, with who and where, and not as
    ended; until an outcome comes.
    """
    there = process.Process("cad-console-7f9c", "boot", 7, "5").text()
    with Journal.open(tmp_path / "j", store="s") as journal:
        facts = {"title": "Roll back deployment/x", "target": "deployment/x", "process": there}
        journal.merge([Event(1000.0, "action.intent", "far", "bob@vm", "prod", facts, 0, "x", 1)])
        (found,) = journal.unfinished()
        assert (found.host, found.ended) == ("cad-console-7f9c", False)
        told = "Roll back deployment/x: started 2m ago by bob@vm on cad-console-7f9c; no outcome, it may still be running"
        assert found.sentence("2m") == told
        journal.merge([Event(1001.0, "action.outcome", "far", "bob@vm", "prod", {}, 0, "y", 2)])
        assert journal.unfinished() == ()


OWN = ClusterEndpoint(
    "cad-ml-platform",
    kubeconfig="/k",
    context="stage",
    place=ClusterPlace("stage", "s", "https://stage:6443", "ann"),
    kubectl=("kubectl", "--kubeconfig", "/k", "--context", "stage"),
)


@pytest.mark.parametrize(
    ("cluster", "environment", "said"),
    [
        (
            "context stage, server https://stage:6443, user bob, namespace payments",
            "test",
            "inspect: kubectl --kubeconfig /k --context stage -n payments rollout status deployment/x",
        ),
        (
            "context prod, server https://prod:6443, user bob, namespace payments",
            "test",
            "inspect deployment/x in context prod, server https://prod:6443, user bob, namespace payments: "
            "not this console's cluster",
        ),
        (
            "context stage, server https://stage:64430, namespace payments",
            "test",
            "inspect deployment/x in context stage, server https://stage:64430, namespace payments: not this console's cluster",
        ),
        ("", "test", "inspect: kubectl --kubeconfig /k --context stage -n cad-ml-platform rollout status deployment/x"),
        ("", "prod", "inspect deployment/x in the environment prod: not this console's"),
    ],
)
def test_what_to_look_at_is_where_the_action_was(tmp_path: Path, cluster: str, environment: str, said: str) -> None:
    """The command leads kubectl to the journalled place; one that is not this console's is named in words, without a command
    that would look at a namesake.
    """
    facts = {"target": "deployment/x", **({"cluster": cluster} if cluster else {})}
    unfinished = Unfinished(Event(1.0, "action.intent", "r", "bob@vm", environment, facts), "vm", False)
    assert unfinished.inspection_hint(settings_for(tmp_path, None, kubernetes=OWN)) == said
    nowhere = unfinished.inspection_hint(settings_for(tmp_path, None, kubernetes=replace(OWN, place=None)))
    assert "kubectl" not in nowhere


def test_the_next_pod_names_what_the_last_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that is killed after its intent; the journal is on a volume, and the next pod has another host name."""
    with Journal.open(tmp_path / "j") as journal:
        journal.append(Event(time.time(), "action.intent", "run-1", "cad@pod-a", "prod", {"title": "Scale deployment/x"}))
        assert journal.unfinished() == ()
    monkeypatch.setattr(process.socket, "gethostname", lambda: "pod-b")
    with Journal.open(tmp_path / "j") as journal:
        (found,) = journal.unfinished()
        assert not found.ended
        assert found.sentence("5s").startswith("Scale deployment/x: started 5s ago by cad@pod-a")
        assert "may still be running" in found.sentence("5s")


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """An event that cannot be written in the middle of a merge: none of them is there, and the next append works."""
    with Journal.open(tmp_path / "j", store="s") as journal:
        good = Event(1.0, "note", "s", "bob", "prod", {}, 0, "x", 1)
        with pytest.raises(JournalError):
            journal.merge([good, Event(1.0, None, "s", "bob", "prod", {}, 0, "y", 2)])  # type: ignore[arg-type]
        assert journal.events() == ()
        assert journal.append(event()).sequence == 1


def test_whatever_fails_says_which_file_and_why(tmp_path: Path) -> None:
    """Reads, writes and the probe alike, with SQLite's own reason where none of ours fits."""
    journal = Journal.open(tmp_path / "j")
    with pytest.raises(JournalError, match=r"the journal .*/j cannot be used: no such table: nowhere"):
        journal.select("SELECT 1 FROM nowhere", ())
    with (
        pytest.raises(JournalError, match=r"the journal .*/j cannot be used: no such table: nowhere"),
        journal.writing() as file,
    ):
        file.execute("DELETE FROM nowhere")
    journal.close()
    calls: tuple[Callable[[], object], ...] = (
        journal.last_sequence, journal.change_counts, journal.probe, lambda: journal.append(Event(1.0, "note", "x", "ann")),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(JournalError, match=r"the journal .*/j cannot be used: Cannot operate on a closed database"):
            call()


def test_a_journal_of_given_events_is_in_no_file() -> None:
    """Each once, in their order, with the chain that a file has; errors call it by its name."""
    given = [Event(float(number), "note", f"s{number}", "ann", "prod", {}, 0, f"id{number}", number + 1) for number in range(3)]
    with Journal.in_memory([*given, given[0]], name="bundle.tar") as journal:
        assert [(item.sequence, item.subject) for item in journal.events()] == [(1, "s0"), (2, "s1"), (3, "s2")]
        assert verify_chain(journal.links(), whole=False).faults == ()
        assert journal.path == Path("bundle.tar")
        with pytest.raises(JournalError, match=r"the journal bundle\.tar cannot be used: no such table: nowhere"):
            journal.select("SELECT 1 FROM nowhere", ())


def test_events_are_those_of_all_conditions_together(tmp_path: Path) -> None:
    """Of two environments, two subjects and three kinds; the newest of them where there is a limit, still in their order."""
    with Journal.open(tmp_path / "j") as journal:
        for kind in ("walk.begun", "walk.ended", "walking", "note"):
            for environment in ("prod", "staging"):
                for subject in ("a", "b"):
                    journal.append(Event(1.0, kind, subject, "ann", environment))

        def found(**conditions: Any) -> list[int]:
            return [item.sequence for item in journal.events(**conditions)]

        assert found() == list(range(1, 17))
        assert found(kinds=("walk.",)) == list(range(1, 9)) and found(kinds=("walk",)) == []
        assert found(kinds=("walk.ended", "note")) == [5, 6, 7, 8, 13, 14, 15, 16]
        assert found(environments=("prod",)) == [1, 2, 5, 6, 9, 10, 13, 14]
        assert found(environments=("prod", "staging")) == found() and found(environments=("none",)) == []
        assert found(subject="b", environments=("staging",), kinds=("walk.", "note")) == [4, 8, 16]
        assert found(after=4, until=6) == [5, 6] and found(after=4, until=4) == []
        assert found(limit=2) == [15, 16] and found(limit=0) == [] and found(limit=1, until=9, subject="a") == [9]


def test_what_waits_under_a_former_name_goes_to_the_store_of_today(tmp_path: Path) -> None:
    """Of two former names both; what waits for another store stays there, and what was refused stays refused."""
    for store in ("old", "older", "another"):
        with Journal.open(tmp_path / "j", store=store) as journal:
            journal.append(event(subject=store))
            journal.outbox.mark_refused(journal.append(event(subject=f"{store} refused")), "too large")
    with Journal.open(tmp_path / "j", store="new") as journal:
        assert (journal.outbox.pending(), journal.outbox.pending_elsewhere()) == ((), 3)
    with Journal.open(tmp_path / "j", store="new", former=("old", "older")) as journal:
        assert [item.subject for item in journal.outbox.pending()] == ["old", "older"]
        assert (journal.outbox.pending_elsewhere(), journal.outbox.refused()) == (1, {"too large": 2})


@pytest.mark.parametrize(
    ("blocks", "size", "full"), [(15, 4096, True), (16, 4096, False), (65_535, 1, True), (65_536, 1, False)]
)
def test_a_disk_with_less_than_64_kib_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, size: int, full: bool
) -> None:
    """As a probe says before anything is sent: an intent has to have room. A folder that is gone is said as well."""
    with Journal.open(tmp_path / "j") as journal:
        monkeypatch.setattr("console.journal.sqlite.os.statvfs", lambda path: SimpleNamespace(f_bavail=blocks, f_frsize=size))
        if full:
            with pytest.raises(JournalError, match="cannot be written: the disk is full; free some space"):
                journal.probe()
        else:
            journal.probe()

        def gone(path: object) -> None:
            raise FileNotFoundError(2, "No such file or directory")

        monkeypatch.setattr("console.journal.sqlite.os.statvfs", gone)
        with pytest.raises(JournalError, match="cannot be written: No such file or directory"):
            journal.probe()
        assert journal.last_sequence() == 0
