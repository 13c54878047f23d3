"""What a guard reads, from what this console polls anyway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from console.actions.guard.gates import GateFacts
from console.config.settings import Settings
from console.monitor.source_results import LOKI
from console.state.guards import Guards
from console.state.incident import Incident
from console.state.journal_state import JournalState
from console.state.snapshot import PROMETHEUS, Snapshot
from queries.errors import SourceError
from queries.model.panel import PanelSpec, PanelState
from queries.model.series import Series
from queries.model.source import Health
from queries.prometheus.history import Window
from queries.text.durations import format_duration

if TYPE_CHECKING:
    from queries.model.panel_result import PanelHistory
    from queries.prometheus.client import Prometheus

_FIRST_SECONDS = 15.0
"""How long a guard waits for the first result of the panels."""
_SELF_CHECK_SECONDS = 30.0
_STEPS = 60
_LEAST_SECONDS = 0.25


class LiveGuardSource:
    """`console.actions.guard.source.GuardSource` of a session that polls: reading the signals sends no request of its own."""

    def __init__(
        self,
        settings: Settings,
        specs: Sequence[PanelSpec],
        prometheus: Prometheus | None,
        *,
        log_history: Callable[[PanelSpec, Window], Awaitable[PanelHistory]],
        snapshot: Callable[[], Snapshot],
        newest_ledger: Callable[[], Awaitable[tuple[JournalState, str]]],
        clock: Callable[[], float],
    ) -> None:
        self.specs = specs
        self._settings = settings
        self._prometheus = prometheus
        self._log_history = log_history
        self._snapshot = snapshot
        self._newest_ledger = newest_ledger
        self._clock = clock

    @property
    def interval_seconds(self) -> float:
        """Half of the refresh: a result is judged at most so long after it came."""
        return max(_LEAST_SECONDS, self._settings.refresh_seconds / 2)

    async def fetch_panels(self, names: Sequence[str]) -> tuple[PanelState, ...]:
        await self._wait_for_panels()
        found = (self._snapshot().panel(name) for name in names)
        return tuple(item for item in found if item is not None)

    async def fetch_history(self, name: str, seconds: float) -> tuple[Series, ...]:
        spec = next((item for item in self.specs if item.id == name), None)
        if spec is None or spec.broken:
            return ()
        end = self._clock()
        if spec.source == LOKI:
            return (await self._log_history(spec, Window(end - seconds, end, seconds / _STEPS))).series
        if spec.source != PROMETHEUS or self._prometheus is None:
            return ()
        history = await self._prometheus.history(spec, start=end - seconds, end=end, step_seconds=seconds / _STEPS)
        return history.series

    async def fetch_gates(self) -> GateFacts:
        from console.monitor.self_check import run_self_check  # noqa: PLC0415  # its clients, only before a guarded change

        await self._wait_for_panels()
        error = ""
        try:
            async with asyncio.timeout(_SELF_CHECK_SECONDS):
                checks = await run_self_check(self._settings, strict=False)
        except TimeoutError:
            checks, error = (), f"no result within {format_duration(_SELF_CHECK_SECONDS)}"
        except SourceError as failure:
            checks, error = (), str(failure)
        ledger, caveat = await self._newest_ledger()
        return GateFacts(checks, error, self._snapshot().panels, ledger.incidents.open, caveat or ledger.error)

    async def fetch_guards(self) -> tuple[Guards, str]:
        ledger, caveat = await self._newest_ledger()
        return ledger.guards, caveat

    async def fetch_incidents(self) -> tuple[tuple[Incident, ...], str]:
        ledger, caveat = await self._newest_ledger()
        return ledger.incidents.open, caveat or ledger.error

    async def _wait_for_panels(self) -> None:
        """The first result of a console that has just started."""
        ends = time.monotonic() + _FIRST_SECONDS
        while time.monotonic() < ends:
            state = self._snapshot().source(PROMETHEUS)
            if state is None or state.health is not Health.WAITING:
                return
            await asyncio.sleep(_LEAST_SECONDS)
