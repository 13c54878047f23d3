"""Whether every alert of the rules opens its own runbook, and whether runbooks serve alerts that exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Finding, Level, LintRule
from console.lint.runbook_links import RUNBOOK_DEAD, RUNBOOK_MISSING
from console.lint.runbooks.page import RunbookPage, near
from console.runbooks.index import VAGUE
from queries.model.series import label

NO_PAGE = LintRule(
    "alert-without-page",
    Level.ERROR,
    "An alert that no runbook lists, or whose link leads to another page",
    "In the console the list of the page decides, in the message its link: both have to lead to the same page.",
    "Write the page, or add the alert to `alerts` of the one that is meant.",
)
SERVED_TWICE = LintRule(
    "alert-served-twice",
    Level.ERROR,
    "An alert that two runbooks list",
    "Only the first one is ever opened.",
    "Leave it in the page that is meant.",
)
NO_SUCH_ALERT = LintRule(
    "alert-unknown",
    Level.WARNING,
    "A runbook serves only alerts that no rule raises",
    "Either its name is wrong, and the alert that is meant has no page, or nobody will ever read this one.",
    "Correct the name, or remove it.",
)
RULE_DIFFERS = LintRule(
    "runbook-differs",
    Level.WARNING,
    "A runbook says another severity or component than the rule",
    "By the component an alert without a page finds one, and by the severity one judges how much time there is.",
    "Write what the rule says.",
)


def alerts_without_page(alerts: Mapping[str, ParsedRule], scene: LintContext) -> Iterator[Finding]:
    for name, item in alerts.items():
        for trap in (RUNBOOK_MISSING, RUNBOOK_DEAD):
            for hit in trap.find(item, scene) if trap.find else ():
                yield Finding(trap, hit.level or trap.level, item.placed.file, hit.line, name, hit.text)
        match = scene.runbooks.match_rule(item.rule)
        page = scene.runbooks.get(match.id) if match.matched_by not in VAGUE else None
        linked = scene.runbooks.at(label(item.rule.annotations, "runbook_url"))
        # A team's own page needs no list: its name or the link makes it the alert's. Ours name every alert that they serve.
        if page is None or (match.matched_by == "annotation" and not page.own):
            yield Finding(NO_PAGE, Level.ERROR, item.placed.file, item.placed.line_of("alert"), name, "no runbook lists it")
        elif linked is not None and linked.id != page.id:
            line = item.placed.line_of("annotations.runbook_url")
            text = f"its link leads to {linked.id}, and {page.id} {'is called like' if page.plain else 'lists'} it"
            yield Finding(NO_PAGE, Level.ERROR, item.placed.file, line, name, text)


def alerts_of_pages(pages: Iterable[RunbookPage], alerts: Mapping[str, ParsedRule]) -> Iterator[Finding]:
    # A team's own page may serve what one of ours does: it comes first.
    seen: dict[tuple[str, bool], RunbookPage] = {}
    for page in (item for item in pages if not item.runbook.plain):
        for index, name in enumerate(page.runbook.alerts):
            line, key = page.line("alerts", index), (name, page.runbook.own)
            if key in seen:
                yield page.found(SERVED_TWICE, line, f"{name} is served by {seen[key].runbook.id} already")
            elif name not in alerts and not any(other in alerts for other in page.runbook.alerts):
                # Beside a name that is known, another one is that of an older rule set; were it meant otherwise, the alert
                # that is meant would have no page.
                yield page.found(NO_SUCH_ALERT, line, f"no rule raises {name}{near(name, list(alerts))}")
            seen.setdefault(key, page)
        own = [alerts[name] for name in page.runbook.alerts if name in alerts]
        for part, value in (("severity", page.runbook.severity), ("component", page.runbook.component)):
            # A template in a label is filled by the server; what it becomes is not known here.
            told = {label(item.rule.labels, part) for item in own}
            if own and value and value not in told and not any("{{" in text for text in told):
                yield page.found(
                    RULE_DIFFERS, page.line(part), f"{part} is {value}, and its rules say {', '.join(sorted(told))}"
                )
