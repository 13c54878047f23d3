"""The entry point. Every verb's module has `add(parser)`, which fills its subparser, and `run(arguments) -> int`, which
returns the exit code.

Without arguments the console opens, and imports no parser: that would delay the first frame.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace


_FEW_COLLECTIONS = 200_000
"""Collect after so many new objects, instead of 700."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code. An invalid configuration is 2, with one line on stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # An arrow must not abort a command in a locale that cannot encode it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if argv is None and words:
        # A command that ends soon makes little garbage; collecting it, and all modules at the end, takes 60 ms.
        gc.set_threshold(_FEW_COLLECTIONS)
        atexit.register(gc.freeze)
    arguments, path = _parse(words) if words else (SimpleNamespace(command="console"), "console.cli.console")
    module = importlib.import_module(path)
    from console.config.errors import ConfigError  # --help does not need it

    try:
        code = int(module.run(arguments))
        code = _flush() or code
        # A command that could not read the whole journal does not exit with 0.
        one_shot = sys.modules.get("console.cli.one_shot")
        journal_code = one_shot.exit_code() if one_shot else 0
        return code or journal_code
    except ConfigError as error:
        print(f"cad-console: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        _discard_output()  # the reader has exited (`| head`)
        return 141
    except KeyboardInterrupt:
        return 130
    finally:
        if argv is None and (shipped := sys.modules.get("queries.shipped")):
            shipped.save_parsed()


def _replace_closed_streams() -> None:
    """A stream that was closed (`2>&-`) is the null device: else Python prints errors into the output, has no standard input to
    ask whether it is a terminal, and gives its number to the next file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  # as long as the process


def _flush() -> int:
    """Writes what is left of the output, or 1 where that is not possible; at its own exit the interpreter reports a traceback.
    Raises BrokenPipeError.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"cad-console: the output cannot be written: {error.strerror}", file=sys.stderr)
        _discard_output()
        return 1
    return 0


def _discard_output() -> None:
    """The interpreter must not flush at exit into what takes nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(words: list[str]) -> tuple[SimpleNamespace | Namespace, str]:
    """The arguments, and the module of their verb."""
    from console.cli.parser import VERBS, build_parser, verb_of  # imports argparse

    verb = verb_of(words)
    if verb in words:
        importlib.import_module("queries.lean_msgspec")
    if verb not in words and any(word.partition("=")[0] in ("--at", "--log") for word in words):
        words = [verb, *words]  # `cad-console --at 03:12` opens the console
    arguments = build_parser(verb).parse_args(words)
    arguments.command = arguments.command or "console"
    return arguments, next(item.module for item in VERBS if item.name == arguments.command)
