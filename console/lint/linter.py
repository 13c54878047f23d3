"""The lint as a whole: every trap over every rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from console.lint.budget import BUDGET_IS_SPENT
from console.lint.duplicates import DUPLICATE_NAME
from console.lint.empty_sums import EMPTY_SUM
from console.lint.exported import METRIC_NOT_EXPORTED, RECORD_SHADOWS_EXPORTED
from console.lint.finding import Finding, Level, Trap
from console.lint.label_use import LABEL_NOT_CARRIED, MATCHES_NOTHING
from console.lint.pending import MISSING_FOR
from console.lint.percent import PERCENT_AS_RATIO
from console.lint.runbook_links import (
    RUNBOOK_DEAD,
    RUNBOOK_KEY,
    RUNBOOK_MISSING,
    RUNBOOK_PLACEHOLDER,
    RUNBOOK_RELATIVE,
)
from console.lint.scene import Scene
from console.lint.thresholds import THRESHOLD_DIFFERS
from queries.rule_files import RuleFile

NO_RULE_FILE = Trap(
    "no-rule-file",
    Level.ERROR,
    "A file, or a rule in it, has not the form that Prometheus wants",
    "Prometheus refuses the whole file, and with it its whole new configuration.",
    "Correct the line; `promtool check rules FILE` says the same.",
)
BAD_PROMQL = Trap(
    "bad-promql",
    Level.ERROR,
    "An expression is no PromQL",
    "Prometheus refuses the whole file, and with it its whole new configuration.",
    "Correct the expression at the place that is named.",
)
SAID_BY_PROMTOOL = Trap(
    "promtool",
    Level.ERROR,
    "promtool refuses the file",
    "What promtool refuses, Prometheus does not load.",
    "Correct what promtool names.",
)
SAID_BY_AMTOOL = Trap(
    "amtool",
    Level.ERROR,
    "amtool refuses the configuration",
    "What amtool refuses, Alertmanager does not load.",
    "Correct what amtool names.",
)

TRAPS: tuple[Trap, ...] = (
    NO_RULE_FILE,
    BAD_PROMQL,
    EMPTY_SUM,
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
    DUPLICATE_NAME,
    MISSING_FOR,
    THRESHOLD_DIFFERS,
    SAID_BY_PROMTOOL,
    SAID_BY_AMTOOL,
)


def lint(files: Iterable[RuleFile], scene: Scene) -> tuple[Finding, ...]:
    """Every trap that the files and the scene's rules step into, by file and line."""
    found = [*_troubles(files), *_in_rules(scene)]
    return tuple(sorted(found, key=lambda item: (item.file, item.line, item.trap.id, item.text)))


def _troubles(files: Iterable[RuleFile]) -> Iterator[Finding]:
    for file in files:
        for trouble in file.troubles:
            yield Finding(NO_RULE_FILE, NO_RULE_FILE.level, file.path, trouble.line, "", trouble.text)


def _in_rules(scene: Scene) -> Iterator[Finding]:
    for item in scene.rules:
        file, name = item.placed.file, item.rule.name
        if item.trouble is not None:
            line = item.placed.line_in_expression(item.trouble.line)
            yield Finding(BAD_PROMQL, BAD_PROMQL.level, file, line, name, str(item.trouble))
        for trap in TRAPS:
            if trap.find is not None and trap.id not in item.allowed:
                for hit in trap.find(item, scene):
                    yield Finding(trap, hit.level or trap.level, file, hit.line, name, hit.text)
