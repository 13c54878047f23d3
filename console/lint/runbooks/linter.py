"""Runs every lint rule over every runbook."""

from __future__ import annotations

import re
from collections.abc import Sequence

from console.lint.context import build_context, parse_rules
from console.lint.finding import Finding, Level, LintRule
from console.lint.label_use import LABEL_NOT_CARRIED, MATCHES_NOTHING
from console.lint.linter import BAD_PROMQL
from console.lint.runbook_links import RUNBOOK_DEAD, RUNBOOK_MISSING
from console.lint.runbooks.alerts import (
    COVERED_TWICE,
    NO_PAGE,
    NO_SUCH_ALERT,
    RULE_DIFFERS,
    check_alerts,
    check_pages,
)
from console.lint.runbooks.commands import BAD_CONSOLE, BAD_KUBECTL, BAD_LINE, NOT_CHECKED, ConsoleCheck, check_commands
from console.lint.runbooks.house_style import HOUSE_FRONT, HOUSE_SECTION, check_house_style, is_plain
from console.lint.runbooks.kubectl import Kubectl
from console.lint.runbooks.links import DEAD_LINK, check_links
from console.lint.runbooks.page import RunbookPage
from console.lint.runbooks.steps import ACTION_UNKNOWN, TARGET, check_queries, check_step_targets, step_rules
from console.lint.unknown_metrics import METRIC_NOT_EXPORTED
from console.runbooks.index import RunbookIndex
from console.runbooks.page import Runbook
from queries.catalogue.contract import load_contract
from queries.catalogue.error_codes import load_taxonomy
from queries.model.frozen import dataclass
from queries.model.rule import RuleKind
from queries.promql.metric_catalog import MetricCatalog
from queries.promql.rule_files import PlacedRule

BROKEN = LintRule(
    "runbook-broken",
    Level.ERROR,
    "A runbook cannot be read",
    "The console lists it as broken, without its steps and actions.",
    "Correct the reported line.",
)
LINT_RULES: tuple[LintRule, ...] = (
    *(BROKEN, NO_PAGE, RUNBOOK_MISSING, RUNBOOK_DEAD, COVERED_TWICE, NO_SUCH_ALERT, RULE_DIFFERS),
    *(HOUSE_FRONT, HOUSE_SECTION, BAD_PROMQL, METRIC_NOT_EXPORTED, LABEL_NOT_CARRIED, MATCHES_NOTHING),
    *(ACTION_UNKNOWN, TARGET, DEAD_LINK, BAD_LINE, BAD_CONSOLE, BAD_KUBECTL, NOT_CHECKED),
)


@dataclass(frozen=True, slots=True)
class RunbookReport:
    """`kubectl` is its path; empty without kubectl, and then the `kubectl_lines` are unchecked."""

    findings: tuple[Finding, ...]
    runbooks: int
    alerts: int
    kubectl_lines: int
    kubectl: str


def lint_runbooks(
    index: RunbookIndex, rules: Sequence[PlacedRule], *, check_console: ConsoleCheck, built_in: bool
) -> RunbookReport:
    """Checks every runbook against the rules. Built-in runbooks must be in the house format, a team's own only where they use
    it.
    """
    findings = [_broken(item) for item in index.runbooks if item.broken]
    if index.fault:
        findings.append(Finding(BROKEN, Level.ERROR, index.fault, 0, "", "no runbooks"))
    pages = [RunbookPage.of(item) for item in index.runbooks if not item.broken]
    steps = [item for page in pages for item in step_rules(page)]
    catalog = MetricCatalog.from_contract(load_contract(), load_taxonomy())
    context = build_context(steps, others=lambda _: rules, catalog=catalog, runbooks=lambda: index, panels=tuple, strict=True)
    alerts = {item.rule.name: item for item in parse_rules(rules) if item.rule.kind is RuleKind.ALERT}
    findings += [*check_queries(context), *check_alerts(alerts, context), *check_pages(pages, alerts)]
    for page in pages:
        findings += [*check_step_targets(page, alerts, context), *check_links(page, index)]
        if (built_in and not page.runbook.own) or not is_plain(page):
            findings += check_house_style(page)
    with Kubectl.open() as kubectl:
        command_findings, lines = check_commands(pages, check_console, kubectl)
        path = kubectl.path if kubectl else ""
    ordered = sorted([*findings, *command_findings], key=lambda item: (item.file, item.line, item.lint_rule.id, item.text))
    return RunbookReport(tuple(dict.fromkeys(ordered)), len(index.runbooks), len(alerts), lines, path)


def _broken(runbook: Runbook) -> Finding:
    error = (runbook.broken or "").removeprefix(runbook.path).removeprefix(":")
    place = re.match(r"(\d+): ", error)
    text = error[place.end() :] if place else error.strip()
    return Finding(BROKEN, Level.ERROR, runbook.path, int(place[1]) if place else 0, "", text)
