"""Evict one pod, as `kubectl drain` does, or delete it past its PodDisruptionBudgets."""

from __future__ import annotations

import asyncio
import json
import shlex
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.deployment_preflight import check_access, check_dry_run
from console.actions.object_patch import ObjectFacts, parse_name, read_if_allowed
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request, plan_digest
from queries.errors import SourceError
from queries.kubernetes.cluster_decode import decode_budget
from queries.kubernetes.metadata_decode import label_selector
from queries.kubernetes.pod_decode import decode_pod
from queries.model.frozen import dataclass
from queries.model.pod import Pod
from queries.model.replica_limits import DisruptionBudget
from queries.model.text import visible
from queries.text.durations import ago, format_seconds_field

_PLURALS = {
    "ReplicaSet": "replicasets", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "Job": "jobs",
}  # fmt: skip
_MIRROR = "kubernetes.io/config.mirror"
"""The annotation of the API server's image of a static pod: to delete it does not end the pod."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """The controller that recreates a pod; the plural is empty for a kind that the console does not know."""

    kind: str
    name: str
    uid: str

    @property
    def plural(self) -> str:
        return _PLURALS.get(self.kind, "")

    def __str__(self) -> str:
        return f"{self.kind} {visible(self.name)}"


@dataclass(frozen=True, slots=True)
class _Before:
    """The controller, None for a bare pod, and the UIDs of its pods at planning time: a replacement is none of these."""

    owner: _Owner | None
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod, its controller's pods, and the PodDisruptionBudgets, None if this identity may not list them."""

    pod: ObjectFacts
    owner: _Owner | None
    siblings: tuple[Pod, ...]
    budgets: tuple[DisruptionBudget, ...] | None

    @property
    def decoded(self) -> Pod:
        return decode_pod(self.pod.raw)

    def own_budgets(self) -> tuple[DisruptionBudget, ...]:
        return tuple(item for item in self.budgets or () if item.selects(self.decoded.labels))


