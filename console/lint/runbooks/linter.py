"""The lint of runbooks as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from console.lint.context import parsed, scene
from console.lint.finding import Finding, Level, LintRule
from console.lint.label_use import LABEL_NOT_CARRIED, MATCHES_NOTHING
from console.lint.linter import BAD_PROMQL
from console.lint.runbook_links import RUNBOOK_DEAD, RUNBOOK_MISSING
from console.lint.runbooks.alerts import (
    NO_PAGE,
    NO_SUCH_ALERT,
    RULE_DIFFERS,
    SERVED_TWICE,
    alerts_of_pages,
    alerts_without_page,
)
from console.lint.runbooks.commands import BAD_CONSOLE, BAD_KUBECTL, BAD_LINE, NOT_CHECKED, ConsoleCheck, commands
from console.lint.runbooks.house_style import HOUSE_FRONT, HOUSE_SECTION, house, is_plain
from console.lint.runbooks.kubectl import Kubectl
from console.lint.runbooks.links import DEAD_LINK, links
from console.lint.runbooks.page import RunbookPage
from console.lint.runbooks.steps import ACTION_UNKNOWN, TARGET, placed_steps, queries, targets
from console.lint.unknown_metrics import METRIC_NOT_EXPORTED
from console.runbooks.index import RunbookIndex
from console.runbooks.page import Runbook
from queries.catalogue.contract import load_contract
from queries.catalogue.error_codes import load_taxonomy
from queries.model.rule import RuleKind
from queries.promql.metric_catalog import MetricCatalog
from queries.promql.rule_files import PlacedRule

BROKEN = LintRule(
    "runbook-broken",
    Level.ERROR,
    "A runbook cannot be read",
    "The console lists it as broken: its steps and actions are not there.",
    "Correct the line that is named.",
)
TRAPS: tuple[LintRule, ...] = (
    *(BROKEN, NO_PAGE, RUNBOOK_MISSING, RUNBOOK_DEAD, SERVED_TWICE, NO_SUCH_ALERT, RULE_DIFFERS),
    *(HOUSE_FRONT, HOUSE_SECTION, BAD_PROMQL, METRIC_NOT_EXPORTED, LABEL_NOT_CARRIED, MATCHES_NOTHING),
    *(ACTION_UNKNOWN, TARGET, DEAD_LINK, BAD_LINE, BAD_CONSOLE, BAD_KUBECTL, NOT_CHECKED),
)


@dataclass(frozen=True, slots=True)
class RunbookReport:
    """`kubectl` is its path, empty where it is not there: then `kubectl_lines` were not looked at."""

    findings: tuple[Finding, ...]
    runbooks: int
    alerts: int
    kubectl_lines: int
    kubectl: str


def lint(index: RunbookIndex, rules: Sequence[PlacedRule], *, check_console: ConsoleCheck, shipped: bool) -> RunbookReport:
    """Every runbook of the folder against the rules. Those that are `shipped` have to be in the house format; of a team's own
    only those that use it.
    """
    found = [_broken(item) for item in index.runbooks if item.broken]
    if index.fault:
        found.append(Finding(BROKEN, Level.ERROR, index.fault, 0, "", "nothing to look at"))
    pages = [RunbookPage.of(item) for item in index.runbooks if not item.broken]
    steps = [item for page in pages for item in placed_steps(page)]
    vocabulary = MetricCatalog.of_contract(load_contract(), load_taxonomy())
    looked_at = scene(steps, others=lambda _: rules, vocabulary=vocabulary, runbooks=lambda: index, panels=tuple, strict=True)
    alerts = {item.rule.name: item for item in parsed(rules) if item.rule.kind is RuleKind.ALERT}
    found += [*queries(looked_at), *alerts_without_page(alerts, looked_at), *alerts_of_pages(pages, alerts)]
    for page in pages:
        found += [*targets(page, alerts, looked_at), *links(page, index)]
        if (shipped and not page.runbook.own) or not is_plain(page):
            found += house(page)
    with Kubectl.open() as kubectl:
        more, lines = commands(pages, check_console, kubectl)
        path = kubectl.path if kubectl else ""
    findings = sorted([*found, *more], key=lambda item: (item.file, item.line, item.trap.id, item.text))
    return RunbookReport(tuple(dict.fromkeys(findings)), len(index.runbooks), len(alerts), lines, path)


def _broken(runbook: Runbook) -> Finding:
    told = (runbook.broken or "").removeprefix(runbook.path).removeprefix(":")
    place = re.match(r"(\d+): ", told)
    text = told[place.end() :] if place else told.strip()
    return Finding(BROKEN, Level.ERROR, runbook.path, int(place[1]) if place else 0, "", text)
