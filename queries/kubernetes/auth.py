"""Address and credentials of the API server: a kubeconfig's context or the pod's service account."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from queries.errors import AccessDenied, NotConfigured, SourceError, Unreachable
from queries.http.endpoint import ClusterEndpoint, ClusterPlace
from queries.kubernetes.connection import Connection, open_plain
from queries.kubernetes.exec_plugin import ExecCredential, run_plugin
from queries.kubernetes.kubeconfig import ChosenContext, choose_context, kubeconfig_files
from queries.kubernetes.kubeconfig_fields import AuthProvider, UserFields, check_fields, impersonation_headers
from queries.kubernetes.socks import SCHEME, SocksProxy, dial_through
from queries.model.frozen import dataclass
from queries.text.variables import read_env

_EARLY_SECONDS = 30.0
"""A credential is renewed this long before it expires."""
FAILED_SECONDS = 1.0
"""Six watches start at once: a plugin that just failed is not run six times. Not by the clock that somebody may set."""

_Headers: TypeAlias = tuple[tuple[str, str], ...]
_Loaded: TypeAlias = tuple[Connection, ClusterPlace, _Headers]
_plugin_credentials: dict[str, ExecCredential] = {}
"""The credentials of exec plugins in this process: the reading and the writing client share one log-in."""


class KubeAccess:
    """Provides a `Connection` with valid credentials, from any thread; reloads changed, expired or rejected ones.

    Loading uses no network but runs the exec plugin, if any. Raises SourceError.
    """

    def __init__(self, endpoint: ClusterEndpoint, *, environ: Mapping[str, str] | None = None) -> None:
        self._endpoint = endpoint
        self._pinned = endpoint.place
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._client: Connection | None = None
        self._stamps: tuple[tuple[str, int], ...] = ()
        self._expires_at: float | None = None
        self._plugin = ""
        self._credential: ExecCredential | None = None
        """The plugin's, in use; None without a plugin."""
        self._closed = False
        self._end_plugin: Callable[[], None] = lambda: None
        self._failed: tuple[float, SourceError] | None = None
        self.where = ""
        self.place = ClusterPlace()
        """The target of these credentials, as of the last load."""
        self._headers: _Headers = ()
        self._socks: SocksProxy | None = None
        self.running = ""
        """The command of the exec plugin that is running now."""

    def client(self, *, now: float | None = None) -> Connection:
        return self.login(now=now)[0]

    def login(self, *, now: float | None = None) -> tuple[Connection, _Headers]:
        """The client, and the impersonation headers for every request through it."""
        moment = time.time() if now is None else now
        with self._lock:
            if self._closed:
                raise Unreachable("this client was closed")
            if self._client is not None and self._is_fresh(moment):
                return self._client, self._headers
            if self._failed and time.monotonic() - self._failed[0] < FAILED_SECONDS:
                raise self._failed[1]
            try:
                self._client = self._load(moment)
            except SourceError as error:
                self._failed = (time.monotonic(), error)
                raise
            self._failed = None
            return self._client, self._headers

    def reject(self, client: Connection) -> None:
        """Forget these credentials after a 401, so that the next request loads new ones."""
        with self._lock:
            if self._client is client:
                self._client = None
                if _plugin_credentials.get(self._plugin) is self._credential:
                    _plugin_credentials.pop(self._plugin, None)

    def close(self) -> None:
        """End a running plugin without waiting."""
        self._closed = True
        self._end_plugin()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _is_fresh(self, now: float) -> bool:
        if self._expires_at is not None and now > self._expires_at - _EARLY_SECONDS:
            return False
        if self._credential is not None and _plugin_credentials.get(self._plugin) is not self._credential:
            return False  # the server rejected it from another client of this process
        return _stamps(path for path, _ in self._stamps) == self._stamps

    def _load(self, now: float) -> Connection:
        connection, place, headers = self._load_service_account() if self._endpoint.in_cluster else self._load_kubeconfig(now)
        self.where = connection.host
        if self._socks is not None:
            dial_through(connection.manager, self._socks)
        self.place, self._headers = place, headers
        return connection

    def _plugin_runs(self, end: Callable[[], None]) -> None:
        self._end_plugin = end
        if self._closed:
            end()

    def _load_service_account(self) -> _Loaded:
        from queries.kubernetes.official_client import open_service_account  # noqa: PLC0415 - costs 0.3 s, in a thread of ours

        connection = open_service_account()
        self._stamps, self._expires_at = (), None
        return connection, ClusterPlace(server=connection.host), ()

    def _load_kubeconfig(self, now: float) -> _Loaded:
        files = kubeconfig_files(self._endpoint.kubeconfig or read_env(self._environ, "KUBECONFIG") or "~/.kube/config")
        chosen = choose_context(files, self._endpoint.context)
        cluster, user = check_fields(chosen)
        place = chosen.place
        if self._pinned not in (None, place):
            # A changed file must not make the console show one cluster and act on another.
            raise NotConfigured(
                f"the kubeconfig now leads to {place.sentence()}, unlike when the console started",
                hint="restart the console",
            )
        self._expires_at, self._plugin, self._credential = None, "", None
        proxy_url = cluster.proxy_url or ""
        socks = SocksProxy.parse(proxy_url) if proxy_url.startswith(f"{SCHEME}://") else None
        watched = [str(path) for path in files]
        given = self._credentials(user, chosen, now=now, watched=watched)
        if cluster.proxy_url or _names_proxy():
            from queries.kubernetes.official_client import open_kubeconfig  # noqa: PLC0415 - costs 0.3 s, in a thread of ours

            connection = open_kubeconfig(chosen.cluster, given.certificates, given.authorization, socks=socks, basic=_basic)
        else:
            connection = open_plain(cluster, given.certificates, given.authorization)
        self._socks = socks
        self._stamps = _stamps(watched)
        self._pinned = place
        return connection, place, impersonation_headers(user)

    def _credentials(self, user: UserFields, chosen: ChosenContext, *, now: float, watched: list[str]) -> _Credentials:
        """The credentials, with exec plugin, token file and auth-provider replaced by their results."""
        fields = ("client-certificate", "client-certificate-data", "client-key", "client-key-data")
        certificates = {name: chosen.user[name] for name in fields if chosen.user.get(name)}
        token = user.token or ""
        if user.token_file:
            watched.append(user.token_file)
            token = _read_token(user.token_file)
        if user.auth_provider:
            token = token or _id_token(user.auth_provider, now)
        if user.exec and not token and not user.username:
            # As in client-go a token in the kubeconfig overrides the plugin.
            credential = self._run_plugin(chosen, now)
            token = credential.token
            if credential.certificate:
                certificates = {
                    "client-certificate-data": base64.b64encode(credential.certificate.encode()).decode(),
                    "client-key-data": base64.b64encode(credential.key.encode()).decode(),
                }
        basic = _basic(user.username or "", user.password or "") if user.username or user.password else ""
        return _Credentials(f"Bearer {token}" if token else basic, certificates)

    def _run_plugin(self, chosen: ChosenContext, now: float) -> ExecCredential:
        spec = chosen.user["exec"]
        key = json.dumps([self._endpoint.kubeconfig, chosen.context, spec], sort_keys=True, default=str)
        credential = _plugin_credentials.get(key)
        if credential is None or (credential.expires_at is not None and now > credential.expires_at - _EARLY_SECONDS):
            self.running = str(spec.get("command") or "")
            try:
                credential = run_plugin(spec, cluster=chosen.cluster, environ=self._environ, started=self._plugin_runs)
            finally:
                self.running = ""
        _plugin_credentials[key] = credential
        self._plugin, self._credential = key, credential
        self._expires_at = credential.expires_at
        return credential


