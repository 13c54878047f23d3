"""The command line: the verbs, the global flags, and a parser that imports only the chosen verb."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from console import __version__
from queries.model.frozen import dataclass
from queries.model.later import lazy_pattern
from queries.text.suggestions import nearest_names


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: its module and its line in `--help`."""

    name: str
    module: str
    meaning: str


VERBS = (
    Verb("console", "console.cli.console", "open the console (the default)"),
    Verb(
        "status",
        "console.cli.status",
        "print one snapshot; exit code 0 healthy, 1 critical, 2 no source answered, 3 something is unknown",
    ),
    Verb("check", "console.cli.check", "run the self-check: API, health, metrics, rules, contract, mapping, servers"),
    Verb("contract", "console.cli.contract", "compare the required metrics and error codes with the exporter and Prometheus"),
    Verb("rules", "console.cli.rules", "lint rule files or the rules of a server; export the console's own rules"),
    Verb("doctor", "console.cli.doctor", "show reachable sources, missing rules and metrics, and every path used"),
    Verb("alerts", "console.cli.alerts", "list the alerts"),
    Verb("chart", "console.cli.chart", "write a panel's chart as an SVG file, for a report"),
    Verb("logs", "console.cli.logs", "print the log of a pod, or of all pods of a workload, merged by time"),
    Verb("runbook", "console.cli.runbook", "print a runbook by its name or by an alert's"),
    Verb("checklist", "console.cli.checklist", "evaluate a checklist on live data: morning, hourly, end-of-day"),
    Verb("incident", "console.cli.incident", "declare, update and review incidents"),
    Verb("replay", "console.cli.replay", "open the console on the bundle of an incident, without any server"),
    Verb("handover", "console.cli.handover", "print the report for the next shift, and sign it"),
    Verb("act", "console.cli.act", "run an action, through the same stages as in the console"),
    Verb("deploy", "console.cli.deploy", "for pipelines: gate before a deployment, watch after it"),
    Verb("drill", "console.cli.drill", "game day: break something on purpose, roll it back, report the times"),
    Verb("record", "console.cli.record", "record states of the cluster and of Alertmanager until it is stopped"),
    Verb("journal", "console.cli.journal", "show, export and verify the audit log"),
    Verb("config", "console.cli.config", "show the settings in effect with their origins; check the config file"),
    Verb("init", "console.cli.init", "find your servers, try each, and write the config file"),
    Verb("completion", "console.cli.completion", "print the completion script of a shell: bash, zsh, fish"),
    Verb("man", "console.cli.man", "print the manual page, for man(1)"),
    Verb("dashboards", "console.cli.dashboards", "export the key dashboards for Grafana, or lint existing ones"),
    Verb("demo", "console.cli.demo", "open the console on an embedded stack, or play a scenario headless"),
)

_FLAGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--config", {"metavar": "FILE", "help": "config file instead of $XDG_CONFIG_HOME/cad-console/config.yaml"}),
    ("--environment", {"metavar": "NAME", "help": "an environment of the config file, or a name for this one"}),
    ("--prometheus-url", {"metavar": "URL", "help": "also PROMETHEUS_URL"}),
    ("--alertmanager-url", {"metavar": "URL", "action": "append", "help": "once for each peer; also ALERTMANAGER_URL"}),
    ("--api-url", {"metavar": "URL", "help": "the platform's API; also CAD_ML_API_URL"}),
    ("--kubeconfig", {"metavar": "FILE", "help": "overrides the environment's own cluster, which overrides KUBECONFIG"}),
    ("--context", {"metavar": "NAME", "help": "context of the kubeconfig"}),
    ("--namespace", {"metavar": "NAME", "help": "the platform's namespace"}),
    ("--read-only", {"action": "store_true", "help": "send no write"}),
    ("--slow", {"action": "store_true", "help": "for a slow connection: fewer frames, nothing blinks, a byte counter"}),
    ("--theme", {"metavar": "NAME", "help": "the colour theme"}),
    ("--refresh", {"metavar": "SECONDS", "type": float, "help": "the polling interval"}),
)
_ANY_WIDTH = 80
"""argparse makes a formatter for each option that is added; for the width of the terminal it imports `shutil`."""
_AGO = lazy_pattern(r"-(?:\d+[a-z]+)+")
_OPERAND = lazy_pattern(r"-|-\d+|-\d*\.\d+|.*\s.*", re.DOTALL)
_WITH_VALUE = frozenset(name for name, options in _FLAGS if options.get("action") != "store_true")


def flags() -> tuple[tuple[str, dict[str, Any]], ...]:
    """The global flags, with their argparse options."""
    return _FLAGS


