"""The state of one Deployment, read fresh: its object, ReplicaSets, HPAs and PodDisruptionBudgets."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any

from console.actions.action import ClusterReader
from console.actions.plan import ActionRefused, Request
from console.journal.payloads import RevisionFacts
from console.state.revisions import NO_RECORDS, Records, describe
from queries.errors import SourceError
from queries.kubernetes import decode
from queries.model.workload import Autoscaler, DisruptionBudget, Revision, Workload

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_MAX_READS = 3
_KINDS = ("deployment", "deployments", "deploy")


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """One Deployment, raw and decoded, with what surrounds it.

    `autoscalers` and `budgets` are None if the API server refused to list them; `unread` says why.
    """

    raw: dict[str, Any]
    replica_sets: tuple[dict[str, Any], ...]
    autoscalers: tuple[Autoscaler, ...] | None
    budgets: tuple[DisruptionBudget, ...] | None
    unread: tuple[str, ...] = ()
    kubectl: tuple[str, ...] = ("kubectl",)
    records: Records = field(default_factory=lambda: NO_RECORDS)
    """What the journal has recorded about each revision, for the actions that need it."""

    @property
    def workload(self) -> Workload:
        return decode.decode_workload(self.raw)

    @property
    def resource_version(self) -> str:
        return str(self.raw["metadata"]["resourceVersion"])

    @property
    def template(self) -> dict[str, Any]:
        return dict(self.raw["spec"]["template"])

    def revisions(self) -> tuple[tuple[Revision, dict[str, Any]], ...]:
        """Each revision with its ReplicaSet, the newest first."""
        pairs = [(decode.decode_revision(item), item) for item in self.replica_sets]
        return tuple(sorted(pairs, key=lambda pair: pair[0].number, reverse=True))

    def revision_record(self) -> RevisionFacts | None:
        """The current revision, for the journal; None if the Deployment has none yet."""
        workload = self.workload
        current = next((item for item, _ in self.revisions() if item.number == workload.revision), None)
        return describe(workload, current) if current else None

    def autoscaler(self) -> Autoscaler | None:
        """The HPA that scales this Deployment."""
        name = self.workload.name
        scalers = [item for item in self.autoscalers or () if item.target_kind == "Deployment" and item.target_name == name]
        return scalers[0] if scalers else None

    def own_budgets(self) -> tuple[DisruptionBudget, ...]:
        """The PodDisruptionBudgets that select this Deployment's pods."""
        labels = set((self.template.get("metadata") or {}).get("labels", {}).items())
        return tuple(item for item in self.budgets or () if item.selector and set(item.selector) <= labels)

    def kubectl_command(self, *arguments: str) -> str:
        """The equivalent kubectl command, with its context, quoted for a shell."""
        return shlex.join([*self.kubectl, "-n", self.workload.namespace, *arguments])


def deployment_name(request: Request) -> str:
    """NAME of the target `deployment/NAME`. Raises ActionRefused."""
    kind, slash, name = request.target.partition("/")
    if not slash or kind.lower() not in _KINDS or not _NAME.fullmatch(name):
        raise ActionRefused(f"the target {request.target[:80]!r} is not deployment/NAME")
    return name


async def fetch_deployment_state(request: Request, reader: ClusterReader) -> DeploymentState:
    """Raises SourceError if the Deployment cannot be read, ActionRefused if the target is not a Deployment.

    The Deployment is read again at the end: during a rollout its resourceVersion, the write's precondition, is outdated
    within a tenth of a second. If its spec changed meanwhile, everything is read again.
    """
    name = deployment_name(request)
    newest = await reader.deployment(name)
    for _ in range(_MAX_READS):
        state, before = await _read_surroundings(newest, reader), newest
        newest = await reader.deployment(name)
        if _same_spec(before, newest):
            break
    return replace(state, raw=newest)


def _same_spec(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one["metadata"].get(key) == other["metadata"].get(key) for key in ("uid", "generation", "annotations"))


async def _read_surroundings(deployment: dict[str, Any], reader: ClusterReader) -> DeploymentState:
    sets, (scalers, no_scalers), (budgets, no_budgets) = await asyncio.gather(
        reader.replica_sets(deployment),
        _list_if_allowed("HPAs", reader.autoscalers()),
        _list_if_allowed("PodDisruptionBudgets", reader.budgets()),
    )
    return DeploymentState(
        raw=deployment,
        replica_sets=tuple(sets),
        autoscalers=None if scalers is None else tuple(decode.decode_autoscaler(item) for item in scalers),
        budgets=None if budgets is None else tuple(decode.decode_budget(item) for item in budgets),
        unread=tuple(filter(None, (no_scalers, no_budgets))),
        kubectl=reader.kubectl,
    )


async def _list_if_allowed(kind: str, call: Awaitable[list[dict[str, Any]]]) -> tuple[list[dict[str, Any]] | None, str]:
    """The list, or None and why this identity may not see it. Raises SourceError for every other failure."""
    try:
        return await call, ""
    except SourceError as error:
        if error.fault.status in (403, 404):
            return None, f"{kind}: {error.fault.what}"
        raise
