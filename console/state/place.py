"""Whether an alert is about the very namespace and cluster that this console acts in: every label that names a place counts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from console.config.load import UNNAMED
from queries.model.alert import Elsewhere
from queries.model.cluster import Cluster
from queries.model.frozen import dataclass
from queries.model.identity_cache import IdentityCache
from queries.model.series import Labels, Sample, quote
from queries.model.text import visible

if TYPE_CHECKING:
    from console.config.settings import Settings

NAMESPACE_LABELS = ("exported_namespace", "k8s_namespace_name", "k8s.namespace.name", "kube_namespace", "namespace")
"""The first that an alert has counts: `namespace` may be that of an exporter, and then Prometheus renamed the object's own to
`exported_namespace`; OpenTelemetry's and Datadog's names are always the object's.
"""
POD_LABELS = ("exported_pod", "k8s_pod_name", "k8s.pod.name", "pod_name", "pod")
"""In the same order, for the same reason."""
CLUSTER_LABELS = ("cluster", "exported_cluster", "k8s_cluster_name", "k8s.cluster.name", "kube_cluster", "kube_cluster_name")
CONTEXT_LABELS = ("context", "kube_context")
ENVIRONMENT_LABELS = (
    "environment", "env", "exported_environment", "deployment_environment", "deployment.environment",
    "deployment_environment_name", "deployment.environment.name",
)  # fmt: skip
_SAME = (
    ("production", "prod", "prd"),
    ("staging", "stage", "stg"),
    ("development", "dev", "devel"),
    ("testing", "test", "tst"),
)
_SYNONYMS = {name: names[0] for names in _SAME for name in names}
_KINDS = {
    **dict.fromkeys(CLUSTER_LABELS, "cluster"),
    **dict.fromkeys(CONTEXT_LABELS, "context"),
    **dict.fromkeys(ENVIRONMENT_LABELS, "environment"),
}


@dataclass(frozen=True, slots=True)
class PodOwners:
    """Which pods this namespace has, and the target that each belongs to; made by one walk over all of them."""

    pods: Mapping[str, str]
    """By the pod's name: its target, empty where it belongs to no workload."""
    replica_sets: Mapping[str, str]
    """By the name of a ReplicaSet, which a pod that is gone still begins with."""

    def target(self, pod: str) -> str | None:
        """The pod's target, empty where it is no workload's; None where this namespace has, and had, no such pod."""
        found = self.pods.get(pod)
        return self.replica_sets.get(pod.rpartition("-")[0]) if found is None else found


def pod_owners(cluster: Cluster) -> PodOwners:
    """The pods of a cluster with their workloads; the pod of a CronJob's Job belongs to the Job."""
    found = {pod.name: "" for pod in cluster.pods}
    for item in cluster.workloads:
        if item.kind not in ("CronJob", "Pod"):
            for pod in cluster.pods_of(item):
                found[pod.name] = found[pod.name] or item.target
    owners = {item.uid: item.target for item in cluster.workloads}
    return PodOwners(found, {item.name: owners.get(item.owner_uid, "") for item in cluster.revisions})


owners_of: IdentityCache[Cluster, PodOwners] = IdentityCache(pod_owners)
"""The same, for one cluster only once: with 10,000 pods the walk takes longer than a key may wait."""


def pod_of(labels: Labels) -> str:
    """The pod that an alert is about; empty where it names none."""
    return _first(dict(labels), POD_LABELS)[1]


def names_namespace(labels: Labels) -> bool:
    """Whether an alert says in which namespace it is: then its pod need not be looked for."""
    return bool(_first(dict(labels), NAMESPACE_LABELS)[1])


