"""The dashboard that a person looks at: asked only while it is on the screen, judged like every other panel."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from console.checks.panels import judge
from console.config.settings import Settings
from console.monitor.pauses import PauseDetector
from console.monitor.poller import Poller
from queries.concurrency import run_cpu_bound
from queries.errors import NotConfigured, SourceError
from queries.model.dashboard import Dashboard, DashboardChoice, DashboardResult, DashboardState, PeriodComparison
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelHistory, PanelResult, PanelSpec, aggregate
from queries.model.source import PollResult
from queries.model.verdict import Verdict

if TYPE_CHECKING:
    from queries.grafana.dashboard import OpenDashboard
    from queries.prometheus.client import Prometheus

SOURCE = "dashboard"
LEASE_SECONDS = 3.0
"""A screen that has not asked for its dashboard for so long does not show it any more."""


@dataclass(frozen=True, slots=True)
class DashboardReading:
    """What is known of the dashboard that is looked at: the latest reading, and the last good one."""

    choice: DashboardChoice
    latest: PollResult[DashboardResult] | None = None
    good: PollResult[DashboardResult] | None = None
    resumed_at: float = 0.0
    """Since when it is asked for again, Unix seconds: an older answer is old because nothing was asked."""


def judged(held: DashboardReading | None, settings: Settings, now: float) -> DashboardState | None:
    """The dashboard as it is drawn at `now`, Unix seconds; old answers are stale, missing ones are NO DATA."""
    if held is None:
        return None
    fault = held.latest.fault if held.latest else None
    if held.good is None or held.good.value is None:
        return DashboardState(held.choice, fault=fault)
    answer, taken_at = held.good.value, held.good.taken_at
    latest_at = held.latest.taken_at if held.latest else taken_at
    resuming = latest_at < held.resumed_at and now - held.resumed_at <= settings.stale_after_seconds
    panels = tuple(
        judge(
            spec,
            settings.threshold(spec.id),
            told,
            taken_at=taken_at,
            now=now,
            stale_after=settings.stale_after_seconds,
            unanswered=fault.sentence() if fault else "no answer yet",
        )
        for spec, told in zip(answer.dashboard.panels, answer.results, strict=True)
    )
    if resuming:
        panels = tuple(replace(item, paused=item.verdict is Verdict.STALE) for item in panels)
    return DashboardState(
        choice=held.choice,
        panels=panels,
        comparisons=compared(answer) if held.choice.back_seconds else (),
        providers=answer.providers,
        taken_at=taken_at,
        fault=fault,
        warnings=answer.warnings,
    )


def compared(answer: DashboardResult) -> tuple[PeriodComparison, ...]:
    """Every panel's value at the earlier time, in the order of the panels."""
    specs = answer.dashboard.panels
    if not answer.earlier:
        told = answer.earlier_fault.sentence() if answer.earlier_fault else "not asked yet"
        return tuple(PeriodComparison(None, told) for _ in specs)
    return tuple(_comparison(spec, told) for spec, told in zip(specs, answer.earlier, strict=True))


def _comparison(spec: PanelSpec, told: PanelResult) -> PeriodComparison:
    if told.fault is not None:
        return PeriodComparison(None, told.fault.sentence())
    value = aggregate(spec.aggregation, (sample.value for sample in told.samples))
    if value is None:
        return PeriodComparison(None, "there was no series then")
    return PeriodComparison(value, doubtful=not spec.allowed.contains(value))


