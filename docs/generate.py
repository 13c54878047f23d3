"""Writes the references in docs/ from the program itself: configuration, keys and commands."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from textual.binding import Binding  # noqa: E402
from textual.widget import Widget  # noqa: E402

import console.screens  # noqa: E402
import widgets  # noqa: E402
from console.cli.parser import COMMANDS, build_parser, flags  # noqa: E402
from console.config import schema  # noqa: E402
from console.config.descriptions import MEANINGS  # noqa: E402
from console.screens import keys  # noqa: E402
from console.screens.base import ConsoleScreen  # noqa: E402
from widgets.footer import DANGEROUS  # noqa: E402

_MADE = "<!-- Made by docs/generate.py (make docs); do not change it here. -->\n"


class NoMeaning(Exception):
    """A key of the schema that nobody explains; the message says where to."""


# configuration


def configuration() -> str:
    """Every key of the config file with its type, what it is for, and whether it must be there."""
    rows = list(_rows(schema.DOCUMENT, ""))
    server = list(_rows(schema.SERVER.long, "server"))
    shared = list(_rows(schema.HTTP_CONFIG, "http_config"))
    stray = set(MEANINGS) - {path.strip("`") for path, _, _ in (*rows, *server, *shared)}
    if stray:
        raise NoMeaning(f"console/config/descriptions.py explains {', '.join(sorted(stray))}, which the schema does not have")
    panels = ", ".join(f"`{name}`" for name in schema.PANEL_IDS)
    return f"""# Configuration reference

{_MADE}
`~/.config/cad-console/config.yaml`, or what `--config` or `CAD_CONSOLE_CONFIG` names. A flag comes before an environment
variable, that before the file, and the file before the default; `cad-console doctor` tells where each value came from.
A key that is not in this list, or a value of another kind, ends the start with file, line and key.
`*` stands for a name that you choose.

```yaml
default_environment: staging
environments:
  production:
    protected: true                   # a write asks for the target's name
    namespace: cad-ml-platform
    prometheus:
      url: https://prometheus.example.com
      http_config:
        authorization: {{credentials_file: prometheus.token}}
    alertmanager:
      - url: https://alertmanager-0.example.com
      - url: https://alertmanager-1.example.com
    kubernetes: {{context: production}}
    platform: https://cad-ml.example.com
  staging:
    prometheus: https://prometheus.staging.example.com
thresholds:
  error_ratio: {{warn: 1, critical: 5}}
```

{_table(("key", "what it takes", "what it is for"), rows)}

## A server

Its URL alone, or a mapping:

{_table(("key", "what it takes", "what it is for"), server)}

## `http_config`

The fields of Prometheus' own `http_config`, for every server that takes one. Files are read again when they change.

{_table(("key", "what it takes", "what it is for"), shared)}

## Panels

`thresholds` takes these names: {panels}.

## Environment variables

Every empty variable counts as unset.

| variable | instead of |
| --- | --- |
| `PROMETHEUS_URL`, `ALERTMANAGER_URL` (several with commas), `CAD_ML_API_URL`, `GRAFANA_URL`, `LOKI_URL` | the server's URL |
| `REDIS_URL` | the platform's Redis, which the self-check sends a PING; needs the extra `cad-console[redis]` |
| `KUBECONFIG` | nothing: it counts only where `kubernetes` names no cluster; its cluster is protected |
| `CAD_CONSOLE_CONFIG` | the place of the config file |
| `CAD_CONSOLE_ENVIRONMENT` | `default_environment` |
| `CAD_CONSOLE_STORE` | `store`; `kubernetes` or a `postgresql://` URL |
| `CAD_CONSOLE_READ_ONLY` | adds to `read_only`: `true` or `false`, anything else is an error; `false` lifts nothing |
| `NO_COLOR` | no colours; every state has its word |
| `XDG_CONFIG_HOME`, `XDG_STATE_HOME`, `XDG_CACHE_HOME` | where config, journal and log, and brought servers lie |
"""


def _rows(kind: schema.Kind, path: str) -> Iterator[tuple[str, str, str]]:
    if kind is schema.SERVER:
        return
    match kind:
        case schema.Fields():
            for key, inner in kind.keys.items():
                yield from _row(inner, f"{path}.{key}".removeprefix("."), required=key in kind.required)
        case schema.MapOf():
            yield from _row(kind.each, f"{path}.*", required=False)
        case schema.ListOf():
            yield from _rows(kind.each, f"{path}[]")
        case schema.OneOf():
            yield from _rows(kind.long, path)
        case schema.Scalar():
            return


def _row(kind: schema.Kind, path: str, *, required: bool) -> Iterator[tuple[str, str, str]]:
    if path not in MEANINGS:
        raise NoMeaning(f"the key {path} is explained nowhere: say in console/config/descriptions.py what it is for")
    yield (f"`{path}`", _words(kind) + (" (required)" if required else ""), MEANINGS[path])
    if kind is not schema.HTTP_CONFIG:
        yield from _rows(kind, path)


def _words(kind: schema.Kind) -> str:
    if kind is schema.SERVER:
        return "a server"
    match kind:
        case schema.Scalar():
            return kind.words
        case schema.Fields():
            return "the fields of `http_config` below" if kind is schema.HTTP_CONFIG else "a mapping"
        case schema.MapOf():
            return "a mapping by name"
        case schema.ListOf():
            return f"a list: {_words(kind.each)}"
        case schema.OneOf():
            return f"{kind.short.words}, or {_words(kind.long)}"


# keys


def key_reference() -> str:
    """Every binding of the console with its id, which is what `keys` in the config file takes."""
    parts = [
        f"""# Key reference

