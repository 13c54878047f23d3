"""What an action may read, served by the Kubernetes, Alertmanager and Prometheus clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from console.actions.plan import ActionRefused
from console.checks.panels import evaluate_panel
from console.config.settings import IncidentSettings
from console.state.incident import Incident, Update
from console.state.journal_state import JournalState
from console.state.revisions import NO_RECORDS, Records
from queries.errors import NotConfigured
from queries.model.alert import Alert
from queries.model.panel import PanelSpec, Threshold
from queries.model.silence import ExistingSilence
from queries.model.verdict import Verdict
from queries.text.numbers import format_figure

if TYPE_CHECKING:
    from queries.alertmanager import Alertmanager
    from queries.kubernetes.client import Kubernetes
    from queries.prometheus.client import Prometheus

_PROMETHEUS_ONLY = ("prometheus:", "pending:")
"""Prefixes of the fingerprints of alerts that only Prometheus lists."""


class KnownState(Protocol):
    """What the console already shows."""

    def alert(self, fingerprint: str) -> Alert | None: ...

    def query_of(self, spec: PanelSpec) -> str: ...


class LiveClusterReader:
    """`console.actions.action.ClusterReader` over the real clients; each call sends a new request."""

    def __init__(
        self,
        *,
        kubernetes: Kubernetes | None,
        alertmanager: Alertmanager | None,
        prometheus: Prometheus | None,
        specs: tuple[PanelSpec, ...],
        state: KnownState,
        ledger: Callable[[], Awaitable[JournalState]] | None = None,
        incident: Callable[[str], Awaitable[Incident | None]] | None = None,
        channels: IncidentSettings | None = None,
    ) -> None:
        self._kubernetes = kubernetes
        self._alertmanager = alertmanager
        self._prometheus = prometheus
        self._specs = {spec.id: spec for spec in specs}
        self._state = state
        self._ledger = ledger
        self._incident = incident
        self._channels = channels or IncidentSettings()

    @property
    def kubectl(self) -> tuple[str, ...]:
        return self._require_kubernetes().kubectl

    async def deployment(self, name: str) -> dict[str, Any]:
        return await self._require_kubernetes().deployment(name)

    async def replica_sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        return await self._require_kubernetes().replica_sets(deployment)

    async def revision_records(self) -> Records:
        if self._ledger is None:
            return NO_RECORDS
        ledger = await self._ledger()
        if not ledger.known:
            raise ActionRefused(f"{ledger.error}; try again then")
        return ledger.revisions

    async def autoscalers(self) -> list[dict[str, Any]]:
        return await self._require_kubernetes().autoscalers()

    async def budgets(self) -> list[dict[str, Any]]:
        return await self._require_kubernetes().budgets()

    async def pods(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        return await self._require_kubernetes().pods(deployment)

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        return await self._require_kubernetes().may(verb, resource, subresource=subresource, name=name)

    async def alert(self, fingerprint: str) -> Alert | None:
        shown = self._state.alert(fingerprint)
        if shown is not None:
            return shown
        alerts = await self._prometheus_alerts() if fingerprint.startswith(_PROMETHEUS_ONLY) else await self.alerts()
        return next((item for item in alerts if item.fingerprint == fingerprint), None)

    async def has_pod(self, name: str) -> bool:
        return await self._require_kubernetes().has_pod(name)

    async def silence(self, identity: str) -> ExistingSilence:
        return ExistingSilence.decode(await self._require_alertmanager().silence(identity))

    async def silences(self) -> tuple[ExistingSilence, ...]:
        return tuple(map(ExistingSilence.decode, await self._require_alertmanager().raw_silences()))

    async def alerts(self) -> tuple[Alert, ...]:
        state = await self._require_alertmanager().state()
        return tuple(state.alerts)

    async def incident_update(self, incident: str, update: str) -> tuple[Incident, Update]:
        if self._incident is None:
            raise ActionRefused("updates are kept in the journal, and there is no journal")
        found = await self._incident(incident)
        if found is None:
            raise ActionRefused(f"the journal has no incident {incident[:40]!r}; `cad-console incident list` names them")
        text = next((item for item in found.updates if item.id == update), None)
        if text is None:
            raise ActionRefused(f"the incident {incident} has no update {update[:40]!r}")
        return found, text

    def channel_kind(self, name: str) -> str:
        channel = self._channels.channel(name)
        return channel.kind if channel else ""

    async def panel_value(self, panel_id: str) -> tuple[float | None, str]:
        """The current value, and the same as text; the text gives the reason if there is no value. Raises SourceError.

        A value in doubt counts as no value, so that it never proves a recovery.
        """
        spec = self._specs.get(panel_id)
        if spec is None:
            return None, f"there is no panel {panel_id}"
        if spec.broken:
            return None, spec.broken
        if spec.source == "kubernetes":
            cluster = await self._require_kubernetes().cluster()
            ready = sum(item.ready for item in cluster.workloads)
            desired = sum(item.desired for item in cluster.workloads)
            return float(ready), f"{ready}/{desired} ready"
        if self._prometheus is None:
            raise NotConfigured("Prometheus is not configured")
        result = await self._prometheus.panel(spec, self._state.query_of(spec))
        state = evaluate_panel(spec, Threshold(), result, taken_at=0.0, now=0.0, stale_after=1.0)
        text = format_figure(state.value, spec.unit, spec.decimals) if state.value is not None else state.reason
        if state.verdict is Verdict.IN_DOUBT:
            return None, f"{text} {state.verdict.word} ({state.reason})"
        return state.value, text

    async def _prometheus_alerts(self) -> tuple[Alert, ...]:
        if self._prometheus is None:
            raise NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
        return (await self._prometheus.rules()).alerts

    def _require_kubernetes(self) -> Kubernetes:
        if self._kubernetes is None:
            raise NotConfigured("Kubernetes is not configured", hint="set KUBECONFIG or --kubeconfig")
        return self._kubernetes

    def _require_alertmanager(self) -> Alertmanager:
        if self._alertmanager is None:
            raise NotConfigured("Alertmanager is not configured", hint="set ALERTMANAGER_URL or --alertmanager-url")
        return self._alertmanager
