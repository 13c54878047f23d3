"""What an action may look at, put together from the clients that read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from console.actions.plan import ActionRefused
from console.checks.panels import judge
from console.config.settings import IncidentSettings
from console.state.incident import Incident, Update
from console.state.journal_state import JournalState
from console.state.revisions import NO_RECORDS, Records
from queries.errors import NotConfigured
from queries.model.alert import Alert
from queries.model.panel import PanelSpec, Threshold
from queries.model.verdict import Verdict
from queries.text.numbers import format_figure

if TYPE_CHECKING:
    from queries.alertmanager import Alertmanager
    from queries.kubernetes.client import Kubernetes
    from queries.prometheus.client import Prometheus

_EVALUATED = ("prometheus:", "pending:")
"""How the fingerprint begins of an alert that Prometheus evaluates and Alertmanager does not list."""


class KnownState(Protocol):
    """What the console shows already, where an action asks for the same."""

    def alert(self, fingerprint: str) -> Alert | None: ...

    def query_of(self, spec: PanelSpec) -> str: ...


class LiveClusterReader:
    """`console.actions.action.ClusterReader` over Kubernetes, Alertmanager and Prometheus; each call asks afresh."""

    def __init__(
        self,
        *,
        kubernetes: Kubernetes | None,
        alertmanager: Alertmanager | None,
        prometheus: Prometheus | None,
        specs: tuple[PanelSpec, ...],
        board: KnownState,
        ledger: Callable[[], Awaitable[JournalState]] | None = None,
        incident: Callable[[str], Awaitable[Incident | None]] | None = None,
        channels: IncidentSettings | None = None,
    ) -> None:
        self._kubernetes = kubernetes
        self._alertmanager = alertmanager
        self._prometheus = prometheus
        self._specs = {spec.id: spec for spec in specs}
        self._board = board
        self._ledger = ledger
        self._incident = incident
        self._channels = channels or IncidentSettings()

    @property
    def kubectl(self) -> tuple[str, ...]:
        return self._cluster().kubectl

    async def deployment(self, name: str) -> dict[str, Any]:
        return await self._cluster().deployment(name)

    async def replica_sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        return await self._cluster().replica_sets(deployment)

    async def revision_records(self) -> Records:
        if self._ledger is None:
            return NO_RECORDS
        ledger = await self._ledger()
        if not ledger.known:
            raise ActionRefused(f"{ledger.trouble}; try again then")
        return ledger.revisions

    async def autoscalers(self) -> list[dict[str, Any]]:
        return await self._cluster().autoscalers()

    async def budgets(self) -> list[dict[str, Any]]:
        return await self._cluster().budgets()

    async def pods(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        return await self._cluster().pods(deployment)

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        return await self._cluster().may(verb, resource, subresource=subresource, name=name)

    async def alert(self, fingerprint: str) -> Alert | None:
        found = self._board.alert(fingerprint)
        if found is not None:
            return found
        # Those that only Prometheus lists say so in their fingerprint.
        listed = await self._evaluated() if fingerprint.startswith(_EVALUATED) else await self.alerts()
        return next((item for item in listed if item.fingerprint == fingerprint), None)

    async def has_pod(self, name: str) -> bool:
        return await self._cluster().has_pod(name)

    async def silence(self, identity: str) -> dict[str, Any]:
        """As Alertmanager's own API gives it. Raises Rejected with status 404 where there is none with this id."""
        return await self._manager().silence(identity)

    async def silences(self) -> tuple[dict[str, Any], ...]:
        """Every one, as Alertmanager's own API gives it."""
        return await self._manager().raw_silences()

    async def alerts(self) -> tuple[Alert, ...]:
        state = await self._manager().state()
        return tuple(state.alerts)

    async def incident_update(self, incident: str, update: str) -> tuple[Incident, Update]:
        if self._incident is None:
            raise ActionRefused("there is no journal, so no update")
        found = await self._incident(incident)
        if found is None:
            raise ActionRefused(f"the journal has no incident {incident[:40]!r}; `cad-console incident list` names them")
        text = next((item for item in found.updates if item.id == update), None)
        if text is None:
            raise ActionRefused(f"the incident {incident} has no update {update[:40]!r}")
        return found, text

    def channel_kind(self, name: str) -> str:
        found = self._channels.channel(name)
        return found.kind if found else ""

    async def panel_value(self, panel_id: str) -> tuple[float | None, str]:
        """The value now and the same as text; the text says why where there is no value. Raises SourceError.

        A value that cannot be believed is none: nothing that it says makes anything well.
        """
        spec = self._specs.get(panel_id)
        if spec is None:
            return None, f"there is no panel {panel_id}"
        if spec.broken:
            return None, spec.broken
        if spec.source == "kubernetes":
            cluster = await self._cluster().cluster()
            ready, wanted = (sum(getattr(item, name) for item in cluster.workloads) for name in ("ready", "desired"))
            return float(ready), f"{ready}/{wanted} ready"
        if self._prometheus is None:
            raise NotConfigured("Prometheus is not configured")
        answer = await self._prometheus.panel(spec, self._board.query_of(spec))
        state = judge(spec, Threshold(), answer, taken_at=0.0, now=0.0, stale_after=1.0)
        text = format_figure(state.value, spec.unit, spec.decimals) if state.value is not None else state.reason
        if state.verdict is Verdict.IN_DOUBT:
            return None, f"{text} {state.verdict.word} ({state.reason})"
        return state.value, text

    async def _evaluated(self) -> tuple[Alert, ...]:
        """What fires or is pending by Prometheus' own rules."""
        if self._prometheus is None:
            raise NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
        return (await self._prometheus.rules()).alerts

    def _cluster(self) -> Kubernetes:
        if self._kubernetes is None:
            raise NotConfigured("Kubernetes is not configured", hint="set KUBECONFIG or --kubeconfig")
        return self._kubernetes

    def _manager(self) -> Alertmanager:
        if self._alertmanager is None:
            raise NotConfigured("Alertmanager is not configured", hint="set ALERTMANAGER_URL or --alertmanager-url")
        return self._alertmanager
