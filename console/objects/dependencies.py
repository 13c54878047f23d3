"""What a pod template depends on: ConfigMaps, Secrets and PersistentVolumeClaims, by name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from queries.errors import SourceError
from queries.kubernetes.object_decode import decode_claim
from queries.kubernetes.object_reader import ObjectReader
from queries.model.object_page import Dependency, Existence

_MOST = 60
"""Dependencies whose existence is checked: each takes a request."""
_NOT_FOUND = re.compile(r'\b(configmap|secret|persistentvolumeclaim)s? "([^"]+)" not found', re.IGNORECASE)
"""As the kubelet and the scheduler write it."""


def find_dependencies(template: Mapping[str, Any], claims: Iterable[str] = ()) -> tuple[Dependency, ...]:
    """Everything that the raw pod template names, sorted by kind and name; `claims` are those of a StatefulSet's pods."""
    found: dict[tuple[str, str], Dependency] = {}
    for kind, name, use, optional in (*_references(template.get("spec") or {}), *_own_claims(claims)):
        if not name:
            continue
        known = found.get((kind, name))
        uses = (*known.used_as, use) if known and use not in known.used_as else known.used_as if known else (use,)
        found[kind, name] = Dependency(kind, name, uses, optional and (known is None or known.optional))
    return tuple(found[key] for key in sorted(found))


def name_own_claims(workload: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the claims that a raw StatefulSet makes for its pods: `data-web-0`."""
    spec = workload.get("spec") or {}
    templates = [str((item.get("metadata") or {}).get("name") or "") for item in spec.get("volumeClaimTemplates") or ()]
    first = int((spec.get("ordinals") or {}).get("start") or 0)
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    name = workload["metadata"]["name"]
    numbers = range(first, first + min(replicas, _MOST))
    return tuple(f"{template}-{name}-{number}" for template in templates for number in numbers)


def find_missing_by_message(messages: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The missing objects that messages of pods and events name, with who says so; from pairs of speaker and message."""
    kinds = {"configmap": "ConfigMap", "secret": "Secret", "persistentvolumeclaim": "PersistentVolumeClaim"}
    found: dict[tuple[str, str], str] = {}
    for speaker, message in messages:
        for kind, name in _NOT_FOUND.findall(message):
            found.setdefault((kinds[kind.lower()], name.rpartition("/")[2]), speaker)
    return found


async def check_dependencies(items: Iterable[Dependency], reader: ObjectReader) -> tuple[Dependency, ...]:
    """Each with its existence. Of a ConfigMap and a Secret only metadata is requested, and only with the right to get it."""
    listed = tuple(items)
    checked = await asyncio.gather(*(_check(item, reader) for item in listed[:_MOST]))
    rest = (replace(item, text=f"not checked: more than {_MOST} dependencies") for item in listed[_MOST:])
    return (*checked, *rest)


def apply_messages(items: Iterable[Dependency], reported: Mapping[tuple[str, str], str]) -> tuple[Dependency, ...]:
    """The dependencies; one of unknown existence that a pod or an event reports as not found is missing."""
    return tuple(
        replace(item, existence=Existence.MISSING, text=f"not found, by {reported[item.kind, item.name]}")
        if item.existence is Existence.UNKNOWN and (item.kind, item.name) in reported
        else item
        for item in items
    )


async def _check(item: Dependency, reader: ObjectReader) -> Dependency:
    kind = item.kind.lower()
    try:
        if kind == "persistentvolumeclaim":
            claim = decode_claim(await reader.read(kind, item.name))
            text = ", ".join(filter(None, (claim.phase, claim.capacity, claim.storage_class)))
            return replace(item, existence=Existence.PRESENT, text=text)
        if not await reader.may_get(kind):
            return replace(item, text=f"not known: no permission to get {kind}s")
        if await reader.exists(kind, item.name):
            return replace(item, existence=Existence.PRESENT, text="")
    except SourceError as error:
        if error.fault.status != 404:
            return replace(item, text=f"not known: {error.fault.what}")
    return replace(item, existence=Existence.MISSING, text="does not exist")


def _own_claims(names: Iterable[str]) -> Iterator[tuple[str, str, str, bool]]:
    for name in names:
        yield "PersistentVolumeClaim", name, "volumeClaimTemplates", False


def _references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Kind, name, use, and whether the pod starts without it."""
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or ():
            name = container.get("name", "")
            for source in container.get("envFrom") or ():
                yield from _sources(source, ("configMapRef", "secretRef"), f"environment of {name}", "name")
            for entry in container.get("env") or ():
                source = entry.get("valueFrom") or {}
                yield from _sources(source, ("configMapKeyRef", "secretKeyRef"), f"environment of {name}", "name")
    for volume in spec.get("volumes") or ():
        use = f"volume {volume.get('name', '')}"
        yield from _volume(volume, use)
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _sources(source, ("configMap", "secret"), use, "name")
    for entry in spec.get("imagePullSecrets") or ():
        yield "Secret", str(entry.get("name") or ""), "image pull", True


def _volume(volume: Mapping[str, Any], use: str) -> Iterator[tuple[str, str, str, bool]]:
    yield from _sources(volume, ("configMap",), use, "name")
    yield from _sources(volume, ("secret",), use, "secretName")
    claim = volume.get("persistentVolumeClaim") or {}
    if claim:
        yield "PersistentVolumeClaim", str(claim.get("claimName") or ""), use, False


def _sources(source: Mapping[str, Any], names: tuple[str, ...], use: str, key: str) -> Iterator[tuple[str, str, str, bool]]:
    for name in names:
        found = source.get(name) or {}
        if found:
            kind = "ConfigMap" if name.startswith("configMap") else "Secret"
            yield kind, str(found.get(key) or ""), use, bool(found.get("optional"))
