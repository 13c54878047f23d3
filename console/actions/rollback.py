"""Roll a workload back to an earlier revision, as `kubectl rollout undo` does, with a precondition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from msgspec import structs

from console.actions import deployment_preflight as checks
from console.actions.action import ClusterReader, Parameter
from console.actions.deployment_action import DeploymentAction, find_replaced_pods
from console.actions.deployment_state import RESOURCES, DeploymentState, fetch_deployment_state
from console.actions.new_pods import NewPods
from console.actions.plan import ActionRefused, CheckLevel, Difference, NothingToDo, Plan, PreflightCheck, Request
from console.actions.pod_template_diff import diff_templates, without_hash
from console.actions.reconcilers import TEMPLATE
from console.state.revisions import RevisionChoice, Standing, describe, is_older, propose_revision, revision_choices
from queries.kubernetes.metadata_decode import parse_timestamp
from queries.model.action import ActionCall
from queries.model.workload import Revision, rolled_out_at
from queries.text.durations import ago

KEPT_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)
"""The Deployment keeps these; all others come from the ReplicaSet."""


class Rollback(DeploymentAction):
    name = "rollback"
    undone_by: ClassVar[str] = "rollback"
    title = "Roll back"
    changes: ClassVar[str] = TEMPLATE
    kinds: ClassVar[tuple[str, ...]] = tuple(RESOURCES)
    content_type: ClassVar[str] = checks.JSON_PATCH
    parameters = (
        Parameter("revision", required=False, description="the revision to go back to (default: the last one that was ready)"),
    )

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> DeploymentState:
        return replace(await fetch_deployment_state(request, reader, self.kinds), records=await reader.revision_records())

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        workload = state.workload
        if workload.paused:
            raise ActionRefused(f"{workload.name} is paused: resume its rollout first")
        if workload.generation > workload.observed_generation:
            # The newest revision has no ReplicaSet yet, so the one before it would pass for the current one.
            raise ActionRefused(
                f"{workload.name} changed just now and its controller has not observed it yet; try again in a moment"
            )
        requested = request.parameters.get("revision", "")
        if workload.kind != "Deployment":
            return self._plan_controller_revision(request, state, requested, now)
        goal, source = _goal(state, requested)
        revisions = [item for item, _ in state.revisions()]
        current = next((item for item in revisions if item.number == workload.revision), revisions[0])
        template = without_hash(source["spec"]["template"])
        if template == without_hash(state.template):
            raise NothingToDo(f"{workload.name} already runs the template of revision {goal.number}")
        since = rolled_out_at(workload, revisions)
        before = _describe_revision(workload.revision or current.number, current, f"rolled out {ago(since, now)}")
        after = _describe_revision(goal.number, goal, f"created {ago(goal.created_at, now)}")
        replicas = Difference("replicas", str(workload.desired), str(workload.desired))
        return self.build_plan(
            request,
            state,
            title=f"Roll back {workload.target}",
            differences=(Difference("revision", before, after), *diff_templates(state.template, template), replicas),
            notes=(f"becomes revision {revisions[0].number + 1}", *(() if requested else _skipped_revisions(state, goal))),
            command=("rollout", "undo", workload.target, f"--to-revision={goal.number}"),
            body=_patch(state, template, source),
            record=structs.replace(describe(workload, current), goal=goal.name, back=is_older(current, goal, revisions)),
            digest_of=(state.template, template, goal.number, workload.desired),
            undo=undo_rollout(state),
        )

    def _plan_controller_revision(self, request: Request, state: DeploymentState, requested: str, now: float) -> Plan:
        """As kubectl does for StatefulSets and DaemonSets: the ControllerRevision's patch, with a precondition."""
        workload = state.workload
        goal, newest = _controller_goal(state, requested)
        data = goal["data"]
        template = _bare_template(data["spec"]["template"])
        if template == _bare_template(state.template):
            raise NothingToDo(f"{workload.name} already runs the template of revision {goal['revision']}")
        created = parse_timestamp(goal["metadata"].get("creationTimestamp"))
        replicas = Difference("replicas", str(workload.desired), str(workload.desired))
        after = f"{goal['revision']} (created {ago(created, now)})"
        return self.build_plan(
            request,
            state,
            title=f"Roll back {workload.target}",
            differences=(Difference("revision", str(newest), after), *diff_templates(state.template, template), replicas),
            notes=(f"becomes revision {newest + 1}",),
            command=("rollout", "undo", workload.target, f"--to-revision={goal['revision']}"),
            body={"template": data["spec"]["template"]},
            content_type=checks.STRATEGIC_PATCH,
            digest_of=(state.template, template, goal["revision"], workload.desired),
            undo=ActionCall(self.name, workload.target, {"revision": str(newest)}),
        )

    def own_checks(self, plan: Plan, state: DeploymentState) -> tuple[PreflightCheck, ...]:
        """Any revision but the last one that was ready is named for what it is and needs a second confirmation."""
        if state.workload.kind != "Deployment":
            goal = str(_controller_goal(state, plan.request.parameters.get("revision", ""))[0]["revision"])
            text = f"revision {goal} is {Standing.UNKNOWN}: type its number"
            return (PreflightCheck(CheckLevel.ASK, text, "revisions", word=goal),)
        goal = str(plan.request.parameters.get("revision", "")) or str(_goal(state, "")[0].number)
        options = _choices(state)
        default, choice = propose_revision(options), next(item for item in options if item.revision.number == int(goal))
        number = choice.revision.number
        text = f"revision {number} {choice.text}"
        if choice is default and choice.standing is Standing.READY:
            return (PreflightCheck(CheckLevel.OK, f"{text}, and was never rolled back from", "revisions"),)
        if choice.standing is Standing.READY and default is not None:
            text += f", but {default.revision.number} is the last that was"
        return (PreflightCheck(CheckLevel.ASK, f"{text}: type its number", "revisions", word=str(number)),)

    def find_new_pods(self, plan: Plan, state: DeploymentState) -> NewPods:
        requested = plan.request.parameters.get("revision", "")
        if state.workload.kind != "Deployment":
            return find_replaced_pods(state, _bare_template(_controller_goal(state, requested)[0]["data"]["spec"]["template"]))
        goal, source = _goal(state, requested)
        standing = next(item.standing for item in _choices(state) if item.revision.number == goal.number)
        return find_replaced_pods(state, source["spec"]["template"], ran=standing is Standing.READY)

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        if isinstance(plan.body, dict):
            return _bare_template(deployment["spec"]["template"]) == _bare_template(plan.body["spec"]["template"])
        return without_hash(deployment["spec"]["template"]) == _planned_template(plan)

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"pod template of {plan.subject} changed by someone else"


