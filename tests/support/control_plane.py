"""A real Kubernetes control plane on loopback, from the binaries that KUBEBUILDER_ASSETS points at."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import httpx

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")
ADMIN = "token-of-the-test-admin"
READER = "token-of-a-reader-without-rights"
USERS = f'{ADMIN},admin,admin-1,"system:masters"\n{READER},reader,reader-1,""\n'


def assets() -> Path | None:
    """The folder of the binaries; None where the variable is unset, an error where a binary is missing from it."""
    named = os.environ.get("KUBEBUILDER_ASSETS", "")
    if not named:
        return None
    missing = [part for part in PARTS if not (Path(named) / part).is_file()]
    if missing:
        raise FileNotFoundError(f"KUBEBUILDER_ASSETS={named} lacks {', '.join(missing)}: run `make cluster-assets`")
    return Path(named)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ControlPlane:
    """etcd, kube-apiserver and kube-controller-manager with a data folder of their own; a context manager."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="cad-console-control-plane-"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd_port = _free_port()
        self._port = _free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.certificate = self._folder / "certs" / "apiserver.crt"
        self.etcd_url = f"http://127.0.0.1:{self._etcd_port}"

    def __enter__(self) -> ControlPlane:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """SIGKILL: on SIGTERM the API server waits a minute for watches that are open."""
        for process in reversed(self._processes.values()):
            process.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values()]

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, token: str = ADMIN) -> httpx.Client:
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            verify=self.context(),
            timeout=30,
            trust_env=False,
        )

    def _forget(self) -> None:
        """Makes a history and drops it before the API server starts, so that version 1 is too old for everybody."""
        with httpx.Client(base_url=self.etcd_url, timeout=10, trust_env=False) as etcd:
            for _ in range(50):
                answer = etcd.post("/v3/kv/put", json={"key": "bm90aGluZw==", "value": ""}).raise_for_status()
            revision = answer.json()["header"]["revision"]
            etcd.post("/v3/kv/compaction", json={"revision": revision, "physical": True}).raise_for_status()

    def _start(self) -> None:
        folder = self._folder
        (folder / "users.csv").write_text(USERS)
        key = folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        self.start_etcd()
        self._forget()
        self._run(
            "kube-apiserver",
            f"--etcd-servers={self.etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={folder / 'certs'}",
            f"--token-auth-file={folder / 'users.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
        )
        self._until(self._api_answers)
        kubeconfig = folder / "kubeconfig"
        self.kubeconfig(kubeconfig)
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={_free_port()}",
            "--controllers=deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,"
            "horizontal-pod-autoscaler-controller,disruption-controller,namespace-controller,garbage-collector-controller,"
            "job-controller,endpointslice-controller",
            "--horizontal-pod-autoscaler-sync-period=2s",
        )

    def start_etcd(self) -> None:
        """Also after it was killed: on the same port, with the same data."""
        self._run(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls=http://127.0.0.1:{_free_port()}",
            "--unsafe-no-fsync",
        )
        self._until(self._etcd_answers)

    def send(self, part: str, number: signal.Signals) -> None:
        """A signal to one of PARTS; after SIGKILL it is gone."""
        self._processes[part].send_signal(number)
        if number is signal.SIGKILL:
            self._processes[part].wait()

    def kubeconfig(self, path: Path) -> None:
        """Writes a kubeconfig (JSON is YAML) with the admin's token."""
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                    "clusters": [
                        {"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.certificate)}}
                    ],
                    "users": [{"name": "test", "user": {"token": ADMIN}}],
                }
            )
        )

    def _run(self, part: str, *arguments: str) -> None:
        with (self._folder / f"{part}.log").open("wb") as log:
            command = [str(self._binaries / part), *arguments]
            self._processes[part] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _etcd_answers(self) -> bool:
        with httpx.Client(base_url=self.etcd_url, timeout=5, trust_env=False) as client:
            return client.get("/health").status_code == 200

    def _api_answers(self) -> bool:
        if not self.certificate.is_file():
            return False
        with self.client() as client:
            return client.get("/readyz").status_code == 200

    def _until(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for part, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{part} ended with {process.returncode}: {self._last_words()}")
            try:
                if ready():
                    return
            except (httpx.TransportError, ssl.SSLError):
                pass
            time.sleep(0.1)
        raise TimeoutError(f"the control plane was not ready within {seconds:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        return " | ".join(
            " ".join(path.read_text(errors="replace").splitlines()[-4:]) for path in sorted(self._folder.glob("*.log"))
        )
