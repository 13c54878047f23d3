"""Checks the kubectl and cad-console commands in runbooks with the programs themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from console.lint.finding import Finding, Level, LintRule
from console.lint.runbooks.kubectl import Kubectl, KubectlResult
from console.lint.runbooks.page import RunbookPage, ShellLine
from console.lint.runbooks.shell import NotRunnable, simple_commands
from queries.model.frozen import dataclass

_PARALLEL = 4

ConsoleCheck: TypeAlias = Callable[[tuple[str, ...]], Iterable[str]]
"""Returns the errors in the arguments of `cad-console`. The command line supplies it, since it has the parser."""

BAD_KUBECTL = LintRule(
    "runbook-kubectl",
    Level.ERROR,
    "A kubectl command that kubectl rejects",
    "People copy it as it stands, and it fails when there is no time to find out why.",
    "Correct it with `kubectl VERB --help`.",
)
BAD_CONSOLE = LintRule(
    "runbook-command",
    Level.ERROR,
    "A cad-console command that the console rejects",
    "People copy it as it stands, and it fails when there is no time to find out why.",
    "Correct it with `cad-console COMMAND --help`.",
)
BAD_LINE = LintRule(
    "runbook-line",
    Level.ERROR,
    "A line that a shell cannot run as it stands",
    "Anyone who copies it first has to find out what is missing.",
    "Write a line that can be copied; let it look up a name that is only known at that time.",
)
NOT_CHECKED = LintRule(
    "runbook-unchecked",
    Level.WARNING,
    "An unchecked kubectl command",
    "The lint cannot tell whether it is valid.",
    "Rewrite it so that it can be checked, or try it by hand.",
)


@dataclass(frozen=True, slots=True)
class _KubectlLine:
    page: RunbookPage
    line: int
    words: tuple[str, ...]


def check_commands(
    pages: Iterable[RunbookPage], check_console: ConsoleCheck, kubectl: Kubectl | None
) -> tuple[list[Finding], int]:
    """The findings, and the number of kubectl commands."""
    findings: list[Finding] = []
    kubectl_lines: list[_KubectlLine] = []
    for page in pages:
        for item in page.commands():
            try:
                for words in simple_commands(item.text):
                    if words[0] == "kubectl":
                        kubectl_lines.append(_KubectlLine(page, item.line, words))
                    elif words[0] == "cad-console":
                        findings += [page.finding(BAD_CONSOLE, item.line, text) for text in check_console(words[1:])]
            except NotRunnable as error:
                findings += _not_runnable(page, item, error)
    if kubectl is not None:
        findings += _check_kubectl(kubectl_lines, kubectl)
    return findings, len(kubectl_lines)


def _not_runnable(page: RunbookPage, item: ShellLine, error: NotRunnable) -> Iterator[Finding]:
    yield page.finding(BAD_LINE, item.line, f"`{item.text}`: {error}")


def _check_kubectl(lines: Sequence[_KubectlLine], kubectl: Kubectl) -> Iterator[Finding]:
    """Runs every distinct command once, a few in parallel: each takes a tenth of a second."""
    distinct = list(dict.fromkeys(item.words for item in lines))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        results: dict[tuple[str, ...], KubectlResult] = dict(zip(distinct, pool.map(kubectl.validate, distinct), strict=True))
    for item in lines:
        result, line = results[item.words], " ".join(item.words)
        if result.problem:
            yield item.page.finding(BAD_KUBECTL, item.line, f"`{line}`: {result.problem}")
        elif result.unchecked:
            yield item.page.finding(NOT_CHECKED, item.line, f"`{line}`: not checked, {result.unchecked}")
