"""What is recorded of each source, and how it is read back: the values that screens show, without secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from console.recording.lines import Object, RecordingError, States
from queries.kubernetes.object_secrets import redact_tree
from queries.model.alert import Alert
from queries.model.cluster import Cluster, ClusterEvent, KindFault
from queries.model.frozen import dataclass
from queries.model.pod import Pod
from queries.model.replica_limits import Autoscaler, DisruptionBudget
from queries.model.silence import Silence
from queries.model.workload import Revision, Workload
from queries.text.secrets import redact_value

T = TypeVar("T")

CLUSTER, ALERTS, SILENCES = "cluster", "alerts", "silences"
PEERS = "peers"
"""The key of how many peers of Alertmanager answered."""
_ALERT, _SILENCE = "alert", "silence"
_CLUSTER_KINDS: dict[str, tuple[str, type]] = {
    "workload": ("workloads", Workload),
    "revision": ("revisions", Revision),
    "pod": ("pods", Pod),
    "autoscaler": ("autoscalers", Autoscaler),
    "budget": ("budgets", DisruptionBudget),
    "event": ("events", ClusterEvent),
    "fault": ("faults", KindFault),
}
"""By the first part of the key: the field of Cluster and the type."""


class ObjectEncoder:
    """Turns values into objects to record. It remembers the last ones: a value that is the same as before costs nothing."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[Any, Object]]] = {}
        self._cluster: tuple[Cluster, States] | None = None

    def encode_cluster(self, cluster: Cluster) -> States:
        """Every object of the namespace."""
        if self._cluster is None or self._cluster[0] is not cluster:
            self._cluster = cluster, self._encode(CLUSTER, _list_objects(cluster))
        return self._cluster[1]

    def encode_alerts(self, alerts: Iterable[Alert], *, peers_up: int, peers_total: int) -> States:
        """Alertmanager's alerts, and how many of its peers answered."""
        found = self._encode(ALERTS, ((f"{_ALERT}/{item.fingerprint}", item) for item in alerts))
        return {**found, PEERS: {"up": peers_up, "total": peers_total}}

    def encode_silences(self, silences: Iterable[Silence]) -> States:
        """Every silence that Alertmanager lists."""
        return self._encode(SILENCES, ((f"{_SILENCE}/{item.id}", item) for item in silences))

    def _encode(self, source: str, items: Iterable[tuple[str, Any]]) -> States:
        before = self._known.get(source, {})
        known: dict[str, tuple[Any, Object]] = {}
        for key, value in items:
            held = before.get(key)
            known[key] = held if held is not None and held[0] is value else (value, _encode_value(value, held))
        self._known[source] = known
        return {key: encoded for key, (_, encoded) in known.items()}


def _list_objects(cluster: Cluster) -> Iterator[tuple[str, Any]]:
    yield from ((f"workload/{item.target}", item) for item in cluster.workloads)
    yield from ((f"revision/{item.name}", item) for item in cluster.revisions)
    yield from ((f"pod/{item.name}", item) for item in cluster.pods)
    yield from ((f"autoscaler/{item.name}", item) for item in cluster.autoscalers)
    yield from ((f"budget/{item.name}", item) for item in cluster.budgets)
    yield from ((f"fault/{item.plural}", item) for item in cluster.faults)
    seen: dict[str, int] = {}
    for event in cluster.events:
        about = "\0".join((event.kind, event.name, event.type, event.reason, event.message))
        key = f"event/{hashlib.sha256(about.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        seen[key] = seen.get(key, 0) + 1
        yield (key if seen[key] == 1 else f"{key}-{seen[key]}"), event


def _encode_value(value: Any, held: tuple[Any, Object] | None) -> Object:
    if held is not None and held[0] == value:
        return held[1]
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))  # with lists, into which `redact_tree` looks
    if isinstance(value, Alert):
        del found["updated_at"]  # Prometheus sends every alert again each minute
        found["annotations"] = [[name, redact_value(name, text)] for name, text in value.annotations]
    elif isinstance(value, Silence):
        # A matcher keeps its value: without it the silence is another one.
        return {**found, "comment": redact_value("", value.comment), "created_by": redact_value("", value.created_by)}
    return redact_tree(found)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class RecordedAlerts:
    """Alertmanager's alerts as they were, and how many of its peers had answered."""

    alerts: tuple[Alert, ...]
    peers_up: int
    peers_total: int


class _Peers(msgspec.Struct):
    up: int
    total: int


def decode_cluster(objects: Mapping[str, bytes], namespace: str) -> Cluster:
    """The namespace as it was recorded. Raises RecordingError for an object that this version cannot read."""
    found: dict[str, list[Any]] = {}
    for key, raw in objects.items():
        kind = key.partition("/")[0]
        if kind in _CLUSTER_KINDS:
            name, type_ = _CLUSTER_KINDS[kind]
            found.setdefault(name, []).append(_decode(key, raw, type_))
    for name, items in found.items():
        items.sort(key=lambda item: (item.name, item.kind) if name == "workloads" else getattr(item, "name", ""))
    lists: dict[str, Any] = {name: tuple(items) for name, items in found.items()}
    return Cluster(namespace, **lists)


def decode_alerts(objects: Mapping[str, bytes]) -> RecordedAlerts:
    """Alertmanager's alerts as they were recorded. Raises RecordingError."""
    alerts = tuple(_decode(key, raw, Alert) for key, raw in objects.items() if key.startswith(f"{_ALERT}/"))
    peers = _decode(PEERS, objects.get(PEERS, b'{"up":0,"total":0}'), _Peers)
    return RecordedAlerts(alerts, peers.up, peers.total)


def decode_silences(objects: Mapping[str, bytes]) -> tuple[Silence, ...]:
    """The silences as they were recorded. Raises RecordingError."""
    return tuple(_decode(key, raw, Silence) for key, raw in objects.items() if key.startswith(f"{_SILENCE}/"))


def _decode(key: str, raw: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordingError(f"the recorded object {key[:80]!r} cannot be read: {str(error)[:200]}") from None
