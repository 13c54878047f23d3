"""`cad-console` without a verb: the console itself."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from console.config.load import load_settings

if TYPE_CHECKING:
    import argparse

_SWITCH_SECONDS = 0.001


def add(parser: argparse.ArgumentParser) -> None:
    """It has the global flags only."""


def run(arguments: argparse.Namespace) -> int:
    # Nothing that is made before the first frame is garbage; looking for some costs a tenth of the start.
    gc.disable()
    # The thread that draws waits for no other thread longer than this.
    sys.setswitchinterval(_SWITCH_SECONDS)
    settings = load_settings(arguments)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("cad-console: this is not a terminal; `cad-console status` prints a snapshot instead", file=sys.stderr)
        return 1
    from console.screens.app import ConsoleApp  # noqa: PLC0415  # Textual: only here

    app = ConsoleApp(settings)
    app.run()
    return int(app.return_code or 0)
