"""Lines of a log grouped by their template, and what is new after a moment.

A template is a line whose variable parts (times, numbers, identifiers) are `<*>`. The method is Drain's (He et al., 2017): a
line is compared with the templates so far that have as many words, and the same first word, level, class of HTTP status and
error codes; it joins the most similar one. Three things make it fast: one regular expression first replaces what is certainly
variable; of lines that are equal then, only the first is compared; and a line that differs from one before it by digits, or by
hexadecimal identifiers, needs no regular expression.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from enum import StrEnum
from itertools import accumulate, compress, islice
from operator import gt, itemgetter
from typing import Any, TypeVar

from queries.model.frozen import dataclass
from queries.model.log import LogLevel, LogLine, find_level

K = TypeVar("K")
V = TypeVar("V")

WILD = "<*>"
MOST_PATTERNS = 2000
"""Of a log that has more, the lines of the others are counted together."""
_SIMILAR = 0.5
"""A line belongs to a template if a larger share of its constant words is equal."""
_MOST_MASKED = 20_000
MOST_SOURCES = 20
MOST_CHARACTERS = 1024
"""Of a longer line, only so many are compared."""
_VARIABLE = re.compile(
    r"""
    \d{4}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?  # a time
    | [0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}
    | \b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{7,}\b  # a hash or an address
    # A number with or without its unit, an IP address, a clock; not the status of a response.
    | (?<![\w.])(?<!HTTP/)(?<!HTTP/1\.[01]"[ ])(?<!HTTP/[23]"[ ])[+-]?\d+(?:[.,:/]\d+)*(?:%|[a-zA-Zµ]{1,3}\b)?
    """,
    re.VERBOSE,
)
_STATUS = re.compile(r'HTTP/[\d.]+" (\d)')
_CODE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
"""An error code, such as `PROVIDER_TIMEOUT`: lines with another one mean something else."""
_DIGITS = bytes.maketrans(b"0123456789", b"0000000000")
_HEXADECIMAL = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)
_DIGIT_BYTES = frozenset(b"0123456789")
_IDENTIFIER = re.compile(rb"[0-9a-fA-F]{7,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A variable part whose hexadecimal digits may be any others: a hash or a UUID."""
_MAY_JOIN = re.compile(rb"(?:\w|(?:^|[^\w.])[+-]|[\d\x80-\xff][.,:/]|:\d\d[+-])$")
"""The bytes before an identifier with which another one, which begins with a digit, may be a number or a time."""
_NEVER_FIRST = "0123456789{[\"'<"


class Novelty(StrEnum):
    """What became of a pattern after a moment."""

    NEW = "new"
    MORE = "more"
    GONE = "gone"
    SAME = ""


@dataclass(eq=False, slots=True)
class Pattern:
    """The lines of one template. `sample` is the first of them; `sources` are at most twenty of those that wrote it."""

    words: list[str]
    sample: LogLine
    level: LogLevel
    sources: dict[str, None] = field(default_factory=dict)
    times: array[int] = field(default_factory=lambda: array("q"))
    """When each line was written, Unix nanoseconds; in order after `sort`."""

    @property
    def template(self) -> str:
        return " ".join(self.words)

    @property
    def count(self) -> int:
        return len(self.times)

    def literals(self) -> tuple[str, ...]:
        """The longest constant parts of the template's words, which every line of it contains."""
        parts = (part for word in self.words for part in word.split(WILD))
        return tuple(sorted({part for part in parts if len(part) > 2}, key=lambda part: (-len(part), part))[:4])

    def between(self, start_ns: int, end_ns: int) -> int:
        """How many lines were written from `start_ns` up to, not including, `end_ns`."""
        return bisect_left(self.times, end_ns) - bisect_left(self.times, start_ns)


@dataclass(frozen=True, slots=True)
class PatternChange:
    """A pattern before and after a moment: counts, and the factor by which its rate rose (infinite for a new one)."""

    pattern: Pattern
    novelty: Novelty
    before: int
    after: int
    factor: float


@dataclass(frozen=True, slots=True)
class _Known:
    """The patterns of lines that are equal but for digits, by the digits that are not variable: `places` in the line, and
    `get` takes them from it.
    """

    places: list[int]
    get: Callable[[bytes], tuple[object, ...]]
    patterns: dict[tuple[object, ...], Pattern] = field(default_factory=dict)


