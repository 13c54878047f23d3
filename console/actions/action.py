"""What every action has in common, and what it may use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from console.actions.plan import Plan, PreflightCheck, Request, StepEnd, StepReport
from console.config.services import EXTERNAL, TOKEN, Service, Token
from console.journal.event import Event
from console.state.incident import Incident, Update
from console.state.revisions import Records
from queries.http.endpoint import ClusterIdentity
from queries.model.action import ActionCall
from queries.model.alert import Alert
from queries.model.frozen import dataclass
from queries.model.silence import ExistingSilence
from queries.text.secrets import SecretText

if TYPE_CHECKING:
    from queries.platform.admin_calls import AdminCall

CLUSTER_TARGETS = ("deployment", "cronjob", "pod", "node", "rollout", "service", "configmap")
"""The kinds of target in Kubernetes; a target is written `KIND/NAME`."""
NAMED_TARGETS = (*CLUSTER_TARGETS, EXTERNAL, TOKEN)
"""These, the services outside the cluster, and the tokens."""


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

    async def workload(self, resource: str, name: str) -> dict[str, Any]:
        """The Deployment, StatefulSet or DaemonSet as the API server returns it; `resource` is its plural."""

    async def read(self, resource: str, name: str) -> dict[str, Any]:
        """One object as the API server returns it; `resource` is its plural, in lower case."""

    async def list_objects(self, resource: str, *, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        """The objects of a kind, selected by labels and fields: those of the namespace, or of the cluster, as for nodes."""

    async def exists(self, resource: str, name: str) -> bool:
        """Whether there is such an object. Only its metadata is sent, so no value of a Secret."""

    async def node_requests(self) -> Mapping[str, Mapping[str, float]]:
        """What the pods of all namespaces request, summed for each node: resources, and `pods`."""

    async def controller_revisions(self, workload: dict[str, Any]) -> list[dict[str, Any]]:
        """The ControllerRevisions that this StatefulSet or DaemonSet controls."""

    async def replica_sets(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The ReplicaSets that this Deployment controls."""

    async def pods(self, deployment: dict[str, Any]) -> list[dict[str, Any]]:
        """The pods that this Deployment selects."""

    async def events(self, name: str) -> list[dict[str, Any]]:
        """The events about the object with this name."""

    async def revision_records(self) -> Records:
        """What the journal has recorded about every ReplicaSet, from all hosts that share it."""

    async def autoscalers(self) -> list[dict[str, Any]]: ...

    async def budgets(self) -> list[dict[str, Any]]: ...

    async def may(self, verb: str, resource: str, *, subresource: str = "", name: str = "") -> tuple[bool, str]:
        """SelfSubjectAccessReview in the namespace: allowed, and the server's reason."""

    async def alert(self, fingerprint: str) -> Alert | None:
        """One alert, None if no server lists it. Its labels never change: the fingerprint is their hash."""

    async def fetch_alert(self, fingerprint: str, known: Alert | None = None) -> Alert | None:
        """The alert as the servers list it now, by Prometheus if Alertmanager does not have it. None only if all that know it
        answer and show that it is gone; else raises SourceError. `known` is the alert as it was, whose rule has to show it.
        """

    async def has_pod(self, name: str) -> bool:
        """Whether the namespace has this pod, or the ReplicaSet that created a pod of this name."""

    async def silence(self, identity: str) -> ExistingSilence:
        """Raises RequestRejected with status 404 if no silence has this id."""

    async def silences(self) -> tuple[ExistingSilence, ...]:
        """Every silence that Alertmanager keeps, expired ones included."""

    async def alerts(self) -> tuple[Alert, ...]:
        """The alerts that Alertmanager lists now."""

    @property
    def alertmanager_ahead_seconds(self) -> float:
        """How far Alertmanager's clock was ahead of this machine's at its last answer, negative if it was behind."""

    async def incident_update(self, incident: str, update: str) -> tuple[Incident, Update]:
        """An incident and one of its updates, from the journal. Raises ActionRefused if it has no such update."""

    async def list_steps(self, target: str) -> tuple[Event, ...]:
        """The newest steps of actions on this target in the journal, of all consoles that share it, newest first."""

    async def list_unfinished(self, target: str) -> tuple[tuple[Event, ...], str]:
        """The intents for this target without an outcome, of all consoles that share the journal; and why there may be more."""

    def external_service(self, name: str) -> Service | None:
        """A configured service outside the cluster."""

    def token(self, name: str) -> Token | None:
        """A configured token; its value is not part of it."""

    def channel_kind(self, name: str) -> str:
        """`slack`, `webhook` or `pagerduty`; empty if no such channel is configured."""

    def admin_call(self, name: str) -> AdminCall:
        """A call of the platform's administration. Raises ActionRefused if there is none of this name."""

    @property
    def administration(self) -> PlatformAdministration | None:
        """The platform's API with the keys of its administration; None if the environment names none."""

    async def metric_value(self, expression: str) -> float | None:
        """The value of an expression with one sample; None if Prometheus has no series for it."""

    async def panel_value(self, panel_id: str) -> tuple[float | None, str]:
        """The panel's current value, and the same as text with its unit; None if there is no data."""


class PlatformAdministration(Protocol):
    """What may be read of the platform's administration. Every call may raise `queries.errors.SourceError`."""

    @property
    def where(self) -> str:
        """The URL of the platform's API, without credentials."""

    @property
    def key_files(self) -> tuple[tuple[str, str], ...]:
        """Header and file of each key."""

    async def document(self, path: str) -> dict[str, object]:
        """One GET."""

    async def served_methods(self, path: str) -> tuple[str, ...] | None:
        """The methods that this build serves at the path, in upper case; None if it publishes no OpenAPI document."""