@dataclass(frozen=True, slots=True, repr=False)
class _Credentials:
    """The Authorization header, and the kubeconfig's fields of the client certificate."""

    authorization: str
    certificates: Mapping[str, str]


def _names_proxy() -> bool:
    """Whether the environment, or the system's settings on other systems than Linux, names a proxy."""
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return False
    from urllib.request import getproxies  # noqa: PLC0415 - not before the first request

    return any(name != "no" for name in getproxies())


def _basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        hint = str(getattr(error, "strerror", error))
        raise NotConfigured(f"the kubeconfig's tokenFile {path} cannot be read", hint=hint) from None


def _id_token(provider: AuthProvider, now: float) -> str:
    token = (provider.config or {}).get("id-token", "")
    if provider.name != "oidc" or not token:
        raise AccessDenied(
            f"the kubeconfig's auth-provider {provider.name} was removed in Kubernetes 1.26",
            hint="use an exec plugin instead",
        )
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        expired = now > float(claims["exp"])
    except (ValueError, LookupError, TypeError):
        expired = False  # the server decides
    if expired:
        raise AccessDenied(
            "the id-token of the kubeconfig's auth-provider oidc has expired, and this console does not honour refresh-token",
            hint="run kubectl once, or use an exec plugin instead",
        )
    return token


def _stamps(paths: Any) -> tuple[tuple[str, int], ...]:
    """Each file with its modification time in nanoseconds, 0 if it is gone."""
    found = []
    for path in paths:
        try:
            found.append((str(path), os.stat(path).st_mtime_ns))  # noqa: PTH116 - two of these a request
        except OSError:
            found.append((str(path), 0))
    return tuple(found)
