"""When a console counts as on, on clocks that only the test moves: every time exactly on its line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from memory_board import Clock, MemoryBoard, worker

from console.journal import process
from console.journal.presence import Presence, PresenceWorker, PresentConsole
from queries.errors import Unreachable
from queries.model.fault import Fault, FaultKind


def users(of: PresenceWorker) -> list[str]:
    return [item.user for item in of.view.others]


def entry(user: str, count: int = 1, **more: Any) -> str:
    beat = {"user": user, "console": f"{user} boot 1 1", "environment": "production", "at": 1_000_000.0, "count": count}
    return json.dumps({**beat, **more})


@pytest.mark.parametrize(("silent", "on"), [(15.999, True), (16.0, True), (16.001, False)])
def test_a_console_of_another_host_is_on_for_sixteen_seconds(silent: float, on: bool) -> None:
    """After its last heartbeat; the next one makes it on again."""
    board, clock = MemoryBoard({"x": entry("bob")}, live=True), Clock()
    ann = worker(board, "ann@vm", clock)
    ann.exchange()
    clock.pass_seconds(silent)
    ann.exchange()
    assert users(ann) == (["bob"] if on else [])
    board.entries_["x"] = entry("bob", 2)
    ann.exchange()
    assert users(ann) == ["bob"]


@pytest.mark.parametrize(("silent", "on"), [(6.999, True), (7.0, True), (7.001, False)])
def test_a_console_whose_process_ended_is_on_for_seven_seconds(silent: float, on: bool) -> None:
    """The machine knows that it is gone, but two containers may share a host name: seven seconds of heartbeats count."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    host, boot, _, _ = process.current().text().split(" ")
    console = f"{host} {boot} {ended.stdout.strip()} 1"
    board, clock = MemoryBoard({"x": entry("bob", console=console)}, live=True), Clock()
    ann = worker(board, "ann@vm", clock)
    ann.exchange()
    clock.pass_seconds(silent)
    ann.exchange()
    assert users(ann) == (["bob"] if on else [])


@pytest.mark.parametrize(("passed", "writes"), [(4.499, 1), (4.5, 2), (5.0, 2)])
def test_a_heartbeat_is_due_after_nine_tenths_of_its_time(passed: float, writes: int) -> None:
    """The same content is not written before; another screen, and an answer to a newcomer, at once."""
    board, clock = MemoryBoard({}), Clock()
    ann = worker(board, "ann@vm", clock)
    ann.exchange()
    clock.pass_seconds(passed)
    ann.exchange()
    assert board.writes == writes
    ann.announce(screen="Alerts")
    ann.exchange()
    board.entries_["x"] = entry("bob")
    ann.exchange()
    ann.exchange()
    assert board.writes == writes + 2
    own = next(text for key, text in board.entries_.items() if key != "x")
    assert (json.loads(own)["count"], json.loads(own)["screen"]) == (board.writes, "Alerts")


def test_equal_entries_are_not_always_the_same_view() -> None:
    """On a read-only console, which writes no heartbeat that would have it look: time, a fault and its end change the view."""
    board, clock = MemoryBoard({}, live=True), Clock()
    ann = worker(board, "ann@vm", clock, writes=False)

    def look(*, seconds: float = 0.0) -> tuple[bool, list[str], bool]:
        clock.pass_seconds(seconds)
        ann.exchange()
        return ann.view.known, users(ann), bool(ann.view.error)

    assert look() == (False, [], False)
    assert look(seconds=6.5) == (True, [], False)
    assert look() == (True, [], False)
    board.fault = Fault(FaultKind.UNREACHABLE, "gone")
    assert look() == (False, [], True)
    board.fault = None
    assert look() == (True, [], False)
    board.entries_["x"] = entry("bob")
    assert look() == (True, ["bob"], False)
    assert look(seconds=16.0) == (True, ["bob"], False)
    assert look(seconds=0.001) == (True, [], False)


@pytest.mark.parametrize(("passed", "there"), [(59.0, True), (60.0, True), (60.5, False)])
def test_the_entry_of_a_killed_console_goes_after_a_minute(passed: float, there: bool) -> None:
    """By the next write of one that acts; one that only looks removes nothing."""
    for writes in (True, False):
        board, clock = MemoryBoard({"x": entry("bob"), "y": entry("eve")}), Clock()
        ann = worker(board, "ann@vm", clock, writes=writes)
        ann.exchange()
        clock.pass_seconds(passed / 2)
        board.entries_["y"] = entry("eve", 2)
        ann.exchange()
        clock.pass_seconds(passed / 2)
        ann.exchange()
        assert ("x" in board.entries_, "y" in board.entries_) == (there or not writes, True)


@pytest.mark.parametrize(("writes", "seconds"), [(True, 1.5), (False, 6.5)])
def test_who_is_on_is_known_once_everybody_could_answer(writes: bool, seconds: float) -> None:
    """One that acts is answered at once; one that only looks waits for the next heartbeats. An entry that proved itself is
    known at once.
    """
    for live in (True, False):
        board, clock = MemoryBoard({"x": entry("bob")}, live=live), Clock()
        ann = worker(board, "ann@vm", clock, writes=writes)
        known = []
        for wait in (0.0, seconds - 0.001, 0.001):
            clock.pass_seconds(wait)
            ann.exchange()
            known.append(ann.view.known)
        assert known == [False, False, True]
    alone = worker(MemoryBoard({}), "ann@vm", Clock(), writes=writes)
    alone.exchange()
    assert alone.view.known


