"""What the pages of one workload and of the nodes show: events, revisions, dependencies, volumes and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from queries.model.frozen import dataclass
from queries.model.workload import Condition


class EventCount(StrEnum):
    """What the count of an event counts."""

    ONCE = "once"
    REPEATED = "repeated"
    """The same message: `count` is exact."""
    SERIES = "series"
    """The recorder counts, and writes its count only now and then: `count` is a lower bound."""
    COMBINED = "combined"
    """Similar events with different messages, of which only the last message is kept."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """One Kubernetes event. Times are Unix seconds, 0 where the event has none."""

    kind: str
    name: str
    type: str
    reason: str
    message: str
    count: int = 1
    counted: EventCount = EventCount.ONCE
    first_at: float = 0.0
    last_at: float = 0.0
    uid: str = ""
    """Of the object that the event is about."""

    @property
    def warning(self) -> bool:
        return self.type == "Warning"


@dataclass(frozen=True, slots=True)
class TemplateRevision:
    """One revision of a workload with its raw pod template: a ReplicaSet or a ControllerRevision.

    `pods_label` is the label by which pods name it, and `pods_value` its value. `since` is Unix seconds of its creation.
    """

    number: int
    name: str
    since: float
    change_cause: str
    template: Mapping[str, Any] = field(hash=False, compare=False)
    pods_label: str = ""
    pods_value: str = ""
    fingerprint: str = ""
    """Equal for templates that differ only in the time of a restart; empty for a ControllerRevision."""
    history: tuple[int, ...] = ()
    """The numbers that it had before, if it was rolled out again."""


class Existence(StrEnum):
    PRESENT = "present"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A ConfigMap, Secret or PersistentVolumeClaim that a pod template names. `text` is its state, or why that is unknown."""

    kind: str
    name: str
    used_as: tuple[str, ...]
    optional: bool = False
    existence: Existence = Existence.UNKNOWN
    text: str = ""


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """How full the volume of a claim is, by the kubelet's metrics; ratios from 0 to 1, None where it does not report them."""

    used_bytes: float | None = None
    capacity_bytes: float | None = None
    available_bytes: float | None = None
    inodes_used: float | None = None
    inodes: float | None = None

    @property
    def used_ratio(self) -> float | None:
        return _ratio(self.filled_bytes, self.capacity_bytes)

    @property
    def filled_bytes(self) -> float | None:
        """What is used, or if only that is reported, what is not available."""
        if self.used_bytes is None and self.capacity_bytes is not None and self.available_bytes is not None:
            return max(0.0, self.capacity_bytes - self.available_bytes)
        return self.used_bytes

    @property
    def inodes_ratio(self) -> float | None:
        return _ratio(self.inodes_used, self.inodes)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


@dataclass(frozen=True, slots=True)
class VolumeClaim:
    """One PersistentVolumeClaim; `capacity` as Kubernetes writes it, empty for an unbound one."""

    name: str
    phase: str
    capacity: str = ""
    storage_class: str = ""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU in cores and memory in bytes."""

    cpu: float = 0.0
    memory: float = 0.0
    pods: float = 0.0


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `ready` is the status of its condition Ready: `True`, `False`, `Unknown`, or empty without one."""

    name: str
    uid: str = ""
    ready: str = ""
    conditions: tuple[Condition, ...] = ()
    cordoned: bool = False
    taints: tuple[str, ...] = ()
    version: str = ""
    roles: tuple[str, ...] = ()
    created_at: float = 0.0
    allocatable: Resources = Resources()

    @property
    def pressures(self) -> tuple[Condition, ...]:
        """The conditions other than Ready that are not as on a healthy node: pressure, network, or a controller's own."""
        return tuple(item for item in self.conditions if item.type != "Ready" and item.status != "False")


@dataclass(frozen=True, slots=True)
class NodePod:
    """A pod as a node's page needs it: requests are what the scheduler reserves for it."""

    namespace: str
    name: str
    node: str
    phase: str
    requests: Resources
    created_at: float = 0.0
    unscheduled: str = ""
    """Why the scheduler has not placed it, in its own sentence; empty for a pod that has a node."""
