"""The board in a ConfigMap, on the cluster in the process: two consoles beside each other, and what a dead watch costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cutting_proxy import CuttingProxy
from shared_host import NAMESPACE, cluster_store, until
from steerable_cluster import SteerableCluster

from console.demo.cluster.request import HttpRequest
from console.journal.config_map_board import NAME, ConfigMapBoard
from queries.errors import AccessDenied, RequestRejected

LABEL = {"cad-console/journal": "presence"}


@contextmanager
def open_board(folder: Path, name: str = "kubeconfig") -> Iterator[ConfigMapBoard]:
    store = cluster_store(folder / name)
    board = store.board()
    board.open(lambda: None)
    try:
        until(lambda: board.entries() is not None)
        yield board
    finally:
        board.close()
        store.close()


def entries(cluster: SteerableCluster) -> list[tuple[str, dict[str, str]]]:
    return [(item["metadata"]["name"], dict(item.get("data") or {})) for item in cluster.objects("configmaps")]


def create(cluster: SteerableCluster, data: dict[str, str], name: str = NAME) -> None:
    metadata = {"name": name, "labels": LABEL}
    cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}])


def gets(cluster: SteerableCluster) -> int:
    """How often the ConfigMap itself was read."""
    return sum(item.method == "GET" and item.path.endswith(f"/{NAME}") for item in cluster.requests)


def test_two_consoles_stand_on_one_board(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Whoever writes first creates it, with the label by which it is watched; each replaces and removes only its own entry."""
    with open_board(tmp_path) as ann, open_board(tmp_path) as bob:
        assert ann.entries() == {} and ann.fault is None
        ann.remove("ann")  # nothing to remove is no error
        ann.write("ann", "1")
        bob.write("bob", "1")
        ann.write("ann", "2")
        assert ann.entries() == {"ann": "2", "bob": "1"}
        until(lambda: bob.entries() == {"ann": "2", "bob": "1"})
        (board,) = cluster.objects("configmaps")
        assert board["metadata"]["labels"] == {**LABEL, "app.kubernetes.io/managed-by": "cad-console"}
        bob.remove("bob")
        assert bob.entries() == {"ann": "2"}
        until(lambda: ann.entries() == {"ann": "2"})
        assert entries(cluster) == [(NAME, {"ann": "2"})]


