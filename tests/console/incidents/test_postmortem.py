"""The review of an incident: every row of its tables, what stays unknown, and where a target was missed."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from console.incidents.correlation import Correlation
from console.incidents.impact import Impact
from console.incidents.postmortem import LogNews, Postmortem, as_json, as_markdown, metric_rows
from console.incidents.severity_policy import load_severity_policies
from console.logs.pattern_report import PatternReport
from console.logs.patterns import PatternMiner, Span, compare_patterns
from console.state.incident import (
    Delivery,
    DeliveryState,
    FollowUp,
    Incident,
    LinkedAlert,
    Role,
    Source,
    Step,
    StepCompletion,
    TimelineEntry,
    Update,
)
from console.state.incident_metrics import IncidentMetrics
from queries.model.change import Change
from queries.model.log import LogLine
from queries.model.severity import Priority
from queries.text.durations import format_span

T = 1_767_276_000.0  # 2026-01-01 14:00:00Z
POLICY = load_severity_policies().for_severity(Priority.P1)
METRICS = IncidentMetrics(((Priority.P1, 2), (Priority.P2, 1)), 1, 2, 0, 90.0, None)


def entry(at: float, source: Source, author: str, text: str, identity: str, corrects: str = "") -> TimelineEntry:
    return TimelineEntry(at, source, author, text, identity, at, corrects)


ENTRIES = (
    entry(T - 60, Source.ALERTMANAGER, "ann", "HighErrorRate started firing", "e1"),
    entry(T + 30, Source.CONSOLE, "ann", "rolled back cad-ml-api", "e2"),
    entry(T + 40, Source.PERSON, "bob", "Why did the canary not see it?", "e3"),
    entry(T + 50, Source.PERSON, "bob", "Follow-up: widen the canary", "e4"),
    entry(T + 60, Source.PERSON, "ann", "that was cad-ml-api-v2", "e5", corrects="e2"),
    entry(T + 70, Source.PERSON, "ann", "it corrects something cut off", "e6", corrects="e0"),
    entry(T + 80, Source.CONSOLE, "ann", "todo: no person said this?", "e7"),
)
FAILED = Delivery(T + 100, "ann", "chat", DeliveryState.NOT_SENT, "500")
UPDATES = (
    Update(
        "u1", T + 100, "ann", "We look at it.\n\nMore soon.", (Delivery(T + 100, "ann", "chat", DeliveryState.NOT_SENT, "500"),)
    ),
    Update("u2", T + 200, "ann", "Draft."),
)
STEPS = {
    Step.ACKNOWLEDGE: StepCompletion(T + POLICY.acknowledge_seconds, "ann", because="acknowledged the alert"),
    Step.ASSESS: StepCompletion(T + POLICY.assess_seconds + 1, "ann", note="all of OCR"),
    Step.MITIGATE: StepCompletion(T + 1200, "bob"),
}
INCIDENT = Incident(
    "i1",
    7,
    "errors | of <OCR>",
    Priority.P1,
    T,
    "ann",
    environment="prod",
    detected_at=T - 60,
    alerts=(LinkedAlert("f1", "HighErrorRate", T - 60), LinkedAlert("f2", "HighErrorRate"), LinkedAlert("f3", "ProviderDown")),
    targets=("deployment/api",),
    roles=((Role.COMMANDER, "ann"), (Role.SCRIBE, "bob")),
    completions=MappingProxyType(STEPS),
    updates=UPDATES,
    entries=ENTRIES,
)
IMPACT = Impact(T - 90, T + 1800, 12_345.4, 67.0, 1.25, 0.5, 120.0, 30.0, T - 90)
UNKNOWN = Impact(T - 60, T + 1800, why=(("failed", "timeout"), ("requests", "timeout")))
CHANGES = Correlation(
    T - 3660,
    T - 60,
    (
        Change(T - 1200, "config", "configmap/limits", "ConfigMap limits written", "ann"),
        Change(T - 300, "rollout", "deployment/api", "api v2", "helm"),
        Change(T - 200, "scaled", "deployment/render", "render 2→4"),
        Change(T - 100, "restart", "pod/api-1", "api-1 BackOff: restarting"),
        Change(T - 90, "alert", "alert/QueueBacklog", "QueueBacklog started firing"),
    ),
    ("ConfigMaps: not configured",),
)


def report(incident: Incident = INCIDENT, impact: Impact = IMPACT, correlation: Correlation = CHANGES) -> Postmortem:
    return Postmortem(incident, impact, correlation, POLICY, METRICS, T + 1800, "ann@bastion")


def section(text: str, title: str) -> list[str]:
    """The lines below one heading."""
    return text.split(f"## {title}\n\n", 1)[1].split("\n\n## ", 1)[0].strip().splitlines()


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of the table below one heading, without its head."""
    return [line[2:-2].split(" | ") for line in section(text, title) if line.startswith("|")][2:]


