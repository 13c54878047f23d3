"""Restart the pods of a Deployment, StatefulSet or DaemonSet, as `kubectl rollout restart` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from console.actions.deployment_action import DeploymentAction, image_differences
from console.actions.deployment_state import RESOURCES, DeploymentState
from console.actions.plan import ActionRefused, Difference, Plan, Request
from console.actions.reconcilers import TEMPLATE
from queries.text.times import utc

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


class Restart(DeploymentAction):
    name = "restart"
    title = "Restart"
    changes: ClassVar[str] = TEMPLATE
    kinds: ClassVar[tuple[str, ...]] = tuple(RESOURCES)
    waits_for_new_pods: ClassVar[bool] = True

    def plan(self, request: Request, state: DeploymentState, now: float) -> Plan:
        workload, desired = state.workload, state.workload.desired
        if workload.paused:
            raise ActionRefused(f"{workload.name} is paused: a restart would not start; resume its rollout first")
        if desired == 0:
            raise ActionRefused(f"nothing to do: {workload.name} has 0 desired replicas")
        restarted_at = utc(now)
        pods = "1 pod" if desired == 1 else f"{desired} pods"
        return self.build_plan(
            request,
            state,
            title=f"Restart {workload.target}",
            differences=(
                Difference(
                    "pods",
                    f"{workload.ready} of {desired} ready",
                    f"{pods} recreated, {workload.strategy.replaced_at_once(desired)}",
                ),
                Difference("restarted at", _restarted_at(state.raw) or "never", restarted_at),
                *image_differences(state),
                Difference("replicas", str(desired), str(desired)),
            ),
            notes=("creates a new revision with the same image",),
            command=("rollout", "restart", workload.target),
            body={"template": {"metadata": {"annotations": {RESTARTED_AT: restarted_at}}}},
            digest_of=(state.template, desired),
        )

    def is_in_place(self, plan: Plan, deployment: Mapping[str, Any]) -> bool:
        return _restarted_at(deployment) == _restarted_at(plan.body)

    def describe_revert(self, plan: Plan, deployment: Mapping[str, Any]) -> str:
        return f"pod template of {plan.subject} changed by someone else"


def _restarted_at(deployment: Mapping[str, Any]) -> str:
    meta = deployment["spec"]["template"].get("metadata") or {}
    return str((meta.get("annotations") or {}).get(RESTARTED_AT, ""))
