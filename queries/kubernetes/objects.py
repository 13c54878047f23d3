"""The fields of Kubernetes objects that are decoded; the decoder skips everything else."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Struct(msgspec.Struct, rename="camel", gc=False):
    """The decoder skips unknown fields, which makes it fast."""


class Owner(Struct):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Present(Struct):
    """Whether a field is there; nothing in it is decoded."""


class ManagedSpec(Struct):
    template: Present | None = msgspec.field(default=None, name="f:template")
    job_template: Present | None = msgspec.field(default=None, name="f:jobTemplate")


class ManagedFields(Struct):
    spec: ManagedSpec | None = msgspec.field(default=None, name="f:spec")


class Managed(Struct):
    """The last write of one field manager, and which fields are its own."""

    manager: str = ""
    time: str | None = None
    subresource: str | None = None
    fields_v1: ManagedFields | None = None


class Meta(Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None


class WorkloadMeta(Meta):
    managed_fields: list[Managed] | None = None


class TouchedMeta(Struct):
    name: str = ""
    creation_timestamp: str | None = None
    managed_fields: list[Managed] | None = None


class TouchedObject(Struct):
    """Only the metadata: the values of a ConfigMap are never fetched."""

    metadata: TouchedMeta


class KeyRef(Struct):
    name: str = ""
    key: str = ""


class FieldRef(Struct):
    field_path: str = ""


class ResourceRef(Struct):
    resource: str = ""


class ValueFrom(Struct):
    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None
    field_ref: FieldRef | None = None
    resource_field_ref: ResourceRef | None = None


class Env(Struct):
    name: str = ""
    value: str | None = None
    value_from: ValueFrom | None = None


class EnvFrom(Struct):
    prefix: str | None = None
    config_map_ref: KeyRef | None = None
    secret_ref: KeyRef | None = None


class ContainerResources(Struct):
    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None


class ContainerObject(Struct):
    name: str = ""
    image: str = ""
    env: list[Env] | None = None
    env_from: list[EnvFrom] | None = None
    resources: ContainerResources | None = None
    restart_policy: str | None = None


class PodSpec(Struct):
    containers: list[ContainerObject] | None = None
    init_containers: list[ContainerObject] | None = None
    node_name: str | None = None


class Template(Struct):
    metadata: Meta | None = None
    spec: PodSpec | None = None


class SelectorExpression(Struct):
    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class Amounts(Struct):
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class RequestContainer(Struct):
    resources: Amounts | None = None
    restart_policy: str | None = None


class RequestSpec(Struct):
    """What a pod asks of its node."""

    node_name: str | None = None
    resources: Amounts | None = None
    overhead: dict[str, str] | None = None
    containers: list[RequestContainer] | None = None
    init_containers: list[RequestContainer] | None = None


class RequestObject(Struct):
    spec: RequestSpec | None = None


class LabelSelector(Struct):
    match_labels: dict[str, str] | None = None
    match_expressions: list[SelectorExpression] | None = None


class RollingUpdate(Struct):
    max_surge: int | str | None = None
    max_unavailable: int | str | None = None
    partition: int | None = None


class Strategy(Struct):
    type: str = ""
    rolling_update: RollingUpdate | None = None


class WorkloadSpec(Struct):
    replicas: int | None = None
    strategy: Strategy | None = None
    update_strategy: Strategy | None = None
    paused: bool | None = None
    progress_deadline_seconds: int | None = None
    selector: LabelSelector | None = None
    template: Template | None = None


class ConditionObject(Struct):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_update_time: str | None = None


class WorkloadStatus(Struct):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    conditions: list[ConditionObject] | None = None


class StatefulSetStatus(WorkloadStatus):
    current_revision: str = ""
    update_revision: str = ""


class StatefulSetObject(Struct):
    metadata: WorkloadMeta
    spec: WorkloadSpec | None = None
    status: StatefulSetStatus | None = None


class DaemonSetStatus(Struct):
    observed_generation: int = 0
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_ready: int = 0
    number_available: int = 0
    conditions: list[ConditionObject] | None = None


class DaemonSetObject(Struct):
    metadata: WorkloadMeta
    spec: WorkloadSpec | None = None
    status: DaemonSetStatus | None = None


class DeploymentObject(Struct):
    metadata: WorkloadMeta
    spec: WorkloadSpec | None = None
    status: WorkloadStatus | None = None


class RolloutSpec(Struct):
    """Of Argo Rollouts. It may have no template of its own, but name a Deployment in `workloadRef`."""

    replicas: int | None = None
    paused: bool | None = None
    progress_deadline_seconds: int | None = None
    selector: LabelSelector | None = None
    template: Template | None = None


class RolloutObjectStatus(Struct):
    observed_generation: str | int | None = None
    """Argo Rollouts writes it as text."""
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    phase: str = ""
    message: str | None = None
    conditions: list[ConditionObject] | None = None


class RolloutObject(Struct):
    metadata: WorkloadMeta
    spec: RolloutSpec | None = None
    status: RolloutObjectStatus | None = None


class ReplicaSetSpec(Struct):
    template: dict[str, Any] | None = None
    """Complete, because revisions are compared by everything in it."""


class ReplicaSetObject(Struct):
    metadata: Meta
    spec: ReplicaSetSpec | None = None
    status: WorkloadStatus | None = None


class Waiting(Struct):
    reason: str | None = None
    message: str | None = None


class Terminated(Struct):
    reason: str | None = None
    message: str | None = None
    exit_code: int = 0
    finished_at: str | None = None


class State(Struct):
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct):
    restart_count: int = 0
    state: State | None = None
    last_state: State | None = None


class PodCondition(Struct):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None


class PodStatus(Struct):
    phase: str = ""
    reason: str | None = None
    message: str | None = None
    conditions: list[PodCondition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class PodImage(Struct):
    image: str = ""


class RunningPodSpec(Struct):
    node_name: str | None = None
    containers: list[PodImage] | None = None


class PodMeta(Struct):
    """As Meta, without the fields that pods do not need: there may be ten thousand of them."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    owner_references: list[Owner] | None = None


