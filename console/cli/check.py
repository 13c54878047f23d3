"""`cad-console check`: the platform's self-check, with the exit codes of the platform's own script."""

from __future__ import annotations

import argparse
import asyncio
import sys

from console.checks.result import exit_code
from console.cli.check_report import EPILOG, FORMATS, report
from console.config.load import load_settings
from console.config.missing import NO_SERVER
from console.monitor.self_check import run_self_check


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict",
        action="store_true",
        help="also fail if degraded, or if metrics are missing that are neither announced nor optional",
    )
    parser.add_argument("--metrics-url", metavar="URL", default="", help="the exporter, where it is not the API's /metrics")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.epilog = EPILOG


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    if not settings.has_source:
        print(f"cad-console: {NO_SERVER}", file=sys.stderr)
    results = asyncio.run(run_self_check(settings, strict=arguments.strict, metrics_url=arguments.metrics_url))
    print(report(results, format=arguments.format, name="cad-console check"))
    return exit_code(results)
