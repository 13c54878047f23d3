"""Whether an incident's report says what Prometheus itself has: its raw samples, asked past the console's own queries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from console.demo import http_get
from queries.text.times import parse_rfc3339

EVALUATION_SECONDS = 4.0
"""Two rounds of the demo's rules: by so much a moment that two of its parts see may differ."""
NOTICE_SECONDS = 20.0
"""Prometheus tells Alertmanager, that waits for its group, and the console asks every second."""
SHARE = 0.03
"""Of a count: increase() goes on to the edges of its window, between two scrapes."""

Points = list[tuple[float, float]]
_FAILED = (
    (1.0, 'ocr_requests_total{status="start"}'),
    (-1.0, 'ocr_requests_total{status="success"}'),
    (1.0, 'vision_requests_total{status="error"}'),
)
"""What the platform counts of a failed request: an OCR request that was begun and never succeeded, a Vision request with its
error. Each selector is taken as often as its number says; the simulated platform refuses nothing for an open circuit."""
_ASKED = ((1.0, 'ocr_requests_total{status=~"start|cache_hit"}'), (1.0, 'vision_requests_total{status="start"}'))


class ReportMismatch(Exception):
    """The report and Prometheus say different things; the message has both."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure: what the report says, and between what Prometheus' own samples have it."""

    what: str
    reported: float | None
    least: float
    most: float

    @property
    def holds(self) -> bool:
        return self.reported is not None and self.least <= self.reported <= self.most

    def __str__(self) -> str:
        told = "unknown" if self.reported is None else f"{self.reported:.1f}"
        return f"{self.what}: the report says {told}, Prometheus between {self.least:.1f} and {self.most:.1f}"


def compare(document: dict[str, Any], prometheus: str, *, alert: str, step_seconds: float) -> tuple[Agreement, ...]:
    """Every figure of a report's JSON that raw samples can tell. `prometheus` is its URL, `step_seconds` the step of its rules.

    Raises SourceError, and Disagrees where Prometheus has no samples to compare with.
    """
    start, end = _seconds(document["window"]["start"]), _seconds(document["window"]["end"])
    samples = _Samples(prometheus, start, end)
    impact, times = document["impact"], document["times"]
    found = [
        _counted("failed requests", impact["failed"], samples, _FAILED, step_seconds),
        _counted("requests", impact["requests"], samples, _ASKED, step_seconds),
        _outside(impact["outside_slo_seconds"], samples, step_seconds),
    ]
    firing = samples.raw(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')
    if not firing:
        raise ReportMismatch(f"Prometheus has no firing {alert} between the report's start and end")
    first, last = firing[0][0][0], max(points[-1][0] for points in firing)
    detected = _seconds(times["detected_at"])
    found.append(Agreement("detected", detected - first, -EVALUATION_SECONDS, EVALUATION_SECONDS))
    ended = next((_seconds(item["at"]) for item in document["timeline"] if item["text"].endswith(f"{alert} ended")), None)
    over = None if ended is None else ended - last
    found.append(Agreement("end of the alert", over, -EVALUATION_SECONDS, NOTICE_SECONDS))
    mitigated = _seconds(document["steps"]["mitigate"])
    ratio = [value for at, value in _joined(samples.raw("platform_error_ratio")) if abs(at - mitigated) <= EVALUATION_SECONDS]
    if not ratio:
        raise ReportMismatch("Prometheus has no platform_error_ratio at the moment of the mitigation")
    found.append(Agreement("error ratio when it was mitigated", min(ratio), 0.0, 5.0))
    return tuple(found)


class _Samples:
    def __init__(self, url: str, start: float, end: float) -> None:
        self._url = url
        self.start, self.end = start, end

    def raw(self, selector: str, *, around: float = 60.0) -> list[Points]:
        """The stored samples of each series, in and around the window, as they were scraped: nothing is computed of them."""
        seconds = self.end - self.start + 2 * around
        query = {"query": f"{selector}[{round(seconds * 1000)}ms]", "time": f"{self.end + around:.3f}"}
        series = http_get.fetch(f"{self._url}/api/v1/query", query, seconds=10.0)["data"]["result"]
        return [[(float(at), float(value)) for at, value in item["values"]] for item in series]


def _counted(
    what: str, reported: float | None, samples: _Samples, selectors: tuple[tuple[float, str], ...], step_seconds: float
) -> Agreement:
    """What the counters rose by: at least between the first and the last sample within, at most by one scrape more at each
    edge, at the pace that they had there.
    """
    least = edges = 0.0
    series = [(times, points) for times, selector in selectors for points in samples.raw(selector)]
    if not series:
        raise ReportMismatch(f"Prometheus has no samples of {', '.join(selector for _, selector in selectors)}")
    for times, points in series:
        within = [item for item in points if samples.start <= item[0] <= samples.end]
        least += times * _risen([value for _, value in within])
        for outer, inner in (
            ([item for item in points if item[0] < samples.start][-1:], within[:1]),
            (within[-1:], [item for item in points if item[0] > samples.end][:1]),
        ):
            if outer and inner:
                seconds = inner[0][0] - outer[0][0]
                edges += times * _risen([outer[0][1], inner[0][1]]) * min(1.0, step_seconds / seconds)
    return Agreement(what, reported, least * (1.0 - SHARE), (least + edges) * (1.0 + SHARE))


def _risen(values: list[float]) -> float:
    """By how much a counter rose; where it fell it began anew."""
    return sum(new - old if new >= old else new for old, new in pairwise(values))


def _outside(reported: float | None, samples: _Samples, step_seconds: float) -> Agreement:
    """How long the recorded error ratio stood over 0.1 %, sample by sample."""
    points = [item for item in _joined(samples.raw("platform_error_ratio")) if samples.start <= item[0] <= samples.end]
    bad = sum(min(right[0] - left[0], 3.0 * step_seconds) for left, right in pairwise(points) if left[1] > 0.1)
    slack = 3.0 * step_seconds + SHARE * (samples.end - samples.start)
    return Agreement("seconds outside the SLO", reported, max(0.0, bad - slack), bad + slack)


def _joined(series: list[Points]) -> Points:
    return sorted(point for points in series for point in points)


def _seconds(moment: str | None) -> float:
    if moment is None:
        raise ReportMismatch("the report leaves out a moment that it should have")
    return parse_rfc3339(moment)
