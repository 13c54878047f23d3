"""`cad-console contract`: every required metric and error code, compared with the exporter and Prometheus."""

from __future__ import annotations

import argparse

from console.cli.check_report import add_options, run_checks
from console.monitor.self_check import run_contract_check


def add(parser: argparse.ArgumentParser) -> None:
    add_options(parser, strict="fail if metrics are missing that are neither announced nor optional")


def run(arguments: argparse.Namespace) -> int:
    return run_checks(arguments, run_contract_check, name="cad-console contract", whole=True)
