"""Splits shell lines into the commands that they run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_INNER = re.compile(r"\$\(([^()]*)\)")
_SEPARATORS = frozenset({"|", "||", "&", "&&", ";", "|&"})


class NotRunnable(ValueError):
    """A line that a shell cannot run as it stands; the message has the reason."""


def simple_commands(line: str) -> Iterator[tuple[str, ...]]:
    """The words of every command in a line, including those in `$(…)`. Raises NotRunnable."""
    for inner in _INNER.findall(line):
        yield from simple_commands(inner)
    words: list[str] = []
    for word in (*_tokens(_INNER.sub("inner", line)), ";"):
        if word in _SEPARATORS:
            if words:
                yield tuple(words)
            words = []
        elif "<" in word and not set(word) - set("<>|&"):
            raise NotRunnable("a shell reads < as a redirection; write a line that runs as it stands")
        elif "…" in word or word == "...":
            raise NotRunnable("a part is omitted; write a line that runs as it stands")
        else:
            words.append(word)


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    # Only a word of its own starts a comment: neither `#devops` in quotes nor `a#b` does.
    lexer.commenters = ""
    tokens: list[str] = []
    try:
        for token in lexer:
            if token.startswith("#"):
                break
            tokens.append(token)
    except ValueError as error:
        raise NotRunnable(f"not valid shell syntax: {str(error).lower()}") from None
    return _strip_redirections(tokens)


def _strip_redirections(tokens: list[str]) -> list[str]:
    """The tokens without redirections (`2>/dev/null`)."""
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
