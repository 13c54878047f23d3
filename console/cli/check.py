"""`cad-console check`: the platform's self-check, with the exit codes of the platform's own script."""

from __future__ import annotations

import argparse

from console.cli.check_report import add_options, run_checks
from console.monitor.self_check import run_self_check


def add(parser: argparse.ArgumentParser) -> None:
    add_options(parser, strict="also fail if degraded, or if metrics are missing that are neither announced nor optional")


def run(arguments: argparse.Namespace) -> int:
    return run_checks(arguments, run_self_check, name="cad-console check")
