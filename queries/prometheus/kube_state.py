"""The namespace at a moment, from the series of kube-state-metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from queries.model.cluster import NO_SERIES, Cluster, KindFault
from queries.model.frozen import dataclass
from queries.model.pod import Pod
from queries.model.series import Sample, label, quote
from queries.model.workload import Condition, Container, Revision, Workload


@dataclass(frozen=True, slots=True)
class _Kind:
    """The label that names an object of this kind, and the series of its numbers by the field of `Workload`."""

    name: str
    label: str
    series: Mapping[str, str]


def _build_kind(name: str, prefix: str, **fields: str) -> _Kind:
    common = {"generation": "metadata_generation", "created_at": "created", **fields}
    return _Kind(name, name.lower(), {f"kube_{prefix}_{series}": key for key, series in common.items()})


_KINDS = (
    _build_kind(
        "Deployment",
        "deployment",
        desired="spec_replicas",
        ready="status_replicas_ready",
        replicas="status_replicas",
        updated="status_replicas_updated",
        available="status_replicas_available",
        observed_generation="status_observed_generation",
        paused="spec_paused",
    ),
    _build_kind(
        "StatefulSet",
        "statefulset",
        desired="replicas",
        ready="status_replicas_ready",
        replicas="status_replicas",
        updated="status_replicas_updated",
        available="status_replicas_available",
        observed_generation="status_observed_generation",
    ),
    _build_kind(
        "DaemonSet",
        "daemonset",
        desired="status_desired_number_scheduled",
        ready="status_number_ready",
        replicas="status_current_number_scheduled",
        updated="status_updated_number_scheduled",
        available="status_number_available",
        observed_generation="status_observed_generation",
    ),
)
NOT_READ = "jobs, cron jobs and single pods are not read from kube-state-metrics"
_VALUES = (
    *(name for kind in _KINDS for name in kind.series),
    "kube_pod_info",
    "kube_pod_created",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_info",
    "kube_replicaset_owner",
    "kube_replicaset_created",
    "kube_replicaset_spec_replicas",
    "kube_replicaset_status_ready_replicas",
)
ONE_IS_TRUE = (
    "kube_pod_status_phase",
    "kube_pod_status_ready",
    "kube_pod_container_status_waiting_reason",
    "kube_pod_container_status_last_terminated_reason",
    "kube_deployment_status_condition",
    "kube_statefulset_status_current_revision",
    "kube_statefulset_status_update_revision",
)
"""One series for each possible value, of which one is 1."""
SERIES = frozenset((*_VALUES, *ONE_IS_TRUE))
"""The names of the series that are read."""


def build_cluster_query(namespace: str) -> str:
    """Everything that `read_cluster` reads of one namespace. A scrape without `honor_labels` renames the label."""
    parts = []
    for name in ("namespace", "exported_namespace"):
        parts.append(f"{{__name__=~{quote('|'.join(_VALUES))}, {name}={quote(namespace)}}}")
        parts.append(f"{{__name__=~{quote('|'.join(ONE_IS_TRUE))}, {name}={quote(namespace)}}} == 1")
    return "\nor ".join(parts)


@dataclass(slots=True)
class _PodFacts:
    phase: str = ""
    ready: bool = False
    restarts: dict[str, float] = field(default_factory=dict)
    """By container: two instances of kube-state-metrics may have told the same."""
    created_at: float = 0.0
    reason: str = ""
    last_exit: str = ""
    uid: str = ""
    node: str = ""
    owner: str = ""
    containers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _SetFacts:
    owner: str = ""
    created_at: float = 0.0
    replicas: int = 0
    ready: int = 0


def read_cluster(samples: Iterable[Sample], namespace: str) -> Cluster | None:
    """The workloads and pods of the samples of `build_cluster_query`; None without any: then nothing is known of the namespace.

    A workload needs its desired and its ready pods; a number without a series counts as if there was nothing to report of it.
    A kind without any series is one of `faults`: there may have been none, or nothing exported them.
    UIDs stand for the object's kind and name: kube-state-metrics has them for pods only.
    """
    numbers: dict[tuple[str, str], dict[str, float]] = {}
    words: dict[tuple[str, str], dict[str, str]] = {}
    conditions: dict[str, list[Condition]] = {}
    pods: dict[str, _PodFacts] = {}
    sets: dict[str, _SetFacts] = {}
    by_series = {name: (kind, key) for kind in _KINDS for name, key in kind.series.items()}
    for sample in samples:
        name = sample.label("__name__")
        if name in by_series:
            kind, key = by_series[name]
            numbers.setdefault((kind.name, _own(sample, kind.label)), {})[key] = sample.value
        elif name == "kube_deployment_status_condition":
            condition = Condition(sample.label("condition"), sample.label("status").capitalize(), sample.label("reason"))
            conditions.setdefault(_own(sample, "deployment"), []).append(condition)
        elif name.startswith("kube_statefulset_status_"):
            key = "update_revision" if name.endswith("update_revision") else "current_revision"
            words.setdefault(("StatefulSet", _own(sample, "statefulset")), {})[key] = sample.label("revision")
        elif name.startswith("kube_replicaset_"):
            _add_to_set(sets.setdefault(_own(sample, "replicaset"), _SetFacts()), name, sample)
        elif name.startswith("kube_pod_"):
            _add_to_pod(pods.setdefault(_own(sample, "pod"), _PodFacts()), name, sample)
    if not (numbers or pods):
        return None
    images = _find_images(pods, sets)
    workloads = [
        replace(
            _workload(namespace, kind, name, own),
            containers=images.get(f"{kind}/{name}", ()),
            conditions=tuple(conditions.get(name, ())) if kind == "Deployment" else (),
            update_revision=words.get((kind, name), {}).get("update_revision", ""),
            current_revision=words.get((kind, name), {}).get("current_revision", ""),
        )
        for (kind, name), own in numbers.items()
        if {"desired", "ready"} <= own.keys()
    ]
    found = {kind for kind, _ in numbers} | ({"Pod"} if pods else set())
    return Cluster(
        namespace,
        faults=tuple(
            KindFault(f"{kind.lower()}s", NO_SERIES, forbidden=True)
            for kind in (*(item.name for item in _KINDS), "Pod")
            if kind not in found
        ),
        workloads=tuple(sorted(workloads, key=lambda item: (item.name, item.kind))),
        revisions=tuple(_revision(name, sets[name], images) for name in sorted(sets)),
        pods=tuple(_pod(namespace, name, pods[name]) for name in sorted(pods)),
    )


def _own(sample: Sample, name: str) -> str:
    """The label as the object has it, also where the scrape renamed it."""
    return label(sample.labels, f"exported_{name}") or sample.label(name)


def _add_to_set(facts: _SetFacts, name: str, sample: Sample) -> None:
    if name == "kube_replicaset_owner":
        facts.owner = f"{sample.label('owner_kind')}/{sample.label('owner_name')}"
    elif name == "kube_replicaset_created":
        facts.created_at = sample.value
    elif name == "kube_replicaset_spec_replicas":
        facts.replicas = int(sample.value)
    else:
        facts.ready = int(sample.value)


def _add_to_pod(facts: _PodFacts, name: str, sample: Sample) -> None:
    match name:
        case "kube_pod_info":
            facts.uid, facts.node = _own(sample, "uid"), _own(sample, "node")
            facts.owner = f"{sample.label('created_by_kind')}/{sample.label('created_by_name')}"
        case "kube_pod_created":
            facts.created_at = sample.value
        case "kube_pod_container_status_restarts_total":
            container = _own(sample, "container")
            facts.restarts[container] = max(sample.value, facts.restarts.get(container, 0.0))
        case "kube_pod_container_info":
            facts.containers[_own(sample, "container")] = sample.label("image")
        case "kube_pod_status_phase":
            facts.phase = sample.label("phase")
        case "kube_pod_status_ready":
            facts.ready = facts.ready or sample.label("condition") == "true"
        case "kube_pod_container_status_waiting_reason":
            facts.reason = sample.label("reason")
        case _:
            facts.last_exit = sample.label("reason")


def _find_images(pods: Mapping[str, _PodFacts], sets: Mapping[str, _SetFacts]) -> dict[str, tuple[Container, ...]]:
    """The containers of each controller, from the newest of its pods, by `ReplicaSet/NAME` and by the workload above it."""
    found: dict[str, tuple[Container, ...]] = {}
    for facts in sorted(pods.values(), key=lambda item: item.created_at):
        if facts.owner and facts.containers:
            containers = tuple(Container(name, image) for name, image in sorted(facts.containers.items()))
            found[facts.owner] = containers
            above = sets.get(facts.owner.removeprefix("ReplicaSet/"))
            if above is not None and above.owner:
                found[above.owner] = containers
    return found


def _workload(namespace: str, kind: str, name: str, own: Mapping[str, float]) -> Workload:
    desired, ready = int(own["desired"]), int(own["ready"])
    updated = int(own.get("updated", desired))
    return Workload(
        namespace=namespace,
        name=name,
        uid=f"{kind}/{name}",
        resource_version="",
        generation=int(own.get("generation", 0)),
        observed_generation=int(own.get("observed_generation", own.get("generation", 0))),
        desired=desired,
        replicas=int(own.get("replicas", updated)),
        updated=updated,
        ready=ready,
        available=int(own.get("available", updated)),
        paused=bool(own.get("paused")),
        revision=0,
        created_at=own.get("created_at", 0.0),
        kind=kind,
    )


def _revision(name: str, facts: _SetFacts, images: Mapping[str, tuple[Container, ...]]) -> Revision:
    return Revision(
        number=0,
        name=name,
        owner_uid=facts.owner,
        created_at=facts.created_at,
        replicas=facts.replicas,
        ready=facts.ready,
        containers=images.get(f"ReplicaSet/{name}", ()),
        uid=f"ReplicaSet/{name}",
        owner=facts.owner,
    )


def _pod(namespace: str, name: str, facts: _PodFacts) -> Pod:
    return Pod(
        namespace=namespace,
        name=name,
        uid=facts.uid or f"Pod/{name}",
        phase=facts.phase,
        ready=facts.ready,
        restarts=int(sum(facts.restarts.values())),
        created_at=facts.created_at,
        reason=facts.reason or ("" if facts.ready or facts.phase in ("Pending", "Running", "Succeeded", "") else facts.phase),
        node=facts.node,
        owner_uid=facts.owner,
        last_exit=facts.last_exit,
        owner=facts.owner,
    )
