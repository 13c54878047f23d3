"""An object as YAML, in kubectl's form: without managedFields, the data of Secrets and every value that looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from queries.kubernetes.object_secrets import redact_object

try:
    from yaml import CSafeDumper as SafeDumper
except ImportError:  # a PyYAML that was built without libyaml: slower, and the same text
    from yaml import SafeDumper  # type: ignore[assignment]

_UNFOLDED = 1 << 30
"""Cells: a screen wraps lines itself, and a fold would hide text from a search."""
_QUOTED = re.compile(
    r"|~|null|Null|NULL|<<|[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
    r"|[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[0-9][0-9_]*)|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"
)
"""Text that YAML 1.1 would read as another type, which kubectl writes in double quotes."""
_PARTS = re.compile(r"([0-9]{1,18})|([^\W\d_])|(.)", re.DOTALL)


class _Dumper(SafeDumper):
    """As kubectl's encoder: literal blocks for several lines, double quotes where plain text would change its type."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else '"' if _QUOTED.fullmatch(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def format_yaml(value: Any) -> str:
    """Any JSON value as YAML, keys sorted, lines never folded. It hides nothing: redact first."""
    sorted_value = _sort_keys(value)
    text: str = yaml.dump(
        sorted_value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=_UNFOLDED, sort_keys=False
    )
    return text


def _sort_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sort_keys(value[key]) for key in sorted(value, key=_natural_order)}
    return [_sort_keys(item) for item in value] if isinstance(value, list) else value


def _natural_order(key: str) -> tuple[tuple[int, int, int, int], ...]:
    """kubectl's order of keys: numbers by their value, letters after everything else, except directly after a digit."""
    order: list[tuple[int, int, int, int]] = []
    after_digit = False
    for digits, letter, other in _PARTS.findall(key):
        if digits:
            order.append((0, int(digits), len(digits), 0))
        elif letter:
            order.append((-1 if after_digit else 1, ord(letter), 0, 0))
        else:
            order.append((0, 0, 0, ord(other)))
        after_digit = bool(digits)
    return tuple(order)


def format_object(raw: Mapping[str, Any], *, managed_fields: bool = False) -> str:
    """A raw object for a screen: redacted, and without managedFields unless requested."""
    shown = redact_object(raw)
    if not managed_fields and isinstance(shown.get("metadata"), dict):
        shown["metadata"].pop("managedFields", None)
    return format_yaml(shown)
