"""Alerts without a runbook, or with a dead link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.model.series import label

OWN_HOST = "runbooks.cad-ml-platform.internal"
"""The host of the console's own runbook links; the lint knows all of its pages, and none of other hosts."""
_KEY = "runbook_url"
_OTHER_KEYS = ("runbook", "runbookUrl", "runbook_link", "runbookURL", "run_book")
LINK_KEYS = frozenset({_KEY, *_OTHER_KEYS})
_PLACEHOLDER = re.compile(
    r"^(tbd|todo|n/?a|none|null|-|fixme|xxx+|changeme|replace.?me)\W*$|<[^>]*>|\[[^\]]*\]"
    r"|//([\w-]+\.)*(example\.(com|org|net)|localhost|your[-_.]|my[-_.]?(wiki|company|org))|\b(todo|tbd|changeme|placeholder)\b|\.\.\.",
    re.IGNORECASE,
)
_NAME_OF_ALERT = re.compile(r"\{\{-?\s*\$labels\.alertname\s*-?\}\}")


def _link(item: ParsedRule) -> tuple[str, str]:
    """The key and the URL of the link; both empty without a link."""
    for key in (_KEY, *_OTHER_KEYS):
        if url := label(item.rule.annotations, key).strip():
            return key, url
    return "", ""


def _find_missing(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if not _link(item)[1]:
        runbook = context.runbooks.for_alert_name(item.rule.name)
        hint = f"; the runbook {runbook.id} covers it" if runbook else ""
        yield LintMatch(item.placed.line_of("alert"), f"has no {_KEY}{hint}")


def _find_other_key(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    key, _ = _link(item)
    if key and key != _KEY:
        yield LintMatch(item.placed.line_of(f"annotations.{key}"), f"the link is in `{key}` instead of `{_KEY}`")


def _find_placeholder(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    key, address = _link(item)
    if _PLACEHOLDER.search(_expand(item, address)):
        yield LintMatch(item.placed.line_of(f"annotations.{key}"), f"{address} is a placeholder")


def _find_relative(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    key, address = _link(item)
    filled = _expand(item, address)
    if filled and not _absolute(filled) and not _PLACEHOLDER.search(filled):
        yield LintMatch(item.placed.line_of(f"annotations.{key}"), f"{address} is a path, not a URL")


def _find_dead(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    key, address = _link(item)
    filled = _expand(item, address)
    if not filled or "{{" in filled or _PLACEHOLDER.search(filled):
        return
    from console.runbooks.index import basename  # noqa: PLC0415  # imports the runbook parser, which other checks do not need

    name = basename(filled)
    if context.runbooks.for_address(filled) is not None:
        return
    if _absolute(filled) and urlsplit(filled).hostname != OWN_HOST:
        return  # the pages of other sites are unknown
    line = item.placed.line_of(f"annotations.{key}")
    runbook = context.runbooks.for_alert_name(item.rule.name)
    hint = f"; {runbook.id} covers {item.rule.name}" if runbook else ""
    yield LintMatch(line, f"no such runbook: {name or '(no name)'}{hint}")


def _expand(item: ParsedRule, address: str) -> str:
    return _NAME_OF_ALERT.sub(item.rule.name, address)


def _absolute(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


_WHY = "The person on call opens the link first. "
RUNBOOK_MISSING = LintRule(
    "runbook-missing",
    Level.ERROR,
    "An alert has no runbook",
    _WHY + "Without one, every incident starts with finding out what the alert means.",
    "Add `runbook_url` with the URL of its runbook; `cad-console runbook` lists them.",
    _find_missing,
    kind=RuleKind.ALERT,
)
RUNBOOK_KEY = LintRule(
    "runbook-key",
    Level.ERROR,
    "A runbook's link is under another key than runbook_url",
    _WHY + "Alertmanager's templates, Grafana and chat messages show `runbook_url` and no other key.",
    "Rename the annotation to `runbook_url`.",
    _find_other_key,
    kind=RuleKind.ALERT,
)
RUNBOOK_PLACEHOLDER = LintRule(
    "runbook-placeholder",
    Level.ERROR,
    "A runbook's link is a placeholder",
    _WHY + "It leads to a page that never existed.",
    "Insert the URL of the runbook, or write the runbook.",
    _find_placeholder,
    kind=RuleKind.ALERT,
)
RUNBOOK_RELATIVE = LintRule(
    "runbook-relative",
    Level.ERROR,
    "A runbook's link is a relative path",
    _WHY + "A path leads nowhere from a chat message, an email or a pager.",
    "Write the full URL, `https://…/name.md`.",
    _find_relative,
    kind=RuleKind.ALERT,
)
RUNBOOK_DEAD = LintRule(
    "runbook-dead",
    Level.ERROR,
    "A runbook's link leads to a page that does not exist",
    _WHY + "A dead link costs the minutes that count most.",
    "Correct the name, or write the runbook.",
    _find_dead,
    kind=RuleKind.ALERT,
)
