"""Synchronising with a store that a test holds in its hands: what waits, when it is tried again, and what is said of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from limits import extend
from memory_store import MemoryStore
from shared_host import until

from console.journal.anchors import compare
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.shared_store import READ_ONLY
from console.journal.sqlite import Journal
from console.journal.sync import SyncStatus, SyncWorker
from queries.errors import RateLimited, SourceError, TimedOut, Unreachable

NOW = 1_700_000_000.0
AHEAD = "its time is more than a day ahead of this machine's clock"
GONE = Unreachable("the store is gone")


def event(subject: str, at: float = NOW, **more: Any) -> Event:
    return Event(at, "note", subject, "ann", "prod", {"text": "x"}, **more)


class Desk:
    """A journal, a worker on a clock that only the test moves, and how often it said that something is new."""

    def __init__(self, folder: Path, store: MemoryStore, clock: SimpleNamespace, *, writes: bool = True) -> None:
        self.store, self.clock, self.news = store, clock, 0
        self.journal = Journal.open(folder / "j", store="a store", kept="" if writes else READ_ONLY)
        self.worker = SyncWorker(self.journal, store, writes=writes, changed=self._note, clock=lambda: NOW)

    def _note(self) -> None:
        self.news += 1

    def round(self) -> None:
        """At least one whole round of the worker from now on."""
        for _ in range(2):
            reads = self.store.asked.count("read")
            self.store.changed()
            until(lambda reads=reads: self.store.asked.count("read") > reads)
        until(lambda: self.worker.status().last_good_at is not None or self.worker.status().fault)

    def status(self) -> SyncStatus:
        return self.worker.status()


Open = Callable[..., Desk]


@pytest.fixture
def open_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    clock = SimpleNamespace(at=1000.0)
    clock.monotonic = lambda: clock.at
    monkeypatch.setattr("console.journal.sync.time", clock)
    opened: list[Desk] = []

    def make(*events: Event, writes: bool = True) -> Desk:
        opened.append(Desk(tmp_path, MemoryStore(*events), clock, writes=writes))
        return opened[-1]

    yield make
    for desk in opened:
        desk.store.failure = None
        desk.worker.close(5.0)
        desk.journal.close()


def test_what_waits_is_shared_and_what_others_wrote_arrives(open_desk: Open) -> None:
    """Each once, in batches in their order; afterwards nothing waits, and the journal knows how far it has read."""
    others = [event(f"o{number}", id=f"o{number}", stamp=number + 1) for number in range(3)]
    desk = open_desk(*others)
    for number in range(203):
        desk.journal.append(event(f"e{number}"))
    assert desk.worker.fetch(extend(10.0)) is None
    assert [item.subject for item in desk.journal.events()][203:] == ["o0", "o1", "o2"]
    assert [len(batch) for batch in desk.store.pushed] == [200, 3]
    assert [subject for batch in desk.store.pushed for subject in batch] == [f"e{number}" for number in range(203)]
    assert (desk.journal.outbox.pending_count(), desk.status().waiting, desk.status().word) == (0, 0, "ok")
    assert desk.worker.fetch(extend(10.0)) is None
    assert desk.journal.count(1, 999) == 206
    assert desk.status().sentence() == "everything is shared"


def test_a_read_only_console_shares_nothing(open_desk: Open) -> None:
    """It reads what others wrote; its own events stay, on purpose and without a complaint."""
    desk = open_desk(event("o", id="o", stamp=1), writes=False)
    desk.journal.append(event("own"))
    assert desk.worker.fetch(extend(10.0)) is None
    assert desk.store.pushed == [] and [item.subject for item in desk.journal.events()] == ["own", "o"]
    assert (desk.status().kept, desk.status().left_out, desk.status().word) == (1, (), "ok")
    assert desk.status().sentence() == "read-only: other consoles' events arrive, none of this console are shared"


def test_what_the_store_refuses_is_never_pushed_again(open_desk: Open) -> None:
    """Nor is what no console accepts; each reason is said with its count, and the rest is shared."""
    desk = open_desk()
    desk.store.refused = {"big": "it is too large", "huge": "it is too large"}
    for subject in ("a", "big", "b", "huge"):
        desk.journal.append(event(subject))
    desk.journal.append(event("ahead", at=NOW + 2 * 86_400.0))
    assert desk.worker.fetch(extend(10.0)) is None
    assert [item.subject for item in desk.store.events] == ["a", "b"]
    status = desk.status()
    assert (status.waiting, status.kept, status.word) == (0, 3, "IN DOUBT")
    again = "will never be shared: {}; `cad-console journal --unshared` names them"
    assert set(status.left_out) == {
        f"2 events of this journal {again.format('it is too large')}",
        f"1 event of this journal {again.format(AHEAD)}",
    }
    pushes = len(desk.store.pushed)
    desk.round()
    assert len(desk.store.pushed) == pushes


@pytest.mark.parametrize(
    ("failure", "pause"),
    [
        (GONE, 0.5),
        (RateLimited("soon", retry_after_seconds=0.1), 0.5),
        (RateLimited("later", retry_after_seconds=30.0), 30.0),
        (RateLimited("much later", retry_after_seconds=3600.0), 60.0),
    ],
)
def test_a_push_that_failed_is_tried_again_after_a_pause(open_desk: Open, failure: SourceError, pause: float) -> None:
    """Half a second, or as long as the server asks, a minute at most: not a moment earlier, although it answers to pings."""
    desk = open_desk()
    desk.worker.fetch(extend(10.0))
    desk.journal.append(event("a"))
    desk.store.push_failure = failure
    desk.worker.wake()
    until(lambda: desk.status().fault)
    desk.store.push_failure = None
    for passed in (0.0, 1.6, pause - 0.001):
        if passed < pause:
            desk.clock.at = 1000.0 + passed
            desk.round()
            assert desk.store.asked.count("push") == 1, passed
    if pause > 2.0:
        assert "ping" in desk.store.asked and desk.status().word == "ok" and desk.status().waiting == 1
    desk.clock.at = 1000.0 + pause
    until(lambda: desk.store.asked.count("push") == 2 and not desk.status().waiting)
    assert [item.subject for item in desk.store.events] == ["a"]


@pytest.mark.parametrize(("failing", "due"), [(False, 5.0), (True, 1.5)])
def test_a_store_is_pinged_every_five_seconds_and_oftener_while_it_fails(open_desk: Open, failing: bool, due: float) -> None:
    """Not before, exactly then; an answer ends the fault by itself."""
    desk = open_desk()
    desk.worker.fetch(extend(10.0))
    if failing:
        desk.store.failure = GONE
        desk.store.changed()
        until(lambda: desk.status().fault)
        desk.store.failure = None
    desk.clock.at += due - 0.001
    desk.round()
    assert "ping" not in desk.store.asked
    desk.clock.at += 0.001
    until(lambda: "ping" in desk.store.asked)
    until(lambda: desk.status().word == "ok")


@pytest.mark.parametrize(("busy", "late"), [(5.999, False), (6.0, True), (8.0, True)])
def test_a_call_that_hangs_is_said_after_six_seconds(open_desk: Open, busy: float, late: bool) -> None:
    """From another thread, because its own is blocked; the last state is said until then."""
    desk = open_desk()
    desk.worker.fetch(extend(10.0))
    hold, held = threading.Event(), threading.Event()

    def hang() -> None:
        held.set()
        hold.wait(extend(10.0))

    desk.store.before_read = hang
    desk.store.changed()
    assert held.wait(extend(10.0))
    desk.clock.at += busy
    fault = desk.status().fault
    assert (fault is not None) is late
    if fault is not None:
        assert fault.sentence().startswith(f"no answer for {busy:.0f}s at a store")
    hold.set()


def test_a_fetch_says_why_the_store_did_not_answer(open_desk: Open) -> None:
    """Its own fault, or that nothing came in time; a store that was never read has not answered."""
    desk = open_desk()
    desk.store.readable = False
    late = desk.worker.fetch(0.05)
    assert late is not None and late.sentence().startswith("no answer within 50ms at a store")
    desk.store.readable = True
    assert desk.worker.fetch(extend(10.0)) is None
    desk.store.failure = GONE
    fault = desk.worker.fetch(extend(10.0))
    assert fault is not None and fault.what == "the store is gone"
    status = desk.status()
    assert (status.word, status.since, status.last_good_at) == ("UNREACHABLE", NOW, NOW)
    desk.store.failure = None
    desk.store.fault = Unreachable("the watch broke").fault
    fault = desk.worker.fetch(extend(10.0))
    assert fault is not None and fault.what == "the watch broke"


def test_a_journal_that_takes_no_event_is_a_fault(open_desk: Open) -> None:
    """The store answers, but the disk is full: nothing is `ok`, and a fetch says which file fails. Once it works, the event
    arrives and the fault ends.
    """
    desk = open_desk()
    assert desk.worker.fetch(extend(10.0)) is None
    full = "the journal j cannot be written: the disk is full; free some space"

    def refuse(*_: object, **__: object) -> int:
        raise JournalError(full)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(desk.journal, "merge", refuse)
        desk.store.events.append(event("o", id="o", stamp=1))
        fault = desk.worker.fetch(extend(10.0))
        assert fault is not None and fault.sentence() == full
        until(lambda: desk.status().word == "FAILED")
        assert desk.status().sentence() == f"{full}; events are neither pulled nor pushed"
    until(lambda: [item.subject for item in desk.journal.events()] == ["o"])
    desk.clock.at += 1.5
    until(lambda: desk.status().word == "ok")
    assert desk.worker.fetch(extend(10.0)) is None


def test_an_end_waits_for_the_last_events_only_where_they_can_be_shared(tmp_path: Path) -> None:
    """The last one is pushed by a close that gives it time, also if the worker never ran; a fault is not waited for."""
    for started in (True, False):
        store = MemoryStore()
        with Journal.open(tmp_path / f"j{started}", store="a store") as journal:
            worker = SyncWorker(journal, store, writes=True, changed=lambda: None)
            if started:
                assert worker.fetch(extend(10.0)) is None
            journal.append(event("last"))
            worker.close(extend(10.0))
            assert ([item.subject for item in store.events], store.closed) == (["last"], True)
            began = time.monotonic()
            broken = MemoryStore()
            broken.failure = GONE
            other = SyncWorker(journal, broken, writes=True, changed=lambda: None)
            other.fetch(extend(10.0))
            journal.append(event("later"))
            other.close(60.0)
            assert broken.closed and time.monotonic() - began < 30.0
            unused = MemoryStore()
            SyncWorker(journal, unused, writes=False, changed=lambda: None).close(60.0)
            assert (unused.closed, unused.asked) == (True, [])


def test_a_ping_is_followed_by_a_read(open_desk: Open) -> None:
    """A store whose notifications are lost brings its news with the next ping, not before, and again with the one after."""
    desk = open_desk()
    desk.worker.fetch(extend(10.0))
    for subject in ("one", "two"):
        desk.store.events.append(event(subject, id=subject, stamp=len(desk.store.events) + 1))
        reads = desk.store.asked.count("read")
        desk.worker.wake()
        desk.clock.at += 5.0
        until(lambda subject=subject: [item.subject for item in desk.journal.events()][-1:] == [subject])
        assert desk.store.asked.count("read") > reads
    assert desk.journal.count(1, 99) == 2


def test_what_a_read_that_broke_off_did_not_bring_is_read_the_next_time(open_desk: Open) -> None:
    """Nobody has to say again that the store changed."""
    desk = open_desk()
    desk.worker.fetch(extend(10.0))
    desk.store.events.append(event("o", id="o", stamp=1))
    desk.store.failure = GONE
    desk.store.changed()
    until(lambda: desk.status().fault)
    desk.store.failure = None
    until(lambda: [item.subject for item in desk.journal.events()] == ["o"])


def test_a_close_leaves_no_thread_behind(tmp_path: Path) -> None:
    """Nothing of it reads the journal's file once it is closed; to close it twice is no error."""

    def running() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "journal-share"}

    before = running()
    with Journal.open(tmp_path / "j", store="a store") as journal:
        worker = SyncWorker(journal, MemoryStore(), writes=True, changed=lambda: None)
        worker.fetch(extend(10.0))
        assert len(running() - before) == 1
        worker.close(extend(10.0))
        assert running() <= before
        worker.close(extend(10.0))


