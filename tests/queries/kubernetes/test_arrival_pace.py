"""Pieces of a stream that gather while nobody reads them."""

from __future__ import annotations

from collections.abc import Iterator

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
