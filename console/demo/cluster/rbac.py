"""The permissions that Roles grant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, TypeAlias

Grants: TypeAlias = frozenset[tuple[str, str, str, str]]
"""API group, resource (with its subresource, `pods/log`), verb, and the name of the one object; empty for all."""


def grants(roles: Iterable[Mapping[str, Any]]) -> Grants:
    """The union of the Roles' permissions. Raises ValueError for a wildcard."""
    permissions: set[tuple[str, str, str, str]] = set()
    for role in roles:
        for rule in role["rules"]:
            if "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"]):
                raise ValueError(f"the rule {rule} has a wildcard, which this cluster does not support")
            permissions |= set(product(rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames") or [""]))
    return frozenset(permissions)
