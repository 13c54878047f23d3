"""Runs promtool, amtool and pint on the same files, where they are on PATH, and merges their findings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from console.lint.finding import Finding, Level, LintRule
from console.lint.linter import (
    AMTOOL_ERROR,
    BAD_PROMQL,
    NAME_IN_QUOTES,
    NO_RULE_FILE,
    PINT_PROBLEM,
    PROMTOOL_ERROR,
    UNKNOWN_FIELD,
)
from console.lint.versions import settle_versions
from queries.promql.plain_rules import PlainRules
from queries.promql.rule_files import RuleFile

_LIMIT_SECONDS = 60
_PLACE = re.compile(r"^\s*(?:(\d+):\d+: )?(?:\d+:\d+: )?(.*)$", re.DOTALL)
_LINE = re.compile(r"\bline (\d+)\b")
_NAMED = re.compile(r'^group "[^"]*", rule \d+, "([^"]*)": ')
_CHECKING = re.compile(r"^Checking (.*)$", re.MULTILINE)
_QUOTED = re.compile(r"[A-Za-z0-9_:.-]+")
_PINT_LEVELS = {"Fatal": Level.ERROR, "Bug": Level.ERROR, "Warning": Level.WARNING}
"""Omits pint's "Information", which is advice on style."""
_SAME_AS = {
    "promql/syntax": ("bad-promql", "promtool"),
    "yaml/parse": ("no-rule-file", "unknown-field", "name-in-quotes", "promtool"),
    "alerts/comparison": ("no-condition", "bool-condition"),
    "alerts/template": ("template-label", "promtool"),
    "promql/impossible": ("join-never-matches", "label-not-carried", "many-to-one"),
    "promql/vector_matching": ("join-never-matches", "label-not-carried", "many-to-one"),
    "promql/rate": ("rate-of-gauge", "rate-of-sum", "range-too-short"),
    "promql/counter": ("counter-without-rate",),
    "promql/series": ("metric-not-exported", "matcher-matches-nothing"),
    "rule/duplicate": ("duplicate-name", "same-expression"),
    "alerts/for": ("missing-for", "no-rule-file"),
}
"""pint's checks, and the console's own lint rules that report the same."""


class Tools(msgspec.Struct, frozen=True):
    """Paths of the programs; empty where one is not on PATH."""

    promtool: str = ""
    amtool: str = ""
    pint: str = ""

    @classmethod
    def find(cls) -> Tools:
        return cls(*(shutil.which(name) or "" for name in ("promtool", "amtool", "pint")))


class _Copy(msgspec.Struct, frozen=True):
    """A rule file as input of a program: the file itself, or its rules as a plain file."""

    file: RuleFile
    path: str
    plain: PlainRules | None = None

    def line(self, number: int) -> int:
        return number if self.plain is None else self.plain.line(number)


