"""Brings a new Alertmanager and its amtool into the user's cache, for the tests that hold against new releases too.

Run by `make alertmanager-assets`; never by the tests. Go builds the pinned release from the module proxy (minutes on two
cores). Prints the line to export at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from go_build import attempt, cache_folder, go, install, module_folder

VERSION = "0.35.0"
PARTS = ("alertmanager", "amtool")
_PAGE = "<!doctype html><title>Alertmanager</title><p>This build has no user interface.\n"


def say(text: str) -> None:
    print(f"alertmanager-assets: {text}", file=sys.stderr, flush=True)


def build(target: Path, work: Path) -> None:
    """Both programs, out of a copy of the module: its source wants a built user interface, which no module carries."""
    say("fetching the module")
    source = module_folder(f"github.com/prometheus/alertmanager@v{VERSION}", where=work)
    copy = work / "source"
    shutil.copytree(source, copy, copy_function=shutil.copyfile)  # without the mode: the module cache is read-only
    for folder in (copy, *(item for item in copy.rglob("*") if item.is_dir())):
        folder.chmod(0o755)
    for name in ("elm", "mantine"):
        page = copy / "ui" / "app" / "dist" / name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(_PAGE)
    flags = f"-s -w -X github.com/prometheus/common/version.Version={VERSION}"
    for part in PARTS:
        say(f"building {part} {VERSION} (minutes)")
        jobs = str(os.cpu_count() or 2)
        go("build", "-p", jobs, "-trimpath", "-ldflags", flags, "-o", str(work / part), f"./cmd/{part}", where=copy)
        install(work / part, target / part)


def missing_from(target: Path) -> list[str]:
    return [part for part in PARTS if not (target / part).is_file()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Bring a new Alertmanager for the tests into the cache.")
    default = cache_folder("alertmanager", VERSION)
    parser.add_argument("--into", type=Path, default=default, help="folder of the binaries (default: %(default)s)")
    target = parser.parse_args(arguments).into.resolve()
    reason = attempt(build, target, "Alertmanager from the module proxy", say) if missing_from(target) else ""
    if lacking := missing_from(target):
        print(f"alertmanager-assets: {', '.join(lacking)} could not be brought: {reason}", file=sys.stderr)
        return 1
    say(f"{', '.join(PARTS)} are in {target}")
    print(f"export ALERTMANAGER_ASSETS={target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
