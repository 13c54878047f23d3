"""The demo's service outside the cluster and its token, as the config file names them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from console.demo import render_service

NAME = "cad-render"
TOKEN = "render-api"  # noqa: S105  # its name
_PROGRAM = "render"


class OutsideService:
    """Runs beside the stack: `prepare`, `start` once, `stop` at the end. It ends by itself when this process is gone."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def prepare(self) -> None:
        """Its folder with its programs."""
        render_service.create_folder(self.folder, port=self.port, owner=os.getpid())
        program = self.folder / _PROGRAM
        command = shlex.join([sys.executable, "-E", "-s", render_service.__file__])
        program.write_text(f'#!/bin/sh\nstep=$1\nshift\nexec {command} "$step" "$PWD" "$@"\n')
        program.chmod(0o700)

    def start(self) -> None:
        subprocess.run(  # noqa: S603  # the script that `prepare` wrote
            [str(self.folder / _PROGRAM), "restart"],
            cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=30.0,
        )  # fmt: skip

    def stop(self) -> None:
        render_service.stop(self.folder)

    def config(self) -> dict[str, Any]:
        """The keys `services` and `tokens` of an environment."""
        service = {
            "folder": str(self.folder),
            "backup": _run("backup"),
            "update": _run("update", "{version}"),
            "restart": _run("restart"),
            "health": f"http://127.0.0.1:{self.port}/health",
            "restore": _run("restore", "{backup}"),
            "smoke": _run("smoke"),
        }
        token = {
            "folder": str(self.folder),
            "make": _run("make-token"),
            "files": str(self.folder / "client-token"),
            "restart": [f"external/{NAME}"],
            "smoke": _run("smoke-token"),
            "withdraw": _run("withdraw-token"),
        }
        return {"services": {NAME: service}, "tokens": {TOKEN: token}}


def _run(step: str, *arguments: str) -> list[str]:
    return [f"./{_PROGRAM}", step, *arguments]
