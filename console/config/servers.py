"""The servers of an environment: their URLs, authentication, TLS and proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from console.config.errors import ConfigError
from console.config.settings import KUBERNETES, POSTGRESQL, Channel, StoreSettings
from console.config.sources import KeyPath, Sources
from console.config.text_formats import is_store, is_url
from queries.http.endpoint import Endpoint, HttpConfig, RedisEndpoint, parse_credentials
from queries.text.variables import read_env

_AUTHORIZING = ("basic_auth", "authorization", "bearer_token", "bearer_token_file")
_ADMINISTRATION_KEYS = {"api_key_file": "X-API-Key", "admin_token_file": "X-Admin-Token"}
_ADMINISTRATION_SECONDS = 60.0
"""Building an index takes longer than an answer to a poll."""


def read_endpoint(sources: Sources, key: str, *, flag: str = "", variable: str = "") -> Endpoint | None:
    """One server, None where it is not configured. Raises ConfigError."""
    value, origin = sources.given(flag, variable)
    if value:
        sources.origins[key] = origin
        return parse_endpoint(value, source=origin)
    entry = sources.own(key)
    return None if entry is None else _from_file(sources, entry, (*sources.environment_path, key))


def read_alertmanagers(sources: Sources) -> tuple[Endpoint, ...]:
    """Every peer. Raises ConfigError."""
    urls: Sequence[str] = sources.flags.get("alertmanager_url") or ()
    origin = "flag --alertmanager-url"
    if not urls:
        urls = [part.strip() for part in read_env(sources.environ, "ALERTMANAGER_URL").split(",") if part.strip()]
        origin = "environment variable ALERTMANAGER_URL"
    if urls:
        sources.origins["alertmanager"] = origin
        return tuple(parse_endpoint(url, source=origin) for url in urls)
    entry = sources.own("alertmanager")
    path = (*sources.environment_path, "alertmanager")
    if entry is None:
        return ()
    if not isinstance(entry, list):
        return (_from_file(sources, entry, path),)
    return tuple(_from_file(sources, item, (*path, index)) for index, item in enumerate(entry))


def read_redis(sources: Sources) -> RedisEndpoint | None:
    """REDIS_URL belongs to the platform: an invalid one fails the self-check and nothing else here."""
    value, origin = sources.given("", "REDIS_URL")
    if value:
        sources.origins["redis"] = origin
    value = value or sources.own("redis")
    return RedisEndpoint(value) if value else None


def read_loki_labels(sources: Sources) -> tuple[tuple[str, str], ...]:
    """By what it names, the label of Loki's that a team has for it."""
    entry = sources.own("loki")
    return tuple(entry.get("labels", {}).items()) if isinstance(entry, dict) else ()


def read_trace_url(sources: Sources) -> str:
    """Where a trace is shown, with `{trace_id}` in place of its id; empty if the config names no place."""
    entry = sources.own("loki")
    return str(entry.get("trace_url", "")) if isinstance(entry, dict) else ""


def read_store(sources: Sources, namespace: str) -> StoreSettings | None:
    """The journal's shared store, by default in `namespace`; None without one. Raises ConfigError."""
    value, origin = sources.given("", "CAD_CONSOLE_STORE")
    if value and not is_store(value):
        raise ConfigError(source=origin, expected="expected kubernetes or a postgresql:// URL")
    if value:
        sources.origins["store"] = origin
    entry = value or sources.own("store")
    if entry is None:
        return None
    if entry == KUBERNETES:
        entry = {KUBERNETES: {}}
    elif isinstance(entry, str):
        entry = {POSTGRESQL: {"url": entry}}
    path = (*sources.environment_path, "store")
    if len(entry) != 1:
        raise sources.error(path, "expected one of kubernetes and postgresql here")
    ((kind, fields),) = entry.items()
    if kind == KUBERNETES:
        return StoreSettings(kind, fields.get("namespace", namespace), float(fields.get("keep_days", 30.0)))
    password_file = sources.file(fields.get("password_file", ""), (*path, kind, "password_file"))
    return StoreSettings(kind, url=fields["url"], password_file=password_file)


def read_administration(sources: Sources, platform: Endpoint | None) -> Endpoint | None:
    """The platform's API with the keys of its administration, which stay in their files; without a URL where the platform has
    none. Raises ConfigError.
    """
    entry = sources.own("administration")
    if entry is None:
        return None
    path = (*sources.environment_path, "administration")
    server = platform or Endpoint("")
    keys = tuple(
        (header, sources.file(entry[key], (*path, key))) for key, header in _ADMINISTRATION_KEYS.items() if key in entry
    )
    own = {header for header, _ in keys}
    others = tuple(item for item in server.http.header_files if item[0] not in own)
    http = replace(server.http, header_files=(*others, *keys))
    return replace(server, http=http, timeout_seconds=float(entry.get("timeout", _ADMINISTRATION_SECONDS)))


def read_channels(sources: Sources) -> tuple[Channel, ...]:
    """Where an incident's updates can be sent. Raises ConfigError."""
    path = (*sources.environment_path, "channels")
    return tuple(_channel(sources, name, item, (*path, name)) for name, item in (sources.own("channels") or {}).items())


