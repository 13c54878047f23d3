"""Pieces of a stream that gather while nobody reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from queries.kubernetes.arrival_pace import PAUSE_SECONDS, gather


class Stream:
    """Pieces that arrive at fixed times; reading one waits for it. Time passes only in reads and pauses."""

    def __init__(self, *times: float) -> None:
        self.now = 0.0
        self.pauses = 0
        self.read: list[tuple[float, float]] = []
        self._times = times

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses += 1
        self.now += seconds

    def _pieces(self) -> Iterator[float]:
        for at in self._times:
            self.now = max(self.now, at) + 0.00002
            yield at

    def run(self) -> None:
        for at in gather(self._pieces(), clock=self.clock, sleep=self.sleep):
            self.read.append((at, self.now))


def test_a_piece_after_a_quiet_time_comes_at_once() -> None:
    """One change a second: each is read the moment it arrives."""
    stream = Stream(*range(1, 6))
    stream.run()
    assert stream.pauses == 0 and all(now - at < 0.001 for at, now in stream.read)


def test_a_hundred_a_second_are_read_ten_at_a_time() -> None:
    """They wait a pause at most, and a reader wakes up some ten times a second and not a hundred times."""
    stream = Stream(*(number / 100 for number in range(1, 1001)))
    stream.run()
    assert max(now - at for at, now in stream.read) <= PAUSE_SECONDS + 0.001
    assert 50 <= stream.pauses <= 100


def test_a_stream_that_is_always_ready_is_never_paused() -> None:
    """What has arrived already is read without a pause, so that no reader falls behind."""
    stream = Stream(*([0.0] * 10_000))
    stream.run()
    assert stream.pauses == 0


def pauses(*times: float) -> list[float]:
    """The pauses of a stream of two pieces, by what the clock shows: at the start, and before and after each of them."""
    shown, found = iter([*times, 9.0, 9.0]), list[float]()
    assert list(gather(iter("ab"), clock=lambda: next(shown), sleep=found.append)) == ["a", "b"]
    return found


@pytest.mark.parametrize(
    ("waited", "paused"),
    [
        (0.0, False), (math.nextafter(0.001, 0.0), False), (0.001, True), (0.05, True), (0.1, True),
        (math.nextafter(0.1, 1.0), False),
    ],
)  # fmt: skip
def test_it_pauses_after_pieces_that_it_waited_for(waited: float, paused: bool) -> None:
    """From a thousandth to a tenth of a second, both exactly already: what came sooner was there, after a longer wait the next
    one will take its time as well.
    """
    assert pauses(-1.0, -1.0, 0.0, waited) == [PAUSE_SECONDS] * paused


@pytest.mark.parametrize(("awake", "paused"), [(math.nextafter(0.03, 0.0), False), (0.03, True)])
def test_it_reads_for_a_while_before_it_pauses(awake: float, paused: bool) -> None:
    """Three hundredths of a second since the last pause, exactly so long is enough."""
    assert pauses(0.0, awake, -9.0, -9.0) == [PAUSE_SECONDS] * paused
