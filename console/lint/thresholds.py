"""Alerts whose thresholds differ from the console's."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from console.lint.percent import is_percent
from queries.model.panel import PanelSpec, Unit
from queries.model.rule import RuleKind
from queries.promql.syntax import PromqlError, constant, parse_promql, selectors, strip_parens

_UPWARD = frozenset({">", ">="})
_DOWNWARD = frozenset({"<", "<="})
_PERCENT = 100.0


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    for node in item.expression.parts if item.expression is not None else ():
        if not isinstance(node, ast.BinaryExpr) or str(node.op) not in _UPWARD | _DOWNWARD:
            continue
        limit = constant(node.rhs)
        panel = _panel(item, node.lhs, context) if limit is not None else None
        if panel is None or limit is None or (str(node.op) in _DOWNWARD) != panel.lower_is_worse:
            continue
        known = [value for value in (panel.threshold.warn, panel.threshold.critical) if value is not None]
        # A limit below 1 is a ratio, whatever records the series: as a percentage it would be negligible.
        is_ratio = panel.unit is Unit.PERCENT and (abs(limit) < 1 or not is_percent(node.lhs, context))
        scale = _PERCENT if is_ratio else 1.0
        if known and not any(abs(limit * scale - value) <= 1e-9 * max(1.0, abs(value)) for value in known):
            thresholds = " or ".join(f"{value:g}" for value in known)
            line = item.placed.line_of("expr", f"{limit:g}")
            own = f"{limit:g} ({limit * scale:g} %)" if is_ratio else f"{limit:g}"
            yield LintMatch(line, f"fires at {own}, but the console's thresholds of {panel.title} are {thresholds}")


def _panel(item: ParsedRule, left: ast.Expr, context: LintContext) -> PanelSpec | None:
    """The panel that shows the compared value: its recorded series unchanged, or the same metrics for one of its alerts."""
    names = {name for picked in selectors(left) for name in picked.metrics}
    if not names:
        return None
    for panel in context.panels:
        if names <= set(panel.recorded_names) and _plain(left):
            return panel
        if item.rule.name in panel.alerts and panel.raw and names <= _metrics(panel.raw):
            return panel
    return None


def _plain(node: ast.Expr) -> bool:
    """Whether a value is only selected: no arithmetic and no offset."""
    node = strip_parens(node)
    if isinstance(node, ast.VectorSelector):
        return node.offset is None and not node.matchers.matchers
    if isinstance(node, ast.AggregateExpr):
        return str(node.op) in ("max", "min", "topk", "bottomk") and _plain(node.expr)
    if isinstance(node, ast.Call):
        return node.func.name.startswith("label_") and _plain(node.args[0])
    return isinstance(node, ast.BinaryExpr) and str(node.op) == "or" and _plain(node.lhs) and _plain(node.rhs)


@functools.cache
def _metrics(text: str) -> frozenset[str]:
    try:
        return frozenset(parse_promql(text).metrics)
    except PromqlError:
        return frozenset()


THRESHOLD_DIFFERS = LintRule(
    "threshold-differs",
    Level.WARNING,
    "An alert's threshold is not the console's",
    "The screen shows ok while the alert fires, or the other way round, and the person on call cannot tell which is right.",
    "Use one of the console's two thresholds, or set `thresholds` in its config to the alert's.",
    _find,
    kind=RuleKind.ALERT,
    words=_UPWARD | _DOWNWARD,
)
