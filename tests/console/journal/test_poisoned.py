"""Events with impossible times and order stamps, in every store: left out, counted, named, and everything else goes on."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from postgresql_fixture import Server
from shared_host import NAME, NAMESPACE, Host, cluster_store, until
from steerable_cluster import SteerableCluster

from console.config.settings import POSTGRESQL, StoreSettings
from console.journal.errors import JournalError
from console.journal.event import AHEAD_SECONDS, Event, validate
from console.journal.left_out import left_out_sentences
from console.journal.postgresql import TABLE, PostgreSQL
from console.journal.shared_store import SharedStore
from console.journal.sqlite import Journal
from console.journal.sqlite_tables import INSERT, row_of
from console.state.journal_state import JournalReader

DAY = 86_400.0


def poison(identity: str, **more: Any) -> dict[str, Any]:
    now = time.time()
    fine = {"id": identity, "stamp": int(now * 1e6), "at": now, "kind": "alert.owned", "subject": identity}
    return {**fine, "author": "eve@x", "environment": "prod", "data": {}, **more}


BAD = {
    "before the calendar": (poison("b" * 32, at=-7e10), "its time is impossible"),
    "a time of next week": (poison("c" * 32, at=time.time() + 7 * DAY), "its time is more than a day ahead"),
    "a stamp of the year 2255": (poison("d" * 32, stamp=(1 << 53) - 1), "its order stamp is more than a day ahead"),
    "a stamp of next week": (poison("e" * 32, stamp=int((time.time() + 7 * DAY) * 1e6)), "its order stamp is more than"),
}


@dataclass
class Store:
    """One that both hosts share: how it is opened, and how somebody writes to it and deletes from it by other means."""

    open: Callable[[], SharedStore]
    put: Callable[[dict[str, Any]], None]
    delete: Callable[[dict[str, Any]], None]


@pytest.fixture(params=["kubernetes", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        name = server.database()
        settings = StoreSettings(POSTGRESQL, url=server.url(name))

        def put(event: dict[str, Any]) -> None:
            server.ask(f"INSERT INTO {TABLE} (id, event) VALUES ('{event['id']}', '{json.dumps(event)}')", name)

        def delete(event: dict[str, Any]) -> None:
            server.ask(f"DELETE FROM {TABLE} WHERE id = '{event['id']}'", name)

        yield Store(lambda: PostgreSQL(settings, read_only=False, backoff_cap_seconds=1.0), put, delete)
        return
    with SteerableCluster(NAMESPACE) as cluster:
        cluster.kubeconfig(tmp_path / "kubeconfig")

        def change(event: dict[str, Any], value: str | None) -> None:
            (name,) = [item["metadata"]["name"] for item in cluster.objects("configmaps")]
            cluster.patch("configmaps", name, {"data": {f"{event['stamp']:017d}.{event['id']}": value}})

        yield Store(
            lambda: cluster_store(tmp_path / "kubeconfig", segment_bytes=96 << 10),
            lambda event: change(event, json.dumps(event)),
            lambda event: change(event, None),
        )


def _host(folder: Path, name: str, store: Store) -> Host:
    """What is written by other means arrives with the next ping."""
    return Host(folder, name, store.open(), ping_seconds=0.5)


@pytest.mark.parametrize("what", BAD)
def test_one_bad_event_ends_nothing(what: str, store: Store, tmp_path: Path) -> None:
    """It is counted and named as long as it is there, also by a console that is opened later; it is in nobody's journal; what
    both write goes on to reach the other; and when somebody deletes it from the store, all is ok on every host.
    """
    bad, why = BAD[what]
    with _host(tmp_path, "ann", store) as ann, _host(tmp_path, "bob", store) as bob:
        ann.write("first")
        until(lambda: bob.subjects() == ["first"])
        store.put(bad)
        for each in (ann, bob):
            until(lambda each=each: each.sharing.word == "IN DOUBT")
            assert "1 entry of the store is left out: " + why in each.sharing.sentence()
        ann.write("second")
        bob.write("third")
        until(lambda: len(ann.subjects()) == len(bob.subjects()) == 3)
        assert not any(validate(event, now=time.time()) for host in (ann, bob) for event in host.journal.events())
        until(lambda: not ann.journal.outbox.pending_count() and not bob.journal.outbox.pending_count())
    with _host(tmp_path, "bob", store) as again, _host(tmp_path, "cyd", store) as late:
        for each in (again, late):
            until(lambda each=each: each.sharing.word == "IN DOUBT" and len(each.subjects()) == 3)
            assert why in each.sharing.sentence()
    store.delete(bad)
    with _host(tmp_path, "bob", store) as again:
        until(lambda: again.sharing.word == "ok")


def test_a_journal_that_was_poisoned_heals_by_itself(store: Store, tmp_path: Path) -> None:
    """An older console took a stamp of the year 2255 into this file, and stamped what it wrote after it: the next one stamps by
    the clock again and shares; what lies beyond every clock is named as what will never be shared.
    """
    now = time.time()
    with Journal.open(tmp_path / "ann.sqlite3", store=NAME) as journal:
        journal.merge([Event(now, "note", "poison", "eve@x", "prod", {}, 0, "f" * 32, (1 << 53) - 1)])
        infected = Event(now, "note", "infected", "ann@host", "prod", {}, 2, "a" * 32, 1 << 53)
    with closing(sqlite3.connect(tmp_path / "ann.sqlite3")) as damaged, damaged:
        damaged.execute(INSERT, row_of(infected, writer="w", previous=""))
        damaged.execute("INSERT INTO waiting VALUES (2, ?, '')", (NAME,))
    with ExitStack() as opened:
        ann, bob = (opened.enter_context(Host(tmp_path, name, store.open())) for name in ("ann", "bob"))
        written = ann.write("after")
        assert abs(written.stamp / 1e6 - time.time()) < 60.0
        until(lambda: bob.subjects() == ["after"])
        bob.write("answer")
        until(lambda: "answer" in ann.subjects())
        until(lambda: ann.sharing.word == "IN DOUBT" and bob.sharing.word == "ok")
        assert "1 event of this journal will never be shared: its order stamp is more than a day" in ann.sharing.sentence()


def test_what_is_in_the_file_already_counts_for_nothing_and_is_named(tmp_path: Path) -> None:
    """The ledger leaves out what an older console took in, names it, and keeps its order by what is left."""
    now = time.time()
    with Journal.open(tmp_path / "j", store="s") as journal:
        for number, (at, stamp) in enumerate(((-7e10, 1), (now, (1 << 53) - 1), (now + 2 * DAY, int(now * 1e6)))):
            journal.merge([Event(at, "alert.owned", f"bad{number}", "eve@x", "prod", {}, 0, f"id{number}", stamp)])
        journal.append(Event(now, "alert.owned", "good", "ann@host", "prod"))
        ledger = JournalReader(journal, environment="prod")
        ledger.refresh()
        assert list(ledger.state.owners) == ["good"]
        assert [item.kind for item in ledger.state.left_out.values()] == ["alert.owned"] * 3
        told = "; ".join(left_out_sentences(ledger.state.left_out))
        assert "1 entry of this journal is left out: its time is impossible (#1 alert.owned by eve@x)" in told
        journal.append(Event(now, "alert.released", "good", "ann@host", "prod"))
        ledger.refresh()
        assert (list(ledger.state.owners), len(ledger.state.left_out)) == ([], 3)
        journal.append(Event(now, "journal.settled", "id1", "bob@host", "prod"))
        assert ledger.refresh()
        assert [item.id for item in ledger.state.left_out.values()] == ["id0", "id2"]


def test_what_is_ahead_is_taken_when_its_time_has_come(store: Store, tmp_path: Path) -> None:
    """A store with a clock of its own that is two days late refuses, and takes it in when the clock was put right."""
    from console.journal.shared_store import LeftOut, to_json

    now = time.time()
    clock = [now - 2 * DAY]
    left = LeftOut(lambda: clock[0])
    event = Event(now, "note", "s", "ann", "prod", {}, 0, "a" * 32, int(now * 1e6))
    assert left.read({"here": to_json(event)}) == ()
    assert "more than a day ahead" in left.sentences[0]
    clock[0] = now
    assert left.read_again() == (event,)
    assert left.sentences == ()


@pytest.mark.parametrize("at", [-1.0, 1e300, float("nan"), float("inf")])
def test_the_same_rule_on_the_way_out(at: float, tmp_path: Path) -> None:
    """What no console would take is not written either: the journal says why, and is as before."""
    with Journal.open(tmp_path / "j") as journal:
        with pytest.raises(JournalError, match="its time is impossible"):
            journal.append(Event(at, "note", "s", "ann", "prod"))
        with pytest.raises(JournalError, match="nested deeper"):
            journal.append(Event(1.0, "note", "s", "ann", "prod", {"a": json.loads("[" * 40 + "]" * 40)}))
        assert journal.last_sequence() == 0


def test_a_day_ahead_is_the_edge() -> None:
    """A clock that is a little wrong is nobody's fault; a day is the limit, of the time as of the stamp."""
    event = Event(1000.0 + AHEAD_SECONDS, "note", "s", "ann", "prod", {}, 1, "id", int((1000.0 + AHEAD_SECONDS) * 1e6))
    assert validate(event, now=1000.0) == ""
    assert "its time is more than a day ahead" in validate(event, now=999.0)
