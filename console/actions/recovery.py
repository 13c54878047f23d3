"""Whether the panel and the alert that made somebody act became well again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from console.actions.action import ClusterReader
from console.actions.plan import Request
from console.checks.own_panels import overview_panels
from console.config.settings import Settings
from queries.errors import SourceError
from queries.model.alert import Alert, AlertState
from queries.model.panel import PanelSpec


@dataclass(frozen=True, slots=True)
class RecoveryProbe:
    """What was seen of the cause at one moment; None is 'not known'. `why` says why something is not known."""

    value: float | None = None
    text: str = ""
    firing: bool | None = None
    alert: str = ""
    why: str = ""


class Trigger:
    """The panel and the alert of one request; without either there is nothing to wait for."""

    def __init__(self, request: Request, settings: Settings) -> None:
        self._panel = request.panel_id
        self._fingerprint = request.fingerprint
        self._settings = settings
        self._spec = next((item for item in overview_panels(settings) if item.id == request.panel_id), None)

    def __bool__(self) -> bool:
        return bool(self._panel or self._fingerprint)

    @property
    def title(self) -> str:
        return self._spec.title.lower() if self._spec else self._panel

    async def look(self, reads: ClusterReader) -> RecoveryProbe:
        """Asks both; a source that fails leaves its part unknown."""
        value, text, firing, name, why = None, "", None, "", ""
        try:
            if self._panel:
                value, text = await reads.panel_value(self._panel)
            if self._fingerprint:
                alerts: tuple[Alert, ...] = await reads.alerts()
                mine = next((item for item in alerts if item.fingerprint == self._fingerprint), None)
                firing = mine is not None and mine.state is not AlertState.PENDING
                name = mine.name if mine else ""
        except SourceError as error:
            why = str(error)
        return RecoveryProbe(value, text, firing, name, why)

    def well(self, sight: RecoveryProbe) -> bool | None:
        """None while it cannot be told."""
        if self._fingerprint:
            return None if sight.firing is None else not sight.firing
        if sight.why:
            return None
        if sight.value is None or self._spec is None:
            return None
        line = self._line(self._spec)
        if line is None:
            return True
        return sight.value > line if self._spec.lower_is_worse else sight.value < line

    def story(self, before: RecoveryProbe, after: RecoveryProbe) -> str:
        """`error ratio 7.8 % → 0.4 %; HighErrorRate resolved`."""
        parts = []
        if self._panel and (before.text or after.text):
            parts.append(f"{self.title} {before.text or 'no data'} → {after.text or 'no data'}")
        name = before.alert or after.alert or "the alert"
        if self._fingerprint and after.firing is not None:
            parts.append(f"{name} {'still fires' if after.firing else 'resolved'}")
        if after.why:
            parts.append(after.why)
        return "; ".join(parts)

    def _line(self, spec: PanelSpec) -> float | None:
        own = self._settings.threshold(spec.id)
        lines: Mapping[str, float | None] = {
            "warn": own.warn if own.warn is not None else spec.threshold.warn,
            "critical": own.critical if own.critical is not None else spec.threshold.critical,
        }
        return lines["warn"] if lines["warn"] is not None else lines["critical"]
