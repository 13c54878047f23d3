"""The guard before the change: its gates, what the signals are now, and what the preview says about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from console.actions.guard.gates import check_gates, check_others, check_signals
from console.actions.guard.model import NO_ROLLBACK, GuardOptions
from console.actions.guard.notices import describe_notices
from console.actions.guard.signals import BEFORE_SECONDS, describe_limit, measure_before, series_name, values_before
from console.actions.guard.source import GuardSource
from console.actions.plan import PreflightCheck
from console.config.settings import Settings
from console.journal.payloads import GuardSignal
from console.state.guards import GuardRecord, Guards
from console.state.incident import Incident
from queries.model.action import ActionCall
from queries.text.durations import format_duration


class GuardChecks:
    def __init__(self, options: GuardOptions, source: GuardSource, settings: Settings) -> None:
        self.options = options
        self.signals: tuple[GuardSignal, ...] = ()
        self._source = source
        self._settings = settings
        self._gates: tuple[PreflightCheck, ...] | None = None
        self._incidents: tuple[Incident, ...] = ()

    async def check(
        self,
        target: str,
        others: Callable[[Guards], Sequence[GuardRecord]],
        now: float,
        *,
        fingerprint: str = "",
        overrule: str = "",
    ) -> list[PreflightCheck]:
        """Every gate, and whether the signals can be judged. The self-check runs once for all previews of a run; `fingerprint`
        and `overrule` are those of the request.
        """
        (guards, missing), (incidents, _), _ = await asyncio.gather(
            self._source.fetch_guards(), self._source.fetch_incidents(), self._read_gates(now, overrule)
        )
        self._incidents = tuple(item for item in incidents if item.is_about(target, fingerprint))
        found = [check_others(others(guards), missing, target), *(self._gates or ())]
        return [*found, *await self.measure(target)]

    async def measure(self, target: str) -> tuple[PreflightCheck, ...]:
        """Reads the signals and their last minutes. Raises SourceError."""
        names, source = self.options.signals, self._source
        states = await source.fetch_panels(names)
        histories = await asyncio.gather(*(source.fetch_history(item.spec.id, BEFORE_SECONDS) for item in states))
        name = series_name(target)
        self.signals = tuple(
            measure_before(state, history, target=name) for state, history in zip(states, histories, strict=True)
        )
        alone = {
            state.spec.id
            for state, history in zip(states, histories, strict=True)
            if not values_before(state.spec, history, target=name)
        }
        known = (spec.id for spec in source.specs if spec.source != "kubernetes")
        return check_signals(self.options, self.signals, states, known, alone=alone)

    def describe(self, undo: ActionCall | None) -> tuple[str, ...]:
        """What the person confirms beside the change."""
        options, specs = self.options, {spec.id: spec for spec in self._source.specs}
        if options.drill:
            return _describe_drill(options, undo)
        watched = "; ".join(describe_limit(item, specs) for item in self.signals)
        hold = format_duration(options.hold_seconds)
        notices = describe_notices(self._incidents, self._settings.incidents)
        lines = [f"guarded for {format_duration(options.watch_seconds)}: {watched}"]
        if options.twin:
            lines.append(f"compared with {options.twin} too, where a signal has series for it")
        if undo is None:
            return (*lines, f"{NO_ROLLBACK}: the guard only watches and reports", *notices)
        seconds = f"{format_duration(options.countdown_seconds)} after it says so"
        return (
            *lines,
            f"if it gets worse, the guard rolls back by itself, {seconds}, unless you stop it: {describe_call(undo)}",
            f"if a signal is unknown for {hold}, it rolls back as well",
            *notices,
        )

    async def _read_gates(self, now: float, overrule: str) -> None:
        if self._gates is None:
            facts = await self._source.fetch_gates()
            self._gates = check_gates(facts, self._settings, now=now, overrule=overrule, drill=bool(self.options.drill))


def _describe_drill(options: GuardOptions, undo: ActionCall | None) -> tuple[str, ...]:
    """What the person confirms beside the fault of a drill."""
    if undo is None:
        return (NO_ROLLBACK,)
    return (
        f"a drill: after {format_duration(options.watch_seconds)}, or at once when you stop it, rolled back by: "
        f"{describe_call(undo)}",
        "if this console exits first, the next one on this host rolls it back",
    )


def describe_call(call: ActionCall) -> str:
    """`rollback deployment/cad-ml-api --revision 41`: as the verb of `act`."""
    return " ".join((call.action, call.target, *(f"--{name} {value}" for name, value in call.parameters.items())))
