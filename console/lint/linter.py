"""The lint as a whole: every trap over every rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from console.lint.conditions import BOOL_CONDITION, NEVER_TRUE, NO_CONDITION
from console.lint.context import LintContext
from console.lint.counters import COUNTER_WITHOUT_RATE, RANGE_TOO_SHORT, RATE_OF_GAUGE, RATE_OF_SUM
from console.lint.duplicates import DUPLICATE_NAME, SAME_EXPRESSION
from console.lint.empty_sum import EMPTY_SUM
from console.lint.finding import Finding, Level, LintRule
from console.lint.histograms import COUNT_AS_SCORE, HISTOGRAM_AS_SERIES, NO_SUCH_BUCKET
from console.lint.inverted_budget import BUDGET_IS_SPENT
from console.lint.joins import JOIN_NEVER_MATCHES
from console.lint.label_use import LABEL_NOT_CARRIED, MATCHES_NOTHING
from console.lint.missing_for import MISSING_FOR
from console.lint.percent import PERCENT_AS_RATIO
from console.lint.placeholders import PLACEHOLDER_HOST, UNEXPANDED_VARIABLE
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
from queries.promql.rule_files import ProblemKind, RuleFile

NO_RULE_FILE = LintRule(
    "no-rule-file",
    Level.ERROR,
    "A file, or a rule in it, has not the form that Prometheus wants",
    "Prometheus refuses the whole file, and with it its whole new configuration.",
    "Correct the line; `promtool check rules FILE` says the same.",
)
UNKNOWN_FIELD = LintRule(
    "unknown-field",
    Level.ERROR,
    "A field that rules do not have",
    "Prometheus refuses a file with it; of a PrometheusRule the API server drops it without a word, and the alert pages at "
    "once, or without its labels.",
    "Correct the name of the field.",
)
NAME_IN_QUOTES = LintRule(
    "name-in-quotes",
    Level.WARNING,
    "A name that only Prometheus 3 takes",
    "Prometheus 2 and its promtool refuse the file; in Prometheus 3 every query, matcher and template has to quote the name.",
    "Write letters, digits and underscores.",
)
BAD_PROMQL = LintRule(
    "bad-promql",
    Level.ERROR,
    "An expression is no PromQL",
    "Prometheus refuses the whole file, and with it its whole new configuration.",
    "Correct the expression at the place that is named.",
)
SAID_BY_PROMTOOL = LintRule(
    "promtool",
    Level.ERROR,
    "promtool refuses the file",
    "What promtool refuses, Prometheus does not load.",
    "Correct what promtool names.",
)
SAID_BY_AMTOOL = LintRule(
    "amtool",
    Level.ERROR,
    "amtool refuses the configuration",
    "What amtool refuses, Alertmanager does not load.",
    "Correct what amtool names.",
)

SAID_BY_PINT = LintRule(
    "pint",
    Level.WARNING,
    "pint finds a problem",
    "pint looks for mistakes of its own; its documentation explains each by the name in front of it.",
    "See https://cloudflare.github.io/pint/checks/.",
)

TRAPS: tuple[LintRule, ...] = (
    NO_RULE_FILE,
    UNKNOWN_FIELD,
    NAME_IN_QUOTES,
    BAD_PROMQL,
    NO_CONDITION,
    BOOL_CONDITION,
    NEVER_TRUE,
    JOIN_NEVER_MATCHES,
    EMPTY_SUM,
    RATE_OF_GAUGE,
    RATE_OF_SUM,
    COUNTER_WITHOUT_RATE,
    COUNT_AS_SCORE,
    HISTOGRAM_AS_SERIES,
    NO_SUCH_BUCKET,
    RANGE_TOO_SHORT,
    TEMPLATE_LABEL,
    WINDOW_DIFFERS,
    PERCENT_AS_RATIO,
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
    SAID_BY_PROMTOOL,
    SAID_BY_AMTOOL,
    SAID_BY_PINT,
)
_OF_A_RULE = tuple(trap for trap in TRAPS if trap.find is not None)
_OF_A_FORM = {ProblemKind.FORM: NO_RULE_FILE, ProblemKind.FIELD: UNKNOWN_FIELD, ProblemKind.NAME: NAME_IN_QUOTES}


def lint(files: Iterable[RuleFile], scene: LintContext) -> tuple[Finding, ...]:
    """Every trap that the files and the scene's rules step into, by file and line."""
    files = tuple(files)
    found = [*_troubles(files), *_in_rules(scene), *lint_routes(files, scene), *unknown_metrics(scene)]
    return tuple(sorted(found, key=lambda item: (item.file, item.line, item.trap.id, item.text)))


def _troubles(files: Iterable[RuleFile]) -> Iterator[Finding]:
    for file in files:
        for trouble in file.troubles:
            trap = _OF_A_FORM[trouble.fault]
            yield Finding(trap, trap.level, file.path, trouble.line, trouble.rule, trouble.text)


def _in_rules(scene: LintContext) -> Iterator[Finding]:
    for item in scene.rules:
        file, name, allowed = item.placed.file, item.rule.name, item.allowed
        if item.trouble is not None:
            line = item.placed.line_in_expression(item.trouble.line)
            yield Finding(BAD_PROMQL, BAD_PROMQL.level, file, line, name, str(item.trouble))
        for trap in _OF_A_RULE:
            if trap.find is not None and trap.id not in allowed:
                for hit in dict.fromkeys(trap.find(item, scene)):
                    yield Finding(trap, hit.level or trap.level, file, hit.line, name, hit.text)
