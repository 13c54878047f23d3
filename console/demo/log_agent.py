"""What an agent such as Promtail does in a cluster: it sends what every container writes to the stand-in for Loki."""

from __future__ import annotations

import threading

from console.demo.cluster import DemoCluster
from console.demo.cluster.pod_logs import ContainerLog
from console.demo.loki import LineStore

_SEND_SECONDS = 1.0


class LogAgent:
    """Sends once a second between `start` and `stop`; the store keeps the lines of pods that are gone."""

    def __init__(self, cluster: DemoCluster, store: LineStore) -> None:
        self._cluster, self._store = cluster, store
        self._sent: dict[int, tuple[ContainerLog, int]] = {}
        """By identity of a container's log, which is kept so that it stays one; how many of its lines were sent."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo log agent", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def send(self) -> None:
        """Send what is new of every container."""
        for labels, lines in self._cluster.call(self._take):
            self._store.push(labels, lines)

    def _run(self) -> None:
        while not self._stopped.wait(_SEND_SECONDS):
            self.send()

    def _take(self) -> list[tuple[dict[str, str], list[tuple[int, str]]]]:
        """In the thread of the cluster, which writes the logs."""
        taken = []
        for pod in self._cluster.items("pods"):
            if pod["status"].get("phase") != "Running":
                continue
            metadata = pod["metadata"]
            for container in pod["spec"]["containers"]:
                name = container["name"]
                log = self._cluster.pods.logs.find(pod, name)
                _, sent = self._sent.get(id(log), (log, 0))
                if len(log.lines) > sent:
                    self._sent[id(log)] = (log, len(log.lines))
                    labels = {
                        "namespace": metadata["namespace"],
                        "app": str((metadata.get("labels") or {}).get("app", "")),
                        "pod": metadata["name"],
                        "container": name,
                    }
                    lines = [(at_ns, text.decode("utf-8", "replace")) for at_ns, text in log.lines[sent:]]
                    taken.append((labels, lines))
        return taken
