"""Series by error code: those whose codes mean the same of the nine are added up into one, with the raw codes beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from queries.catalogue.error_codes import load_taxonomy
from queries.model.series import Labels, Point, Sample, Series, label, without

CODE = "code"
_S = TypeVar("_S", Sample, Series)


def counts_codes(query: str) -> bool:
    """Whether a query is about error codes: elsewhere a label `code` may mean something else, the status of an answer."""
    return any(source.metric in query for source in load_taxonomy().counted)


def samples_by_code(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Each of the nine once for the same other labels. What has no code, or one that is none of the nine, stays by itself."""
    grouped = _grouped(samples, lambda item: item.value)
    return tuple(Sample(labels, _sum([item.value for item in items])) for labels, items in grouped)


def tracks_by_code(tracks: Iterable[Series]) -> tuple[Series, ...]:
    """As `samples_by_code`, moment by moment; where one of them has no point, the others alone count."""
    grouped = _grouped(tracks, lambda item: item.points[-1][1] if item.points else 0.0)
    return tuple(Series(labels, items[0].points if len(items) == 1 else _points(items)) for labels, items in grouped)


def _grouped(items: Iterable[_S], weight: Callable[[_S], float]) -> list[tuple[Labels, list[_S]]]:
    """What belongs together with the labels that it has then, in the order in which each first came."""
    taxonomy = load_taxonomy()
    groups: dict[tuple[Labels, str, str], list[_S]] = {}
    for item in items:
        raw = label(item.labels, CODE)
        code = taxonomy.mapped(raw, provider=label(item.labels, "provider"))
        groups.setdefault((without(item.labels, CODE) if raw else item.labels, code, "" if code else raw), []).append(item)
    found: list[tuple[Labels, list[_S]]] = []
    for key, together in groups.items():
        rest: Labels = key[0]
        code, unknown = key[1:]
        if not code and not unknown:
            found += [(item.labels, [item]) for item in together]
            continue
        # The largest is named first; what is not a number is small.
        together.sort(key=lambda item: -weight(item) if math.isfinite(weight(item)) else math.inf)
        raws = list(dict.fromkeys(label(item.labels, CODE) for item in together))
        spoken = taxonomy.spoken(unknown) if unknown else code if raws == [code] else f"{code} ({', '.join(raws)})"
        found.append((tuple(sorted((*rest, (CODE, spoken)))), together))
    return found


def _sum(values: Sequence[float]) -> float:
    """Of those that are numbers; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) if known else math.nan


def _points(tracks: Sequence[Series]) -> tuple[Point, ...]:
    moments: dict[float, list[float]] = {}
    for track in tracks:
        for at, value in track.points:
            moments.setdefault(at, []).append(value)
    return tuple((at, _sum(moments[at])) for at in sorted(moments))