class ChangeWriter(Protocol):
    """Changes systems outside the console; only the stores of the shared journal do so too.

    Every call may raise `queries.errors.SourceError`, and PermissionError under read-only; none retries.
    """

    async def patch(
        self,
        resource: str,
        name: str,
        body: object,
        *,
        subresource: str = "",
        content_type: str,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """One PATCH."""

    async def create(
        self, resource: str, body: object, *, name: str = "", subresource: str = "", dry_run: bool = False
    ) -> dict[str, Any]:
        """One POST: a new object, or with `name` and `subresource` a request about one, such as an eviction."""

    async def delete(self, resource: str, name: str, options: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """One DELETE with these DeleteOptions."""

    async def cluster_identity(self) -> ClusterIdentity:
        """The cluster that a patch would reach, and the identity it would use."""

    async def post_silence(self, silence: dict[str, Any]) -> str:
        """Creates or replaces a silence; returns the id that the server chose."""

    async def expire_silence(self, identity: str) -> None: ...

    async def call_platform(self, method: str, path: str, query: Sequence[tuple[str, str]], body: object) -> str:
        """One call of the platform's administration; returns the answer as JSON without the keys."""

    async def post_update(self, channel: str, payload: Mapping[str, Any]) -> None:
        """Sends one JSON document to a configured channel."""

    async def run_program(
        self, target: str, step: str, values: Mapping[str, str], *, token: SecretText | None = None, secret: bool = False
    ) -> StepEnd:
        """Runs the configured program of `external/NAME` or `token/NAME` for a step; `values` replace its placeholders.

        It reads `token` from its standard input; with `secret` its standard output is the result's `secret`. A program that
        fails is no exception. Raises PermissionError.
        """

    def hide(self, *values: SecretText) -> None:
        """From now on these are in no text of this run, whatever a program prints."""

    async def check_health(self, service: str) -> str:
        """One GET of the health URL of a service outside the cluster: why it is not healthy, empty if it is."""

    async def write_secret(self, name: str, key: str, value: SecretText, *, version: str = "", dry_run: bool = False) -> None:
        """Sets one key of a Secret; with `version` the server rejects it once the Secret has another resourceVersion."""

    async def write_token_file(self, path: str, value: SecretText) -> None:
        """Replaces a file atomically; owner, group and mode stay. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a verification. `done` is None while it runs, then whether the change took effect.

    `undone_by` is who reverted the change, if anyone did. Without `expects_recovery` the platform cannot notice it yet.
    """

    text: str
    done: bool | None = None
    undone_by: str = ""
    expects_recovery: bool = True
    takes_long: bool = False
    """It may rightly take longer than the runner waits: then the outcome is unknown, not failed."""
    unseen: bool = False
    """With `done` False: it ended while nobody saw how, so the outcome is unknown, not failed."""


@dataclass(frozen=True, slots=True)
class AppliedCheck:
    """What one read after a lost response shows: the plan if its change is there (with `written`), else `text`.

    `final`: further reads cannot show more. `unchanged`: the write did not take effect and no longer can.
    """

    plan: Plan | None = None
    text: str = ""
    final: bool = False
    unchanged: bool = False


@runtime_checkable
class Guardable(Protocol):
    """An action whose change a guard can watch, also from another console than the one that made it.

    Its plan names in `undo` what rolls the change back; without one, the guard only watches and reports.
    """

    @property
    def undone_by(self) -> str:
        """The action that its plans name in `undo`, on the same target; empty if nothing rolls its change back."""

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """A digest of what the action changes, as it stands now: another one means that the change was made, or that somebody
        changed it since. Raises SourceError and ActionRefused.
        """


@runtime_checkable
class MadeCheck(Protocol):
    """An action whose plan does not refuse what is there already."""

    async def is_made(self, request: ActionCall, reader: ClusterReader) -> bool:
        """Whether the target is as the request would make it. Raises SourceError and ActionRefused."""


class Action(Protocol):
    """What every action of the console has; it is a `WriteAction` or a `StepAction` too. Only `runner.py` decides the order of
    the calls.

    `name` is the headless verb, `title` an imperative. `target_kind` is one of `NAMED_TARGETS`, or `matchers`, `silence`,
    `update` or `call`. With `expects_recovery` the runner waits until the panel and the alert behind the request recover.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def target_kind(self) -> str: ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of workload that it can change, as in `WORKLOAD_KINDS`; empty for an action on something else."""

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

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        """Whether anyone reverted the finished change; None while it is in place. Raises SourceError."""


@runtime_checkable
class WriteAction(Action, Protocol):
    """An action that sends one write and then watches what becomes of it."""

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        """Sends exactly one write; returns `Plan.written`. Raises SourceError."""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """One read after a write whose response was lost. Raises SourceError."""

    def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """A report for each check, until the change has taken effect or cannot; the runner paces them. Raises SourceError."""


@runtime_checkable
class StepAction(Action, Protocol):
    """An action that changes something in several steps, and restores the state from before if one of them fails."""

    def carry_out(self, plan: Plan, reader: ClusterReader, writer: ChangeWriter) -> AsyncGenerator[StepReport, None]:
        """A report before and after each step; the last one has the outcome. Raises PermissionError under read-only, and
        ActionRefused before the first step.
        """


@runtime_checkable
class TargetParameters(Protocol):
    """An action whose parameters depend on its target."""

    def list_parameters(self, target: str, reader: ClusterReader) -> tuple[Parameter, ...]:
        """The parameters for this target. Raises ActionRefused if there is no such target."""


def list_parameters(action: Action, target: str, reader: ClusterReader) -> tuple[Parameter, ...]:
    """The parameters of an action on this target. Raises ActionRefused."""
    return action.list_parameters(target, reader) if isinstance(action, TargetParameters) else action.parameters
