"""Which labels the series of an expression can carry, and which labels it asks for in vain."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import promql_parser as ast

from queries.model.rule import Rule, RuleKind
from queries.promql import PromqlError, children, parse, selector, selectors
from queries.vocabulary import Vocabulary, Word

Carried: TypeAlias = frozenset[str] | None
"""None where it is not known."""

_KEEPING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_WITHOUT_LABELS = frozenset({"time", "vector", "scalar", "pi"})
_DEEPEST_CHAIN = 10
"""Rules over rules over rules: what is deeper stays unknown."""
_ABSENT = frozenset({"absent", "absent_over_time"})


@dataclass(frozen=True, slots=True)
class Miss:
    """A label that is asked for where nothing carries it: by `how` (a matcher, `by`, `on`, `label_replace`), of `what`."""

    label: str
    how: str
    what: str


def carried(node: ast.Expr, vocabulary: Vocabulary) -> Carried:
    """The labels that the result of an expression can have, `__name__` left out."""
    return _Flow(vocabulary).labels(node)


def misses(node: ast.Expr, vocabulary: Vocabulary) -> tuple[Miss, ...]:
    """Every label that is asked for in vain, each once. What is not known is believed."""
    flow = _Flow(vocabulary)
    flow.labels(node)
    return tuple(dict.fromkeys(flow.missed))


def with_recorded(vocabulary: Vocabulary, rules: Iterable[Rule]) -> Vocabulary:
    """With the series that recording rules make, and the labels that these leave; in whatever order the rules stand."""
    records = []
    for rule in rules:
        if rule.kind is RuleKind.RECORD:
            with suppress(PromqlError):
                records.append((rule, parse(rule.expression)))
    words = {rule.name: Word(rule.name, None, recorded=True) for rule, _ in records}
    for _ in range(_DEEPEST_CHAIN):
        known = vocabulary.extended(words.values())
        found: dict[str, Word] = {}
        for rule, expression in records:
            left = carried(expression.root, known)
            labels = None if left is None else left | {name for name, _ in rule.labels}
            before = found.get(rule.name)
            if before is not None:
                labels = _union((before.labels, labels))
            found[rule.name] = Word(rule.name, labels, recorded=True)
        if found == words:
            break
        words = found
    return vocabulary.extended(words.values())


@dataclass(slots=True)
class _Flow:
    vocabulary: Vocabulary
    missed: list[Miss] = field(default_factory=list)

    def labels(self, node: ast.Expr) -> Carried:
        if isinstance(node, ast.MatrixSelector | ast.VectorSelector):
            return self._selected(node)
        if isinstance(node, ast.AggregateExpr):
            return self._aggregated(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.BinaryExpr):
            return self._joined(node)
        inner = children(node)
        return self.labels(inner[0]) if inner else frozenset()

    def _selected(self, node: ast.MatrixSelector | ast.VectorSelector) -> Carried:
        picked = selector(node)
        words = self.vocabulary.chosen(picked)
        known = _union(word.labels if word is not None else None for word in words)
        if known is None or not words:
            return None
        known |= self._everywhere(words)
        for matcher in picked.labels:
            if matcher.positive and matcher.name not in known:
                self.missed.append(Miss(matcher.name, "a matcher", picked.metric or "|".join(picked.metrics)))
        return known

    def _everywhere(self, words: Iterable[Word | None]) -> frozenset[str]:
        """A recorded series has only what its rule left."""
        scraped = any(word is not None and not word.recorded for word in words)
        return self.vocabulary.target_labels if scraped else frozenset()

    def _aggregated(self, node: ast.AggregateExpr) -> Carried:
        inner = self.labels(node.expr)
        modifier, op = node.modifier, str(node.op)
        named = frozenset(modifier.labels) if modifier is not None else frozenset()
        by = modifier is None or modifier.type == ast.AggModifierType.By
        if by:
            self._want(named, inner, f"{op} by", node.expr)
        if op in _KEEPING:
            return inner
        result: Carried = named if by else None if inner is None else inner - named
        if op == "count_values" and isinstance(node.param, ast.StringLiteral) and result is not None:
            result |= {node.param.val}
        return result

    def _called(self, node: ast.Call) -> Carried:
        name, given = node.func.name, list(node.args)
        texts = [item.val for item in given if isinstance(item, ast.StringLiteral)]
        vectors = [item for item in given if not isinstance(item, ast.StringLiteral | ast.NumberLiteral)]
        found = [self.labels(item) for item in vectors]
        if name in _WITHOUT_LABELS:
            return frozenset()
        if name in _ABSENT:
            return frozenset(item.name for one in selectors(node) for item in one.labels if item.operator == "=")
        inner: Carried = found[-1] if found else frozenset()
        if name == "label_replace" and len(texts) >= 3:  # to, replacement, from, expression
            inner = found[0]
            self._want([texts[2]] if texts[2] else [], inner, "label_replace", vectors[0])
            return None if inner is None else inner | {texts[0]}
        if name == "label_join" and texts:
            inner = found[0]
            if inner is not None and len(texts) > 2 and not inner.intersection(texts[2:]):
                self._want(texts[2:], inner, "label_join", vectors[0])
            return None if inner is None else inner | {texts[0]}
        if name == "info":
            return None
        return inner - {"le"} if name.startswith("histogram_quantile") and inner is not None else inner

    def _joined(self, node: ast.BinaryExpr) -> Carried:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        op = str(node.op)
        if op == "or":
            return _union((left, right))
        sides = [(labels, side) for labels, side in ((left, node.lhs), (right, node.rhs)) if _has_series(side)]
        if len(sides) < 2:  # a number on one side
            return sides[0][0] if sides else frozenset()
        matching = node.modifier.matching if node.modifier is not None else None
        on = matching is not None and matching.type == ast.LabelModifierType.Include
        named = frozenset(matching.labels) if matching is not None else frozenset()
        if on:
            for labels, side in sides:
                self._want(named, labels, "on", side)
        if op in _SET_OPERATORS:
            return left
        grouped = frozenset(node.modifier.group_labels or ()) if node.modifier is not None else frozenset()
        card = node.modifier.card if node.modifier is not None else ast.VectorMatchCardinality.OneToOne
        if card == ast.VectorMatchCardinality.ManyToOne:
            return None if left is None else left | grouped
        if card == ast.VectorMatchCardinality.OneToMany:
            return None if right is None else right | grouped
        if on:
            return named
        if left is None or right is None:
            return None
        return (left & right) - named

    def _want(self, wanted: Iterable[str], carried: Carried, how: str, inside: ast.Expr) -> None:
        if carried is None:
            return
        metrics = (picked.metric or "|".join(picked.metrics) for picked in selectors(inside))
        what = ", ".join(dict.fromkeys(filter(None, metrics)))
        self.missed += [Miss(name, how, what) for name in wanted if name not in carried and name != "__name__"]


def _union(several: Iterable[Carried]) -> Carried:
    whole: frozenset[str] = frozenset()
    for labels in several:
        if labels is None:
            return None
        whole |= labels
    return whole


def _has_series(node: ast.Expr) -> bool:
    return bool(selectors(node))
