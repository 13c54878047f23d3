"""`cad-console act`: one action, through the same stages as on the screen."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import termios
import time
import tty
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from console.actions.action import NAMED_TARGETS
from console.actions.guard.guard import GuardControl
from console.actions.guard.model import (
    GUARDED_BY_DEFAULT,
    MOST_SECONDS,
    GuardOptions,
    GuardPhase,
    default_guard,
    parse_guard,
    split_signals,
)
from console.actions.plan import CheckLevel, Outcome, Preview, Request, RunStep, Stage
from console.actions.registry import ACTIONS, action_named
from console.cli.alerts import find_alert
from console.cli.one_shot import UsageError, print_notices
from console.config.errors import ConfigError
from console.config.load import load_settings
from console.config.settings import Settings
from console.monitor.session import Session
from queries.model.fault import FaultKind
from queries.model.text import visible
from queries.text.durations import format_duration, format_elapsed, parse_duration
from queries.text.times import format_clock

_CODES = {
    Outcome.DONE: 0,
    Outcome.REFUSED: 1,
    Outcome.FAILED: 1,
    Outcome.UNDONE: 1,
    Outcome.UNKNOWN: 2,
    Outcome.ROLLED_BACK: 4,
    Outcome.ROLLBACK_FAILED: 5,
}
_JOURNAL_SECONDS = 10.0
_PRINT_SECONDS = 60.0
_NO_SOURCE = (
    FaultKind.UNREACHABLE,
    FaultKind.TIMED_OUT,
    FaultKind.STALE,
    FaultKind.DENIED,
    FaultKind.MALFORMED,
    FaultKind.NOT_CONFIGURED,
)
_LABELS = {CheckLevel.OK: "ok", CheckLevel.WARN: "WARN", CheckLevel.ASK: "ASKS", CheckLevel.BLOCK: "BLOCK"}

_FINGERPRINT = re.compile(r"(prometheus:|pending:)?[0-9a-f]{16}")


def add(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(item.name for item in ACTIONS)
    parser.add_argument("action", choices=[item.name for item in ACTIONS], metavar="ACTION", help=names)
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="deployment/NAME, pod/NAME, external/NAME, token/NAME, silence/ID, or matchers in Alertmanager's syntax for a new "
        "silence",
    )
    known: dict[str, list[str]] = {}
    for action in ACTIONS:
        for parameter in action.parameters:
            known.setdefault(parameter.name, []).append(f"{action.name}: {parameter.description}")
    for name, meanings in known.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, dest=f"set_{name}", metavar=name.upper(), help="; ".join(meanings))
    parser.add_argument("--to-revision", dest="set_revision", metavar="REVISION", help="as --revision")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="any parameter by its name")
    parser.add_argument("--dry-run", action="store_true", help="stop after the preview and send nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation; preflight checks still apply")
    parser.add_argument(
        "--confirm",
        metavar="WORD",
        action="append",
        default=[],
        help="with --yes: the text that a check ASKS for in the preview (the number of replicas, the revision)",
    )
    parser.add_argument("--cause", default="", help="the reason, for the journal")
    parser.add_argument(
        "--overrule", default="", metavar="REASON", help="make a guarded change although the environment is frozen, and why"
    )
    parser.add_argument("--alert", default="", metavar="NAME|FINGERPRINT", help="wait until this alert has resolved")
    parser.add_argument("--panel", default="", metavar="ID", help="wait until this panel has recovered")
    guard = GuardOptions()
    parser.add_argument(
        "--guard",
        metavar="DURATION",
        help="watch the change for so long, such as 10m; if it gets worse, roll it back; off for no guard (the default of "
        f"{', '.join(GUARDED_BY_DEFAULT)} in a protected environment is {format_duration(guard.watch_seconds)})",
    )
    signals = ",".join(guard.signals)
    parser.add_argument("--signals", metavar="PANEL,…", help=f"with --guard: the panels that are watched ({signals})")
    parser.add_argument("--twin", metavar="NAME", help="with --guard: an unchanged Deployment to compare with")
    parser.add_argument(
        "--hold",
        metavar="DURATION",
        help=f"with --guard: roll back after a signal was unknown for so long ({format_duration(guard.hold_seconds)})",
    )
    parser.add_argument(
        "--countdown",
        metavar="DURATION",
        help="with --guard: the time between announcing a roll-back and sending it "
        f"({format_duration(guard.countdown_seconds)})",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 done or kept, 1 refused, failed or undone, 2 unknown or no source answered, 4 rolled back, 5 rollback failed."""
    settings = load_settings(arguments)
    request = Request(
        action=arguments.action,
        target=qualify_target(arguments.action, arguments.target),
        parameters=parse_parameters(arguments),
        cause=arguments.cause,
        overrule=arguments.overrule.strip(),
        panel_id=arguments.panel,
        fingerprint=arguments.alert,
        guard=read_guard(arguments, settings),
    )
    if not (arguments.yes or arguments.dry_run or sys.stdin.isatty()):
        print("cad-console: no terminal to confirm on; use --yes or --dry-run", file=sys.stderr)
        return 1
    confirmations = tuple(arguments.confirm)
    return asyncio.run(_act(settings, request, dry_run=arguments.dry_run, yes=arguments.yes, confirmations=confirmations))


