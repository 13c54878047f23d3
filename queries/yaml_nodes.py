"""YAML that a person wrote, with the line on which every value stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import yaml

from queries.yaml_text import SafeLoader, line_of

Path: TypeAlias = tuple[str | int, ...]
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
_MOST_NODES = 100_000
"""How many values aliases may make beyond the length of the text."""


class NodeError(ValueError):
    """Not the YAML that is wanted here; `line` counts from 1, `key` is dotted; the message quotes no value."""

    def __init__(self, message: str, *, line: int = 0, key: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.key = key


@dataclass(frozen=True, slots=True)
class YamlDocument:
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


def load_with_lines(text: str) -> YamlDocument:
    """One YAML document; an empty one is None. Aliases, repeated keys and keys that are not text are refused: NodeError."""
    documents = _load(text, aliases=False, several=False)
    return documents[0] if documents else YamlDocument(None, {}, {})


def load_documents(text: str) -> tuple[YamlDocument, ...]:
    """Every document of the text, with aliases and merge keys written out as Go's YAML does it. Raises NodeError."""
    return _load(text, aliases=True, several=True)


def _load(text: str, *, aliases: bool, several: bool) -> tuple[YamlDocument, ...]:
    loader = SafeLoader(text)
    found: list[YamlDocument] = []
    try:
        while (node := _next_node(loader, several=several, first=not found)) is not None:
            document = YamlDocument(None, {}, {})
            walk = _Walk(loader, document, aliases=aliases, most=_MOST_NODES + len(text))
            found.append(replace(document, value=walk.value(node, ())))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise NodeError(f"not YAML: {error.problem or 'cannot be read'}", line=mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise NodeError("not YAML: it holds characters that are not allowed in text", line=line_of(error, text) or 0) from None
    except RecursionError:
        raise NodeError("nested too deeply") from None
    finally:
        loader.dispose()
    return tuple(found)


def _next_node(loader: Any, *, several: bool, first: bool) -> Any:
    """The root of the next document, None where there is none."""
    if not several:
        return loader.get_single_node() if first else None
    return loader.get_node() if loader.check_node() else None


def dotted(path: Path) -> str:
    """`("environments", "staging", 0)` as `environments.staging[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


class _Walk:
    """Makes values of the nodes of one document. Without `aliases` a node that stands in two places is refused."""

    def __init__(self, loader: Any, document: YamlDocument, *, aliases: bool, most: int) -> None:
        self._loader = loader
        self._document = document
        self._aliases = aliases
        self._left = most
        self._seen: set[int] = set()
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path, at: int = 0) -> Any:
        """`at` is the line of the alias that the node is reached through; it stands itself at its anchor."""
        line = at or node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode) or not self._aliases:
            if id(node) in self._seen:
                line = at = at or self._document.line(path)
                self._enter_alias(node, path, line)
            self._seen.add(id(node))
        self._left -= 1
        if self._left < 0:
            raise NodeError("aliases make a document of this that is too large", line=line, key=dotted(path))
        self._document.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            value = _scalar(self._loader, node, line, path)
            if value is not None:
                self._document.texts[path] = node.value
            return value
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path, at)
            return [self.value(item, (*path, index), at) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _enter_alias(self, node: yaml.Node, path: Path, line: int) -> None:
        if not self._aliases:
            # Nothing here needs one, and a few lines of aliases to aliases are gigabytes.
            # The node stands at its anchor; where the alias stands, only its key's line can tell.
            raise NodeError("aliases (*name) are not allowed, write the value out", line=line, key=dotted(path))
        if id(node) in self._open:
            raise NodeError("this alias stands inside of what it names", line=line, key=dotted(path))

    def _mapping(self, node: yaml.MappingNode, path: Path, at: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[tuple[yaml.Node, int]] = []
        for key_node, value_node in node.value:
            line = at or key_node.start_mark.line + 1
            if self._aliases and key_node.tag == _MERGE:
                merged += [(item, line) for item in _merged(value_node)]
                continue
            key = _scalar(self._loader, key_node, line, path) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise NodeError("expected a key that is text (quote it)", line=line, key=dotted(path))
            if key in found:
                raise NodeError("this key stands here twice", line=line, key=dotted((*path, key)))
            self._document.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key), at)
        for item, line in merged:
            if not isinstance(item, yaml.MappingNode) or id(item) in self._open:
                raise NodeError("expected a mapping to merge", line=line, key=dotted(path))
            for key, value in self._mapping_of(item, path, line, found).items():
                found.setdefault(key, value)
        return found

    def _mapping_of(self, node: yaml.MappingNode, path: Path, line: int, there: dict[str, Any]) -> dict[str, Any]:
        """The keys of a merged mapping that are not `there` already: what is written out comes before what is merged."""
        kept = [(key, value) for key, value in node.value if key.tag == _MERGE or key.value not in there]
        self._open.add(id(node))
        try:
            return self._mapping(yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark), path, line)
        finally:
            self._open.discard(id(node))


def _merged(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]


def _scalar(loader: Any, node: yaml.Node, line: int, path: Path) -> Any:
    if node.tag == _TEXT:
        return node.value
    try:
        return loader.construct_object(node, True)
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError):
        # What the constructors raise for `!!int x`, `!!bool x`, `!!timestamp x`, a date without a 30th of February.
        raise NodeError("cannot be read as its tag says", line=line, key=dotted(path)) from None
