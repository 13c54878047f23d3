"""Completion of LogQL as it is typed: names of labels and their values inside a selector, then a first line filter."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from queries.model.series import quote

_OPEN = re.compile(r"""\{(?:[^{}"]|"(?:\\.|[^"\\])*")*$""")
_NAME = re.compile(r"[{,]\s*([a-zA-Z_][a-zA-Z0-9_]*)?$")
_VALUE = re.compile(r"""[{,]\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=|!=)\s*("?)((?:[^"\\]|\\.)*)$""")


async def complete(text: str, names: Sequence[str], read_values: Callable[[str], Awaitable[Sequence[str]]]) -> str | None:
    """The text with the first completion that fits, None without one. `read_values` gives the values of a label."""
    if not text:
        return "{"
    if not _in_selector(text):
        return None
    if found := _VALUE.search(text):
        typed = found[4]
        for value in await read_values(found[1]):
            whole = quote(value)[1:-1]
            if whole.startswith(typed):
                return text[: found.start(3)] + f'"{whole}"'
        return None
    if found := _NAME.search(text):
        typed = found[1] or ""
        for name in names:
            if name.startswith(typed) and name != typed:
                return text[: len(text) - len(typed)] + f'{name}="'
    return None


def _in_selector(text: str) -> bool:
    """Whether the end of the text is inside an open selector: outside of it, or where it is closed, nothing is completed."""
    return _OPEN.search(_close_value(text)) is not None


def _close_value(text: str) -> str:
    return f'{text}"' if len(re.findall(r'(?<!\\)"', text)) % 2 else text
