"""Whether a metric keeps the contract, by what its exporter and Prometheus show of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.checks.result import CONTRACT, METRICS, CheckResult, Result
from queries.catalogue.contract import PLATFORM, ContractMetric, Need
from queries.model.text import visible

EXPORTER, PROMETHEUS = "/metrics", "Prometheus"


@dataclass(frozen=True, slots=True)
class MetricSeen:
    """What one place shows of one metric.

    `type_told` is the type that is announced there, empty where the metric is not announced, None where types cannot be
    told. `stored` are the names of its series that are there, `lacking` the labels that some of them are without, with the
    series' name; `edges_missing` the buckets that are relied on and not there. `sumless` says that its buckets begin below
    zero: then a client exports no sum, which could go down and would look like a restart.
    """

    where: str
    type_told: str | None
    stored: frozenset[str] = frozenset()
    lacking: tuple[tuple[str, str], ...] = ()
    edges_missing: tuple[float, ...] = ()
    sumless: bool = False


def metric(promised: ContractMetric, seen: Sequence[MetricSeen], *, strict: bool) -> CheckResult:
    """The verdict on one metric. A counter that was never incremented has no series, but it is announced: absent is not
    broken. `seen` are the places that could be looked at."""
    optional = promised.need is Need.OPTIONAL

    def result(kind: Result, text: str, *, code: int = CONTRACT, quiet: bool = False) -> CheckResult:
        return CheckResult("contract", promised.name, kind, visible(text), code, quiet)

    for place in seen:
        if broken := _broken(promised, place):
            return result(Result.NOTED if optional else Result.FAILED, f"{broken} (seen in {place.where})")
    if any(place.stored for place in seen):
        unscraped = _unscraped(seen)
        if unscraped:
            return result(Result.FAILED if strict else Result.NOTED, unscraped, code=METRICS)
        return result(Result.PASSED, f"{promised.type} with {_labels(promised)}", quiet=True)
    if any(place.type_told for place in seen):
        told = "nothing was counted yet" if promised.type != "gauge" else "it has no value yet"
        return result(Result.PASSED, f"announced as a {promised.type}; {told}", quiet=True)
    if optional:
        return result(Result.NOTED, f"not here; {promised.absence}", quiet=True)
    if not seen or all(place.type_told is None for place in seen):
        if promised.after_first_use:
            return result(Result.NOTED, "no series; it has none before its first use, and no place tells what is announced")
        told = "no series; whether it is exported cannot be told, because no place tells what is announced"
    else:
        told = "no series, and no scrape announces it: nobody exports it"
    return result(Result.FAILED if strict else Result.NOTED, told)


def _broken(promised: ContractMetric, place: MetricSeen) -> str:
    """What is wrong with what is there; empty where nothing is."""
    if place.type_told and place.type_told not in (promised.type, "unknown", "untyped"):
        return f"is exported as a {place.type_told}, the contract says {promised.type}"
    owed = [name for name in promised.series if not (place.sumless and name.endswith("_sum"))]
    missing = [name for name in owed if name not in place.stored]
    if place.stored and missing:
        return f"is no whole {promised.type}: {', '.join(missing)} is missing"
    if place.lacking:
        name = place.lacking[0][0]
        labels = dict.fromkeys(label for series, label in place.lacking if series == name)
        return f"{name} has series without the label {', '.join(labels)}"
    if place.edges_missing:
        return f"has no bucket at {', '.join(f'{edge:g}' for edge in place.edges_missing)} {promised.unit}"
    return ""


def _unscraped(seen: Sequence[MetricSeen]) -> str:
    places = {place.where: place for place in seen}
    exporter, prometheus = places.get(EXPORTER), places.get(PROMETHEUS)
    if exporter and exporter.stored and prometheus and not prometheus.stored:
        return "the exporter has series and Prometheus none: it is not scraped, or relabelling drops it"
    return ""


def _labels(promised: ContractMetric) -> str:
    return ", ".join(promised.labels) or ("no labels" if promised.exporter == PLATFORM else "whatever labels it has")
