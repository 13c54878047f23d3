"""The store that the settings name: its name identifies one cluster, and one that is not configured says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from screen_samples import settings

from console.config.settings import KUBERNETES, POSTGRESQL, Settings, StoreSettings
from console.journal.config_maps import ConfigMaps
from console.journal.postgresql import PostgreSQL
from console.journal.store_factory import former_names, open_store, store_name
from queries.errors import NotConfigured
from queries.http.endpoint import ClusterEndpoint, ClusterPlace

IN_CLUSTER = StoreSettings(KUBERNETES, namespace="cad-console")


def at(folder: Path, server: str, cluster: str = "prod", **changes: object) -> Settings:
    place = ClusterPlace("ctx", cluster, server, "me") if server else None
    endpoint = ClusterEndpoint("cad", kubeconfig="/kube/config", context="ctx", place=place)
    return replace(settings(folder, store=IN_CLUSTER), kubernetes=endpoint, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("server", "cluster", "name"),
    [
        ("https://api.test:6443", "prod", "kubernetes production/cad-console at https://api.test:6443"),
        ("https://127.0.0.1:6443", "prod", "kubernetes production/cad-console at prod by https://127.0.0.1:6443"),
        ("https://localhost:6443", "", "kubernetes production/cad-console at https://localhost:6443"),
        ("https://[::1]:6443", "b", "kubernetes production/cad-console at b by https://[::1]:6443"),
        ("", "prod", "kubernetes production/cad-console"),
    ],
)
def test_the_name_tells_two_clusters_apart(tmp_path: Path, server: str, cluster: str, name: str) -> None:
    """By the server; behind a tunnel, where two clusters share an address, by the cluster's name as well."""
    assert store_name(at(tmp_path, server, cluster)) == name


def test_names_that_older_consoles_used(tmp_path: Path) -> None:
    """The bare name counts where no flag chose the cluster; the present name is no former one."""
    bare, by = "kubernetes production/cad-console", "kubernetes production/cad-console by /kube/config ctx"
    assert former_names(at(tmp_path, "https://api.test")) == (by, bare)
    flagged = {"cluster_named": False, "origins": (("kubernetes", "flag --kubeconfig"),)}
    assert former_names(at(tmp_path, "https://api.test", **flagged)) == (by,)  # type: ignore[arg-type]
    asked = {"cluster_named": False, "origins": (("kubernetes", "environment KUBECONFIG"),)}
    assert former_names(at(tmp_path, "https://api.test", **asked)) == (by, bare)  # type: ignore[arg-type]
    assert former_names(at(tmp_path, "https://api.test", **{**flagged, "cluster_named": True})) == (by, bare)  # type: ignore[arg-type]
    assert former_names(at(tmp_path, "")) == (by,)
    assert former_names(settings(tmp_path)) == former_names(settings(tmp_path, store=IN_CLUSTER)) == ()


def test_each_kind_of_store(tmp_path: Path) -> None:
    """Opened without a connection; no store is none."""
    database = settings(tmp_path, store=StoreSettings(POSTGRESQL, url="postgresql://me@db.test/journal"))
    opened = [open_store(database), open_store(at(tmp_path, "https://api.test")), open_store(settings(tmp_path))]
    assert [type(item) for item in opened] == [PostgreSQL, ConfigMaps, type(None)]
    assert store_name(database) == database.store.where and store_name(settings(tmp_path)) == ""  # type: ignore[union-attr]
    assert former_names(database) == ()
    for store in opened[:2]:
        assert store is not None
        store.close()


def test_a_store_without_a_cluster_refuses_with_the_reason(tmp_path: Path) -> None:
    """Every call raises it, and it is the store's fault from the start: nothing is called shared."""
    store = open_store(settings(tmp_path, store=IN_CLUSTER))
    assert store is not None and store.fault is not None
    assert (store.where, store.fault.what) == ("ConfigMaps in the namespace cad-console", "Kubernetes is not configured")
    assert store.fault.hint == "set KUBECONFIG or --kubeconfig, or share the journal elsewhere"
    assert (store.warnings, store.left_out) == ((), ())
    for call in (lambda: store.read("", lambda events, cursor: None), lambda: store.push([]), store.ping):
        with pytest.raises(NotConfigured, match="Kubernetes is not configured"):
            call()
    store.listen(lambda: None)
    store.close()


def test_the_board_of_a_store_without_a_cluster_knows_nobody(tmp_path: Path) -> None:
    """Not even itself: nobody is taken for gone, and the reason is the store's. Neither a write nor an end is an error."""
    store = open_store(settings(tmp_path, store=IN_CLUSTER))
    assert store is not None
    board = store.board()
    changes: list[int] = []
    board.open(lambda: changes.append(1))
    board.write("me", "{}")
    board.remove("me")
    assert (board.entries(), changes, board.fault) == (None, [], store.fault)
    assert board.fault is not None and board.fault.what == "Kubernetes is not configured"
    board.close()
