"""The visible dashboard: polled only while it is on the screen, evaluated like every other panel."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from console.checks.panels import evaluate_panel
from console.config.missing import missing_server
from console.config.settings import Settings
from console.monitor.metric_history import chart_window
from console.monitor.pauses import PauseDetector
from console.monitor.poller import Poller
from queries.concurrency import end_tasks, run_cpu_bound
from queries.errors import NotConfigured
from queries.model.dashboard import Dashboard, DashboardChoice, DashboardResult, DashboardState, PeriodComparison
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec, aggregate
from queries.model.panel_result import HistoryRange, PanelHistory, PanelResult
from queries.model.source import PollResult
from queries.model.verdict import Verdict

if TYPE_CHECKING:
    from queries.grafana.dashboard import OpenDashboard
    from queries.loki import Loki
    from queries.loki.panels import LogPanels
    from queries.prometheus.client import Prometheus

SOURCE = "dashboard"
LEASE_SECONDS = 3.0
"""A screen that has not renewed its dashboard for this long no longer shows it."""


@dataclass(frozen=True, slots=True)
class DashboardReading:
    """The visible dashboard with its latest and its last good result."""

    choice: DashboardChoice
    latest: PollResult[DashboardResult] | None = None
    good: PollResult[DashboardResult] | None = None
    resumed_at: float = 0.0
    """When polling resumed, Unix seconds: a result from before is old because of the pause."""


def evaluate_dashboard(reading: DashboardReading | None, settings: Settings, now: float) -> DashboardState | None:
    """The dashboard as drawn at `now`, Unix seconds; old results are stale, missing ones are NO DATA."""
    if reading is None:
        return None
    fault = reading.latest.fault if reading.latest else None
    if reading.good is None or reading.good.value is None:
        return DashboardState(reading.choice, fault=fault)
    result, taken_at = reading.good.value, reading.good.taken_at
    latest_at = reading.latest.taken_at if reading.latest else taken_at
    resuming = latest_at < reading.resumed_at and now - reading.resumed_at <= settings.stale_after_seconds
    panels = tuple(
        evaluate_panel(
            spec,
            settings.threshold(spec.id),
            panel_result,
            taken_at=taken_at,
            now=now,
            stale_after=settings.stale_after_seconds,
            unanswered=fault.sentence() if fault else "",
        )
        for spec, panel_result in zip(result.dashboard.panels, result.results, strict=True)
    )
    if resuming:
        panels = tuple(replace(item, paused=item.verdict is Verdict.STALE) for item in panels)
    return DashboardState(
        choice=reading.choice,
        panels=panels,
        comparisons=compare_periods(result) if reading.choice.back_seconds else (),
        providers=result.providers,
        taken_at=taken_at,
        fault=fault,
        warnings=result.warnings,
    )


def compare_periods(result: DashboardResult) -> tuple[PeriodComparison, ...]:
    """Every panel's value in the earlier period, in the order of the panels."""
    specs = result.dashboard.panels
    if not result.earlier:
        reason = result.earlier_fault.sentence() if result.earlier_fault else "not queried yet"
        return tuple(PeriodComparison(None, reason) for _ in specs)
    return tuple(_compare(spec, earlier) for spec, earlier in zip(specs, result.earlier, strict=True))


def _compare(spec: PanelSpec, earlier: PanelResult) -> PeriodComparison:
    if earlier.fault is not None:
        return PeriodComparison(None, earlier.fault.sentence())
    value = aggregate(spec.aggregation, (sample.value for sample in earlier.samples))
    if value is None:
        return PeriodComparison(None, "no series then")
    return PeriodComparison(value, doubtful=not spec.allowed.contains(value))


