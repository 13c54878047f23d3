"""`cad-console handover`: the report for the next shift, and its signature."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from console.cli.checklist import write
from console.cli.one_shot import with_session
from console.config.load import load_settings
from console.handover import report
from console.handover.report import HandoverReport
from console.journal.errors import JournalError
from console.monitor.session import Session
from console.state import snapshot_json
from queries.model.text import visible

_FORMATS: Mapping[str, Callable[[HandoverReport], str]] = {
    "text": report.as_text,
    "json": lambda each: snapshot_json.dumps(report.as_json(each)),
    "markdown": report.as_markdown,
}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=tuple(_FORMATS), default="text")
    parser.add_argument("--output", metavar="FILE", help="write the report to this file instead of printing it")
    parser.add_argument("--sign", action="store_true", help="sign the handover in the journal: the next shift begins now")
    parser.add_argument("--to", metavar="NAME", default="", help="who takes over; requires --sign")
    parser.add_argument("--remark", metavar="TEXT", default="", help="a remark for the next shift; requires --sign")
    parser.epilog = "exit codes: 0 complete (and signed); 1 not signed; 2 no source answered"


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    if (arguments.to or arguments.remark) and not arguments.sign:
        print("cad-console handover: --to and --remark require --sign", file=sys.stderr)
        return 2

    async def work(session: Session) -> tuple[HandoverReport, str]:
        result = await _build(session)
        if not arguments.sign:
            return result, ""
        try:
            head = await session.handovers.sign(result, name=settings.user, to=arguments.to, remark=arguments.remark)
        except JournalError as error:
            return result, str(error)
        return replace(result, head=head), ""

    result, error = with_session(settings, work)
    code = write(_FORMATS[arguments.format](result), arguments.output)
    if error:
        print(f"cad-console handover: not signed: {error}", file=sys.stderr)
        return 1
    if arguments.sign:
        print(f"signed by {visible(settings.user)}: the next shift begins now", file=sys.stderr)
    return code or (0 if result.snapshot.answered else 2)


async def _build(session: Session) -> HandoverReport:
    """The report after one poll of every source, with the alerts and the error budget over the shift."""
    snapshot, now = await session.once(), time.time()
    budget, alerts = await asyncio.gather(
        session.handovers.fetch_budget(snapshot, now=now), session.handovers.fetch_alerts(snapshot, now=now)
    )
    return session.handovers.build(snapshot, await session.checklists.load(), budget, alerts, now=now)
