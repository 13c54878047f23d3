"""A journal of years costs a start no more than an empty one; a million events are measured by `make bench BENCH=journal`."""

from __future__ import annotations

import opening
import pytest
from journal_files import events, write_old

from console.journal.sqlite import Journal

EVENTS = 20_000


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    """One with a long journal of the release before, which this one has read, and one with an empty journal."""
    long, journal = opening.home(tmp_path_factory.mktemp("long"))
    write_old(journal, events(EVENTS))
    empty, other = opening.home(tmp_path_factory.mktemp("empty"))
    Journal.open(other).close()
    for environ in (long, empty):
        opening.cost(environ, ())
    with Journal.open(journal) as opened:
        assert opened.select("SELECT count(*) FROM snapshots", ())[0][0] > 0
        # What is new since the newest snapshot has to be read at every start.
        for number in range(100):
            opened.append(next(iter(events(1, seed=number))))
    return long, empty


@pytest.mark.parametrize("verb", [(), *opening.VERBS], ids=lambda verb: " ".join(verb) or "session")
def test_a_long_journal_costs_a_start_no_more_than_an_empty_one(
    homes: tuple[dict[str, str], dict[str, str]], verb: tuple[str, ...]
) -> None:
    """At most 1.2 times the memory and 1.5 times the time, medians of five pairs: time on the processor, for the machine that
    tests run on is busy."""
    long, empty, ratio = opening.compare(*homes, verb)
    assert ratio.megabytes <= 1.2, (long, empty, ratio)
    assert ratio.cpu_seconds <= 1.5, (long, empty, ratio)
