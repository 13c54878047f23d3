"""Raw objects without their secrets: before anything shows, compares or journals one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from queries.decoding import decode_json
from queries.errors import InvalidResponse
from queries.text.secrets import is_secret_option, redact_value

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's copy of the whole object, environment and Secret data included."""
_SENSITIVE_HEADER = re.compile(r"authorization|cookie", re.IGNORECASE)


def redact_object(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which no Secret's data and no value that looks like a secret is left; different secrets look different."""
    copy = {str(key): redact_tree(value) for key, value in raw.items()}
    if raw.get("kind") == "Secret":
        for part in ("data", "stringData"):
            if isinstance(raw.get(part), Mapping):
                copy[part] = {key: _describe_size(value) for key, value in raw[part].items()}
    elif raw.get("kind") == "ConfigMap" and isinstance(raw.get("data"), Mapping):
        copy["data"] = {key: redact_value(key, str(value)) for key, value in raw["data"].items()}
    return copy


def redact_tree(value: Any) -> Any:
    """A copy of any JSON value: environment, headers and annotations by their names, arguments by the option before them, and
    any other text by its form. A field of the API such as `secretName` is no secret.
    """
    if isinstance(value, Mapping):
        name, text = value.get("name"), value.get("value")
        if isinstance(name, str) and isinstance(text, str):
            hint = "secret" if _SENSITIVE_HEADER.search(name) else name
            return {**{key: redact_tree(item) for key, item in value.items()}, "value": redact_value(hint, text)}
        return {key: _redact_annotations(item) if key == "annotations" else redact_tree(item) for key, item in value.items()}
    if isinstance(value, list):
        shown = [redact_tree(item) for item in value]
        for at, item in enumerate(value[1:], start=1):
            before = value[at - 1]
            if isinstance(item, str) and isinstance(before, str) and is_secret_option(before):
                shown[at] = redact_value("secret", item)
        return shown
    return redact_value("", value) if isinstance(value, str) else value


def _redact_annotations(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return redact_tree(value)
    return {key: _redact_annotation(key, str(text)) for key, text in value.items()}


def _describe_size(value: object) -> str:
    return f"(hidden, {len(str(value)):,} characters encoded)"


def _redact_annotation(key: str, text: str) -> str:
    """The copies of a whole object that kubectl and tools like it keep are redacted as the object itself."""
    if key == LAST_APPLIED or text.startswith("{"):
        try:
            copy = decode_json(dict[str, Any], text.encode("utf-8", "surrogatepass"), where="", whose="kubectl's", hint="")
        except InvalidResponse:
            return f"(hidden, {len(text):,} characters)" if key == LAST_APPLIED else redact_value(key, text)
        shown = redact_object(copy)
        if key == LAST_APPLIED or shown != copy:
            text = json.dumps(shown, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text if key == LAST_APPLIED else redact_value(key, text)
