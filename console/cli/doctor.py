"""`cad-console doctor`: reachable sources, missing rules and metrics, paths, and the origin of each setting."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform as machine
import sys
from dataclasses import fields
from pathlib import Path

from console import __version__
from console.checks.identity import list_identity_facts
from console.checks.own_panels import find_problems, load_own_boards, load_own_signals
from console.cli.one_shot import with_session
from console.config.effective_settings import describe_settings
from console.config.load import load_settings
from console.config.permissions import file_warnings, refuse_state
from console.config.settings import Settings
from console.journal.left_out import left_out_sentences
from console.monitor.recorder import probe_recorder
from console.monitor.session import Session
from console.monitor.source_results import PROMETHEUS
from console.state.platform_json import platform_rows
from console.state.snapshot import Snapshot
from queries.catalogue.contract import Need, load_contract
from queries.errors import SourceError
from queries.http.endpoint import Endpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.identity import fetch_identity
from queries.loki import Loki
from queries.model.panel import PanelSpec
from queries.model.rule import RuleMatch
from queries.model.source import Health, SourceState
from queries.model.text import visible
from queries.prometheus.client import Prometheus
from queries.prometheus.metadata import Discovery, Metadata, Target
from queries.prometheus.recorded_panels import RecordedPanels
from queries.text.durations import format_duration, format_span
from queries.text.tables import align
from queries.text.variables import read_env
from queries.yaml import SafeLoader

_TARGETS_SHOWN = 20
_REFUSED = "REFUSED"


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "exits 0 where every configured source and the shared journal answer, 1 where one does not, where the platform is not "
        "ready, where the journal cannot be used or a path is REFUSED, 2 where no source answers"
    )


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    return with_session(settings, lambda session: _examine(session, settings))


async def _examine(session: Session, settings: Settings) -> int:
    _section("Program", _program())
    _section("Settings", _settings(settings))
    _section("Paths", _paths(settings))
    permissions = _permissions(settings)
    _section("Permissions", permissions)
    snapshot = await session.once()
    _section("Sources", [_source(item, snapshot.taken_at) for item in snapshot.sources])
    if session.kubernetes is not None:
        _section("Cluster", await _identity(settings, session.kubernetes))
    if snapshot.platform_verdict is not None:
        _section("Platform", platform_rows(snapshot.platform_verdict))
    await _print_prometheus(session, settings, snapshot)
    loki_fault = False
    if settings.loki is not None:
        loki_fault, rows = await _loki(settings.loki)
        _section("Loki", rows)
    _section("Runbooks", _runbooks(session))
    if settings.own.panels or settings.own.signals:
        _section("Panels and signals of your own", _own_panels(session, settings))
    _section("Journal", _journal(session, snapshot))
    recorder = await asyncio.to_thread(probe_recorder, settings) if settings.recorder is not None else None
    if recorder is not None:
        _section("Recorder", [(str(recorder.state), visible(recorder.folder), visible(recorder.error or recorder.note))])
    configured = [item for item in snapshot.sources if item.health is not Health.NOT_CONFIGURED]
    healthy = [item for item in configured if item.health in (Health.UP, Health.DEGRADED)]
    if not any(item.health.answers for item in configured):
        return 2
    shared = (session.sharing is None or session.sharing.word == "ok") and not snapshot.ledger.left_out
    # Without both the console refuses every action.
    usable = session.journal is not None and not any(row[0] == _REFUSED for row in permissions)
    usable = usable and not (recorder is not None and recorder.error)
    return 0 if len(healthy) == len(configured) and shared and usable and not loki_fault else 1


async def _loki(endpoint: Endpoint) -> tuple[bool, list[tuple[str, ...]]]:
    """Whether it fails, and the rows: nothing polls Loki, so `doctor` is where a wrong address or tenant shows."""
    loki = Loki(endpoint)
    try:
        labels = await loki.labels()
    except SourceError as error:
        return True, [("loki", "down", visible(loki.where), visible(error.fault.sentence()))]
    finally:
        await loki.close()
    return False, [("loki", "up", visible(loki.where), f"{len(labels)} labels: {visible(', '.join(labels[:10]))}")]


async def _print_prometheus(session: Session, settings: Settings, snapshot: Snapshot) -> None:
    """Prints which of the panels' rules and metrics Prometheus has."""
    if settings.prometheus is None:
        return
    discovery = Discovery(settings.prometheus)
    try:
        names = frozenset(await discovery.metric_names())
        _section("Recording rules and metrics of the panels", _panel_metrics(session.specs, names))
        if session.prometheus is not None:
            _section("Recorded series", await asyncio.to_thread(_recorded, session.prometheus.recorded))
        elsewhere = await session.prometheus.explain_missing_rules() if session.prometheus and not snapshot.rules else ""
        _section("Alerting rules", [*_rules(snapshot, session), *([("", visible(elsewhere), "")] if elsewhere else [])])
        if session.prometheus is not None:
            _section("Signals", [tuple(sentence.split(": ", 1)) for sentence in session.prometheus.decisions.sentences])
        # Not every server with this API offers what follows.
        version, targets = await asyncio.gather(discovery.version(), discovery.targets(), return_exceptions=True)
        metadata = (await asyncio.gather(discovery.metadata(), return_exceptions=True))[0]
    except SourceError as error:
        _section("Prometheus", [("metrics", "unknown", visible(error.fault.sentence()))])
        return
    finally:
        discovery.close()
    _section("Prometheus", _prometheus(names, version, metadata))
    if session.prometheus is not None:
        _section("Capabilities", await _capabilities(session.prometheus))
    if isinstance(targets, tuple):
        _section("Targets", _targets(targets))


