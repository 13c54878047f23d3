"""Validation of the API server: types and values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from console.demo.cluster import selector
from console.demo.cluster.api_errors import StatusCause
from console.demo.cluster.resource import (
    AUTOSCALERS,
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    STATEFUL_SETS,
    Object,
    Resource,
)

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_BAD_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_BAD_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_PERCENT = re.compile(r"^[0-9]+%$")
_BAD_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_AT_LEAST_ZERO = "must be greater than or equal to 0"

_WHOLE = ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds", "minReplicas", "maxReplicas")


def type_error(item: Object) -> str:
    """Go's error for the first value of a wrong type; empty without one. Checks the fields that the console writes."""
    meta, spec = item.get("metadata"), item.get("spec")
    if not isinstance(meta, dict) or (spec is not None and not isinstance(spec, dict)):
        return "cannot restore struct from: string"
    for part in ("labels", "annotations"):
        values = meta.get(part)
        if values is not None and not (isinstance(values, dict) and all(isinstance(value, str) for value in values.values())):
            return _type_mismatch(next(iter(values.values()), "") if isinstance(values, dict) else values, "string")
    spec = spec or {}
    for name in _WHOLE:
        value = spec.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            return "unrecognized type: int32"
    if not isinstance(spec.get("paused", False), (bool, type(None))):
        return "unrecognized type: bool"
    for container in _containers(spec):
        for parse_path in (container, *(container.get("env") or ())):
            for name in ("name", "image", "value"):
                if isinstance(parse_path, dict) and not isinstance(parse_path.get(name), (str, type(None))):
                    return _type_mismatch(parse_path[name], "string")
    return ""


def _type_mismatch(value: Any, expected: str) -> str:
    names = {bool: "bool", int: "int64", float: "float64", str: "string", dict: "map", list: "slice"}
    return f"cannot convert {names.get(type(value), 'nil')} to {expected}"


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    pod = spec
    if isinstance(spec.get("template"), dict):
        pod = spec["template"].get("spec") or {}
    if isinstance(pod, dict):
        for container in pod.get("containers") or ():
            if isinstance(container, dict):
                yield container


def object_errors(resource: Resource, item: Object, before: Object | None) -> list[StatusCause]:
    """The errors of an object, as causes of a 422; `before` is the object to replace."""
    return [*_name(item), *_data(resource, item, before), *_spec(resource, item, before)]


def _name(item: Object) -> Iterator[StatusCause]:
    name = item["metadata"].get("name") or ""
    if not name:
        yield StatusCause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
    elif not _SUBDOMAIN.match(name):
        yield StatusCause("FieldValueInvalid", f'Invalid value: "{name}": {_BAD_SUBDOMAIN}', "metadata.name")


def _data(resource: Resource, item: Object, before: Object | None) -> Iterator[StatusCause]:
    if resource in (CONFIG_MAPS, SECRETS) and before is not None and before.get("immutable"):
        changed = [name for name in ("data", "binaryData") if item.get(name) != before.get(name)]
        for field in ("immutable",) if not item.get("immutable") else changed:
            yield StatusCause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", field)
    if resource is CONFIG_MAPS:
        parts = [*(item.get("data") or {}).values(), *(item.get("binaryData") or {}).values()]
        if sum(len(str(part).encode()) for part in parts) > 1 << 20:
            yield StatusCause("FieldValueTooLong", "Too long: may not be more than 1048576 bytes", "[]")


def _spec(resource: Resource, item: Object, before: Object | None) -> Iterator[StatusCause]:
    spec = item.get("spec") or {}
    if resource in (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS):
        yield from validate_replicas(spec.get("replicas"))
        if not spec.get("selector"):
            yield StatusCause("FieldValueRequired", "Required value", "spec.selector")
        have = (spec["template"].get("metadata") or {}).get("labels")
        if not spec.get("selector") or not selector.of_object(spec["selector"])(have or {}):
            yield _unmatched(have)
        yield from _pod(spec["template"].get("spec") or {}, "spec.template.spec")
        yield from _shares(spec, "updateStrategy" if resource in (STATEFUL_SETS, DAEMON_SETS) else "strategy")
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            if not (claim.get("metadata") or {}).get("name"):
                yield StatusCause("FieldValueRequired", "Required value", f"spec.volumeClaimTemplates[{index}].metadata.name")
        if before is not None and before["spec"].get("selector") != spec.get("selector"):
            yield StatusCause(
                "FieldValueInvalid", f"Invalid value: {_shown(spec.get('selector'))}: field is immutable", "spec.selector"
            )
    elif resource is PODS:
        yield from _pod(spec, "spec")
    elif resource is AUTOSCALERS:
        if (spec.get("maxReplicas") or 0) < 1:
            value = spec.get("maxReplicas") or 0
            yield StatusCause("FieldValueInvalid", f"Invalid value: {value}: must be greater than 0", "spec.maxReplicas")
        if (spec.get("maxReplicas") or 0) < (spec.get("minReplicas") or 1):
            message = f"Invalid value: {spec.get('maxReplicas')}: must be greater than or equal to `minReplicas`"
            yield StatusCause("FieldValueInvalid", message, "spec.maxReplicas")


def validate_replicas(replicas: Any) -> Iterator[StatusCause]:
    """The cause for a negative number of replicas."""
    if isinstance(replicas, int) and replicas < 0:
        yield StatusCause("FieldValueInvalid", f"Invalid value: {replicas}: {_AT_LEAST_ZERO}", "spec.replicas")


def _shares(spec: dict[str, Any], strategy: str) -> Iterator[StatusCause]:
    rolling = (spec.get(strategy) or {}).get("rollingUpdate") or {}
    for name in ("maxUnavailable", "maxSurge", "partition"):
        value, field = rolling.get(name, 0), f"spec.{strategy}.rollingUpdate.{name}"
        if isinstance(value, str) and not _PERCENT.match(value):
            yield StatusCause("FieldValueInvalid", f'Invalid value: "{value}": {_BAD_PERCENT}', field)
        elif isinstance(value, int) and value < 0:
            yield StatusCause("FieldValueInvalid", f"Invalid value: {value}: {_AT_LEAST_ZERO}", field)


def _unmatched(labels: Any) -> StatusCause:
    message = f"Invalid value: {_shown(labels)}: `selector` does not match template `labels`"
    return StatusCause("FieldValueInvalid", message, "spec.template.metadata.labels")


def _pod(pod: dict[str, Any], field: str) -> Iterator[StatusCause]:
    containers = pod.get("containers") or []
    if not containers:
        yield StatusCause("FieldValueRequired", "Required value", f"{field}.containers")
    seen: set[str] = set()
    for index, container in enumerate(containers):
        at = f"{field}.containers[{index}]"
        name = container.get("name") or ""
        if not name:
            yield StatusCause("FieldValueRequired", "Required value", f"{at}.name")
        elif not _LABEL.match(name):
            yield StatusCause("FieldValueInvalid", f'Invalid value: "{name}": {_BAD_LABEL}', f"{at}.name")
        elif name in seen:
            yield StatusCause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{at}.name")
        seen.add(name)
        if not container.get("image"):
            yield StatusCause("FieldValueRequired", "Required value", f"{at}.image")


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
