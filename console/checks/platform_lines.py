"""What the platform reports about itself, evaluated line by line: for screens, `status`, `check`, `doctor` and checklists."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from queries.model.frozen import dataclass
from queries.model.identity_cache import IdentityCache
from queries.model.platform import PlatformHealth
from queries.model.source import Health
from queries.model.text import visible
from queries.model.verdict import Verdict

READY, RESILIENCE = "/ready", "resilience"
_HEALTHY = {"up", "healthy", "ok", "ready", "pass", "loaded", "available", "present", "true"}
_OFF = {"disabled", "skipped", "not_configured", "off"}
_DEGRADED = {"degraded", "stressed", "half-open", "warning", "warn", "fallback", "starting", "loading", "initializing"}
_UNKNOWN = {"", "?", "unknown", "none"}
_MAX_NAMED = 3


class PlatformSection(StrEnum):
    READINESS = "Readiness"
    SERVICES = "Services"
    BREAKERS = "Circuit breakers"
    MODELS = "Models"
    PROVIDERS = "Providers"
    RATES = "Error rates"
    VECTORS = "Vectors"


@dataclass(frozen=True, slots=True)
class PlatformLine:
    """One item of its report; `verdict` is None if it is only information. Control characters are already made visible."""

    section: PlatformSection
    name: str
    verdict: Verdict | None
    text: str

    @property
    def sentence(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class PlatformVerdict:
    """The worst verdict and its reason; `not_ready`: the platform reports that it does not serve."""

    verdict: Verdict
    reason: str
    not_ready: bool
    lines: tuple[PlatformLine, ...]

    @property
    def problems(self) -> tuple[PlatformLine, ...]:
        """The lines that warn, are critical, or leave its readiness unknown; the worst first."""
        found = [line for line in self.lines if _counts(line) and line.verdict is not Verdict.OK]
        return tuple(sorted(found, key=lambda line: -(line.verdict or Verdict.OK).rank))

    @property
    def health(self) -> Health:
        """The state of the source; a build that always reports healthy is at most degraded."""
        if self.not_ready:
            return Health.NOT_READY
        return Health.UP if self.verdict is Verdict.OK else Health.DEGRADED

    @property
    def detail(self) -> str:
        """The short reason beside that state: `models_loaded`, `redis`."""
        return next((line.name for line in self.problems if line.name != READY), "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each problem or unknown."""
        sentences = tuple(line.sentence for line in self.problems)
        return sentences or ((self.reason,) if self.verdict is Verdict.NO_DATA else ())


def _evaluate(found: PlatformHealth) -> PlatformVerdict:
    lines = tuple(_lines(found))
    verdict = max((line.verdict for line in lines if line.verdict and _counts(line)), key=lambda each: each.rank, default=None)
    not_ready = found.readiness is not None and not found.readiness.ready
    if verdict is None:
        reason = f"/health reports {visible(found.status)}, which some builds always do: nothing else is known"
        return PlatformVerdict(Verdict.NO_DATA, reason, not_ready, lines)
    worst = [line for line in lines if line.verdict is verdict and _counts(line)]
    named = "; ".join(line.sentence for line in worst[:_MAX_NAMED])
    more = f" and {len(worst) - _MAX_NAMED} more" if len(worst) > _MAX_NAMED else ""
    reason = _summarize_healthy(found) if verdict is Verdict.OK else f"{named}{more}"
    return PlatformVerdict(verdict, reason, not_ready, lines)


evaluate_platform: IdentityCache[PlatformHealth, PlatformVerdict] = IdentityCache(_evaluate)
"""The verdict on one report of the platform, cached by identity."""


def _counts(line: PlatformLine) -> bool:
    """An unknown page that only some builds serve does not make the whole unknown; unknown readiness does."""
    return line.verdict is not None and (line.verdict is not Verdict.NO_DATA or line.section is PlatformSection.READINESS)


def _summarize_healthy(found: PlatformHealth) -> str:
    ready = "the platform reports ready" if found.readiness else "this build has no /ready"
    services = f", {len(found.services)} services are healthy" if found.services else ""
    resilience = f", resilience is {visible(found.resilience)}" if found.resilience else ""
    return f"{ready}{services}{resilience}"


def evaluate_status(word: str) -> Verdict | None:
    """What a status word means; None if something is disabled on purpose."""
    status = word.strip().lower().replace(" ", "_")
    if status in _OFF:
        return None
    if status in _HEALTHY:
        return Verdict.OK
    if status in _UNKNOWN:
        return Verdict.NO_DATA
    return Verdict.WARN if status in _DEGRADED else Verdict.CRITICAL


