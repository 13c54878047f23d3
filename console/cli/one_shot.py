"""One look at everything, for a headless command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from console.config.permissions import file_warnings
from console.config.settings import Settings
from console.monitor.session import Session
from console.state.snapshot import Snapshot
from queries.model.text import visible

T = TypeVar("T")
_broken: list[str] = []
"""What was not known of the journal while the command answered."""


def exit_code() -> int:
    """1 where a command answered from a journal that does not tell everything, which it said on stderr, once; else 0."""
    code = 1 if _broken else 0
    _broken.clear()
    return code


def _report(text: str) -> None:
    print(f"cad-console: {visible(text)}", file=sys.stderr)


def say_note(settings: Settings) -> None:
    """What is surprising about the cluster that was chosen and about files that others can reach: on stderr, once a command."""
    _say(settings, file_warnings(settings))


def _say(settings: Settings, warnings: Iterable[str]) -> None:
    for note in (*([settings.cluster_note] if settings.cluster_note else ()), *warnings):
        _report(note)


def say_caveat(snapshot: Snapshot) -> None:
    """On stderr that the list of alerts is not Alertmanager's, where it is not."""
    if snapshot.alerts_caveat:
        print(f"cad-console: {visible(snapshot.alerts_caveat)}", file=sys.stderr)


def with_session(settings: Settings, work: Callable[[Session], Awaitable[T]]) -> T:
    """Open a session, do the work in a loop of its own, close the session whatever happens."""

    async def whole() -> T:
        session = Session.open(settings)
        _say(settings, session.file_warnings)
        session.report_to(_report)
        try:
            found = await work(session)
            if session.journal is not None and (trouble := session.journal_trouble):
                _report(trouble)
                _broken.append(trouble)
            return found
        finally:
            await session.close()

    return asyncio.run(whole())


def one_snapshot(settings: Settings) -> Snapshot:
    """Every source asked once."""
    return with_session(settings, lambda session: session.once())
