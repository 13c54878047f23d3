"""What a guard reads beside the target of the change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from console.actions.guard.gates import GateFacts
from console.state.guards import Guards
from console.state.incident import Incident
from queries.model.panel import PanelSpec, PanelState
from queries.model.series import Series


class GuardSource(Protocol):
    """Signals, gates and what the journal has, of one console."""

    @property
    def interval_seconds(self) -> float:
        """The time between two looks at the signals."""

    @property
    def specs(self) -> Sequence[PanelSpec]:
        """The panels that can be signals."""

    async def fetch_panels(self, names: Sequence[str]) -> tuple[PanelState, ...]:
        """These panels now; one that does not exist is missing. Raises SourceError."""

    async def fetch_history(self, name: str, seconds: float) -> tuple[Series, ...]:
        """The panel's series up to now, of Prometheus or Loki; empty if none is known. Raises SourceError."""

    async def fetch_gates(self) -> GateFacts:
        """What the gates look at. What cannot be read is named in the facts."""

    async def fetch_guards(self) -> tuple[Guards, str]:
        """The guards of every console; and why some may be missing, or an empty text."""

    async def fetch_incidents(self) -> tuple[tuple[Incident, ...], str]:
        """The open incidents; and why some may be missing, or an empty text."""
