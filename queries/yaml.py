"""YAML that people wrote, as values: the safe C loader, with the line of every value and of every error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from queries.yaml_document import NodeError, Path, YamlDocument, YamlError, format_path

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without libyaml: twenty times slower, equally safe
    from yaml import SafeLoader  # type: ignore[assignment]

__all__ = ["NodeError", "Path", "SafeLoader", "YamlDocument", "YamlError", "format_path"]
__all__ += ["load_documents", "load_with_lines", "load_yaml"]

_MERGE = "tag:yaml.org,2002:merge"
_VALUE = "tag:yaml.org,2002:value"
_TEXT = "tag:yaml.org,2002:str"
_SEQUENCE = "tag:yaml.org,2002:seq"
_MAPPING = "tag:yaml.org,2002:map"
_MOST_NODES = 100_000
"""How many values aliases may add beyond the length of the text."""


class _Loader(SafeLoader):
    """Resolves tags as PyYAML does, without its unused path resolvers: PyYAML resolves a tag for every node."""

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is not yaml.ScalarNode:
            return _SEQUENCE if kind is yaml.SequenceNode else _MAPPING
        if implicit[0]:
            for tag, pattern in self.yaml_implicit_resolvers.get(value[:1], ()):
                if pattern.match(value):
                    return tag
        return _TEXT


def _construct_text(loader: Any, node: Any) -> Any:
    """Two types of YAML 1.1 that no reader in Go knows: its writers leave `=` and `<<` plain, and they are text."""
    return loader.construct_scalar(node)


for _tag in (_VALUE, _MERGE):
    _Loader.add_constructor(_tag, _construct_text)


def load_yaml(text: str, *, where: str) -> object:
    """The value of one YAML document; `where` names the text in errors. Raises YamlError."""
    try:
        loader = _Loader(text)
        try:
            value: object = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
        raise YamlError(problem, where=where, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise YamlError(_first_line(str(error)), where=where, line=_line_of(error, text)) from None
    except (ValueError, RecursionError, LookupError, AttributeError) as error:
        # `!!bool x`, a date such as 2026-13-45 or ten thousand nested brackets: the constructor raises without a mark.
        raise YamlError(_first_line(str(error)) or "not YAML", where=where, line=None) from None
    return value


def _line_of(error: yaml.YAMLError, text: str) -> int | None:
    """The line of an error that carries only a position, as that of a forbidden character does."""
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return None
    # libyaml counts bytes, the parser in Python characters.
    before = text.encode()[:position].decode(errors="replace") if SafeLoader.__name__.startswith("C") else text[:position]
    return before.count("\n") + 1


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def load_with_lines(text: str) -> YamlDocument:
    """One YAML document; an empty one is None. Raises NodeError, also for aliases, repeated keys and keys that are not text."""
    documents = _load(text, aliases=False, several=False)
    return documents[0] if documents else YamlDocument(None, {}, {})


def load_documents(text: str) -> tuple[YamlDocument, ...]:
    """Every document of the text, with aliases and merge keys expanded as Go's YAML does. Raises NodeError."""
    return _load(text, aliases=True, several=True)


def _load(text: str, *, aliases: bool, several: bool) -> tuple[YamlDocument, ...]:
    loader = _Loader(text)
    documents: list[YamlDocument] = []
    try:
        while (node := _next_node(loader, several=several, first=not documents)) is not None:
            document = YamlDocument(None, {}, {})
            builder = _ValueBuilder(loader, document, aliases=aliases, most=_MOST_NODES + len(text))
            documents.append(replace(document, value=builder.build(node, ())))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise NodeError(f"not YAML: {error.problem or 'cannot be read'}", line=mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise NodeError("not YAML: it holds characters that are not allowed in text", line=_line_of(error, text) or 0) from None
    except RecursionError:
        raise NodeError("nested too deeply") from None
    finally:
        loader.dispose()
    return tuple(documents)


def _next_node(loader: Any, *, several: bool, first: bool) -> Any:
    """The root of the next document, None at the end."""
    if not several:
        return loader.get_single_node() if first else None
    return loader.get_node() if loader.check_node() else None


class _ValueBuilder:
    """Builds the values of one document from its nodes. Without `aliases` it refuses a node that is used twice."""

    def __init__(self, loader: Any, document: YamlDocument, *, aliases: bool, most: int) -> None:
        self._loader = loader
        self._document = document
        self._aliases = aliases
        self._left = most
        self._seen: set[int] = set()
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: Path, at: int = 0) -> Any:
        """`at` is the line of the alias that leads to the node, 0 without one; the node's own line is that of its anchor."""
        line = at or node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode) or not self._aliases:
            if id(node) in self._seen:
                line = at = at or self._document.line(path)
                self._enter_alias(node, path, line)
            self._seen.add(id(node))
        self._left -= 1
        if self._left < 0:
            raise NodeError("aliases expand this document beyond its limit", line=line, key=format_path(path))
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
            return [self.build(item, (*path, index), at) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _enter_alias(self, node: yaml.Node, path: Path, line: int) -> None:
        if not self._aliases:
            # A few lines of aliases to aliases expand to gigabytes. The node has only its anchor's line; the alias has
            # its key's.
            raise NodeError("aliases (*name) are not allowed, write the value out", line=line, key=format_path(path))
        if id(node) in self._open:
            raise NodeError("this alias is inside the value that it names", line=line, key=format_path(path))

    def _mapping(self, node: yaml.MappingNode, path: Path, at: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[tuple[yaml.Node, int]] = []
        for key_node, value_node in node.value:
            line = at or key_node.start_mark.line + 1
            if self._aliases and key_node.tag == _MERGE:
                merged += [(item, line) for item in _merge_sources(value_node)]
                continue
            key = _scalar(self._loader, key_node, line, path) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise NodeError("expected a text key (quote it)", line=line, key=format_path(path))
            if key in values:
                raise NodeError("duplicate key", line=line, key=format_path((*path, key)))
            self._document.lines[(*path, key)] = line
            values[key] = self.build(value_node, (*path, key), at)
        for item, line in merged:
            if not isinstance(item, yaml.MappingNode) or id(item) in self._open:
                raise NodeError("expected a mapping to merge", line=line, key=format_path(path))
            for key, value in self._merge(item, path, line, values).items():
                values.setdefault(key, value)
        return values

    def _merge(self, node: yaml.MappingNode, path: Path, line: int, present: dict[str, Any]) -> dict[str, Any]:
        """The values of a merged mapping without the keys already `present`: a key written out overrides a merged one."""
        kept = [(key, value) for key, value in node.value if key.tag == _MERGE or key.value not in present]
        self._open.add(id(node))
        try:
            return self._mapping(yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark), path, line)
        finally:
            self._open.discard(id(node))


def _merge_sources(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]


def _scalar(loader: Any, node: yaml.Node, line: int, path: Path) -> Any:
    if node.tag == _TEXT:
        return node.value
    try:
        return loader.construct_object(node, True)
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError):
        # The constructors raise these for `!!int x`, `!!bool x`, `!!timestamp x`, a date without a 30th of February.
        raise NodeError("does not match its tag", line=line, key=format_path(path)) from None
