"""`cad-console journal verify`: whether a journal, or an export of one, is as the console wrote it, and what shows that."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from console.config.settings import Settings
from console.journal.hash_chain import ChainEnd, ChainEntry, ChainReport, Head, checked, parse_head, parsed
from console.journal.sqlite import Journal, JournalError
from queries.errors import SourceError
from queries.model.text import visible

_FAULTS_SHOWN = 20
_STORE_SECONDS = 10.0


def head_argument(text: str) -> Head:
    try:
        return parse_head(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def verify(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 no fault found, 1 broken. Raises FileNotFoundError, OSError and JournalError."""
    heads = tuple(arguments.head)
    if arguments.file:
        return _verify_export(arguments.file, heads)
    from console.journal.integrity import verify as verify_file  # noqa: PLC0415  # for this verb alone

    path = settings.paths.journal_file
    with Journal.open_to_read(path) as journal:
        found = verify_file(journal, heads=heads)
        found, outside = _compared(found, journal, settings)
    return _report(found, path, [*_notes(found), *outside, *_unanchored(found)])


def _verify_export(file: str, heads: tuple[Head, ...]) -> int:
    if file == "-":
        found, name = checked(_read(sys.stdin), heads=heads), "standard input"
    else:
        with Path(file).open(encoding="utf-8", errors="backslashreplace") as lines:
            found, name = checked(_read(lines), heads=heads), file
    cut = ["the release before wrote it: whether its beginning was cut off cannot be seen"] if found.uncounted else []
    return _report(found, name, [*_notes(found), *cut, *_unanchored(found)])


def _read(lines: Iterable[str]) -> Iterator[ChainEntry | ChainEnd]:
    """Raises JournalError for the first line that is no entry: then nothing can be said about the rest.

    A last line without its end is a cut, which the missing end of the export tells.
    """
    for number, text in enumerate(lines, 1):
        try:
            yield parsed(text)
        except ValueError as error:
            if not text.endswith("\n") and number > 1:
                return
            raise JournalError(f"line {number} {error}: this is no export of a journal, or a damaged one") from None


def _compared(found: ChainReport, journal: Journal, settings: Settings) -> tuple[ChainReport, list[str]]:
    """With what the shared store knows of this file, where one is configured."""
    from console.journal.anchors import compare  # noqa: PLC0415  # a client
    from console.journal.store_factory import open_store  # noqa: PLC0415  # as above

    store = open_store(settings)
    if store is None:
        return found, []
    where = visible(store.where)
    try:
        told = compare(journal, store, seconds=_STORE_SECONDS)
    except SourceError as error:
        return found, [f"not compared with the shared store: {visible(error.fault.sentence())}"]
    if not told.heads:
        return found, [f"the shared store ({where}) has no head of this file, which may be new, or not the one that was here"]
    faults = (*found.faults, *told.faults)
    more = f"; nothing outside shows what came after #{told.last}" if told.last < found.last else ""
    heads = f"{told.heads} {'head' if told.heads == 1 else 'heads'} of this file, the newest of #{told.last}{more}"
    anchored = Head("", told.last, where)
    return replace(found, faults=faults, heads=(*found.heads, anchored)), [f"compared with the shared store ({where}): {heads}"]


def _notes(found: ChainReport) -> Iterator[str]:
    if found.older:
        entries = "1 entry is" if found.older == 1 else f"{found.older} entries are"
        yield f"{entries} of the release before: the hash does not cover the column `writer` there"
    for head in found.heads:
        if head.hash:
            yield f"the head {head} that you gave is in it"


def _unanchored(found: ChainReport) -> Iterator[str]:
    if not found.heads:
        yield (
            "not compared with anything outside: whoever can write the file can have written all of it again; "
            "--head compares it with a head that was noted"
        )


def _report(found: ChainReport, name: str, notes: Iterable[str]) -> int:
    entries = f"{found.entries} {'entry' if found.entries == 1 else 'entries'}"
    head = Head(found.head, found.last)
    told = f"{entries}, #{found.first} to #{found.last}, head {head}" if found.entries else "no entries"
    print(f"{'BROKEN' if found.faults else 'no fault found'}: {visible(name)}: {told}")
    for fault in found.faults[:_FAULTS_SHOWN]:
        print(f"  {visible(fault)}")
    if len(found.faults) > _FAULTS_SHOWN:
        print(f"  and {len(found.faults) - _FAULTS_SHOWN} more")
    for note in notes:
        print(f"  {note}")
    return 1 if found.faults else 0
