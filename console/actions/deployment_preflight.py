"""The preflight checks that the actions on a Deployment share."""

from __future__ import annotations

from console.actions.action import ChangeWriter, ClusterReader
from console.actions.deployment_state import DeploymentState
from console.actions.plan import CheckLevel, Plan, PreflightCheck
from console.actions.pod_template_diff import container_names
from queries.errors import SourceError
from queries.model.workload import RolloutPhase, rollout_status

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

OK, WARN, BLOCK = CheckLevel.OK, CheckLevel.WARN, CheckLevel.BLOCK


async def access(reads: ClusterReader, name: str, *, subresource: str = "") -> PreflightCheck:
    """Whether the cluster would let us patch this very Deployment."""
    what = f"deployments/{subresource}" if subresource else "deployments"
    try:
        allowed, reason = await reads.may("patch", "deployments", subresource=subresource, name=name)
    except SourceError as error:
        return PreflightCheck(WARN, f"it could not be asked whether you may patch {what}: {error}", "access review")
    if allowed:
        return PreflightCheck(OK, f"you may patch {what}", "access review")
    return PreflightCheck(BLOCK, f"you may not patch {what} {name}{f': {reason}' if reason else ''}", "access review")


async def dry_run(
    plan: Plan, facts: DeploymentState, writes: ChangeWriter, *, content_type: str, subresource: str = ""
) -> PreflightCheck:
    """Whether the server would accept it, and whether its answer still has the containers that were meant.

    Without the precondition, which is taken afresh before the write: a rollout under way would make it fail by chance.
    """
    name = facts.workload.name
    try:
        answer = await writes.patch(
            "deployments", name, _anytime(plan.body), subresource=subresource, content_type=content_type, dry_run=True
        )
    except SourceError as error:
        return PreflightCheck(BLOCK, f"the server would not accept it: {error}", "dry run")
    if not subresource:
        wanted = expected_containers(plan, facts)
        got = container_names((answer.get("spec") or {}).get("template") or {})
        if got != wanted:
            names = ", ".join(got) or "none"
            return PreflightCheck(BLOCK, f"it would leave other containers than meant: {names}", "dry run")
    return PreflightCheck(OK, "the server accepts it", "dry run")


def _anytime(body: object) -> object:
    """The same change without its resourceVersion."""
    if isinstance(body, list):
        return [item for item in body if item.get("path") != "/metadata/resourceVersion"]
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict):
        rest = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
        return {**body, "metadata": rest}
    return body


def expected_containers(plan: Plan, facts: DeploymentState) -> tuple[str, ...]:
    """Those of the template in the JSON patch, else the Deployment's own: nothing else may add or drop one."""
    if isinstance(plan.body, list):
        for operation in plan.body:
            if operation.get("path") == "/spec/template":
                return container_names(operation["value"])
    return container_names(facts.template)


def running(facts: DeploymentState) -> PreflightCheck:
    """Whether a rollout is under way already, as kubectl judges it."""
    status = rollout_status(facts.workload)
    if facts.workload.paused:
        return PreflightCheck(WARN, "its rollout is paused", "rollout status")
    if status.phase is RolloutPhase.DONE:
        return PreflightCheck(OK, "no rollout in progress, not paused", "rollout status")
    if status.phase is RolloutPhase.FAILED:
        return PreflightCheck(WARN, f"the last rollout failed: {status.sentence}", "rollout status")
    return PreflightCheck(WARN, f"a rollout is in progress: {status.sentence}", "rollout status")


def autoscaling(facts: DeploymentState, *, replicas: int | None = None) -> tuple[PreflightCheck, ...]:
    """Whether an HPA would fight it; `replicas` is what is wished for, None where the number is not touched."""
    if facts.autoscalers is None:
        return (PreflightCheck(WARN, f"it is not known whether an HPA would fight this ({'; '.join(facts.unread)})", "HPA"),)
    scaler = facts.autoscaler()
    if scaler is None:
        return ()
    span = f"HPA {scaler.name} {scaler.minimum}–{scaler.maximum}"
    if replicas is None:
        return (PreflightCheck(WARN, f"{span} is active; replicas may change", "HPA"),)
    if replicas == 0:
        return (PreflightCheck(WARN, f"{span} is switched off while replicas are 0: nothing scales up again", "HPA"),)
    if facts.workload.desired == 0:
        return (PreflightCheck(WARN, f"{span} was switched off by 0 replicas; this switches it on again", "HPA"),)
    if replicas > scaler.maximum:
        text = f"{span} WILL REVERT this: {replicas} is over its maximum {scaler.maximum}, back within 15 s"
        return (PreflightCheck(WARN, text, "HPA"),)
    if replicas < scaler.minimum:
        text = f"{span} WILL REVERT this: {replicas} is under its minimum {scaler.minimum}, back within 15 s"
        return (PreflightCheck(WARN, text, "HPA"),)
    return (PreflightCheck(WARN, f"{span} is active and may change {replicas} again", "HPA"),)


def budgets(facts: DeploymentState, *, scaling_down: bool) -> tuple[PreflightCheck, ...]:
    """What a PodDisruptionBudget means here, which is less than people hope."""
    found = []
    for item in facts.own_budgets():
        limit = f"PodDisruptionBudget {item.name}{f' ({item.minimum})' if item.minimum else ''}"
        if scaling_down:
            found.append(PreflightCheck(WARN, f"{limit} does not hold this back: it limits evictions only", "PDB"))
        else:
            found.append(PreflightCheck(OK, f"{limit} limits evictions only, not this", "PDB"))
    return tuple(found)