def done(incident: Incident, **changes: Any) -> Incident:
    steps = {
        **incident.completions,
        Step.RESOLVE: StepCompletion(T + 1500, "ann"),
        Step.COMMUNICATE: StepCompletion(T + 9, "ann"),
    }
    return replace(incident, completions=MappingProxyType(steps), closed_at=T + 1600, closed_by="carol", **changes)


def test_the_heading_has_number_window_and_escaped_title() -> None:
    """An open incident ends now; a resolved one at its resolution, one that was only closed at its closing."""
    first, second = as_markdown(report()).split("\n\n")[:2]
    assert first == "# P1 incident 7: errors \\| of &lt;OCR&gt;"
    assert second == "prod · id `i1` · 2026-01-01 13:58:30Z to now, still open · report of 2026-01-01 14:30:00Z by ann@bastion"
    assert " to 2026-01-01 14:25:00Z · " in as_markdown(report(done(INCIDENT)))
    assert " to 2026-01-01 14:26:40Z · " in as_markdown(report(replace(INCIDENT, closed_at=T + 1600)))
    assert [report(item).end for item in (INCIDENT, done(INCIDENT), replace(INCIDENT, closed_at=T + 1600))] == [
        T + 1800,
        T + 1500,
        T + 1600,
    ]


def test_the_summary_has_alerts_once_and_the_times_of_the_table() -> None:
    """Two alerts of one name are one; mitigation and resolution count from the same beginning as in the table of times."""
    (text,) = section(as_markdown(report(done(INCIDENT))), "Summary")
    assert text == (
        "It began at 2026-01-01 13:58:30Z. "
        "HighErrorRate, ProviderDown started firing at 2026-01-01 13:59:00Z; ann declared P1 at 2026-01-01 14:00:00Z. "
        "It was mitigated after 21m30s (marked by bob). It was resolved after 26m30s. 67 of 12,345 requests failed. "
        "It used 0.5 % of the 30-day error budget."
    )
    lengths = {row[0]: row[2] for row in rows(as_markdown(report(done(INCIDENT))), "Times")}
    assert (lengths["mitigate"], lengths["resolve"]) == ("21m30s", "26m30s")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "It is not mitigated yet."),
        ({"closed_at": T + 5}, "No mitigation is recorded."),
        ({"completions": MappingProxyType({Step.RESOLVE: StepCompletion(T + 5, "ann")})}, "No mitigation is recorded."),
    ],
)
def test_the_summary_claims_no_mitigation_and_no_figures(changes: dict[str, Any], words: str) -> None:
    """Without a mitigation it says whether one can still come; without figures it says that they are unknown."""
    incident = replace(INCIDENT, **{"completions": MappingProxyType({}), "alerts": (), **changes})
    (text,) = section(as_markdown(report(incident, UNKNOWN)), "Summary")
    assert text.startswith(
        "It began at 2026-01-01 13:59:00Z. People noticed it without an alert; ann declared P1 at 2026-01-01 14:00:00Z. "
    )
    assert words in text and "It is unknown how many requests failed." in text
    assert ("It was resolved after 1m5s." in text) is (incident.resolved_at is not None)


