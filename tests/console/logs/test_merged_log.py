"""Lines merged by time, counted, searched and filtered."""

from __future__ import annotations

import random
import threading
import time

import pytest

from console.logs.merged_log import MAX_LINES, MergedLog
from console.logs.search import TextSearch
from queries.model.log import LogLine


def texts(log: MergedLog) -> list[str]:
    return [line.text for line in log.window(0, log.count())]


def filled(*lines: tuple[int, str], **options: int) -> MergedLog:
    log = MergedLog(**options)  # type: ignore[arg-type]
    log.deliver("pod", [(at, text, 0) for at, text in lines])
    log.merge_pending()
    return log


def test_lines_stand_in_the_order_of_their_times() -> None:
    """Whoever comes late is put where it belongs; of one nanosecond, the first to arrive stands first."""
    log = filled((3, "c"), (1, "a"))
    log.deliver("other", [(2, "b", 0), (3, "d", 0)])
    log.remark(3, "a notice")
    log.merge_pending()
    assert texts(log) == ["a", "b", "c", "d", "a notice"]
    assert [line.source for line in log.window(0, 9)] == ["pod", "other", "pod", "other", ""]
    assert (log.received, log.dropped, log.window(4, 5)[0].notice) == (4, 0, True)


@pytest.mark.parametrize("limit", [{"max_lines": 5}, {"max_bytes": 49}])
def test_what_falls_out_of_the_ring_is_counted(limit: dict[str, int]) -> None:
    """By lines or by bytes: the oldest go, and received is kept and dropped together."""
    log = filled(*((at, f"line {at:05}") for at in range(20)), **limit)
    kept = [line for line in log.window(0, log.count()) if not line.notice]
    assert texts(log) == [f"line {at:05}" for at in range(20 - len(kept), 20)]
    assert len(kept) == (5 if "max_lines" in limit else 4)
    assert (log.received, log.dropped) == (20, 20 - len(kept))
    log.deliver("late", [(0, "too old", 0)])
    log.merge_pending()
    assert (log.received, log.dropped) == (21, 21 - log.count())


def test_matches_are_found_in_what_is_there_and_in_what_comes() -> None:
    """Also where lines arrive late or fall out of the ring; the search goes around the end in both directions."""
    log = filled((1, "an error"), (2, "fine"), (3, "Error again"), max_lines=4)
    log.find(TextSearch("error"))
    log.merge_pending()
    first, last = (1, 0), (3, 2)
    assert log.match_count() == 2
    assert [log.next_match(key, 1) for key in (None, first, last)] == [last, last, first]
    assert [log.next_match(key, -1) for key in (last, first)] == [first, last]
    log.deliver("other", [(2, "an error, late", 0), (4, "ok", 0)])
    log.merge_pending()
    assert (log.match_count(), log.match_number((2, 3)), log.match_number(first), log.dropped) == (2, 1, 0, 1)
    log.find(None)
    log.merge_pending()
    assert (log.match_count(), log.next_match(None, 1)) == (0, None)


def expected(lines: list[LogLine], context: int) -> list[LogLine]:
    """The plain definition: every line that is at most so far from a match."""
    hits = [at for at, line in enumerate(lines) if "x" in line.text and not line.notice]
    return [line for at, line in enumerate(lines) if any(abs(at - hit) <= context for hit in hits)]


@pytest.mark.parametrize("context", [0, 1, 3])
def test_only_matches_and_their_context(context: int) -> None:
    """However lines arrive, early or late, it shows what a search of all lines would."""
    chance = random.Random(context)  # a fixed sequence
    log = MergedLog()
    log.find(TextSearch("x"))
    log.show_matches(context)
    for batch in range(60):
        lines = [(batch * 4 + chance.randrange(-6, 6) + 9, chance.choice("abcdx"), 0) for _ in range(chance.randrange(5))]
        log.deliver("pod", lines)
        log.merge_pending()
        shown = log.window(0, log.count())
        log.show_matches(None)
        log.merge_pending()
        assert shown == expected(log.window(0, log.count()), context)
        log.show_matches(context)
        log.merge_pending()
    assert log.match_count() > 10


