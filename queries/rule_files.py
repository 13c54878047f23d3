"""Rule files as they were written: groups, rules and the line of everything in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

from queries.model.rule import Rule, RuleKind
from queries.model.series import Labels
from queries.yaml_nodes import Lined, NodeError, Path, load_with_lines

_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is no rule file, or no rule, and on which line."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class PlacedRule:
    """A rule with the lines of its parts, by dotted key (`expr`, `annotations.runbook_url`); a server's rule has line 0."""

    rule: Rule
    group: str
    file: str
    line: int = 0
    lines: tuple[tuple[str, int], ...] = ()
    source: tuple[str, ...] = ()
    """The lines of the file from `line` to the next rule."""

    def line_of(self, key: str, *words: str) -> int:
        """The line of a part, or within it the first one on which all words stand, else the first with the first of them."""
        found = dict(self.lines).get(key, dict(self.lines).get(key.partition(".")[0], self.line))
        if not found:
            return 0
        for wanted in (words, words[:1]):
            patterns = [re.compile(rf"(?<![\w:]){re.escape(word)}(?![\w:])") for word in wanted if word]
            for number, text in enumerate(self.source[found - self.line :], start=found):
                if patterns and all(pattern.search(text) for pattern in patterns):
                    return number
        return found

    def line_in_expression(self, number: int) -> int:
        """The line of the file for a line of the expression, counted from 1."""
        key = self.line_of("expr")
        block = key and re.search(r"[|>][-+0-9]*\s*(#.*)?$", self.source[key - self.line])
        return key + number - (0 if block else 1) if key else 0


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What a file holds. `routing` says that it is an Alertmanager's configuration, which has no rules; `manifest` that it
    is a PrometheusRule, which promtool does not read."""

    path: str
    rules: tuple[PlacedRule, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    routing: bool = False
    manifest: bool = False


def read_rules(text: str, *, path: str) -> RuleFile:
    """A file in Prometheus' own form or as a PrometheusRule manifest. What is wrong in it is data; never raises."""
    try:
        document = load_with_lines(text)
    except NodeError as error:
        told = f"{error.key}: {error}" if error.key else str(error)
        return RuleFile(path, troubles=(Trouble(max(error.line, 1), told),))
    value = document.value
    if isinstance(value, dict) and "route" in value and "receivers" in value:
        return RuleFile(path, routing=True)
    at: Path = ()
    manifest = isinstance(value, dict) and value.get("kind") == "PrometheusRule"
    if isinstance(value, dict) and manifest:
        value, at = value.get("spec"), ("spec",)
    if not isinstance(value, dict) or not isinstance(value.get("groups"), list):
        return RuleFile(path, troubles=(Trouble(document.line((*at, "groups")), "expected `groups`, a list of rule groups"),))
    reading = _Reading(document, path, text.splitlines())
    for index, group in enumerate(value["groups"]):
        reading.group(group, (*at, "groups", index))
    return RuleFile(path, reading.placed(), tuple(reading.troubles), manifest=manifest)


def built_in() -> tuple[RuleFile, ...]:
    """The rule files of the platform that come with the console."""
    folder = resources.files("queries") / "rules"
    found = []
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith((".yaml", ".yml")):
            read = read_rules(file.read_text(encoding="utf-8"), path=str(file))
            if not read.routing:
                found.append(read)
    return tuple(found)


def seconds(duration: str) -> float:
    """Prometheus' own durations: `90s`, `5m`, `1h30m`, `0`. Raises ValueError."""
    if duration == "0":
        return 0.0
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", duration):
        raise ValueError(f"not a duration: {duration!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))


class _Reading:
    """Goes through one document and keeps what it finds."""

    def __init__(self, document: Lined, path: str, source: list[str]) -> None:
        self.document = document
        self.path = path
        self.source = source
        self.troubles: list[Trouble] = []
        self._found: list[tuple[Rule, str, Path]] = []

    def group(self, group: Any, at: Path) -> None:
        if not isinstance(group, dict) or not isinstance(group.get("rules"), list):
            self._wrong(at, "expected a group with `name` and `rules`")
            return
        name = group.get("name")
        if not isinstance(name, str) or not name:
            self._wrong(at, "expected the group's `name`")
        for index, rule in enumerate(group["rules"]):
            self._rule(rule, str(name or ""), (*at, "rules", index))

    def placed(self) -> tuple[PlacedRule, ...]:
        begins = [self.document.line(at) for _, _, at in self._found]
        placed = []
        for index, (rule, group, at) in enumerate(self._found):
            begin = begins[index]
            end = begins[index + 1] - 1 if index + 1 < len(begins) else len(self.source)
            lines = tuple(
                (".".join(str(part) for part in path[len(at) :]), line)
                for path, line in self.document.lines.items()
                if len(path) > len(at) and path[: len(at)] == at
            )
            source = tuple(self.source[begin - 1 : end])
            placed.append(PlacedRule(rule, group, self.path, begin, lines, source))
        return tuple(placed)

    def _rule(self, rule: Any, group: str, at: Path) -> None:
        if not isinstance(rule, dict):
            self._wrong(at, "expected a rule")
            return
        kinds = [kind for kind in RuleKind if kind.value in rule]
        if len(kinds) != 1:
            self._wrong(at, "expected either `alert` or `record`")
            return
        kind, name, expression = kinds[0], rule[kinds[0].value], rule.get("expr")
        if isinstance(expression, int | float) and not isinstance(expression, bool):
            expression = str(expression)
        if not isinstance(name, str) or not name:
            self._wrong((*at, kind.value), f"expected the name of the {kind.value}")
            return
        if not isinstance(expression, str) or not expression.strip():
            self._wrong((*at, "expr"), f"{name} has no expression")
            return
        labels, annotations = (self._texts(rule, key, at) for key in ("labels", "annotations"))
        pending = self._seconds(rule, "for", at)
        self._found.append((Rule(kind, name, expression, labels, annotations, pending), group, at))

    def _texts(self, rule: dict[str, Any], key: str, at: Path) -> Labels:
        table = rule.get(key) or {}
        if not isinstance(table, dict):
            self._wrong((*at, key), f"expected a mapping for `{key}`")
            return ()
        for name, value in table.items():
            if isinstance(value, dict | list):
                self._wrong((*at, key, name), f"expected text for the label or annotation `{name}`")
        # Prometheus decodes them into strings: `severity: yes` is "yes" there, `version: 1.10` is "1.10".
        return tuple(sorted((name, self.document.text((*at, key, name))) for name in table))

    def _seconds(self, rule: dict[str, Any], key: str, at: Path) -> float | None:
        if key not in rule:
            return None
        try:
            return seconds(str(rule[key]))
        except ValueError:
            self._wrong((*at, key), f"expected a duration for `{key}`, such as 5m")
            return 0.0

    def _wrong(self, at: Path, text: str) -> None:
        self.troubles.append(Trouble(self.document.line(at), text))
