"""A person's choices in one file of the state folder: read once at the start, written when they changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from queries.model.text import visible


class KeepableChoices(Protocol):
    def encode(self) -> str:
        """The choices as the text of their file."""

    def restore(self, text: str) -> None:
        """Take the choices of a file's text. Raises ValueError if the text is not a mapping in JSON."""


class KeptChoices:
    """`without` says what holds if the file cannot be read, `lost` if it cannot be written.

    With `merge`, what another console wrote meanwhile is read before this one writes: `restore` adds to what is known.
    """

    def __init__(self, choices: KeepableChoices, file: str, *, without: str, lost: str, merge: bool = False) -> None:
        self._choices = choices
        self._file = file
        self._without, self._lost = without, lost
        self._merge = merge
        self._text = ""
        """The file as last read or written; empty before."""

    async def restore(self, state_dir: str) -> str:
        """Read the file, once; a sentence if that failed."""
        if self._text:
            return ""
        from console.text_files import read_state  # noqa: PLC0415  # not before the first frame

        sentence = ""
        try:
            text = await asyncio.to_thread(read_state, state_dir, self._file)
            if text:
                self._choices.restore(text)
        except (OSError, ValueError) as error:
            sentence = visible(f"{self._without}: {self._file} cannot be read: {error}")
        self._text = self._choices.encode()
        return sentence

    async def keep(self, state_dir: str) -> str:
        """Write the file until it has the newest choices; a sentence if that failed."""
        if not self._text:
            return ""
        from console.text_files import read_state, write_state  # noqa: PLC0415  # rarely needed

        if self._merge and self._choices.encode() != self._text:
            with suppress(OSError, ValueError):  # the start reported it, and this write replaces the file
                self._choices.restore(await asyncio.to_thread(read_state, state_dir, self._file) or "{}")
        while (text := self._choices.encode()) != self._text:
            try:
                await asyncio.to_thread(write_state, state_dir, self._file, text)
            except OSError as error:
                self._text = text  # said once
                return visible(f"{self._lost}: {error}")
            self._text = text  # not before: the end of the console writes what a worker had no time for
        return ""
