"""The platform's self-description: /health, /ready, and the pages that only some builds have."""

from __future__ import annotations

from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Breaker:
    """`state` is closed, open, half-open, or `not closed` if a build reports only numbers; unreported counts are None."""

    name: str
    state: str
    failures: int | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One check of `/ready`, in the platform's own words; `degraded`: ready, but not complete."""

    name: str
    status: str
    detail: str = ""
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the platform reports that it serves; `reason` is its text beside the checks."""

    ready: bool
    checks: tuple[ReadinessCheck, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """One provider (`ocr/paddle`) as the platform checks it; `error` may be empty."""

    name: str
    ready: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class VectorStore:
    """The number of vectors of each feature version, and the platform's report on its index."""

    total: int | None = None
    versions: tuple[tuple[str, int], ...] = ()
    faiss: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """`status` and `services` are the platform's own words; error rates are 0..1. Unreported: `readiness` and `vectors` are
    None, `resilience` is empty.

    `unread` are the pages without an answer, each with the reason: empty if this build does not have the page.
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