class _Run(msgspec.Struct):
    """A running program. Its output goes to a file, so that it never blocks on a full pipe."""

    name: str
    lint_rule: LintRule
    copies: tuple[_Copy, ...]
    read: Callable[[_Run, str], Iterable[Finding]]
    output: IO[str]
    process: subprocess.Popen[str] | None = None
    error: str = ""
    report: Path = msgspec.field(default_factory=Path)

    def findings(self) -> list[Finding]:
        if self.process is not None:
            try:
                self.process.wait(_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                self.error = "timed out"
        if self.error:
            file = self.copies[0].file
            return [Finding(self.lint_rule, self.lint_rule.level, file.path, 0, "", f"{self.name} {self.error}", self.name)]
        self.output.seek(0)
        return list(self.read(self, self.output.read()))


@contextmanager
def run_tools(files: Sequence[RuleFile], tools: Tools) -> Iterator[Callable[[], list[Finding]]]:
    """Starts the programs and yields a function that collects their findings, so that they run beside the console's lint."""
    with tempfile.TemporaryDirectory(prefix="cad-console-lint-") as folder:
        runs = list(_start_all(files, tools, Path(folder)))
        try:
            yield lambda: [finding for run in runs for finding in run.findings()]
        finally:
            for run in runs:
                if run.process is not None and run.process.poll() is None:
                    run.process.kill()
                    run.process.wait()
                run.output.close()


def merge(files: Sequence[RuleFile], own: Iterable[Finding], reported: Iterable[Finding], tools: Tools) -> tuple[Finding, ...]:
    """The console's findings with those of the programs; of two about the same problem only the console's stays."""
    own, reported = list(own), list(reported)
    if tools.promtool:
        own, reported = settle_versions(files, own, reported, promtool=tools.promtool)
    by_path = {file.path: file for file in files}
    invalid = [item for item in own if item.lint_rule in (BAD_PROMQL, NO_RULE_FILE, UNKNOWN_FIELD, NAME_IN_QUOTES)]
    fresh = [item for item in reported if item.lint_rule is not PINT_PROBLEM and not _is_duplicate(item, invalid)]
    by_rule: dict[tuple[str, str], set[str]] = {}
    for item in (*own, *fresh):
        by_rule.setdefault((item.file, item.rule), set()).add(item.lint_rule.id)
    for item in reported:
        if item.lint_rule is PINT_PROBLEM and item.file in by_path:
            same = _SAME_AS.get(item.text.partition(":")[0], ())
            here = by_rule.get((item.file, item.rule), set()) | (
                by_rule.get((item.file, ""), set()) if not item.rule else set()
            )
            if here.isdisjoint(same):
                fresh.append(item)
    return tuple(sorted([*own, *fresh], key=lambda item: (item.file, item.line, item.lint_rule.id, item.text)))


def _is_duplicate(item: Finding, own: Iterable[Finding]) -> bool:
    """Whether the console reports the same: at this line, about this rule's expression, or about the name in the text."""
    names = set(_QUOTED.findall(item.text))
    for each in own:
        if each.file != item.file:
            continue
        if each.lint_rule is NAME_IN_QUOTES:
            if each.text.split()[0] in names:
                return True
        elif (
            (each.line == item.line and each.line)
            or (each.lint_rule is BAD_PROMQL and each.rule == item.rule)
            or (each.lint_rule is NO_RULE_FILE and not item.line)
        ):
            return True
    return False


def _start_all(files: Sequence[RuleFile], tools: Tools, folder: Path) -> Iterator[_Run]:
    copies = tuple(_copies(files, folder)) if tools.promtool or tools.pint else ()
    paths = [copy.path for copy in copies]
    if tools.promtool and copies:
        yield _start("promtool", PROMTOOL_ERROR, copies, _read_promtool, [tools.promtool, "check", "rules", *paths])
    if tools.pint and copies:
        report = folder / "pint.json"
        command = [tools.pint, "--no-color", "--offline", "lint", "--json", str(report), *paths]
        run = _start("pint", PINT_PROBLEM, copies, _read_pint, command)
        run.report = report
        yield run
    for file in files if tools.amtool else ():
        if file.native_routing:
            command = [tools.amtool, "check-config", file.path]
            yield _start("amtool", AMTOOL_ERROR, (_Copy(file, file.path),), _read_amtool, command)


def _copies(files: Iterable[RuleFile], folder: Path) -> Iterator[_Copy]:
    for number, file in enumerate(files):
        if file.plain is None and not file.routings:
            yield _Copy(file, file.path)
        for index, plain in enumerate(file.plain or ()):
            path = folder / f"{number}-{index}.yaml"
            path.write_text(plain.text, encoding="utf-8")
            yield _Copy(file, str(path), plain)


def _start(
    name: str,
    lint_rule: LintRule,
    copies: tuple[_Copy, ...],
    read: Callable[[_Run, str], Iterable[Finding]],
    command: list[str],
) -> _Run:
    output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # `run_tools` closes it
    run = _Run(name, lint_rule, copies, read, output)
    try:
        run.process = subprocess.Popen(  # noqa: S603  # programs on PATH, and the named files
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        run.error = f"cannot be run: {error.strerror}"
    return run


def _read_promtool(run: _Run, output: str) -> Iterator[Finding]:
    if run.process is None or run.process.returncode == 0:
        return
    parts = _CHECKING.split(output)
    sections = {name.strip(): text for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    silent = True
    for copy in run.copies:
        for line, text in parse_complaints(sections.get(copy.path, ""), copy.path):
            silent = False
            yield _finding(run.lint_rule, copy.file, copy.line(line), text, run.name)
    if silent:
        yield from _report_silence(run)


def _read_amtool(run: _Run, output: str) -> Iterator[Finding]:
    if run.process is None or run.process.returncode == 0:
        return
    complaints = list(parse_complaints(output, run.copies[0].path))
    for line, text in complaints:
        yield _finding(run.lint_rule, run.copies[0].file, line, text, run.name)
    if not complaints:
        yield from _report_silence(run)


def _read_pint(run: _Run, output: str) -> Iterator[Finding]:
    copies = {copy.path: copy for copy in run.copies}
    try:
        reports: Any = json.loads(run.report.read_bytes())
    except (OSError, ValueError):
        yield from _report_silence(run)
        return
    for item in reports:
        level = _PINT_LEVELS.get(item.get("severity"))
        copy = copies.get(item.get("path"))
        if level is not None and copy is not None:
            lines = item.get("lines") or [0]
            line = copy.line(lines[0])
            rule = next((each.rule.name for each in reversed(copy.file.rules) if each.line <= line), "")
            yield Finding(
                run.lint_rule, level, copy.file.path, line, rule, f"{item.get('reporter')}: {item.get('problem')}", run.name
            )


def _report_silence(run: _Run) -> Iterator[Finding]:
    code = run.process.returncode if run.process is not None else 0
    text = f"{run.name} exited with code {code} and no output"
    yield Finding(run.lint_rule, run.lint_rule.level, run.copies[0].file.path, 0, "", text, run.name)


def _finding(lint_rule: LintRule, file: RuleFile, line: int, text: str, name: str) -> Finding:
    rule = _NAMED.match(text)
    subject = rule[1] if rule else ""
    if not line and subject:
        line = next((item.line for item in file.rules if item.rule.name == subject), 0)
    return Finding(lint_rule, lint_rule.level, file.path, line, subject, _NAMED.sub("", text), name)


def parse_complaints(output: str, path: str) -> Iterable[tuple[int, str]]:
    """Line (0 without one) and text of each complaint in a program's output."""
    parts = re.split(rf"^\s*{re.escape(path)}: ", output, flags=re.MULTILINE)
    if len(parts) > 1:
        for part in parts[1:]:
            lines = [text.strip() for text in part.split("\n\n", 1)[0].splitlines() if text.strip()]
            lines = [text for text in lines if not text.startswith(("Checking ", "FAILED", "SUCCESS", "amtool: error"))]
            place = _PLACE.match(" ".join(lines))
            if place is None or not place[2]:
                continue
            other = _LINE.search(place[2])
            yield int(place[1] or (other[1] if other else 0)), place[2]
        return
    for text in output.splitlines():
        complaint = text.partition("FAILED:")[2].strip()
        if complaint:
            other = _LINE.search(complaint)
            yield int(other[1]) if other else 0, complaint
