"""A post-incident review with everything in it, as the tests of its formats and of a browser read it."""

from __future__ import annotations

from types import MappingProxyType

from console.alerts.chart import build_chart
from console.incidents.correlation import Correlation
from console.incidents.impact import Impact
from console.incidents.postmortem import Postmortem
from console.incidents.report_blocks import PanelChart
from console.incidents.report_charts import build_timeline_marks
from console.incidents.severity_policy import load_severity_policies
from console.journal.payloads import IncidentDeclared, IncidentNoteAdded, create_event
from console.state.incident import (
    Delivery,
    DeliveryState,
    FollowUp,
    Incident,
    Incidents,
    LinkedAlert,
    Role,
    Source,
    Step,
    StepCompletion,
    TimelineEntry,
    Update,
)
from console.state.incident_metrics import IncidentMetrics
from console.state.incident_projection import IncidentsProjection
from queries.model.change import Change
from queries.model.panel import Unit
from queries.model.panel_result import PanelHistory
from queries.model.series import Series
from queries.model.severity import Priority

T = 1_767_276_000.0  # 2026-01-01 14:00:00Z
HOSTILE_NOTE = "<script>alert(1)</script>&amp;<img src=x onerror=alert(1)>]]>--><style>body{display:none}"
POLICY = load_severity_policies().for_severity(Priority.P1)
METRICS = IncidentMetrics(((Priority.P1, 2), (Priority.P2, 1)), 1, 2, 1, 90.0, 1110.0)
IMPACT = Impact(T - 150, T + 1800, 254_300.4, 8_467.0, 1.25, 3.31, 900.0, 0.0, T - 150)
CHANGES = Correlation(
    T - 3720,
    T - 120,
    (
        Change(T - 1200, "config", "configmap/limits", "ConfigMap limits written", "ann"),
        Change(T - 300, "rollout", "deployment/cad-ml-api", "cad-ml-api 41→42 image 1.8.2→1.9.0", "ci"),
        Change(T - 200, "restart", "pod/cad-ml-api-1", f"cad-ml-api-1 BackOff: {HOSTILE_NOTE}"),
    ),
    ("ConfigMaps: not configured",),
)


def _entries() -> tuple[TimelineEntry, ...]:
    listed = (
        (-120.0, Source.ALERTMANAGER, "ann@bastion", "HighErrorRate started firing"),
        (-60.0, Source.CONSOLE, "bob@bastion", "Roll back deployment/cad-ml-api: done"),
        (0.0, Source.PERSON, "ann@bastion", f"declared P1: Errors everywhere {HOSTILE_NOTE}"),
        (40.0, Source.PERSON, "bob@bastion", "Why did the canary not see it?"),
        (50.0, Source.PERSON, "bob@bastion", HOSTILE_NOTE + "\x1b[31m\u202e"),
        (200.0, Source.PROMETHEUS, "ann@bastion", "Error ratio: CRIT → ok 0.02 %"),
        (900.0, Source.PERSON, "ann@bastion", "went well: the runbook fitted"),
    )
    return tuple(
        TimelineEntry(T + at, source, author, text, f"e{number}", T + at)
        for number, (at, source, author, text) in enumerate(listed)
    )


INCIDENT = Incident(
    "i1a2b3c4",
    7,
    f"Errors everywhere {HOSTILE_NOTE}",
    Priority.P1,
    T,
    "ann@bastion",
    environment="production",
    detected_at=T - 120,
    alerts=(LinkedAlert("f1", "HighErrorRate", T - 120), LinkedAlert("f2", "ProviderTimeout", T - 100)),
    roles=((Role.COMMANDER, "ann@bastion"), (Role.SCRIBE, HOSTILE_NOTE)),
    completions=MappingProxyType({Step.MITIGATE: StepCompletion(T + 120, "bob@bastion", "Roll back deployment/cad-ml-api")}),
    updates=(
        Update(
            "u1",
            T + 100,
            "ann@bastion",
            f"We are working on it.\n\n{HOSTILE_NOTE}",
            (Delivery(T + 110, "ann", "status-page", DeliveryState.MARKED),),
        ),
    ),
    entries=_entries(),
    targets=("deployment/cad-ml-api",),
    follow_ups=(FollowUp("a1", "ann@bastion", "a canary for every rollout", HOSTILE_NOTE, "2026-01-08"),),
)


def charts() -> tuple[PanelChart, ...]:
    """Two panels over the incident, the first with its thresholds and a gap."""
    start, end, step = T - 900, T + 2400, 15.0
    times = [start + step * at for at in range(int((end - start) / step))]
    errors = tuple((at, 8.2 if T - 150 <= at <= T + 120 else 0.03) for at in times if not T + 600 < at < T + 800)
    slow = tuple((at, 0.8 + (1.9 if T - 150 <= at <= T + 120 else 0.0)) for at in times)
    return tuple(
        PanelChart(
            title,
            build_chart(
                PanelHistory(title, start, end, step, (Series((), points),)),
                group_by="",
                unit=unit,
                thresholds=lines,
                marks=build_timeline_marks(INCIDENT),
            ),
        )
        for title, points, unit, lines in (
            ("Error ratio", errors, Unit.PERCENT, (("warn", 1.0), ("critical", 5.0))),
            ("P95 latency", slow, Unit.SECONDS, (("warn", 2.0),)),
        )
    )


def report(incident: Incident = INCIDENT, *, charts: tuple[PanelChart, ...] = ()) -> Postmortem:
    return Postmortem(incident, IMPACT, CHANGES, POLICY, METRICS, T + 3600, "ann@bastion", charts)


def long_report(count: int) -> Postmortem:
    """Folded from that many notes of the journal."""
    events = [create_event(IncidentDeclared.of("errors", Priority.P1), at=T, subject="i1", author="ann", environment="p")]
    events += [
        create_event(IncidentNoteAdded(f"n{at}", f"entry {at}"), at=T + 1 + at, subject="i1", author="ann", environment="p")
        for at in range(count)
    ]
    return report(IncidentsProjection().fold(Incidents(), events).all[0])
