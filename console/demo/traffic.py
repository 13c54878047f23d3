"""Traffic, latency and errors of the simulated platform: pure functions of time, seed and conditions."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Mapping

from queries.model.frozen import dataclass

DAY = 86400.0
OBJECTIVE_PERCENT = 99.9
CALM_ERROR_SHARE = 0.0004
TIMEOUT_SECONDS = 8.0
CACHE_HIT_SHARE = 0.18


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of a service: requests per second at noon, and its log-normal latency (median in seconds, spread)."""

    service: str
    name: str
    per_second: float
    median_seconds: float
    spread: float


PROVIDERS: tuple[Provider, ...] = (
    Provider("ocr", "paddle", 78.0, 0.34, 0.50),
    Provider("ocr", "deepseek", 14.0, 0.55, 0.45),
    Provider("ocr", "tesseract", 40.0, 0.22, 0.55),
    Provider("vision", "dedupcad", 34.0, 0.30, 0.50),
    Provider("vision", "clip", 22.0, 0.42, 0.45),
)
ANALYSIS_PER_SECOND = 24.0

STAGES: tuple[tuple[str, float], ...] = (("preprocess", 0.1), ("infer", 0.7), ("parse", 0.1), ("align", 0.05))
"""Each stage's share of the OCR latency."""

CODES: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "ocr": (("INTERNAL_ERROR", "infer", 0.5), ("PARSE_FAILED", "parse", 0.35), ("NETWORK_ERROR", "infer", 0.15)),
    "vision": (("EXTERNAL_SERVICE_ERROR", "", 0.5), ("INTERNAL_ERROR", "", 0.3), ("QUOTA_EXCEEDED", "", 0.2)),
    "analysis": (("timeout", "parse", 1.0), ("500", "general", 1.0)),
}
"""Code, stage and share of a service's errors; a failed analysis counts twice."""


def shape(at: float) -> float:
    """The daily and weekly traffic curve, 0.35 to 1. `at` is Unix seconds, UTC."""
    hour = at % DAY / 3600.0
    day = 0.5 - 0.5 * math.cos((hour - 2.0) / 24.0 * 2.0 * math.pi)
    weekday = int(at // DAY + 3) % 7  # the first of January 1970 was a Thursday
    return 0.45 + (0.55 if weekday < 5 else 0.25) * day


def noise(seed: int, key: str, at: float, *, every_seconds: float = 240.0) -> float:
    """Deterministic noise, -1..1, smooth in time."""
    place = at / every_seconds
    low = math.floor(place)
    part = place - low
    return (1.0 - part) * _grain(seed, key, low) + part * _grain(seed, key, low + 1)


@functools.lru_cache(maxsize=4096)
def _grain(seed: int, key: str, bucket: int) -> float:
    return zlib.crc32(f"{seed}:{key}:{bucket}".encode()) / 0x7FFFFFFF - 1.0


def history_error_share(seed: int, at: float) -> float:
    """The error share of the history: small, and higher for half an hour on some days."""
    day = math.floor(at / DAY)
    begins = (0.5 + 0.4 * _grain(seed, "incident", day)) * DAY
    if _grain(seed, "bad day", day) > 0.3 and 0.0 <= at % DAY - begins < 1800.0:
        return 0.012
    return CALM_ERROR_SHARE * (1.0 + 0.35 * noise(seed, "errors", at))


def per_second(seed: int, provider: Provider, at: float) -> float:
    """A provider's requests per second."""
    return provider.per_second * shape(at) * (1.0 + 0.06 * noise(seed, provider.name, at))


def analysis_per_second(seed: int, at: float) -> float:
    """CAD analyses per second."""
    return ANALYSIS_PER_SECOND * shape(at) * (1.0 + 0.08 * noise(seed, "analysis", at))


def below(edge: float, *, median: float, spread: float, timeout_share: float = 0.0) -> float:
    """The share of requests that take at most `edge` seconds, where `timeout_share` of them time out."""
    usual = 0.5 * (1.0 + math.erf(math.log(edge / median) / (spread * math.sqrt(2.0))))
    return (1.0 - timeout_share) * usual + (timeout_share if edge >= TIMEOUT_SECONDS else 0.0)


@functools.lru_cache(maxsize=512)
def mean_seconds(provider: Provider, timeout_share: float = 0.0) -> float:
    """A provider's mean latency."""
    usual = provider.median_seconds * math.exp(provider.spread**2 / 2.0)
    return (1.0 - timeout_share) * usual + timeout_share * TIMEOUT_SECONDS


def p95(edges: tuple[float, ...], shares: tuple[float, ...]) -> float:
    """histogram_quantile(0.95, …) of these cumulative shares and bounds."""
    low_edge, low_share = 0.0, 0.0
    for edge, share in zip(edges, shares, strict=True):
        if share >= 0.95:
            return low_edge + (edge - low_edge) * (0.95 - low_share) / (share - low_share)
        low_edge, low_share = edge, share
    return edges[-1]


@functools.lru_cache(maxsize=512)
def shares_below(provider: Provider, edges: tuple[float, ...], timeout_share: float = 0.0) -> tuple[float, ...]:
    """The cumulative share of requests per bucket bound."""
    return tuple(
        below(edge, median=provider.median_seconds, spread=provider.spread, timeout_share=timeout_share) for edge in edges
    )
