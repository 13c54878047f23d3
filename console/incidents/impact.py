"""The impact of an incident, computed by Prometheus over its exact window; what it cannot compute is unknown, never 0."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from console.checks.panels import describe_contradiction
from queries.errors import SourceError
from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec
from queries.model.panel_result import Contradiction, PanelHistory
from queries.model.verdict import Verdict
from queries.prometheus.history import Window
from queries.prometheus.responses import InstantResult
from queries.text.durations import format_span

AVAILABILITY = 0.999
"""The objective over 30 days; the rest is the error budget."""
SLO_PERCENT = 100.0 * (1.0 - AVAILABILITY)
_EXPORTED = '__name__=~"(ocr|vision)_requests_total"'
_LEAST_SAMPLES = 2
_MOST_POINTS = 600
_LOOK_BACK_SECONDS = 3600.0
_SCRAPE_LAG_SECONDS = 1.0
"""A ratio that is good by then did not cross the objective before the detection."""
_MONTH_SECONDS = 30 * 86_400.0


class MetricsQueries(Protocol):
    def expand(self, text: str) -> str: ...

    async def query(self, text: str, *, at: float | None = None) -> InstantResult: ...

    async def contradictions(self, text: str, *, at: float | None = None) -> tuple[Contradiction, ...]: ...

    async def history(self, spec: PanelSpec, *, start: float, end: float, step_seconds: float) -> PanelHistory: ...

    async def heat_history(self, spec: PanelSpec, window: Window) -> PanelHistory: ...


@dataclass(frozen=True, slots=True)
class Impact:
    """On the requests of OCR and Vision from `start` to `end`, Unix seconds. A figure is None where it is unknown; `why` has
    the reason by the figure's name.

    `budget_percent` is the share of the 30 days' error budget; `outside_seconds` is how long the error ratio was over the
    objective, `unseen_seconds` how long it had no value. `bad_since` is when it crossed the objective before the detection.
    """

    start: float
    end: float
    requests: float | None = None
    failed: float | None = None
    slow_percent: float | None = None
    budget_percent: float | None = None
    outside_seconds: float | None = None
    unseen_seconds: float | None = None
    bad_since: float | None = None
    why: tuple[tuple[str, str], ...] = ()

    def reason(self, name: str) -> str:
        return dict(self.why).get(name, "")


def failed_text(seconds: float) -> str:
    """Failed requests of users over the window, as an expression with signals."""
    return f"${{platform_failures[{_window(seconds)}]}} * {seconds:g}"


_EXTRAPOLATED_PERCENT = 1.0


def requests_text(seconds: float) -> str:
    """Requests of users over the window, as an expression with signals."""
    return f"(${{platform_requests[{_window(seconds)}]}} or vector(0)) * {seconds:g}"


def _slow_text(seconds: float) -> str:
    """Percent of requests slower than the objective; no sample where none was timed."""
    window = _window(seconds)
    return f"100 * (1 - ${{within_2s[{window}]}} / ${{timed[{window}]}})"


def _window(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


async def measure(prometheus: MetricsQueries | None, ratio: PanelSpec | None, *, detected_at: float, end: float) -> Impact:
    """`ratio` is the error ratio's panel. The window starts where the ratio crossed the objective, else with the detection."""
    if prometheus is None:
        reason = "Prometheus is not configured"
        names = ("requests", "failed", "slow_percent", "budget_percent", "outside_seconds")
        return Impact(detected_at, end, why=tuple((name, reason) for name in names))
    return await _ImpactQuery(prometheus, detected_at, max(end, detected_at + 1.0)).measure(ratio)


class FailedRequests(NamedTuple):
    """A number of failed requests; None if it is unknown, and why."""

    number: float | None
    error: str = ""


async def count_failed(prometheus: MetricsQueries | None, *, start: float, end: float) -> FailedRequests:
    """How many requests of users failed between two times, Unix seconds."""
    if prometheus is None:
        return FailedRequests(None, "Prometheus is not configured")
    return await _ImpactQuery(prometheus, start, max(end, start + 1.0)).count_failed()


