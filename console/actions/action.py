"""What every action has in common, and what it may use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from console.actions.plan import Plan, PreflightCheck, Request
from console.state.incident import Incident, Update
from console.state.revisions import Records
from queries.model.alert import Alert


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an action: `revision`, whether it must be given, and what it means (with its unit)."""

    name: str
    required: bool
    meaning: str
    unless: str = ""
    """Another parameter that makes it optional."""

    def missing_from(self, given: Mapping[str, str]) -> bool:
        """Whether it must be given and is not."""
        return self.required and not given.get(self.name) and not given.get(self.unless)


class ClusterReader(Protocol):
    """What an action may look at; every call asks afresh and raises `queries.errors.SourceError`."""

    @property
    def kubectl(self) -> tuple[str, ...]:
        """The words that bring kubectl to the same cluster: `kubectl --context prod`."""

    async def deployment(self, name: str) -> dict[str, Any]:
        """The Deployment as the API server gives it."""

    async def replica_sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The ReplicaSets that this Deployment controls."""

    async def revision_records(self) -> Records:
        """What the journal has of every ReplicaSet, from all hosts that share it."""

    async def autoscalers(self) -> list[dict[str, Any]]: ...

    async def budgets(self) -> list[dict[str, Any]]: ...

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        """SelfSubjectAccessReview in the namespace: allowed, and the server's reason."""

    async def alert(self, fingerprint: str) -> Alert | None:
        """One alert; its labels are always those of its fingerprint. None where nobody lists it."""

    async def has_pod(self, name: str) -> bool:
        """Whether the namespace has this pod, or the ReplicaSet that a pod of this name was made by."""

    async def silence(self, identity: str) -> dict[str, Any]: ...

    async def silences(self) -> tuple[dict[str, Any], ...]:
        """Every silence that Alertmanager keeps, expired ones too, in the shape of its API."""

    async def alerts(self) -> tuple[Any, ...]:
        """`queries.model.alert.Alert`s as Alertmanager has them now."""

    async def incident_update(self, incident: str, update: str) -> tuple[Incident, Update]:
        """An incident and one of its updates, as the journal has them now. Raises Refusal where there is none."""

    def channel_kind(self, name: str) -> str:
        """`slack`, `webhook` or `pagerduty`; empty where no such channel is configured."""

    async def panel_value(self, panel_id: str) -> tuple[float | None, str]:
        """The panel's value now and the same as text with its unit; None where there is no data."""


class ChangeWriter(Protocol):
    """The one door out. Every call may raise `queries.errors.SourceError`; none is ever repeated by itself."""

    async def patch(
        self, resource: str, name: str, body: object, *, subresource: str = "", content_type: str, dry_run: bool = False
    ) -> dict[str, Any]: ...

    async def post_silence(self, silence: dict[str, Any]) -> str:
        """Creates or replaces a silence; gives the id that the server chose."""

    async def expire_silence(self, identity: str) -> None: ...

    async def post_update(self, channel: str, payload: Mapping[str, Any]) -> None:
        """Sends one JSON document to a configured channel."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a verification; `done` is None while it goes on, else whether the wish came true. `undone_by` names who
    changed it back, where somebody did.
    """

    text: str
    done: bool | None = None
    undone_by: str = ""


@dataclass(frozen=True, slots=True)
class Landing:
    """What a look after a lost answer shows: the plan where the change is there (with `written`), else in words what is.

    `final`: looking longer shows nothing else. `unchanged`: proven that the write neither took effect nor can any more.
    """

    plan: Plan | None = None
    text: str = ""
    final: bool = False
    unchanged: bool = False


class Action(Protocol):
    """One thing the console can do. `runner.py` alone decides the order in which these are called.

    `name` is the headless verb, `title` an imperative, `key` its key on a screen, `targets` the kind it works on:
    `deployment`, `matchers`, `silence` or `update`; `heals` where the panel and the alert that caused it shall become well.
    `facts` asks, `plan` is pure and raises Refusal (its digest leaves out times and the precondition), `preflight` only
    checks (access review, dry run), `execute` sends exactly one write, and `verify` watches until the wish came true or
    cannot any more.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def targets(self) -> str: ...

    @property
    def heals(self) -> bool: ...

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    async def facts(self, request: Request, reads: ClusterReader) -> Any: ...

    def plan(self, request: Request, facts: Any, now: float) -> Plan: ...

    async def preflight(
        self, plan: Plan, facts: Any, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]: ...

    async def execute(self, plan: Plan, writes: ChangeWriter) -> str:
        """Sends the one write; gives `Plan.written`. Raises SourceError."""

    async def landed(self, plan: Plan, reads: ClusterReader) -> Landing:
        """One look after a write whose answer was lost. Raises SourceError."""

    async def undone(self, plan: Plan, reads: ClusterReader) -> Progress | None:
        """Whether somebody changed it back since it was done; None while it stands. Raises SourceError."""

    def verify(self, plan: Plan, reads: ClusterReader) -> AsyncGenerator[Progress, None]: ...
