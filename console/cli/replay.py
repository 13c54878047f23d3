"""`cad-console replay`: the whole console on a bundle, without any server."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from pathlib import Path

from console.cli.console import explain_no_screen, prefer_drawing
from console.cli.progress import ProgressLine
from console.config.load import load_settings
from console.replay.bundle_file import Bundle, BundleError, open_bundle
from console.replay.settings import build_settings
from queries.model.text import visible
from queries.text.times import InvalidTime

_FORMATS = ("text", "json", "markdown")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a bundle, as `cad-console incident bundle` writes it")
    parser.add_argument(
        "--at", metavar="TIME", default="", help="begin then: 03:12, '2026-11-29 03:12' (default: its first alert)"
    )
    parser.add_argument("--status", action="store_true", help="print a snapshot of that moment instead of opening the console")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="of --status")
    parser.add_argument("--export", choices=("cast",), help="write a recording for asciinema instead of opening the console")
    parser.add_argument("--from", dest="start", metavar="TIME", default="", help="with --export: its first moment")
    parser.add_argument("--to", dest="end", metavar="TIME", default="", help="with --export: its last moment")
    parser.add_argument("--speed", type=int, choices=(1, 10, 60, 600), default=60, help="with --export: how fast it plays (60)")
    parser.add_argument(
        "--size", metavar="COLUMNSxROWS", type=_size, default=(120, 40), help="with --export: of the terminal (120x40)"
    )
    parser.add_argument("--output", metavar="FILE", default="", help="with --export: where to (default: beside the bundle)")
    parser.epilog = (
        "exit codes: 0 shown or written; 1 not a terminal; 2 not a bundle, or one that cannot be used; with --status those of "
        "`cad-console status`"
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        bundle = open_bundle(arguments.file)
        if arguments.status:
            return _print_status(bundle, arguments)
        if arguments.export:
            return _write_cast(bundle, arguments)
        return _open(bundle, arguments)
    except BundleError as error:
        print(f"cad-console replay: {visible(str(error))}", file=sys.stderr)
        return 2


def _open(bundle: Bundle, arguments: argparse.Namespace) -> int:
    prefer_drawing()
    if reason := explain_no_screen(os.environ):
        print(f"cad-console: {reason}; `cad-console replay FILE --status` prints a snapshot instead", file=sys.stderr)
        return 1
    settings = build_settings(load_settings(arguments), bundle)
    from widgets.later import import_textual  # Textual: only here

    import_textual()
    from console.screens.replay import create_app

    refused: list[BundleError] = []
    app = create_app(bundle, settings, at=arguments.at, refuse=refused.append)
    app.run()
    if refused:
        raise refused[0]
    return int(app.return_code or 0)


def _print_status(bundle: Bundle, arguments: argparse.Namespace) -> int:
    from console.cli.status import as_markdown, as_text, exit_code  # only for this option
    from console.replay.session import show_moment  # the clients
    from console.state import snapshot_json  # as above

    settings = build_settings(load_settings(arguments), bundle)
    try:
        snapshot = asyncio.run(show_moment(settings, bundle, arguments.at))
    except ValueError as error:  # a time that cannot be read, or that the bundle does not cover
        print(f"cad-console replay: --at: {visible(str(error))}", file=sys.stderr)
        return 2
    if arguments.format == "json":
        print(snapshot_json.dumps(snapshot_json.document(snapshot)))
    else:
        print(as_markdown(snapshot) if arguments.format == "markdown" else as_text(snapshot))
    return exit_code(snapshot)


def _write_cast(bundle: Bundle, arguments: argparse.Namespace) -> int:
    from console.screens.cast import Take, record_cast  # Textual
    from console.text_files import write_private  # only for this option

    settings = build_settings(load_settings(arguments), bundle)
    columns, rows = arguments.size
    take = Take(arguments.start, arguments.end, arguments.speed, columns, rows)
    file = Path(arguments.output or f"{arguments.file.removesuffix('.zip')}.cast").expanduser()
    progress = ProgressLine(sys.stderr)
    try:
        text = asyncio.run(record_cast(bundle, settings, take, report=progress.show))
        write_private(file, (text,), replace=bool(arguments.output))
    except InvalidTime as error:
        print(f"cad-console replay: {visible(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cad-console replay: {file}: {error.strerror}", file=sys.stderr)
        return 2
    finally:
        progress.end()
    print(f"written to {file}; `asciinema play {file}` shows it")
    return 0


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,3})x(\d{2,3})", text)
    if found is None or not (80 <= int(found[1]) <= 500 and 24 <= int(found[2]) <= 200):
        raise argparse.ArgumentTypeError("expected COLUMNSxROWS from 80x24 on, such as 120x40")
    return int(found[1]), int(found[2])