def test_every_figure_has_its_value_and_source() -> None:
    """What Prometheus computed, to three digits, and where the window begins."""
    assert rows(as_markdown(report()), "Impact") == [
        [
            "window",
            "2026-01-01 13:58:30Z to 2026-01-01 14:30:00Z (31m30s)",
            "the error ratio was over 0.1 % from then on",
        ],
        ["requests", "12,345", "Prometheus, OCR and Vision"],
        ["requests failed", "67", "Prometheus, including requests that an open circuit breaker rejected"],
        ["slower than 2 s", "1.25 %", "Prometheus, share of the timed requests"],
        ["error budget spent", "0.5 %", "of what 99.9 % allows in 30 days"],
        ["time outside the SLO", "2m", "error ratio over 0.1 % in that window, not counting 30s without a value"],
    ]


def test_what_is_unknown_says_why_in_table_and_questions() -> None:
    """A figure that nobody computed is 'unknown' with its reason, never a zero."""
    text = as_markdown(report(impact=UNKNOWN))
    found = rows(text, "Impact")
    assert [row[1] for row in found[1:]] == ["unknown"] * 5
    assert found[0][2] == "the first alert, or the declaration"
    assert [row[2] for row in found[1:3]] == ["timeout", "timeout"]
    questions = section(text, "Open questions")
    assert "- The number of failed requests is unknown: timeout" in questions
    assert "- The number of requests is unknown: timeout" in questions
    assert not any("there was no error ratio" in line for line in questions)


def test_steps_have_time_target_and_who_and_late_begins_after_the_target() -> None:
    """Done exactly at its target a step is in time, a second later it is late; spans count from when the ratio went bad."""
    acknowledge, assess = POLICY.acknowledge_seconds, POLICY.assess_seconds
    assert (acknowledge, assess) == (300.0, 600.0)
    source = "journal"
    assert rows(as_markdown(report(done(INCIDENT))), "Times") == [
        ["began", "2026-01-01 13:58:30Z", "0s", "", "", "Prometheus: the error ratio went over 0.1 %"],
        ["detected", "2026-01-01 13:59:00Z", "30s", "", "", "the start of the first alert: HighErrorRate"],
        ["declared", "2026-01-01 14:00:00Z", "1m30s", "", "ann", source],
        ["acknowledge", "2026-01-01 14:05:00Z", "6m30s", "5m", "ann", "journal: acknowledged the alert"],
        ["assess", "2026-01-01 14:10:01Z", "11m31s", "10m, LATE", "ann", "journal: all of OCR"],
        ["communicate", "2026-01-01 14:00:09Z", "1m39s", "15m", "ann", source],
        ["response", "2026-01-01 14:10:01Z", "11m31s", "15m", "", "the last of acknowledge, assess, communicate"],
        ["mitigate", "2026-01-01 14:20:00Z", "21m30s", "30m", "bob", source],
        ["resolve", "2026-01-01 14:25:00Z", "26m30s", "", "ann", source],
        ["review", "not done", "", "", "", ""],
        ["closed", "2026-01-01 14:26:40Z", "28m10s", "", "carol", source],
    ]
    older = replace(INCIDENT, alerts=(*INCIDENT.alerts, LinkedAlert("f4", "SlowDisk", T - 600)))
    assert rows(as_markdown(report(older)), "Times")[1][-1] == "the start of the first alert: HighErrorRate", "linked later"
    slow = Postmortem(done(INCIDENT), IMPACT, CHANGES, replace(POLICY, response_seconds=600.0), METRICS, T + 1800)
    assert next(row for row in rows(as_markdown(slow), "Times") if row[0] == "response")[3] == "10m, LATE"
    bare = rows(as_markdown(report(replace(INCIDENT, detected_at=None), UNKNOWN)), "Times")
    assert bare[0] == ["declared", "2026-01-01 14:00:00Z", "0s", "", "ann", source]
    assert ["communicate", "not done", "", "15m", "", ""] in bare and bare[-1][0] == "review"
    assert ["response", "not complete", "", "15m", "", ""] in bare
    said = rows(as_markdown(report(replace(INCIDENT, since=T - 600), UNKNOWN)), "Times")
    assert said[0] == ["began", "2026-01-01 13:50:00Z", "0s", "", "ann", "stated at the declaration"]


