"""The normal form of a PromQL expression: spellings of the same expression get the same number."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import promql_parser as ast

from queries.model.frozen import dataclass
from queries.promql.syntax import (
    COMPARISONS,
    MIRRORED,
    LabelMatcher,
    PromqlError,
    alternatives,
    parse_marked_tree,
    selector,
    strip_parens,
)

_DEEPEST = 150
"""The depth limit of a tree with recorded names expanded, because Python recurses here."""
_DIGITS = 9
"""Factors are compared to this many digits, because `100 - 99.9` is not exactly `0.1`."""
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_REGEX_SIGNS = frozenset("\\.+*?()[]{}|^$")

Key: TypeAlias = tuple[Any, ...]


class Incomparable(ValueError):
    """An expression without a normal form; the message says why."""


class Form(NamedTuple):
    """An expression as a factor and the node number that it multiplies. Numbers belong to one `Forms`."""

    factor: float
    number: int


@dataclass(frozen=True, slots=True)
class Blind:
    """What the normal form ignores, so that expressions that differ in nothing else become equal."""

    windows: bool = False
    filters: bool = False


class NodeTable:
    """Every node of every normal form once: equal nodes have equal numbers."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._numbers: dict[Key, int] = {}
        self.one = self.number(("one",))

    def number(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        return number


class Normalizer:
    """The normal forms of one set of rules, in one table."""

    def __init__(self, table: NodeTable, rules: Mapping[str, str], blind: Blind) -> None:
        self._table = table
        self._rules = rules
        self._blind = blind
        self._named: dict[str, Form | Incomparable] = {}
        self._known: dict[str, Form] = {}
        self._within: list[str] = []
        self._depth = 0

    def normalize(self, expression: str) -> Form:
        """Raises Incomparable."""
        if expression not in self._known:
            self._define(self._names(expression))
            self._known[expression] = self.form(_parse(expression))
        return self._known[expression]

    def recorded(self, name: str) -> Form:
        """The form of a recorded name. Raises Incomparable."""
        self._define((name,))
        return self._recorded(name)

    def _names(self, expression: str) -> list[str]:
        """The recorded names in an expression, and possibly a label of the same name."""
        return [word for word in _WORD.findall(expression) if word in self._rules]

    def _define(self, names: Iterable[str]) -> None:
        """Normalize the rules of these names, dependencies first, so that a long chain of rules does not recurse."""
        waiting = [name for name in names if name in self._rules]
        parsed: dict[str, ast.Expr] = {}
        while waiting:
            name = waiting[-1]
            if name in self._named:
                waiting.pop()
                continue
            try:
                if name not in parsed:
                    parsed[name] = _parse(self._rules[name])
                    waiting += [item for item in self._names(self._rules[name]) if item not in parsed]
                    continue
                self._within.append(name)
                try:
                    self._named[name] = self.form(parsed[name])
                finally:
                    self._within.pop()
            except Incomparable as error:
                self._named[name] = Incomparable(f"{name} cannot be compared: {error}")

    def form(self, node: ast.Expr) -> Form:
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise Incomparable("it is nested too deeply to be compared")
            return self._form(strip_parens(node))
        finally:
            self._depth -= 1

    def _form(self, node: ast.Expr) -> Form:
        if isinstance(node, ast.NumberLiteral):
            return Form(node.val, self._table.one)
        if isinstance(node, ast.VectorSelector):
            return self._select(node)
        if isinstance(node, ast.UnaryExpr):
            inner = self.form(node.expr)
            return Form(-inner.factor, inner.number)
        if isinstance(node, ast.BinaryExpr):
            return self._binary(node)
        if isinstance(node, ast.AggregateExpr):
            return self._aggregate(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise Incomparable(f"the comparison does not support {type(node).__name__}")

    # Selections

    def _select(self, node: ast.VectorSelector) -> Form:
        selection = selector(node)
        if node.matchers.or_matchers:
            raise Incomparable("it joins matchers with `or`")
        labels = _matchers(selection.labels, blind=self._blind.filters)
        shift = _time_shift(node.offset, node.at)
        if selection.metric in self._rules:
            inner = self._recorded(selection.metric)
            if labels or shift:
                return Form(inner.factor, self._table.number(("picked", inner.number, labels, shift)))
            return inner
        names = [item for item in selection.matchers if item.name == "__name__"]
        if not self._rules.keys().isdisjoint(selection.metrics):
            raise Incomparable("it selects several recorded names at once")
        chosen: object = selection.metric or tuple(sorted(selection.metrics))
        others = names if len(names) > 1 or not chosen else ()
        return Form(1.0, self._table.number(("select", chosen, labels, shift, *map(str, others))))

    def _recorded(self, name: str) -> Form:
        """The form of a recorded name. In a cycle of rules the inner name stands for itself."""
        if name in self._within or name not in self._named:
            return Form(1.0, self._table.number(("itself", name in self._within)))
        form = self._named[name]
        if isinstance(form, Incomparable):
            raise form
        return form

    def _range(self, node: ast.Expr) -> tuple[Form, float]:
        """A range: the form of its selector or subquery, and its seconds."""
        if isinstance(node, ast.MatrixSelector):
            inner = self._select(node.vector_selector)
            seconds, step = node.range.total_seconds(), 0.0
        elif isinstance(node, ast.SubqueryExpr) and node.range is not None:
            inner = self.form(node.expr)
            seconds, step = node.range.total_seconds(), node.step.total_seconds() if node.step else -1.0
            inner = Form(inner.factor, self._table.number(("subquery", inner.number, _time_shift(node.offset, node.at))))
        else:
            raise Incomparable("the comparison does not support its range")
        if self._blind.windows:
            seconds = step = 0.0
        return Form(inner.factor, self._table.number(("range", inner.number, seconds, step))), seconds

    # Functions and aggregations

    def _call(self, node: ast.Call) -> Form:
        name = node.func.name
        if name == "vector":
            inner = self.form(node.args[0])
            if inner.number == self._table.one:
                return Form(inner.factor, self._table.number(("vector",)))
        factor = 1.0
        parts: list[tuple[str, object]] = []
        for place, argument in enumerate(map(strip_parens, node.args)):
            if isinstance(argument, ast.StringLiteral):
                parts.append(("text", argument.val))
                continue
            if isinstance(argument, ast.MatrixSelector | ast.SubqueryExpr):
                inner, seconds = self._range(argument)
                if name == "increase":
                    name, factor = "rate", seconds or 1.0
            else:
                inner = self.form(argument)
            if name in _LINEAR and place == 0 and (inner.factor > 0 or name not in _COUNTERS):
                factor, inner = factor * inner.factor, Form(1.0, inner.number)
            parts.append((format_factor(inner.factor), inner.number))
        return Form(factor, self._table.number(("call", name, *parts)))

    def _aggregate(self, node: ast.AggregateExpr) -> Form:
        operator, inner = str(node.op), self.form(node.expr)
        without = node.modifier is not None and node.modifier.type == ast.AggModifierType.Without
        labels = frozenset(node.modifier.labels) if node.modifier is not None else frozenset()
        parameter: object = None
        if isinstance(node.param, ast.StringLiteral):
            parameter = node.param.val
        elif node.param is not None:
            given = self.form(node.param)
            parameter = (format_factor(given.factor), given.number)
        factor = 1.0
        if operator in _COUNTING:
            inner = Form(1.0, inner.number)
        elif operator in _LINEAR_AGGREGATIONS or (operator in _ORDERING and inner.factor > 0):
            factor, inner = inner.factor, Form(1.0, inner.number)
        inside = self._table.keys[inner.number]
        same = inner.factor == 1.0 and not without and inside[:3] == ("aggregate", operator, False)
        if operator in _NESTING and same and labels <= set(inside[3]):
            inner = Form(float(inside[5]), inside[6])  # sum by (a) of sum by (a, b) is sum by (a)
        key = ("aggregate", operator, without, tuple(sorted(labels)), parameter, format_factor(inner.factor), inner.number)
        return Form(factor, self._table.number(key))

    # Operators

    def _binary(self, node: ast.BinaryExpr) -> Form:
        operator = str(node.op)
        matching = _Matching.of(node.modifier)
        left, right = self.form(node.lhs), self.form(node.rhs)
        if operator in ("and", "unless"):
            return Form(left.factor, self._table.number((operator, matching.key, left.number, right.number)))
        if operator == "or":
            return self._or(matching, left, right)
        if operator in COMPARISONS:
            return self._compare(operator, matching, left, right)
        if matching.plain and operator in "+-":
            return self._sum(left, right, -1.0 if operator == "-" else 1.0)
        if operator in "*/" and not (operator == "/" and right.factor == 0):
            return self._product(operator, matching, left, right)
        if (
            left.number == right.number == self._table.one
            and (value := _evaluate(operator, left.factor, right.factor)) is not None
        ):
            return Form(value, self._table.one)
        return Form(1.0, self._operation(operator, matching, left, right))

    def _operation(self, operator: str, matching: _Matching, left: Form, right: Form) -> int:
        if operator in ("+", "*") and matching.grouped == "right":
            left, right, matching = right, left, matching.mirrored()
        sides = [(format_factor(side.factor), side.number) for side in (left, right)]
        if operator in ("+", "*") and not matching.grouped:
            sides.sort(key=repr)
        return self._table.number((operator, matching.key, *sides))

    def _sum(self, left: Form, right: Form, sign: float) -> Form:
        terms: dict[int, float] = {}
        for side, factor in ((left, left.factor), (right, sign * right.factor)):
            for number, inner in self._terms(side.number):
                terms[number] = terms.get(number, 0.0) + factor * inner
        if len(terms) == 1:
            number, factor = terms.popitem()
            return Form(factor, number)
        leading = next(filter(None, (terms[number] for number in sorted(terms))), 1.0)
        return Form(leading, self._table.number(("sum", *((n, format_factor(terms[n] / leading)) for n in sorted(terms)))))

    def _terms(self, number: int) -> Iterator[tuple[int, float]]:
        key = self._table.keys[number]
        if key[0] != "sum":
            yield number, 1.0
            return
        for term, factor in key[1:]:
            yield term, float(factor)

    def _product(self, operator: str, matching: _Matching, left: Form, right: Form) -> Form:
        divided = operator == "/"
        factor = left.factor / right.factor if divided else left.factor * right.factor
        if not matching.plain:
            number = self._operation(operator, matching, Form(1.0, left.number), Form(1.0, right.number))
            return Form(factor, number)
        factors: dict[int, int] = {}
        for side, sign in ((left, 1), (right, -1 if divided else 1)):
            for number, exponent in self._factors(side.number):
                factors[number] = factors.get(number, 0) + sign * exponent
        factors.pop(self._table.one, None)
        if not factors:
            return Form(factor, self._table.one)
        if len(factors) == 1 and 1 in factors.values():
            return Form(factor, next(iter(factors)))
        return Form(factor, self._table.number(("product", *sorted(factors.items()))))

    def _factors(self, number: int) -> Iterable[tuple[int, int]]:
        key = self._table.keys[number]
        return key[1:] if key[0] == "product" else ((number, 1),)

    def _or(self, matching: _Matching, left: Form, right: Form) -> Form:
        parts: dict[tuple[str, int], float] = {}
        for side in (left, right):
            key = self._table.keys[side.number]
            inner = key[2:] if key[:2] == ("or", matching.key) and matching.plain else ((format_factor(1.0), side.number),)
            for factor, number in inner:
                whole = side.factor * float(factor)
                parts.setdefault((format_factor(whole), number), whole)  # a repeated operand adds nothing
        leading = next(iter(parts.values())) or 1.0
        key = ("or", matching.key, *((format_factor(f / leading), number) for (_, number), f in parts.items()))
        return Form(leading, self._table.number(key))

    def _compare(self, operator: str, matching: _Matching, left: Form, right: Form) -> Form:
        if left.number == self._table.one and right.number != self._table.one:
            left, right, operator = right, left, MIRRORED[operator]
        factor = left.factor
        if not factor or left.number == self._table.one:
            return Form(1.0, self._operation(operator, matching, left, right))
        if factor < 0:
            operator = MIRRORED[operator]
        number = self._operation(operator, matching, Form(1.0, left.number), Form(right.factor / factor, right.number))
        return Form(1.0 if matching.returns_bool else factor, number)


def _parse(expression: str) -> ast.Expr:
    try:
        return parse_marked_tree(expression)
    except PromqlError as error:
        raise Incomparable(f"the console's parser cannot read it: {error}") from None


@dataclass(frozen=True, slots=True)
class _Matching:
    """The vector matching of a binary operator."""

    on: bool = False
    labels: tuple[str, ...] = ()
    grouped: str = ""
    kept: tuple[str, ...] = ()
    returns_bool: bool = False
    filled: tuple[float | None, float | None] = (None, None)

    @classmethod
    def of(cls, modifier: ast.BinModifier | None) -> _Matching:
        if modifier is None:
            return cls()
        on = modifier.matching is not None and modifier.matching.type == ast.LabelModifierType.Include
        labels = tuple(sorted(set(modifier.matching.labels))) if modifier.matching is not None else ()
        grouped = ((ast.VectorMatchCardinality.ManyToOne, "left"), (ast.VectorMatchCardinality.OneToMany, "right"))
        side = next((name for kind, name in grouped if kind == modifier.card), "")
        fill = modifier.fill_values
        filled = (fill.lhs, fill.rhs) if fill is not None else (None, None)
        return cls(on, labels, side, tuple(sorted(set(modifier.group_labels or ()))), modifier.return_bool, filled)

    @property
    def plain(self) -> bool:
        """Whether all labels must be equal, the default."""
        return not (self.on or self.labels or self.grouped) and self.filled == (None, None)

    @property
    def key(self) -> Key:
        return (self.on, self.labels, self.grouped, self.kept, self.returns_bool, self.filled)

    def mirrored(self) -> _Matching:
        side = {"left": "right", "right": "left"}.get(self.grouped, "")
        return _Matching(self.on, self.labels, side, self.kept, self.returns_bool, self.filled[::-1])


_LINEAR = frozenset(
    ("label_replace", "label_join", "sort", "sort_desc", "rate", "irate", "sum_over_time", "avg_over_time", "last_over_time")
)
"""Functions that are linear in their first argument."""
_COUNTERS = frozenset(("rate", "irate"))
"""They treat a decrease as a counter reset."""
_LINEAR_AGGREGATIONS = frozenset(("sum", "avg"))
_ORDERING = frozenset(("min", "max", "topk", "bottomk", "quantile", "stddev"))
_COUNTING = frozenset(("count", "group"))
_NESTING = frozenset(("sum", "min", "max"))


def _evaluate(operator: str, left: float, right: float) -> float | None:
    """The result for two constants; None for an unsupported operator."""
    try:
        result = left**right if operator == "^" else math.fmod(left, right) if operator == "%" else None
    except (ArithmeticError, ValueError):
        return None
    return result if isinstance(result, float) else None


def format_factor(factor: float) -> str:
    """A factor to the digits that are compared."""
    return f"{factor:.{_DIGITS}g}" if factor else "0"


def _time_shift(offset: object, at: object) -> str:
    """`offset` and `@` as text."""
    return f"{offset or ''}{at if at is None else str(at)}" if offset or at is not None else ""


def _matchers(labels: Iterable[LabelMatcher], *, blind: bool) -> tuple[str, ...]:
    """The sorted matchers in their simplest spelling, without those that match everything."""
    if blind:
        return ()
    return tuple(sorted({text for item in labels if (text := _matcher(item))}))


def _matcher(item: LabelMatcher) -> str:
    operator, value = item.operator, item.value
    if operator in ("=~", "!~"):
        negative = operator == "!~"
        if value == ".*" and not negative:
            return ""
        words = alternatives(value)
        if value == ".+":
            operator, value = "=" if negative else "!=", ""
        elif len(words) == 1 or not _REGEX_SIGNS & set(value):
            operator, value = "!=" if negative else "=", words[0] if words else value
        elif words:
            value = "|".join(sorted(words))
    return f"{item.name}{operator}{value}"
