"""Findings: a missed target is told with its name, and what is not known is never fine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, alerts, snapshot, tracked

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
    QueryEvidence,
    QuestionEvidence,
)
from console.checklists.evaluate import EvaluationInput, evaluate
from console.checklists.evidence_queries import CollectedEvidence
from console.checklists.result import ItemResult, exit_code
from console.checklists.summary import build_summary
from console.journal.payloads import GuardStarted
from console.state.guards import GuardRecord, Guards
from console.state.incident import Incident, Incidents, Role, Step, StepCompletion
from console.state.snapshot import Snapshot
from queries.catalogue.loader import load_board
from queries.model.alert import AlertState, Priority, TrackedAlert
from queries.model.fault import Fault, FaultKind
from queries.model.matcher import Matcher
from queries.model.panel import PanelSpec, Threshold, Unit
from queries.model.series import Sample, Series
from queries.model.severity import Severities
from queries.model.silence import Silence
from queries.model.source import Health, PollResult, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob
from queries.prometheus.query_batch import BatchResult
from queries.text.times import local_midnight

SPECS = {spec.id: spec for spec in load_board("overview")}
DOWN = Fault(FaultKind.UNREACHABLE, "Prometheus is not there", "http://p:9090", "is it running?")
CALM = snapshot(alerts=())
NONE = Incidents()


def evaluate_item(
    evidence: Evidence, *, shown: Snapshot = CALM, incidents: Any = NONE, now: float = NOW, **answers: Any
) -> ItemResult:
    item = Item("it", "It", "Is it so?", evidence)
    asked = CollectedEvidence(now, **{key: {"it": value} if key != "before" else value for key, value in answers.items()})
    (found,) = evaluate(Checklist("mine", "Mine", (item,)), EvaluationInput(shown, asked, now, incidents))
    return found


def reading(value: Any) -> PollResult[Any]:
    return PollResult("x", NOW, 0.0, fault=value) if isinstance(value, Fault) else PollResult("x", NOW, 0.0, value=value)


# Panels and queries


def test_a_panel_is_held_against_the_items_own_target() -> None:
    """The same value is fine for one checklist and critical for another; the provider beyond the line is named first."""
    health = evaluate_item(PanelEvidence("provider_health", Threshold(warn=90)))
    assert (health.verdict, health.value, health.value_text) == (Verdict.WARN, 81.2, "81.2 %")
    assert health.reason == "deepseek: 81.2 % is under 90 %"
    assert health.limit == "90 % or more, critical under 70 %"
    assert [(item.text, item.verdict) for item in health.details] == [
        ("deepseek  81.2 %", Verdict.WARN),
        ("paddle  99.1 %", Verdict.OK),
    ]
    assert evaluate_item(PanelEvidence("provider_health", Threshold(warn=80))).verdict is Verdict.OK
    assert evaluate_item(PanelEvidence("provider_health", Threshold(critical=85))).verdict is Verdict.CRITICAL
    ratio = evaluate_item(PanelEvidence("error_ratio", Threshold(warn=5)))
    assert (ratio.limit, ratio.verdict) == ("under 5 %, else critical", Verdict.CRITICAL)


def test_a_crowd_is_not_taken_for_all() -> None:
    """Where only the worst series are known, neither the names beyond the line nor the count claim to be all of them."""

    def crowd(*, more: bool) -> ItemResult:
        # The fifty worst of a recorded name, and all three of another.
        values = [("p", 80.0, 50), ("q", 99.0, 3)]
        samples = tuple(Sample((("provider", f"{name}{at}"),), value) for name, value, count in values for at in range(count))
        changed = (
            replace(item, samples=samples, truncated=more) if item.spec.id == "provider_health" else item
            for item in CALM.panels
        )
        return evaluate_item(PanelEvidence("provider_health", Threshold()), shown=replace(CALM, panels=tuple(changed)))

    some, every = crowd(more=True), crowd(more=False)
    assert "p49 and perhaps more: " in some.reason and "p49: " in every.reason
    assert some.details[-1].text == "and 41 or more" and every.details[-1].text == "and 41 more"


@pytest.mark.parametrize(("panel", "verdict"), [("cpu", Verdict.STALE), ("error_budget", Verdict.NO_DATA)])
def test_a_panel_without_a_value_of_now_is_not_fine(panel: str, verdict: Verdict) -> None:
    """Stale or absent stays what it is, whatever the item's own line says."""
    found = evaluate_item(PanelEvidence(panel, Threshold(warn=1000)))
    assert found.verdict is verdict and exit_code((found,)) == 2


