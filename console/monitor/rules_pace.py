"""When rules that come with thousands of alerts are requested again: after an alert began, fired or ended, or after a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queries.prometheus.query_batch import BatchQuery

LARGE_BYTES = 512 << 10
"""Receiving and reading a megabyte takes three to five milliseconds."""
_LONGEST_SECONDS = 15.0
_SIGNALS = {"/alerts/started": "sum(ALERTS_FOR_STATE)", "/alerts/firing": 'count(ALERTS{alertstate="firing"})'}
"""Two numbers of which one differs after any alert began, fired or ended. The first is the sum of whole seconds at which alerts
began: where as many began as ended, those that began did so later.
"""


class RulesPace:
    """Decides by the size of the last answer, and by two numbers that come with each refresh of the panels.

    Where Prometheus does not return those numbers, nothing is requested less often. The result of a poll has the age of its own
    request, so what is shown of it is never younger than it is.
    """

    def __init__(
        self, *, every_seconds: float, stale_after_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`every_seconds` is the cadence of the rules, which a movement does not shorten."""
        self._every = every_seconds
        self._longest = min(_LONGEST_SECONDS, stale_after_seconds / 2.0)
        self._clock = clock
        self._large = False
        self._signal: tuple[float, ...] | None = None
        self._requested_at = float("-inf")
        self._moved = False
        """Whether something moved since the last request."""
        self._answered = False

    def queries(self) -> tuple[BatchQuery, ...]:
        """What to request beside the panels."""
        if not self._large:
            return ()
        from queries.prometheus.query_batch import BatchQuery  # noqa: PLC0415  # only with many alerts

        return tuple(BatchQuery(key, query) for key, query in _SIGNALS.items())

    def note_signal(self, answers: Mapping[str, Any], *, partial: bool = False) -> bool:
        """Takes what was returned for `queries`; whether to request the rules at once."""
        found = [] if partial else [samples for key in _SIGNALS if isinstance(samples := answers.get(key), tuple)]
        values = tuple(sample.value for samples in found for sample in samples)
        signal = values if len(values) == len(_SIGNALS) else None
        self._moved = self._moved or signal != self._signal
        self._signal = signal
        return self._large and self._moved and self._clock() - self._requested_at >= self._every

    def note_request(self) -> None:
        """The rules are requested now."""
        self._requested_at, self._moved, self._answered = self._clock(), False, False

    def note_answer(self, size: int) -> None:
        """The rules were received, in so many bytes."""
        self._large, self._answered = size >= LARGE_BYTES, True

    def least_pause(self) -> float:
        """The least time until the rules are requested again, in seconds; none after a request that failed."""
        return self._longest if self._large and self._answered and self._signal is not None else 0.0
