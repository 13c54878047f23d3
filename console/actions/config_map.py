"""Sets one key of a ConfigMap and restarts the workloads that read it; if a step fails, restores both."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from difflib import SequenceMatcher
from functools import partial
from typing import ClassVar

from console.actions.action import AppliedCheck, ChangeWriter, ClusterReader, Parameter, Progress
from console.actions.change_steps import ChangeSteps, check_restart, plan_restart
from console.actions.deployment_preflight import MERGE_PATCH, check_access, check_dry_run
from console.actions.deployment_state import DeploymentState
from console.actions.new_pods import list_references
from console.actions.object_patch import ObjectFacts, describe_missing, parse_name, read_if_allowed
from console.actions.plan import (
    ActionRefused,
    CheckLevel,
    Difference,
    NothingToDo,
    Outcome,
    Plan,
    PreflightCheck,
    Request,
    Stage,
    StepEnd,
    StepReport,
    plan_digest,
)
from console.actions.reconcilers import owners
from console.actions.run_effect import find_applied
from console.config.text_formats import is_object_name
from queries.model.action import ActionCall
from queries.model.fault import is_rejected, was_never_sent
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.secrets import redact_value

NAME, KIND, _RESOURCE = "set-key", "configmap", "configmaps"
_YES = ("yes", "true")
_MOST = 8 << 10
"""Characters of a value: preview and journal have both values in full."""
_LOOK_SECONDS = 1.0
"""The pause between two looks for a write whose answer was lost."""
_SHOWN = 20
"""Lines of a longer value that the preview shows."""
_RESTART_SECONDS = 600.0
_NO_KEY = "-"


@dataclass(frozen=True, slots=True)
class ConfigMapFacts:
    """A ConfigMap, the plans to restart its consumers, and the Deployments that name it; None if they may not be listed."""

    found: ObjectFacts
    restarts: tuple[tuple[Plan, DeploymentState], ...]
    readers: tuple[str, ...] | None

    @property
    def data(self) -> Mapping[str, str]:
        return self.found.raw.get("data") or {}


class SetKey:
    name = NAME
    title = "Set key"
    undone_by: ClassVar[str] = NAME
    target_kind = KIND
    kinds: ClassVar[tuple[str, ...]] = ()
    expects_recovery = True
    parameters: tuple[Parameter, ...] = (
        Parameter("key", required=True, description="the key of the ConfigMap"),
        Parameter("value", required=True, description="its value after the change", unless="unset"),
        Parameter("unset", required=False, description="yes: remove the key"),
        Parameter(
            "restart",
            required=False,
            description="the workloads that read it when they start, such as deployment/cad-ml-api; separated by commas",
        ),
    )

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> ConfigMapFacts:
        name, consumers = parse_name(request, KIND), _list_consumers(request)
        raw, deployments, *restarts = await asyncio.gather(
            reader.read(_RESOURCE, name),
            read_if_allowed(reader.list_objects("deployments")),
            *(plan_restart(target, request, reader, time.time()) for target in consumers),
        )
        readers = None
        if deployments is not None:
            readers = tuple(
                f"deployment/{item['metadata']['name']}"
                for item in deployments
                if (_RESOURCE, name) in list_references(item["spec"]["template"])
            )
        return ConfigMapFacts(ObjectFacts(raw, reader.kubectl), tuple(restarts), readers)

    def plan(self, request: Request, facts: ConfigMapFacts, now: float) -> Plan:
        raw, key = facts.found.raw, request.parameters["key"]
        name, before = str(raw["metadata"]["name"]), facts.data.get(key)
        after = None if request.parameters.get("unset", "").lower() in _YES else request.parameters.get("value")
        subject, consumers = f"{KIND}/{name}", _list_consumers(request)
        if key in (raw.get("binaryData") or {}):
            raise ActionRefused(f"the value of {visible(key)} is binary: this action sets text")
        if after == before:
            state = f"has no key {visible(key)}" if before is None else f"already has this value of {visible(key)}"
            raise NothingToDo(f"{name} {state}")
        for value in filter(None, (before, after)):
            _check_value(key, value)
        command = {"data": {key: after}}
        undo = _undo(key, before, consumers, subject)
        return Plan(
            request=request,
            title=f"{'Remove' if after is None else 'Set'} {visible(key)} of {subject}",
            subject=subject,
            differences=(
                *_list_differences(key, before, after),
                *((Difference("restarted", "-", ", ".join(consumers)),) if consumers else ()),
            ),
            notes=tuple(_describe(key, before, undo, consumers)),
            command=" && ".join(
                (
                    facts.found.kubectl_command("patch", subject, "--type=merge", "-p", json.dumps(command)),
                    *(plan.command for plan, _ in facts.restarts),
                )
            ),
            confirm_word=name,
            body={"metadata": {"resourceVersion": str(raw["metadata"]["resourceVersion"])}, **command},
            resource_version=str(raw["metadata"]["resourceVersion"]),
            reconcilers=owners(raw),
            digest=plan_digest(NAME, raw["metadata"]["uid"], key, before, after, [plan.digest for plan, _ in facts.restarts]),
            undo=undo,
            verify_with=before,
        )

    async def preflight(
        self, plan: Plan, facts: ConfigMapFacts, reader: ClusterReader, writer: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        name = parse_name(plan.request, KIND)
        checks = [
            await check_access(reader, _RESOURCE, name),
            await check_dry_run(
                writer.patch(_RESOURCE, name, {"data": plan.body["data"]}, content_type=MERGE_PATCH, dry_run=True)
            ),
            *_check_readers(facts.readers, _list_consumers(plan.request)),
        ]
        for restart, state in facts.restarts:
            checks += await check_restart(restart, state, reader, writer)
        return tuple(checks)

    async def fetch_state(self, request: ActionCall, reader: ClusterReader) -> str:
        """As `Guardable.fetch_state`: of the key, or of all of them where the request names none."""
        raw, key = await reader.read(_RESOURCE, parse_name(request, KIND)), request.parameters.get("key")
        data = raw.get("data") or {}
        return plan_digest(raw["metadata"]["uid"], data if key is None else data.get(key))

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> Progress | None:
        return None

    async def carry_out(self, plan: Plan, reader: ClusterReader, writer: ChangeWriter) -> AsyncGenerator[StepReport, None]:
        """The write, then one restart after another; the first failure brings everything back."""
        steps, name = ChangeSteps(plan.request, reader, writer), parse_name(plan.request, KIND)
        restarted: list[str] = []
        (key, after), before = next(iter(plan.body["data"].items())), plan.verify_with

        async def write(body: object) -> StepEnd:
            await writer.patch(_RESOURCE, name, body, content_type=MERGE_PATCH)
            return StepEnd()

        async def write_back() -> StepEnd:
            found = await reader.read(_RESOURCE, name)
            if (found.get("data") or {}).get(key) != after:
                return StepEnd("somebody changed it since")
            version = {"resourceVersion": str(found["metadata"]["resourceVersion"])}
            return await write({"metadata": version, "data": {key: before}})

        async for report in steps.run(f"write {plan.subject}", partial(write, plan.body)):
            yield report
        if steps.end.error:
            end = await _explain_failed_write(steps.end, plan, reader)
            if end is not None:
                yield end
                return
        for target in _list_consumers(plan.request):
            restarted.append(target)
            work = partial(steps.restart, target, limit_seconds=_RESTART_SECONDS)
            async for report in steps.run(f"restart {target}", work):
                yield report
            if steps.end.error:
                break
        else:
            restarts = f", and {', '.join(restarted)} restarted with it" if restarted else ""
            yield StepReport("", f"{plan.subject} has the new value{restarts}", Stage.VERIFY, outcome=Outcome.DONE)
            return
        failed, errors = f"restart {restarted[-1]}: {steps.end.error}", []
        async for report in steps.run(f"write back {plan.subject}", write_back):
            yield report
        errors += [f"{plan.subject} does not have the value of before: {steps.end.error}"] if steps.end.error else []
        for target in restarted:
            work = partial(steps.restart, target, limit_seconds=_RESTART_SECONDS)
            async for report in steps.run(f"restart {target} again", work):
                yield report
            errors += [f"{target} may still use the new value: {steps.end.error}"] if steps.end.error else []
        if errors:
            text = f"rollback failed: {failed}; {'; '.join(errors)}; act by hand now"
            yield StepReport("", text, Stage.VERIFY, outcome=Outcome.ROLLBACK_FAILED)
            return
        text = f"rolled back: {failed}; {plan.subject} has the value of before, and its consumers restarted with that"
        yield StepReport("", text, Stage.VERIFY, outcome=Outcome.ROLLED_BACK)


async def _explain_failed_write(end: StepEnd, plan: Plan, reader: ClusterReader) -> StepReport | None:
    """How the action ends whose write failed; None if the server took it although its answer was lost."""
    step = f"write {plan.subject}: {end.error}"
    if end.fault is None or is_rejected(end.fault) or was_never_sent(end.fault):
        return StepReport("", f"failed, nothing was changed: {step}", outcome=Outcome.FAILED)
    applied = await find_applied(partial(_check_applied, plan, reader), pause_seconds=_LOOK_SECONDS)
    if applied.plan is not None:
        return None
    return StepReport("", f"unknown: {step}; {applied.text}", outcome=Outcome.UNKNOWN)


async def _check_applied(plan: Plan, reader: ClusterReader) -> AppliedCheck:
    """As `ObjectPatch.check_applied`."""
    ((key, after),) = plan.body["data"].items()
    found = await reader.read(_RESOURCE, parse_name(plan.request, KIND))
    if (found.get("data") or {}).get(key) == after:
        return AppliedCheck(plan)
    return describe_missing(plan, found)


def _list_consumers(request: ActionCall) -> tuple[str, ...]:
    """Raises ActionRefused."""
    found = tuple(filter(None, (item.strip() for item in request.parameters.get("restart", "").split(","))))
    for item in found:
        kind, slash, name = item.partition("/")
        if not slash or not kind or not is_object_name(name):
            raise ActionRefused(f"{item[:80]!r} is not a workload such as deployment/NAME")
    return tuple(dict.fromkeys(found))


def _check_value(key: str, value: str) -> None:
    """Raises ActionRefused, without the value in its text."""
    if redact_value(key, value) != value:
        raise ActionRefused(f"the value of {visible(key)} looks like a secret: keep it in a Secret, not in a ConfigMap")
    if len(value) > _MOST:
        raise ActionRefused(f"the value of {visible(key)} has {len(value)} characters; at most {_MOST} can be previewed")


def _undo(key: str, before: str | None, consumers: tuple[str, ...], subject: str) -> ActionCall | None:
    """None for an empty value, which is no value of a parameter."""
    if before == "":
        return None
    value = {"unset": "yes"} if before is None else {"value": before}
    return ActionCall(NAME, subject, {"key": key, **value, **({"restart": ",".join(consumers)} if consumers else {})})


def _describe(key: str, before: str | None, undo: ActionCall | None, consumers: tuple[str, ...]) -> Iterator[str]:
    if undo is None:
        yield f"nothing rolls this back by itself: the value of {visible(key)} before is empty"
    else:
        how = f"remove {visible(key)} again" if before is None else f"set {visible(key)} to its value of before"
        yield f"to undo: {how}{', with the same restarts' if consumers else ''}"
    if consumers:
        yield "if a restart fails: the value of before is written back, and every consumer restarted again"
    else:
        yield "restarts nothing: a mounted file changes within about a minute, a variable at the next start only"


def _list_differences(key: str, before: str | None, after: str | None) -> Iterator[Difference]:
    """One line, or of a longer value the lines that differ."""
    old, new = ((value or "").splitlines() for value in (before, after))
    if max(len(old), len(new)) <= 1 and old != new:
        yield Difference(key, *(_NO_KEY if value is None else value.rstrip("\n") or '""' for value in (before, after)))
        return
    lines = list(_list_changed_lines(old, new))
    for number, one, other in lines[:_SHOWN]:
        yield Difference(f"{key} line {number}", one, other)
    if len(lines) > _SHOWN:
        yield Difference(f"{key}, more lines", "", str(len(lines) - _SHOWN))
    if not lines:
        yield Difference(f"{key}, its end", *(_NO_KEY if value is None else repr(value[-2:]) for value in (before, after)))


def _list_changed_lines(old: list[str], new: list[str]) -> Iterator[tuple[int, str, str]]:
    """The number of the line before, and both lines."""
    for tag, one, one_end, other, other_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for step in range(max(one_end - one, other_end - other) if tag != "equal" else 0):
            left = old[one + step] if one + step < one_end else _NO_KEY
            yield one + step + 1, left, new[other + step] if other + step < other_end else _NO_KEY


def _check_readers(readers: tuple[str, ...] | None, consumers: tuple[str, ...]) -> Iterator[PreflightCheck]:
    if readers is None:
        text = "not checked: which Deployments read it (you may not list them)"
        yield PreflightCheck(CheckLevel.WARN, text, "readers", unknown=True)
    elif left := [item for item in readers if item not in consumers]:
        text = f"{', '.join(left)} read{'s' if len(left) == 1 else ''} it and will not be restarted (--restart)"
        yield PreflightCheck(CheckLevel.WARN, text, "readers")
