"""What a person may mean by what they typed: the known names that match it, or that have a similar spelling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

_MOST_LISTED = 24


def suggest_spelling(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'? (expected one of x, y)`: the nearest name, and all names unless they are many."""
    import difflib  # noqa: PLC0415  # only after a mistake

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
    import difflib  # noqa: PLC0415  # only after a mistake

    names: dict[str, str] = {}
    for name in known:
        names.setdefault(spelling(name), name)
    close = difflib.get_close_matches(spelling(word), names, n=most, cutoff=0.6)
    return tuple(names[item] for item in close)


_PART_ENDS = frozenset(" -_/.:")


def match_fuzzily(typed: str, names: Sequence[str], among: Iterable[int] | None = None) -> tuple[int, ...]:
    """The positions of the names that have the characters of every typed word in this order, the best match first.

    The names must be casefolded. Exact names come first, then those that start with the words, then those where a part starts
    with them (`api` in `cad-ml-api`), then those that contain them. `among` limits the search to these positions: a longer
    text can only match what its beginning matched.
    """
    words = typed.casefold().split()
    scored = []
    for at in range(len(names)) if among is None else among:
        name = names[at]
        total = 0
        for word in words:
            score = _score(word, name)
            if score < 0:
                break
            total += score
        else:
            scored.append((total, at))
    scored.sort()
    return tuple(at for _, at in scored)


def _score(word: str, name: str) -> int:
    """0 for the same text; the higher, the worse; -1 if the name lacks a character."""
    found = name.find(word)
    if found == 0:
        return 0 if len(name) == len(word) else 1
    if found > 0:
        while found > 0:
            if name[found - 1] in _PART_ENDS:
                return 2
            found = name.find(word, found + 1)
        return 3
    first = at = name.find(word[0])
    for character in word[1:]:
        if at < 0:
            return -1
        at = name.find(character, at + 1)
    return 4 + at - first if at >= 0 else -1
