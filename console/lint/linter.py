"""Runs every lint rule over every file and rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from console.lint.conditions import BOOL_CONDITION, NEVER_TRUE, NO_CONDITION
from console.lint.context import LintContext
from console.lint.counters import COUNTER_WITHOUT_RATE, RANGE_TOO_SHORT, RATE_OF_GAUGE, RATE_OF_SUM
from console.lint.double_counts import COUNTED_TWICE
from console.lint.duplicates import DUPLICATE_NAME, SAME_EXPRESSION
from console.lint.empty_sum import EMPTY_SUM
from console.lint.finding import Finding, Level, LintRule
from console.lint.histograms import COUNT_AS_SCORE, HISTOGRAM_AS_SERIES, NATIVE_HISTOGRAM, NO_SUCH_BUCKET
from console.lint.inverted_budget import BUDGET_IS_SPENT
from console.lint.joins import JOIN_NEVER_MATCHES, MANY_TO_ONE
from console.lint.label_use import LABEL_NOT_CARRIED, MATCHES_NOTHING
from console.lint.missing_for import MISSING_FOR
from console.lint.percent import PERCENT_AS_RATIO
from console.lint.placeholders import PLACEHOLDER_HOST, UNEXPANDED_VARIABLE
from console.lint.rates import RATE_AS_COUNT
from console.lint.routes import NEVER_INHIBITED, NEVER_ROUTED, lint_routes
from console.lint.runbook_links import (
    RUNBOOK_DEAD,
    RUNBOOK_KEY,
    RUNBOOK_MISSING,
    RUNBOOK_PLACEHOLDER,
    RUNBOOK_RELATIVE,
)
from console.lint.templates import TEMPLATE_LABEL
from console.lint.thresholds import THRESHOLD_DIFFERS
from console.lint.unknown_metrics import METRIC_NOT_EXPORTED, METRIC_UNKNOWN, RECORD_SHADOWS_EXPORTED, unknown_metrics
from console.lint.windows import WINDOW_DIFFERS
from queries.model.rule import RuleKind
from queries.promql.newer_syntax import unknown_syntax
from queries.promql.rule_files import ProblemKind, RuleFile
from queries.promql.syntax import PromqlError, parser_version

NO_RULE_FILE = LintRule(
    "no-rule-file",
    Level.ERROR,
    "A file, or a rule in it, is not in the format of Prometheus",
    "Prometheus rejects the whole file, and the configuration reload with it.",
    "Correct the line; `promtool check rules FILE` reports the same.",
)
UNKNOWN_FIELD = LintRule(
    "unknown-field",
    Level.ERROR,
    "A field that rules do not have",
    "Prometheus rejects a file with it; the API server silently drops it from a PrometheusRule, and the alert pages at once, "
    "or without its labels.",
    "Correct the name of the field.",
)
NAME_IN_QUOTES = LintRule(
    "name-in-quotes",
    Level.WARNING,
    "A name that only Prometheus 3 accepts",
    "Prometheus 2 and its promtool reject the file; in Prometheus 3 every query, matcher and template has to quote the name.",
    "Use letters, digits and underscores.",
)
BAD_PROMQL = LintRule(
    "bad-promql",
    Level.ERROR,
    "Invalid PromQL expression",
    "Prometheus rejects the whole file, and the configuration reload with it.",
    "Correct the expression at the reported position.",
)
UNKNOWN_PROMQL = LintRule(
    "promql-unknown",
    Level.NOTE,
    "PromQL that not every version supports",
    "Prometheus releases extend the language; the other checks skip an expression that the console's parser does not support.",
    "Use --live, where the server decides, or a promtool of the server's version.",
)
PROMTOOL_ERROR = LintRule(
    "promtool",
    Level.ERROR,
    "promtool rejects the file",
    "Prometheus does not load what promtool rejects.",
    "Correct what promtool reports.",
)
AMTOOL_ERROR = LintRule(
    "amtool",
    Level.ERROR,
    "amtool rejects the configuration",
    "Alertmanager does not load what amtool rejects.",
    "Correct what amtool reports.",
)

PINT_PROBLEM = LintRule(
    "pint",
    Level.WARNING,
    "pint finds a problem",
    "pint has checks of its own; its documentation explains each by the name in front.",
    "See https://cloudflare.github.io/pint/checks/.",
)

LINT_RULES: tuple[LintRule, ...] = (
    NO_RULE_FILE,
    UNKNOWN_FIELD,
    NAME_IN_QUOTES,
    BAD_PROMQL,
    UNKNOWN_PROMQL,
    NO_CONDITION,
    BOOL_CONDITION,
    NEVER_TRUE,
    JOIN_NEVER_MATCHES,
    MANY_TO_ONE,
    EMPTY_SUM,
    COUNTED_TWICE,
    RATE_OF_GAUGE,
    RATE_OF_SUM,
    COUNTER_WITHOUT_RATE,
    COUNT_AS_SCORE,
    HISTOGRAM_AS_SERIES,
    NATIVE_HISTOGRAM,
    NO_SUCH_BUCKET,
    RANGE_TOO_SHORT,
    TEMPLATE_LABEL,
    WINDOW_DIFFERS,
    PERCENT_AS_RATIO,
    RATE_AS_COUNT,
    BUDGET_IS_SPENT,
    METRIC_NOT_EXPORTED,
    LABEL_NOT_CARRIED,
    MATCHES_NOTHING,
    RECORD_SHADOWS_EXPORTED,
    RUNBOOK_MISSING,
    RUNBOOK_KEY,
    RUNBOOK_PLACEHOLDER,
    RUNBOOK_RELATIVE,
    RUNBOOK_DEAD,
    PLACEHOLDER_HOST,
    UNEXPANDED_VARIABLE,
    DUPLICATE_NAME,
    SAME_EXPRESSION,
    MISSING_FOR,
    THRESHOLD_DIFFERS,
    NEVER_ROUTED,
    NEVER_INHIBITED,
    METRIC_UNKNOWN,
    PROMTOOL_ERROR,
    AMTOOL_ERROR,
    PINT_PROBLEM,
)
_CHECKS_BY_KIND = {
    kind: tuple(each for each in LINT_RULES if each.find is not None and each.kind in (None, kind)) for kind in RuleKind
}
_BY_PROBLEM = {ProblemKind.FORM: NO_RULE_FILE, ProblemKind.FIELD: UNKNOWN_FIELD, ProblemKind.NAME: NAME_IN_QUOTES}


def lint_rules(files: Iterable[RuleFile], context: LintContext) -> tuple[Finding, ...]:
    """The findings in the files and in the rules of the context, by file and line."""
    files = tuple(files)
    findings = [*_file_findings(files), *_in_rules(context), *lint_routes(files, context), *unknown_metrics(context)]
    return tuple(sorted(findings, key=lambda item: (item.file, item.line, item.lint_rule.id, item.text)))


def _file_findings(files: Iterable[RuleFile]) -> Iterator[Finding]:
    for file in files:
        for problem in file.problems:
            lint_rule = _BY_PROBLEM[problem.kind]
            yield Finding(lint_rule, lint_rule.level, file.path, problem.line, problem.rule, problem.text)


def _classify_unparsed(expression: str, error: PromqlError, context: LintContext) -> tuple[LintRule, str, str]:
    """The finding, its text and its reporter, for an expression that our parser rejects: a live server decides about its own
    language, and without one newer PromQL is unknown."""
    refusal = context.refusals.get(expression)
    if refusal:
        return BAD_PROMQL, f"the server refuses it: {refusal}", "Prometheus"
    if refusal is not None:
        return UNKNOWN_PROMQL, f"the server accepts this, {parser_version()} does not ({error}): the other checks skip it", ""
    newer = unknown_syntax(expression, error.problem)
    if newer:
        return UNKNOWN_PROMQL, f"{parser_version()} does not support {newer} ({error}): the other checks skip it", ""
    return BAD_PROMQL, str(error), ""


def _in_rules(context: LintContext) -> Iterator[Finding]:
    for item in context.rules:
        file, name, allowed = item.placed.file, item.rule.name, item.allowed
        used = item.expression.words if item.expression is not None else frozenset()
        if item.error is not None:
            line = item.placed.line_in_expression(item.error.line)
            lint_rule, text, source = _classify_unparsed(item.rule.expression, item.error, context)
            yield Finding(lint_rule, lint_rule.level, file, line, name, text, source)
        for lint_rule in _CHECKS_BY_KIND[item.rule.kind]:
            if lint_rule.words and lint_rule.words.isdisjoint(used):
                continue
            if lint_rule.find is not None and lint_rule.id not in allowed:
                for lint_match in dict.fromkeys(lint_rule.find(item, context)):
                    yield lint_rule.report(lint_match, file=file, rule=name)