def test_yesterday_is_told_or_why_it_is_not() -> None:
    """The same local time yesterday with the difference; no data then, a refusal and a dead server are told apart."""
    wanted = PanelEvidence("error_ratio", Threshold())
    parts = BatchResult({"error_ratio": [Sample((), 0.4)]})
    assert evaluate_item(wanted, before=reading(parts)).before == "0.40 % (now +7.44)"
    assert evaluate_item(wanted, before=reading(BatchResult({"error_ratio": []}))).before == "no data then"
    assert (
        "too many samples"
        in evaluate_item(
            wanted, before=reading(BatchResult({}, {"error_ratio": Fault(FaultKind.REJECTED, "too many samples")}))
        ).before
    )
    assert evaluate_item(wanted, before=reading(DOWN)).before.startswith("not known: Prometheus is not there")
    assert evaluate_item(PanelEvidence("workloads", Threshold())).before.startswith("not known: the cluster has no history")


def test_a_query_has_value_yesterday_and_trend_from_one_answer() -> None:
    """The last of its hourly points is now, the first yesterday; a series that ended has no value now."""
    spec = PanelSpec("q", "Q", Unit.COUNT, group_by="pod", raw="q", threshold=Threshold(warn=5))
    points = tuple((NOW - 3600.0 * back, float(24 - back)) for back in range(24, -1, -1))
    ended = tuple((NOW - 3600.0 * back, 99.0) for back in range(24, 10, -1))
    tracks = (Series((("pod", "a"),), points), Series((("pod", "gone"),), ended))
    found = evaluate_item(QueryEvidence(spec, Threshold()), series=reading(BatchResult({"q": list(tracks)})))
    assert (found.verdict, found.value, found.before) == (Verdict.WARN, 24.0, "99 (now -75)")
    assert found.reason.startswith("a: ") and len(found.trend) == 25
    assert evaluate_item(QueryEvidence(spec, Threshold()), series=reading(BatchResult({"q": []}))).verdict is Verdict.NO_DATA
    assert evaluate_item(QueryEvidence(spec, Threshold()), series=reading(DOWN)).verdict is Verdict.NO_DATA


def test_kpis_are_as_good_as_the_worst_and_tell_since_midnight() -> None:
    """Each has its own objective; one that is not known makes the whole not known, unless another is worse."""
    good, bad = SPECS["error_ratio"], replace(SPECS["provider_health"], group_by="")
    found = BatchResult({good.id: [Series((), ((local_midnight(NOW), 0.1), (NOW, 0.3)))], bad.id: []})
    figures = evaluate_item(KpisEvidence((good.id, bad.id), (good, bad)), figures=reading(found))
    assert (figures.verdict, figures.value_text) == (Verdict.NO_DATA, "1 of 2 within their objective")
    assert figures.details[0].text == "Error ratio  0.30 %  (under 1 %, critical from 5 %); at midnight 0.10 % (now +0.20)"
    assert figures.details[1].verdict is Verdict.NO_DATA
    assert evaluate_item(KpisEvidence((good.id,), (good,)), figures=reading(DOWN)).verdict is Verdict.NO_DATA


# Alerts