def undo_rollout(state: DeploymentState) -> ActionCall | None:
    """What rolls back a change of the Deployment's template: a rollback to the revision that it has now."""
    workload, known = state.workload, [item.number for item, _ in state.revisions()]
    current = workload.revision or max(known, default=0)
    return ActionCall(Rollback.name, workload.target, {"revision": str(current)}) if current in known else None


def _choices(state: DeploymentState) -> tuple[RevisionChoice, ...]:
    return revision_choices(state.workload, [item for item, _ in state.revisions()], state.records)


def _goal(state: DeploymentState, requested: str) -> tuple[Revision, dict[str, Any]]:
    """The requested revision, or the default one, with its ReplicaSet. Raises ActionRefused."""
    by_number = {item.number: (item, raw) for item, raw in state.revisions()}
    name = state.workload.name
    if not by_number:
        raise ActionRefused(f"{name} has no revisions to go back to")
    numbers = ", ".join(map(str, by_number))
    if not requested:
        options = _choices(state)
        if not options:
            raise ActionRefused(f"{name} has no revision before {state.workload.revision or numbers}")
        default = propose_revision(options)
        if default is None:
            known = "; ".join(f"{item.revision.number} {item.text}" for item in options)
            raise ActionRefused(
                f"{name} has no revision that is known to be better: {known}. Choose one with --revision to use it anyway"
            )
        return by_number[default.revision.number]
    if not (requested.isascii() and requested.isdigit()) or int(requested) not in by_number:
        raise ActionRefused(f"{name} has no revision {requested[:20]}; it has {numbers}")
    return by_number[int(requested)]


def _controller_goal(state: DeploymentState, requested: str) -> tuple[dict[str, Any], int]:
    """The requested ControllerRevision, or the one before the newest, and the newest's number. Raises ActionRefused."""
    known = sorted(state.controller_revisions, key=lambda item: int(item["revision"]), reverse=True)
    name = state.workload.name
    if len(known) < 2:
        raise ActionRefused(f"{name} has no revision to go back to")
    newest = int(known[0]["revision"])
    if not requested:
        return known[1], newest
    goal = next((item for item in known if str(item["revision"]) == requested), None)
    if goal is None:
        numbers = ", ".join(str(item["revision"]) for item in known)
        raise ActionRefused(f"{name} has no revision {requested[:20]}; it has {numbers}")
    return goal, newest


def _bare_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """A pod template without the patch's own directive and without nulls in its metadata."""
    meta = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
    return {**{key: value for key, value in template.items() if key != "$patch"}, "metadata": meta}


def _skipped_revisions(state: DeploymentState, goal: Revision) -> tuple[str, ...]:
    """The newer revisions that were not chosen, and why."""
    return tuple(
        f"skips {item.revision.number}, which {item.text}" for item in _choices(state) if item.revision.number > goal.number
    )


def _describe_revision(number: int, revision: Revision, when: str) -> str:
    details = [when, *([revision.change_cause] if revision.change_cause else [])]
    return f"{number} ({', '.join(details)})"


def _patch(state: DeploymentState, template: dict[str, Any], source: dict[str, Any]) -> list[dict[str, Any]]:
    own = state.raw["metadata"].get("annotations") or {}
    from_revision = source["metadata"].get("annotations") or {}
    annotations = {name: own[name] for name in KEPT_ANNOTATIONS if name in own}
    annotations |= {name: value for name, value in from_revision.items() if name not in KEPT_ANNOTATIONS}
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": state.resource_version},
        {"op": "replace", "path": "/spec/template", "value": template},
        # `replace` fails if the path does not exist; `add` replaces an existing member.
        {"op": "replace" if own else "add", "path": "/metadata/annotations", "value": annotations},
    ]


def _planned_template(plan: Plan) -> dict[str, Any]:
    return next(dict(item["value"]) for item in plan.body if item["path"] == "/spec/template")
