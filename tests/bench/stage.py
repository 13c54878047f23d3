"""What every figure is measured in front of: real servers with values that we decide, and the program in a terminal."""

from __future__ import annotations

import math
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import httpx
from exporter import Exporter
from servers import servers, start_alertmanager, start_prometheus
from subject import PROGRAM, ROOT
from terminal import Terminal

from console.demo.backfill import load_history
from console.demo.process import ServerProcess

COLUMNS, ROWS = 120, 40
RECORDING = ("recording.yaml", "recording-slo.yaml")
"""Our recording rules, loaded as on a platform that installed them. They record nothing here because there are no raw metrics;
the exporter serves the series under their names, so the benchmark decides every value."""
_EVALUATE_SECONDS = 5
_QUEUED_ALERTS, _DELIVERED_ALERTS = 10_000, 1_000
"""Prometheus drops what exceeds its queue of notifications. Nobody delivers more than so many at once."""
_POSITION = b"\x1b[6n"
"""Asks the terminal where its cursor is."""
_HERE = Path(__file__).parent
ALERTMANAGER = """\
route: {receiver: nobody, group_by: [alertname], group_wait: 1s, group_interval: 10s}
receivers: [{name: nobody}]
"""
_RULE = """\
groups:
  - name: bench
    interval: 2s
    rules:
      - alert: BenchUnwell
        expr: bench_unwell > 0
        labels: {severity: warning}
        annotations: {summary: "{{ $labels.part }} is not well"}
"""


