"""Which labels the series of an expression can carry, which it asks for in vain, and which joins can find no partner."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import promql_parser as ast

from queries.model.rule import Rule, RuleKind
from queries.promql.metric_catalog import MetricCatalog, MetricInfo
from queries.promql.syntax import (
    Expression,
    PromqlError,
    Selector,
    bare,
    children,
    is_scalar,
    parse,
    selector,
    selectors,
    vector_argument,
)

_KEEPING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_ROUNDS = 50
"""Rules over rules over rules: what is deeper, or goes round in a circle, stays as the last round left it."""
_ABSENT = frozenset({"absent", "absent_over_time"})

Fixed: TypeAlias = Mapping[str, str]


class LabelSet(NamedTuple):
    """The labels that series can carry, `__name__` left out: `names` and no others, or where `open` is set any but `names`.

    `certain` are on every one of them, as far as whoever wrote the expression means it; `fixed` have this one value.
    """

    names: frozenset[str] = frozenset()
    open: bool = False
    certain: frozenset[str] = frozenset()
    fixed: Fixed = MappingProxyType({})

    def can_have(self, name: str) -> bool:
        return (name in self.names) != self.open

    def only(self, kept: frozenset[str]) -> LabelSet:
        """What `by` leaves. Whoever groups by a label means it to be there."""
        left = frozenset(name for name in kept if self.can_have(name))
        return LabelSet(left, False, left, {name: value for name, value in self.fixed.items() if name in left})

    def without(self, dropped: frozenset[str]) -> LabelSet:
        names = self.names | dropped if self.open else self.names - dropped
        fixed = {name: value for name, value in self.fixed.items() if name not in dropped}
        return LabelSet(names, self.open, self.certain - dropped, fixed)

    def plus(self, added: frozenset[str]) -> LabelSet:
        """With more labels, whose values are not known."""
        names = self.names - added if self.open else self.names | added
        return LabelSet(
            names, self.open, self.certain, {name: value for name, value in self.fixed.items() if name not in added}
        )

    def labelled(self, labels: Iterable[tuple[str, str]]) -> LabelSet:
        """With the labels that a recording rule writes on its series; one of an empty value takes the label away."""
        found = dict(labels)
        gone = frozenset(name for name, value in found.items() if not value)
        set_here = {name: value for name, value in found.items() if value}
        left = self.without(gone).plus(frozenset(set_here))
        return LabelSet(left.names, left.open, left.certain | set_here.keys(), {**left.fixed, **set_here})

    def either(self, other: LabelSet) -> LabelSet:
        """What is on the series of one of two."""
        if self.open and other.open:
            names, unlimited = self.names & other.names, True
        elif self.open or other.open:
            limited, any_but = (other, self) if self.open else (self, other)
            names, unlimited = any_but.names - limited.names, True
        else:
            names, unlimited = self.names | other.names, False
        same = {name: value for name, value in self.fixed.items() if other.fixed.get(name) == value}
        return LabelSet(names, unlimited, self.certain & other.certain, same)

    def both(self, other: LabelSet) -> LabelSet:
        """What is on series that have equal labels."""
        if self.open and other.open:
            names, unlimited = self.names | other.names, True
        elif self.open or other.open:
            limited, any_but = (other, self) if self.open else (self, other)
            names, unlimited = limited.names - any_but.names, False
        else:
            names, unlimited = self.names & other.names, False
        certain = frozenset(name for name in self.certain | other.certain if (name in names) != unlimited)
        return LabelSet(names, unlimited, certain, {**other.fixed, **self.fixed})


ANY = LabelSet(open=True)
NONE = LabelSet()


@dataclass(frozen=True, slots=True)
class UnmatchedLabel:
    """A label that is asked for where nothing carries it: by `how` (a matcher, `by`, `on`, `label_replace`), of `what`."""

    label: str
    how: str
    what: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A join whose sides never have equal labels: `label` is on the `side` (left or right) and never on the other, or has
    the two different `values`."""

    operator: str
    label: str
    side: str
    what: str
    """The metrics of the side that has the label."""
    other: str
    """The metrics of the side that lacks it."""
    values: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class InferredLabels:
    """What is known of an expression's labels."""

    labels: LabelSet
    misses: tuple[UnmatchedLabel, ...]
    mismatches: tuple[Mismatch, ...]


def flow(expression: Expression, vocabulary: MetricCatalog) -> InferredLabels:
    """The labels of the result, every label that is asked for in vain and every join without a partner, each once."""
    walk = _Walk(vocabulary, iter(expression.selectors))
    labels = walk.labels(expression.root)
    return InferredLabels(labels, tuple(dict.fromkeys(walk.missed)), tuple(walk.mismatched))


