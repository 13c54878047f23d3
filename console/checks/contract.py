"""Whether a metric fulfils the contract, by what its exporter and Prometheus show."""

from __future__ import annotations

from collections.abc import Sequence

from console.checks.result import CONTRACT, METRICS, CheckResult, Result
from queries.catalogue.contract import PLATFORM, ContractMetric, Need
from queries.model.frozen import dataclass
from queries.model.text import visible

EXPORTER, PROMETHEUS = "/metrics", "Prometheus"


@dataclass(frozen=True, slots=True)
class MetricObservation:
    """What one place shows of one metric.

    `announced_type` is its `# TYPE`, empty if it has none, None if the place does not report types. `stored` are the names of
    its existing series, `lacking` the (series, label) pairs whose label some series lack, `missing_buckets` the required bounds
    that do not exist. `sumless`: its buckets start below zero, and then clients export no `_sum`, because one that decreases
    would look like a counter reset.
    """

    where: str
    announced_type: str | None
    stored: frozenset[str] = frozenset()
    lacking: tuple[tuple[str, str], ...] = ()
    missing_buckets: tuple[float, ...] = ()
    sumless: bool = False


def check_metric(promised: ContractMetric, observations: Sequence[MetricObservation], *, strict: bool) -> CheckResult:
    """One metric, by the places that could be read.

    A counter that was never incremented has no series, but it is announced: absent is not broken.
    """
    optional = promised.need is Need.OPTIONAL

    def result(kind: Result, text: str, *, code: int = CONTRACT, quiet: bool = False) -> CheckResult:
        return CheckResult("contract", promised.name, kind, visible(text), code, quiet)

    for place in observations:
        if violation := _find_violation(promised, place):
            return result(Result.NOTED if optional else Result.FAILED, f"{violation} (in {place.where})")
    if any(place.stored for place in observations):
        if not_scraped := _explain_missing_scrape(observations):
            return result(Result.FAILED if strict else Result.NOTED, not_scraped, code=METRICS)
        kind = f"native {promised.type}" if any(promised.is_native(place.stored) for place in observations) else promised.type
        return result(Result.PASSED, f"{kind} with {_labels(promised)}", quiet=True)
    if any(place.announced_type for place in observations):
        state = "nothing counted yet" if promised.type != "gauge" else "no value yet"
        return result(Result.PASSED, f"announced as a {promised.type}; {state}", quiet=True)
    if optional:
        return result(Result.NOTED, f"not present; {promised.absence}", quiet=True)
    if all(place.announced_type is None for place in observations):
        if promised.after_first_use:
            return result(Result.NOTED, "no series; it has none before its first use, and no place reports announced types")
        text = "no series; whether it is exported is unknown: no place reports announced types"
    else:
        text = "no series, and no scrape announces it: it is not exported"
    return result(Result.FAILED if strict else Result.NOTED, text)


def _find_violation(promised: ContractMetric, place: MetricObservation) -> str:
    """What contradicts the contract; empty if nothing does."""
    if place.announced_type and place.announced_type not in (promised.type, "unknown", "untyped"):
        return f"is exported as a {place.announced_type}, the contract says {promised.type}"
    required = [name for name in promised.series if not (place.sumless and name.endswith("_sum"))]
    missing = [] if promised.is_native(place.stored) else [name for name in required if name not in place.stored]
    if place.stored and missing:
        return f"incomplete {promised.type}: {', '.join(missing)} is missing"
    if place.lacking:
        name = place.lacking[0][0]
        labels = dict.fromkeys(label for series, label in place.lacking if series == name)
        return f"{name} has series without the label {', '.join(labels)}"
    if place.missing_buckets:
        return f"has no bucket at {', '.join(f'{edge:g}' for edge in place.missing_buckets)} {promised.unit}"
    return ""


def _explain_missing_scrape(observations: Sequence[MetricObservation]) -> str:
    places = {place.where: place for place in observations}
    exporter, prometheus = places.get(EXPORTER), places.get(PROMETHEUS)
    if exporter and exporter.stored and prometheus and not prometheus.stored:
        return "the exporter has series and Prometheus has none: not scraped, or dropped by relabelling"
    return ""


def _labels(promised: ContractMetric) -> str:
    return ", ".join(promised.labels) or ("no labels" if promised.exporter == PLATFORM else "any labels")
