"""`cad-console rules export`: the console's rule files for a server, with a prefix where others record the same names."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from console.config.errors import ConfigError

KINDS = ("recording", "alerting")


def add_export(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `rules export`."""
    parser.add_argument("--output", metavar="DIR", required=True, help="the output folder, created if missing")
    parser.add_argument(
        "--prefix",
        metavar="PREFIX",
        default="",
        help="prepended to every recorded name, in alerts too: for a server that already records our names",
    )
    parser.add_argument("--only", choices=KINDS, help="recording rules or alerts alone, for a server that already alerts")
    parser.add_argument("--format", choices=("prometheus", "manifest"), default="prometheus", help="manifest: PrometheusRule")
    parser.epilog = (
        "replace rules of the same names, do not add to them: two groups that record one name make its series flip at every "
        "evaluation; with --prefix both can stay, and panels find the names through the loaded rules"
    )


def run_export(arguments: argparse.Namespace) -> int:
    """0 written, 1 where a file cannot be written. Raises ConfigError for an invalid prefix."""
    from queries.promql.our_rules import rule_names  # imports the parser
    from queries.promql.rule_templates import PREFIX, rule_manifest, rule_text  # imports the parser

    prefix: str = arguments.prefix
    if prefix and not PREFIX.fullmatch(prefix):
        raise ConfigError(
            source="--prefix", expected=f"{prefix!r} is not a valid prefix of a metric name: use letters, digits, _ and :"
        )
    folder = Path(arguments.output)
    render = rule_manifest if arguments.format == "manifest" else rule_text
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in rule_names():
            if arguments.only is None or name.startswith(arguments.only):
                (folder / name).write_text(render(name, prefix=prefix), encoding="utf-8")
                print(folder / name)
    except OSError as error:
        print(f"cad-console rules export: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
