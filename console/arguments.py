"""The command line's grammar: the verbs, the flags, and the parser, which knows only the chosen verb in full."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from console import __version__


@dataclass(frozen=True, slots=True)
class Command:
    """One verb: where its module is, and what `--help` says of it."""

    name: str
    module: str
    meaning: str


COMMANDS = (
    Command("console", "console.commands.console", "open the console (what happens without a verb)"),
    Command("status", "console.commands.status", "print one snapshot: 0 healthy, 1 something critical, 2 no source answered"),
    Command("check", "console.commands.check", "the self-check: API, health, metrics, rules, contract, mapping, servers"),
    Command("contract", "console.commands.contract", "the metrics and error codes that are relied on, against what is there"),
    Command("rules", "console.commands.rules", "lint rule files, or the rules of a server, for the traps of live rule sets"),
    Command("doctor", "console.commands.doctor", "what can be reached, which rules and metrics are missing, every path used"),
    Command("alerts", "console.commands.alerts", "list the alerts"),
    Command("runbook", "console.commands.runbook", "print a runbook by its name or by an alert's"),
    Command("checklist", "console.commands.checklist", "a checklist judged from live data: morning, hourly, end-of-day"),
    Command("incident", "console.commands.incident", "declare, follow, tell and review incidents"),
    Command("handover", "console.commands.handover", "what the next shift has to know, and its signature"),
    Command("act", "console.commands.act", "run an action through the same stages as the console"),
    Command("journal", "console.commands.journal", "what was done, by whom, with what outcome"),
    Command("dashboards", "console.commands.dashboards", "the key dashboards for Grafana, or what is wrong with existing ones"),
    Command("demo", "console.commands.demo", "the console on an embedded stack, or a scenario played headless"),
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
_ALONE = {"--read-only", "--slow", "--version", "--help", "-h"}


def flags() -> tuple[tuple[str, dict[str, Any]], ...]:
    """The flags that every command takes, with argparse's options."""
    return _FLAGS


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of repeating the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (try --help)\n")


def build_parser(chosen: str) -> argparse.ArgumentParser:
    """The whole parser; only the chosen verb's is filled and its module imported, the others are known by name."""
    parser = _Parser(
        prog="cad-console",
        description="The terminal console of the CAD ML Platform: alert, runbook, safe action and proof in one place.",
        allow_abbrev=False,
    )
    add_flags(parser)
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        if command.name != chosen:
            verbs.add_parser(command.name, help=command.meaning, add_help=False)
            continue
        verb = verbs.add_parser(command.name, help=command.meaning, description=command.meaning, allow_abbrev=False)
        add_flags(verb)
        importlib.import_module(command.module).add(verb)
    return parser


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that every verb takes, and every verb within one."""
    """The flags that every command takes, for a command's own verbs too."""
    # SUPPRESS, so that a flag before the verb is not overwritten by the verb's own default.
    group = parser.add_argument_group("everywhere")
    group.add_argument("--version", action="version", version=f"cad-console {__version__}")
    for name, options in _FLAGS:
        group.add_argument(name, default=argparse.SUPPRESS, **options)


def verb_of(words: Sequence[str]) -> str:
    """The first word that is neither a flag nor a global flag's value; `console` where there is none."""
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            if "=" not in word and word not in _ALONE:
                next(rest, None)
            continue
        return word
    return "console"
