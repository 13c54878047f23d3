"""Who we are to the API server, and where it is: a kubeconfig's context or the pod's service account."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queries import yaml_text
from queries.endpoint import ClusterEndpoint
from queries.errors import Denied, NotConfigured, SourceError, Unreachable
from queries.kube_exec import ExecCredential, run_plugin
from queries.text.variables import variable

if TYPE_CHECKING:
    from kubernetes.client.api_client import ApiClient

_EARLY_SECONDS = 30.0
"""A credential is renewed this long before it expires."""
_MOST_VALUES = 100_000
_RELATIVE = {
    "clusters": ("cluster", ("certificate-authority",)),
    "users": ("user", ("client-certificate", "client-key", "tokenFile")),
}


_given: dict[str, ExecCredential] = {}
"""What exec plugins gave in this process: the reading client and the writing one need not log in twice."""


class KubeAccess:
    """Gives an `ApiClient` with valid credentials, from any thread; loads again what was changed, expired or refused.

    Loading touches no network but runs the exec plugin where there is one. Raises SourceError with a sentence.
    """

    def __init__(self, endpoint: ClusterEndpoint, *, environ: Mapping[str, str] | None = None) -> None:
        self._endpoint = endpoint
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._client: ApiClient | None = None
        self._seen: tuple[tuple[str, int], ...] = ()
        self._expires_at: float | None = None
        self._plugin = ""
        self._closed = False
        self._end_plugin: Callable[[], None] = lambda: None
        self._failed: tuple[float, SourceError] | None = None
        self.where = ""
        self.running = ""
        """The command of the exec plugin that runs now."""

    def client(self, *, now: float | None = None) -> ApiClient:
        moment = time.time() if now is None else now
        with self._lock:
            if self._closed:
                raise Unreachable("this client was closed")
            if self._client is not None and self._fresh(moment):
                return self._client
            if self._failed and moment - self._failed[0] < 1.0:
                # Six watches ask at the same time: a plugin that just failed is not run six times.
                raise self._failed[1]
            try:
                self._client = self._load(moment)
            except SourceError as error:
                self._failed = (time.time() if now is None else now, error)
                raise
            self._failed = None
            return self._client

    def refused(self, client: ApiClient) -> None:
        """The server answered 401: forget these credentials, so that the next request asks for new ones."""
        with self._lock:
            if self._client is client:
                self._client = None
                _given.pop(self._plugin, None)

    def close(self) -> None:
        """Ends a plugin that is running; never waits for one."""
        self._closed = True
        self._end_plugin()
        client, self._client = self._client, None
        if client is not None:
            client.close()  # type: ignore[no-untyped-call]

    def _fresh(self, now: float) -> bool:
        if self._expires_at is not None and now > self._expires_at - _EARLY_SECONDS:
            return False
        return _stamps(path for path, _ in self._seen) == self._seen

    def _load(self, now: float) -> ApiClient:
        import urllib3  # noqa: PLC0415 - costs 0.3 s, in a thread of ours
        from kubernetes.client.api_client import ApiClient  # noqa: PLC0415 - costs 0.3 s, in a thread of ours
        from kubernetes.client.configuration import Configuration  # noqa: PLC0415 - costs 0.3 s, in a thread of ours
        from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - costs 0.3 s, in a thread of ours

        configuration = Configuration()
        configuration.retries = False
        configuration.keep_alive = True
        configuration.connection_pool_maxsize = 16
        try:
            if self._endpoint.in_cluster:
                self._load_service_account(configuration)
            else:
                self._load_kubeconfig(configuration, now)
        except ConfigException as error:
            what = str(error).splitlines()[0][:300]
            raise NotConfigured(f"the kubeconfig cannot be used: {what}", hint="check it with kubectl config view") from None
        if not configuration.verify_ssl:
            # The user chose it in the kubeconfig; a warning on every request would be written over the screen.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self.where = str(configuration.host)
        client = ApiClient(configuration)
        client.user_agent = "cad-console"
        return client

    def _plugin_runs(self, end: Callable[[], None]) -> None:
        self._end_plugin = end
        if self._closed:
            end()

    def _load_service_account(self, configuration: Any) -> None:
        from kubernetes.config.incluster_config import load_incluster_config  # noqa: PLC0415 - costs 0.3 s, in a thread of ours

        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        self._seen, self._expires_at = (), None

    def _load_kubeconfig(self, configuration: Any, now: float) -> None:
        from kubernetes.config.kube_config import KubeConfigLoader  # noqa: PLC0415 - costs 0.3 s, in a thread of ours

        files = self._files()
        merged = _merge(files)
        name = self._endpoint.context or str(merged.get("current-context") or "")
        context = _named(merged, "contexts", name, "context", files)
        cluster = _named(merged, "clusters", str(context.get("cluster") or ""), "cluster", files)
        user_name = str(context.get("user") or "")
        user = dict(_named(merged, "users", user_name, "user", files)) if user_name else {}
        self._expires_at = None
        watched = [str(path) for path in files]
        user = self._with_credentials(user, cluster, folder=str(files[0].parent), now=now, watched=watched)
        loader: Any = KubeConfigLoader(  # type: ignore[no-untyped-call]
            {
                "current-context": "chosen",
                "contexts": [{"name": "chosen", "context": {"cluster": "chosen", "user": "chosen"}}],
                "clusters": [{"name": "chosen", "cluster": dict(cluster)}],
                "users": [{"name": "chosen", "user": user}],
            },
            config_base_path=str(files[0].parent),
        )
        loader.load_and_set(configuration)
        # The loader's own hook would run the plugin again in its way; renewal is decided in `client`.
        configuration.refresh_api_key_hook = None
        self._seen = _stamps(watched)

    def _files(self) -> list[Path]:
        named = self._endpoint.kubeconfig or variable(self._environ, "KUBECONFIG")
        texts = [item for item in named.split(os.pathsep) if item] or ["~/.kube/config"]
        paths = [Path(text).expanduser() for text in texts]
        found = [path for path in paths if path.is_file()]
        if not found:
            raise NotConfigured(
                f"no kubeconfig at {', '.join(str(path) for path in paths)}", hint="set KUBECONFIG or kubernetes.kubeconfig"
            )
        return found

    def _with_credentials(
        self, user: dict[str, Any], cluster: Mapping[str, Any], *, folder: str, now: float, watched: list[str]
    ) -> dict[str, Any]:
        """The user's section with everything that would run a program or ask the network replaced by its result."""
        provider = user.pop("auth-provider", None)
        if isinstance(provider, Mapping):
            token = (provider.get("config") or {}).get("id-token")
            if provider.get("name") != "oidc" or not token:
                raise Denied(
                    f"the kubeconfig's auth-provider {provider.get('name')} is gone from Kubernetes 1.26 on",
                    hint="use an exec plugin instead",
                )
            user["token"] = token
        if "tokenFile" in user:
            watched.append(str(user["tokenFile"]))
        spec = user.pop("exec", None)
        if isinstance(spec, Mapping):
            key = json.dumps([self._endpoint.kubeconfig, self._endpoint.context, folder, spec], sort_keys=True, default=str)
            credential = _given.get(key)
            if credential is None or (credential.expires_at is not None and now > credential.expires_at - _EARLY_SECONDS):
                self.running = str(spec.get("command") or "")
                try:
                    environ = self._environ
                    credential = run_plugin(spec, cluster=cluster, folder=folder, environ=environ, started=self._plugin_runs)
                finally:
                    self.running = ""
            _given[key] = credential
            self._plugin = key
            self._expires_at = credential.expires_at
            if credential.token:
                user["token"] = credential.token
            if credential.certificate:
                user["client-certificate-data"] = base64.b64encode(credential.certificate.encode()).decode()
                user["client-key-data"] = base64.b64encode(credential.key.encode()).decode()
        return user


