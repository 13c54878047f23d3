"""Promote, abort or retry a Rollout of Argo Rollouts, with the patches that its kubectl plugin sends."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from console.actions.action import ClusterReader, Parameter, Progress
from console.actions.new_pods import NewPods, check_new_pods
from console.actions.object_patch import ObjectFacts, ObjectPatch, parse_name
from console.actions.plan import ActionRefused, CheckLevel, Difference, NothingToDo, Plan, PreflightCheck, Request, plan_digest
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.text import visible

_YES = ("yes", "true")


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A raw Rollout, read as Argo's plugin does. Source: argo-rollouts 1.8, utils/rollout and cmd/promote."""

    raw: Mapping[str, Any]

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.raw.get("spec") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        return self.raw.get("status") or {}

    @property
    def template(self) -> Mapping[str, Any]:
        """Its pod template; empty for a Rollout that refers to a Deployment."""
        return self.spec.get("template") or {}

    @property
    def canary(self) -> Mapping[str, Any] | None:
        """Its canary strategy; None for blue/green."""
        found: Mapping[str, Any] | None = (self.spec.get("strategy") or {}).get("canary")
        return found

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        return list((self.canary or {}).get("steps") or ())

    @property
    def step(self) -> int:
        """The index of the current step; the number of steps once all are done."""
        return min(int(self.status.get("currentStepIndex") or 0), len(self.steps))

    @property
    def desired(self) -> int:
        return int(self.spec.get("replicas", 1))

    @property
    def is_promoted(self) -> bool:
        return bool(self.status.get("stableRS")) and self.status.get("stableRS") == self.status.get("currentPodHash")

    @property
    def is_aborted(self) -> bool:
        return bool(self.status.get("abort"))

    def pause(self) -> str:
        """Since when the controller pauses it; empty while it does not. The next pause begins at another time."""
        conditions = self.status.get("pauseConditions") or ()
        return str(conditions[0].get("startTime") or "") if conditions else ""

    def phase(self) -> tuple[str, str]:
        """`Healthy`, `Progressing`, `Paused`, `Degraded` or empty, and its message; Progressing until the controller has
        observed the last change.
        """
        observed = str(self.status.get("observedGeneration") or "")
        if observed.isdigit() and int(observed) < int(self.raw["metadata"].get("generation", 0)):
            return "Progressing", "its controller has not observed the change yet"
        if self.status.get("controllerPause") and not self.status.get("pauseConditions"):
            return "Progressing", "its controller has not ended the pause yet"
        return str(self.status.get("phase") or ""), visible(str(self.status.get("message") or ""))

    def describe_step(self, at: int) -> str:
        """`step 2 of 5 (setWeight 40)`."""
        if not self.steps:
            return "no steps"
        if at >= len(self.steps):
            return f"all {len(self.steps)} steps done"
        name, value = next(iter(self.steps[at].items()), ("", None))
        shown = f"{name} {value}" if isinstance(value, int | str) else name
        return f"step {at + 1} of {len(self.steps)} ({visible(shown)})"

    def describe(self) -> str:
        """The phase in words, with step and pods."""
        phase, message = self.phase()
        at = f", {self.describe_step(self.step)}" if self.steps else ""
        pods = f"{self.status.get('availableReplicas', 0)} of {self.desired} pods available"
        return f"{phase or 'no phase reported'}{at}{f': {message}' if message else ''}; {pods}"


@dataclass(frozen=True, slots=True)
class _Before:
    """The pause and the step at planning time."""

    pause: str
    step: int