def window(*records: AlertHistory, gaps: tuple[FiringInterval, ...] = ()) -> PollResult[Any]:
    return reading(AlertWindow(NOW - 50_000, NOW, 60.0, records, gaps, ((NOW - 86_400, 2.0), (NOW, 0.0))))


def record(name: str, severity: str, *spells: tuple[float, float], now: bool = False, **labels: str) -> AlertHistory:
    pairs = tuple(sorted({"alertname": name, "severity": severity, **labels}.items()))
    times = tuple(FiringInterval(NOW - start, NOW - end) for start, end in spells)
    return AlertHistory(pairs, times, sum(item.ends_at - item.starts_at for item in times), now)


def test_what_fires_is_told_with_its_provider_and_owner() -> None:
    """Prometheus' record and Alertmanager's alert are one line: since when, how often, how long, whose."""
    firing = tracked("ProviderTimeout", "warning", component="ocr", minutes=4, owner="ann", provider="deepseek")
    past = record("ProviderTimeout", "warning", (9000, 8000), (240, 0), now=True, component="ocr", provider="deepseek")
    found = evaluate_item(AlertsEvidence(), shown=snapshot(alerts=(firing,)), alerts=window(past))
    assert found.verdict is Verdict.WARN and found.value == 1.0
    assert found.reason == "P3 ProviderTimeout deepseek firing"
    assert found.details[0].text == "P3 ProviderTimeout deepseek  firing for 4m, 2 times, 20m40s in total, owner ann"
    assert (found.before, found.value_text) == ("2 firing", "1 firing") and found.limit.startswith("nothing firing since ")
    assert [(place.kind, place.subject) for place in found.targets] == [
        ("alert", "fp-ProviderTimeout-deepseek"), ("runbook", "triage"), ("screen", "alerts"),
    ]  # fmt: skip


def inhibited(shown: TrackedAlert) -> TrackedAlert:
    return replace(shown, alert=replace(shown.alert, inhibited_by=("fp-other",)))


def test_what_another_alert_inhibits_is_not_called_silenced() -> None:
    """Nobody silenced it: the sentence says inhibited, and silenced only where a person did that too."""
    hidden = inhibited(tracked("A", "critical", state=AlertState.SUPPRESSED))
    (night,) = summarize_alerts(None, (hidden,))
    assert night.brief == "P1 A inhibited" and "inhibited, firing" in night.sentence(NOW)
    (night,) = summarize_alerts(None, (replace(hidden, alert=replace(hidden.alert, silenced_by=("s1",))),))
    assert night.brief == "P1 A silenced"


def test_a_severity_that_nobody_knows_is_told() -> None:
    """Its sentence says so, until the configuration says what the word means."""
    shown = tracked("A", "gold")
    (night,) = summarize_alerts(None, (shown,))
    assert night.brief.startswith("P2 A") and "severity unknown" in night.sentence(NOW)
    (night,) = summarize_alerts(None, (shown,), severities=Severities((("gold", Priority.P4),)))
    assert night.brief.startswith("P4 A") and "unknown" not in night.sentence(NOW)


@pytest.mark.parametrize(
    ("records", "shown", "verdict", "told"),
    [
        ((), (), Verdict.OK, "none"),
        ((record("A", "warning", (9000, 8000)),), (), Verdict.OK, "1 resolved"),
        ((record("A", "critical", (9000, 8000)),), (), Verdict.WARN, "1 resolved"),
        ((record("A", "info", (90, 80), (70, 60), (50, 40)),), (), Verdict.WARN, "1 resolved · 1 flapping"),
        ((), (tracked("A", "critical"),), Verdict.CRITICAL, "1 firing"),
        ((), (tracked("A", "critical", state=AlertState.SUPPRESSED),), Verdict.OK, "1 silenced"),
        ((), (inhibited(tracked("A", "critical", state=AlertState.SUPPRESSED)),), Verdict.OK, "1 inhibited"),
        ((), (tracked("A", "critical", state=AlertState.PENDING),), Verdict.OK, "none"),
        ((), (tracked("A", "warning", state=AlertState.UNDELIVERED),), Verdict.WARN, "1 firing"),
    ],
)
def test_the_verdict_on_a_night(records: Any, shown: Any, verdict: Verdict, told: str) -> None:
    """What fires unsilenced counts, what flapped and a P1 that is over warn; the rest is only told."""
    found = evaluate_item(AlertsEvidence(), shown=snapshot(alerts=shown), alerts=window(*records))
    assert (found.verdict, found.value_text) == (verdict, told)


