"""`cad-console alerts`: the alerts that are there now, as a table, JSON or Markdown; and whose they are."""

from __future__ import annotations

import argparse
import sys
import time

from console.cli.one_shot import one_snapshot, say_caveat, with_session
from console.cli.status import alert_row
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.journal.acknowledgements import held_sentence, outcome_sentence
from console.journal.sqlite import JournalError
from console.monitor.session import Session
from console.state import snapshot_json
from queries.model.matcher import MatcherError, parse_matchers
from queries.model.text import visible
from queries.text.formatting import span
from queries.text.tables import aligned, markdown

_HEAD = ("priority", "severity", "alert", "component", "since", "state", "owner", "runbook")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "verb",
        nargs="?",
        choices=("list", "ack", "release"),
        default="list",
        help="list (the default); ack: take an alert; release: give it back",
    )
    parser.add_argument("alert", nargs="?", default="", metavar="NAME|FINGERPRINT", help="for ack and release")
    parser.add_argument(
        "--take-over", action="store_true", help="for ack and release: even if somebody else has it; their console tells them"
    )
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table")
    parser.add_argument(
        "--filter", metavar="MATCHERS", default="", help='Alertmanager\'s syntax: severity="critical", component=~"ocr|vision"'
    )


def run(arguments: argparse.Namespace) -> int:
    """0 where the alerts are known, 2 where nobody could tell them, 3 where it is not Alertmanager's list of now."""
    settings = load_settings(arguments)
    if arguments.verb != "list":
        return with_session(settings, lambda session: _acknowledge(session, arguments))
    try:
        matchers = parse_matchers(arguments.filter)
    except MatcherError as error:
        raise ConfigError(source="flag --filter", expected=str(error)) from None
    snapshot = one_snapshot(settings)
    say_caveat(snapshot)
    found = [item for item in snapshot.alerts if all(matcher.matches(item.alert.labels) for matcher in matchers)]
    if arguments.format == "json":
        print(snapshot_json.dumps([snapshot_json.alert(item) for item in found]))
    elif not found:
        nothing = _nothing(known=snapshot.alerts_known, filtered=bool(matchers))
        print("; ".join(filter(None, (nothing, visible(snapshot.alerts_caveat), snapshot.delivery_doubt))))
    else:
        rows = [alert_row(item, snapshot.taken_at) for item in found]
        print(markdown(_HEAD, rows) if arguments.format == "markdown" else aligned([[word.upper() for word in _HEAD], *rows]))
    if not snapshot.alerts_known:
        return 2
    return 3 if snapshot.alerts_caveat else 0


async def _acknowledge(session: Session, arguments: argparse.Namespace) -> int:
    """0 where it is done, 1 where somebody else has it, 2 where it cannot be done."""
    snapshot = await session.once()
    named = [item for item in snapshot.alerts if arguments.alert in (item.alert.name, item.alert.fingerprint)]
    if len(named) != 1 or not arguments.alert:
        many = ", ".join(f"{visible(item.alert.name)} {item.alert.fingerprint}" for item in (named or snapshot.alerts)[:10])
        why = "several alerts are" if named else "no alert is"
        print(f"cad-console: {why} called {visible(arguments.alert) or '?'}: {many or 'none is known'}", file=sys.stderr)
        return 2
    alert, taking = named[0].alert, arguments.verb == "ack"
    name = visible(alert.name)
    try:
        found = await session.acknowledge(alert.fingerprint, on=taking)
        if arguments.take_over and found.mark is not None and found.whose.held and not found.written:
            found = await session.acknowledge(alert.fingerprint, on=taking, over=found.mark)
    except JournalError as error:
        print(f"cad-console: not marked: {visible(str(error))}", file=sys.stderr)
        return 2
    if found.mark is not None and found.whose.held and not found.written:
        told = visible(held_sentence(found.mark, found.whose, span(time.time() - found.mark.at)))
        print(f"{name}: {told}; nothing was changed, --take-over takes it from them", file=sys.stderr)
        if found.doubt:
            print(f"cad-console: not known whether that is still so: {visible(found.doubt)}", file=sys.stderr)
        return 1
    print(visible(outcome_sentence(name, found, taking=taking)))
    return 1 if found.whose.held else 0


def _nothing(*, known: bool, filtered: bool) -> str:
    if not known:
        return "not known: neither Alertmanager nor Prometheus told which alerts there are"
    return "no alert matches" if filtered else "no alerts"