def parse_parameters(arguments: argparse.Namespace) -> dict[str, str]:
    """The action's parameters by name. Raises ConfigError."""
    given = {
        name.removeprefix("set_"): value
        for name, value in vars(arguments).items()
        if name.startswith("set_") and value is not None
    }
    for pair in arguments.set:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(source="flag --set", expected=f"expected NAME=VALUE, found {visible(pair)}")
        given[name] = value
    return given


def read_guard(arguments: argparse.Namespace, settings: Settings) -> GuardOptions | None:
    """The guard that the flags ask for, else the action's default. Raises ConfigError."""
    names = ("signals", "twin", "hold", "countdown")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if arguments.guard is None:
        if given:
            raise ConfigError(source=f"flag --{min(given)}", expected="it needs --guard DURATION")
        return default_guard(arguments.action, protected=settings.protected)
    try:
        return parse_guard(arguments.guard, **given)
    except ValueError as error:
        raise ConfigError(source="flag --guard, --hold or --countdown", expected=str(error)) from None


def parse_signal_names(text: str) -> tuple[str, ...]:
    """The ids of panels, separated by commas. Raises ConfigError."""
    if not (names := split_signals(text)):
        raise ConfigError(source="flag --signals", expected="expected the ids of panels, such as error_ratio,p95_latency")
    return names


def parse_seconds(flag: str, text: str, *, least: float) -> float:
    """The duration that a flag has. Raises ConfigError."""
    try:
        return parse_duration(text, least=least, most=MOST_SECONDS)
    except ValueError as error:
        raise ConfigError(source=f"flag --{flag}", expected=str(error)) from None


def qualify_target(action: str, target: str) -> str:
    """The target with its kind, which may be omitted for an action with one kind of target."""
    spec = action_named(action)
    kind = spec.target_kind if spec else ""
    return f"{kind}/{target}" if kind in (*NAMED_TARGETS, "silence", "call") and "/" not in target else target


async def _act(settings: Settings, request: Request, *, dry_run: bool, yes: bool, confirmations: tuple[str, ...]) -> int:
    print_notices(settings)
    session = Session.open(settings)
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Cancelled as by Ctrl-C, so that the journal gets the outcome.
        loop.add_signal_handler(number, _cancel, task)
    code = 1
    control, printer, keys = GuardControl(), _GuardPrinter(), _GuardKeys()

    async def confirm(preview: Preview) -> bool:
        print_preview(preview)
        if preview.blocked or dry_run:
            return False
        return check_confirmations(preview, confirmations) if yes else await prompt(preview)

    try:
        if request.fingerprint and not _FINGERPRINT.fullmatch(request.fingerprint):
            try:
                found = find_alert(await session.once(), request.fingerprint)
            except UsageError as error:
                print(f"cad-console: --alert: {error}", file=sys.stderr)
                return 1
            request = replace(request, fingerprint=found.fingerprint, cause=request.cause or f"alert {found.name}")
        if request.guard is not None:
            await start_watching(session)
        async with aclosing(session.run(request, confirm, control=control)) as steps:  # type: ignore[type-var]
            async for step in steps:
                if step.guard is not None:
                    keys.listen(control, settings.user)
                if printer.skips(step):
                    continue
                code = _print_step(step, dry_run=dry_run, code=code)
                if dry_run and step.stage is Stage.CONFIRM and step.preview is not None:
                    print_preview(step.preview)
                    print("dry run: nothing was sent")
                    return 0
    except asyncio.CancelledError:
        print("interrupted: the journal shows how far the action got", file=sys.stderr)
        return 2
    finally:
        keys.close()
        await session.close()
    return code


