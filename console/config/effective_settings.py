"""The settings in effect as text: values without secrets, and their origins."""

from __future__ import annotations

from collections.abc import Iterator

from console.config.settings import NotifySettings, RecorderSettings, Settings
from queries.http.endpoint import ClusterEndpoint
from queries.model.frozen import dataclass
from queries.text.durations import format_duration


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """A setting's key in the config file, its value without secrets, and where it came from."""

    key: str
    value: str
    origin: str


def describe_settings(settings: Settings) -> tuple[SettingDescription, ...]:
    """Every setting in effect; the value is empty if nothing is configured."""
    origins = dict(settings.origins)
    cluster = settings.kubernetes
    values = {
        "environment": settings.environment,
        "environments": ", ".join(settings.environments),
        "namespace": settings.namespace,
        "protected": "yes" if settings.protected else "no",
        "read_only": "yes" if settings.read_only else "no",
        "prometheus": settings.prometheus.url if settings.prometheus else "",
        "ruler": settings.prometheus.ruler.url if settings.prometheus and settings.prometheus.ruler else "",
        "alertmanager": ", ".join(item.url for item in settings.alertmanagers),
        "labels": ", ".join(f"{name}={'|'.join(values)}" for name, values in settings.labels),
        "kubernetes": _cluster(cluster) if cluster else "",
        "platform": settings.platform.url if settings.platform else "",
        "administration": ", ".join(_administration_keys(settings)),
        "grafana": settings.grafana.url if settings.grafana else "",
        "loki": settings.loki.url if settings.loki else "",
        "rule_windows": ", ".join(f"{own} recorded over {window}" for own, window in settings.rule_windows),
        "freeze": f"{len(settings.freezes)} in config" if settings.freezes else "",
        "redis": settings.redis.where if settings.redis else "",
        "store": settings.store.where if settings.store else "",
        "refresh": f"{format_duration(settings.refresh_seconds)}, stale after {format_duration(settings.stale_after_seconds)}",
        "runbooks": ", ".join(settings.own.runbooks),
        "panels": ", ".join(settings.own.panels),
        "signals": ", ".join(settings.own.signals),
        "rules": ", ".join(settings.own.rules),
        "admin_calls": ", ".join(settings.own.admin_calls),
        "drills": ", ".join(settings.own.drills),
        "thresholds": ", ".join(panel for panel, _ in settings.thresholds) or "built-in",
        "heartbeat_alert": settings.heartbeat_alert,
        "severities": ", ".join(f"{label} is {priority.value}" for label, priority in settings.severities.own) or "built-in",
        "error_codes": ", ".join(f"{own} is {code}" for own, code in settings.error_codes),
        "error_codes_window": format_duration(settings.error_codes_window_seconds),
        "checklists": settings.paths.checklists_dir,
        "shift_hours": f"{settings.shift_hours:g}",
        "alert_targets": ", ".join(item.alertname for item in settings.alert_targets),
        "channels": ", ".join(f"{item.name} ({item.kind})" for item in settings.incidents.channels),
        "services": ", ".join(item.name for item in settings.services),
        "tokens": ", ".join(item.name for item in settings.tokens),
        "incidents": ", ".join(f"{level} {key}" for level, key, _ in settings.incidents.changes) or "built-in",
        "notify": _notify(settings.notify),
        "recorder": _recorder(settings.recorder) if settings.recorder else "",
        "timezone": settings.timezone or "utc; days of the machine's zone",
        "theme": settings.theme,
        "slow": "yes" if settings.slow else "no",
        "keys": ", ".join(name for name, _ in settings.keys),
        "aliases": ", ".join(f"{name}: {text}" for name, text in settings.aliases),
    }
    return tuple(SettingDescription(key, value, origins.get(key, "default")) for key, value in values.items())


def _administration_keys(settings: Settings) -> Iterator[str]:
    """The headers of its keys, without those that every request to the platform has."""
    common = settings.platform.http.header_files if settings.platform else ()
    for item in settings.administration.http.header_files if settings.administration else ():
        if item not in common:
            yield item[0]


def _cluster(cluster: ClusterEndpoint) -> str:
    """`~/.kube/config, context prod, server https://10.0.0.1:6443, user ann`."""
    where = cluster.place.sentence() if cluster.place else ""
    context = f"context {cluster.context}" if cluster.context else ""
    return ", ".join(part for part in (cluster.kubeconfig or "in-cluster", where or context) if part)


def _notify(notify: NotifySettings) -> str:
    """`bell: P1; title: P1; desktop by osc9: P1, P2; quiet from 22:00 to 06:00`."""
    ways = {"bell": notify.bell, "title": notify.title, "tmux": notify.tmux}
    if notify.desktop:
        ways[f"desktop by {notify.desktop}"] = notify.desktop_severities
    ways["command"] = tuple(priority for priority, _ in notify.commands)
    parts = [f"{name}: {', '.join(priority.value for priority in levels)}" for name, levels in ways.items() if levels]
    if quiet := notify.quiet:
        begin, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in (quiet.start_minute, quiet.end_minute))
        parts.append(f"quiet from {begin} to {end}")
    return "; ".join(parts)


def _recorder(recorder: RecorderSettings) -> str:
    return f"keeps {format_duration(recorder.keep_seconds)}, at most {recorder.max_bytes / 1e6:g} MB"
