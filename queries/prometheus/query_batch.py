"""Many expressions in one request: joined by `or`, distinguished by a label, sent one by one only if the server refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from functools import partial
from typing import Generic, TypeVar

from queries.concurrency import maybe_offload
from queries.errors import RequestRejected, SourceError, TimedOut
from queries.model.annotations import Annotations, line_of, without_position
from queries.model.fault import Fault
from queries.model.frozen import dataclass
from queries.model.series import Sample, Series, drop_labels, label, quote
from queries.waits import still_waits

BATCH_LABEL = "__q__"
"""The label that assigns an element to its query; it also keeps `or` from dropping equal label sets."""

Item = TypeVar("Item", Sample, Series)

_LONGEST_DELAY_SECONDS = 60.0
_FIRST_DELAY_SECONDS = 2.0
"""A refused query is retried twice after this delay, then with doubled delays up to a minute: most refusals are permanent,
but a server that failed for a moment should recover quickly."""
_CONCURRENT = 4


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """One expression and the key of its elements in the result."""

    key: str
    query: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    until: float
    times: int
    fault: Fault


@dataclass
class BatchResult(Generic[Item]):
    """For every key either its elements (possibly none) or the fault of this expression.

    `annotations` are the PromQL engine's warnings and infos by key; those without a position in the query have the empty key.
    `partial` is the server's message about what is missing from any of the results; empty if all are complete.
    """

    items: dict[str, list[Item]] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    partial: str = ""
    received: object = None
    """What one request returned for all queries, and the request; None where there were several, or a query was refused. Where
    it is equal, the results are.
    """

    def annotate(self, parts: Sequence[BatchQuery], annotations: Annotations) -> None:
        """Keep the server's annotations of the request for these queries, each with the query that it refers to."""
        self.warnings.extend(annotations.warnings)
        self.partial = self.partial or annotations.partial
        for text in annotations.about_query:
            place: str = _key_at(parts, line_of(text))
            self.annotations[place] = tuple(dict.fromkeys((*self.annotations.get(place, ()), without_position(text))))

    def extend(self, other: BatchResult[Item]) -> None:
        """Add the result of a second request, whose items replace those of the same key."""
        self.items.update(other.items)
        self.faults.update(other.faults)
        self.warnings.extend(other.warnings)
        self.annotations.update(other.annotations)
        self.partial = self.partial or other.partial


def join_queries(parts: Sequence[BatchQuery]) -> str:
    """One expression that returns the elements of all queries, each with its key in BATCH_LABEL.

    The line breaks end a trailing comment of a query.
    """
    return "\nor ".join(map(_join_part, parts))


def _join_part(part: BatchQuery) -> str:
    return f'label_replace(\n{part.query}\n, "{BATCH_LABEL}", {quote(part.key)}, "", "")'


_PART = re.compile(
    rf'label_replace\(\n(?P<query>.*?)\n, "{BATCH_LABEL}", "(?P<key>(?:[^"\\]|\\.)*)", "", ""\)(?:\nor |\Z)', re.DOTALL
)


def split_queries(text: str) -> tuple[BatchQuery, ...]:
    """The queries that `join_queries` joined; any other text is one query with an empty key."""
    found, at = [], 0
    while at < len(text) and (match := _PART.match(text, at)) is not None:
        found.append(BatchQuery(re.sub(r"\\(.)", r"\1", match["key"]), match["query"]))
        at = match.end()
    return tuple(found) if found and at == len(text) else (BatchQuery("", text),)


def _key_at(parts: Sequence[BatchQuery], line: int | None) -> str:
    """The key of the query on a line of the joined request; the only one's of a single query; else empty."""
    if len(parts) == 1:
        return parts[0].key
    if line is None:
        return ""
    end = 0
    for part in parts:
        end += _join_part(part).count("\n") + 1
        if line <= end:
            return part.key
    return ""


