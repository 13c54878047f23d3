"""The settings of a replay: a person's own choices, and what the bundle says of its platform."""

from __future__ import annotations

from dataclasses import replace

from console.config.settings import Settings
from console.replay import contents
from console.replay.bundle_file import Bundle
from console.replay.contents import KeptSettings, read_value
from queries.http.endpoint import ClusterEndpoint, Endpoint
from queries.stored.address import URL


def build_settings(own: Settings, bundle: Bundle) -> Settings:
    """This person's own choices (theme, keys, zone) with what the bundle says of its platform; no address of a server.

    Raises BundleError.
    """
    manifest = bundle.manifest
    kept = read_value(bundle, contents.SETTINGS, KeptSettings, default=KeptSettings())
    configured = {item.name: item.state != "not configured" for item in manifest.sources}
    endpoint = Endpoint(URL)
    cluster = ClusterEndpoint(manifest.namespace) if configured.get("kubernetes") else None
    return replace(
        kept.apply(own),
        environment=manifest.environment,
        environments=(),
        namespace=manifest.namespace,
        protected=False,
        read_only=True,
        prometheus=endpoint if configured.get("prometheus") else None,
        alertmanagers=(endpoint,) if configured.get("alertmanager") else (),
        kubernetes=cluster,
        cluster_note="",
        platform=endpoint if kept.platform else None,
        administration=None,
        grafana=None,
        redis=None,
        loki=endpoint if configured.get("loki") else None,
        store=None,
        recorder=None,
        own=replace(own.own, runbooks=(), panels=(), signals=(), rules=(), admin_calls=(), drills=()),
        services=(),
        tokens=(),
        freezes=(),
        incidents=replace(own.incidents, changes=(), channels=()),
        notify=replace(own.notify, bell=(), title=(), desktop="", tmux=(), commands=()),
        paths=replace(own.paths, journal_file=f"{bundle.name}:{contents.JOURNAL}", checklists_dir=""),
        secret_files=(),
        origins=(),
    )
