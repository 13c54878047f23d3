"""Reads single objects, their events and the nodes, on demand: nothing here is watched."""

from __future__ import annotations

from typing import Any

from queries.errors import SourceError
from queries.kubernetes import objects as k8s
from queries.kubernetes.api import quote_segment
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.object_decode import build_node_pod, decode_object_event, sort_events
from queries.model.frozen import dataclass
from queries.model.object_page import NodePod, ObjectEvent

_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
_REFUSED = (403, 404)


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of object whose page, YAML or existence can be read."""

    kind: str
    prefix: str
    plural: str
    namespaced: bool = True


OBJECT_KINDS = {
    item.kind.lower(): item
    for item in (
        ObjectKind("Deployment", "/apis/apps/v1", "deployments"),
        ObjectKind("StatefulSet", "/apis/apps/v1", "statefulsets"),
        ObjectKind("DaemonSet", "/apis/apps/v1", "daemonsets"),
        ObjectKind("ReplicaSet", "/apis/apps/v1", "replicasets"),
        ObjectKind("ControllerRevision", "/apis/apps/v1", "controllerrevisions"),
        ObjectKind("Job", "/apis/batch/v1", "jobs"),
        ObjectKind("CronJob", "/apis/batch/v1", "cronjobs"),
        ObjectKind("Rollout", "/apis/argoproj.io/v1alpha1", "rollouts"),
        ObjectKind("Pod", "/api/v1", "pods"),
        ObjectKind("ConfigMap", "/api/v1", "configmaps"),
        ObjectKind("Secret", "/api/v1", "secrets"),
        ObjectKind("PersistentVolumeClaim", "/api/v1", "persistentvolumeclaims"),
        ObjectKind("HorizontalPodAutoscaler", "/apis/autoscaling/v2", "horizontalpodautoscalers"),
        ObjectKind("PodDisruptionBudget", "/apis/policy/v1", "poddisruptionbudgets"),
        ObjectKind("Node", "/api/v1", "nodes", namespaced=False),
    )
}
"""By the word before the slash of a target: `deployment/NAME`."""


class ObjectReader:
    """Over one Kubernetes client; every method raises SourceError."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes
        self._rights: dict[tuple[str, str], bool] = {}

    @property
    def namespace(self) -> str:
        return self.kubernetes.namespace

    def _path(self, kind: ObjectKind, name: str = "") -> str:
        place = f"/namespaces/{quote_segment(self.namespace)}" if kind.namespaced else ""
        path = f"{kind.prefix}{place}/{kind.plural}"
        return f"{path}/{quote_segment(name)}" if name else path

    async def read(self, kind: str, name: str) -> dict[str, Any]:
        """The raw object; `kind` is a key of OBJECT_KINDS."""
        return await self.kubernetes.call_object("GET", self._path(OBJECT_KINDS[kind], name))

    async def exists(self, kind: str, name: str) -> bool:
        """Whether the object exists; only its metadata is fetched, never a value."""
        try:
            await self.kubernetes.call("GET", self._path(OBJECT_KINDS[kind], name), (), None, _METADATA_ONLY)
        except SourceError as error:
            if error.fault.status == 404:
                return False
            raise
        return True

    async def may_get(self, kind: str) -> bool:
        """Whether this identity may get objects of this kind; the API server answers once for each kind."""
        plural = OBJECT_KINDS[kind].plural
        known = self._rights.get(("get", plural))
        if known is None:
            known, _ = await self.kubernetes.may("get", plural)
            self._rights["get", plural] = known
        return known

    async def events(self, kind: str, name: str, uid: str = "") -> tuple[ObjectEvent, ...]:
        """The events about one object, newest first. With its `uid`, none about an earlier object of the same name.

        Both APIs serve the same objects, so events.k8s.io is read only where core/v1 is refused. A node's events are in the
        namespace `default`, and its kubelet writes its name as their uid.
        """
        about = OBJECT_KINDS[kind]
        namespace = self.namespace if about.namespaced else "default"
        where = f"namespaces/{quote_segment(namespace)}/events"
        try:
            found = await self.kubernetes.items(
                f"/api/v1/{where}", [("fieldSelector", _selector("involvedObject", about, name))]
            )
        except SourceError as error:
            if error.fault.status not in _REFUSED:
                raise
            try:
                query = [("fieldSelector", _selector("regarding", about, name))]
                found = await self.kubernetes.items(f"/apis/events.k8s.io/v1/{where}", query)
            except SourceError:
                raise error from None
        same = {uid, name, ""} if not about.namespaced else {uid, ""}
        events = (decode_object_event(item) for item in found)
        return sort_events(item for item in events if not uid or item.uid in same)

    async def cron_job_pods(self, cron_job: dict[str, Any]) -> list[dict[str, Any]]:
        """The pods of the Jobs that this CronJob controls."""
        uid = cron_job["metadata"]["uid"]
        jobs = await self.kubernetes.items(self._path(OBJECT_KINDS["job"]))
        names = [item["metadata"]["name"] for item in jobs if _is_controlled(item, uid)]
        if not names:
            return []
        query = [("labelSelector", f"job-name in ({','.join(names)})")]
        return await self.kubernetes.items(self._path(OBJECT_KINDS["pod"]), query)

    async def claims(self) -> list[dict[str, Any]]:
        """The PersistentVolumeClaims of the namespace."""
        return await self.kubernetes.items(self._path(OBJECT_KINDS["persistentvolumeclaim"]))

    async def nodes(self) -> list[dict[str, Any]]:
        return await self.kubernetes.items(self._path(OBJECT_KINDS["node"]))

    async def node_pods(self, *, everywhere: bool, node: str = "") -> tuple[NodePod, ...]:
        """The pods that have not ended, of every namespace or of this one; with `node` those that run there."""
        path = "/api/v1/pods" if everywhere else self._path(OBJECT_KINDS["pod"])
        fields = ["status.phase!=Succeeded", "status.phase!=Failed", *([f"spec.nodeName={node}"] if node else [])]
        query = [("fieldSelector", ",".join(fields))]
        page = k8s.ObjectList[k8s.ScheduledPodObject]
        return tuple(await self.kubernetes.read_pages(path, page, build_node_pod, query))


def _is_controlled(item: dict[str, Any], uid: str) -> bool:
    owners = item["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def _selector(prefix: str, about: ObjectKind, name: str) -> str:
    return f"{prefix}.kind={about.kind},{prefix}.name={name}"
