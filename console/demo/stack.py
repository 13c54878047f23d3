"""The embedded stack: simulated platform, cluster, Prometheus and Alertmanager in one folder, started and stopped together."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

from console.config.settings import HEARTBEAT_ALERT
from console.demo import http_get, server_config
from console.demo.backfill import DAYS, load_history, write_history
from console.demo.cluster import DemoCluster
from console.demo.embedded_cluster import EmbeddedView
from console.demo.kubeconfig_cluster import ContextView
from console.demo.log_agent import LogAgent
from console.demo.logs import log_lines
from console.demo.loki import LineStore
from console.demo.loki_server import LokiApi
from console.demo.outside_service import OutsideService
from console.demo.platform_api import PlatformApi
from console.demo.process import ServerProcess, end_supervisor, free_port, supervise
from console.demo.scenarios import API, BAD_IMAGE_TAG, Scenario
from console.demo.server_args import launch_alertmanager, launch_prometheus
from console.demo.server_binaries import Servers
from console.demo.simulator import CPU_LIMIT_CORES, MEMORY_LIMIT_BYTES, NAMESPACE, Simulator
from queries.errors import SourceError
from queries.model.frozen import dataclass
from queries.promql.rule_templates import rule_text
from queries.text.durations import format_duration
from queries.text.variables import home_folder, read_env

DEFAULT_SEED = 7
_CALM_ROUNDS = 6
"""Live scrapes after which a scenario without an alert is ready: an alert would be pending by then."""

_NO_SUCH_TAG = "no-such-tag"
"""No node can pull it, as the drill `bad-image` says."""

_AHEAD_SECONDS = 1.8
"""The history ends about when Prometheus starts; its first scrape comes five to seven seconds later."""

_EVALUATION_SECONDS = 15.0
"""How long a first evaluation may take; the rules' intervals are two to ten seconds."""


class NotReady(Exception):
    """The scenario did not reach its state in time; the message has the expected and the current state."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the stack. `kubernetes_context` is empty for the embedded cluster."""

    prometheus: str
    alertmanager: str
    platform: str
    kubeconfig: str
    kubernetes_context: str
    folder: str
    loki: str = ""
    """Only with the embedded cluster: nothing collects the logs of another one."""

    def environment(self) -> dict[str, str]:
        """Environment variables that lead a console to the stack instead of the user's own configuration and journal."""
        return {
            "PROMETHEUS_URL": self.prometheus,
            "ALERTMANAGER_URL": self.alertmanager,
            "CAD_ML_API_URL": self.platform,
            "LOKI_URL": self.loki,
            "KUBECONFIG": self.kubeconfig,
            "CAD_CONSOLE_ENVIRONMENT": "demo",
            "CAD_CONSOLE_CONFIG": str(Path(self.folder) / "config.yaml"),
            "XDG_STATE_HOME": str(Path(self.folder) / "state"),
            # A demo must never write to a shared journal.
            "CAD_CONSOLE_STORE": "",
        }


