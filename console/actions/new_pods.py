"""What new pods need before they can run: room on the nodes, quota, ConfigMaps, Secrets, and their images."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from console.actions.action import ClusterReader
from console.actions.plan import CheckLevel, PreflightCheck
from queries.errors import SourceError
from queries.kubernetes.pod_template_decode import pod_requests
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.durations import format_duration
from queries.text.numbers import format_brief, format_size, parse_quantity

T = TypeVar("T")
Amounts = Mapping[str, float]
"""An amount of each resource: `cpu` in cores, `memory` in bytes, `pods`."""

LIST_SECONDS = 4.0
"""The list of all pods of a large cluster takes longer than a person waits for a preview."""
_MAX_NAMES = 4


@dataclass(frozen=True, slots=True)
class NewPods:
    """The pods that a change creates at the same time: `count` of them from `template`.

    With `replaced`, each takes the place of a pod of that template. `known` are pod templates that ran here, `objects` quota
    entries of which the change uses one more each.
    """

    template: Mapping[str, Any]
    count: int
    replaced: Mapping[str, Any] | None = None
    known: tuple[Mapping[str, Any], ...] = ()
    objects: tuple[str, ...] = ()

    def requests(self) -> Amounts:
        """What each of them requests beyond the pod whose place it takes."""
        own = {**pod_requests(self.template), "pods": 1.0}
        if self.replaced is None:
            return own
        old = {**pod_requests(self.replaced), "pods": 1.0}
        return {name: more for name, amount in own.items() if (more := amount - old.get(name, 0.0)) > 0.0}


class _NotRead(Exception):
    """This identity cannot have what a check needs."""


_Checked = tuple[list[PreflightCheck], list[str]]
"""The results of a check, and what it could not read."""


async def check_new_pods(reader: ClusterReader, new: NewPods) -> tuple[PreflightCheck, ...]:
    """What stands in the way of the pods. What could not be read is one line `not checked`, never ok.

    Raises SourceError if the API server does not respond.
    """
    nodes = await _attempt(reader.list_objects("nodes"))
    found = await asyncio.gather(
        _check_room(reader, new, nodes),
        _check_quotas(reader, new),
        _check_references(reader, new.template),
        _check_images(new, nodes),
    )
    checks = [check for checked, _ in found for check in checked]
    unread = list(dict.fromkeys(text for _, missed in found for text in missed))
    if unread:
        checks.append(PreflightCheck(CheckLevel.WARN, f"not checked: {'; '.join(unread)}", "new pods"))
    return tuple(checks)


async def _attempt(call: Awaitable[T]) -> T | _NotRead:
    """The result, or why this identity cannot have it. Raises SourceError for every other failure."""
    try:
        async with asyncio.timeout(LIST_SECONDS):
            return await call
    except TimeoutError:
        return _NotRead(f"the list takes longer than {format_duration(LIST_SECONDS)}")
    except SourceError as error:
        if error.fault.status not in (403, 404):
            raise
        return _NotRead("you may not read them" if error.fault.status == 403 else "the server does not serve them")


# Room on the nodes


async def _check_room(reader: ClusterReader, new: NewPods, nodes: list[dict[str, Any]] | _NotRead) -> _Checked:
    requests = new.requests()
    if new.count <= 0:
        return [], []
    if not requests:
        text = "each new pod replaces an old one and requests no more"
        return [PreflightCheck(CheckLevel.OK, text, "requests")], []
    if isinstance(nodes, _NotRead):
        return [], [f"room on the nodes ({nodes})"]
    used = await _attempt(reader.node_requests())
    if isinstance(used, _NotRead):
        return [], [f"room on the nodes (the pods on them: {used})"]
    spec = new.template.get("spec") or {}
    fitting = [item for item in nodes if _accepts(item, spec)]
    rooms = [_room(item, used.get(item["metadata"]["name"], {}), requests) for item in fitting]
    room, these = sum(rooms), _pods(new.count, requests)
    affinity = "; its node affinity was not evaluated" if _has_affinity(spec) else ""
    where = f"{len(fitting)} of {len(nodes)} nodes fit"
    silent = [item for item in fitting if not (item.get("status") or {}).get("allocatable")]
    if room < new.count and silent:
        return [], [f"room on the nodes ({len(silent)} of {len(fitting)} do not report their capacity)"]
    if room >= new.count:
        text = f"room for {these}: {where}, with room for {room}{affinity}"
        return [PreflightCheck(CheckLevel.OK, text, "requests")], []
    text = f"no room for {these}: {where}, with room for {room}; the rest stays Pending{affinity}"
    return [PreflightCheck(CheckLevel.WARN, text, "requests")], []


def _accepts(node: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Whether the scheduler would consider the node: ready, schedulable, its labels selected and its taints tolerated."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    labels, own = node["metadata"].get("labels") or {}, node.get("spec") or {}
    if any(item["type"] == "Ready" and item["status"] != "True" for item in conditions):
        return False
    if own.get("unschedulable") or any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    tolerations = spec.get("tolerations") or ()
    taints = [item for item in own.get("taints") or () if item.get("effect") in ("NoSchedule", "NoExecute")]
    return all(any(_tolerates(item, taint) for item in tolerations) for taint in taints)


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.get("key"))
    if toleration.get("operator") not in (None, "", "Equal"):
        return False  # Lt and Gt are alpha: a scheduler without their feature gate takes them for no match
    return (toleration.get("key"), toleration.get("value") or "") == (taint.get("key"), taint.get("value") or "")


def _has_affinity(spec: Mapping[str, Any]) -> bool:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return bool(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))


def _room(node: Mapping[str, Any], used: Amounts, requests: Amounts) -> int:
    """How many of the pods fit on the node; a resource that it does not have fits none."""
    has = {name: parse_quantity(str(text)) for name, text in ((node.get("status") or {}).get("allocatable") or {}).items()}
    return min(
        max(0, math.floor((has.get(name, 0.0) - used.get(name, 0.0)) / amount + 1e-9)) for name, amount in requests.items()
    )


def _pods(count: int, requests: Amounts) -> str:
    """`2 new pods (0.5 CPU, 512 MiB each)`."""
    amounts = [_amount(name, amount) for name, amount in sorted(requests.items()) if name != "pods"]
    each = f" ({', '.join(amounts)} each)" if amounts else " without requests"
    return f"{count} new pod{'' if count == 1 else 's'}{each}"


def _amount(name: str, amount: float) -> str:
    if name == "cpu":
        return f"{format_brief(amount)} CPU"
    if name == "memory":
        return format_size(round(amount))
    return f"{format_brief(amount)} {visible(name)}"


# Quotas


async def _check_quotas(reader: ClusterReader, new: NewPods) -> _Checked:
    quotas = await _attempt(reader.list_objects("resourcequotas"))
    if isinstance(quotas, _NotRead):
        return [], [f"ResourceQuotas ({quotas})"]
    checks, unread = [], []
    for quota in quotas:
        name, spec = visible(quota["metadata"]["name"]), quota.get("spec") or {}
        if spec.get("scopes") or spec.get("scopeSelector"):
            unread.append(f"ResourceQuota {name}, which covers only some pods")
            continue
        checks += [PreflightCheck(CheckLevel.WARN, f"ResourceQuota {name}: {text}", "quota") for text in _exceeded(quota, new)]
    if quotas and not checks and not unread:
        checks.append(PreflightCheck(CheckLevel.OK, "the ResourceQuotas leave room for it", "quota"))
    return checks, unread


def _exceeded(quota: Mapping[str, Any], new: NewPods) -> Iterator[str]:
    needs, own = _quota_needs(new), _quota_needs(replace(new, replaced=None))
    status = quota.get("status") or {}
    hard = status.get("hard") or (quota.get("spec") or {}).get("hard") or {}
    for name in sorted(hard):
        need = needs.get(name)
        limit, used = parse_quantity(str(hard[name])), parse_quantity(str((status.get("used") or {}).get(name, "0")))
        if need is None:
            continue
        kind = name.rpartition(".")[2]
        if own[name] == 0.0 and kind in ("cpu", "memory") and new.count > 0:
            yield f"it limits {name}, which the pods do not set: rejected unless a LimitRange sets it"
        elif used + need > limit * (1 + 1e-9):
            have, more, most = (
                _amount(kind, value) if kind in ("cpu", "memory") else format_brief(value) for value in (used, need, limit)
            )
            yield f"{name} {have} of {most} used, {more} more needed: pods are rejected"


def _quota_needs(new: NewPods) -> dict[str, float]:
    """What the change adds to each entry of a quota that it can touch."""
    requests = pod_requests(new.template)
    limits = pod_requests(new.template, "limits")
    old = pod_requests(new.replaced) if new.replaced is not None else {}
    old_limits = pod_requests(new.replaced, "limits") if new.replaced is not None else {}
    created = 0 if new.replaced is not None else new.count
    needs = {"pods": float(created), "count/pods": float(created), **dict.fromkeys(new.objects, 1.0)}
    for name in {"cpu", "memory", *requests, *limits}:
        needs[f"requests.{name}"] = _more(new, requests, old, name)
        needs[f"limits.{name}"] = _more(new, limits, old_limits, name)
    return {**needs, "cpu": needs["requests.cpu"], "memory": needs["requests.memory"]}


def _more(new: NewPods, own: Amounts, old: Amounts, name: str) -> float:
    return max(0.0, own.get(name, 0.0) - old.get(name, 0.0)) * new.count


# ConfigMaps and Secrets


async def _check_references(reader: ClusterReader, template: Mapping[str, Any]) -> _Checked:
    names = sorted(set(list_references(template)))
    if not names:
        return [], []
    found = await asyncio.gather(*(_attempt(reader.exists(resource, name)) for resource, name in names))
    missing = [f"{_KINDS[resource]} {name}" for (resource, name), there in zip(names, found, strict=True) if there is False]
    unread = {
        f"its {_KINDS[resource]}s ({there})"
        for (resource, _), there in zip(names, found, strict=True)
        if isinstance(there, _NotRead)
    }
    if missing:
        more = f" and {len(missing) - _MAX_NAMES} more" if len(missing) > _MAX_NAMES else ""
        text = f"missing: {', '.join(map(visible, missing[:_MAX_NAMES]))}{more}: pods that need it do not start"
        return [PreflightCheck(CheckLevel.WARN, text, "references")], sorted(unread)
    if unread:
        return [], sorted(unread)
    return [PreflightCheck(CheckLevel.OK, "every ConfigMap and Secret that it names exists", "references")], []


_KINDS = {"configmaps": "ConfigMap", "secrets": "Secret"}


def list_references(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The ConfigMaps and Secrets without which a pod of the template cannot start: `configmaps` or `secrets`, and the name."""
    spec = template.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for entry in container.get("envFrom") or ():
            yield from _required(("configmaps", entry.get("configMapRef")), ("secrets", entry.get("secretRef")))
        for entry in container.get("env") or ():
            source = entry.get("valueFrom") or {}
            yield from _required(("configmaps", source.get("configMapKeyRef")), ("secrets", source.get("secretKeyRef")))
    for volume in spec.get("volumes") or ():
        projected = (volume.get("projected") or {}).get("sources") or ()
        for source in (volume, *projected):
            yield from _required(("configmaps", source.get("configMap")), ("secrets", source.get("secret")))


