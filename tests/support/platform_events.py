"""A platform as a list of events, and what its pods export of them: the counters follow from the events, and from nothing else.

What each event does to which series is the platform's own semantics: a failed OCR request stays a `start` without `success`,
an open circuit refuses before the start, a deduplication job is `pending` and then `completed` or `failed`, a failed analysis
stands twice among its errors. A pod that is restarted begins its counters anew; one that is replaced has another name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from console.demo.exposition import Metrics, bucket_bounds
from console.demo.families import PLATFORM

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
FUTURE = 600.0
"""So far beyond the present the events go: the servers are asked while time goes on."""


class What(StrEnum):
    OCR = "ocr"
    OCR_REFUSED = "ocr refused by an open circuit"
    OCR_REJECTED = "ocr input rejected"
    OCR_LIMITED = "ocr rate limited"
    VISION = "vision"
    VISION_REJECTED = "vision input rejected"
    ANALYSIS = "analysis"
    ANALYSIS_REJECTED = "analysis rejected"
    JOB = "deduplication job"
    FEATURE_LOOKUP = "feature cache"
    CLASS_LOOKUP = "classification cache"
    EVICTION = "feature cache eviction"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at `at` (seconds from the present, negative in the past) in `pod`.

    `outcome` is ok, failed or cached for a request, ok or failed for a job or an analysis, hit or miss for a look-up. `share`
    is 0..1 and, over the events of one stream, evenly spread: the confidence of an OCR result is made of it.
    """

    at: float
    pod: str
    what: What
    provider: str = ""
    outcome: str = "ok"
    seconds: float = 0.0
    code: str = ""
    stage: str = ""
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Pod:
    """`name` is its instance; it takes traffic from `begins` to `ends`, seconds from the present."""

    name: str
    begins: float = -math.inf
    ends: float = math.inf
    restarted_at: float | None = None

    def serves(self, at: float) -> bool:
        return self.begins <= at < self.ends and not self._drained(at)

    def _drained(self, at: float) -> bool:
        """A rollout takes a pod out of the service before it ends it, for longer than a scrape."""
        return self.restarted_at is not None and self.restarted_at - 40.0 <= at < self.restarted_at


PODS = (
    Pod("pod-a:8000"),
    Pod("pod-b:8000", restarted_at=-150.0),
    Pod("pod-c:8000", ends=-30 * MINUTE),
    Pod("pod-d:8000", begins=-30 * MINUTE),
)
LIVE = tuple(pod for pod in PODS if pod.ends == math.inf)

ERAS = ((-4 * DAY, 0.02), (-7 * HOUR, 0.25), (-70 * MINUTE, 1.0), (-12 * MINUTE, 4.0))
"""From when, and how much of each stream's rate: the long windows hold many days, the short ones many events."""
FAILING_SINCE = -40 * MINUTE
"""Since then the OCR provider deepseek_hf fails most of its requests."""
OUTAGE = (-2 * DAY, -2 * DAY + 8 * HOUR)
"""Then a part of the requests failed everywhere."""

STAGES = (("preprocess", 0.1), ("infer", 0.7), ("parse", 0.1), ("align", 0.05))


@dataclass(frozen=True, slots=True)
class Stream:
    """Events of one kind, `per_second` of them at full rate; `make` gives the rest of one by its place in 0..1."""

    what: What
    per_second: float
    make: Callable[[float, float, float], dict[str, object]]
    begins: float = -math.inf


def _spread(index: int, salt: float) -> float:
    """0..1, evenly filled by any stretch of consecutive indices; other salts fill it independently."""
    return (index * salt) % 1.0


_GOLDEN, _SILVER = 0.6180339887498949, 0.41421356237309515


def _latency(place: float, steps: Sequence[tuple[float, float, float]]) -> float:
    """Uniform between two edges of a histogram's buckets for each share: so a quantile within a bucket is exact."""
    begin = 0.0
    for share, low, high in steps:
        if place < begin + share or (share, low, high) == steps[-1]:
            return low + (high - low) * min(0.999, (place - begin) / share)
        begin += share
    raise AssertionError(place)


