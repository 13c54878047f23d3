"""The plan of an action, and the steps that its run reports: facts only, no behaviour."""

from __future__ import annotations

import hashlib
import json
from dataclasses import field
from enum import StrEnum
from typing import Any

from console.actions.guard.model import GuardOptions, GuardStatus
from console.journal.payloads import RevisionFacts
from queries.http.endpoint import ClusterIdentity
from queries.model.action import ActionCall
from queries.model.fault import Fault
from queries.model.frozen import dataclass
from queries.text.secrets import SecretText


class Stage(StrEnum):
    PLAN = "plan"
    PREFLIGHT = "preflight"
    CONFIRM = "confirm"
    INTENT = "journal intent"
    EXECUTE = "execute"
    VERIFY = "verify"
    GUARD = "guard"
    OUTCOME = "journal outcome"


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    """Nothing was sent: the plan, a preflight check, the person or the journal refused it."""
    FAILED = "failed"
    """It was sent, and the server rejected it or the platform did not recover."""
    UNKNOWN = "unknown"
    """It may have been sent; whether it took effect could not be verified."""
    UNDONE = "undone"
    """It took effect, and then an autoscaler, a GitOps controller or a person reverted it."""
    ROLLED_BACK = "rolled back"
    """It went wrong, and the console restored the state from before, as the preview said, and proved that."""
    ROLLBACK_FAILED = "rollback failed"
    """It went wrong, and so did restoring the state from before, or the proof of it: a person has to act now."""


class CheckLevel(StrEnum):
    """The mildest first."""

    OK = "ok"
    WARN = "warn"
    ASK = "ask"
    """Allowed after a second confirmation: the check's word has to be typed."""
    BLOCK = "block"
    """The preview is shown, but nothing is sent, whatever the answer."""


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One line of the preview: its level, its result, and how it was checked (`access review`, `dry run`).

    With the level ASK, `word` has to be typed: the number of replicas, the revision.
    """

    level: CheckLevel
    text: str
    how: str = ""
    word: str = ""
    unknown: bool = False
    """It could not be checked, which is neither passed nor failed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of before and after: `image`, `registry/x:1.9.0`, `registry/x:1.8.2`. Equal sides mean unchanged."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Request(ActionCall):
    """What a person or a command requested, and why.

    `cause` is what they reacted to (`alert HighErrorRate`), `panel_id` the panel that verification watches and `fingerprint`
    the alert.
    """

    cause: str = ""
    panel_id: str = ""
    fingerprint: str = ""
    user: str = ""
    """Who requested it; set by the runner."""
    overrule: str = ""
    """Why the change is made although the environment is frozen; empty if nobody overruled that."""
    guard: GuardOptions | None = None
    """How the change is guarded; None for not at all."""
    bound_to: ClusterIdentity | None = None
    """Where the change was made that this request rolls back; on another cluster or namespace it is refused."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """A controller that may revert a change. `kind` selects how long it is watched (`refresh.settle` in the config file).

    `why` says how it was recognised; `managers` are the field managers that it writes as; `own_way` is how a person makes the
    change with it instead.
    """

    kind: str
    name: str
    why: str
    fields: tuple[str, ...]
    managers: tuple[str, ...]
    own_way: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, complete enough to be previewed, journalled and executed.

    `title` is an imperative (`Roll back deployment/cad-ml-api`). `command` is the equivalent kubectl or amtool command.
    `confirm_word` has to be typed in a protected environment. `body` is the exact request body, JSON of a shape that the action
    knows; `resource_version` its precondition, empty if the server offers none. Two plans with the same `digest` do the same.
    """

    request: Request
    title: str
    subject: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    command: str
    confirm_word: str
    body: Any
    resource_version: str = ""
    digest: str = ""
    generation: int = 0
    """Of the Deployment at planning time; 0 if the plan is not about one."""
    reconcilers: tuple[Reconciler, ...] = ()
    """Controllers that set the same fields and may revert the change."""
    record: RevisionFacts | None = None
    """What the journal keeps for later decisions; plain JSON without secrets."""
    content_type: str = ""
    """The patch's content type, if it is not the action's usual one."""
    verify_with: Any = None
    """Facts of planning time, of the action's own type, that its verification needs."""
    undo: ActionCall | None = None
    """The call that rolls the change back, which a guard runs; None if nothing does."""
    written: str = ""
    """After execution: the id that the server chose (of a new silence or Job), or what the platform answered to a call."""