def _required(*found: tuple[str, Mapping[str, Any] | None]) -> Iterator[tuple[str, str]]:
    for resource, reference in found:
        if reference and not reference.get("optional"):
            # A volume writes `secretName` where all others write `name`.
            name = reference.get("name") or reference.get("secretName")
            if name:
                yield resource, str(name)


# Images


async def _check_images(new: NewPods, nodes: list[dict[str, Any]] | _NotRead) -> _Checked:
    ran = {image for template in new.known for image in _images(template)}
    if not isinstance(nodes, _NotRead):
        ran |= {
            name
            for node in nodes
            for item in (node.get("status") or {}).get("images") or ()
            for name in item.get("names") or ()
        }
    unknown = [image for image in dict.fromkeys(_images(new.template)) if image not in ran]
    if not unknown:
        return [], []
    if isinstance(nodes, _NotRead):
        return [], [
            f"whether {', '.join(map(visible, unknown[:_MAX_NAMES]))} ran here before (the images of the nodes: {nodes})"
        ]
    text = f"no record that {', '.join(map(visible, unknown[:_MAX_NAMES]))} ever ran here: the nodes have to pull it"
    return [PreflightCheck(CheckLevel.WARN, text, "images")], []


def _images(template: Mapping[str, Any]) -> Iterable[str]:
    spec = template.get("spec") or {}
    return [str(item.get("image", "")) for item in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))]