_PADDLE = ((0.3, 0.1, 0.5), (0.5, 0.5, 1.0), (0.18, 1.0, 2.0), (0.02, 2.0, 5.0))
_DEEPSEEK = ((0.1, 1.0, 2.0), (0.4, 2.0, 5.0), (0.5, 5.0, 10.0))
_VISION = ((0.2, 0.05, 0.1), (0.65, 0.1, 0.5), (0.15, 0.5, 1.0))


_Made = Callable[[float, float, float], dict[str, object]]


def _ocr(provider: str, steps: Sequence[tuple[float, float, float]], *, cached: float, failing: float) -> _Made:
    def make(at: float, place: float, other: float) -> dict[str, object]:
        bad = failing if at >= FAILING_SINCE else 0.002
        if OUTAGE[0] <= at < OUTAGE[1]:
            bad = 0.1
        if place < cached:
            return {"provider": provider, "outcome": "cached"}
        if (place - cached) / (1.0 - cached) < bad:
            return {"provider": provider, "outcome": "failed", "code": "PROVIDER_TIMEOUT", "stage": "infer"}
        return {"provider": provider, "seconds": _latency(other, steps), "share": other}

    return make


def _vision(at: float, place: float, other: float) -> dict[str, object]:
    seconds = _latency(other, _VISION)
    bad = 0.1 if at >= FAILING_SINCE else 0.004
    if place < bad:
        code = "EXTERNAL_SERVICE_ERROR" if place < bad * 0.6 else "RESOURCE_EXHAUSTED"
        return {"provider": "deepseek_stub", "outcome": "failed", "seconds": seconds, "code": code}
    return {"provider": "deepseek_stub", "seconds": seconds}


def _either(word: str, share: float, otherwise: str = "ok") -> _Made:
    return lambda at, place, other: {"outcome": word if place < share else otherwise}


def _fixed(**given: object) -> _Made:
    return lambda at, place, other: given


STREAMS = (
    Stream(What.OCR, 4.0, _ocr("paddle", _PADDLE, cached=0.17, failing=0.002)),
    Stream(What.OCR, 1.5, _ocr("deepseek_hf", _DEEPSEEK, cached=0.05, failing=0.8)),
    Stream(What.OCR_REFUSED, 0.5, _fixed(provider="deepseek_hf", code="circuit_open", stage="infer"), begins=FAILING_SINCE),
    Stream(What.OCR_REJECTED, 0.3, _fixed(provider="auto", code="INPUT_ERROR", stage="preprocess")),
    Stream(What.OCR_LIMITED, 0.2, _fixed(provider="paddle", code="rate_limit", stage="preprocess")),
    Stream(What.VISION, 2.0, _vision),
    Stream(What.VISION_REJECTED, 0.25, _fixed(code="base64_padding_error")),
    Stream(What.ANALYSIS, 4.0, _either("failed", 0.13)),
    Stream(What.ANALYSIS_REJECTED, 0.2, _fixed(code="file_too_large")),
    Stream(What.JOB, 1.0, _either("failed", 0.12)),
    Stream(What.FEATURE_LOOKUP, 4.0, _either("hit", 0.85, "miss")),
    Stream(What.CLASS_LOOKUP, 4.0, _either("hit", 0.7, "miss")),
    Stream(What.EVICTION, 0.3, _fixed()),
)


@cache
def events() -> tuple[Event, ...]:
    """Everything that happens, in order of time, until FUTURE; the same at every call."""
    found = [event for number, stream in enumerate(STREAMS) for event in _events(stream, number)]
    return tuple(sorted(found, key=lambda event: event.at))


def _events(stream: Stream, number: int) -> Iterator[Event]:
    index = 0
    ends = [begin for begin, _ in ERAS[1:]] + [FUTURE]
    for (begin, part), end in zip(ERAS, ends, strict=True):
        step = 1.0 / (stream.per_second * part)
        at = begin + step * _spread(number + 1, _GOLDEN)
        while at < end:
            if at >= stream.begins:
                pods = [pod for pod in PODS if pod.serves(at)]
                given = stream.make(at, _spread(index, _GOLDEN), _spread(index, _SILVER))
                yield Event(at, pods[index % len(pods)].name, stream.what, **given)  # type: ignore[arg-type]
                index += 1
            at += step


