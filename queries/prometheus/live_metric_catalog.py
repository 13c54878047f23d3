"""The metric catalogue of a live server: the names that it stores or its targets announce, and the labels of requested ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from queries.catalogue.exported import PARTS
from queries.prometheus.metadata import Discovery
from queries.promql.metric_catalog import MetricCatalog, MetricInfo
from queries.promql.syntax import LabelMatcher, Selector

_PARTS = {**PARTS, "counter": ("", "_total")}
_ENUMERATED = frozenset({"le", "code", "status", "result"})
"""Labels whose values are checked for every matcher."""


async def fetch_metric_catalog(
    discovery: Discovery, selectors: Iterable[Selector], *, known: MetricCatalog, recorded: Collection[str]
) -> MetricCatalog:
    """The complete catalogue of the server. `known` is the contract's, for names announced without series and for values;
    `recorded` are the names that the server's rules write.

    Labels and values are fetched only for `selectors`: a label that the contract promises and no series has is missing.
    Raises SourceError.
    """
    metadata = await discovery.metadata()
    stored = frozenset(await discovery.metric_names())
    announced = {item.name + part for item in metadata for part in _PARTS.get(item.type, ("",))}
    families = {item.name: item.type for item in metadata}
    kinds = {item.name + part: _kind(item.type, part) for item in metadata for part in _PARTS.get(item.type, ("",))}
    words = {
        name: MetricInfo(name, None, recorded=name in recorded and name not in announced, type=kinds.get(name, ""))
        for name in announced | stored
    }
    for name in announced - stored:
        if (promised := known.get(name)) is not None:
            words[name] = replace(promised, type=kinds.get(name, promised.type))
    for name, labels in _labels_to_fetch(selectors, stored).items():
        seen = {label: await discovery.label_values(label, match=name) for label in sorted(labels)}
        promised = known.get(name) or words[name]
        for label, values in promised.seen.items():
            if label == "le" and "le" in seen:
                continue  # this build's buckets, not the contract's
            seen[label] = tuple(sorted({*seen.get(label, ()), *values}))
        found = frozenset(await discovery.label_names(name)) - {"__name__"}
        words[name] = replace(words[name], labels=found, values=promised.values, seen=seen)
    return replace(known, metrics=words, complete=True, families=families)


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