@dataclass(frozen=True, slots=True)
class ClusterTarget:
    """The cluster and the identity of a change to a workload; empty for an action that changes no cluster.

    `place` is a sentence with context, server, user and namespace; `server` its URL; `identity` what the server says.
    """

    place: str = ""
    server: str = ""
    identity: ClusterIdentity = field(default_factory=ClusterIdentity)


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with its preflight checks: what the dialog shows and what `confirm` decides on."""

    plan: Plan
    checks: tuple[PreflightCheck, ...]
    protected: bool
    cluster: str = ""
    """Where a change to a workload would go, and as whom: `context prod, server https://10.0.0.1:6443, user ann`."""

    @property
    def blocked(self) -> bool:
        return any(check.level is CheckLevel.BLOCK for check in self.checks)

    @property
    def second_words(self) -> tuple[str, ...]:
        """What has to be typed beside the usual confirmation, in every environment; empty if no check asks for it."""
        return tuple(check.word for check in self.checks if check.level is CheckLevel.ASK)

    @property
    def phrase(self) -> str:
        """What a person types to confirm: the target's name in a protected environment, then the second words."""
        return " ".join((*([self.plan.confirm_word] if self.protected else ()), *self.second_words))


@dataclass(frozen=True, slots=True)
class RunStep:
    """One report of a run. `at` is Unix seconds, `elapsed_seconds` counts from the start of the run.

    Only the last step has an `outcome`; a step that starts the confirmation carries the `preview`.
    """

    stage: Stage
    text: str
    at: float
    elapsed_seconds: float
    preview: Preview | None = None
    outcome: Outcome | None = None
    identity: str = ""
    """The run's id in the journal."""
    fault: Fault | None = None
    """The source's own failure, if one ended the run."""
    guard: GuardStatus | None = None
    """The guard's state, from the moment on that it watches."""
    recovered_at: float | None = None
    """When the panel and the alert behind the request had recovered, Unix seconds; None if that was not observed."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """One report of an action that takes several steps, such as backup, update, restart.

    Without `done` the step is about to begin: the runner journals the report before the action goes on. `command` is what the
    step runs, `output` the end of what it printed, and `answer` the last line of its standard output; none holds a secret. Only
    the last report has an `outcome`.
    """

    step: str
    text: str
    stage: Stage = Stage.EXECUTE
    command: str = ""
    done: bool | None = None
    seconds: float | None = None
    output: str = ""
    answer: str = ""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How one step's program ended: `error` is empty if it succeeded. Nothing here holds a secret, except `secret` itself.

    `output` is the end of what it printed, `answer` the last line of its standard output. `secret` is its whole standard
    output, of a program that makes a token. `fault` is set if a server failed: its answer may have been lost.
    """

    error: str = ""
    output: str = ""
    answer: str = ""
    seconds: float = 0.0
    note: str = ""
    secret: SecretText | None = None
    fault: Fault | None = None


class ActionRefused(Exception):
    """An action that must not be sent: the message says why and, if possible, what to do instead."""


class NothingToDo(ActionRefused):
    """The target is as the action would make it."""

    def __init__(self, text: str) -> None:
        super().__init__(f"nothing to do: {text}")


def plan_digest(*parts: object) -> str:
    """The same text for the same JSON values, whatever the order of their keys."""
    content = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]