class _RemovePod(ABC):
    """One request that ends a pod, bound to its UID: the next pod of a StatefulSet has the same name."""

    name: str
    title: str
    target_kind: str = "pod"
    kinds: ClassVar[tuple[str, ...]] = ("Pod",)
    expects_recovery: bool = True
    parameters: tuple[Parameter, ...] = ()
    way: ClassVar[str]
    """How it ends: `evicted`."""
    right: ClassVar[dict[str, str]]
    """The verb, and the subresource if there is one, that it needs on pods."""

    # To be defined by each action

    @abstractmethod
    def command(self, facts: PodFacts) -> str:
        """The equivalent kubectl line."""

    @abstractmethod
    async def send(self, plan: Plan, writer: ChangeWriter, *, dry_run: bool = False) -> None:
        """The one request. Raises SourceError."""

    @abstractmethod
    def check_budgets(self, facts: PodFacts) -> tuple[PreflightCheck, ...]:
        """What the PodDisruptionBudgets mean for it."""

    # Shared

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> PodFacts:
        raw = await reader.read("pods", parse_name(request, self.target_kind))
        owner = _find_owner(raw)
        pods, budgets = await asyncio.gather(_pods_of(owner, reader), _read_budgets(reader))
        return PodFacts(ObjectFacts(raw, reader.kubectl), owner, pods, budgets)

    def plan(self, request: Request, facts: PodFacts, now: float) -> Plan:
        raw, pod, owner = facts.pod.raw, facts.decoded, facts.owner
        if _MIRROR in (raw["metadata"].get("annotations") or {}):
            raise ActionRefused(f"{pod.name} is a static pod: only the kubelet of {visible(pod.node) or 'its node'} can end it")
        if raw["metadata"].get("deletionTimestamp"):
            raise ActionRefused(f"nothing to do: {pod.name} is already terminating")
        state = "ready" if pod.ready else visible(pod.reason or pod.phase)
        ready = sum(item.ready for item in facts.siblings if item.uid != pod.uid)
        after = f"{self.way}; {owner} recreates it" if owner else f"{self.way}; nothing recreates it"
        return Plan(
            request=request,
            title=f"{self.title} pod/{pod.name}",
            subject=f"pod/{pod.name}",
            differences=(
                Difference("pod", f"{state}, created {ago(pod.created_at, now)}", after),
                Difference("node", pod.node or "-", pod.node or "-"),
                *((Difference("others ready", str(ready), str(ready)),) if owner else ()),
            ),
            notes=(
                f"its containers get {format_seconds_field(raw['spec'].get('terminationGracePeriodSeconds', 30))} to shut down",
            ),
            command=self.command(facts),
            confirm_word=pod.name,
            body={"preconditions": {"uid": pod.uid}},
            digest=plan_digest(self.name, pod.uid, owner.uid if owner else ""),
            verify_with=_Before(owner, frozenset(item.uid for item in facts.siblings) | {pod.uid}),
        )

    async def preflight(
        self, plan: Plan, facts: PodFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        return (
            _check_owner(facts),
            *self.check_budgets(facts),
            await check_access(reader, "pods", facts.decoded.name, **self.right),
            await check_dry_run(self.send(plan, writer, dry_run=True)),
        )

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        await self.send(plan, writer)
        return ""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        pod = await _read_pod(plan, reader)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return AppliedCheck(plan)
        return AppliedCheck(text=f"{plan.subject} is not terminating")

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        """A pod that has ended does not come back."""
        return None

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Until the pod is gone and its controller has replaced it, or does without it."""
        before: _Before = plan.verify_with
        while await _read_pod(plan, reader) is not None:
            yield Progress(f"{plan.subject} is terminating")
        if before.owner is None:
            yield Progress(f"{plan.subject} is gone", done=True)
            return
        while True:
            report = await _check_replacement(plan, before.owner, before.known, reader)
            yield report
            if report.done is not None:
                return


class Evict(_RemovePod):
    """Asks the PodDisruptionBudgets: the server refuses an eviction that they do not allow."""

    name = "evict"
    title = "Evict"
    way: ClassVar[str] = "evicted"
    right: ClassVar[dict[str, str]] = {"verb": "create", "subresource": "eviction"}

    def command(self, facts: PodFacts) -> str:
        meta = facts.pod.raw["metadata"]
        body = json.dumps(
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": meta["name"]}}, separators=(",", ":")
        )
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
        return f"echo {shlex.quote(body)} | {shlex.join([*facts.pod.kubectl, 'create', '--raw', path, '-f', '-'])}"

    async def send(self, plan: Plan, writer: ChangeWriter, *, dry_run: bool = False) -> None:
        name = parse_name(plan.request, self.target_kind)
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": plan.body}
        await writer.create("pods", body, name=name, subresource="eviction", dry_run=dry_run)

    def check_budgets(self, facts: PodFacts) -> tuple[PreflightCheck, ...]:
        if facts.budgets is None:
            return (PreflightCheck(CheckLevel.WARN, "not checked: PodDisruptionBudgets (you may not read them)", "PDB"),)
        budgets = facts.own_budgets()
        if len(budgets) > 1:
            names = ", ".join(visible(item.name) for item in budgets)
            text = f"the server rejects the eviction of a pod that more than one PodDisruptionBudget covers: {names}"
            return (PreflightCheck(CheckLevel.BLOCK, text, "PDB"),)
        return tuple(_check_budget(item, facts.decoded) for item in budgets)


class DeletePod(_RemovePod):
    """Does not ask the PodDisruptionBudgets, so it needs a confirmation of its own in every environment."""

    name = "delete-pod"
    title = "Delete (bypass PDB)"
    way: ClassVar[str] = "deleted"
    right: ClassVar[dict[str, str]] = {"verb": "delete"}

    def command(self, facts: PodFacts) -> str:
        return facts.pod.kubectl_command("delete", f"pod/{facts.decoded.name}")

    async def send(self, plan: Plan, writer: ChangeWriter, *, dry_run: bool = False) -> None:
        await writer.delete("pods", parse_name(plan.request, self.target_kind), plan.body, dry_run=dry_run)

    def check_budgets(self, facts: PodFacts) -> tuple[PreflightCheck, ...]:
        """The word `delete` has to be typed, whether or not a budget is known."""
        known = (f"PodDisruptionBudget {visible(item.name)}, which allows {item.allowed} now" for item in facts.own_budgets())
        budgets = ", ".join(known)
        if facts.budgets is None:
            budgets = "PodDisruptionBudgets, which you may not read"
        text = f"a deletion ignores {budgets or 'any PodDisruptionBudget'}; an eviction does not: type delete"
        return (PreflightCheck(CheckLevel.ASK, text, "PDB", word="delete"),)


def _check_owner(facts: PodFacts) -> PreflightCheck:
    if facts.owner is None:
        return PreflightCheck(CheckLevel.WARN, "a bare pod: nothing recreates it", "owner")
    return PreflightCheck(CheckLevel.OK, f"{facts.owner} recreates it", "owner")


def _check_budget(budget: DisruptionBudget, pod: Pod) -> PreflightCheck:
    name = f"PodDisruptionBudget {visible(budget.name)}{f' ({budget.minimum})' if budget.minimum else ''}"
    if not budget.allowed and pod.ready:
        return PreflightCheck(CheckLevel.BLOCK, f"{name} allows no eviction now; wait for more ready pods", "PDB")
    level = CheckLevel.OK if budget.allowed else CheckLevel.WARN
    return PreflightCheck(level, f"{name} allows {budget.allowed} now", "PDB")


def _find_owner(pod: Mapping[str, Any]) -> _Owner | None:
    for item in pod["metadata"].get("ownerReferences") or ():
        if item.get("controller"):
            return _Owner(str(item["kind"]), str(item["name"]), str(item["uid"]))
    return None


async def _read_owner(owner: _Owner, reader: ClusterReader) -> dict[str, Any] | None:
    """The controller; None if it is gone, empty if the console does not know its kind or may not read it."""
    if not owner.plural:
        return {}
    try:
        found = await reader.read(owner.plural, owner.name)
    except SourceError as error:
        if error.fault.status == 404:
            return None
        if error.fault.status == 403:
            return {}
        raise
    return found if found["metadata"]["uid"] == owner.uid else None


async def _pods_of(owner: _Owner | None, reader: ClusterReader) -> tuple[Pod, ...]:
    if owner is None:
        return ()
    found = await _read_owner(owner, reader)
    items = await reader.list_objects("pods", labels=label_selector(found) if found else "")
    return tuple(pod for pod in map(decode_pod, items) if pod.owner_uid == owner.uid)


async def _read_budgets(reader: ClusterReader) -> tuple[DisruptionBudget, ...] | None:
    items = await read_if_allowed(reader.budgets())
    return None if items is None else tuple(map(decode_budget, items))


async def _read_pod(plan: Plan, reader: ClusterReader) -> dict[str, Any] | None:
    """The planned pod, None once it is gone: another one may have its name."""
    try:
        pod = await reader.read("pods", plan.subject.partition("/")[2])
    except SourceError as error:
        if error.fault.status == 404:
            return None
        raise
    return pod if pod["metadata"]["uid"] == plan.body["preconditions"]["uid"] else None


async def _check_replacement(plan: Plan, owner: _Owner, known: frozenset[str], reader: ClusterReader) -> Progress:
    """Whether a new pod of the controller is ready, or whether the controller does without one."""
    found, pods = await asyncio.gather(_read_owner(owner, reader), _pods_of(owner, reader))
    living = [pod for pod in pods if pod.reason != "Terminating" and pod.phase not in ("Failed", "Succeeded")]
    new = [pod for pod in pods if pod.uid not in known and pod.reason != "Terminating"]
    for pod in new:
        if pod.ready or pod.phase == "Succeeded":
            state = "ready" if pod.ready else "succeeded"
            return Progress(
                f"{plan.subject} is gone; {visible(pod.name)} on {visible(pod.node)} replaces it: {state}", done=True
            )
    if new:
        why = ": ".join(filter(None, (visible(new[0].reason or new[0].phase), visible(new[0].message))))
        return Progress(f"{plan.subject} is gone; its replacement {visible(new[0].name)} is not ready: {why}")
    desired = _desired(found) if found else None
    if found is None:
        return Progress(f"{plan.subject} is gone, and so is {owner}", done=True)
    if desired is not None and len(living) >= desired:
        return Progress(f"{plan.subject} is gone; {owner} still has {len(living)} of {desired} pods", done=True)
    return Progress(f"{plan.subject} is gone; waiting for {owner} to recreate it")


def _desired(owner: Mapping[str, Any]) -> int | None:
    """How many pods the controller keeps; 0 for a Job that has ended, None if its number says nothing."""
    spec, status = owner.get("spec") or {}, owner.get("status") or {}
    if owner.get("kind") == "Job":
        ended = any(
            item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in status.get("conditions") or ()
        )
        return 0 if ended else None
    if owner.get("kind") == "DaemonSet":
        return int(status.get("desiredNumberScheduled", 0))
    return int(spec.get("replicas", 1))