@pytest.mark.parametrize(
    ("answer", "shown", "why"),
    [
        (reading(DOWN), CALM, "what fired and resolved before is not known: Prometheus is not there"),
        (None, CALM, "what fired before: fetching"),
        (window(gaps=(FiringInterval(NOW - 30_000, NOW - 20_000),)), CALM, "Prometheus has no data for 2h46m of it"),
        (window(), snapshot(alerts=(), alerts_known=False), "what fires now is not known"),
        (window(), snapshot(alerts=(), delivery_doubt="Watchdog does not reach Alertmanager"), "Watchdog does not reach"),
        (
            window(),
            snapshot(alerts=(), sources=(SourceState("alertmanager", Health.DOWN, last_good_at=NOW - 60, fault=DOWN),)),
            "Alertmanager last answered 1m ago",
        ),
    ],
)
def test_a_night_that_nobody_watched_is_not_fine(answer: Any, shown: Snapshot, why: str) -> None:
    """Either server silent, or Prometheus down for a part of it: not known, and why; a restart of a minute does not matter."""
    found = evaluate_item(AlertsEvidence(), shown=shown, **({"alerts": answer} if answer else {}))
    assert found.verdict is Verdict.NO_DATA and why in found.reason
    assert evaluate_item(AlertsEvidence(), alerts=window(gaps=(FiringInterval(NOW - 100, NOW - 40),))).verdict is Verdict.OK


def test_what_is_known_to_be_wrong_comes_before_what_is_not_known() -> None:
    """A P1 that fires is critical also while Prometheus is down, and both are told."""
    found = evaluate_item(AlertsEvidence(), shown=snapshot(alerts=alerts()[:1]), alerts=reading(DOWN))
    assert found.verdict is Verdict.CRITICAL
    assert "Prometheus is not there" in found.reason and "P1 HighErrorRate" in found.reason


# Kubernetes, incidents, maintenance, questions


def cron(name: str, **facts: Any) -> BatchJob:
    return BatchJob("CronJob", name, **{"created_at": NOW - 9e6, "succeeded_at": NOW - 3600.0, **facts})


@pytest.mark.parametrize(
    ("jobs", "verdict", "told"),
    [
        ((cron("nightly-backup"),), Verdict.OK, "succeeded 1h ago"),
        ((cron("backup", succeeded_at=NOW - 100_000),), Verdict.CRITICAL, "succeeded 1d3h ago"),
        ((cron("backup", suspended=True),), Verdict.WARN, "suspended"),
        ((cron("backup", succeeded_at=0.0),), Verdict.CRITICAL, "never succeeded"),
        ((cron("backup", succeeded_at=0.0, created_at=NOW - 60),), Verdict.NO_DATA, "never succeeded"),
        ((cron("backup-a"), cron("backup-b", succeeded_at=1.0)), Verdict.CRITICAL, "backup-b"),
        ((cron("report"),), Verdict.NO_DATA, "no CronJob *backup* in cad-ml-platform; there is report"),
        ((), Verdict.NO_DATA, "there is none at all"),
        (DOWN, Verdict.NO_DATA, "Prometheus is not there"),
    ],
)  # fmt: skip
def test_the_last_success_of_a_cron_job(jobs: Any, verdict: Verdict, told: str) -> None:
    """Too old, suspended, never, the worst of several; none of that name, or no answer, is not known."""
    found = evaluate_item(BatchEvidence("CronJob", "*backup*", 93_600.0), batch=reading(jobs))
    assert found.verdict is verdict and told in found.reason


