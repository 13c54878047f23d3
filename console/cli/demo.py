"""`cad-console demo`: the console, a command or a scenario test on an embedded stack."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from console.cli.console import explain_no_screen
from console.config.settings import Settings
from console.config.switch import SettingsSource
from console.demo.scenarios import SCENARIOS, Scenario, scenario
from console.monitor.source_results import ALERTMANAGER, PROMETHEUS, RULES, ServerStart
from queries.text.durations import format_elapsed, format_span
from queries.text.variables import moves_cursor

if TYPE_CHECKING:
    from console.screens.tour import Story

_EXTRA = ("jsonpatch", "json_merge_patch", "aiohttp")
"""The modules of the extra `demo`."""
_REFRESH_SECONDS = 1.0
_FORWARDED = ("theme", "read_only", "refresh")
"""Flags that apply to the demo too; the demo sets the addresses of the sources itself."""
_KEYS = {"rollback": "B", "scale": "S", "restart": "R"}
"""The keys of the scenarios' fixes."""
_STARTING = {PROMETHEUS: "starting Prometheus …", RULES: "starting …", ALERTMANAGER: "starting …"}
"""What the console shows for a server until it is up: line 2 has 80 columns for all of them."""


def add(parser: argparse.ArgumentParser) -> None:
    stories = "; ".join(f"{item.name}: {item.summary}" for item in SCENARIOS)
    names = [item.name for item in SCENARIOS]
    parser.add_argument("--scenario", choices=names, default="calm", metavar="NAME", help=stories.replace("%", "%%"))
    parser.add_argument(
        "--check", action="store_true", help="play the scenario headless; exits 0 only where all of it was observed"
    )
    parser.add_argument(
        "--incident",
        action="store_true",
        help="with --check: declare an incident, play it to its report, and verify the report against Prometheus' data",
    )
    parser.add_argument(
        "--guard",
        action="store_true",
        help="with --scenario bad-deploy: start before the release; with --check, release the bad image and a good one under a "
        "guard",
    )
    parser.add_argument(
        "--drill",
        metavar="NAME",
        default="",
        help="with --check: run a drill of a game day and check its report; bad-image with --scenario bad-deploy",
    )
    parser.add_argument("--report", metavar="FILE", default="", help="with --incident: write the report to this file")
    parser.add_argument(
        "--stability", metavar="SECONDS", type=float, default=15.0, help="with --incident: the stability window (15)"
    )
    parser.add_argument("--kubernetes", metavar="CONTEXT", default="", help="use this context of the kubeconfig as the cluster")
    parser.add_argument("--no-tour", action="store_true", help="open the console without the tour of five steps")
    parser.add_argument("--keep", action="store_true", help="keep the demo's folder (data, logs, journal)")
    parser.add_argument(
        "--run",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="run a command (the rest of the line) on the stack once it is ready",
    )


def run(arguments: argparse.Namespace) -> int:
    """The command's exit code with --run; else 0, or 1 where the stack did not start or the scenario test failed."""
    if arguments.run is not None and not arguments.run:
        print("cad-console demo: --run needs a command", file=sys.stderr)
        return 2
    if arguments.run and not shutil.which(arguments.run[0]):
        print(f"cad-console demo: no such program: {arguments.run[0]}", file=sys.stderr)
        return 127
    if arguments.run and arguments.check:
        print("cad-console demo: --run and --check are mutually exclusive", file=sys.stderr)
        return 2
    if arguments.run is None and not arguments.check and (reason := explain_no_screen(os.environ)):
        print(f"cad-console demo: {reason}; playing the scenario headless, as with --check", file=sys.stderr)
        arguments.check = True
    if arguments.incident and not arguments.check:
        print("cad-console demo: --incident needs --check; in the console, press 9", file=sys.stderr)
        return 2
    if arguments.drill and (not arguments.check or arguments.guard or arguments.incident):
        print("cad-console demo: --drill needs --check, alone; in the console, type :drill", file=sys.stderr)
        return 2
    if arguments.guard and not scenario(arguments.scenario).rolls_out_bad_image:
        print("cad-console demo: --guard needs --scenario bad-deploy", file=sys.stderr)
        return 2
    with _exit_on_signals():
        return _on_stack(arguments)


