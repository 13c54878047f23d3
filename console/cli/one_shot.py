"""One session with one poll of every source, for a headless verb."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from console.config.missing import NO_SERVER
from console.config.permissions import file_warnings
from console.config.settings import Settings
from console.monitor.session import Session
from console.monitor.source_results import EVERY_SOURCE, PROMETHEUS
from console.state.snapshot import Snapshot
from queries.model.text import visible
from queries.text.times import InvalidTime

if TYPE_CHECKING:
    from console.monitor.past_session import PastSession
    from console.runbooks.index import RunbookIndex
    from console.state.journal_state import JournalState
    from queries.model.panel import PanelSpec

T = TypeVar("T")


class UsageError(ValueError):
    """What a person typed cannot be used; the message says why."""


_journal_errors: list[str] = []
"""What the console could not read of the journal during this command."""


def exit_code() -> int:
    """1 where the command reported an incomplete journal on stderr, then reset; else 0."""
    code = 1 if _journal_errors else 0
    _journal_errors.clear()
    return code


def _report(text: str) -> None:
    print(f"cad-console: {visible(text)}", file=sys.stderr)


def print_notices(settings: Settings) -> None:
    """Prints to stderr how the cluster was chosen, where that is surprising, and which files others can read or change."""
    _print_notices(settings, file_warnings(settings))


def _print_notices(settings: Settings, warnings: Iterable[str]) -> None:
    for note in filter(None, ("" if settings.has_source else NO_SERVER, settings.cluster_note, *warnings)):
        _report(note)


async def read_ledger(session: Session) -> JournalState:
    """The journal with what other hosts wrote: a command ends before the next sync. Says on stderr why it may lack that."""
    ledger, caveat = await session.newest_ledger()
    if caveat and not session.journal_error:
        _report(caveat)
    return ledger


def print_caveat(snapshot: Snapshot) -> None:
    """Prints to stderr why the alert list does not come from Alertmanager, where it does not."""
    if snapshot.alerts_caveat:
        _report(snapshot.alerts_caveat)


def with_session(
    settings: Settings,
    work: Callable[[Session], Awaitable[T]],
    sources: Collection[str] = EVERY_SOURCE,
    *,
    specs: tuple[PanelSpec, ...] | None = None,
    runbooks: RunbookIndex | None = None,
    whole_trends: bool = True,
) -> T:
    """Opens a session of these sources, runs `work` in a new event loop, and closes the session whatever happens.

    `specs`, `runbooks`, `whole_trends`: see `Session`.
    """

    results: list[T] = []

    async def run() -> None:
        session = Session.open(settings, sources, specs=specs, runbooks=runbooks)
        session.whole_trends = whole_trends
        _print_notices(settings, session.file_warnings)
        session.report_to(_report)
        try:
            result = await work(session)
            if session.journal is not None and (error := session.journal_error):
                _report(error)
                _journal_errors.append(error)
            results.append(result)
        finally:
            await session.close()

    # Not the coroutine's own result: asyncio and `signal` make texts of a finished task, with everything in it.
    asyncio.run(run())
    return results[0]


def fetch_snapshot(settings: Settings, sources: Collection[str] = EVERY_SOURCE, *, at: str = "") -> Snapshot:
    """A snapshot after one poll of each of these sources, or of the moment that `at` names.

    Raises UsageError for a text that names no moment, or one that has not been.
    """

    async def fetch(session: Session) -> Snapshot:
        if not at:
            snapshot = await session.once()
            if session.others_unknown:
                _report(session.others_unknown)
            return snapshot
        async with past_moment(session, at) as past:
            return past.snapshot()

    # Of the past only Prometheus keeps what fired.
    return with_session(settings, fetch, {*sources, PROMETHEUS} if at else sources, whole_trends=False)


@asynccontextmanager
async def past_moment(session: Session, text: str) -> AsyncIterator[PastSession]:
    """The session of the moment that a person typed. Raises UsageError."""
    from console.monitor.moments import resolve_moment  # only for the past
    from console.monitor.past_session import PastSession  # as above

    await read_ledger(session)
    try:
        moment = await resolve_moment(text, session, now=time.time())
    except InvalidTime as error:
        raise UsageError(str(error)) from None
    past = PastSession(session)
    try:
        await past.go(moment)
        yield past
    finally:
        await past.close()
