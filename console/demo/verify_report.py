"""Verifies an incident's report against Prometheus' raw samples, without the console's own queries."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from console.demo import http_get
from queries.model.frozen import dataclass
from queries.text.times import parse_rfc3339

EVALUATION_SECONDS = 4.0
"""Two evaluations of the demo's rules: the tolerance between two observers of one event."""
NOTICE_SECONDS = 20.0
"""Prometheus notifies Alertmanager, which waits for its group, and the console polls every second."""
SHARE = 0.03
"""The tolerance of a count: increase() extrapolates to the edges of its window."""

Points = list[tuple[float, float]]
_FAILED = (
    (1.0, 'ocr_requests_total{status="start"}'),
    (-1.0, 'ocr_requests_total{status="success"}'),
    (1.0, 'vision_requests_total{status="error"}'),
)
"""Series of failed requests with their factors: OCR requests started without success, Vision requests with an error. The
simulated platform rejects no request for an open circuit.
"""
_REQUESTS = ((1.0, 'ocr_requests_total{status=~"start|cache_hit"}'), (1.0, 'vision_requests_total{status="start"}'))


class ReportMismatch(Exception):
    """The report and Prometheus differ; the message has both values."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A figure of the report, and its range by Prometheus' samples."""

    what: str
    reported: float | None
    least: float
    most: float

    @property
    def holds(self) -> bool:
        return self.reported is not None and self.least <= self.reported <= self.most

    def __str__(self) -> str:
        reported = "unknown" if self.reported is None else f"{self.reported:.1f}"
        return f"{self.what}: {reported} in the report, in Prometheus between {self.least:.1f} and {self.most:.1f}"


def verify_figures(document: dict[str, Any], prometheus: str, *, alert: str, step_seconds: float) -> tuple[Agreement, ...]:
    """Every figure of a report's JSON that raw samples can verify. `prometheus` is its URL, `step_seconds` the interval of its
    rules. Raises SourceError, and ReportMismatch where Prometheus has no samples to compare with.
    """
    start, end = _seconds(document["window"]["start"]), _seconds(document["window"]["end"])
    samples = _Samples(prometheus, start, end)
    impact, times = document["impact"], document["times"]
    found = [
        _counted("failed requests", impact["failed"], samples, _FAILED, step_seconds),
        _counted("requests", impact["requests"], samples, _REQUESTS, step_seconds),
        _outside(impact["outside_slo_seconds"], samples, step_seconds),
    ]
    firing = samples.raw(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')
    if not firing:
        raise ReportMismatch(f"Prometheus has no firing {alert} between the report's start and end")
    first, last = firing[0][0][0], max(points[-1][0] for points in firing)
    detected = _seconds(times["detected_at"])
    found.append(Agreement("detected", detected - first, -EVALUATION_SECONDS, EVALUATION_SECONDS))
    ended = next((_seconds(item["at"]) for item in document["timeline"] if item["text"].endswith(f"{alert} resolved")), None)
    over = None if ended is None else ended - last
    found.append(Agreement("end of the alert", over, -EVALUATION_SECONDS, NOTICE_SECONDS))
    mitigated = _seconds(document["steps"]["mitigate"])
    ratio = [
        value for at, value in _merge_series(samples.raw("platform_error_ratio")) if abs(at - mitigated) <= EVALUATION_SECONDS
    ]
    if not ratio:
        raise ReportMismatch("Prometheus has no platform_error_ratio at the moment of the mitigation")
    found.append(Agreement("error ratio when it was mitigated", min(ratio), 0.0, 5.0))
    return tuple(found)


class _Samples:
    def __init__(self, url: str, start: float, end: float) -> None:
        self._url = url
        self.start, self.end = start, end

    def raw(self, selector: str, *, around: float = 60.0) -> list[Points]:
        """The stored samples of each series in and around the window, unprocessed."""
        seconds = self.end - self.start + 2 * around
        query = {"query": f"{selector}[{round(seconds * 1000)}ms]", "time": f"{self.end + around:.3f}"}
        series = http_get.fetch_json(f"{self._url}/api/v1/query", query, seconds=10.0)["data"]["result"]
        return [[(float(at), float(value)) for at, value in item["values"]] for item in series]


def _counted(
    what: str, reported: float | None, samples: _Samples, selectors: tuple[tuple[float, str], ...], step_seconds: float
) -> Agreement:
    """The increase of the counters: at least between the first and the last sample within the window, at most by one more
    scrape at each edge, at the rate there.
    """
    least = edges = 0.0
    series = [(times, points) for times, selector in selectors for points in samples.raw(selector)]
    if not series:
        raise ReportMismatch(f"Prometheus has no samples of {', '.join(selector for _, selector in selectors)}")
    for times, points in series:
        within = [item for item in points if samples.start <= item[0] <= samples.end]
        least += times * _increase([value for _, value in within])
        for outer, inner in (
            ([item for item in points if item[0] < samples.start][-1:], within[:1]),
            (within[-1:], [item for item in points if item[0] > samples.end][:1]),
        ):
            if outer and inner:
                seconds = inner[0][0] - outer[0][0]
                edges += times * _increase([outer[0][1], inner[0][1]]) * min(1.0, step_seconds / seconds)
    return Agreement(what, reported, least * (1.0 - SHARE), (least + edges) * (1.0 + SHARE))


def _increase(values: list[float]) -> float:
    """The increase of a counter, with resets."""
    return sum(new - old if new >= old else new for old, new in pairwise(values))


def _outside(reported: float | None, samples: _Samples, step_seconds: float) -> Agreement:
    """How long the recorded error ratio was above 0.1 %."""
    points = [item for item in _merge_series(samples.raw("platform_error_ratio")) if samples.start <= item[0] <= samples.end]
    bad = sum(min(right[0] - left[0], 3.0 * step_seconds) for left, right in pairwise(points) if left[1] > 0.1)
    slack = 3.0 * step_seconds + SHARE * (samples.end - samples.start)
    return Agreement("seconds outside the SLO", reported, max(0.0, bad - slack), bad + slack)


def _merge_series(series: list[Points]) -> Points:
    return sorted(point for points in series for point in points)


def _seconds(moment: str | None) -> float:
    if moment is None:
        raise ReportMismatch("the report lacks a required time")
    return parse_rfc3339(moment)
