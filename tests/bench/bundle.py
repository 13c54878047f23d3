"""Bundles: how large one of a two-hour incident with a hundred panels is, and how soon a replay of it draws its first frame.

The platform is the demo's simulator, whose counters have noise in every digit, with as many panels of a team over counters of
their own as a hundred panels need, and six panels over logs; lines of six workloads, and a recording of 500 pods with a change
a second.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from figure import Figure
from log_shapes import generate_lines
from recorder import write_changes
from servers import servers, start_prometheus
from simulated import Cluster
from stage import Stage, Timed, clean
from start import first, full
from subject import PROGRAM

from console.config.load import load_settings
from console.config.settings import RecorderSettings, Settings
from console.demo.backfill import load_history
from console.demo.loki import LineStore
from console.demo.loki_server import LokiApi
from console.demo.scenarios import scenario
from console.demo.simulator import NAMESPACE, Simulator
from console.monitor.session import Session
from console.replay.bundle_file import open_bundle
from console.replay.collect import AFTER_SECONDS, BEFORE_SECONDS, Written, write_incident_bundle
from console.replay.contents import PANELS, KeptPanels, read_values
from queries.catalogue.loader import load_board, load_dashboard
from queries.http.endpoint import ClusterEndpoint
from queries.model.dashboard import DASHBOARDS

_PANELS, _PARTS = 100, 6
_INCIDENT = 2 * 3600.0
_WINDOW = BEFORE_SECONDS + _INCIDENT + AFTER_SECONDS
_LEAD = 4000.0
"""Before the window: the trends and rates of its first moment."""
_SCRAPE = 15.0
_LINES = 40_000
_WORKLOADS = ("cad-ml-api", "cad-render", "ocr-provider-paddle", "ocr-provider-deepseek", "vision-provider-clip", "redis")
_RUNS = 9
_UNANSWERED = {"PROMETHEUS_URL": "http://127.0.0.1:9", "ALERTMANAGER_URL": "http://127.0.0.1:9"}


def measure(stage: Stage) -> list[Figure]:
    began = time.monotonic()
    written = _write(stage)
    took = time.monotonic() - began
    (panels,) = read_values(open_bundle(written.path), PANELS, KeptPanels)
    count = len({spec.id for spec in panels.overview} | {spec.id for board in panels.dashboards for spec in board.panels})
    if count != _PANELS:
        raise ValueError(f"{count} panels")
    note = "; ".join(f"{item.name} {item.state}" for item in written.manifest.sources)
    plain, replayed = [], []
    for _ in range(_RUNS):
        plain.append(_start(stage, (PROGRAM,), _UNANSWERED, role="ACTING"))
        replayed.append(_start(stage, (PROGRAM, "replay", str(written.path)), {}, role="READ-ONLY"))
    pairs = sorted(one / other for one, other in zip(replayed, plain, strict=True))
    ratio = statistics.median(pairs)
    return [
        Figure("bundle of a 2 h incident, 100 panels: size", written.size / 1e6, "MB", 5.0, note),
        Figure("the same: time to write it", took, "s", None, "with the server's start"),
        Figure("replay to the first full frame ÷ start without one", ratio, "×", 1.2, f"pairs {pairs[0]:.2f}–{pairs[-1]:.2f}"),
    ]


def _write(stage: Stage) -> Written:
    place = stage.place("bundle")
    now = time.time()
    history = place / "history.txt"
    with history.open("w") as file:
        file.writelines(_history(now - _WINDOW - _LEAD, now))
        file.write("# EOF\n")
    load_history(servers().promtool, history, place / "data", limit_seconds=300.0)
    history.unlink()
    lines = LineStore()
    _fill_logs(lines, now)
    loki = LokiApi(lines, clock=time.time)
    loki.start()
    try:
        with start_prometheus("global: {scrape_interval: 1h}\n", folder=place) as prometheus:
            settings = _settings(place, prometheus.url, loki.url)
            write_changes(
                Path(settings.recording_dir), about=settings.recorded_place, begin=now - _WINDOW, seconds=int(_WINDOW)
            )
            return asyncio.run(_write_bundle(settings, place / "incident.bundle.zip"))
    finally:
        loki.stop()


def _settings(place: Path, prometheus: str, loki: str) -> Settings:
    own = place / "panels.yaml"
    known = {spec.id for spec in load_board("overview")}
    for name, _ in DASHBOARDS:
        known |= {spec.id for spec in load_dashboard(name, namespace=NAMESPACE).panels}
    own.write_text(
        "title: Team\nabout: what the team counts\npanels:\n"
        + "".join(map(_team_panel, range(_PANELS - len(known) - len(_WORKLOADS))))
        + "".join(map(_log_panel, _WORKLOADS))
    )
    config = place / "config.yaml"
    config.write_text(f"panels: [{own}]\nenvironments: {{bench: {{namespace: {NAMESPACE}}}}}\n")
    environ = {**clean(place), "PROMETHEUS_URL": prometheus, "LOKI_URL": loki}
    settings = load_settings({"config": str(config)}, environ, service_account="/nonexistent")
    return replace(settings, read_only=False, kubernetes=ClusterEndpoint(NAMESPACE), recorder=RecorderSettings())


def _team_panel(number: int) -> str:
    return (
        f"  - id: team_{number}\n    title: Team {number}\n    unit: per_second\n    warn: 50\n    by: part\n"
        f"    raw: sum by (part) (rate(team_{number}_total[5m]))\n    absent: no series\n"
    )


def _log_panel(name: str) -> str:
    return (
        f"  - id: lines_{name.replace('-', '_')}\n    title: Lines of {name}\n    unit: count\n    source: loki\n"
        f"    raw: 'sum by (pod) (count_over_time({{app=\"{name}\"}} [5m]))'\n"
    )


async def _write_bundle(settings: Settings, file: Path) -> Written:
    session = await asyncio.to_thread(Session.open, settings, ("prometheus", "rules"))
    try:
        if session.file_warnings:
            raise ValueError(session.file_warnings[0])
        await session.once()
        incident = await session.incidents.declare(title="it broke", commander="ann", seconds_ago=_INCIDENT + AFTER_SECONDS)
        incident = replace(incident, targets=tuple(f"deployment/{name}" for name in _WORKLOADS))
        return await write_incident_bundle(session, incident, str(file), report=lambda text: None)
    finally:
        await session.close()


def _history(start: float, end: float) -> Iterator[str]:
    """What a Prometheus would have scraped, oldest first: the platform with a fault from the incident's beginning on."""
    dice = random.Random(16)
    platform = Simulator(scenario("bad-deploy"), Cluster(), seed=16, now=start - 3600.0)
    counters = [[dice.random() * 1e6 for _ in range(_PARTS)] for _ in range(_PANELS)]
    broken = False
    at = start
    with platform.past():
        while at < end:
            if not broken and at >= end - _INCIDENT - AFTER_SECONDS:
                platform.begin()
                broken = True
            platform.replay(at)
            yield f'up{{job="bench"}} 1 {at:.3f}\n'
            for series, value in platform.metrics.samples(()):
                yield f"{series} {value} {at:.3f}\n"
            for number, parts in enumerate(counters):
                for part in range(_PARTS):
                    parts[part] += max(0, round(dice.gauss(400.0 * (part + 1), 60.0)))
                    yield f'team_{number}_total{{part="part-{part}"}} {parts[part]} {at:.3f}\n'
            at += _SCRAPE


def _fill_logs(store: LineStore, now: float) -> None:
    step = _WINDOW / _LINES
    rows: dict[str, list[tuple[int, str]]] = {name: [] for name in _WORKLOADS}
    for number, text in enumerate(generate_lines(_LINES)):
        rows[_WORKLOADS[number % len(_WORKLOADS)]].append((int((now - _WINDOW + number * step) * 1e9), text))
    for name, lines in rows.items():
        pod = f"{name}-7d9f8c6b5-x2x4v"
        store.push({"namespace": NAMESPACE, "app": name, "pod": pod, "container": "main"}, lines)


def _start(stage: Stage, argv: tuple[str, ...], environ: dict[str, str], *, role: str) -> float:
    with Timed(*argv, env={**clean(stage.place("start")), **environ}) as terminal:
        terminal.first_byte(20.0)
        terminal.read(0.7)
        terminal.settle(0.3, most=5.0)
        return first(terminal, partial(full, role=role))
