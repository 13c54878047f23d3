"""Whether a runbook has every part of the house format, in its order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.lint.finding import Finding, Level, LintRule
from console.lint.runbooks.page import RunbookPage
from console.runbooks.index import TRIAGE
from console.runbooks.page import PHASES

SECTIONS = ("What it means", "Impact", "First", "Mitigate", "Verify", "Prevent")
GUIDES = ("high-error-rate", "provider-timeout", "high-memory-usage")
"""The platform's three troubleshooting guides."""
LONGEST = 12
"""Lines of a section without its blank ones: more is not read at three in the morning."""
_TIME = re.compile(r"\d|\bat once\b|\b(second|minute|hour|day|week|month)s?\b", re.IGNORECASE)

HOUSE_FRONT = LintRule(
    "runbook-front",
    Level.ERROR,
    "A part of the front matter is missing or stands in the wrong place",
    "One who was just woken walks every page in the same order: confirm, diagnose, mitigate, verify, whom to call. What is "
    "missing there is looked for in vain.",
    "Add it as it stands in the other pages.",
)
HOUSE_SECTION = LintRule(
    "runbook-section",
    Level.ERROR,
    "A section is missing, empty, too long, or stands in the wrong place",
    "Every page has the same headings, so that the eye finds the place without reading.",
    f"Write the sections {', '.join(SECTIONS)} in this order, a few lines each.",
)


def is_plain(page: RunbookPage) -> bool:
    """A team's own page that uses nothing of the house format is not held to it."""
    book = page.runbook
    return not (book.guide or book.escalate or any(step.phase for step in book.steps))


def house(page: RunbookPage) -> Iterator[Finding]:
    for line, text in (*_head(page), *_steps(page)):
        yield page.found(HOUSE_FRONT, line, text)
    for line, text in _sections(page):
        yield page.found(HOUSE_SECTION, line, text)


def _head(page: RunbookPage) -> Iterator[tuple[int, str]]:
    book = page.runbook
    for key, value in (("severity", book.severity), ("component", book.component)):
        if not value and not (key == "component" and book.id == TRIAGE):  # else whatever has none would open the triage
            yield 1, f"{key} is missing"
    if not book.alerts and not book.guide and book.id != TRIAGE:
        yield page.line("alerts"), "it serves no alert, and only a guide may"
    if book.id in GUIDES and not book.guide:
        yield 1, "it is one of the three guides, and `guide: true` is missing"
    if not book.escalate:
        yield 1, "escalate is missing: whom to call, and when"
    elif not any(_TIME.search(item.when) for item in book.escalate):
        yield page.line("escalate"), "no `when` of escalate names a time"


def _steps(page: RunbookPage) -> Iterator[tuple[int, str]]:
    phases: list[str] = []
    for index, row in enumerate(page.rows("steps")):
        phase = str(row.get("phase") or "")
        if not phase:
            yield page.line("steps", index), f"step {row.get('title')!r} has no phase, expected one of {', '.join(PHASES)}"
            continue
        if phases and PHASES.index(phase) < PHASES.index(phases[-1]):
            yield page.line("steps", index), f"a step to {phase} stands behind one to {phases[-1]}"
        phases.append(phase)
        if phase in ("confirm", "verify") and not row.get("query"):
            yield page.line("steps", index), f"a step to {phase} needs a query"
        if phase == "verify" and row.get("query") and row.get("warn") is None and row.get("critical") is None:
            yield page.line("steps", index), "a step to verify needs `warn` or `critical`: when is it over?"
        if phase == "diagnose" and not row.get("query") and not row.get("lookup"):
            yield page.line("steps", index), "a step to diagnose needs a query or a lookup"
    for phase in PHASES:
        if phase not in phases:
            yield page.line("steps"), f"no step to {phase}"
    if phases.count("verify") > 2:
        yield page.line("steps"), "more than two steps to verify"


def _sections(page: RunbookPage) -> Iterator[tuple[int, str]]:
    headings = [item for item in page.headings() if item.depth <= 2]
    names = [item.text for item in headings]
    for name in SECTIONS:
        if name not in names:
            yield page.body_line, f"section {name!r} is missing"
    last = -1
    for at, item in enumerate(headings):
        if item.text not in SECTIONS or item.depth != 2:
            yield item.line, f"heading {item.text!r} is none of the house's: {', '.join(SECTIONS)}"
            continue
        place = SECTIONS.index(item.text)
        if names.index(item.text) != at:
            yield item.line, f"section {item.text!r} stands here twice"
        elif place < last:
            yield item.line, f"section {item.text!r} stands behind {SECTIONS[last]!r}"
        last = max(last, place)
        end = headings[at + 1].line if at + 1 < len(headings) else len(page.lines) + 1
        filled = [text for text in page.lines[item.line : end - 1] if text.strip()]
        if not filled:
            yield item.line, f"section {item.text!r} is empty"
        elif len(filled) > LONGEST:
            yield item.line, f"section {item.text!r} has {len(filled)} lines, more than {LONGEST}"
        elif item.text == "Mitigate" and not any(re.match(r"\s*1[.)] ", text) for text in filled):
            yield item.line, "section 'Mitigate' is no numbered list"
