"""The differences between two pod templates, as lines of a preview."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from console.actions.plan import Difference
from queries.kubernetes.object_secrets import redact_tree
from queries.kubernetes.pod_template_decode import decode_containers
from queries.model.workload import Container
from queries.text.secrets import redact_value

HASH = "pod-template-hash"
_ABSENT = "-"
_MAX_FIELDS = 12


def without_hash(template: dict[str, Any]) -> dict[str, Any]:
    """The template as in a Deployment: a ReplicaSet's has one more label."""
    meta = dict(template.get("metadata") or {})
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != HASH}
    if labels:
        meta["labels"] = labels
    else:
        meta.pop("labels", None)
    return {**template, "metadata": meta}


def container_names(template: dict[str, Any]) -> tuple[str, ...]:
    """The names of all containers, init containers included, sorted."""
    spec = template.get("spec") or {}
    containers = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    return tuple(sorted(str(item.get("name", "")) for item in containers))


def diff_templates(before: dict[str, Any], after: dict[str, Any]) -> tuple[Difference, ...]:
    """The images, even if equal, then environment variables by name, then every other field by its path."""
    old = {item.name: item for item in decode_containers(before)}
    new = {item.name: item for item in decode_containers(after)}
    names = [*new, *(name for name in old if name not in new)]
    lines: list[Difference] = []
    for name in names:
        suffix = f" {name}" if len(names) > 1 else ""
        lines.append(Difference(f"image{suffix}", _image(old.get(name)), _image(new.get(name))))
    for name in names:
        suffix = f" ({name})" if len(names) > 1 else ""
        lines += _diff_environment(old.get(name), new.get(name), suffix)
    rest_before, rest_after = dict(_flatten(_other_fields(before))), dict(_flatten(_other_fields(after)))
    paths = sorted(path for path in rest_before.keys() | rest_after.keys() if rest_before.get(path) != rest_after.get(path))
    lines += [Difference(path, rest_before.get(path, _ABSENT), rest_after.get(path, _ABSENT)) for path in paths[:_MAX_FIELDS]]
    if len(paths) > _MAX_FIELDS:
        lines.append(Difference("and more", "", f"{len(paths) - _MAX_FIELDS} other fields"))
    return tuple(lines)


def _image(container: Container | None) -> str:
    return container.image if container else _ABSENT


def _diff_environment(old: Container | None, new: Container | None, suffix: str) -> Iterator[Difference]:
    before, after = dict(old.env) if old else {}, dict(new.env) if new else {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Difference(f"env {name}{suffix}", before.get(name, _ABSENT), after.get(name, _ABSENT))


def _other_fields(template: dict[str, Any]) -> dict[str, Any]:
    """The template without the fields that have their own lines, and without secrets."""
    clean = without_hash(template)
    spec = dict(clean.get("spec") or {})
    for group in ("containers", "initContainers"):
        spec[group] = [
            {key: value for key, value in item.items() if key not in ("image", "env", "envFrom")}
            for item in spec.get(group) or []
        ]
    meta = {key: value for key, value in clean["metadata"].items() if key != "creationTimestamp"}
    return dict(redact_tree({**clean, "metadata": meta, "spec": spec}))


def _flatten(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            name = item.get("name", index) if isinstance(item, dict) else index
            yield from _flatten(item, f"{path}[{name}]")
    else:
        yield path, "" if value is None else redact_value(path.rpartition(".")[2], str(value))
