"""What the platform says of itself, judged line by line: for the screen, `status`, `check`, `doctor` and the checklists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from queries.model.identity_cache import IdentityCache
from queries.model.platform import PlatformHealth
from queries.model.source import Health
from queries.model.text import visible
from queries.model.verdict import Verdict

READY, RESILIENCE = "/ready", "resilience"
_FINE = {"up", "healthy", "ok", "ready", "pass", "loaded", "available", "present", "true"}
_OFF = {"disabled", "skipped", "not_configured", "off"}
_WEAK = {"degraded", "stressed", "half-open", "warning", "warn", "fallback", "starting", "loading", "initializing"}
_UNKNOWN = {"", "?", "unknown", "none"}
_MOST_NAMED = 3


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
    """One thing that the platform says; `verdict` is None where it only tells. Texts are visible already."""

    section: PlatformSection
    name: str
    verdict: Verdict | None
    text: str

    @property
    def sentence(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class PlatformVerdict:
    """The worst of it and why, in a few words; `not_ready`: the platform says that it does not serve."""

    verdict: Verdict
    reason: str
    not_ready: bool
    lines: tuple[PlatformLine, ...]

    @property
    def trouble(self) -> tuple[PlatformLine, ...]:
        """What warns, is critical, or is not known of its readiness; the worst first."""
        found = [line for line in self.lines if _counts(line) and line.verdict is not Verdict.OK]
        return tuple(sorted(found, key=lambda line: -(line.verdict or Verdict.OK).rank))

    @property
    def health(self) -> Health:
        """What the source is called; one that says nothing but a word that it always says is no more than degraded."""
        if self.not_ready:
            return Health.NOT_READY
        return Health.UP if self.verdict is Verdict.OK else Health.DEGRADED

    @property
    def detail(self) -> str:
        """What stands beside that word where there is little room: `models_loaded`, `redis`."""
        return next((line.name for line in self.trouble if line.name != READY), "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong or not known, a sentence each."""
        sentences = tuple(line.sentence for line in self.trouble)
        return sentences or ((self.reason,) if self.verdict is Verdict.NO_DATA else ())


def _judge(found: PlatformHealth) -> PlatformVerdict:
    lines = tuple(_lines(found))
    verdict = max((line.verdict for line in lines if line.verdict and _counts(line)), key=lambda each: each.rank, default=None)
    not_ready = found.readiness is not None and not found.readiness.ready
    if verdict is None:
        told = f"/health says {visible(found.status)}, which some builds always say: nothing else is known"
        return PlatformVerdict(Verdict.NO_DATA, told, not_ready, lines)
    worst = [line for line in lines if line.verdict is verdict and _counts(line)]
    named = "; ".join(line.sentence for line in worst[:_MOST_NAMED])
    more = f" and {len(worst) - _MOST_NAMED} more" if len(worst) > _MOST_NAMED else ""
    reason = _fine(found) if verdict is Verdict.OK else f"{named}{more}"
    return PlatformVerdict(verdict, reason, not_ready, lines)


judge_platform: IdentityCache[PlatformHealth, PlatformVerdict] = IdentityCache(_judge)
"""The verdict on what the platform says of itself; made once for each answer."""


def _counts(line: PlatformLine) -> bool:
    """A page that only some builds have may be unknown without making the whole so; readiness may not."""
    return line.verdict is not None and (line.verdict is not Verdict.NO_DATA or line.section is PlatformSection.READINESS)


def _fine(found: PlatformHealth) -> str:
    ready = "the platform says that it is ready" if found.readiness else "this build has no /ready"
    services = f", {len(found.services)} services are fine" if found.services else ""
    resilience = f", resilience is {visible(found.resilience)}" if found.resilience else ""
    return f"{ready}{services}{resilience}"


def judge_word(word: str) -> Verdict | None:
    """What a word of the platform's means; None where it says that something is off on purpose."""
    said = word.strip().lower().replace(" ", "_")
    if said in _OFF:
        return None
    if said in _FINE:
        return Verdict.OK
    if said in _UNKNOWN:
        return Verdict.NO_DATA
    return Verdict.WARN if said in _WEAK else Verdict.CRITICAL


