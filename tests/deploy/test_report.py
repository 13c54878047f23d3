"""What the morning's job runs: every report is kept whatever the one before said, and the worst code is the job's."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import checks
import pytest

SCRIPT = checks.DEPLOY / "base" / "report.sh"
FAKE = """#!/bin/sh
echo "report of $*"
echo "words on stderr" >&2
case "$1" in checklist) exit {checklist} ;; check) exit {check} ;; esac
"""


@pytest.mark.parametrize(("checklist", "check", "worst"), [(0, 0, 0), (2, 0, 2), (1, 5, 5), (0, 3, 3)])
def test_reports_are_kept_and_the_worst_code_counts(tmp_path: Path, checklist: int, check: int, worst: int) -> None:
    """Three files with today's date, whole ones only; old ones go after ninety days."""
    program = tmp_path / "bin" / "cad-console"
    program.parent.mkdir()
    program.write_text(FAKE.format(checklist=checklist, check=check))
    program.chmod(0o755)
    reports = tmp_path / "reports"
    reports.mkdir()
    for name, days in (("2020-01-01-morning.md", 91), ("2020-01-02-morning.md", 10)):
        (reports / name).write_text("")
        then = time.time() - days * 86400
        os.utime(reports / name, (then, then))
    done = subprocess.run(
        ["sh", str(SCRIPT)], env={"PATH": f"{program.parent}:/usr/bin:/bin", "REPORTS": str(reports)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == worst
    names = sorted(path.name for path in reports.iterdir())
    assert names[0] == "2020-01-02-morning.md"
    assert [name[11:] for name in names[1:]] == ["morning.json", "morning.md", "self-check.xml"]
    assert "report of checklist morning --format markdown" in (reports / names[2]).read_text()
    assert "words on stderr" in done.stderr


def test_the_commands_of_the_job_are_those_of_the_console() -> None:
    """What the script calls is what the program's parser takes."""
    from console.cli.parser import build_parser, verb_of

    for line in SCRIPT.read_text().splitlines():
        if line.startswith("keep "):
            words = line.split()[3:]
            build_parser(verb_of(words)).parse_args(words)
