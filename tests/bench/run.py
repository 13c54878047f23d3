"""Measures everything in one go, prints a table and writes build/bench.json; arguments name single families."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from figure import Figure
from stage import Stage
from subject import FAMILIES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; all where none is named")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    chosen = parser.parse_args()
    unknown = [name for name in chosen.families if name not in FAMILIES]
    if unknown:
        parser.error(f"no such family: {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    begun = time.monotonic()
    found: list[Figure] = []
    broken = 0
    with Stage() as stage:
        for name in chosen.families or FAMILIES:
            started = time.monotonic()
            try:
                figures = importlib.import_module(name).measure(stage)
            except Exception as error:  # one figure that cannot be measured must not cost the others
                broken += 1
                print(f"{name}: not measured: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            found += figures
            for figure in figures:
                print(line(figure), flush=True)
            print(f"      ({name} took {time.monotonic() - started:.0f} s)", file=sys.stderr)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps([figure.row() for figure in found], indent=1, ensure_ascii=False) + "\n")
    missed = [figure.figure for figure in found if figure.met is False]
    print(f"\n{len(found)} figures in {time.monotonic() - begun:.0f} s, written to {chosen.out}")
    print(
        "every goal is met" if not missed and not broken else f"not met: {', '.join(missed) or 'none'}; not measured: {broken}"
    )
    return 0


def line(figure: Figure) -> str:
    goal = "" if figure.goal is None else f"≤ {figure.goal:g} {figure.unit}"
    mark = {None: " ", True: "✓", False: "✗"}[figure.met]
    return f"{mark} {figure.figure:<58} {figure.value:>10.4g} {figure.unit:<4} {goal:<12} {figure.note}"


if __name__ == "__main__":
    sys.exit(main())
