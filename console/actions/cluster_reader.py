"""What an action may read, served by the Kubernetes, Alertmanager and Prometheus clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from console.actions.plan import ActionRefused
from console.alerts.resolution import find_fingerprint, find_unresolved
from console.checks.panels import evaluate_panel
from console.config.missing import missing_server
from console.config.services import Service, Token
from console.config.settings import Settings
from console.journal.event import Event
from console.state.incident import Incident, Update
from console.state.journal_state import JournalState
from console.state.revisions import NO_RECORDS, Records
from queries.errors import PartialAnswer, partial_answer
from queries.model.alert import Alert
from queries.model.panel import Origin, PanelSpec, Threshold
from queries.model.panel_result import PanelResult
from queries.model.silence import ExistingSilence
from queries.model.verdict import Verdict
from queries.text.numbers import format_figure
from queries.text.suggestions import suggest_spelling

if TYPE_CHECKING:
    from queries.alertmanager import Alertmanager
    from queries.kubernetes.client import Kubernetes
    from queries.model.series import Sample
    from queries.platform.admin_calls import AdminCall
    from queries.platform.administration import Administration
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
        settings: Settings | None = None,
        administration: Administration | None = None,
        steps: Callable[[str], Awaitable[tuple[Event, ...]]] | None = None,
        unfinished: Callable[[str], Awaitable[tuple[tuple[Event, ...], str]]] | None = None,
        query_logs: Callable[[str], Awaitable[tuple[Sample, ...]]] | None = None,
    ) -> None:
        """`query_logs` evaluates a metric query over logs now, and raises SourceError where there is no Loki."""
        self._kubernetes = kubernetes
        self._alertmanager = alertmanager
        self._prometheus = prometheus
        self._specs = {spec.id: spec for spec in specs}
        self._state = state
        self._ledger = ledger
        self._incident = incident
        self._settings = settings
        self._administration = administration
        self._steps = steps
        self._unfinished = unfinished
        self._query_logs = query_logs

    @property
    def kubectl(self) -> tuple[str, ...]:
        return self._require_kubernetes().kubectl

    async def workload(self, resource: str, name: str) -> dict[str, Any]:
        return await self._require_kubernetes().workload(resource, name)

    async def read(self, resource: str, name: str) -> dict[str, Any]:
        return await self._require_kubernetes().read(resource, name)

    async def list_objects(self, resource: str, *, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        return await self._require_kubernetes().list_objects(resource, labels=labels, fields=fields)

    async def exists(self, resource: str, name: str) -> bool:
        return await self._require_kubernetes().exists(resource, name)

    async def node_requests(self) -> Mapping[str, Mapping[str, float]]:
        return await self._require_kubernetes().node_requests()

    async def controller_revisions(self, workload: dict[str, Any]) -> list[dict[str, Any]]:
        return await self._require_kubernetes().controller_revisions(workload)

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

    async def events(self, name: str) -> list[dict[str, Any]]:
        return await self._require_kubernetes().events(name)

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        return await self._require_kubernetes().may(verb, resource, subresource=subresource, name=name)

    async def alert(self, fingerprint: str) -> Alert | None:
        shown = self._state.alert(fingerprint)
        if shown is not None:
            return shown
        if not fingerprint.startswith(_PROMETHEUS_ONLY):
            return find_fingerprint(fingerprint, await self.alerts())
        rules = await self._require_prometheus().rules()
        found = find_fingerprint(fingerprint, rules.alerts)
        if found is None and rules.partial:
            raise partial_answer(rules.partial)
        return found

    async def fetch_alert(self, fingerprint: str, known: Alert | None = None) -> Alert | None:
        if not fingerprint.startswith(_PROMETHEUS_ONLY):
            state = await self._require_alertmanager().state()
            found = find_fingerprint(fingerprint, state.alerts)
            if found is not None:
                return found
            if state.peer_faults:
                raise PartialAnswer(f"an Alertmanager did not answer: {state.warnings[0]}")
        known = known or self._state.alert(fingerprint)
        return find_unresolved(fingerprint, known, await self._require_prometheus().rules())

    async def has_pod(self, name: str) -> bool:
        return await self._require_kubernetes().has_pod(name)

    async def silence(self, identity: str) -> ExistingSilence:
        return ExistingSilence.decode(await self._require_alertmanager().silence(identity))

    async def silences(self) -> tuple[ExistingSilence, ...]:
        return tuple(map(ExistingSilence.decode, await self._require_alertmanager().raw_silences()))

    async def alerts(self) -> tuple[Alert, ...]:
        state = await self._require_alertmanager().state()
        return tuple(state.alerts)

    @property
    def alertmanager_ahead_seconds(self) -> float:
        return self._alertmanager.ahead_seconds if self._alertmanager is not None else 0.0

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
        channel = self._settings.incidents.channel(name) if self._settings else None
        return channel.kind if channel else ""

    async def list_steps(self, target: str) -> tuple[Event, ...]:
        return await self._steps(target) if self._steps is not None else ()

    async def list_unfinished(self, target: str) -> tuple[tuple[Event, ...], str]:
        return await self._unfinished(target) if self._unfinished is not None else ((), "there is no journal")

    def external_service(self, name: str) -> Service | None:
        return self._settings.service(name) if self._settings else None

    def token(self, name: str) -> Token | None:
        return self._settings.token(name) if self._settings else None

    def admin_call(self, name: str) -> AdminCall:
        from queries.platform.admin_calls import read_admin_calls  # noqa: PLC0415  # only for this action

        found = read_admin_calls(self._settings.own.admin_calls if self._settings else ())
        if name not in found.calls:
            broken = f"; not read: {'; '.join(found.problems)}" if found.problems else ""
            raise ActionRefused(f"there is no call {name[:80]!r}, {suggest_spelling(name, found.calls)}{broken}")
        return found.calls[name]

    @property
    def administration(self) -> Administration | None:
        return self._administration

    async def metric_value(self, expression: str) -> float | None:
        found = (await self._require_prometheus().query(expression)).samples
        if len(found) > 1:
            raise ActionRefused(f"{expression} has {len(found)} series, expected one: aggregate them")
        return found[0].value if found else None

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
            from queries.kubernetes.cluster_list import list_cluster  # noqa: PLC0415  # only with Kubernetes

            cluster = await list_cluster(self._require_kubernetes())
            ready, desired = cluster.count_ready()
            return float(ready), f"{ready}/{desired} ready"
        result = await self._read_panel(spec)
        state = evaluate_panel(spec, Threshold(), result, taken_at=0.0, now=0.0, stale_after=1.0)
        text = format_figure(state.value, spec.unit, spec.decimals) if state.value is not None else state.reason
        if state.verdict is Verdict.IN_DOUBT:
            return None, f"{text} {state.verdict.word} ({state.reason})"
        return state.value, text

    async def _read_panel(self, spec: PanelSpec) -> PanelResult:
        if spec.source == "loki":
            if self._query_logs is None:
                raise missing_server("Loki")
            return PanelResult(spec.id, Origin.LOGS, spec.raw, await self._query_logs(spec.raw))
        return await self._require_prometheus().panel(spec, self._state.query_of(spec))

    def _require_prometheus(self) -> Prometheus:
        if self._prometheus is None:
            raise missing_server("Prometheus")
        return self._prometheus

    def _require_kubernetes(self) -> Kubernetes:
        if self._kubernetes is None:
            raise missing_server("Kubernetes")
        return self._kubernetes

    def _require_alertmanager(self) -> Alertmanager:
        if self._alertmanager is None:
            raise missing_server("Alertmanager")
        return self._alertmanager