class _ImpactQuery:
    """One measurement: its window, and why a figure is unknown."""

    def __init__(self, prometheus: MetricsQueries, detected_at: float, end: float) -> None:
        self.prometheus = prometheus
        self.detected_at = detected_at
        self.end = end
        self.why: dict[str, str] = {}

    async def count_failed(self) -> FailedRequests:
        window = max(1.0, round(self.end - self.detected_at, 3))
        reason = await self._why_not_countable(window)
        if reason:
            return FailedRequests(None, reason)
        failed = await self._query("failed", failed_text(window))
        return FailedRequests(failed, self.why.get("failed", ""))

    async def _why_not_countable(self, window: float) -> str:
        """Why requests of the window cannot be counted; empty if they can.

        Without their series none of the other expressions means anything; and an increase needs two samples: within one scrape
        interval it would be 0, whatever failed.
        """
        missing = "nobody exported ocr_requests_total or vision_requests_total at the end of the window"
        short = f"Prometheus has fewer than two samples in these {format_span(window)}"
        if await self._query("exported", f"count({{{_EXPORTED}}})", empty=missing) is None:
            return self.why.pop("exported")
        samples = await self._query("samples", f"max(count_over_time({{{_EXPORTED}}}[{_window(window)}]))", empty=short)
        return self.why.pop("samples", "" if samples is not None and samples >= _LEAST_SAMPLES else short)

    async def measure(self, ratio: PanelSpec | None) -> Impact:
        bad_since, outside, unseen = await self._ratio(ratio)
        start = self.detected_at if bad_since is None else bad_since
        window = max(1.0, round(self.end - start, 3))
        reason = await self._why_not_countable(window)
        requests = failed = slow = budget = None
        if reason:
            self.why.update(requests=reason, failed=reason, slow_percent=reason, budget_percent=reason)
        else:
            requests = await self._query("requests", requests_text(window))
            failed = await self._query("failed", failed_text(window))
            slow = await self._query("slow_percent", _slow_text(window), empty="no request was timed")
            if slow is not None and slow < 0.0:
                # Two rates over one window differ by what they extrapolate; beyond that the histogram contradicts itself.
                self.why.update({"slow_percent": f"IN DOUBT: {slow:.3g} %"} if slow < -_EXTRAPOLATED_PERCENT else {})
                slow = 0.0 if slow >= -_EXTRAPOLATED_PERCENT else None
            month = await self._query("budget_percent", requests_text(_MONTH_SECONDS))
            if month and failed is not None:
                budget = 100.0 * failed / (month * (1.0 - AVAILABILITY))
            elif "budget_percent" not in self.why:
                self.why["budget_percent"] = "the number of requests in 30 days is not known"
        return Impact(
            start, self.end, requests, failed, slow, budget, outside, unseen, bad_since, tuple(sorted(self.why.items()))
        )

    async def _query(self, name: str, text: str, *, empty: str = "Prometheus returned no series") -> float | None:
        try:
            result, contradictions = await asyncio.gather(
                self.prometheus.query(self.prometheus.expand(text), at=self.end),
                self.prometheus.contradictions(text, at=self.end),
            )
        except SourceError as error:
            self.why[name] = str(error)
            return None
        if result.annotations.partial:
            self.why[name] = result.annotations.caveat
            return None
        if contradictions:
            self.why[name] = f"{Verdict.IN_DOUBT.word}: {'; '.join(map(describe_contradiction, contradictions))}"
            return None
        value = result.samples[0].value if result.samples else math.nan
        if not math.isfinite(value):
            self.why[name] = empty
            return None
        return value

    async def _ratio(self, spec: PanelSpec | None) -> tuple[float | None, float | None, float | None]:
        """When the ratio crossed the objective (Unix seconds), how long it was over it and had no value (seconds)."""
        if spec is None:
            self.why["outside_seconds"] = "there is no panel error_ratio"
            return None, None, None
        coarse = math.ceil(_LOOK_BACK_SECONDS / _MOST_POINTS)
        before = await self._points(spec, self.detected_at - _LOOK_BACK_SECONDS, self.detected_at, coarse)
        about = _bad_since(before, self.detected_at, coarse)
        # Again from just before that, as exactly as the time up to the detection allows; a longer incident has longer steps.
        start = (self.detected_at if about is None else about) - coarse
        late = self.detected_at + _SCRAPE_LAG_SECONDS
        near_step, step = (max(1.0, math.ceil((end - start) / _MOST_POINTS)) for end in (late, self.end))
        points = await self._points(spec, start, self.end, step)
        near = points if step == near_step else await self._points(spec, start, late, near_step)
        if not points:
            self.why.setdefault("outside_seconds", "Prometheus returned no series of the error ratio")
            return None, None, None
        since = _bad_since(near, late, near_step)
        if since is not None and since > self.detected_at:
            since = None
        begin = self.detected_at if since is None else since
        own = [value for at, value in points if at >= begin and math.isfinite(value)]
        outside = sum(value > SLO_PERCENT for value in own) * step
        unseen = max(0.0, self.end - begin - len(own) * step)
        return since, min(outside, self.end - begin), unseen if unseen > 2.0 * step else 0.0

    async def _points(self, spec: PanelSpec, start: float, end: float, step: float) -> tuple[tuple[float, float], ...]:
        history = await self.prometheus.history(spec, start=start, end=end, step_seconds=step)
        if history.fault is not None:
            self.why["outside_seconds"] = history.fault.sentence()
        if history.note:
            self.why["outside_seconds"] = history.note
            return ()
        # A ratio outside its range says nothing about the requests.
        points = history.series[0].points if history.series else ()
        possible = tuple((at, value) for at, value in points if not math.isfinite(value) or spec.allowed.contains(value))
        if points and not possible:
            self.why["outside_seconds"] = f"{Verdict.IN_DOUBT.word}: every value of the error ratio is outside its range"
        return possible


def _bad_since(points: Iterable[tuple[float, float]], until: float, step: float) -> float | None:
    """The first point from which on every point up to `until` is over the objective, without a gap."""
    since: float | None = None
    last = -math.inf
    for at, value in points:
        if at > until:
            break
        bad = math.isfinite(value) and value > SLO_PERCENT
        if not bad:
            since = None
        elif since is None or at - last > 2.5 * step:
            since = at
        last = at
    return None if until - last > 2.5 * step else since
