"""The heads that the shared store keeps of every host's chain: what shows a journal that was written again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journal_damage import OF_FILES
from postgresql_fixture import Server
from shared_host import NAMESPACE, Host, cluster_store, until
from steerable_cluster import SteerableCluster

from console.config.settings import POSTGRESQL, StoreSettings
from console.journal.anchors import compare
from console.journal.event import Event
from console.journal.integrity import verify
from console.journal.postgresql import PostgreSQL
from console.journal.shared_store import SharedStore
from console.journal.sqlite import Journal
from queries.errors import SourceError

OF = {damage.name: damage for damage in OF_FILES}
Connect = Callable[[], SharedStore]


@pytest.fixture(params=["cluster", "postgresql"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    if request.param == "cluster":
        with SteerableCluster(NAMESPACE) as opened:
            opened.kubeconfig(tmp_path / "kubeconfig")
            yield lambda: cluster_store(tmp_path / "kubeconfig")
        return
    server: Server = request.getfixturevalue("postgresql")
    settings = StoreSettings(POSTGRESQL, url=server.url(server.database()))
    yield lambda: PostgreSQL(settings, read_only=False, backoff_cap_seconds=1.0)


def test_the_store_shows_a_journal_that_was_written_again(connect: Connect, tmp_path: Path) -> None:
    """With each event the store keeps its place in its writer's chain: what the file alone cannot show differs from it, and
    neither the untouched journal nor that of the other host does.
    """
    with Host(tmp_path, "ann", connect()) as ann, Host(tmp_path, "bob", connect()) as bob:
        for number in range(30):
            ann.write(f"a{number}")
            bob.write(f"b{number}")
        until(lambda: len(ann.subjects()) == len(bob.subjects()) == 60)
        ann.write("last")
        bob.write("last")
        until(lambda: not ann.journal.outbox.pending_count() and not bob.journal.outbox.pending_count())
    for name in ("ann", "bob"):
        with Journal.open_to_read(tmp_path / f"{name}.sqlite3") as journal:
            found = compare(journal, connect(), seconds=10.0)
            assert (found.heads, found.faults) == (31, ())
            assert found.last <= journal.head().sequence
    path = tmp_path / "ann.sqlite3"
    shutil.copy(path, tmp_path / "kept")
    for name in (
        "an edit, and the whole chain written again",
        "a row taken out, and the whole chain written again",
        "rows deleted at the end, and the counter set back",
    ):
        shutil.copy(tmp_path / "kept", path)
        OF[name].do(path, tmp_path)
        with Journal.open_to_read(path) as journal:
            assert verify(journal).faults == ()
            assert compare(journal, connect(), seconds=10.0).faults, name


def test_a_new_file_in_place_of_the_old_one_has_no_head_there(connect: Connect, tmp_path: Path) -> None:
    """The store knows none of it, which is said: nobody can tell a new file from one that was put in another's place."""
    with Host(tmp_path, "ann", connect()) as ann:
        ann.write("a")
        until(lambda: not ann.journal.outbox.pending_count())
    with Journal.open(tmp_path / "other") as journal:
        journal.append(Event(1.0, "note", "x", "ann"))
        found = compare(journal, connect(), seconds=10.0)
        assert (found.heads, found.faults) == (0, ())


def test_a_store_that_does_not_answer_is_said(tmp_path: Path) -> None:
    """Nothing is compared then, and nobody waits longer than was said."""
    settings = StoreSettings(POSTGRESQL, url="postgresql://nobody@127.0.0.1:9/none")
    with Journal.open(tmp_path / "j") as journal, pytest.raises(SourceError):
        compare(journal, PostgreSQL(settings, read_only=True), seconds=2.0)
