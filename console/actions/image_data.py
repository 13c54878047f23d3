"""What the cluster knows of an image without its registry: the digest that pods and nodes have, and its OCI annotations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Any

from console.actions.action import ClusterReader
from console.actions.plan import CheckLevel, PreflightCheck
from queries.errors import SourceError
from queries.model.frozen import dataclass
from queries.model.text import visible

HOW = "image data"
_OCI = "org.opencontainers.image."
"""The keys of https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md."""
_SHOWN = ("version", "revision", "created", "source")
_DIGEST_CHARACTERS = 19
"""`sha256:` and twelve digits: as much as people compare."""


@dataclass(frozen=True, slots=True)
class ImageData:
    """One image: `digests` by where they were read, `labels` by their OCI key without its prefix, and `where` these stand."""

    digests: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    def describe(self) -> str:
        digest = "; ".join(f"{value[:_DIGEST_CHARACTERS]} ({where})" for where, value in self.digests.items())
        shown = sorted(self.labels, key=lambda key: (_SHOWN.index(key) if key in _SHOWN else len(_SHOWN), key))
        labels = ", ".join(f"{visible(key)} {visible(self.labels[key])}" for key in shown)
        return "; ".join(
            (
                digest or "digest not known, no pod and no node here has it",
                f"{labels} (annotations of {self.where})" if labels else f"no {_OCI}* annotation of a workload describes it",
            )
        )


async def check_image_data(
    reader: ClusterReader, workload: Mapping[str, Any], *, container: str, group: str, before: str, after: str
) -> tuple[PreflightCheck, ...]:
    """A line for each of the two images; `group` is `containers` or `initContainers` of the workload's pod template."""
    selector = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    unread: list[str] = []
    pods = await _list(reader, "pods", labels, unread)
    sets = await _list(reader, "replicasets", labels, unread)
    nodes = await _list(reader, "nodes", "", unread)
    template = (workload.get("spec") or {}).get("template") or {}
    name = f"{str(workload.get('kind') or 'workload').lower()}/{(workload.get('metadata') or {}).get('name', '')}"
    templates = [(name, template), *((f"replicaset/{item['metadata']['name']}", item["spec"]["template"]) for item in sets)]
    own = _oci(workload.get("metadata") or {}, template.get("metadata") or {})
    collect = partial(_collect, container=container, group=group, pods=pods, nodes=nodes, templates=templates)
    found = [
        PreflightCheck(CheckLevel.OK, f"{word}, {visible(image)}: {data.describe()}", HOW)
        for word, image, data in (("now", before, collect(before)), ("new", after, collect(after)))
    ]
    if own:
        kept = ", ".join(f"{visible(key)} {visible(value)}" for key, value in sorted(own.items()))
        text = f"the annotations of {name} stay as they are and describe the old image from then on: {kept}"
        found.append(PreflightCheck(CheckLevel.WARN, text, HOW))
    if unread:
        found.append(PreflightCheck(CheckLevel.WARN, f"not checked: {'; '.join(unread)}", HOW, unknown=True))
    return tuple(found)


async def _list(reader: ClusterReader, resource: str, labels: str, unread: list[str]) -> list[dict[str, Any]]:
    """What may not be listed is named in `unread`."""
    try:
        return await reader.list_objects(resource, labels=labels) if labels or resource == "nodes" else []
    except SourceError as error:
        unread.append(f"{resource} ({error})")
        return []


def _collect(
    image: str,
    *,
    container: str,
    group: str,
    pods: Iterable[Mapping[str, Any]],
    nodes: Iterable[Mapping[str, Any]],
    templates: Sequence[tuple[str, Mapping[str, Any]]],
) -> ImageData:
    digests: dict[str, str] = {}
    statuses = "initContainerStatuses" if group == "initContainers" else "containerStatuses"
    for pod in pods:
        status = (pod.get("status") or {}).get(statuses) or ()
        if _image_of(pod.get("spec") or {}, group, container) == image:
            ids = (str(item.get("imageID") or "") for item in status if item.get("name") == container)
            digests.update((f"pod {pod['metadata']['name']}", each) for each in map(_digest, ids) if each)
    for node in nodes:
        for item in (node.get("status") or {}).get("images") or ():
            names = [str(each) for each in item.get("names") or ()]
            if image in names and (each := next(filter(None, map(_digest, names)), "")):
                digests[f"node {node['metadata']['name']}"] = each
    labels, where = {}, ""
    for name, template in templates:
        if _image_of(template.get("spec") or {}, group, container) == image and (found := _oci(template.get("metadata") or {})):
            labels, where = found, name
            break
    return ImageData(_merge(digests), labels, where)


def _merge(digests: Mapping[str, str]) -> dict[str, str]:
    """One entry for each digest, with the number of places: several mean that the tag moved."""
    places: dict[str, list[str]] = {}
    for where, digest in digests.items():
        places.setdefault(digest, []).append(where)
    return {
        names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more": digest for digest, names in places.items()
    }


def _image_of(spec: Mapping[str, Any], group: str, container: str) -> str:
    return next((str(item.get("image") or "") for item in spec.get(group) or () if item.get("name") == container), "")


def _digest(identity: str) -> str:
    """The digest in `registry/repo@sha256:…` or `docker-pullable://…@sha256:…`; empty without one."""
    _, found, digest = identity.rpartition("@")
    return digest if found else ""


def _oci(*metadata: Mapping[str, Any]) -> dict[str, str]:
    """The OCI keys among labels and annotations, without their prefix."""
    return {
        str(key).removeprefix(_OCI): str(value)
        for meta in metadata
        for group in ("labels", "annotations")
        for key, value in (meta.get(group) or {}).items()
        if str(key).startswith(_OCI)
    }
