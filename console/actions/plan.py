"""The plan of an action, and the steps that its run reports: facts only, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from queries.model.fault import Fault


class Stage(StrEnum):
    PLAN = "plan"
    PREFLIGHT = "preflight"
    CONFIRM = "confirm"
    INTENT = "journal intent"
    EXECUTE = "execute"
    VERIFY = "verify"
    OUTCOME = "journal outcome"


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    """Nothing was sent: the plan, a preflight check, the person or the journal said no."""
    FAILED = "failed"
    """It was sent, and the server refused it or the platform did not follow."""
    UNKNOWN = "unknown"
    """It may have been sent; whether it took effect could not be seen."""
    UNDONE = "undone"
    """It took effect, and then somebody or something else took it back: an autoscaler, a GitOps controller, a person."""


class CheckLevel(StrEnum):
    """The mildest first."""

    OK = "ok"
    WARN = "warn"
    ASK = "ask"
    """It may be done, after a second confirmation: the check's word has to be typed."""
    BLOCK = "block"
    """The preview is shown, but whatever is answered, nothing is sent."""


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One line of the preview: its verdict, what was checked, and how (`access review`, `dry run`).

    `word` is what has to be typed where the level is ASK: the number of replicas, the revision.
    """

    level: CheckLevel
    text: str
    how: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of before and after: `image`, `registry/x:1.9.0`, `registry/x:1.8.2`. Equal sides mean unchanged."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a person or a command asked for: the action's name, its target and parameters.

    `target` is `deployment/NAME` for workloads, `silence/ID` for expiry, and matchers in Alertmanager's syntax for a new
    silence. `cause` is what made them do it (`alert HighErrorRate`), `panel_id` the panel that verification watches and
    `fingerprint` the alert.
    """

    action: str
    target: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    cause: str = ""
    panel_id: str = ""
    fingerprint: str = ""
    user: str = ""
    """Who asks; the runner says it."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """One that may take a change back. `kind` chooses how long it is watched for (`refresh.settle` of the config file);
    `why` is what it is known by, `managers` are the field managers under which it writes.
    """

    kind: str
    name: str
    why: str
    fields: tuple[str, ...]
    managers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, before anything is: complete enough to be read, journalled and executed.

    `title` is an imperative (`Roll back deployment/cad-ml-api`). `command` is the equal kubectl or amtool command.
    `confirm_word` is what has to be typed in a protected environment. `body` is the very request that will be sent;
    `resource_version` its precondition, empty where the server offers none. `digest` tells whether a later plan is the same.
    """

    request: Request
    title: str
    subject: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    command: str
    confirm_word: str
    body: object
    resource_version: str = ""
    digest: str = ""
    generation: int = 0
    """Of the Deployment when it was planned; 0 where there is none."""
    reconcilers: tuple[Reconciler, ...] = ()
    """Who else sets what this changes, and may take it back."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What the journal keeps beside it for later decisions, plain JSON without secrets."""
    written: str = ""
    """After execution: how the server names what was written (a new silence's id), empty where it has no new name."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with the checks that were made for it; what the dialog shows and what `confirm` decides on."""

    plan: Plan
    checks: tuple[PreflightCheck, ...]
    protected: bool
    cluster: str = ""
    """Where a change of a workload would go, and as whom: `context prod, server https://10.0.0.1:6443, user ann`."""

    @property
    def blocked(self) -> bool:
        return any(check.level is CheckLevel.BLOCK for check in self.checks)

    @property
    def second_words(self) -> tuple[str, ...]:
        """What has to be typed beside the usual confirmation, in every environment; empty where no check asks."""
        return tuple(check.word for check in self.checks if check.level is CheckLevel.ASK)

    @property
    def phrase(self) -> str:
        """What a person types to confirm: the target's name in a protected environment, then the second words."""
        return " ".join((*([self.plan.confirm_word] if self.protected else ()), *self.second_words))


@dataclass(frozen=True, slots=True)
class RunStep:
    """One report of a run. `at` is Unix seconds, `elapsed_seconds` since the run began.

    Exactly the last step has an `outcome`; a step that begins the confirmation carries the `preview`.
    """

    stage: Stage
    text: str
    at: float
    elapsed_seconds: float
    preview: Preview | None = None
    outcome: Outcome | None = None
    identity: str = ""
    """What the journal calls this run."""
    fault: Fault | None = None
    """The source's own failure, where one ended the run."""


class ActionRefused(Exception):
    """An action that must not be sent: the message says why and, where it can, what to do instead."""