def test_matches_fall_out_of_the_ring_with_their_lines() -> None:
    """What is in view is always in the ring, and no match that is in the ring is missing."""
    log = MergedLog(max_lines=20)
    log.find(TextSearch("x"))
    log.show_matches(1)
    for batch in range(40):
        log.deliver("pod", [(batch * 3 + each, "x" if each == batch % 5 else "a", 0) for each in range(3)])
        log.merge_pending()
        shown = log.window(0, log.count())
        log.show_matches(None)
        log.merge_pending()
        kept = log.window(0, log.count())
        assert set(shown) <= set(kept) and {line for line in kept if line.text == "x"} <= set(shown)
        log.show_matches(1)
        log.merge_pending()
    assert log.dropped == 100 and log.match_count()


def test_nothing_is_lost_between_many_writers_and_the_ring() -> None:
    """Twenty threads deliver faster than is merged: they wait, each line arrives once, and received is kept and dropped."""
    frames: list[int] = []
    log, count, each = MergedLog(max_lines=5_000, on_change=lambda: frames.append(1)), 20, 2_500
    log.start()

    def write(number: int) -> None:
        for first in range(0, each, 50):
            log.deliver(f"pod-{number}", [(at, f"{number}:{at}", 0) for at in range(first, first + 50)])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    while log.received < count * each:
        time.sleep(0.01)
    log.close()
    kept = log.window(0, log.count())
    assert (log.received, log.dropped, len(kept)) == (count * each, count * each - 5_000, 5_000)
    assert kept == sorted(kept) and len({line.text for line in kept}) == 5_000
    # One per frame at most: a screen is not told of every line.
    assert len(frames) <= 40


def test_a_closed_log_holds_nobody_up() -> None:
    """A source that waits for room is released, and its lines are refused."""
    log = MergedLog()
    log.deliver("pod", [(at, "x", 0) for at in range(25_000)])
    waiting = threading.Thread(target=log.deliver, args=("pod", [(1, "y", 0)]))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    log.close()
    waiting.join(5.0)
    assert not waiting.is_alive()


@pytest.mark.parametrize(
    ("pattern", "line", "spans"),
    [
        ("error", "an ERROR, an error", [(3, 8), (13, 18)]),
        ("Error", "an ERROR, an Error", [(13, 18)]),
        (r"code=5\d\d", "é code=503", [(2, 10)]),
        ("a(b", "xa(bx", [(1, 4)]),
        ("x*", "abc", []),
        ("(a+)+$", "a" * 200 + "b", []),
    ],
)
def test_how_a_pattern_is_searched(pattern: str, line: str, spans: list[tuple[int, int]]) -> None:
    """A regular expression in linear time, or the text itself where it is none; case counts once there is a capital."""
    search = TextSearch(pattern)
    assert search.spans(line) == spans
    assert search.matches(line) == (bool(spans) or pattern == "x*")
    assert bool(search.note) == (pattern == "a(b")


def test_a_full_ring_makes_nobody_wait() -> None:
    """With 100,000 lines a frame of 500 more from twenty pods, and the lines of a screen, cost less than a key press may wait;
    what falls out is counted.
    """
    log, each = MergedLog(), 5_000
    for first in range(0, MAX_LINES, each):
        log.deliver("pod-0", [(at, "x" * 80, 0) for at in range(first, first + each)])
        log.merge_pending()
    assert (log.count(), log.dropped) == (MAX_LINES, 0)
    merges, windows = [], []
    for frame in range(20):
        for pod in range(20):
            log.deliver(f"pod-{pod}", [(MAX_LINES + frame * 500 + pod * 25 + at, "y" * 80, 0) for at in range(25)])
        began = time.process_time()
        log.merge_pending()
        merged = time.process_time()
        shown = log.window(log.count() - 60, log.count())
        windows.append(time.process_time() - merged)
        merges.append(merged - began)
        assert len(shown) == 60
    assert (log.count(), log.dropped, log.received) == (MAX_LINES, 10_000, MAX_LINES + 10_000)
    assert min(merges) < 0.005 and min(windows) < 0.001  # of processor time: measured 0.2 ms and 2 µs
