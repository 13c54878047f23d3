"""Opens the clients and the journal of a session; heavy, so imported only after the first frame."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, TypedDict

from console.config.settings import Settings
from console.journal.errors import JournalError
from console.journal.shared_store import READ_ONLY, SharedStore
from console.journal.sqlite import Journal
from console.journal.store_factory import former_names, open_store, store_name
from console.monitor.source_results import ALERTMANAGER, EVERY_SOURCE, KUBERNETES, PLATFORM, PROMETHEUS, RULES
from console.runbooks.index import RunbookIndex
from queries.model.panel import PanelSpec

if TYPE_CHECKING:
    from queries.alertmanager import Alertmanager
    from queries.kubernetes.client import Kubernetes
    from queries.platform.administration import Administration
    from queries.platform.client import Platform
    from queries.prometheus.client import Prometheus
    from queries.prometheus.rules_reader import RulesReader


class SessionParts(TypedDict):
    """The keyword arguments of `Session`."""

    specs: tuple[PanelSpec, ...]
    runbooks: RunbookIndex
    journal: Journal | None
    journal_fault: str
    store: SharedStore | None
    prometheus: Prometheus | None
    rules: RulesReader | None
    alertmanager: Alertmanager | None
    kubernetes: Kubernetes | None
    platform: Platform | None
    administration: Administration | None


def open_parts(
    settings: Settings,
    sources: Collection[str] = EVERY_SOURCE,
    *,
    specs: tuple[PanelSpec, ...] | None = None,
    runbooks: RunbookIndex | None = None,
) -> SessionParts:
    """What the settings configure of these sources; `specs` are the panels, by default the overview's, and `runbooks` the pages
    where they were read before. Sends nothing; a journal that cannot be opened is a `journal_fault`.
    """
    if specs is None:
        specs = _load_overview(settings) if PROMETHEUS in sources else ()
    journal, journal_fault = None, ""
    try:
        journal = Journal.open(
            settings.paths.journal_file,
            store=store_name(settings),
            former=former_names(settings),
            kept=READ_ONLY if settings.read_only else "",
        )
    except JournalError as error:
        journal_fault = str(error)
    return SessionParts(
        specs=specs,
        runbooks=runbooks or RunbookIndex.from_settings(settings),
        journal=journal,
        journal_fault=journal_fault,
        store=open_store(settings),
        prometheus=_open_prometheus(settings) if PROMETHEUS in sources else None,
        rules=_open_rules(settings) if RULES in sources and PROMETHEUS not in sources else None,
        alertmanager=_open_alertmanager(settings) if settings.alertmanagers and ALERTMANAGER in sources else None,
        kubernetes=_open_kubernetes(settings) if settings.kubernetes and KUBERNETES in sources else None,
        platform=_open_platform(settings) if settings.platform and PLATFORM in sources else None,
        administration=_open_administration(settings) if PLATFORM in sources else None,
    )


# Each imports its client: a command that does not need a source does not load it.


def _load_overview(settings: Settings) -> tuple[PanelSpec, ...]:
    from console.checks.own_panels import load_overview

    return load_overview(settings)


def _open_prometheus(settings: Settings) -> Prometheus | None:
    from console.checks.own_panels import load_configured_signals
    from queries.prometheus.client import Prometheus

    return Prometheus(settings.prometheus, signals=load_configured_signals(settings)) if settings.prometheus else None


def _open_rules(settings: Settings) -> RulesReader | None:
    from queries.prometheus.rules_reader import RulesReader

    return RulesReader(settings.prometheus) if settings.prometheus else None


def _open_alertmanager(settings: Settings) -> Alertmanager:
    from queries.alertmanager import Alertmanager

    return Alertmanager(settings.alertmanagers)


def _open_kubernetes(settings: Settings) -> Kubernetes | None:
    """It only reads; an action's write goes through `Writer`."""
    from queries.kubernetes.client import Kubernetes

    return Kubernetes(settings.kubernetes) if settings.kubernetes else None


def _open_platform(settings: Settings) -> Platform | None:
    from queries.platform.client import Platform

    return Platform(settings.platform) if settings.platform else None


def _open_administration(settings: Settings) -> Administration | None:
    administration = settings.administration
    if not (administration and administration.url):
        return None
    from queries.platform.administration import Administration

    return Administration(administration)
