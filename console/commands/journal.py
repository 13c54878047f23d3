"""`cad-console journal`: what was done, by whom, with what outcome."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from console.commands.columns import aligned, markdown
from console.config.load import load_settings
from console.journal.event import Event
from console.journal.sqlite import Journal, JournalError
from queries.model.text import visible

_HEAD = ("#", "time", "kind", "environment", "who", "what")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    parser.add_argument("--limit", type=_count, default=50, metavar="N", help="the newest N events (50)")
    parser.add_argument("--kind", action="append", default=[], metavar="KIND", help="only this kind, such as action.outcome")


def run(arguments: argparse.Namespace) -> int:
    """0 where the journal could be read (also where there is none yet), 1 where it could not."""
    settings = load_settings(arguments)
    try:
        journal = Journal.open_to_read(settings.paths.journal_file)
    except FileNotFoundError:
        print("[]" if arguments.format == "json" else f"no events: there is no journal at {settings.paths.journal_file} yet")
        return 0
    except JournalError as error:
        print(f"cad-console: {error}", file=sys.stderr)
        return 1
    try:
        with journal:
            events = journal.events(kinds=arguments.kind, limit=arguments.limit)
            unfinished = journal.unfinished()
    except JournalError as error:
        print(f"cad-console: {error}", file=sys.stderr)
        return 1
    if arguments.format == "json":
        print(json.dumps([as_json(event) for event in events], indent=2, ensure_ascii=False))
    elif not events:
        print("no events")
    else:
        rows = [_row(event) for event in events]
        print(markdown(_HEAD, rows) if arguments.format == "markdown" else aligned([[word.upper() for word in _HEAD], *rows]))
    for event in unfinished:
        title = visible(str(event.data.get("title") or event.subject))
        print(f"outcome unknown: {title}, begun {_time(event.at)} by {visible(event.author)}", file=sys.stderr)
    return 0


def as_json(event: Event) -> dict[str, object]:
    return {
        "sequence": event.sequence,
        "at": _time(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "author": event.author,
        "environment": event.environment,
        "data": event.data,
    }


def what(event: Event) -> str:
    """The event in one line."""
    data = event.data
    if event.kind == "action.outcome":
        return f"{data.get('title', '')}: {data.get('text') or data.get('outcome', '')}"
    if event.kind.startswith("action."):
        cause = f" ({data['cause']})" if data.get("cause") else ""
        return f"{data.get('title', '')}{cause}"
    if event.kind.startswith("alert."):
        why = f" ({data['why']})" if data.get("why") else ""
        return f"{data.get('name') or event.subject}{why}"
    return str(data.get("text") or event.subject)


def _row(event: Event) -> list[str]:
    cells = (event.kind, event.environment, event.author, what(event))
    return [str(event.sequence), _time(event.at), *(visible(cell) for cell in cells)]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return int(text)
