"""The state of one Deployment, StatefulSet or DaemonSet, read fresh: its object, revisions, HPAs and PodDisruptionBudgets."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Container
from dataclasses import field, replace
from typing import Any

from console.actions.action import ClusterReader
from console.actions.plan import ActionRefused, Request
from console.config.text_formats import is_object_name
from console.journal.payloads import RevisionFacts
from console.state.revisions import NO_RECORDS, Records, describe
from queries.errors import SourceError
from queries.kubernetes.cluster_decode import decode_autoscaler, decode_budget
from queries.kubernetes.revision_decode import decode_revision
from queries.kubernetes.workload_decode import decode_workload
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.replica_limits import Autoscaler, DisruptionBudget
from queries.model.workload import Revision, Workload, parse_kind

_MAX_READS = 3
RESOURCES = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
"""The kinds that an action can change, with their plurals."""


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """One Deployment, raw and decoded, with what surrounds it.

    `autoscalers` and `budgets` are None if the API server refused to list them; `unread` says why.
    """

    raw: dict[str, Any]
    replica_sets: tuple[dict[str, Any], ...]
    """The revisions of a Deployment; StatefulSets and DaemonSets have `controller_revisions`."""
    autoscalers: tuple[Autoscaler, ...] | None
    budgets: tuple[DisruptionBudget, ...] | None
    unread: tuple[str, ...] = ()
    kubectl: tuple[str, ...] = ("kubectl",)
    records: Records = field(default_factory=lambda: NO_RECORDS)
    """What the journal has recorded about each revision, for the actions that need it."""
    controller_revisions: tuple[dict[str, Any], ...] = ()

    @property
    def workload(self) -> Workload:
        return decode_workload(self.raw)

    @property
    def resource_version(self) -> str:
        return str(self.raw["metadata"]["resourceVersion"])

    @property
    def template(self) -> dict[str, Any]:
        return dict(self.raw["spec"]["template"])

    def revisions(self) -> tuple[tuple[Revision, dict[str, Any]], ...]:
        """Each revision with its ReplicaSet, the newest first."""
        pairs = [(decode_revision(item), item) for item in self.replica_sets]
        return tuple(sorted(pairs, key=lambda pair: pair[0].number, reverse=True))

    def revision_record(self) -> RevisionFacts | None:
        """The current revision, for the journal; None if the Deployment has none yet."""
        workload = self.workload
        current = next((item for item, _ in self.revisions() if item.number == workload.revision), None)
        return describe(workload, current) if current else None

    def autoscaler(self) -> Autoscaler | None:
        """The HPA that scales this workload."""
        kind, name = self.workload.kind, self.workload.name
        scalers = [item for item in self.autoscalers or () if item.target_kind == kind and item.target_name == name]
        return scalers[0] if scalers else None

    @property
    def resource(self) -> str:
        """`deployments`, `statefulsets` or `daemonsets`."""
        return RESOURCES[self.workload.kind]

    def own_budgets(self) -> tuple[DisruptionBudget, ...]:
        """The PodDisruptionBudgets that select this Deployment's pods."""
        labels = tuple(((self.template.get("metadata") or {}).get("labels") or {}).items())
        return tuple(item for item in self.budgets or () if item.selects(labels))

    def kubectl_command(self, *arguments: str) -> str:
        """The equivalent kubectl command, with its context, quoted for a shell."""
        return shlex.join([*self.kubectl, "-n", self.workload.namespace, *arguments])


def parse_target(request: ActionCall) -> tuple[str, str]:
    """Kind and name of the target `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`. Raises ActionRefused."""
    word, slash, name = request.target.partition("/")
    kind = parse_kind(word)
    if not slash or kind not in RESOURCES or not is_object_name(name):
        raise ActionRefused(f"the target {request.target[:80]!r} is not deployment/NAME, statefulset/NAME or daemonset/NAME")
    return kind, name


async def fetch_target(request: ActionCall, reader: ClusterReader) -> dict[str, Any]:
    """The target as the API server returns it now. Raises SourceError and ActionRefused."""
    kind, name = parse_target(request)
    return await reader.workload(RESOURCES[kind], name)


async def fetch_deployment_state(request: Request, reader: ClusterReader, kinds: Container[str] = RESOURCES) -> DeploymentState:
    """Raises SourceError if the workload cannot be read, ActionRefused if its kind is not one of `kinds`.

    The workload is read again at the end: during a rollout its resourceVersion, the write's precondition, is outdated
    within a tenth of a second. If its spec changed meanwhile, everything is read again.
    """
    kind, _ = parse_target(request)
    if kind not in kinds:
        raise ActionRefused(f"a {kind} cannot be changed this way: {request.action} is for a Deployment")
    newest = await fetch_target(request, reader)
    for _ in range(_MAX_READS):
        state, before = await _read_surroundings(newest, reader), newest
        newest = await fetch_target(request, reader)
        if _same_spec(before, newest):
            break
    return replace(state, raw=newest)


def _same_spec(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one["metadata"].get(key) == other["metadata"].get(key) for key in ("uid", "generation", "annotations"))


async def _read_surroundings(deployment: dict[str, Any], reader: ClusterReader) -> DeploymentState:
    kind = decode_workload(deployment).kind
    sets, (scalers, no_scalers), (budgets, no_budgets) = await asyncio.gather(
        reader.replica_sets(deployment) if kind == "Deployment" else reader.controller_revisions(deployment),
        _list_if_allowed("HPAs", reader.autoscalers),
        _list_if_allowed("PodDisruptionBudgets", reader.budgets),
    )
    return DeploymentState(
        raw=deployment,
        replica_sets=tuple(sets) if kind == "Deployment" else (),
        controller_revisions=() if kind == "Deployment" else tuple(sets),
        autoscalers=None if scalers is None else tuple(decode_autoscaler(item) for item in scalers),
        budgets=None if budgets is None else tuple(decode_budget(item) for item in budgets),
        unread=tuple(filter(None, (no_scalers, no_budgets))),
        kubectl=reader.kubectl,
    )


async def _list_if_allowed(
    kind: str, read: Callable[[], Awaitable[list[dict[str, Any]]]]
) -> tuple[list[dict[str, Any]] | None, str]:
    """The list, or None and why this identity may not see it. Raises SourceError for every other failure."""
    try:
        return await read(), ""
    except SourceError as error:
        if error.fault.status in (403, 404):
            return None, f"{kind}: {error.fault.what}"
        raise