GAUGES: dict[str, dict[str, float]] = {
    "ocr_model_loaded": {'provider="paddle"': 1.0, 'provider="deepseek_hf"': 1.0},
    "ocr_error_rate_ema": {"": 0.0612},
    "vision_error_rate_ema": {"": 0.0137},
    "dedup2d_job_queue_depth": {"": 67.0},
    "dedup2d_jobs_queued": {'backend="redis"': 64.0},
    "dedup2d_jobs_active": {'backend="redis"': 3.0},
    "feature_cache_size": {"": 480.0},
    "feature_cache_tuning_recommended_capacity": {"": 512.0},
    "faiss_index_age_seconds": {"": 7200.0},
}
"""What every pod exports alike."""
CIRCUITS: dict[str, dict[str, tuple[float, float]]] = {
    "ocr_circuit_state": {'key="ocr:cb:paddle"': (0.0, 0.0), 'key="ocr:cb:deepseek_hf"': (2.0, 0.0)},
    "dedupcad_vision_circuit_state": {'endpoint="search"': (1.0, 0.0), 'endpoint="health"': (2.0, 2.0)},
    "resilience_circuit_state": {'endpoint="analyze",service="vision"': (1.0, 0.0)},
}
"""State in the pod OPENER and in the others, each in its own coding: OCR has 2 for open and 1 for half-open, the others have
1 for open and 2 for half-open. Every pod has breakers of its own."""
OPENER = "pod-b:8000"


