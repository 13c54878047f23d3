"""The latest and the last good result of every source, and the state of the source that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from console.checks.platform_lines import evaluate_platform
from console.config.settings import Settings
from console.monitor.pauses import ClockPause
from console.state.snapshot import HAS_NO_RULES
from queries.model.fault import Fault, FaultKind
from queries.model.source import Health, PollResult, SourceState
from queries.text.durations import format_span

if TYPE_CHECKING:
    from queries.alertmanager import AlertmanagerState
    from queries.prometheus.client import PanelResults, RulesResult

PROMETHEUS, RULES, ALERTMANAGER, KUBERNETES, PLATFORM = "prometheus", "rules", "alertmanager", "kubernetes", "platform"
LOKI = "loki"
"""Polled, and shown among the sources, only for panels over logs."""
SOURCES = (PROMETHEUS, ALERTMANAGER, KUBERNETES, PLATFORM)
EVERY_SOURCE = frozenset({RULES, LOKI, *SOURCES})
"""What a session polls; a command may need only some of it."""
RULES_NOT_VISIBLE = "rules are not visible here"
_TITLES = {
    PROMETHEUS: "Prometheus",
    ALERTMANAGER: "Alertmanager",
    KUBERNETES: "Kubernetes",
    PLATFORM: "the platform's API",
    LOKI: "Loki",
}
_HEALTHS = {
    FaultKind.DENIED: Health.DENIED,
    FaultKind.STALE: Health.STALE,
    FaultKind.NOT_KNOWN_THEN: Health.NOT_KNOWN_THEN,
}
_MIN_STALE_SECONDS = {KUBERNETES: 30.0, PLATFORM: 30.0, LOKI: 30.0}
"""Kubernetes proves only every five seconds that its watch is alive; the platform and Loki are polled half as often."""


class ServerStart:
    """The start-up of servers that this process starts itself. May be read and set from any thread."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self.ended_at = float("inf")
        """When all were up, or the start was given up, Unix seconds. A request sent before then may fail because of it."""

    def text(self, source: str) -> str:
        """What to show for a source that has not responded yet."""
        return self._texts.get(source, "") if self.ended_at == float("inf") else ""

    def explains(self, result: PollResult[Any]) -> bool:
        return result.source in self._texts and result.taken_at - result.latency_seconds < self.ended_at


