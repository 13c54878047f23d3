"""Files that people wrote wrongly: configurations and runbooks, read by the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_program import Bench
from terminal import Terminal

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("default_environment: x\nenviroments: {}\n", 2, "environments"),
        ("refresh: soon\n", 1, "seconds"),
        ("environments:\n  x:\n    prometheus: 9090\n", 3, "URL"),
        ("environments:\n  x:\n    alertmanager: [{url: http://a, timeout: -1}]\n", 3, "seconds"),
        ("a: [1,\n", 2, ""),
        ("# é漢é漢\na: \x1b[2J\n", 2, "not allowed"),
        ("- a list\n", 1, "mapping"),
        ("environments: !!python/object/apply:os.system [id]\n", 1, ""),
        ("a: &a [*a]\n", 1, ""),
        ("refresh: " + "9" * 400, 1, "seconds"),
        ("theme: !!bool x\n", 1, "tag"),
        ("? !!timestamp x\n: 3\n", 1, "tag"),
        ("thresholds: {cpu: {warn: .inf}}\n", 1, "out of range"),
        (
            "environments: {x: {prometheus: {url: http://h, http_config: {basic_auth: {username: u, pasword: s3cret}}}}}\n",
            1,
            "password",
        ),
    ],
)
def test_a_config_that_is_wrong_starts_nothing(tmp_path: Path, text: str, line: int, words: str) -> None:
    """One line with file and line, exit code 2, no output, no secret, whatever the command."""
    config = tmp_path / "config.yaml"
    config.write_text(text)
    (ran,) = Bench(tmp_path).run_all(("status", "--config", str(config)))
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1, ran.err
    assert f"{config}:{line}" in ran.err and words in ran.err
    assert "\x1b" not in ran.err and "s3cret" not in ran.err


def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, a folder, bytes that are no text: one line, exit code 2."""
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    names = ("nowhere.yaml", ".", "binary.yaml")
    runs = Bench(tmp_path).run_all(*(("--config", str(tmp_path / name)) for name in names))
    assert len(runs) == len(names)
    for name, ran in zip(names, runs, strict=True):
        assert (ran.code, ran.out) == (2, ""), name
        assert len(ran.err.splitlines()) == 1, ran.err
        assert str(tmp_path) in ran.err


BROKEN = {
    "no-front-matter": ("# Just words\n", 1, "front matter"),
    "not-yaml": ("---\ntitle: [x\n---\n", 3, "not YAML"),
    "no-title": ("---\nalerts: [A]\n---\n", 2, "title"),
    "unknown-key": ("---\ntitle: x\nalert: A\n---\n", 3, "unknown key"),
    "wrong-type": ("---\ntitle: x\nsteps:\n- title: a\n  warn: many\n---\n", 5, "expected a number"),
    "huge-number": ("---\ntitle: x\nsteps:\n- title: a\n  warn: " + "9" * 400 + "\n---\n", 5, "expected a number"),
    "odd-tag": ("---\ntitle: !!bool x\n---\n", 2, "tag"),
    "code": ("---\ntitle: !!python/object/apply:os.system [id]\n---\n", 2, ""),
    "escape": ("---\ntitle: x\n\x1b[2J: y\n---\n", 3, "not allowed"),
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The program with a folder of runbooks that a test may break."""
    for name in ("console", "queries", "widgets", "runbooks"):
        shutil.copytree(ROOT / name, tmp_path / "program" / name)
    return tmp_path / "program"


def test_broken_runbooks_are_named_and_the_rest_lives(copied: Path, tmp_path: Path) -> None:
    """`runbook --lint` names file and line of each and exits 1; the console lists them as broken and goes on."""
    for name, (text, _, _) in BROKEN.items():
        (copied / "runbooks" / f"{name}.md").write_text(text)
    (copied / "runbooks" / "bytes.md").write_bytes(b"\xff\xfe")
    os.mkfifo(copied / "runbooks" / "pipe.md")
    environ = Bench(tmp_path).environ(PYTHONPATH=str(copied), CAD_CONSOLE_ENVIRONMENT="test")
    words = [sys.executable, "-m", "console"]
    ran = subprocess.run(
        [*words, "runbook", "--lint"], cwd=copied, env=environ, capture_output=True, text=True, check=False, timeout=30
    )
    assert (ran.returncode, ran.stderr) == (1, ""), ran
    told = {Path(line.split(":")[0]).stem: line for line in ran.stdout.splitlines() if " ERROR runbook-broken: " in line}
    assert set(told) == {*BROKEN, "bytes", "pipe"}
    for name, (_, line, sentence) in BROKEN.items():
        assert f"{name}.md:{line}: " in told[name] and sentence in told[name]
    assert "\x1b" not in ran.stdout

    with Terminal(["env", "-C", str(copied), *words], env=environ, columns=140, rows=60) as terminal:
        terminal.wait_for("No server is configured yet")
        terminal.send("5")
        terminal.wait_for("BROKEN wrong-type.md:5: ", "11 broken", "high-error-rate")
        terminal.send("q")
        assert terminal.wait_exit() == 0