class PodObject(Struct):
    metadata: PodMeta
    spec: RunningPodSpec | None = None
    status: PodStatus | None = None


class Requests(Struct):
    requests: dict[str, str] | None = None


class ScheduledContainer(Struct):
    resources: Requests | None = None
    restart_policy: str | None = None


class ScheduledPodSpec(Struct):
    """What a pod's place on a node depends on."""

    node_name: str | None = None
    containers: list[ScheduledContainer] | None = None
    init_containers: list[ScheduledContainer] | None = None
    overhead: dict[str, str] | None = None
    resources: Requests | None = None


class ScheduledPodObject(Struct):
    metadata: PodMeta
    spec: ScheduledPodSpec | None = None
    status: PodStatus | None = None


class TargetRef(Struct):
    kind: str = ""
    name: str = ""


class ScalerSpec(Struct):
    scale_target_ref: TargetRef | None = None
    min_replicas: int | None = None
    max_replicas: int = 0


class ScalerStatus(Struct):
    current_replicas: int | None = None
    desired_replicas: int | None = None
    conditions: list[PodCondition] | None = None


class ScalerObject(Struct):
    metadata: Meta
    spec: ScalerSpec | None = None
    status: ScalerStatus | None = None


class BudgetSpec(Struct):
    selector: LabelSelector | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None


class BudgetStatus(Struct):
    disruptions_allowed: int = 0


class BudgetObject(Struct):
    metadata: Meta
    spec: BudgetSpec | None = None
    status: BudgetStatus | None = None


class Involved(Struct):
    kind: str = ""
    name: str = ""


class EventSeries(Struct):
    count: int = 0
    last_observed_time: str | None = None


class EventObject(Struct):
    metadata: Meta
    involved_object: Involved | None = None
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    count: int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: EventSeries | None = None


class UsageQuantities(Struct):
    cpu: str = "0"
    memory: str = "0"


class ContainerUsage(Struct):
    usage: UsageQuantities | None = None


class UsageObject(Struct):
    metadata: Meta
    containers: list[ContainerUsage] | None = None


class JobSpec(Struct):
    suspend: bool | None = None
    completions: int | None = None
    template: Template | None = None


class JobTemplate(Struct):
    spec: JobSpec | None = None


class CronJobSpec(Struct):
    schedule: str = ""
    time_zone: str | None = None
    suspend: bool | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = ""
    job_template: JobTemplate | None = None


class CronJobStatus(Struct):
    active: list[object] | None = None
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJobObject(Struct):
    metadata: WorkloadMeta
    spec: CronJobSpec | None = None
    status: CronJobStatus | None = None


class JobStatus(Struct):
    active: int | None = None
    ready: int | None = None
    succeeded: int | None = None
    start_time: str | None = None
    completion_time: str | None = None
    conditions: list[ConditionObject] | None = None


class JobObject(Struct):
    metadata: WorkloadMeta
    spec: JobSpec | None = None
    status: JobStatus | None = None


class ListMeta(msgspec.Struct, rename={"resource_version": "resourceVersion", "next": "continue"}):
    resource_version: str = ""
    next: str | None = None


class ListPage(msgspec.Struct):
    """One page of a list; the items stay raw until their kind is known."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class ObjectList(msgspec.Struct, Generic[T]):
    """One page of a list whose kind is known."""

    metadata: ListMeta
    items: list[T] | None = None


class WatchLine(msgspec.Struct):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    object: msgspec.Raw


class ServedVersion(Struct):
    group_version: str = ""


class ServedGroup(Struct):
    """The versions of a group, of one kind or another."""

    versions: list[ServedVersion] | None = None


class ServedKind(Struct):
    name: str = ""


class ServedKinds(msgspec.Struct):
    """What a group and version serves."""

    resources: list[ServedKind] | None = None


class Bookmark(Struct):
    metadata: Meta


class StatusObject(Struct):
    code: int | None = None
    message: str | None = None
