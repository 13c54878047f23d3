"""What a Role grants, so that the demo's cluster can refuse the rest as a real one does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Grants: TypeAlias = frozenset[tuple[str, str, str]]
"""API group, resource (with its subresource, `pods/log`) and verb."""


def grants(roles: Iterable[Mapping[str, Any]]) -> Grants:
    """All that these Roles allow together; wildcards and names of single objects are not known here. Raises ValueError."""
    found: set[tuple[str, str, str]] = set()
    for role in roles:
        for rule in role["rules"]:
            if "resourceNames" in rule or "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"]):
                raise ValueError(f"the rule {rule} is more than this cluster understands")
            found |= {
                (group, name, verb) for group in rule["apiGroups"] for name in rule["resources"] for verb in rule["verbs"]
            }
    return frozenset(found)