class QueryBatch(Generic[Item]):
    """Sends queries together, and remembers rejected ones for a while so that they do not fail the rest.

    `fetch` returns the elements of one expression and the server's annotations; `clock` is in seconds.
    """

    def __init__(
        self, fetch: Callable[[str], Awaitable[tuple[Sequence[Item], Annotations]]], *, clock: Callable[[], float]
    ) -> None:
        self._fetch: Callable[[str], Awaitable[tuple[Sequence[Item], Annotations]]] = fetch
        self._clock = clock
        self._refused: dict[BatchQuery, _Refusal] = {}
        self._alone_until = float("-inf")
        self._joined: tuple[Sequence[BatchQuery], str] = ((), "")
        """The queries that were last sent together, and as one."""
        self._sorted: tuple[object, str, dict[str, list[Item]]] = (None, "", {})
        """The elements that were last received for a joined query, and those of each query."""

    async def fetch(self, parts: Sequence[BatchQuery]) -> BatchResult[Item]:
        """One request unless a query is refused. Raises SourceError for a failure of the server, not of one expression."""
        now = self._clock()
        answer: BatchResult[Item] = BatchResult({part.key: [] for part in parts})
        together: list[BatchQuery] = []
        suspects: list[BatchQuery] = []
        for part in parts:
            refused = self._refused.get(part) if self._refused else None
            if refused is None:
                together.append(part)
            elif still_waits(refused.until, now, _LONGEST_DELAY_SECONDS):
                answer.faults[part.key] = refused.fault
            else:
                suspects.append(part)  # retry it alone, so that the rest stays one request
        if still_waits(self._alone_until, now, _LONGEST_DELAY_SECONDS) or len(together) == 1:
            suspects, together = [*together, *suspects], []
        if together:
            joined = self._join(together)
            try:
                items, annotations = await self._fetch(joined)
            except SourceError as error:
                if not _is_refusal(error):
                    raise
                if not await self._fetch_alone(together, answer, whole=not suspects):
                    # Each query succeeds alone: the server refuses only the joined one.
                    self._alone_until = now + _LONGEST_DELAY_SECONDS
            else:
                answer.annotate(together, annotations)
                answer.items.update(await self._sort(items, joined, together))
                if len(together) == len(parts):
                    answer.received = (items, joined, annotations)
        if suspects:
            await self._fetch_alone(suspects, answer, whole=len(suspects) == len(parts))
        return answer

    def _join(self, parts: Sequence[BatchQuery]) -> str:
        if self._joined[0] != parts:
            self._joined = (parts, join_queries(parts))
        return self._joined[1]

    async def _sort(self, items: Sequence[Item], joined: str, parts: Sequence[BatchQuery]) -> dict[str, list[Item]]:
        """The elements of each query; the same lists as long as the same were received."""
        if self._sorted[0] is not items or self._sorted[1] != joined:
            found: dict[str, list[Item]] = {part.key: [] for part in parts}
            await maybe_offload(partial(_sort_into, found, items), len(items))
            self._sorted = (items, joined, found)
        return self._sorted[2]

    async def _fetch_alone(self, parts: Sequence[BatchQuery], answer: BatchResult[Item], *, whole: bool) -> int:
        """Send each query by itself, some concurrently; returns the number of failures.

        `whole`: there are no other queries, so if all of several fail, the server failed and not the queries.
        """
        gate = asyncio.Semaphore(_CONCURRENT)

        async def one(part: BatchQuery) -> tuple[Sequence[Item], Annotations]:
            async with gate:
                return await self._fetch(part.query)

        results = await asyncio.gather(*(one(part) for part in parts), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        for failure in failures:
            if not isinstance(failure, (RequestRejected, TimedOut)):
                raise failure
        if whole and len(parts) > 1 and len(failures) == len(parts):
            raise failures[0]
        now = self._clock()
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, SourceError):
                before = self._refused.get(part)
                times = before.times + 1 if before else 1
                pause = min(_FIRST_DELAY_SECONDS * 2.0 ** max(0, min(times, 32) - 2), _LONGEST_DELAY_SECONDS)
                self._refused[part] = _Refusal(now + pause, times, result.fault)
                answer.faults[part.key] = result.fault
            elif not isinstance(result, BaseException):
                self._refused.pop(part, None)
                items, annotations = result
                answer.items[part.key] = list(items)
                answer.annotate((part,), annotations)
        return len(failures)


def _is_refusal(error: SourceError) -> bool:
    """Whether the server refused these expressions: bad PromQL, a failed execution, its own timeout."""
    return isinstance(error, RequestRejected) or (isinstance(error, TimedOut) and error.fault.status == 503)


def _sort_into(found: dict[str, list[Item]], items: Sequence[Item]) -> None:
    for item in items:
        own = found.get(label(item.labels, BATCH_LABEL))
        if own is None:
            continue  # a series that no query requested
        rest = drop_labels(item.labels, BATCH_LABEL)
        own.append(Sample(rest, item.value) if isinstance(item, Sample) else Series(rest, item.points))
