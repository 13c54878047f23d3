"""`cad-console handover`: the report for the next shift, and its signature."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from console.checklists.incidents import known_incidents
from console.checklists.run_events import new_id
from console.cli.checklist import load_checklists, write
from console.cli.one_shot import with_session
from console.config.load import load_settings
from console.config.settings import Settings
from console.handover import report
from console.handover.report import HandoverReport
from console.handover.sections import HandoverInput, handover, signed
from console.handover.shift import budget_over, shift_of
from console.journal.sqlite import JournalError
from console.monitor.session import Session
from console.state import snapshot_json
from console.state.handovers import SIGNED

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
        result = await build_report(session, settings)
        if not arguments.sign:
            return result, ""
        data = signed(result.sections, result.shift, name=settings.user, to=arguments.to, remark=arguments.remark)
        try:
            await session.record(SIGNED, new_id(), data)
        except JournalError as error:
            return result, str(error)
        return replace(result, head=(await session.ledger()).head), ""

    result, error = with_session(settings, work)
    code = write(_FORMATS[arguments.format](result), arguments.output)
    if error:
        print(f"cad-console handover: not signed: {error}", file=sys.stderr)
        return 1
    return code or (0 if result.snapshot.answered else 2)


async def build_report(session: Session, settings: Settings) -> HandoverReport:
    """The report after one poll of every source, with the error budget over the shift."""
    snapshot = await session.once()
    now = time.time()
    shift = shift_of(snapshot.ledger.handovers, now=now, hours=settings.shift_hours)
    budget = await budget_over(snapshot, shift, prometheus=session.prometheus, now=now)
    incidents = known_incidents(snapshot.ledger, known=session.journal_known)
    facts = HandoverInput(snapshot, shift, load_checklists(settings), incidents, budget, now)
    return HandoverReport(handover(facts), snapshot, shift, snapshot.ledger.head)
