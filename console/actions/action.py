"""What every action has in common, and what it may use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from console.actions.plan import Plan, PreflightCheck, Request
from console.state.incident import Incident, Update
from console.state.revisions import Records
from queries.model.alert import Alert
from queries.model.silence import ExistingSilence


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an action: `revision`, whether it is required, and its description with its unit."""

    name: str
    required: bool
    description: str
    unless: str = ""
    """Another parameter that makes this one optional."""

    def missing_from(self, given: Mapping[str, str]) -> bool:
        return self.required and not given.get(self.name) and not given.get(self.unless)


class ClusterReader(Protocol):
    """What an action may read. Every call sends a new request and raises `queries.errors.SourceError`."""

    @property
    def kubectl(self) -> tuple[str, ...]:
        """The arguments that point kubectl at the same cluster: `kubectl --context prod`."""

    async def deployment(self, name: str) -> dict[str, Any]:
        """The Deployment as the API server returns it."""

    async def replica_sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The ReplicaSets that this Deployment controls."""

    async def revision_records(self) -> Records:
        """What the journal has recorded about every ReplicaSet, from all hosts that share it."""

    async def autoscalers(self) -> list[dict[str, Any]]: ...

    async def budgets(self) -> list[dict[str, Any]]: ...

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        """SelfSubjectAccessReview in the namespace: allowed, and the server's reason."""

    async def alert(self, fingerprint: str) -> Alert | None:
        """One alert, None if no server lists it. Its labels never change: the fingerprint is their hash."""

    async def has_pod(self, name: str) -> bool:
        """Whether the namespace has this pod, or the ReplicaSet that created a pod of this name."""

    async def silence(self, identity: str) -> ExistingSilence:
        """Raises RequestRejected with status 404 if no silence has this id."""

    async def silences(self) -> tuple[ExistingSilence, ...]:
        """Every silence that Alertmanager keeps, expired ones included."""

    async def alerts(self) -> tuple[Alert, ...]:
        """The alerts that Alertmanager lists now."""

    async def incident_update(self, incident: str, update: str) -> tuple[Incident, Update]:
        """An incident and one of its updates, from the journal. Raises ActionRefused if it has no such update."""

    def channel_kind(self, name: str) -> str:
        """`slack`, `webhook` or `pagerduty`; empty if no such channel is configured."""

    async def panel_value(self, panel_id: str) -> tuple[float | None, str]:
        """The panel's current value, and the same as text with its unit; None if there is no data."""


class ChangeWriter(Protocol):
    """The only code that changes anything outside. Every call may raise `queries.errors.SourceError`; none retries."""

    async def patch(
        self, resource: str, name: str, body: object, *, subresource: str = "", content_type: str, dry_run: bool = False
    ) -> dict[str, Any]: ...

    async def post_silence(self, silence: dict[str, Any]) -> str:
        """Creates or replaces a silence; returns the id that the server chose."""

    async def expire_silence(self, identity: str) -> None: ...

    async def post_update(self, channel: str, payload: Mapping[str, Any]) -> None:
        """Sends one JSON document to a configured channel."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a verification. `done` is None while it runs, then whether the change took effect.

    `undone_by` names who reverted the change, if anyone did.
    """

    text: str
    done: bool | None = None
    undone_by: str = ""


@dataclass(frozen=True, slots=True)
class AppliedCheck:
    """What one read after a lost response shows: the plan if its change is there (with `written`), else `text`.

    `final`: further reads cannot show more. `unchanged`: the write did not take effect and no longer can.
    """

    plan: Plan | None = None
    text: str = ""
    final: bool = False
    unchanged: bool = False


class Action(Protocol):
    """One thing the console can do. `runner.py` alone decides the order of the calls.

    `name` is the headless verb, `title` an imperative, `key` its key on a screen. `target_kind` is `deployment`, `matchers`,
    `silence` or `update`. With `expects_recovery` the runner waits until the panel and the alert behind the request recover.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def target_kind(self) -> str: ...

    @property
    def expects_recovery(self) -> bool: ...

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> Any:
        """Reads what `plan` needs. Raises SourceError and ActionRefused."""

    def plan(self, request: Request, facts: Any, now: float) -> Plan:
        """Pure. The digest covers neither times nor the precondition. Raises ActionRefused."""

    async def preflight(
        self, plan: Plan, facts: Any, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        """Access review and dry run; changes nothing."""

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        """Sends exactly one write; returns `Plan.written`. Raises SourceError."""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """One read after a write whose response was lost. Raises SourceError."""

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        """Whether anyone reverted the finished change; None while it is in place. Raises SourceError."""

    def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Reports until the change took effect or no longer can. Raises SourceError."""
