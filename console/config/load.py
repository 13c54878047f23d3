"""Flags, environment variables, config file and defaults, merged into one Settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import console
from console.config.cluster import ClusterChoice, choose_cluster
from console.config.errors import ConfigError, InvalidSetting
from console.config.freeze import read_freezes
from console.config.own_files import KEYS, find_own_files
from console.config.servers import (
    read_administration,
    read_alertmanagers,
    read_channels,
    read_endpoint,
    read_loki_labels,
    read_redis,
    read_store,
    read_trace_url,
)
from console.config.services import read_services, read_tokens
from console.config.settings import Contact, IncidentSettings, Paths, Settings
from console.config.sources import NOTHING_TYPED, KeyPath, Sources
from console.config.text_formats import is_dns_name
from queries.model.panel import Threshold
from queries.text.times import use_zone
from queries.text.variables import home_folder, read_env

if TYPE_CHECKING:
    from argparse import Namespace

DEFAULT_NAMESPACE = "cad-ml-platform"
UNNAMED = "default"
"""The name of an environment that neither flag, variable nor file names."""

SERVICE_ACCOUNT_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_FLAGS = ("theme", "slow")
"""Flags that fill the field of Settings with their name."""
ADDRESSES = (
    "PROMETHEUS_URL", "ALERTMANAGER_URL", "CAD_ML_API_URL", "GRAFANA_URL", "LOKI_URL", "REDIS_URL", "CAD_CONSOLE_STORE",
    "CAD_CONSOLE_ENVIRONMENT",
)  # fmt: skip
"""Variables that belong to the current environment and to no other one."""
_Value = TypeVar("_Value")


def load_settings(
    flags: Mapping[str, Any] | Namespace | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    service_account: str = SERVICE_ACCOUNT_FILE,
    typed: Mapping[str, str] = NOTHING_TYPED,
) -> Settings:
    """The settings: flag over environment variable over config file over default. Raises ConfigError.

    `typed` are the environment, context and namespace that a person typed in the console; they override the flags.
    """
    given = dict(flags) if isinstance(flags, Mapping) else dict(vars(flags)) if flags is not None else {}
    settings = _load(Sources(given, os.environ if environ is None else environ, typed), service_account)
    use_zone(settings.timezone)  # of the process, as TZ is
    return settings


def load_other_environments(settings: Settings, environ: Mapping[str, str]) -> dict[str, Settings]:
    """The config file's other environments with a Prometheus, by name. Skips an environment that does not load."""
    others: dict[str, Settings] = {}
    rest = {name: value for name, value in environ.items() if name not in ADDRESSES}
    try:
        names = Sources({"config": settings.paths.config_file}, rest).top("environments", {})
    except ConfigError:
        return others
    for name in names:
        if name == settings.environment:
            continue
        try:
            other = load_settings({"config": settings.paths.config_file, "environment": name}, rest)
        except ConfigError:
            continue  # a token file is missing there: choosing it could only fail
        if other.prometheus is not None:
            others[name] = other
    return others


def _load(sources: Sources, service_account: str) -> Settings:
    name = _choose_environment(sources)
    cluster = _choose_cluster(sources, service_account)
    own_namespace = _own_namespace(sources)
    namespace = own_namespace or _context_namespace(sources, cluster) or DEFAULT_NAMESPACE
    own_files = _with_location(
        sources, (), lambda: find_own_files({key: sources.top(key, None) for key in KEYS}, sources.beside(""))
    )
    services = read_services(sources)
    platform = read_endpoint(sources, "platform", flag="api_url", variable="CAD_ML_API_URL")
    settings = Settings(
        environment=name,
        environments=tuple(sources.document.get("environments") or ()),
        namespace=namespace,
        protected=_is_protected(sources, cluster),
        read_only=_is_read_only(sources),
        user=_user(sources.environ),
        paths=_paths(sources),
        prometheus=read_endpoint(sources, "prometheus", flag="prometheus_url", variable="PROMETHEUS_URL"),
        alertmanagers=read_alertmanagers(sources),
        kubernetes=replace(cluster.endpoint, namespace=namespace) if cluster.endpoint else None,
        cluster_named=cluster.endpoint is None or cluster.named,
        cluster_note=_cluster_note(name, cluster, configured=bool(sources.environment)),
        platform=platform,
        administration=read_administration(sources, platform),
        grafana=read_endpoint(sources, "grafana", variable="GRAFANA_URL"),
        redis=read_redis(sources),
        loki=read_endpoint(sources, "loki", variable="LOKI_URL"),
        loki_labels=read_loki_labels(sources),
        trace_url=read_trace_url(sources),
        # Never in the context's namespace: another person's kubeconfig would silently lead to another store.
        store=read_store(sources, own_namespace or DEFAULT_NAMESPACE),
        own=own_files,
        services=services,
        tokens=read_tokens(sources, services),
        freezes=read_freezes(sources),
        incidents=_incidents(sources),
    )
    settings = replace(_with_refresh(sources, settings), **_plain_settings(sources))
    settings = replace(settings, thresholds=_thresholds(sources, settings))
    secret_files = (*sources.secret_files, *cluster.secret_files)
    return replace(settings, secret_files=secret_files, origins=tuple(sorted(sources.origins.items())))


