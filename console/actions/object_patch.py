"""What the actions that patch one object share: its precondition, preflight, write and verification."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any, ClassVar, TypeVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.deployment_preflight import MERGE_PATCH, check_access, check_dry_run, without_precondition
from console.actions.plan import ActionRefused, Difference, NothingToDo, Plan, PreflightCheck, Reconciler, Request, plan_digest
from console.actions.reconcilers import last_writer
from console.config.text_formats import is_object_name
from queries.errors import SourceError
from queries.model.action import ActionCall
from queries.model.frozen import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An object as the API server returns it, and the kubectl command prefix for it."""

    raw: dict[str, Any]
    kubectl: tuple[str, ...]

    def kubectl_command(self, *arguments: str) -> str:
        """The equivalent kubectl command, with context and namespace, quoted for a shell."""
        namespace = self.raw["metadata"].get("namespace")
        return shlex.join([*self.kubectl, *(["-n", str(namespace)] if namespace else []), *arguments])


class ObjectPatch(ABC):
    """The base of an action that sends one patch; a subclass plans it, and recognises and verifies its own change."""

    name: str
    title: str
    target_kind: str
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery: bool = False
    parameters: tuple[Parameter, ...] = ()
    resource: ClassVar[str]
    """The plural of the target's kind."""
    content_type: ClassVar[str] = MERGE_PATCH
    subresource: ClassVar[str] = ""
    undone_by: ClassVar[str] = ""
    """As `Guardable.undone_by`."""

    # To be defined by each action

    @abstractmethod
    def plan(self, request: Request, facts: Any, now: float) -> Plan:
        """The plan, from fresh facts. Raises ActionRefused."""

    @abstractmethod
    def is_in_place(self, plan: Plan, found: Mapping[str, Any]) -> bool:
        """Whether the object has what the plan set."""

    @abstractmethod
    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        """As `Action.check_undone`."""

    @abstractmethod
    def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """As `Action.verify`."""

    async def own_checks(self, plan: Plan, facts: Any, reader: ClusterReader) -> tuple[PreflightCheck, ...]:
        """The action's own preflight checks, shown first. Raises SourceError."""
        return ()

    # Shared

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> Any:
        return ObjectFacts(await self._read(request, reader), reader.kubectl)

    def build_plan(
        self,
        request: Request,
        facts: ObjectFacts,
        *,
        title: str,
        differences: tuple[Difference, ...],
        command: tuple[str, ...],
        body: dict[str, Any],
        digest_of: tuple[object, ...],
        notes: tuple[str, ...] = (),
        reverted_by: tuple[Reconciler, ...] = (),
        undo: ActionCall | None = None,
    ) -> Plan:
        """The plan of one patch; `body` gets the object's resourceVersion as its precondition."""
        meta = facts.raw["metadata"]
        version = str(meta["resourceVersion"])
        return Plan(
            request=request,
            title=title,
            subject=f"{self.target_kind}/{meta['name']}",
            differences=differences,
            notes=tuple(filter(None, notes)),
            command=facts.kubectl_command(*command),
            confirm_word=str(meta["name"]),
            body={"metadata": {"resourceVersion": version}, **body},
            resource_version=version,
            generation=int(meta.get("generation", 0)),
            reconcilers=reverted_by,
            digest=plan_digest(self.name, meta["uid"], *digest_of),
            undo=undo,
        )

    async def preflight(
        self, plan: Plan, facts: Any, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        name = parse_name(plan.request, self.target_kind)
        return (
            *await self.own_checks(plan, facts, reader),
            await check_access(reader, self.resource, name, subresource=self.subresource),
            await self._dry_run(plan, name, writer),
        )

    async def _dry_run(self, plan: Plan, name: str, writer: ChangeWriter) -> PreflightCheck:
        body = without_precondition(plan.body)
        return await check_dry_run(
            writer.patch(self.resource, name, body, subresource=self.subresource, content_type=self.content_type, dry_run=True)
        )

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        name = parse_name(plan.request, self.target_kind)
        await writer.patch(self.resource, name, plan.body, subresource=self.subresource, content_type=self.content_type)
        return ""

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        """The write carries a resourceVersion: once the object has another one, it can no longer take effect."""
        found = await self._read(plan.request, reader)
        if self.is_in_place(plan, found):
            return AppliedCheck(plan)
        return describe_missing(plan, found)

    async def _read(self, request: ActionCall, reader: ClusterReader) -> dict[str, Any]:
        return await reader.read(self.resource, parse_name(request, self.target_kind))


def describe_missing(plan: Plan, found: Mapping[str, Any]) -> AppliedCheck:
    """Of an object as read that lacks the change of a write with a resourceVersion."""
    if str(found["metadata"]["resourceVersion"]) == plan.resource_version:
        return AppliedCheck(text=f"{plan.subject} is unchanged")
    text = f"{plan.subject} was modified meanwhile and lacks the change: rejected as a conflict, or reverted at once"
    return AppliedCheck(text=text, final=True)


class FieldPatch(ObjectPatch):
    """A patch of one field of the spec, which somebody else may set again."""

    changes: ClassVar[str]
    """The name of the field; by its manager the API server names who reverted the change."""

    @abstractmethod
    def describe_revert(self, plan: Plan) -> str:
        """What the object has instead."""

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """As `Guardable.fetch_state`: of the field that it changes."""
        found = await self._read(request, reader)
        return plan_digest(found["metadata"]["uid"], (found.get("spec") or {}).get(self.changes))

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        found = await self._read(plan.request, reader)
        if self.is_in_place(plan, found):
            return None
        by = last_writer(found, self.changes, plan.reconcilers)
        return Progress(self.describe_revert(plan), done=False, undone_by=by)


class BooleanPatch(FieldPatch):
    """A patch of one boolean field of the spec, which takes effect at once; another action rolls it back."""

    value: ClassVar[bool]
    """What it sets; a field that is absent counts as False."""
    states: ClassVar[tuple[str, str]]
    """What the object is called while the field is False, and while it is True."""

    def read_value(self, raw: Mapping[str, Any]) -> bool:
        """The field's value before the change. Raises ActionRefused if it is what the action would set."""
        if self.is_in_place(None, raw):
            raise NothingToDo(f"{raw['metadata']['name']} is already {self.states[self.value]}")
        return not self.value

    def state_difference(self, name: str) -> Difference:
        return Difference(name, self.states[not self.value], self.states[self.value])

    def is_in_place(self, plan: Plan | None, found: Mapping[str, Any]) -> bool:
        return bool((found.get("spec") or {}).get(self.changes)) is self.value

    def describe_revert(self, plan: Plan) -> str:
        return f"{plan.subject} is {self.states[not self.value]} again"

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """One read."""
        done = Progress(f"{plan.subject} is {self.states[self.value]}", done=True)
        yield await self.check_undone(plan, reader) or done


async def read_if_allowed(call: Awaitable[T]) -> T | None:
    """The result; None if this identity may not read it or the server does not have it. Raises SourceError."""
    try:
        return await call
    except SourceError as error:
        if error.fault.status in (403, 404):
            return None
        raise


_SHORT_NAMES = {"cronjob": "cj", "pod": "po", "node": "no", "service": "svc", "rollout": "ro", "configmap": "cm"}


def parse_name(request: ActionCall, kind: str) -> str:
    """NAME of the target `KIND/NAME`, whose kind may be plural or kubectl's short name. Raises ActionRefused."""
    word, slash, name = request.target.partition("/")
    if not slash or word.lower() not in (kind, f"{kind}s", _SHORT_NAMES[kind]) or not is_object_name(name):
        raise ActionRefused(f"the target {request.target[:80]!r} is not {kind}/NAME")
    return name
