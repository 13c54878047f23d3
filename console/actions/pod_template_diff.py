"""What differs between two pod templates, in lines that a person reads before agreeing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from console.actions.plan import Difference
from queries.kubernetes.decode import containers_of
from queries.model.secret import masked
from queries.model.workload import Container

HASH = "pod-template-hash"
_ABSENT = "-"
_MOST = 12


def without_hash(template: dict[str, Any]) -> dict[str, Any]:
    """The template as a Deployment holds it: a ReplicaSet's has one label more."""
    meta = dict(template.get("metadata") or {})
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != HASH}
    if labels:
        meta["labels"] = labels
    else:
        meta.pop("labels", None)
    return {**template, "metadata": meta}


def container_names(template: dict[str, Any]) -> tuple[str, ...]:
    spec = template.get("spec") or {}
    every = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    return tuple(sorted(str(item.get("name", "")) for item in every))


def differences(before: dict[str, Any], after: dict[str, Any]) -> tuple[Difference, ...]:
    """Images (also where they are equal), then environment by name, then every other field by its path."""
    old = {item.name: item for item in containers_of(before)}
    new = {item.name: item for item in containers_of(after)}
    names = [*new, *(name for name in old if name not in new)]
    found: list[Difference] = []
    for name in names:
        suffix = f" {name}" if len(names) > 1 else ""
        found.append(Difference(f"image{suffix}", _image(old.get(name)), _image(new.get(name))))
    for name in names:
        suffix = f" ({name})" if len(names) > 1 else ""
        found += _environment(old.get(name), new.get(name), suffix)
    rest_before, rest_after = dict(_leaves(_rest(before))), dict(_leaves(_rest(after)))
    paths = sorted(path for path in rest_before.keys() | rest_after.keys() if rest_before.get(path) != rest_after.get(path))
    found += [Difference(path, rest_before.get(path, _ABSENT), rest_after.get(path, _ABSENT)) for path in paths[:_MOST]]
    if len(paths) > _MOST:
        found.append(Difference("and more", "", f"{len(paths) - _MOST} other fields"))
    return tuple(found)


def _image(container: Container | None) -> str:
    return container.image if container else _ABSENT


def _environment(old: Container | None, new: Container | None, suffix: str) -> Iterator[Difference]:
    before, after = dict(old.env) if old else {}, dict(new.env) if new else {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Difference(f"env {name}{suffix}", before.get(name, _ABSENT), after.get(name, _ABSENT))


def _rest(template: dict[str, Any]) -> dict[str, Any]:
    """The template without what has lines of its own."""
    clean = without_hash(template)
    spec = dict(clean.get("spec") or {})
    for group in ("containers", "initContainers"):
        spec[group] = [
            {key: value for key, value in item.items() if key not in ("image", "env", "envFrom")}
            for item in spec.get(group) or []
        ]
    meta = {key: value for key, value in clean["metadata"].items() if key != "creationTimestamp"}
    return {**clean, "metadata": meta, "spec": spec}


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            name = item.get("name", index) if isinstance(item, dict) else index
            yield from _leaves(item, f"{path}[{name}]")
    else:
        yield path, "" if value is None else masked(path.rpartition(".")[2], str(value))
