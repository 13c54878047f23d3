"""Texts that state another window than the expression."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.syntax import constant, selector
from queries.text.durations import UNIT_SECONDS, format_duration

_STATED = re.compile(
    r"\b(?:last|past|previous|over|within|for(?: more than| at least| over| longer than)?)\s+(?:the\s+)?(?:last\s+|past\s+)?"
    r"(\d+(?:\.\d+)?)\s*-?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\b",
    re.IGNORECASE,
)
_IN_NAME = re.compile(r"(?<![A-Za-z0-9])(\d+)(s|m|h|d|w)(?![A-Za-z0-9])|(?:rate|increase)(\d+)(s|m|h|d|w)(?![A-Za-z0-9])")
_MAX_DEPTH = 3
_TOLERANCE = 1e-6


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    stated = [(key, match) for key, text in item.rule.annotations for match in _STATED.finditer(text)]
    if not stated:
        return
    known = frozenset(_windows(item, context, _MAX_DEPTH))
    ranges = frozenset(_ranges(item, context, _MAX_DEPTH))
    if not ranges:
        return
    pending = item.rule.for_seconds or 0.0
    sums = {window + pending for window in known} | known | {pending}
    for key, match in stated:
        seconds = float(match[1]) * UNIT_SECONDS[match[2][0].lower()]
        if not any(abs(seconds - window) <= _TOLERANCE * max(seconds, window) for window in sums):
            windows = ", ".join(format_duration(window) for window in sorted(ranges))
            delay = f" and `for: {format_duration(pending)}`" if pending else ""
            line = item.placed.line_of(f"annotations.{key}", match[1])
            yield LintMatch(line, f'`{key}` says "{match[0]}", but the expression covers {windows}{delay}')
            return


def _ranges(item: ParsedRule, context: LintContext, depth: int) -> Iterator[float]:
    """The windows of range selectors and subqueries, including those of the recording rules that are read."""
    if item.expression is None:
        return
    for node in item.expression.parts:
        if isinstance(node, ast.MatrixSelector):
            yield selector(node).range_seconds or 0.0
        elif isinstance(node, ast.SubqueryExpr):
            yield node.range.total_seconds() if node.range is not None else 0.0
    for name in item.expression.metrics:
        for rule in context.recorded(name) if depth else ():
            yield from _ranges(rule, context, depth - 1)
        for match in _IN_NAME.finditer(name):
            yield float(match[1] or match[3]) * UNIT_SECONDS[match[2] or match[4]]


def _windows(item: ParsedRule, context: LintContext, depth: int) -> Iterator[float]:
    """Every duration in the expression: windows, offsets, and numbers, which may be seconds."""
    yield from _ranges(item, context, depth)
    for node in item.expression.parts if item.expression is not None else ():
        value = constant(node)
        if value is not None:
            yield from (abs(value) * unit for unit in (1.0, 60.0, 3600.0, 86400.0, 0.001))
        offset = getattr(node, "offset", None)
        if offset is not None:
            yield abs(offset.total_seconds())


WINDOW_DIFFERS = LintRule(
    "window-differs",
    Level.WARNING,
    "A text states another window than the expression",
    'A reader of "in the last hour" checks the wrong hour, and takes a figure of five minutes for one of a day.',
    "State the window of the expression, or correct the expression.",
    _find,
    kind=RuleKind.ALERT,
)
