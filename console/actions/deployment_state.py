"""What the actions on a Deployment look at before they plan."""

from __future__ import annotations

import asyncio
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import Any

from console.actions.action import ClusterReader
from console.actions.plan import ActionRefused, Request
from console.state.revisions import NO_RECORDS, Records, describe
from queries.errors import SourceError
from queries.kubernetes import decode
from queries.model.workload import Autoscaler, DisruptionBudget, Revision, Workload

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LOOKS = 3
_KINDS = ("deployment", "deployments", "deploy")


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """One Deployment, raw and as the model has it, with what surrounds it.

    `autoscalers` and `budgets` are None where they could not be read; `unread` says why.
    """

    raw: dict[str, Any]
    replica_sets: tuple[dict[str, Any], ...]
    autoscalers: tuple[Autoscaler, ...] | None
    budgets: tuple[DisruptionBudget, ...] | None
    unread: tuple[str, ...] = ()
    kubectl: tuple[str, ...] = ("kubectl",)
    records: Records = field(default_factory=lambda: NO_RECORDS)
    """What the journal has of each revision, where the action asks for it."""

    @property
    def workload(self) -> Workload:
        return decode.workload_of(self.raw)

    @property
    def resource_version(self) -> str:
        return str(self.raw["metadata"]["resourceVersion"])

    @property
    def template(self) -> dict[str, Any]:
        return dict(self.raw["spec"]["template"])

    def revisions(self) -> tuple[tuple[Revision, dict[str, Any]], ...]:
        """Each revision with its ReplicaSet, the newest first."""
        found = [(decode.revision_of(item), item) for item in self.replica_sets]
        return tuple(sorted(found, key=lambda pair: pair[0].number, reverse=True))

    def revision_record(self) -> dict[str, Any]:
        """The present revision, for the journal; empty where the Deployment has none yet."""
        workload = self.workload
        present = next((item for item, _ in self.revisions() if item.number == workload.revision), None)
        return describe(workload, present) if present else {}

    def autoscaler(self) -> Autoscaler | None:
        """The one that drives this Deployment."""
        name = self.workload.name
        drivers = [item for item in self.autoscalers or () if item.target_kind == "Deployment" and item.target_name == name]
        return drivers[0] if drivers else None

    def own_budgets(self) -> tuple[DisruptionBudget, ...]:
        labels = set((self.template.get("metadata") or {}).get("labels", {}).items())
        return tuple(item for item in self.budgets or () if item.selector and set(item.selector) <= labels)


def name_of(request: Request) -> str:
    """The Deployment's name out of `deployment/NAME`. Raises Refusal."""
    kind, slash, name = request.target.partition("/")
    if not slash or kind.lower() not in _KINDS or not _NAME.fullmatch(name):
        raise ActionRefused(f"the target {request.target[:80]!r} is not deployment/NAME")
    return name


async def workload_facts(request: Request, reads: ClusterReader) -> DeploymentState:
    """Raises SourceError where the Deployment cannot be read, Refusal where the target is no Deployment's.

    The Deployment is read again at the end: while pods come and go its resourceVersion, our precondition, is old within
    a tenth of a second. Where its spec has changed too, everything is read anew.
    """
    name = name_of(request)
    newest = await reads.deployment(name)
    for _ in range(_LOOKS):
        facts, before = await _around(newest, reads), newest
        newest = await reads.deployment(name)
        if _same_spec(before, newest):
            break
    return replace(facts, raw=newest)


def _same_spec(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one["metadata"].get(key) == other["metadata"].get(key) for key in ("uid", "generation", "annotations"))


async def _around(deployment: dict[str, Any], reads: ClusterReader) -> DeploymentState:
    sets, scalers, budgets = await asyncio.gather(
        reads.replica_sets(deployment), _tolerated(reads.autoscalers()), _tolerated(reads.budgets())
    )
    unread = [f"{name}: {found}" for name, found in (("HPAs", scalers), ("PodDisruptionBudgets", budgets)) if _said(found)]
    return DeploymentState(
        raw=deployment,
        replica_sets=tuple(sets),
        autoscalers=None if isinstance(scalers, str) else tuple(decode.autoscaler_of(item) for item in scalers),
        budgets=None if isinstance(budgets, str) else tuple(decode.budget_of(item) for item in budgets),
        unread=tuple(unread),
        kubectl=reads.kubectl,
    )


async def _tolerated(asked: Any) -> list[dict[str, Any]] | str:
    """The list, or in words why a person without that right cannot have it; other failures count."""
    try:
        found: list[dict[str, Any]] = await asked
    except SourceError as error:
        if error.fault.status in (403, 404):
            return error.fault.what
        raise
    return found


def _said(found: object) -> bool:
    return isinstance(found, str)


def kubectl(facts: DeploymentState, *words: str) -> str:
    """The equal kubectl command, with its context, quoted for a shell."""
    return shlex.join([*facts.kubectl, "-n", facts.workload.namespace, *words])
