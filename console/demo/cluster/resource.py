"""The kinds of the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as JSON; objects in the store are never changed in place."""

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind. `counted` kinds have a generation that increments with their spec."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = True
    counted: bool = False
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ("metadata.name", "metadata.namespace")

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()


_POD_FIELDS = ("metadata.name", "metadata.namespace", "spec.nodeName", "status.phase", "spec.restartPolicy", "status.podIP")
_EVENT_FIELDS = (
    "metadata.name", "metadata.namespace", "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
    "involvedObject.uid", "reason", "type", "source", "reportingComponent",
)  # fmt: skip

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", ("no",), namespaced=False)
PODS = Resource("", "v1", "pods", "Pod", ("po",), subresources=("log",), fields=_POD_FIELDS)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ("cm",), status=False)
SERVICES = Resource("", "v1", "services", "Service", ("svc",))
EVENTS = Resource("", "v1", "events", "Event", ("ev",), status=False, fields=_EVENT_FIELDS)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", ("deploy",), counted=True, subresources=("scale",))
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", ("rs",), counted=True, subresources=("scale",))
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ("hpa",))
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", ("pdb",), counted=True)
JOBS = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob", ("cj",))
POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", status=False)
REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, status=False
)

RESOURCES = (
    NAMESPACES, NODES, PODS, CONFIG_MAPS, SERVICES, EVENTS, DEPLOYMENTS, REPLICA_SETS, AUTOSCALERS, BUDGETS, JOBS, CRON_JOBS,
    POD_METRICS, REVIEWS,
)  # fmt: skip


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """The kind with this plural; None for an unknown one."""
    return next((item for item in RESOURCES if (item.group, item.version, item.plural) == (group, version, plural)), None)


def resource_of_kind(api_version: str, kind: str) -> Resource | None:
    """The kind with this name; None for an unknown one."""
    return next((item for item in RESOURCES if (item.api_version, item.kind) == (api_version, kind)), None)
