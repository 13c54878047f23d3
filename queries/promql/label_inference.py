"""Label inference: the labels that an expression can have, those it uses in vain, and joins that can never match."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeAlias

import msgspec
import promql_parser as ast

from queries.model.rule import Rule, RuleKind
from queries.promql.metric_catalog import MetricCatalog, MetricInfo
from queries.promql.syntax import (
    Expression,
    PromqlError,
    Selector,
    children,
    is_scalar,
    parse_promql,
    selector,
    selectors,
    strip_parens,
    vector_argument,
)

_KEEPING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_ROUNDS = 50
"""The limit for rules over rules; deeper ones and cycles keep the result of the last round."""
_ABSENT = frozenset({"absent", "absent_over_time"})
_QUANTILES = frozenset({"histogram_quantile", "histogram_quantiles"})
_CHANGES_LABELS = _ABSENT | _QUANTILES | {"label_replace", "label_join", "info"}

Fixed: TypeAlias = Mapping[str, str]


class LabelSet(NamedTuple):
    """The possible labels of series without `__name__`: `names` only, or with `open` any but `names`.

    `certain` are on every series, as the author of the expression intends; `fixed` have this one value.
    """

    names: frozenset[str] = frozenset()
    open: bool = False
    certain: frozenset[str] = frozenset()
    fixed: Fixed = MappingProxyType({})

    def can_have(self, name: str) -> bool:
        return (name in self.names) != self.open

    def only(self, kept: frozenset[str]) -> LabelSet:
        """The labels that `by` keeps. Grouping by a label implies that it exists."""
        left = kept - self.names if self.open else kept & self.names
        return LabelSet(left, False, left, {name: value for name, value in self.fixed.items() if name in left})

    def without(self, dropped: frozenset[str]) -> LabelSet:
        if not dropped:
            return self
        names = self.names | dropped if self.open else self.names - dropped
        fixed = {name: value for name, value in self.fixed.items() if name not in dropped}
        return LabelSet(names, self.open, self.certain - dropped, fixed)

    def plus(self, added: frozenset[str]) -> LabelSet:
        """Add labels with unknown values."""
        names = self.names - added if self.open else self.names | added
        return LabelSet(
            names, self.open, self.certain, {name: value for name, value in self.fixed.items() if name not in added}
        )

    def with_rule_labels(self, labels: Collection[tuple[str, str]]) -> LabelSet:
        """Add the labels that a recording rule sets; an empty value removes the label."""
        if not labels:
            return self
        added = {name: value for name, value in labels if value}
        left = self if len(added) == len(labels) else self.without(frozenset(name for name, value in labels if not value))
        names = left.names - added.keys() if left.open else left.names | added.keys()
        return LabelSet(names, left.open, left.certain | added.keys(), {**left.fixed, **added})

    def union(self, other: LabelSet) -> LabelSet:
        """The labels of series of either set."""
        if self.open and other.open:
            names, unlimited = self.names & other.names, True
        elif self.open or other.open:
            limited, any_but = (other, self) if self.open else (self, other)
            names, unlimited = any_but.names - limited.names, True
        else:
            names, unlimited = self.names | other.names, False
        same = {name: value for name, value in self.fixed.items() if other.fixed.get(name) == value}
        return LabelSet(names, unlimited, self.certain & other.certain, same)

    def intersection(self, other: LabelSet) -> LabelSet:
        """The labels of series with equal labels in both sets."""
        if self.open and other.open:
            names, unlimited = self.names | other.names, True
        elif self.open or other.open:
            limited, any_but = (other, self) if self.open else (self, other)
            names, unlimited = limited.names - any_but.names, False
        else:
            names, unlimited = self.names & other.names, False
        certain = self.certain | other.certain
        certain = certain - names if unlimited else certain & names
        return LabelSet(names, unlimited, certain, {**other.fixed, **self.fixed})


ANY = LabelSet(open=True)
NONE = LabelSet()


class UnmatchedLabel(msgspec.Struct, frozen=True):
    """A label that an expression uses and no series has: by `how` (a matcher, `by`, `on`, `label_replace`), of `what`."""

    label: str
    how: str
    what: str


class Mismatch(msgspec.Struct, frozen=True):
    """A join that never matches: `label` is always on `side` (left or right) and never on the other, or it has the two
    different `values`."""

    operator: str
    label: str
    side: str
    what: str
    """The metrics of the side that has the label."""
    other: str
    """The metrics of the side that lacks it."""
    values: tuple[str, str] | None = None


class ManySeries(msgspec.Struct, frozen=True):
    """An operation without `group_left` that does not match by a label for which one side has several values."""

    operator: str
    label: str
    side: str
    what: str
    """The metrics of that side."""


class InferredLabels(msgspec.Struct, frozen=True):
    """The inferred labels of an expression, and its label mistakes."""

    labels: LabelSet
    misses: tuple[UnmatchedLabel, ...]
    mismatches: tuple[Mismatch, ...]
    many: tuple[ManySeries, ...] = ()


def infer_labels(expression: Expression, catalog: MetricCatalog) -> InferredLabels:
    """The labels of the result, every label used in vain and every join that never matches, each once."""
    inference = _Inference(catalog, iter(expression.selectors))
    labels = inference.labels(expression.root)
    missed = tuple(dict.fromkeys(inference.missed)) if inference.missed else ()
    return InferredLabels(labels, missed, tuple(inference.mismatched), tuple(inference.many))


def add_recorded(catalog: MetricCatalog, rules: Iterable[Rule]) -> MetricCatalog:
    """Add the series of recording rules with their inferred labels; the order of the rules does not matter."""
    records = []
    for rule in rules:
        if rule.kind is RuleKind.RECORD:
            with suppress(PromqlError):
                records.append((rule, parse_promql(rule.expression)))
    return infer_records(catalog, records)[0]


def infer_records(
    catalog: MetricCatalog, records: Iterable[tuple[Rule, Expression]]
) -> tuple[MetricCatalog, dict[int, InferredLabels]]:
    """The catalogue with the series of recording rules, and the inferred labels of each expression by its id()."""
    by_name: dict[str, list[tuple[Rule, Expression]]] = {}
    for rule, expression in records:
        by_name.setdefault(rule.name, []).append((rule, expression))
    metrics = {**catalog.metrics, **{name: MetricInfo(name, None, recorded=True) for name in by_name}}
    known = msgspec.structs.replace(catalog, metrics=metrics)
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
            left: LabelSet | None = None
            for rule, expression in by_name[name]:
                one = flows[id(expression)] = infer_labels(expression, known)
                labels = one.labels.with_rule_labels(rule.labels)
                left = labels if left is None else left.union(labels)
            if left is not None and _update(name, left, metrics):
                changed.append(name)
        pending = dict.fromkeys(reader for name in changed for reader in sorted(readers.get(name, ())))
        if not pending:
            break
    return known, flows


def _update(name: str, left: LabelSet, metrics: dict[str, MetricInfo]) -> bool:
    """Set the labels of a recorded name; returns whether they changed."""
    labels = None if left.open else left.names
    lacks = left.names if left.open else frozenset()
    info = MetricInfo(name, labels, recorded=True, certain=left.certain, fixed=left.fixed, lacks=lacks)
    if metrics[name] == info:
        return False
    metrics[name] = info
    return True


def _union(sets: Iterable[LabelSet]) -> LabelSet:
    return functools.reduce(LabelSet.union, sets)


class _Inference(msgspec.Struct):
    catalog: MetricCatalog
    selectors: Iterator[Selector]
    """The selectors of the expression in written order, which is the order of the traversal."""
    missed: list[UnmatchedLabel] = []
    mismatched: list[Mismatch] = []
    many: list[ManySeries] = []

    def labels(self, node: ast.Expr) -> LabelSet:
        infer = self._BY_TYPE.get(type(node))
        if infer is not None:
            return infer(self, node)
        inner = children(node)
        return self.labels(inner[0]) if inner else NONE

    def _of_next_selector(self, node: ast.Expr) -> LabelSet:
        selection = next(self.selectors)
        if selection.metric:
            known = self._of_metric(self.catalog.metrics.get(selection.metric))
        else:
            known = _union([self._of_metric(info) for info in self.catalog.select(selection)] or [ANY])
        return self._with_matchers(known, selection) if selection.matchers else known

    def _with_matchers(self, known: LabelSet, selection: Selector) -> LabelSet:
        required: set[str] = set()
        removed: set[str] = set()
        fixed: dict[str, str] = {}
        for item in selection.matchers:
            name = item.name
            if name == "__name__":
                continue
            if not item.positive:
                if item.operator == "=":
                    removed.add(name)
                continue
            required.add(name)
            if not known.can_have(name):
                self.missed.append(UnmatchedLabel(name, "a matcher", _name_selector(selection)))
            if item.operator == "=":
                fixed[name] = item.value
        left = known.without(frozenset(removed))
        certain = left.certain | (required - left.names if left.open else required & left.names)
        return LabelSet(left.names, left.open, certain, {**left.fixed, **fixed})

    def _of_metric(self, info: MetricInfo | None) -> LabelSet:
        """A recorded series has only the labels of its rule; a scraped one may have target labels."""
        if info is None:
            return ANY
        if info.labels is None:
            return LabelSet(info.lacks, True, info.certain, info.fixed)
        labels = info.labels if info.recorded else info.labels | self.catalog.target_labels
        return LabelSet(labels, False, info.certain, info.fixed)

    def _of_aggregation(self, node: ast.AggregateExpr) -> LabelSet:
        if node.param is not None:
            self.labels(node.param)
        inner = self.labels(node.expr)
        modifier, op = node.modifier, str(node.op)
        named = frozenset(modifier.labels) if modifier is not None else frozenset()
        by = modifier is None or modifier.type == ast.AggModifierType.By
        if by:
            self._require(modifier.labels if modifier is not None else (), inner, f"{op} by", node.expr)
        if op in _KEEPING:
            return inner
        result = inner.only(named) if by else inner.without(named)
        if op == "count_values" and isinstance(node.param, ast.StringLiteral):
            result = result.plus(frozenset({node.param.val}))
        return result

    def _of_call(self, node: ast.Call) -> LabelSet:
        name = node.func.name
        argument = vector_argument(node)
        inner = NONE
        for item in node.args:
            found = self.labels(item)
            if item is argument:
                inner = found
        if argument is None:
            return NONE
        if name not in _CHANGES_LABELS:
            return inner
        if name in _ABSENT:
            return _of_absent(argument)
        texts = [item.val for item in node.args if isinstance(item, ast.StringLiteral)]
        if name == "label_replace" and len(texts) >= 3:  # to, replacement, from, expression
            self._require([texts[2]] if texts[2] else [], inner, "label_replace", argument)
            return inner.plus(frozenset({texts[0]}))
        if name == "label_join" and texts:
            if len(texts) > 2 and not any(inner.can_have(text) for text in texts[2:]):
                self._require(texts[2:], inner, "label_join", argument)
            return inner.plus(frozenset({texts[0]}))
        if name == "info":
            return LabelSet(frozenset(), True, inner.certain, inner.fixed)
        return inner.without(frozenset({"le"}))  # histogram_quantile

    def _of_binary(self, node: ast.BinaryExpr) -> LabelSet:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        op = str(node.op)
        if op == "or":
            return left.union(right)
        if is_scalar(node.lhs) or is_scalar(node.rhs):
            return left if is_scalar(node.rhs) else right
        matching = node.modifier.matching if node.modifier is not None else None
        on = matching is not None and matching.type == ast.LabelModifierType.Include
        listed = tuple(matching.labels) if matching is not None else ()
        named = frozenset(listed)
        if on:
            for labels, side in ((left, node.lhs), (right, node.rhs)):
                self._require(listed, labels, "on", side)
        self._compare(node, left, right, on=on, named=named)
        if op in _SET_OPERATORS:
            return left
        grouped = frozenset(node.modifier.group_labels or ()) if node.modifier is not None else frozenset()
        card = node.modifier.card if node.modifier is not None else ast.VectorMatchCardinality.OneToOne
        if card == ast.VectorMatchCardinality.ManyToOne:
            return left.plus(grouped)
        if card == ast.VectorMatchCardinality.OneToMany:
            return right.plus(grouped)
        if listed:
            self._find_many(node, left, right, on=on, named=named)
        both = left.intersection(right)
        return both.only(named) if on else both.without(named)

    _BY_TYPE: ClassVar[dict[type, Callable[[_Inference, Any], LabelSet]]] = {
        ast.MatrixSelector: _of_next_selector,
        ast.VectorSelector: _of_next_selector,
        ast.AggregateExpr: _of_aggregation,
        ast.Call: _of_call,
        ast.BinaryExpr: _of_binary,
    }

    def _compare(self, node: ast.BinaryExpr, left: LabelSet, right: LabelSet, *, on: bool, named: frozenset[str]) -> None:
        """Record the first label that keeps every series of one side from matching the other side."""
        for number, (one, other) in enumerate(((left, right), (right, left))):
            lost = [label for label in one.certain - named if not other.can_have(label)]
            if (
                lost and not on and {miss.label for miss in self.missed}.isdisjoint(lost)
            ):  # a label used in vain is reported by itself
                side, here, there = ("left", node.lhs, node.rhs) if not number else ("right", node.rhs, node.lhs)
                self.mismatched.append(Mismatch(str(node.op), min(lost), side, _metrics(here), _metrics(there)))
                return
        for label, value in left.fixed.items():
            other_value = right.fixed.get(label, value)
            if (label in named) == on and other_value != value:
                sides = (_metrics(node.lhs), _metrics(node.rhs))
                self.mismatched.append(Mismatch(str(node.op), label, "left", *sides, values=(value, other_value)))
                return

    def _find_many(self, node: ast.BinaryExpr, left: LabelSet, right: LabelSet, *, on: bool, named: frozenset[str]) -> None:
        """Record the first label that an aggregation keeps and a one-to-one operation does not match by."""
        for side, labels, inside in (("left", left, node.lhs), ("right", right, node.rhs)):
            kept = labels.certain - labels.fixed.keys() if not labels.open else frozenset()
            several = kept - named if on else kept & named
            if several and isinstance(strip_parens(inside), ast.AggregateExpr):
                self.many.append(ManySeries(str(node.op), min(several), side, _metrics(inside)))
                return

    def _require(self, names: Iterable[str], labels: LabelSet, how: str, inside: ast.Expr) -> None:
        missing = [name for name in names if name != "__name__" and not labels.can_have(name)]
        if missing and not _is_constant(inside):
            what = _metrics(inside)
            self.missed += [UnmatchedLabel(name, how, what) for name in missing]


def _of_absent(argument: ast.Expr) -> LabelSet:
    """absent() returns only the labels of equality matchers."""
    inner = strip_parens(argument)
    if not isinstance(inner, ast.VectorSelector | ast.MatrixSelector):
        return NONE
    fixed = {item.name: item.value for item in selector(inner).labels if item.operator == "=" and item.value}
    return LabelSet(frozenset(fixed), False, frozenset(fixed), fixed)


def _is_constant(node: ast.Expr) -> bool:
    """Whether it reads no series: nobody expects labels on a fallback such as `vector(0)`."""
    return not selectors(node)


def _name_selector(selection: Selector) -> str:
    return selection.metric or "|".join(selection.metrics)


def _metrics(node: ast.Expr) -> str:
    return ", ".join(dict.fromkeys(filter(None, (_name_selector(selection) for selection in selectors(node)))))
