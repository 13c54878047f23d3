"""Rule files: groups and rules with the line of every part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from queries.model.rule import Rule, RuleKind
from queries.model.series import Labels
from queries.promql.plain_rules import PlainRules, write_plain
from queries.promql.routing import Routing, read_routing
from queries.text.durations import parse_duration
from queries.yaml import NodeError, Path, YamlDocument, load_documents

_GROUP_FIELDS = ("name", "interval", "query_offset", "limit", "labels", "rules", "partial_response_strategy")
_RULE_FIELDS = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")
_FILE_FIELDS = ("groups", "namespace")
"""Cortex and Mimir write the namespace beside the groups."""
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_RECORDED = re.compile(r"^\s*- record: ([a-zA-Z_:][a-zA-Z0-9_:]*)", re.MULTILINE)
_BLOCK = re.compile(r"[|>][-+0-9]*\s*(#.*)?$")
_RULE_KEYS = (".yml", ".yaml", ".rules")


_KINDS = tuple(RuleKind)
_REQUIRED = frozenset({"groups", "name", "rules", "alert", "record", "expr"})
"""Fields without which there is no rule to check."""


class ProblemKind(StrEnum):
    """The kind of an error in a file's form."""

    FORM = "form"
    """Prometheus refuses it."""
    FIELD = "field"
    """An unknown field: Prometheus refuses the file, the operator drops the field."""
    NAME = "name"
    """A name that only Prometheus 3 accepts, and only in quotes."""


class RuleFileProblem(msgspec.Struct, frozen=True):
    """An error in the form of a rule file or rule, with its line."""

    line: int
    text: str
    kind: ProblemKind = ProblemKind.FORM
    rule: str = ""


class PlacedRule(msgspec.Struct, frozen=True):
    """A rule; a server's has line 0. `find_line` returns the line of a part by its dotted key, such as `annotations.summary`,
    or of what is around it: only findings need lines.
    """

    rule: Rule
    group: str
    file: str
    line: int = 0
    find_line: Callable[[str], int] = lambda _: 0
    source: tuple[str, ...] = ()
    """The lines of the file from `line` to the next rule."""

    def line_of(self, key: str, *words: str) -> int:
        """The line of a part: the first in it that contains all words, else the first that contains the first word."""
        start = self.find_line(key)
        if not start:
            return 0
        for required in (words, words[:1]):
            present = [word for word in required if word]
            for number, text in enumerate(self.source[max(start - self.line, 0) :] if present else (), start=start):
                if all(_contains_word(text, word) for word in present):
                    return number
        return start

    @property
    def last_line(self) -> int:
        """The line on which its last part begins."""
        labels = (f"labels.{name}" for name, _ in self.rule.labels)
        annotations = (f"annotations.{name}" for name, _ in self.rule.annotations)
        fields = (self.rule.kind.value, "expr", "for", "keep_firing_for", *labels, *annotations)
        return max(map(self.find_line, fields))

    def line_in_expression(self, number: int) -> int:
        """The line of the file for a line of the expression, counted from 1."""
        key = self.line_of("expr")
        at = key - self.line
        block = 0 <= at < len(self.source) and _BLOCK.search(self.source[at])
        return key + number - (0 if block else 1) if key else 0


def _contains_word(text: str, word: str) -> bool:
    """Whether a text contains a word by itself, not as part of a longer name."""
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(word) : at + len(word) + 1]
        if not _in_name(before) and not _in_name(after):
            return True
        at = text.find(word, at + 1)
    return False


def _in_name(character: str) -> bool:
    return character.isalnum() or character in ("_", ":") if character else False


class RuleFile(msgspec.Struct, frozen=True):
    """The content of a file: rules and Alertmanager configurations.

    `plain` are the rules as plain files for programs that cannot read manifests, without the parts in `problems`; None if the
    file itself is plain and valid. `native_routing`: it is Alertmanager's own file.
    """

    path: str
    rules: tuple[PlacedRule, ...] = ()
    problems: tuple[RuleFileProblem, ...] = ()
    routings: tuple[Routing, ...] = ()
    plain: tuple[PlainRules, ...] | None = None
    native_routing: bool = False

    @property
    def routing(self) -> bool:
        """Whether it configures Alertmanager and has no rules."""
        return bool(self.routings) and not self.rules


