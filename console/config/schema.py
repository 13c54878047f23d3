"""Every key of the config file: its kind, its description, and the field of `Settings` that it fills."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from console.config.errors import InvalidSetting
from console.config.freeze import is_freeze_time
from console.config.services import LIMITS
from console.config.settings import NOTIFY_KINDS, AlertTarget, NotifySettings, QuietHours, RecorderSettings
from console.config.text_formats import (
    is_consumer,
    is_dns_name,
    is_label_name,
    is_postgresql_url,
    is_redis_url,
    is_secret_key,
    is_store,
    is_target,
    is_trace_url,
    is_url,
    is_webhook,
)
from console.config.validation import FLAG, NUMBER, TEXT, Fields, Key, ListOf, MapOf, OneOf, Scalar, is_number
from queries.catalogue.panel_titles import read_panel_titles
from queries.model.dashboard import DASHBOARDS
from queries.model.severity import Priority, Severities, normalize
from queries.text.times import find_zone

PANEL_IDS = tuple(dict.fromkeys(name for board in ("overview", *dict(DASHBOARDS)) for name, _ in read_panel_titles(board)))
"""Every panel of the catalogue; the overview's first."""


_SIZE = re.compile(r"(\d{1,12})([kMG]i?B)", re.ASCII)
_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "kiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _is_duration(value: Any) -> bool:
    from queries.text.durations import YEAR_SECONDS, parse_duration  # noqa: PLC0415  # only where a file has one

    try:
        return isinstance(value, str) and parse_duration(value, least=1.0, most=YEAR_SECONDS) > 0
    except ValueError:
        return False


def _is_zone(value: Any) -> bool:
    if not isinstance(value, str) or not value:
        return False
    try:
        find_zone(value)
    except ValueError:
        return False
    return True