def test_people_changes_actions_and_timeline() -> None:
    """A role that nobody has says so; a symptom is no change, and the nearest change of its own workload is first; the timeline
    has everything, each entry with its author first, actions only what the console did."""
    text = as_markdown(report())
    people = dict(rows(text, "People"))  # type: ignore[arg-type]
    assert (people["commander"], people["scribe"]) == ("ann", "bob")
    assert set(people.values()) == {"ann", "bob", "nobody"}
    assert rows(text, "Contributing changes") == [
        ["1", "4m", "2026-01-01 13:55:00Z", "rollout", "api v2", "helm"],
        ["2", "2m20s", "2026-01-01 13:56:40Z", "scaled", "render 2→4", ""],
        ["3", "19m", "2026-01-01 13:40:00Z", "config", "ConfigMap limits written", "ann"],
    ]
    assert [row[2] for row in rows(text, "Symptoms and other events beforehand")] == [
        "api-1 BackOff: restarting",
        "QueueBacklog started firing",
    ]
    assert section(text, "Contributing changes")[0] == (
        "From 2026-01-01 12:59:00Z to 2026-01-01 13:59:00Z, the hour before it began; changes to its own workloads first, "
        "then the closest in time."
    )
    assert section(text, "Contributing changes")[-1] == "- may be incomplete: ConfigMaps: not configured"
    assert [row[3] for row in rows(text, "What was done")] == ["rolled back cad-ml-api", "todo: no person said this?"]
    timeline = rows(text, "Timeline")
    assert len(timeline) == len(ENTRIES)
    assert timeline[0] == ["seen by ann", "2026-01-01 13:59:00Z", "alertmanager", "HighErrorRate started firing"]
    assert timeline[1][0] == "ann"
    assert timeline[4][3] == "that was cad-ml-api-v2 (corrects 2026-01-01 14:00:30Z)"
    assert timeline[5][3] == "it corrects something cut off"


def test_updates_are_quoted_with_where_they_went() -> None:
    """A failed delivery has its reason; a text that nobody sent says so."""
    assert section(as_markdown(report()), "Updates") == [
        "2026-01-01 14:01:40Z, ann, not sent chat (500):",
        "",
        "> We look at it.",
        ">",
        "> More soon.",
        "",
        "2026-01-01 14:03:20Z, ann, not sent:",
        "",
        "> Draft.",
    ]


def test_questions_and_follow_ups_come_from_people_alone() -> None:
    """A note that ends with a question mark is open, one that starts with 'follow-up:' in any case is listed."""
    text = as_markdown(report())
    assert section(text, "Open questions") == [
        "- The incident is still open.",
        "- The step communicate is not done.",
        "- The step resolve is not done.",
        "- The step review is not done.",
        "- For 30s of the window there was no error ratio.",
        "- The list of changes may be incomplete: ConfigMaps: not configured",
        "- Why did the canary not see it? (bob)",
    ]
    assert rows(text, "Action items") == [["widen the canary (bob)", "nobody", "no date", "open", "a note"]]


