"""`cad-console config`: the settings in effect with their origins, and a check of the config file."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

from console.config.effective_settings import describe_settings
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.config.permissions import file_warnings
from console.config.sources import Sources, find_schema_errors
from queries.model.text import visible
from queries.text.tables import align


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "verb",
        nargs="?",
        choices=("show", "check"),
        default="show",
        help="show the settings, or check the config file",
    )
    parser.add_argument("--origin", action="store_true", help="for show: the origin of each value")
    parser.add_argument("--all", action="store_true", help="for show: include settings that are not set")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.epilog = "check exits 0 if the file and every environment in it load, 2 if one does not"


def run(arguments: argparse.Namespace) -> int:
    """Returns 0, or 2 if the configuration does not load."""
    return _check(arguments) if arguments.verb == "check" else _show(arguments)


def _show(arguments: argparse.Namespace) -> int:
    described = describe_settings(load_settings(arguments))
    if arguments.format == "json":
        print(json.dumps({item.key: {"value": item.value, "origin": item.origin} for item in described}, indent=2))
        return 0
    rows = [
        (item.key, visible(item.value) or "not set", *((visible(item.origin),) if arguments.origin else ()))
        for item in described
        if arguments.all or item.value
    ]
    print(align(rows))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    errors = list(dict.fromkeys(map(str, _find_errors(arguments))))
    warnings: tuple[str, ...] = ()
    if not errors:
        settings = load_settings(arguments)
        warnings = file_warnings(settings)
        if settings.keys:
            from console.screens.key_ids import find_unknown_ids  # Textual, only where a file has keys

            errors += find_unknown_ids(name for name, _ in settings.keys)
        file = settings.paths.config_file
    if arguments.format == "json":
        print(json.dumps({"errors": errors, "warnings": list(warnings)}, indent=2))
        return 2 if errors else 0
    for text in errors:
        print(f"ERROR {text}")
    for text in warnings:
        print(f"WARN  {visible(text)}")
    if not errors:
        missing = "not found; flags and environment variables apply (`cad-console init` writes one)"
        print(f"{visible(file)}: {'ok' if Path(file).exists() else missing}")
    return 2 if errors else 0


def _find_errors(arguments: argparse.Namespace) -> Iterator[ConfigError]:
    """All errors of the schema; without any, the first error of every environment, such as a missing token file."""
    flags = vars(arguments)
    try:
        sources = Sources(flags, os.environ)
    except ConfigError as error:
        yield from _schema_errors(error)
        return
    for name in (*(sources.document.get("environments") or {}), None):
        try:
            load_settings({**flags, "environment": name} if name else flags)
        except ConfigError as error:
            yield error


def _schema_errors(first: ConfigError) -> Iterator[ConfigError]:
    try:
        yield from find_schema_errors(Path(first.source))
    except ConfigError as error:
        yield error
