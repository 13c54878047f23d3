"""Polls every source, and stops polling while nobody can see the screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from console.config.settings import Settings
from console.monitor.pauses import BEAT_SECONDS, ClockPause, PauseDetector
from console.monitor.poller import Fetch, Poller, keep_watching, next_delay, no_pause
from console.monitor.rules_pace import RulesPace
from console.monitor.source_results import ALERTMANAGER, EVERY_SOURCE, KUBERNETES, LOKI, PLATFORM, PROMETHEUS, RULES, SOURCES
from queries.model.fault import FaultKind
from queries.model.panel import PanelSpec, is_crossed
from queries.model.source import PollResult

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from queries.alertmanager import Alertmanager
    from queries.kubernetes.client import Kubernetes
    from queries.loki.panels import LogPanels
    from queries.platform.client import Platform
    from queries.prometheus.client import PanelResults, Prometheus, RulesResult
    from queries.prometheus.rules_reader import RulesReader

_LONGEST_BEAT_SECONDS = 1.15 * BEAT_SECONDS
_RESUME_SECONDS = 3.0
"""How long after the process stood still a failed watch may be a consequence of that."""


class SourcePolling:
    """The poll loops of all sources.

    `every_seconds` is the cadence, that of the settings unless given; `rules` reads those where there is no `prometheus`.

    `deliver` receives every result, `on_late` a source and the time of the unanswered request, `on_pauses` the current pauses;
    all are called in the event loop.
    """

    def __init__(
        self,
        settings: Settings,
        specs: tuple[PanelSpec, ...],
        *,
        prometheus: Prometheus | None,
        alertmanager: Alertmanager | None,
        kubernetes: Kubernetes | None,
        platform: Platform | None,
        log_panels: LogPanels | None,
        deliver: Callable[[PollResult[Any]], None],
        on_late: Callable[[str, float], None],
        on_pauses: Callable[[tuple[ClockPause, ...]], None],
        detector: PauseDetector,
        clock: Callable[[], float],
        rules: RulesReader | None = None,
        every_seconds: float | None = None,
    ) -> None:
        self._settings = settings
        self._every = every_seconds or settings.refresh_seconds
        self._prometheus, self._rules, self._alertmanager = prometheus, rules, alertmanager
        self._kubernetes, self._platform, self._log_panels = kubernetes, platform, log_panels
        self._deliver = deliver
        self._on_late = on_late
        self._on_pauses = on_pauses
        self._detector = detector
        self._clock = clock
        self._jitter = 0.0
        self._pace = RulesPace(every_seconds=3 * self._every, stale_after_seconds=settings.stale_after_seconds)
        self._fetches = self._build_fetches(specs)
        self._pollers: list[Poller] = []
        self._answered: set[str] = set()
        """The sources that have responded, including those with an error."""
        self._hidden = False
        self._hidden_pause: ClockPause | None = None
        self._suspended: ClockPause | None = None

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """One endless coroutine a source, by its name."""
        import random  # noqa: PLC0415  # not for a single snapshot

        every = self._every
        # The same jitter for all sources: consoles do not poll in step with each other, the sources of one console do.
        self._jitter = random.uniform(-1.0, 1.0)  # noqa: S311  # no secret depends on it
        cadence = {PROMETHEUS: every, ALERTMANAGER: every, RULES: 3 * every, PLATFORM: 2 * every, LOKI: 2 * every}
        self._pollers = [
            Poller(
                source,
                fetch,
                self._deliver_polled,
                every=cadence[source],
                timeout=self._timeout_seconds(source),
                cap=self._settings.backoff_cap_seconds,
                clock=self._clock,
                on_late=self._on_late,
                jitter=self._jitter,
                detector=self._detector,
                least_pause=self._pace.least_pause if source == RULES else no_pause,
            )
            for source, fetch in self._fetches.items()
        ]
        loops = {poller.source: poller.run() for poller in self._pollers}
        if self._kubernetes is not None:
            from queries.kubernetes.cluster_watch import ClusterWatch  # noqa: PLC0415  # only with Kubernetes

            cap = self._settings.backoff_cap_seconds
            watch = ClusterWatch(self._kubernetes, backoff_cap_seconds=cap)
            loops[KUBERNETES] = keep_watching(KUBERNETES, watch.follow, self._deliver_watched, cap=cap, clock=self._clock)
        return loops

    @property
    def beat_seconds(self) -> float:
        """Once the loops run, about a second: a whole fraction of the pause between two polls, or a multiple of a short one."""
        pause = next_delay(every=self._every, failures=0, cap=0.0, retry_after=None, jitter=self._jitter)
        return pause / max(1, math.ceil(pause / _LONGEST_BEAT_SECONDS)) * max(1, round(BEAT_SECONDS / pause))

    def one_time_fetches(self, sources: Collection[str] = EVERY_SOURCE, *, whole_trends: bool = True) -> dict[str, Fetch]:
        """What one snapshot of these sources needs, by source. Without `whole_trends` only the panels beyond a threshold get a
        trend, which says since when.
        """
        fetches = {source: fetch for source, fetch in self._fetches.items() if source in sources}
        if self._kubernetes is not None:
            from queries.kubernetes.cluster_list import list_cluster  # noqa: PLC0415  # as above

            fetches[KUBERNETES] = fetch_with_warnings(partial(list_cluster, self._kubernetes), self._kubernetes)
        if self._prometheus is not None and PROMETHEUS in sources:
            # A single snapshot has no later one to correct it: read the meaning of the numbers first.
            prometheus, fetch_panels = self._prometheus, fetches[PROMETHEUS]
            prometheus.once = RULES in fetches
            if not whole_trends:
                prometheus.limit_trends(self._is_beyond)

            async def fetch_decoded_panels() -> tuple[Any, tuple[str, ...]]:
                await prometheus.fetch_encodings()
                return await fetch_panels()

            fetches[PROMETHEUS] = fetch_decoded_panels
        if self._platform is not None:
            fetches[PLATFORM] = fetch_with_warnings(partial(self._platform.health, whole=True), self._platform)
        return fetches

    def refresh_now(self) -> None:
        """Polls every source as soon as its current request ends; Kubernetes is watched and needs no poll."""
        if self._alertmanager is not None:
            self._alertmanager.forget_silences()
        if self._platform is not None:
            self._platform.forget_absent()
        for poller in self._pollers:
            poller.wake()

    def set_visible(self, visible: bool) -> bool:
        """Stops polling while nobody can see the screen, and polls everything at once afterwards; watches stay open.

        Returns whether that is a change. Call it again every second: it stops only once every source has answered, so that a
        console that was started detached knows what it shows.
        """
        if visible is not self._hidden or not (visible or self._fetches.keys() <= self._answered):
            return False
        self._hidden = not visible
        now = self._clock()
        if self._hidden:
            self._hidden_pause = ClockPause(now, frozenset(self._fetches))
        elif self._hidden_pause is not None:
            self._hidden_pause = replace(self._hidden_pause, ended_at=now)
        self._report_pauses()
        for poller in self._pollers:
            poller.pause(self._hidden)
        return True

    def check_clock(self) -> bool:
        """Call it every second: whether the process stood still since the last call. Then everything is polled again."""
        missed = self._detector.beat()
        if not missed:
            return False
        now = self._clock()
        self._suspended = ClockPause(now - missed, frozenset({*SOURCES, LOKI}), now)
        self._report_pauses()
        for poller in self._pollers:
            poller.start_over()
        return True

    def _is_beyond(self, spec: PanelSpec, value: float) -> bool:
        limits = spec.threshold.override(self._settings.threshold(spec.id))
        return any(is_crossed(value, limit, lower_is_worse=spec.lower_is_worse) for limit in (limits.warn, limits.critical))

    def _report_pauses(self) -> None:
        self._on_pauses(tuple(item for item in (self._hidden_pause, self._suspended) if item is not None))

    def _deliver_polled(self, result: PollResult[Any]) -> None:
        if result.fault is None or result.fault.kind not in (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT):
            self._answered.add(result.source)
        self._deliver(result)

    def _deliver_watched(self, result: PollResult[Any]) -> None:
        if result.fault and self._detector.missed_since(self._detector.clock() - _RESUME_SECONDS):
            return  # its timeout may have passed while the process stood still; it retries within two seconds
        self._deliver(result)

    def _build_fetches(self, specs: tuple[PanelSpec, ...]) -> dict[str, Fetch]:
        fetches: dict[str, Fetch] = {}
        if self._prometheus is not None:
            prometheus = self._prometheus
            panels = tuple(spec for spec in specs if spec.source == PROMETHEUS)
            prometheus.rules_expected = True
            prometheus.windows = dict(self._settings.rule_windows)
            fetches[PROMETHEUS] = fetch_with_warnings(partial(self._fetch_panels, prometheus, panels), prometheus)

            async def fetch_rules() -> RulesResult:
                await prometheus.fetch_encodings()  # hourly; done here so that it does not delay the first values
                self._pace.note_request()
                found = await prometheus.rules()
                self._pace.note_answer(prometheus.rules_bytes)
                return found

            fetches[RULES] = fetch_with_warnings(fetch_rules)
        elif self._rules is not None:
            fetches[RULES] = fetch_with_warnings(self._rules.read)
        if self._alertmanager is not None:
            fetches[ALERTMANAGER] = fetch_with_warnings(partial(self._alertmanager.state, fresh=False), self._alertmanager)
        if self._platform is not None:
            fetches[PLATFORM] = fetch_with_warnings(self._platform.health, self._platform)
        if self._log_panels is not None:
            counted = tuple(spec for spec in specs if spec.source == LOKI)
            fetches[LOKI] = fetch_with_warnings(partial(self._log_panels.refresh, counted))
        return fetches

    async def _fetch_panels(self, prometheus: Prometheus, panels: tuple[PanelSpec, ...]) -> PanelResults:
        # The series of the alerts of another server's rules may be elsewhere, or late.
        beside = self._pace.queries() if prometheus.evaluates_rules else ()
        found = await prometheus.panels(panels, beside=beside)
        if beside and self._pace.note_signal(found.beside, partial=bool(found.partial)):
            for poller in self._pollers:
                if poller.source == RULES:
                    poller.wake()
        return found

    def _timeout_seconds(self, source: str) -> float:
        """More than the clients' own timeouts, which cover one request; a poll may take several."""
        if source == ALERTMANAGER:
            return 4.0 * max(item.timeout_seconds for item in self._settings.alertmanagers) + 1.0
        settings = self._settings
        endpoint = {PLATFORM: settings.platform, LOKI: settings.loki}.get(source, settings.prometheus)
        return 4.0 * (endpoint.timeout_seconds if endpoint else 5.0) + 1.0


class _WarningSource(Protocol):
    @property
    def warnings(self) -> tuple[str, ...]: ...


def fetch_with_warnings(call: Callable[[], Awaitable[Any]], source: _WarningSource | None = None) -> Fetch:
    """The call as a `Fetch`, with the client's current warnings about its server."""

    async def fetch() -> tuple[Any, tuple[str, ...]]:
        value = await call()
        return value, source.warnings if source is not None else ()

    return fetch
