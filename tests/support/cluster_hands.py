"""The console's own clients on one namespace of any cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from action_bench import Facts, settings_for
from cluster_fixture import Namespace
from guard_bench import Signals

from console.actions.guard.model import GuardOptions
from console.actions.plan import Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterEndpoint

TARGET = "deployment/web"


class Hands:
    """The console's own clients on one namespace."""

    def __init__(self, ns: Namespace, folder: Path, *, server: str = "") -> None:
        self.ns = ns
        path = ns.kubeconfig(folder / "kubeconfig", server=server)
        endpoint = ClusterEndpoint(ns.name, kubeconfig=str(path), timeout_seconds=10.0)
        self.settings = settings_for(folder, endpoint, namespace=ns.name, verify_timeout_seconds=60.0, verify_poll_seconds=0.1)
        self.reads = Facts(endpoint)
        self.reads.settings = self.settings
        self.writer = Writer(self.settings)
        self.journal = self.reads.journal = Journal.open(folder / "state" / "journal.sqlite3")
        self.previews: list[Preview] = []
        self.steps: list[RunStep] = []
        """Those of the last run."""

    def configure(self, **changes: Any) -> None:
        """Other settings of the environment."""
        self.settings = self.reads.settings = replace(self.settings, **changes)

    async def act(
        self,
        action: str,
        *,
        target: str = TARGET,
        guard: GuardOptions | None = None,
        source: Signals | None = None,
        wait: bool = True,
        meanwhile: Callable[[RunStep], None] = lambda step: None,
        **parameters: str,
    ) -> RunStep:
        """Returns the last step. It waits for the end of what was before: a controller's own write would be an honest 409."""
        if wait:
            await asyncio.to_thread(self.ns.quiet)

        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        self.steps, writer = [], Writer(self.settings)
        steps = run(
            Request(action, target, parameters, guard=guard),
            # The reader of the cluster is all that these actions use.
            RunContext(self.settings, self.reads, writer, self.journal, guard_source=source),  # type: ignore[arg-type]
            agree,
        )
        try:
            async with aclosing(steps):
                async for step in steps:
                    self.steps.append(step)
                    meanwhile(step)
        finally:
            await writer.close()
        return self.steps[-1]

    async def close(self) -> None:
        await self.reads.close()
        await self.writer.close()
        self.journal.close()
