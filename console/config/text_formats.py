"""Which texts of a configuration are a URL, a target or a name."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

_LABEL_NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
_DATA_KEY = r"[-._a-zA-Z0-9]{1,253}"
_OBJECT_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
"""Compiled when the first is needed, which is not before the first frame."""


def is_trace_url(value: Any) -> bool:
    """Whether this is an http or https URL in which `{trace_id}` stands for a trace."""
    return is_webhook(value) and "{trace_id}" in value and "{trace_id}" not in value.split("/", 3)[2]


def is_url(value: Any) -> bool:
    """Whether this is an http or https URL with a host, without query and fragment."""
    return is_webhook(value) and "?" not in value and "#" not in value


def is_webhook(value: Any) -> bool:
    """Whether this is an http or https URL with a host; a webhook's key may be in its query."""
    return _has_parts(value, ("http", "https")) and bool(urlsplit(value).hostname)


def is_postgresql_url(value: Any) -> bool:
    """Whether this is the URL of one PostgreSQL database; libpq's own variables and files supply the parts that it omits."""
    if not _has_parts(value, ("postgresql", "postgres")):
        return False
    try:
        unquote(urlsplit(value).netloc, errors="strict")
    except ValueError:
        return False
    return True


def is_label_name(value: str) -> bool:
    """Whether this is the name of a label of Prometheus or Loki, which is not quoted in a selector."""
    return re.fullmatch(_LABEL_NAME, value) is not None


def is_store(value: Any) -> bool:
    """Whether this names a shared store: `kubernetes` or a PostgreSQL URL."""
    return value == "kubernetes" or is_postgresql_url(value)


def _has_parts(value: Any, schemes: tuple[str, ...]) -> bool:
    """Whether this is a URL with one of the schemes and a valid port, without fragment, blanks and control characters."""
    if not isinstance(value, str) or any(character.isspace() or ord(character) < 32 for character in value):
        return False
    try:
        parts = urlsplit(value)
        valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in schemes and valid_port and not parts.fragment


def is_redis_url(value: Any) -> bool:
    """Whether redis-py accepts this URL."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
    except ValueError:
        return False
    return (parts.scheme in ("redis", "rediss") and bool(parts.hostname)) or (parts.scheme == "unix" and bool(parts.path))


def is_target(value: Any) -> bool:
    """Whether this is `deployment/NAME`, or another kind of workload, with a name that Kubernetes allows."""
    from queries.model.workload import TARGET_KINDS  # noqa: PLC0415  # not before the first frame

    kind, _, name = value.partition("/") if isinstance(value, str) else ("", "", "")
    return kind in TARGET_KINDS and is_dns_name(name)


def is_consumer(value: Any) -> bool:
    """Whether this is a workload that can be restarted, or `external/NAME` of a service outside the cluster."""
    kind, _, name = value.partition("/") if isinstance(value, str) else ("", "", "")
    return kind in ("deployment", "statefulset", "daemonset", "external") and is_dns_name(name)


def is_secret_key(value: Any) -> bool:
    """Whether this is `NAME/KEY` of a Secret."""
    name, _, key = value.partition("/") if isinstance(value, str) else ("", "", "")
    return is_object_name(name) and re.fullmatch(_DATA_KEY, key) is not None


def is_object_name(name: str) -> bool:
    """Whether Kubernetes allows this as the name of any object (RFC 1123 subdomain), such as a node's with dots."""
    return re.fullmatch(_OBJECT_NAME, name) is not None


def is_dns_name(name: str) -> bool:
    """Whether Kubernetes allows this as an object's name (RFC 1123 label)."""
    if not 0 < len(name) <= 63 or name[0] == "-" or name[-1] == "-":
        return False
    return all(character.isascii() and (character.isdigit() or character.islower() or character == "-") for character in name)
