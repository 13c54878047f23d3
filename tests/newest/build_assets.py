"""Brings the newest Prometheus into the user's cache, for the tests against native histograms and UTF-8 names.

Run by `make newest-servers`. Go builds the pinned release from the module proxy (many minutes on two cores), without the
service discoveries, which are most of its dependencies. Prints the program's path at the end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from go_build import attempt, cache_folder, go, install, module_folder

VERSION, MODULE = "3.16.0", "github.com/prometheus/prometheus@v0.316.0"
PROGRAM = "prometheus"


def say(text: str) -> None:
    print(f"newest-servers: {text}", file=sys.stderr, flush=True)


def build(target: Path, work: Path) -> None:
    """From a copy of the module: its workspace file names folders that no module carries."""
    say("fetching the module")
    source = module_folder(MODULE, where=work)
    copy = work / "source"
    shutil.copytree(source, copy, copy_function=shutil.copyfile)  # without the mode: the module cache is read-only
    for folder in (copy, *(item for item in copy.rglob("*") if item.is_dir())):
        folder.chmod(0o755)
    (copy / "go.work").unlink(missing_ok=True)
    flags = f"-s -w -X github.com/prometheus/common/version.Version={VERSION}"
    say(f"building {PROGRAM} {VERSION}")
    options = ("-p", "1", "-tags", "remove_all_sd,netgo", "-trimpath", "-ldflags", flags)
    go("build", *options, "-o", str(work / PROGRAM), "./cmd/prometheus", where=copy)
    install(work / PROGRAM, target / PROGRAM)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Bring the newest Prometheus for the tests into the cache.")
    default = cache_folder("newest", f"prometheus-{VERSION}")
    parser.add_argument("--into", type=Path, default=default, help="folder of the program (default: %(default)s)")
    target = parser.parse_args(arguments).into.resolve()
    program = target / PROGRAM
    reason = "" if program.is_file() else attempt(build, target, "Prometheus from the module proxy", say)
    if not program.is_file():
        print(f"newest-servers: {PROGRAM} could not be built: {reason}", file=sys.stderr)
        return 1
    print(program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