def with_recorded(vocabulary: MetricCatalog, rules: Iterable[Rule]) -> MetricCatalog:
    """With the series that recording rules make, and the labels that these leave; in whatever order the rules stand."""
    records = []
    for rule in rules:
        if rule.kind is RuleKind.RECORD:
            with suppress(PromqlError):
                records.append((rule, parse(rule.expression)))
    return follow_records(vocabulary, records)[0]


def follow_records(
    vocabulary: MetricCatalog, records: Iterable[tuple[Rule, Expression]]
) -> tuple[MetricCatalog, dict[int, InferredLabels]]:
    """The vocabulary with what recording rules make, and the flow of each of their expressions by its id()."""
    by_name: dict[str, list[tuple[Rule, Expression]]] = {}
    for rule, expression in records:
        by_name.setdefault(rule.name, []).append((rule, expression))
    words = {**vocabulary.words, **{name: MetricInfo(name, None, recorded=True) for name in by_name}}
    known = replace(vocabulary, words=words)
    readers: dict[str, set[str]] = {}
    for name, recorded in by_name.items():
        for _, expression in recorded:
            for read in expression.metrics:
                if read in by_name:
                    readers.setdefault(read, set()).add(name)
    flows: dict[int, InferredLabels] = {}
    pending: Iterable[str] = by_name
    for _ in range(_ROUNDS):
        changed = []
        for name in pending:
            found = [flow(expression, known) for _, expression in by_name[name]]
            flows.update((id(expression), one) for (_, expression), one in zip(by_name[name], found, strict=True))
            left = _of_either(one.labels.labelled(rule.labels) for (rule, _), one in zip(by_name[name], found, strict=True))
            if _write(name, left, words):
                changed.append(name)
        pending = dict.fromkeys(reader for name in changed for reader in sorted(readers.get(name, ())))
        if not pending:
            break
    return known, flows


def _write(name: str, left: LabelSet, words: dict[str, MetricInfo]) -> bool:
    """Writes what a recorded name carries; says whether that is new."""
    labels = None if left.open else left.names
    lacks = left.names if left.open else frozenset()
    word = MetricInfo(name, labels, recorded=True, certain=left.certain, fixed=left.fixed, lacks=lacks)
    if words[name] == word:
        return False
    words[name] = word
    return True


def _of_either(sets: Iterable[LabelSet]) -> LabelSet:
    return functools.reduce(LabelSet.either, sets)


