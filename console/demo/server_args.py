"""Starts Prometheus and Alertmanager for the demo and the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from console.demo.process import ServerProcess, start_server
from console.demo.server_binaries import Servers


def launch_prometheus(servers: Servers, folder: Path, *, port: int = 0, retention: str = "45d") -> ServerProcess:
    """Prometheus on `folder/prometheus.yml`, with its data in `folder/data`."""
    return start_server(
        "prometheus",
        lambda chosen: (
            servers.prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={retention}",
            "--web.enable-lifecycle",
            f"--web.listen-address=127.0.0.1:{chosen}",
        ),
        folder=folder,
        port=port,
    )


def launch_alertmanager(servers: Servers, folder: Path, *, port: int = 0) -> ServerProcess:
    """Alertmanager on `folder/alertmanager.yml`, with its silences in `folder/alerts`."""
    if servers.templates:
        for template in Path(servers.templates).iterdir():
            shutil.copyfile(template, folder / template.name)
    return start_server(
        "alertmanager",
        lambda chosen: (
            servers.alertmanager,
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alerts'}",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{chosen}",
        ),
        folder=folder,
        port=port,
    )
