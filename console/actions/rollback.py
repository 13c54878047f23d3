"""Roll a Deployment back to an earlier revision, as `kubectl rollout undo` does, with a precondition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from console.actions import deployment_preflight as checks
from console.actions.action import ChangeWriter, ClusterReader, Parameter
from console.actions.deployment_state import DeploymentState, kubectl, workload_facts
from console.actions.digest import digest
from console.actions.plan import ActionRefused, CheckLevel, Difference, Plan, PreflightCheck, Request
from console.actions.pod_template_diff import differences, without_hash
from console.actions.reconcilers import TEMPLATE, reconcilers
from console.actions.rollout import DeploymentAction
from console.state.revisions import RevisionChoice, Standing, choices, default_choice, describe, is_back
from queries.model.workload import Revision
from queries.text.durations import ago

KEPT_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)
"""These stay the Deployment's own; all others come from the ReplicaSet."""


@dataclass(frozen=True, slots=True)
class Rollback(DeploymentAction):
    name: str = "rollback"
    title: str = "Roll back"
    key: str = "ctrl+l"
    targets: str = "deployment"
    heals: bool = True
    changes: ClassVar[str] = TEMPLATE
    content_type: ClassVar[str] = checks.JSON_PATCH
    parameters: tuple[Parameter, ...] = (
        Parameter("revision", required=False, meaning="the revision to go back to (default: the last one that was ready)"),
    )

    async def facts(self, request: Request, reads: ClusterReader) -> DeploymentState:
        return replace(await workload_facts(request, reads), records=await reads.revision_records())

    def plan(self, request: Request, facts: DeploymentState, now: float) -> Plan:
        workload = facts.workload
        if workload.paused:
            raise ActionRefused(f"{workload.name} is paused: resume its rollout first")
        if workload.generation > workload.observed_generation:
            # The newest revision is not written down yet: what would be taken for the present one is the one before.
            raise ActionRefused(
                f"{workload.name} was changed just now and its controller has not seen it; look again in a moment"
            )
        wanted = request.parameters.get("revision", "")
        goal, source = _goal(facts, wanted)
        known = [item for item, _ in facts.revisions()]
        current = next((item for item in known if item.number == workload.revision), known[0])
        template = without_hash(source["spec"]["template"])
        if template == without_hash(facts.template):
            raise ActionRefused(f"nothing to do: {workload.name} already runs the template of revision {goal.number}")
        before = _revision(workload.revision or current.number, current, now)
        after = _revision(goal.number, goal, now)
        changed = differences(facts.template, template)
        replicas = Difference("replicas", str(workload.desired), str(workload.desired))
        return Plan(
            request=request,
            title=f"Roll back {workload.target}",
            subject=workload.target,
            differences=(Difference("revision", before, after), *changed, replicas),
            notes=(f"becomes revision {known[0].number + 1}", *(() if wanted else _passed_over(facts, goal))),
            command=kubectl(facts, "rollout", "undo", workload.target, f"--to-revision={goal.number}"),
            confirm_word=workload.name,
            body=_patch(facts, template, source),
            resource_version=facts.resource_version,
            generation=workload.generation,
            reconcilers=reconcilers(facts, TEMPLATE),
            record={**describe(workload, current), "goal": goal.name, "back": is_back(current, goal, known)},
            digest=digest(self.name, workload.uid, facts.template, template, goal.number, workload.desired),
        )

    async def preflight(
        self, plan: Plan, facts: DeploymentState, reads: ClusterReader, writes: ChangeWriter
    ) -> tuple[PreflightCheck, ...]:
        return (
            _standing(plan, facts),
            await checks.access(reads, facts.workload.name),
            await checks.dry_run(plan, facts, writes, content_type=checks.JSON_PATCH),
            checks.running(facts),
            *checks.autoscaling(facts),
            *checks.budgets(facts, scaling_down=False),
        )

    def holds(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return without_hash(deployment["spec"]["template"]) == _template_of(plan)

    def otherwise(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"{plan.subject} has another pod template again"


def _choices(facts: DeploymentState) -> tuple[RevisionChoice, ...]:
    return choices(facts.workload, [item for item, _ in facts.revisions()], facts.records)


def _goal(facts: DeploymentState, wanted: str) -> tuple[Revision, dict[str, Any]]:
    known = {item.number: (item, raw) for item, raw in facts.revisions()}
    name = facts.workload.name
    if not known:
        raise ActionRefused(f"{name} has no revisions to go back to")
    numbers = ", ".join(map(str, known))
    if not wanted:
        found = _choices(facts)
        if not found:
            raise ActionRefused(f"{name} has no revision before {facts.workload.revision or numbers}")
        default = default_choice(found)
        if default is None:
            said = "; ".join(f"{item.revision.number} {item.text}" for item in found)
            raise ActionRefused(
                f"{name} has no revision that is known to be better: {said}. Name one (--revision) to choose it anyway"
            )
        return known[default.revision.number]
    if not (wanted.isascii() and wanted.isdigit()) or int(wanted) not in known:
        raise ActionRefused(f"{name} has no revision {wanted[:20]}; there are {numbers}")
    return known[int(wanted)]


def _passed_over(facts: DeploymentState, goal: Revision) -> tuple[str, ...]:
    """The newer revisions that were not chosen, and why."""
    return tuple(
        f"passes over {item.revision.number}, which {item.text}"
        for item in _choices(facts)
        if item.revision.number > goal.number
    )


def _standing(plan: Plan, facts: DeploymentState) -> PreflightCheck:
    """Anything but the last revision that was ready is named as what it is, and asked again."""
    goal = str(plan.request.parameters.get("revision", "")) or str(_goal(facts, "")[0].number)
    found = _choices(facts)
    default, choice = default_choice(found), next(item for item in found if item.revision.number == int(goal))
    number = choice.revision.number
    if choice is default and choice.standing is Standing.READY:
        return PreflightCheck(CheckLevel.OK, f"revision {number} {choice.text}, and nobody rolled back from it", "revisions")
    text = f"revision {number} {choice.text}"
    if choice.standing is Standing.READY and default is not None:
        text += f", but {default.revision.number} is the last that was"
    return PreflightCheck(CheckLevel.ASK, f"{text}: type its number", "revisions", word=str(number))


def _revision(number: int, revision: Revision, now: float) -> str:
    words = [ago(revision.created_at, now), *([revision.change_cause] if revision.change_cause else [])]
    return f"{number} ({', '.join(words)})"


def _patch(facts: DeploymentState, template: dict[str, Any], source: dict[str, Any]) -> list[dict[str, Any]]:
    own = facts.raw["metadata"].get("annotations") or {}
    theirs = source["metadata"].get("annotations") or {}
    annotations = {name: own[name] for name in KEPT_ANNOTATIONS if name in own}
    annotations |= {name: value for name, value in theirs.items() if name not in KEPT_ANNOTATIONS}
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": facts.resource_version},
        {"op": "replace", "path": "/spec/template", "value": template},
        # `replace` needs a path that is there; `add` on an object's member replaces it where it is.
        {"op": "replace" if own else "add", "path": "/metadata/annotations", "value": annotations},
    ]


def _template_of(plan: Plan) -> dict[str, Any]:
    assert isinstance(plan.body, list)  # noqa: S101 - made by `_patch` alone
    return next(dict(item["value"]) for item in plan.body if item["path"] == "/spec/template")
