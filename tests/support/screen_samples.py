"""A platform in trouble as one snapshot, and a session that holds it still: what the screens are tried on."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from console.config.settings import Paths, Settings
from console.monitor.metric_history import RuleHistory
from console.monitor.session import Session
from console.runbooks.index import RunbookIndex
from console.state.snapshot import Snapshot
from queries.catalogue.loader import load_board
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertRule, AlertState, RunbookMatch, Suggestion, TrackedAlert
from queries.model.change import Change
from queries.model.cluster import Cluster
from queries.model.fault import Fault, FaultKind
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.matcher import Matcher
from queries.model.panel import Origin, PanelSpec, PanelState
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.pod import Pod
from queries.model.series import Sample, Series
from queries.model.silence import Silence
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import Container, Revision, Workload
from queries.text.numbers import format_bucket

NOW = 1_767_276_207.0
"""2026-01-01 14:03:27 UTC."""

RUNBOOKS = Path(__file__).resolve().parents[2] / "runbooks"
HOSTILE = "[bold]x[/bold] [@click=app.quit]y[/] \x1b[31mred\x1b]52;c;aGk=\x07 \n\u202eevil " + "long" * 80


def settings(folder: Path, *, read_only: bool = False, protected: bool = True, theme: str = "", **more: Any) -> Settings:
    more.setdefault("platform", Endpoint("http://127.0.0.1:9"))  # without any server the console shows its first steps
    return Settings(
        environment="production",
        namespace="cad-ml-platform",
        protected=protected,
        read_only=read_only,
        user="you@bastion",
        paths=Paths(
            config_file="~/.config/cad-console/config.yaml",
            state_dir=str(folder),
            cache_dir=str(folder),
            journal_file=str(folder / "journal.sqlite"),
            log_file=str(folder / "console.log"),
            runbooks_dir=str(RUNBOOKS),
        ),
        theme=theme,
        **more,
    )


def trend(low: float, high: float, *, points: int = 60) -> tuple[tuple[float, float], ...]:
    """Rises in the last third."""
    rise = (max(0.0, (at - points * 0.6) / (points * 0.4)) for at in range(points))
    return tuple((NOW - 60.0 * (points - at), low + (high - low) * part) for at, part in enumerate(rise))


def panels() -> tuple[PanelState, ...]:
    """One panel in every state that there is."""
    told: dict[str, dict[str, object]] = {
        "error_ratio": {"value": 7.84, "verdict": Verdict.CRITICAL, "trend": trend(0.4, 7.84), "note": "rising since 14:01"},
        "p95_latency": {"value": 0.84, "verdict": Verdict.OK, "trend": trend(0.8, 0.84), "note": "worst paddle"},
        "circuit_breakers": {"value": 1.0, "verdict": Verdict.OK, "trend": trend(0, 1), "note": "deepseek half-open"},
        "provider_health": {
            "value": 81.2,
            "verdict": Verdict.WARN,
            "trend": trend(99, 81.2),
            "note": "deepseek 81 · paddle 99",
            "samples": tuple(Sample((("provider", name),), value) for name, value in (("deepseek", 81.2), ("paddle", 99.1))),
        },
        "queue_depth": {"value": 0.0, "verdict": Verdict.OK, "trend": trend(0, 0)},
        "cpu": {
            "value": 41.0,
            "verdict": Verdict.STALE,
            "trend": trend(40, 41),
            "age_seconds": 40.0,
            "note": "worst cad-ml-api",
        },
        "memory": {"value": 63.0, "verdict": Verdict.OK, "trend": trend(60, 63), "note": "worst cad-ml-api"},
        "request_rate": {"value": 212.0, "verdict": Verdict.OK, "trend": trend(200, 212)},
        "error_budget": {"verdict": Verdict.NO_DATA, "reason": "no series for slo_availability (rule missing? :doctor)"},
        "workloads": {"value": 11.0, "verdict": Verdict.WARN, "note": "cad-ml-api 5/6 · rev 42 rolled out 13:58"},
    }
    found = []
    for spec in load_board("overview"):
        facts = told[spec.id]
        value = facts.get("value")
        samples = facts.pop("samples", ()) or ((Sample((), float(str(value))),) if value is not None else ())
        origin = Origin.KUBERNETES if spec.source == "kubernetes" else Origin.RECORDED
        found.append(
            PanelState(
                spec=spec,
                threshold=spec.threshold,
                origin=origin if value is not None else Origin.NONE,
                query=spec.recorded or spec.raw,
                samples=samples,  # type: ignore[arg-type]
                **facts,  # type: ignore[arg-type]
            )
        )
    return tuple(found)


def tracked(
    name: str,
    severity: str,
    *,
    component: str = "platform",
    minutes: float = 2.2,
    state: AlertState = AlertState.ACTIVE,
    owner: str = "",
    runbook: str = "",
    **labels: str,
) -> TrackedAlert:
    pairs = {"alertname": name, "severity": severity, "component": component, **labels}
    alert = Alert(
        fingerprint=f"fp-{name}-{'-'.join(labels.values())}",
        state=state,
        labels=tuple(sorted(pairs.items())),
        annotations=(("summary", f"{name} of {component}"),),
        starts_at=NOW - 60.0 * minutes,
        receivers=("pager",),
        value=7.84,
    )
    suggestions: tuple[Suggestion, ...] = ()
    if severity == "critical":
        command = "kubectl -n cad-ml-platform rollout undo deployment/cad-ml-api --to-revision=41"
        sentence = "roll back cad-ml-api 42 → 41 (image 1.9.0 → 1.8.2)"
        suggestions = (
            Suggestion("rollback", "deployment/cad-ml-api", {"revision": "41"}, sentence, command),
            Suggestion(
                "scale", "deployment/cad-ml-api", {"replicas": "8"}, "scale cad-ml-api 6 → 8", "kubectl scale --replicas=8 …"
            ),
        )
    match = RunbookMatch(runbook or "triage", f"runbooks/{runbook or 'triage'}.md", "alertname" if runbook else "triage")
    return TrackedAlert(alert, owner, match, suggestions)


def alerts() -> tuple[TrackedAlert, ...]:
    silenced = tracked("CacheHitRateLow", "warning", component="cache", minutes=90, state=AlertState.SUPPRESSED)
    silenced = replace(silenced, alert=replace(silenced.alert, silenced_by=("s-1",)))
    return (
        tracked("HighErrorRate", "critical", runbook="high-error-rate"),
        tracked(
            "ProviderTimeout",
            "warning",
            component="ocr",
            minutes=4.7,
            owner="you",
            runbook="provider-timeout",
            provider="deepseek",
        ),
        tracked(
            "PodNotReady", "warning", component="kubernetes", minutes=4.1, runbook="pod-not-ready", deployment="cad-ml-api"
        ),
        silenced,
        tracked("DriftScoreHigh", "info", component="model", minutes=0.5, state=AlertState.PENDING),
    )


def cluster() -> Cluster:
    labels = (("app", "cad-ml-api"),)
    images = {41: "registry/cad-ml-api:1.8.2", 42: "registry/cad-ml-api:1.9.0"}
    made = {41: NOW - 3 * 86400, 42: NOW - 327}
    revisions = tuple(
        Revision(
            number,
            f"cad-ml-api-rs{number}",
            "uid-api",
            made[number],
            replicas=6 if number == 42 else 0,
            ready=5 if number == 42 else 0,
            change_cause=f"ci: release {images[number][-5:]}",
            containers=(Container("api", images[number]),),
        )
        for number in (41, 42)
    )
    api = Workload(
        "cad-ml-platform", "cad-ml-api", "uid-api", "77", 9, 9, 6, 6, 6, 5, 5, False, 42, NOW - 90 * 86400,
        "ci: release 1.9.0", labels, labels, (Container("api", images[42]),),
    )  # fmt: skip
    ocr = replace(
        api,
        name="ocr-provider-deepseek",
        uid="uid-ocr",
        desired=2,
        replicas=2,
        updated=2,
        ready=2,
        available=2,
        revision=7,
        selector=(("app", "ocr-provider-deepseek"),),
        containers=(Container("ocr", "registry/ocr:2.4.1"),),
    )
    pods = tuple(
        Pod(
            "cad-ml-platform",
            f"cad-ml-api-rs42-{at}",
            f"p{at}",
            "Running",
            ready=at != 5,
            restarts=3 if at == 5 else 0,
            created_at=NOW - 300,
            reason="CrashLoopBackOff" if at == 5 else "",
            node="node-1",
            labels=labels,
        )
        for at in range(6)
    )
    return Cluster("cad-ml-platform", (api, ocr), revisions, pods)


def snapshot(**changes: object) -> Snapshot:
    denied = Fault(
        FaultKind.DENIED, "the server wants other credentials", "http://api:8000", "set CAD_ML_API_TOKEN", status=401
    )
    base = Snapshot(
        environment="production",
        namespace="cad-ml-platform",
        protected=True,
        read_only=False,
        user="you@bastion",
        taken_at=NOW,
        sources=(
            SourceState("prometheus", Health.UP, "", 0.012, NOW - 1, endpoint="http://prometheus:9090"),
            SourceState("alertmanager", Health.UP, "2/2", 0.008, NOW - 1, endpoint="http://alertmanager:9093"),
            SourceState("kubernetes", Health.UP, "live", 0.05, NOW - 1, endpoint="https://cluster:6443"),
            SourceState("platform", Health.DENIED, "", None, None, denied, endpoint="http://api:8000"),
        ),
        panels=panels(),
        alerts=alerts(),
        alerts_known=True,
        alerts_age_seconds=1.0,
        rules=(AlertRule("HighErrorRate", "platform_error_ratio > 5", 60.0, (("severity", "critical"),), (), "firing", "ok"),),
        rules_requested=True,
        silences=(
            Silence(
                "s-1",
                (Matcher("alertname", "CacheHitRateLow"),),
                NOW - 3600,
                NOW + 7200,
                "ops@example.com",
                "cache is being rebuilt",
            ),
        ),
        cluster=cluster(),
        changes=(
            Change(NOW - 327, "rollout", "deployment/cad-ml-api", "cad-ml-api 41→42 image 1.8.2→1.9.0", "ci"),
            Change(NOW - 1407, "silence", "s-0", "silence expired CacheHitRateLow"),
        ),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def heat_map(spec: PanelSpec, seconds: float) -> HeatMap:
    """A panel's heat map: requests become slower in the last third, or a provider fails; nothing is known for a while."""
    assert spec.heat_map is not None
    times = [(at, NOW - seconds * (1 - at / 240)) for at in range(1, 241) if not 60 < at < 80]
    if "le" in spec.heat_map.by:
        bounds = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, math.inf)

        def count(index: int, at: int) -> float:
            middle = 2.0 if at < 160 else 2.0 + (at - 160) / 25
            return max(0.0, round(12.0 * math.exp(-((index - middle) ** 2)), 2) - 0.02)

        rows = tuple(
            HeatRow(format_bucket(low, high, spec.unit), tuple((when, count(index, at)) for at, when in times), low, high)
            for index, (low, high) in enumerate(pairwise((0.0, *bounds)))
        )
        return HeatMap(spec.heat_map.about, spec.heat_map.unit, rows, buckets=True)
    parts = (("paddle PARSE_FAILED", 0.2), ("deepseek RATE_LIMIT", 1.0), ("deepseek PROVIDER_TIMEOUT", 40.0))
    rows = tuple(
        HeatRow(name, tuple((when, most * (at / 240) ** 4 if at > 100 else 0.0) for at, when in times if at > 40 or most > 1))
        for name, most in parts
    )
    return HeatMap(spec.heat_map.about, spec.heat_map.unit, rows)


