"""One answer of a source, or its failure, with the moment at which it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from queries.model.fault import Fault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PollResult(Generic[T]):
    """What one poll of one source gave: exactly one of `value` and `fault`.

    `taken_at` is in Unix seconds (UTC) when the answer was complete, `latency_seconds` how long it took.
    `warnings` are the server's own words that belong on the screen (Prometheus' warnings and infos, a lost peer).
    """

    source: str
    taken_at: float
    latency_seconds: float
    value: T | None = None
    fault: Fault | None = None
    warnings: tuple[str, ...] = ()
