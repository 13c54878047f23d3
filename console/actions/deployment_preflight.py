"""The preflight checks that the actions on a Deployment share."""

from __future__ import annotations

from collections.abc import Awaitable

from console.actions.action import ChangeWriter, ClusterReader
from console.actions.deployment_state import DeploymentState
from console.actions.plan import CheckLevel, Plan, PreflightCheck
from console.actions.pod_template_diff import container_names
from queries.errors import SourceError
from queries.model.fault import FaultKind
from queries.model.rollout import RolloutPhase, rollout_status

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

OK, WARN, BLOCK = CheckLevel.OK, CheckLevel.WARN, CheckLevel.BLOCK


async def check_access(
    reader: ClusterReader, plural: str, name: str, *, verb: str = "patch", subresource: str = ""
) -> PreflightCheck:
    """Whether RBAC allows this identity to patch this object, or what else `verb` says; `name` is empty for a new one."""
    resource = f"{plural}/{subresource}" if subresource else plural
    try:
        allowed, reason = await reader.may(verb, plural, subresource=subresource, name=name)
    except SourceError as error:
        return PreflightCheck(WARN, f"could not check whether you may {verb} {resource}: {error}", "access review")
    if allowed:
        return PreflightCheck(OK, f"you may {verb} {resource}", "access review")
    which = " ".join(filter(None, (resource, name)))
    return PreflightCheck(BLOCK, f"you may not {verb} {which}{f': {reason}' if reason else ''}", "access review")


async def check_dry_run(write: Awaitable[object]) -> PreflightCheck:
    """Whether the server would accept a write, which is sent as a dry run."""
    try:
        await write
    except SourceError as error:
        return _failed_dry_run(error)
    return PreflightCheck(OK, "the server would accept it", "dry run")


def _failed_dry_run(error: SourceError) -> PreflightCheck:
    """Without an answer nobody knows what the server would do; it blocks as a rejection does."""
    unanswered = error.fault.kind in (FaultKind.TIMED_OUT, FaultKind.UNREACHABLE, FaultKind.THROTTLED)
    text = "could not check whether the server would accept it" if unanswered else "the server would reject it"
    return PreflightCheck(BLOCK, f"{text}: {error}", "dry run")


async def dry_run(
    plan: Plan, state: DeploymentState, writer: ChangeWriter, *, content_type: str, subresource: str = ""
) -> PreflightCheck:
    """Whether the server would accept the patch, and whether the result still has the intended containers.

    Sent without the precondition, which is read again just before the write: a rollout in progress would make it fail at
    random.
    """
    name = state.workload.name
    try:
        result = await writer.patch(
            state.resource,
            name,
            without_precondition(plan.body),
            subresource=subresource,
            content_type=content_type,
            dry_run=True,
        )
    except SourceError as error:
        return _failed_dry_run(error)
    if not subresource:
        resulting = container_names((result.get("spec") or {}).get("template") or {})
        if resulting != expected_containers(plan, state):
            names = ", ".join(resulting) or "none"
            return PreflightCheck(BLOCK, f"it would result in other containers than planned: {names}", "dry run")
    return PreflightCheck(OK, "the server would accept it", "dry run")


def without_precondition(body: object) -> object:
    """The same change without its resourceVersion."""
    if isinstance(body, list):
        return [item for item in body if item.get("path") != "/metadata/resourceVersion"]
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict):
        rest = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
        return {**body, "metadata": rest}
    return body


def expected_containers(plan: Plan, state: DeploymentState) -> tuple[str, ...]:
    """Those of the template in the JSON patch, else the Deployment's own: nothing else may add or drop one."""
    if isinstance(plan.body, dict) and isinstance((plan.body.get("spec") or {}).get("template"), dict):
        planned = plan.body["spec"]["template"]
        if planned.get("$patch") == "replace":
            return container_names(planned)
    if isinstance(plan.body, list):
        for operation in plan.body:
            if operation.get("path") == "/spec/template":
                return container_names(operation["value"])
    return container_names(state.template)


