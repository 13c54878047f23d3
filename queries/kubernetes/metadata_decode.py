"""Decodes what objects of every kind have: times, numbers, labels, selectors and controllers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queries.decoding import convert
from queries.kubernetes import objects as k8s
from queries.model.label_selector import Requirement
from queries.model.series import Labels
from queries.text.times import parse_rfc3339

_NO_OWNER = k8s.Owner()


def parse_timestamp(text: str | None) -> float:
    """RFC 3339 as Unix seconds; 0 if it is absent or invalid."""
    if not text:
        return 0.0
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0


def sort_pairs(mapping: dict[str, str] | None) -> Labels:
    """Labels as the model has them."""
    return tuple(sorted(mapping.items())) if mapping else ()


def build_requirements(selector: k8s.LabelSelector | None) -> tuple[Requirement, ...]:
    """The selector's `matchExpressions`."""
    found = selector.match_expressions if selector else None
    return tuple(Requirement(item.key, item.operator, tuple(item.values or ())) for item in found or ())


def parse_number(text: str | None) -> int:
    """The number of a revision; 0 if it is absent or invalid."""
    return int(text) if text and text.isascii() and text.isdigit() else 0


def label_selector(item: Mapping[str, Any]) -> str:
    """The selector of a raw workload in the form of the query parameter `labelSelector`; empty without a selector."""
    selector = convert((item.get("spec") or {}).get("selector") or {}, k8s.LabelSelector)
    pairs = [f"{name}={value}" for name, value in sort_pairs(selector.match_labels)]
    return ",".join([*pairs, *map(_describe_requirement, build_requirements(selector))])


def _describe_requirement(item: Requirement) -> str:
    match item.operator:
        case "In" | "NotIn":
            return f"{item.key} {item.operator.lower()} ({','.join(item.values)})"
        case "DoesNotExist":
            return f"!{item.key}"
    return item.key


def controller_uid(item: Mapping[str, Any]) -> str:
    """The UID of a raw object's controller; empty without one."""
    owners = item.get("metadata", {}).get("ownerReferences") or ()
    return next((str(owner.get("uid", "")) for owner in owners if owner.get("controller")), "")


def find_controller(meta: k8s.Meta) -> k8s.Owner:
    """The owner that controls the object; an empty one if nothing does."""
    return next((owner for owner in meta.owner_references or () if owner.controller), _NO_OWNER)


def name_owner(owner: k8s.Owner) -> str:
    """`ReplicaSet/cad-ml-api-7d9f8`; empty without an owner."""
    return f"{owner.kind}/{owner.name}" if owner.name else ""
