"""A runbook as it was written: every part with the line on which it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from console.lint.finding import Finding, Level, LintRule
from console.runbooks.page import Runbook, split_page
from queries.yaml_nodes import YamlDocument, load_with_lines

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
    """A line for the shell, in a fence or between backticks."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class RunbookPage:
    """A runbook that is not broken, with its file's lines; `body_line` is the line of the file on which the body begins."""

    runbook: Runbook
    lines: tuple[str, ...]
    front: YamlDocument
    body_line: int

    @classmethod
    def of(cls, runbook: Runbook) -> RunbookPage:
        text = Path(runbook.path).read_text(encoding="utf-8")
        front, _ = split_page(text)
        lines = text.removeprefix("\ufeff").splitlines()
        begins = 1 if front is None else front.count("\n") + 4
        return cls(runbook, tuple(lines), load_with_lines("" if runbook.plain else front or ""), begins)

    def line(self, *path: str | int) -> int:
        """The line of a part of the front matter; it begins on the file's second line."""
        return self.front.line(path) + 1

    def rows(self, key: str) -> list[dict[str, object]]:
        """The rows of a list of the front matter as they were written, in the order of the file."""
        found = self.front.value.get(key) if isinstance(self.front.value, dict) else None
        return found if isinstance(found, list) else []

    def body(self) -> Iterator[tuple[int, str, bool]]:
        """Line, text, and whether it stands in a fence."""
        fenced = False
        for number, text in enumerate(self.lines[self.body_line - 1 :], start=self.body_line):
            edge = _FENCE.match(text) is not None
            yield number, text, fenced or edge
            fenced ^= edge

    def headings(self) -> tuple[Heading, ...]:
        found = ((line, _HEADING.match(text)) for line, text, fenced in self.body() if not fenced)
        return tuple(Heading(line, len(match[1]), match[2]) for line, match in found if match)

    def prose(self) -> str:
        """The body without what stands in fences; its lines are counted as in the file."""
        return "\n".join("" if fenced else text for _, text, fenced in self.body())

    def spans(self) -> Iterator[ShellLine]:
        """What stands between backticks."""
        for block in re.finditer(r"(?:[^\n]*\S[^\n]*(?:\n|$))+", self.prose()):
            for span in _SPAN.finditer(block[0]):
                line = self.body_line + self.prose().count("\n", 0, block.start() + span.start())
                yield ShellLine(line, " ".join(span[2].split()))

    def commands(self) -> Iterator[ShellLine]:
        """Every line for the shell, with what is continued behind a backslash; one program's name alone is none."""
        begun, held = 0, ""
        for line, text, fenced in self.body():
            if not fenced or _FENCE.match(text):
                continue
            held, begun = f"{held}{text.strip()}", begun or line
            if held.endswith("\\"):
                held = held[:-1]
                continue
            if any(name in held for name in PROGRAMS):
                yield ShellLine(begun, held.removeprefix("$ "))
            begun, held = 0, ""
        for span in self.spans():
            program, _, rest = span.text.partition(" ")
            if program in PROGRAMS and rest:
                yield span

    def found(self, trap: LintRule, line: int, text: str, *, level: Level | None = None) -> Finding:
        return Finding(trap, level or trap.level, self.runbook.path, line, "", text)


def near(name: str, known: tuple[str, ...] | list[str]) -> str:
    """`; did you mean x?`, or what exists instead where nothing is spelled like it."""
    import difflib  # noqa: PLC0415  # only where something is wrong

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}" if len(known) <= 10 else ""