def _section(title: str, rows: list[tuple[str, ...]]) -> None:
    print(f"{title}\n{align(rows, indent='  ') or '  nothing'}\n")


def _program() -> list[tuple[str, ...]]:
    loader = "with libyaml" if SafeLoader.__name__.startswith("C") else "without libyaml (slow)"
    return [
        ("cad-console", __version__),
        ("python", f"{machine.python_version()} {loader}", sys.executable),
        ("terminal", read_env(os.environ, "TERM") or "(TERM is not set)", read_env(os.environ, "COLORTERM")),
    ]


async def _identity(settings: Settings, kubernetes: Kubernetes) -> list[tuple[str, ...]]:
    """The cluster and the identity, chosen here and as the API server sees them."""
    found, error = None, ""
    try:
        found = await fetch_identity(kubernetes)
    except SourceError as failure:
        error = f"unknown: {failure.fault.sentence()}"
    return [(fact.name, visible(fact.value), visible(fact.origin)) for fact in list_identity_facts(settings, found, error)]


def _settings(settings: Settings) -> list[tuple[str, ...]]:
    described = describe_settings(settings)
    return [(item.key, visible(item.value) or "not set", visible(item.origin)) for item in described]


def _paths(settings: Settings) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for item in fields(settings.paths):
        path = str(getattr(settings.paths, item.name))
        rows.append((item.name, visible(path), "" if Path(path).exists() else "missing"))
    return rows


def _permissions(settings: Settings) -> list[tuple[str, ...]]:
    """Paths that the console refuses, and files that it uses although others can read or change them."""
    paths = settings.paths
    state_files = dict.fromkeys(Path(name) for name in (paths.state_dir, paths.journal_file, paths.log_file))
    rows: list[tuple[str, ...]] = [(_REFUSED, visible(why)) for path in state_files if (why := refuse_state(path))]
    rows += [("WARN", visible(sentence)) for sentence in file_warnings(settings)]
    return rows or [("ok", "state folder, configuration and secret files belong to you, and others have no access")]


def _source(state: SourceState, now: float) -> tuple[str, ...]:
    latency = format_duration(state.latency_seconds) if state.latency_seconds is not None else ""
    detail = visible(state.fault.sentence()) if state.fault else state.detail
    warnings = " · ".join(visible(item) for item in state.warnings)
    age = f"last answer {format_span(now - state.last_good_at)} ago" if state.last_good_at is not None else ""
    return (
        state.name,
        state.health.value,
        latency or age,
        visible(state.endpoint),
        " · ".join(filter(None, (detail, warnings))),
    )


