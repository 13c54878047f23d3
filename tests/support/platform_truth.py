"""What every panel should show of a list of events: plain arithmetic over the events themselves, no PromQL and no catalogue."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from platform_events import CIRCUITS, DAY, GAUGES, HOUR, MINUTE, STAGES, Event, What, confidence, events

SHORT = 5 * MINUTE
OBJECTIVE, SLOW_OBJECTIVE = 0.001, 0.01
"""Which part of the requests may fail in 30 days, and which may take longer than 2 s."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a panel should show: its one value, and its series by what names them; None where nobody exports what it needs.

    `counts` says in words what was counted.
    """

    counts: str
    value: float | None
    series: dict[str, float] = field(default_factory=dict)


@cache
def _times() -> tuple[float, ...]:
    """Made when somebody counts: half a million events take seconds, and every worker imports this module."""
    return tuple(event.at for event in events())


def window(at: float, seconds: float) -> tuple[Event, ...]:
    """What happened in the `seconds` before `at` (seconds from the present)."""
    return events()[bisect_right(_times(), at - seconds) : bisect_right(_times(), at)]


def asked(found: Iterable[Event]) -> list[Event]:
    """Requests of OCR and Vision, each once. A refusal by an open circuit is none, nor is a refused input."""
    return [event for event in found if event.what in (What.OCR, What.VISION)]


def attempts(found: Iterable[Event]) -> list[Event]:
    """What a provider was asked: a cached answer and a refusal never reached it."""
    return [event for event in asked(found) if event.outcome != "cached"]


def users(found: Iterable[Event]) -> list[Event]:
    """What users asked of OCR and Vision: also what an open circuit refused."""
    return [event for event in found if event.what in (What.OCR, What.VISION, What.OCR_REFUSED)]


def failed(found: Iterable[Event]) -> list[Event]:
    return [event for event in found if event.outcome == "failed" or event.what is What.OCR_REFUSED]


def timed(found: Iterable[Event]) -> list[Event]:
    """An OCR request is timed when it succeeds, a Vision request always."""
    return [event for event in asked(found) if event.what is What.VISION or event.outcome == "ok"]


def percent(part: Iterable[Event], whole: Iterable[Event]) -> float:
    return 100.0 * len(list(part)) / len(list(whole))


def of(found: Iterable[Event], *what: What) -> list[Event]:
    return [event for event in found if event.what in what]


def by(found: Iterable[Event], name: Callable[[Event], str]) -> dict[str, list[Event]]:
    groups: dict[str, list[Event]] = {}
    for event in found:
        groups.setdefault(name(event), []).append(event)
    return groups


def per_minute(found: Iterable[Event], name: Callable[[Event], str], seconds: float = SHORT) -> dict[str, float]:
    return {key: number * MINUTE / seconds for key, number in Counter(map(name, found)).items()}


def quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def provider(event: Event) -> str:
    return event.provider


def code(event: Event) -> str:
    return event.code


def service(event: Event) -> str:
    return "ocr" if event.what is What.OCR_REFUSED else event.what.value


def truths(at: float) -> dict[str, Truth]:
    """By the panel's id, at `at` seconds from the present."""
    short = window(at, SHORT)
    return {
        **_requests(short),
        **_errors(short),
        **_ocr(short),
        **_states(),
        **_caches(short, window(at, HOUR)),
        **_objectives(at),
        **{name: Truth("cAdvisor and kube-state-metrics are not scraped", None) for name in _OF_THE_CLUSTER},
    }


_OF_THE_CLUSTER = ("cpu", "memory", "cpu_cores", "memory_used", "pods_ready")


_ASKED = "OCR requests started or served from the cache, Vision requests started"


def _each(counts: str, series: dict[str, float], fold: Callable[[Iterable[float]], float]) -> Truth:
    return Truth(counts, fold(series.values()), series)


def _requests(short: tuple[Event, ...]) -> dict[str, Truth]:
    ocr, analysis = of(short, What.OCR), of(short, What.ANALYSIS)
    rates = {"ocr": ocr, "vision": of(short, What.VISION), "analysis": analysis}
    late = by(timed(short), lambda event: f"{event.provider} {event.what.value}")
    return {
        "request_rate": Truth(
            "OCR requests started or served from the cache, Vision requests started", len(asked(short)) / SHORT
        ),
        "requests_by_service": _each(
            "the same, and CAD analyses", {name: len(found) / SHORT for name, found in rates.items()}, sum
        ),
        "ocr_requests": _each(
            "OCR requests started or served from the cache",
            {name: len(found) / SHORT for name, found in by(ocr, provider).items()},
            sum,
        ),
        "p95_latency": _each(
            "the 95th percentile of timed requests: OCR requests that succeeded, all Vision requests",
            {name: quantile((event.seconds for event in found), 0.95) for name, found in late.items()},
            max,
        ),
        "ocr_p95": _each(
            "the 95th percentile of the OCR requests that succeeded",
            {
                name: quantile((event.seconds for event in found), 0.95)
                for name, found in by((event for event in timed(short) if event.what is What.OCR), provider).items()
            },
            max,
        ),
        "analysis_success": Truth("analyses that succeeded", 100.0 - percent(failed(analysis), analysis)),
    }


