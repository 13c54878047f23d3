"""The kinds of the API server."""

from __future__ import annotations

from typing import Any

from queries.model.frozen import dataclass

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
PODS = Resource("", "v1", "pods", "Pod", ("po",), subresources=("log", "eviction"), fields=_POD_FIELDS)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ("cm",), status=False)
SECRETS = Resource("", "v1", "secrets", "Secret", status=False)
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", ("quota",))
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", ("pvc",))
SERVICES = Resource("", "v1", "services", "Service", ("svc",))
EVENTS = Resource("", "v1", "events", "Event", ("ev",), status=False, fields=_EVENT_FIELDS)
EVENTS_V1 = Resource(
    "events.k8s.io", "v1", "events", "Event", ("ev",), status=False,
    fields=(
        "metadata.name", "metadata.namespace", "reason", "type", "reportingController", "regarding.kind", "regarding.namespace",
        "regarding.name", "regarding.uid",
    ),
)  # fmt: skip
"""The same objects as EVENTS under other field names; read-only here."""
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", ("deploy",), counted=True, subresources=("scale",))
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", ("rs",), counted=True, subresources=("scale",))
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet", ("sts",), counted=True, subresources=("scale",))
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet", ("ds",), counted=True)
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision", status=False)
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ("hpa",))
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", ("pdb",), counted=True)
JOBS = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob", ("cj",))
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", status=False)
"""Computed on read, so never watched or written."""
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout", ("ro",), counted=True)
"""Served only once its definition is installed, as any custom resource; nothing here reconciles it."""
POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", status=False)
REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, status=False
)
SELF_REVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, status=False
)

RESOURCES = (
    NAMESPACES, NODES, PODS, CONFIG_MAPS, SECRETS, QUOTAS, CLAIMS, SERVICES, EVENTS, EVENTS_V1, DEPLOYMENTS, REPLICA_SETS,
    STATEFUL_SETS, DAEMON_SETS, CONTROLLER_REVISIONS, AUTOSCALERS, BUDGETS, JOBS, CRON_JOBS,
    ENDPOINT_SLICES, ROLLOUTS, POD_METRICS, REVIEWS, SELF_REVIEWS,
)  # fmt: skip


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """The kind with this plural; None for an unknown one."""
    return next((item for item in RESOURCES if (item.group, item.version, item.plural) == (group, version, plural)), None)


def resource_of_kind(api_version: str, kind: str) -> Resource | None:
    """The kind with this name; None for an unknown one."""
    return next((item for item in RESOURCES if (item.api_version, item.kind) == (api_version, kind)), None)
