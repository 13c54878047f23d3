"""Alertmanager's routes, inhibition rules and matchers, from its own file or an AlertmanagerConfig, with their lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.yaml import Path, YamlDocument


class Route(msgspec.Struct, frozen=True):
    """One route. `matchers` are its own, without those of its parents."""

    line: int
    receiver: str
    matchers: tuple[Matcher, ...]
    continues: bool
    """Whether a matching alert also goes to the next sibling (`continue: true`)."""
    routes: tuple[Route, ...] = ()


class Inhibition(msgspec.Struct, frozen=True):
    """An inhibition rule: while an alert of `source` fires, those of `target` with equal labels `equal` are muted."""

    line: int
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


class Text(msgspec.Struct, frozen=True):
    """A string in the configuration, with its key and line: an address, a host, a title."""

    key: str
    text: str
    line: int


class Routing(msgspec.Struct, frozen=True):
    """`namespace` is that of an AlertmanagerConfig, for which the operator adds a matcher to every route and inhibition."""

    route: Route | None
    inhibitions: tuple[Inhibition, ...]
    texts: tuple[Text, ...]
    namespace: str = ""


def read_routing(value: dict[str, Any], path: Path, document: YamlDocument, *, shift: Callable[[int], int]) -> Routing:
    """Read Alertmanager's configuration. Parts of the wrong shape are skipped: amtool reports them."""
    reader = _Reader(document, shift)
    route = value.get("route")
    root = reader.route(route, (*path, "route")) if isinstance(route, dict) else None
    rules = value.get("inhibit_rules", value.get("inhibitRules"))
    key = "inhibit_rules" if "inhibit_rules" in value else "inhibitRules"
    inhibitions = tuple(reader.inhibition(item, (*path, key, at)) for at, item in _mappings(rules))
    texts = tuple(reader.texts(value, path))
    return Routing(root, inhibitions, texts)


class _Reader:
    def __init__(self, document: YamlDocument, shift: Callable[[int], int]) -> None:
        self._document = document
        self._shift = shift

    def route(self, table: dict[str, Any], path: Path) -> Route:
        routes = table.get("routes")
        return Route(
            self._line(path),
            str(table.get("receiver") or ""),
            self._matchers(table, ("match", "match_re", "matchers")),
            table.get("continue") is True,
            tuple(self.route(item, (*path, "routes", at)) for at, item in _mappings(routes)),
        )

    def inhibition(self, table: dict[str, Any], path: Path) -> Inhibition:
        equal = table.get("equal")
        return Inhibition(
            self._line(path),
            self._matchers(table, ("source_match", "source_match_re", "source_matchers", "sourceMatch")),
            self._matchers(table, ("target_match", "target_match_re", "target_matchers", "targetMatch")),
            tuple(str(item) for item in equal) if isinstance(equal, list) else (),
        )

    def texts(self, value: Any, path: Path) -> Iterator[Text]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from self.texts(item, (*path, key))
        elif isinstance(value, list):
            for at, item in enumerate(value):
                yield from self.texts(item, (*path, at))
        elif isinstance(value, str):
            yield Text(next((part for part in reversed(path) if isinstance(part, str)), ""), value, self._line(path))

    def _line(self, path: Path) -> int:
        return self._shift(self._document.line(path))

    def _matchers(self, table: dict[str, Any], keys: tuple[str, ...]) -> tuple[Matcher, ...]:
        matchers: list[Matcher] = []
        for key in keys:
            given = table.get(key)
            if isinstance(given, dict):
                matchers += [Matcher(name, str(value), is_regex=key.endswith("_re")) for name, value in given.items()]
            elif isinstance(given, list):
                matchers += [matcher for item in given for matcher in _parse_matcher(item)]
        return tuple(matchers)


def _parse_matcher(item: Any) -> tuple[Matcher, ...]:
    """A matcher as a string, or as the operator's mapping."""
    if isinstance(item, str):
        try:
            return parse_matchers(item)
        except MatcherError:
            return ()
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return ()
    operator = str(item.get("matchType") or ("=~" if item.get("regex") is True else "="))
    value = str(item.get("value") or "")
    return (Matcher(item["name"], value, is_regex=operator.endswith("~"), is_equal=not operator.startswith("!")),)


def _mappings(items: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The mappings of a list with their indexes."""
    if isinstance(items, list):
        yield from ((at, item) for at, item in enumerate(items) if isinstance(item, dict))
