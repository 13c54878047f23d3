"""Texts that state another window than the expression has."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.syntax import number, selector

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_STATED = re.compile(
    r"\b(?:last|past|previous|over|within|for(?: more than| at least| over| longer than)?)\s+(?:the\s+)?(?:last\s+|past\s+)?"
    r"(\d+(?:\.\d+)?)\s*-?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\b",
    re.IGNORECASE,
)
_IN_NAME = re.compile(r"(?<![A-Za-z0-9])(\d+)(s|m|h|d|w)(?![A-Za-z0-9])|(?:rate|increase)(\d+)(s|m|h|d|w)(?![A-Za-z0-9])")
_DEEPEST = 3
_CLOSE = 1e-6


def _find(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.rule.kind is not RuleKind.ALERT or item.expression is None:
        return
    stated = [(key, match) for key, text in item.rule.annotations for match in _STATED.finditer(text)]
    if not stated:
        return
    known = frozenset(_windows(item, scene, _DEEPEST))
    ranges = frozenset(_ranges(item, scene, _DEEPEST))
    if not ranges:
        return
    pending = item.rule.for_seconds or 0.0
    sums = {one + pending for one in known} | known | {pending}
    for key, match in stated:
        seconds = float(match[1]) * _UNITS[match[2][0].lower()]
        if not any(abs(seconds - one) <= _CLOSE * max(seconds, one) for one in sums):
            told = ", ".join(spell(one) for one in sorted(ranges))
            more = f" and `for: {spell(pending)}`" if pending else ""
            line = item.placed.line_of(f"annotations.{key}", match[1])
            yield LintMatch(line, f'`{key}` says "{match[0]}", and the expression looks at {told}{more}')
            return


def _ranges(item: ParsedRule, scene: LintContext, depth: int) -> Iterator[float]:
    """The windows of range selectors and subqueries, also of the rules that record what is read."""
    if item.expression is None:
        return
    for node in item.expression.parts:
        if isinstance(node, ast.MatrixSelector):
            yield selector(node).range_seconds or 0.0
        elif isinstance(node, ast.SubqueryExpr):
            yield node.range.total_seconds() if node.range is not None else 0.0
    for name in item.expression.metrics:
        for rule in scene.recorded(name) if depth else ():
            yield from _ranges(rule, scene, depth - 1)
        for match in _IN_NAME.finditer(name):
            yield float(match[1] or match[3]) * _UNITS[match[2] or match[4]]


def _windows(item: ParsedRule, scene: LintContext, depth: int) -> Iterator[float]:
    """Every time that the expression speaks of: windows, offsets, and the numbers in it, which may be seconds."""
    yield from _ranges(item, scene, depth)
    for node in item.expression.parts if item.expression is not None else ():
        value = number(node)
        if value is not None:
            yield from (abs(value) * unit for unit in (1.0, 60.0, 3600.0, 86400.0, 0.001))
        offset = getattr(node, "offset", None)
        if offset is not None:
            yield abs(offset.total_seconds())


def spell(seconds: float) -> str:
    """A window as PromQL writes it."""
    unit, name = next(
        ((size, name) for name, size in reversed(_UNITS.items()) if seconds >= size and seconds % size == 0), (1.0, "s")
    )
    return f"{seconds / unit:g}{name}"


WINDOW_DIFFERS = LintRule(
    "window-differs",
    Level.WARNING,
    "A text states another window than the expression has",
    'Who reads "in the last hour" looks at the wrong hour, and takes a figure of five minutes for one of a day.',
    "Write the window that the expression has, or correct the expression.",
    _find,
)
