"""The platform's self-check: API, health, metrics, contract and provider mapping, as pure verdicts on what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from queries.contract import ContractMetric
from queries.model.fault import Fault, FaultKind
from queries.model.platform import PlatformHealth
from queries.model.series import Labels, label
from queries.model.text import visible
from queries.taxonomy import CodeSource, Taxonomy

PASSED, FAILED_GENERALLY, API, HEALTH, METRICS, CONTRACT, MAPPING = range(7)

_UNCONNECTED = (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT, FaultKind.NOT_CONFIGURED)
_WELL = {"healthy", "ok", "up", "ready", "pass"}
_SERVICE_FINE = {"up", "disabled", "healthy", "ok", "ready"}


class Result(StrEnum):
    PASSED = "passed"
    NOTED = "noted"
    """Not as it should be, and no failure either."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be looked at, because something before it failed."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the self-check; `code` is the exit code that its failure means."""

    area: str
    name: str
    result: Result
    text: str
    code: int


def exit_code(results: Iterable[CheckResult]) -> int:
    """The first area in order that failed decides."""
    return min((item.code for item in results if item.result is Result.FAILED), default=PASSED)


def api(fault: Fault | None) -> CheckResult:
    """Whether there is a connection at all; what it answered is the next check's."""
    if fault is not None and fault.kind in _UNCONNECTED:
        return CheckResult("api", "reachable", Result.FAILED, visible(fault.sentence()), API)
    return CheckResult("api", "reachable", Result.PASSED, "the platform's API answers", API)


def health(found: PlatformHealth | None, fault: Fault | None) -> tuple[CheckResult, ...]:
    """What `/health` says of the platform and of each service."""
    if found is None:
        if fault is not None and fault.kind not in _UNCONNECTED:
            return (CheckResult("health", "status", Result.FAILED, visible(fault.sentence()), HEALTH),)
        return (CheckResult("health", "status", Result.SKIPPED, "the API cannot be reached", HEALTH),)
    well = found.status.lower() in _WELL
    results = [
        CheckResult("health", "status", Result.PASSED if well else Result.FAILED, f"status is {visible(found.status)}", HEALTH)
    ]
    for name, state in found.services:
        fine = Result.PASSED if state.lower() in _SERVICE_FINE else Result.FAILED
        results.append(CheckResult("health", f"service {visible(name)}", fine, f"is {visible(state)}", HEALTH))
    return tuple(results)


def metrics(fault: Fault | None, platform_metrics: Iterable[str]) -> CheckResult:
    """Whether Prometheus answers and has anything of the platform."""
    if fault is not None:
        return CheckResult("metrics", "prometheus", Result.FAILED, visible(fault.sentence()), METRICS)
    found = len(tuple(platform_metrics))
    if not found:
        told = "Prometheus answers, but has no series of the platform: nothing scrapes it, or the wrong server is asked"
        return CheckResult("metrics", "prometheus", Result.FAILED, told, METRICS)
    return CheckResult("metrics", "prometheus", Result.PASSED, f"{found} metrics of the platform", METRICS)


def contract_metric(
    metric: ContractMetric, *, series: Mapping[str, tuple[Labels, ...]], type_told: str | None, strict: bool
) -> CheckResult:
    """Whether one promised metric is there, of its type and with its labels.

    `series` maps stored names to the label sets that were found (only the contract's labels); `type_told` is the type in the
    scrape's metadata, empty where the metadata does not know the metric, None where there is no metadata at all. A counter
    that was never incremented has no series, but its name is in the metadata: absent is not broken.
    """

    def result(kind: Result, text: str) -> CheckResult:
        return CheckResult("contract", metric.name, kind, text, CONTRACT)

    if type_told and type_told not in (metric.type, "unknown", "untyped"):
        return result(Result.FAILED, f"is exported as a {visible(type_told)}, the contract says {metric.type}")
    missing = [name for name in metric.series if not series.get(name)]
    if len(missing) == len(metric.series):
        if type_told:
            return result(Result.PASSED, "exported, and never counted anything yet")
        if type_told is None:
            told = "no series; whether it is exported cannot be told, because there is no metadata"
        else:
            told = (
                "no series, and no scrape knows it: nobody exports it"
                if strict
                else "no series: nobody counted yet, or exports it"
            )
        return result(Result.FAILED if strict else Result.NOTED, told)
    if missing:
        return result(Result.FAILED, f"is no whole {metric.type}: {', '.join(missing)} is missing")
    wanted = (*metric.labels, "le") if metric.type == "histogram" else metric.labels
    for name in metric.series:
        for labels in series[name]:
            lacking = [item for item in wanted if not label(labels, item) and (item != "le" or name.endswith("_bucket"))]
            if lacking:
                return result(Result.FAILED, f"{name} has series without the label {', '.join(lacking)}")
    return result(Result.PASSED, f"{metric.type} with {', '.join(metric.labels)}")


def mapping(taxonomy: Taxonomy, codes: Mapping[CodeSource, tuple[Labels, ...]]) -> tuple[CheckResult, ...]:
    """Whether every code that was counted maps to one of the nine; gaps are listed by who said them."""
    gaps: dict[str, set[str]] = {}
    other: set[str] = set()
    seen = 0
    for source, found in codes.items():
        for labels in found:
            code = label(labels, "code")
            seen += 1
            mapped = taxonomy.mapped(code, provider=label(labels, source.by))
            if not mapped:
                who = label(labels, source.by) or f"({source.metric})"
                gaps.setdefault(who, set()).add(code or "(empty)")
            elif mapped != code:
                other.add(f"{code} → {mapped}")
    if gaps:
        return tuple(
            CheckResult(
                "mapping", visible(who), Result.FAILED, f"maps to none of the nine: {visible(', '.join(sorted(said)))}", MAPPING
            )
            for who, said in sorted(gaps.items())
        )
    if not seen:
        return (CheckResult("mapping", "codes", Result.PASSED, "no error was counted, so none is unmapped", MAPPING),)
    told = f"all {seen} map to the nine" + (f"; older spellings: {visible(', '.join(sorted(other)))}" if other else "")
    return (CheckResult("mapping", "codes", Result.PASSED, told, MAPPING),)
