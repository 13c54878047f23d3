"""Where the journal cannot take the intent, nothing is sent; where the program dies, the next start names what it did."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from real_program import Bench
from steerable_cluster import SteerableCluster
from terminal import PROGRAM, Terminal

from console.demo.cluster import PodTimings

QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))
SCALE = ("act", "scale", "cad-ml-api", "--replicas", "4", "--yes")


class Shell:
    def __init__(self, home: Path, cluster: SteerableCluster) -> None:
        self.bench = Bench(home)
        self.cluster = cluster
        self.state = home / "state" / "cad-console"
        self.journal = self.state / "journal.sqlite3"
        cluster.kubeconfig(home / "kube")
        (home / ".config" / "cad-console").mkdir(parents=True)
        # The API has an HPA: what it does afterwards is another test's business.
        (home / ".config" / "cad-console" / "config.yaml").write_text("refresh: {settle: {hpa: 0}}\n")
        self.environ = self.bench.environ(
            KUBECONFIG=str(home / "kube"), XDG_STATE_HOME=str(home / "state"), CAD_CONSOLE_ENVIRONMENT="test"
        )

    def start(
        self, *words: str, before: Callable[[], None] | None = None, prefix: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*prefix, PROGRAM, *words],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,  # noqa: PLW1509  # no thread is running that could hold a lock
        )

    def run(self, *words: str, before: Callable[[], None] | None = None, prefix: tuple[str, ...] = ()) -> tuple[int, str, str]:
        with self.start(*words, before=before, prefix=prefix) as child:
            out, err = child.communicate(timeout=40)
        return child.returncode, out, err

    def writes(self) -> list[str]:
        return [
            item.path
            for item in self.cluster.requests
            if item.method != "GET" and "dryRun" not in item.query and "selfsubject" not in item.path
        ]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = SteerableCluster(timings=QUICK, autoscaler_seconds=60.0)
    made.seed()
    with made:
        yield Shell(tmp_path, made)


def refused(shell: Shell, result: tuple[int, str, str], *words: str) -> None:
    code, out, err = result
    assert shell.writes() == []
    assert code == 1, (out, err)
    told = out + err
    assert "Traceback" not in told
    assert "refused" in told and "journal" in told, told
    for word in words:
        assert word in told, told


def test_a_locked_journal(shell: Shell) -> None:
    """Another process holds the journal: refused after two seconds, with the reason; free again, the action runs."""
    assert shell.run("act", "scale", "cad-ml-api", "--replicas", "5", "--yes")[0] == 0
    done = len(shell.writes())
    with closing(sqlite3.connect(shell.journal, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        code, out, err = shell.run(*SCALE)
        assert code == 1 and "locked by another process" in out + err and "Traceback" not in out + err
        assert len(shell.writes()) == done
        other.execute("ROLLBACK")
    assert shell.run(*SCALE)[0] == 0
    assert len(shell.writes()) == done + 1


def full_disk() -> None:
    """No file may grow beyond nothing, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def nearly_full_disk() -> None:
    """The journal may be made, and has room for nothing more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (24 << 10, 24 << 10))


@pytest.mark.parametrize("before", [full_disk, nearly_full_disk])
def test_a_full_disk(shell: Shell, before: Callable[[], None]) -> None:
    """No room for the journal, or none for the next event: refused before anything is sent."""
    refused(shell, shell.run(*SCALE, before=before))


def test_a_full_disk_with_a_journal_on_it(shell: Shell) -> None:
    """A journal that was fine yesterday and cannot grow today."""
    assert shell.run("act", "scale", "cad-ml-api", "--replicas", "5", "--yes")[0] == 0
    done = shell.writes()
    code, out, err = shell.run(*SCALE, before=full_disk)
    assert code == 1 and "journal" in out + err and "Traceback" not in out + err
    assert shell.writes() == done


def test_a_read_only_home(shell: Shell, tmp_path: Path) -> None:
    """The state folder cannot be made; as root, whom permissions do not stop, a read-only mount has the same effect."""
    if os.geteuid():
        tmp_path.chmod(0o500)
        try:
            refused(shell, shell.run(*SCALE), "cannot be opened")
        finally:
            tmp_path.chmod(0o700)
        return
    folder = tmp_path / "state"
    folder.mkdir()
    mount = f'mount -t tmpfs -o ro none {folder} && exec "$@"'
    prefix = ("unshare", "-m", "sh", "-c", mount, "sh")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    refused(shell, shell.run(*SCALE, prefix=prefix), "cannot be opened")


def test_a_tiny_disk(shell: Shell, tmp_path: Path) -> None:
    """A file system that is full: refused before anything is sent."""
    folder = tmp_path / "state"
    folder.mkdir()
    fill = f"mount -t tmpfs -o size=64k none {folder} && (head -c 1000000 /dev/zero > {folder}/full || true) 2>/dev/null"
    fill += '; exec "$@"'
    prefix = ("unshare", "-rm", "sh", "-c", fill, "sh")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    refused(shell, shell.run(*SCALE, prefix=prefix))


def test_a_journal_that_is_none(shell: Shell) -> None:
    """A damaged file is not overwritten, and named."""
    shell.state.mkdir(parents=True)
    shell.journal.write_bytes(b"this is no database" * 1000)
    refused(shell, shell.run(*SCALE), "is not a journal")
    assert shell.journal.read_bytes().startswith(b"this is no database")


def test_what_a_killed_console_was_doing_is_named(shell: Shell) -> None:
    """Killed with -9 in the middle of an action: the next console says so on its screen, and so does `cad-console journal`."""
    shell.cluster.break_image(":1.8.2")
    with shell.start("act", "restart", "cad-ml-api", "--yes") as child:
        deadline = time.monotonic() + 20
        while not shell.writes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert shell.writes()
        child.kill()
    _, _, err = shell.run("journal")
    assert "outcome unknown" in err and "cad-ml-api" in err
    with Terminal([PROGRAM], env=shell.environ, columns=120, rows=30) as terminal:
        terminal.wait_for("kubernetes ok", "Error ratio")
        terminal.wait_for("unknown", "cad-ml-api", seconds=5)
        seen = terminal.text
        terminal.send("6")
        terminal.wait_for("Journal", "unknown", seconds=5)
        terminal.send("q")
        assert terminal.wait_exit() == 0
    assert "estart" in seen