def read_rules(text: str, *, path: str) -> RuleFile:
    """Read a Prometheus rule file, a manifest (PrometheusRule, AlertmanagerConfig, ConfigMap, also in a List or in several
    documents), or Alertmanager's file. Errors in it are data; never raises.
    """
    try:
        documents = load_documents(text)
    except NodeError as error:
        text = f"{error.key}: {error}" if error.key else str(error)
        return RuleFile(path, problems=(RuleFileProblem(max(error.line, 1), text),))
    reader = _Reader(path, text.splitlines())
    for number, document in enumerate(documents):
        reader.document(document, first=not number)
    return reader.result()


def load_built_in() -> tuple[RuleFile, ...]:
    """The platform's rule files that ship with the console, as a server accepts them."""
    from queries.promql.our_rules import FOLDER, rule_names  # noqa: PLC0415  # imports the catalogue
    from queries.promql.rule_templates import rule_text  # noqa: PLC0415  # imports the catalogue and the parser

    return tuple(read_rules(rule_text(name), path=str(FOLDER / name)) for name in sorted(rule_names()))


def built_in_names() -> frozenset[str]:
    """The names that these files record, without parsing their expressions."""
    from queries.promql.our_rules import FOLDER  # noqa: PLC0415  # as above

    texts = (item.read_text(encoding="utf-8") for item in FOLDER.iterdir() if item.is_file())
    return frozenset(match[1] for text in texts for match in _RECORDED.finditer(text))


