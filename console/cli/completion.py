"""`cad-console completion`: the script that completes verbs, options and choices in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from console.config.sources import xdg_folder
from queries.text.variables import home_folder

SHELLS = ("bash", "zsh", "fish")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell to print the script for")
    parser.epilog = 'bash: eval "$(cad-console completion bash)" in ~/.bashrc; zsh and fish: docs/connect.md'


def run(arguments: argparse.Namespace) -> int:
    """Prints the script; returns 0."""
    print(completion_script(arguments.shell))
    return 0


def completion_script(shell: str) -> str:
    """The script for one of SHELLS, from the one parser."""
    import shtab  # only this verb needs it

    from console.cli.parser import VERBS, build_parser  # imports every verb

    return str(shtab.complete(build_parser(*(verb.name for verb in VERBS)), shell))


def install_path(shell: str, environ: Mapping[str, str]) -> Path | None:
    """Where this shell looks for a person's own completions; None for another shell. zsh needs ~/.zfunc in its fpath."""
    if shell == "bash":
        return xdg_folder(environ, "XDG_DATA_HOME", ".local", "share") / "bash-completion" / "completions" / "cad-console"
    if shell == "zsh":
        return Path(home_folder(environ)) / ".zfunc" / "_cad-console"
    if shell == "fish":
        return xdg_folder(environ, "XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "cad-console.fish"
    return None
