"""Opens the clients and the journal of a session; heavy, so imported only after the first frame."""

from __future__ import annotations

from typing import TypedDict

from console.actions.action import Action
from console.actions.registry import ACTIONS
from console.checks.own_panels import load_configured_signals, load_overview
from console.config.settings import Settings
from console.journal.shared_store import READ_ONLY, SharedStore
from console.journal.sqlite import Journal, JournalError
from console.journal.store_factory import former_names, open_store, store_name
from console.runbooks.index import RunbookIndex
from queries.alertmanager import Alertmanager
from queries.kubernetes.client import Kubernetes
from queries.model.panel import PanelSpec
from queries.platform.administration import Administration
from queries.platform.client import Platform
from queries.prometheus.client import Prometheus


class SessionParts(TypedDict):
    """The keyword arguments of `Session`."""

    specs: tuple[PanelSpec, ...]
    runbooks: RunbookIndex
    actions: tuple[Action, ...]
    journal: Journal | None
    journal_fault: str
    store: SharedStore | None
    prometheus: Prometheus | None
    alertmanager: Alertmanager | None
    kubernetes: Kubernetes | None
    platform: Platform | None
    administration: Administration | None


def open_parts(settings: Settings) -> SessionParts:
    """Everything that the settings configure. Sends nothing; a journal that cannot be opened is a `journal_fault`."""
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
    signals, administration = load_configured_signals(settings), settings.administration
    return SessionParts(
        specs=load_overview(settings),
        runbooks=RunbookIndex.from_settings(settings),
        actions=ACTIONS,
        journal=journal,
        journal_fault=journal_fault,
        store=open_store(settings),
        prometheus=Prometheus(settings.prometheus, signals=signals) if settings.prometheus else None,
        alertmanager=Alertmanager(settings.alertmanagers) if settings.alertmanagers else None,
        # This client only reads; an action's write goes through `Writer`.
        kubernetes=Kubernetes(settings.kubernetes) if settings.kubernetes else None,
        platform=Platform(settings.platform) if settings.platform else None,
        administration=Administration(administration) if administration and administration.url else None,
    )
