"""What Kubernetes takes as a manifest, by the models of its Python client: fields, their types, and what is required."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_KINDS = {
    ("v1", "Namespace"): "V1Namespace", ("v1", "ServiceAccount"): "V1ServiceAccount", ("v1", "ConfigMap"): "V1ConfigMap",
    ("v1", "PersistentVolumeClaim"): "V1PersistentVolumeClaim", ("apps/v1", "Deployment"): "V1Deployment",
    ("batch/v1", "CronJob"): "V1CronJob", ("networking.k8s.io/v1", "NetworkPolicy"): "V1NetworkPolicy",
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): "V1ValidatingAdmissionPolicy",
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"): "V1ValidatingAdmissionPolicyBinding",
    ("rbac.authorization.k8s.io/v1", "Role"): "V1Role", ("rbac.authorization.k8s.io/v1", "RoleBinding"): "V1RoleBinding",
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): "V1ClusterRole",
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): "V1ClusterRoleBinding",
}  # fmt: skip
_PLAIN: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float), "datetime": (str,)}
_RULE_FIELDS = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}


def faults(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with one manifest, each with its place; a kind that is not known is a fault."""
    kind = (str(manifest.get("apiVersion")), str(manifest.get("kind")))
    if kind == ("monitoring.coreos.com/v1", "PrometheusRule"):
        return list(_rule_faults(manifest))
    if kind not in _KINDS:
        return [f"{kind[1]} of {kind[0]} is not known here"]
    return list(_object_faults(manifest, _KINDS[kind], kind[1]))


def _object_faults(value: Any, name: str, where: str) -> Iterator[str]:
    from kubernetes.client import models  # noqa: PLC0415  # a large package, and only this needs it

    model = getattr(models, name)
    if not isinstance(value, dict):
        yield f"{where}: expected a mapping"
        return
    fields = {model.attribute_map[own]: (own, kind) for own, kind in model.openapi_types.items()}
    for key, item in value.items():
        if key not in fields:
            yield f"{where}: unknown field {key!r}"
        else:
            yield from _faults(item, fields[key][1], f"{where}.{key}")
    given = {fields[key][0]: item for key, item in value.items() if key in fields}
    try:
        model(**given)
    except ValueError as error:
        yield f"{where}: {error}"


def _faults(value: Any, kind: str, where: str) -> Iterator[str]:
    if kind in ("object", "date"):
        return
    if listed := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{where}: expected a list"
            return
        for at, item in enumerate(value):
            yield from _faults(item, listed[1], f"{where}[{at}]")
    elif mapped := re.fullmatch(r"[Dd]ict[\[(]str, (.+)[\])]", kind):
        if not isinstance(value, dict):
            yield f"{where}: expected a mapping"
            return
        for key, item in value.items():
            yield from _faults(item, mapped[1], f"{where}.{key}")
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{where}: expected {kind}, found {type(value).__name__}"
    else:
        yield from _object_faults(value, kind, where)


def _rule_faults(manifest: dict[str, Any]) -> Iterator[str]:
    if set(manifest) != {"apiVersion", "kind", "metadata", "spec"} or set(manifest["spec"]) != {"groups"}:
        yield "PrometheusRule: expected metadata and spec.groups"
        return
    for group in manifest["spec"]["groups"]:
        if not set(group) <= {"name", "interval", "rules", "limit", "labels"} or not group.get("rules"):
            yield f"PrometheusRule: the group {group.get('name')} has other fields than name, interval and rules"
        for rule in group.get("rules", ()):
            if (
                not set(rule) <= _RULE_FIELDS
                or ("record" in rule) == ("alert" in rule)
                or not isinstance(rule.get("expr"), str)
            ):
                yield f"PrometheusRule: {rule.get('record') or rule.get('alert')} is no rule"
