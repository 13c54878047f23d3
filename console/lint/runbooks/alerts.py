"""Checks that every alert has its own runbook, and that runbooks cover existing alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Finding, Level, LintRule
from console.lint.runbook_links import RUNBOOK_DEAD, RUNBOOK_MISSING
from console.lint.runbooks.page import RunbookPage, suggest_name
from console.runbooks.index import VAGUE
from queries.model.series import label

NO_PAGE = LintRule(
    "alert-without-page",
    Level.ERROR,
    "An alert that no runbook lists, or whose link leads to another runbook",
    "The console uses the runbook's list, a notification its link: both have to lead to the same runbook.",
    "Write the runbook, or add the alert to `alerts` of the right one.",
)
COVERED_TWICE = LintRule(
    "alert-served-twice",
    Level.ERROR,
    "An alert that two runbooks list",
    "Only the first one ever opens.",
    "Keep it in the right one.",
)
NO_SUCH_ALERT = LintRule(
    "alert-unknown",
    Level.WARNING,
    "A runbook covers only alerts that no rule defines",
    "Either a name is wrong, and the real alert has no runbook, or nobody will ever read this one.",
    "Correct the name, or remove it.",
)
RULE_DIFFERS = LintRule(
    "runbook-differs",
    Level.WARNING,
    "A runbook states another severity or component than the rule",
    "The console uses the component to find a runbook for other alerts, and a reader the severity to judge the urgency.",
    "Use the values of the rule.",
)


def check_alerts(alerts: Mapping[str, ParsedRule], context: LintContext) -> Iterator[Finding]:
    """Checks that every alert leads to its own runbook."""
    for name, item in alerts.items():
        for lint_rule in (RUNBOOK_MISSING, RUNBOOK_DEAD):
            for lint_match in lint_rule.find(item, context) if lint_rule.find else ():
                yield lint_rule.report(lint_match, file=item.placed.file, rule=name)
        match = context.runbooks.match_rule(item.rule)
        page = context.runbooks.get(match.id) if match.matched_by not in VAGUE else None
        linked = context.runbooks.for_address(label(item.rule.annotations, "runbook_url"))
        # A team's own runbook needs no list: its name or the link suffices. Ours list every alert that they cover.
        if page is None or (match.matched_by == "annotation" and not page.own):
            yield Finding(NO_PAGE, Level.ERROR, item.placed.file, item.placed.line_of("alert"), name, "no runbook lists it")
        elif linked is not None and linked.id != page.id:
            line = item.placed.line_of("annotations.runbook_url")
            text = f"its link leads to {linked.id}, but {page.id} {'has its name' if page.plain else 'lists it'}"
            yield Finding(NO_PAGE, Level.ERROR, item.placed.file, line, name, text)


def check_pages(pages: Iterable[RunbookPage], alerts: Mapping[str, ParsedRule]) -> Iterator[Finding]:
    """Checks that the alerts of every runbook exist, with its severity and component, and in one runbook only."""
    # A team's own runbook may cover an alert of ours: it takes precedence.
    seen: dict[tuple[str, bool], RunbookPage] = {}
    for page in (item for item in pages if not item.runbook.plain):
        for index, name in enumerate(page.runbook.alerts):
            line, key = page.line("alerts", index), (name, page.runbook.own)
            if key in seen:
                yield page.finding(COVERED_TWICE, line, f"{seen[key].runbook.id} already covers {name}")
            elif name not in alerts and not any(other in alerts for other in page.runbook.alerts):
                # Beside a known name, an unknown one belongs to an older rule set; a misspelled one would leave an alert
                # without a runbook.
                yield page.finding(NO_SUCH_ALERT, line, f"no rule defines {name}{suggest_name(name, list(alerts))}")
            seen.setdefault(key, page)
        own = [alerts[name] for name in page.runbook.alerts if name in alerts]
        for part, value in (("severity", page.runbook.severity), ("component", page.runbook.component)):
            # Only the server knows the value of a templated label.
            values = {label(item.rule.labels, part) for item in own}
            if own and value and value not in values and not any("{{" in text for text in values):
                yield page.finding(
                    RULE_DIFFERS, page.line(part), f"{part} is {value}, but its rules have {', '.join(sorted(values))}"
                )
