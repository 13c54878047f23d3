"""The installed program with a home and a config of its own: many commands beside each other, or one at a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terminal import PROGRAM, Terminal
from told_platform import ToldPlatform

HEALTH = {"status": "healthy", "services": {"api": "up", "redis": "disabled"}}
TIMEOUT_SECONDS = 1.5


def platform() -> ToldPlatform:
    """Two panels have recorded series; everything else is empty, and nothing fires."""

    def vector(query: str) -> list[tuple[dict[str, str], str]]:
        told = {"error_ratio": "0.42", "queue_depth": "7"}
        return [({"__q__": f"{panel}/recorded"}, value) for panel, value in told.items() if f"{panel}/recorded" in query]

    return ToldPlatform(vector=vector, pages={"/health": HEALTH})


@dataclass
class Ran:
    code: int
    out: str
    err: str
    seconds: float

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out)
        return told


@dataclass
class Bench:
    """A home folder of its own, and commands that run beside each other."""

    home: Path

    def environ(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "USER": "you", "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **more}

    def config(
        self,
        prometheus: str,
        *,
        others: str | None = None,
        kubeconfig: str = "",
        backoff_cap: float = 1.0,
        every: float = 0.5,
        stale_after: float = 30.0,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Path:
        """All sources at these addresses, with a short time-out."""
        others = others if others is not None else prometheus
        server = {"timeout": timeout}
        environment: dict[str, Any] = {"prometheus": {"url": prometheus, **server}}
        if others:
            environment |= {"alertmanager": [{"url": others, **server}], "platform": {"url": others, **server}}
        if kubeconfig:
            environment["kubernetes"] = {"kubeconfig": kubeconfig, **server}
        document = {
            "default_environment": "hostile",
            "environments": {"hostile": environment},
            "refresh": {"every": every, "backoff_cap": backoff_cap, "stale_after": stale_after},
        }
        number = len(list(self.home.glob("config-*.json")))
        path = self.home / f"config-{number}.json"  # JSON is YAML
        path.write_text(json.dumps(document))
        return path

    def run_all(self, *commands: tuple[str, ...], **environ: str) -> list[Ran]:
        """Run them at the same time; each must end within its limit."""
        begun = time.monotonic()
        running = [
            subprocess.Popen(
                [PROGRAM, *words],
                env=self.environ(**environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for words in commands
        ]
        results = []
        for process in running:
            try:
                out, err = process.communicate(timeout=25)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
            results.append(Ran(process.returncode, out, err, time.monotonic() - begun))
        return results

    def terminal(self, config: Path, *flags: str, columns: int = 80, rows: int = 24, **environ: str) -> Terminal:
        argv = [PROGRAM, "--config", str(config), *flags]
        return Terminal(argv, env=self.environ(**environ), columns=columns, rows=rows)
