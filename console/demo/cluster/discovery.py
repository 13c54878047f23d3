"""API discovery: version, groups and kinds."""

from __future__ import annotations

from typing import Any

from console.demo.cluster.resource import ALL_VERBS, ENDPOINT_SLICES, POD_METRICS, RESOURCES, REVIEWS, SELF_REVIEWS, Object

VERSION = "1.36.3"
"""The imitated release, which the contract suite runs against."""


def version() -> Object:
    """The response of /version."""
    major, minor, _ = VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{VERSION}+demo",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "python",
    }


def core_versions(address: str) -> Object:
    """The response of /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _group(name: str) -> Object:
    versions = dict.fromkeys(item.version for item in RESOURCES if item.group == name)
    rows = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": rows, "preferredVersion": rows[0]}


def groups() -> Object:
    """The response of /apis."""
    names = dict.fromkeys(item.group for item in RESOURCES if item.group)
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in names]}


def group(name: str) -> Object | None:
    """The response of /apis/GROUP; None for an unknown group."""
    if not name or not any(item.group == name for item in RESOURCES):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def resources(group_name: str, version_name: str) -> Object | None:
    """The response of /apis/GROUP/VERSION; None where nothing is served."""
    rows: list[dict[str, Any]] = []
    for item in RESOURCES:
        if (item.group, item.version) != (group_name, version_name):
            continue
        verbs = list(ALL_VERBS)
        if item in (REVIEWS, SELF_REVIEWS):
            verbs = ["create"]
        elif item in (POD_METRICS, ENDPOINT_SLICES):
            verbs = ["get", "list"]
        row: dict[str, Any] = {
            "name": item.plural,
            "singularName": item.singular,
            "namespaced": item.namespaced,
            "kind": item.kind,
            "verbs": verbs,
        }
        if item.short:
            row["shortNames"] = list(item.short)
        rows.append(row)
        if "scale" in item.subresources:
            scale = {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
            rows.append({"name": f"{item.plural}/scale", "singularName": "", "namespaced": True, **scale})
        if item.status:
            row = {"kind": item.kind, "verbs": ["get", "patch", "update"]}
            rows.append({"name": f"{item.plural}/status", "singularName": "", "namespaced": item.namespaced, **row})
        if "eviction" in item.subresources:
            eviction = {"group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]}
            rows.append({"name": f"{item.plural}/eviction", "singularName": "", "namespaced": True, **eviction})
        if "log" in item.subresources:
            row = {"name": f"{item.plural}/log", "singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]}
            rows.append(row)
    if not rows:
        return None
    served = f"{group_name}/{version_name}" if group_name else version_name
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": served, "resources": rows}