@cache
def shipped_runbooks() -> RunbookIndex:
    """The pages that ship with the console; nothing changes an index."""
    return RunbookIndex.load(RUNBOOKS)


class StillSession(Session):
    """A session without any client: it delivers the snapshot that it was given and answers from it."""

    def __init__(self, given: Settings, shown: Snapshot) -> None:
        self.clock: Callable[[], float] = lambda: NOW
        super().__init__(given, specs=load_board("overview"), runbooks=shipped_runbooks(), clock=self.now)
        self.shown = shown
        self.told: Callable[[Snapshot], None] | None = None
        self.refreshed = 0

    def now(self) -> float:
        return self.clock()

    def start(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        self.told = on_snapshot
        on_snapshot(self.shown)

    def deliver(self, shown: Snapshot) -> None:
        """Another snapshot, as if the sources had answered again."""
        self.shown = shown
        if self.told is not None:
            self.told(shown)

    def snapshot(self) -> Snapshot:
        return self.shown

    def refresh_now(self) -> None:
        self.refreshed += 1

    async def histories(self, panel_id: str, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        window_seconds = requested.seconds
        state = self.shown.panel(panel_id)
        if requested.heat and state is not None and state.spec.heat_map is not None:
            yield PanelHistory(
                panel_id, NOW - window_seconds, NOW, window_seconds / 240, heat_map=heat_map(state.spec, window_seconds)
            )
            return
        tracks = tuple(
            Series(
                sample.labels,
                tuple(
                    (NOW - window_seconds * (1 - at / 120), sample.value * (1 + 0.1 * math.sin(at / 9))) for at in range(121)
                ),
            )
            for sample in (state.samples if state else ())
        )
        yield PanelHistory(panel_id, NOW - window_seconds, NOW, window_seconds / 120, tracks)

    async def alert_histories(
        self, fingerprint: str, requested: HistoryRange, last: TrackedAlert | None = None
    ) -> AsyncIterator[RuleHistory]:
        window_seconds = requested.seconds
        points_ = tuple((NOW - window_seconds * (1 - at / 120), 0.4 + 7.4 * max(0.0, (at - 70) / 50)) for at in range(121))
        history = PanelHistory(fingerprint, NOW - window_seconds, NOW, window_seconds / 120, (Series((), points_),))
        yield RuleHistory(history, 5.0)