def _on_stack(arguments: argparse.Namespace) -> int:
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        print(
            f"cad-console demo: missing {', '.join(missing)}; install the extra: pip install 'cad-console[demo]'",
            file=sys.stderr,
        )
        return 1
    from console.demo.backfill import HistoryFailed
    from console.demo.process import StartFailed
    from console.demo.server_binaries import BinaryNotFound, provide_servers  # clients and servers, only for a demo
    from console.demo.stack import DemoStack, NotReady
    from queries.errors import SourceError

    clock, progress = _Clock(), _StartProgress()
    stack = None
    story = scenario(arguments.scenario)
    if arguments.guard or arguments.drill:
        from console.demo.guard import without_release

        story = without_release(story)
    if not (arguments.check or arguments.run):
        print("starting the demo: cluster and platform …", file=sys.stderr, flush=True)
    try:
        stack = DemoStack(
            story,
            provide_servers(_ProgressBar()),
            kubernetes_context=arguments.kubernetes,
            keep_folder=arguments.keep,
            report=clock.report if arguments.check or arguments.run else progress.report,
        )
        stack.prepare()
        if arguments.check:
            return _check(stack, arguments, clock)
        if arguments.run:
            return _run_command(stack, arguments.run, clock)
        return _open_console(stack, arguments, progress)
    except (BinaryNotFound, StartFailed, HistoryFailed, NotReady, SourceError) as error:
        print(f"cad-console demo: {error}", file=sys.stderr)
        return 1
    finally:
        if stack is not None:
            stack.stop()
            if arguments.keep:
                print(f"kept: {stack.addresses.folder}", file=sys.stderr)


def _open_console(stack: Any, arguments: argparse.Namespace, progress: _StartProgress) -> int:
    """Opens the console at once; it shows the servers as starting and polls them as soon as they are up."""
    from console.monitor.session import Session
    from console.screens.app import ConsoleApp  # Textual: only here
    from console.screens.tour import Tour  # as above

    failures: list[str] = []
    servers = ServerStart(_STARTING)

    def open_session(settings: Settings) -> Session:
        session = Session.open(settings)
        session.expect_start(servers)
        return session

    def start() -> None:
        try:
            stack.start()
        except Exception as error:  # the console shows the sources as down; the reason follows at exit
            failures.append(str(error))
        servers.ended_at = time.time()
        with suppress(RuntimeError):  # the console has already exited
            if app.is_running and app.session is not None:
                app.call_from_thread(app.session.refresh_now)

    source = _source(stack, arguments)
    app = ConsoleApp(source.load(), session_factory=open_session, source=source)
    if has_tour(stack.scenario) and not arguments.no_tour:
        app.start_tour(Tour(_story(stack.scenario), lambda: progress.sentence() if servers.ended_at > time.time() else ""))
    threading.Thread(target=start, name="demo start", daemon=True).start()
    app.run()
    for failure in failures:
        print(f"cad-console demo: {failure}", file=sys.stderr)
    return 1 if failures else int(app.return_code or 0)