class _Reader:
    """Collects the rules, routings and problems of one file."""

    def __init__(self, path: str, source: list[str]) -> None:
        self.path = path
        self.source = source
        self._problems: list[RuleFileProblem] = []
        self._rules: list[PlacedRule] = []
        self._routings: list[Routing] = []
        self._copies: list[Callable[[], PlainRules]] = []
        self._other = 0
        """The line of the first document of another kind, 0 without one."""
        self._is_plain = self._is_native_routing = self._has_groups = self._needs_copy = False
        self._removable: set[Path] = set()
        """The paths of wrong parts without which the rest can be checked."""

    def result(self) -> RuleFile:
        if self._other and not (self._has_groups or self._routings or self._problems):
            text = "expected `groups`, a list of rule groups, or a manifest that holds them"
            self._problems.append(RuleFileProblem(self._other, text))
        return RuleFile(
            self.path,
            tuple(self._rules),
            tuple(self._problems),
            tuple(self._routings),
            tuple(copy() for copy in self._copies) if self._needs_copy else None,
            self._is_native_routing,
        )

    def document(self, document: YamlDocument, *, first: bool) -> None:
        part = _Part(document, self.source)
        if isinstance(document.value, dict) and "groups" in document.value and not first and self._is_plain:
            text = "Prometheus reads only the first document of a rule file; the rest from here is never loaded"
            self._problems.append(RuleFileProblem(document.line(()), text))
            self._needs_copy = True
        self._value(document.value, (), part)

    def _value(self, value: Any, at: Path, part: _Part) -> None:
        if value is None or value == {}:
            return
        if not isinstance(value, dict):
            self._other = self._other or part.line(at)
            return
        kind, items = value.get("kind"), value.get("items")
        spec = value.get("spec")
        if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
            for index, item in enumerate(items):
                self._value(item, (*at, "items", index), part)
        elif kind == "PrometheusRule":
            self._groups(spec.get("groups") if isinstance(spec, dict) else None, (*at, "spec", "groups"), part, manifest=True)
        elif kind == "AlertmanagerConfig" and isinstance(spec, dict):
            metadata = value.get("metadata")
            namespace = metadata.get("namespace") if isinstance(metadata, dict) else ""
            routing = read_routing(spec, (*at, "spec"), part.document, shift=part.shift)
            self._routings.append(msgspec.structs.replace(routing, namespace=str(namespace or "")))
        elif kind in ("ConfigMap", "Secret"):
            for key in ("data", "stringData"):
                self._files(value.get(key), (*at, key), part)
            self._other = self._other or part.line(at)
        elif "route" in value and "receivers" in value:
            self._is_native_routing = self._is_native_routing or part.whole
            self._routings.append(read_routing(value, at, part.document, shift=part.shift))
        elif "groups" in value:
            self._is_plain = self._is_plain or part.whole
            self._unknown_fields(value, at, _FILE_FIELDS, part, "a rule file")
            self._groups(value["groups"], (*at, "groups"), part, manifest=not part.whole)
        else:
            self._other = self._other or part.line(at)

    def _files(self, table: Any, at: Path, part: _Part) -> None:
        """Read the rule files and configurations in a ConfigMap."""
        for name, text in table.items() if isinstance(table, dict) else ():
            if not isinstance(text, str) or not ("groups" in text or "route" in text):
                continue
            inner = part.inside((*at, name))
            try:
                documents = load_documents(text)
            except NodeError as error:
                if name.endswith(_RULE_KEYS):
                    self._problems.append(RuleFileProblem(inner(max(error.line, 1)), f"{name}: {error}"))
                continue
            for document in documents:
                if isinstance(document.value, dict) and {"groups", "route"} & document.value.keys():
                    self._value(document.value, (), _Part(document, self.source, inner))

    def _groups(self, groups: Any, at: Path, part: _Part, *, manifest: bool) -> None:
        self._has_groups = True
        if groups is None and not manifest:
            return  # an empty rule file is valid
        if not isinstance(groups, list):
            self._report(part, at, "expected `groups`, a list of rule groups")
            return
        names: set[str] = set()
        found: list[_FoundRule] = []
        for index, group in enumerate(groups):
            found += self._group(group, (*at, index), part, names)
        self._rules += self._place(found, part)
        removable, self._removable = self._removable, set()
        self._copies.append(partial(write_plain, groups, at, part.document, shift=part.shift, without=removable))
        self._needs_copy = self._needs_copy or manifest or bool(removable)

    def _group(self, group: Any, at: Path, part: _Part, names: set[str]) -> Iterator[_FoundRule]:
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(group, dict) or not isinstance(rules, list | None):
            self._report(part, at, "expected a group with `name` and `rules`")
            return
        name = group.get("name")
        if not isinstance(name, str) or not name:
            self._report(part, at, "expected the group's `name`")
        elif name in names:
            self._report(part, (*at, "name"), f"duplicate group {name} in this file")
        names.add(str(name))
        self._unknown_fields(group, at, _GROUP_FIELDS, part, "a group")
        for key in ("interval", "query_offset"):
            self._seconds(group, key, at, part)
        shared = self._texts(group, "labels", at, part)
        for index, rule in enumerate(rules or ()):
            yield from self._rule(rule, str(name or ""), shared, (*at, "rules", index), part)

    def _rule(self, rule: Any, group: str, shared: Labels, at: Path, part: _Part) -> Iterator[_FoundRule]:
        """`shared` are the group's labels, which every rule has that does not set them itself."""
        if not isinstance(rule, dict):
            self._report(part, at, "expected a rule")
            return
        kinds = [kind for kind in _KINDS if kind in rule]
        if len(kinds) != 1:
            self._report(part, at, "expected either `alert` or `record`")
            return
        kind, name, expression = kinds[0], rule[kinds[0]], rule.get("expr")
        if isinstance(expression, int | float) and not isinstance(expression, bool):
            expression = part.document.text((*at, "expr"))
        if not isinstance(name, str) or not name:
            self._report(part, (*at, kind.value), f"expected the name of the {kind.value}")
            return
        self._unknown_fields(rule, at, _RULE_FIELDS, part, "a rule", rule=name)
        self._names(rule, name, kind, at, part)
        if not isinstance(expression, str) or not expression.strip():
            self._report(part, (*at, "expr"), f"{name} has no expression")
            return
        labels, annotations = (self._texts(rule, key, at, part) for key in ("labels", "annotations"))
        labels = tuple(sorted({**dict(shared), **dict(labels)}.items()))
        pending = self._seconds(rule, "for", at, part)
        self._seconds(rule, "keep_firing_for", at, part)
        yield _FoundRule(Rule(kind, name, expression, labels, annotations, pending), group, at, rule)

    def _names(self, rule: dict[str, Any], name: str, kind: RuleKind, at: Path, part: _Part) -> None:
        if kind is RuleKind.RECORD:
            for key in ("for", "keep_firing_for", "annotations"):
                if rule.get(key):
                    self._report(part, (*at, key), f"a recording rule has no `{key}`")
            if not _METRIC_NAME.fullmatch(name):
                text = f"{name} is not a metric name for Prometheus 2, and Prometheus 3 accepts it only in quotes"
                self._report(part, (*at, kind.value), text, ProblemKind.NAME, name)
        labels = rule.get("labels")
        for key in labels if isinstance(labels, dict) else ():
            if key == "__name__":
                self._report(part, (*at, "labels", key), "a rule cannot set the label __name__")
            elif not _LABEL_NAME.fullmatch(key):
                text = f"{key} is not a label name for Prometheus 2, and Prometheus 3 accepts it only in quotes"
                self._report(part, (*at, "labels", key), text, ProblemKind.NAME, name)

    def _unknown_fields(
        self, table: dict[str, Any], at: Path, known: tuple[str, ...], part: _Part, what: str, *, rule: str = ""
    ) -> None:
        for key in table:
            if key not in known:
                near = get_close_matches(key.lower(), known, n=1, cutoff=0.6)
                hint = f"; did you mean `{near[0]}`?" if near else f"; expected one of {', '.join(known)}"
                self._report(part, (*at, key), f"{what} has no field `{key}`{hint}", ProblemKind.FIELD, rule)

    def _place(self, found: list[_FoundRule], part: _Part) -> Iterator[PlacedRule]:
        starts = [part.line(item.at) for item in found]
        for index, item in enumerate(found):
            start = starts[index]
            end = starts[index + 1] - 1 if index + 1 < len(starts) else len(self.source)
            source = tuple(self.source[start - 1 : max(end, start)])
            yield PlacedRule(item.rule, item.group, self.path, start, partial(_find_line, part, item.at), source)

    def _texts(self, rule: dict[str, Any], key: str, at: Path, part: _Part) -> Labels:
        table = rule.get(key) or {}
        if not isinstance(table, dict):
            self._report(part, (*at, key), f"expected a mapping for `{key}`")
            return ()
        for name, value in table.items():
            if isinstance(value, dict | list):
                self._report(part, (*at, key, name), f"expected text for the label or annotation `{name}`")
        # Prometheus decodes them into strings: `severity: yes` is "yes" there, `version: 1.10` is "1.10".
        return tuple(sorted((name, part.document.text((*at, key, name))) for name in table))

    def _seconds(self, table: dict[str, Any], key: str, at: Path, part: _Part) -> float | None:
        if table.get(key) is None:
            return None
        try:
            return parse_duration(part.document.text((*at, key)))
        except ValueError:
            self._report(part, (*at, key), f"expected a duration for `{key}`, such as 5m")
            return 0.0

    def _report(self, part: _Part, at: Path, text: str, kind: ProblemKind = ProblemKind.FORM, rule: str = "") -> None:
        self._problems.append(RuleFileProblem(part.line(at), text, kind, rule))
        if at and at[-1] not in _REQUIRED:
            self._removable.add(at)


def _find_line(part: _Part, at: Path, key: str) -> int:
    return part.line((*at, *key.split(".", 1)))


class _FoundRule(msgspec.Struct, frozen=True):
    """A rule with its group, its path in the document, and its mapping."""

    rule: Rule
    group: str
    at: Path
    table: dict[str, Any]


class _Part:
    """A document, or one embedded as a string in another; lines are those of the file."""

    def __init__(self, document: YamlDocument, source: list[str], shift: Callable[[int], int] | None = None) -> None:
        self.document = document
        self.whole = shift is None
        self.shift: Callable[[int], int] = shift or (lambda line: line)
        self._source = source

    def line(self, at: Path) -> int:
        return self.shift(self.document.line(at))

    def inside(self, at: Path) -> Callable[[int], int]:
        """A function from the lines of an embedded string to those of the file; only a block scalar has several."""
        key = self.line(at)
        block = 0 < key <= len(self._source) and _BLOCK.search(self._source[key - 1])
        return (lambda line: key + line) if block else (lambda line: key)
