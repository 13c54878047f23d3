"""What fired in a time window according to Prometheus: how often, for how long, and when Prometheus was down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from queries.model.frozen import dataclass
from queries.model.series import Labels, Point, Series, label, quote

IDENTITY = ("alertname", "severity", "priority", "component", "team", "provider", "deployment", "service", "endpoint")
"""The labels that identify an alert here; the pods of a Deployment count as one, or a bad night would be thousands of lines."""
FIRED, SEEN = "fired", "seen"
FLAPS = 3
"""How often an alert fires in one window to be called flapping."""
_MAX_GAP_RATIO, _MAX_GAP_SECONDS = 0.02, 900.0
"""How much data a window may lack before it is unknown, as a ratio and in seconds; the smaller limit counts. Enough for a
restart of Prometheus.
"""
_LEAST_STEP = 15.0
_POINTS = 1500


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

    @property
    def complete(self) -> bool:
        """Whether it lacks no more data than a restart of Prometheus costs: else an alert may have fired unseen."""
        limit = min(_MAX_GAP_RATIO * (self.ends_at - self.starts_at), _MAX_GAP_SECONDS)
        return self.unknown_seconds <= max(limit, 2.5 * self.step_seconds)


def step_for(seconds: float) -> float:
    """The step for a window of that many seconds: 15 s up to six hours, a minute for a day."""
    return _LEAST_STEP * max(1.0, -(-seconds // (_POINTS * _LEAST_STEP)))


def fired_query(step: float, heartbeat: str) -> str:
    """Counts the samples of each firing alert within every step, so that a shorter alert is visible too.

    `heartbeat` is the name of the alert that always fires; the query excludes it.
    """
    picked = f'alertstate="firing",alertname!={quote(heartbeat)}'
    return f"max by ({', '.join(IDENTITY)}) (count_over_time(ALERTS{{{picked}}}[{step:.0f}s]))"


def scraped_query(step: float) -> str:
    """Has a value for each step in which Prometheus scraped anything. Counts samples: `up` alone keeps its last value for five
    minutes after Prometheus went down.
    """
    return f"group(count_over_time(up[{step:.0f}s]))"


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
    sent: Callable[[Labels], Labels | None] = lambda labels: labels,
) -> AlertWindow:
    """Evaluates the series of `fired_query` and `scraped_query`, which cover `queried_from` to `ends_at` with this step.

    `intervals` is the evaluation interval of each alert's rule, by alert name: it makes times exact to one evaluation instead
    of one step. `sent` gives the labels with which Prometheus sends an alert, so those that Alertmanager lists.
    """
    from statistics import median  # noqa: PLC0415  # decimals and fractions, for a window of alerts alone

    seen = tuple(seen)
    alerts = _group_as_sent(fired, sent)
    scraped = sorted({at for series in seen for at, _ in series.points})
    usual = max(step_seconds, median([after - before for before, after in pairwise(scraped)] or [0.0]))
    holes = [FiringInterval(*pair) for pair in pairwise(scraped) if pair[1] - pair[0] > usual * 1.5]
    histories = []
    for labels, (name, points) in alerts.items():
        inside = [point for point in points if point[0] > starts_at]
        if inside:
            histories.append(_history(labels, inside, ends_at, step_seconds, intervals.get(name, 0.0), holes=holes))
    steps = round((ends_at - queried_from) / step_seconds)
    moments = [ends_at - step_seconds * back for back in range(steps, -1, -1)]
    firing: dict[int, int] = {}
    for _, points in alerts.values():
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
        _gaps([at for at in scraped if at >= starts_at], starts_at, ends_at, usual),
        tuple((at, float(firing.get(slot, 0))) for at, slot in zip(moments, slots, strict=True) if slot in known),
    )


def _group_as_sent(
    fired: Iterable[Series], sent: Callable[[Labels], Labels | None]
) -> dict[Labels, tuple[str, Sequence[Point]]]:
    """The rule's name and the points of each alert, by the identity with which it is sent; those sent alike are one."""
    found: dict[Labels, tuple[str, Sequence[Point]]] = {}
    for series in fired:
        own = identity_labels(series.labels)
        try:
            labels = identity_labels(sent(own) or own)
        except ValueError:  # a regular expression that this RE2 rejects
            labels = own
        name, points = label(own, "alertname"), series.points
        if labels in found:
            most = dict(points)
            for at, count in found[labels][1]:
                most[at] = max(count, most.get(at, 0.0))
            points = tuple(sorted(most.items()))
        found[labels] = (name, points)
    return found


def _history(
    labels: Labels, points: Sequence[Point], ends_at: float, step: float, interval: float, *, holes: Sequence[FiringInterval]
) -> AlertHistory:
    """Each point covers the step before it; its value counts the evaluations in which the alert fired.

    A time in which Prometheus looked at nothing ends no run, but adds nothing to the total.
    """
    runs: list[list[Point]] = []
    apart = max(step, interval) * 1.001
    resumes = apart + 2.0 * interval
    for at, count in points:
        length = min(step, count * interval) if interval > 0 else step
        last = runs[-1][-1][0] if runs else float("-inf")
        if at - last <= apart or _is_unseen(holes, last, at, apart=apart, resumes=resumes):
            runs[-1].append((at, length))
        else:
            runs.append([(at, length)])
    still_firing = ends_at - points[-1][0] < step * 1.5
    intervals = tuple(_interval(run, step, still_firing=still_firing and run is runs[-1]) for run in runs)
    return AlertHistory(labels, intervals, sum(length for run in runs for _, length in run), still_firing)


def _is_unseen(holes: Sequence[FiringInterval], before: float, after: float, *, apart: float, resumes: float) -> bool:
    """Whether an alert fired until Prometheus went down and again once it was back. The first evaluation after a restart
    makes an alert pending, only the next one lets it fire.
    """
    return any(
        hole.starts_at - apart <= before < hole.ends_at and hole.starts_at < after <= hole.ends_at + resumes for hole in holes
    )


def _interval(run: Sequence[Point], step: float, *, still_firing: bool) -> FiringInterval:
    """Of consecutive steps, each with the seconds during which it fired: at the end of the first, at the start of the last."""
    (first, first_seconds), (last, last_seconds) = run[0], run[-1]
    return FiringInterval(first - first_seconds, last if still_firing or len(run) == 1 else last - step + last_seconds)


def _gaps(scraped: Sequence[float], starts_at: float, ends_at: float, usual: float) -> tuple[FiringInterval, ...]:
    """Between neighbours much more than the usual seconds apart; the first minutes of a server count as a gap."""
    edges = [starts_at, *scraped, ends_at]
    return tuple(FiringInterval(before, after) for before, after in pairwise(edges) if after - before > usual * 2.5)
