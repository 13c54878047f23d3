"""`cad-console rules export`: our rule files as a server takes them, under names of one's own where others stand beside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from console.config.errors import ConfigError

KINDS = ("recording", "alerting")


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="DIR", required=True, help="the folder; it is made where it is missing")
    parser.add_argument(
        "--prefix",
        metavar="PREFIX",
        default="",
        help="every recorded name begins with it, and the alerts read it so: for a server that records our names already",
    )
    parser.add_argument("--only", choices=KINDS, help="recording rules or alerts alone, where others alert already")
    parser.add_argument("--format", choices=("prometheus", "manifest"), default="prometheus", help="manifest: PrometheusRule")
    parser.epilog = (
        "replace rules of the same names, do not add: two groups that record one name make its series flip at every "
        "evaluation; beside others, use --prefix, and panels find the names by what the loaded rules say"
    )


def run_export(arguments: argparse.Namespace) -> int:
    from queries.promql.rule_templates import PREFIX, rule_manifest, rule_names, rule_text  # noqa: PLC0415  # brings the parser

    prefix: str = arguments.prefix
    if prefix and not PREFIX.fullmatch(prefix):
        raise ConfigError(source="--prefix", expected=f"{prefix!r} cannot begin a recorded name; letters, digits, _ and : can")
    folder = Path(arguments.output)
    made = rule_manifest if arguments.format == "manifest" else rule_text
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in rule_names():
            if arguments.only is None or name.startswith(arguments.only):
                (folder / name).write_text(made(name, prefix=prefix), encoding="utf-8")
                print(folder / name)
    except OSError as error:
        print(f"cad-console rules export: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