def _run_command(stack: Any, command: list[str], clock: _Clock) -> int:
    stack.start()
    clock.report(f"ready after {format_span(stack.settle())}")
    sys.stderr.flush()
    try:
        child = subprocess.Popen(  # noqa: S603  # the user's own command
            command, env={**os.environ, **stack.addresses.environment()}
        )
    except OSError as error:
        print(f"cad-console demo: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    try:
        code = child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise
    return code if code >= 0 else 128 - code


def _check(stack: Any, arguments: argparse.Namespace, clock: _Clock) -> int:
    from console.demo.scenario_test import play

    async def start() -> None:
        await asyncio.to_thread(stack.start)
        if not stack.scenario.alert:
            await asyncio.to_thread(stack.settle)

    def report(text: str, *, step: str = "") -> None:
        print(f"{format_elapsed(clock.seconds()):>7}  {step:<15} {text}".rstrip(), flush=True)

    settings = _settings(stack, arguments)
    if arguments.guard:
        from console.demo.guard import play_guard

        passed = asyncio.run(play_guard(settings, scenario(arguments.scenario).alert, report, stack_up=start()))
    elif arguments.drill:
        from console.demo.drill import play_drill

        passed = asyncio.run(play_drill(arguments.drill, scenario(arguments.scenario), settings, report, stack_up=start()))
    elif arguments.incident:
        from console.demo.incident import play_incident

        file = Path(arguments.report or Path(stack.addresses.folder) / "incident-report.md")
        passed = asyncio.run(
            play_incident(
                stack.scenario, settings, report, report_file=file, stability_seconds=arguments.stability, stack_up=start()
            )
        )
    else:
        from console.demo.expected import EXPECTED, Watch

        check = EXPECTED.get(stack.scenario.name)

        async def expect(session: Any) -> None:
            if check is not None:
                await check(Watch(session, stack.simulator, stack.addresses.environment(), report))

        passed = asyncio.run(play(stack.scenario, settings, report, expect=expect if check else None, stack_up=start()))
    return 0 if passed else 1


def has_tour(story: Scenario) -> bool:
    """Whether an alert of the scenario fires by itself, and an action fixes it: what the tour shows."""
    return story.remedy is not None and bool(story.alert)


def _story(story: Scenario) -> Story:
    from console.screens.tour import Story  # Textual

    remedy = story.remedy
    assert remedy is not None  # noqa: S101  # the caller checks
    parameters = "".join(f" to {value} {name}" for name, value in remedy.parameters.items() if name == "replicas")
    action = {"rollback": "roll back"}.get(remedy.action, remedy.action)
    summary = story.summary[:1].upper() + story.summary[1:]
    return Story(summary, story.alert, _KEYS[remedy.action], f"{action} {remedy.target}{parameters}")


def _settings(stack: Any, arguments: argparse.Namespace) -> Settings:
    return _source(stack, arguments).load()


def _source(stack: Any, arguments: argparse.Namespace) -> SettingsSource:
    given = {name: getattr(arguments, name) for name in _FORWARDED if hasattr(arguments, name)}
    flags = {"refresh": _REFRESH_SECONDS, **given}
    if stack.addresses.kubernetes_context:
        flags["context"] = stack.addresses.kubernetes_context
    return SettingsSource(flags, {**os.environ, **stack.addresses.environment()})


class _Clock:
    """Seconds since the start of the command."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def report(self, text: str) -> None:
        print(f"{format_elapsed(self.seconds()):>7}  {'stack':<15} {text}", file=sys.stderr, flush=True)


class _StartProgress:
    """What the stack has reported so far, in one sentence for the tour."""

    def __init__(self) -> None:
        self._clock = _Clock()
        self._reported: list[str] = []

    def report(self, text: str) -> None:
        self._reported.append(text.partition(" at ")[0])

    def sentence(self) -> str:
        """`cluster, platform, Alertmanager, writing a week of history … 3s`."""
        done = ", ".join(("cluster", "platform", *self._reported))
        return f"{done} … {format_span(self._clock.seconds())}"


class _ProgressBar:
    """Download progress: one updating line on a terminal, elsewhere one line per file."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, progress: Any) -> None:
        updating = sys.stderr.isatty() and moves_cursor(os.environ) and progress.total_bytes
        if updating:
            end = "\n" if progress.done_bytes >= progress.total_bytes else ""
            print(f"\r{progress}\x1b[K", end=end, file=sys.stderr, flush=True)
        elif progress.text != self._last:
            print(progress, file=sys.stderr, flush=True)
        self._last = progress.text


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP exit normally, which stops the stack; after SIGKILL the supervisors do."""

    def exit_normally(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = {number: signal.signal(number, exit_normally) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
