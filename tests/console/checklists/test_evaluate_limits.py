"""Findings whose value is exactly on its line, and two of everything where one would not tell them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, snapshot, tracked

from console.alerts.recent_changes import LIMIT
from console.checklists.alert_evidence import summarize_alerts
from console.checklists.alert_history import AlertHistory, AlertWindow, FiringInterval
from console.checklists.definition import (
    AlertsEvidence,
    BatchEvidence,
    Checklist,
    Evidence,
    GuardsEvidence,
    IncidentsEvidence,
    Item,
    KpisEvidence,
    MaintenanceEvidence,
    PanelEvidence,
    Planned,
    PlatformEvidence,
    QueryEvidence,
)
from console.checklists.evaluate import (
    EvaluationInput,
    comparison_text,
    evaluate,
    figure_pair,
    limit_text,
    maintenance_ahead,
)
from console.checklists.evidence_queries import CollectedEvidence, samples_at
from console.checklists.incidents import incident_metric_lines, incident_text, incident_verdict
from console.checklists.result import ItemResult
from console.checklists.section import ReportSection
from console.checklists.summary import build_summary, in_force, silence_text
from console.checks.panels import evaluate_panel
from console.journal.payloads import GuardStarted
from console.state.guards import GuardRecord, Guards
from console.state.incident import Incident, Incidents, Step, StepCompletion
from console.state.snapshot import Snapshot
from queries.catalogue.loader import load_board
from queries.model.alert import Priority
from queries.model.change import Change
from queries.model.fault import Fault, FaultKind
from queries.model.matcher import Matcher
from queries.model.panel import Aggregation, Origin, PanelSpec, Range, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.series import Sample, Series
from queries.model.silence import Silence
from queries.model.source import Health, PollResult
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob
from queries.prometheus.query_batch import BatchResult
from queries.text.times import local_midnight

CALM = snapshot(alerts=())
SPECS = {spec.id: spec for spec in load_board("overview")}
HEALTH = SPECS["provider_health"]
A_BIT = 0.001

pytestmark = pytest.mark.usefixtures("utc")


def reading(value: Any) -> PollResult[Any]:
    return PollResult("x", NOW, 0.0, fault=value) if isinstance(value, Fault) else PollResult("x", NOW, 0.0, value=value)


def found(
    evidence: Evidence, *, shown: Snapshot = CALM, incidents: Any = None, runbook: str = "", **answers: Any
) -> ItemResult:
    """Of two items, the second one: the first is a question."""
    item = Item("it", "It", "Is it so?", evidence, runbook)
    other = Item("other", "Other", "And that?", PlatformEvidence())
    collected = CollectedEvidence(NOW, **{key: value if key == "before" else {"it": value} for key, value in answers.items()})
    journal = Incidents() if incidents is None else incidents
    results = evaluate(Checklist("mine", "Mine", (other, item)), EvaluationInput(shown, collected, NOW, journal))
    assert [result.item for result in results] == [other, item]
    return results[1]


def texts(result: ItemResult) -> list[str]:
    return [detail.text for detail in result.details]


# Panels and queries


@pytest.mark.parametrize(
    ("below", "value", "verdict"),
    [
        (False, 4.999, Verdict.OK), (False, 5.0, Verdict.WARN), (False, 9.0, Verdict.CRITICAL), (False, 8.999, Verdict.WARN),
        (True, 5.0, Verdict.OK), (True, 4.999, Verdict.WARN), (True, 2.0, Verdict.WARN), (True, 1.999, Verdict.CRITICAL),
    ],
)  # fmt: skip
def test_a_value_on_its_target(below: bool, value: float, verdict: Verdict) -> None:
    """Large ones are bad from the target on, small ones under it; of two series the bad one is named."""
    limits = Threshold(5.0, 2.0) if below else Threshold(5.0, 9.0)
    spec = PanelSpec("q", "Q", Unit.COUNT, group_by="pod", raw="q", lower_is_worse=below, threshold=limits,
                     aggregation=HEALTH.aggregation if below else SPECS["error_ratio"].aggregation)  # fmt: skip
    calm = 100.0 if below else 0.0
    series = [Series((("pod", name),), ((NOW, at),)) for name, at in (("bad", value), ("calm", calm))]
    result = found(QueryEvidence(spec, Threshold()), series=reading(BatchResult({"q": series})))
    assert (result.verdict, result.value, result.item.id) == (verdict, value, "it")
    assert result.reason.startswith("bad: ") is (verdict is not Verdict.OK)
    details = {detail.text.partition("  ")[0]: detail.verdict for detail in result.details}
    assert details == {"bad": verdict, "calm": Verdict.OK} and next(iter(details)) == "bad"
    assert result.thresholds == (5.0, 2.0 if below else 9.0) and result.below is below


@pytest.mark.parametrize(
    ("limits", "below", "text"),
    [
        (Threshold(), False, ""),
        (Threshold(5.0), False, "under 5"),
        (Threshold(5.0), True, "5 or more"),
        (Threshold(5.0, 9.0), False, "under 5, critical from 9"),
        (Threshold(5.0, 2.0), True, "5 or more, critical under 2"),
        (Threshold(5.0, 5.0), False, "under 5, else critical"),
        (Threshold(None, 9.0), False, "critical from 9"),
        (Threshold(None, 2.0), True, "critical under 2"),
    ],
)
def test_a_target_in_words(limits: Threshold, below: bool, text: str) -> None:
    assert limit_text(limits, Unit.COUNT, below=below) == text


@pytest.mark.parametrize(("count", "more"), [(12, 0), (11, 0), (13, 1), (20, 8)])
def test_twelve_series_are_listed(count: int, more: int) -> None:
    """The worst first; exactly twelve need no count of the rest. One series without a name needs no list."""
    samples = [Series((("pod", f"p{at:02}"),), ((NOW, float(at)),)) for at in range(count)]
    spec = PanelSpec("q", "Q", Unit.COUNT, group_by="pod", raw="q")
    result = found(QueryEvidence(spec, Threshold()), series=reading(BatchResult({"q": samples})))
    listed = [f"p{at:02}  {at}" for at in range(count - 1, count - 1 - min(count, 12), -1)]
    assert texts(result) == [*listed, *([f"and {more} more"] if more else [])]
    bare = replace(spec, group_by="")
    for number, lines in ((1, 0), (2, 2)):
        answer = reading(BatchResult({"q": samples[:number]}))
        assert len(found(QueryEvidence(bare, Threshold()), series=answer).details) == lines


@pytest.mark.parametrize(
    ("old", "new", "unit", "text"),
    [
        (2.0, 2.0, Unit.COUNT, "2 (the same now)"), (2.0, 3.0, Unit.COUNT, "2 (now +1)"), (3.0, 2.0, Unit.COUNT, "3 (now -1)"),
        (2.0, 2.5, Unit.COUNT, "2 (now +0.50)"), (1.0, 1.004, Unit.PERCENT, "1.00 % (the same now)"),
        (1.0, 1.006, Unit.PERCENT, "1.00 % (now +0.01)"), (None, 1.0, Unit.COUNT, "no data then"),
        (float("nan"), 1.0, Unit.COUNT, "no data then"), (1.0, None, Unit.COUNT, "1"), (1.0, float("inf"), Unit.COUNT, "1"),
    ],
)  # fmt: skip
def test_a_value_beside_that_of_yesterday(old: float | None, new: float | None, unit: Unit, text: str) -> None:
    """What rounds to nothing is the same."""
    assert comparison_text(old, new, PanelSpec("x", "X", unit)) == text


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (89.9, True), (90.0, False), (-5.0, True)])
def test_a_series_has_a_value_of_now_for_a_minute_and_a_half(age: float, known: bool) -> None:
    """Its last point; one that ended before has none, and one without points neither."""
    series = [
        Series((("pod", "a"),), ((NOW - 9e3, 1.0), (NOW - age, 2.0))),
        Series((("pod", "b"),), ((NOW - 500.0, 3.0),)),
        Series((), ()),
    ]
    assert samples_at(series, NOW) == ((Sample((("pod", "a"),), 2.0),) if known else ())


def test_yesterday_of_a_query_needs_a_point_of_then() -> None:
    """It counts whatever came later: a ratio has no value in an hour of the night without traffic, and Prometheus may have been
    restarted. Points of later hours alone are no value of then.
    """
    spec = PanelSpec("q", "Q", Unit.COUNT, group_by="pod", raw="q")

    def before(*tracks: Sequence[int]) -> str:
        series = [Series((("pod", str(at)),), tuple((NOW - 3600.0 * back, float(back)) for back in sorted(track, reverse=True)))
                  for at, track in enumerate(tracks)]  # fmt: skip
        return found(QueryEvidence(spec, Threshold()), series=reading(BatchResult({"q": series}))).before

    assert before(range(25)) == "24 (now -24)"
    assert before(range(25), range(3)) == "24 (now -24)"
    assert before(range(24)) == "no data then" and before(range(10), range(12, 24)) == "no data then"
    assert before([0, 1, 2, *range(5, 25)]) == "24 (now -24)" and before([0, 24]) == "24 (now -24)"


def test_what_a_finding_leads_to() -> None:
    """Its panel, its alerts (three of them), its runbook once, its query; a query has no panel."""
    names = HEALTH.alerts
    assert names
    firing = [tracked(names[0], "warning", provider=f"p{at}") for at in range(4)]
    result = found(PanelEvidence("provider_health", Threshold()), shown=snapshot(alerts=tuple(firing)), runbook="own")
    kinds = [target.kind for target in result.targets]
    assert kinds[0] == "panel" and kinds.count("alert") == 3 and "explore" in kinds
    assert [target.subject for target in result.targets if target.kind == "runbook"].count("own") == 1
    spec = PanelSpec("q", "Q", Unit.COUNT, raw="q")
    targets = found(QueryEvidence(spec, Threshold()), series=reading(BatchResult({"q": []})), runbook="own").targets
    assert [(target.kind, target.subject) for target in targets] == [("explore", "q"), ("runbook", "own")]


# Figures


def kpi(before: float | None, now: float | None, *, partial: str = "", state: Any = None) -> ItemResult:
    spec = PanelSpec("k", "K", Unit.PERCENT, raw="k", threshold=Threshold(5.0, 9.0), no_data_reason="no requests")
    other = PanelSpec("l", "L", Unit.PERCENT, raw="l", threshold=Threshold(5.0))
    points = tuple((at, value) for at, value in ((local_midnight(NOW), before), (NOW, now)) if value is not None)
    series = {"k": [Series((), points)] if points else [], "l": [Series((), ((local_midnight(NOW), 1.0), (NOW, 1.0)))]}
    answer = reading(BatchResult(series, partial=partial))
    return found(KpisEvidence(("k", "l"), (spec, other)), figures=answer)


@pytest.mark.parametrize(
    ("before", "now", "verdict", "line"),
    [
        (1.0, 4.99, Verdict.OK, "K  4.99 %  (under 5 %, critical from 9 %); at midnight 1.00 % (now +3.99)"),
        (1.0, 5.0, Verdict.WARN, "K  5.00 %  (under 5 %, critical from 9 %); at midnight 1.00 % (now +4.00)"),
        (1.0, 9.0, Verdict.CRITICAL, "K  9.00 %  (under 5 %, critical from 9 %); at midnight 1.00 % (now +8.00)"),
        (None, 1.0, Verdict.OK, "K  1.00 %  (under 5 %, critical from 9 %); at midnight no data then"),
        (1.0, None, Verdict.NO_DATA, "K  not known: no requests"),
        (None, None, Verdict.NO_DATA, "K  not known: no requests"),
    ],
)
def test_a_figure_of_now_and_of_midnight(before: float | None, now: float | None, verdict: Verdict, line: str) -> None:
    """One point is of now and says nothing of midnight; beside one that is fine the worse one decides and is named."""
    result = kpi(before, now)
    assert (result.verdict, texts(result)[0]) == (verdict, line)
    assert result.value_text == ("2 of 2" if verdict is Verdict.OK else "1 of 2") + " within their objective"
    good = "every figure is within its objective"
    assert result.reason == (good if verdict is Verdict.OK else "outside its objective or not known: K")


def test_a_figure_of_midnight_has_the_series_of_midnight() -> None:
    """One that has ended since counted then, one that began since did not: else the figure of then is another one."""
    spec = PanelSpec("k", "K", Unit.COUNT, raw="k", aggregation=Aggregation.SUM)
    midnight = local_midnight(NOW)
    series = [
        Series((("provider", "stays"),), ((midnight, 5.0), (NOW, 4.0))),
        Series((("provider", "ended"),), ((midnight, 7.0),)),
        Series((("provider", "began"),), ((NOW, 30.0),)),
    ]
    collected = CollectedEvidence(NOW, figures={"it": reading(BatchResult({"k": series}))})
    assert figure_pair(spec, collected) == (12.0, 34.0)


def test_a_partial_figure_is_in_doubt() -> None:
    """Each of them, with what is missing; two that are not fine are both named."""
    result = kpi(1.0, 2.0, partial="store x is down")
    assert result.verdict is Verdict.IN_DOUBT and all(": partial: store x is down" in text for text in texts(result))
    assert result.reason == "outside its objective or not known: K, L"
    assert kpi(1.0, None, partial="store x is down").details[0].text == "K  not known: partial: store x is down"
    lost = found(
        KpisEvidence(("k",), (PanelSpec("k", "K", Unit.PERCENT, raw="k"),)), figures=reading(Fault(FaultKind.TIMED_OUT, "slow"))
    )
    assert (lost.verdict, lost.reason, lost.value_text) == (Verdict.NO_DATA, "slow", "0 of 1 within their objective")
    assert figure_pair(PanelSpec("k", "K", Unit.PERCENT), None) is None


# Jobs


@pytest.mark.parametrize(("age", "verdict"), [(3599.0, Verdict.OK), (3600.0, Verdict.OK), (3600.0 + A_BIT, Verdict.CRITICAL)])
def test_a_success_counts_as_long_as_its_limit(age: float, verdict: Verdict) -> None:
    """Exactly so old it still does; of two CronJobs the worse one decides, and both are listed."""
    jobs = (BatchJob("CronJob", "a", succeeded_at=NOW - age), BatchJob("CronJob", "b", succeeded_at=NOW - 60.0, active=2))
    result = found(BatchEvidence("CronJob", "*", 3600.0), batch=reading(jobs))
    assert (result.verdict, [detail.verdict for detail in result.details]) == (verdict, [verdict, Verdict.OK])
    assert texts(result)[1].endswith(", 2 running now") and result.limit == "a success within 1h"
    named = found(BatchEvidence("CronJob", "b", 3600.0), batch=reading(jobs))
    assert (named.verdict, named.value, named.value_text) == (Verdict.OK, 60.0, "last success 1m ago")


@pytest.mark.parametrize(("age", "verdict"), [(3599.0, Verdict.NO_DATA), (3600.0, Verdict.CRITICAL)])
def test_one_that_never_ran_has_as_long_as_its_limit(age: float, verdict: Verdict) -> None:
    job = BatchJob("CronJob", "a", created_at=NOW - age)
    result = found(BatchEvidence("CronJob", "a", 3600.0), batch=reading((job,)))
    assert (result.verdict, result.value_text, result.value) == (verdict, "last success never", None)


@pytest.mark.parametrize(("ahead", "verdict"), [(300.0, Verdict.OK), (300.0 + A_BIT, Verdict.IN_DOUBT)])
@pytest.mark.parametrize("kind", ["CronJob", "Job"])
def test_nobody_knows_the_age_of_a_success_in_the_future(kind: str, ahead: float, verdict: Verdict) -> None:
    """The clock was set back by weeks: the last backup is as old as nobody knows."""
    job = BatchJob(kind, "a", succeeded_at=NOW + ahead)
    result = found(BatchEvidence(kind, "a", 3600.0), batch=reading((job,)))
    assert result.verdict is verdict
    if verdict is Verdict.IN_DOUBT:
        assert result.value_text == "last success not known"
        assert result.reason == f"{kind} a's last success is 5m in the future: check this machine's clock and the cluster's"


def test_a_run_that_failed_after_the_newest_success_warns() -> None:
    """One that was created with it, or before, does not; of two the last one is named; one that still runs is no failure."""

    def job(name: str, created: float, **more: Any) -> BatchJob:
        return BatchJob("Job", name, created_at=NOW - created, **more)

    done = job("d-2", 500.0, succeeded_at=NOW - 400.0)
    evidence = BatchEvidence("Job", "d-*", 3600.0)
    for failed, verdict in (
        ((job("d-1", 500.0, failed=True),), Verdict.OK), ((job("d-3", 499.0, failed=True),), Verdict.WARN),
        ((job("d-3", 499.0),), Verdict.OK), ((job("d-1", 900.0, failed=True), job("d-3", 300.0), ), Verdict.OK),
    ):  # fmt: skip
        assert found(evidence, batch=reading((done, *failed))).verdict is verdict
    two = found(evidence, batch=reading((done, job("d-3", 300.0, failed=True, reason="x"), job("d-4", 200.0, failed=True))))
    assert two.reason.endswith("; Job d-4 failed") and two.value == 400.0
    never = found(evidence, batch=reading((job("d-1", 900.0, failed=True, reason="x"), job("d-2", 100.0))))
    assert (never.verdict, never.reason) == (Verdict.NO_DATA, "Job d-2 never succeeded")
    other = found(evidence, batch=reading((job("x", 1.0), job("y", 1.0))))
    assert other.reason == "no Job d-* in cad-ml-platform; there are x, y"


# Incidents, guards, maintenance


def incident(number: int, priority: Priority = Priority.P2, **more: Any) -> Incident:
    return Incident(f"i{number}", number, f"T{number}", priority, NOW - 600.0 * number, "ann", **more)


@pytest.mark.parametrize(("closed", "today"), [(-A_BIT, False), (0.0, True), (A_BIT, True)])
def test_an_incident_is_of_today_if_it_was_closed_today(closed: float, today: bool) -> None:
    """From midnight on; an open one always is; two are told apart by number."""
    ended = incident(1, closed_at=local_midnight(NOW) + closed)
    one = found(IncidentsEvidence(today=True), incidents=Incidents((ended,)))
    assert (one.verdict, one.value) == ((None, 1.0) if today else (Verdict.OK, 0.0))
    assert one.value_text == ("1 today" if today else "no incident today")
    both = found(IncidentsEvidence(today=True), incidents=Incidents((ended, incident(2))))
    assert (both.value, len(both.details)) == ((2.0, 2) if today else (1.0, 1))
    assert found(IncidentsEvidence(), incidents=Incidents((ended,))).value_text == "none open"


def test_of_two_open_incidents_the_worse_one_decides() -> None:
    """Both are named, with their limit and where to look; a resolved P1 only warns."""
    result = found(IncidentsEvidence(), incidents=Incidents((incident(1), incident(2, Priority.P1))))
    assert (result.verdict, result.value, result.value_text, result.limit) == (Verdict.CRITICAL, 2.0, "2 open", "none open")
    assert result.reason == "P1 T2 (2), open for 20m, no commander; P2 T1 (1), open for 10m, no commander"
    assert [target.subject for target in result.targets] == ["incident"]
    mended = incident(3, Priority.P1, completions={Step.RESOLVE: StepCompletion(NOW - 60.0, "ann")})
    assert [incident_verdict(item) for item in (mended, incident(1, closed_at=NOW))] == [Verdict.WARN, None]
    assert incident_text(incident(1, closed_at=NOW - 60.0), NOW).endswith("after 9m")


@pytest.mark.parametrize(("ago", "counts"), [(30 * 86_400.0 - 1.0, True), (30 * 86_400.0, False), (0.0, True), (-1.0, False)])
def test_thirty_days_count_for_the_mean_times(ago: float, counts: bool) -> None:
    """From their first moment excluded to now included; with one that was declared later than the first alert."""
    began = NOW - ago
    own = Incident("i", 1, "T", Priority.P1, began + 120.0, "ann", detected_at=began)
    lines = [detail.text for detail in incident_metric_lines(Incidents((own,)), NOW)]
    text = "2m, over 1" if counts else "not known: no incident with that step"
    assert lines[1] == f"Mean time from the first alert to the declaration  {text}"
    two = Incidents((own, replace(own, id="j", declared_at=began + 360.0)))
    assert not counts or incident_metric_lines(two, NOW)[1].text.endswith("  4m, over 2")
    assert incident_metric_lines(None, NOW)[0].verdict is Verdict.NO_DATA


@pytest.mark.parametrize(("ended", "counts"), [(3599.0, True), (3600.0, True), (3600.0 + A_BIT, False)])
def test_a_guard_counts_that_ended_within_the_time(ended: float, counts: bool) -> None:
    """Exactly at its beginning still; two of one result are counted together, and the last of the worst is the reason."""
    start = GuardStarted("scale", "deployment/web", title="Scale")
    made = [GuardRecord(f"g{at}", "ann", NOW - 9e3, start, "", result="rolled back", text=f"t{at}", ended_at=NOW - age)
            for at, age in enumerate((ended, 60.0))]  # fmt: skip
    shown = replace(CALM, ledger=replace(CALM.ledger, guards=Guards((), tuple(made))))
    result = found(GuardsEvidence(3600.0), shown=shown)
    assert (result.value, result.value_text) == ((2.0, "2 rolled back") if counts else (1.0, "1 rolled back"))
    assert result.reason.endswith("Scale: t1") and result.verdict is Verdict.WARN


def silence(identity: str, starts: float, ends: float, **more: Any) -> Silence:
    return Silence(
        identity, (Matcher("alertname", identity), Matcher("x", "y")), NOW + starts, NOW + ends, "ops", "why", **more
    )


@pytest.mark.parametrize(("starts", "ahead"), [(0.0, False), (A_BIT, True), (3600.0, True), (3600.0 + A_BIT, False)])
def test_a_silence_is_ahead_if_it_begins_within_the_time(starts: float, ahead: bool) -> None:
    """After now and up to the end, both sides; one that expired before it began is not; the next one first."""
    evidence = MaintenanceEvidence(3600.0)
    shown = snapshot(silences=(silence("b", starts, 9e3, state="pending"), silence("gone", 60.0, 9e3, state="expired")))
    assert len(maintenance_ahead(shown, evidence, NOW)) == int(ahead)
    two = snapshot(silences=(silence("late", 1800.0, 9e3, state="pending"), silence("soon", 60.0, 9e3, state="pending")))
    assert ["soon" in detail.text for detail in maintenance_ahead(two, evidence, NOW)] == [True, False]


@pytest.mark.parametrize(
    ("starts", "ends", "listed"),
    [(3600.0, 9e3, True), (3600.0 + A_BIT, 9e3, False), (-60.0, 0.0, False), (-60.0, A_BIT, True), (60.0, 120.0, True)],
)
def test_planned_maintenance_is_listed_while_it_lasts(starts: float, ends: float, listed: bool) -> None:
    evidence = MaintenanceEvidence(3600.0, (Planned("Redis", NOW + starts, NOW + ends),))
    rows = maintenance_ahead(snapshot(silences=()), evidence, NOW)
    assert [detail.text.rpartition("  ")[2] for detail in rows] == (["Redis"] if listed else [])


@pytest.mark.parametrize(
    ("starts", "ends", "state", "force"),
    [
        (-60.0, 60.0, "active", True), (0.0, 60.0, "active", True), (A_BIT, 60.0, "pending", False),
        (-60.0, 0.0, "active", False), (-60.0, A_BIT, "active", True), (-60.0, 60.0, "expired", False),
    ],
)  # fmt: skip
def test_a_silence_is_in_force_from_its_start_to_before_its_end(starts: float, ends: float, state: str, force: bool) -> None:
    """Of several the one that ends first at the top, with how long it still lasts."""
    own = silence("own", starts, ends, state=state)
    later = silence("later", -60.0, 9e3)
    assert len(in_force((later, own), NOW)) == 1 + int(force)
    assert not force or "own" in in_force((later, own), NOW)[0]
    left = silence_text(replace(own, ends_at=NOW + 90.0), NOW)
    assert left == f'alertname="own", x="y"  until {left.partition("until ")[2].partition(" (")[0]} (1m30s), by ops: why'
    for ended in (0.0, -60.0):
        assert "(" not in silence_text(replace(own, ends_at=NOW + ended), NOW)


# Alerts


def history(
    name: str, *spells: tuple[float, float], severity: str = "warning", firing: bool = False, **labels: str
) -> AlertHistory:
    pairs = tuple(sorted({"alertname": name, "severity": severity, **labels}.items()))
    times = tuple(FiringInterval(NOW - start, NOW - end) for start, end in spells)
    return AlertHistory(pairs, times, sum(item.ends_at - item.starts_at for item in times), firing)


def window(
    *records: AlertHistory, gaps: tuple[float, ...] = (), step: float = 60.0, length: float = 50_000.0
) -> PollResult[Any]:
    lost, at = [], NOW - length + 100.0
    for seconds in gaps:
        lost.append(FiringInterval(at, at + seconds))
        at += seconds + 500.0
    counts = ((NOW - 86_400.0 - 1.5 * step, 7.0), (NOW - 86_400.0, 2.0), (NOW, 0.0))
    return reading(AlertWindow(NOW - length, NOW, step, records, tuple(lost), counts))


@pytest.mark.parametrize(
    ("gaps", "step", "length", "known"),
    [
        ((800.0,), 60.0, 40_000.0, True), ((800.001,), 60.0, 40_000.0, False),
        ((500.0, 300.0), 60.0, 40_000.0, True), ((500.0, 300.001), 60.0, 40_000.0, False),
        ((1250.0,), 500.0, 40_000.0, True), ((1250.001,), 500.0, 40_000.0, False),
        ((900.0,), 60.0, 300_000.0, True), ((900.001,), 60.0, 300_000.0, False),
    ],
)  # fmt: skip
def test_a_fiftieth_of_a_window_may_be_unknown(gaps: tuple[float, ...], step: float, length: float, known: bool) -> None:
    """At most a quarter of an hour, as of a weekend: a P1 may fire and resolve within the hour that a fiftieth of it is. Or two
    and a half steps where that is more; several gaps count together, and the longest one is named.
    """
    result = found(AlertsEvidence(), alerts=window(gaps=gaps, step=step, length=length))
    assert result.verdict is (Verdict.OK if known else Verdict.NO_DATA)
    assert known or "Prometheus has no data for" in result.reason


@pytest.mark.parametrize(
    ("offset", "text"), [(89.9, "3 firing"), (90.0, "3 firing"), (90.1, "no data then"), (-90.0, "3 firing")]
)
def test_yesterday_is_the_nearest_point_within_a_step_and_a_half(offset: float, text: str) -> None:
    answer = window()
    far = replace(answer.value, counts=((NOW - 86_400.0 + offset, 3.0), (NOW, 0.0)))
    assert found(AlertsEvidence(), alerts=reading(far)).before == text
    assert found(AlertsEvidence(), alerts=answer).before == "2 firing"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_three_notable_alerts_are_named(count: int) -> None:
    """Exactly three need no count of the rest; all of them are listed below, the worst first."""
    firing = tuple(tracked(f"A{at}", "warning", provider="p") for at in range(count))
    critical = tracked("Z", "critical", provider="p")
    result = found(AlertsEvidence(), shown=snapshot(alerts=(*firing[1:], critical)), alerts=window())
    named = ["P1 Z p firing", *(f"P3 A{at} p firing" for at in range(1, count))]
    assert result.reason == ", ".join(named[:3]) + (f" and {count - 3} more" if count > 3 else "")
    assert (result.value, len(result.details)) == (float(count), count + 1)
    assert len([target for target in result.targets if target.kind == "alert"]) == min(count, 4)


@pytest.mark.parametrize(("times", "said"), [(1, ""), (2, "2 times, "), (3, "3 times, flapping, ")])
def test_how_often_an_alert_fired(times: int, said: str) -> None:
    """Once is not counted; three times flaps, and warns although it is over."""
    spells = tuple((1000.0 * at, 1000.0 * at - 100.0) for at in range(times, 0, -1))
    (summary,) = summarize_alerts(window(history("A", *spells, severity="info")).value, ())
    text = summary.sentence(NOW)
    assert f", {said}" in text or (not said and " times" not in text)
    assert text.endswith(f"{'1m40s' if times == 1 else '3m20s' if times == 2 else '5m'} in total")
    assert summary.verdict is (Verdict.WARN if times == 3 else None)
    assert summary.brief == f"P4 A {'flapped' if times == 3 else 'fired'}"


def test_two_alerts_of_one_identity_are_one_line() -> None:
    """Since the earliest of them, with both owners; it is silenced only if each is."""
    first = tracked("A", "warning", minutes=9, owner="bob", provider="p", pod="x")
    second = tracked("A", "warning", minutes=4, owner="ann", provider="p", pod="y")
    (both,) = summarize_alerts(None, (first, second))
    assert both.sentence(NOW) == "P3 A p  firing for 9m, owner ann, bob" and both.firing and not both.quiet
    quiet = replace(second, alert=replace(second.alert, silenced_by=("s",), state=type(second.alert.state).SUPPRESSED))
    (mixed,) = summarize_alerts(None, (first, quiet))
    assert mixed.quiet == "" and mixed.verdict is Verdict.WARN
    (silenced,) = summarize_alerts(None, (quiet, replace(quiet, alert=replace(quiet.alert, fingerprint="other"))))
    assert (silenced.quiet, silenced.verdict) == ("silenced", None)
    assert summarize_alerts(None, (replace(first, owner=""),))[0].sentence(NOW).endswith("firing for 9m, unacknowledged")


# The summary


def summary(facts: EvaluationInput, *items: Item) -> dict[str, list[str]]:
    checklist = Checklist("eod", "Eod", items, summary=True)
    sections = build_summary(checklist, evaluate(checklist, facts), facts)
    return {section.title: [line.text for line in section.lines] or [section.empty] for section in sections}


@pytest.mark.parametrize(("length", "short"), [(299.9, 1), (300.0, 0), (300.1, 0)])
def test_an_alert_that_ended_within_five_minutes_may_be_false(length: float, short: int) -> None:
    """Exactly five is not; one that still fires does not count, two others do."""
    records = (history("A", (9000.0, 9000.0 - length), (4000.0, 3000.0)), history("B", (100.0, 0.0), firing=True))
    facts = EvaluationInput(CALM, CollectedEvidence(NOW, alerts={"a": window(*records)}), NOW, Incidents())
    lines = summary(facts, Item("a", "A", "?", AlertsEvidence()))["Alerts of the day"]
    assert lines[-1] == f"False positives, estimated  {short} of 2 ({50 * short} %) resolved within 5m"
    assert lines[1].startswith("B  1 time, ") and lines[0].startswith("A  2 times, ")


@pytest.mark.parametrize(("at", "listed"), [(-A_BIT, False), (0.0, True), (A_BIT, True)])
def test_changes_of_today_begin_at_midnight(at: float, listed: bool) -> None:
    """By kind: rollouts and scalings together, actions for themselves; each with its author, the oldest first."""
    midnight = local_midnight(NOW)
    changes = (
        Change(midnight + 90.0, "action", "s", "Silence", "ann"), Change(midnight + 60.0, "scaled", "web", "web 2→3"),
        Change(midnight + at, "rollout", "web", "web 1→2", "ci"),
    )  # fmt: skip
    facts = EvaluationInput(replace(CALM, changes=changes), CollectedEvidence(NOW), NOW, Incidents())
    told = summary(facts)
    rolled = [line.partition("  ")[2] for line in told["Rolled out and scaled today"]]
    assert rolled == [*(["web 1→2, ci"] if listed else []), "web 2→3"]
    assert [line.partition("  ")[2] for line in told["Actions of the day"]] == ["Silence, ann"]


FULL = "the console keeps only the newest 50 changes of each kind (action)"


@pytest.mark.parametrize(
    ("count", "oldest", "first", "last"),
    [
        (40, 0.0, "0", "39"), (41, 0.0, "1 earlier not shown", "40"),
        (LIMIT - 1, 0.0, f"{LIMIT - 41} earlier not shown", f"{LIMIT - 2}"),
        (LIMIT, -60.0, f"{LIMIT - 41} earlier not shown", f"{LIMIT - 1}"),
        (LIMIT, 1.0, f"{LIMIT - 40} earlier not shown", f"there may be more: {FULL}"),
    ],
)  # fmt: skip
def test_a_busy_day_says_what_it_leaves_out(count: int, oldest: float, first: str, last: str) -> None:
    """How many of today are not listed; and that there may be more of them where so many are known as are kept at all."""
    midnight = local_midnight(NOW)
    actions = tuple(Change(midnight + oldest + 60.0 * at, "action", str(at), str(at)) for at in range(count))
    facts = EvaluationInput(replace(CALM, changes=actions[::-1]), CollectedEvidence(NOW), NOW, Incidents())
    told = [line.rpartition("  ")[2] for line in summary(facts)["Actions of the day"]]
    assert (told[0], told[-1]) == (first, last)


@pytest.mark.parametrize(
    ("midnight", "now", "text"),
    [
        (60.0, 59.0, "1.00 points: 60.00 % left at midnight, 59.00 % left now"),
        (60.0, 60.0, "none: 60.00 % left at midnight, 60.00 % left now"),
        (60.0, 60.004, "none: 60.00 % left at midnight, 60.00 % left now"),
        (59.0, 60.0, "none, 1.00 points recovered as old errors left the window: 59.00 % left at midnight, 60.00 % left now"),
        (None, 60.0, "not known: no value at midnight; 60 % left now"),
        (60.0, None, "not known: the remaining budget is not known"),
    ],
)
def test_what_of_the_budget_was_spent_today(midnight: float | None, now: float | None, text: str) -> None:
    """Nothing, or less than nothing, is said so; without a value of either moment it is not known."""
    budget, other = SPECS["error_budget"], SPECS["error_ratio"]
    points = tuple((at, value) for at, value in ((local_midnight(NOW), midnight), (NOW, now)) if value is not None)
    series = {"error_budget": [Series((), points)] if points else [], "error_ratio": [Series((), ((NOW, 1.0),))]}
    calm = replace(CALM, panels=tuple(item for item in CALM.panels if item.spec.id != "error_budget"))
    facts = EvaluationInput(calm, CollectedEvidence(NOW, figures={"k": reading(BatchResult(series))}), NOW, Incidents())
    item = Item("k", "K", "?", KpisEvidence(("error_ratio", "error_budget"), (other, budget)))
    assert summary(facts, item)["Error budget spent today"] == [text]
    assert summary(facts)["Error budget spent today"] == ["not known: the remaining budget is not known"]
    alone = Item("k", "K", "?", KpisEvidence(("error_ratio",), (other,)))
    assert summary(facts, alone)["Error budget spent today"] == ["not known: the remaining budget is not known"]


# What is in doubt or no longer answers


ENDLESS = PanelSpec("k", "K", Unit.SECONDS, raw="k", group_by="p", threshold=Threshold(1.0))


def by_provider(*values: float) -> tuple[Sample, ...]:
    return tuple(Sample((("p", f"p{at}"),), value) for at, value in enumerate(values))


@pytest.mark.parametrize(("other", "verdict"), [(math.inf, Verdict.NO_DATA), (-4.0, Verdict.IN_DOUBT), (0.5, Verdict.OK)])
def test_a_laxer_threshold_of_an_item_hides_no_doubt(other: float, verdict: Verdict) -> None:
    """The panel warns, which outranks that another series is impossible; with a laxer threshold the doubt remains."""
    spec = replace(ENDLESS, range=Range(low=0.0))
    answer = PanelResult("k", Origin.RAW, "k", by_provider(1.5, other))
    state = evaluate_panel(spec, Threshold(), answer, taken_at=NOW, now=NOW, stale_after=60.0)
    assert state.verdict is Verdict.WARN
    shown = replace(CALM, panels=(state,))
    assert found(PanelEvidence("k", Threshold(warn=2.0)), shown=shown).verdict is verdict
    assert found(PanelEvidence("k", Threshold(warn=1.2)), shown=shown).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("other", "annotations", "verdict"),
    [
        (math.inf, {}, Verdict.NO_DATA),
        (0.3, {"k": ("PromQL warning: mixed histograms",)}, Verdict.IN_DOUBT),
        (0.3, {"l": ("PromQL warning: mixed histograms",)}, Verdict.OK),
        (0.3, {}, Verdict.OK),
    ],
)
def test_a_key_figure_is_as_known_as_its_panel(other: float, annotations: dict[str, Any], verdict: Verdict) -> None:
    """An infinite series and a warning of the server count as they do on the overview."""
    ends = local_midnight(NOW), NOW
    series = [Series(item.labels, tuple((at, item.value) for at in ends)) for item in by_provider(0.2, other)]
    answer = reading(BatchResult({"k": series}, annotations=annotations))
    result = found(KpisEvidence(("k",), (ENDLESS,)), figures=answer)
    shown = evaluate_panel(
        ENDLESS, Threshold(), PanelResult("k", Origin.RAW, "k", by_provider(0.2, other), annotations=annotations.get("k", ())),
        taken_at=NOW, now=NOW, stale_after=60.0,
    )  # fmt: skip
    assert result.details[0].verdict is result.verdict is shown.verdict is verdict


def test_the_worst_of_many_open_incidents_decides_wherever_it_stands() -> None:
    """An old P1 behind a dozen newer incidents is critical, and is named first."""
    many = (incident(1, Priority.P1), *(incident(number) for number in range(2, 16)))
    result = found(IncidentsEvidence(), incidents=Incidents(many))
    assert result.verdict is Verdict.CRITICAL and result.value == 15.0 and result.reason.startswith("P1 T1 (1)")


@pytest.mark.parametrize("health", [Health.DOWN, Health.STALE])
def test_a_server_that_answered_once_is_not_one_that_answers(health: Health) -> None:
    """Silences and rollouts of a server that is down since hours are not known, whatever it said before; what is known of
    before is shown.
    """
    last = {name: replace(source, health=health, last_good_at=NOW - 40_000.0) for name, source in _sources().items()}
    shown = replace(CALM, sources=tuple(last.values()), silences=(), changes=(), panels=CALM.panels)
    plans = found(MaintenanceEvidence(3600.0), shown=shown)
    assert (plans.verdict, plans.value_text) == (Verdict.NO_DATA, "not known")
    sections = {item.title: item for item in _summary(shown, Incidents())}
    assert not sections["Silences in force"].known and not sections["Rolled out and scaled today"].known
    before = replace(shown, changes=(Change(NOW - 60.0, "rollout", "deployment/api", "api 1→2"),))
    lines = {item.title: item for item in _summary(before, Incidents())}["Rolled out and scaled today"].lines
    assert [line.verdict for line in lines] == [None, Verdict.NO_DATA]
    good = {item.title: item for item in _summary(replace(shown, sources=tuple(_sources().values())), Incidents())}
    assert good["Silences in force"].known and good["Rolled out and scaled today"].known


def test_actions_of_an_unreadable_journal_are_not_none() -> None:
    """No action is known, which is not the same as none."""
    unread = {item.title: item for item in _summary(replace(CALM, changes=()), None)}["Actions of the day"]
    read = {item.title: item for item in _summary(replace(CALM, changes=()), Incidents())}["Actions of the day"]
    assert (unread.known, unread.empty) == (False, "not known: the journal could not be read")
    assert (read.known, read.empty) == (True, "none from this journal")


def _sources() -> dict[str, Any]:
    return {item.name: replace(item, health=Health.UP) for item in CALM.sources}


def _summary(shown: Snapshot, incidents: Any) -> Sequence[Any]:
    facts = EvaluationInput(shown, CollectedEvidence(NOW), NOW, incidents)
    checklist = Checklist("day", "Day", (Item("it", "It", "Is it so?", MaintenanceEvidence(3600.0)),))
    return build_summary(checklist, evaluate(checklist, facts), facts)


def test_a_day_that_prometheus_did_not_see_is_not_a_day_without_alerts() -> None:
    """Without most of its data nothing is known to have fired or not; an alert that Prometheus does not have has no count."""
    gap = AlertWindow(NOW - 36_000.0, NOW, 60.0, gaps=(FiringInterval(NOW - 30_000.0, NOW - 10_000.0),))
    checklist = Checklist("eod", "Eod", (Item("a", "A", "?", AlertsEvidence()),), summary=True)

    def alerts_of(shown: Snapshot, found: AlertWindow) -> ReportSection:
        facts = EvaluationInput(shown, CollectedEvidence(NOW, alerts={"a": reading(found)}), NOW, Incidents())
        return next(
            section
            for section in build_summary(checklist, evaluate(checklist, facts), facts)
            if section.title == "Alerts of the day"
        )

    blind = alerts_of(CALM, gap)
    assert not blind.known
    assert [(line.text, line.verdict) for line in blind.lines] == [
        ("Prometheus has no data for 5h33m of the day", Verdict.NO_DATA)
    ]
    seen = alerts_of(CALM, replace(gap, gaps=()))
    assert seen.known and not seen.lines
    live = alerts_of(snapshot(alerts=snapshot().alerts[:1]), replace(gap, gaps=()))
    assert [line.text for line in live.lines] == ["HighErrorRate  history unknown, firing now"]


def test_an_alert_that_began_before_the_day_is_no_brief_one() -> None:
    """It ended three minutes after midnight; how long it lasted is not in the window."""
    seconds = NOW - local_midnight(NOW)
    records = (history("A", (seconds, seconds - 180.0), (4000.0, 3900.0)),)
    found = replace(window(*records).value, starts_at=local_midnight(NOW))
    facts = EvaluationInput(CALM, CollectedEvidence(NOW, alerts={"a": reading(found)}), NOW, Incidents())
    lines = summary(facts, Item("a", "A", "?", AlertsEvidence()))["Alerts of the day"]
    assert lines[-1] == "False positives, estimated  1 of 1 (100 %) resolved within 5m"


def test_without_the_shared_store_no_incident_and_no_guard_are_ok() -> None:
    """What other consoles journalled is not known then: "none open" and "no guarded change" are said of this console only."""
    why = "the shared journal cannot be read now: refused"
    for evidence in (IncidentsEvidence(), IncidentsEvidence(today=True), GuardsEvidence(86_400.0)):
        checklist = Checklist("x", "X", (Item("a", "A", "?", evidence),))
        for others, verdict in (("", Verdict.OK), (why, Verdict.NO_DATA)):
            facts = EvaluationInput(CALM, CollectedEvidence(NOW), NOW, Incidents(), others_unknown=others)
            (result,) = evaluate(checklist, facts)
            assert result.verdict is verdict and (why in result.reason) is bool(others)
    open_one = Incidents((Incident("i1", 1, "Errors", Priority.P2, NOW - 600, "ann"),))
    (today,) = evaluate(
        Checklist("x", "X", (Item("a", "A", "?", IncidentsEvidence(today=True)),)),
        EvaluationInput(CALM, CollectedEvidence(NOW), NOW, open_one, others_unknown=why),
    )
    assert today.verdict is None and today.reason.endswith(f"there may be more: {why}")
