"""The vocabulary of a live server: the names that it has or that its scrapes announce, and the labels of those asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from queries.catalogue.exported import PARTS
from queries.prometheus.metadata import Discovery
from queries.promql.metric_catalog import MetricCatalog, MetricInfo
from queries.promql.syntax import LabelMatcher, Selector

_PARTS = {**PARTS, "counter": ("", "_total")}
_ENUMERATED = frozenset({"le", "code", "status", "result"})
"""Labels whose values a rule is compared with, however it matches them."""


async def live_vocabulary(
    discovery: Discovery, wanted: Iterable[Selector], *, known: MetricCatalog, recorded: Collection[str]
) -> MetricCatalog:
    """What the server has, complete. `known` is what the contract says of names that are announced without series, and of
    values; `recorded` are the names that the server's rules write.

    Labels and values are asked only for what `wanted` selects: a label that the contract promises and no series has is
    not there. Raises SourceError.
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
    for name, labels in _asked(wanted, stored).items():
        seen = {label: await discovery.label_values(label, match=name) for label in sorted(labels)}
        promised = known.get(name) or words[name]
        for label, values in promised.seen.items():
            if label == "le" and "le" in seen:
                continue  # the buckets of this build, and not of the one that is known
            seen[label] = tuple(sorted({*seen.get(label, ()), *values}))
        found = frozenset(await discovery.label_names(name)) - {"__name__"}
        words[name] = replace(words[name], labels=found, values=promised.values, seen=seen)
    return replace(known, words=words, complete=True, families=families)


def _kind(family: str, part: str) -> str:
    """The type of one of a family's series: the parts of a histogram count up."""
    return "counter" if part in ("_bucket", "_count", "_sum") else family


def _asked(wanted: Iterable[Selector], stored: frozenset[str]) -> dict[str, set[str]]:
    """The names whose labels matter, and for each the labels whose values matter."""
    asked: dict[str, set[str]] = {}
    for picked in wanted:
        for name in picked.metrics:
            if name in stored:
                asked.setdefault(name, set()).update(item.name for item in picked.labels if _is_compared(item))
    return asked


def _is_compared(item: LabelMatcher) -> bool:
    return item.operator == "=~" or (item.operator == "=" and item.name in _ENUMERATED)
