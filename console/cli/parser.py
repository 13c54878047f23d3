"""The command line's grammar: the verbs, the flags, and the parser, which knows only the chosen verb in full."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from console import __version__


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: where its module is, and what `--help` says of it."""

    name: str
    module: str
    meaning: str


COMMANDS = (
    Verb("console", "console.cli.console", "open the console (what happens without a verb)"),
    Verb("status", "console.cli.status", "print one snapshot: 0 healthy, 1 something critical, 2 no source answered"),
    Verb("check", "console.cli.check", "the self-check: API, health, metrics, rules, contract, mapping, servers"),
    Verb("contract", "console.cli.contract", "the metrics and error codes that are relied on, against what is there"),
    Verb("rules", "console.cli.rules", "lint rule files, or the rules of a server, for traps; export our own rules"),
    Verb("doctor", "console.cli.doctor", "what can be reached, which rules and metrics are missing, every path used"),
    Verb("alerts", "console.cli.alerts", "list the alerts"),
    Verb("runbook", "console.cli.runbook", "print a runbook by its name or by an alert's"),
    Verb("checklist", "console.cli.checklist", "a checklist judged from live data: morning, hourly, end-of-day"),
    Verb("incident", "console.cli.incident", "declare, follow, tell and review incidents"),
    Verb("handover", "console.cli.handover", "what the next shift has to know, and its signature"),
    Verb("act", "console.cli.act", "run an action through the same stages as the console"),
    Verb("journal", "console.cli.journal", "what was done, by whom, with what outcome"),
    Verb("dashboards", "console.cli.dashboards", "the key dashboards for Grafana, or what is wrong with existing ones"),
    Verb("demo", "console.cli.demo", "the console on an embedded stack, or a scenario played headless"),
)

_FLAGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--config", {"metavar": "FILE", "help": "config file instead of $XDG_CONFIG_HOME/cad-console/config.yaml"}),
    ("--environment", {"metavar": "NAME", "help": "one of the config's environments, or a name for this one"}),
    ("--prometheus-url", {"metavar": "URL", "help": "also PROMETHEUS_URL"}),
    ("--alertmanager-url", {"metavar": "URL", "action": "append", "help": "once for each peer; also ALERTMANAGER_URL"}),
    ("--api-url", {"metavar": "URL", "help": "the platform's API; also CAD_ML_API_URL"}),
    ("--kubeconfig", {"metavar": "FILE", "help": "overrides the environment's own cluster, which overrides KUBECONFIG"}),
    ("--context", {"metavar": "NAME", "help": "context of the kubeconfig"}),
    ("--namespace", {"metavar": "NAME", "help": "the platform's namespace"}),
    ("--read-only", {"action": "store_true", "help": "nothing that changes anything leaves this machine"}),
    ("--slow", {"action": "store_true", "help": "for a slow line: fewer frames, nothing that blinks, a byte counter"}),
    ("--theme", {"metavar": "NAME", "help": "colours of the console"}),
    ("--refresh", {"metavar": "SECONDS", "type": float, "help": "how often the sources are asked"}),
)
_OPERAND = re.compile(r"-|-\d+|-\d*\.\d+|.*\s.*", re.DOTALL)
_WITH_VALUE = frozenset(name for name, options in _FLAGS if options.get("action") != "store_true")


def flags() -> tuple[tuple[str, dict[str, Any]], ...]:
    """The flags that every command takes, with argparse's options."""
    return _FLAGS


class _Parser(argparse.ArgumentParser):
    """Takes options, verbs and operands in any order, and says what is wrong in one line instead of the whole usage."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **more})
        self._verbs: Any = None

    def add_subparsers(self, **more: Any) -> Any:
        self._verbs = super().add_subparsers(**more)
        return self._verbs

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (try --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._verb_first(words) if self._verbs else self._operands_last(words), namespace)

    def values_of(self, option: str) -> int | str | None:
        """How many words belong to an option, of this parser or of a verb in it; None where it is not known."""
        known = self._option_string_actions.get(option)
        if known is not None:
            return 1 if known.nargs is None else known.nargs
        inner = self._verbs.choices.values() if self._verbs else ()
        return next((found for verb in inner if (found := verb.values_of(option)) is not None), None)

    def _verb_first(self, words: list[str]) -> list[str]:
        """The verb decides which options there are, so argparse has to meet it before them."""
        for at, part in self._parts(words):
            if part[0] == "--":
                break
            if not self._is_option(part[0]):
                return [part[0], *words[:at], *words[at + 1 :]]
        return words

    def _operands_last(self, words: list[str]) -> list[str]:
        """argparse gives all operands away at the first one that it meets; those behind an option are then one too many."""
        options: list[str] = []
        operands: list[str] = []
        for at, part in self._parts(words):
            if part[0] == "--" or self.values_of(part[0]) == argparse.REMAINDER:
                return [*options, *operands, *words[at:]]
            (options if self._is_option(part[0]) else operands).extend(part)
        return [*options, *operands]

    def _is_option(self, word: str) -> bool:
        """As argparse has it: what holds a blank, is a number or only a dash is an operand."""
        if self.values_of(word.partition("=")[0]) is not None:
            return True
        return word.startswith("-") and not _OPERAND.fullmatch(word)

    def _parts(self, words: list[str]) -> Iterator[tuple[int, list[str]]]:
        """Every operand, and every option with its values, with its place."""
        at = 0
        while at < len(words):
            values = self.values_of(words[at])
            size = 1 + (values if isinstance(values, int) else 0)
            yield at, words[at : at + size]
            at += size


def build_parser(chosen: str) -> argparse.ArgumentParser:
    """The whole parser; only the chosen verb's is filled and its module imported, the others are known by name."""
    parser = _Parser(
        prog="cad-console",
        description="The terminal console of the CAD ML Platform: alert, runbook, safe action and proof in one place.",
    )
    add_flags(parser)
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        if command.name != chosen:
            verbs.add_parser(command.name, help=command.meaning, add_help=False)
            continue
        verb = verbs.add_parser(command.name, help=command.meaning, description=command.meaning)
        add_flags(verb)
        importlib.import_module(command.module).add(verb)
    return parser


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that every command takes, for a command's own verbs too."""
    group = parser.add_argument_group("everywhere")
    group.add_argument("--version", action="version", version=f"cad-console {__version__}")
    for name, options in _FLAGS:
        # SUPPRESS: what nobody gave does not hide what the environment or the config file says.
        group.add_argument(name, default=argparse.SUPPRESS, **options)


def verb_of(words: Sequence[str]) -> str:
    """The command that is meant: the first operand that is one; `console` where there is none.

    Which options take a value is known only of the flags that every command has. Of another's value it is only known
    that it is hardly ever called like a command.
    """
    names = {command.name for command in COMMANDS}
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif word in names:
            return word
    return "console"
