"""Set the image of one container, as `kubectl set image` does, with a precondition."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.argo_rollout import RolloutState
from console.actions.deployment_action import DeploymentAction, find_replaced_pods
from console.actions.deployment_preflight import JSON_PATCH
from console.actions.deployment_state import RESOURCES, DeploymentState
from console.actions.image_data import check_image_data
from console.actions.new_pods import NewPods, check_new_pods
from console.actions.object_patch import FieldPatch, ObjectFacts, parse_name
from console.actions.plan import ActionRefused, CheckLevel, Difference, NothingToDo, Plan, PreflightCheck, Request
from console.actions.reconcilers import TEMPLATE, last_writer, owners
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.image import ImageReference, parse_image
from queries.model.text import visible
from queries.model.workload import parse_kind

NAME, TITLE = "image", "Set image"
_GROUPS = ("containers", "initContainers")


@dataclass(frozen=True, slots=True)
class _Change:
    """The container to change, where it stands in the template, and its image before and after."""

    group: str
    index: int
    container: Mapping[str, Any]
    before: str
    after: ImageReference
    containers: int
    """How many the template has."""

    @property
    def name(self) -> str:
        return str(self.container["name"])

    @property
    def difference(self) -> Difference:
        return Difference("image" if self.containers == 1 else f"image {self.name}", self.before, str(self.after))

    def undo(self, target: str) -> ActionCall:
        """The call that sets the image of before."""
        return ActionCall(NAME, target, {"image": self.before, "container": self.name})

    def patch(self, resource_version: str) -> list[dict[str, Any]]:
        """A JSON patch, which a CustomResourceDefinition accepts too; it fails if another container took the place."""
        path = f"/spec/template/spec/{self.group}/{self.index}"
        return [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "test", "path": f"{path}/name", "value": self.name},
            {"op": "replace", "path": f"{path}/image", "value": str(self.after)},
        ]

    def apply(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """The pod template with the new image."""
        spec = dict(template["spec"])
        spec[self.group] = [
            {**item, "image": str(self.after)} if index == self.index else item for index, item in enumerate(spec[self.group])
        ]
        return {**template, "spec": spec}

    def notes(self, target: str) -> tuple[str, ...]:
        container = f" --container {shlex.quote(self.name)}" if self.containers > 1 else ""
        undo = f"to undo: cad-console act {NAME} {target}{container} --image {shlex.quote(self.before)}"
        both = ("a node pulls it by its digest and ignores the tag",) if self.after.digest and self.after.tag else ()
        return (*both, undo)


def find_change(request: Request, template: Mapping[str, Any], subject: str) -> _Change:
    """The change that the request asks for. Raises ActionRefused."""
    spec = template.get("spec") or {}
    every = [(group, index, item) for group in _GROUPS for index, item in enumerate(spec.get(group) or ())]
    names = ", ".join(visible(str(item["name"])) for _, _, item in every)
    requested = request.parameters.get("container", "")
    if not requested and len(every) > 1:
        raise ActionRefused(f"{subject} has the containers {names}: name one with --container")
    found = next((item for item in every if item[2]["name"] == (requested or every[0][2]["name"])), None) if every else None
    if found is None:
        raise ActionRefused(f"{subject} has no container {requested[:80]!r}; it has {names or 'none'}")
    group, index, container = found
    before = str(container.get("image", ""))
    after = _resolve(request.parameters["image"].strip(), before)
    if str(after) == before:
        raise NothingToDo(f"{container['name']} of {subject} already has the image {before}")
    return _Change(group, index, container, before, after, len(every))


def _resolve(requested: str, before: str) -> ImageReference:
    """The requested image; `:TAG` and `@DIGEST` are of the repository that the container already uses."""
    try:
        if requested.startswith((":", "@")):
            return parse_image(f"{parse_image(before).repository}{requested}")
        return parse_image(requested)
    except ValueError as error:
        raise ActionRefused(f"{requested[:120]!r} is not a valid image: {error}") from None


def check_image(change: _Change) -> tuple[PreflightCheck, ...]:
    """What the reference and the pull policy mean for the new pods."""
    before, after = change.before, change.after
    checks = [PreflightCheck(*_pull(str(change.container.get("imagePullPolicy", "")), after), "pull policy")]
    try:
        repository = parse_image(before).repository
    except ValueError:
        repository = before
    if repository != after.repository:
        text = f"another repository: {visible(repository)} → {visible(after.repository)}"
        checks.append(PreflightCheck(CheckLevel.WARN, text, "image"))
    if before.partition("@")[2] and not after.digest:
        text = "the digest is dropped: whoever pushes this tag again changes what a new pod runs"
        checks.append(PreflightCheck(CheckLevel.WARN, text, "image"))
    return tuple(checks)


def _pull(policy: str, image: ImageReference) -> tuple[CheckLevel, str]:
    """Source: Kubernetes 1.36, concepts/containers/images: the policy is set at creation and does not follow the tag."""
    policy = policy or ("Always" if image.is_latest else "IfNotPresent")
    if policy == "Never":
        return CheckLevel.WARN, "Never: a node that does not have the image already cannot start the pod (ErrImageNeverPull)"
    if image.is_latest:
        which = "a node that already has one runs that one" if policy == "IfNotPresent" else "every start may be another build"
        return (
            CheckLevel.WARN,
            f"{policy} with {image.tag or 'no tag, which means latest'}: {which}; name a version or a digest",
        )
    return CheckLevel.OK, f"{policy}, by {'digest' if image.digest else 'tag'}"


class _WorkloadImage(DeploymentAction):
    """Of a Deployment, StatefulSet or DaemonSet."""

    name = NAME
    title = TITLE
    undone_by: ClassVar[str] = NAME
    changes: ClassVar[str] = TEMPLATE
    kinds: ClassVar[tuple[str, ...]] = tuple(RESOURCES)
    content_type: ClassVar[str] = JSON_PATCH

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        workload = state.workload
        if workload.paused:
            raise ActionRefused(f"{workload.name} is paused: resume its rollout first")
        change = find_change(request, state.template, workload.target)
        desired = str(workload.desired)
        return self.build_plan(
            request,
            state,
            title=f"Set image of {workload.target}",
            differences=(change.difference, Difference("replicas", desired, desired)),
            notes=change.notes(workload.target),
            command=("set", "image", workload.target, f"{change.name}={change.after}"),
            body=change.patch(state.resource_version),
            digest_of=(state.template, change.name, str(change.after), workload.desired),
            undo=change.undo(workload.target),
        )

    def own_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        return check_image(find_change(plan.request, state.template, plan.subject))

    def find_new_pods(self, plan: Plan, state: DeploymentState) -> NewPods:
        return find_replaced_pods(state, find_change(plan.request, state.template, plan.subject).apply(state.template))

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return _has_image(plan, deployment)

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return _describe_revert(plan)


class _RolloutImage(FieldPatch):
    """Of a Rollout of Argo Rollouts, whose own steps then decide how far the new image gets."""

    name = NAME
    title = TITLE
    undone_by: ClassVar[str] = NAME
    target_kind: str = "rollout"
    kinds: ClassVar[tuple[str, ...]] = ("Rollout",)
    expects_recovery: bool = True
    resource: ClassVar[str] = "rollouts"
    changes: ClassVar[str] = TEMPLATE
    content_type: ClassVar[str] = JSON_PATCH

    def plan(self, request: Request, facts: ObjectFacts, now: float) -> Plan:
        state, name = RolloutState(facts.raw), parse_name(request, self.target_kind)
        subject = f"rollout/{name}"
        if not state.template:
            source = (state.spec.get("workloadRef") or {}).get("name", "")
            raise ActionRefused(
                f"{name} takes its pod template from {visible(str(source)) or 'elsewhere'}: set the image there"
            )
        if state.spec.get("paused"):
            raise ActionRefused(f"{name} is paused in its spec: set spec.paused to false first")
        change = find_change(request, state.template, subject)
        version = str(facts.raw["metadata"]["resourceVersion"])
        body = change.patch(version)
        text = json.dumps(body[1:], separators=(",", ":"))
        plan = self.build_plan(
            request,
            facts,
            title=f"Set image of {subject}",
            differences=(
                change.difference,
                Difference("step", state.describe_step(state.step), state.describe_step(0)),
                Difference("replicas", str(state.desired), str(state.desired)),
            ),
            notes=(
                f"with Argo's plugin: kubectl argo rollouts set image {name} {change.name}={change.after}",
                *change.notes(subject),
            ),
            command=("patch", subject, "--type=json", "-p", text),
            body={},
            digest_of=(state.template, change.name, str(change.after), state.desired),
            undo=change.undo(subject),
            reverted_by=owners(facts.raw),
        )
        return replace(plan, body=body)

    async def own_checks(self, plan: Plan, facts: ObjectFacts, reader: ClusterReader) -> tuple[PreflightCheck, ...]:
        state = RolloutState(facts.raw)
        change = find_change(plan.request, state.template, plan.subject)
        if not state.is_promoted and state.status.get("stableRS"):
            text = f"an update is in progress and this one replaces it, from the first step: {state.describe()}"
            phase = PreflightCheck(CheckLevel.WARN, text, "phase")
        else:
            level = CheckLevel.OK if state.phase()[0] == "Healthy" else CheckLevel.WARN
            phase = PreflightCheck(level, state.describe(), "phase")
        new = NewPods(change.apply(state.template), state.desired, replaced=state.template, known=(state.template,))
        return (*check_image(change), phase, *await check_new_pods(reader, new))

    def is_in_place(self, plan: Plan, found: Mapping[str, Any]) -> bool:
        return _has_image(plan, found)

    def describe_revert(self, plan: Plan) -> str:
        return _describe_revert(plan)

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Until the controller has promoted the image, or waits at a pause, or has given up."""
        while True:
            found = await self._read(plan.request, reader)
            if not self.is_in_place(plan, found):
                by = last_writer(found, self.changes, plan.reconcilers)
                yield Progress(self.describe_revert(plan), done=False, undone_by=by)
                return
            state = RolloutState(found)
            phase, _ = state.phase()
            done = {"Degraded": False, "Paused": True}.get(phase, True if phase == "Healthy" and state.is_promoted else None)
            paused = "; promote or abort it there" if phase == "Paused" else ""
            yield Progress(f"{plan.subject} is {state.describe()}{paused}", done=done, expects_recovery=phase != "Paused")
            if done is not None:
                return


