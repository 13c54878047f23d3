"""Presence: who else is on, over each of the three boards, with clocks that differ, killed consoles and stores that fail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from limits import extend
from memory_board import Clock, MemoryBoard, worker
from postgresql_fixture import Server
from shared_host import NAMESPACE, cluster_store, until
from steerable_cluster import SteerableCluster

from console.config.settings import POSTGRESQL, StoreSettings
from console.journal import presence, process
from console.journal.local_board import FILE, LocalBoard
from console.journal.postgresql import PostgreSQL
from console.journal.presence import BEAT_SECONDS, EXPIRES_SECONDS, PresenceBoard, PresenceWorker
from queries.errors import Unreachable

HOSTILE = "[bold]eve[/]\x1b]52;c;aGk=\x07"


def test_clocks_ten_minutes_apart_neither_hide_nor_keep_a_console() -> None:
    """Each counts heartbeats by its own clock: ann, ten minutes behind, sees bob, and no longer three heartbeats after his
    last; by how much his clock is ahead is known, so that the age of what he did can be told.
    """
    board, one, other = MemoryBoard({}), Clock(), Clock(1_000_600.0)
    ann, bob = worker(board, "ann@vm", one), worker(board, "bob@vm", other)
    for _ in range(3):
        ann.exchange()
        bob.exchange()
        one.pass_seconds(BEAT_SECONDS)
        other.pass_seconds(BEAT_SECONDS)
    ann.exchange()
    (seen,) = ann.view.others
    assert (seen.user, seen.screen, ann.view.known, ann.view.shown) == ("bob@vm", "Overview", True, True)
    assert seen.clock_ahead_seconds == pytest.approx(600.0, abs=2 * BEAT_SECONDS)
    assert ann.view.clock_ahead_seconds("bob@vm") == seen.clock_ahead_seconds
    one.pass_seconds(EXPIRES_SECONDS + 1)
    ann.exchange()
    assert (ann.view.others, ann.view.known) == ((), True)


def test_the_last_heartbeat_of_a_killed_console_is_nobody() -> None:
    """A newcomer does not take what stands on the board for a console that is on: only a second heartbeat proves it, and until
    then it is not known who is on. The entry goes after a minute.
    """
    board, clock = MemoryBoard({}), Clock()
    worker(board, "ann@vm", clock).exchange()
    bob = worker(board, "bob@vm", clock)
    bob.exchange()
    assert (bob.view.others, bob.view.known) == ((), False)
    for _ in range(14):
        clock.pass_seconds(BEAT_SECONDS)
        bob.exchange()
        assert bob.view.others == ()
    assert bob.view.known
    assert len(board.entries_) == 1


def test_a_newcomer_is_answered_at_once() -> None:
    """Ann does not wait for her next heartbeat when bob comes: he sees her with the next exchange."""
    board, clock = MemoryBoard({}), Clock()
    ann, bob = worker(board, "ann@vm", clock), worker(board, "bob@vm", clock)
    ann.exchange()
    bob.exchange()
    clock.pass_seconds(0.2)
    ann.exchange()
    bob.exchange()
    assert [item.user for item in bob.view.others] == ["ann@vm"]
    assert bob.view.known


def test_a_console_that_only_looks_is_not_shown() -> None:
    """Read-only writes nothing, sees the others, and knows that they do not see it."""
    board, clock = MemoryBoard({}), Clock()
    ann, eve = worker(board, "ann@vm", clock), worker(board, "eve@vm", clock, writes=False)
    for _ in range(3):
        eve.exchange()
        ann.exchange()
        clock.pass_seconds(BEAT_SECONDS)
    assert [item.user for item in eve.view.others] == ["ann@vm"]
    assert (eve.view.shown, ann.view.others) == (False, ())


def test_another_environment_and_whatever_is_no_heartbeat_is_left_out() -> None:
    """Staging's consoles are not production's; text of any other shape is nobody, and a long one is cut."""
    board, clock = MemoryBoard({"x": "[]", "y": '{"user": 1}', "z": "{" * 100_000}, live=True), Clock()
    ann = worker(board, "ann@vm", clock)
    worker(board, "bob@vm", clock, environment="staging").exchange()
    eve = worker(board, HOSTILE + "x" * 500, clock)
    eve.exchange()
    clock.pass_seconds(2.0)
    ann.exchange()
    (seen,) = ann.view.others
    assert seen.user.startswith(HOSTILE) and len(seen.user) == 160


def test_a_board_that_fails_says_so_and_nobody_is_taken_for_gone() -> None:
    """While the store is away it is not known who is on; who was seen stays until three heartbeats are missing."""
    board, clock = MemoryBoard({}), Clock()
    ann, bob = worker(board, "ann@vm", clock), worker(board, "bob@vm", clock)
    for each in (ann, bob, ann, bob):
        each.exchange()
    board.failure = Unreachable("the store is gone", where="x")
    clock.pass_seconds(BEAT_SECONDS)
    ann.exchange()
    assert (ann.view.known, ann.view.shown) == (False, False)
    assert "the store is gone" in ann.view.error
    assert [item.user for item in ann.view.others] == ["bob@vm"]
    board.failure = None
    ann.exchange()
    assert ann.view.known and not ann.view.error


@pytest.mark.parametrize(("strangers", "seen"), [(99, ["bob@vm"]), (100, [])])
def test_a_board_full_of_strangers_is_not_read_for_ever(strangers: int, seen: list[str]) -> None:
    """A hundred ids are remembered, whoever wrote them: the memory of a console does not grow with what others write."""
    board, clock = MemoryBoard({f"stranger-{at}": "[]" for at in range(strangers)}), Clock()
    ann, bob = worker(board, "ann@vm", clock), worker(board, "bob@vm", clock)
    ann.exchange()
    for _ in range(2):
        bob.exchange()
        ann.exchange()
        clock.pass_seconds(BEAT_SECONDS)
    assert [item.user for item in ann.view.others] == seen


def test_a_heartbeat_has_7500_bytes_at_most() -> None:
    """Texts are cut to 160 characters, and all of them to half of that where they take more bytes."""
    wide = "\U0001f600"

    def written(target: str) -> dict[str, str]:
        board = MemoryBoard({})
        each = worker(board, wide * 300, Clock(), console="host boot 1 1")
        each.announce(screen=wide * 160, preview=wide * 160, target=target)
        each.exchange()
        (text,) = board.entries_.values()
        assert len(text) <= 7500
        return {**json.loads(text), "bytes": len(text)}

    left = 7501 - int(written("x")["bytes"])
    full = wide * (left // 12) + "x" * (left % 12)
    found = written(full)
    assert (found["bytes"], found["user"], found["target"]) == (7500, wide * 160, full)
    cut = written(full + "x")
    assert (cut["user"], cut["screen"], cut["target"]) == (wide * 80, wide * 80, full[:80])


def test_a_quiet_minute_changes_no_view() -> None:
    """Heartbeats that repeat the same are twelve a minute, and none of them is news for a screen."""
    board, clock, news = MemoryBoard({}), Clock(), []
    ann, bob = worker(board, "ann@vm", clock), worker(board, "bob@vm", clock)
    for each in (ann, bob, ann, bob):
        each.exchange()
    views, before = (ann.view, bob.view), board.writes
    for _ in range(120):
        clock.pass_seconds(0.5)
        ann.exchange()
        bob.exchange()
        news += [each.view for each, view in ((ann, views[0]), (bob, views[1])) if each.view is not view]
    assert news == []
    assert 20 <= board.writes - before <= 30


def test_a_process_that_ended_on_this_machine_expires_sooner() -> None:
    """The machine knows that the process is gone: two heartbeats are enough."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    host, boot, _, _ = process.current().text().split(" ")
    board, clock = MemoryBoard({}, live=True), Clock()
    ann = worker(board, "ann@vm", clock)
    worker(board, "bob@vm", clock, console=f"{host} {boot} {ended.stdout.strip()} 1").exchange()
    clock.pass_seconds(2.0)
    ann.exchange()
    assert ann.view.is_on("bob@vm")
    clock.pass_seconds(8.0)
    ann.exchange()
    assert not ann.view.is_on("bob@vm")