def test_nothing_is_known_before_the_board_is_open(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Not knowing is not being alone, and asks nothing of the server; what stands there is known with the first list."""
    create(cluster, {"old": "x"})
    store = cluster_store(tmp_path / "kubeconfig")
    board = store.board()
    asked = len(cluster.requests)
    assert board.entries() is None and board.fault is None and len(cluster.requests) == asked
    board.close()
    store.close()
    with open_board(tmp_path) as late:
        assert late.entries() == {"old": "x"}


def test_two_create_the_board_in_the_same_moment(cluster: SteerableCluster, tmp_path: Path) -> None:
    """The slower one writes into what the faster one made: both stand there."""
    with open_board(tmp_path) as ann:
        made: list[bool] = []

        def quicker(request: HttpRequest) -> None:
            if request.method == "POST" and not made:
                made.append(True)
                create(cluster, {"bob": "1"})

        cluster.on_request(quicker)
        ann.write("ann", "1")
        cluster.on_request(None)
        assert made and entries(cluster) == [(NAME, {"bob": "1", "ann": "1"})]


def test_an_entry_that_did_not_get_onto_the_board_is_said(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Whoever creates the board deletes it again, twice: nothing was written, and the console does not believe it was."""
    with open_board(tmp_path) as ann:
        for status in (404, 409, 404, 409):
            cluster.fail_next(status)
        with pytest.raises(RequestRejected) as told:
            ann.write("ann", "1")
        assert told.value.fault.status == 409 and entries(cluster) == []


@pytest.mark.parametrize("verb", ["patch", "create"])
def test_a_write_that_is_forbidden_is_said(cluster: SteerableCluster, tmp_path: Path, verb: str) -> None:
    """By whichever request it fails; nothing is on the board then."""
    with open_board(tmp_path) as ann:
        cluster.deny(verb, "configmaps")
        with pytest.raises(AccessDenied):
            ann.write("ann", "1")
        assert entries(cluster) == []


def test_another_refusal_is_not_taken_for_a_missing_board(cluster: SteerableCluster, tmp_path: Path) -> None:
    """An entry that the server finds invalid, written or removed, is an error; nothing is created in its place."""
    with open_board(tmp_path) as ann:
        for call in (lambda: ann.write("ann", "1"), lambda: ann.remove("ann")):
            cluster.fail_next(422)
            with pytest.raises(RequestRejected) as told:
                call()
            assert told.value.fault.status == 422
        assert entries(cluster) == []
        assert "POST" not in {request.method for request in cluster.requests}


def test_a_config_map_of_another_name_is_no_board(cluster: SteerableCluster, tmp_path: Path) -> None:
    """Whoever gave it the label: only the consoles' own one is read."""
    create(cluster, {"eve": "x"}, name="another")
    with open_board(tmp_path) as ann:
        ann.write("ann", "1")
        create(cluster, {"eve": "y"}, name="another")
        with open_board(tmp_path) as bob:
            assert bob.entries() == {"ann": "1"}
        assert ann.entries() == {"ann": "1"}


@pytest.mark.parametrize(("silent", "reads"), [(11.999, 0), (12.0, 0), (12.001, 1)])
def test_a_silent_watch_is_checked_after_twelve_seconds(
    cluster: SteerableCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: float, reads: int
) -> None:
    """Longer than two heartbeats: one read, which counts for the next twelve, whether the board is there or not."""
    clock: Any = SimpleNamespace(at=1000.0)
    clock.monotonic = lambda: clock.at
    monkeypatch.setattr("console.journal.config_map_board.time", clock)
    with open_board(tmp_path) as ann:
        ann.write("ann", "1")
        before = gets(cluster)
        clock.at += silent
        for _ in range(2):
            assert ann.entries() == {"ann": "1"}
        assert gets(cluster) - before == reads
        if reads:
            cluster.delete("configmaps", NAME)
            clock.at += 12.001
            for _ in range(2):
                assert ann.entries() == {}
            assert gets(cluster) - before == 2


def test_what_a_dead_watch_does_not_bring_is_read(
    cluster: SteerableCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that a firewall forgot brings nothing: the other's entry comes by the read, and an error of it is said."""
    clock: Any = SimpleNamespace(at=1000.0)
    clock.monotonic = lambda: clock.at
    monkeypatch.setattr("console.journal.config_map_board.time", clock)
    with CuttingProxy(cluster.url) as proxy:
        text = (tmp_path / "kubeconfig").read_text()
        (tmp_path / "forgotten").write_text(text.replace(cluster.url, proxy.url))
        with open_board(tmp_path, "forgotten") as ann, open_board(tmp_path) as bob:
            ann.write("ann", "1")
            proxy.forget(b"watch=")
            bob.write("bob", "1")
            clock.at += 12.001
            until(lambda: ann.entries() == {"ann": "1", "bob": "1"})
            clock.at += 12.001
            cluster.deny("get", "configmaps")
            with pytest.raises(AccessDenied):
                ann.entries()


@pytest.mark.parametrize("version", ["9" * 20, "9" * 5000, "x1", "", "१"])
def test_a_version_that_no_server_counts_makes_the_board_deaf_to_nothing(
    cluster: SteerableCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Such an answer counts as older than all that the watch brings."""
    clock: Any = SimpleNamespace(at=1000.0)
    clock.monotonic = lambda: clock.at
    monkeypatch.setattr("console.journal.config_map_board.time", clock)
    with open_board(tmp_path) as ann:
        odd = {"metadata": {"name": NAME, "resourceVersion": version, "labels": LABEL}, "data": {"eve": "1"}}
        cluster.serve_document(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}", odd)
        clock.at += 12.001
        assert ann.entries() == {"eve": "1"}
        create(cluster, {"bob": "1"})
        until(lambda: ann.entries() == {"bob": "1"})
