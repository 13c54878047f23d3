"""`cad-console journal`: shows, exports and verifies the audit log."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from console.cli.journal_verify import parse_head_argument, run_verify
from console.config.load import load_settings
from console.config.settings import Settings
from console.journal.errors import VERIFY, JournalError
from console.journal.event import Event
from console.journal.hash_chain import ChainEnd, Head, format_end, format_entry
from console.journal.payloads import EventSettled
from console.journal.search import SearchQuery, search
from console.journal.sqlite import Journal
from console.state.journal_text import event_text
from queries.model.text import visible
from queries.text.durations import format_span
from queries.text.tables import align, format_markdown_table
from queries.text.times import format_time

if TYPE_CHECKING:
    from console.monitor.session import Session

_HEAD = ("#", "time", "kind", "environment", "who", "what")
_UNFINISHED_SHOWN = 20


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "verb",
        nargs="?",
        choices=("show", "export", "verify", "settle"),
        default="show",
        help="show (the default); export: every event as a JSON line with its hash chain; verify: check that the journal, or "
        "an export in FILE, is as the console wrote it; settle: record that the outcome of an action stays unknown, or that an "
        "entry stays left out",
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE|RUN|#N",
        help="for verify: an export, - for standard input; for settle: a run without outcome, or a left-out entry #N",
    )
    parser.add_argument(
        "--head",
        action="append",
        type=parse_head_argument,
        default=[],
        metavar="N:HASH",
        help="for verify: a head from a handover, an export or a verification, which the journal must contain",
    )
    parser.add_argument("--format", choices=("text", "json", "markdown"), default="text", help="for show")
    parser.add_argument("--limit", type=_count, default=50, metavar="N", help="the newest N events (50)")
    parser.add_argument("--before", type=_count, metavar="N", help="only events before #N, for the previous page")
    parser.add_argument("--after", type=_count, default=0, metavar="N", help="only events after #N")
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        metavar="KIND",
        help="only this kind, such as action.outcome; alert. for all kinds that start so",
    )
    parser.add_argument("--subject", default="", metavar="ID", help="only events about this run, alert or incident")
    parser.add_argument(
        "--unshared",
        action="store_true",
        help="only events that the shared store lacks, and why; combines with --kind and --limit",
    )
    parser.epilog = (
        "exits 0 where the journal is readable (for show also where there is none yet), else 1; "
        "verify: 0 no fault found, 1 broken, 2 unreadable; settle: 2 where there is no such run"
    )


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    path = settings.paths.journal_file
    if arguments.verb == "settle":
        return _settle(settings, arguments.file or "")
    if arguments.file and arguments.verb != "verify":
        print(f"cad-console: {arguments.verb} takes no file", file=sys.stderr)
        return 2
    try:
        if arguments.verb == "verify":
            return run_verify(arguments, settings)
        with Journal.open_to_read(path) as journal:
            return _export(journal, arguments.after) if arguments.verb == "export" else _show(journal, arguments)
    except FileNotFoundError:
        if arguments.verb == "verify":
            print(f"cad-console: no such file: {visible(arguments.file or path)}", file=sys.stderr)
            return 2
        if arguments.verb == "show":
            print("[]" if arguments.format == "json" else f"no events: no journal at {path} yet")
        return 0
    except (JournalError, OSError) as error:
        print(f"cad-console: {visible(str(error))}", file=sys.stderr)
        return 2 if arguments.verb == "verify" else 1


def _settle(settings: Settings, run: str) -> int:
    from console.cli.one_shot import with_session  # a session, which no other part of this verb needs

    async def settle(session: Session) -> int:
        ledger, caveat = await session.newest_ledger()
        if caveat:
            print(f"cad-console: {visible(caveat)}", file=sys.stderr)
        if run.startswith("#") and run[1:].isascii() and run[1:].isdigit() and int(run[1:]) in ledger.left_out:
            item = ledger.left_out[int(run[1:])]
            await session.record(item.id, EventSettled(item.why))
            print(f"settled: {visible(run)} {visible(item.kind)} stays left out and is no longer listed")
            return 0
        if run not in ledger.unfinished:
            known = ", ".join(visible(item) for item in ledger.unfinished) or "none"
            print(
                f"cad-console: no action without an outcome has the id {visible(run) or '?'}; known: {known}", file=sys.stderr
            )
            return 2
        await session.settle_action(ledger.unfinished[run])
        print(f"settled: the outcome of {visible(run)} stays unknown")
        return 0

    try:
        return with_session(settings, settle)
    except JournalError as error:
        print(f"cad-console: not settled: {visible(str(error))}", file=sys.stderr)
        return 1


def _show(journal: Journal, arguments: argparse.Namespace) -> int:
    if arguments.unshared:
        return _show_unshared(journal, arguments)
    events = journal.events(
        after=arguments.after,
        until=arguments.before - 1 if arguments.before else None,
        kinds=arguments.kind,
        subject=arguments.subject,
        limit=arguments.limit,
    )
    unfinished = journal.unfinished()
    unshared = journal.outbox.unshared()
    if arguments.format == "json":
        print(json.dumps([as_json(event) for event in events], indent=2, ensure_ascii=False))
    elif not events:
        print("no events")
    else:
        rows = [_row(event) for event in events]
        print(
            format_markdown_table(_HEAD, rows)
            if arguments.format == "markdown"
            else align([[word.upper() for word in _HEAD], *rows])
        )
    for item in unfinished[-_UNFINISHED_SHOWN:]:
        text = visible(item.sentence(format_span(time.time() - item.intent.at)))
        print(f"outcome unknown: {text} (journal settle {visible(item.intent.subject)})", file=sys.stderr)
    if len(unfinished) > _UNFINISHED_SHOWN:
        print(f"and {len(unfinished) - _UNFINISHED_SHOWN} older ones whose outcome is unknown", file=sys.stderr)
    for (store, error), count in sorted(Counter((store, error) for _, store, error in unshared).items()):
        state = f"cannot be shared: {visible(error)}" if error else "not yet shared; `doctor` shows why"
        print(f"{count} {'event' if count == 1 else 'events'} for {visible(store)} {state}", file=sys.stderr)
    first = events[0].sequence if len(events) == arguments.limit else arguments.after + 1
    last = arguments.before - 1 if arguments.before else journal.counted()
    return _check_complete(journal, first=first, last=last, found=journal.count(first, last))


def _show_unshared(journal: Journal, arguments: argparse.Namespace) -> int:
    query = SearchQuery(kinds=tuple(arguments.kind), unshared=True)
    # A journal of an older release has no such list.
    entries = tuple(reversed(search(journal, query, limit=arguments.limit).entries)) if journal.outbox.unshared() else ()
    if arguments.format == "json":
        rows_json = [{**as_json(entry.event), "unshared": entry.unshared} for entry in entries]
        print(json.dumps(rows_json, indent=2, ensure_ascii=False))
        return 0
    if not entries:
        print("no unshared events")
        return 0
    head, rows = (*_HEAD, "why here"), [[*_row(entry.event), visible(entry.unshared)] for entry in entries]
    print(
        format_markdown_table(head, rows) if arguments.format == "markdown" else align([[word.upper() for word in head], *rows])
    )
    return 0


def _export(journal: Journal, after: int) -> int:
    entries = first = last = 0
    head = ""
    for link in journal.links(after=after):
        print(format_entry(link))
        last, head = link.event.sequence, link.hash
        first, entries = first or last, entries + 1
    print(format_end(ChainEnd(last, head, entries, first)), flush=True)
    if entries:
        print(f"{entries} entries, head {Head(head, last)}", file=sys.stderr)
    return _check_complete(journal, first=after + 1, last=journal.counted(), found=entries)


def _check_complete(journal: Journal, *, first: int, last: int, found: int) -> int:
    """Numbers are consecutive and events are never deleted: a missing number means a damaged file."""
    if found >= last - first + 1:
        return 0
    lost = last - first + 1 - found
    problem = f"{lost} of the events #{first} to #{last} are missing" if lost > 1 else f"one of #{first} to #{last} is missing"
    print(f"cad-console: the journal {visible(str(journal.path))} is damaged: {problem}; {VERIFY}", file=sys.stderr)
    return 1


def as_json(event: Event) -> dict[str, object]:
    return {
        "sequence": event.sequence,
        "id": event.id,
        "at": format_time(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "author": event.author,
        "environment": event.environment,
        "data": event.data,
    }


def _row(event: Event) -> list[str]:
    cells = (event.kind, event.environment, event.author, event_text(event))
    return [str(event.sequence), format_time(event.at), *(visible(cell) for cell in cells)]


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a number from 1")
    return int(text)