def _channel(sources: Sources, name: str, item: Mapping[str, Any], path: KeyPath) -> Channel:
    required = "routing_key" if item["kind"] == "pagerduty" else "url"
    if not (item.get(required) or item.get(f"{required}_file")):
        raise sources.error(path, f"expected {required} or {required}_file here")
    http = _http_config(sources, item.get("http_config", {}), (*path, "http_config"))
    if item.get("url") and parse_credentials(item["url"]) != ("", ""):
        _refuse_second_authorization(sources, http, path)
    return Channel(
        name=name,
        kind=item["kind"],
        url=item.get("url", ""),
        url_file=sources.file(item.get("url_file", ""), (*path, "url_file")),
        routing_key=item.get("routing_key", ""),
        routing_key_file=sources.file(item.get("routing_key_file", ""), (*path, "routing_key_file")),
        http=http,
        timeout_seconds=float(item.get("timeout", 10.0)),
        guards=item.get("guards", True),
    )


def _from_file(sources: Sources, entry: Any, path: KeyPath) -> Endpoint:
    if isinstance(entry, str):
        return parse_endpoint(entry, source=str(sources.config_file))
    endpoint = parse_endpoint(entry["url"], source=str(sources.config_file))
    http = _http_config(sources, entry.get("http_config", {}), (*path, "http_config"))
    if endpoint.http.authorization_field:
        _refuse_second_authorization(sources, http, path)
        http = replace(http, username=endpoint.http.username, password=endpoint.http.password)
    endpoint = replace(endpoint, http=http, timeout_seconds=float(entry.get("timeout", endpoint.timeout_seconds)))
    return (
        replace(endpoint, ruler=_ruler(sources, endpoint, entry["ruler"], (*path, "ruler"))) if "ruler" in entry else endpoint
    )


def _ruler(sources: Sources, server: Endpoint, entry: Any, path: KeyPath) -> Endpoint:
    """A ruler without settings uses those of the server beside it, unless its URL contains credentials."""
    sources.origins["ruler"] = sources.line(path)
    ruler = _from_file(sources, entry, path)
    if not isinstance(entry, str):
        return ruler
    return replace(
        ruler, http=ruler.http if ruler.http.authorization_field else server.http, timeout_seconds=server.timeout_seconds
    )


def _http_config(sources: Sources, table: Mapping[str, Any], path: KeyPath) -> HttpConfig:
    basic = table.get("basic_auth", {})
    authorization = table.get("authorization", {})
    tls = table.get("tls_config", {})
    headers: list[tuple[str, str]] = []
    files: list[tuple[str, str]] = []
    for name, values in table.get("http_headers", {}).items():
        headers += [(name, value) for kind in ("values", "secrets") for value in values.get(kind, ())]
        for index, file in enumerate(values.get("files", ())):
            files.append((name, sources.file(file, (*path, "http_headers", name, "files", index))))
    authorizing = [name for name in _AUTHORIZING if name in table]
    authorizing += ["http_headers.Authorization" for name, _ in (*headers, *files) if name.strip().lower() == "authorization"]
    if len(authorizing) > 1:
        raise sources.error(path, f"expected at most one of {' and '.join(authorizing)}: each sets the Authorization header")
    return HttpConfig(
        username=basic.get("username", ""),
        password=basic.get("password", ""),
        password_file=sources.file(basic.get("password_file", ""), (*path, "basic_auth", "password_file")),
        authorization_type=authorization.get("type", "Bearer"),
        credentials=authorization.get("credentials", table.get("bearer_token", "")),
        credentials_file=sources.file(authorization.get("credentials_file", ""), (*path, "authorization", "credentials_file"))
        or sources.file(table.get("bearer_token_file", ""), (*path, "bearer_token_file")),
        ca_file=sources.file(tls.get("ca_file", ""), (*path, "tls_config", "ca_file")),
        cert_file=sources.file(tls.get("cert_file", ""), (*path, "tls_config", "cert_file")),
        key_file=sources.file(tls.get("key_file", ""), (*path, "tls_config", "key_file")),
        server_name=tls.get("server_name", ""),
        insecure_skip_verify=tls.get("insecure_skip_verify", False),
        proxy_url=table.get("proxy_url", ""),
        no_proxy=table.get("no_proxy", ""),
        follow_redirects=table.get("follow_redirects", True),
        http_headers=tuple(headers),
        header_files=tuple(files),
        plain_values=_find_plain_values(table.get("http_headers", {})),
    )


def _find_plain_values(headers: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of headers that are no secrets: neither by their key, nor by the header's name, nor by their form."""
    if not any(values.get("values") for values in headers.values()):
        return ()
    from queries.text.secrets import redact_value  # noqa: PLC0415  # only with such a header

    given = ((name, value) for name, values in headers.items() for value in values.get("values", ()))
    return tuple(value for name, value in given if redact_value(name, value) == value)


def _refuse_second_authorization(sources: Sources, http: HttpConfig, path: KeyPath) -> None:
    """Raises ConfigError where the URL's credentials and `http_config` would both set the Authorization header."""
    if http.authorization_field:
        raise sources.error(
            path, f"the URL has credentials and http_config.{http.authorization_field} is set too: remove one of them"
        )


def parse_endpoint(url: str, *, source: str) -> Endpoint:
    """Credentials move from the URL into `http`, so that no message can show them. Raises ConfigError."""
    if not is_url(url):
        raise ConfigError(source=source, expected="expected an http:// or https:// URL with a host")
    parts = urlsplit(url)
    username, password = parse_credentials(url)
    host = parts.netloc.rpartition("@")[2]
    return Endpoint(
        urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), HttpConfig(username=username, password=password)
    )