class Exporter:
    """The metrics of all pods at one moment, driven forward through the events."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metrics] = {}
        self._next = 0
        self._restarted: set[str] = set()
        self.at = -math.inf

    def advance(self, at: float) -> None:
        """Everything that happened until `at`, seconds from the present."""
        everything = events()
        while self._next < len(everything) and everything[self._next].at <= at:
            event = everything[self._next]
            self._restart(event.at)
            _count(self._of(event.pod, event.at), event)
            self._next += 1
        self._restart(at)
        self.at = at

    def pod(self, name: str) -> Metrics:
        return self._of(name, self.at)

    def _restart(self, at: float) -> None:
        for pod in PODS:
            if pod.restarted_at is not None and pod.restarted_at <= at and pod.name not in self._restarted:
                self._restarted.add(pod.name)
                self._metrics.pop(pod.name, None)

    def _of(self, name: str, at: float) -> Metrics:
        if name not in self._metrics:
            made = self._metrics[name] = Metrics(at=max(0.0, at))
            for family, values in GAUGES.items():
                for labels, value in values.items():
                    made.put(family, labels, value)
            for family, states in CIRCUITS.items():
                for labels, (here, elsewhere) in states.items():
                    made.put(family, labels, here if name == OPENER else elsewhere)
        return self._metrics[name]


def _count(to: Metrics, event: Event) -> None:
    add = to.add
    provider = f'provider="{event.provider}"'
    match event.what:
        case What.OCR if event.outcome == "cached":
            add("ocr_requests_total", f'{provider},status="cache_hit"', 1)
        case What.OCR:
            add("ocr_requests_total", f'{provider},status="start"', 1)
            if event.outcome == "failed":
                add("ocr_errors_total", f'code="{event.code}",{provider},stage="{event.stage}"', 1)
            else:
                add("ocr_requests_total", f'{provider},status="success"', 1)
                _observe(to, "ocr_processing_duration_seconds", provider, event.seconds)
                for stage, part in STAGES:
                    _observe(to, "ocr_stage_duration_seconds", f'{provider},stage="{stage}"', event.seconds * part)
                _observe(to, "ocr_confidence_distribution", provider, confidence(event))
        case What.OCR_REFUSED:
            add("ocr_errors_total", f'code="{event.code}",{provider},stage="{event.stage}"', 1)
        case What.OCR_REJECTED:
            add("ocr_errors_total", f'code="{event.code}",{provider},stage="{event.stage}"', 1)
            add("ocr_input_rejected_total", 'reason="file_too_large"', 1)
        case What.OCR_LIMITED:
            add("ocr_errors_total", f'code="{event.code}",{provider},stage="{event.stage}"', 1)
            add("ocr_rate_limited_total", "", 1)
        case What.VISION:
            add("vision_requests_total", f'{provider},status="start"', 1)
            add("vision_requests_total", f'{provider},status="{"error" if event.outcome == "failed" else "success"}"', 1)
            _observe(to, "vision_processing_duration_seconds", provider, event.seconds)
            if event.outcome == "failed":
                add("vision_errors_total", f'code="{event.code}",{provider}', 1)
        case What.VISION_REJECTED:
            add("vision_input_rejected_total", f'reason="{event.code}"', 1)
        case What.ANALYSIS:
            add("analysis_requests_total", f'status="{"error" if event.outcome == "failed" else "success"}"', 1)
            if event.outcome == "failed":
                add("analysis_errors_total", 'code="timeout",stage="parse"', 1)
                add("analysis_errors_total", 'code="500",stage="general"', 1)
        case What.ANALYSIS_REJECTED:
            add("analysis_rejections_total", f'reason="{event.code}"', 1)
        case What.JOB:
            add("dedup2d_jobs_total", 'status="pending"', 1)
            add("dedup2d_jobs_total", f'status="{"failed" if event.outcome == "failed" else "completed"}"', 1)
        case What.FEATURE_LOOKUP:
            add(f"feature_cache_{'hits' if event.outcome == 'hit' else 'miss'}_total", "", 1)
        case What.CLASS_LOOKUP:
            add(f"classification_cache_{'hits' if event.outcome == 'hit' else 'miss'}_total", "", 1)
        case What.EVICTION:
            add("feature_cache_evictions_total", "", 1)


def confidence(event: Event) -> float:
    """0.5 to 1, evenly."""
    return 0.5 + 0.5 * event.share


def _observe(to: Metrics, name: str, labels: str, value: float) -> None:
    shares = [1.0 if value <= bound else 0.0 for bound in bucket_bounds(name)]
    to.observe(name, labels, count=1.0, shares=shares, mean=value)


_PAST = ("ocr_", "vision_", "analysis_", "dedup2d_jobs_total", "feature_cache_", "classification_cache_")
_UNUSED = ("_bytes", "dimension", "budget_ratio")
USED = frozenset(
    family.name
    for family in PLATFORM
    if family.name in {*GAUGES, *CIRCUITS} or (family.name.startswith(_PAST) and not family.name.endswith(_UNUSED))
)
"""The families that the past is written of; the live exposition has all."""


def scrapes() -> Iterator[float]:
    """When the past was scraped, seconds from the present, denser towards it."""
    for (begin, step), end in zip(
        ((-4 * DAY, 240.0), (-7 * HOUR, 60.0), (-70 * MINUTE, 15.0)), (-7 * HOUR, -70 * MINUTE, 0.0), strict=True
    ):
        at = begin
        while at < end - 1.0:
            yield at
            at += step


def history(present: float) -> Iterator[str]:
    """The past as OpenMetrics, each sample with its moment; `present` is Unix seconds."""
    exporter = Exporter()
    for at in scrapes():
        exporter.advance(at)
        for pod in PODS:
            if pod.begins <= at < pod.ends:
                target = f'instance="{pod.name}",job="cad-ml-platform"'
                yield f"up{{{target}}} 1 {present + at:.3f}\n"
                for series, value in exporter.pod(pod.name).samples(USED):
                    bare = not series.endswith("}")
                    yield (
                        f"{series}{{{target}}} {value} {present + at:.3f}\n"
                        if bare
                        else (f"{series[:-1]},{target}}} {value} {present + at:.3f}\n")
                    )
