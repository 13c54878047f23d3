"""`cad-console` without a verb opens the console."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_SWITCH_SECONDS = 0.001


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", metavar="FILE", default="", help="begin with the lines of a file, however many it has")
    parser.add_argument("--at", metavar="TIME", default="", help="begin at a past moment: 03:12, -2h, 'incident 4'")


def run(arguments: argparse.Namespace) -> int:
    # Nothing allocated before the first frame is garbage, imports included; collections would cost a tenth of the start.
    gc.disable()
    from console.config.switch import SettingsSource  # noqa: PLC0415

    # An upper bound on how long the drawing thread waits for the interpreter lock.
    sys.setswitchinterval(_SWITCH_SECONDS)
    source = SettingsSource(vars(arguments), os.environ)
    settings = source.load()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("cad-console: not a terminal; `cad-console status` prints a snapshot instead", file=sys.stderr)
        return 1
    from console.screens.app import ConsoleApp  # noqa: PLC0415  # Textual: only here

    app = ConsoleApp(settings, source=source, at=getattr(arguments, "at", ""), log=getattr(arguments, "log", ""))
    app.run()
    return int(app.return_code or 0)
