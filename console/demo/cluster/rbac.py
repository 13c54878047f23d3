"""What a Role grants, so that the demo's cluster can refuse the rest as a real one does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, TypeAlias

Grants: TypeAlias = frozenset[tuple[str, str, str, str]]
"""API group, resource (with its subresource, `pods/log`), verb, and the one object that it is about; empty for all."""


def grants(roles: Iterable[Mapping[str, Any]]) -> Grants:
    """All that these Roles allow together; wildcards are not known here. Raises ValueError."""
    found: set[tuple[str, str, str, str]] = set()
    for role in roles:
        for rule in role["rules"]:
            if "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"]):
                raise ValueError(f"the rule {rule} is more than this cluster understands")
            found |= set(product(rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames") or [""]))
    return frozenset(found)
