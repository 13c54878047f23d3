"""Links of a runbook's body: to other runbooks, to documents beside it, to its own sections and to the web."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from console.lint.finding import Finding, Level, LintRule
from console.lint.runbooks.page import RunbookPage, near
from console.runbooks.index import RunbookIndex

DEAD_LINK = LintRule(
    "runbook-link",
    Level.ERROR,
    "A link in a runbook leads nowhere",
    "It is followed when there is no time to search for what was meant.",
    "Correct the name of the page, of the file or of the section.",
)
_LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^)\s>]*)>?[^)\n]*\)")
_BARE = re.compile(r"(?<![(\w])https?://[^\s)>`]+")
_SENT = re.compile(
    r"\b(?:go to|see|open|runbook) `([a-z0-9][a-z0-9-]+)`(?:(?:,| or| and) `([a-z0-9][a-z0-9-]+)`)?", re.IGNORECASE
)


def links(page: RunbookPage, index: RunbookIndex) -> Iterator[Finding]:
    prose = page.prose()
    for match in _LINK.finditer(prose):
        yield from _told(page, prose, match.start(), _dead(page, match[1], index))
    for match in _BARE.finditer(prose):
        yield from _told(page, prose, match.start(), _address(match[0].rstrip(".,;:")))
    for match in _SENT.finditer(prose):
        for name in filter(None, match.groups()):
            told = "" if index.get(name) else f"there is no runbook {name}{near(name, _names(index))}"
            yield from _told(page, prose, match.start(1), told)


def _told(page: RunbookPage, prose: str, offset: int, text: str) -> Iterator[Finding]:
    if text:
        yield page.found(DEAD_LINK, page.body_line + prose.count("\n", 0, offset), text)


def _dead(page: RunbookPage, address: str, index: RunbookIndex) -> str:
    """Why a link leads nowhere; empty where it leads somewhere."""
    if not address:
        return "the link has no address"
    if address.startswith(("{{", "{%")):
        return ""  # a site generator fills it in, and it alone knows where it leads
    if "://" in address or address.startswith("mailto:"):
        return _address(address)
    path, _, anchor = address.partition("#")
    if not path:
        return _section(page, anchor)
    folder = Path(page.runbook.path).parent
    if (folder / unquote(path)).exists():
        return ""
    if "/" not in path:
        return f"there is no runbook {path}{near(path.removesuffix('.md'), _names(index))}"
    return f"there is no file {path}"


def _section(page: RunbookPage, anchor: str) -> str:
    known = ["-".join(re.sub(r"[^\w\s-]", "", item.text.lower()).split()) for item in page.headings()]
    return "" if anchor in known else f"there is no section #{anchor}{near(anchor, known)}"


def _address(address: str) -> str:
    if address.startswith("mailto:"):
        return "" if re.fullmatch(r"mailto:[^@\s]+@[^@\s]+", address) else f"{address} is no address of a person"
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and "." in f"{parts.hostname}" and (parts.port or 1)
    except ValueError:
        whole = False
    return "" if whole else f"{address} is no address, expected http or https, a host and a path"


def _names(index: RunbookIndex) -> list[str]:
    return [item.id for item in index.runbooks]
