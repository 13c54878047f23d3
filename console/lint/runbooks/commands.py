"""The commands of a runbook: kubectl's and the console's own, each judged by the program that would take it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from console.lint.finding import Finding, Level, LintRule
from console.lint.runbooks.kubectl import Kubectl, KubectlResult
from console.lint.runbooks.page import RunbookPage, ShellLine
from console.lint.runbooks.shell import NotRunnable, simple_commands

_AT_ONCE = 4

ConsoleCheck: TypeAlias = Callable[[tuple[str, ...]], Iterable[str]]
"""What is wrong with the words behind `cad-console`: a sentence each. The command line brings it, since it parses them."""

BAD_KUBECTL = LintRule(
    "runbook-kubectl",
    Level.ERROR,
    "A kubectl line that kubectl refuses",
    "It is copied as it stands, and fails when there is no time to find out why.",
    "Correct it by `kubectl VERB --help`.",
)
BAD_CONSOLE = LintRule(
    "runbook-command",
    Level.ERROR,
    "A cad-console line that the console refuses",
    "It is copied as it stands, and fails when there is no time to find out why.",
    "Correct it by `cad-console COMMAND --help`.",
)
BAD_LINE = LintRule(
    "runbook-line",
    Level.ERROR,
    "A line that a shell does not run as it stands",
    "Whoever copies it has to find out first what belongs there.",
    "Write a line that can be copied; where a name is only known then, let the line ask for it.",
)
NOT_CHECKED = LintRule(
    "runbook-unchecked",
    Level.WARNING,
    "A kubectl line that could not be checked",
    "Whether it is valid is not known.",
    "Say it in a way that can be checked, or try it by hand.",
)


@dataclass(frozen=True, slots=True)
class _Given:
    page: RunbookPage
    line: int
    words: tuple[str, ...]


def commands(pages: Iterable[RunbookPage], check_console: ConsoleCheck, kubectl: Kubectl | None) -> tuple[list[Finding], int]:
    """The findings, and how many kubectl lines there are."""
    found: list[Finding] = []
    asked: list[_Given] = []
    for page in pages:
        for item in page.commands():
            try:
                for words in simple_commands(item.text):
                    if words[0] == "kubectl":
                        asked.append(_Given(page, item.line, words))
                    elif words[0] == "cad-console":
                        found += [page.found(BAD_CONSOLE, item.line, text) for text in check_console(words[1:])]
            except NotRunnable as error:
                found += _not_runnable(page, item, error)
    if kubectl is not None:
        found += _asked(asked, kubectl)
    return found, len(asked)


def _not_runnable(page: RunbookPage, item: ShellLine, error: NotRunnable) -> Iterator[Finding]:
    yield page.found(BAD_LINE, item.line, f"`{item.text}`: {error}")


def _asked(given: Sequence[_Given], kubectl: Kubectl) -> Iterator[Finding]:
    """Every different line is asked once, a few at a time: each takes a tenth of a second."""
    different = list(dict.fromkeys(item.words for item in given))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers: dict[tuple[str, ...], KubectlResult] = dict(zip(different, pool.map(kubectl.answer, different), strict=True))
    for item in given:
        answer, line = answers[item.words], " ".join(item.words)
        if answer.problem:
            yield item.page.found(BAD_KUBECTL, item.line, f"`{line}`: {answer.problem}")
        elif answer.unchecked:
            yield item.page.found(NOT_CHECKED, item.line, f"`{line}`: not checked, {answer.unchecked}")
