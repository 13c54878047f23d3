"""Flags, environment variables and the config file, and which of them set each value."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from console.config.errors import ConfigError
from queries.text.variables import home_folder, read_env

KeyPath: TypeAlias = tuple[str | int, ...]
_NOT_SECRET = {"ca_file", "cert_file", "kubeconfig"}
"""Keys whose file anybody may read; `permissions` inspects a kubeconfig's contents."""
COMMANDS = MappingProxyType({"environment": "env", "context": "ctx", "namespace": "ns"})
"""The command of the console that overrides each of these flags."""
NOTHING_TYPED: Mapping[str, str] = MappingProxyType({})


class Sources:
    """What one run of the console was given. `origins` collects by key which source set the value, for `doctor`."""

    def __init__(self, flags: Mapping[str, Any], environ: Mapping[str, str], typed: Mapping[str, str] = NOTHING_TYPED) -> None:
        """Reads the config file; `typed` are the names of `COMMANDS` that override the flags. Raises ConfigError."""
        self.flags = {name: value for name, value in {**flags, **typed}.items() if value is not None}
        self._typed = typed
        self.environ = environ
        self.origins: dict[str, str] = {}
        self.secret_files: list[str] = []
        self.config_file, named = locate_config(self.flags, environ)
        self._document = _read(self.config_file) if named or self.config_file.exists() else None
        self.environment: Mapping[str, Any] = {}
        """The chosen environment's part of the config file."""
        self.environment_path: KeyPath = ()

    @property
    def document(self) -> Mapping[str, Any]:
        """The config file's keys; empty without a config file."""
        return {} if self._document is None or self._document.value is None else self._document.value

    def xdg(self, name: str, *default: str) -> Path:
        """The console's folder below one of the XDG base directories."""
        return xdg_folder(self.environ, name, *default) / "cad-console"

    def given(self, flag: str, name: str) -> tuple[str, str]:
        """A text from a flag, else from an environment variable, and its origin; both empty where neither has one."""
        if self.flags.get(flag):
            return str(self.flags[flag]), self.flag_origin(flag)
        if value := read_env(self.environ, name):
            return value, f"environment variable {name}"
        return "", ""

    def flag_origin(self, flag: str) -> str:
        """`flag --context`, or `:ctx` for a name that was typed in the console."""
        return f":{COMMANDS[flag]}" if flag in self._typed else f"flag --{flag.replace('_', '-')}"

    def top(self, key: str, default: Any) -> Any:
        """A key of the config file's top level."""
        value = self.document.get(key)
        if value is None:
            return default
        self.origins.setdefault(key, self.line((key,)))
        return value

    def own(self, key: str) -> Any:
        """A key of the chosen environment, None without one."""
        if key not in self.environment:
            return None
        self.origins[key] = self.line((*self.environment_path, key))
        return self.environment[key]

    def line(self, path: KeyPath) -> str:
        """`config file, line 4`."""
        return f"config file, line {self.line_number(path)}"

    def line_number(self, path: KeyPath) -> int:
        return self._document.line(path) if self._document else 0

    def error(self, path: KeyPath, expected: str) -> ConfigError:
        """An error about the value at `path` in the config file."""
        from queries.yaml import format_path  # noqa: PLC0415  # YAML

        return ConfigError(source=str(self.config_file), line=self.line_number(path), key=format_path(path), expected=expected)

    def beside(self, name: str) -> Path:
        """A path of the config file: relative to the file's folder, as in Prometheus."""
        return self.config_file.parent / Path(name).expanduser()

    def file(self, name: str, path: KeyPath) -> str:
        """A file named at `path` in the config file; empty for no name. Raises ConfigError where it cannot be read."""
        if not name:
            return ""
        file = self.beside(name)
        if not (file.is_file() and os.access(file, os.R_OK)):
            raise self.error(path, f"expected a readable file, found none at {file}")
        if path[-1] not in _NOT_SECRET:
            self.secret_files.append(str(file))
        return str(file)


def locate_config(flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Path, bool]:
    """The path of the config file, and whether a flag or variable names it: then it must exist."""
    named = flags.get("config") or read_env(environ, "CAD_CONSOLE_CONFIG")
    if named:
        return Path(str(named)).expanduser(), True
    return xdg_folder(environ, "XDG_CONFIG_HOME", ".config") / "cad-console" / "config.yaml", False


def xdg_folder(environ: Mapping[str, str], name: str, *default: str) -> Path:
    """An XDG base directory; `default` is its place below the home folder."""
    value = read_env(environ, name)
    # The XDG specification: ignore a relative path there.
    return Path(value) if value and Path(value).is_absolute() else Path(home_folder(environ)).joinpath(*default)


def find_schema_errors(path: Path) -> Iterator[ConfigError]:
    """Every value of a config file that violates the schema. Raises ConfigError for a file that is not YAML."""
    yield from _schema_errors(path, _parse(path))


def _read(path: Path) -> Any:
    """The config file as a checked `YamlDocument`. Raises ConfigError."""
    document = _parse(path)
    for error in _schema_errors(path, document):
        raise error
    return document


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(source=str(path), expected="no such file, expected a config file") from None
    except UnicodeDecodeError:
        raise ConfigError(source=str(path), expected="expected text in UTF-8") from None
    except OSError as error:
        raise ConfigError(source=str(path), expected=f"cannot be read: {error.strerror}") from None
    from queries.yaml import NodeError, load_with_lines  # noqa: PLC0415  # without a config file it starts without YAML

    try:
        return load_with_lines(text)
    except NodeError as error:
        raise ConfigError(source=str(path), line=error.line, key=error.key, expected=str(error)) from None


def _schema_errors(path: Path, document: Any) -> Iterator[ConfigError]:
    from console.config.schema import DOCUMENT  # noqa: PLC0415  # as above
    from console.config.validation import find_errors  # noqa: PLC0415  # as above

    for error in find_errors(document, DOCUMENT):
        yield ConfigError(source=str(path), line=error.line, key=error.key, expected=error.expected)
