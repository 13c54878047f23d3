"""What promtool and amtool say of the same files, where they are present."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from console.lint.finding import Finding, Trap
from console.lint.linter import BAD_PROMQL, NO_RULE_FILE, SAID_BY_AMTOOL, SAID_BY_PROMTOOL
from queries.rule_files import RuleFile

_LIMIT_SECONDS = 60
_PLACE = re.compile(r"^\s*(?:(\d+):\d+: )?(?:\d+:\d+: )?(.*)$", re.DOTALL)
_LINE = re.compile(r"\bline (\d+)\b")
_NAMED = re.compile(r'^group "[^"]*", rule \d+, "([^"]*)": ')


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs by their path, empty where they are not on PATH."""

    promtool: str = ""
    amtool: str = ""

    @classmethod
    def found(cls) -> Tools:
        return cls(shutil.which("promtool") or "", shutil.which("amtool") or "")


def merged(files: Iterable[RuleFile], found: Iterable[Finding], tools: Tools) -> tuple[Finding, ...]:
    """The findings with those of the tools; what both say of one place is kept once, in the console's words."""
    own = list(found)
    more: list[Finding] = []
    for file in files:
        if file.routing and tools.amtool:
            more += _asked([tools.amtool, "check-config", file.path], file, SAID_BY_AMTOOL, "amtool")
        elif not file.routing and not file.manifest and tools.promtool:
            more += _asked([tools.promtool, "check", "rules", file.path], file, SAID_BY_PROMTOOL, "promtool")
    told = [item for item in own if item.trap in (BAD_PROMQL, NO_RULE_FILE)]
    lines, rules = {(item.file, item.line) for item in told}, {(item.file, item.rule) for item in told if item.rule}
    broken = {(item.file, 0) for item in told if item.trap is NO_RULE_FILE}
    fresh = [item for item in more if (item.file, item.line) not in lines | broken and (item.file, item.rule) not in rules]
    return tuple(sorted([*own, *fresh], key=lambda item: (item.file, item.line, item.trap.id, item.text)))


def _asked(command: list[str], file: RuleFile, trap: Trap, name: str) -> list[Finding]:
    try:
        answer = subprocess.run(  # noqa: S603 - the tools on PATH, and files that were named
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        told = "gave no answer in time" if isinstance(error, subprocess.TimeoutExpired) else f"cannot be run: {error.strerror}"
        return [Finding(trap, trap.level, file.path, 0, "", f"{name} {told}", name)]
    if answer.returncode == 0:
        return []
    complaints = list(complaints_of(f"{answer.stderr}\n{answer.stdout}", file.path))
    if not complaints:
        complaints = [(0, f"{name} ends with exit code {answer.returncode} and says nothing")]
    return [_finding(trap, file, line, text, name) for line, text in complaints]


def _finding(trap: Trap, file: RuleFile, line: int, text: str, name: str) -> Finding:
    rule = _NAMED.match(text)
    subject = rule[1] if rule else ""
    if not line and subject:
        line = next((item.line for item in file.rules if item.rule.name == subject), 0)
    return Finding(trap, trap.level, file.path, line, subject, _NAMED.sub("", text), name)


def complaints_of(output: str, path: str) -> Iterable[tuple[int, str]]:
    """Line (0 where none is named) and text of everything that the tools complain about in their output."""
    parts = re.split(rf"^\s*{re.escape(path)}: ", output, flags=re.MULTILINE)
    if len(parts) > 1:
        for part in parts[1:]:
            kept = [text.strip() for text in part.split("\n\n", 1)[0].splitlines() if text.strip()]
            kept = [text for text in kept if not text.startswith(("Checking ", "FAILED", "SUCCESS", "amtool: error"))]
            place = _PLACE.match(" ".join(kept))
            if place is None or not place[2]:
                continue
            other = _LINE.search(place[2])
            yield int(place[1] or (other[1] if other else 0)), place[2]
        return
    for text in output.splitlines():
        told = text.partition("FAILED:")[2].strip()
        if told:
            other = _LINE.search(told)
            yield int(other[1]) if other else 0, told
