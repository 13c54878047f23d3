"""Decodes pod templates: containers, and what a pod requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queries.decoding import convert
from queries.kubernetes import objects as k8s
from queries.model.workload import Container, RequestsAndLimits
from queries.text.numbers import parse_quantity
from queries.text.secrets import redact_value

_NO_RESOURCES = RequestsAndLimits()


def decode_containers(template: dict[str, Any]) -> tuple[Container, ...]:
    """The containers of a raw pod template, as model values."""
    return build_containers(convert(template, k8s.Template))


def build_containers(template: k8s.Template | None) -> tuple[Container, ...]:
    """The containers of a pod template, init containers last; none without a template."""
    if template is None or template.spec is None:
        return ()
    return (
        *(Container(item.name, item.image, _environment(item), _resources(item)) for item in template.spec.containers or ()),
        *(
            Container(item.name, item.image, _environment(item), _resources(item), item.restart_policy != "Always")
            for item in template.spec.init_containers or ()
        ),
    )


def _resources(item: k8s.ContainerObject) -> RequestsAndLimits:
    given = item.resources
    if given is None or not (given.requests or given.limits):
        return _NO_RESOURCES
    requested, limits = given.requests or {}, given.limits or {}
    # The API server sets the request to the limit where only the limit is given, but not in a template.
    return RequestsAndLimits(
        _quantity(requested.get("cpu", limits.get("cpu"))),
        _quantity(limits.get("cpu")),
        _quantity(requested.get("memory", limits.get("memory"))),
        _quantity(limits.get("memory")),
    )


def _quantity(given: str | int | float | None) -> float:
    return parse_quantity(str(given)) if given is not None else 0.0


def _environment(item: k8s.ContainerObject) -> tuple[tuple[str, str], ...]:
    found = [(f"{entry.prefix or ''}*", _describe_source(entry)) for entry in item.env_from or ()]
    for entry in item.env or ():
        # A literal secret is redacted here, before anything shows, compares or journals it.
        found.append(
            (
                entry.name,
                _describe_reference(entry.value_from) if entry.value_from else redact_value(entry.name, entry.value or ""),
            )
        )
    return tuple(found)


def _describe_source(entry: k8s.EnvFrom) -> str:
    if entry.secret_ref:
        return f"<secret {entry.secret_ref.name}>"
    return f"<configmap {entry.config_map_ref.name}>" if entry.config_map_ref else "<unknown source>"


def _describe_reference(source: k8s.ValueFrom) -> str:
    if source.secret_key_ref:
        return f"<secret {source.secret_key_ref.name}/{source.secret_key_ref.key}>"
    if source.config_map_key_ref:
        return f"<configmap {source.config_map_key_ref.name}/{source.config_map_key_ref.key}>"
    if source.field_ref:
        return f"<field {source.field_ref.field_path}>"
    return f"<resource {source.resource_field_ref.resource}>" if source.resource_field_ref else "<unknown source>"


def pod_requests(template: Mapping[str, Any], kind: str = "requests") -> dict[str, float]:
    """What a pod of a raw template requests of each resource, or its `limits`: CPU in cores, memory in bytes."""
    return sum_requests(convert(template.get("spec") or {}, k8s.RequestSpec), kind)


def sum_requests(spec: k8s.RequestSpec, kind: str = "requests") -> dict[str, float]:
    """As the scheduler counts it: the containers' sum with the sidecars', or what one init container needs if that is more.

    Source: Kubernetes 1.36, component-helpers/resource/helpers.go.
    """
    total: dict[str, float] = {}
    for container in spec.containers or ():
        _add(total, _amounts(container.resources, kind))
    started: dict[str, float] = {}
    most: dict[str, float] = {}
    for container in spec.init_containers or ():
        own = _amounts(container.resources, kind)
        if container.restart_policy == "Always":
            _add(total, own)
            _add(started, own)
            peak = dict(started)
        else:
            peak = dict(own)
            _add(peak, started)
        most.update((name, max(most.get(name, 0.0), amount)) for name, amount in peak.items())
    total.update((name, max(total.get(name, 0.0), amount)) for name, amount in most.items())
    total.update(_amounts(spec.resources, kind))
    overhead = {name: parse_quantity(text) for name, text in (spec.overhead or {}).items()}
    # A pod without a limit has none by its overhead either.
    _add(total, {name: amount for name, amount in overhead.items() if kind == "requests" or total.get(name)})
    return total


def _amounts(item: k8s.Amounts | None, kind: str) -> dict[str, float]:
    found = (item.limits if kind == "limits" else item.requests) if item else None
    return {name: parse_quantity(text) for name, text in (found or {}).items()}


def _add(total: dict[str, float], more: Mapping[str, float]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0.0) + amount