def _merge(files: list[Path]) -> dict[str, Any]:
    """As kubectl merges: the first file that names something wins; relative paths are relative to their own file."""
    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NotConfigured(f"the kubeconfig {path} cannot be read", hint=str(getattr(error, "strerror", error))) from None
        try:
            content = yaml_text.loads(text, where=str(path))
        except yaml_text.YamlError as error:
            raise NotConfigured(f"the kubeconfig is not YAML: {error}") from None
        if not _bounded(content):
            told = f"the kubeconfig {path} is too large, or full of aliases to aliases"
            raise NotConfigured(told, hint="write its values out")
        if not isinstance(content, dict):
            raise NotConfigured(f"the kubeconfig {path} is empty or not a mapping")
        if content.get("current-context"):
            merged.setdefault("current-context", content["current-context"])
        for section in ("clusters", "contexts", "users"):
            entries = content.get(section) or []
            known = {item["name"] for item in merged[section]}
            if not isinstance(entries, list):
                raise NotConfigured(f"the kubeconfig {path} has a {section} section that is not a list")
            for entry in entries:
                if isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry["name"] not in known:
                    merged[section].append(_absolute(entry, section, path.parent))
    return merged


def _bounded(content: object) -> bool:
    """Whether the values are no more than a kubeconfig can have, every alias counted as what it stands for."""
    waiting, seen = [content], 0
    while waiting:
        seen += 1
        if seen > _MOST_VALUES:
            return False
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return True


def _absolute(entry: dict[str, Any], section: str, folder: Path) -> dict[str, Any]:
    key, fields = _RELATIVE.get(section, ("", ()))
    body = entry.get(key)
    if not isinstance(body, dict):
        return entry
    resolved = {field: str(folder / str(body[field])) for field in fields if body.get(field)}
    return {**entry, key: {**body, **resolved}}


def _named(merged: Mapping[str, Any], section: str, name: str, key: str, files: list[Path]) -> Mapping[str, Any]:
    where = ", ".join(str(path) for path in files)
    if not name:
        raise NotConfigured(f"the kubeconfig {where} names no {key}", hint="choose one with --context")
    for entry in merged[section]:
        if entry["name"] == name and isinstance(entry.get(key), dict):
            return dict(entry[key])
    known = ", ".join(sorted(entry["name"] for entry in merged[section])) or "none"
    raise NotConfigured(f"no {key} {name!r} in the kubeconfig {where}", hint=f"it has {known}")


def _stamps(paths: Any) -> tuple[tuple[str, int], ...]:
    """Each file with its modification time in nanoseconds, 0 where it is gone."""
    found = []
    for path in paths:
        try:
            found.append((str(path), os.stat(path).st_mtime_ns))  # noqa: PTH116 - two of these a request
        except OSError:
            found.append((str(path), 0))
    return tuple(found)
