"""What a line of a log names beside its text: labels, metadata, and the fields of JSON and logfmt; and filters by them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote as quote_url

import msgspec

from console.logs.fields import parse_logfmt
from queries.loki.selector import drop_filters
from queries.model.frozen import dataclass
from queries.model.series import Labels, quote

MOST_FIELDS = 100
_MOST_DEPTH = 4
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TRACE_NAMES = frozenset({"traceid", "oteltraceid", "xb3traceid"})
_TRACE_ID = re.compile(r"[0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?")
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_IN_TEXT = re.compile(r"""\btrace[_.-]?id["']?\s*[=:]\s*["']?([0-9a-f]{32}|[0-9a-f]{16})\b""", re.IGNORECASE)
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode


class FieldKind(StrEnum):
    """Where a field of a line stands."""

    LABEL = "label"
    METADATA = "metadata"
    JSON = "json"
    LOGFMT = "logfmt"
    TEXT = "text"


class LineField(NamedTuple):
    """One field; the name of one in nested JSON has its path, by dots."""

    name: str
    value: str
    kind: FieldKind

    @property
    def trace_id(self) -> str:
        """The trace that it names, in hexadecimal; empty for another field."""
        if self.name.lower() == "traceparent":
            found = _TRACE_PARENT.fullmatch(self.value)
            return found[1] if found else ""
        plain = re.sub(r"[._-]", "", self.name.rpartition(".")[2] if self.kind is FieldKind.JSON else self.name).lower()
        named = plain in _TRACE_NAMES or (plain == "id" and self.name.lower().endswith("trace.id"))
        return self.value if named and _TRACE_ID.fullmatch(self.value) else ""


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Only lines with this field, or only lines without it."""

    field: LineField
    without: bool = False

    def describe(self) -> str:
        """`pod="a"`, `level!="debug"`."""
        return f"{self.field.name}{'!=' if self.without else '='}{quote(self.field.value)}"


def find_fields(line: str) -> tuple[LineField, ...]:
    """The fields of a line that is a JSON object or logfmt, and the trace that any other text names."""
    text = line.strip()
    if text.startswith("{"):
        try:
            found = _DECODE(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return _find_trace(text)
        return tuple(_flatten(found, "", _MOST_DEPTH))[:MOST_FIELDS]
    pairs = tuple(LineField(name, value, FieldKind.LOGFMT) for name, value in parse_logfmt(text))[:MOST_FIELDS]
    return pairs or _find_trace(text)


def build_fields(labels: Labels, metadata: Labels, text: str) -> tuple[LineField, ...]:
    """All fields of a line: its labels, its metadata, and those of its text."""
    return (
        *(LineField(name, value, FieldKind.LABEL) for name, value in labels),
        *(LineField(name, value, FieldKind.METADATA) for name, value in metadata),
        *find_fields(text),
    )


def build_trace_url(template: str, trace_id: str) -> str:
    """The address of a trace; empty without a template."""
    return template.replace("{trace_id}", quote_url(trace_id, safe="")) if template else ""


def add_filters(query: str, filters: Iterable[LineFilter]) -> str:
    """The log query with these filters: labels in its selector, the others after it."""
    selector = drop_filters(query)
    rest = query.strip()[len(selector) :]
    inside, after = selector.strip()[1:-1].strip().rstrip(","), ""
    for each in filters:
        name, sign, value = each.field.name, "!=" if each.without else "=", quote(each.field.value)
        if each.field.kind is FieldKind.LABEL:
            inside = f"{inside}, {name}{sign}{value}" if inside else f"{name}{sign}{value}"
            continue
        if each.field.kind is FieldKind.TEXT:
            after += f" {'!=' if each.without else '|='} {value}"
            continue
        label = re.sub(r"[^a-zA-Z0-9_]", "_", name)
        label = label if _LABEL.match(label) else f"_{label}"
        if each.field.kind is FieldKind.METADATA:
            after += f" | {label}{sign}{value}"
        elif each.field.kind is FieldKind.JSON:
            after += f" | json {label}={quote(_json_path(name))} | {label}{sign}{value}"
        else:
            after += f" | logfmt {label}={quote(name)} | {label}{sign}{value}"
    return f"{{{inside}}}{rest}{after}"


def _json_path(name: str) -> str:
    parts = name.split(".")
    if all(_LABEL.fullmatch(part) for part in parts):
        return name
    return "".join(f'["{part}"]' for part in parts)


def _find_trace(text: str) -> tuple[LineField, ...]:
    """A trace that plain text names, which has no fields for a query."""
    found = _TRACE_IN_TEXT.search(text)
    return (LineField("trace_id", found[1], FieldKind.TEXT),) if found else ()


def _flatten(value: Mapping[str, Any], path: str, depth: int) -> Iterator[LineField]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            if depth > 1:
                yield from _flatten(item, f"{path}{name}.", depth - 1)
        elif not isinstance(item, list) and item is not None:
            shown = item if isinstance(item, str) else msgspec.json.encode(item).decode()
            yield LineField(f"{path}{name}", shown, FieldKind.JSON)