@dataclass(frozen=True)
class Place:
    """The environment, cluster and namespace that this console acts in, and by which names alerts may call them.

    `labels` are the configured ones (`environments.X.labels`): by label, every value that means this place.
    """

    environment: str
    namespace: str
    context: str = ""
    cluster: str = ""
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kubectl: tuple[str, ...] = ("kubectl",)

    @classmethod
    def of(cls, settings: Settings) -> Place:
        endpoint = settings.kubernetes
        where = endpoint.place if endpoint else None
        return cls(
            "" if settings.environment == UNNAMED else settings.environment,
            settings.namespace,
            (where.context if where else "") or (endpoint.context if endpoint else ""),
            where.cluster if where else "",
            settings.labels,
            endpoint.kubectl if endpoint else ("kubectl",),
        )

    @cached_property
    def _configured(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(values) for name, values in self.labels}

    @cached_property
    def _known(self) -> dict[str, frozenset[str]]:
        """By kind, the names that need no configuration."""
        environment = _plain(self.environment)
        return {
            "environment": frozenset({environment} - {""}),
            "cluster": frozenset({_plain(self.context), _plain(self.cluster), environment} - {""}),
            "context": frozenset({_plain(self.context)} - {""}),
        }

    def elsewhere(self, labels: Labels, owners: PodOwners | None = None) -> Elsewhere | None:
        """Why no action of this console may follow from an alert with these labels, and what to run instead; None where the
        labels point here, or name no place at all. `owners` are this namespace's pods, where they are known.

        A label that cannot be related to anything known here is not passed over: the place is unknown then.
        """
        given = dict(labels)
        found = [item for item in map(self._foreign, labels) if item is not None]
        label, namespace = _first(given, NAMESPACE_LABELS)
        if label and namespace not in self._configured.get(label, (self.namespace,)):
            text = f"its label {label} says {visible(namespace)}, and this console works in {self.namespace}"
            found.append(("namespace", namespace, text))
        pod = "" if label else _first(given, POD_LABELS)[1]
        if pod and owners is not None and owners.target(pod) is None:
            return Elsewhere(self.foreign_pod(pod), self._command(given, [*found, ("pod", pod, "")]))
        if not found:
            return None
        return Elsewhere("; ".join(text for _, _, text in found), self._command(given, found))

    def is_elsewhere(self, labels: Iterable[tuple[str, str]]) -> bool:
        """Whether one of these labels names another cluster or environment than this, or one that is not known here. Namespaces
        do not count: one server evaluates the rules of many.
        """
        return any(self._foreign(pair) is not None for pair in labels)

    def select_own(self, samples: Iterable[Sample]) -> tuple[tuple[Sample, ...], str]:
        """The samples of this place, of a server that may have those of several; and if none of several is known to be this
        one, which they are: `cluster="a" or cluster="b"`. If all name one place, it is this one, whatever it is called.
        """
        names = (_KINDS.keys() | self._configured.keys()) - set(NAMESPACE_LABELS)
        by_place: dict[Labels, list[Sample]] = {}
        for sample in samples:
            by_place.setdefault(tuple(pair for pair in sample.labels if pair[0] in names), []).append(sample)
        own = [labels for labels in by_place if self.elsewhere(labels) is None] or list(by_place)[: len(by_place) == 1]
        others = (
            "" if own else " or ".join(sorted(", ".join(f"{name}={quote(value)}" for name, value in each) for each in by_place))
        )
        return tuple(sample for labels in own for sample in by_place[labels]), visible(others)

    def foreign_pod(self, pod: str) -> str:
        return f"it names no namespace, and its pod {visible(pod)} is not one of {self.namespace}"

    def _foreign(self, pair: tuple[str, str]) -> tuple[str, str, str] | None:
        """Kind, value and sentence of a label that names another cluster or environment than this, or an unknown one."""
        name, value = pair
        kind = _KINDS.get(name, "")
        allowed = self._configured.get(name)
        if not value or name in NAMESPACE_LABELS or (allowed is None and not kind):
            return None
        text = f"its label {name} says {visible(value)}"
        if allowed is not None:
            here = ", ".join(sorted(allowed))
            return None if value in allowed else (kind, value, f"{text}, and here that would be {here} (environments.*.labels)")
        known = self._known[kind]
        if _plain(value) in known:
            return None
        if kind == "environment":
            unnamed = "nobody said which environment this is (--environment)"
            return kind, value, f"{text}, and {f'this is {self.environment}' if self.environment else unnamed}"
        names = " or ".join(dict.fromkeys(name for name in (self.context, self.cluster, self.environment) if name))
        here = f"here only {names} is known" if names else "no name of this cluster is known here"
        if kind == "context":
            return kind, value, f"{text}, and {f'this is context {self.context}' if self.context else here}"
        return kind, value, f"{text}, an unknown place: {here}; if it is this cluster, environments.*.labels says so"

    def _command(self, labels: Mapping[str, str], found: Iterable[tuple[str, str, str]]) -> str:
        """What to run instead: it only looks, so that nobody changes by it what no preview showed."""
        kinds = {kind: value for kind, value, _ in found}
        label, text = _first(labels, NAMESPACE_LABELS)
        namespace = text if label else self.namespace
        if "environment" in kinds:
            return shlex.join(["cad-console", "--environment", kinds["environment"], "--namespace", namespace])
        words = list(self.kubectl)
        context = kinds.get("context") or kinds.get("cluster")
        if context:
            at = words.index("--context") if "--context" in words else len(words)
            words[at:] = ["--context", context]
        if "pod" in kinds:
            return shlex.join([*words, "get", "pods", "-A", "--field-selector", f"metadata.name={kinds['pod']}"])
        deployment = labels.get("deployment", "")
        look = ["rollout", "history", f"deployment/{deployment}"] if deployment else ["get", "deployments,pods"]
        return shlex.join([*words, "-n", namespace, *look])


def _first(labels: Mapping[str, str], names: Iterable[str]) -> tuple[str, str]:
    return next(((name, labels[name]) for name in names if labels.get(name)), ("", ""))


def _plain(name: str) -> str:
    """One spelling for a name and its usual short forms."""
    folded = name.strip().casefold()
    return _SYNONYMS.get(folded, folded)
