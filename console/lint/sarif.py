"""Findings as SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from console import __version__
from console.lint.finding import Finding, Level, LintRule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "note"}


def sarif(findings: Sequence[Finding], lint_rules: Sequence[LintRule], *, here: Path) -> dict[str, Any]:
    """One run. Paths below `here` are relative to it, as code hosts expect."""
    ids = [lint_rule.id for lint_rule in lint_rules]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "cad-console",
                        "version": __version__,
                        "rules": [_rule(lint_rule) for lint_rule in lint_rules],
                    },
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(item, ids.index(item.lint_rule.id), here) for item in findings],
            }
        ],
    }


def _rule(lint_rule: LintRule) -> dict[str, Any]:
    return {
        "id": lint_rule.id,
        "shortDescription": {"text": lint_rule.title},
        "fullDescription": {"text": lint_rule.why},
        "help": {"text": lint_rule.fix},
        "defaultConfiguration": {"level": _LEVELS[lint_rule.level]},
    }


def _result(item: Finding, index: int, here: Path) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(item.file, here)}}
    if item.line:
        location["region"] = {"startLine": item.line}
    place: dict[str, Any] = {"physicalLocation": location}
    if item.rule:
        place["logicalLocations"] = [{"name": item.rule, "kind": "member"}]
    return {
        "ruleId": item.lint_rule.id,
        "ruleIndex": index,
        "level": _LEVELS[item.level],
        "message": {"text": f"{item.rule}: {item.text}" if item.rule else item.text},
        "locations": [place],
    }


def _uri(file: str, here: Path) -> str:
    path = Path(file)
    if path.is_absolute():
        if not path.is_relative_to(here):
            return path.as_uri()
        path = path.relative_to(here)
    return quote(path.as_posix())