def _with_location(sources: Sources, path: KeyPath, read: Callable[[], _Value]) -> _Value:
    """What `read` returns; its InvalidSetting becomes a ConfigError with file, line and key."""
    try:
        return read()
    except InvalidSetting as error:
        raise sources.error((*path, *error.path), error.expected) from None


def _plain_settings(sources: Sources) -> dict[str, Any]:
    """The fields of Settings that one key of the config file or one flag fills by itself."""
    values: dict[str, Any] = {}
    if sources.document:
        from console.config.schema import DOCUMENT, ENVIRONMENT  # noqa: PLC0415  # only where there is a file

        for fields, table, path in (
            (DOCUMENT, sources.document, ()),
            (ENVIRONMENT, sources.environment, sources.environment_path),
        ):
            for name, key in fields.settings():
                if name in table:
                    value = table[name]
                    convert = key.convert
                    values[key.setting] = _with_location(sources, (*path, name), partial(convert, value)) if convert else value
                    sources.origins[name] = sources.line((*path, name))
    for name in _FLAGS:
        if sources.flags.get(name):
            values[name] = sources.flags[name]
            sources.origins[name] = f"flag --{name}"
    return values


def _choose_environment(sources: Sources) -> str:
    known = sources.document.get("environments") or {}
    name, origin = sources.given("environment", "CAD_CONSOLE_ENVIRONMENT")
    by_file = not name and bool(name := sources.document.get("default_environment", ""))
    if by_file:
        origin = sources.line(("default_environment",))
    elif not name and len(known) == 1:
        name, origin = next(iter(known)), "the only one in the config file"
    if known and name not in known:
        problem = "no such environment in the config file" if name else "no environment chosen"
        expected = f"{problem}, expected one of {', '.join(known)}"
        if by_file:
            raise sources.error(("default_environment",), expected)
        raise ConfigError(source=origin or str(sources.config_file), expected=expected)
    if known:
        sources.environment_path = ("environments", name)
        sources.environment = known[name]
        sources.origins["environments"] = sources.line(("environments",))
    if origin:
        sources.origins["environment"] = origin
    return name or UNNAMED


def _own_namespace(sources: Sources) -> str:
    """The flag's namespace, else the environment's; empty where neither has one."""
    value, origin = sources.given("namespace", "")
    if not value:
        return sources.own("namespace") or ""
    if not is_dns_name(value):
        raise ConfigError(source=origin, expected="expected a namespace's name")
    sources.origins["namespace"] = origin
    return value


def _context_namespace(sources: Sources, cluster: ClusterChoice) -> str:
    """The namespace of the kubeconfig's context; empty where it has none."""
    if cluster.endpoint is None or not cluster.namespace:
        return ""
    sources.origins["namespace"] = f"context {cluster.endpoint.context}"
    return cluster.namespace


def _is_protected(sources: Sources, cluster: ClusterChoice) -> bool:
    """Every environment is, except one with `protected: false` that names its cluster itself."""
    protected = sources.own("protected")
    if cluster.endpoint is not None and not cluster.named:
        sources.origins["protected"] = f"the cluster is not named by the environment: {cluster.origin}"
        return True
    return protected is not False


def _is_read_only(sources: Sources) -> bool:
    """True where any source says so; a `false` lifts no other `true`, so no write becomes possible by accident."""
    value, variable_origin = sources.given("", "CAD_CONSOLE_READ_ONLY")
    label = value.strip().lower()
    if value and label not in _TRUE | _FALSE:
        raise ConfigError(source=variable_origin, expected="expected true or false")
    answers = [(True, "flag --read-only")] if sources.flags.get("read_only") else []
    if value:
        answers.append((label in _TRUE, variable_origin))
    for table, path in ((sources.document, ()), (sources.environment, sources.environment_path)):
        if "read_only" in table:
            answers.append((bool(table["read_only"]), sources.line((*path, "read_only"))))
    read_only = any(answer for answer, _ in answers)
    if answers:
        sources.origins["read_only"] = ", ".join(origin for answer, origin in answers if answer == read_only)
    return read_only