# The three boards


@pytest.fixture(params=["file", "kubernetes", "postgresql"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., PresenceWorker]]:
    """Opens a console's worker on a board that all of them share; heartbeats come every second."""
    monkeypatch.setattr(presence, "BEAT_SECONDS", 1.0)
    workers: list[PresenceWorker] = []
    stores: list[PostgreSQL] = []
    cluster = SteerableCluster(NAMESPACE) if request.param == "kubernetes" else None
    if cluster is not None:
        cluster.start()
        cluster.kubeconfig(tmp_path / "kubeconfig")
    server: Server | None = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    url = server.url(server.database()) if server else ""

    def open_board(read_only: bool) -> PresenceBoard:
        if cluster is not None:
            return cluster_store(tmp_path / "kubeconfig", read_only=read_only).board()
        if server is None:
            return LocalBoard(tmp_path / FILE)
        store = PostgreSQL(StoreSettings(POSTGRESQL, url=url), read_only=read_only, backoff_cap_seconds=1.0)
        board = store.board()
        store.listen(lambda: None)
        stores.append(store)
        return board

    def make(user: str, *, read_only: bool = False) -> PresenceWorker:
        found = PresenceWorker(
            open_board(read_only),
            user=user,
            environment="production",
            writes=not read_only,
            changed=lambda: None,
            console=f"{user}-host boot 1 1",
        )
        found.start()
        workers.append(found)
        return found

    yield make
    for each in workers:
        each.close(2.0)
    for store in stores:
        store.close()
    if cluster is not None:
        methods = {item.method for item in cluster.requests}
        assert methods <= {"GET", "POST", "PATCH"}
        cluster.stop()


