"""What the overview shows while no server is configured: three ways to begin, instead of an error for each panel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from console.config.settings import Settings
from console.screens.base import section
from queries.text.variables import command_name
from widgets.styled_text import Line, text, wrap

_WAYS = (
    ("{} init", "finds your servers, tries each address, writes a config file"),
    ("PROMETHEUS_URL=https://… {}", "also ALERTMANAGER_URL, CAD_ML_API_URL, KUBECONFIG; writes nothing"),
    ("{} demo --scenario bad-deploy", "a platform with a bad release on this machine, with a guided tour"),
)


def render_first_steps(settings: Settings, width: int) -> tuple[Line, ...]:
    """The page, for a terminal of this width."""
    return tuple(_lines(settings, width))


def _lines(settings: Settings, width: int) -> Iterator[Line]:
    yield section("No server is configured yet", width)
    yield ()
    about = (
        "This console shows what Prometheus, Alertmanager, Kubernetes and the platform's API return, and it has the address of "
        "none of them. There are three ways to begin; each is a command for your shell (q quits the console):"
    )
    yield from (((f" {part}", ""),) for part in wrap(about, width - 2))
    name = text(command_name(sys.argv, os.environ))[0]
    for command, meaning in _WAYS:
        yield ()
        yield ((f"   {command.format(name)}", "strong"),)
        yield ((f"     {meaning}", ""),)
    yield ()
    file = settings.paths.config_file
    state = "names no server" if Path(file).exists() else "does not exist"
    looked = f"Looked at flags, environment variables, ~/.kube/config and {file}, which {state}."
    yield from (((f" {part}", "dim"),) for part in wrap(text(looked)[0], width - 2))
