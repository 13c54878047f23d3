"""Suggestions for an unknown name: the known names with a similar spelling."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

_MOST_LISTED = 24


def suggest_spelling(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'? (expected one of x, y)`: the nearest name, and all names unless they are many."""
    names = tuple(map(str, known))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near and len(names) > _MOST_LISTED:
        return f"did you mean {near[0]!r}?"
    listed = f"expected one of {', '.join(names)}" if names else "there are none"
    return f"did you mean {near[0]!r}? ({listed})" if near else listed


def nearest_names(
    word: str, known: Iterable[str], *, spelling: Callable[[str], str] = str.lower, most: int = 3
) -> tuple[str, ...]:
    """The known names with a similar spelling, the nearest first, each spelling once."""
    names: dict[str, str] = {}
    for name in known:
        names.setdefault(spelling(name), name)
    close = difflib.get_close_matches(spelling(word), names, n=most, cutoff=0.6)
    return tuple(names[item] for item in close)