def test_an_error_of_the_code_is_a_fault_and_not_the_end(open_desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a store that cannot be listened to nor one that raises anything at all ends the thread: the state says so, and
    the next round shares what waits.
    """
    desk = open_desk()

    def refuse(changed: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk.store, "listen", refuse)
    desk.journal.append(event("a"))
    assert desk.worker.fetch(extend(10.0)) is None and [item.subject for item in desk.store.events] == ["a"]
    failure: Any = ZeroDivisionError("x")
    desk.store.failure = failure
    fault = desk.worker.fetch(extend(10.0))
    assert fault is not None and fault.sentence() == "sharing failed: ZeroDivisionError: see the log"
    assert (desk.status().word, desk.status().local) == ("UNREACHABLE", False)
    desk.store.failure = None
    desk.journal.append(event("b"))
    desk.clock.at += 60.0
    assert desk.worker.fetch(extend(10.0)) is None and desk.status().word == "ok"
    until(lambda: [item.subject for item in desk.store.events] == ["a", "b"])


def test_events_that_no_console_accepts_are_not_even_sent(open_desk: Open) -> None:
    """Alone in the outbox, two of them: nothing is pushed, and nothing waits."""
    desk = open_desk()
    for subject in ("one", "two"):
        desk.journal.append(event(subject, at=NOW + 2 * 86_400.0))
    assert desk.worker.fetch(extend(10.0)) is None
    assert (desk.status().waiting, desk.status().kept, desk.store.pushed) == (0, 2, [])
    assert "push" not in desk.store.asked


def test_only_news_wakes_a_screen(open_desk: Open) -> None:
    """A round that changes nothing says nothing; an event, a fault and its end do."""
    desk = open_desk()
    desk.worker.fetch(extend(10.0))
    before = desk.news
    desk.round()
    assert desk.news == before
    desk.store.events.append(event("o", id="o", stamp=1))
    desk.round()
    assert desk.news == before + 1
    desk.store.failure = GONE
    desk.store.changed()
    until(lambda: desk.news == before + 2)
    desk.store.failure = None
    desk.clock.at += 1.5
    until(lambda: desk.news == before + 3)


FAULT = TimedOut("no answer", where="x").fault
STATUS = SyncStatus("a store", last_good_at=NOW)


@pytest.mark.parametrize(
    ("changes", "word", "sentence"),
    [
        ({}, "ok", "everything is shared"),
        ({"waiting": 1}, "ok", "1 event waits here; sharing now"),
        ({"waiting": 2}, "ok", "2 events wait here; sharing now"),
        ({"elsewhere": 1}, "ok", "everything for this store is shared; 1 event waits for another store (`cad-console journal"),
        ({"elsewhere": 2}, "ok", "everything for this store is shared; 2 events wait for another store (`cad-console journal"),
        ({"last_good_at": None}, "no answer yet", "no answer yet"),
        ({"last_good_at": None, "waiting": 2}, "no answer yet", "2 events wait here until it answers"),
        ({"left_out": ("a", "b")}, "IN DOUBT", "a; b"),
        ({"left_out": ("a",), "waiting": 1}, "IN DOUBT", "1 event waits here; sharing now"),
        ({"fault": FAULT}, "UNREACHABLE", "no answer at x; new events will wait here"),
        (
            {"fault": FAULT, "waiting": 1},
            "UNREACHABLE",
            "no answer at x; 1 event waits here and will be shared",
        ),
        ({"fault": FAULT, "writes": False}, "UNREACHABLE", "no answer at x"),
        ({"fault": FAULT, "local": True}, "FAILED", "no answer at x; events are neither pulled nor pushed"),
        ({"writes": False, "waiting": 1}, "ok", "read-only: other consoles' events arrive"),
    ],
)
def test_the_state_in_a_word_and_a_sentence(changes: dict[str, Any], word: str, sentence: str) -> None:
    """With what happens next; one event and two are told apart, and what is worst comes first."""
    found = replace(STATUS, **changes)
    assert found.word == word and found.sentence().startswith(sentence)
    assert (found.sentence() == sentence) or sentence.endswith(("journal", "arrive", "shared"))


# What a journal and its store say of each other


def heads(journal: Journal) -> list[Event]:
    """As the store has them: each with its place in the file's chain."""
    return [replace(item, sequence=0) for item in journal.outbox.pending(limit=1000)]


@pytest.mark.parametrize(("wrong", "listed"), [(0, 0), (1, 1), (2, 2), (19, 19), (20, 20), (21, 21), (30, 21)])
def test_twenty_differences_are_listed_and_the_rest_counted(tmp_path: Path, wrong: int, listed: int) -> None:
    """By their number; exactly twenty need no further line. What another file shared is none of this one."""
    with Journal.open(tmp_path / "j", store="a store") as journal, Journal.open(tmp_path / "k", store="a store") as other:
        for number in range(30):
            journal.append(event(f"e{number}"))
            other.append(event(f"o{number}"))
        shared = heads(journal)
        for number in range(wrong):
            anchor = shared[number].anchor
            assert anchor is not None
            shared[number] = replace(shared[number], anchor=replace(anchor, hash="0" * 64))
        bare = replace(shared[0], anchor=None)
        found = compare(journal, MemoryStore(*shared[::-1], *heads(other), bare), seconds=extend(10.0))
        assert (found.heads, found.last, len(found.faults)) == (30, 30, listed)
        if wrong:
            assert found.faults[0].startswith(f"#{wrong} differs from what this file shared under that number: ")
        if wrong > 20:
            assert found.faults[-1] == f"and {wrong - 20} more that were shared"
        lost = replace(shared[-1], anchor=replace(shared[-1].anchor, sequence=31))  # type: ignore[type-var]
        (fault,) = compare(journal, MemoryStore(lost), seconds=extend(10.0)).faults
        assert fault.startswith("#31 was shared from this file and is missing: ")


def test_a_store_that_gives_no_answer_is_no_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the time, with the store's own fault if it has one; the store is closed in any case."""
    clock = SimpleNamespace(at=0.0)
    clock.monotonic = lambda: clock.at
    monkeypatch.setattr("console.journal.anchors.time", clock)
    with Journal.open(tmp_path / "j") as journal:
        for fault, text in (
            (None, "no answer within 4s at a store"),
            (Unreachable("the watch broke").fault, "the watch broke"),
        ):
            store = MemoryStore()
            store.readable, store.fault, clock.at = False, fault, 0.0

            def pass_second(store: MemoryStore = store) -> None:
                clock.at += 1.0
                store.changed()

            store.before_read = pass_second
            with pytest.raises(TimedOut, match=text):
                compare(journal, store, seconds=4.0)
            assert (store.asked, store.closed) == (["read"] * 4, True)
