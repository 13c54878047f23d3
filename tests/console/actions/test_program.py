"""One program in bounded time and memory: what hangs, forks, floods, or leaves a process behind."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from limits import extend
from processes import is_alive, wait_until_dead

from console.actions.program import ANSWER_BYTES, Program, ProgramEnd

Run = Callable[..., ProgramEnd]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write


def program(
    path: str, *arguments: str, limit: float = 5.0, stdin: bytes = b"", leaves: bool = False, grace: float = 2.0
) -> Program:
    return Program(
        [path, *arguments], environ={"PATH": os.environ["PATH"]}, folder="", limit_seconds=limit, stdin=stdin,
        leaves_processes=leaves, grace_seconds=grace,
    )  # fmt: skip


def test_arguments_reach_it_as_they_are(script: Callable[[str], str]) -> None:
    """No shell reads them, and the environment has nothing but what was given."""
    end = program(script('printf "%s|" "$@"; echo "$HOME"'), "a b", "$(id)", "; rm -rf x").run()
    assert (end.error, end.stdout) == ("", b"a b|$(id)|; rm -rf x|\n")


def test_it_reads_standard_input_and_has_no_terminal(script: Callable[[str], str]) -> None:
    end = program(script("read value; echo got $value; tty"), stdin=b"s3cret\n").run()
    assert end.stdout.splitlines()[0] == b"got s3cret"
    assert b"not a tty" in end.stdout
    assert program(script("true"), stdin=b"not read\n").run().error == ""


@pytest.mark.parametrize(
    ("text", "error"), [("exit 3", "failed with exit code 3"), ("kill -9 $$", "was ended by signal 9"), ("exit 0", "")]
)
def test_how_it_ended(text: str, error: str, script: Callable[[str], str]) -> None:
    path = script(text)
    assert program(path).run().error == (f"{path} {error}" if error else "")


def test_what_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert program(missing).run().error == f"{missing} cannot be started: No such file or directory"
    assert "cannot be started" in program("\0").run().error


def test_a_hanging_program_is_ended_with_its_children(script: Callable[[str], str], tmp_path: Path) -> None:
    """It ignores SIGTERM, and so do its children: the time limit ends all of them."""
    path = script(f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/child; sleep 60")
    started = time.monotonic()
    end = program(path, limit=0.3, grace=0.2).run()
    assert end.error == f"{path} was still running after 300ms: it was stopped, with its children"
    assert time.monotonic() - started < extend(10.0)
    assert wait_until_dead(int((tmp_path / "child").read_text()))


def test_a_flood_fills_no_memory(script: Callable[[str], str]) -> None:
    """Far more than memory is spent on: only the end of what it printed is kept."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = program(script("head -c 300000000 /dev/zero; echo; echo the end"), limit=60.0).run()
    assert (end.error, end.cut, len(end.stdout)) == ("", True, ANSWER_BYTES)
    assert end.stdout.endswith(b"\nthe end\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_a_process_left_behind_holds_nobody_up(script: Callable[[str], str], tmp_path: Path) -> None:
    """A restart may leave the service running; of every other step no process survives."""
    path = script(f"sleep 30 & echo $! > {tmp_path}/left; echo started")
    for leaves in (True, False):
        started = time.monotonic()
        end = program(path, leaves=leaves).run()
        assert (end.error, end.stdout) == ("", b"started\n")
        assert time.monotonic() - started < extend(4.0)
        assert "left a process that holds its output" in end.note
        left = int((tmp_path / "left").read_text())
        assert is_alive(left) is leaves or (not leaves and wait_until_dead(left))
        if leaves:
            os.kill(left, 9)


def test_a_program_outlives_the_console_although_it_prints(script: Callable[[str], str], tmp_path: Path) -> None:
    """The console exits in the middle of a restore: the next lines, more than a pipe holds, neither end nor block it."""
    path = script(f"echo $$ > {tmp_path}/started; while test ! -e {tmp_path}/go; do sleep 0.02; done; "
                  f"head -c 300000 /dev/zero; echo more >&2; echo $? > {tmp_path}/done")  # fmt: skip
    console = (
        "import os, sys, threading, time; from pathlib import Path; from console.actions.program import Program\n"
        "run = Program([sys.argv[1]], environ=dict(os.environ), folder='', limit_seconds=60.0, leaves_processes=True).run\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "while not Path(sys.argv[2]).exists(): time.sleep(0.01)\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", console, path, f"{tmp_path}/started"], cwd=ROOT, check=True, timeout=extend(20.0))
    (tmp_path / "go").touch()
    until = time.monotonic() + extend(5.0)
    while not (tmp_path / "done").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert (tmp_path / "done").exists()


def test_it_can_be_killed_from_another_thread(script: Callable[[str], str], tmp_path: Path) -> None:
    """With its children, at once; one that has not started never does."""
    path = script(f"sleep 60 & echo $! > {tmp_path}/child; sleep 60")
    running = program(path, limit=60.0)
    ends: list[ProgramEnd] = []
    thread = threading.Thread(target=lambda: ends.append(running.run()))
    thread.start()
    until = time.monotonic() + 5.0
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
        assert time.monotonic() < until
        time.sleep(0.01)
    running.kill()
    thread.join(5.0)
    assert ends and ends[0].error == f"{path} was stopped"
    assert wait_until_dead(int((tmp_path / "child").read_text()))
    (tmp_path / "child").unlink()
    late = program(path)
    late.kill()
    assert late.run().error == "stopped before it started"
    assert not (tmp_path / "child").exists()


@pytest.mark.parametrize(("more", "cut"), [(-1, False), (0, False), (1, True)])
@pytest.mark.parametrize("stream", ["", " >&2"])
def test_as_much_as_is_kept_is_not_cut(script: Callable[[str], str], more: int, cut: bool, stream: str) -> None:
    """16 KiB exactly are all of it; one byte more loses the first one. Standard error as standard output."""
    size = ANSWER_BYTES + more
    end = program(script(f"{{ printf first; head -c {size - 5} /dev/zero | tr '\\0' x; }}{stream}")).run()
    kept = (b"first" + b"x" * (size - 5))[-ANSWER_BYTES:]
    assert (end.cut, end.stderr if stream else end.stdout) == (cut, kept)
    assert (end.stdout if stream else end.stderr) == b""


def test_a_program_that_closed_its_output_is_waited_for(script: Callable[[str], str], tmp_path: Path) -> None:
    """It still runs, and how it ends counts; nothing of its own is left that holds a pipe."""
    end = program(script(f"exec >&- 2>&-; sleep 0.2; touch {tmp_path}/done; exit 7")).run()
    assert (end.error.rpartition(" ")[2], end.note, end.cut, (tmp_path / "done").exists()) == ("7", "", False, True)
    assert 0.2 <= end.seconds < extend(3.0)
    assert "ProgramEnd(" in repr(end) and repr(ProgramEnd("x", b"secret")) == "ProgramEnd('x', …)"
