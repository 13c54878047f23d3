"""Patterns of log lines, judged by the generator that wrote the lines."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.logs import patterns
from console.logs.patterns import MOST_PATTERNS, Novelty, PatternMiner, Span, compare_patterns
from queries.model.log import LogLevel, LogLine, find_level

NANO = 10**9


def line(at: int, text: str, source: str = "pod-a") -> LogLine:
    return LogLine(at * NANO, at, source, text)


def write_lines(count: int, seed: int = 1) -> list[tuple[int, str]]:
    """Lines as the platform's parts write them, each with the number of its statement."""
    dice = random.Random(seed)
    written = []
    for at in range(count):
        stamp = f"2026-11-29T03:{at // 60 % 60:02}:{at % 60:02}.{dice.randrange(1000):03}Z"
        client = f"10.42.{dice.randrange(9)}.{dice.randrange(255)}:{dice.randrange(60000)}"
        access = f'INFO uvicorn.access {client} - "POST /api/v1/analyze HTTP/1.1"'
        rest = f"stage=infer: no answer in {dice.random() * 9:.1f} s, user {dice.randrange(9999)}"
        statements = (
            f"{access} 200 {dice.random():.3f}s",
            f"{access} {dice.choice((500, 502, 503))} {dice.random():.3f}s",
            f"INFO cad-ml-api: extracted features file_id={dice.getrandbits(64):016x} dims={dice.choice((95, 124))}",
            f"WARNING ocr {dice.choice(('paddle', 'deepseek'))} retry attempt={dice.randrange(5)} after {dice.random():.1f} s",
            f'{{"level":"info","msg":"topk done","k":{dice.randrange(50)},"trace_id":"{dice.getrandbits(128):032x}"}}',
            f"ERROR cad-ml-api: PROVIDER_TIMEOUT {rest}",
            f"ERROR cad-ml-api: INTERNAL_ERROR {rest}",
            f"DEBUG cache: key vec:{dice.randrange(10**6)}: hit={dice.choice(('true', 'false'))} in {dice.randrange(90)}ms",
        )
        number = dice.randrange(len(statements))
        text = statements[number] if number == 4 else f"{stamp} {statements[number]}"
        written.append((number, text))
    return written


