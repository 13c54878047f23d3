"""What a config file may hold: every key, its type, and the words for what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from console.config.settings import SETTLE
from console.config.store_settings import is_postgresql_url, is_store
from console.config.validators import is_dns_name, is_redis_url, is_target, is_url, is_webhook
from queries.catalogue.panel_titles import outline
from queries.model.dashboard import DASHBOARDS
from queries.model.severity import Priority
from queries.yaml_nodes import Path, YamlDocument, dotted

PANEL_IDS = tuple(dict.fromkeys(name for board in ("overview", *dict(DASHBOARDS)) for name, _ in outline(board)))
"""Every panel of the catalogue; the overview's first."""


class SchemaError(ValueError):
    """One value that is not what was expected; `line` counts from 1."""

    def __init__(self, expected: str, *, key: str, line: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.key = key
        self.line = line


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts: the words for it and the test that it passes."""

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with known keys."""

    keys: Mapping[str, Kind]
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys are names: any text, or one of `names`."""

    each: Kind
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    each: Kind


@dataclass(frozen=True, slots=True)
class OneOf:
    """A scalar, or a table or list that says more."""

    short: Scalar
    long: Fields | ListOf


Kind: TypeAlias = Scalar | Fields | MapOf | ListOf | OneOf


def is_seconds(value: Any) -> bool:
    """Whether this is a length of time that one can wait for."""
    return _is_number(value) and 0 < value <= 86_400


def _is_number(value: Any) -> bool:
    # Not math.isfinite: an integer of four hundred digits is more than it takes.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_duration(value: Any) -> bool:
    from queries.text.spans import InvalidTime, seconds_of  # noqa: PLC0415  # only where a file has one

    try:
        return isinstance(value, str) and seconds_of(value) > 0
    except InvalidTime:
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


TEXT = Scalar("text", _is_text)
FLAG = Scalar("true or false", lambda value: isinstance(value, bool))
NUMBER = Scalar("a number", _is_number)
SECONDS = Scalar("a number of seconds greater than 0", is_seconds)
SETTLE_SECONDS = Scalar("a number of seconds, 0 for none", lambda value: _is_number(value) and 0 <= value <= 3600)
URL = Scalar("an http:// or https:// URL", is_url)
REDIS_URL = Scalar("a redis://, rediss:// or unix:// URL", is_redis_url)
TARGET = Scalar("deployment/NAME", is_target)
NAMESPACE = Scalar("a namespace's name", lambda value: isinstance(value, str) and is_dns_name(value))

HTTP_CONFIG = Fields(
    {
        "basic_auth": Fields({"username": TEXT, "password": TEXT, "password_file": TEXT}, ("username",)),
        "authorization": Fields({"type": TEXT, "credentials": TEXT, "credentials_file": TEXT}),
        "bearer_token": TEXT,
        "bearer_token_file": TEXT,
        "tls_config": Fields(
            {"ca_file": TEXT, "cert_file": TEXT, "key_file": TEXT, "server_name": TEXT, "insecure_skip_verify": FLAG}
        ),
        "proxy_url": URL,
        "no_proxy": TEXT,
        "follow_redirects": FLAG,
        "http_headers": MapOf(Fields({"values": ListOf(TEXT), "secrets": ListOf(TEXT), "files": ListOf(TEXT)})),
    }
)
CHANNEL = Fields(
    {
        "kind": Scalar("slack, webhook or pagerduty", lambda value: value in ("slack", "webhook", "pagerduty")),
        "url": Scalar("an http:// or https:// URL", is_webhook),
        "url_file": TEXT,
        "routing_key": TEXT,
        "routing_key_file": TEXT,
        "timeout": SECONDS,
        "http_config": HTTP_CONFIG,
    },
    ("kind",),
)
_DURATION = Scalar("a duration like 15m, 2h or 1h30m", _is_duration)
INCIDENTS = Fields(
    {
        "severities": MapOf(
            Fields(
                {
                    **dict.fromkeys(("response", "acknowledge", "assess", "update_every", "mitigate"), _DURATION),
                    **dict.fromkeys(("stability", "review", "escalate_after"), _DURATION),
                    **dict.fromkeys(("meaning", "escalation"), TEXT),
                    "escalate_by": Scalar(
                        "pager, email, ticket or chat", lambda value: value in ("pager", "email", "ticket", "chat")
                    ),
                }
            ),
            ("P1", "P2", "P3", "P4"),
        ),
        "contacts": ListOf(Fields({"team": TEXT, "chat": TEXT, "email": TEXT, "pager": TEXT}, ("team",))),
        "templates": TEXT,
    }
)
_DAYS = Scalar("a number of days greater than 0", lambda value: _is_number(value) and 0 < value <= 3650)
POSTGRESQL = Scalar("a postgresql:// URL", is_postgresql_url)
STORE = OneOf(
    Scalar("kubernetes or a postgresql:// URL", is_store),
    Fields(
        {
            "kubernetes": Fields({"namespace": NAMESPACE, "keep_days": _DAYS}),
            "postgresql": Fields({"url": POSTGRESQL, "password_file": TEXT}, ("url",)),
        }
    ),
)
SERVER = OneOf(URL, Fields({"url": URL, "timeout": SECONDS, "http_config": HTTP_CONFIG}, ("url",)))
ENVIRONMENT = Fields(
    {
        "protected": FLAG,
        "read_only": FLAG,
        "namespace": NAMESPACE,
        "labels": MapOf(OneOf(TEXT, ListOf(TEXT))),
        "prometheus": SERVER,
        "rule_windows": MapOf(_DURATION),
        "alertmanager": OneOf(URL, ListOf(SERVER)),
        "platform": SERVER,
        "kubernetes": Fields({"kubeconfig": TEXT, "context": TEXT, "in_cluster": FLAG, "timeout": SECONDS}),
        "grafana": SERVER,
        "loki": URL,
        "redis": REDIS_URL,
        "store": STORE,
        "channels": MapOf(CHANNEL),
    }
)
_PLACES = OneOf(TEXT, ListOf(TEXT))
DOCUMENT = Fields(
    {
        "default_environment": TEXT,
        "read_only": FLAG,
        "environments": MapOf(ENVIRONMENT),
        "thresholds": MapOf(Fields({"warn": NUMBER, "critical": NUMBER})),
        "alert_targets": MapOf(TARGET),
        "heartbeat_alert": TEXT,
        "error_codes": MapOf(TEXT),
        "error_codes_window": _DURATION,
        "severities": MapOf(Scalar("P1, P2, P3 or P4", lambda value: value in tuple(Priority))),
        "refresh": OneOf(
            SECONDS,
            Fields(
                {
                    "every": SECONDS,
                    "stale_after": SECONDS,
                    "backoff_cap": SECONDS,
                    "verify_timeout": SECONDS,
                    "settle": Fields(dict.fromkeys(SETTLE, SETTLE_SECONDS)),
                }
            ),
        ),
        "checklists": TEXT,
        "runbooks": _PLACES,
        "panels": _PLACES,
        "signals": _PLACES,
        "rules": _PLACES,
        "shift_hours": Scalar("a number of hours greater than 0", lambda value: _is_number(value) and 0 < value <= 168),
        "incidents": INCIDENTS,
        "theme": TEXT,
        "slow": FLAG,
        "keys": MapOf(TEXT),
    }
)


@dataclass(slots=True)
class _Walk:
    document: YamlDocument
    kinds: dict[type, str] = field(
        default_factory=lambda: {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    )

    def check(self, value: Any, kind: Kind, path: Path) -> None:  # noqa: PLR0912  # one case a kind
        match kind:
            case Scalar():
                if not kind.fits(value):
                    raise self.wrong(kind.words, value, path)
            case Fields():
                self.mapping(value, path)
                for key in value:
                    if key not in kind.keys:
                        raise self.unknown(key, tuple(kind.keys), path)
                    self.check(value[key], kind.keys[key], (*path, key))
                for key in kind.required:
                    if key not in value:
                        raise SchemaError(f"expected the key {key!r} here", key=dotted(path), line=self.document.line(path))
            case MapOf():
                self.mapping(value, path)
                for key in value:
                    if kind.names and key not in kind.names:
                        raise self.unknown(key, kind.names, path)
                    self.check(value[key], kind.each, (*path, key))
            case ListOf():
                if not isinstance(value, list):
                    raise self.wrong("a list", value, path)
                for index, item in enumerate(value):
                    self.check(item, kind.each, (*path, index))
            case OneOf():
                if isinstance(value, dict if isinstance(kind.long, Fields) else list):
                    self.check(value, kind.long, path)
                elif not kind.short.fits(value):
                    more = "a mapping" if isinstance(kind.long, Fields) else "a list of them"
                    raise self.wrong(f"{kind.short.words} or {more}", value, path)

    def mapping(self, value: Any, path: Path) -> None:
        if not isinstance(value, dict):
            raise self.wrong("a mapping", value, path)

    def wrong(self, words: str, value: Any, path: Path) -> SchemaError:
        # The type is named, never the value: it may be a password on the wrong line.
        numeric = "a number" if _is_number(value) else "a number out of range"
        found = self.kinds.get(type(value), numeric if isinstance(value, int | float) else f"a {type(value).__name__}")
        told = "" if found == words or words.startswith(found) else f", found {found}"
        return SchemaError(f"expected {words}{told}", key=dotted(path), line=self.document.line(path))

    def unknown(self, key: str, known: tuple[str, ...], path: Path) -> SchemaError:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
        return SchemaError(f"unknown key, {hint}", key=dotted((*path, key)), line=self.document.line((*path, key)))


def check_document(document: YamlDocument, kind: Kind = DOCUMENT) -> None:
    """Raises SchemaError for the first thing that does not belong; an empty document is fine."""
    if document.value is not None:
        _Walk(document).check(document.value, kind, ())
