"""Whether every alert of the rules opens its own runbook, and whether runbooks serve alerts that exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from console.lint.finding import Finding, Level, Trap
from console.lint.pages.page import Page, near
from console.lint.runbook_links import RUNBOOK_DEAD, RUNBOOK_MISSING
from console.lint.scene import ParsedRule, Scene
from console.runbooks import last_part
from queries.model.series import label

NO_PAGE = Trap(
    "alert-without-page",
    Level.ERROR,
    "An alert that no runbook lists, or whose link leads to another page",
    "In the console the list of the page decides, in the message its link: both have to lead to the same page.",
    "Write the page, or add the alert to `alerts` of the one that is meant.",
)
SERVED_TWICE = Trap(
    "alert-served-twice",
    Level.ERROR,
    "An alert that two runbooks list",
    "Only the first one is ever opened.",
    "Leave it in the page that is meant.",
)
NO_SUCH_ALERT = Trap(
    "alert-unknown",
    Level.WARNING,
    "A runbook serves only alerts that no rule raises",
    "Either its name is wrong, and the alert that is meant has no page, or nobody will ever read this one.",
    "Correct the name, or remove it.",
)
RULE_DIFFERS = Trap(
    "runbook-differs",
    Level.WARNING,
    "A runbook says another severity or component than the rule",
    "By the component an alert without a page finds one, and by the severity one judges how much time there is.",
    "Write what the rule says.",
)


def alerts_without_page(alerts: Mapping[str, ParsedRule], scene: Scene) -> Iterator[Finding]:
    for name, item in alerts.items():
        for trap in (RUNBOOK_MISSING, RUNBOOK_DEAD):
            for hit in trap.find(item, scene) if trap.find else ():
                yield Finding(trap, hit.level or trap.level, item.placed.file, hit.line, name, hit.text)
        page = scene.runbooks.for_alert_name(name)
        linked = scene.runbooks.get(last_part(label(item.rule.annotations, "runbook_url")))
        if page is None:
            yield Finding(NO_PAGE, Level.ERROR, item.placed.file, item.placed.line_of("alert"), name, "no runbook lists it")
        elif linked is not None and linked.id != page.id:
            line = item.placed.line_of("annotations.runbook_url")
            text = f"its link leads to {linked.id}, and {page.id} lists it"
            yield Finding(NO_PAGE, Level.ERROR, item.placed.file, line, name, text)


def alerts_of_pages(pages: Iterable[Page], alerts: Mapping[str, ParsedRule]) -> Iterator[Finding]:
    seen: dict[str, Page] = {}
    for page in pages:
        for index, name in enumerate(page.runbook.alerts):
            line = page.line("alerts", index)
            if name in seen:
                yield page.found(SERVED_TWICE, line, f"{name} is served by {seen[name].runbook.id} already")
            elif name not in alerts and not any(other in alerts for other in page.runbook.alerts):
                # Beside a name that is known, another one is that of an older rule set; were it meant otherwise, the alert
                # that is meant would have no page.
                yield page.found(NO_SUCH_ALERT, line, f"no rule raises {name}{near(name, list(alerts))}")
            seen.setdefault(name, page)
        own = [alerts[name] for name in page.runbook.alerts if name in alerts]
        for key, value in (("severity", page.runbook.severity), ("component", page.runbook.component)):
            # A template in a label is filled by the server; what it becomes is not known here.
            told = {label(item.rule.labels, key) for item in own}
            if own and value and value not in told and not any("{{" in text for text in told):
                yield page.found(RULE_DIFFERS, page.line(key), f"{key} is {value}, and its rules say {', '.join(sorted(told))}")
