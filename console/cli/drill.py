"""`cad-console drill`: the drills of a game day, in environments that are not protected."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from contextlib import aclosing
from pathlib import Path

from console.actions.guard.guard import GuardControl
from console.actions.guard.takeover import NotTaken
from console.actions.plan import Preview
from console.cli.act import check_confirmations, parse_parameters, print_preview, prompt, start_watching
from console.cli.one_shot import print_notices, read_ledger, with_session
from console.cli.parser import add_flags
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.config.settings import Settings
from console.drills.report import FORMATS, exit_code, format_drill
from console.drills.run import DrillStep
from console.drills.service import DrillRefused
from console.journal.errors import JournalError
from console.monitor.session import Session
from console.state.drills import DrillRecord
from console.state.guards import is_unguarded
from queries.model.text import visible
from queries.text.durations import format_age, format_duration, format_elapsed
from queries.text.tables import align
from queries.text.times import format_minute

_SHOWN = 10


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list the drills, and the newest that were run")
    run_it = verbs.add_parser("run", help="run a drill, and write its report")
    stop = verbs.add_parser("stop", help="roll back the fault of a drill whose console has ended")
    report = verbs.add_parser("report", help="print the report of a drill that was run")
    run_it.add_argument("name", metavar="NAME", help="the drill, as in `drill list`")
    run_it.add_argument("target", metavar="TARGET", nargs="?", default="", help="the workload, as deployment/NAME")
    run_it.add_argument("--for", dest="limit", metavar="DURATION", default="", help="roll it back after so long, such as 10m")
    run_it.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="another value of a parameter")
    run_it.add_argument("--yes", action="store_true", help="do not ask for confirmation; every check still applies")
    run_it.add_argument(
        "--confirm", metavar="WORD", action="append", default=[], help="with --yes: the text that a check ASKS for"
    )
    report.add_argument("number", metavar="N", nargs="?", type=int, help="its number; defaults to the newest")
    for verb in (listing, run_it, stop, report):
        add_flags(verb)
    for verb in (run_it, report):
        verb.add_argument("--format", choices=FORMATS, default="text")
        verb.add_argument("--output", metavar="FILE", help="write the report there")


def run(arguments: argparse.Namespace) -> int:
    """run and report: 0 every goal met, 1 refused or a goal missed, 2 not observed, 5 the undo failed."""
    settings = load_settings(arguments)
    if arguments.verb == "list":
        return with_session(settings, _list)
    if arguments.verb == "report":
        return with_session(settings, lambda session: _report(session, arguments))
    if arguments.verb == "stop":
        return asyncio.run(_stop(settings))
    if not (arguments.yes or sys.stdin.isatty()):
        print("cad-console: no terminal to confirm on; use --yes", file=sys.stderr)
        return 1
    return asyncio.run(_run(settings, arguments))


async def _list(session: Session) -> int:
    service, ledger, now = session.drills, await read_ledger(session), time.time()
    for problem in session.file_warnings:
        print(f"warning: {visible(problem)}", file=sys.stderr)
    print(align([(item.id, format_duration(item.limit_seconds), visible(item.title)) for item in service.drills.values()]))
    if service.refusal:
        print(f"\n{visible(service.refusal)}")
    records = (*ledger.drills.ended[-_SHOWN:], *ledger.drills.open)
    if records:
        rows = [
            (str(item.number), format_minute(item.started_at, now=now), visible(item.title), _describe(item, now), item.author)
            for item in reversed(records)
        ]
        print(f"\n{align(rows)}")
    return 0


def _describe(record: DrillRecord, now: float) -> str:
    until = record.rolls_back_at
    return record.result or (f"open until {format_minute(until, now=now)}" if until is not None else "open")


async def _report(session: Session, arguments: argparse.Namespace) -> int:
    drills = (await read_ledger(session)).drills
    record = drills.newest if arguments.number is None else drills.find(arguments.number)
    if record is None:
        which = (
            "no drill was run yet"
            if arguments.number is None
            else f"the newest drills have no number {arguments.number}; `cad-console drill list` names them"
        )
        print(f"cad-console: {which}", file=sys.stderr)
        return 1
    if not record.result:
        print(f"cad-console: drill {record.number} has not ended", file=sys.stderr)
        return 2
    return _print_report(record, arguments)


def _print_report(record: DrillRecord, arguments: argparse.Namespace) -> int:
    text = format_drill(record, format=arguments.format, now=time.time())
    if arguments.output:
        try:
            Path(arguments.output).write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(source=arguments.output, expected=f"cannot be written: {error.strerror}") from None
    else:
        print(text)
    return exit_code(record)


async def _run(settings: Settings, arguments: argparse.Namespace) -> int:
    print_notices(settings)
    session = await asyncio.to_thread(Session.open, settings)
    # A report for a program alone on stdout; for people, with what happens.
    progress = sys.stdout if arguments.format == "text" and not arguments.output else sys.stderr

    async def confirm(preview: Preview) -> bool:
        print_preview(preview)
        if preview.blocked:
            return False
        return check_confirmations(preview, tuple(arguments.confirm)) if arguments.yes else await prompt(preview)

    try:
        drill = session.drills.start(
            arguments.name, arguments.target, confirm=confirm, limit=arguments.limit, parameters=parse_parameters(arguments)
        )
        await start_watching(session)
        loop, signals = asyncio.get_running_loop(), 0

        def on_signal() -> None:
            """The first rolls the fault back, the second leaves it to the next console."""
            nonlocal signals
            signals += 1
            if signals > 1 and task is not None:
                task.cancel()
            drill.stop(settings.user)
            print("stopping: the fault is rolled back; again to leave it to the next console", file=sys.stderr, flush=True)

        task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, on_signal)
        last: DrillStep | None = None
        async with aclosing(drill.steps()) as steps:
            async for step in steps:
                if last is None or step.text != last.text:
                    stage = step.run.stage.value if step.run is not None else "drill"
                    elapsed = format_elapsed(step.elapsed_seconds)
                    print(f"{elapsed:>7}  {stage:<15} {visible(step.text)}", file=progress, flush=True)
                last = step
        record = next((item for item in (await session.ledger()).drills.ended if item.id == drill.identity), None)
    except DrillRefused as refusal:
        print(f"cad-console: {visible(str(refusal))}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print("interrupted: the fault is in place until another console rolls it back", file=sys.stderr)
        return 2
    finally:
        await session.close()
    if record is None:
        return 1  # nobody confirmed it
    print(file=progress)
    return _print_report(record, arguments)


async def _stop(settings: Settings) -> int:
    """Takes over the guards of drills whose console has ended, and lets them undo at once."""
    print_notices(settings)
    session, code = await asyncio.to_thread(Session.open, settings), 0
    try:
        await start_watching(session)
        ledger, caveat = await session.newest_ledger()
        if caveat:
            print(f"cad-console: {visible(caveat)}; drills may be missing", file=sys.stderr)
            code = 1
        presence = session.snapshot().presence
        guards = [item for item in ledger.guards.open if item.start.drill]
        for record in guards:
            if not is_unguarded(record, presence):
                since = format_age(max(0.0, time.time() - record.started_at))
                print(f"{visible(record.title)} of {record.author} runs since {since}: stop it where it runs", file=sys.stderr)
                code = 1
                continue
            control = GuardControl()
            control.roll_back()
            try:
                async with aclosing(session.take_over(record, control=control)) as steps:  # type: ignore[type-var]
                    async for step in steps:
                        print(visible(step.text), flush=True)
                        code = code or (0 if step.outcome is None or step.outcome.value == "rolled back" else 1)
            except NotTaken as error:
                print(f"cad-console: {visible(str(error))}", file=sys.stderr)
                code = 1
        ledger = await session.ledger()
        abandoned = session.drills.list_abandoned(ledger, session.snapshot().presence)
        for drill in abandoned:
            try:
                print(visible(await session.drills.close(drill, ledger.guards)))
            except JournalError as error:
                why = f"the end of the drill {drill.title} could not be journalled: {error}"
                print(f"cad-console: {visible(why)}", file=sys.stderr)
                code = 1
        if not guards and not abandoned and not caveat:
            print("nothing to roll back: no orphaned drills")
        return code
    finally:
        await session.close()
