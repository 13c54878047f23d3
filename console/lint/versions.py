"""PromQL on which the console's parser and promtool disagree: one of them is too old for it, and the rule is not at fault."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from console.lint.finding import Finding
from console.lint.linter import BAD_PROMQL, PROMTOOL_ERROR, UNKNOWN_PROMQL
from queries.promql.newer_syntax import newer_syntax
from queries.promql.rule_files import RuleFile
from queries.promql.syntax import parser_version

_LIMIT_SECONDS = 10
_VERSION = re.compile(r"\bversion (\d+(?:\.\d+)+)")
_NOT_ENABLED = re.compile(r"not enabled|must be enabled")
_PARSE_ERROR = re.compile(r"could not parse expression|parse error")


def settle_versions(
    files: Sequence[RuleFile], own: Sequence[Finding], reported: Sequence[Finding], *, promtool: str
) -> tuple[list[Finding], list[Finding]]:
    """The findings of the console and of promtool, with a note of both versions for every expression that only one of them
    accepts, or that may be too new for both. An expression that a server rejects stays an error.
    """
    complaints = [item for item in reported if item.lint_rule is PROMTOOL_ERROR]
    refused = {(item.file, item.rule) for item in complaints}
    accepted = {file.path for file in files} - {item.file for item in complaints}
    settled = [_settle(item, promtool, refused, accepted) for item in own]
    unparsed = {(item.file, item.rule) for item in settled if item.lint_rule in (BAD_PROMQL, UNKNOWN_PROMQL)}
    expressions = {(file.path, rule.rule.name): rule.rule.expression for file in files for rule in file.rules}
    left: list[Finding] = []
    for item in reported:
        where = (item.file, item.rule)
        newer = newer_syntax(expressions.get(where, "")) if where in refused and _PARSE_ERROR.search(item.text) else ""
        if newer and where not in unparsed:
            known = _NOT_ENABLED.search(item.text)
            how, ours = (
                (f"supports {newer} only with --enable-feature", "without") if known else (f"does not support {newer}", "does")
            )
            text = f"{promtool_version(promtool)} {how}, {parser_version()} {ours}"
            settled.append(_note(item, text))
        elif not newer or where not in {(each.file, each.rule) for each in settled if each.lint_rule is UNKNOWN_PROMQL}:
            left.append(item)
    return settled, left


def _settle(item: Finding, promtool: str, refused: Collection[tuple[str, str]], accepted: Collection[str]) -> Finding:
    """One of the console's findings, with promtool's result for the same expression."""
    if item.lint_rule is UNKNOWN_PROMQL and (item.file, item.rule) in refused:
        return _note(item, f"{item.text}; {promtool_version(promtool)} does not accept it either")
    if item.lint_rule is UNKNOWN_PROMQL and item.file in accepted:
        return _note(item, f"{item.text}; {promtool_version(promtool)} accepts it")
    if item.lint_rule is BAD_PROMQL and not item.source and item.file in accepted:
        return _note(item, f"{parser_version()} refuses this ({item.text}), {promtool_version(promtool)} does not")
    return item


def _note(item: Finding, text: str) -> Finding:
    return Finding(UNKNOWN_PROMQL, UNKNOWN_PROMQL.level, item.file, item.line, item.rule, text)


@functools.cache
def promtool_version(program: str) -> str:
    """`promtool 2.42.0` for a program that prints `promtool, version 2.42.0 (…)`; its bare name for any other."""
    name = Path(program).name
    try:
        output = subprocess.run(  # noqa: S603  # a program on PATH
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return name
    found = _VERSION.search(output.stdout + output.stderr)
    return f"{name} {found[1]}" if found else name
