"""A replay as a recording for asciinema: the console is drawn for one moment after another, without a terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from console.monitor.moments import resolve_moment
from console.replay.bundle_file import Bundle, BundleError
from console.replay.session import ReplaySession
from console.screens.flows.past import FRAME_SECONDS, PastFlow
from console.screens.replay import create_app
from queries.model.frozen import dataclass
from queries.text.durations import format_duration
from queries.text.times import format_moment, format_time
from widgets.terminal.frame_renderer import strips_of

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.screens.app import ConsoleApp

MOST_FRAMES = 3600
_PATIENCE_SECONDS = 60.0
"""How long one frame may take."""
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Take:
    """What is recorded: from `start` to `end`, as typed; so many seconds of it in each second, on a terminal of this size."""

    start: str
    end: str
    speed: int
    columns: int
    rows: int


async def record_cast(bundle: Bundle, settings: Settings, take: Take, *, report: Callable[[str], None]) -> str:
    """The recording, in version 2 of asciinema's format. Raises BundleError, and InvalidTime for what is not a time."""
    first, last = await _find_times(bundle, settings, take)
    count = int((last - first) / (take.speed * FRAME_SECONDS)) + 1
    if count > MOST_FRAMES:
        raise BundleError(f"that is {count:,} frames, more than {MOST_FRAMES:,}: choose fewer minutes, or a higher speed")
    moments = [first + at * take.speed * FRAME_SECONDS for at in range(count)]
    header = {
        "version": 2,
        "width": take.columns,
        "height": take.rows,
        "timestamp": int(first),
        "title": f"incident {bundle.manifest.incident.number}: {bundle.manifest.incident.title}",
        "env": {"TERM": "xterm-256color"},
    }
    lines = [msgspec.json.encode(header).decode()]
    before: list[str] = []
    async for at, frame in _draw(bundle, settings, moments, take):
        report(f"drawing frame {at + 1} of {count}")
        data = _describe_changes(before, frame)
        lines.append(msgspec.json.encode([round(at * FRAME_SECONDS, 3), "o", data]).decode())
        before = frame
    return "\n".join(lines) + "\n"


async def _find_times(bundle: Bundle, settings: Settings, take: Take) -> tuple[float, float]:
    session = await asyncio.to_thread(ReplaySession, settings, bundle)
    manifest = bundle.manifest
    try:
        first = await resolve_moment(take.start or "incident", session, now=manifest.end)
        last = await resolve_moment(take.end, session, now=manifest.end) if take.end else manifest.end
    finally:
        await session.close()
    if not manifest.start <= first < last <= manifest.end:
        covered = f"{format_moment(manifest.start)} to {format_moment(manifest.end)}"
        raise BundleError(f"from {format_moment(first)} to {format_moment(last)} is not possible: the bundle covers {covered}")
    return first, last


async def _draw(bundle: Bundle, settings: Settings, moments: list[float], take: Take) -> AsyncIterator[tuple[int, list[str]]]:
    """The lines of each frame with the codes of their colours."""
    # Its notices would cover the first frames.
    app = create_app(bundle, settings, at=format_time(moments[0]), clock=time.time)
    console = Console(color_system="truecolor", force_terminal=True, legacy_windows=False, width=take.columns)
    async with app.run_test(size=(take.columns, take.rows)) as pilot:
        for at, moment in enumerate(moments):
            if at:
                app.flows.past.go_to(format_time(moment))
            await _wait_for(app, moment)
            app.clear_notifications()
            await pilot.pause()
            strips = strips_of(app.screen)
            yield at, [strip.render(console) for strip in strips]


async def _wait_for(app: ConsoleApp, moment: float) -> None:
    """Until the moment is shown, whole seconds apart. Raises BundleError."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        past: PastFlow | None = app.flows.past if app.session is not None else None
        session = past.session if past is not None else None
        if session is not None and abs(session.moment - moment) < 1.0 and not app.has_worker("past"):
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise BundleError(f"{format_moment(moment)} could not be drawn within {format_duration(_PATIENCE_SECONDS)}")


def _describe_changes(before: list[str], frame: list[str]) -> str:
    """What a terminal gets to show this frame after the one before: the lines that differ."""
    if not before:
        return "\x1b[2J" + "".join(f"\x1b[{row + 1};1H{line}" for row, line in enumerate(frame))
    changed = (row for row, (old, new) in enumerate(zip(before, frame, strict=True)) if old != new)
    return "".join(f"\x1b[{row + 1};1H{frame[row]}" for row in changed)