class DashboardPoller:
    """Asks for one dashboard at a time, while somebody looks at it.

    `look` is called at every drawing and costs nothing; without it the asking ends by itself. `show` is told what is
    known, in the loop. The environments of the config file are read when the first dashboard is opened.
    """

    def __init__(
        self,
        settings: Settings,
        prometheus: Prometheus | None,
        show: Callable[[DashboardReading | None], None],
        *,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
        heartbeat: PauseDetector | None = None,
    ) -> None:
        self.environments: tuple[str, ...] = ()
        """The other environments of the config file that have a Prometheus, by name."""
        self._settings = settings
        self._own = prometheus
        self._show = show
        self._clock = clock
        self._environ = environ
        self._heartbeat = heartbeat
        self._held: DashboardReading | None = None
        self._open: OpenDashboard | None = None
        self._poller: Poller | None = None
        self._task: asyncio.Task[None] | None = None
        self._lease: asyncio.TimerHandle | None = None
        self._unseen = False
        self._closing: set[asyncio.Task[None]] = set()
        self._elsewhere: dict[str, Settings] | None = None
        self._clients: dict[str, Prometheus] = {}

    def look(self, choice: DashboardChoice) -> None:
        """Somebody looks at this dashboard now."""
        loop = asyncio.get_running_loop()
        if self._held is None or self._held.choice != choice:
            self._begin(choice)
        resting = self._lease is None
        self._lease_out()
        self._lease = loop.call_later(LEASE_SECONDS, self._rest)
        if resting:
            self._resume()
            self._poll(on=True)

    def look_again(self) -> None:
        """Somebody looks at a part of the dashboard that was looked at last."""
        if self._held is not None:
            self.look(self._held.choice)

    def ask_now(self) -> None:
        if self._poller is not None and self._lease is not None:
            self._poller.wake()

    def set_visible(self, visible: bool) -> None:
        """Nothing is asked while nobody can see the terminal."""
        self._unseen = not visible
        if visible:
            self._resume()
        self._poll(on=visible and self._lease is not None)

    def start_over(self) -> None:
        """The process stood still: what is under way is given up and asked again."""
        self._resume()
        if self._poller is not None:
            self._poller.start_over()

    async def history(self, panel_id: str, *, window_seconds: float, points: int = 240) -> PanelHistory:
        """One panel's series over the window that ends now; a failure is the history's fault."""
        now = self._clock()
        step = max(1.0, float(round(window_seconds / points)))
        end = now // min(step, 15.0) * min(step, 15.0)
        opened = self._open
        if opened is None:
            fault = Fault(FaultKind.REJECTED, "the dashboard has not answered yet")
            return PanelHistory(panel_id, end - window_seconds, end, step, fault=fault)
        try:
            return await opened.history(panel_id, start=end - window_seconds, end=end, step_seconds=step)
        except SourceError as error:
            return PanelHistory(panel_id, end - window_seconds, end, step, fault=error.fault)

    async def close(self) -> None:
        self._end()
        if self._closing:
            await asyncio.wait(self._closing)
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    # Within

    def _lease_out(self) -> None:
        if self._lease is not None:
            self._lease.cancel()

    def _resume(self) -> None:
        if self._held is not None:
            self._held = replace(self._held, resumed_at=self._clock())
            if self._lease is not None:
                self._show(self._held)

    def _rest(self) -> None:
        self._lease = None
        self._poll(on=False)
        self._show(None)

    def _poll(self, *, on: bool) -> None:
        if self._poller is not None:
            self._poller.pause(not on or self._unseen)

    def _begin(self, choice: DashboardChoice) -> None:
        self._end()
        self._held = DashboardReading(choice)
        self._show(self._held)
        endpoint = self._settings.prometheus
        self._poller = Poller(
            SOURCE,
            self._asking(choice),
            self._take,
            every=self._settings.refresh_seconds,
            timeout=4.0 * (endpoint.timeout_seconds if endpoint else 5.0) + 1.0,
            cap=self._settings.backoff_cap_seconds,
            clock=self._clock,
            heartbeat=self._heartbeat,
        )
        self._poll(on=True)
        self._task = asyncio.get_running_loop().create_task(self._poller.run(), name="console dashboard")

    def _end(self) -> None:
        """Stop asking for the dashboard before this one; what it had under way is ended beside."""
        self._lease_out()
        self._lease = None
        task, self._task = self._task, None
        opened, self._open = self._open, None
        self._poller = None
        if task is not None:
            task.cancel()
            closing = asyncio.get_running_loop().create_task(_ended(task, opened), name="console dashboard end")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _take(self, reading: PollResult[Any]) -> None:
        if self._held is None:
            return
        good = reading if reading.fault is None else self._held.good
        self._held = replace(self._held, latest=reading, good=good)
        if self._lease is not None:
            self._show(self._held)

    def _asking(self, choice: DashboardChoice) -> Callable[[], Any]:
        opened: OpenDashboard | None = None

        async def ask() -> tuple[DashboardResult, tuple[str, ...]]:
            nonlocal opened
            if opened is None:
                opened = self._open = await self._opened(choice)
            answer = await opened.refresh()
            return answer, answer.warnings

        return ask

    async def _opened(self, choice: DashboardChoice) -> OpenDashboard:
        from queries.grafana.dashboard import OpenDashboard  # noqa: PLC0415  # not before a dashboard is looked at

        dashboard = await run_cpu_bound(lambda: self._read(choice))
        return OpenDashboard(self._client(choice.environment), dashboard, choice, clock=self._clock)

    def _read(self, choice: DashboardChoice) -> Dashboard:
        """In a thread: the board's file, and at first the config file's other environments."""
        from console.checks.own_panels import open_board  # noqa: PLC0415

        if self._elsewhere is None:
            from console.config.load import load_other_environments  # noqa: PLC0415

            self._elsewhere = load_other_environments(self._settings, self._environ)
            self.environments = tuple(self._elsewhere)
        there = self._elsewhere.get(choice.environment, self._settings)
        return open_board(self._settings, choice.name, namespace=there.namespace, provider=choice.provider)

    def _client(self, environment: str) -> Prometheus:
        """The console's own client, or one for another environment of the config file."""
        if not environment or environment == self._settings.environment:
            if self._own is None:
                raise NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
            return self._own
        if environment not in self._clients:
            from console.checks.own_panels import known_signals  # noqa: PLC0415
            from queries.prometheus.client import Prometheus  # noqa: PLC0415

            there = (self._elsewhere or {}).get(environment)
            if there is None or there.prometheus is None:
                raise NotConfigured(f"the config file has no Prometheus for {environment}")
            self._clients[environment] = made = Prometheus(there.prometheus, signals=known_signals(self._settings))
            made.windows = dict(there.rule_windows)
        return self._clients[environment]


async def _ended(task: asyncio.Task[None], opened: OpenDashboard | None) -> None:
    await asyncio.wait([task])
    if opened is not None:
        await opened.close()
