"""The config file's other environments that have a Prometheus, so that a dashboard can be looked at in each."""

from __future__ import annotations

from collections.abc import Mapping

from console.config.errors import ConfigError
from console.config.load import environment_names, load_settings
from console.config.settings import Settings

_ADDRESSES = ("PROMETHEUS_URL", "ALERTMANAGER_URL", "CAD_ML_API_URL", "GRAFANA_URL", "LOKI_URL", "CAD_CONSOLE_ENVIRONMENT")
"""What a person set for the environment at hand says nothing about another one."""


def prometheus_elsewhere(settings: Settings, environ: Mapping[str, str]) -> dict[str, Settings]:
    """By environment, without the console's own; reads the config file. An environment that does not load is left out."""
    found: dict[str, Settings] = {}
    rest = {name: value for name, value in environ.items() if name not in _ADDRESSES}
    try:
        names = environment_names({"config": settings.paths.config_file}, rest)
    except ConfigError:
        return found
    for name in names:
        if name == settings.environment:
            continue
        try:
            other = load_settings({"config": settings.paths.config_file, "environment": name}, rest)
        except ConfigError:
            continue  # a token file that is missing there: choosing it could only fail
        if other.prometheus is not None:
            found[name] = other
    return found
