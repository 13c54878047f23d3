"""The log of one container: split, timed, cut, and continued."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.kubernetes.pod_log import LineSplitter, LogPosition, build_query
from queries.model.log import LINE_BYTES, LogLevel, find_level
from queries.model.pod_log import LogRequest

AT = 1_796_054_830_123_456_789
STAMP = b"2026-11-30T16:07:10.123456789Z "


def test_a_line_is_its_time_and_its_text() -> None:
    """Nanoseconds are kept; text that only looks like a time, or has none, is text; an empty line stays a line."""
    lines = LineSplitter().feed(
        STAMP + b"one two\n"
        b"2026-11-30T18:07:10.5+02:00 zone\n"
        b"2026-11-30T16:07:10Z whole\n" + STAMP + b"\n"
        b"unable to retrieve container logs for containerd://1\n"
        b"2026-99-30T16:07:10Z no date\n"
    )
    second = AT // 10**9 * 10**9
    assert lines == [
        (AT, "one two", 0),
        (second + 500_000_000, "zone", 0),
        (second, "whole", 0),
        (AT, "", 0),
        (0, "unable to retrieve container logs for containerd://1", 0),
        (0, "2026-99-30T16:07:10Z no date", 0),
    ]


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=12), st.data())
def test_pieces_do_not_matter(texts: list[bytes], data: st.DataObject) -> None:
    """However the bytes are cut into pieces, the lines are the same, in whatever encoding."""
    content = b"".join(STAMP + line + b"\n" for line in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    splitter, lines = LineSplitter(), []
    for first, last in zip([0, *cuts], [*cuts, len(content)], strict=True):
        lines += splitter.feed(content[first:last])
    assert lines + splitter.end() == [(AT, line.decode("utf-8", "replace"), 0) for line in texts]


@pytest.mark.parametrize("piece", [1 << 10, 1 << 16, 1 << 22])
def test_a_line_of_a_megabyte_is_cut_with_its_size(piece: int) -> None:
    """Its start is kept and the rest counted, whatever the pieces; the next line is whole."""
    size = 1 << 20
    content = STAMP + b"x" * size + b"\n" + STAMP + b"next\n" + STAMP + b"no newline"
    splitter, lines = LineSplitter(), []
    for at in range(0, len(content), piece):
        lines += splitter.feed(content[at : at + piece])
    lines += splitter.end()
    assert lines == [(AT, "x" * LINE_BYTES, size), (AT, "next", 0), (AT, "no newline", 0)]


def test_the_cut_is_exact() -> None:
    """A line of the limit is whole; one byte more is cut."""
    whole, cut = LineSplitter().feed(STAMP + b"x" * LINE_BYTES + b"\n" + STAMP + b"x" * (LINE_BYTES + 1) + b"\n")
    assert (len(whole[1]), whole[2], len(cut[1]), cut[2]) == (LINE_BYTES, 0, LINE_BYTES, LINE_BYTES + 1)


def read(position: LogPosition, log: list[tuple[int, str, int]]) -> list[tuple[int, str, int]]:
    """As the kubelet answers from the position on, the log as it is now."""
    position.resume()
    return position.keep_new([line for line in log if line[0] >= (position.since_ns or 0)])


def test_a_continuation_repeats_no_line_and_loses_none() -> None:
    """The server begins with the whole second: equal lines of one nanosecond count, and the last line proves the continuity."""
    second = 10**9
    log = [(5 * second, "a", 0), (6 * second + 1, "b", 0), (6 * second + 1, "b", 0), (6 * second + 2, "c", 0)]
    position = LogPosition()
    assert read(position, log) == log
    assert position.since_ns == 6 * second
    log += [(6 * second + 2, "c", 0), (6 * second + 2, "d", 0), (7 * second, "e", 0)]
    assert read(position, log) == log[4:]
    assert position.proven
    assert read(position, log) == [] and position.proven


def test_a_gap_is_not_called_a_continuation() -> None:
    """Where the last line does not come again, lines may be missing between."""
    position = LogPosition()
    read(position, [(5, "a", 0)])
    assert read(position, [(9 * 10**9, "z", 0)]) == [(9 * 10**9, "z", 0)]
    assert not position.proven
    position.accept()
    assert position.proven


def test_the_parameters_of_a_request() -> None:
    """The time is sent in whole seconds, and replaces the first request's range."""
    assert build_query(LogRequest("p", "api", tail_lines=10, since_seconds=300)) == [
        ("timestamps", "true"), ("container", "api"), ("sinceSeconds", "300"), ("tailLines", "10"),
    ]  # fmt: skip
    again = build_query(LogRequest("p", since_seconds=300, since_ns=AT, follow=True, previous=True))
    assert again == [
        ("timestamps", "true"), ("follow", "true"), ("previous", "true"), ("sinceTime", "2026-11-30T16:07:10Z"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-01-01T00:00:00Z ERROR cad-ml-api: failed", LogLevel.ERROR),
        ("INFO served, 0 errors", LogLevel.INFO),
        ("W0130 16:07:10.123 1 reflector.go:1] slow", LogLevel.WARN),
        ("E0130 16:07:10.123 1 reflector.go:1] INFO", LogLevel.ERROR),
        ('{"ts":1,"level":"warning","msg":"ERROR in name"}', LogLevel.WARN),
        ("time=1 level=debug msg=x", LogLevel.DEBUG),
        ("[error] 1#1: connect() failed", LogLevel.ERROR),
        ("no error here, information only", LogLevel.UNKNOWN),
        ("GET /ERROR HTTP/1.1", LogLevel.UNKNOWN),
        ("x" * 300 + " ERROR", LogLevel.UNKNOWN),
    ],
)
def test_the_level_that_a_line_names(line: str, level: LogLevel) -> None:
    """A field, klog's letter, or a word in capitals or brackets near the start; never a word of the sentence."""
    assert find_level(line) is level
