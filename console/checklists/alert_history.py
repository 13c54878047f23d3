"""What fired in a time window according to Prometheus: how often, for how long, and when Prometheus was down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from queries.model.frozen import dataclass
from queries.model.series import Labels, Point, Series, label, quote

IDENTITY = ("alertname", "severity", "priority", "component", "team", "provider", "deployment", "service", "endpoint")
"""The labels that identify an alert here; the pods of a Deployment count as one, or a bad night would be thousands of lines."""
FIRED, SEEN = "fired", "seen"
FLAPS = 3
"""How often an alert fires in one window to be called flapping."""
_LEAST_STEP = 15.0
_POINTS = 1500
_LOOK_BACK = 300.0
"""Prometheus marks a series stale after five minutes, which hides shorter outages of its own."""


@dataclass(frozen=True, slots=True)
class FiringInterval:
    """A time during which an alert fired without a break; Unix seconds."""

    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class AlertHistory:
    """One alert (of several pods the same one) over the window. `total_seconds` is how long it fired; `still_firing` is as of
    the end of the window.
    """

    labels: Labels
    intervals: tuple[FiringInterval, ...]
    total_seconds: float
    still_firing: bool

    @property
    def name(self) -> str:
        return label(self.labels, "alertname")

    @property
    def times(self) -> int:
        return len(self.intervals)

    @property
    def flapping(self) -> bool:
        return self.times >= FLAPS


@dataclass(frozen=True, slots=True)
class AlertWindow:
    """From `starts_at` to `ends_at`, Unix seconds; a break shorter than `step_seconds` is invisible. `gaps` are times without
    data. `counts` is how many different alerts fired over time, from a day before the end or from the start.
    """

    starts_at: float
    ends_at: float
    step_seconds: float
    histories: tuple[AlertHistory, ...] = ()
    gaps: tuple[FiringInterval, ...] = ()
    counts: tuple[Point, ...] = ()

    @property
    def unknown_seconds(self) -> float:
        return sum(gap.ends_at - gap.starts_at for gap in self.gaps)


def step_for(seconds: float) -> float:
    """The step for a window of that many seconds: 15 s up to six hours, a minute for a day."""
    return _LEAST_STEP * max(1.0, -(-seconds // (_POINTS * _LEAST_STEP)))


def fired_query(step: float, heartbeat: str) -> str:
    """Counts the samples of each firing alert within every step, so that a shorter alert is visible too.

    `heartbeat` is the name of the alert that always fires; the query excludes it.
    """
    picked = f'alertstate="firing",alertname!={quote(heartbeat)}'
    return f"max by ({', '.join(IDENTITY)}) (count_over_time(ALERTS{{{picked}}}[{step:.0f}s]))"


SEEN_QUERY = "group(up)"
"""Has a value wherever Prometheus scraped anything, and none while Prometheus was down."""


@lru_cache(maxsize=50_000)
def identity_labels(labels: Labels) -> Labels:
    """The labels that identify an alert here."""
    return tuple(pair for pair in labels if pair[0] in IDENTITY)


def build_window(
    fired: Iterable[Series],
    seen: Iterable[Series],
    *,
    starts_at: float,
    queried_from: float,
    ends_at: float,
    step_seconds: float,
    intervals: Mapping[str, float],
) -> AlertWindow:
    """Evaluates the series of `fired_query` and SEEN_QUERY, which cover `queried_from` to `ends_at` with this step.

    `intervals` is the evaluation interval of each alert's rule, by alert name: it makes times exact to one evaluation instead
    of one step.
    """
    alerts = [(identity_labels(series.labels), series.points) for series in fired]
    histories = []
    for labels, points in alerts:
        inside = [point for point in points if point[0] > starts_at]
        if inside:
            interval = intervals.get(label(labels, "alertname"), 0.0)
            histories.append(_history(labels, inside, ends_at, step_seconds, interval))
    scraped = sorted({at for series in seen for at, _ in series.points if at >= starts_at})
    steps = round((ends_at - queried_from) / step_seconds)
    moments = [ends_at - step_seconds * back for back in range(steps, -1, -1)]
    firing: dict[int, int] = {}
    for _, points in alerts:
        for at, _ in points:
            slot = round((ends_at - at) / step_seconds)
            firing[slot] = firing.get(slot, 0) + 1
    known = {round((ends_at - at) / step_seconds) for series in seen for at, _ in series.points}
    slots = [round((ends_at - at) / step_seconds) for at in moments]
    return AlertWindow(
        starts_at,
        ends_at,
        step_seconds,
        tuple(sorted(histories, key=lambda item: (-item.total_seconds, item.labels))),
        _gaps(scraped, starts_at, ends_at, step_seconds),
        tuple((at, float(firing.get(slot, 0))) for at, slot in zip(moments, slots, strict=True) if slot in known),
    )


def _history(labels: Labels, points: Sequence[Point], ends_at: float, step: float, interval: float) -> AlertHistory:
    """Each point covers the step before it; its value counts the evaluations in which the alert fired."""
    runs: list[list[Point]] = []
    for at, count in points:
        length = min(step, count * interval) if interval > 0 else step
        if runs and at - runs[-1][-1][0] <= step * 1.001:
            runs[-1].append((at, length))
        else:
            runs.append([(at, length)])
    still_firing = ends_at - points[-1][0] < step * 1.5
    intervals = tuple(_interval(run, step, still_firing=still_firing and run is runs[-1]) for run in runs)
    return AlertHistory(labels, intervals, sum(length for run in runs for _, length in run), still_firing)


def _interval(run: Sequence[Point], step: float, *, still_firing: bool) -> FiringInterval:
    """Of consecutive steps, each with the seconds during which it fired: at the end of the first, at the start of the last."""
    (first, first_seconds), (last, last_seconds) = run[0], run[-1]
    return FiringInterval(first - first_seconds, last if still_firing or len(run) == 1 else last - step + last_seconds)


def _gaps(scraped: Sequence[float], starts_at: float, ends_at: float, step: float) -> tuple[FiringInterval, ...]:
    """Between neighbours more than a step apart; the first minutes of a server count as a gap."""
    edges = [starts_at, *scraped, ends_at]
    gaps = []
    for before, after in pairwise(edges):
        if after - before > step * 2.5:
            # For five minutes after the last scrape, Prometheus returns the last value: the gap started before that.
            start = before if before == starts_at else max(starts_at, before - min(_LOOK_BACK, before - starts_at))
            gaps.append(FiringInterval(start, after))
    return tuple(gaps)
