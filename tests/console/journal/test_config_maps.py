"""The journal in ConfigMaps: two hosts on one cluster, and every way in which it refuses, breaks or comes back."""

from __future__ import annotations

import contextlib
import copy
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cutting_proxy import CuttingProxy
from limits import extend
from shared_host import NAME, NAMESPACE, Host, cluster_store, until
from steerable_cluster import SteerableCluster

from console.demo.cluster.api_errors import ApiError
from console.demo.cluster.request import HttpRequest
from console.journal.config_maps import ConfigMaps
from console.journal.event import Event
from console.journal.hash_chain import verify_chain
from console.journal.shared_store import READ_ONLY, to_json
from console.journal.sqlite import Journal
from queries.kubernetes.watch import JOURNAL_LABEL

OTHER = to_json(Event(2.0, "note", "other", "bob", "prod", {"text": "y" * 3300}, 0, "other", 2_000_000))
"""What another console writes meanwhile."""


def host(folder: Path, name: str, *, read_only: bool = False, **more: int) -> Host:
    return Host(folder, name, cluster_store(folder / "kubeconfig", read_only=read_only, **more), read_only=read_only)


def maps(cluster: SteerableCluster) -> list[dict[str, Any]]:
    return sorted(cluster.objects("configmaps"), key=lambda item: str(item["metadata"]["name"]))


def entries(cluster: SteerableCluster) -> list[str]:
    return [key for item in maps(cluster) for key in item.get("data") or {}]


def well(*hosts: Host) -> None:
    until(lambda: all(each.sharing.word == "ok" and not each.journal.outbox.pending_count() for each in hosts))


def test_both_have_all_in_one_order(cluster: SteerableCluster, tmp_path: Path) -> None:
    """What two write at the same time is in both journals, once, in the same order, over several segments below the limit."""
    with host(tmp_path, "ann") as ann, host(tmp_path, "bob") as bob:
        for number in range(100):
            ann.write(f"a{number}", text="ä" * 100)
            bob.write(f"b{number}", text="\x1b[31m[bold]")
        until(lambda: len(ann.subjects()) == len(bob.subjects()) == 200)
        well(ann, bob)
        assert ann.subjects() == bob.subjects()
        for each in (ann, bob):
            own = [subject for subject in each.subjects() if subject.startswith("a")]
            assert own == [f"a{number}" for number in range(100)]
            assert verify_chain(each.journal.links(), whole=False).faults == ()
        assert len(entries(cluster)) == len(set(entries(cluster))) == 200
        assert len(maps(cluster)) > 3
        assert all(sum(len(k) + len(v.encode()) for k, v in item["data"].items()) <= 8 << 10 for item in maps(cluster))


def test_who_was_slower_appends_to_what_is_there(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Between the look at a segment and the PATCH another console fills it: the PATCH is refused, and nothing overflows."""
    with host(tmp_path, "ann") as ann:
        ann.write("first", text="x" * 4000)
        well(ann)
        name, taken = maps(cluster)[0]["metadata"]["name"], []

        def quicker(request: HttpRequest) -> None:
            if request.method == "PATCH" and not taken:
                taken.append(cluster.patch("configmaps", name, {"data": {"2000000.other": OTHER}}))

        cluster.on_request(quicker)
        ann.write("second", text="z" * 1000)
        words: set[str] = set()
        until(lambda: words.add(ann.sharing.word) or not ann.journal.outbox.pending_count())
        cluster.on_request(None)
        assert len(taken) == 1
        assert words == {"ok"}  # it is nothing that a person need know of
        assert [len(item["data"]) for item in maps(cluster)] == [2, 1]
        assert all(sum(len(k) + len(v) for k, v in item["data"].items()) <= 8 << 10 for item in maps(cluster))


def test_two_begin_the_next_segment(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Another console makes the very segment that this one is about to make: this one appends to it."""
    with host(tmp_path, "ann") as ann:
        ann.write("first", text="x" * 7000)
        well(ann)
        item = copy.deepcopy(maps(cluster)[0])
        made: list[bool] = []

        def quicker(request: HttpRequest) -> None:
            if request.method == "POST" and not made:
                made.append(True)
                labels = item["metadata"]["labels"]
                meta = {"name": "cad-console-journal-000002", "labels": labels}
                cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"2000000.other": OTHER}}])

        cluster.on_request(quicker)
        ann.write("second", text="z" * 3000)
        well(ann)
        assert [len(item["data"]) for item in maps(cluster)] == [1, 2]


