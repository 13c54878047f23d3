"""The patterns of a file: what is new from a line on, and the lines that a pattern finds."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from console.logs.file_lines import FileLines
from console.logs.file_patterns import FilePatterns, TemplateSearch
from console.logs.patterns import MOST_CHARACTERS, Novelty, PatternMiner
from queries.model.log import LogLine

WORDS = ("GET", "timeout", "a.b(c)", "x=[1]", "naïve", "\u00a0", "2026-01-01 10:00:00", "7.5ms", "0xdeadbeef1", "<*>", "", "5%")


def read(path: Path, *lines: str) -> FilePatterns:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with closing(FileLines(path)) as file:
        file.read_more()
        patterns = FilePatterns(file)
        patterns.read_all(lambda: None)
    return patterns


def changes(patterns: FilePatterns, first: int) -> list[tuple[str, Novelty, int, int]]:
    return [(item.pattern.template, item.novelty, item.before, item.after) for item in patterns.report(first).changes]


def test_what_is_new_from_a_line_on(tmp_path: Path) -> None:
    """Counted by the number of a line; at either end of the file nothing is compared, and every line is counted."""
    calm = [f"INFO request {number} answered" for number in range(100)]
    patterns = read(tmp_path / "x.log", *calm[:80], "ERROR disk is full", *calm[80:])
    assert patterns.read == patterns.total == 101
    assert changes(patterns, 50) == [
        ("ERROR disk is full", Novelty.NEW, 0, 1),
        ("INFO request <*> answered", Novelty.SAME, 50, 50),
    ]
    assert changes(patterns, 81)[0] == ("ERROR disk is full", Novelty.SAME, 1, 0)
    for end in (0, 101):
        assert changes(patterns, end) == [
            ("ERROR disk is full", Novelty.SAME, 0, 1),
            ("INFO request <*> answered", Novelty.SAME, 0, 100),
        ]


def test_reading_ends_when_it_is_told(tmp_path: Path) -> None:
    """Between two parts of the file; one that became shorter meanwhile ends it too."""
    path = tmp_path / "x.log"
    path.write_text("x\n" * 10_000)
    with closing(FileLines(path)) as file:
        file.read_more()
        patterns, shortened = FilePatterns(file), FilePatterns(file)
        patterns.read_all(patterns.end)

        def shorten() -> None:
            path.write_text("y\n")
            file.read_more()

        shortened.read_all(shorten)
    assert 0 < patterns.read < 10_000 and 0 < shortened.read < 10_000


@pytest.mark.parametrize("seed", range(20))
def test_a_pattern_finds_its_lines(seed: int) -> None:
    """Every line that the miner counted for it, also one longer than what is compared, with any blanks and any text."""
    chance = random.Random(seed)
    lines = [chance.choice((" ", "  ", "\t")).join(chance.choices(WORDS, k=chance.randint(1, 6))) for _ in range(200)]
    lines += [f"{'long ' * (MOST_CHARACTERS // 5)}{chance.random()}" for _ in range(3)]
    miner = PatternMiner()
    miner.add(LogLine(number, number, "", line) for number, line in enumerate(lines))
    miner.sort()
    assert sum(pattern.count for pattern in miner.patterns) == len(lines)
    for pattern in miner.patterns:
        search = TemplateSearch(pattern)
        missed = [lines[number] for number in pattern.times if not search.matches(lines[number])]
        assert not missed, search.pattern


def test_a_pattern_does_not_find_others() -> None:
    """Neither a line with more words nor one with another constant word."""
    miner = PatternMiner()
    miner.add([LogLine(1, 1, "", "worker 7 (slow) ended"), LogLine(2, 2, "", "worker 9 (slow) ended")])
    search = TemplateSearch(miner.patterns[0])
    assert search.pattern == "worker <*> (slow) ended"
    assert search.matches("worker 12 (slow)  ended")
    assert not any(map(search.matches, ("worker 12 (slow) ended early", "worker 12 slow ended", "the worker 1 (slow) ended")))
    assert search.spans("worker 12 (slow) ended") == []
