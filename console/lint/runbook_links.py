"""Alerts without a runbook, or with a link that leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.model.series import label

OWN_HOST = "runbooks.cad-ml-platform.internal"
"""Where the console's own rules lead: the lint knows every page of it, and of other sites none."""
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
    """The key and the address of the link; both empty where there is none, as of a recording rule."""
    if item.rule.kind is not RuleKind.ALERT:
        return "", ""
    for key in (_KEY, *_OTHER_KEYS):
        if found := label(item.rule.annotations, key).strip():
            return key, found
    return "", ""


def _missing(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.rule.kind is RuleKind.ALERT and not _link(item)[1]:
        fits = scene.runbooks.for_alert_name(item.rule.name)
        hint = f"; the runbook {fits.id} is about it" if fits else ""
        yield LintMatch(item.placed.line_of("alert"), f"has no {_KEY}{hint}")


def _other_key(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    key, _ = _link(item)
    if item.rule.kind is RuleKind.ALERT and key and key != _KEY:
        yield LintMatch(item.placed.line_of(f"annotations.{key}"), f"the link stands under `{key}` instead of `{_KEY}`")


def _placeholder(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    key, address = _link(item)
    if item.rule.kind is RuleKind.ALERT and _PLACEHOLDER.search(_filled(item, address)):
        yield LintMatch(item.placed.line_of(f"annotations.{key}"), f"{address} was never filled in")


def _relative(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    key, address = _link(item)
    filled = _filled(item, address)
    if item.rule.kind is RuleKind.ALERT and filled and not _absolute(filled) and not _PLACEHOLDER.search(filled):
        yield LintMatch(item.placed.line_of(f"annotations.{key}"), f"{address} is a path, not an address")


def _dead(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    key, address = _link(item)
    filled = _filled(item, address)
    if item.rule.kind is not RuleKind.ALERT or not filled or "{{" in filled or _PLACEHOLDER.search(filled):
        return
    from console.runbooks.index import last_part  # noqa: PLC0415 - it brings the reader of pages, which other links do not need

    name = last_part(filled)
    if scene.runbooks.at(filled) is not None:
        return
    if _absolute(filled) and urlsplit(filled).hostname != OWN_HOST:
        return  # of another site nobody here knows the pages
    line = item.placed.line_of(f"annotations.{key}")
    fits = scene.runbooks.for_alert_name(item.rule.name)
    hint = f"; {fits.id} is about {item.rule.name}" if fits else ""
    yield LintMatch(line, f"there is no runbook {name or '(no name)'}{hint}")


def _filled(item: ParsedRule, address: str) -> str:
    return _NAME_OF_ALERT.sub(item.rule.name, address)


def _absolute(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


_WHY = "Who is called opens the link first. "
RUNBOOK_MISSING = LintRule(
    "runbook-missing",
    Level.ERROR,
    "An alert has no runbook",
    _WHY + "Without one, every incident begins with finding out what the alert means.",
    "Add `runbook_url` with the address of its page; `cad-console runbook` lists what there is.",
    _missing,
)
RUNBOOK_KEY = LintRule(
    "runbook-key",
    Level.ERROR,
    "A runbook's link stands under another key than runbook_url",
    _WHY + "Alertmanager's templates, Grafana and chat messages look for `runbook_url` and show nothing else.",
    "Rename the annotation to `runbook_url`.",
    _other_key,
)
RUNBOOK_PLACEHOLDER = LintRule(
    "runbook-placeholder",
    Level.ERROR,
    "A runbook's link is a placeholder",
    _WHY + "It leads to a page that was never meant to be there.",
    "Put the address of the runbook there, or write the runbook.",
    _placeholder,
)
RUNBOOK_RELATIVE = LintRule(
    "runbook-relative",
    Level.ERROR,
    "A runbook's link is a relative path",
    _WHY + "From a chat message, an e-mail or a pager, a path leads nowhere.",
    "Write the whole address, `https://…/name.md`.",
    _relative,
)
RUNBOOK_DEAD = LintRule(
    "runbook-dead",
    Level.ERROR,
    "A runbook's link leads to a page that does not exist",
    _WHY + "A dead link costs the minutes that count most.",
    "Correct the name, or write the runbook.",
    _dead,
)
