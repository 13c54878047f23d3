"""The rows of a heat map from a range result: classic or native histograms, or series by labels."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from queries.catalogue.error_code_series import CODE, group_series_by_code
from queries.model.heat_map import HeatRow
from queries.model.panel import Unit
from queries.model.series import Labels, Series, drop_labels, format_labels
from queries.prometheus.responses import Bucket, RangeResult
from queries.text.numbers import format_bucket

LE = "le"
_MOST_BUCKETS = 40
"""Rows of a native histogram, which may have hundreds of buckets; the screen has fewer lines."""

Buckets = tuple[Bucket, ...]


def build_bucket_rows(result: RangeResult, unit: Unit) -> tuple[tuple[HeatRow, ...], str]:
    """The buckets of all histograms of a result, the shortest at the bottom; `unit` is that of their bounds.

    Histograms with other buckets are put together as Prometheus does it for a quantile: what a bucket counts is spread evenly
    over it. While a server changes from classic to native histograms, each form counts its own part of a window, so both are
    added. A time at which no histogram has a value is missing; the text names those that lack some of the times of others.
    """
    histograms = _read_histograms(result)
    bounds = _choose_bounds(buckets for _, points in histograms for buckets in points.values())
    counts: dict[float, list[float]] = {}
    times: dict[Labels, set[float]] = defaultdict(set)
    for labels, points in histograms:
        times[labels].update(points)
        for at, buckets in points.items():
            found = _count(buckets, bounds)
            known = counts.get(at)
            counts[at] = found if known is None else [one + other for one, other in zip(known, found, strict=True)]
    rows = tuple(
        HeatRow(format_bucket(low, high, unit), tuple((at, counts[at][index]) for at in sorted(counts)), low, high)
        for index, (low, high) in enumerate(pairwise((0.0, *bounds, math.inf)))
    )
    # A native histogram without custom buckets has none for what lies beyond the others.
    ends = (high for _, points in histograms for buckets in points.values() for _, high, _ in buckets)
    beyond = any(value for _, value in rows[-1].points) or any(map(math.isinf, ends))
    gaps = sorted(format_labels(labels) for labels, at in times.items() if at != counts.keys())
    note = f"without {', '.join(gaps)} at times" if gaps else ""
    return (rows if beyond else rows[:-1]) if counts else (), note


def build_label_rows(result: RangeResult, by: Sequence[str]) -> tuple[HeatRow, ...]:
    """A row for each combination of these labels, that with the largest sum at the top. Error codes of one meaning are one."""
    series = group_series_by_code(result.series) if CODE in by else result.series
    rows: dict[str, dict[float, float]] = defaultdict(dict)
    for item in series:
        name = " ".join(filter(None, (item.label(each) for each in by))) or "(no labels)"
        for at, value in item.points:
            if not math.isnan(value):
                rows[name][at] = rows[name].get(at, 0.0) + value
    ordered = sorted(rows.items(), key=lambda row: (sum(row[1].values()), row[0]))
    return tuple(HeatRow(name, tuple(sorted(points.items()))) for name, points in ordered)


def _read_histograms(result: RangeResult) -> list[tuple[Labels, Mapping[float, Buckets]]]:
    """Each histogram by time, with its labels."""
    classic: dict[Labels, dict[float, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for item in result.series:
        high = _number(item)
        if high is not None:
            for at, value in item.points:
                classic[drop_labels(item.labels, LE)][at][high] = value
    found: list[tuple[Labels, Mapping[float, Buckets]]] = [
        (labels, {at: buckets for at, values in points.items() if (buckets := _separate(values))})
        for labels, points in classic.items()
    ]
    # Nothing takes less than no time: the first custom bucket of a native histogram begins at -Inf.
    found += [
        (item.labels, {at: tuple((max(low, 0.0), high, count) for low, high, count in buckets) for at, buckets in item.points})
        for item in result.histograms
    ]
    return [(labels, points) for labels, points in found if points]


def _number(series: Series) -> float | None:
    try:
        return float(series.label(LE))
    except ValueError:
        return None


def _separate(values: Mapping[float, float]) -> Buckets:
    """The buckets of cumulative counts by upper end; none if a count is unknown or the last one is missing."""
    if any(math.isnan(value) for value in values.values()) or math.inf not in values:
        return ()
    buckets: list[Bucket] = []
    low = below = 0.0
    for high in sorted(values):
        # Rates of buckets that were scraped at slightly different moments may fall by a hair.
        buckets.append((low, high, max(0.0, values[high] - below)))
        low, below = high, max(below, values[high])
    return tuple(buckets)


def _choose_bounds(all_buckets: Iterable[Buckets]) -> tuple[float, ...]:
    """The upper ends of the rows: those of all histograms, up to where the first has a last bucket without an end."""
    bounds: set[float] = set()
    most = math.inf
    for buckets in all_buckets:
        for low, high, _ in buckets:
            bounds.update(each for each in (low, high) if 0.0 < each < math.inf)
            if math.isinf(high):
                most = min(most, low)
    ordered = sorted(each for each in bounds if each <= most)
    apart = math.ceil(len(ordered) / _MOST_BUCKETS) if ordered else 1
    return tuple(reversed(ordered[::-1][::apart]))


def _count(buckets: Buckets, bounds: Sequence[float]) -> list[float]:
    """How much of a histogram lies up to each bound and beyond the one before, and at last beyond all."""
    counts = [0.0] * (len(bounds) + 1)
    for low, high, count in buckets:
        first = bisect_right(bounds, low)
        if first >= len(bounds) or high <= bounds[first] or math.isinf(high):
            counts[first] += count
            continue
        start = low
        for index in range(first, len(bounds) + 1):
            end = min(high, bounds[index]) if index < len(bounds) else high
            if end > start:
                counts[index] += count * (end - start) / (high - low)
                start = end
    return counts