def check_rollout(state: DeploymentState) -> PreflightCheck:
    """Whether a rollout is already in progress, by kubectl's criteria."""
    status = rollout_status(state.workload)
    if state.workload.paused:
        return PreflightCheck(WARN, "its rollout is paused", "rollout status")
    if status.phase is RolloutPhase.DONE:
        return PreflightCheck(OK, "no rollout in progress, not paused", "rollout status")
    if status.phase is RolloutPhase.ON_DELETE:
        return PreflightCheck(OK, status.sentence, "rollout status")
    if status.phase is RolloutPhase.FAILED:
        return PreflightCheck(WARN, f"the last rollout failed: {status.sentence}", "rollout status")
    return PreflightCheck(WARN, f"a rollout is in progress: {status.sentence}", "rollout status")


def check_strategy(state: DeploymentState) -> PreflightCheck:
    """The minimum number of serving pods during a rollout."""
    workload = state.workload
    desired, strategy = workload.desired, workload.strategy
    surge, unavailable = strategy.surge(desired), strategy.unavailable(desired)
    if strategy.type == "Recreate":
        text = f"strategy Recreate: 0 of {desired} pods serve for a while"
        return PreflightCheck(WARN if desired else OK, text, "strategy")
    if strategy.type == "OnDelete":
        return PreflightCheck(WARN, "strategy OnDelete: each pod keeps the old template until someone deletes it", "strategy")
    if strategy.type != "RollingUpdate":
        return PreflightCheck(WARN, f"strategy {strategy.type}: not known how many pods serve meanwhile", "strategy")
    text = f"strategy {strategy.type}, surge {surge}, unavailable {unavailable}: "
    if not unavailable:
        return PreflightCheck(
            OK, f"{text}{desired} of {desired} pods serve throughout, at most {desired + surge} run", "strategy"
        )
    serving = f"at the worst moment {desired - unavailable} of {desired} pods serve, at most {desired + surge} run"
    return PreflightCheck(WARN, text + serving, "strategy")


def check_autoscaling(state: DeploymentState, *, replicas: int | None = None) -> tuple[PreflightCheck, ...]:
    """Whether an HPA conflicts with the change; `replicas` is the desired number, None if it does not change."""
    if state.autoscalers is None:
        return (PreflightCheck(WARN, f"could not check for a conflicting HPA ({'; '.join(state.unread)})", "HPA"),)
    scaler = state.autoscaler()
    if scaler is None:
        return ()
    name = f"HPA {scaler.name} {scaler.minimum}–{scaler.maximum}"
    if replicas is None:
        text = f"{name} is active; replicas may change"
    elif replicas == 0:
        text = f"{name} is disabled at 0 replicas: nothing scales up again"
    elif state.workload.desired == 0:
        text = f"{name} was disabled at 0 replicas; this enables it again"
    elif replicas > scaler.maximum:
        text = f"{name} WILL REVERT this within 15s: {replicas} is above its maximum {scaler.maximum}"
    elif replicas < scaler.minimum:
        text = f"{name} WILL REVERT this within 15s: {replicas} is below its minimum {scaler.minimum}"
    else:
        text = f"{name} is active and may change {replicas} again"
    return (PreflightCheck(WARN, text, "HPA"),)


def check_budgets(state: DeploymentState, *, scaling_down: bool) -> tuple[PreflightCheck, ...]:
    """What a PodDisruptionBudget means here: it limits evictions, neither scaling nor rollouts."""
    checks = []
    for item in state.own_budgets():
        name = f"PodDisruptionBudget {item.name}{f' ({item.minimum})' if item.minimum else ''}"
        if scaling_down:
            checks.append(PreflightCheck(WARN, f"{name} does not prevent this: it limits evictions only", "PDB"))
        else:
            checks.append(PreflightCheck(OK, f"{name} limits evictions only, not this", "PDB"))
    return tuple(checks)
