"""Watches a finished action: whether anyone reverts it, and whether the panel and the alert behind it recover."""

from __future__ import annotations

import math
import time

from console.actions.action import Action, ClusterReader, Progress
from console.actions.plan import Outcome, Plan, Request
from console.checks.own_panels import load_overview
from console.config.settings import Settings
from queries.errors import SourceError
from queries.model.alert import Alert
from queries.model.frozen import dataclass
from queries.model.panel import is_crossed
from queries.text.durations import format_duration, format_span

_COUNTDOWN_SECONDS = 5
"""The countdown changes in steps of this size, so that it does not flood a log."""


@dataclass(frozen=True, slots=True)
class RecoveryProbe:
    """The trigger's state at one moment. None means unknown; `error` says why."""

    value: float | None = None
    text: str = ""
    firing: bool | None = None
    """Whether its alert is still there, firing or `pending`; False only if the servers that know it show that it is gone."""
    alert: str = ""
    pending: bool = False
    error: str = ""

    @property
    def has_value(self) -> bool:
        return self.value is not None and not math.isnan(self.value)


_NOTHING_SEEN = RecoveryProbe()


class Trigger:
    """The panel and the alert that a request reacts to; falsy if it names neither."""

    def __init__(self, request: Request, settings: Settings) -> None:
        self._panel = request.panel_id
        self._fingerprint = request.fingerprint
        self._alert: Alert | None = None
        """The alert as last seen: its labels say which rule shows that it is gone."""
        self._settings = settings
        self._spec = next((item for item in load_overview(settings) if item.id == request.panel_id), None)

    def __bool__(self) -> bool:
        return bool(self._panel or self._fingerprint)

    @property
    def title(self) -> str:
        return self._spec.title.lower() if self._spec else self._panel

    @property
    def looks(self) -> int:
        """How many looks in a row have to find it recovered: one alone may fall into the restart of a server."""
        return 2 if self._fingerprint else 1

    async def probe(self, reader: ClusterReader) -> RecoveryProbe:
        """Reads both; if a source fails, its part is unknown."""
        value, text, firing, why, alert = None, "", None, "", None
        try:
            if self._panel:
                value, text = await reader.panel_value(self._panel)
            if self._fingerprint:
                alert = await reader.fetch_alert(self._fingerprint, self._alert)
                firing, self._alert = alert is not None, alert or self._alert
        except SourceError as error:
            why = str(error)
        pending = alert is not None and not alert.firing
        return RecoveryProbe(value, text, firing, alert.name if alert else "", pending, why)

    def recovered(self, probe: RecoveryProbe, before: RecoveryProbe = _NOTHING_SEEN) -> bool | None:
        """None if unknown: also where the alert is gone together with the data that its panel had `before`."""
        if self._fingerprint:
            lost = self._panel and before.has_value and not probe.has_value
            return None if probe.firing is None or (lost and not probe.firing) else not probe.firing
        if probe.error or probe.value is None or not probe.has_value or self._spec is None:
            return None
        limits = self._spec.threshold.override(self._settings.threshold(self._spec.id))
        limit = limits.warn if limits.warn is not None else limits.critical
        return not is_crossed(probe.value, limit, lower_is_worse=self._spec.lower_is_worse)

    def summarize(self, before: RecoveryProbe, after: RecoveryProbe) -> str:
        """`error ratio 7.8 % → 0.4 %; HighErrorRate resolved`."""
        parts = []
        if self._panel and (before.text or after.text):
            parts.append(f"{self.title} {before.text or 'no data'} → {after.text or 'no data'}")
        name = before.alert or after.alert or "the alert"
        if self._fingerprint and after.firing is not None:
            still = "is pending" if after.pending else "is still firing"
            parts.append(f"{name} {still if after.firing else 'resolved'}")
        if after.error:
            parts.append(after.error)
        return "; ".join(parts)