class _Alike:
    """The patterns of lines that are equal but for hexadecimal digits and have the same variable parts, by all that such a line
    has beside its identifiers, with 0 for each digit of a variable part.
    """

    def __init__(self, data: bytes, spans: list[tuple[int, int]], free: list[tuple[int, int]]) -> None:
        """`free` are those of the spans whose letters may be others."""
        edges = [0, *(edge for span in spans for edge in span), len(data)]
        self.spans = spans
        self.identifiers = _build_getter([slice(*span) for span in free])
        self.patterns: dict[tuple[object, ...], Pattern] = {}
        self._constant = _build_getter([slice(*pair) for pair in zip(edges[::2], edges[1::2], strict=True)])
        self._numbers = _build_getter([slice(*span) for span in spans if span not in free])

    def key(self, data: bytes, zeros: bytes) -> tuple[object, ...]:
        """Of a line, and the same with 0 for each digit."""
        return *self._constant(data), *self._numbers(zeros)


def _build_getter(parts: Sequence[int] | Sequence[slice]) -> Callable[[bytes], Any]:
    """Takes these parts from a line, as a tuple."""
    if len(parts) > 1:
        return itemgetter(*parts)
    return (lambda line: (line[parts[0]],)) if parts else lambda _: ()


class PatternMiner:
    """Groups lines as they come, in any order."""

    def __init__(self, *, memory: int = 20_000) -> None:
        """At most so many lines are remembered of each kind that spares the next one its comparison; with 0 every line is
        compared.
        """
        self._memory = memory
        self.patterns: list[Pattern] = []
        self.other = 0
        """Lines of templates beyond MOST_PATTERNS."""
        self.first_ns = self.last_ns = 0
        """The times of the first and the last line, Unix nanoseconds; 0 without a line."""
        self._by_shape: dict[tuple[object, ...], list[Pattern]] = {}
        self._masked: dict[str, Pattern] = {}
        """What is left of a line without its variable parts, and the pattern that it belongs to."""
        self._known: dict[bytes, Pattern | _Known] = {}
        """A line with 0 for each digit, and its pattern."""
        self._hexadecimal: dict[bytes, _Alike] = {}
        """A line with 0 for each hexadecimal digit, and its pattern."""
        self._beyond = Pattern([], LogLine(0, 0, "", ""), LogLevel.UNKNOWN)
        """Stands for the templates beyond MOST_PATTERNS."""

    def add(self, lines: Iterable[LogLine]) -> None:
        """Notices are no lines."""
        known, beyond, most, first_ns, last_ns = self._known, self._beyond, MOST_SOURCES, self.first_ns, self.last_ns
        for line in lines:
            at_ns, _, source, text, _, notice = line
            if notice:
                continue
            data = text[:MOST_CHARACTERS].encode("utf-8", "surrogatepass")
            found = known.get(data.translate(_DIGITS))
            pattern = found.patterns.get(found.get(data)) if isinstance(found, _Known) else found
            if pattern is None:
                pattern = self._look_up(data, line)
            if not first_ns or at_ns < first_ns:
                first_ns = at_ns
            if at_ns > last_ns:  # noqa: PLR1730  # a call of `max` costs a tenth of a line
                last_ns = at_ns
            if pattern is beyond:
                self.other += 1
                continue
            pattern.times.append(at_ns)
            sources = pattern.sources
            if source not in sources and len(sources) < most:
                sources[source] = None
        self.first_ns, self.last_ns = first_ns, last_ns

    def _look_up(self, data: bytes, line: LogLine) -> Pattern:
        """The pattern of a line that differs from every known one in more than digits."""
        shape, zeros = data.translate(_HEXADECIMAL), data.translate(_DIGITS)
        alike = self._hexadecimal.get(shape)
        # A word such as `defaced` is no identifier: what varies has a digit. Its line has other parts, and is not remembered.
        differs = alike is not None and any(map(bytes.isalpha, alike.identifiers(data)))
        if alike is not None and not differs:
            pattern = alike.patterns.get(alike.key(data, zeros))
            if pattern is not None:
                return pattern
        text = line.text[:MOST_CHARACTERS]
        spans = [match.span() for match in _VARIABLE.finditer(text)]
        masked = _VARIABLE.sub(WILD, text)
        pattern = self._masked.get(masked)
        if pattern is None:
            pattern = self._find(masked, line) or self._beyond
            if len(self._masked) >= _MOST_MASKED:
                self._masked.clear()
            self._masked[masked] = pattern
        if not text.isascii():
            sizes = [0, *accumulate(len(character.encode("utf-8", "surrogatepass")) for character in text)]
            spans = [(sizes[start], sizes[end]) for start, end in spans]
        free = [span for span in spans if _IDENTIFIER.fullmatch(data, *span) and not _MAY_JOIN.search(data[: span[0]][-4:])]
        if free and differs:
            return pattern
        if free:
            if alike is None or alike.spans != spans:
                alike = _Alike(data, spans, free)
                self._remember(self._hexadecimal, shape, alike)
            self._remember(alike.patterns, alike.key(data, zeros), pattern)
            return pattern
        varies = {index for start, end in spans for index in range(start, end)}
        kept = [index for index, byte in enumerate(data) if byte in _DIGIT_BYTES and index not in varies]
        if not kept:
            self._remember(self._known, zeros, pattern)
            return pattern
        known = self._known.get(zeros)
        if not isinstance(known, _Known) or known.places != kept:
            known = _Known(kept, _build_getter(kept))
            self._remember(self._known, zeros, known)
        self._remember(known.patterns, known.get(data), pattern)
        return pattern

    def _remember(self, known: dict[K, V], key: K, value: V) -> None:
        if len(known) >= self._memory:
            known.clear()
        if self._memory:
            known[key] = value

    def _find(self, masked: str, line: LogLine) -> Pattern | None:
        words = masked.split()
        first = next((word for word in words if word[0] not in _NEVER_FIRST), "")
        level = find_level(line.text)
        status = _STATUS.search(masked)
        shape = (len(words), first, level, status[1] if status else "", *_CODE.findall(masked))
        alike = self._by_shape.setdefault(shape, [])
        constant = [WILD not in word for word in words]
        best, most = None, _SIMILAR * sum(constant)
        for pattern in alike:
            same = sum(map(str.__eq__, compress(pattern.words, constant), compress(words, constant)))
            if same > most or not any(constant):
                best, most = pattern, same
        if best is not None:
            best.words = [old if old == new else WILD for old, new in zip(best.words, words, strict=True)]
            return best
        if len(self.patterns) >= MOST_PATTERNS:
            return None
        best = Pattern(words, line, level)
        self.patterns.append(best)
        alike.append(best)
        return best

    def sort(self) -> None:
        """Put the times of every pattern in order, and the patterns with the most lines first."""
        for pattern in self.patterns:
            if any(map(gt, pattern.times, islice(pattern.times, 1, None))):  # sorting takes five times the memory
                pattern.times = array("q", sorted(pattern.times))
        self.patterns.sort(key=lambda pattern: -pattern.count)