@pytest.mark.parametrize(("ahead", "verdict"), [(0.0, Verdict.OK), (7200.0, Verdict.CRITICAL)])
def test_the_age_of_a_success_is_by_the_clock_of_the_cluster(ahead: float, verdict: Verdict) -> None:
    """A clock of this machine that is two hours behind does not hide that the backup is late."""
    assert CALM.cluster is not None
    shown = replace(CALM, cluster=replace(CALM.cluster, ahead_seconds=ahead))
    late = reading((cron("backup", succeeded_at=NOW - 90_000),))
    assert evaluate_item(BatchEvidence("CronJob", "backup", 93_600.0), shown=shown, batch=late).verdict is verdict


def test_the_newest_run_of_a_job_counts() -> None:
    """Old failures do not matter once one succeeded; a failure after it warns; only failures are critical."""
    wanted = BatchEvidence("Job", "dump-*", 93_600.0)
    failed = BatchJob("Job", "dump-1", created_at=NOW - 9000, failed=True, reason="BackoffLimitExceeded")
    done = BatchJob("Job", "dump-2", created_at=NOW - 5000, succeeded_at=NOW - 4000)
    again = replace(failed, name="dump-3", created_at=NOW - 1000)
    assert evaluate_item(wanted, batch=reading((failed, done))).verdict is Verdict.OK
    late = evaluate_item(wanted, batch=reading((failed, done, again)))
    assert late.verdict is Verdict.WARN and "dump-3 failed (BackoffLimitExceeded)" in late.reason
    assert evaluate_item(wanted, batch=reading((failed,))).verdict is Verdict.CRITICAL


def test_guarded_changes_are_listed_by_how_they_ended() -> None:
    """Kept ones are fine, one rolled back warns, a failed roll-back is critical; yesterday's, an open one, and no journal."""

    def at(*results: tuple[str, float]) -> Snapshot:
        start = GuardStarted("scale", "deployment/web", title="Scale deployment/web")
        made = [GuardRecord(f"g{at}", "ann", NOW - at, start, "", result=result, text=f"{result}: so", ended_at=NOW - at)
                for result, at in results]  # fmt: skip
        opened = (replace(made[0], id="open", result="", ended_at=None, verdict="ok", text="Error ratio 0.30 %"),)
        return replace(CALM, ledger=replace(CALM.ledger, guards=Guards(opened, tuple(made))))

    day = GuardsEvidence(86_400.0)
    kept = evaluate_item(day, shown=at(("kept", 60), ("kept", 86_400), ("rollback failed", 86_401)))
    assert (kept.verdict, kept.value_text) == (Verdict.OK, "2 kept, 1 watched now")
    back = evaluate_item(day, shown=at(("rolled back", 60), ("kept", 30)))
    assert (back.verdict, back.value_text) == (Verdict.WARN, "1 rolled back, 1 kept, 1 watched now")
    assert back.reason.endswith("Scale deployment/web: rolled back: so") and len(back.details) == 3
    assert evaluate_item(day, shown=at(("rollback failed", 60), ("kept", 30))).verdict is Verdict.CRITICAL
    assert evaluate_item(day, shown=at(("of a newer console", 60))).verdict is Verdict.NO_DATA
    assert evaluate_item(day).value_text == "no guarded change"
    assert evaluate_item(day, incidents=None).verdict is Verdict.NO_DATA


