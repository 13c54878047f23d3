"""The settings of another environment, context or namespace, for a console that is running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from console.config.errors import ConfigError
from console.config.load import ADDRESSES, load_settings
from console.config.settings import Settings
from console.config.sources import NOTHING_TYPED
from queries.model.frozen import dataclass

if TYPE_CHECKING:
    from queries.kubernetes.kubeconfig import ContextSummary

ENVIRONMENT, CONTEXT, NAMESPACE = "environment", "context", "namespace"
_ORDER = (ENVIRONMENT, CONTEXT, NAMESPACE)
"""A switch keeps the earlier ones of these and forgets the later ones."""
_EVERYWHERE = ("config", "theme", "slow", "refresh", "read_only")
"""Flags that hold in every environment; the others belong to the one that the console was started with."""


class SwitchRefused(Exception):
    """There is no such environment, context or namespace: the message says why, and which there are."""


@dataclass(frozen=True, slots=True, repr=False)
class SettingsSource:
    """The flags and variables that the console was started with, and the places that a person typed since."""

    flags: Mapping[str, Any]
    environ: Mapping[str, str]
    typed: Mapping[str, str] = field(default_factory=lambda: NOTHING_TYPED)

    def load(self) -> Settings:
        """Raises ConfigError."""
        name = self.typed.get(ENVIRONMENT)
        if name is None or name == load_settings(self.flags, self.environ).environment:
            return load_settings(self.flags, self.environ, typed=self.typed)
        # An address that was given for one environment must not stand under the name of another.
        flags = {key: value for key, value in self.flags.items() if key in _EVERYWHERE}
        environ = {key: value for key, value in self.environ.items() if key not in ADDRESSES}
        return load_settings(flags, environ, typed=self.typed)

    def switch(self, kind: str, name: str) -> tuple[SettingsSource, Settings]:
        """The source and the settings of another place; reads the config file and the kubeconfig again.

        `kind` is ENVIRONMENT, CONTEXT or NAMESPACE. Raises SwitchRefused.
        """
        kept = {item: self.typed[item] for item in _ORDER[: _ORDER.index(kind)] if item in self.typed}
        try:
            if kind == ENVIRONMENT:
                self._check_environment(name)
                return self._load({ENVIRONMENT: name})
            # Without the name that is typed now: a place that the environment itself names is not a flag's.
            source, settings = self._load(kept)
            if kind == CONTEXT:
                self._check_context(settings, name)
                own = settings.kubernetes.context if settings.kubernetes else ""
                return (source, settings) if own == name else self._load({**kept, CONTEXT: name})
            if settings.namespace == name:
                return source, settings
            source, moved = self._load({**kept, NAMESPACE: name})
            return source, replace(moved, store=settings.store)  # the shared journal stays where it is
        except ConfigError as error:
            raise SwitchRefused(str(error)) from None

    def contexts(self) -> tuple[ContextSummary, ...]:
        """Every context of the kubeconfig, without secrets. Raises SwitchRefused."""
        from queries.errors import NotConfigured  # noqa: PLC0415  # a console without a kubeconfig starts without them
        from queries.kubernetes.kubeconfig import kubeconfig_files, list_contexts  # noqa: PLC0415  # as above

        try:
            cluster = self.load().kubernetes
            if cluster is None or not cluster.kubeconfig:
                raise SwitchRefused("there is no kubeconfig: this console has no other context")
            return list_contexts(kubeconfig_files(cluster.kubeconfig))
        except (NotConfigured, ConfigError) as error:
            raise SwitchRefused(str(error)) from None

    def _load(self, typed: Mapping[str, str]) -> tuple[SettingsSource, Settings]:
        source = replace(self, typed=typed)
        return source, source.load()

    def _check_environment(self, name: str) -> None:
        known = self.load().environments
        if not known:
            raise SwitchRefused("the config file names no environments")
        if name not in known:
            raise SwitchRefused(f"the config file has no environment {name!r}; it has {', '.join(known)}")

    def _check_context(self, settings: Settings, name: str) -> None:
        from queries.errors import NotConfigured  # noqa: PLC0415  # as above
        from queries.kubernetes.kubeconfig import choose_context, kubeconfig_files  # noqa: PLC0415  # as above

        cluster = settings.kubernetes
        if cluster is None or not cluster.kubeconfig:
            raise SwitchRefused("there is no kubeconfig: this console has no other context")
        try:
            choose_context(kubeconfig_files(cluster.kubeconfig), name)
        except NotConfigured as error:
            raise SwitchRefused(str(error)) from None