def _errors(short: tuple[Event, ...]) -> dict[str, Truth]:
    seen = users(short)
    services = {name: percent(failed(found), found) for name, found in by(seen, service).items()}
    providers = by(attempts(short), provider)
    counted = [event for event in short if event.code and event.what is not What.ANALYSIS and "REJECTED" not in event.what.name]
    counted += of(short, What.OCR_REJECTED)
    ocr = [event for event in counted if event.what is not What.VISION]
    reasons = per_minute(of(short, What.OCR_REJECTED), lambda event: "file_too_large")
    refused = per_minute(of(short, What.VISION_REJECTED, What.ANALYSIS_REJECTED), code)
    timeouts = per_minute((event for event in ocr if event.code == "PROVIDER_TIMEOUT"), provider)
    analyses = failed(of(short, What.ANALYSIS))
    jobs = of(short, What.JOB)
    return {
        "error_ratio": Truth(
            "failed requests and refusals by an open circuit breaker, as a share of all user requests",
            percent(failed(seen), seen),
        ),
        "error_ratio_by_service": _each("the same, of each service", services, max),
        "ocr_error_ratio": Truth("the same, of OCR", services["ocr"]),
        "error_ratio_by_provider": _each(
            "failed requests, as a share of those that reached the provider",
            {name: percent(failed(found), found) for name, found in providers.items()},
            max,
        ),
        "errors_by_code": _each("errors as the platform counts them, by the taxonomy", _mapped(per_minute(counted, code)), sum),
        "errors_by_provider": _each("errors as the platform counts them", per_minute(counted, provider), sum),
        "errors_by_stage": _each("OCR errors as the platform counts them", per_minute(ocr, lambda event: event.stage), sum),
        "provider_timeouts": _each(
            "PROVIDER_TIMEOUT, 0 for a provider with requests and none",
            {name: timeouts.get(name, 0.0) for name, found in providers.items() if found[0].what is What.OCR},
            max,
        ),
        "resource_exhaustion": Truth(
            "RESOURCE_EXHAUSTED",
            sum(event.code == "RESOURCE_EXHAUSTED" for event in counted) * MINUTE / SHORT,
        ),
        "rejections": _each(
            "refused inputs of all services",
            {name: reasons.get(name, 0.0) + refused.get(name, 0.0) for name in {*reasons, *refused}},
            sum,
        ),
        "ocr_rejections": _each("refused inputs of OCR", reasons, sum),
        "analysis_errors": _each(
            "errors as the platform counts them: one failed analysis has a word and an HTTP status",
            _mapped({name: len(analyses) * MINUTE / SHORT for name in ("timeout", "500")}),
            sum,
        ),
        "dedup_errors": Truth("failed jobs, as a share of finished jobs", percent(failed(jobs), jobs)),
    }


_CODES = {
    "timeout": "PROVIDER_TIMEOUT",
    "500": "INTERNAL_ERROR",
    "circuit_open": "RESOURCE_EXHAUSTED",
    "rate_limit": "QUOTA_EXCEEDED",
    "EXTERNAL_SERVICE_ERROR": "NETWORK_ERROR",
}


def _mapped(codes: dict[str, float]) -> dict[str, float]:
    found: Counter[str] = Counter()
    for name, value in codes.items():
        found[_CODES.get(name, name)] += value  # type: ignore[assignment]  # a sum of fractions
    return dict(found)


def _ocr(short: tuple[Event, ...]) -> dict[str, Truth]:
    ocr = of(short, What.OCR)
    read = [event for event in ocr if event.outcome == "ok"]
    seconds = sum(event.seconds for event in read) / len(read)
    open_ones = _open("ocr_circuit_state", 2.0)
    health: dict[str, float] = {}
    for name, found in by(attempts(short), provider).items():
        circuit = 0.0 if open_ones.get(f"ocr:cb:{name}") else 30.0
        health[name] = 70.0 * (1.0 - len(failed(found)) / len(found)) + circuit
    return {
        "provider_health": _each("weighted: 70 % successful requests, 30 % closed OCR breakers", health, min),
        "ocr_stages": _each("the mean of each stage", {name: seconds * part for name, part in STAGES}, max),
        "ocr_cache_hits": Truth(
            "requests served from the cache, as a share of all requests",
            percent((event for event in ocr if event.outcome == "cached"), ocr),
        ),
        "ocr_confidence": Truth("the mean of the results", 100.0 * sum(map(confidence, read)) / len(read)),
        "ocr_low_confidence": Truth(
            "results of 0.7 or less", percent((event for event in read if confidence(event) <= 0.7), read)
        ),
    }


