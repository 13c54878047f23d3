"""Runs a kubeconfig's exec credential plugin, which can neither hang nor prompt."""

from __future__ import annotations

import base64
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from queries.errors import AccessDenied, NotConfigured, TimedOut
from queries.model.frozen import dataclass
from queries.text.durations import format_duration
from queries.text.numbers import format_size

LIMIT_SECONDS = 8.0
"""About half of what a headless command waits for a source, so that its error names the plugin even on a busy machine."""
LIMIT_BYTES = 1 << 20
"""A token and a certificate with its key have a few kilobytes."""
_STDERR_BYTES = 16 << 10
_EXTENSION = "client.authentication.k8s.io/exec"
"""The one cluster extension that a client reads: the exec plugin's own configuration."""
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True, repr=False)
class ExecCredential:
    """A plugin's result: a bearer token, a client certificate, or both; `expires_at` is Unix seconds, None for no expiry."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires_at: float | None = None

    def __repr__(self) -> str:
        return "ExecCredential(…)"


def run_plugin(
    spec: Mapping[str, Any],
    *,
    cluster: Mapping[str, Any],
    environ: Mapping[str, str],
    limit_seconds: float = LIMIT_SECONDS,
    started: Callable[[Callable[[], None]], None] = lambda _: None,
) -> ExecCredential:
    """Run the plugin once, with stdin closed and without a terminal. Raises AccessDenied or TimedOut, naming the plugin.

    `spec` is the user's `exec` section with its command resolved, `cluster` the cluster's section. `started` receives a
    function that ends the plugin early, from any thread.
    Errors quote the last line of its stderr, never its stdout, which holds the credential.
    """
    command = _command(spec)
    version = str(spec.get("apiVersion") or _VERSIONS[0])
    name = command[0]
    if version not in _VERSIONS:
        raise AccessDenied(f"the exec plugin {name} speaks {version}", hint=f"this console supports {' and '.join(_VERSIONS)}")
    if spec.get("interactiveMode") == "Always":
        raise AccessDenied(f"the exec plugin {name} needs a terminal", hint="log in with it in a shell first, then restart")
    try:
        # In its own session it can neither read our keys nor prompt on /dev/tty.
        process = subprocess.Popen(  # noqa: S603 - the kubeconfig is the user's own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(spec, version, cluster, environ),
            start_new_session=True,
        )
    except OSError as error:
        hint = (str(spec.get("installHint") or "").strip() or "is it installed and on PATH?").splitlines()[0]
        raise AccessDenied(f"the exec plugin {name} cannot be started ({error.strerror or error})", hint=hint) from None
    started(lambda: _end(process))
    try:
        output, stderr = _communicate(process, limit_seconds)
    except TimeoutError:
        _kill(process)
        raise TimedOut(
            f"the exec plugin {name} returned no credential within {format_duration(limit_seconds)}",
            hint="it may be waiting for a log-in; run it in a shell",
        ) from None
    if len(output) > LIMIT_BYTES:
        _kill(process)
        raise AccessDenied(f"the exec plugin {name} printed more than {format_size(LIMIT_BYTES)}", hint="run it in a shell")
    if process.returncode != 0:
        message = _last_line(stderr)
        raise AccessDenied(
            f"the exec plugin {name} failed with exit code {process.returncode}", hint=message or "it printed nothing"
        )
    return _credential(output, name, version)


def _command(spec: Mapping[str, Any]) -> list[str]:
    command = str(spec.get("command") or "")
    if not command:
        raise AccessDenied("the kubeconfig's exec section has no command")
    return [command, *(str(item) for item in spec.get("args") or ())]


def _environment(
    spec: Mapping[str, Any], version: str, cluster: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    info: dict[str, Any] = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    if spec.get("provideClusterInfo"):
        info["spec"]["cluster"] = _cluster_info(cluster)
    extra = {str(item["name"]): str(item.get("value", "")) for item in spec.get("env") or () if "name" in item}
    return {**environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _cluster_info(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The cluster as client-go passes it to a plugin: with the CA certificate itself, and the plugin's own settings."""
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    info = {name: cluster[name] for name in (*names, "disable-compression") if cluster.get(name)}
    if path := cluster.get("certificate-authority"):
        try:
            info["certificate-authority-data"] = base64.b64encode(Path(path).read_bytes()).decode()
        except OSError as error:
            hint = error.strerror or ""
            raise NotConfigured(f"the kubeconfig's certificate-authority {path} cannot be read", hint=hint) from None
    for item in cluster.get("extensions") or ():
        if item.get("name") == _EXTENSION:
            info["config"] = item.get("extension")
    return info


def _end(process: subprocess.Popen[bytes]) -> None:
    # The whole session: a plugin's own children would keep its pipes open.
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _communicate(process: subprocess.Popen[bytes], limit_seconds: float) -> tuple[bytes, bytes]:
    """Its stdout, up to one byte beyond the limit, and the end of its stderr. Raises TimeoutError.

    `Popen.communicate` would keep everything that a plugin prints.
    """
    until = time.monotonic() + limit_seconds
    output, stderr = bytearray(), bytearray()
    with selectors.DefaultSelector() as ready:
        for pipe, kept in ((process.stdout, output), (process.stderr, stderr)):
            if pipe is not None:
                ready.register(pipe, selectors.EVENT_READ, kept)
        while ready.get_map() and len(output) <= LIMIT_BYTES:
            found = ready.select(max(0.0, until - time.monotonic()))
            if not found:
                raise TimeoutError
            for key, _ in found:
                piece = os.read(key.fd, 1 << 15)
                key.data.extend(piece)
                if not piece:
                    ready.unregister(key.fileobj)
            del stderr[:-_STDERR_BYTES]
    del output[LIMIT_BYTES + 1 :]
    if len(output) <= LIMIT_BYTES:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        _close(process)
    return bytes(output), bytes(stderr)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    _end(process)
    _close(process)
    process.wait()


def _credential(output: bytes, name: str, version: str) -> ExecCredential:
    garbage = AccessDenied(f"the exec plugin {name} printed something that is not an ExecCredential", hint="run it in a shell")
    try:
        answer = json.loads(output)
    except RecursionError:
        raise AccessDenied(f"the exec plugin {name} printed JSON that is nested too deeply", hint="run it in a shell") from None
    except ValueError:
        raise garbage from None
    if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
        raise garbage
    if answer.get("apiVersion") != version:
        raise AccessDenied(f"the exec plugin {name} answered in another version than {version}")
    status = answer.get("status")
    if not isinstance(status, dict):
        raise garbage
    token, certificate, key = (str(status.get(field) or "") for field in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not (certificate and key):
        raise AccessDenied(f"the exec plugin {name} returned neither a token nor a certificate with its key")
    return ExecCredential(token=token, certificate=certificate, key=key, expires_at=_expiry(status, name))


def _expiry(status: Mapping[str, Any], name: str) -> float | None:
    text = status.get("expirationTimestamp")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise AccessDenied(f"the exec plugin {name} returned an expirationTimestamp that is not a time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""
