"""Checks `cad-console` command lines in runbooks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

from console.cli.act import parse_parameters, qualify_target
from console.cli.parser import VERBS, build_parser, verb_of
from console.config.errors import ConfigError
from console.lint.runbooks.page import suggest_name
from console.lint.runbooks.steps import check_action
from console.runbooks.index import RunbookIndex


def check_line(words: tuple[str, ...], index: RunbookIndex) -> Iterator[str]:
    """Errors in the arguments of `cad-console`; parses and never runs them."""
    line = " ".join(("cad-console", *words))
    # In a runbook the first word is always meant as the verb.
    verb = words[0] if words and not words[0].startswith("-") else verb_of(words)
    if verb not in (names := [item.name for item in VERBS]):
        yield f"`{line}`: no such command: {verb!r}{suggest_name(verb, names)}"
        return
    errors = io.StringIO()
    try:
        with redirect_stderr(errors), redirect_stdout(io.StringIO()):
            arguments = build_parser(verb).parse_args(words)
    except SystemExit as exit:
        if exit.code:
            yield f"`{line}`: {errors.getvalue().strip()}"
        return
    if verb == "act":
        try:
            given = parse_parameters(arguments)
        except ConfigError as error:
            yield f"`{line}`: {error}"
            return
        target = qualify_target(arguments.action, arguments.target)
        yield from (f"`{line}`: {text}" for _, _, text in check_action(arguments.action, target, given))
    elif verb == "runbook" and arguments.name and index.find(arguments.name).runbook is None:
        yield f"`{line}`: no such runbook: {arguments.name}{suggest_name(arguments.name, [item.id for item in index.runbooks])}"