class RecoveryWatch:
    """Watches one finished action. Call `check` until `finished`, or until the person stops waiting.

    `result` is the last report of its verification, `before` the trigger's state when it was executed.
    """

    def __init__(
        self, action: Action, plan: Plan, trigger: Trigger, before: RecoveryProbe, result: str, *, settings: Settings
    ) -> None:
        self._action, self._plan = action, plan
        self._trigger, self._before, self._result = trigger, before, result
        self._timeout_seconds = settings.verify_timeout_seconds
        watched = [(item.name, settings.settle_seconds(item.kind)) for item in plan.reconcilers]
        self._names = " or ".join(name for name, seconds in watched if seconds)
        self.settle_seconds = max((seconds for _, seconds in watched), default=0.0)
        """How long it is watched for a reconciler that reverts it."""
        self._settles_at = time.monotonic() + self.settle_seconds
        self._summary = self._error = ""
        self._good_looks = 0
        self.recovered: bool | None = None if trigger else True
        """Whether the trigger is gone, as the newest looks show it; None if unknown."""
        self.undone: Progress | None = None

    @property
    def was_unhealthy(self) -> bool:
        """Whether there was something to recover from: with a trigger that was ok at the time of the change there was not."""
        return bool(self._trigger) and self._trigger.recovered(self._before) is not True

    @property
    def settled(self) -> bool:
        return time.monotonic() >= self._settles_at

    @property
    def confirming(self) -> bool:
        """Whether the newest look found it recovered, and the next one decides."""
        return 0 < self._good_looks < self._trigger.looks

    @property
    def finished(self) -> bool:
        return self.undone is not None or (self.settled and self.recovered is True)

    async def check(self, reader: ClusterReader) -> None:
        try:
            self.undone, self._error = await self._action.check_undone(self._plan, reader), ""
        except SourceError as error:
            self._error = str(error)
        if self._trigger:
            probe = await self._trigger.probe(reader)
            self._summary = self._trigger.summarize(self._before, probe)
            recovered = self._trigger.recovered(probe, self._before)
            self._good_looks = self._good_looks + 1 if recovered else 0
            self.recovered = None if self.confirming else recovered

    @property
    def text(self) -> str:
        """What it waits for; changes only every few seconds."""
        if not self.recovered:
            return f"waiting for the platform: {self._summary}"
        left = self._seconds_left()
        coarse = min(-(-left // _COUNTDOWN_SECONDS) * _COUNTDOWN_SECONDS, round(self.settle_seconds))
        error = f" (cannot check: {self._error})" if self._error else ""
        left_of = f"{format_span(coarse)} of {format_duration(self.settle_seconds)} left"
        return f"watching whether {self._names} reverts it: {left_of}; safe to leave{error}"

    @property
    def left_early(self) -> str:
        """The outcome for a person who leaves now."""
        if self.settled:
            return f"unknown: {self._result}; the console exited before the platform had recovered"
        left = format_span(self._seconds_left())
        return f"unknown: {self._result}; the console exited {left} before it was clear whether {self._names} reverts it"

    def verdict(self, done_in: str) -> tuple[Outcome, str]:
        if self._names and self._error:
            text = f"unknown: {self._result}; could not check whether {self._names} reverted it: {self._error}"
            return Outcome.UNKNOWN, text
        if self.recovered is None:
            return Outcome.UNKNOWN, f"unknown: {self._result}; could not check whether the platform recovered: {self._summary}"
        if not self.recovered:
            limit = format_duration(self._timeout_seconds)
            return Outcome.FAILED, f"{self._result}, but the platform did not recover within {limit}: {self._summary}"
        kept = f"; {self._names} did not revert it within {format_duration(self.settle_seconds)}" if self._names else ""
        return Outcome.DONE, f"done in {done_in}; {self._summary or self._result}{kept}"

    def _seconds_left(self) -> int:
        return max(0, round(self._settles_at - time.monotonic()))
