"""A person's own program: real processes that succeed, fail, hang, or are not there."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from limits import extend

from console.monitor.notify_command import NotifyCommand, run_notify_command


def script(folder: Path, text: str) -> str:
    program = folder / "page"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return str(program)


def test_its_arguments_arrive_as_they_are_and_no_shell_reads_them(tmp_path: Path) -> None:
    """Spaces, quotes, dollar signs and semicolons stay in their argument."""
    program = script(tmp_path, f'for each; do echo "$each" >> {tmp_path}/got; done')
    arguments = ("P1 a b", "$(touch x); `id` 'q' \"", "")
    assert run_notify_command((program, *arguments), limit_seconds=5.0) == ""
    assert (tmp_path / "got").read_text().splitlines() == list(arguments)


def test_a_failure_is_a_sentence(tmp_path: Path) -> None:
    """With its exit code and the last line that it wrote; a program that is not there, or cannot be run, is named."""
    program = script(tmp_path, "echo first >&2; echo 'no route to pager' >&2; exit 3")
    assert run_notify_command((program,), limit_seconds=5.0) == f"{program} failed with exit code 3: no route to pager"
    missing = run_notify_command((str(tmp_path / "gone"), "x"), limit_seconds=5.0)
    assert missing.startswith(f"{tmp_path / 'gone'} cannot be started: No such file") and "`notify`" in missing
    assert "cannot be started" in run_notify_command((program, "a\0b"), limit_seconds=5.0)


def test_one_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    """Neither the program nor a child that keeps its error output open holds anything up beyond the limit."""
    program = script(tmp_path, "sleep 60 & echo $! > " + str(tmp_path / "child") + "; wait")
    began = time.monotonic()
    assert run_notify_command((program,), limit_seconds=0.3).endswith("was stopped: it was still running after 300ms")
    assert time.monotonic() - began < extend(3.0)
    child = int((tmp_path / "child").read_text())
    ends = time.monotonic() + 3.0
    while Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_programs_that_hang_do_not_pile_up(tmp_path: Path) -> None:
    """Starting never waits; beyond the limit a sentence says that the program was not started."""
    program, reports, done = script(tmp_path, "sleep 60"), list[str](), threading.Semaphore(0)

    def report(sentence: str) -> None:
        reports.append(sentence)
        done.release()

    command = NotifyCommand(limit_seconds=0.3, most=2)
    began = time.monotonic()
    for _ in range(5):
        command.start((program,), report)
    assert time.monotonic() - began < extend(0.25)
    for _ in range(5):
        assert done.acquire(timeout=5.0)
    assert sum("not started, 2 are still running" in item for item in reports) == 3
    assert sum("was stopped" in item for item in reports) == 2
