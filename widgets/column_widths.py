"""How wide the columns of a table are: which fit, who gets the spare width, and the pages of one wider than the screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from queries.model.frozen import dataclass

Sizes = tuple[tuple[int, int], ...]
"""Columns from left to right, as (position, width in cells); each is followed by a space."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, `width` cells wide; `flex` is its share of the spare width. The higher `rank`, the sooner it is dropped.

    `name` is for one whose heading is empty. `key` returns what a row is sorted by, None for unknown, which is last in both
    directions; without one, the text of its cell is.
    """

    title: str
    width: int
    flex: int = 0
    rank: int = 0
    right: bool = False
    name: str = ""
    key: Callable[[Any], Any] | None = None

    @property
    def label(self) -> str:
        """What a person calls it; empty for a column that is only a mark."""
        return self.name or self.title


def arrange(columns: tuple[Column, ...], width: int) -> Sizes:
    """The columns that fit into `width` cells, as (position, width); each is followed by a space."""
    kept = list(range(len(columns)))
    while len(kept) > 1 and sum(columns[at].width + 1 for at in kept) > width:
        worst = max(kept, key=lambda at: (columns[at].rank, at))
        kept.remove(worst)
    spare = max(0, width - sum(columns[at].width + 1 for at in kept))
    shares = sum(columns[at].flex for at in kept)
    sizes: list[tuple[int, int]] = []
    for at in kept:
        extra = spare * columns[at].flex // shares if shares else 0
        spare, shares = spare - extra, shares - columns[at].flex
        sizes.append((at, columns[at].width + extra))
    return tuple(sizes)


_READABLE = 12
"""Cells that are left of a column that is cut so that a name is whole."""


def split_spare(sizes: Sizes, needs: Mapping[int, int], *, name: int | None = None) -> Sizes:
    """The same columns, with the width that some do not need given to those that are cut; the narrowest cut first.

    `needs` is the width of each column's widest cell. A column that is not cut keeps its width while nobody needs it. The
    column `name`, which says what the row is about, also gets what it lacks from columns that are cut themselves.
    """
    widths = dict(sizes)
    spare = {at: size - needs[at] for at, size in sizes if size > needs[at]}
    for at in sorted((at for at, size in sizes if size < needs[at]), key=lambda at: needs[at] - widths[at]):
        for giver in sorted(spare, key=lambda other: -spare[other]):
            given = min(spare[giver], needs[at] - widths[at])
            widths[at] += given
            widths[giver] -= given
            spare[giver] -= given
    if name in widths:
        for giver in sorted((at for at in widths if at != name), key=lambda at: -widths[at]):
            given = max(0, min(widths[giver] - _READABLE, needs[name] - widths[name])) if widths[giver] < needs[giver] else 0
            widths[name] += given
            widths[giver] -= given
    return tuple(widths.items())


def page_starts(length: int, room: int) -> tuple[int, ...]:
    """Where the pages of a text of `length` cells begin, `room` cells each; the last one ends with it.

    The last cell of the others is an ellipsis, so the next page begins there.
    """
    room = max(1, room)
    return (*range(0, max(1, length - room), max(1, room - 1)), *((length - room,) if length > room else ()))
