"""Copies a text out of the console, to where a person can paste it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from console.screens import messages
from console.text_files import write_export
from widgets.terminal.clipboard import ClipboardReach

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp


async def copy_text(app: ConsoleApp, text: str, label: str) -> tuple[str, str]:
    """Copy a text; returns a sentence that says where it is, and the path of its file, if any.

    Only what tmux confirms is called copied; everything else is written to a file too.
    """
    reach = await app.copy_text(text)
    if reach is ClipboardReach.TMUX:
        return f"copied {label} into tmux's buffer: prefix ] pastes it", ""
    try:
        path = await asyncio.to_thread(write_export, app.settings.paths.state_dir, label, text, now=app.clock())
        file, where = str(path), f"it is in {path}"
    except OSError as error:
        file, where = "", f"it could not be written to a file either: {error.filename}: {error.strerror}"
    if reach is ClipboardReach.TERMINAL:
        return f"sent {label} to the terminal's clipboard (OSC 52), which terminals do not confirm; {where}", file
    return f"the multiplexer does not pass on clipboard data, so {label} was not copied; {where}", file


class ClipboardFlow:
    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def copy(self, event: messages.CopyRequested) -> None:
        self.app.run_worker(self._copy(event), f"copying {event.label}", "copy", exclusive=True)

    async def _copy(self, event: messages.CopyRequested) -> None:
        sentence, file = await copy_text(self.app, event.text, event.label)
        self.app.show_notice(sentence, seconds=10 if file else 4)
