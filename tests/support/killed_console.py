"""Consoles in processes of their own on any cluster, through a proxy that sees their requests and can end one between a request
and its answer.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster_fixture import Namespace
from console_shell import Shell, until
from fault_proxy import Answer, Exchange, Fault, FaultProxy, ProxyHouse
from limits import extend
from signal_server import PANEL, SignalServer
from terminal import PROGRAM, Terminal

from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.sqlite import Journal

TARGET = "deployment/web"
WORDS = ("self-check", "contract", "rules", "capacity", "freeze", "web", "0")
"""Every word that a gate may ask for: the signals alone decide here."""
CONFIG = """refresh: {{every: 0.5, settle: {{hpa: 0}}}}
panels: {folder}/panels.yaml
environments:
  staging:
    protected: false
    kubernetes: {{kubeconfig: {folder}/kubeconfig}}
"""


class Site:
    """A workload `web` of two pods, a metric, and consoles that share one journal."""

    def __init__(self, ns: Namespace, proxy: FaultProxy, signals: SignalServer, folder: Path, *, config: str = CONFIG) -> None:
        self.ns, self.proxy, self.signals = ns, proxy, signals
        (folder / "panels.yaml").write_text(PANEL)
        self.shell = Shell(self, folder, config=config.format(folder=folder))
        self.shell.environ |= {"PROMETHEUS_URL": signals.url, "CAD_CONSOLE_ENVIRONMENT": "staging"}
        self.before = self.spec()

    def kubeconfig(self, path: Path) -> Path:
        return self.ns.kubeconfig(path, server=self.proxy.url)

    def spec(self) -> dict[str, object]:
        """The pod template and the replicas that somebody asked for."""
        found = self.ns.get(self.ns.deployments("web"))["spec"]
        return {"template": found["template"], "replicas": found["replicas"]}

    def start(self, *words: str) -> subprocess.Popen[str]:
        confirm = [word for each in WORDS for word in ("--confirm", each)]
        return self.shell.start(words[0], "--namespace", self.ns.name, *words[1:], "--yes", *confirm)

    def events(self, *kinds: str) -> tuple[Event, ...]:
        if not self.shell.journal.exists():
            return ()
        try:
            with Journal.open_to_read(self.shell.journal) as journal:
                return journal.events(kinds=kinds)
        except JournalError:  # a console is creating it
            return ()

    def end(self, kind: str) -> Event:
        """The one end of a guard or a drill, once it is journalled."""
        until(lambda: self.events(kind), f"the event {kind}", seconds=60.0)
        (found,) = self.events(kind)
        return found

    def second(self) -> Terminal:
        return Terminal([PROGRAM, "--namespace", self.ns.name], env=self.shell.environ, columns=160, rows=45)

    def changes(self) -> int:
        """The number of requests that reached the proxy and change the workload."""
        return sum(_is_change(item.method, item.target) for item in list(self.proxy.asked))

    def kill_when_sent(self, child: subprocess.Popen[str], number: int) -> None:
        """Kills it between its change of this number and the server's answer: the server took it, nobody heard of that."""
        killed = threading.Event()

        async def kill(exchange: Exchange) -> bool:
            await exchange.real()
            killed.set()
            child.kill()
            return False

        self._at_change(number, kill)
        output, complaint = child.communicate(timeout=extend(90.0))
        assert killed.is_set() and child.returncode == -9, output + complaint
        self.proxy.use(None)

    def reject_change(self, number: int) -> None:
        """The server's validation refuses the change of this number."""
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "message": "no", "code": 422}

        async def reject(exchange: Exchange) -> bool:
            told = Answer(422, "Unprocessable Entity", (("Content-Type", "application/json"),), json.dumps(status).encode())
            await exchange.send(told.raw())
            return True

        self._at_change(number, reject)

    def _at_change(self, number: int, act: object) -> None:
        seen = 0

        def only(exchange: Exchange) -> bool:
            nonlocal seen
            seen += _is_change(exchange.method, exchange.target)
            return seen == number and _is_change(exchange.method, exchange.target)

        self.proxy.use(Fault("change", act, only=only))  # type: ignore[arg-type]


def _is_change(method: str, target: str) -> bool:
    path, _, query = target.partition("?")
    return method == "PATCH" and path.endswith(("/deployments/web", "/deployments/web/scale")) and "dryRun" not in query


@contextmanager
def open_site(ns: Namespace, folder: Path, *, config: str = CONFIG) -> Iterator[Site]:
    ns.add(replicas=2)
    ns.rolled_out()
    ns.quiet()
    with ProxyHouse() as house, SignalServer() as signals:
        yield Site(ns, house.proxy(str(ns.http.base_url)), signals, folder, config=config)
