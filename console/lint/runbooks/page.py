"""The source text of a runbook, with line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from console.lint.finding import Finding, Level, LintRule
from console.runbooks.page import Runbook, split_page
from queries.model.frozen import dataclass
from queries.yaml import YamlDocument, load_with_lines

_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
PROGRAMS = ("kubectl", "cad-console")


@dataclass(frozen=True, slots=True)
class Heading:
    line: int
    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class ShellLine:
    """A shell command in a fenced block or between backticks."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class RunbookPage:
    """A valid runbook with the lines of its file; `body_line` is the first line of the body."""

    runbook: Runbook
    lines: tuple[str, ...]
    front: YamlDocument
    body_line: int

    @classmethod
    def of(cls, runbook: Runbook) -> RunbookPage:
        text = Path(runbook.path).read_text(encoding="utf-8")
        front, _ = split_page(text)
        lines = text.removeprefix("\ufeff").splitlines()
        body_line = 1 if front is None else front.count("\n") + 4
        return cls(runbook, tuple(lines), load_with_lines("" if runbook.plain else front or ""), body_line)

    def line(self, *path: str | int) -> int:
        """The line of a part of the front matter, which starts on the file's second line."""
        return self.front.line(path) + 1

    def rows(self, key: str) -> list[dict[str, object]]:
        """The items of a list of the front matter, in the order of the file."""
        rows = self.front.value.get(key) if isinstance(self.front.value, dict) else None
        return rows if isinstance(rows, list) else []

    def body(self) -> Iterator[tuple[int, str, bool]]:
        """Line number, text, and whether the line is in a fenced block."""
        fenced = False
        for number, text in enumerate(self.lines[self.body_line - 1 :], start=self.body_line):
            edge = _FENCE.match(text) is not None
            yield number, text, fenced or edge
            fenced ^= edge

    def headings(self) -> tuple[Heading, ...]:
        matches = ((line, _HEADING.match(text)) for line, text, fenced in self.body() if not fenced)
        return tuple(Heading(line, len(match[1]), match[2]) for line, match in matches if match)

    def prose(self) -> str:
        """The body with fenced blocks blanked out, so that line numbers stay."""
        return "\n".join("" if fenced else text for _, text, fenced in self.body())

    def spans(self) -> Iterator[ShellLine]:
        """Texts between backticks."""
        for block in re.finditer(r"(?:[^\n]*\S[^\n]*(?:\n|$))+", self.prose()):
            for span in _SPAN.finditer(block[0]):
                line = self.body_line + self.prose().count("\n", 0, block.start() + span.start())
                yield ShellLine(line, " ".join(span[2].split()))

    def commands(self) -> Iterator[ShellLine]:
        """Every command line, with continuation lines joined; a program's name alone is not one."""
        first_line, command = 0, ""
        for line, text, fenced in self.body():
            if not fenced or _FENCE.match(text):
                continue
            command, first_line = f"{command}{text.strip()}", first_line or line
            if command.endswith("\\"):
                command = command[:-1]
                continue
            if any(name in command for name in PROGRAMS):
                yield ShellLine(first_line, command.removeprefix("$ "))
            first_line, command = 0, ""
        for span in self.spans():
            program, _, rest = span.text.partition(" ")
            if program in PROGRAMS and rest:
                yield span

    def finding(self, lint_rule: LintRule, line: int, text: str, *, level: Level | None = None) -> Finding:
        return Finding(lint_rule, level or lint_rule.level, self.runbook.path, line, "", text)


def suggest_name(name: str, known: tuple[str, ...] | list[str]) -> str:
    """`; did you mean x?`, or the known names where none is similar."""
    import difflib  # noqa: PLC0415  # only after an error

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}" if len(known) <= 10 else ""