def test_action_items_have_an_owner_a_date_and_a_state() -> None:
    """Those that people added come first; what nobody owns says so."""
    items = (
        FollowUp("a", "ann", "a canary for | every rollout", "bob", "2026-01-08"),
        FollowUp("b", "bob", "raise the limit", done=True),
    )
    text = as_markdown(report(replace(INCIDENT, follow_ups=items, entries=())))
    assert rows(text, "Action items") == [
        ["a canary for \\| every rollout", "bob", "2026-01-08", "open", "ann"],
        ["raise the limit", "nobody", "no date", "done", "bob"],
    ]
    found = as_json(report(replace(INCIDENT, follow_ups=items, entries=())))
    assert found["action_items"][0] == {
        "id": "a", "what": "a canary for | every rollout", "owner": "bob", "due": "2026-01-08", "done": False,
    }  # fmt: skip


def test_what_went_well_is_what_the_data_proves() -> None:
    """A detection within five minutes, steps within their targets, updates in time, and the notes of people; nothing late."""
    said = entry(T + 90, Source.PERSON, "bob", "Went well: the runbook fitted", "e8")
    sent = Update("u1", T + 60, "ann", "We look.", (Delivery(T + 100, "ann", "chat", DeliveryState.SENT),))
    early = {**STEPS, Step.MITIGATE: StepCompletion(T - 10, "bob", "Roll back api")}
    shown = replace(INCIDENT, entries=(said,), updates=(sent,), completions=MappingProxyType(early), closed_at=T + 1000)
    assert section(as_markdown(report(shown)), "What went well") == [
        "- An alert detected it 30s after it began.",
        "- acknowledge: done 5m after the declaration, target 5m",
        "- mitigate: done 10s before the declaration",
        "- The update went out on time, 1m40s after the declaration.",
        "- the runbook fitted (bob)",
    ]
    late = replace(shown, entries=(), updates=(), completions=MappingProxyType({}), detected_at=T + 400)
    assert section(as_markdown(report(late, replace(IMPACT, bad_since=T - 90))), "What went well") == [
        "nothing that the console can prove"
    ]


@pytest.mark.parametrize(
    ("bad_since", "line"),
    [
        (T - 360, "An alert detected it 5m after it began."),
        (T - 360.001, None),
        (T - 60, "An alert detected it 0s after it began."),
        (T - 59.9, None),
        (None, None),
    ],
)
def test_an_alert_within_five_minutes_went_well(bad_since: float | None, line: str | None) -> None:
    """Five minutes exactly still; an alert before the ratio was bad detected something else."""
    shown = replace(INCIDENT, completions=MappingProxyType({}), updates=(), entries=())
    said = section(as_markdown(report(shown, replace(IMPACT, bad_since=bad_since))), "What went well")
    assert said == [f"- {line}" if line else "nothing that the console can prove"]


@pytest.mark.parametrize("step", [Step.ACKNOWLEDGE, Step.ASSESS, Step.COMMUNICATE, Step.MITIGATE])
def test_a_step_in_time_went_well_and_none_is_late_and_well(step: Step) -> None:
    """Up to its target, each step against its own; at the moment of the declaration it is not before it."""
    limits = {
        Step.ACKNOWLEDGE: POLICY.acknowledge_seconds,
        Step.ASSESS: POLICY.assess_seconds,
        Step.COMMUNICATE: POLICY.update_every_seconds,
        Step.MITIGATE: POLICY.mitigate_seconds,
    }
    target = format_span(limits[step])
    for after, well in (
        (-1.0, "done 1s before the declaration"),
        (0.0, f"done 0s after the declaration, target {target}"),
        (limits[step], f"done {target} after the declaration, target {target}"),
        (limits[step] + 0.001, None),
    ):
        steps = MappingProxyType({step: StepCompletion(T + after, "ann")})
        text = as_markdown(report(replace(INCIDENT, completions=steps, updates=(), entries=()), UNKNOWN))
        assert section(text, "What went well") == [f"- {step}: {well}" if well else "nothing that the console can prove"]
        row = next(row for row in rows(text, "Times") if row[0] == step.value)
        assert row[3:5] == [target if well else f"{target}, LATE", "ann"]


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        ([900.0], "The update went out on time, 15m after the declaration."),
        ([900.001], None),
        ([600.0, 1500.0], "All 2 updates went out on time, at most 15m apart."),
        ([1500.0, 600.0], "All 2 updates went out on time, at most 15m apart."),
        ([600.0, 1500.001], None),
        ([300.0], None),
        ([], None),
    ],
)
def test_updates_went_well_where_no_gap_is_longer_than_the_policy_allows(sent: list[float], line: str | None) -> None:
    """The first gap counts from the declaration, the others from the update before, in the order in which they went out; the
    last one up to the end of the incident, when no update was due any more.
    """
    assert POLICY.update_every_seconds == 900.0
    updates = [
        Update(f"u{at}", T, "ann", "We look.", (Delivery(T + at, "ann", "chat", DeliveryState.SENT),)) for at in sent
    ] + [Update("draft", T + 1, "ann", "x"), Update("failed", T + 2, "ann", "x", (FAILED,))]
    shown = replace(INCIDENT, completions=MappingProxyType({}), updates=tuple(updates), entries=())
    text = as_markdown(report(shown, UNKNOWN))
    assert section(text, "What went well") == [f"- {line}" if line else "nothing that the console can prove"]


