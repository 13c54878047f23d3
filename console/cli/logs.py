"""`cad-console logs`: the log of a pod, of all pods of a workload, or of a selector of Loki's, merged by time."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from typing import TYPE_CHECKING

from console.cli.log_patterns import print_file_patterns, print_patterns
from console.cli.one_shot import with_session
from console.config.load import load_settings
from console.logs.format import format_line, line_object
from console.logs.merged_log import MAX_LINES, MergedLog
from console.logs.query import ALL, LogOrigin, LogQuery
from console.logs.search import TextSearch
from console.monitor.session import Session
from queries.errors import SourceError
from queries.loki.selector import is_selector
from queries.model.log import LogLine, LogStatus
from queries.model.text import visible
from queries.text.durations import parse_duration
from queries.text.moments import parse_moment
from queries.text.times import InvalidTime

if TYPE_CHECKING:
    from console.logs.loki_source import LokiSource

_LONGEST_SECONDS = 366 * 86_400.0
_PRINT_SECONDS = 0.2
_KEPT_LINES = 10 * MAX_LINES
_KEPT_BYTES = 512 << 20


_LINES_ONLY = ("since", "until", "tail", "follow", "grep", "container", "previous")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="WORKLOAD|POD|QUERY|FILE",
        help="deployment/NAME, statefulset/NAME, daemonset/NAME, job/NAME, pod/NAME, a name, a file for "
        """--patterns (./FILE or /PATH), or a query of Loki's: '{app="cad-ml-api"} |= "timeout"'""",
    )
    parser.add_argument(
        "--source",
        choices=tuple(LogOrigin),
        help="whose lines: the pods', or Loki's, which include pods that are gone (the default for a query)",
    )
    parser.add_argument(
        "--until", metavar="TIME", help="Loki only: end there: 03:12, 2h (ago), '2026-11-29 03:12' (UTC, or your timezone)"
    )
    parser.add_argument("--container", metavar="NAME", default="", help="a container, or all; the default is kubectl's")
    parser.add_argument("--previous", action="store_true", help="the log before the container's last restart")
    parser.add_argument("--since", metavar="DURATION", help="only lines from the last 5m, 2h, 1d")
    parser.add_argument("--tail", metavar="LINES", type=int, help="only this many lines from the end of each log")
    parser.add_argument("--follow", action="store_true", help="keep printing new lines, also those of replacement pods")
    parser.add_argument("--grep", metavar="PATTERN", default="", help="only lines that match this RE2 expression")
    parser.add_argument(
        "--patterns",
        action="store_true",
        help="instead of the lines, what is new among them: patterns that appeared, multiplied or vanished (Loki only)",
    )
    parser.add_argument(
        "--moment", metavar="TIME", help="with --patterns: the time to compare around, as for --until (default 15m, ago)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: one object per line")
    parser.epilog = (
        "exit codes: 0 printed; 1 no lines; 2 nothing could be read; 3 a log could not be read, or lines may be missing"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.target.startswith(("/", "./", "../")):
        return _run_file(arguments)
    settings = load_settings(arguments)
    since: int | None = None
    until: float | None = None
    wants_loki = is_selector(arguments.target) or arguments.patterns
    origin = LogOrigin(arguments.source or (LogOrigin.LOKI if wants_loki else LogOrigin.PODS))
    if problem := _find_problem(arguments, origin):
        print(f"cad-console logs: {problem}", file=sys.stderr)
        return 2
    try:
        if arguments.until:
            until = parse_moment(arguments.until, now=time.time())
        now = time.time()
        moment = parse_moment(arguments.moment or "15m", now=now)
        if moment > now:
            raise InvalidTime(f"--moment: {arguments.moment[:40]!r} is in the future: nothing is known of it")
        if arguments.since:
            since = int(parse_duration(arguments.since, least=1.0, most=_LONGEST_SECONDS))
        if arguments.tail is not None and arguments.tail < 0:
            raise InvalidTime("--tail: expected 0 or more")
    except InvalidTime as error:
        print(f"cad-console logs: {error}", file=sys.stderr)
        return 2
    query = LogQuery(
        arguments.target,
        ALL if arguments.container == "all" else arguments.container,
        arguments.previous,
        since_seconds=since,
        tail_lines=arguments.tail,
        follow=arguments.follow,
        origin=origin,
        until=until,
    )
    if arguments.patterns:
        return with_session(settings, lambda session: print_patterns(session, arguments.target, moment, arguments.format))
    search = TextSearch(arguments.grep) if arguments.grep else None
    if search is not None and search.note:
        print(f"cad-console: --grep: {visible(search.note)}", file=sys.stderr)
    return with_session(settings, lambda session: _Printer(session, query, search, arguments.format).print_log())


def _run_file(arguments: argparse.Namespace) -> int:
    if not arguments.patterns or arguments.moment:
        print("cad-console logs: use --patterns with a file; `cad-console --log FILE` shows its lines", file=sys.stderr)
        return 2
    return print_file_patterns(arguments.target, arguments.format)


def _find_problem(arguments: argparse.Namespace, origin: LogOrigin) -> str:
    """Why the arguments do not go together; empty if they do."""
    if arguments.moment and not arguments.patterns:
        return "--moment belongs to --patterns"
    if origin is LogOrigin.PODS:
        if is_selector(arguments.target):
            return "a query is Loki's: use --source loki"
        if arguments.patterns:
            return "--patterns compares what Loki keeps: use --source loki"
        return "--until: the pods' logs cannot end earlier: use --source loki" if arguments.until else ""
    if arguments.patterns and (given := [name for name in _LINES_ONLY if getattr(arguments, name)]):
        return f"--{given[0]} and --patterns exclude each other"
    if arguments.previous:
        return "--previous: Loki has the lines of every restart: use --since"
    return "--follow and --until exclude each other" if arguments.follow and arguments.until else ""


class _Printer:
    """Prints lines in the order of their times: at the end, or while they arrive."""

    def __init__(self, session: Session, query: LogQuery, search: TextSearch | None, form: str) -> None:
        self._session = session
        self._query = query
        self._search = search
        self._form = form
        self._log = MergedLog(max_lines=_KEPT_LINES, max_bytes=_KEPT_BYTES)
        self._printed = 0
        self._reported: set[str] = set()
        self._loki: LokiSource | None = None

    async def print_log(self) -> int:
        loop = asyncio.get_running_loop()
        reading = asyncio.ensure_future(self._read())
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, reading.cancel)
        try:
            while not reading.done():
                await asyncio.wait([reading], timeout=_PRINT_SECONDS)
                await asyncio.to_thread(self._log.merge_pending)
                self._report(self._log.status)
                if self._query.follow:
                    self._print_new()
            await reading
        except SourceError as error:
            print(f"cad-console logs: {visible(str(error))}", file=sys.stderr)
            return 2
        except asyncio.CancelledError:
            if not reading.cancelled() or (task := asyncio.current_task()) is None or task.cancelling():
                raise  # Ctrl-C, not a signal that ends the following
        finally:
            reading.cancel()
            self._log.close()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
        self._log.merge_pending()
        self._report(self._log.status)
        searched = self._loki.describe_time() if self._loki is not None else ""
        if searched and not (self._log.received or self._log.status.failed):
            print(f"cad-console: Loki has no matching line {searched}", file=sys.stderr)
        self._print_new()
        return self._code()

    async def _read(self) -> None:
        if self._query.origin is LogOrigin.PODS:
            await self._session.create_log_source(self._query).read(self._log)
            return
        self._loki = self._session.create_loki_source(self._query)
        await self._loki.read(self._log)

    def _print_new(self) -> None:
        """Print and forget the lines that arrived."""
        lines = self._log.take()
        for line in lines:
            if line.notice or self._search is None or self._search.matches(line.text):
                self._print(line)
        sys.stdout.flush()

    def _print(self, line: LogLine) -> None:
        if self._form == "json":
            print(json.dumps(line_object(line)))
        elif line.notice:
            print(f"cad-console: {visible(line.text)}", file=sys.stderr)
        else:
            print(format_line(line))
        self._printed += not line.notice

    def _report(self, status: LogStatus) -> None:
        left_out = (f"{status.left_out} of {status.total} logs are not read: too many at once",) if status.left_out else ()
        for sentence in (*status.failed, *status.waiting, *left_out):
            if sentence not in self._reported:
                self._reported.add(sentence)
                print(f"cad-console: {visible(sentence)}", file=sys.stderr)

    def _code(self) -> int:
        status, dropped = self._log.status, self._log.dropped
        if dropped:
            print(f"cad-console: {dropped:,} older lines were dropped; use --since or --tail", file=sys.stderr)
        if status.total and len(status.failed) == status.total and not self._printed:
            return 2
        if status.failed or status.left_out or status.incomplete or dropped:
            return 3
        return 0 if self._printed else 1