def _lines(found: PlatformHealth) -> Iterator[PlatformLine]:
    yield from _readiness(found)
    for name, word in found.services:
        yield PlatformLine(PlatformSection.SERVICES, visible(name), _known(judge_word(word)), visible(word))
    yield from _breakers(found)
    for name, word in found.models:
        # Whether the platform can do without it, /ready says.
        verdict = judge_word(word)
        yield PlatformLine(
            PlatformSection.MODELS, visible(name), Verdict.WARN if verdict is Verdict.CRITICAL else verdict, visible(word)
        )
    for provider in found.providers:
        told = "ready" if provider.ready else f"not ready{f': {visible(provider.error)}' if provider.error else ''}"
        verdict = Verdict.OK if provider.ready else Verdict.WARN
        yield PlatformLine(PlatformSection.PROVIDERS, visible(provider.name), verdict, told)
    for name, rate in found.error_rates:
        told = f"{100.0 * rate:.2f} % fail, by the platform's own moving average"
        verdict = None if 0.0 <= rate <= 1.0 else Verdict.IN_DOUBT
        yield PlatformLine(PlatformSection.RATES, visible(name), verdict, told)
    yield from _vectors(found)
    yield from _unread(found)


def _readiness(found: PlatformHealth) -> Iterator[PlatformLine]:
    readiness = found.readiness
    if readiness is not None:
        reason = f": {visible(readiness.reason)}" if readiness.reason else ""
        told = f"ready{reason}" if readiness.ready else f"503 not ready{reason}"
        yield PlatformLine(PlatformSection.READINESS, READY, Verdict.OK if readiness.ready else Verdict.CRITICAL, told)
        for check in readiness.checks:
            verdict = judge_word(check.status)
            if verdict is Verdict.OK and check.degraded:
                verdict = Verdict.WARN
            word = f"{visible(check.status)}, degraded" if check.degraded else visible(check.status)
            detail = f": {visible(check.detail)}" if check.detail else ""
            yield PlatformLine(PlatformSection.READINESS, visible(check.name), verdict, f"{word}{detail}")
    health = judge_word(found.status)
    if health is not Verdict.OK:
        yield PlatformLine(PlatformSection.READINESS, "/health", _known(health), f"says {visible(found.status)}")
    for reason in found.degraded_reasons:
        yield PlatformLine(PlatformSection.READINESS, "degraded", Verdict.WARN, visible(reason))


def _breakers(found: PlatformHealth) -> Iterator[PlatformLine]:
    if found.resilience:
        verdict = judge_word(found.resilience)
        # A breaker that is open spares a provider; how many may be, the panel says.
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
    total = "" if found.vectors.total is None else f"{found.vectors.total} in all"
    told = " · ".join(filter(None, (versions, total))) or "none"
    yield PlatformLine(PlatformSection.VECTORS, "versions", None, told)
    if found.vectors.faiss:
        told = " · ".join(f"{visible(key)} {visible(value)}" for key, value in found.vectors.faiss if value)
        yield PlatformLine(PlatformSection.VECTORS, "faiss", None, told)


_PAGES = {
    READY: PlatformSection.READINESS,
    "/health/circuit-breakers": PlatformSection.BREAKERS,
    "/api/v1/providers/health": PlatformSection.PROVIDERS,
    "/health/extended": PlatformSection.VECTORS,
}


def _unread(found: PlatformHealth) -> Iterator[PlatformLine]:
    for path, why in found.unread:
        told = visible(why) if why else "this build does not have it (404); asked for again in an hour, or for a new build"
        yield PlatformLine(_PAGES.get(path, PlatformSection.READINESS), path, Verdict.NO_DATA if why else None, told)


def _known(verdict: Verdict | None) -> Verdict | None:
    """A service that says nothing is not fine."""
    return Verdict.WARN if verdict is Verdict.NO_DATA else verdict