def test_nothing_says_none() -> None:
    """Sections without content say so; a closed incident with all steps leaves no question."""
    steps = MappingProxyType({step: StepCompletion(T + 1, "ann") for step in Step})
    bare = replace(INCIDENT, completions=steps, entries=(), updates=(), closed_at=T + 2)
    calm = replace(IMPACT, unseen_seconds=0.0)
    text = as_markdown(report(bare, calm, replace(CHANGES, changes=(), faults=())))
    assert section(text, "Open questions") == ["none that the console knows about"]
    assert section(text, "Action items") == ["None yet: cad-console incident follow-up adds one, with its owner and date."]
    assert [section(text, name) for name in ("What was done", "Timeline", "Updates")] == [["None."]] * 3
    assert section(text, "Contributing changes")[-1] == "None that the console could see."
    assert rows(text, "Impact")[-1][2] == "error ratio over 0.1 % in that window"


def test_means_without_a_sample_are_not_known() -> None:
    """Counts by severity; a mean says of how many."""
    assert metric_rows(METRICS) == [
        ("incidents", "P1 2, P2 1; 1 open"),
        ("MTTA", "1m30s (of 2 acknowledged)"),
        ("MTTR", "not known: none mitigated or resolved"),
    ]


def test_the_published_json() -> None:
    """Every field, as `incident report --format json` prints it; times are RFC 3339 with milliseconds, unknown is null."""
    found = json.loads(json.dumps(as_json(report(impact=replace(IMPACT, why=(("budget_percent", "timeout"),))))))
    assert found["times"] == {
        "detected_at": "2026-01-01T13:59:00.000Z",
        "began_at": "2026-01-01T13:58:30.000Z",
        "declared_at": "2026-01-01T14:00:00.000Z",
        "responded_at": None,
        "closed_at": None,
    }
    assert found["author"] == "ann@bastion"
    assert (found["steps"]["assess"], found["steps"]["resolve"]) == ("2026-01-01T14:10:01.000Z", None)
    assert found["window"] == {"start": "2026-01-01T13:58:30.000Z", "end": "2026-01-01T14:30:00.000Z", "seconds": 1890.0}
    assert found["impact"] == {
        "requests": 12_345.4,
        "failed": 67.0,
        "slow_percent": 1.25,
        "budget_percent": 0.5,
        "outside_slo_seconds": 120.0,
        "unseen_seconds": 30.0,
        "unknown": {"budget_percent": "timeout"},
    }
    assert found["changes"][0] == {"at": "2026-01-01T13:55:00.000Z", "kind": "rollout", "text": "api v2", "author": "helm"}
    assert [item["kind"] for item in found["changes"]] == ["rollout", "scaled", "config"]
    assert [item["kind"] for item in found["symptoms"]] == ["restart", "alert"]
    assert found["not_asked"] == ["ConfigMaps: not configured"]
    assert found["timeline"][4] == {
        "at": "2026-01-01T14:01:00.000Z",
        "source": "person",
        "author": "ann",
        "text": "that was cad-ml-api-v2",
        "corrects": "e2",
    }
    assert found["follow_ups"] == ["widen the canary (bob)"]
    assert found["went_well"][0] == "An alert detected it 30s after it began."
    assert found["open_questions"][0] == "The incident is still open." and len(found["timeline"]) == len(ENTRIES)
    assert [found[key] for key in ("schema", "incident", "number", "title", "severity", "environment")] == [
        1,
        "i1",
        7,
        "errors | of <OCR>",
        "P1",
        "prod",
    ]


