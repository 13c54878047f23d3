"""Metrics that nothing exports, and recorded names that shadow exported ones."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Finding, Level, LintMatch, LintRule
from console.lint.histograms import is_plain_histogram, native_part
from queries.catalogue.contract import Need
from queries.catalogue.exported import load_exported
from queries.model.rule import RuleKind
from queries.promql.syntax import fallback_selectors

_MAX_LISTED = 8


def _find_unknown(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    for name in _unknown_names(item, context):
        if _is_sum_of_negatives(name):
            text = f"nothing exports {name}: its buckets start below zero, and prometheus_client then omits the sum"
            yield LintMatch(item.placed.line_of("expr", name), text)
            continue
        if not context.catalog.complete:
            suggest = context.spelling.near(name)
            if context.strict or context.spelling.is_typo(name):
                text = f"neither the contract nor a recording rule has {name}{_hint(suggest)}"
                yield LintMatch(item.placed.line_of("expr", name), text, Level.WARNING)
            continue
        suggest = context.spelling.near(name)
        line = item.placed.line_of("expr", name)
        promised = context.contract.get(name)
        if promised is not None and promised.need is Need.OPTIONAL:
            yield LintMatch(line, f"nothing exports {name} here; not every build or cluster has it", Level.NOTE)
        else:
            yield LintMatch(line, f"nothing exports or records {name}{_hint(suggest)}")


def _is_sum_of_negatives(name: str) -> bool:
    family = load_exported().get(name.removesuffix("_sum")) if name.endswith("_sum") else None
    return family is not None and family.begins_below_zero


def _hint(suggest: str) -> str:
    return f"; did you mean {suggest}?" if suggest else ""


def unknown_metrics(context: LintContext) -> Iterator[Finding]:
    """One note per file: the names that only a server can confirm."""
    if context.catalog.complete:
        return
    by_file: dict[str, dict[str, int]] = {}
    for item in context.rules:
        names = by_file.setdefault(item.placed.file, {})
        if item.expression is None or names.keys() >= set(item.expression.metrics):
            continue
        for name in _unknown_names(item, context):
            if name not in names and not _is_sum_of_negatives(name) and not context.spelling.is_typo(name):
                names[name] = item.placed.line_of("expr", name)
    for file, names in by_file.items():
        if not names:
            continue
        listed = ", ".join(list(names)[:_MAX_LISTED]) + (", …" if len(names) > _MAX_LISTED else "")
        subject = "metric is" if len(names) == 1 else "metrics are"
        why = context.catalog.partial or "only a server (--live) can confirm them"
        text = f"{len(names)} {subject} unknown here; {why}: {listed}"
        yield Finding(METRIC_UNKNOWN, METRIC_UNKNOWN.level, file, next(iter(names.values())), "", text)


def _unknown_names(item: ParsedRule, context: LintContext) -> Iterator[str]:
    if item.expression is None or context.catalog.metrics.keys() >= set(item.expression.metrics):
        return
    unknown: dict[str, None] = {}
    optional = {name for picked in fallback_selectors(item.expression) for name in picked.metrics}
    for picked in item.expression.selectors:
        known = [context.catalog.get(name) is not None for name in picked.metrics]
        if not picked.metric and any(known):
            continue  # one of several names, since not every build has each
        for name in picked.metrics:
            if context.catalog.get(name) is not None or name in optional:
                continue
            if not is_plain_histogram(name, context) and not native_part(name, context)[1]:
                unknown.setdefault(name)
    yield from unknown


def _find_shadowing(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    name = item.rule.name
    if name in context.exported:
        yield LintMatch(item.placed.line_of("record"), f"{name} is already an exported metric")


METRIC_NOT_EXPORTED = LintRule(
    "metric-not-exported",
    Level.ERROR,
    "A rule reads a metric that nothing exports",
    "An expression over series that do not exist is always empty: the rule looks healthy, and its alert can never fire.",
    "Correct the name, or remove the rule; --live compares it with the server's metrics.",
    _find_unknown,
)
METRIC_UNKNOWN = LintRule(
    "metric-unknown",
    Level.NOTE,
    "A rule reads unknown metrics",
    "The lint knows the metrics of the platform, the contract and the recording rules, but not those of other exporters.",
    "Use --live to compare the names with the server's metrics.",
)
RECORD_SHADOWS_EXPORTED = LintRule(
    "record-shadows-exported",
    Level.ERROR,
    "A recorded series has the name of an exported metric",
    "Both share one name: sums count twice, and the value of a panel depends on labels that nobody looks at.",
    "Give the recorded series a name of its own, `level:metric:operation`.",
    _find_shadowing,
    kind=RuleKind.RECORD,
)
