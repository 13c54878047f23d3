"""What the platform says of itself: /health, /ready, and the pages that only some builds have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breaker:
    """`state` is closed, open, half-open, or not closed where a build names a number; counts are None where it names none."""

    name: str
    state: str
    failures: int | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One check of `/ready`, in the platform's own words; `degraded`: it is ready, and not whole."""

    name: str
    status: str
    detail: str = ""
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the platform says that it serves; `reason` is what it says beside its checks."""

    ready: bool
    checks: tuple[ReadinessCheck, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """One provider (`ocr/paddle`) by the platform's own check; `error` may be empty."""

    name: str
    ready: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class VectorStore:
    """How many vectors there are of each feature version, and what the platform says of its index."""

    total: int | None = None
    versions: tuple[tuple[str, int], ...] = ()
    faiss: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """`status` and `services` are the platform's own words; error rates are 0..1. `readiness`, `vectors` are None and
    `resilience` empty where nothing says them.

    `unread` are the pages that gave nothing, each with why: empty where this build does not have the page.
    """

    status: str
    services: tuple[tuple[str, str], ...] = ()
    error_rates: tuple[tuple[str, float], ...] = ()
    breakers: tuple[Breaker, ...] = ()
    resilience: str = ""
    degraded_reasons: tuple[str, ...] = ()
    models: tuple[tuple[str, str], ...] = ()
    readiness: Readiness | None = None
    providers: tuple[ProviderHealth, ...] = ()
    vectors: VectorStore | None = None
    unread: tuple[tuple[str, str], ...] = ()