_LEAST = 3
"""Fewer lines than this are no trend."""
_FACTOR = 3.0
_URGENCY = {LogLevel.ERROR: 0, LogLevel.WARN: 1, LogLevel.UNKNOWN: 2, LogLevel.INFO: 3, LogLevel.DEBUG: 4}
_ORDER = {Novelty.NEW: 0, Novelty.MORE: 1, Novelty.GONE: 2, Novelty.SAME: 3}


@dataclass(frozen=True, slots=True)
class Span:
    """A time of which every line was read, Unix nanoseconds; the end does not belong to it."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return max(1, self.end_ns - self.start_ns)

    @property
    def seconds(self) -> float:
        return self.length_ns / 1_000_000_000


def compare_patterns(patterns: Iterable[Pattern], *, before: Span, after: Span) -> tuple[PatternChange, ...]:
    """What became of each pattern from one time to the other, the most telling first: errors, then what is new, then what has
    the most lines.

    Only for a miner after `sort` that has every line of both: a pattern whose lines were not read would look new.
    """
    changes = []
    patterns = tuple(patterns)
    # Where there are no lines from before, nothing can be called new; without one from after, nothing gone: perhaps nobody
    # delivers lines any more.
    comparable = all(any(pattern.between(span.start_ns, span.end_ns) for pattern in patterns) for span in (before, after))
    for pattern in patterns:
        earlier = pattern.between(before.start_ns, before.end_ns)
        later = pattern.between(after.start_ns, after.end_ns)
        if not earlier and not later:
            continue
        expected = earlier * after.length_ns / before.length_ns
        factor = later / expected if expected else float("inf")
        novelty = _classify_change(earlier, later, expected) if comparable else Novelty.SAME
        changes.append(PatternChange(pattern, novelty, earlier, later, factor))
    changes.sort(key=_rank)
    return tuple(changes)


def _classify_change(before: int, after: int, expected: float) -> Novelty:
    if not before:
        return Novelty.NEW
    if not after:
        return Novelty.GONE if expected >= _LEAST else Novelty.SAME
    return Novelty.MORE if after >= _FACTOR * expected and after >= _LEAST else Novelty.SAME


def _rank(change: PatternChange) -> tuple[int, int, int, float]:
    same = change.novelty is Novelty.SAME
    return (same, _URGENCY[change.pattern.level], _ORDER[change.novelty], -max(change.after, change.before))
