"""`cad-console record`: records without a screen until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from console.cli.one_shot import print_notices
from console.config.load import load_settings
from console.config.settings import Settings
from queries.model.text import visible

if TYPE_CHECKING:
    from console.monitor.recorder import RecorderStatus


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "records beside the journal, as `recorder:` of the config file says, or 14 days and 500 MB at most, until it is "
        "interrupted or terminated. exit codes: 0 stopped; 1 stopped while it could not write; 2 neither a cluster nor an "
        "Alertmanager is configured"
    )


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    print_notices(settings)
    if settings.kubernetes is None and not settings.alertmanagers:
        print("cad-console record: neither a cluster nor an Alertmanager is configured", file=sys.stderr)
        return 2
    return asyncio.run(_record(settings))


async def _record(settings: Settings) -> int:
    from console.monitor.record_service import record  # not for --help

    def report(status: RecorderStatus) -> None:
        if status.error:
            print(f"cad-console record: {visible(status.error)}", file=sys.stderr, flush=True)
        else:
            print(f"{status.state}: {visible(status.folder)}", flush=True)
            if status.note:
                print(f"cad-console record: {visible(status.note)}", file=sys.stderr, flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return 1 if (await record(settings, stop, report)).error else 0