def test_what_was_new_in_the_log() -> None:
    """With a line of it, as text; unknown, and an open question, where the server did not answer; nothing without Loki."""
    miner = PatternMiner()
    miner.add(LogLine(at * 10**9, at, "pod-a", f"INFO served {at}") for at in range(20))
    miner.add(LogLine(at * 10**9, at, "pod-b", f"ERROR \x1b[2J<b>broken {at}") for at in range(10, 15))
    miner.sort()
    spans = {"before": Span(0, 10 * 10**9), "after": Span(10 * 10**9, 20 * 10**9)}
    found = PatternReport(compare_patterns(miner.patterns, **spans), **spans, lines=25)
    told = replace(report(), log_news=LogNews("deployment/cad-ml-api", T, found))
    text = as_markdown(told)
    assert "## New in the log" in text and "new, 5 lines of 1 pod" in text
    assert "\x1b" not in text and "<b>" not in text
    assert [item["after"] for item in as_json(told)["log"]["changes"]] == [5]
    unknown = replace(told, log_news=LogNews("deployment/cad-ml-api", T, fault="504 the server timed out"))
    assert "unknown. 504 the server timed out" in as_markdown(unknown)
    assert any("504" in question for question in as_json(unknown)["open_questions"])
    assert "New in the log" not in as_markdown(report()) and as_json(report())["log"] is None


def test_without_lines_from_before_what_is_new_in_the_log_is_unknown() -> None:
    """The JSON has no count then, but the reason, which is an open question; so is that only a part was compared."""
    miner = PatternMiner()
    miner.add(LogLine(at * 10**9, at, "pod-a", f"INFO served {at}") for at in range(10, 20))
    miner.sort()
    spans = {"before": Span(0, 10 * 10**9), "after": Span(10 * 10**9, 20 * 10**9)}
    note = "Loki has no lines of it in the 15m before: what is new is unknown"
    found = PatternReport(compare_patterns(miner.patterns, **spans), **spans, lines=10, note=note)
    shown = replace(report(), log_news=LogNews("deployment/cad-ml-api", T, found))
    log = as_json(shown)["log"]
    assert (log["unknown"], log["changed_patterns"], log["changes"]) == (note, None, [])
    assert f"The log of deployment/cad-ml-api: {note}" in as_json(shown)["open_questions"]
    bare = replace(shown, log_news=LogNews("deployment/cad-ml-api", T, replace(found, note="")))
    assert "no earlier lines to compare with" in as_json(bare)["log"][
        "unknown"
    ] and "no earlier lines to compare with" in as_markdown(bare)
    miner.add(LogLine(at * 10**9, at, "pod-a", f"INFO served {at}") for at in range(10))
    miner.sort()
    partial = replace(found, changes=compare_patterns(miner.patterns, **spans), note="before: only 4m of 15m were compared")
    shown = replace(report(), log_news=LogNews("deployment/cad-ml-api", T, partial))
    log = as_json(shown)["log"]
    assert (log["unknown"], log["changed_patterns"], log["note"]) == (None, 0, partial.note)
    assert f"The log of deployment/cad-ml-api: {partial.note}" in as_json(shown)["open_questions"]
