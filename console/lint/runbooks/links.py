"""Checks the links in a runbook's body: to runbooks, to files beside it, to its sections and to the web."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from console.lint.finding import Finding, Level, LintRule
from console.lint.runbooks.page import RunbookPage, suggest_name
from console.runbooks.index import RunbookIndex

DEAD_LINK = LintRule(
    "runbook-link",
    Level.ERROR,
    "A dead link in a runbook",
    "People follow it when there is no time to search.",
    "Correct the name of the runbook, file or section.",
)
_LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^)\s>]*)>?[^)\n]*\)")
_BARE = re.compile(r"(?<![(\w])https?://[^\s)>`]+")
_SENT = re.compile(
    r"\b(?:go to|see|open|runbook) `([a-z0-9][a-z0-9-]+)`(?:(?:,| or| and) `([a-z0-9][a-z0-9-]+)`)?", re.IGNORECASE
)


def check_links(page: RunbookPage, index: RunbookIndex) -> Iterator[Finding]:
    """Checks every link, URL and mention of another runbook."""
    prose = page.prose()
    for match in _LINK.finditer(prose):
        yield from _findings(page, prose, match.start(), _check_target(page, match[1], index))
    for match in _BARE.finditer(prose):
        yield from _findings(page, prose, match.start(), _check_address(match[0].rstrip(".,;:")))
    for match in _SENT.finditer(prose):
        for name in filter(None, match.groups()):
            error = "" if index.get(name) else f"no such runbook: {name}{suggest_name(name, _names(index))}"
            yield from _findings(page, prose, match.start(1), error)


def _findings(page: RunbookPage, prose: str, offset: int, text: str) -> Iterator[Finding]:
    if text:
        yield page.finding(DEAD_LINK, page.body_line + prose.count("\n", 0, offset), text)


def _check_target(page: RunbookPage, address: str, index: RunbookIndex) -> str:
    """Why a link is dead; empty where it is not."""
    if not address:
        return "the link has no target"
    if address.startswith(("{{", "{%")):
        return ""  # a site generator expands it
    if "://" in address or address.startswith("mailto:"):
        return _check_address(address)
    path, _, anchor = address.partition("#")
    if not path:
        return _check_section(page, anchor)
    folder = Path(page.runbook.path).parent
    if (folder / unquote(path)).exists():
        return ""
    if "/" not in path:
        return f"no such runbook: {path}{suggest_name(path.removesuffix('.md'), _names(index))}"
    return f"no such file: {path}"


def _check_section(page: RunbookPage, anchor: str) -> str:
    known = ["-".join(re.sub(r"[^\w\s-]", "", item.text.lower()).split()) for item in page.headings()]
    return "" if anchor in known else f"no such section: #{anchor}{suggest_name(anchor, known)}"


def _check_address(address: str) -> str:
    if address.startswith("mailto:"):
        return "" if re.fullmatch(r"mailto:[^@\s]+@[^@\s]+", address) else f"{address} is not an email address"
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and "." in f"{parts.hostname}" and (parts.port or 1)
    except ValueError:
        valid = False
    return "" if valid else f"{address} is not a URL, expected http or https, a host and a path"


def _names(index: RunbookIndex) -> list[str]:
    return [item.id for item in index.runbooks]
