"""Flags, environment variables, config file and defaults, merged into one Settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import console
from console.config.cluster import ClusterChoice, choose_cluster
from console.config.errors import ConfigError
from console.config.incident_settings import Channel, Contact, IncidentSettings
from console.config.own_files import KEYS, NoSuchPlace, OwnFiles, find_own_files
from console.config.settings import ERROR_CODES_WINDOW_SECONDS, HEARTBEAT_ALERT, AlertTarget, Paths, Settings
from console.config.store_settings import KUBERNETES, POSTGRESQL, StoreSettings, is_store
from console.config.validators import is_dns_name, is_url
from queries.http.endpoint import Endpoint, HttpConfig, RedisEndpoint, credentials_of
from queries.model.panel import Threshold
from queries.model.severity import Priority, Severities, normalize
from queries.text.variables import home, variable

if TYPE_CHECKING:
    from argparse import Namespace

DEFAULT_NAMESPACE = "cad-ml-platform"
UNNAMED = "default"
"""The environment's name where nobody gave one."""

_AUTHORIZING = ("basic_auth", "authorization", "bearer_token", "bearer_token_file")
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_NO_SECRET = {"ca_file", "cert_file", "kubeconfig"}
"""Keys whose file may be read by anybody; a kubeconfig is looked into."""
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def load_settings(
    flags: Mapping[str, Any] | Namespace | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    service_account: str = _SERVICE_ACCOUNT,
) -> Settings:
    """The settings: flag over environment variable over config file over default. Raises ConfigError."""
    given = dict(flags) if isinstance(flags, Mapping) else dict(vars(flags)) if flags is not None else {}
    return _Loading(given, os.environ if environ is None else environ, service_account).settings()


