"""The long run in short, for every run of the suite; SOAK_SECONDS makes it longer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from long_run import Told, soak
from loops import begin_and_end, demo_begins_and_ends, left_behind

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Told]]:
    """It runs in processes of its own, beside the tests that come before its own."""
    with ThreadPoolExecutor(1) as hand:
        yield hand.submit(soak, tmp_path_factory.mktemp("soak"), SECONDS)


@pytest.fixture(autouse=True)
def _begin_long_run(request: pytest.FixtureRequest) -> None:
    if any(item.path == request.path and "long_run" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("long_run")


@pytest.mark.parametrize("way", ["q", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_starting_and_ending_leaves_nothing(way: str, tmp_path: Path) -> None:
    """Start, look, end, some times in a row: no process, lock, temporary file; the journal can be written."""
    for _ in range(3):
        begin_and_end(way, tmp_path)
    assert left_behind(tmp_path) == []


@pytest.mark.servers
def test_the_demo_leaves_nothing(tmp_path: Path) -> None:
    """The embedded stack begins and ends: no process, listening port or file of it is there afterwards."""
    assert demo_begins_and_ends(tmp_path) == []


def test_a_long_run_holds_what_it_held(long_run: Future[Told]) -> None:
    """Twenty times the cadence, 5,000 alerts of which 50 change each time, random faults, a growing journal.

    After the warm-up memory grows by less than 6 MB (2 MB in half an hour and more), descriptors, tasks and threads not at all;
    the loop wakes in time; the faults over, everything is there; nothing stays at the end.
    """
    output = long_run.result()
    print(output.table())
    assert output.failures() == []
    assert output.faults >= SECONDS / 10
