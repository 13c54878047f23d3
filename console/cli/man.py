"""`cad-console man`: the manual page, from the same parser as `--help`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Iterator

from console import __version__
from console.cli.reference import Argument, list_flags, list_verbs, sentence

_FILES = (
    ("~/.config/cad-console/config.yaml", "Addresses, thresholds and keys; cad-console init writes a first one."),
    ("~/.local/state/cad-console/journal.sqlite3", "The audit log."),
    ("~/.local/state/cad-console/recording/", "What the recorder keeps, by environment."),
    ("~/.local/state/cad-console/console.log", "Errors of the console itself."),
)
_VARIABLES = (
    ("PROMETHEUS_URL, ALERTMANAGER_URL, CAD_ML_API_URL, GRAFANA_URL, LOKI_URL", "The address of a server."),
    ("KUBECONFIG", "The cluster, if the environment of the config file names none."),
    ("CAD_CONSOLE_CONFIG, CAD_CONSOLE_ENVIRONMENT", "The config file, and the environment in it."),
    ("CAD_CONSOLE_READ_ONLY", "true: the console sends no write."),
    ("NO_COLOR", "No colours."),
)
_EXAMPLES = (
    ("cad-console demo --scenario bad-deploy", "Try it: an embedded stack with a bad release."),
    ("cad-console init", "Find your servers and write the config file."),
    ("cad-console doctor", "See which sources answer, and which rules and metrics are missing."),
    ("cad-console", "Open the console; ? shows the keys of a screen."),
    ("cad-console status --format json", "One snapshot for a script; the exit code is the verdict."),
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "pipe it into `man -l -` to read it; docs/connect.md says where to install it"


def run(arguments: argparse.Namespace) -> int:
    """Prints the page; returns 0."""
    print(manual_page(), end="")
    return 0


def manual_page() -> str:
    """The page in the man macros that man-db, groff and mandoc read."""
    return "\n".join(part for line in _lines() for part in _fold(line)) + "\n"


def _fold(line: str) -> Iterable[str]:
    """A line of text in lines of at most 78 characters, as roff likes it; none begins with a request's character."""
    if line.startswith((".", "\\&")):
        return (line,)
    parts = textwrap.wrap(line, 76, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{part}" if part.startswith((".", "'")) else part for part in parts]


def _lines() -> Iterator[str]:
    yield f'.TH CAD\\-CONSOLE 1 "" "cad\\-console {escape(__version__)}" "User Commands"'
    yield from (".ad l", ".nh", ".SH NAME")  # neither stretched lines nor hyphens inside options
    yield "cad\\-console \\- terminal console of the CAD ML Platform"
    yield ".SH SYNOPSIS"
    yield ".B cad\\-console"
    yield "[\\fICOMMAND\\fR] [\\fIOPTION\\fR]..."
    yield ".SH DESCRIPTION"
    yield (
        "Shows what is wrong, since when, what changed and what the runbook says. Rollbacks, scaling and silences are "
        "previewed, checked, confirmed, journalled and verified. Without a command the console opens."
    )
    yield ".SH OPTIONS"
    yield from _definitions(list_flags())
    yield ".SH COMMANDS"
    for command in list_verbs():
        if command.depth == 0:
            yield f".SS {escape(command.words)}"
        else:
            yield from (".PP", f".B {escape(command.words)}", ".br")
        yield escape(command.meaning)
        yield from _definitions(command.arguments)
        if command.epilog:
            yield ".PP"
            yield escape(command.epilog)
    yield ".SH ENVIRONMENT"
    yield from _definitions(Argument(*item) for item in _VARIABLES)
    yield ".SH FILES"
    yield from _definitions(Argument(*item) for item in _FILES)
    yield ".SH EXAMPLES"
    yield from _definitions(Argument(*item) for item in _EXAMPLES)


def _definitions(items: Iterable[Argument]) -> Iterator[str]:
    for item in items:
        yield ".TP"
        yield f".B {escape(item.written)}"
        yield escape(sentence(item.meaning)) or "\\&"


def escape(text: str) -> str:
    """Text in roff: a backslash or a dash is itself, and no line begins a request."""
    line = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("'", "\\(aq")
    line = line.replace("|", "|\\:")  # a line may break within a list of choices
    return f"\\&{line}" if line.startswith(".") else line