def _has_image(plan: Plan, found: Mapping[str, Any]) -> bool:
    """Whether the container that the patch names has the image that the patch sets, wherever it now stands."""
    name, image = plan.body[1]["value"], plan.body[2]["value"]
    group = plan.body[2]["path"].split("/")[4]
    containers = ((found["spec"].get("template") or {}).get("spec") or {}).get(group) or ()
    return any(item["name"] == name and item.get("image") == image for item in containers)


def _describe_revert(plan: Plan) -> str:
    return f"{plan.subject} has another image of {plan.body[1]['value']} again"


class Image:
    """The action: which of the two sends the patch depends on the kind of the target."""

    name = NAME
    title = TITLE
    undone_by: ClassVar[str] = NAME
    target_kind = "deployment"
    kinds: ClassVar[tuple[str, ...]] = (*RESOURCES, "Rollout")
    expects_recovery = True
    parameters = (
        Parameter(
            "image", required=True, description="the new image; :TAG or @DIGEST alone is of the repository that it has now"
        ),
        Parameter("container", required=False, description="the container, if the pod has several"),
    )

    def _find(self, request: ActionCall) -> _WorkloadImage | _RolloutImage:
        return _RolloutImage() if parse_kind(request.target.partition("/")[0]) == "Rollout" else _WorkloadImage()

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> Any:
        return await self._find(request).fetch_facts(request, reader)

    def plan(self, request: Request, facts: Any, now: float) -> Plan:
        return self._find(request).plan(request, facts, now)

    async def preflight(
        self, plan: Plan, facts: Any, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        template = (facts.raw.get("spec") or {}).get("template") or {}
        change = find_change(plan.request, template, plan.subject)
        checks, data = await asyncio.gather(
            self._find(plan.request).preflight(plan, facts, reader, writer),
            check_image_data(
                reader,
                facts.raw,
                container=change.name,
                group=change.group,
                before=change.before,
                after=str(change.after),
            ),
        )
        return (*checks, *data)

    async def execute(self, plan: Plan, writer: ChangeWriter) -> str:
        return await self._find(plan.request).execute(plan, writer)

    async def check_applied(self, plan: Plan, reader: ClusterReader) -> AppliedCheck:
        return await self._find(plan.request).check_applied(plan, reader)

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """As `Guardable.fetch_state`."""
        return await self._find(request).fetch_state(request, reader)

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return await self._find(plan.request).check_undone(plan, reader)

    def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        return self._find(plan.request).verify(plan, reader)
