"""The HPA controller: keeps a Deployment between minimum and maximum, without measuring anything."""

from __future__ import annotations

import copy
from typing import Any

from console.demo.cluster import event_recorder, managed_fields
from console.demo.cluster.resource import AUTOSCALERS, DEPLOYMENTS, Object
from console.demo.cluster.store import Store


class Autoscalers:
    """`sync` reconciles one autoscaler; it reverts a manual replica count outside the range."""

    def __init__(self, store: Store, *, sync_seconds: float) -> None:
        self._store = store
        self.sync_seconds = sync_seconds

    def sync(self, namespace: str, name: str) -> bool:
        """False where the autoscaler no longer exists."""
        scaler = self._store.copy(AUTOSCALERS, namespace, name)
        if scaler is None:
            return False
        spec = scaler["spec"]
        target = self._store.get(DEPLOYMENTS, namespace, spec["scaleTargetRef"]["name"])
        if target is None:
            message = (
                "the HPA controller was unable to get the target's current scale: "
                f'deployments.apps "{spec["scaleTargetRef"]["name"]}" not found'
            )
            self._set(scaler, AbleToScale=("False", "FailedGetScale", message))
            self._store.update(AUTOSCALERS, scaler)
            return True
        current = target["spec"]["replicas"]
        minimum, maximum = spec.get("minReplicas") or 1, spec["maxReplicas"]
        desired = min(max(current, minimum), maximum) if current else 0
        if not current:
            message = "scaling is disabled since the replica count of the target is zero"
            self._set(scaler, ScalingActive=("False", "ScalingDisabled", message))
        else:
            limited = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
            if desired < current:
                limited = ("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
            elif desired > current:
                limited = ("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
            self._set(
                scaler,
                AbleToScale=("True", "ReadyForNewScale", "recommended size matches current size"),
                ScalingActive=("True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count"),
                ScalingLimited=limited,
            )
        status = scaler["status"]
        status["desiredReplicas"] = desired
        if replicas := (target.get("status") or {}).get("replicas", 0):
            status["currentReplicas"] = replicas
        if desired != current:
            self._rescale(target, scaler, desired)
            status["lastScaleTime"] = self._store.now()
        self._store.update(AUTOSCALERS, scaler)
        return True

    def _rescale(self, target: Object, scaler: Object, desired: int) -> None:
        why = "Current number of replicas above Spec.MaxReplicas"
        if desired > target["spec"]["replicas"]:
            why = "Current number of replicas below Spec.MinReplicas"
        changed = copy.deepcopy(target)
        changed["spec"]["replicas"] = desired
        managed_fields.record_manager(
            target, changed, manager="kube-controller-manager", now=self._store.now(), subresource="scale"
        )
        self._store.update(DEPLOYMENTS, changed)
        event_recorder.record_event(
            self._store, scaler, AUTOSCALERS.api_version, AUTOSCALERS.kind,
            reason="SuccessfulRescale", message=f"New size: {desired}; reason: {why}", source="horizontal-pod-autoscaler",
        )  # fmt: skip

    def _set(self, scaler: Object, **desired: tuple[str, str, str]) -> None:
        conditions: list[dict[str, Any]] = scaler["status"].setdefault("conditions", [])
        for kind, (status, reason, message) in desired.items():
            old = next((item for item in conditions if item["type"] == kind), None)
            if old is None:
                conditions.append({"type": kind, "status": "", "lastTransitionTime": "", "reason": "", "message": ""})
                old = conditions[-1]
            if old["status"] != status:
                old["lastTransitionTime"] = self._store.now()
            old.update(status=status, reason=reason, message=message)