class _LazyVerbs(dict[str, Any]):
    """The parsers of a command's verbs. `names` are in it too, but are values only once they were asked for."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__(known)
        self.names: dict[str, Callable[[], Any]] = {}

    def __missing__(self, name: str) -> Any:
        parser = self[name] = self.names[name]()
        return parser

    def __contains__(self, name: object) -> bool:
        return name in self.names or super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*super().__iter__(), *self.names)))


class _Parser(argparse.ArgumentParser):
    """Accepts options, verbs and operands in any order, and reports an error in one line, without the usage."""

    def __init__(self, **more: Any) -> None:
        self._width: int | None = _ANY_WIDTH
        super().__init__(**{"allow_abbrev": False, **more})
        self._verbs: Any = None

    def add_subparsers(self, **more: Any) -> Any:
        self._verbs = super().add_subparsers(**more)
        return self._verbs

    def _get_formatter(self) -> argparse.HelpFormatter:
        return self.formatter_class(prog=self.prog, width=self._width)  # type: ignore[call-arg]

    def format_help(self) -> str:
        self._width = None  # the terminal's
        return super().format_help()

    def name_verb(self, name: str, meaning: str) -> None:
        """A verb that is only listed and suggested: its parser is made if it is asked for, with no option."""
        if not isinstance(self._verbs.choices, _LazyVerbs):
            self._verbs.choices = self._verbs._name_parser_map = _LazyVerbs(self._verbs.choices)
        self._verbs.choices.names[name] = lambda: _Parser(prog=f"{self.prog} {name}", add_help=False)
        self._verbs._choices_actions.append(self._verbs._ChoicesPseudoAction(name, (), meaning))

    @property
    def _known_verbs(self) -> Iterable[Any]:
        return self._verbs.choices.values() if self._verbs else ()

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (try --help)\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0]
            self.error(f"unknown argument {word!r}{self._hint(word)}")
        return parsed

    def _hint(self, word: str) -> str:
        option = word.partition("=")[0]
        if not option.startswith("--"):
            return ""
        if verbs := self._verbs_with(option):
            return f" here: {option} belongs to {', '.join(verbs)}"
        return f": {_suggest(option, self.options)}"

    def _verbs_with(self, option: str) -> tuple[str, ...]:
        """The commands that know an option, such as `incident note`."""
        verbs = self._known_verbs
        below = tuple(name for verb in verbs for name in verb._verbs_with(option))
        return below or ((self.prog.partition(" ")[2],) if option in self._option_string_actions else ())

    @property
    def options(self) -> tuple[str, ...]:
        """The long options of this parser and of the verbs that have been filled in."""
        verbs = self._known_verbs
        names = dict.fromkeys(name for name in self._option_string_actions if name.startswith("--"))
        return tuple(names | dict.fromkeys(name for verb in verbs for name in verb.options))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Suggests the nearest choice; argparse's own message only lists them all."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"{value!r} is unknown: {_suggest(str(value), action.choices)}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._verb_first(words) if self._verbs else self._operands_last(words), namespace)

    def values_of(self, option: str) -> int | str | None:
        """The number of values of an option of this parser or of one of its verbs; None for an unknown option."""
        known = self._option_string_actions.get(option)
        if known is not None:
            return 1 if known.nargs is None else known.nargs
        verbs = self._known_verbs
        return next((count for verb in verbs if (count := verb.values_of(option)) is not None), None)

    def _verb_first(self, words: list[str]) -> list[str]:
        """The verb defines its options, so argparse has to parse it first."""
        for at, part in self._parts(words):
            if part[0] == "--":
                break
            if not self._is_option(part[0]):
                return [part[0], *words[:at], *words[at + 1 :]]
        return words

    def _operands_last(self, words: list[str]) -> list[str]:
        """argparse consumes all positionals at the first one and would reject those after an option."""
        options: list[str] = []
        operands: list[str] = []
        for at, part in self._parts(words):
            if part[0] == "--" or self.values_of(part[0]) == argparse.REMAINDER:
                return [*options, *operands, *words[at:]]
            (options if self._is_option(part[0]) else operands).extend(part)
        return [*options, *operands]

    def _is_option(self, word: str) -> bool:
        """As in argparse: a word with a blank, a number or a single dash is an operand."""
        if self.values_of(word.partition("=")[0]) is not None:
            return True
        return word.startswith("-") and not _OPERAND.fullmatch(word)

    def _parts(self, words: list[str]) -> Iterator[tuple[int, list[str]]]:
        """Every operand, and every option with its values, with its index."""
        at = 0
        while at < len(words):
            values = self.values_of(words[at])
            size = 1 + (values if isinstance(values, int) else 0)
            part = words[at : at + size]
            # argparse takes `-2h`, a time ago, for an option.
            yield at, [f"{part[0]}={part[1]}"] if len(part) == 2 and _AGO.fullmatch(part[1]) else part
            at += size


def _suggest(word: str, known: Iterable[str]) -> str:
    names = tuple(known)
    near = nearest_names(word, names, most=1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"


def build_parser(*chosen: str) -> argparse.ArgumentParser:
    """The parser; imports and fills in only the chosen verbs; the others are present by name only."""
    parser = _Parser(
        prog="cad-console",
        description="The terminal console of the CAD ML Platform: alert, runbook, safe action and proof in one place.",
    )
    add_flags(parser)
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for command in VERBS:
        if command.name not in chosen:
            parser.name_verb(command.name, command.meaning)
            continue
        verb = verbs.add_parser(command.name, help=command.meaning, description=command.meaning)
        add_flags(verb)
        importlib.import_module(command.module).add(verb)
    return parser


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the global flags, for a verb's own subcommands too."""
    group = parser.add_argument_group("everywhere")
    group.add_argument("--version", action="version", version=f"cad-console {__version__}")
    for name, options in _FLAGS:
        # SUPPRESS: a flag that is not given must not override the environment or the config file.
        group.add_argument(name, default=argparse.SUPPRESS, **options)


def verb_of(words: Sequence[str]) -> str:
    """The verb: the first operand that is one, else `console`.

    Only the global flags are known to take a value here; a value of another option hardly ever equals a verb.
    """
    names = {command.name for command in VERBS}
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif word in names:
            return word
    return "console"