def _open(metric: str, number: float) -> dict[str, bool]:
    """By what names a breaker (its key, or service/endpoint): whether it is open in any pod."""
    values = {tuple(labels.split('"')[1::2]): number in states for labels, states in CIRCUITS[metric].items()}
    return {"/".join(reversed(names)): opened for names, opened in values.items()}


def _states() -> dict[str, Truth]:
    ocr = _open("ocr_circuit_state", 2.0)
    vision = {f"dedupcad_vision/{endpoint}": opened for endpoint, opened in _open("dedupcad_vision_circuit_state", 1.0).items()}
    others = {**vision, **_open("resilience_circuit_state", 1.0)}
    gauge = {name: max(series.values()) for name, series in GAUGES.items()}
    return {
        "circuit_breakers": _each(
            "breakers that are open in a pod, each by its metric's own encoding", _numbers({**ocr, **others}), sum
        ),
        "ocr_circuits": _each(
            "OCR breakers that are open in a pod", _numbers({key.split(":")[-1]: value for key, value in ocr.items()}), sum
        ),
        "ocr_models": _each("whether every pod has the model", {"paddle": 1.0, "deepseek_hf": 1.0}, min),
        "queue_depth": Truth("the one queue, as every pod reports it", gauge["dedup2d_job_queue_depth"]),
        "jobs_active": _each("running jobs", {"redis": gauge["dedup2d_jobs_active"]}, sum),
        "ocr_error_ema": Truth("the platform's own report", 100.0 * gauge["ocr_error_rate_ema"]),
        "index_age": Truth("hours since the index was built", gauge["faiss_index_age_seconds"] / HOUR),
        "feature_cache_fill": Truth(
            "entries, as a share of the recommended capacity",
            100.0 * gauge["feature_cache_size"] / gauge["feature_cache_tuning_recommended_capacity"],
        ),
    }


def _numbers(found: dict[str, bool]) -> dict[str, float]:
    return {name: float(value) for name, value in found.items()}


def _caches(short: tuple[Event, ...], hour: tuple[Event, ...]) -> dict[str, Truth]:
    def hits(what: What) -> float:
        looked = of(hour, what)
        return percent((event for event in looked if event.outcome == "hit"), looked)

    return {
        "feature_cache_hits": Truth("lookups of an hour that hit", hits(What.FEATURE_LOOKUP)),
        "classification_cache_hits": Truth("lookups of an hour that hit", hits(What.CLASS_LOOKUP)),
        "cache_evictions": Truth("evicted entries", len(of(short, What.EVICTION)) * MINUTE / SHORT),
    }


def _objectives(at: float) -> dict[str, Truth]:
    month, three_days, six_hours, hour = (window(at, seconds) for seconds in (30 * DAY, 3 * DAY, 6 * HOUR, HOUR))

    def bad(found: tuple[Event, ...]) -> float:
        return len(failed(users(found))) / len(users(found))

    def slow(found: tuple[Event, ...]) -> float:
        return sum(event.seconds > 2.0 for event in timed(found)) / len(timed(found))

    asked_for = "failed requests and refusals by an open circuit breaker, as a share of all user requests"
    in_time = "requests that took longer than 2 s, as a share of timed requests"
    return {
        "availability": Truth(f"100 less {asked_for}, 30 days", 100.0 * (1.0 - bad(month))),
        "error_budget": Truth(
            "the same, as a share of the 0.1 % that may fail: what is left", 100.0 * (1.0 - bad(month) / OBJECTIVE)
        ),
        "latency_compliance": Truth(f"100 less {in_time}, 30 days", 100.0 * (1.0 - slow(month))),
        "latency_budget": Truth(
            "the same, as a share of the 1 % that may be slow: what is left", 100.0 * (1.0 - slow(month) / SLOW_OBJECTIVE)
        ),
        "burn_1h": Truth(f"{asked_for}, 1h, over 0.1 %", bad(hour) / OBJECTIVE),
        "burn_6h": Truth("the same, 6h", bad(six_hours) / OBJECTIVE),
        "burn_3d": Truth("the same, 3d", bad(three_days) / OBJECTIVE),
        "latency_burn_1h": Truth(f"{in_time}, 1h, over 1 %", slow(hour) / SLOW_OBJECTIVE),
        "requests_30d": Truth("all user requests, including refusals", float(len(users(month)))),
        "failed_30d": Truth("failed requests and refusals by an open circuit breaker", float(len(failed(users(month))))),
    }