{_MADE}
`?` shows the keys of the screen that you are on. Keys that change something open a preview first; they are marked with ▲.
A key can be changed in the config file by its id: `keys: {{alert.silence: "Z"}}`.
""",
        "## Everywhere\n\n" + _bindings([*keys.GLOBAL, *keys.BETWEEN]),
    ]
    shared = {id(binding) for binding in (*keys.GLOBAL, *keys.BETWEEN)}
    for title, about, bindings in _screens():
        own = [item for item in bindings if id(item) not in shared]
        if own:
            parts.append(f"## {title}\n\n{about}\n\n{_bindings(own)}")
    parts.append("## In lists, texts and dialogs\n\n" + _bindings(list(_widget_bindings())))
    return "\n".join(parts)


def _screens() -> Iterator[tuple[str, str, list[Binding]]]:
    """Title, what it says about itself, and own bindings of every screen: the digits' in their order, then the others."""
    found = sorted(_classes(console.screens, ConsoleScreen), key=lambda each: each.TITLE_WORDS)
    order = [title for _, title, _ in keys.SCREENS]
    ranked = sorted(found, key=lambda each: order.index(each.TITLE_WORDS) if each.TITLE_WORDS in order else len(order))
    seen: set[str] = set()
    for screen in ranked:
        if screen.TITLE_WORDS and screen.TITLE_WORDS not in seen:
            seen.add(screen.TITLE_WORDS)
            own = [item for item in screen.__dict__.get("BINDINGS", ()) if isinstance(item, Binding)]
            yield screen.TITLE_WORDS, screen.ABOUT, own


def _widget_bindings() -> Iterator[Binding]:
    seen: set[str] = set()
    for package in (widgets, console.screens):
        for each in sorted(_classes(package, Widget), key=lambda item: item.__name__):
            for item in each.__dict__.get("BINDINGS", ()):
                if isinstance(item, Binding) and item.id and item.id not in seen and not issubclass(each, ConsoleScreen):
                    seen.add(item.id)
                    yield item


def _classes(package: object, base: type) -> list[type]:
    found: dict[str, type] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):  # type: ignore[attr-defined]
        module = importlib.import_module(info.name)
        for _, each in inspect.getmembers(module, inspect.isclass):
            if issubclass(each, base) and each.__module__.startswith(f"{package.__name__}."):  # type: ignore[attr-defined]
                found[f"{each.__module__}.{each.__qualname__}"] = each
    return list(found.values())


def _bindings(bindings: list[Binding]) -> str:
    rows = []
    for item in bindings:
        shown = " ".join(f"`{_shown(key)}`" for key in item.key.split(","))
        mark = " ▲" if item.group is DANGEROUS else ""
        # The footer calls the first of the digits by what they all do.
        name = keys.SCREENS[0][1] if item.id == "screen.overview" else item.description or ""
        rows.append((shown, name + mark, item.tooltip or "", f"`{item.id}`"))
    return _table(("key", "name", "what it does", "id"), rows) + "\n"


_NAMES = {
    "question_mark": "?", "colon": ":", "slash": "/", "left_square_bracket": "[", "right_square_bracket": "]",
    "escape": "esc", "pageup": "page up", "pagedown": "page down", "comma": ",", "full_stop": ".",
}  # fmt: skip


def _shown(key: str) -> str:
    return _NAMES.get(key.strip(), key.strip().replace("ctrl+", "^"))


# commands


def commands() -> str:
    """Every verb with its arguments and exit codes, as the parser has them."""
    order = "Options, files and other operands stand in any order, before a verb too; after `--` nothing is an option.\n"
    parts = [f"# Command reference\n\n{_MADE}\n{order}"]
    for command in COMMANDS:
        parser = build_parser(command.name)
        verb = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        parts.append("\n".join(_command(f"cad-console {command.name}", verb.choices[command.name], command.meaning, level=2)))
    rows = [
        (f"`{name}{' ' + options['metavar'] if 'metavar' in options else ''}`", options["help"]) for name, options in flags()
    ]
    parts.append("## Flags that every command takes\n\n" + _table(("flag", "what it does"), rows) + "\n")
    return "\n".join(parts)


def _command(name: str, parser: argparse.ArgumentParser, meaning: str, *, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{name}`\n\n{_sentence(meaning)}\n"
    everywhere = {flag for flag, _ in flags()} | {"--help", "--version"}
    rows = []
    verbs: list[argparse._SubParsersAction[argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            verbs.append(action)
        elif not everywhere & set(action.option_strings):
            rows.append((f"`{_argument(action)}`", _sentence((action.help or "").replace("%%", "%"))))
    if rows:
        yield _table(("argument", "what it does"), rows) + "\n"
    if parser.epilog:
        yield _sentence(parser.epilog.replace("%%", "%")) + "\n"
    for action in verbs:
        told = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for verb, inner in action.choices.items():
            yield from _command(f"{name} {verb}", inner, told.get(verb, ""), level=level + 1)


def _argument(action: argparse.Action) -> str:
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return f"[{value}]" if action.nargs in ("?", "*") else value
    return action.option_strings[-1] + (f" {value}" if action.nargs != 0 else "")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "?")) or not words else ".")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def files() -> dict[Path, str]:
    """Every generated reference with what it should hold."""
    folder = ROOT / "docs"
    return {
        folder / "configuration.md": configuration(),
        folder / "keys.md": key_reference(),
        folder / "commands.md": commands(),
    }


def main() -> int:
    for path, text in files().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT), "written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
