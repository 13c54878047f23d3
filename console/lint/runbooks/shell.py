"""Lines for the shell, taken apart into the commands that they run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_INNER = re.compile(r"\$\(([^()]*)\)")
_BETWEEN = frozenset({"|", "||", "&", "&&", ";", "|&"})


class NotRunnable(ValueError):
    """A line that a shell would not run as it stands, and why."""


def simple_commands(line: str) -> Iterator[tuple[str, ...]]:
    """The words of every command of a line, also those inside `$(…)`. Raises NotRunnable."""
    for inner in _INNER.findall(line):
        yield from simple_commands(inner)
    words: list[str] = []
    for word in (*_tokens(_INNER.sub("inner", line)), ";"):
        if word in _BETWEEN:
            if words:
                yield tuple(words)
            words = []
        elif "<" in word and not set(word) - set("<>|&"):
            raise NotRunnable("a shell takes < for a redirection; write what can be run as it stands")
        elif "…" in word or word == "...":
            raise NotRunnable("something is left out; write what can be run as it stands")
        else:
            words.append(word)


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    # A comment begins with its own word alone: `#devops` in a quoted text is none, and `a#b` neither.
    lexer.commenters = ""
    found: list[str] = []
    try:
        for token in lexer:
            if token.startswith("#"):
                break
            found.append(token)
    except ValueError as error:
        raise NotRunnable(f"a shell does not take it: {str(error).lower()}") from None
    return _redirected(found)


def _redirected(tokens: list[str]) -> list[str]:
    """Without what is written to a file or to another stream (`2>/dev/null`)."""
    kept: list[str] = []
    rest = iter(tokens)
    for token in rest:
        if token[0] == ">" and not set(token) - set(">&"):
            next(rest, None)
            if kept and kept[-1] in ("1", "2"):
                kept.pop()
            continue
        kept.append(token)
    return kept