class DashboardPoller:
    """Polls one dashboard at a time, while it is visible.

    A screen calls `keep_alive` at every drawing, which costs nothing; without it the polling stops by itself. `show` receives
    each reading in the event loop. The first dashboard that is opened reads the environments of the config file.
    """

    def __init__(
        self,
        settings: Settings,
        prometheus: Prometheus | None,
        show: Callable[[DashboardReading | None], None],
        *,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
        detector: PauseDetector | None = None,
        loki: Callable[[], Loki] | None = None,
    ) -> None:
        """`loki` returns the console's own client, created with its first use; it raises NotConfigured."""
        self.as_of: Callable[[], float] | None = None
        """The past moment that it shows, Unix seconds; None for now. `prometheus` is then of that moment too."""
        self.environments: tuple[str, ...] = ()
        """The names of the config file's other environments that have a Prometheus."""
        self.panels: Mapping[str, tuple[str, str]] = {}
        """Board and title of every panel that only dashboards have, by its id; empty before `read_panels`."""
        self.read_board: Callable[[DashboardChoice], Dashboard] | None = None
        """What the definition of a dashboard comes from instead of files; it raises SourceError."""
        self._settings = settings
        self._own = prometheus
        self._show = show
        self._clock = clock
        self._environ = environ
        self._detector = detector
        self._reading: DashboardReading | None = None
        self._open: OpenDashboard | None = None
        self._poller: Poller | None = None
        self._task: asyncio.Task[None] | None = None
        self._lease: asyncio.TimerHandle | None = None
        self._hidden = False
        self._closing: set[asyncio.Task[None]] = set()
        self._environments: dict[str, Settings] | None = None
        self._clients: dict[str, Prometheus] = {}
        self._loki = loki
        self._loki_clients: dict[str, Loki] = {}

    def keep_alive(self, choice: DashboardChoice) -> None:
        """This dashboard is visible now."""
        loop = asyncio.get_running_loop()
        if self._reading is None or self._reading.choice != choice:
            self._begin(choice)
        idle = self._lease is None
        self._cancel_lease()
        self._lease = loop.call_later(LEASE_SECONDS, self._stop_polling)
        if idle:
            self._resume()
            self._poll(on=True)

    def keep_last_alive(self) -> None:
        """A panel of the last dashboard is visible."""
        if self._reading is not None:
            self.keep_alive(self._reading.choice)

    def refresh_now(self) -> None:
        if self._poller is not None and self._lease is not None:
            self._poller.wake()

    def set_visible(self, visible: bool) -> None:
        """Stops polling while nobody can see the terminal."""
        self._hidden = not visible
        if visible:
            self._resume()
        self._poll(on=visible and self._lease is not None)

    def start_over(self) -> None:
        """The process was suspended: abandon the current request and send a new one."""
        self._resume()
        if self._poller is not None:
            self._poller.start_over()

    async def read_panels(self) -> Mapping[str, tuple[str, str]]:
        """Set and return `panels`, from the catalogue and a team's own files."""
        from console.checks.own_panels import list_board_panels  # noqa: PLC0415  # not before the first frame

        if not self.panels:
            self.panels = await run_cpu_bound(lambda: list_board_panels(self._settings))
        return self.panels

    async def histories(self, panel_id: str, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        """One panel's series over a time range, refined with each history; a failure is stored as the history's fault."""
        window, opened = chart_window(requested, self._clock()), self._open
        if opened is None:
            fault = Fault(FaultKind.REJECTED, "the dashboard has no result yet")
            yield PanelHistory(panel_id, window.start, window.end, window.step, fault=fault)
            return
        async for history in opened.histories(panel_id, window, back_seconds=requested.back_seconds, heat=requested.heat):
            yield history

    async def close(self) -> None:
        self._end()
        if self._closing:
            await asyncio.wait(self._closing)
        for client in self._clients.values():
            await client.close()
        for loki in self._loki_clients.values():
            await loki.close()
        self._clients.clear()
        self._loki_clients.clear()

    # Within

    def _cancel_lease(self) -> None:
        if self._lease is not None:
            self._lease.cancel()

    def _resume(self) -> None:
        if self._reading is not None:
            self._reading = replace(self._reading, resumed_at=self._clock())
            if self._lease is not None:
                self._show(self._reading)

    def _stop_polling(self) -> None:
        self._lease = None
        self._poll(on=False)
        self._show(None)

    def _poll(self, *, on: bool) -> None:
        if self._poller is not None:
            self._poller.pause(not on or self._hidden)

    def _begin(self, choice: DashboardChoice) -> None:
        self._end()
        self._reading = DashboardReading(choice)
        self._show(self._reading)
        endpoint = self._settings.prometheus
        self._poller = Poller(
            SOURCE,
            self._fetch_for(choice),
            self._ingest,
            every=self._settings.refresh_seconds,
            timeout=4.0 * (endpoint.timeout_seconds if endpoint else 5.0) + 1.0,
            cap=self._settings.backoff_cap_seconds,
            clock=self._clock,
            detector=self._detector,
        )
        self._poll(on=True)
        self._task = asyncio.get_running_loop().create_task(self._poller.run(), name="console dashboard")

    def _end(self) -> None:
        """Stop polling the previous dashboard; its current request ends in a task of its own."""
        self._cancel_lease()
        self._lease = None
        task, self._task = self._task, None
        opened, self._open = self._open, None
        self._poller = None
        if task is not None:
            task.cancel()
            closing = asyncio.get_running_loop().create_task(_close_after(task, opened), name="console dashboard end")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _ingest(self, result: PollResult[Any]) -> None:
        if self._reading is None:
            return
        good = result if result.fault is None else self._reading.good
        self._reading = replace(self._reading, latest=result, good=good)
        if self._lease is not None:
            self._show(self._reading)

    def _fetch_for(self, choice: DashboardChoice) -> Callable[[], Any]:
        opened: OpenDashboard | None = None

        async def fetch() -> tuple[DashboardResult, tuple[str, ...]]:
            nonlocal opened
            if opened is None:
                opened = self._open = await self._open_dashboard(choice)
            result = await opened.refresh()
            return result, result.warnings

        return fetch

    async def _open_dashboard(self, choice: DashboardChoice) -> OpenDashboard:
        from queries.grafana.dashboard import OpenDashboard  # noqa: PLC0415  # not before a dashboard is opened

        dashboard = await run_cpu_bound(lambda: self._read(choice))
        log_panels = self._create_log_panels(choice) if any(spec.source == "loki" for spec in dashboard.panels) else None
        client = self._client(choice.environment)
        return OpenDashboard(client, dashboard, choice, log_panels=log_panels, clock=self._clock)

    def _create_log_panels(self, choice: DashboardChoice) -> LogPanels:
        from queries.loki.panels import LogPanels  # noqa: PLC0415  # only with a panel over logs

        return LogPanels(
            partial(self._loki_client, choice.environment), clock=self._clock, window_seconds=choice.window_seconds
        )

    def _loki_client(self, environment: str) -> Loki:
        """The console's own client, or one for another environment. Raises NotConfigured."""
        if not environment or environment == self._settings.environment:
            if self._loki is None:
                raise missing_server("Loki")
            return self._loki()
        if environment not in self._loki_clients:
            from queries.loki import Loki  # noqa: PLC0415  # as above

            other = (self._environments or {}).get(environment)
            if other is None or other.loki is None:
                raise NotConfigured(f"the config file has no Loki for {environment}")
            self._loki_clients[environment] = Loki(other.loki)
        return self._loki_clients[environment]

    def _read(self, choice: DashboardChoice) -> Dashboard:
        """In a thread: the dashboard's file, and the first time the config file's other environments."""
        if self.read_board is not None:
            return self.read_board(choice)
        from console.checks.own_panels import open_board  # noqa: PLC0415  # not before a dashboard is opened

        if self._environments is None:
            from console.config.load import load_other_environments  # noqa: PLC0415  # only with environments

            self._environments = load_other_environments(self._settings, self._environ)
            self.environments = tuple(self._environments)
        environment = self._environments.get(choice.environment, self._settings)
        return open_board(self._settings, choice.name, namespace=environment.namespace, provider=choice.provider)

    def _client(self, environment: str) -> Prometheus:
        """The console's own client, or one for another environment of the config file."""
        if not environment or environment == self._settings.environment:
            if self._own is None:
                raise missing_server("Prometheus")
            return self._own
        if environment not in self._clients:
            from console.checks.own_panels import load_configured_signals  # noqa: PLC0415  # only for another environment
            from queries.prometheus.client import Prometheus  # noqa: PLC0415  # as above

            other = (self._environments or {}).get(environment)
            if other is None or other.prometheus is None:
                raise NotConfigured(f"the config file has no Prometheus for {environment}")
            self._clients[environment] = client = Prometheus(other.prometheus, signals=load_configured_signals(self._settings))
            client.windows = dict(other.rule_windows)
        client = self._clients[environment]
        return client if self.as_of is None else client.as_of(self.as_of)


async def _close_after(task: asyncio.Task[None], opened: OpenDashboard | None) -> None:
    await end_tasks((task,))
    if opened is not None:
        await opened.close()
