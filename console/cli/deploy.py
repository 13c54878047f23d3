"""`cad-console deploy`: the gates before a deployment and the watch after it, for a pipeline that deploys by itself."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from console.actions.deploy_report import FORMATS, exit_code, format_report, gate_cases, signal_cases
from console.actions.guard.checks import GuardChecks
from console.actions.guard.guard import Guard, GuardControl
from console.actions.guard.model import GuardOptions, GuardResult
from console.actions.guard.source import GuardSource
from console.actions.plan import CheckLevel, PreflightCheck, Preview, Request, RunStep
from console.cli.act import parse_seconds, parse_signal_names, qualify_target, start_watching
from console.cli.one_shot import print_notices
from console.cli.parser import add_flags
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.config.settings import Settings
from console.journal.errors import JournalError
from console.journal.payloads import GuardSignal, NoteWritten, Payload
from console.monitor.session import Session
from queries.errors import SourceError
from queries.model.text import visible
from queries.text.durations import format_duration

_PRINT_SECONDS = 60.0
"""A watch that has nothing new to say reports so often."""


def add(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    gate = verbs.add_parser("gate", help="check whether now is the time to deploy")
    watch = verbs.add_parser("watch", help="watch the signals after a deployment")
    gate.add_argument("--save", metavar="FILE", help="write the signals as they are before, for `deploy watch --before`")
    gate.add_argument("--confirm", metavar="WORD", action="append", default=[], help="pass the gate that asks for this word")
    gate.add_argument(
        "--overrule", metavar="REASON", default="", help="pass although the environment is frozen, and why, for the journal"
    )
    gate.add_argument("--allow-unknown", action="store_true", help="exit 0 also if a gate could not be checked")
    watch.add_argument("--for", dest="duration", metavar="DURATION", required=True, help="how long to watch, such as 30m")
    watch.add_argument("--before", metavar="FILE", help="what `deploy gate --save` wrote (default: the ten minutes before)")
    watch.add_argument("--hold", metavar="DURATION", help="end as unknown after a signal was unknown for so long (120s)")
    watch.add_argument("--twin", metavar="NAME", help="an unchanged Deployment to compare with")
    for verb in (gate, watch):
        add_flags(verb)
        verb.add_argument("--target", metavar="TARGET", default="", help="the workload that is deployed, as deployment/NAME")
        verb.add_argument("--signals", metavar="PANEL,…", help="the panels that are watched (error_ratio,p95_latency)")
        verb.add_argument("--format", choices=FORMATS, default="text")
        verb.add_argument("--output", metavar="FILE", help="write the report there; progress stays on stderr")


def run(arguments: argparse.Namespace) -> int:
    """0 passed or kept, 1 a gate failed or a signal got worse, 2 unknown, or no source responded."""
    if arguments.verb == "watch" and arguments.before and arguments.signals is not None:
        raise ConfigError(source="flag --signals", expected="cannot be used with --before: the file names the signals")
    settings = load_settings(arguments)
    options = GuardOptions()
    if arguments.signals is not None:
        options = replace(options, signals=parse_signal_names(arguments.signals))
    if arguments.verb == "watch":
        options = replace(options, watch_seconds=parse_seconds("for", arguments.duration, least=1.0))
        options = replace(options, twin=(arguments.twin or "").removeprefix("deployment/"))
        if arguments.hold is not None:
            options = replace(options, hold_seconds=parse_seconds("hold", arguments.hold, least=1.0))
    target = qualify_target("restart", arguments.target) if arguments.target else ""
    return asyncio.run(_run(settings, arguments, options, target))


async def _run(settings: Settings, arguments: argparse.Namespace, options: GuardOptions, target: str) -> int:
    print_notices(settings)
    session = Session.open(settings)
    try:
        await start_watching(session)
        if arguments.verb == "gate":
            await _record_overrule(session, target, arguments.overrule.strip())
            return await check_gate(session.guard_source, settings, options, target, arguments)
        return await watch_signals(session.guard_source, settings, options, target, arguments)
    except (SourceError, JournalError) as error:
        print(f"cad-console: {visible(str(error))}", file=sys.stderr)
        return 2
    finally:
        await session.close()


async def _record_overrule(session: Session, target: str, reason: str) -> None:
    """Raises JournalError: a freeze is overruled only on record."""
    if reason and any(item.ends_at(time.time()) is not None for item in session.settings.freezes):
        await session.record(target or "deploy", NoteWritten(f"deploy gate: freeze overruled: {reason}"))


async def check_gate(
    source: GuardSource, settings: Settings, options: GuardOptions, target: str, arguments: argparse.Namespace
) -> int:
    """Every gate of a guard; a guard that already watches the target fails, without one any guard. Raises SourceError."""
    checks = GuardChecks(options, source, settings)
    found = await checks.check(
        target,
        lambda guards: [item for item in guards.open if not target or item.start.target == target],
        time.time(),
        overrule=arguments.overrule.strip(),
    )
    cases = gate_cases(found, arguments.confirm)
    if arguments.save:
        _save(Path(arguments.save), msgspec.json.encode(checks.signals).decode())
    _write(format_report(cases, title="Gate before the deployment", format=arguments.format), arguments.output)
    return exit_code(cases, allow_unknown=arguments.allow_unknown)


async def watch_signals(
    source: GuardSource, settings: Settings, options: GuardOptions, target: str, arguments: argparse.Namespace
) -> int:
    """The watch of a guard that rolls back nothing: the pipeline does, by the exit code.

    Raises SourceError, and ConfigError if a signal cannot be evaluated.
    """
    warnings: tuple[PreflightCheck, ...] = ()
    if arguments.before:
        signals = read_signals(Path(arguments.before))
    else:
        checks = GuardChecks(options, source, settings)
        warnings = await checks.measure(target)
        for item in warnings:
            if item.level is CheckLevel.BLOCK:
                raise ConfigError(source="flag --signals", expected=item.text)
            print(f"warning: {visible(item.text)}", file=sys.stderr, flush=True)
        signals = checks.signals
    guard = Guard(
        options, signals, target=target, undo=None, source=source, settings=settings, record=_keep_nothing,
        run_undo=_never, find_change=_find_nothing, control=GuardControl(), clock=time.time, no_undo="",
    )  # fmt: skip
    last, at = "", 0.0
    async for report in guard.watch():
        if report.text != last and (report.outcome is not None or time.monotonic() - at >= _PRINT_SECONDS):
            last, at = report.text, time.monotonic()
            print(visible(report.text), file=sys.stderr, flush=True)
    cases = signal_cases(guard.status().readings)
    title = f"Watch of {format_duration(options.watch_seconds)} after the deployment"
    _write(format_report((*gate_cases(warnings, ()), *cases), title=title, format=arguments.format), arguments.output)
    code = exit_code(cases)
    # A signal that recovered in the very last look does not make an early end a success.
    return code if code or guard.ended is GuardResult.KEPT else 2


def read_signals(path: Path) -> tuple[GuardSignal, ...]:
    """What `deploy gate --save` wrote. Raises ConfigError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[GuardSignal, ...])
    except OSError as error:
        raise ConfigError(source=f"flag --before {path}", expected=f"cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError:
        raise ConfigError(source=f"flag --before {path}", expected="expected a file that `deploy gate --save` wrote") from None


def _write(text: str, output: str | None) -> None:
    if output:
        _save(Path(output), f"{text}\n")
    else:
        print(text)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(source=str(path), expected=f"cannot be written: {error.strerror}") from None


async def _keep_nothing(payload: Payload) -> str:
    """A pipeline's watch is no guard: it leaves no event that another console would take over."""
    return ""


async def _find_nothing() -> str:
    return ""


def _never(request: Request, confirm: Callable[[Preview], Awaitable[bool]]) -> AsyncGenerator[RunStep, None]:
    raise AssertionError(request)
