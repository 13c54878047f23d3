"""Many expressions in one request: joined by `or`, told apart by a label, asked alone only where the whole is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from queries.errors import RequestRejected, SourceError, TimedOut
from queries.model.fault import Fault
from queries.model.series import Sample, Series, label, quote, without
from queries.offload import aside

BATCH_LABEL = "__q__"
"""The label that says which part an element belongs to; it also keeps `or` from dropping equal label sets."""

Item = TypeVar("Item", Sample, Series)

_REMEMBERED_SECONDS = 60.0
_FIRST_SECONDS = 2.0
"""A part that was refused is tried again twice after so long, then after twice as long each time, up to a minute: most
refusals are the query's own and stay, but a server that was unwell for moments is soon seen to be well."""
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """One expression, by the key under which its elements come back."""

    key: str
    query: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    until: float
    times: int
    fault: Fault


@dataclass(slots=True)
class BatchResult(Generic[Item]):
    """What came back: for every key either its elements (possibly none) or the fault of this one expression."""

    found: dict[str, list[Item]] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def joined(parts: Sequence[BatchQuery]) -> str:
    """One expression that gives every part's elements, each with its key in BATCH_LABEL.

    The line breaks keep a comment at the end of a part from swallowing what follows.
    """
    return "\nor ".join(f'label_replace(\n{part.query}\n, "{BATCH_LABEL}", {quote(part.key)}, "", "")' for part in parts)


class QueryBatch(Generic[Item]):
    """Asks parts together, and remembers for a while which part was refused, so that it does not spoil the rest.

    `ask` gives the elements of one expression and the server's warnings; `clock` is in seconds.
    """

    def __init__(
        self, ask: Callable[[str], Awaitable[tuple[Sequence[Item], Sequence[str]]]], *, clock: Callable[[], float]
    ) -> None:
        self._ask: Callable[[str], Awaitable[tuple[Sequence[Item], Sequence[str]]]] = ask
        self._clock = clock
        self._refused: dict[BatchQuery, _Refusal] = {}
        self._alone_until = float("-inf")

    async def ask(self, parts: Sequence[BatchQuery]) -> BatchResult[Item]:
        """One request in the good case. Raises SourceError for what is wrong with the server, not with one expression."""
        now = self._clock()
        answer: BatchResult[Item] = BatchResult({part.key: [] for part in parts})
        together: list[BatchQuery] = []
        suspects: list[BatchQuery] = []
        for part in parts:
            refused = self._refused.get(part)
            if refused is None:
                together.append(part)
            elif refused.until > now:
                answer.faults[part.key] = refused.fault
            else:
                suspects.append(part)  # perhaps it is mended: alone, so that the rest stays one request
        if now < self._alone_until or len(together) == 1:
            suspects, together = [*together, *suspects], []
        if together:
            try:
                items, warnings = await self._ask(joined(together))
            except SourceError as error:
                if not _refusal(error):
                    raise
                if not await self._alone(together, answer, whole=not suspects):
                    # Each by itself is fine: it is their sum that the server does not take.
                    self._alone_until = now + _REMEMBERED_SECONDS
            else:
                await aside(partial(_sort_into, answer, items, warnings), len(items))
        if suspects:
            await self._alone(suspects, answer, whole=len(suspects) == len(parts))
        return answer

    async def _alone(self, parts: Sequence[BatchQuery], answer: BatchResult[Item], *, whole: bool) -> int:
        """Ask each part by itself, some at once; gives how many were refused.

        `whole` says that there are no other parts: when every one of several fails, it is the server, not the queries.
        """
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(part: BatchQuery) -> tuple[Sequence[Item], Sequence[str]]:
            async with gate:
                return await self._ask(part.query)

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
                pause = min(_FIRST_SECONDS * 2.0 ** max(0, min(times, 32) - 2), _REMEMBERED_SECONDS)
                self._refused[part] = _Refusal(now + pause, times, result.fault)
                answer.faults[part.key] = result.fault
            elif not isinstance(result, BaseException):
                self._refused.pop(part, None)
                items, warnings = result
                answer.found[part.key] = list(items)
                answer.warnings.extend(warnings)
        return len(failures)


def _refusal(error: SourceError) -> bool:
    """Whether the server understood, and minds these expressions: bad PromQL, a failed execution, its own time limit."""
    return isinstance(error, RequestRejected) or (isinstance(error, TimedOut) and error.fault.status == 503)


def _sort_into(answer: BatchResult[Item], items: Sequence[Item], warnings: Sequence[str]) -> None:
    answer.warnings.extend(warnings)
    for item in items:
        belongs = answer.found.get(label(item.labels, BATCH_LABEL))
        if belongs is None:
            continue  # a server that invents series: nobody asked for them
        rest = without(item.labels, BATCH_LABEL)
        belongs.append(Sample(rest, item.value) if isinstance(item, Sample) else Series(rest, item.points))
