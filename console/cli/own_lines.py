"""What the console makes of a line of its own in a runbook."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

from console.cli.act import parameters_of, target_of
from console.cli.parser import COMMANDS, build_parser, verb_of
from console.config.errors import ConfigError
from console.lint.runbooks.page import near
from console.lint.runbooks.steps import wrong_action
from console.runbooks.index import RunbookIndex


def check_line(words: tuple[str, ...], index: RunbookIndex) -> Iterator[str]:
    """What is wrong with the words behind `cad-console`; they are parsed and never run."""
    line = " ".join(("cad-console", *words))
    # A page that begins with a word means it as the command.
    verb = words[0] if words and not words[0].startswith("-") else verb_of(words)
    if verb not in (names := [item.name for item in COMMANDS]):
        yield f"`{line}`: there is no command {verb!r}{near(verb, names)}"
        return
    said = io.StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            arguments = build_parser(verb).parse_args(words)
    except SystemExit as ended:
        if ended.code:
            yield f"`{line}`: {said.getvalue().strip()}"
        return
    if verb == "act":
        try:
            given = parameters_of(arguments)
        except ConfigError as error:
            yield f"`{line}`: {error}"
            return
        target = target_of(arguments.action, arguments.target)
        yield from (f"`{line}`: {text}" for _, _, text in wrong_action(arguments.action, target, given))
    elif verb == "runbook" and arguments.name and index.find(arguments.name).runbook is None:
        yield f"`{line}`: there is no runbook {arguments.name}{near(arguments.name, [item.id for item in index.runbooks])}"