@pytest.mark.parametrize(("ahead", "shown"), [(0.0, 0.0), (4.9, 0.0), (5.0, 5.0), (-4.9, 0.0), (-5.0, -5.0), (600.4, 600.0)])
def test_a_clock_that_is_off_by_five_seconds_is_said(ahead: float, shown: float) -> None:
    """A heartbeat takes a moment to arrive: less is the same clock. By account, and by console where there are two."""
    board, clock = MemoryBoard({}), Clock()
    ann = worker(board, "ann@vm", clock)
    ann.exchange()
    board.entries_["x"] = entry("bob", at=clock.wall + ahead)
    board.entries_["y"] = entry("bob", console="other boot 1 1", at=clock.wall + 50.0)
    ann.exchange()
    assert {item.console: item.clock_ahead_seconds for item in ann.view.others} == {
        "bob boot 1 1": shown,
        "other boot 1 1": 50.0,
    }
    assert ann.view.clock_ahead_seconds("bob", "other boot 1 1") == 50.0
    assert ann.view.clock_ahead_seconds("bob", "bob boot 1 1") == shown and ann.view.clock_ahead_seconds("eve") == 0.0


@pytest.mark.parametrize(("other", "shown"), [(600.0, 600.0), (604.0, 600.0), (605.0, 0.0), (0.0, 0.0), (-600.0, 0.0)])
def test_two_consoles_of_one_account_whose_clocks_differ_are_not_taken_for_one(other: float, shown: float) -> None:
    """Where it is not known which of them wrote an event, their clocks count only if they agree; 0 says that it is unknown."""
    consoles = tuple(PresentConsole(name, "bob", clock_ahead_seconds=at) for name, at in (("a", 600.0), ("b", other)))
    view = Presence(consoles, known=True)
    assert view.clock_ahead_seconds("bob") == view.clock_ahead_seconds("bob", "gone") == shown
    assert [view.clock_ahead_seconds("bob", name) for name in "ab"] == [600.0, other]


@pytest.mark.parametrize(("later", "shown"), [(104.9, 100.0), (105.0, 105.0), (95.1, 100.0), (95.0, 95.0)])
def test_a_clock_counts_anew_once_it_moved_by_five_seconds(later: float, shown: float) -> None:
    """What is less is the delay of a heartbeat, not a clock."""
    board, clock = MemoryBoard({}), Clock()
    ann = worker(board, "ann@vm", clock)
    ann.exchange()
    for count, ahead in ((1, 100.0), (2, later)):
        board.entries_["x"] = entry("bob", count, at=clock.wall + ahead)
        ann.exchange()
    assert [item.clock_ahead_seconds for item in ann.view.others] == [shown]


def test_fifty_consoles_are_shown_and_a_hundred_looked_at() -> None:
    """In the order of their names; an entry beyond is not even remembered until another one is gone."""
    board, clock = MemoryBoard({f"{at:03}": entry(f"u{at:03}") for at in range(101)}, live=True), Clock()
    ann = worker(board, "ann@vm", clock, writes=False)
    ann.exchange()
    assert users(ann) == [f"u{at:03}" for at in range(50)]
    for at in range(99):
        del board.entries_[f"{at:03}"]
    ann.exchange()
    ann.exchange()
    assert users(ann) == ["u099", "u100"]


def test_a_heartbeat_fits_into_a_notification() -> None:
    """Texts are cut at 160 characters, and shorter until the whole is at most 7500 bytes of ASCII."""
    board, clock = MemoryBoard({}), Clock()
    ann = worker(board, "ann@vm", clock)
    ann.announce(screen="s" * 161, preview="p" * 160, target="t")
    ann.exchange()
    (plain,) = board.entries_.values()
    beat = json.loads(plain)
    assert (beat["screen"], beat["preview"], beat["target"], beat["user"]) == ("s" * 160, "p" * 160, "t", "ann@vm")
    ann.announce(screen="🦊" * 160, preview="🦊" * 160, target="🦊" * 160)
    ann.exchange()
    (wide,) = board.entries_.values()
    length = len(json.loads(wide)["screen"])
    assert len(wide) <= 7500 and wide.isascii() and length in (160, 80, 40)
    longer = len(wide) + 3 * 12 * length
    assert length == 160 or longer > 7500


def test_a_board_with_a_fault_says_it_and_nothing_is_written() -> None:
    """What it has is not current: nobody is known to be on, and the own entry waits."""
    board, clock = MemoryBoard({}), Clock()
    board.fault = Unreachable("the watch broke", where="x").fault
    ann = worker(board, "ann@vm", clock)
    ann.exchange()
    assert (ann.view.error, ann.view.known, ann.view.shown, board.writes) == ("the watch broke at x", False, False, 0)
    board.fault = None
    ann.exchange()
    assert (ann.view.error, ann.view.known, ann.view.shown, board.writes) == ("", True, True, 1)
    assert msgspec.json.decode(next(iter(board.entries_.values())))["screen"] == "Overview"


def test_a_heartbeat_has_its_time_in_tenths_and_its_number() -> None:
    """So that two of them differ, and their delay is not taken for a clock; the entry has nothing that is empty."""
    board, clock = MemoryBoard({}), Clock(1_000_000.27)
    ann = worker(board, "ann@vm", clock)
    beats = []
    for _ in range(2):
        ann.exchange()
        beats.append(json.loads(next(iter(board.entries_.values()))))
        clock.pass_seconds(5.0)
    told = {"user": "ann@vm", "console": "ann@vm-host boot 1 1", "environment": "production", "screen": "Overview"}
    assert beats == [{**told, "at": 1_000_000.3, "count": 1}, {**told, "at": 1_000_005.3, "count": 2}]
