"""Segments that the watch does not bring, on the cluster in the process: found by pings, and read one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cutting_proxy import CuttingProxy
from shared_host import cluster_store, until
from steerable_cluster import SteerableCluster

from console.journal.config_maps import ConfigMaps
from console.journal.event import Event
from console.journal.shared_store import to_json
from queries.errors import AccessDenied

SILENT = "the watch is silent: other consoles' events arrive a few seconds late"
LABEL = {"cad-console/journal": "segment"}


@pytest.fixture
def proxy(cluster: SteerableCluster, tmp_path: Path) -> Iterator[CuttingProxy]:
    with CuttingProxy(cluster.url) as opened:
        text = (tmp_path / "kubeconfig").read_text()
        (tmp_path / "forgotten").write_text(text.replace(cluster.url, opened.url))
        yield opened


@contextmanager
def open_store(folder: Path, name: str = "kubeconfig") -> Iterator[ConfigMaps]:
    store = cluster_store(folder / name)
    store.listen(lambda: None)
    try:
        until(lambda: store.read("", lambda *_: None))
        yield store
    finally:
        store.close()


def write(cluster: SteerableCluster, segment: int, *numbers: int) -> None:
    """Another console's events, in a segment of this number."""
    data = {}
    for number in numbers:
        item = Event(float(number), "note", f"s{number}", "bob", "prod", {}, 0, f"{number:032x}", number * 1_000_000)
        data[f"{item.stamp:017d}.{item.id}"] = to_json(item)
    metadata = {"name": f"cad-console-journal-{segment:06d}", "labels": LABEL}
    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}])


def read(store: ConfigMaps) -> list[str]:
    """The subjects that are new since the last read."""
    found: list[str] = []
    assert store.read("", lambda events, cursor: found.extend(event.subject for event in events))
    return found


def fetched(cluster: SteerableCluster, begin: int) -> list[str]:
    """The segments that were read one by one since then."""
    paths = [request.path for request in cluster.requests[begin:] if request.method == "GET"]
    return [path.rpartition("-")[2] for path in paths if "/configmaps/" in path]


def test_a_segment_that_is_behind_at_two_pings_is_read(cluster: SteerableCluster, proxy: CuttingProxy, tmp_path: Path) -> None:
    """At the first ping it may be on its way; at the second the watch is called silent and both segments are read, once each,
    and with them what came since. Only what a watch does not bring is read again.
    """
    write(cluster, 1, 1)
    with open_store(tmp_path, "forgotten") as store:
        assert store.warnings == ()
        store.ping()
        proxy.forget(b"watch=")
        begin = len(cluster.requests)
        write(cluster, 1, 1, 2)
        write(cluster, 2, 3)
        store.ping()
        assert read(store) == [] and store.warnings == () and fetched(cluster, begin) == []
        write(cluster, 2, 3, 4)
        store.ping()
        assert sorted(read(store)) == ["s2", "s3", "s4"] and store.warnings == (SILENT,)
        assert sorted(fetched(cluster, begin)) == ["000001", "000002"]
        assert read(store) == []
        write(cluster, 2, 3, 4, 5)
        store.ping()
        assert read(store) == ["s5"]


def test_a_decision_reads_at_once_what_the_watch_did_not_bring(
    cluster: SteerableCluster, proxy: CuttingProxy, tmp_path: Path
) -> None:
    """It waits for no second ping; one read proves nothing against the watch."""
    with open_store(tmp_path, "forgotten") as store:
        store.ping()
        proxy.forget(b"watch=")
        write(cluster, 1, 1)
        store.ping(fresh=True)
        assert read(store) == ["s1"] and store.warnings == ()


def test_a_watch_that_brings_everything_is_not_doubted(cluster: SteerableCluster, tmp_path: Path) -> None:
    """However often it is asked for, and before it was opened: nothing is read one by one."""
    write(cluster, 1, 1)
    begin = len(cluster.requests)
    unopened = cluster_store(tmp_path / "kubeconfig")
    unopened.ping(fresh=True)
    assert unopened.warnings == () and not unopened.read("", lambda *_: None)
    unopened.close()
    with open_store(tmp_path) as store:
        for _ in range(3):
            store.ping(fresh=True)
        assert (store.warnings, fetched(cluster, begin)) == ((), [])


def test_a_segment_that_was_deleted_is_forgotten(cluster: SteerableCluster, tmp_path: Path) -> None:
    """What was left out in it is no longer said; one that is made again under its name is read from its beginning."""
    write(cluster, 1, 1)
    write(cluster, 2, 2)
    cluster.patch("configmaps", "cad-console-journal-000001", {"data": {"7.x": "no event"}})
    with open_store(tmp_path) as store:
        assert store.left_out == ("1 entry of the store is left out: it is not an event (cad-console-journal-000001/7.x)",)
        cluster.delete("configmaps", "cad-console-journal-000001")
        until(lambda: read(store) == [] and store.left_out == ())
        write(cluster, 1, 1)
        found: list[str] = []
        until(lambda: found.extend(read(store)) or found)
        assert found == ["s1"]


def test_rights_that_are_missing_name_the_role(cluster: SteerableCluster, proxy: CuttingProxy, tmp_path: Path) -> None:
    """For what is written and for a segment that is read by itself; the status stays."""
    with open_store(tmp_path, "forgotten") as store:
        store.ping()
        proxy.forget(b"watch=")
        write(cluster, 1, 1)
        cluster.deny("get", "configmaps")
        cluster.deny("patch", "configmaps")
        for call in (
            lambda: store.ping(fresh=True),
            lambda: store.push([Event(9.0, "note", "s9", "ann", "prod", {}, 0, "9" * 32, 9_000_000)]),
        ):
            with pytest.raises(AccessDenied) as told:
                call()
            assert (told.value.fault.hint, told.value.fault.status) == ("ask for the Role in deploy/shared-journal", 403)
