"""Reads every metric of the contract from the exporter and from Prometheus, with as few queries as possible."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from console.checks.contract import EXPORTER, PROMETHEUS, MetricObservation
from queries.catalogue.contract import PLATFORM, Contract, ContractMetric
from queries.catalogue.error_codes import Taxonomy
from queries.catalogue.exposition import Exposition
from queries.errors import SourceError, partial_answer
from queries.model.annotations import Annotations
from queries.model.fault import Fault
from queries.model.frozen import dataclass
from queries.model.series import Sample, label, quote
from queries.prometheus.client import Prometheus
from queries.prometheus.code_counts import Counts, RangeQuery, date_codes, seen_query
from queries.prometheus.metadata import Discovery
from queries.prometheus.query_batch import BatchQuery, QueryBatch

_NAMES, _LACKING, _WHOLE, _EDGES, _CODES, _SUMLESS = "names", "lacking", "whole", "edges", "codes", "sumless"


@dataclass(frozen=True, slots=True)
class StoredMetrics:
    """What Prometheus stores of the contract's metrics.

    `lacking` maps a label to the names of which some series lack it; `whole` are the names of which some series have all
    labels; `edges` are the bucket bounds by name; `sumless` the histograms whose buckets start below zero; `types` is None if
    the server does not serve metadata.
    """

    names: frozenset[str]
    lacking: Mapping[str, frozenset[str]]
    whole: frozenset[str]
    edges: Mapping[str, frozenset[float]]
    sumless: frozenset[str]
    types: Mapping[str, str] | None
    codes: Counts | Fault


async def fetch_stored_metrics(
    contract: Contract, taxonomy: Taxonomy, prometheus: Prometheus, discovery: Discovery, *, window_seconds: float
) -> StoredMetrics | Fault:
    """One batched query, one for the metadata, and one if a code has to be dated; the fault if the first one fails in part.

    Codes are those counted within the window that ends now.
    """

    async def query(text: str) -> tuple[Sequence[Sample], Annotations]:
        result = await prometheus.query(text)
        return result.samples, result.annotations

    batch: QueryBatch[Sample] = QueryBatch(query, clock=time.monotonic)
    try:
        answer = await batch.fetch(tuple(_batch_queries(contract, taxonomy, window_seconds)))
    except SourceError as error:
        return error.fault
    if answer.partial:
        return partial_answer(answer.partial, where=prometheus.where).fault
    # A server may reject a range as long as the window: then only the codes are unknown.
    code_faults = [fault for key, fault in answer.faults.items() if key.startswith(f"{_CODES} ")]
    for fault in answer.faults.values():
        if fault not in code_faults:
            return fault
    try:
        types: dict[str, str] | None = {item.name: item.type for item in await discovery.metadata()}
    except SourceError:
        types = None  # not every server with this API serves metadata
    now = time.time() + prometheus.ahead_seconds
    ranges = RangeQuery(prometheus.query_range, start=now - window_seconds, end=now)
    samples = {source: answer.items[f"{_CODES} {source.metric}"] for source in taxonomy.counted}
    edges: dict[str, set[float]] = {}
    for item in answer.items[_EDGES]:
        edges.setdefault(label(item.labels, "__name__"), set()).add(_edge(label(item.labels, "le")))
    return StoredMetrics(
        names=_names(answer.items[_NAMES]),
        lacking={
            key.removeprefix(f"{_LACKING} "): _names(items)
            for key, items in answer.items.items()
            if key.startswith(f"{_LACKING} ")
        },
        whole=frozenset(name for key, items in answer.items.items() if key.startswith(f"{_WHOLE} ") for name in _names(items)),
        edges={name: frozenset(found) for name, found in edges.items()},
        sumless=_names(answer.items[_SUMLESS]),
        types=types,
        codes=code_faults[0] if code_faults else await date_codes(taxonomy, samples, ranges),
    )


def observe_in_prometheus(promised: ContractMetric, facts: StoredMetrics) -> MetricObservation:
    """One metric as Prometheus stores it."""
    stored = frozenset(promised.stored_as) & facts.names
    if promised.exporter == PLATFORM:
        lacking = [
            (name, own) for own in promised.labels for name in promised.stored_as if name in facts.lacking.get(own, frozenset())
        ]
    else:
        # A kubelet also exports series of whole cgroups, which have fewer labels: some series with all labels suffice.
        lacking = [(name, own) for name in promised.stored_as if name in stored - facts.whole for own in promised.labels]
    announced = None if facts.types is None else next(filter(None, map(facts.types.get, promised.families)), "")
    buckets = f"{promised.name}_bucket"
    missing = () if promised.is_native(stored) else _missing_edges(promised, facts.edges.get(buckets, frozenset()), stored)
    return MetricObservation(PROMETHEUS, announced, stored, tuple(lacking), missing, buckets in facts.sumless)


def observe_in_exposition(promised: ContractMetric, exposed: Exposition) -> MetricObservation:
    """One metric as its exporter exposes it."""
    stored = frozenset(name for name in promised.series if exposed.series.get(name))
    lacking = dict.fromkeys(
        (name, own)
        for name in promised.series
        for sample in exposed.series.get(name, ())
        for own in promised.labels
        if not sample.label(own)
    )
    announced = next(filter(None, map(exposed.types.get, promised.families)), "")
    edges = frozenset(_edge(sample.label("le")) for sample in exposed.series.get(f"{promised.name}_bucket", ()))
    missing = _missing_edges(promised, edges, stored)
    return MetricObservation(EXPORTER, announced, stored, tuple(lacking), missing, any(edge < 0 for edge in edges))


def _batch_queries(contract: Contract, taxonomy: Taxonomy, window_seconds: float) -> Iterator[BatchQuery]:
    all_names = [name for promised in contract.metrics for name in promised.stored_as]
    yield BatchQuery(_NAMES, f"group by (__name__) ({{{_match_names(all_names)}}})")
    by_label: dict[str, list[str]] = {}
    for promised in contract.metrics:
        if promised.exporter == PLATFORM:
            for own in promised.labels:
                by_label.setdefault(own, []).extend(promised.stored_as)
        elif promised.labels:
            carried = ", ".join(f'{own}!=""' for own in promised.labels)
            yield BatchQuery(
                f"{_WHOLE} {promised.name}", f"group by (__name__) ({{{_match_names(promised.stored_as)}, {carried}}})"
            )
        else:
            yield BatchQuery(f"{_WHOLE} {promised.name}", f"group by (__name__) ({{{_match_names(promised.stored_as)}}})")
    for own, names in by_label.items():
        yield BatchQuery(f"{_LACKING} {own}", f'group by (__name__) ({{{_match_names(names)}, {own}=""}})')
    bucketed = [f"{promised.name}_bucket" for promised in contract.metrics if promised.buckets]
    yield BatchQuery(_EDGES, f"group by (__name__, le) ({{{_match_names(bucketed)}}})")
    histograms = [f"{promised.name}_bucket" for promised in contract.metrics if promised.type == "histogram"]
    yield BatchQuery(_SUMLESS, f'group by (__name__) ({{{_match_names(histograms)}, le=~"-.+"}})')
    for source in taxonomy.counted:
        yield BatchQuery(f"{_CODES} {source.metric}", seen_query(source, window_seconds))


def _match_names(names: Iterable[str]) -> str:
    return f"__name__=~{quote('|'.join(names))}"


def _names(items: Iterable[Sample]) -> frozenset[str]:
    return frozenset(label(item.labels, "__name__") for item in items)


def _edge(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _missing_edges(promised: ContractMetric, found: frozenset[float], stored: frozenset[str]) -> tuple[float, ...]:
    return tuple(edge for edge in promised.buckets if edge not in found) if stored else ()
