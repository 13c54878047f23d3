"""The entry point. Every command's module has `add(parser)`, which fills its own subparser, and `run(arguments) -> int`,
whose number is the exit code.

Without a word the console opens, and then nothing is imported that parses words: that would come before the first frame.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code. A configuration that cannot be understood is 2, with one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # An arrow must not end a command where the locale has none.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments, path = _parsed(words) if words else (SimpleNamespace(command="console"), "console.cli.console")
    module = importlib.import_module(path)
    from console.config.errors import ConfigError  # noqa: PLC0415  # not needed to print the help

    try:
        code = int(module.run(arguments))
        # Whatever a command found, it is not well where it could not read all of the journal.
        once = sys.modules.get("console.cli.one_shot")
        broken = once.exit_code() if once else 0
        return code or broken
    except ConfigError as error:
        print(f"cad-console: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader has gone (`| head`). Its end must not be written to again while the interpreter closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def _parsed(words: Sequence[str]) -> tuple[SimpleNamespace | Namespace, str]:
    """The arguments, and the module of their command."""
    from console.cli.parser import COMMANDS, build_parser, verb_of  # noqa: PLC0415  # brings argparse

    arguments = build_parser(verb_of(words)).parse_args(words)
    arguments.command = arguments.command or "console"
    return arguments, next(item.module for item in COMMANDS if item.name == arguments.command)
