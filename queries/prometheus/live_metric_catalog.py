"""The metric catalogue of a live server: the names that it stores or its targets announce, and the labels of requested ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable

import msgspec

from queries.catalogue.exported import PARTS
from queries.errors import PartialAnswer, RequestRejected
from queries.prometheus.metadata import Discovery
from queries.promql.metric_catalog import MetricCatalog, MetricInfo
from queries.promql.syntax import LabelMatcher, Selector, select_metric

_PARTS = {**PARTS, "counter": ("", "_total")}
_ENUMERATED = frozenset({"le", "code", "status", "result"})
"""Labels whose values are checked for every matcher."""


async def fetch_metric_catalog(
    discovery: Discovery,
    selectors: Iterable[Selector],
    *,
    known: MetricCatalog,
    recorded: Collection[str],
    exist_now: Callable[[Collection[str]], Awaitable[Collection[str]]],
) -> MetricCatalog:
    """The complete catalogue of the server. `known` is the contract's, for names announced without series and for values;
    `recorded` are the names that the server's rules write, and `exist_now` returns those that have series now.

    Labels and values are fetched only for `selectors`: a label that the contract promises and no series has is missing. The
    labels of a name that the server refuses to look up are unknown, as is everything missing from a partial response: the
    catalogue is then incomplete. Raises SourceError.
    """
    try:
        metadata = await discovery.metadata()
        stored = frozenset(await discovery.metric_names())
    except PartialAnswer as error:
        return msgspec.structs.replace(known, partial=error.fault.sentence())
    # After a change to native histograms the classic names stay listed as long as their samples are retained.
    doubtful = {item.name for item in metadata if item.type == "histogram" and item.name in stored}
    parts = {name + part for name in doubtful for part in PARTS["histogram"]} & stored
    gone = parts - frozenset(await exist_now(sorted(parts))) if parts else parts
    stored -= gone
    native = frozenset(name for name in doubtful if stored.isdisjoint(name + part for part in PARTS["histogram"]))
    announced = {item.name + part for item in metadata if item.name not in native for part in _PARTS.get(item.type, ("",))}
    families = {item.name: item.type for item in metadata}
    kinds = {item.name + part: _kind(item.type, part) for item in metadata for part in _PARTS.get(item.type, ("",))}
    words = {
        name: MetricInfo(name, None, recorded=name in recorded and name not in announced, type=kinds.get(name, ""))
        for name in announced | stored
    }
    for name in announced - stored:
        if (promised := known.get(name)) is not None:
            words[name] = msgspec.structs.replace(promised, type=kinds.get(name, promised.type))
    for name, labels in _labels_to_fetch(selectors, stored).items():
        try:
            seen = {label: await discovery.label_values(label, match=select_metric(name)) for label in sorted(labels)}
            found = frozenset(await discovery.label_names(select_metric(name))) - {"__name__"}
        except (RequestRejected, PartialAnswer):
            continue  # for this name only: an older server rejects UTF-8 names
        promised = known.get(name) or words[name]
        for label, values in promised.seen.items():
            if label == "le" and "le" in seen:
                continue  # this build's buckets, not the contract's
            seen[label] = tuple(sorted({*seen.get(label, ()), *values}))
        words[name] = msgspec.structs.replace(words[name], labels=found, values=promised.values, seen=seen)
    return msgspec.structs.replace(known, metrics=words, complete=True, families=families, native=native)


def _kind(family: str, part: str) -> str:
    """The type of one of a family's series: the parts of a histogram are counters."""
    return "counter" if part in ("_bucket", "_count", "_sum") else family


def _labels_to_fetch(selectors: Iterable[Selector], stored: frozenset[str]) -> dict[str, set[str]]:
    """The names whose labels matter, and for each the labels whose values matter."""
    labels: dict[str, set[str]] = {}
    for picked in selectors:
        for name in picked.metrics:
            if name in stored:
                labels.setdefault(name, set()).update(item.name for item in picked.labels if _is_compared(item))
    return labels


def _is_compared(item: LabelMatcher) -> bool:
    return item.operator == "=~" or (item.operator == "=" and item.name in _ENUMERATED)
