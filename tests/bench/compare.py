"""Measure another revision and this tree in turn, and write the ratios as one table to build/bench-compare.md.

The revision is exported to build/bench-base/COMMIT and installed there by its own `make install`, from its own lock; it stays
for the next comparison (`make clean` removes it). Both trees' programs are measured by this tree's code. Exit code: 0 where
every ratio is at most 1.05, 1 where one is over it, 2 where a figure could not be measured on both trees, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ratios import Run, compare, table
from subject import FAMILIES, IN_PROCESS, OTHER_PROGRAMS, ROOT

HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build"


PACKAGES = ("console", "queries", "widgets", "runbooks")


class Unusable(Exception):
    """The revision cannot be measured; the message says what failed and what to try."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="of those of run.py; start, wire, work and keys if none")
    parser.add_argument("--base", required=True, metavar="REV", help="the revision to compare with")
    parser.add_argument("--pairs", type=int, default=5, help="how often both are measured (5)")
    chosen = parser.parse_args()
    families = chosen.families or ["start", "wire", "work", "keys"]
    unknown = [name for name in families if name not in FAMILIES or name in OTHER_PROGRAMS]
    if unknown:
        parser.error(
            f"cannot compare {', '.join(unknown)}; there are {', '.join(n for n in FAMILIES if n not in OTHER_PROGRAMS)}"
        )
    if chosen.pairs < 1:
        parser.error("--pairs must be at least 1")
    try:
        commit = resolve(chosen.base)
        tree = export(commit, install=install)
        for one in (tree, ROOT):
            check_imports(one)
    except Unusable as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return measure_pairs(tree, commit, families, chosen.pairs)


def measure_pairs(tree: Path, commit: str, families: Sequence[str], count: int) -> int:
    pairs: list[tuple[Run, Run]] = []
    rows: dict[str, dict[str, object]] = {}
    try:
        for number in range(count):
            # Taking turns at being first: what slows the machine down for a while falls on both.
            order = (tree, ROOT) if number % 2 == 0 else (ROOT, tree)
            print(f"pair {number + 1} of {count}", file=sys.stderr, flush=True)
            measured = {one: measure(one, families) for one in order}
            for found in measured.values():
                rows.update({str(row["figure"]): row for row in found})
            base, new = ({str(row["figure"]): float(str(row["value"])) for row in measured[one]} for one in (tree, ROOT))
            pairs.append((base, new))
    except KeyboardInterrupt:
        return 130
    units = {name: str(row["unit"]) for name, row in rows.items()}
    controls = frozenset(name for name, row in rows.items() if row.get("control"))
    ratios, missing = compare(pairs, units=units, controls=controls)
    text = table(ratios, base=commit[:12], new=describe())
    if missing or not ratios:
        text += f"\nNot compared, a run did not measure it: {', '.join(missing) or 'all'}."
    (BUILD / "bench-compare.md").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n\nwritten to build/bench-compare.md")
    return 2 if missing or not ratios else int(any(one.over for one in ratios))


def resolve(revision: str) -> str:
    done = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode:
        raise Unusable(f"git knows no revision {revision}: try HEAD~1, a branch or a commit")
    return done.stdout.strip()


def describe() -> str:
    """This tree's commit, and whether files differ from it."""
    commit = git("rev-parse", "--short=12", "HEAD").stdout.strip()
    return f"{commit} with changes" if git("status", "--porcelain").stdout.strip() else commit


def git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)


def export(commit: str, *, install: Callable[[Path], None], into: Path = BUILD / "bench-base") -> Path:
    """The folder with that commit's files, installed. A tree that is interrupted on its way is removed: none is half there.

    It is an archive and not a worktree, so the repository does not know of it and nothing has to be pruned.
    """
    target = into / commit
    ready = target / ".ready"
    if ready.exists():
        return target
    into.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    try:
        with tempfile.TemporaryFile() as packed:
            subprocess.run(["git", "-C", str(ROOT), "archive", "--format=tar", commit], stdout=packed, check=True)
            packed.seek(0)
            with tarfile.open(fileobj=packed) as archive:
                archive.extractall(target, filter="data")
        print(f"installing {commit[:12]} into {target} …", file=sys.stderr, flush=True)
        install(target)
        ready.touch()
    finally:
        if not ready.exists():
            shutil.rmtree(target, ignore_errors=True)
    return target


def install(tree: Path) -> None:
    """As that revision installs itself, with the interpreter that this tree has, and compiled as after a first start."""
    python = Path(sys.executable).resolve()
    done = subprocess.run(["make", "-C", str(tree), "install", f"PYTHON={python}"], env=clear(), check=False)
    if done.returncode:
        raise Unusable("make install failed in the other revision's tree: its output stands above")
    subprocess.run([str(tree / ".venv/bin/python"), "-m", "compileall", "-q", *PACKAGES], cwd=tree, check=False)


def check_imports(tree: Path) -> None:
    """A comparison of a tree with itself would be perfect: each program must import its own tree's modules."""
    command = [str(tree / ".venv/bin/python"), "-c", "import console; print(console.__file__)"]
    found = subprocess.run(command, cwd=tree.parent, env=clear(), capture_output=True, text=True, check=False)
    if found.returncode or tree.resolve() not in Path(found.stdout.strip()).resolve().parents:
        raise Unusable(f"{tree}/.venv imports {found.stdout.strip() or found.stderr.strip()[-200:]}: remove it and try again")


def clear() -> dict[str, str]:
    """Without what `make bench` sets for this tree."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def measure(tree: Path, families: Sequence[str]) -> list[dict[str, object]]:
    """The rows of run.py, measured by this tree's code on that tree's program."""
    found: list[dict[str, object]] = []
    alone = [name for name in families if name in IN_PROCESS]
    for names, python, modules in (
        ([name for name in families if name not in alone], sys.executable, ROOT),
        (alone, str(tree / ".venv/bin/python"), tree),
    ):
        if not names:
            continue
        path = os.pathsep.join([str(modules), str(ROOT / "tests" / "support"), str(HERE)])
        environ = {**os.environ, "PYTHONPATH": path}
        if tree != ROOT:
            environ["BENCH_TREE"] = str(tree)
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            run([python, str(HERE / "run.py"), *names, "--out", out.name], environ)
            text = Path(out.name).read_text(encoding="utf-8")
        found += json.loads(text) if text else []
    return found


def run(command: Sequence[str], environ: dict[str, str]) -> None:
    """Ctrl-C reaches the child once, from here, and is waited for: so the servers which it started end with it."""
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=sys.stderr, process_group=0)
    try:
        process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


if __name__ == "__main__":
    sys.exit(main())
