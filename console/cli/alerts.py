"""`cad-console alerts`: the current alerts and their owners, as a table, JSON or Markdown."""

from __future__ import annotations

import argparse
import sys
import time

from console.cli.alert_row import alert_row
from console.cli.one_shot import UsageError, fetch_snapshot, print_caveat, with_session
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.journal.acknowledgements import held_sentence, outcome_sentence
from console.journal.errors import JournalError
from console.monitor.session import Session
from console.monitor.source_results import ALERTMANAGER, KUBERNETES, RULES
from console.state.snapshot import Snapshot
from queries.model.alert import Alert
from queries.model.matcher import MatcherError, parse_matchers
from queries.model.text import visible
from queries.text.durations import format_span
from queries.text.suggestions import nearest_names
from queries.text.tables import align, format_markdown_table

_SOURCES = frozenset({ALERTMANAGER, RULES})
"""Where alerts come from; JSON also has the actions that fit each, for which the cluster is read."""
_HEAD = ("priority", "severity", "alert", "component", "since", "state", "owner", "runbook")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "verb",
        nargs="?",
        choices=("list", "ack", "release", "hand"),
        default="list",
        help="list (the default); ack: acknowledge an alert; release: undo that; hand: hand it to someone",
    )
    parser.add_argument("alert", nargs="?", default="", metavar="NAME|FINGERPRINT", help="for ack, release and hand")
    parser.add_argument("--to", metavar="USER@HOST", default="", help="for hand: the new owner")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="for ack, release and hand: also if someone else holds the alert; their console notifies them",
    )
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table")
    parser.add_argument("--at", metavar="TIME", default="", help="as of then: 03:12, -2h, '2026-11-29 03:12', 'incident 4'")
    parser.add_argument(
        "--filter", metavar="MATCHERS", default="", help='Alertmanager\'s syntax: severity="critical", component=~"ocr|vision"'
    )


def run(arguments: argparse.Namespace) -> int:
    """0 where the alerts are known, 2 where no source returned them, 3 where the list is not Alertmanager's current one, or one
    that is not listed may still be firing.
    """
    settings = load_settings(arguments)
    if (arguments.verb == "hand") != bool(arguments.to):
        raise ConfigError(source="flag --to", expected="required with `alerts hand`, and valid only there: the new owner")
    if arguments.verb != "list":
        if arguments.at:
            raise ConfigError(source="flag --at", expected="only with the list: what was then cannot be changed")
        return with_session(settings, lambda session: _acknowledge(session, arguments))
    try:
        matchers = parse_matchers(arguments.filter)
    except MatcherError as error:
        raise ConfigError(source="flag --filter", expected=str(error)) from None
    sources = _SOURCES | ({KUBERNETES} if arguments.format == "json" else set())
    try:
        snapshot = fetch_snapshot(settings, sources, at=arguments.at)
    except UsageError as error:
        print(f"cad-console alerts: --at: {visible(str(error))}", file=sys.stderr)
        return 2
    print_caveat(snapshot)
    doubts = [
        visible(text) for text in (snapshot.ends_caveat if snapshot.alerts_known else "", snapshot.delivery_doubt) if text
    ]
    alerts = [item for item in snapshot.alerts if all(matcher.matches(item.alert.labels) for matcher in matchers)]
    if arguments.format == "json":
        from console.state import snapshot_json  # not for a table

        print(snapshot_json.dumps([snapshot_json.alert(item) for item in alerts]))
    elif not alerts:
        text = _empty_text(known=snapshot.alerts_known, filtered=bool(matchers))
        caveats = [visible(snapshot.alerts_caveat)] if snapshot.alerts_caveat else []
        print("; ".join((text, *caveats, *doubts)))
        doubts = []
    else:
        rows = [alert_row(item, snapshot.taken_at) for item in alerts]
        print(
            format_markdown_table(_HEAD, rows)
            if arguments.format == "markdown"
            else align([[word.upper() for word in _HEAD], *rows])
        )
    for doubt in doubts:
        print(f"cad-console: {doubt}", file=sys.stderr)
    if not snapshot.alerts_known:
        return 2
    doubted = snapshot.alerts_caveat or snapshot.ends_caveat or snapshot.delivery_doubt
    return 3 if snapshot.as_of is None and doubted else 0


def find_alert(snapshot: Snapshot, requested: str) -> Alert:
    """The alert with this name or fingerprint. Raises UsageError unless it is exactly one."""
    named = [item.alert for item in snapshot.alerts if requested in (item.alert.name, item.alert.fingerprint)]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(
        f"{visible(item.name)} {item.fingerprint}" for item in (named or [i.alert for i in snapshot.alerts])[:10]
    )
    known = f"known: {listed or 'none'}"
    if not requested:
        raise UsageError(f"which alert? give its name or fingerprint; {known}")
    if named:
        raise UsageError(f"several alerts match {visible(requested)}; {known}")
    near = nearest_names(requested, (item.alert.name for item in snapshot.alerts), most=1)
    hint = f"did you mean {visible(near[0])!r}?; " if near else ""
    raise UsageError(f"no alert matches {visible(requested)}; {hint}{known}")


async def _acknowledge(session: Session, arguments: argparse.Namespace) -> int:
    """0 done, 1 where someone else owns the alert, 2 where it cannot be done."""
    try:
        alert = find_alert(await session.once(), arguments.alert)
    except UsageError as error:
        print(f"cad-console: {error}", file=sys.stderr)
        return 2
    taking, to = arguments.verb != "release", arguments.to
    name = visible(alert.name)
    try:
        result = await session.acknowledge(alert.fingerprint, on=taking, to=to)
        if arguments.take_over and result.acknowledgement is not None and result.ownership.held_by_other and not result.written:
            result = await session.acknowledge(alert.fingerprint, on=taking, over=result.acknowledgement, to=to)
    except JournalError as error:
        print(f"cad-console: not saved: {visible(str(error))}", file=sys.stderr)
        return 2
    if result.acknowledgement is not None and result.ownership.held_by_other and not result.written:
        holder = visible(
            held_sentence(result.acknowledgement, result.ownership, format_span(time.time() - result.acknowledgement.at))
        )
        print(f"{name}: {holder}; nothing changed, --take-over takes it over", file=sys.stderr)
        if result.caveat:
            print(f"cad-console: could not check whether that is current: {visible(result.caveat)}", file=sys.stderr)
        return 1
    print(visible(outcome_sentence(name, result, taking=taking, to=to, state=alert.state)))
    holder = result.acknowledgement.author if result.acknowledgement is not None else ""
    return 1 if result.ownership.held_by_other and holder != to else 0


def _empty_text(*, known: bool, filtered: bool) -> str:
    if not known:
        return "unknown: neither Alertmanager nor Prometheus returned the alerts"
    return "no alert matches" if filtered else "no alerts"
