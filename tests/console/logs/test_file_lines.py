"""A file of log lines: which lines it has, however it is written, and how little of it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.logs.file_lines import FileLines
from console.logs.search import TextSearch
from queries.model.log import LINE_BYTES

Opened: TypeAlias = Callable[[Path, bytes], FileLines]


@pytest.fixture
def opened() -> Iterator[Callable[[Path, bytes], FileLines]]:
    found: list[FileLines] = []

    def call(path: Path, content: bytes) -> FileLines:
        path.write_bytes(content)
        found.append(lines := FileLines(path))
        lines.read_more()
        return lines

    yield call
    for lines in found:
        lines.close()


def texts(lines: FileLines, first: int = 0, last: int = 1 << 30) -> list[str]:
    return [line.text for line in lines.window(first, last)]


PARTS = st.lists(st.sampled_from((b"a", b"line", b"\n", b"\n\n", b"\r\n", b"\xff", "µ".encode(), b"x" * 40)), max_size=40)


@given(st.lists(PARTS, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_the_lines_are_those_that_python_splits(tmp_path_factory: pytest.TempPathFactory, writes: list[list[bytes]]) -> None:
    """After each write, in chunks of a few bytes, and for every window; the last line counts before it has ended."""
    path = tmp_path_factory.mktemp("file") / "x.log"
    path.touch()
    lines, content = FileLines(path, chunk_bytes=7, gap_bytes=16), b""
    for parts in writes:
        content += b"".join(parts)
        path.write_bytes(content)
        lines.read_more()
        expected = content.split(b"\n")
        expected = [line.rstrip(b"\r") for line in (expected[:-1] if not expected[-1] else expected)]
        wanted = [line.decode("utf-8", "replace") for line in expected]
        assert lines.count() == len(wanted) and texts(lines) == wanted
        for first in range(0, len(wanted), 3):
            assert texts(lines, first, first + 2) == wanted[first : first + 2]
    assert lines.restarted == 0
    lines.close()


def test_a_line_of_a_megabyte_is_cut_and_measured(tmp_path: Path, opened: Opened) -> None:
    """And the lines around it are whole."""
    lines = opened(tmp_path / "x.log", b"before\n" + b"y" * (1 << 20) + b"\nafter\n")
    before, long, after = lines.window(0, 3)
    assert (before.text, after.text, long.size_bytes, len(long.text)) == ("before", "after", 1 << 20, LINE_BYTES)


def test_it_is_searched_and_what_is_written_later_too(tmp_path: Path, opened: Opened) -> None:
    """Matches by number, from one to the next around the end, alone in view, and none once the search ended."""
    path = tmp_path / "x.log"
    lines = opened(path, b"".join(b"%s %d\n" % (b"ERROR" if number % 10 == 3 else b"ok", number) for number in range(5000)))
    search = TextSearch("ERROR")
    lines.find(search)
    assert lines.match_count() == 500 and not lines.searching
    assert lines.next_match(None, -1) == (0, 4993) and lines.next_match((0, 4993), 1) == (0, 3)
    assert lines.next_match((0, 13), -1) == (0, 3) and lines.match_number((0, 13)) == 2 and lines.match_number((0, 14)) == 0
    lines.only_matches = True
    assert lines.count() == 500 and texts(lines, 1, 3) == ["ERROR 13", "ERROR 23"] and lines.index_of((0, 23)) == 2
    with path.open("ab") as file:
        file.write(b"ERROR again\n")
    assert lines.read_more() and lines.searching
    lines.find(search)
    assert texts(lines, 500, 501) == ["ERROR again"]
    lines.find(None)
    assert lines.count() == 5001 and lines.match_count() == 0 and not lines.only_matches


def test_a_file_that_becomes_shorter_is_read_again(tmp_path: Path, opened: Opened) -> None:
    """As a log that is truncated when it is rotated."""
    path = tmp_path / "x.log"
    lines = opened(path, b"one\ntwo\nthree\n")
    path.write_bytes(b"new\n")
    assert lines.read_more() and texts(lines) == ["new"] and lines.restarted == 1


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    """A folder, and a name that nothing has."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(OSError):
            FileLines(path)


def test_a_file_that_another_one_replaces(tmp_path: Path, opened: Opened) -> None:
    """As a log that is renamed when it is rotated: nothing more is written to it, and the new one is read on request."""
    path = tmp_path / "x.log"
    lines = opened(path, b"one\ntwo\n")
    path.rename(tmp_path / "x.log.1")
    assert not lines.read_more() and not lines.replaced, "nothing has its name"
    path.write_bytes(b"three\n")
    assert not lines.read_more() and lines.replaced and texts(lines) == ["one", "two"]
    lines.reopen()
    assert lines.read_more() and texts(lines) == ["three"] and (lines.restarted, lines.replaced) == (1, False)
    with path.open("ab") as file:
        file.write(b"four\n")
    assert lines.read_more() and texts(lines) == ["three", "four"]