def _items(value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(value.items())


def _labels(value: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((name, (each,) if isinstance(each, str) else tuple(each)) for name, each in value.items())


def _alert_targets(value: Mapping[str, str]) -> tuple[AlertTarget, ...]:
    return tuple(AlertTarget(alertname, target) for alertname, target in value.items())


def _severities(value: Mapping[str, str]) -> Severities:
    return Severities(tuple((normalize(label), Priority(priority)) for label, priority in value.items()))


def _error_codes(value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """A reversed mapping would hide a gap. Raises InvalidSetting."""
    from queries.catalogue.error_codes import load_taxonomy, team_code_problem  # noqa: PLC0415  # only where a file has one

    for own, code in value.items():
        if problem := team_code_problem(load_taxonomy(), own, code):
            raise InvalidSetting(problem, own)
    return tuple(value.items())


def _seconds(value: str) -> float:
    from queries.text.durations import parse_duration  # noqa: PLC0415  # only where a file has one

    return parse_duration(value)


def _is_size(value: Any) -> bool:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return found is not None and 1_000_000 <= int(found[1]) * _UNITS[found[2]] <= 10**12


def _recorder(value: Mapping[str, str]) -> RecorderSettings:
    base = RecorderSettings()
    size = _SIZE.fullmatch(value["max_bytes"]) if "max_bytes" in value else None
    return RecorderSettings(
        _seconds(value["keep"]) if "keep" in value else base.keep_seconds,
        int(size[1]) * _UNITS[size[2]] if size else base.max_bytes,
    )


def _minute(value: str | int) -> int:
    """The minute of the day; YAML 1.1 reads 22:00 without quotes as the number 1320."""
    if isinstance(value, int):
        return value
    hours, _, minutes = value.partition(":")
    return int(hours) * 60 + int(minutes)


def _is_time_of_day(value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value))
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440


def _priorities(table: Mapping[str, Any], key: str, default: tuple[Priority, ...]) -> tuple[Priority, ...]:
    return tuple(map(Priority, table[key])) if key in table else default


def _notify(value: Mapping[str, Any]) -> NotifySettings:
    """Raises InvalidSetting for a command without a program."""
    base, commands = NotifySettings(), value.get("commands", {})
    for path, command in (
        (("command",), value.get("command")),
        *((("commands", name), item) for name, item in commands.items()),
    ):
        if command == []:
            raise InvalidSetting("expected a program and its arguments, found an empty list", *path)
    by_severity = {**dict.fromkeys(Priority, value.get("command")), **commands}
    desktop = value.get("desktop", {"protocol": ""})
    desktop = desktop if isinstance(desktop, dict) else {"protocol": desktop}
    quiet = value.get("quiet_hours")
    return NotifySettings(
        bell=_priorities(value, "bell", base.bell),
        title=_priorities(value, "title", base.title),
        desktop=desktop["protocol"],
        desktop_severities=_priorities(desktop, "severities", base.desktop_severities),
        tmux=_priorities(value, "tmux", base.tmux),
        commands=tuple((Priority(level), tuple(command)) for level, command in by_severity.items() if command),
        kinds=tuple(value.get("kinds", base.kinds)),
        before_seconds=_seconds(value["before"]) if "before" in value else base.before_seconds,
        quiet=QuietHours(_minute(quiet["from"]), _minute(quiet["to"]), _priorities(quiet, "severities", (Priority.P1,)))
        if quiet
        else None,
    )


def _aliases(value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Raises InvalidSetting for an alias that nobody can type."""
    for name in value:
        if len(name.split()) != 1:
            raise InvalidSetting("an alias is one word", name)
    return tuple((name, " ".join(text.split())) for name, text in value.items())


SECONDS = Scalar("a number of seconds greater than 0", lambda value: is_number(value) and 0 < value <= 86_400)
SETTLE_SECONDS = Scalar("a number of seconds, 0 for none", lambda value: is_number(value) and 0 <= value <= 3600)
HOURS = Scalar("a number of hours greater than 0", lambda value: is_number(value) and 0 < value <= 168)
DAYS = Scalar("a number of days greater than 0", lambda value: is_number(value) and 0 < value <= 3650)
DURATION = Scalar("a duration like 15m, 2h or 1h30m", _is_duration)
SIZE = Scalar("a size like 500MB, from 1MB to 1000GB", _is_size)
URL = Scalar("an http:// or https:// URL", is_url)
WEBHOOK = Scalar("an http:// or https:// URL", is_webhook)
REDIS_URL = Scalar("a redis://, rediss:// or unix:// URL", is_redis_url)
POSTGRESQL_URL = Scalar("a postgresql:// URL", is_postgresql_url)
TARGET = Scalar("KIND/NAME of a workload, such as deployment/NAME", is_target)
LABEL = Scalar("a label's name", lambda value: isinstance(value, str) and is_label_name(value))
CONSUMER = Scalar("KIND/NAME of a workload or external/NAME", is_consumer)
SECRET_KEY = Scalar("NAME/KEY of a Secret", is_secret_key)
NAMESPACE = Scalar("a namespace's name", lambda value: isinstance(value, str) and is_dns_name(value))
PRIORITY = Scalar("P1, P2, P3 or P4", lambda value: value in tuple(Priority))
CHANNEL_KIND = Scalar("slack, webhook or pagerduty", lambda value: value in ("slack", "webhook", "pagerduty"))
CONTACT_METHOD = Scalar("pager, email, ticket or chat", lambda value: value in ("pager", "email", "ticket", "chat"))
PATHS = OneOf(TEXT, ListOf(TEXT))
PRIORITIES = ListOf(PRIORITY)
TIMEZONE = Scalar("utc, local or the name of a time zone such as Europe/Berlin", _is_zone)
COMMAND = Scalar("a command", lambda value: isinstance(value, str) and value.strip() != "")
FREEZE_TIME = Scalar('a day and time like "fri 16:00", or a date like "2026-12-20 18:00"', is_freeze_time)
TIME_OF_DAY = Scalar('a time of day like "22:00"', _is_time_of_day)
PROTOCOL = Scalar("osc9, osc777 or osc99", lambda value: value in ("osc9", "osc777", "osc99"))
NOTIFY_KIND = Scalar(f"{', '.join(NOTIFY_KINDS[:-1])} or {NOTIFY_KINDS[-1]}", lambda value: value in NOTIFY_KINDS)

HTTP_CONFIG = Fields(
    {
        "basic_auth": Key(
            Fields(
                {
                    "username": Key(TEXT, "the username"),
                    "password": Key(TEXT, "the password; prefer `password_file`"),
                    "password_file": Key(TEXT, "a file that holds the password"),
                },
                ("username",),
            ),
            "username and password",
        ),
        "authorization": Key(
            Fields(
                {
                    "type": Key(TEXT, "the authentication scheme (default Bearer)"),
                    "credentials": Key(TEXT, "the credentials; prefer `credentials_file`"),
                    "credentials_file": Key(TEXT, "a file that holds the credentials"),
                }
            ),
            "the Authorization header",
        ),
        "bearer_token": Key(TEXT, "the older spelling of `authorization.credentials`"),
        "bearer_token_file": Key(TEXT, "the older spelling of `authorization.credentials_file`"),
        "tls_config": Key(
            Fields(
                {
                    "ca_file": Key(TEXT, "the CA that must have signed the server's certificate"),
                    "cert_file": Key(TEXT, "the client certificate"),
                    "key_file": Key(TEXT, "the client certificate's key"),
                    "server_name": Key(TEXT, "the name in the server's certificate, where it differs from the URL's host"),
                    "insecure_skip_verify": Key(FLAG, "accept any certificate; for troubleshooting only"),
                }
            ),
            "TLS settings",
        ),
        "proxy_url": Key(URL, "the proxy"),
        "no_proxy": Key(TEXT, "hosts to reach without the proxy"),
        "follow_redirects": Key(FLAG, "follow redirects of reads, to the same server only (default true)"),
        "http_headers": Key(
            MapOf(
                Key(
                    Fields(
                        {
                            "values": Key(ListOf(TEXT), "values that are not secret"),
                            "secrets": Key(ListOf(TEXT), "secret values, never shown"),
                            "files": Key(ListOf(TEXT), "files that hold values"),
                        }
                    ),
                    "the header's name",
                )
            ),
            "additional headers, such as X-API-Key",
        ),
    }
)
_SERVER = {
    "url": Key(URL, "the server's URL; user and password in it are sent as basic auth and never shown"),
    "timeout": Key(SECONDS, "the timeout of a request, in seconds (default 5)"),
    "http_config": Key(HTTP_CONFIG, "authentication, TLS and proxy"),
}
SERVER = OneOf(URL, Fields(_SERVER, ("url",)))
PROMETHEUS = OneOf(
    URL,
    Fields(
        {
            **_SERVER,
            "ruler": Key(
                SERVER,
                "the server that evaluates the rules, if it is another one: vmalert, Thanos Ruler, Mimir's ruler; as a URL it "
                "gets this mapping's `timeout` and `http_config`, as a mapping its own",
            ),
        },
        ("url",),
    ),
)
TRACE_URL = Scalar("an http:// or https:// URL with {trace_id}", is_trace_url)
LOKI = OneOf(
    URL,
    Fields(
        {
            **_SERVER,
            "labels": Key(
                Fields(
                    {
                        "namespace": Key(LABEL, "the label with the namespace"),
                        "pod": Key(LABEL, "the label with the pod's name"),
                        "container": Key(LABEL, "the label with the container's name"),
                        "workload": Key(LABEL, "the label with the workload's name, where none has the pod's"),
                    }
                ),
                "the labels that your agent sets; those of Promtail, Alloy, OpenTelemetry's collector and Fluent Bit are found "
                "without this",
            ),
            "trace_url": Key(
                TRACE_URL, "where a trace is shown, with `{trace_id}` in place of its id; the fields of a line link there"
            ),
        },
        ("url",),
    ),
)
CHANNEL = Fields(
    {
        "kind": Key(CHANNEL_KIND, "the receiving service"),
        "url": Key(WEBHOOK, "its URL; user and password in it are sent as basic auth; a secret, so prefer `url_file`"),
        "url_file": Key(TEXT, "a file that holds the URL"),
        "routing_key": Key(TEXT, "PagerDuty's routing key; a secret, so prefer `routing_key_file`"),
        "routing_key_file": Key(TEXT, "a file that holds the routing key"),
        "timeout": Key(SECONDS, "the timeout of a delivery, in seconds"),
        "guards": Key(
            FLAG,
            "once it had an update of an incident: also send what the guard of a change to the incident's workloads announces, "
            "and how it ends (default true); `false` for one that customers read",
        ),
        "http_config": Key(HTTP_CONFIG, "authentication, TLS and proxy"),
    },
    ("kind",),
)
STORE = OneOf(
    Scalar("kubernetes or a postgresql:// URL", is_store),
    Fields(
        {
            "kubernetes": Key(
                Fields(
                    {
                        "namespace": Key(
                            NAMESPACE,
                            "the ConfigMaps' namespace (default: --namespace, the environment's, else `cad-ml-platform`; "
                            "never the context's)",
                        ),
                        "keep_days": Key(DAYS, "how long the cluster keeps an event (default 30); the hosts keep all"),
                    }
                ),
                "in ConfigMaps of this environment's cluster",
            ),
            "postgresql": Key(
                Fields(
                    {
                        "url": Key(POSTGRESQL_URL, "the database's URL, preferably without a password"),
                        "password_file": Key(TEXT, "a file that holds the password"),
                    },
                    ("url",),
                ),
                "in a PostgreSQL database; requires the extra `cad-console[postgresql]`",
            ),
        }
    ),
)
_PROGRAM = ListOf(TEXT)
_PROGRAM_KEYS = {
    "folder": Key(TEXT, "where its programs run (default: the config file's folder)"),
    "env_files": Key(PATHS, "files of `NAME=value` lines: variables of its programs, never shown"),
}


def _limits(*steps: str) -> Key:
    return Key(
        Fields({step: Key(SECONDS, f"of `{step}` (default {LIMITS[step]:g})") for step in steps}),
        "time limits in seconds; at the limit the program and all its processes are ended",
    )


SERVICE = Fields(
    {
        "backup": Key(_PROGRAM, "a program and its arguments, never a shell: saves what `restore` needs; changes nothing else"),
        "update": Key(_PROGRAM, "installs the new version; `{version}` is the one that the person names"),
        "restart": Key(_PROGRAM, "restarts the service, after `update` and after `restore` (default: not needed)"),
        "health": Key(
            OneOf(URL, _PROGRAM), "a URL that answers 2xx, or a program that exits with 0, while the service is healthy"
        ),
        "restore": Key(_PROGRAM, "brings back what `backup` saved; `{backup}` is the last line that `backup` printed"),
        "smoke": Key(_PROGRAM, "uses the service once as its users do; exits with 0 if that works"),
        **_PROGRAM_KEYS,
        "limits": _limits("backup", "update", "restart", "health", "restore", "smoke"),
    },
    ("backup", "update", "health", "restore", "smoke"),
)
TOKEN = Fields(
    {
        "make": Key(_PROGRAM, "a program, never a shell, that makes a new token beside the old one and prints only the token"),
        "read": Key(TEXT, "a file that holds the new token, instead of `make`"),
        "register": Key(
            _PROGRAM,
            "makes the issuer accept the new token beside the old one; reads it from standard input; required if the console "
            "makes the token itself, without `make` and `read`",
        ),
        "secrets": Key(ListOf(SECRET_KEY), "the Kubernetes Secrets in which consumers read the token, in this namespace"),
        "files": Key(PATHS, "the files in which consumers read the token"),
        "restart": Key(ListOf(CONSUMER), "the consumers to restart, one after another"),
        "smoke": Key(_PROGRAM, "uses the token end to end; reads it from standard input; exits with 0 if that works"),
        "withdraw": Key(_PROGRAM, "makes the issuer refuse a token that it reads from standard input"),
        **_PROGRAM_KEYS,
        "limits": _limits("make", "register", "restart", "smoke", "withdraw"),
    },
    ("smoke", "withdraw"),
)
ENVIRONMENT = Fields(
    {
        "protected": Key(
            FLAG,
            "a write requires typing the target's name (default true); `false` lifts that only where this environment's "
            "`kubernetes` names the cluster",
        ),
        "read_only": Key(FLAG, "the console sends no write; `false` does not undo a `true` that is set elsewhere"),
        "namespace": Key(
            NAMESPACE, "the platform's namespace in the cluster (default: the context's own, else `cad-ml-platform`)"
        ),
        "labels": Key(
            MapOf(
                Key(
                    OneOf(TEXT, ListOf(TEXT)),
                    "by label name: its value here, or a list of them; an alert with any other value belongs to another "
                    "place, and the console offers no action but a silence for it",
                )
            ),
            "the values that this environment's alerts carry in labels that name a place, such as `cluster`",
            "labels",
            _labels,
        ),
        "prometheus": Key(PROMETHEUS, "the source of panels, dashboards, rules and runbook steps"),
        "rule_windows": Key(
            MapOf(Key(DURATION, "by our window, such as `5m`: theirs, such as `10m`")),
            "windows over which this environment's Prometheus records the series that our rules record over others; the "
            "console reads a series over any other window raw",
            "rule_windows",
            _items,
        ),
        "alertmanager": Key(
            OneOf(URL, ListOf(SERVER)), "every peer: one, or a list of them; a silence goes to the first that answers"
        ),
        "platform": Key(SERVER, "the platform's API: /health, /ready and its other endpoints, and /metrics"),
        "administration": Key(
            Fields(
                {
                    "api_key_file": Key(TEXT, "a file that holds the key for the header X-API-Key"),
                    "admin_token_file": Key(TEXT, "a file that holds the token for X-Admin-Token, which some calls need too"),
                    "timeout": Key(SECONDS, "the timeout of a call, in seconds (default 60)"),
                }
            ),
            "the keys with which the action `admin` calls the platform's own administration",
        ),
        "kubernetes": Key(
            Fields(
                {
                    "kubeconfig": Key(TEXT, "the kubeconfig file, or several as in KUBECONFIG"),
                    "context": Key(TEXT, "the context in it, or in the shell's kubeconfig"),
                    "in_cluster": Key(FLAG, "use the service account of the pod that the console runs in"),
                    "timeout": Key(SECONDS, "the timeout of a request, in seconds (default 5)"),
                }
            ),
            "the cluster; overrides the shell's KUBECONFIG, and --kubeconfig and --context override it",
        ),
        "grafana": Key(SERVER, "for `dashboards lint --live`"),
        "loki": Key(LOKI, "the server that keeps logs after their pods are gone; the log screen and `logs` ask it"),
        "redis": Key(REDIS_URL, "the platform's Redis, which `check` pings; with a password, prefer REDIS_URL"),
        "store": Key(STORE, "where consoles on several hosts share their journal; without it each host has its own"),
        "channels": Key(
            MapOf(Key(CHANNEL, "one channel, by the name that people choose it by")),
            "where an incident's updates can be sent",
        ),
        "services": Key(
            MapOf(Key(SERVICE, "one service, by its name")),
            "services outside the cluster, such as the CAD render service, that `update-service` and `restore-service` change; "
            "their programs run on the console's host",
        ),
        "tokens": Key(MapOf(Key(TOKEN, "one token, by its name")), "the tokens that `rotate-token` replaces"),
        "freeze": Key(
            ListOf(
                Fields(
                    {
                        "from": Key(FREEZE_TIME, "when it begins, local time: every week, or once"),
                        "to": Key(FREEZE_TIME, "when it ends, in the same form"),
                        "reason": Key(TEXT, "why, for whoever wants to change something then"),
                        "warn_only": Key(FLAG, "only warn (default false: refuse)"),
                    },
                    ("from", "to", "reason"),
                )
            ),
            "when nothing is deployed: a guarded change and `deploy gate` are refused unless somebody overrules that with a "
            "reason, which the journal keeps",
        ),
    }
)
SEVERITY_POLICY = Fields(
    {
        "response": Key(DURATION, "time to respond"),
        "acknowledge": Key(DURATION, "time to acknowledge"),
        "assess": Key(DURATION, "time to establish scope and impact"),
        "update_every": Key(DURATION, "interval of status updates"),
        "mitigate": Key(DURATION, "time to mitigate"),
        "stability": Key(DURATION, "how long it must stay quiet before it counts as resolved"),
        "review": Key(DURATION, "time to the review"),
        "escalate_after": Key(DURATION, "time to the next escalation level"),
        "meaning": Key(TEXT, "the definition of this severity"),
        "escalation": Key(TEXT, "whom to escalate to, as text"),
        "escalate_by": Key(CONTACT_METHOD, "the contact method of an escalation"),
    }
)
INCIDENTS = Fields(
    {
        "severities": Key(
            MapOf(Key(SEVERITY_POLICY, "P1, P2, P3 or P4"), ("P1", "P2", "P3", "P4")),
            "response timers and escalation by severity",
        ),
        "contacts": Key(
            ListOf(
                Fields(
                    {
                        "team": Key(TEXT, "the team's name"),
                        "chat": Key(TEXT, "its chat channel"),
                        "email": Key(TEXT, "its email address"),
                        "pager": Key(TEXT, "its name in the paging service"),
                    },
                    ("team",),
                )
            ),
            "the teams to contact",
        ),
        "templates": Key(TEXT, "a folder with a team's own templates of updates and reviews"),
        "people": Key(
            ListOf(TEXT), "who can take a role; the screen also lists people whose console is on and people in the timeline"
        ),
        "services": Key(
            MapOf(Key(TEXT, "its public name, such as `Drawing recognition`")),
            "the public name of each component, for updates on the status page",
        ),
    }
)
REFRESH = Fields(
    {
        "every": Key(SECONDS, "the polling interval (default 5)"),
        "stale_after": Key(SECONDS, "the age from which a value is STALE (default 30, at least three intervals)"),
        "backoff_cap": Key(SECONDS, "the longest pause after failures (default 30)"),
        "verify_timeout": Key(SECONDS, "the timeout for an action to take effect (default 180)"),
        "settle": Key(
            Fields(
                {
                    "hpa": Key(SETTLE_SECONDS, "an HPA or KEDA, after a scale (default 45)"),
                    "argocd": Key(
                        SETTLE_SECONDS,
                        "Argo CD (default 30: its self-heal comes within seconds, its full comparison every 3 minutes)",
                    ),
                    "flux": Key(SETTLE_SECONDS, "Flux (default 60; its interval is its own)"),
                    "helm": Key(SETTLE_SECONDS, "Helm (default 0: it reapplies nothing until an upgrade)"),
                }
            ),
            "how long the console watches a finished change, by the controller that may revert it; 0: not at all",
        ),
    }
)
THRESHOLD = Fields(
    {
        "warn": Key(NUMBER, "warning threshold, in the panel's unit"),
        "critical": Key(NUMBER, "critical threshold, in the panel's unit"),
    }
)
NOTIFY = Fields(
    {
        "bell": Key(
            PRIORITIES, "the severities that ring the terminal's bell (default P1), except at an alert's end; `[]` for none"
        ),
        "title": Key(
            PRIORITIES,
            "the terminal's title names the worst active alert of these severities, such as `P1 HighErrorRate 00:14` "
            "(default P1); in tmux it is the pane's title",
        ),
        "desktop": Key(
            OneOf(
                PROTOCOL,
                Fields(
                    {
                        "protocol": Key(
                            PROTOCOL,
                            "what the terminal supports: osc9 (iTerm2, WezTerm, Windows Terminal, foot), osc777 "
                            "(rxvt-unicode, foot, Konsole), osc99 (kitty)",
                        ),
                        "severities": Key(PRIORITIES, "the severities that show one (default P1 and P2)"),
                    },
                    ("protocol",),
                ),
            ),
            "desktop notices of the terminal (default none); tmux must have `allow-passthrough` on, otherwise they appear in "
            "its status line",
        ),
        "tmux": Key(PRIORITIES, "the severities that appear in tmux's status line for 8s (default none)"),
        "command": Key(
            ListOf(TEXT),
            "a program and its arguments, started for every notification, never through a shell; `{severity}`, `{kind}`, "
            "`{title}` and `{text}` are filled in; the console stops it after 10s",
        ),
        "commands": Key(
            MapOf(Key(ListOf(TEXT), "the program for this severity, instead of `command`"), ("P1", "P2", "P3", "P4")),
            "programs by severity",
        ),
        "kinds": Key(
            ListOf(NOTIFY_KIND), f"what to notify about (default all): {', '.join(f'`{kind}`' for kind in NOTIFY_KINDS)}"
        ),
        "before": Key(DURATION, "how long before the end of a silence or a shift to notify (default 10m)"),
        "quiet_hours": Key(
            Fields(
                {
                    "from": Key(TIME_OF_DAY, "when they begin, local time"),
                    "to": Key(TIME_OF_DAY, "when they end"),
                    "severities": Key(PRIORITIES, "the severities that still notify (default P1)"),
                },
                ("from", "to"),
            ),
            "when nothing rings or appears; the title still changes",
        ),
    }
)
DOCUMENT = Fields(
    {
        "default_environment": Key(TEXT, "the environment to open without --environment"),
        "read_only": Key(FLAG, "as `environments.*.read_only`, for every environment"),
        "environments": Key(
            MapOf(Key(ENVIRONMENT, "one environment")), "where the platform runs, and how to reach each of its servers"
        ),
        "thresholds": Key(MapOf(Key(THRESHOLD, "one panel")), "thresholds that replace the catalogue's, by panel"),
        "alert_targets": Key(
            MapOf(Key(TARGET, "by the alert's name")),
            "the workload that an alert is about, where its labels name none",
            "alert_targets",
            _alert_targets,
        ),
        "heartbeat_alert": Key(
            TEXT, "the alert that always fires, the dead man's switch of the rules (default `Watchdog`)", "heartbeat_alert"
        ),
        "error_codes": Key(
            MapOf(Key(TEXT, "one of the nine, such as INPUT_ERROR")),
            "a team's own error codes, each mapped to one of the platform's nine",
            "error_codes",
            _error_codes,
        ),
        "error_codes_window": Key(
            DURATION,
            "the window over which `check` counts codes that map to none of the nine (default 24h)",
            "error_codes_window_seconds",
            _seconds,
        ),
        "severities": Key(
            MapOf(Key(PRIORITY, "P1, P2, P3 or P4 for this value, such as `gold: P1`")),
            "the priority of each value of the label `severity`; the usual values are known, in any case",
            "severities",
            _severities,
        ),
        "refresh": Key(OneOf(SECONDS, REFRESH), "the polling interval in seconds (default 5), or a mapping"),
        "checklists": Key(TEXT, "a folder with a team's own checklists"),
        "runbooks": Key(
            PATHS,
            "folders with a team's own runbooks, searched with their subfolders before the console's; plain Markdown works",
        ),
        "panels": Key(
            PATHS,
            "files, folders or patterns: a team's own panels in the catalogue's format; a file with a title is a board, one "
            "without adds its panels to the overview",
        ),
        "signals": Key(
            PATHS,
            "files, folders or patterns: what a team measures, in the format of `queries/catalogue/signals.yaml`; definitions "
            "of an existing signal take precedence over the catalogue's",
        ),
        "admin_calls": Key(
            PATHS,
            "files, folders or patterns: a team's own calls for the action `admin`, in the format of "
            "`queries/platform/admin_calls.yaml`; one with an id of ours takes its place",
        ),
        "drills": Key(
            PATHS,
            "files, folders or patterns: a team's own drills for a game day, in the format of `queries/catalogue/drills.yaml`; "
            "one with an id of ours takes its place",
        ),
        "rules": Key(
            PATHS,
            "files, folders or patterns: the rule files that should be loaded; `check` reports what is missing, different or "
            "extra",
        ),
        "shift_hours": Key(HOURS, "the length of a shift, for the handover (default 12)", "shift_hours", float),
        "incidents": Key(INCIDENTS, "changes to the built-in incident policy"),
        "notify": Key(NOTIFY, "how the console notifies someone who is not looking at it", "notify", _notify),
        "recorder": Key(
            Fields(
                {
                    "keep": Key(DURATION, "for how long (default 14d)"),
                    "max_bytes": Key(SIZE, "the space that it may take; the oldest goes first (default 500MB)"),
                }
            ),
            "record what no server keeps, beside the journal: states of the cluster, and Alertmanager's alerts and silences; "
            "`{}` for the defaults; without this key nothing is recorded",
            "recorder",
            _recorder,
        ),
        "timezone": Key(
            TIMEZONE,
            "the zone of every time that you read and type, and of the days and due times of checklists: utc, local, or a name "
            "like Europe/Berlin (default: times in UTC, days of the machine's zone); files and JSON stay in UTC",
            "timezone",
        ),
        "theme": Key(TEXT, "dark, light or colour-blind", "theme"),
        "slow": Key(FLAG, "for a slow connection: fewer frames, nothing blinks", "slow"),
        "keys": Key(
            MapOf(Key(TEXT, "the key, as Textual names it")), "key bindings by id; docs/keys.md lists all", "keys", _items
        ),
        "aliases": Key(
            MapOf(Key(COMMAND, "by the alias, one word: the command that it runs, such as `scale cad-render`")),
            "own names for what `:` runs; what you type after the alias follows the command",
            "aliases",
            _aliases,
        ),
    }
)
