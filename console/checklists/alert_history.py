"""What fired in a window of time, from Prometheus' own record of it: how often, for how long, and where it did not look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from queries.model.series import Labels, Point, Series, label, quote

IDENTITY = ("alertname", "severity", "priority", "component", "team", "provider", "deployment", "service", "endpoint")
"""What tells two alerts apart here; the pods of one Deployment are one, or a bad night would be thousands of lines."""
FIRED, SEEN = "fired", "seen"
FLAPS = 3
"""An alert that came so often in one window is called flapping."""
_LEAST_STEP = 15.0
_POINTS = 1500
_LOOK_BACK = 300.0
"""Prometheus calls a series gone after five minutes; shorter gaps in its watching cannot be seen."""


@dataclass(frozen=True, slots=True)
class FiringInterval:
    """One time for which an alert fired without a break; Unix seconds."""

    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class AlertHistory:
    """One alert (or the alike ones of several pods) over the window. `total_seconds` is the time for which it fired;
    `until_now` whether it still did when Prometheus was asked.
    """

    labels: Labels
    spells: tuple[FiringInterval, ...]
    total_seconds: float
    until_now: bool

    @property
    def name(self) -> str:
        return label(self.labels, "alertname")

    @property
    def times(self) -> int:
        return len(self.spells)

    @property
    def flapping(self) -> bool:
        return self.times >= FLAPS


@dataclass(frozen=True, slots=True)
class AlertWindow:
    """`starts_at` to `ends_at`; a break shorter than `step_seconds` is not seen. `gaps` are the times of which Prometheus
    knows nothing. `counts` is how many different alerts fired, over time, from a day before the end or from the beginning.
    """

    starts_at: float
    ends_at: float
    step_seconds: float
    records: tuple[AlertHistory, ...] = ()
    gaps: tuple[FiringInterval, ...] = ()
    counts: tuple[Point, ...] = ()

    @property
    def unknown_seconds(self) -> float:
        return sum(gap.ends_at - gap.starts_at for gap in self.gaps)


def step_for(seconds: float) -> float:
    """The resolution for so long a window: 15 s up to six hours, a minute for a day."""
    return _LEAST_STEP * max(1.0, -(-seconds // (_POINTS * _LEAST_STEP)))


def fired_query(step: float, heartbeat: str) -> str:
    """Samples of each firing alert within every step: also one that fired for less than a step is seen.

    `heartbeat` is the name of the alert that always fires, and is left out.
    """
    picked = f'alertstate="firing",alertname!={quote(heartbeat)}'
    return f"max by ({', '.join(IDENTITY)}) (count_over_time(ALERTS{{{picked}}}[{step:.0f}s]))"


SEEN_QUERY = "group(up)"
"""Has a value wherever Prometheus scraped anything, and none while it was down."""


def identity(labels: Labels) -> Labels:
    """The labels by which an alert is known here."""
    return tuple(pair for pair in labels if pair[0] in IDENTITY)


def alert_window(
    fired: Iterable[Series],
    seen: Iterable[Series],
    *,
    starts_at: float,
    asked_from: float,
    ends_at: float,
    step_seconds: float,
    intervals: Mapping[str, float],
) -> AlertWindow:
    """Fold the tracks of `fired_query` and SEEN_QUERY, asked from `asked_from` to `ends_at` in these steps.

    `intervals` is how often each alert's rule is evaluated, by the alert's name; with it the times are exact to one
    evaluation, without it to one step.
    """
    tracks = [(identity(track.labels), track.points) for track in fired]
    records = []
    for labels, points in tracks:
        inside = [point for point in points if point[0] > starts_at]
        if inside:
            interval = intervals.get(label(labels, "alertname"), 0.0)
            records.append(_record(labels, inside, ends_at, step_seconds, interval))
    watched = sorted({at for track in seen for at, _ in track.points if at >= starts_at})
    steps = round((ends_at - asked_from) / step_seconds)
    moments = [ends_at - step_seconds * back for back in range(steps, -1, -1)]
    firing: dict[int, int] = {}
    for _, points in tracks:
        for at, _ in points:
            slot = round((ends_at - at) / step_seconds)
            firing[slot] = firing.get(slot, 0) + 1
    known = {round((ends_at - at) / step_seconds) for track in seen for at, _ in track.points}
    slots = [round((ends_at - at) / step_seconds) for at in moments]
    return AlertWindow(
        starts_at,
        ends_at,
        step_seconds,
        tuple(sorted(records, key=lambda item: (-item.total_seconds, item.labels))),
        _gaps(watched, starts_at, ends_at, step_seconds),
        tuple((at, float(firing.get(slot, 0))) for at, slot in zip(moments, slots, strict=True) if slot in known),
    )


def _record(labels: Labels, points: Sequence[Point], ends_at: float, step: float, interval: float) -> AlertHistory:
    """Each point stands for the step before it, and its value for the evaluations in which it fired."""
    runs: list[list[Point]] = []
    for at, count in points:
        length = min(step, count * interval) if interval > 0 else step
        if runs and at - runs[-1][-1][0] <= step * 1.001:
            runs[-1].append((at, length))
        else:
            runs.append([(at, length)])
    until_now = ends_at - points[-1][0] < step * 1.5
    spells = tuple(_spell(run, step, goes_on=until_now and run is runs[-1]) for run in runs)
    return AlertHistory(labels, spells, sum(length for run in runs for _, length in run), until_now)


def _spell(run: Sequence[Point], step: float, *, goes_on: bool) -> FiringInterval:
    """Steps in a row, each with the seconds for which it fired: in the first to its end, in the last from its beginning."""
    (first, begun), (last, ended) = run[0], run[-1]
    return FiringInterval(first - begun, last if goes_on or len(run) == 1 else last - step + ended)


def _gaps(watched: Sequence[float], starts_at: float, ends_at: float, step: float) -> tuple[FiringInterval, ...]:
    """Between neighbours that are further apart than a step; a server's first minutes belong to what is not known."""
    edges = [starts_at, *watched, ends_at]
    found = []
    for before, after in pairwise(edges):
        if after - before > step * 2.5:
            # For five minutes after it stopped, Prometheus still shows the last value: the gap began by then.
            began = before if before == starts_at else max(starts_at, before - min(_LOOK_BACK, before - starts_at))
            found.append(FiringInterval(began, after))
    return tuple(found)