def environment_names(flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The environments that the config file names, in its order. Raises ConfigError."""
    return tuple(_Loading(dict(flags), environ, _SERVICE_ACCOUNT).environments())


class _Loading:
    def __init__(self, flags: dict[str, Any], environ: Mapping[str, str], service_account: str) -> None:
        self.flags = {name: value for name, value in flags.items() if value is not None}
        self.environ = environ
        self.service_account = service_account
        self.origins: dict[str, str] = {}
        self.secret_files: list[str] = []
        self.paths = _paths(environ, self.flags)
        self.file = self._read_file()
        self.place: tuple[str | int, ...] = ()
        """Where the chosen environment stands in the file."""
        self.table: Mapping[str, Any] = {}

    def settings(self) -> Settings:
        name = self._environment()
        cluster = self._cluster()
        own_namespace = self._namespace()
        namespace = own_namespace or self._context_namespace(cluster) or DEFAULT_NAMESPACE
        settings = Settings(
            environment=name,
            namespace=namespace,
            protected=self._protected(cluster),
            read_only=self._read_only(),
            user=_user(self.environ),
            paths=self.paths,
            prometheus=self._server("prometheus", "prometheus_url", "PROMETHEUS_URL"),
            alertmanagers=self._alertmanagers(),
            kubernetes=replace(cluster.endpoint, namespace=namespace) if cluster.endpoint else None,
            cluster_named=cluster.endpoint is None or cluster.named,
            cluster_note=_note(name, cluster, asked=bool(self.table)),
            labels=self._labels(),
            rule_windows=tuple(self.table.get("rule_windows", {}).items()),
            platform=self._server("platform", "api_url", "CAD_ML_API_URL"),
            grafana=self._server("grafana", "", "GRAFANA_URL"),
            redis=self._redis(),
            loki_url=self._address("loki", "LOKI_URL"),
            own=self._own_files(),
            alert_targets=tuple(AlertTarget(alert, target) for alert, target in self._top("alert_targets", {}).items()),
            heartbeat_alert=str(self._top("heartbeat_alert", HEARTBEAT_ALERT)),
            severities=self._severities(),
            error_codes=self._error_codes(),
            error_codes_window_seconds=self._error_codes_window(),
            shift_hours=float(self._top("shift_hours", 12.0)),
            incidents=self._incidents(),
            theme=self._theme(),
            slow=self._slow(),
            keys=tuple(self._top("keys", {}).items()),
        )
        settings = replace(self._rhythm(settings), paths=self._with_checklists(settings.paths))
        settings = replace(settings, thresholds=self._thresholds(settings))
        # Never the context's: whoever has another kubeconfig would share into another store without a word.
        store = self._store(own_namespace or DEFAULT_NAMESPACE)
        secrets = (*self.secret_files, *cluster.secret_files)
        return replace(settings, store=store, secret_files=secrets, origins=tuple(sorted(self.origins.items())))

    # The config file

    def _read_file(self) -> Any:
        explicit = self.flags.get("config") or variable(self.environ, "CAD_CONSOLE_CONFIG")
        path = Path(self.paths.config_file)
        if not path.exists() and not explicit:
            return None
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigError(source=str(path), expected="no such file, expected a config file") from None
        except UnicodeDecodeError:
            raise ConfigError(source=str(path), expected="expected text in UTF-8") from None
        except OSError as error:
            raise ConfigError(source=str(path), expected=f"cannot be read: {error.strerror}") from None
        # Imported here: without a config file the console starts without YAML.
        from console.config.schema import SchemaError, check_document  # noqa: PLC0415
        from queries.yaml_nodes import NodeError, load_with_lines  # noqa: PLC0415

        try:
            document = load_with_lines(text)
            check_document(document)
        except NodeError as error:
            raise ConfigError(source=str(path), line=error.line, key=error.key, expected=str(error)) from None
        except SchemaError as error:
            raise ConfigError(source=str(path), line=error.line, key=error.key, expected=error.expected) from None
        return document

    def document(self) -> Mapping[str, Any]:
        return {} if self.file is None or self.file.value is None else self.file.value

    def _top(self, key: str, default: Any) -> Any:
        value = self.document().get(key)
        if value is None:
            return default
        self.origins.setdefault(key, self._line((key,)))
        return value

    def _line(self, path: tuple[str | int, ...]) -> str:
        return f"config file, line {self.file.line(path)}"

    # One value each

    def environments(self) -> Mapping[str, Any]:
        return dict(self._top("environments", {}))

    def _environment(self) -> str:
        known = self._top("environments", {})
        self.origins.pop("environments", None)
        name, origin = self._said("environment", "CAD_CONSOLE_ENVIRONMENT")
        if not name:
            name = self._top("default_environment", "")
            origin = self.origins.pop("default_environment", "")
            if not name and len(known) == 1:
                name = next(iter(known))
                origin = "the only one in the config file"
        if known and name not in known:
            source = origin if origin and not origin.startswith("config") else self.paths.config_file
            line = self.file.line(("default_environment",)) if origin.startswith("config") else 0
            wanted = f"expected one of {', '.join(known)}"
            told = "no such environment in the config file, " if name else "no environment chosen, "
            raise ConfigError(source=source, line=line, key="default_environment" if line else "", expected=told + wanted)
        if known:
            self.place = ("environments", name)
            self.table = known[name]
        if origin:
            self.origins["environment"] = origin
        return name or UNNAMED

    def _said(self, flag: str, name: str) -> tuple[str, str]:
        """A text from a flag, else from an environment variable, and where it came from; empty where nobody said."""
        if self.flags.get(flag):
            return str(self.flags[flag]), f"flag --{flag.replace('_', '-')}"
        if said := variable(self.environ, name):
            return said, f"environment variable {name}"
        return "", ""

    def _namespace(self) -> str:
        """The flag's, else the environment's; empty where neither says one."""
        value, origin = self._said("namespace", "")
        if value and not is_dns_name(value):
            raise ConfigError(source=origin, expected="expected a namespace's name")
        if not value and "namespace" in self.table:
            value, origin = self.table["namespace"], self._line((*self.place, "namespace"))
        if origin:
            self.origins["namespace"] = origin
        return value

    def _context_namespace(self, cluster: ClusterChoice) -> str:
        """The namespace of the kubeconfig's context; empty where it has none."""
        if cluster.endpoint is None or not cluster.namespace:
            return ""
        self.origins["namespace"] = f"context {cluster.endpoint.context}"
        return cluster.namespace

    def _protected(self, cluster: ClusterChoice) -> bool:
        """Everything is, but an environment that says `protected: false` of a cluster that it names itself."""
        if "protected" in self.table:
            self.origins["protected"] = self._line((*self.place, "protected"))
        if cluster.endpoint is not None and not cluster.named:
            self.origins["protected"] = f"the cluster is not named by the environment: {cluster.origin}"
            return True
        return bool(self.table.get("protected", True))

    def _labels(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What alerts of this environment say in the labels that name a place."""
        found = self.table.get("labels", {})
        if found:
            self.origins["labels"] = self._line((*self.place, "labels"))
        return tuple((name, (said,) if isinstance(said, str) else tuple(said)) for name, said in found.items())

    def _read_only(self) -> bool:
        """Whoever says read-only is heard; a `false` lifts nobody else's `true`, so no way to act opens by accident."""
        said, variable_origin = self._said("", "CAD_CONSOLE_READ_ONLY")
        word = said.strip().lower()
        if said and word not in _TRUE | _FALSE:
            raise ConfigError(source=variable_origin, expected="expected true or false")
        answers = [(True, "flag --read-only")] if self.flags.get("read_only") else []
        if said:
            answers.append((word in _TRUE, variable_origin))
        for table, path in ((self.document(), ()), (self.table, self.place)):
            if "read_only" in table:
                answers.append((bool(table["read_only"]), self._line((*path, "read_only"))))
        read_only = any(answer for answer, _ in answers)
        if answers:
            self.origins["read_only"] = ", ".join(origin for answer, origin in answers if answer == read_only)
        return read_only

    def _theme(self) -> str:
        value, origin = self._said("theme", "")
        if value:
            self.origins["theme"] = origin
            return value
        return str(self._top("theme", ""))

    def _slow(self) -> bool:
        if self.flags.get("slow"):
            self.origins["slow"] = "flag --slow"
            return True
        return bool(self._top("slow", False))

    def _rhythm(self, settings: Settings) -> Settings:
        said = self._top("refresh", {})
        table = said if isinstance(said, dict) else {"every": said}
        every = float(table.get("every", settings.refresh_seconds))
        if "refresh" in self.flags:
            every = float(self.flags["refresh"])
            self.origins["refresh"] = "flag --refresh"
            if not 0 < every <= 86_400:
                raise ConfigError(source="flag --refresh", expected="expected a number of seconds greater than 0")
        # Asking once a minute must not make every value stale after half of it.
        stale = float(table.get("stale_after", max(settings.stale_after_seconds, 3 * every)))
        return replace(
            settings,
            refresh_seconds=every,
            stale_after_seconds=stale,
            backoff_cap_seconds=float(table.get("backoff_cap", settings.backoff_cap_seconds)),
            verify_timeout_seconds=float(table.get("verify_timeout", settings.verify_timeout_seconds)),
            settle=tuple((kind, float(seconds)) for kind, seconds in table.get("settle", {}).items()),
        )

    def _severities(self) -> Severities:
        said = self._top("severities", {})
        return Severities(tuple((normalize(str(word)), Priority(level)) for word, level in said.items()))

    def _error_codes(self) -> tuple[tuple[str, str], ...]:
        """A team's own codes, each one of the nine; one that stands the wrong way round would hide a gap."""
        said = self._top("error_codes", {})
        if not said:
            return ()
        from queries.catalogue.error_codes import load_taxonomy, team_code_problem  # noqa: PLC0415  # only where a file has one

        for word, code in said.items():
            if problem := team_code_problem(load_taxonomy(), word, code):
                line = self.file.line(("error_codes", word))
                raise ConfigError(source=self.paths.config_file, line=line, key=f"error_codes.{word}", expected=problem)
        return tuple(said.items())

    def _error_codes_window(self) -> float:
        said = self._top("error_codes_window", "")
        if not said:
            return ERROR_CODES_WINDOW_SECONDS
        from queries.text.spans import seconds_of  # noqa: PLC0415  # as the schema reads it

        return seconds_of(said)

    def _with_checklists(self, paths: Paths) -> Paths:
        """The folder of a team's own checklists: relative to the config file, and beside it where nothing is said."""
        said = self._top("checklists", "")
        folder = Path(paths.config_file).parent / Path(said or "checklists").expanduser()
        if said and not folder.is_dir():
            line = self.file.line(("checklists",))
            told = f"expected a folder, found none at {folder}"
            raise ConfigError(source=self.paths.config_file, line=line, key="checklists", expected=told)
        return replace(paths, checklists_dir=str(folder))

    def _own_files(self) -> OwnFiles:
        told = {key: self._top(key, None) for key in KEYS}
        try:
            return find_own_files(told, Path(self.paths.config_file).parent)
        except NoSuchPlace as error:
            raise self._wrong(error.path, str(error)) from None

    def _thresholds(self, settings: Settings) -> tuple[tuple[str, Threshold], ...]:
        told = self._top("thresholds", {})
        found = tuple((panel, Threshold(item.get("warn"), item.get("critical"))) for panel, item in told.items())
        if found:
            from console.config.thresholds import WrongThreshold, check_thresholds  # noqa: PLC0415  # reads the catalogue

            try:
                check_thresholds(found, settings.own)
            except WrongThreshold as error:
                raise self._wrong(("thresholds", *error.path), str(error)) from None
        return found

    def _wrong(self, path: tuple[str | int, ...], expected: str) -> ConfigError:
        from queries.yaml_nodes import dotted  # noqa: PLC0415

        return ConfigError(source=self.paths.config_file, line=self.file.line(path), key=dotted(path), expected=expected)

    def _incidents(self) -> IncidentSettings:
        own = self._top("incidents", {})
        changes = ((level, key, value) for level, keys in own.get("severities", {}).items() for key, value in keys.items())
        templates = str(Path(self.paths.config_file).parent / Path(own["templates"]).expanduser()) if "templates" in own else ""
        contacts = tuple(Contact(**item) for item in own["contacts"]) if "contacts" in own else None
        channels = tuple(self._channel(name, item) for name, item in self.table.get("channels", {}).items())
        if channels:
            self.origins["channels"] = self._line((*self.place, "channels"))
        return IncidentSettings(tuple(changes), contacts, templates, channels)

    def _channel(self, name: str, item: Mapping[str, Any]) -> Channel:
        path = (*self.place, "channels", name)
        needed = "routing_key" if item["kind"] == "pagerduty" else "url"
        if not (item.get(needed) or item.get(f"{needed}_file")):
            told = f"expected {needed} or {needed}_file here"
            raise ConfigError(
                source=self.paths.config_file, line=self.file.line(path), key=".".join(map(str, path)), expected=told
            )
        http = self._http(item.get("http_config", {}), (*path, "http_config"))
        if item.get("url") and credentials_of(item["url"]) != ("", ""):
            self._only_one(http, path)
        return Channel(
            name=name,
            kind=item["kind"],
            url=item.get("url", ""),
            url_file=self._file(item.get("url_file", ""), (*path, "url_file")),
            routing_key=item.get("routing_key", ""),
            routing_key_file=self._file(item.get("routing_key_file", ""), (*path, "routing_key_file")),
            http=http,
            timeout_seconds=float(item.get("timeout", 10.0)),
        )

    # Servers

    def _server(self, key: str, flag: str, variable: str) -> Endpoint | None:
        value, origin = self._said(flag, variable)
        if value:
            self.origins[key] = origin
            return _endpoint(value, source=origin)
        if key not in self.table:
            return None
        path = (*self.place, key)
        self.origins[key] = self._line(path)
        return self._from_file(self.table[key], path)

    def _alertmanagers(self) -> tuple[Endpoint, ...]:
        said: Sequence[str] = self.flags.get("alertmanager_url") or ()
        origin = "flag --alertmanager-url"
        if not said:
            said = [part.strip() for part in variable(self.environ, "ALERTMANAGER_URL").split(",") if part.strip()]
            origin = "environment variable ALERTMANAGER_URL"
        if said:
            self.origins["alertmanager"] = origin
            return tuple(_endpoint(url, source=origin) for url in said)
        if "alertmanager" not in self.table:
            return ()
        path = (*self.place, "alertmanager")
        self.origins["alertmanager"] = self._line(path)
        listed = self.table["alertmanager"]
        if isinstance(listed, str):
            return (self._from_file(listed, path),)
        return tuple(self._from_file(item, (*path, index)) for index, item in enumerate(listed))

    def _address(self, key: str, variable: str) -> str:
        value, origin = self._said("", variable)
        if not value:
            value = self.table.get(key, "")
            origin = self._line((*self.place, key)) if value else ""
        if value:
            self.origins[key] = origin
            return _endpoint(value, source=origin).url
        return ""

    def _redis(self) -> RedisEndpoint | None:
        """REDIS_URL is the platform's own: one that is no URL fails the self-check, and nothing else here."""
        value, origin = self._said("", "REDIS_URL")
        if not value and "redis" in self.table:
            value, origin = self.table["redis"], self._line((*self.place, "redis"))
        if not value:
            return None
        self.origins["redis"] = origin
        return RedisEndpoint(value)

    def _store(self, namespace: str) -> StoreSettings | None:
        said, origin = self._said("", "CAD_CONSOLE_STORE")
        path = (*self.place, "store")
        if said and not is_store(said):
            raise ConfigError(source=origin, expected="expected kubernetes or a postgresql:// URL")
        found = said or self.table.get("store")
        if found is None:
            return None
        self.origins["store"] = origin or self._line(path)
        if found == KUBERNETES:
            found = {KUBERNETES: {}}
        elif isinstance(found, str):
            found = {POSTGRESQL: {"url": found}}
        if len(found) != 1:
            told = "expected one of kubernetes and postgresql here"
            raise ConfigError(
                source=self.paths.config_file, line=self.file.line(path), key=".".join(map(str, path)), expected=told
            )
        ((kind, own),) = found.items()
        if kind == KUBERNETES:
            return StoreSettings(kind, own.get("namespace", namespace), float(own.get("keep_days", 30.0)))
        password_file = self._file(own.get("password_file", ""), (*path, kind, "password_file"))
        return StoreSettings(kind, url=own["url"], password_file=password_file)

    def _from_file(self, item: Any, path: tuple[str | int, ...]) -> Endpoint:
        if isinstance(item, str):
            return _endpoint(item, source=self.paths.config_file)
        endpoint = _endpoint(item["url"], source=self.paths.config_file)
        http = self._http(item.get("http_config", {}), (*path, "http_config"))
        if endpoint.http.authorizing:
            self._only_one(http, path)
            http = replace(http, username=endpoint.http.username, password=endpoint.http.password)
        return replace(endpoint, http=http, timeout_seconds=float(item.get("timeout", endpoint.timeout_seconds)))

    def _http(self, table: Mapping[str, Any], path: tuple[str | int, ...]) -> HttpConfig:
        basic = table.get("basic_auth", {})
        authorization = table.get("authorization", {})
        tls = table.get("tls_config", {})
        headers: list[tuple[str, str]] = []
        for name, values in table.get("http_headers", {}).items():
            headers += [(name, value) for kind in ("values", "secrets") for value in values.get(kind, ())]
            for index, file in enumerate(values.get("files", ())):
                at = (*path, "http_headers", name, "files", index)
                headers.append((name, Path(self._file(file, at)).read_text(encoding="utf-8").strip()))
        said = [name for name in _AUTHORIZING if name in table]
        said += ["http_headers.Authorization" for name, _ in headers if name.strip().lower() == "authorization"]
        if len(said) > 1:
            from queries.yaml_nodes import dotted  # noqa: PLC0415

            told = f"expected at most one of {' and '.join(said)}: each makes the Authorization header"
            raise ConfigError(source=self.paths.config_file, line=self.file.line(path), key=dotted(path), expected=told)
        return HttpConfig(
            username=basic.get("username", ""),
            password=basic.get("password", ""),
            password_file=self._file(basic.get("password_file", ""), (*path, "basic_auth", "password_file")),
            authorization_type=authorization.get("type", "Bearer"),
            credentials=authorization.get("credentials", table.get("bearer_token", "")),
            credentials_file=self._file(authorization.get("credentials_file", ""), (*path, "authorization", "credentials_file"))
            or self._file(table.get("bearer_token_file", ""), (*path, "bearer_token_file")),
            ca_file=self._file(tls.get("ca_file", ""), (*path, "tls_config", "ca_file")),
            cert_file=self._file(tls.get("cert_file", ""), (*path, "tls_config", "cert_file")),
            key_file=self._file(tls.get("key_file", ""), (*path, "tls_config", "key_file")),
            server_name=tls.get("server_name", ""),
            insecure_skip_verify=tls.get("insecure_skip_verify", False),
            proxy_url=table.get("proxy_url", ""),
            no_proxy=table.get("no_proxy", ""),
            follow_redirects=table.get("follow_redirects", True),
            http_headers=tuple(headers),
        )

    def _only_one(self, http: HttpConfig, path: tuple[str | int, ...]) -> None:
        """There is one Authorization header. Raises ConfigError where the URL and a field both make it."""
        if http.authorizing:
            from queries.yaml_nodes import dotted  # noqa: PLC0415

            told = f"user and password stand in the URL, and http_config.{http.authorizing} is there too: keep one of them"
            raise ConfigError(source=self.paths.config_file, line=self.file.line(path), key=dotted(path), expected=told)

    def _file(self, name: str, path: tuple[str | int, ...]) -> str:
        """A file that the config names: relative to the config file, as Prometheus has it; it must be readable."""
        if not name:
            return ""
        found = Path(self.paths.config_file).parent / Path(name).expanduser()
        if not (found.is_file() and os.access(found, os.R_OK)):
            from queries.yaml_nodes import dotted  # noqa: PLC0415

            key, line = dotted(path), self.file.line(path)
            told = f"expected a file that can be read, found none at {found}"
            raise ConfigError(source=self.paths.config_file, line=line, key=key, expected=told)
        if path[-1] not in _NO_SECRET:
            self.secret_files.append(str(found))
        return str(found)

    def _cluster(self) -> ClusterChoice:
        """Which cluster, and who said so."""
        path = (*self.place, "kubernetes")
        choice = choose_cluster(
            self.table.get("kubernetes", {}),
            flags=self.flags,
            environ=self.environ,
            home=home(self.environ),
            file=lambda name: os.pathsep.join(
                self._file(part, (*path, "kubeconfig")) for part in name.split(os.pathsep) if part
            ),
            line=self._line(path) if "kubernetes" in self.table else "",
            service_account=self.service_account,
        )
        if choice.endpoint is not None:
            told = "" if choice.named else " (not named by the environment, so protected)"
            over = f" (before KUBECONFIG={choice.passed_over})" if choice.passed_over else ""
            self.origins["kubernetes"] = f"{choice.origin}{told}{over}"
        return choice


def _note(environment: str, cluster: ClusterChoice, *, asked: bool) -> str:
    """What a person has to be told once about how the cluster was chosen; empty where nothing is surprising."""
    if cluster.passed_over:
        return f"KUBECONFIG of the shell is passed over: {environment} has its own cluster"
    if cluster.endpoint is not None and not cluster.named and asked:
        return f"{environment} names no cluster: this one is from {cluster.origin}, and protected"
    return ""


def _endpoint(url: str, *, source: str) -> Endpoint:
    """User information moves from the URL into the credentials, so that no message can show it."""
    if not is_url(url):
        raise ConfigError(source=source, expected="expected an http:// or https:// URL with a host")
    parts = urlsplit(url)
    username, password = credentials_of(url)
    host = parts.netloc.rpartition("@")[2]
    return Endpoint(
        urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), HttpConfig(username=username, password=password)
    )


def _paths(environ: Mapping[str, str], flags: Mapping[str, Any]) -> Paths:
    def base(name: str, *otherwise: str) -> Path:
        said = variable(environ, name)
        # The XDG specification: a relative path there is to be ignored.
        root = Path(said) if said and Path(said).is_absolute() else Path(home(environ)).joinpath(*otherwise)
        return root / "cad-console"

    state = base("XDG_STATE_HOME", ".local", "state")
    said = flags.get("config") or variable(environ, "CAD_CONSOLE_CONFIG")
    config = Path(str(said)).expanduser() if said else base("XDG_CONFIG_HOME", ".config") / "config.yaml"
    return Paths(
        config_file=str(config),
        state_dir=str(state),
        cache_dir=str(base("XDG_CACHE_HOME", ".cache")),
        journal_file=str(state / "journal.sqlite3"),
        log_file=str(state / "console.log"),
        runbooks_dir=str(Path(console.__file__).resolve().parent.parent / "runbooks"),
    )


def _user(environ: Mapping[str, str]) -> str:
    name = variable(environ, "USER") or variable(environ, "LOGNAME") or f"uid{os.getuid()}"
    return f"{name}@{socket.gethostname().partition('.')[0] or 'localhost'}"
