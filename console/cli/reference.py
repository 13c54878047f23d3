"""Walks the parser of every verb, for the manual page and the command reference."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from console.cli.parser import VERBS, build_parser, flags
from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    """An option or operand as it is written (`--format FORMAT`), and its help."""

    written: str
    meaning: str


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """A verb or a verb within one: `words` is how it is called, `depth` 0 for the verbs of the console."""

    words: str
    depth: int
    meaning: str
    arguments: tuple[Argument, ...]
    epilog: str


def arguments_of(parser: argparse.ArgumentParser) -> tuple[argparse.Action, ...]:
    """Options and operands of a parser, the one that takes its verbs included; argparse has no public way to them."""
    return tuple(parser._actions)


def list_verbs() -> Iterator[CommandHelp]:
    """Every verb, each followed by the verbs within it. The flags that every verb takes are left out."""
    for verb in VERBS:
        parser = build_parser(verb.name)
        inner = next(action for action in arguments_of(parser) if isinstance(action, argparse._SubParsersAction))
        yield from _walk(f"cad-console {verb.name}", inner.choices[verb.name], verb.meaning, 0)


def list_flags() -> tuple[Argument, ...]:
    """The flags that every verb takes."""
    return tuple(
        Argument(f"{name}{' ' + options['metavar'] if 'metavar' in options else ''}", str(options["help"]))
        for name, options in flags()
    )


def sentence(words: str) -> str:
    """Help text as a sentence."""
    text = words.replace("%%", "%")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) or not text else ".")


def _walk(words: str, parser: argparse.ArgumentParser, meaning: str, depth: int) -> Iterator[CommandHelp]:
    everywhere = {flag for flag, _ in flags()} | {"--help", "--version"}
    verbs = [action for action in arguments_of(parser) if isinstance(action, argparse._SubParsersAction)]
    own = [action for action in arguments_of(parser) if action not in verbs and not everywhere & set(action.option_strings)]
    yield CommandHelp(
        words,
        depth,
        sentence(meaning),
        tuple(Argument(_written(action), sentence(action.help or "")) for action in own),
        sentence(parser.epilog or ""),
    )
    for action in verbs:
        help_texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for verb, inner in action.choices.items():
            yield from _walk(f"{words} {verb}", inner, help_texts.get(verb, ""), depth + 1)


def _written(action: argparse.Action) -> str:
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return f"[{value}]" if action.nargs in ("?", "*") else value
    return action.option_strings[-1] + (f" {value}" if action.nargs != 0 else "")