@pytest.mark.parametrize(
    ("said", "unguarded", "verdict", "text", "reason"),
    [
        ("ok", (), Verdict.OK, "1 kept, 2 watched now", "ok, Error ratio"),
        ("worse", (), Verdict.WARN, "1 kept, 2 watched now", "worse, Error ratio"),
        ("unknown", (), Verdict.NO_DATA, "1 kept, 2 watched now", "unknown, Error ratio"),
        ("", (), Verdict.NO_DATA, "1 kept, 2 watched now", "no verdict yet"),
        ("of a newer console", (), Verdict.NO_DATA, "1 kept, 2 watched now", "of a newer console"),
        ("ok", ("g2",), Verdict.CRITICAL, "1 kept, 1 watched now, 1 unguarded", "UNGUARDED, its console has ended"),
    ],
)
def test_an_open_guard_is_as_good_as_its_last_verdict(
    said: str, unguarded: tuple[str, ...], verdict: Verdict, text: str, reason: str
) -> None:
    """A change that nothing watches any more is critical; one that got worse warns, and one without a verdict is not known."""
    start = GuardStarted("scale", "deployment/web", title="Scale deployment/web")
    kept = GuardRecord("g0", "ann", NOW - 90, start, "", result="kept", text="kept: so", ended_at=NOW - 60)
    opened = (
        GuardRecord("g1", "ann", NOW - 60, start, "", verdict="ok", text="Error ratio 0.30 %"),
        GuardRecord("g2", "bob", NOW - 50, start, "", verdict=said, text="Error ratio: so"),
    )
    shown = replace(
        CALM,
        ledger=replace(CALM.ledger, guards=Guards(opened, (kept,))),
        unguarded=tuple(item for item in opened if item.id in unguarded),
    )
    found = evaluate_item(GuardsEvidence(86_400.0), shown=shown)
    assert (found.verdict, found.value_text) == (verdict, text)
    assert len(found.details) == 3 and reason in found.reason


def test_incidents_are_open_or_a_question() -> None:
    """An open one warns and an open P1 is critical; today's ask a person; none is fine, and no journal is not known."""
    opened = Incident("i1", 1, "Errors", Priority.P2, NOW - 600, "ann", roles=((Role.COMMANDER, "ann"),))
    closed = Incident("i2", 2, "Queue", Priority.P3, NOW - 9000, "ann", closed_at=NOW - 8000)
    worst = replace(opened, severity=Priority.P1)
    mended = replace(worst, completions={Step.RESOLVE: StepCompletion(NOW - 60, "ann")})
    found = evaluate_item(IncidentsEvidence(), incidents=Incidents((opened, closed)))
    assert (found.verdict, found.reason) == (Verdict.WARN, "P2 Errors (1), open for 10m, commander ann")
    assert evaluate_item(IncidentsEvidence(), incidents=Incidents((worst,))).verdict is Verdict.CRITICAL
    waiting = evaluate_item(IncidentsEvidence(), incidents=Incidents((mended,)))
    assert waiting.verdict is Verdict.WARN and "not closed" in waiting.reason
    assert evaluate_item(IncidentsEvidence(), incidents=Incidents((closed,))).verdict is Verdict.OK
    today = evaluate_item(IncidentsEvidence(today=True), incidents=Incidents((opened, closed)))
    assert today.verdict is None and len(today.details) == 2 and exit_code((today,)) == 0
    assert evaluate_item(IncidentsEvidence(today=True), incidents=Incidents()).verdict is Verdict.OK
    assert evaluate_item(IncidentsEvidence(), incidents=None).verdict is Verdict.NO_DATA


