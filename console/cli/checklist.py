"""`cad-console checklist`: one headless evaluation of a checklist on live data, for cron and CI."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from console.checklists import report
from console.checklists.definition import Checklist, KpisEvidence, QueryEvidence
from console.checklists.loader import ChecklistNames, Checklists, load_checklists, shipped_text
from console.checklists.report import ChecklistReport
from console.checks.own_panels import load_overview
from console.cli.one_shot import UsageError, past_moment, with_session
from console.config.load import load_settings
from console.config.settings import Settings
from console.monitor.checklist_sources import find_sources
from console.monitor.session import Session
from console.monitor.source_results import EVERY_SOURCE
from console.runbooks.index import RunbookIndex
from console.state import snapshot_json
from queries.catalogue.loader import load_board
from queries.errors import RequestRejected, SourceError
from queries.model.text import visible
from queries.text.suggestions import suggest_spelling
from queries.text.tables import align


def _as_junit(result: ChecklistReport) -> str:
    from console.checklists.report_junit import as_junit  # XML, for this format alone

    return as_junit(result)


_FORMATS: Mapping[str, Callable[[ChecklistReport], str]] = {
    "text": report.as_text,
    "json": lambda each: snapshot_json.dumps(report.as_json(each)),
    "markdown": report.as_markdown,
    "junit": _as_junit,
}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="morning, hourly, end-of-day or one of your own; all without")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="text")
    parser.add_argument("--at", metavar="TIME", default="", help="as of then: 03:12, -2h, '2026-11-29 03:12', 'incident 4'")
    parser.add_argument("--output", metavar="FILE", help="write the report to this file instead of printing it")
    parser.add_argument(
        "--lint", action="store_true", help="validate every checklist; exit codes: 0 valid, 1 errors, 2 a query not checked"
    )
    parser.add_argument("--print", action="store_true", dest="shipped", help="print the built-in file, as a start for your own")
    parser.epilog = (
        "exit codes: 0 all ok; 1 an item is critical or warns (a target is missed); 2 an item could not be evaluated, or there "
        "is no such checklist. Questions for a person are listed and do not fail."
    )


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    if arguments.shipped:
        return _print_shipped(arguments.name or "")
    overview = load_overview(settings)
    runbooks = RunbookIndex.from_settings(settings)
    known = load_checklists(settings, overview, runbooks)
    if arguments.lint:
        return _lint(known, settings)
    if not arguments.name:
        print(align([(item.name, item.due, f"{len(item.items)} items", visible(item.title)) for item in known.lists]))
        return _report_broken(known)
    checklist = known.get(arguments.name)
    if checklist is None:
        broken = next((item.why for item in known.broken if item.name == arguments.name), "")
        error = broken or f"no checklist {arguments.name!r}, {suggest_spelling(arguments.name, known.names)}"
        print(f"cad-console checklist: {visible(error)}", file=sys.stderr)
        return 2
    # A past moment is put together from every source.
    sources, specs = (EVERY_SOURCE, overview) if arguments.at else find_sources(checklist, overview)
    try:
        result = with_session(
            settings,
            lambda session: _run_once(session, checklist, arguments.at),
            sources,
            specs=specs,
            runbooks=runbooks,
            whole_trends=arguments.format == "json",  # nothing else has them
        )
    except UsageError as error:
        print(f"cad-console checklist: --at: {visible(str(error))}", file=sys.stderr)
        return 2
    return write(_FORMATS[arguments.format](result), arguments.output) or result.code


async def _run_once(session: Session, checklist: Checklist, at: str) -> ChecklistReport:
    if at:
        async with past_moment(session, at) as past:
            return await past.checklists.run_once(checklist, past.snapshot())
    return await session.checklists.run_once(checklist, await session.once())


def write(text: str, output: str | None) -> int:
    """0, or 2 where the file cannot be written."""
    if output is None:
        print(text)
        return 0
    try:
        Path(output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(f"cad-console: {output} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _print_shipped(name: str) -> int:
    try:
        print(shipped_text(name), end="")
    except KeyError:
        known = Checklists.load("", ChecklistNames(load_board("overview"))).names
        print(f"cad-console checklist: no built-in checklist {name!r}, {suggest_spelling(name, known)}", file=sys.stderr)
        return 2
    return 0


def _report_broken(known: Checklists) -> int:
    for item in known.broken:
        print(f"cad-console checklist: {visible(item.why)}", file=sys.stderr)
    return 2 if known.broken else 0


def _lint(known: Checklists, settings: Settings) -> int:
    """0 where every file is valid and Prometheus accepts every query, 1 where not, 2 where it did not answer for one."""
    failed = len(known.broken)
    for broken in known.broken:
        print(visible(broken.why))
    rejected, unchecked = _rejected_queries(known, settings)
    for error in rejected:
        print(visible(error))
    if not failed and not rejected:
        count = sum(len(item.items) for item in known.lists)
        print(f"{len(known.lists)} checklists, {count} items: {'the files are valid' if unchecked else 'all valid'}")
    return 1 if failed or rejected else 2 if unchecked else 0


def _rejected_queries(known: Checklists, settings: Settings) -> tuple[tuple[str, ...], bool]:
    """Prometheus' errors about the checklists' queries, and whether it did not answer for one, which is printed."""
    specs = {
        (item.path, spec.id): spec
        for item in known.lists
        for each in item.items
        if isinstance(each.evidence, QueryEvidence | KpisEvidence)
        for spec in ((each.evidence.spec,) if isinstance(each.evidence, QueryEvidence) else each.evidence.specs)
        if spec.raw
    }
    if settings.prometheus is None or not specs:
        print("no Prometheus is configured: queries not checked")
        return (), False

    async def try_queries(session: Session) -> tuple[tuple[str, ...], bool]:
        errors = []
        for (path, name), spec in specs.items():
            try:
                await session.evaluate(spec.raw)
            except RequestRejected as error:
                errors.append(f"{path}: query {name}: {error.fault.what}")
            except SourceError as error:
                print(f"queries not checked: {visible(error.fault.sentence())}")
                return tuple(errors), True
        return tuple(errors), False

    return with_session(settings, try_queries)
