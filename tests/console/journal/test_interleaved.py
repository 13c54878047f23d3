"""Two consoles under a thousand interleaved events, one of them killed: on one file, on one cluster, on one database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgresql_fixture import Server
from shared_host import NAMESPACE, until

from console.demo.cluster import DemoCluster
from console.journal.chain import checked
from console.journal.event import Event
from console.journal.postgresql import TABLE
from console.journal.sqlite import Journal

ROOT = Path(__file__).parents[3]
EACH = 500


class Writer:
    """One process; `told` are the numbers and ids of which it said that the disk has them."""

    def __init__(self, folder: Path, name: str, file: str, store: str, *, first: int = 0) -> None:
        words = [str(ROOT / "tests" / "support" / "writing_host.py"), str(folder), name, file, store, str(first)]
        self.process = subprocess.Popen(
            [sys.executable, *words, str(EACH - first)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.told: dict[int, str] = {}

    def read(self, count: int | None = None) -> None:
        """The next lines, or all until it has written everything."""
        assert self.process.stdout is not None
        while count is None or count > 0:
            number, _, identity = self.process.stdout.readline().strip().partition(" ")
            if number == "written":
                return
            assert identity, "it ended before it had written all"
            self.told[int(number)] = identity
            count = None if count is None else count - 1

    def kill(self) -> None:
        """-9; what it had said until then counts, a line that was cut does not."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGKILL)
        for line in self.process.stdout.read().splitlines(keepends=True):
            number, _, identity = line.strip().partition(" ")
            if line.endswith("\n") and identity:
                self.told[int(number)] = identity
        self.process.communicate()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=20)
            assert self.process.returncode == 0


@contextmanager
def two(folder: Path, store: str) -> Iterator[tuple[dict[str, dict[int, str]], dict[str, str]]]:
    """Both have written their half when it yields; one was killed in the middle and started again. Gives what each said, and
    which file each has.
    """
    files = {"ann": "one", "bob": "one" if store == "-" else "two"}
    ann, bob = (Writer(folder, name, files[name], store) for name in ("ann", "bob"))
    bob.read(50)  # so that both are at it
    ann.read(EACH // 3)
    ann.kill()
    # An event that the disk has and of which nothing was said may be there too: it counts on from what is there.
    with Journal.open_to_read(folder / "one.sqlite3") as journal:
        first = 1 + max(event.data["number"] for event in journal.events() if event.author == "ann")
    again = Writer(folder, "ann", files["ann"], store, first=first)
    try:
        again.read()
        bob.read()
        yield {"ann": {**ann.told, **again.told}, "bob": bob.told}, files
    finally:
        for each in (again, bob):
            each.end()


def ordered(folder: Path, file: str) -> list[Event]:
    with Journal.open_to_read(folder / f"{file}.sqlite3") as journal:
        return sorted(journal.events(), key=lambda event: event.order)


def examine(folder: Path, told: dict[str, dict[int, str]], files: dict[str, str]) -> None:
    """Nothing lost, nothing doubled, each writer's order kept, the chain whole, and both the same."""
    seen = {name: ordered(folder, file) for name, file in files.items()}
    assert [event.id for event in seen["ann"]] == [event.id for event in seen["bob"]]
    events = seen["ann"]
    assert len(events) == len({event.id for event in events}) == 2 * EACH
    ids = {event.id for event in events}
    for name in ("ann", "bob"):
        assert [event.data["number"] for event in events if event.author == name] == list(range(EACH))
        assert set(told[name].values()) <= ids
    for file in set(files.values()):
        with Journal.open_to_read(folder / f"{file}.sqlite3") as journal:
            assert checked(journal.links(), whole=False).faults == ()


def settled(folder: Path, files: dict[str, str]) -> None:
    """Each has all, and nothing waits any more."""

    def all_there() -> bool:
        counts = []
        for file in files.values():
            with Journal.open_to_read(folder / f"{file}.sqlite3") as journal:
                counts.append((journal.last_sequence(), journal.unshared()))
        return counts == [(2 * EACH, ())] * 2

    until(all_there, seconds=30.0)


def test_on_one_file(tmp_path: Path) -> None:
    """Two consoles on one host append to one SQLite file."""
    with two(tmp_path, "-") as (told, files):
        pass
    examine(tmp_path, told, files)


def test_on_one_cluster(tmp_path: Path) -> None:
    """Two hosts append through ConfigMaps; the cluster has each event once, in segments below their limit."""
    with DemoCluster(NAMESPACE) as cluster:
        cluster.kubeconfig(tmp_path / "kubeconfig")
        with two(tmp_path, str(tmp_path / "kubeconfig")) as (told, files):
            settled(tmp_path, files)
        examine(tmp_path, told, files)
        segments = [item.get("data") or {} for item in cluster.objects("configmaps")]
        keys = [key for data in segments for key in data]
        assert len(keys) == len(set(keys)) == 2 * EACH
        assert all(sum(len(key) + len(text) for key, text in data.items()) <= 8 << 10 for data in segments)


def test_on_one_database(postgresql: Server, tmp_path: Path) -> None:
    """Two hosts append through PostgreSQL; the table has each event once."""
    name = postgresql.database()
    with two(tmp_path, postgresql.url(name)) as (told, files):
        settled(tmp_path, files)
    examine(tmp_path, told, files)
    assert postgresql.ask(f"SELECT count(*), count(DISTINCT id) FROM {TABLE}", name) == [(1000, 1000)]


@pytest.mark.parametrize("kind", ["cluster", "database"])
def test_two_on_one_host_and_one_store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Two consoles of one host bring the same waiting events to the same store: each is there once."""
    if kind == "database":
        server = request.getfixturevalue("postgresql")
        name = server.database()
        with two_of_one(tmp_path, server.url(name)) as told:
            until(lambda: server.ask(f"SELECT count(*) FROM {TABLE}", name) == [(1000,)], seconds=20.0)
    else:
        with DemoCluster(NAMESPACE) as cluster:
            cluster.kubeconfig(tmp_path / "kubeconfig")
            with two_of_one(tmp_path, str(tmp_path / "kubeconfig")) as told:
                until(lambda: keys_of(cluster) >= 2 * EACH, seconds=20.0)
            assert keys_of(cluster) == 2 * EACH
    examine(tmp_path, told, {"ann": "one", "bob": "one"})


def keys_of(cluster: DemoCluster) -> int:
    return sum(len(item.get("data") or {}) for item in cluster.objects("configmaps"))


@contextmanager
def two_of_one(folder: Path, store: str) -> Iterator[dict[str, dict[int, str]]]:
    writers = {name: Writer(folder, name, "one", store) for name in ("ann", "bob")}
    try:
        for each in writers.values():
            each.read()
        yield {name: each.told for name, each in writers.items()}
    finally:
        for each in writers.values():
            each.end()
