"""Series by error code: those with codes of the same meaning are summed, with the raw codes beside the canonical one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from queries.catalogue.error_codes import load_taxonomy
from queries.model.series import Labels, Point, Sample, Series, drop_labels, label

CODE = "code"
_S = TypeVar("_S", Sample, Series)


def counts_codes(query: str) -> bool:
    """Whether a query is about error codes: in other metrics `code` may be an HTTP status."""
    return any(source.metric in query for source in load_taxonomy().counted)


def group_samples_by_code(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Sum samples of the same canonical code and other labels. A sample with an unknown code, or none, stays by itself."""
    grouped = _group(samples, lambda item: item.value)
    return tuple(Sample(labels, _sum([item.value for item in items])) for labels, items in grouped)


def group_series_by_code(series: Iterable[Series]) -> tuple[Series, ...]:
    """As `group_samples_by_code`, per timestamp; a missing point is left out of the sum."""
    grouped = _group(series, lambda item: item.points[-1][1] if item.points else 0.0)
    return tuple(Series(labels, items[0].points if len(items) == 1 else _points(items)) for labels, items in grouped)


def _group(items: Iterable[_S], weight: Callable[[_S], float]) -> list[tuple[Labels, list[_S]]]:
    """The groups with their resulting labels, in the order of first occurrence."""
    taxonomy = load_taxonomy()
    groups: dict[tuple[Labels, str, str], list[_S]] = {}
    for item in items:
        raw = label(item.labels, CODE)
        code = taxonomy.map(raw, provider=label(item.labels, "provider"))
        groups.setdefault((drop_labels(item.labels, CODE) if raw else item.labels, code, "" if code else raw), []).append(item)
    grouped: list[tuple[Labels, list[_S]]] = []
    for key, together in groups.items():
        rest: Labels = key[0]
        code, unknown = key[1:]
        if not code and not unknown:
            grouped += [(item.labels, [item]) for item in together]
            continue
        # The largest is named first; NaN and infinity come last.
        together.sort(key=lambda item: -weight(item) if math.isfinite(weight(item)) else math.inf)
        raws = list(dict.fromkeys(label(item.labels, CODE) for item in together))
        shown = taxonomy.format(unknown) if unknown else code if raws == [code] else f"{code} ({', '.join(raws)})"
        grouped.append((tuple(sorted((*rest, (CODE, shown)))), together))
    return grouped


def _sum(values: Sequence[float]) -> float:
    """The sum without NaN; NaN if there is no number."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) if known else math.nan


def _points(series: Sequence[Series]) -> tuple[Point, ...]:
    moments: dict[float, list[float]] = {}
    for item in series:
        for at, value in item.points:
            moments.setdefault(at, []).append(value)
    return tuple((at, _sum(moments[at])) for at in sorted(moments))