def event_of(number: int, size: int) -> Event:
    """Stamped now, so that its segment is not too old to be kept."""
    at = int(time.time()) + number
    return Event(float(at), "note", f"s{number}", "ann", "prod", {"text": "x" * size}, 0, f"{number:032x}", at * 1_000_000)


@contextlib.contextmanager
def open_store(folder: Path) -> Iterator[ConfigMaps]:
    store = cluster_store(folder / "kubeconfig")
    ready = threading.Event()
    store.listen(ready.set)
    try:
        until(lambda: store.read("", lambda *_: None))
        yield store
    finally:
        store.close()


def test_an_event_is_not_put_into_two_segments(cluster: SteerableCluster, tmp_path: Path) -> None:
    """While this console finds a segment full, another of the same journal appends an event to it that both are to push: it is
    there once.
    """
    small, large = event_of(2, 10), event_of(3, 3000)
    key = f"{small.stamp:017d}.{small.id}"
    with open_store(tmp_path) as store:
        store.push([event_of(1, 6000)])
        name, moved = maps(cluster)[0]["metadata"]["name"], []

        def quicker(request: HttpRequest) -> None:
            creates = request.method == "POST" and request.path.endswith("/configmaps")
            seals = request.method == "PATCH" and request.path.endswith(f"/{name}")
            if (creates or seals) and not moved:
                moved.append(True)
                cluster.patch("configmaps", name, {"data": {key: to_json(small)}})

        cluster.on_request(quicker)
        assert {item.id for item in store.push([large, small]).stored} == {small.id, large.id}
        cluster.on_request(None)
    assert moved
    assert [len(item["data"]) for item in maps(cluster)] == [2, 1]
    assert len(entries(cluster)) == len(set(entries(cluster))) == 3


def test_a_delayed_write_does_not_reach_a_full_segment(cluster: SteerableCluster, tmp_path: Path) -> None:
    """A PATCH whose answer was lost and that arrives after the next segment was begun is refused: its events are there once."""
    with open_store(tmp_path) as store:
        store.push([event_of(1, 6000)])
        full = maps(cluster)[0]
        store.push([event_of(2, 3000)])
    assert len(maps(cluster)) == 2
    late = {"metadata": {"resourceVersion": full["metadata"]["resourceVersion"]}, "data": {"2.late": "{}"}}
    with pytest.raises(ApiError) as refused:
        cluster.patch("configmaps", full["metadata"]["name"], late)
    assert refused.value.code == 409


