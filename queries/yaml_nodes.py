"""YAML that a person wrote, with the line on which every value stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import yaml

from queries.yaml_text import SafeLoader, line_of

Path: TypeAlias = tuple[str | int, ...]


class NodeError(ValueError):
    """Not the YAML that is wanted here; `line` counts from 1, `key` is dotted; the message quotes no value."""

    def __init__(self, message: str, *, line: int = 0, key: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.key = key


@dataclass(frozen=True, slots=True)
class Lined:
    """A document: plain values (dicts with text keys, lists, scalars), the line of each and each scalar as written, by path."""

    value: Any
    lines: dict[Path, int]
    texts: dict[Path, str]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def text(self, path: Path) -> str:
        """A scalar as Go's YAML decodes it into a string: as written (`1.10`, `yes`), empty for null or where there is none."""
        return self.texts.get(path, "")


def load_with_lines(text: str) -> Lined:
    """One YAML document; an empty one is None. Aliases, repeated keys and keys that are not text are refused: NodeError."""
    loader = SafeLoader(text)
    try:
        node = loader.get_single_node()
        document = Lined(None, {}, {})
        value = None if node is None else _value(loader, node, (), document, set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise NodeError(f"not YAML: {error.problem or 'cannot be read'}", line=mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise NodeError("not YAML: it holds characters that are not allowed in text", line=line_of(error, text) or 0) from None
    except RecursionError:
        raise NodeError("nested too deeply") from None
    finally:
        loader.dispose()
    return replace(document, value=value)


def dotted(path: Path) -> str:
    """`("environments", "staging", 0)` as `environments.staging[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def _value(loader: Any, node: yaml.Node, path: Path, document: Lined, seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    if id(node) in seen:
        # Nothing here needs one, and a few lines of aliases to aliases are gigabytes.
        # The node stands at its anchor; where the alias stands, only its key's line can tell.
        line = document.line(path)
        raise NodeError("aliases (*name) are not allowed, write the value out", line=line, key=dotted(path))
    seen.add(id(node))
    document.lines.setdefault(path, line)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1
            key = _scalar(loader, key_node, at, path) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise NodeError("expected a key that is text (quote it)", line=at, key=dotted(path))
            if key in found:
                raise NodeError("this key stands here twice", line=at, key=dotted((*path, key)))
            document.lines[(*path, key)] = at
            found[key] = _value(loader, value_node, (*path, key), document, seen)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*path, index), document, seen) for index, item in enumerate(node.value)]
    value = _scalar(loader, node, line, path)
    if value is not None:
        document.texts[path] = node.value
    return value


def _scalar(loader: Any, node: yaml.Node, line: int, path: Path) -> Any:
    try:
        return loader.construct_object(node, True)
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError):
        # What the constructors raise for `!!int x`, `!!bool x`, `!!timestamp x`, a date without a 30th of February.
        raise NodeError("cannot be read as its tag says", line=line, key=dotted(path)) from None
