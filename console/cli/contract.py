"""`cad-console contract`: every metric that is relied on, against the exporter and Prometheus; and every error code."""

from __future__ import annotations

import argparse
import asyncio

from console.checks.result import exit_code
from console.cli.check_report import EPILOG, FORMATS, report
from console.config.load import load_settings
from console.monitor.self_check import examine_contract


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help="what is missing fails, unless it is announced or optional")
    parser.add_argument("--metrics-url", metavar="URL", default="", help="the exporter, where it is not /metrics of the API")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.epilog = EPILOG


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    results = asyncio.run(examine_contract(settings, strict=arguments.strict, metrics_url=arguments.metrics_url))
    print(report(results, format=arguments.format, name="cad-console contract", whole=True))
    return exit_code(results)