def test_every_statement_is_one_pattern() -> None:
    """Numbers, times, addresses and identifiers do not divide it; another error code or class of status does."""
    written = write_lines(4000)
    miner = PatternMiner()
    miner.add(line(at, text) for at, (_, text) in enumerate(written))
    miner.sort()
    assert [pattern.count for pattern in miner.patterns] == sorted(Counter(number for number, _ in written).values())[::-1]
    for pattern in miner.patterns:
        numbers = {written[at // NANO][0] for at in pattern.times}
        assert len(numbers) == 1, pattern.template
        assert all(part in written[at // NANO][1] for at in pattern.times for part in pattern.literals())


def test_of_equal_lines_only_the_first_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes it fast, counted rather than timed: a hundred lines for each that is compared with templates."""
    compared: list[str] = []

    def count(text: str) -> LogLevel:
        compared.append(text)
        return find_level(text)

    monkeypatch.setattr(patterns, "find_level", count)
    miner = PatternMiner()
    miner.add(line(at, text) for at, (_, text) in enumerate(write_lines(4000)))
    assert 0 < len(compared) < 40


def test_what_became_of_a_pattern() -> None:
    """New, several times as many, gone, or as before; by rates, since the times differ in length. Errors come first."""
    miner = PatternMiner()
    for at in range(1000):
        miner.add([line(at, f"INFO served request {at}")])
        if at % 10 == 0:
            miner.add([line(at, f"WARN retry number {at}")] * (5 if at >= 800 else 1))
        if at < 800 and at % 10 == 5:
            miner.add([line(at, f"INFO cache warmed {at}", "pod-b")])
        if at >= 900 and at % 20 == 0:
            miner.add([line(at, f"ERROR result schema v{at} not understood", f"pod-{at % 3}")])
    miner.sort()
    changes = compare_patterns(miner.patterns, before=Span(0, 800 * NANO), after=Span(800 * NANO, 1000 * NANO))
    told = [(change.novelty, change.pattern.level, change.before, change.after) for change in changes]
    assert told == [
        (Novelty.NEW, LogLevel.ERROR, 0, 5),
        (Novelty.MORE, LogLevel.WARN, 80, 100),
        (Novelty.GONE, LogLevel.INFO, 80, 0),
        (Novelty.SAME, LogLevel.INFO, 800, 200),
    ]
    assert changes[1].factor == pytest.approx(5.0)
    assert len(changes[0].pattern.sources) == 3


def test_few_lines_are_no_trend() -> None:
    """Two lines where one was expected, or none where one was, say nothing."""
    miner = PatternMiner()
    miner.add([line(1, "a one"), line(3, "b two"), line(11, "a one"), line(12, "a one")])
    miner.sort()
    changes = compare_patterns(miner.patterns, before=Span(0, 10 * NANO), after=Span(10 * NANO, 20 * NANO))
    assert [change.novelty for change in changes] == [Novelty.SAME, Novelty.SAME]


@pytest.mark.parametrize("text", ["", " ", "{", "\x1b[31m", "x" * (1 << 20), "<*>", "[bold]", "=" * 80])
def test_any_text(text: str) -> None:
    """Each line is counted once, whatever is in it."""
    miner = PatternMiner()
    miner.add([line(1, text), line(2, text), line(3, "a notice")._replace(notice=True)])
    assert [pattern.count for pattern in miner.patterns] == [2]


def test_more_patterns_than_are_kept() -> None:
    """The lines of the others are counted together, and nothing grows with them."""
    miner = PatternMiner()
    letters = "abcdefghijklmnopqrstuvwx"
    words = [a + b + c for a in letters for b in letters for c in letters][: MOST_PATTERNS + 500]
    miner.add(line(at, word) for at, word in enumerate(words))
    assert len(miner.patterns) == MOST_PATTERNS and miner.other == 500


WORDS = (
    "served",
    "bad",
    "404",
    "ad",
    "d3",
    "1.9.0",
    "v2",
    'HTTP/1.1" 200',
    'HTTP/1.1" 503',
    'HTTP/2" 200',
    'HTTP/2" 404',
    'HTTP/3" 200',
    'HTTP/3" 503',
    "deadbeef",
    "IO_ERROR",
    "NO_SPACE",
    "µs",
    "\udc80",
    "",
)
VARIES = (
    *("7", "42", "1234567", "3d", "5ms", "f4c9da65", "00000000", "abcdef1", "abcdefa", "10.244.0.1:30004", "-3", "12%"),
    *("2026-01-01T14:00:00.002Z", "f4c9da65-8d63-86e6-d9ca-0bc36c05adb3"),
)
PART = st.sampled_from((*WORDS, *VARIES)) | st.text("0d3a", min_size=1, max_size=8)
"""The last are words that differ in the order of digits and letters only: an identifier, a number with its unit, or neither."""
JOIN = st.sampled_from((" ", " ", "-", "/", ":", ".", " -", "+", "=", ""))
WRITTEN = st.lists(
    st.tuples(PART, st.lists(st.tuples(JOIN, PART), max_size=5)).map(lambda parts: parts[0] + "".join(map("".join, parts[1]))),
    min_size=2,
    max_size=30,
)


@given(WRITTEN)
@example(["served f4c9da65 f4c9da65", "served deadbeef f4c9da65"])
@example(["served f4c9da65 3d", "served f4c9da65 d3"])
@example(["f4c9da65 12dddd", "f4c9da65 d1dddd"])
@example(["f4c9da65 10.244.0.1", "f4c9da65 db.244.0.1"])
@example(["at -abcdef1 now", "at -1234567 now"])
@example(["1/abcdef1", "1/1234567"])
@example(['HTTP/3" 200', 'HTTP/2" 200', 'HTTP/2" 503'])
@settings(max_examples=400, deadline=None)
def test_a_line_that_needs_no_comparison_is_grouped_as_if_it_was_compared(texts: list[str]) -> None:
    """Whatever was seen before: the same patterns with the same lines as of a miner that replaces what varies in each line."""
    lines = [LogLine(number, number, "pod", text) for number, text in enumerate(texts * 2)]
    remembers, compares = PatternMiner(), PatternMiner(memory=0)
    remembers.add(lines)
    compares.add(lines)
    found, expected = ([(item.template, list(item.times)) for item in miner.patterns] for miner in (remembers, compares))
    assert found == expected
