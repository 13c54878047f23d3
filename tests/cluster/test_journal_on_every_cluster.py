"""The shared journal on the cluster in the process and, where there is one, on a real control plane."""

from __future__ import annotations

from pathlib import Path

from cluster_fixture import Namespace, until
from two_consoles import EACH, examine, settled, two, two_of_one

SEGMENT_BYTES = 8 << 10


def segments(ns: Namespace) -> list[dict[str, str]]:
    """The data of each config map of the journal."""
    found = ns.get(ns.maps(), labelSelector="cad-console/journal=segment")["items"]
    return [dict(item.get("data") or {}) for item in found]


def test_two_hosts_and_one_cluster(ns: Namespace, tmp_path: Path) -> None:
    """Two hosts append a thousand events, one killed meanwhile: the cluster has each once, in segments within limits."""
    with two(tmp_path, ns.journal_store(tmp_path)) as (told, files):
        settled(tmp_path, files)
    examine(tmp_path, told, files)
    found = segments(ns)
    keys = [key for data in found for key in data]
    assert len(keys) == len(set(keys)) == 2 * EACH
    assert all(sum(len(key) + len(text) for key, text in data.items()) <= SEGMENT_BYTES for data in found)


def test_two_on_one_host_and_one_cluster(ns: Namespace, tmp_path: Path) -> None:
    """Two consoles of one host bring the same waiting events to the same cluster: each is there once."""
    with two_of_one(tmp_path, ns.journal_store(tmp_path)) as told:
        until(lambda: sum(map(len, segments(ns))) >= 2 * EACH, "all events in the cluster", seconds=60.0)
    assert sum(map(len, segments(ns))) == 2 * EACH
    examine(tmp_path, told, {"ann": "one", "bob": "one"})