def _panel_metrics(specs: tuple[PanelSpec, ...], names: frozenset[str]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for spec in specs:
        if spec.source != PROMETHEUS or spec.broken:
            continue
        for name in spec.recorded_names:
            state = "found" if name in names else "MISSING, the panel reads the raw expression"
            rows.append((spec.id, "rule", name, state))
        if not spec.recorded_names:
            rows.append((spec.id, "raw", "reads no recording rule", ""))
    return rows


def _recorded(loaded: RecordedPanels) -> list[tuple[str, ...]]:
    """How each loaded rule compares with ours, with both expressions where they differ."""
    from queries.promql.our_rules import our_expressions  # YAML

    ours = our_expressions()
    rows: list[tuple[str, ...]] = []
    if not loaded.book:
        return [("", RuleMatch.UNVERIFIED.value, visible(loaded.fault or "no recording rule of the console is loaded"))]
    for name in ours:
        item = loaded.book.get(name)
        if item is None:
            rows.append((name, "not loaded"))
            continue
        word = item.match.value if item.match is RuleMatch.SAME else item.match.value.upper()
        rows.append((name, word, visible(item.reason) or (f"recorded as {visible(item.read)}" if item.read != name else "")))
        if item.match in (RuleMatch.DIFFERENT, RuleMatch.TWICE, RuleMatch.UNVERIFIED):
            rows.append(("", "ours", _flat(ours[name])))
            rows += [("", "loaded", _flat(text)) for text in item.loaded]
    return rows


def _flat(expression: str) -> str:
    return visible(" ".join(expression.split()))


def _rules(snapshot: Snapshot, session: Session) -> list[tuple[str, ...]]:
    from queries.promql.our_rules import find_missing_alerts  # with the rule files

    known = {rule.name for rule in snapshot.rules}
    rows: list[tuple[str, ...]] = [("found", str(len(known)), "")]
    if missing := find_missing_alerts(session.specs, known):
        rows.append(("missing", str(len(missing)), ", ".join(missing)))
    failing = [rule for rule in snapshot.rules if rule.health == "err"]
    rows += [("FAILING", visible(rule.name), visible(rule.last_error)) for rule in failing]
    return rows


def _prometheus(
    names: frozenset[str], version: str | BaseException, metadata: tuple[Metadata, ...] | BaseException
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("version", visible(version) if isinstance(version, str) else "unknown")]
    rows.append(("metric names", str(len(names))))
    announced = {item.name for item in metadata} if isinstance(metadata, tuple) else set()
    for metric in load_contract().metrics:
        if names.intersection(metric.stored_as):
            rows.append((metric.name, "found"))
        elif announced.intersection(metric.families):
            rows.append((metric.name, "exported, without samples"))
        else:
            rows.append((metric.name, "missing, optional" if metric.need is Need.OPTIONAL else "MISSING"))
    return rows


async def _capabilities(prometheus: Prometheus) -> list[tuple[str, ...]]:
    """What the server supports, and how the console detected it."""
    try:
        found = await prometheus.capabilities()
    except SourceError as error:
        return [("unknown", visible(error.fault.sentence()))]

    def word(answer: bool | None, *, no: str = "no") -> str:
        return "unknown" if answer is None else "yes" if answer else no

    rows: list[tuple[str, ...]] = [("server", visible(found.maker) or "not recognised"), ("learned from", found.learned_from)]
    rows += [(name, word(answer)) for name, answer in found.extensions.items()]
    if found.functions is not None:
        rows.append(("functions", f"{len(found.functions)} enabled"))
    rows += [
        ("metadata", word(found.metadata, no="none")),
        ("rules", word(found.rules, no="none")),
        ("limit", word(found.limit, no="ignored")),
        ("parse_query", word(found.parse_query)),
    ]
    return rows


def _targets(targets: tuple[Target, ...]) -> list[tuple[str, ...]]:
    ordered = sorted(targets, key=lambda item: (item.health == "up", item.job, item.url))
    rows: list[tuple[str, ...]] = [
        (
            "up" if item.health == "up" else visible(item.health).upper(),
            visible(item.job),
            visible(item.url),
            visible(item.last_error),
        )
        for item in ordered[:_TARGETS_SHOWN]
    ]
    if len(ordered) > _TARGETS_SHOWN:
        rows.append(("", f"and {len(ordered) - _TARGETS_SHOWN} more", "", ""))
    return rows


def _journal(session: Session, snapshot: Snapshot) -> list[tuple[str, ...]]:
    left_out = " · ".join(left_out_sentences(snapshot.ledger.left_out))
    error = session.journal_error
    state = "IN DOUBT" if left_out or error else "ok"
    detail = " · ".join(filter(None, (error, left_out)))
    rows: list[tuple[str, ...]] = [("journal", state if session.journal else "NOT USABLE", visible(detail))]
    if sharing := session.sharing:
        detail = " · ".join(visible(item) for item in (sharing.sentence(), *sharing.warnings))
        rows.append(("shared", sharing.word, f"{visible(sharing.store)}: {detail}"))
    return rows


def _own_panels(session: Session, settings: Settings) -> list[tuple[str, ...]]:
    """Every file with what it defines, and its errors."""
    own, signals = load_own_boards(settings), load_own_signals(settings)
    rows: list[tuple[str, ...]] = [
        (visible(file.path), f"board {file.name}" if file.title else "overview", f"{len(file.panels)} panels")
        for file in own.files
    ]
    rows += [("signals", ", ".join(signals.names))] if signals.names else []
    return [*rows, *(("BROKEN", visible(problem)) for problem in find_problems(settings, session.runbooks))]


def _runbooks(session: Session) -> list[tuple[str, ...]]:
    index = session.runbooks
    broken: list[tuple[str, ...]] = [("BROKEN", visible(item.broken)) for item in index.runbooks if item.broken]
    return [("found", str(len(index.runbooks)), visible(index.fault)), *broken]