class SourceResults:
    """Reads no clock. The attributes are replaced in one step, so that they can be set from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.latest: dict[str, PollResult[Any]] = {}
        self.good: dict[str, PollResult[Any]] = {}
        self.late: dict[str, float] = {}
        """When the unanswered request of a source was sent, Unix seconds."""
        self.pauses: tuple[ClockPause, ...] = ()
        """When sources were not polled."""
        self.start = ServerStart({})
        self._settings = settings
        self._configured = {
            PROMETHEUS: settings.prometheus is not None,
            ALERTMANAGER: bool(settings.alertmanagers),
            KUBERNETES: settings.kubernetes is not None,
            PLATFORM: settings.platform is not None,
            LOKI: settings.loki is not None,
        }

    def ingest(self, result: PollResult[Any]) -> bool | None:
        """Whether the value changed; None if the result is ignored, because its source is only being started."""
        source = result.source
        before = self.good.get(source)
        if result.fault is not None and before is None and self.start.explains(result):
            return None
        same = before is not None and before.value is result.value
        changed = before is None or result.fault is not None or not (same or before.value == result.value)
        if before is not None and not changed and not same:
            # Keep the same object: derived values are cached by identity.
            result = replace(result, value=before.value)
        self.latest[source] = result
        self.late.pop(source, None)
        if result.fault is None:
            self.good[source] = result
        return changed

    def repeats(self, result: PollResult[Any]) -> bool:
        """Whether the result is the last one of its source once more, apart from its times."""
        latest = self.latest.get(result.source)
        if latest is None or latest.fault is not None or result.fault is not None or result.source in self.late:
            return False
        # A cluster without news is the same object, and comparing two large ones takes long.
        same = latest.value is result.value or (result.source != KUBERNETES and latest.value == result.value)
        return same and latest.warnings == result.warnings

    def value(self, source: str) -> Any:
        """The last good value, None before the first one."""
        result = self.good.get(source)
        return result.value if result else None

    def failed(self, source: str) -> bool:
        return source in self.latest and self.latest[source].fault is not None

    @property
    def has_rules(self) -> bool:
        """Whether a server evaluates rules and lists them, as far as is known: one that has listed some still has them."""
        latest, known = self.latest.get(RULES), self.value(RULES)
        fault = latest.fault if latest is not None else None
        listed = known is not None and bool(known.rules)
        return self._configured[PROMETHEUS] and (fault is None or fault.kind not in HAS_NO_RULES or listed)

    def stale_after(self, source: str) -> float:
        """How old the last good result may be, in seconds; two missed polls if the source is known to fail."""
        stale_after = self._silence_limit(source)
        return min(stale_after, 2.0 * self._settings.refresh_seconds) if self.failed(source) else stale_after

    def unanswered(self, source: str) -> str:
        """Why there is no current result; empty if the source is not known to fail."""
        latest = self.latest.get(source)
        if not self._configured[source]:
            return f"{_TITLES[source]} is not configured"
        return f"{_TITLES[source]}: {latest.fault.what}" if latest is not None and latest.fault else ""

    def paused_at(self, source: str, now: float) -> float | None:
        """Since when the source has not been polled; None once it responded after that, or had the time to."""
        latest = self.latest.get(source)
        for pause in self.pauses:
            if source not in pause.sources:
                continue
            if pause.ended_at is None:
                return pause.began_at
            not_since = latest is None or latest.taken_at < pause.ended_at
            if not_since and now - pause.ended_at <= self._silence_limit(source):
                return pause.began_at
        return None

    def state(self, source: str, now: float, *, delivery_warning: str) -> SourceState:
        """The source as the header and the sources screen show it."""
        latest, good = self.latest.get(source), self.good.get(source)
        if not self._configured[source]:
            return SourceState(source, Health.NOT_CONFIGURED)
        if latest is None:
            detail = self.start.text(source)
            return SourceState(source, Health.WAITING, detail=detail, paused_at=self.paused_at(source, now))
        warnings = [*latest.warnings]
        health, fault, detail = Health.UP, latest.fault, ""
        if fault is not None:
            health = _HEALTHS.get(fault.kind, Health.DOWN)
            if fault.kind is FaultKind.THROTTLED and fault.status == 503 and not fault.retry_after_seconds:
                # Too many concurrent requests: it responds, and gives no time after which to retry.
                current = good is not None and abs(now - good.taken_at) <= self._silence_limit(source)
                health = Health.DEGRADED if current else Health.STALE
        elif source == PROMETHEUS:
            panels: PanelResults = self.value(PROMETHEUS)
            failed = [item for item in panels.results if item.fault is not None]
            rules = self.latest.get(RULES)
            warnings += panels.warnings
            warnings += [f"panel {item.id}: {item.fault.sentence()}" for item in failed if item.fault]
            fault = failed[0].fault if failed else rules.fault if rules else None
            missing = panels.partial or (self.value(RULES).partial if self.value(RULES) is not None else "")
            if missing:
                health = Health.PARTIAL
                warnings = list(dict.fromkeys((missing, *warnings)))
            detail = _count_failed(panels) or (
                "no rules" if fault else RULES_NOT_VISIBLE if self._rules_are_elsewhere() else ""
            )
        elif source in (ALERTMANAGER, LOKI):
            fault, detail = self._first_fault(source)
            warnings += filter(None, (delivery_warning if source == ALERTMANAGER else "",))
        elif source == KUBERNETES:
            detail = "live"
        elif source == PLATFORM:
            platform = evaluate_platform(self.value(PLATFORM))
            health, detail = platform.health, platform.detail
            warnings += platform.warnings
        if health is Health.UP and (fault is not None or warnings):
            health = Health.DEGRADED
        if health.serves and source in self.late:
            # `partial` says more than `degraded`.
            health = health if health is Health.PARTIAL else Health.DEGRADED
            detail = f"no answer for {format_span(now - self.late[source])}"
        paused_at = self.paused_at(source, now)
        silent = paused_at is None and abs(self._silent_seconds(source, now)) > self._silence_limit(source)
        if health.answers and silent:
            # Its task hangs where no timeout applies: do not leave an old `up` on the screen.
            health, detail = Health.DOWN, "no answer any more"
        return SourceState(
            source,
            health,
            detail=detail,
            latency_seconds=latest.latency_seconds if latest.fault is None else None,
            last_good_at=good.taken_at if good else None,
            fault=fault,
            warnings=tuple(dict.fromkeys(warnings)),
            endpoint=self._endpoint(source),
            paused_at=paused_at,
        )

    def _first_fault(self, source: str) -> tuple[Fault | None, str]:
        """What is wrong with a part of a source that answers, and its detail."""
        if source == LOKI:
            counts: PanelResults = self.value(LOKI)
            return next((item.fault for item in counts.results if item.fault is not None), None), _count_failed(counts)
        state: AlertmanagerState = self.value(ALERTMANAGER)
        return state.peer_faults[0] if state.peer_faults else None, f"{state.peers_up}/{state.peers_total}"

    def _rules_are_elsewhere(self) -> bool:
        """Whether alerts arrive although the server lists no rules, so another server must evaluate some."""
        rules: RulesResult | None = self.value(RULES)
        manager: AlertmanagerState | None = self.value(ALERTMANAGER)
        return rules is not None and not rules.rules and not rules.recorded and manager is not None and bool(manager.alerts)

    def _silence_limit(self, source: str) -> float:
        return max(self._settings.stale_after_seconds, _MIN_STALE_SECONDS.get(source, 0.0))

    def _silent_seconds(self, source: str, now: float) -> float:
        """For how many seconds it has not responded; pauses do not count."""
        ends = [pause.ended_at for pause in self.pauses if source in pause.sources and pause.ended_at is not None]
        return now - max([self.latest[source].taken_at, *ends])

    def _endpoint(self, source: str) -> str:
        settings = self._settings
        if source == ALERTMANAGER:
            return ", ".join(item.url for item in settings.alertmanagers)
        if source == KUBERNETES:
            cluster = settings.kubernetes
            where = cluster.place.sentence() if cluster and cluster.place else ""
            return where or ((cluster.context or cluster.kubeconfig or "in-cluster") if cluster else "")
        endpoint = {PROMETHEUS: settings.prometheus, LOKI: settings.loki}.get(source, settings.platform)
        return endpoint.url if endpoint else ""


def _count_failed(panels: PanelResults) -> str:
    """`1 of 9 queries refused`; empty if none was."""
    failed = sum(item.fault is not None for item in panels.results)
    return f"{failed} of {len(panels.results)} queries refused" if failed else ""
