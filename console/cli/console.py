"""`cad-console` without a verb opens the console."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from queries.text.variables import moves_cursor, read_env

if TYPE_CHECKING:
    import argparse

_SWITCH_SECONDS = 0.001


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", metavar="FILE", default="", help="begin with the lines of a file, however many it has")
    parser.add_argument("--at", metavar="TIME", default="", help="begin at a past moment: 03:12, -2h, 'incident 4'")


def prefer_drawing() -> None:
    """Set the interpreter up for the screen; called before anything is imported."""
    # Nothing allocated before the first frame is garbage, imports included; collections would cost a tenth of the start.
    gc.disable()
    # An upper bound on how long the drawing thread waits for the interpreter lock.
    sys.setswitchinterval(_SWITCH_SECONDS)


def run(arguments: argparse.Namespace) -> int:
    prefer_drawing()
    from console.config.switch import SettingsSource

    source = SettingsSource(vars(arguments), os.environ)
    settings = source.load()
    if reason := explain_no_screen(os.environ):
        print(f"cad-console: {reason}; `cad-console status` prints a snapshot instead", file=sys.stderr)
        return 1
    from widgets.later import import_textual  # Textual: only here

    import_textual()
    from console.screens.app import ConsoleApp

    app = ConsoleApp(settings, source=source, at=getattr(arguments, "at", ""), log=getattr(arguments, "log", ""))
    app.run()
    return int(app.return_code or 0)


def explain_no_screen(environ: Mapping[str, str]) -> str:
    """Why the terminal of this process cannot show a screen, to be followed by what to do instead; empty if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "not a terminal"
    if not moves_cursor(environ):
        return f"TERM={read_env(environ, 'TERM')} cannot move its cursor; if yours can, set TERM, such as TERM=xterm-256color"
    return ""
