"""Real Prometheus and Alertmanager processes for integration tests, each on a free loopback port."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from console.demo.process import ServerProcess
from console.demo.server_args import launch_alertmanager, launch_prometheus
from console.demo.server_binaries import Servers, provide_servers

PLAIN_PROMETHEUS = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
PLAIN_ALERTMANAGER = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 1s, group_interval: 2s}
receivers: [{name: nobody}]
"""


@functools.cache
def servers() -> Servers:
    """The programs, brought by the console's own code when this machine has none."""
    return provide_servers(lambda progress: None)


@functools.cache
def new_alertmanager() -> Servers | None:
    """The release that `make alertmanager-assets` built, None where ALERTMANAGER_ASSETS is unset; the rest as in `servers`."""
    named = os.environ.get("ALERTMANAGER_ASSETS", "")
    if not named:
        return None
    programs = {name: str(Path(named) / name) for name in ("alertmanager", "amtool")}
    missing = [name for name, path in programs.items() if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"ALERTMANAGER_ASSETS={named} lacks {', '.join(missing)}: run `make alertmanager-assets`")
    return replace(servers(), templates="", origin=named, **programs)


ALERTMANAGERS = ("packaged", "new")
"""The releases that silences and matchers are held against: parameters of a fixture that calls `alertmanager_of`."""


def alertmanager_of(release: str) -> Servers:
    """The programs of one of ALERTMANAGERS; skips the test where the new one was not built."""
    found = servers() if release == "packaged" else new_alertmanager()
    if found is None:
        pytest.skip("no new Alertmanager: run `make alertmanager-assets` and export what it prints")
    return found


@contextmanager
def start_prometheus(
    config: str = PLAIN_PROMETHEUS, rules: Mapping[str, str] | None = None, *, folder: Path, port: int = 0
) -> Iterator[ServerProcess]:
    """Prometheus with the configuration text `config` and rule files `rules` (name → text) written beside it.

    Name the rule files in `config` by their bare names. Data lies in `folder/data` and survives a second start;
    `server.kill()` is a crash, `port` brings it back where it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config)
    for name, text in (rules or {}).items():
        (folder / name).write_text(text)
    server = launch_prometheus(servers(), folder, port=port)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def start_alertmanager(
    config: str = PLAIN_ALERTMANAGER, *, folder: Path, port: int = 0, programs: Servers | None = None
) -> Iterator[ServerProcess]:
    """Alertmanager with the configuration text `config`; silences lie in `folder/alerts` and survive a second start."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(config)
    server = launch_alertmanager(programs or servers(), folder, port=port)
    try:
        yield server
    finally:
        server.stop()
