"""Placeholder addresses and unexpanded variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from console.lint.runbook_links import LINK_KEYS
from queries.promql.routing import Text

_HOST = re.compile(
    r"(?:https?://(?:[^/@\s]*@)?|@|^)([A-Za-z0-9.-]+\.[A-Za-z]{2,}|localhost|127\.0\.0\.1)(?=[:/?#\s\"'<>)\]]|$)"
)
_MADE_UP = re.compile(
    r"(?:.*\.)?example\.(?:com|org|net)|.*\.(?:example|invalid)|localhost|127\.0\.0\.1"
    r"|(?:.*\.)?(?:your|my)[-_.]?(?:company|domain|org|wiki|grafana|host)\b.*|(?:.*\.)?(?:changeme|placeholder|domain\.tld)\b.*",
    re.IGNORECASE,
)
_UNFILLED = re.compile(
    r"\byour[-_/](?:[a-z]+[-_/])*(?:key|token|webhook|url|id|secret)\b|\bchange[-_]?me\b|<your[^>]*>", re.IGNORECASE
)
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*\}")
_MENTIONED = 60


def _find_placeholder_host(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    for kind, pairs in (("annotations", item.rule.annotations), ("labels", item.rule.labels)):
        for key, text in pairs:
            host = placeholder_host(text) if key not in LINK_KEYS else ""
            if host:
                yield LintMatch(item.placed.line_of(f"{kind}.{key}", host), f"`{key}` contains the placeholder {host}")


def placeholder_host(text: str) -> str:
    """The first placeholder host in a text; empty without one."""
    if "." not in text and "localhost" not in text:
        return ""
    return next((match[1] for match in _HOST.finditer(text) if _MADE_UP.fullmatch(match[1])), "")


def _find_variable(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    rule = item.rule
    if "${" in rule.expression:
        replacements = frozenset(_replacements(item))
        for match in _VARIABLE.finditer(rule.expression):
            if not any(match[0] in text for text in replacements):
                yield LintMatch(item.placed.line_of("expr", match[0]), f"the expression contains {match[0]} unexpanded")
                break
    for kind, pairs in (("annotations", rule.annotations), ("labels", rule.labels)):
        for key, text in pairs:
            found = _VARIABLE.search(text)
            if found:
                yield LintMatch(item.placed.line_of(f"{kind}.{key}", found[0]), f"`{key}` contains {found[0]} unexpanded")


def _replacements(item: ParsedRule) -> Iterator[str]:
    """The replacements of label_replace, where ${name} is a capture group."""
    for node in item.expression.parts if item.expression is not None else ():
        if isinstance(node, ast.Call) and node.func.name == "label_replace":
            yield from (part.val for part in node.args[2:3] if isinstance(part, ast.StringLiteral))


def routing_placeholder_hosts(texts: Iterable[Text]) -> Iterator[LintMatch]:
    """Placeholder addresses and keys in Alertmanager's configuration."""
    for text in texts:
        host = placeholder_host(text.text)
        unfilled = _UNFILLED.search(text.text)
        if host:
            yield LintMatch(text.line, f"`{text.key}` contains the placeholder {host}")
        elif unfilled:
            yield LintMatch(text.line, f"`{text.key}` contains the placeholder {unfilled[0]}")


def routing_variables(texts: Iterable[Text]) -> Iterator[LintMatch]:
    """Variables in Alertmanager's configuration, which expands none."""
    for text in texts:
        found = _VARIABLE.search(text.text)
        if found:
            yield LintMatch(text.line, f"`{text.key}` contains {found[0]} unexpanded")


PLACEHOLDER_HOST = LintRule(
    "placeholder-host",
    Level.WARNING,
    "An address is a placeholder",
    "It leads nowhere, or to the reader's own machine, in the moment when it is needed.",
    "Insert the real address, or remove the line.",
    _find_placeholder_host,
)
UNEXPANDED_VARIABLE = LintRule(
    "unexpanded-variable",
    Level.ERROR,
    "A variable is not expanded",
    "Neither Prometheus nor Alertmanager expands environment variables in these files: the text keeps its dollar sign, and in "
    "an expression it matches nothing.",
    "Expand it before installing the file (envsubst, Helm), or write the value.",
    _find_variable,
)