def _lines(found: PlatformHealth) -> Iterator[PlatformLine]:
    yield from _readiness(found)
    for name, word in found.services:
        yield PlatformLine(PlatformSection.SERVICES, visible(name), _warn_if_unknown(evaluate_status(word)), visible(word))
    yield from _breakers(found)
    for name, word in found.models:
        # /ready decides whether the platform can do without it.
        verdict = evaluate_status(word)
        yield PlatformLine(
            PlatformSection.MODELS, visible(name), Verdict.WARN if verdict is Verdict.CRITICAL else verdict, visible(word)
        )
    for provider in found.providers:
        text = "ready" if provider.ready else f"not ready{f': {visible(provider.error)}' if provider.error else ''}"
        verdict = Verdict.OK if provider.ready else Verdict.WARN
        yield PlatformLine(PlatformSection.PROVIDERS, visible(provider.name), verdict, text)
    for name, rate in found.error_rates:
        text = f"{100.0 * rate:.2f} % fail, by the platform's own moving average"
        verdict = None if 0.0 <= rate <= 1.0 else Verdict.IN_DOUBT
        yield PlatformLine(PlatformSection.RATES, visible(name), verdict, text)
    yield from _vectors(found)
    yield from _unread(found)


def _readiness(found: PlatformHealth) -> Iterator[PlatformLine]:
    readiness = found.readiness
    if readiness is not None:
        reason = f": {visible(readiness.reason)}" if readiness.reason else ""
        text = f"ready{reason}" if readiness.ready else f"503 not ready{reason}"
        yield PlatformLine(PlatformSection.READINESS, READY, Verdict.OK if readiness.ready else Verdict.CRITICAL, text)
        for check in readiness.checks:
            verdict = evaluate_status(check.status)
            if verdict is Verdict.OK and check.degraded:
                verdict = Verdict.WARN
            word = f"{visible(check.status)}, degraded" if check.degraded else visible(check.status)
            detail = f": {visible(check.detail)}" if check.detail else ""
            yield PlatformLine(PlatformSection.READINESS, visible(check.name), verdict, f"{word}{detail}")
    health = evaluate_status(found.status)
    if health is not Verdict.OK:
        yield PlatformLine(PlatformSection.READINESS, "/health", _warn_if_unknown(health), f"reports {visible(found.status)}")
    for reason in found.degraded_reasons:
        yield PlatformLine(PlatformSection.READINESS, "degraded", Verdict.WARN, visible(reason))


def _breakers(found: PlatformHealth) -> Iterator[PlatformLine]:
    if found.resilience:
        verdict = evaluate_status(found.resilience)
        # An open breaker protects a provider; the panel has the threshold for how many may be open.
        worst = Verdict.WARN if verdict is Verdict.CRITICAL else verdict
        yield PlatformLine(PlatformSection.BREAKERS, RESILIENCE, worst, visible(found.resilience))
    for breaker in found.breakers:
        limit = "" if breaker.threshold is None else f" of {breaker.threshold}"
        failures = "" if breaker.failures is None else f", failures {breaker.failures}{limit}"
        verdict = Verdict.OK if breaker.state == "closed" else Verdict.WARN
        yield PlatformLine(PlatformSection.BREAKERS, visible(breaker.name), verdict, f"{breaker.state}{failures}")


def _vectors(found: PlatformHealth) -> Iterator[PlatformLine]:
    if found.vectors is None:
        return
    versions = " · ".join(f"{visible(version)} {count}" for version, count in found.vectors.versions)
    total = "" if found.vectors.total is None else f"{found.vectors.total} in total"
    text = " · ".join(filter(None, (versions, total))) or "none"
    yield PlatformLine(PlatformSection.VECTORS, "versions", None, text)
    if found.vectors.faiss:
        text = " · ".join(f"{visible(key)} {visible(value)}" for key, value in found.vectors.faiss if value)
        yield PlatformLine(PlatformSection.VECTORS, "faiss", None, text)


_PAGES = {
    READY: PlatformSection.READINESS,
    "/health/circuit-breakers": PlatformSection.BREAKERS,
    "/api/v1/providers/health": PlatformSection.PROVIDERS,
    "/health/extended": PlatformSection.VECTORS,
}


def _unread(found: PlatformHealth) -> Iterator[PlatformLine]:
    for path, why in found.unread:
        text = visible(why) if why else "not in this build (404); checked again in an hour, or for a new build"
        yield PlatformLine(_PAGES.get(path, PlatformSection.READINESS), path, Verdict.NO_DATA if why else None, text)


def _warn_if_unknown(verdict: Verdict | None) -> Verdict | None:
    """A service that reports no status is not healthy."""
    return Verdict.WARN if verdict is Verdict.NO_DATA else verdict
