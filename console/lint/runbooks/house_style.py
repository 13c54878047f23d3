"""Checks that a runbook has every part of the house format, in order."""

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
MAX_LINES = 12
"""The limit of non-blank lines per section: nobody reads more at three in the morning."""
_TIME = re.compile(r"\d|\bat once\b|\b(second|minute|hour|day|week|month)s?\b", re.IGNORECASE)

HOUSE_FRONT = LintRule(
    "runbook-front",
    Level.ERROR,
    "A part of the front matter is missing or misplaced",
    "A person just woken follows every runbook in the same order: confirm, diagnose, mitigate, verify, escalate. A missing "
    "part costs time.",
    "Add it as in the other runbooks.",
)
HOUSE_SECTION = LintRule(
    "runbook-section",
    Level.ERROR,
    "A section is missing, empty, too long or misplaced",
    "Every runbook has the same headings, so that the eye finds the place without reading.",
    f"Write the sections {', '.join(SECTIONS)} in this order, a few lines each.",
)


def is_plain(page: RunbookPage) -> bool:
    """Whether a team's own runbook uses nothing of the house format, which then does not apply."""
    book = page.runbook
    return not (book.guide or book.escalate or any(step.phase for step in book.steps))


def check_house_style(page: RunbookPage) -> Iterator[Finding]:
    """Checks front matter, steps and sections."""
    for line, text in (*_check_head(page), *_check_steps(page)):
        yield page.finding(HOUSE_FRONT, line, text)
    for line, text in _check_sections(page):
        yield page.finding(HOUSE_SECTION, line, text)


def _check_head(page: RunbookPage) -> Iterator[tuple[int, str]]:
    book = page.runbook
    for key, value in (("severity", book.severity), ("component", book.component)):
        if not value and not (
            key == "component" and book.id == TRIAGE
        ):  # alerts without a component would open the triage runbook
            yield 1, f"{key} is missing"
    if not book.alerts and not book.guide and book.id != TRIAGE:
        yield page.line("alerts"), "it covers no alert, which only a guide may"
    if book.id in GUIDES and not book.guide:
        yield 1, "it is one of the three guides, but `guide: true` is missing"
    if not book.escalate:
        yield 1, "escalate is missing: whom to contact, and when"
    elif not any(_TIME.search(item.when) for item in book.escalate):
        yield page.line("escalate"), "no `when` of escalate names a time"


def _check_steps(page: RunbookPage) -> Iterator[tuple[int, str]]:
    phases: list[str] = []
    for index, row in enumerate(page.rows("steps")):
        phase = str(row.get("phase") or "")
        if not phase:
            yield page.line("steps", index), f"step {row.get('title')!r} has no phase, expected one of {', '.join(PHASES)}"
            continue
        if phases and PHASES.index(phase) < PHASES.index(phases[-1]):
            yield page.line("steps", index), f"a {phase} step follows a {phases[-1]} step"
        phases.append(phase)
        if phase in ("confirm", "verify") and not row.get("query"):
            yield page.line("steps", index), f"a {phase} step needs a query"
        if phase == "verify" and row.get("query") and row.get("warn") is None and row.get("critical") is None:
            yield page.line("steps", index), "a verify step needs `warn` or `critical` to tell recovery"
        if phase == "diagnose" and not row.get("query") and not row.get("lookup"):
            yield page.line("steps", index), "a diagnose step needs a query or a lookup"
    for phase in PHASES:
        if phase not in phases:
            yield page.line("steps"), f"no {phase} step"
    if phases.count("verify") > 2:
        yield page.line("steps"), "more than two verify steps"


def _check_sections(page: RunbookPage) -> Iterator[tuple[int, str]]:
    headings = [item for item in page.headings() if item.depth <= 2]
    names = [item.text for item in headings]
    for name in SECTIONS:
        if name not in names:
            yield page.body_line, f"section {name!r} is missing"
    last = -1
    for at, item in enumerate(headings):
        if item.text not in SECTIONS or item.depth != 2:
            yield item.line, f"heading {item.text!r} is not part of the house format: {', '.join(SECTIONS)}"
            continue
        place = SECTIONS.index(item.text)
        if names.index(item.text) != at:
            yield item.line, f"section {item.text!r} appears twice"
        elif place < last:
            yield item.line, f"section {item.text!r} follows {SECTIONS[last]!r}"
        last = max(last, place)
        end = headings[at + 1].line if at + 1 < len(headings) else len(page.lines) + 1
        lines = [text for text in page.lines[item.line : end - 1] if text.strip()]
        if not lines:
            yield item.line, f"section {item.text!r} is empty"
        elif len(lines) > MAX_LINES:
            yield item.line, f"section {item.text!r} has {len(lines)} lines, more than {MAX_LINES}"
        elif item.text == "Mitigate" and not any(re.match(r"\s*1[.)] ", text) for text in lines):
            yield item.line, "section 'Mitigate' is not a numbered list"