@dataclass(slots=True)
class _Walk:
    vocabulary: MetricCatalog
    selectors: Iterator[Selector]
    """Those of the expression in the order in which they are written, which is the order of the walk."""
    missed: list[UnmatchedLabel] = field(default_factory=list)
    mismatched: list[Mismatch] = field(default_factory=list)

    def labels(self, node: ast.Expr) -> LabelSet:
        if isinstance(node, ast.MatrixSelector | ast.VectorSelector):
            return self._selected(next(self.selectors))
        if isinstance(node, ast.AggregateExpr):
            return self._aggregated(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.BinaryExpr):
            return self._joined(node)
        inner = children(node)
        return self.labels(inner[0]) if inner else NONE

    def _selected(self, picked: Selector) -> LabelSet:
        known = _of_either([self._of_word(word) for word in self.vocabulary.chosen(picked)] or [ANY])
        if not picked.matchers:
            return known
        what = _what(picked)
        wanted = [item for item in picked.labels if item.positive]
        self.missed += [UnmatchedLabel(item.name, "a matcher", what) for item in wanted if not known.can_have(item.name)]
        gone = [item.name for item in picked.labels if item.operator == "=" and not item.value]
        left = known.without(frozenset(gone)) if gone else known
        certain = left.certain | {item.name for item in wanted if left.can_have(item.name)}
        fixed = {**left.fixed, **{item.name: item.value for item in wanted if item.operator == "="}}
        return LabelSet(left.names, left.open, certain, fixed)

    def _of_word(self, word: MetricInfo | None) -> LabelSet:
        """A recorded series has only what its rule left; what is scraped may have the labels of its target."""
        if word is None:
            return ANY
        if word.labels is None:
            return LabelSet(word.lacks, True, word.certain, word.fixed)
        more = frozenset() if word.recorded else self.vocabulary.target_labels
        return LabelSet(word.labels | more, False, word.certain, word.fixed)

    def _aggregated(self, node: ast.AggregateExpr) -> LabelSet:
        if node.param is not None:
            self.labels(node.param)
        inner = self.labels(node.expr)
        modifier, op = node.modifier, str(node.op)
        named = frozenset(modifier.labels) if modifier is not None else frozenset()
        by = modifier is None or modifier.type == ast.AggModifierType.By
        if by:
            self._want(modifier.labels if modifier is not None else (), inner, f"{op} by", node.expr)
        if op in _KEEPING:
            return inner
        result = inner.only(named) if by else inner.without(named)
        if op == "count_values" and isinstance(node.param, ast.StringLiteral):
            result = result.plus(frozenset({node.param.val}))
        return result

    def _called(self, node: ast.Call) -> LabelSet:
        name = node.func.name
        texts = [item.val for item in node.args if isinstance(item, ast.StringLiteral)]
        worked_on = vector_argument(node)
        inner = NONE
        for item in node.args:
            found = self.labels(item)
            if item is worked_on:
                inner = found
        if worked_on is None:
            return NONE
        if name in _ABSENT:
            return _of_absent(worked_on)
        if name == "label_replace" and len(texts) >= 3:  # to, replacement, from, expression
            self._want([texts[2]] if texts[2] else [], inner, "label_replace", worked_on)
            return inner.plus(frozenset({texts[0]}))
        if name == "label_join" and texts:
            if len(texts) > 2 and not any(inner.can_have(text) for text in texts[2:]):
                self._want(texts[2:], inner, "label_join", worked_on)
            return inner.plus(frozenset({texts[0]}))
        if name == "info":
            return LabelSet(frozenset(), True, inner.certain, inner.fixed)
        return inner.without(frozenset({"le"})) if name.startswith("histogram_quantile") else inner

    def _joined(self, node: ast.BinaryExpr) -> LabelSet:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        op = str(node.op)
        if op == "or":
            return left.either(right)
        if is_scalar(node.lhs) or is_scalar(node.rhs):
            return left if is_scalar(node.rhs) else right
        matching = node.modifier.matching if node.modifier is not None else None
        on = matching is not None and matching.type == ast.LabelModifierType.Include
        listed = tuple(matching.labels) if matching is not None else ()
        named = frozenset(listed)
        if on:
            for labels, side in ((left, node.lhs), (right, node.rhs)):
                self._want(listed, labels, "on", side)
        self._compare(node, left, right, on=on, named=named)
        if op in _SET_OPERATORS:
            return left
        grouped = frozenset(node.modifier.group_labels or ()) if node.modifier is not None else frozenset()
        card = node.modifier.card if node.modifier is not None else ast.VectorMatchCardinality.OneToOne
        if card == ast.VectorMatchCardinality.ManyToOne:
            return left.plus(grouped)
        if card == ast.VectorMatchCardinality.OneToMany:
            return right.plus(grouped)
        both = left.both(right)
        return both.only(named) if on else both.without(named)

    def _compare(self, node: ast.BinaryExpr, left: LabelSet, right: LabelSet, *, on: bool, named: frozenset[str]) -> None:
        """Notes the first label that keeps every series of one side from having a partner on the other."""
        for number, (one, other) in enumerate(((left, right), (right, left))):
            lost = [label for label in one.certain - named if not other.can_have(label)]
            if lost and not on and {miss.label for miss in self.missed}.isdisjoint(lost):  # a label asked for in vain is a miss
                side, here, there = ("left", node.lhs, node.rhs) if not number else ("right", node.rhs, node.lhs)
                self.mismatched.append(Mismatch(str(node.op), min(lost), side, _metrics(here), _metrics(there)))
                return
        for label, value in left.fixed.items():
            other_value = right.fixed.get(label, value)
            if (label in named) == on and other_value != value:
                sides = (_metrics(node.lhs), _metrics(node.rhs))
                self.mismatched.append(Mismatch(str(node.op), label, "left", *sides, values=(value, other_value)))
                return

    def _want(self, wanted: Iterable[str], labels: LabelSet, how: str, inside: ast.Expr) -> None:
        missing = [name for name in wanted if name != "__name__" and not labels.can_have(name)]
        if missing and not _is_constant(inside):
            what = _metrics(inside)
            self.missed += [UnmatchedLabel(name, how, what) for name in missing]


def _of_absent(worked_on: ast.Expr) -> LabelSet:
    """absent() gives the labels of equality matchers alone."""
    inner = bare(worked_on)
    if not isinstance(inner, ast.VectorSelector | ast.MatrixSelector):
        return NONE
    fixed = {item.name: item.value for item in selector(inner).labels if item.operator == "=" and item.value}
    return LabelSet(frozenset(fixed), False, frozenset(fixed), fixed)


def _is_constant(node: ast.Expr) -> bool:
    """Whether it reads no series: `vector(0)` stands in for something, and nobody expects labels on it."""
    return not selectors(node)


def _what(picked: Selector) -> str:
    return picked.metric or "|".join(picked.metrics)


def _metrics(node: ast.Expr) -> str:
    return ", ".join(dict.fromkeys(filter(None, (_what(picked) for picked in selectors(node)))))