def _with_refresh(sources: Sources, settings: Settings) -> Settings:
    value = sources.top("refresh", {})
    table = value if isinstance(value, dict) else {"every": value}
    every = float(table.get("every", settings.refresh_seconds))
    if "refresh" in sources.flags:
        every = float(sources.flags["refresh"])
        sources.origins["refresh"] = "flag --refresh"
        if not 0 < every <= 86_400:
            raise ConfigError(source="flag --refresh", expected="expected a number of seconds greater than 0")
    # At one poll a minute the default would make every value stale halfway to the next one.
    stale_after = float(table.get("stale_after", max(settings.stale_after_seconds, 3 * every)))
    return replace(
        settings,
        refresh_seconds=every,
        stale_after_seconds=stale_after,
        backoff_cap_seconds=float(table.get("backoff_cap", settings.backoff_cap_seconds)),
        verify_timeout_seconds=float(table.get("verify_timeout", settings.verify_timeout_seconds)),
        settle=tuple((kind, float(seconds)) for kind, seconds in table.get("settle", {}).items()),
    )


def _thresholds(sources: Sources, settings: Settings) -> tuple[tuple[str, Threshold], ...]:
    table = sources.top("thresholds", {})
    thresholds = tuple((panel, Threshold(item.get("warn"), item.get("critical"))) for panel, item in table.items())
    if thresholds:
        from console.config.thresholds import check_thresholds  # noqa: PLC0415  # reads the catalogue

        _with_location(sources, ("thresholds",), lambda: check_thresholds(thresholds, settings.own))
    return thresholds


def _incidents(sources: Sources) -> IncidentSettings:
    table = sources.top("incidents", {})
    changes = ((level, key, value) for level, keys in table.get("severities", {}).items() for key, value in keys.items())
    templates = str(sources.beside(table["templates"])) if "templates" in table else ""
    listed = table.get("contacts")
    contacts = None if listed is None else tuple(Contact(**item) for item in ([listed] if isinstance(listed, dict) else listed))
    return IncidentSettings(
        tuple(changes),
        contacts,
        templates,
        read_channels(sources),
        tuple(table.get("people", ())),
        tuple(table.get("services", {}).items()),
    )


def _choose_cluster(sources: Sources, service_account: str) -> ClusterChoice:
    """The cluster, and which source chose it."""
    path = (*sources.environment_path, "kubernetes")
    choice = choose_cluster(
        sources.environment.get("kubernetes", {}),
        flags=sources.flags,
        environ=sources.environ,
        home=home_folder(sources.environ),
        file=lambda names: os.pathsep.join(
            sources.file(name, (*path, "kubeconfig")) for name in names.split(os.pathsep) if name
        ),
        line=sources.line(path) if "kubernetes" in sources.environment else "",
        service_account=service_account,
        context_origin=sources.flag_origin("context"),
    )
    if choice.endpoint is not None:
        note = "" if choice.named else " (not named by the environment, so protected)"
        over = f" (before KUBECONFIG={choice.passed_over})" if choice.passed_over else ""
        sources.origins["kubernetes"] = f"{choice.origin}{note}{over}"
    return choice


def _cluster_note(environment: str, cluster: ClusterChoice, *, configured: bool) -> str:
    """A notice about how the cluster was chosen; empty where nothing is surprising."""
    if cluster.passed_over:
        return f"KUBECONFIG of the shell is ignored: {environment} has its own cluster"
    if cluster.endpoint is not None and cluster.flagged and configured:
        return f"the cluster comes from {cluster.origin}, the other sources from {environment}: it is protected"
    if cluster.endpoint is not None and not cluster.named and configured:
        return f"{environment} names no cluster: this one comes from {cluster.origin} and is protected"
    return ""


def _paths(sources: Sources) -> Paths:
    """A team's own checklists are beside the config file unless it names another folder. Raises ConfigError."""
    state = sources.xdg("XDG_STATE_HOME", ".local", "state")
    named = sources.top("checklists", "")
    checklists = sources.beside(named or "checklists")
    if named and not checklists.is_dir():
        raise sources.error(("checklists",), f"expected a folder, found none at {checklists}")
    return Paths(
        config_file=str(sources.config_file),
        state_dir=str(state),
        cache_dir=str(sources.xdg("XDG_CACHE_HOME", ".cache")),
        journal_file=str(state / "journal.sqlite3"),
        log_file=str(state / "console.log"),
        runbooks_dir=str(Path(console.__file__).resolve().parent.parent / "runbooks"),
        checklists_dir=str(checklists),
    )


def _user(environ: Mapping[str, str]) -> str:
    name = read_env(environ, "USER") or read_env(environ, "LOGNAME") or f"uid{os.getuid()}"
    return f"{name}@{socket.gethostname().partition('.')[0] or 'localhost'}"