def test_maintenance_is_what_begins_later() -> None:
    """Silences of the coming days and what the file plans, the next first; silences that nobody could read are not 'none'."""
    later = Silence("s", (Matcher("alertname", "X"),), NOW + 7200, NOW + 9000, "ops", "new disk", "pending")
    far = replace(later, id="f", starts_at=NOW + 9e6, ends_at=NOW + 9.1e6)
    wanted = MaintenanceEvidence(604_800.0, (Planned("Redis", NOW + 3600, NOW + 7200), Planned("over", NOW - 99, NOW - 9)))
    found = evaluate_item(wanted, shown=snapshot(silences=(later, far, *CALM.silences)))
    assert (found.verdict, found.value_text) == (Verdict.OK, "2 planned")
    assert [item.subject for item in found.targets] == ["silences"]
    assert "Redis" in found.details[0].text and "silence X (new disk), ops" in found.details[1].text
    unread = snapshot(sources=(SourceState("alertmanager", Health.DOWN),))
    assert evaluate_item(wanted, shown=unread).verdict is Verdict.NO_DATA


def test_a_question_is_neither_fine_nor_a_failure() -> None:
    """It has no verdict until a person gives one."""
    found = evaluate_item(QuestionEvidence("All well?"))
    assert (found.verdict, found.label, exit_code((found,))) == (None, "ASK", 0)


def test_exit_codes() -> None:
    """What is wrong before what is not known, and both before fine."""
    item = Item("a", "A", "?", QuestionEvidence("?"))
    told = {verdict: ItemResult(item, verdict, "", "") for verdict in (*Verdict, None)}
    assert exit_code((told[Verdict.OK], told[None])) == 0
    assert exit_code((told[Verdict.WARN], told[Verdict.OK])) == exit_code((told[Verdict.CRITICAL], told[Verdict.STALE])) == 1
    assert exit_code((told[Verdict.STALE], told[Verdict.OK])) == exit_code((told[Verdict.NO_DATA],)) == 2


# The daily summary


def test_the_summary_is_put_together_from_the_findings() -> None:
    """Alerts by name with times and total, the budget spent since midnight, silences in force, what was rolled out."""
    budget = SPECS["error_budget"]
    checklist = Checklist(
        "eod",
        "Eod",
        (Item("a", "A", "?", AlertsEvidence()), Item("k", "K", "?", KpisEvidence(("error_budget",), (budget,)))),
        summary=True,
    )
    night = window(
        record("Slow", "warning", (9000, 8000), (500, 400), provider="x"),
        record("Slow", "warning", (100, 0), provider="y", now=True),
    )
    figures = reading(BatchResult({"error_budget": [Series((), ((local_midnight(NOW), 61.5), (NOW, 60.25)))]}))
    facts = EvaluationInput(CALM, CollectedEvidence(NOW, alerts={"a": night}, figures={"k": figures}), NOW, Incidents())
    told = {
        item.title: [line.text for line in item.lines] or [item.empty]
        for item in build_summary(checklist, evaluate(checklist, facts), facts)
    }
    assert told["Error budget spent today"] == ["1.25 points: 61.50 % left at midnight, 60.25 % left now"]
    assert told["Alerts of the day"] == [
        "Slow (x, y)  3 times, 20m in total, firing in Prometheus, not listed",
        "False positives, estimated  1 of 2 (50 %) resolved within 5m",
    ]
    assert told["Rolled out and scaled today"] == ["13:58 UTC  cad-ml-api 41→42 image 1.8.2→1.9.0, ci"]
    assert told["Silences in force"][0].startswith('alertname="CacheHitRateLow"  until 16:03 UTC (2h), by ops@example.com')
    assert told["Backup"] == ["not part of the checklist"]


def test_a_summary_without_answers_says_so() -> None:
    """With no source that told anything, no section claims that there was nothing."""
    bare = replace(CALM, cluster=None, silences=(), changes=(), sources=())
    checklist = Checklist("eod", "Eod", (Item("a", "A", "?", AlertsEvidence()),), summary=True)
    facts = EvaluationInput(bare, CollectedEvidence(NOW, alerts={"a": reading(DOWN)}), NOW, None)
    sections = build_summary(checklist, evaluate(checklist, facts), facts)
    unanswered = [section for section in sections if section.title not in ("Actions of the day", "Key figures")]
    assert unanswered and not any(section.known for section in unanswered), unanswered
