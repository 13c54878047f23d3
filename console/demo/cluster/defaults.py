"""The defaults that the API server sets on objects."""

from __future__ import annotations

from typing import Any

from console.demo.cluster.resource import (
    AUTOSCALERS,
    CLAIMS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Object,
    Resource,
)

DEPLOYMENT_FIELDS = frozenset(
    {
        "replicas", "selector", "template", "strategy", "minReadySeconds", "revisionHistoryLimit", "paused",
        "progressDeadlineSeconds",
    }
)  # fmt: skip
"""Known fields; others are silently dropped, as by a real server without strict validation."""


def set_defaults(resource: Resource, item: Object) -> None:
    """Sets the defaults of a kind, in place."""
    item["metadata"] = _without_nulls(item["metadata"])
    if resource in (EVENTS, CONFIG_MAPS, SECRETS, CONTROLLER_REVISIONS):
        return
    item["spec"] = _without_nulls(item.get("spec"))
    if item["spec"] is None:
        item["spec"] = {}
    spec = item["spec"]
    if not isinstance(spec, dict):
        return
    if resource in _WORKLOADS:
        _WORKLOADS[resource](spec)
        _template(spec)
    elif resource is PODS:
        _pod(spec)
        _default(spec, enableServiceLinks=True, priority=0, preemptionPolicy="PreemptLowerPriority")
        item.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})
    elif resource is SERVICES:
        _default(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
        for port in spec.get("ports") or ():
            _default(port, protocol="TCP", targetPort=port.get("port"))
        item.setdefault("status", {"loadBalancer": {}})
    elif resource in (JOBS, CRON_JOBS):
        (_job if resource is JOBS else _cron_job)(item["metadata"], spec)
    elif resource is CLAIMS:
        _default(spec, volumeMode="Filesystem")
        item.setdefault("status", {"phase": "Pending"})
    elif resource is AUTOSCALERS:
        _default(spec, minReplicas=1)
        item.setdefault("status", {"desiredReplicas": 0, "currentMetrics": None})
    if resource.status:
        item.setdefault("status", {})


def _without_nulls(value: Any) -> Any:
    """A null means unset: kubectl writes `creationTimestamp: null` into templates."""
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value


def _default(target: dict[str, Any], **defaults: Any) -> None:
    for key, value in defaults.items():
        if target.get(key) is None:
            target[key] = value


def _deployment(spec: dict[str, Any]) -> None:
    for key in [key for key in spec if key not in DEPLOYMENT_FIELDS]:
        del spec[key]
    _default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    if spec.get("paused") is False:
        del spec["paused"]
    strategy = spec.setdefault("strategy", {})
    if isinstance(strategy, dict):
        _default(strategy, type="RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            _default(strategy, rollingUpdate={})
            if isinstance(strategy["rollingUpdate"], dict):
                _default(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _replica_set(spec: dict[str, Any]) -> None:
    _default(spec, replicas=1)


def _stateful_set(spec: dict[str, Any]) -> None:
    """Source: Kubernetes 1.36, pkg/apis/apps/v1/defaults.go."""
    _default(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady")
    _default(spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"})
    _update_strategy(spec, partition=0)


def _daemon_set(spec: dict[str, Any]) -> None:
    _default(spec, revisionHistoryLimit=10)
    _update_strategy(spec, maxUnavailable=1, maxSurge=0)


def _update_strategy(spec: dict[str, Any], **rolling: Any) -> None:
    strategy = spec.setdefault("updateStrategy", {})
    if isinstance(strategy, dict):
        _default(strategy, type="RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            _default(strategy, rollingUpdate={})
            if isinstance(strategy["rollingUpdate"], dict):
                _default(strategy["rollingUpdate"], **rolling)


_WORKLOADS = {
    DEPLOYMENTS: _deployment, REPLICA_SETS: _replica_set, STATEFUL_SETS: _stateful_set, DAEMON_SETS: _daemon_set,
}  # fmt: skip


def _cron_job(meta: dict[str, Any], spec: dict[str, Any]) -> None:
    _default(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job_template = spec.setdefault("jobTemplate", {})
    if isinstance(job_template, dict):
        job_template.setdefault("metadata", {})
        _template(job_template.setdefault("spec", {}))


def _job(meta: dict[str, Any], spec: dict[str, Any]) -> None:
    """Source: Kubernetes 1.36, pkg/apis/batch/v1/defaults.go and pkg/registry/batch/job/strategy.go."""
    _default(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False, manualSelector=False)
    if spec["parallelism"] == 1:
        _default(spec, completions=1)
    _default(spec, podReplacementPolicy="TerminatingOrFailed")
    _template(spec)
    template = spec["template"]["metadata"]
    if template.get("labels") and not meta.get("labels"):
        meta["labels"] = dict(template["labels"])
    if not spec["manualSelector"] and not spec.get("selector"):
        own = {f"{prefix}{key}": value for key, value in (("job-name", meta.get("name")), ("controller-uid", meta["uid"]))
               for prefix in ("", "batch.kubernetes.io/")}  # fmt: skip
        template["labels"] = {**(template.get("labels") or {}), **own}
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": meta["uid"]}}


def _template(spec: dict[str, Any]) -> None:
    template = spec.setdefault("template", {})
    if not isinstance(template, dict):
        return
    template.setdefault("metadata", {})
    pod = template.setdefault("spec", {})
    if isinstance(pod, dict):
        _pod(pod)


def _pod(pod: dict[str, Any]) -> None:
    _default(pod, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst")
    _default(pod, securityContext={}, schedulerName="default-scheduler")
    for container in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ())):
        if not isinstance(container, dict):
            continue
        tag = str(container.get("image") or "").rpartition("/")[2].partition(":")[2]
        _default(container, resources={}, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
        _default(container, imagePullPolicy="Always" if tag in ("", "latest") else "IfNotPresent")
        for port in container.get("ports") or ():
            if isinstance(port, dict):
                _default(port, protocol="TCP")
        for entry in container.get("env") or ():
            if isinstance(entry, dict) and entry.get("value") == "":
                del entry["value"]  # the server does not distinguish an empty value from none