def test_each_sees_the_other_within_two_seconds(opened: Callable[..., PresenceWorker]) -> None:
    """On every store: who is on, on which screen, what they preview, and that they left; a read-only console sees all that.

    The database holds LATIN1 only, and NOTIFY less than 8,000 bytes: neither hides a console.
    """
    ann = opened("ann@vm")
    ann.announce(screen="Alerts")
    until(lambda: ann.view.shown)
    bob = opened("bob@vm")
    bob.announce(screen="Overview")
    until(lambda: ann.view.is_on("bob@vm") and bob.view.is_on("ann@vm"))
    eve = opened("eve@vm", read_only=True)
    took = []
    for preview in ("Roll back deployment/cad-ml-api", "", HOSTILE, "Silence 東京 → Łódź"):
        bob.announce(preview=preview, target="deployment/cad-ml-api" if preview else "")
        took.append(until(lambda preview=preview: [item.preview for item in ann.view.others] == [preview]))
    bob.announce(screen="🦊" * 160, preview="🦊" * 160, target="🦊" * 160)
    until(lambda: [set(item.preview) for item in ann.view.others] == [{"🦊"}])
    assert sorted(took)[1] < extend(2.0), took
    until(lambda: {item.user for item in eve.view.others} == {"ann@vm", "bob@vm"})
    assert not eve.view.shown and not ann.view.is_on("eve@vm")
    bob.close(2.0)
    assert until(lambda: not ann.view.is_on("bob@vm")) < extend(4.0)
    assert ann.view.known


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    """What stands beside the journal is worth nothing: a file that SQLite cannot read is replaced."""
    (tmp_path / FILE).write_bytes(b"no database, and longer than a header of one hundred bytes" * 10)
    board = LocalBoard(tmp_path / FILE)
    with pytest.raises(Unreachable, match=re.escape(FILE)):
        board.entries()
    board.write("a", "{}")
    assert board.entries() == {"a": "{}"}
    board.close()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_announcing_never_waits(tmp_path: Path) -> None:
    """A board that hangs holds up no key: the worker's thread waits, not the caller."""

    class Hanging(MemoryBoard):
        def entries(self) -> dict[str, str] | None:
            time.sleep(0.3)
            return {}

    ann = worker(Hanging({}), "ann@vm", Clock())
    ann.start()
    began = time.monotonic()
    for number in range(100):
        ann.announce(screen=str(number))
    assert time.monotonic() - began < extend(0.2)
    ann.close(2.0)