async def start_watching(session: Session) -> None:
    """A guard reads its signals from what the session polls, and the guards of others from the whole journal."""
    session.start(lambda snapshot: None)
    ends = time.monotonic() + _JOURNAL_SECONDS
    while time.monotonic() < ends:
        if session.journal_known or session.journal is None:
            return
        await asyncio.sleep(0.1)


class _GuardPrinter:
    """Leaves out the reports of a guard that say nothing new: one a minute is enough for a log."""

    def __init__(self) -> None:
        self._last: tuple[object, ...] = ()
        self._at = 0.0

    def skips(self, step: RunStep) -> bool:
        status = step.guard
        if status is None or step.outcome is not None or status.phase not in (GuardPhase.WATCH, GuardPhase.HOLD):
            return False
        shown = (status.phase, tuple(item.verdict for item in status.readings))
        if shown == self._last and step.at - self._at < _PRINT_SECONDS:
            return True
        self._last, self._at = shown, step.at
        return False


class _GuardKeys:
    """While a guard watches, on a terminal: `s` stops it, `r` rolls back at once."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    def listen(self, control: GuardControl, user: str) -> None:
        """Once; the terminal gives single keys from now on."""
        if self._before is not None or not sys.stdin.isatty():
            return
        descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)

        def on_key() -> None:
            key = os.read(descriptor, 1)
            if key == b"s":
                control.stop(user)
            elif key == b"r":
                control.roll_back()

        asyncio.get_running_loop().add_reader(descriptor, on_key)
        print("  guard: s stops it and leaves the change, r rolls back now", flush=True)

    def close(self) -> None:
        if self._before is not None:
            descriptor = sys.stdin.fileno()
            asyncio.get_running_loop().remove_reader(descriptor)
            termios.tcsetattr(descriptor, termios.TCSADRAIN, self._before)
            self._before = None


def _cancel(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel()


def _print_step(step: RunStep, *, dry_run: bool, code: int) -> int:
    status = step.guard
    at = f" (at {format_clock(status.acts_at)})" if status and status.phase is GuardPhase.COUNTDOWN and status.acts_at else ""
    print(f"{format_elapsed(step.elapsed_seconds):>7}  {step.stage.value:<15} {visible(step.text)}{at}", flush=True)
    if step.outcome is None:
        return code
    if step.outcome is Outcome.REFUSED and step.fault is not None and step.fault.kind in _NO_SOURCE:
        return 2
    return _CODES[step.outcome]


def print_preview(preview: Preview) -> None:
    """Prints the differences, notes and checks of a plan, and the equivalent command."""
    plan = preview.plan
    width = max((len(item.name) for item in plan.differences), default=0)
    print()
    if preview.cluster:
        print(f"  {visible(preview.cluster)}\n")
    for item in plan.differences:
        before, after = visible(item.before), visible(item.after)
        text = f"{after} (unchanged)" if before == after else f"{before} → {after}"
        print(f"  {visible(item.name):<{width}}  {text}")
    for note in plan.notes:
        print(f"  {visible(note)}")
    print()
    for check in preview.checks:
        how = f"  ({check.how})" if check.how else ""
        print(f"  {_LABELS[check.level]:<5} {visible(check.text)}{how}")
    print(f"\n  same as  {visible(plan.command)}\n", flush=True)


def check_confirmations(preview: Preview, confirmations: tuple[str, ...]) -> bool:
    """Whether `--yes` suffices: `--confirm` supplies the text of every check that asks for one."""
    missing = [word for word in preview.second_words if word not in confirmations]
    if missing:
        flags = " ".join(f"--confirm {visible(word)}" for word in missing)
        print(f"cad-console: a check above ASKS: --yes is not enough, add {flags}", file=sys.stderr)
    return not missing


async def prompt(preview: Preview) -> bool:
    """Asks on the terminal for `yes`, or for the target's name (protected environment) and the text that a check asks for."""
    expected = visible(preview.phrase) or "yes"
    # What was typed before the preview was on the screen is no answer to it.
    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    print(f"  type {expected} to continue: ", end="", flush=True)
    return (await _read_line()).strip() == expected


async def _read_line() -> str:
    """One line from the terminal; a thread that blocks in `input` could not be cancelled."""
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 4096).decode("utf-8", "replace")