class _RolloutPatch(ObjectPatch):
    """One merge patch of the status subresource."""

    target_kind: str = "rollout"
    kinds: ClassVar[tuple[str, ...]] = ("Rollout",)
    expects_recovery: bool = True
    resource: ClassVar[str] = "rollouts"
    subresource: ClassVar[str] = "status"
    starts_pods: ClassVar[bool]
    """Whether pods of the new revision may be created."""

    def build_status_plan(
        self,
        request: Request,
        facts: ObjectFacts,
        *,
        differences: tuple[Difference, ...],
        status: dict[str, Any],
        plugin: str,
        notes: tuple[str, ...] = (),
        bound_to: tuple[object, ...] = (),
        is_undoable: bool = False,
    ) -> Plan:
        """The plan of one patch of the status; `plugin` is the command of Argo's plugin. Once one of `bound_to` differs, the
        patch would do something else than the preview says.
        """
        state, name = RolloutState(facts.raw), parse_name(request, self.target_kind)
        images = [item["image"] for item in state.template.get("spec", {}).get("containers") or ()]
        body = {"status": status}
        text = json.dumps(body, separators=(",", ":"))
        plan = self.build_plan(
            request,
            facts,
            title=f"{self.title} rollout/{name}",
            differences=(*differences, *(Difference("image", image, image) for image in images)),
            notes=(*notes, f"with Argo's plugin: kubectl argo rollouts {plugin}"),
            command=("patch", f"rollout/{name}", "--subresource=status", "--type=merge", "-p", text),
            body=body,
            digest_of=(state.status.get("currentPodHash"), state.status.get("stableRS"), state.is_aborted, status, *bound_to),
            undo=ActionCall(self.undone_by, f"rollout/{name}") if is_undoable else None,
        )
        return _with_state(plan, state)

    async def own_checks(self, plan: Plan, facts: ObjectFacts, reader: ClusterReader) -> tuple[PreflightCheck, ...]:
        state = RolloutState(facts.raw)
        phase, _ = state.phase()
        level = CheckLevel.OK if phase in ("Healthy", "Paused") else CheckLevel.WARN
        found = (PreflightCheck(level, state.describe(), "phase"),)
        if not self.starts_pods:
            return found
        template = state.template
        if not template:
            text = "not checked: what the new pods need (the Rollout has no template of its own)"
            return (*found, PreflightCheck(CheckLevel.WARN, text, "new pods"))
        updated = int(state.status.get("updatedReplicas", 0))
        # Without traffic routing, a canary pod takes the place of a stable one; otherwise both sets run in full.
        beside = state.canary is None or bool(state.canary.get("trafficRouting"))
        known = (template,) if updated else ()
        new = NewPods(template, max(0, state.desired - updated), replaced=None if beside else template, known=known)
        return (*found, *await check_new_pods(reader, new))

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """As `Guardable.fetch_state`: the update, and whether it is aborted; its controller moves it on from step to step."""
        found = await self._read(request, reader)
        state = RolloutState(found)
        return plan_digest(found["metadata"]["uid"], state.status.get("currentPodHash"), state.is_aborted)

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        """The status belongs to the controller, so its later values revert nothing."""
        return None

    async def verify(self, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        """Until the controller reports a phase that ends it."""
        before: _Before = plan.verify_with
        while True:
            state = RolloutState(await self._read(plan.request, reader))
            done = self.is_done(state, before)
            result = f"{plan.subject} is {state.describe()}"
            yield Progress(result, done=done)
            if done is not None:
                return

    @abstractmethod
    def is_done(self, state: RolloutState, before: _Before) -> bool | None:
        """Whether the phase is what the action is for; False if it is not and will not be."""


class Promote(_RolloutPatch):
    name = "promote"
    undone_by: ClassVar[str] = "abort"
    title = "Promote"
    parameters = (Parameter("full", required=False, description="yes: skip all remaining steps, pauses and analyses"),)
    starts_pods: ClassVar[bool] = True

    def plan(self, request: Request, facts: ObjectFacts, now: float) -> Plan:
        state, name = RolloutState(facts.raw), parse_name(request, self.target_kind)
        full = request.parameters.get("full", "").lower() in _YES
        if state.is_promoted:
            raise NothingToDo(f"{name} is already promoted")
        if state.is_aborted:
            raise ActionRefused(f"{name} is aborted: use retry first")
        if state.spec.get("paused"):
            raise ActionRefused(
                f"{name} is paused in its spec, which this action does not change: set spec.paused to false first, "
                "or use Argo's plugin, which changes spec and status"
            )
        status, step = _promotion(state, full=full)
        if status is None:
            raise ActionRefused(f"nothing to do: {name} is not paused and has no step to skip")
        return self.build_status_plan(
            request,
            facts,
            differences=(
                Difference("phase", state.phase()[0] or "-", "Progressing"),
                Difference("step", state.describe_step(state.step), state.describe_step(step)),
            ),
            status=status,
            plugin=f"promote {name}{' --full' if full else ''}",
            notes=("skips all remaining steps, pauses and analyses",) if full else (),
            # The same patch that ends this pause would end the next one.
            bound_to=(state.step, state.pause()),
            # An update that is promoted in full has nothing left to abort.
            is_undoable=not full and step < len(state.steps),
        )

    def is_in_place(self, plan: Plan, found: Mapping[str, Any]) -> bool:
        before: _Before = plan.verify_with
        state = RolloutState(found)
        moved = state.pause() != before.pause or state.step != before.step
        return moved or state.is_promoted or bool(state.status.get("promoteFull"))

    def is_done(self, state: RolloutState, before: _Before) -> bool | None:
        phase, _ = state.phase()
        if phase == "Degraded":
            return False
        paused_again = phase == "Paused" and state.pause() != before.pause
        return True if paused_again or (phase == "Healthy" and state.is_promoted) else None


class Abort(_RolloutPatch):
    name = "abort"
    title = "Abort"
    starts_pods: ClassVar[bool] = False

    def plan(self, request: Request, facts: ObjectFacts, now: float) -> Plan:
        state, name = RolloutState(facts.raw), parse_name(request, self.target_kind)
        if state.is_aborted:
            raise NothingToDo(f"{name} is already aborted")
        if state.is_promoted:
            raise ActionRefused(f"nothing to do: {name} has no update in progress")
        if not state.status.get("stableRS"):
            raise ActionRefused(f"{name} has no stable revision to go back to")
        stable, current = (str(state.status.get(key) or "-") for key in ("stableRS", "currentPodHash"))
        return self.build_status_plan(
            request,
            facts,
            differences=(
                Difference("serves", f"{stable} and {current}", stable),
                Difference("step", state.describe_step(state.step), "none: the update stops"),
            ),
            status={"abort": True},
            plugin=f"abort {name}",
            notes=("the pod template stays as it is: retry starts the aborted update again",),
        )

    def is_in_place(self, plan: Plan, found: Mapping[str, Any]) -> bool:
        return RolloutState(found).is_aborted

    def is_done(self, state: RolloutState, before: _Before) -> bool | None:
        if state.is_promoted:
            return False  # the update was complete before the controller saw the abort
        phase, _ = state.phase()
        enough = int(state.status.get("availableReplicas", 0)) >= state.desired
        return True if phase == "Degraded" and state.status.get("abortedAt") and enough else None


class Retry(_RolloutPatch):
    name = "retry"
    undone_by: ClassVar[str] = "abort"
    title = "Retry"
    starts_pods: ClassVar[bool] = True

    def plan(self, request: Request, facts: ObjectFacts, now: float) -> Plan:
        state, name = RolloutState(facts.raw), parse_name(request, self.target_kind)
        if not state.is_aborted:
            raise ActionRefused(f"nothing to do: {name} is not aborted")
        return self.build_status_plan(
            request,
            facts,
            differences=(
                Difference("phase", state.phase()[0] or "-", "Progressing"),
                Difference("step", "none: the update stopped", state.describe_step(0)),
            ),
            status={"abort": False},
            plugin=f"retry rollout {name}",
            is_undoable=True,
        )

    def is_in_place(self, plan: Plan, found: Mapping[str, Any]) -> bool:
        return not RolloutState(found).is_aborted

    def is_done(self, state: RolloutState, before: _Before) -> bool | None:
        phase, _ = state.phase()
        if state.status.get("abortedAt") and not state.is_aborted:
            return None  # the controller has not observed it yet
        if phase == "Degraded":
            return False
        return True if phase == "Paused" or (phase == "Healthy" and state.is_promoted) else None


def _with_state(plan: Plan, state: RolloutState) -> Plan:
    return replace(plan, verify_with=_Before(state.pause(), state.step))


def _promotion(state: RolloutState, *, full: bool) -> tuple[dict[str, Any] | None, int]:
    """The plugin's patch of the status, None for nothing to promote, and the step that it leads to.

    Source: argo-rollouts 1.8, pkg/kubectl-argo-rollouts/cmd/promote/promote.go.
    """
    if full:
        return {"promoteFull": True}, len(state.steps)
    after = min(state.step + 1, len(state.steps))
    analysis = (state.status.get("canary") or {}).get("currentStepAnalysisRunStatus") or {}
    if state.pause():
        if state.steps and analysis.get("status") == "Inconclusive" and state.status.get("controllerPause"):
            return {"pauseConditions": None, "controllerPause": False, "currentStepIndex": after}, after
        return {"pauseConditions": None}, after
    if state.canary is not None and state.steps:
        return {"pauseConditions": None, "currentStepIndex": after}, after
    return None, state.step
