"""`cad-console handover`: what the next shift has to know, and its signature."""

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

_FORMS: Mapping[str, Callable[[HandoverReport], str]] = {
    "text": report.as_text,
    "json": lambda made: snapshot_json.dumps(report.as_json(made)),
    "markdown": report.as_markdown,
}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=tuple(_FORMS), default="text")
    parser.add_argument("--output", metavar="FILE", help="write it there instead of printing it")
    parser.add_argument("--sign", action="store_true", help="sign it in the journal: the next shift begins now")
    parser.add_argument("--to", metavar="NAME", default="", help="who takes over; goes with --sign")
    parser.add_argument("--remark", metavar="TEXT", default="", help="what else the next person should know; goes with --sign")
    parser.epilog = "exit codes: 0 it was put together (and signed); 1 it could not be signed; 2 no source answered at all"


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    if (arguments.to or arguments.remark) and not arguments.sign:
        print("cad-console handover: --to and --remark go with --sign", file=sys.stderr)
        return 2

    async def work(session: Session) -> tuple[HandoverReport, str]:
        made = await look(session, settings)
        if not arguments.sign:
            return made, ""
        data = signed(made.sections, made.shift, name=settings.user, to=arguments.to, remark=arguments.remark)
        try:
            await session.record(SIGNED, new_id(), data)
        except JournalError as error:
            return made, str(error)
        return replace(made, head=(await session.ledger()).head), ""

    made, fault = with_session(settings, work)
    code = write(_FORMS[arguments.format](made), arguments.output)
    if fault:
        print(f"cad-console handover: not signed: {fault}", file=sys.stderr)
        return 1
    return code or (0 if made.snapshot.answered else 2)


async def look(session: Session, settings: Settings) -> HandoverReport:
    """Every source asked once, and the error budget over the shift."""
    snapshot = await session.once()
    now = time.time()
    shift = shift_of(snapshot.ledger.handovers, now=now, hours=settings.shift_hours)
    budget = await budget_over(snapshot, shift, prometheus=session.prometheus, now=now)
    incidents = known_incidents(snapshot.ledger, known=session.journal_known)
    facts = HandoverInput(snapshot, shift, load_checklists(settings), incidents, budget, now)
    return HandoverReport(handover(facts), snapshot, shift, snapshot.ledger.head)
