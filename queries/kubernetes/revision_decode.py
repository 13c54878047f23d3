"""Decodes ReplicaSets as revisions of their Deployment."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from queries.decoding import convert
from queries.kubernetes import objects as k8s
from queries.kubernetes.metadata_decode import find_controller, name_owner, parse_number, parse_timestamp
from queries.kubernetes.pod_template_decode import decode_containers
from queries.kubernetes.workload_decode import ARGO_REVISION, CHANGE_CAUSE, RESTARTED_AT, REVISION
from queries.model.workload import Revision

HISTORY = "deployment.kubernetes.io/revision-history"
TEMPLATE_HASH = "pod-template-hash"


def build_revision(item: k8s.ReplicaSetObject) -> Revision:
    """A ReplicaSet as a revision."""
    meta, status = item.metadata, item.status or k8s.WorkloadStatus()
    template = (item.spec.template if item.spec else None) or {}
    notes = meta.annotations or {}
    return Revision(
        number=parse_number(notes.get(REVISION) or notes.get(ARGO_REVISION)),
        name=meta.name,
        owner_uid=find_controller(meta).uid,
        owner=name_owner(find_controller(meta)),
        uid=meta.uid,
        created_at=parse_timestamp(meta.creation_timestamp),
        replicas=status.replicas,
        ready=status.ready_replicas,
        change_cause=notes.get(CHANGE_CAUSE, ""),
        containers=decode_containers(template),
        template=_fingerprint(template),
        history=tuple(int(part) for part in notes.get(HISTORY, "").split(",") if part.isascii() and part.isdigit()),
    )


def _fingerprint(template: dict[str, Any]) -> str:
    """A hash that ignores the hash label and the time of a restart.

    The API server serializes equal templates in equal order.
    """
    meta = template.get("metadata") or {}
    bare = {
        **template,
        "metadata": {
            **meta,
            "labels": {key: value for key, value in (meta.get("labels") or {}).items() if key != TEMPLATE_HASH},
            "annotations": {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED_AT},
        },
    }
    return hashlib.sha256(msgspec.json.encode(bare)).hexdigest()[:16]


def decode_revision(item: dict[str, Any]) -> Revision:
    """A raw ReplicaSet as a revision."""
    return build_revision(convert(item, k8s.ReplicaSetObject))
