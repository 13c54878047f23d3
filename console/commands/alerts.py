"""`cad-console alerts`: the alerts that are there now, as a table, JSON or Markdown."""

from __future__ import annotations

import argparse

from console.commands import document
from console.commands.columns import aligned, markdown
from console.commands.once import one_snapshot
from console.commands.status import alert_row
from console.config.fault import ConfigError
from console.config.load import load_settings
from queries.model.matcher import MatcherError, parse_matchers

_HEAD = ("priority", "severity", "alert", "component", "since", "state", "owner", "runbook")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table")
    parser.add_argument(
        "--filter", metavar="MATCHERS", default="", help='Alertmanager\'s syntax: severity="critical", component=~"ocr|vision"'
    )


def run(arguments: argparse.Namespace) -> int:
    """0 where the alerts are known, 2 where nobody could tell them."""
    settings = load_settings(arguments)
    try:
        matchers = parse_matchers(arguments.filter)
    except MatcherError as error:
        raise ConfigError(source="flag --filter", expected=str(error)) from None
    snapshot = one_snapshot(settings)
    found = [item for item in snapshot.alerts if all(matcher.matches(item.alert.labels) for matcher in matchers)]
    if arguments.format == "json":
        print(document.dumps([document.alert(item) for item in found]))
    elif not found:
        doubt = f"; {snapshot.delivery_doubt}" if snapshot.delivery_doubt else ""
        print(_nothing(known=snapshot.alerts_known, filtered=bool(matchers)) + doubt)
    else:
        rows = [alert_row(item, snapshot.taken_at) for item in found]
        print(markdown(_HEAD, rows) if arguments.format == "markdown" else aligned([[word.upper() for word in _HEAD], *rows]))
    return 0 if snapshot.alerts_known else 2


def _nothing(*, known: bool, filtered: bool) -> str:
    if not known:
        return "not known: neither Alertmanager nor Prometheus told which alerts there are"
    return "no alert matches" if filtered else "no alerts"
