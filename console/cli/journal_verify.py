"""`cad-console journal verify`: checks that a journal, or an export of one, is as the console wrote it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from console.config.settings import Settings
from console.journal.errors import JournalError
from console.journal.hash_chain import ChainEnd, ChainEntry, ChainReport, Head, parse_head, parse_line, verify_chain
from console.journal.sqlite import Journal
from queries.errors import SourceError
from queries.model.text import visible

_FAULTS_SHOWN = 20
_STORE_SECONDS = 10.0


def parse_head_argument(text: str) -> Head:
    """The value of --head. Raises argparse.ArgumentTypeError."""
    try:
        return parse_head(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run_verify(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 no fault found, 1 broken. Raises FileNotFoundError, OSError and JournalError."""
    heads = tuple(arguments.head)
    if arguments.file:
        return _verify_export(arguments.file, heads)
    from console.journal.integrity import verify as verify_file  # only for this verb

    path = settings.paths.journal_file
    with Journal.open_to_read(path) as journal:
        result = verify_file(journal, heads=heads)
        result, store_notes = _compare_with_store(result, journal, settings)
    return _print_report(result, path, [*_notes(result), *store_notes, *_unanchored(result)])


def _verify_export(file: str, heads: tuple[Head, ...]) -> int:
    if file == "-":
        result, name = verify_chain(_read(sys.stdin), heads=heads), "standard input"
    else:
        with Path(file).open(encoding="utf-8", errors="backslashreplace") as lines:
            result, name = verify_chain(_read(lines), heads=heads), file
    notes = ["written by the previous release, so a missing beginning cannot be detected"] if result.uncounted else []
    return _print_report(result, name, [*_notes(result), *notes, *_unanchored(result)])


def _read(lines: Iterable[str]) -> Iterator[ChainEntry | ChainEnd]:
    """Raises JournalError for the first line that is not an entry: the rest cannot be verified then.

    An incomplete last line means a truncated export, which the missing end of the chain reports.
    """
    for number, text in enumerate(lines, 1):
        try:
            yield parse_line(text)
        except ValueError as error:
            if not text.endswith("\n") and number > 1:
                return
            raise JournalError(f"line {number} {error}: not an export of a journal, or a damaged one") from None


def _compare_with_store(result: ChainReport, journal: Journal, settings: Settings) -> tuple[ChainReport, list[str]]:
    """The report with the shared store's heads of this file, where a store is configured, and notes about them."""
    from console.journal.anchors import compare  # imports a client
    from console.journal.store_factory import open_store  # as above

    store = open_store(settings)
    if store is None:
        return result, []
    where = visible(store.where)
    try:
        anchors = compare(journal, store, seconds=_STORE_SECONDS)
    except SourceError as error:
        return result, [f"not compared with the shared store: {visible(error.fault.sentence())}"]
    if not anchors.heads:
        return result, [f"the shared store ({where}) has no head of this file: the file is new, or not the original one"]
    faults = (*result.faults, *anchors.faults)
    rest = f"; nothing outside confirms the entries after #{anchors.last}" if anchors.last < result.last else ""
    heads = f"{anchors.heads} {'head' if anchors.heads == 1 else 'heads'} of this file, the newest of #{anchors.last}{rest}"
    anchored = Head("", anchors.last, where)
    return replace(result, faults=faults, heads=(*result.heads, anchored)), [
        f"compared with the shared store ({where}): {heads}"
    ]


def _notes(result: ChainReport) -> Iterator[str]:
    if result.older:
        entries = "1 entry is" if result.older == 1 else f"{result.older} entries are"
        yield f"{entries} from the previous release, whose hash does not cover the column `writer`"
    for head in result.heads:
        if head.hash:
            yield f"contains the given head {head}"


def _unanchored(result: ChainReport) -> Iterator[str]:
    if not result.heads:
        yield (
            "not compared with anything outside the file, and anybody with write access could have rewritten all of it; "
            "--head compares it with a recorded head"
        )


def _print_report(result: ChainReport, name: str, notes: Iterable[str]) -> int:
    entries = f"{result.entries} {'entry' if result.entries == 1 else 'entries'}"
    head = Head(result.head, result.last)
    summary = f"{entries}, #{result.first} to #{result.last}, head {head}" if result.entries else "no entries"
    print(f"{'BROKEN' if result.faults else 'no fault found'}: {visible(name)}: {summary}")
    for fault in result.faults[:_FAULTS_SHOWN]:
        print(f"  {visible(fault)}")
    if len(result.faults) > _FAULTS_SHOWN:
        print(f"  and {len(result.faults) - _FAULTS_SHOWN} more")
    for note in notes:
        print(f"  {note}")
    return 1 if result.faults else 0