class DemoStack:
    """`prepare` is fast and returns the addresses, `start` starts the servers there, `stop` removes everything.

    `prepare` and `start` may run in different threads, so that a console can open while the servers start.
    """

    def __init__(
        self,
        scenario: Scenario,
        servers: Servers,
        *,
        kubernetes_context: str = "",
        seed: int = DEFAULT_SEED,
        keep_folder: bool = False,
        report: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.scenario = scenario
        self.servers = servers
        self._context = kubernetes_context
        self._seed = seed
        self._keep_folder = keep_folder
        self._report = report
        self._clock = clock
        self._life = threading.Lock()
        self._stopped = False
        self._folder_supervisor: Popen[bytes] | None = None
        self._running: list[ServerProcess] = []
        self._cluster: DemoCluster | None = None
        self._context_view: ContextView | None = None
        self._api: PlatformApi | None = None
        self._loki: LokiApi | None = None
        self._log_agent: LogAgent | None = None
        self._outside: OutsideService | None = None
        self._addresses: Addresses | None = None
        self._simulator: Simulator | None = None

    @property
    def addresses(self) -> Addresses:
        if self._addresses is None:
            raise RuntimeError("call prepare() first")
        return self._addresses

    @property
    def cluster(self) -> DemoCluster | None:
        """The embedded cluster; None with a context of a kubeconfig."""
        return self._cluster

    @property
    def simulator(self) -> Simulator:
        if self._simulator is None:
            raise RuntimeError("call prepare() first")
        return self._simulator

    def server(self, name: str) -> ServerProcess:
        """The running `prometheus` or `alertmanager`."""
        return next(item for item in self._running if item.name == name)

    def prepare(self) -> Addresses:
        """Creates the folder, starts cluster and platform, chooses the ports. Raises SourceError for a dead context."""
        folder = Path(tempfile.mkdtemp(prefix="cad-console-demo-"))
        if not self._keep_folder:
            self._folder_supervisor = supervise(str(folder), folder=folder.parent)
        try:
            return self._prepare_in(folder)
        except BaseException:
            self.stop()
            raise

    def _prepare_in(self, folder: Path) -> Addresses:
        kubeconfig = folder / "kubeconfig"
        view: EmbeddedView | ContextView
        if self._context:
            # A first file whose current-context takes precedence; the user's own files follow unchanged.
            first = {"apiVersion": "v1", "kind": "Config", "current-context": self._context}
            kubeconfig.write_text(json.dumps(first) + "\n")
            given = read_env(os.environ, "KUBECONFIG") or str(Path(home_folder(os.environ)) / ".kube" / "config")
            where = f"{kubeconfig}{os.pathsep}{given}"
            view = self._context_view = ContextView(self._context, NAMESPACE)
            view.start()
        else:
            self._cluster = DemoCluster(NAMESPACE)
            self._cluster.seed(companions=True)
            self._cluster.pods.broken[_NO_SUCH_TAG] = "ImagePullBackOff"
            self._cluster.start()
            self._cluster.kubeconfig(kubeconfig)
            where = str(kubeconfig)
            view = EmbeddedView(self._cluster)
        # A demo needs no typed confirmation; the environment names its cluster itself.
        own: dict[str, object] = {"protected": False, "namespace": NAMESPACE, "kubernetes": {"kubeconfig": where}}
        own["rule_windows"] = server_config.fast_windows()
        self._outside = OutsideService(folder / "render", free_port())
        self._outside.prepare()
        own |= self._outside.config()
        (folder / "config.yaml").write_text(json.dumps({"environments": {"demo": own}}) + "\n")
        self._simulator = Simulator(self.scenario, view, seed=self._seed, now=self._clock() - DAYS * 86400.0)
        self._api = PlatformApi(self._simulator, clock=self._clock)
        self._api.start()
        if self._cluster is not None:
            self._describe_pods(self._cluster, self._simulator)
            store = LineStore()
            self._loki, self._log_agent = LokiApi(store, clock=self._clock), LogAgent(self._cluster, store)
            self._loki.start()
            self._log_agent.start()
        self._addresses = Addresses(
            prometheus=f"http://127.0.0.1:{free_port()}",
            alertmanager=f"http://127.0.0.1:{free_port()}",
            platform=self._api.url,
            kubeconfig=where,
            kubernetes_context=self._context,
            folder=str(folder),
            loki=self._loki.url if self._loki else "",
        )
        return self._addresses

    def start(self) -> None:
        """Loads the history, starts the servers and the scenario. Raises StartFailed or HistoryFailed."""
        folder = Path(self.addresses.folder)
        with ThreadPoolExecutor(1, thread_name_prefix="demo start") as other:
            alerting = other.submit(self._start_alertmanager, folder / "alertmanager")
            outside = other.submit(self._outside.start) if self._outside is not None else None
            data = folder / "prometheus"
            data.mkdir()
            self.begin()
            self._report("writing a week of history")
            text = data / "history.txt"
            end = self._clock() + _AHEAD_SECONDS
            write_history(self.simulator, text, now=end, target_labels=server_config.TARGET_LABELS)
            load_history(self.servers.promtool, text, data / "data")
            text.unlink()
            alerting.result()
            if outside is not None:
                outside.result()
            time.sleep(max(0.0, end - self._clock()))  # Prometheus rejects samples older than its newest block
        self._start_prometheus(data)
        self._report(f"running; scenario {self.scenario.name}: {self.scenario.summary}")

    def begin(self) -> None:
        """Starts the scenario: its rollout, if any, and its fault."""
        if self.scenario.rolls_out_bad_image:
            self._roll_out()
        self.simulator.begin()

    def settle(self, timeout_seconds: float = 60.0) -> float:
        """Waits until the scenario's alert is active in Alertmanager, or without one until live figures exist.

        Returns the seconds that this took. Raises NotReady.
        """
        started = time.monotonic()
        what = f"alert {self.scenario.alert}" if self.scenario.alert else "live figures"
        while time.monotonic() - started < timeout_seconds:
            if self.alert_active(self.scenario.alert) if self.scenario.alert else self._live_scrapes() >= _CALM_ROUNDS:
                return time.monotonic() - started
            time.sleep(0.25)
        alerts = ", ".join(sorted(self.active_alerts())) or "none"
        raise NotReady(f"no {what} within {format_duration(timeout_seconds)}; active alerts: {alerts}")

    def active_alerts(self) -> frozenset[str]:
        """Names of the current alerts in Alertmanager, without the heartbeat alert."""
        found = http_get.fetch_json(f"{self.addresses.alertmanager}/api/v2/alerts", {"active": "true"})
        return frozenset(item["labels"]["alertname"] for item in found) - {HEARTBEAT_ALERT}

    def alert_active(self, name: str) -> bool:
        return name in self.active_alerts()

    def stop(self) -> None:
        """Stops every server and removes the folder; idempotent, and safe from another thread during `start`."""
        with self._life:
            self._stopped = True
            running, self._running = self._running, []
        if running:
            with ThreadPoolExecutor(len(running), thread_name_prefix="demo stop") as pool:
                list(pool.map(ServerProcess.stop, running))
        if self._outside is not None:
            self._outside.stop()
        if self._api is not None:
            self._api.stop()
        if self._loki is not None and self._log_agent is not None:
            self._log_agent.stop()
            self._loki.stop()
        if self._cluster is not None:
            self._cluster.stop()
        if self._context_view is not None:
            self._context_view.stop()
        if self._folder_supervisor is not None:
            end_supervisor(self._folder_supervisor)

    def __enter__(self) -> DemoStack:
        self.prepare()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_alertmanager(self, folder: Path) -> None:
        folder.mkdir()
        routing = server_config.quiet_routing(rule_text("alertmanager.yaml"), where="alertmanager.yaml")
        (folder / "alertmanager.yml").write_text(routing)
        self._register(launch_alertmanager(self.servers, folder, port=_port(self.addresses.alertmanager)))
        self._report(f"Alertmanager at {self.addresses.alertmanager}")

    def _start_prometheus(self, folder: Path) -> None:
        rules = server_config.rule_files(self.scenario.rules)
        for name, text in rules.items():
            (folder / name).write_text(server_config.fast_rules(text, where=name))
        config = server_config.prometheus_config(
            platform=urlsplit(self.addresses.platform).netloc,
            alertmanager=urlsplit(self.addresses.alertmanager).netloc,
            rule_files=tuple(rules),
        )
        (folder / "prometheus.yml").write_text(config)
        self._register(launch_prometheus(self.servers, folder, port=_port(self.addresses.prometheus)))
        self._report(f"Prometheus at {self.addresses.prometheus}")
        if self.scenario.alert:
            self._await_evaluation(self.scenario.alert)

    def _await_evaluation(self, name: str) -> None:
        """A console that meets rules without an evaluation assumes that Prometheus has just restarted, and resolves no
        alert for two minutes.
        """
        deadline = time.monotonic() + _EVALUATION_SECONDS
        while time.monotonic() < deadline and not self._stopped:
            with suppress(SourceError, LookupError):
                found = http_get.fetch_json(f"{self.addresses.prometheus}/api/v1/rules", {"rule_name[]": name})
                rules = [rule for group in found["data"]["groups"] for rule in group["rules"]]
                if rules and all(rule["health"] != "unknown" for rule in rules):
                    return
            time.sleep(0.1)

    def _register(self, server: ServerProcess) -> None:
        """Keeps a server, or stops it at once where the stack was stopped meanwhile."""
        with self._life:
            if not self._stopped:
                self._running.append(server)
                return
        server.stop()

    def _live_scrapes(self) -> int:
        with suppress(SourceError, LookupError, ValueError):
            query = f'count_over_time(scrape_duration_seconds{{job="{server_config.JOB}"}}[5m])'
            found = http_get.fetch_json(f"{self.addresses.prometheus}/api/v1/query", {"query": query})
            return int(found["data"]["result"][0]["value"][1])
        return 0

    def _roll_out(self) -> None:
        change = {
            "metadata": {"annotations": {"kubernetes.io/change-cause": f"ci: release {BAD_IMAGE_TAG}"}},
            "spec": {"template": {"spec": {"containers": [self._bad_container()]}}},
        }
        if self._cluster is not None:
            self._cluster.patch("deployments", API, change)
        elif self._context_view is not None:
            self._context_view.patch(API, change)

    def _bad_container(self) -> dict[str, object]:
        view = self._cluster or self._context_view
        state = view.deployment(API) if view is not None else None
        if state is None:
            raise NotReady(f"no deployment {API} in the namespace {NAMESPACE}: the scenario cannot run there")
        image = state.image.rpartition(":")[0] + f":{BAD_IMAGE_TAG}"
        return {"name": API, "image": image, "env": [{"name": "OCR_TIMEOUT_MS", "value": "8000"}]}

    def _describe_pods(self, cluster: DemoCluster, simulator: Simulator) -> None:
        """Makes `kubectl top` and the pods' logs consistent with the metrics."""

        def load(pod: dict[str, object]) -> tuple[float, float]:
            app, now = _app(pod), self._clock()
            cores = simulator.cpu_share(app, now) * CPU_LIMIT_CORES
            return cores, simulator.memory_share(app, now) * MEMORY_LIMIT_BYTES / (1 << 20)

        def lines(pod: dict[str, object], container: str, after: float, until: float) -> list[tuple[float, str]]:
            return log_lines(_app(pod), container, after, until, simulator.outcome)

        cluster.use(load=load, lines=lines)


def _app(pod: dict[str, object]) -> str:
    metadata = pod["metadata"]
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return str(labels.get("app", "")) if isinstance(labels, dict) else ""


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