def test_two_of_one_journal_at_the_ends_of_segments(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Two consoles push the same events, each in its own order and portions, over many segments: none is lost, none is there
    twice.
    """
    events = [event_of(number, 900 if number % 3 else 2600) for number in range(1, 61)]
    with open_store(tmp_path) as one, open_store(tmp_path) as two, ThreadPoolExecutor(2) as pool:
        forth = pool.submit(lambda: [one.push(events[at : at + 4]) for at in range(0, 60, 4)])
        swapped = [event for at in range(0, 60, 3) for event in reversed(events[at : at + 3])]
        back = pool.submit(lambda: [two.push(swapped[at : at + 7]) for at in range(0, 60, 7)])
        for done in (forth, back):
            stored = [event.id for result in done.result() for event in result.stored]
            assert sorted(stored) == sorted(event.id for event in events)
    assert len(entries(cluster)) == len(set(entries(cluster))) == 60
    assert len(maps(cluster)) > 8
    assert all(sum(len(k) + len(v) for k, v in item["data"].items()) <= 8 << 10 for item in maps(cluster))


def test_who_comes_later_gets_what_there_was(cluster: SteerableCluster, tmp_path: Path) -> None:
    """A new host lists the segments once; one that was away and has its journal still asks for nothing twice."""
    with host(tmp_path, "ann") as ann:
        for number in range(50):
            ann.write(f"a{number}")
        well(ann)
    with host(tmp_path, "new") as new:
        until(lambda: len(new.subjects()) == 50)
        new.write("new")
        well(new)
    with host(tmp_path, "ann") as ann:
        until(lambda: "new" in ann.subjects())
        assert len(ann.subjects()) == 51
        assert ann.journal.last_sequence() == 51


def test_gone_and_back(cluster: SteerableCluster, tmp_path: Path) -> None:
    """While the cluster is away both go on and say what waits; when it is back each has all, once, in order, by itself."""
    port = int(cluster.url.rpartition(":")[2])
    with host(tmp_path, "ann") as ann, host(tmp_path, "bob") as bob:
        ann.write("before")
        until(lambda: bob.subjects() == ["before"])
        well(ann, bob)
        cluster.stop()
        for number in range(20):
            ann.write(f"a{number}")
            bob.write(f"b{number}")
        until(lambda: ann.sharing.fault and bob.sharing.fault)
        until(lambda: ann.sharing.waiting == 20)
        assert "refuses connections" in ann.sharing.sentence()
        assert "20 events wait here and will be shared once it answers" in ann.sharing.sentence()
        assert [sequence for sequence, _, _ in ann.journal.outbox.unshared()] == list(range(2, 22))
        assert not [subject for subject in ann.subjects() if subject.startswith("b") and subject != "before"]
        cluster.start(port)
        assert until(lambda: len(ann.subjects()) == len(bob.subjects()) == 41) < 6.0
        well(ann, bob)
        assert ann.subjects() == bob.subjects()
        assert [subject for subject in bob.subjects() if subject.startswith("a")] == [f"a{number}" for number in range(20)]
        assert ann.sharing.sentence() == "everything is shared"
        assert len(entries(cluster)) == 41


def test_kept_over_the_end_of_a_console(cluster: SteerableCluster, tmp_path: Path) -> None:
    """What waited when the console was closed is brought by the next one on that host."""
    port = int(cluster.url.rpartition(":")[2])
    cluster.stop()
    with host(tmp_path, "ann") as ann:
        ann.write("a")
        until(lambda: ann.sharing.fault)
    cluster.start(port)
    with host(tmp_path, "ann") as ann, host(tmp_path, "bob") as bob:
        until(lambda: bob.subjects() == ["a"])
        well(ann)


@pytest.mark.parametrize("deliver", [True, False])
def test_a_write_that_nobody_knows_of(cluster: SteerableCluster, tmp_path: Path, deliver: bool) -> None:
    """The connection breaks under a PATCH, done or not done: the event is there once, and the console knows."""
    with CuttingProxy(cluster.url) as proxy:
        text = json.loads((tmp_path / "kubeconfig").read_text())
        text["clusters"][0]["cluster"]["server"] = proxy.url
        (tmp_path / "kubeconfig").write_text(json.dumps(text))
        with host(tmp_path, "ann") as ann, host(tmp_path, "bob") as bob:
            ann.write("first")
            until(lambda: bob.subjects() == ["first"])
            proxy.deliver = deliver
            proxy.cut = lambda request: request.startswith(b"PATCH") and proxy.cuts < 2
            for number in range(10):
                ann.write(f"a{number}")
            until(lambda: len(bob.subjects()) == 11)
            well(ann, bob)
            assert proxy.cuts >= 1
            assert len(entries(cluster)) == len(set(entries(cluster))) == 11
            assert ann.subjects() == bob.subjects()


def test_the_watch_is_cut_and_history_forgotten(cluster: SteerableCluster, tmp_path: Path) -> None:
    """A watch that ends, or is told that its version is too old, misses nothing."""
    with host(tmp_path, "ann") as ann, host(tmp_path, "bob") as bob:
        for number in range(30):
            ann.write(f"a{number}")
            if number % 7 == 3:
                cluster.drop_watches()
            if number % 11 == 5:
                cluster.forget_history()
            time.sleep(0.02)
        until(lambda: len(bob.subjects()) == 30)
        well(ann, bob)


@pytest.mark.slow
def test_a_watch_that_a_firewall_forgot(cluster: SteerableCluster, tmp_path: Path) -> None:
    """The watch stays open and silent for ever: what others write comes by the pulse all the same, within a few seconds."""
    with CuttingProxy(cluster.url) as proxy:
        text = (tmp_path / "kubeconfig").read_text()
        with host(tmp_path, "bob") as bob:
            (tmp_path / "forgotten").write_text(text.replace(cluster.url, proxy.url))
            with Host(tmp_path, "ann", cluster_store(tmp_path / "forgotten"), ping_seconds=0.5) as ann:
                bob.write("first")
                until(lambda: ann.subjects() == ["first"])
                well(ann, bob)
                time.sleep(1.0)  # so that no answer is on its way
                proxy.forget()
                bob.write("second")
                until(lambda: "second" in ann.subjects(), seconds=20.0)
                assert "the watch is silent: other consoles' events arrive a few seconds late" in ann.sharing.warnings
                ann.write("mine")
                until(lambda: "mine" in bob.subjects(), seconds=20.0)


def test_a_decision_before_the_first_list_asks_for_no_segment(cluster: SteerableCluster, tmp_path: Path) -> None:
    """While the first list is under way every segment looks as if the watch had not brought it: none is asked for one by one.
    The decision waits for the list, and has what is there.
    """
    with host(tmp_path, "bob", segment_bytes=1024) as bob:
        for number in range(20):
            bob.write(f"b{number}", text="x" * 300)
        well(bob)
    assert len(maps(cluster)) > 5
    with CuttingProxy(cluster.url) as proxy:
        held, asked = threading.Event(), len(cluster.requests)

        def hold(request: bytes) -> bool:
            if b"PartialObjectMetadataList" not in request and b"limit=" in request:
                held.wait(5.0)
            return False

        proxy.cut = hold
        text = (tmp_path / "kubeconfig").read_text()
        (tmp_path / "slow").write_text(text.replace(cluster.url, proxy.url))
        with Host(tmp_path, "ann", cluster_store(tmp_path / "slow")) as ann:
            assert ann.sharer.fetch(0.5) is not None
            assert not [item.path for item in cluster.requests[asked:] if "/configmaps/" in item.path]
            held.set()
            assert ann.sharer.fetch(5.0) is None
            assert len(ann.subjects()) == 20


def test_read_only_sends_nothing(cluster: SteerableCluster, tmp_path: Path) -> None:
    """A read-only console sees what others write; what it writes stays on its machine, and is marked as such. What an acting
    console on that machine left to be shared waits for the next one that may.
    """
    with host(tmp_path, "ann") as ann:
        ann.write("a")
        well(ann)
    with Journal.open(tmp_path / "eve.sqlite3", store=NAME) as left:
        left.append(Event(time.time(), "note", "left", "eve", "prod", {}))
    asked = len(cluster.requests)
    with host(tmp_path, "eve", read_only=True) as eve:
        until(lambda: "a" in eve.subjects())
        eve.write("mine")
        time.sleep(0.7)
        assert eve.sharing.sentence() == "read-only: other consoles' events arrive, none of this console are shared"
        assert (eve.sharing.waiting, eve.sharing.kept) == (1, 1)
        assert [trouble for _, _, trouble in eve.journal.outbox.unshared()] == ["", READ_ONLY]
    assert {request.method for request in cluster.requests[asked:]} == {"GET"}
    with host(tmp_path, "eve") as later:  # the same journal in a console that may write
        later.write("shared")
        well(later)
    assert len(entries(cluster)) == 3


def test_without_rights(cluster: SteerableCluster, tmp_path: Path) -> None:
    """A cluster that forbids watching, or writing, is named with what to do; with the right back all is shared."""
    with host(tmp_path, "ann") as ann:
        cluster.deny("create", "configmaps")
        ann.write("a")
        until(lambda: ann.sharing.fault)
        assert "deploy/shared-journal" in ann.sharing.sentence()
        assert "1 event waits here" in ann.sharing.sentence()
        cluster.allow_all()
        until(lambda: ann.sharing.word == "ok" and not ann.journal.outbox.pending_count())


def test_old_segments_go(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Whoever begins a segment takes away those beyond the number that is kept; the hosts keep what was in them."""
    with host(tmp_path, "ann", most_segments=4, segment_bytes=2048) as ann, host(tmp_path, "bob", segment_bytes=2048) as bob:
        for number in range(60):
            ann.write(f"a{number}", text="x" * 100)
            until(lambda number=number: f"a{number}" in bob.subjects())
        well(ann, bob)
        assert 2 <= len(maps(cluster)) <= 5
        assert len(ann.subjects()) == len(bob.subjects()) == 60
        assert ann.sharing.warnings == ()
        cluster.deny("delete", "configmaps")
        for number in range(20):
            ann.write(f"more{number}", text="x" * 100)
        until(lambda: "cannot be deleted" in " ".join(ann.sharing.warnings))
        assert len(bob.subjects()) >= 60


def test_one_that_is_too_large_stays(cluster: SteerableCluster, tmp_path: Path) -> None:
    """An event beyond what the cluster takes is kept here with the reason, and holds up none; a large one goes alone."""
    with host(tmp_path, "ann") as ann, host(tmp_path, "bob") as bob:
        ann.write("small")
        ann.write("huge", text="x" * (300 << 10))
        ann.write("large", text="y" * (100 << 10))
        ann.write("last")
        until(lambda: bob.subjects() == ["small", "large", "last"])
        until(lambda: ann.sharing.kept == 1)
        assert [trouble for _, _, trouble in ann.journal.outbox.unshared()] == ["it is too large for the cluster"]


def test_what_is_no_event_is_left_out(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Nonsense in a segment, whoever put it there, is left out and counted; what is shaped like an event is only text."""
    label, _, value = JOURNAL_LABEL.partition("=")
    good = {"stamp": 5, "at": 1.0, "kind": "note", "subject": "x", "author": "e", "environment": "prod", "data": {}}
    data = {
        "1.a": "no json",
        "2.b": json.dumps({**good, "id": "b", "stamp": 1 << 60}),
        "3.c": json.dumps({**good, "id": ""}),
        "4.d": "[" * 100_000,
        "5.e": json.dumps({**good, "id": "e", "data": {"text": "\x1b]0;owned\x07"}}),
        "6.f": json.dumps({**good, "id": "f", "at": 1e300}),
        "7.g": json.dumps({**good, "id": "g", "subject": "\ud800"}),
    }
    name = "cad-console-journal-zzz"
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {label: value}}, "data": data}
    cluster.apply([item])
    with host(tmp_path, "ann") as ann:
        ann.write("mine")
        until(lambda: len(ann.subjects()) == 2)
        until(lambda: not ann.journal.outbox.pending_count() and ann.sharing.word == "IN DOUBT")
        told = ann.sharing.sentence()
        assert "3 entries of the store are left out: it is not an event (" in told
        assert f"its time is impossible ({name}/6.f)" in told
        (forged,) = [event for event in ann.journal.events() if event.id == "e"]
        assert forged.data == {"text": "\x1b]0;owned\x07"}
        assert [item["metadata"]["name"] for item in maps(cluster)] == ["cad-console-journal-000001", name]


def test_a_cluster_that_hangs_holds_up_nobody(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Appending stays quick, the state says that no answer comes, and the end is quick too."""
    with host(tmp_path, "ann") as ann:
        ann.write("a")
        well(ann)
        cluster.delay(30.0)
        began = time.monotonic()
        for number in range(20):
            ann.write(f"a{number}")
        assert time.monotonic() - began < extend(1.0)
        until(lambda: ann.sharing.fault, seconds=12.0)
        assert "did not answer within 2s" in ann.sharing.sentence()
        began = time.monotonic()
    assert time.monotonic() - began < extend(2.0)


def test_the_consoles_own_segments_are_no_change_of_the_platform(cluster: SteerableCluster, tmp_path: Path) -> None:
    """What changed before an incident lists ConfigMaps; those of the journal are not among them."""
    import asyncio

    from queries.http.endpoint import ClusterEndpoint
    from queries.kubernetes.client import Kubernetes

    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}])
    with host(tmp_path, "ann") as ann:
        ann.write("a")
        well(ann)

    async def listed() -> list[str]:
        client = Kubernetes(ClusterEndpoint(NAMESPACE, str(tmp_path / "kubeconfig")))
        try:
            return [item.name for item in await client.config_maps()]
        finally:
            await client.close()

    assert asyncio.run(listed()) == ["settings"]


def test_a_quiet_journal_costs_nothing(cluster: SteerableCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody writes, the sharer asks SQLite for one number a few times a second, and the cluster for a pulse."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*given: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*given, **more)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    with host(tmp_path, "ann") as ann:
        ann.write("a")
        well(ann)
        time.sleep(0.5)
        asked, before = len(cluster.requests), len(statements)
        time.sleep(1.5)
        assert len(cluster.requests) - asked <= 1
        later = statements[before:]
        assert later and {words for words in later if "data_version" not in words} == set()
        assert len(later) <= 20