class Timed(Terminal):
    """A terminal that keeps when which bytes came, so that what was on the screen can be told afterwards."""

    def __init__(self, *argv: str, env: Mapping[str, str]) -> None:
        self.chunks: list[tuple[float, bytes]] = []
        self.begun = time.perf_counter()
        super().__init__(argv, env=env, columns=COLUMNS, rows=ROWS)

    def read(self, seconds: float) -> int:
        """Takes what comes for this long, without drawing it: drawing would take the time that is being measured."""
        got = 0
        deadline = time.perf_counter() + seconds
        while (left := deadline - time.perf_counter()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                break
            try:
                data = os.read(self._master, 65536)
            except OSError:
                break
            self.chunks.append((time.perf_counter() - self.begun, data))
            self.received += data
            got += len(data)
            # As every terminal does, also where a question is split between two reads: the console sends no more while what it
            # sent was not drawn.
            asked = bytes(self.received[-len(data) - len(_POSITION) + 1 :]).count(_POSITION)
            os.write(self._master, b"\x1b[1;1R" * asked)
        return got

    @property
    def master(self) -> int:
        """The terminal's own end."""
        return self._master

    def first_byte(self, seconds: float) -> bool:
        """Waits until something can be read; what it is stays there."""
        return bool(select.select([self._master], [], [], seconds)[0])

    def settle(self, seconds: float, *, most: float = 20.0) -> None:
        """Reads until nothing came for this long."""
        deadline = time.perf_counter() + most
        while time.perf_counter() < deadline and self.read(seconds):
            pass

    def draw(self) -> None:
        """Brings the screen up to what was read."""
        for _, data in self.chunks:
            self._stream.feed(data)
        self.chunks.clear()

    def cpu_seconds(self) -> float:
        """What all threads of the program have used so far, to the nanosecond."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory_mb(self) -> tuple[float, float]:
        """Resident memory now, and its peak."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        told = {
            name: float(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest
        }
        return told["VmRSS"], told["VmHWM"]


class Cluster:
    """The Kubernetes API server of cluster_process.py."""

    def __init__(self, kubeconfig: Path, *, pods: int = 0, rate: float = 0.0, lines: int = 0) -> None:
        self.kubeconfig = kubeconfig
        command = [sys.executable, str(_HERE / "cluster_process.py"), str(kubeconfig), str(pods), str(rate), str(lines)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the cluster did not start")

    @property
    def pid(self) -> int:
        return self._process.pid

    def change(self, rate: float) -> None:
        """So many pods a second change from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:  # a busy machine: what was measured still counts
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Stage:
    """One folder with everything that was started; `figures` of each family come to it for servers and terminals."""

    def __init__(self) -> None:
        self._kept = ExitStack()
        self.folder = Path(self._kept.enter_context(tempfile.TemporaryDirectory(prefix="cad-console-bench-")))
        self._number = 0

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kept.close()

    def place(self, name: str) -> Path:
        """A new folder."""
        self._number += 1
        path = self.folder / f"{self._number}-{name}"
        path.mkdir()
        return path

    @contextmanager
    def platform(self, *, providers: int = 3, alerts: int = 0) -> Iterator[Sources]:
        """Prometheus that scrapes an exporter every second and knows its last hour, an Alertmanager, a small cluster."""
        with ExitStack() as stack:
            exporter = Exporter(providers=providers, alerts=alerts)
            stack.callback(exporter.close)
            place = self.place("prometheus")
            _write_hour(exporter, place)
            manager = stack.enter_context(start_alertmanager(ALERTMANAGER, folder=self.place("alertmanager")))
            config = (
                "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 2s}\n"
                f"rule_files: [rules.yml, {', '.join(RECORDING)}]\n"
                f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{_address(manager)}']}}]}}]}}\n"
                f"scrape_configs: [{{job_name: bench, static_configs: [{{targets: ['{exporter.address}']}}]}}]\n"
            )
            recording = {name: _often((ROOT / "deploy" / "rules" / name).read_text()) for name in RECORDING}
            prometheus = stack.enter_context(start_prometheus(config, {"rules.yml": _RULE, **recording}, folder=place))
            cluster = Cluster(self.place("cluster") / "kubeconfig")
            stack.callback(cluster.close)
            sources = Sources(exporter, prometheus, manager, cluster)
            sources.wait_live(alerts)
            yield sources

    @contextmanager
    def console(self, environ: Mapping[str, str], *flags: str, program: tuple[str, ...] = (PROGRAM,)) -> Iterator[Timed]:
        """The program, asking every second unless told otherwise, with no configuration and a state folder of its own."""
        env = {**clean(self.place("state")), **environ}
        with Timed(*program, "--refresh", "1", *flags, env=env) as terminal:
            yield terminal


class Sources:
    """The servers of one platform."""

    def __init__(self, exporter: Exporter, prometheus: ServerProcess, manager: ServerProcess, cluster: Cluster) -> None:
        self.exporter = exporter
        self.prometheus = prometheus
        self.manager = manager
        self.cluster = cluster

    def environ(self, **changed: str) -> dict[str, str]:
        return {
            "PROMETHEUS_URL": self.prometheus.url,
            "ALERTMANAGER_URL": self.manager.url,
            "KUBECONFIG": str(self.cluster.kubeconfig),
            **changed,
        }

    def wait_live(self, alerts: int = 0) -> None:
        """Until the first scrape can be asked for, every group of rules was evaluated, and the alerts have arrived: a recorded
        series whose rule was not evaluated yet is not read."""
        wait(lambda: bool(self.ask("platform_error_ratio and on () (time() - timestamp(platform_error_ratio) < 2)")))
        wait(self._evaluated)
        if alerts > _QUEUED_ALERTS:
            self._deliver(alerts)
        if alerts:
            wait(lambda: len(httpx.get(f"{self.manager.url}/api/v2/alerts", timeout=10).json()) >= alerts, seconds=60)

    def _deliver(self, alerts: int) -> None:
        """What Prometheus would deliver, without its queue."""
        starts, ends = (datetime.fromtimestamp(time.time() + after, UTC).isoformat() for after in (0, 3600))
        target = {"instance": self.exporter.address, "job": "bench", "alertname": "BenchUnwell", "severity": "warning"}
        for first in range(0, alerts, _DELIVERED_ALERTS):
            found = [
                {
                    "labels": {**target, "part": f"part-{number}", "component": f"c{number % 17}"},
                    "annotations": {"summary": f"part-{number} is not well"},
                    "startsAt": starts,
                    "endsAt": ends,
                }
                for number in range(first, min(alerts, first + _DELIVERED_ALERTS))
            ]
            httpx.post(f"{self.manager.url}/api/v2/alerts", json=found, timeout=30).raise_for_status()

    def _evaluated(self) -> bool:
        groups = httpx.get(f"{self.prometheus.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return bool(groups) and not any(group["lastEvaluation"].startswith("0001-") for group in groups)

    def ask(self, query: str) -> list[object]:
        answer = httpx.get(f"{self.prometheus.url}/api/v1/query", params={"query": query}, timeout=10).json()
        return list(answer["data"]["result"])


def _often(rules: str) -> str:
    """With every group evaluated every few seconds: the first evaluation of one that has minutes comes after minutes."""
    return re.sub(r"(?m)^(\s+interval:) \S+.*$", rf"\1 {_EVALUATE_SECONDS}s", rules)


def clean(place: Path) -> dict[str, str]:
    """The environment without anything of the user's own, and without the modules of the code that measures."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME")}
    settings = {"LANG": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": str(place)}
    return {**kept, **settings, "XDG_STATE_HOME": str(place / "state"), "KUBECONFIG": str(place / "none")}


def give_way(pid: int) -> None:
    """In the field the servers run on other machines: here they take what the program leaves of two cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(task.name), 10)


def wait(holds: Callable[[], bool], *, seconds: float = 30.0) -> float:
    """Until it holds; gives the seconds."""
    begun = time.perf_counter()
    while not holds():
        if time.perf_counter() - begun > seconds:
            raise TimeoutError(f"{holds} did not come within {seconds:.0f} s")
        time.sleep(0.02)
    return time.perf_counter() - begun


def _write_hour(exporter: Exporter, place: Path) -> None:
    """The last hour of every value of the overview, as it is now, so that no trend grows while bytes are counted."""
    now = time.time()
    text = place / "hour.txt"
    named = [item for item in exporter.values.items() if not item[0].startswith("bench_unwell")]
    labels = f'instance="{exporter.address}",job="bench"'
    with text.open("w") as file:
        for at in range(int(now) - 3900, int(now) - 2, 30):
            for series, value in named:
                full = f"{series[:-1]},{labels}}}" if series.endswith("}") else f"{series}{{{labels}}}"
                wave = 1.0 if "circuit" in series else 1.0 + 0.05 * math.sin(at / 500.0)
                file.write(f"{full} {value * wave:.4f} {at}\n")
        file.write("# EOF\n")
    load_history(servers().promtool, text, place / "data")


def _address(server: ServerProcess) -> str:
    return server.url.removeprefix("http://")
