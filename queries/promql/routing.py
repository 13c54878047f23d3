"""Alertmanager's routes, inhibitions and matchers, out of its own file or of an AlertmanagerConfig, each with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from queries.model.matcher import Matcher, MatcherError, parse_matchers
from queries.yaml_nodes import Path, YamlDocument


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `matchers` are its own, not those of the routes around it."""

    line: int
    receiver: str
    matchers: tuple[Matcher, ...]
    goes_on: bool
    """Whether an alert that it takes is offered to the next route too (`continue: true`)."""
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert of `source` fires, those of `target` with equal values of the labels `equal` are muted."""

    line: int
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A text in the configuration, with its key and line: an address, a host, a title."""

    key: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Routing:
    """`namespace` is that of an AlertmanagerConfig: the operator adds a matcher for it to everything in it."""

    route: Route | None
    inhibitions: tuple[Inhibition, ...]
    texts: tuple[Text, ...]
    namespace: str = ""


def read_routing(value: dict[str, Any], path: Path, document: YamlDocument, *, shift: Callable[[int], int]) -> Routing:
    """Alertmanager's configuration. What has not the form that Alertmanager wants is left out here: amtool names it."""
    reading = _Reading(document, shift)
    route = value.get("route")
    root = reading.route(route, (*path, "route")) if isinstance(route, dict) else None
    rules = value.get("inhibit_rules", value.get("inhibitRules"))
    key = "inhibit_rules" if "inhibit_rules" in value else "inhibitRules"
    found = tuple(reading.inhibition(item, (*path, key, at)) for at, item in _mappings(rules))
    texts = tuple(reading.texts(value, path))
    return Routing(root, found, texts)


class _Reading:
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
        found: list[Matcher] = []
        for key in keys:
            given = table.get(key)
            if isinstance(given, dict):
                found += [Matcher(name, str(value), is_regex=key.endswith("_re")) for name, value in given.items()]
            elif isinstance(given, list):
                found += [matcher for item in given for matcher in _parsed(item)]
        return tuple(found)


def _parsed(item: Any) -> tuple[Matcher, ...]:
    """A matcher as text, or in the operator's own form."""
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
    """The mappings of a list with their places in it."""
    if isinstance(items, list):
        yield from ((at, item) for at, item in enumerate(items) if isinstance(item, dict))
