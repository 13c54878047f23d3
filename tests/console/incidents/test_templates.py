"""Updates filled from live data: true words for every phase, nothing fine that is not known, and clear errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from screen_samples import HOSTILE, NOW, snapshot

from console.incidents.declaration import declaration
from console.incidents.severity_policy import load_severity_policies
from console.incidents.templates import (
    CHAT,
    STATUS_PAGE,
    VARIABLES,
    TemplateError,
    Templates,
    describe_symptoms,
    impact_sentence,
    name_service,
    template_variables,
)
from console.journal.payloads import create_event
from console.state.incident import Incident, Incidents, LinkedAlert, Source, TimelineEntry
from console.state.incident_projection import IncidentsProjection
from console.state.public_status import PublicStatus
from console.state.snapshot import Snapshot
from queries.model.alert import Priority
from queries.model.source import Health
from queries.model.verdict import Verdict

RESPONSE = load_severity_policies().for_severity(Priority.P1)


def incident(title: str = "") -> Incident:
    shown = snapshot()
    payload = declaration(shown, title=title, alerts=(shown.alerts[0],), commander="ann")
    return (
        IncidentsProjection()
        .apply(Incidents(), create_event(payload, at=NOW, subject="i1", author="ann", environment="production"))
        .all[0]
    )


def panel(shown: Snapshot, **changes: object) -> Snapshot:
    panels = (replace(item, **changes) if item.spec.id == "error_ratio" else item for item in shown.panels)  # type: ignore[arg-type]
    return replace(shown, panels=tuple(panels))


def test_every_text_can_be_filled() -> None:
    """Each audience in each phase, with every variable that there is; no $ is left, and times name their zone."""
    templates = Templates.load()
    assert set(templates.audiences) == {STATUS_PAGE, CHAT}
    facts = template_variables(incident(), snapshot(), RESPONSE, now=NOW + 60)
    assert set(facts) == set(VARIABLES)
    for audience in templates.audiences:
        for when in PublicStatus:
            told = templates.fill(audience, facts, when)
            assert "$" not in told
            assert "UTC" in told


def test_a_status_page_says_what_people_outside_need() -> None:
    """Which service, since when, what they notice, when more comes; no alert, no host, no person, no title for the team."""
    told = Templates.load().fill(
        STATUS_PAGE, template_variables(incident(), snapshot(), RESPONSE, now=NOW + 60), PublicStatus.INVESTIGATING
    )
    assert told.startswith("Problem with the CAD ML platform\n\nSince 14:01 UTC: ")
    assert "About 7.8 % of all requests fail." in told
    assert "Next update by 14:19 UTC." in told
    assert "ann" not in told
    assert "HighErrorRate" not in told and "P1" not in told


def test_the_last_action_of_a_console_is_named() -> None:
    """The newest of two, whatever people and sources said after it; without one it says so."""

    def entry(at: float, source: Source, text: str) -> TimelineEntry:
        return TimelineEntry(NOW + at, source, "ann", text, f"e{at:g}", NOW + at)

    entries = (
        entry(1, Source.CONSOLE, "Roll back api: done"),
        entry(2, Source.CONSOLE, "Scale ocr: done"),
        entry(3, Source.PERSON, "it helped"),
        entry(4, Source.ALERTMANAGER, "HighErrorRate resolved"),
    )

    def last(*given: TimelineEntry) -> str:
        return template_variables(replace(incident(), entries=given), snapshot(), RESPONSE, now=NOW + 60)["last"]

    assert (last(*entries), last(entries[0])) == ("Scale ocr: done", "Roll back api: done")
    assert last(*entries[2:]) == last() == "no action from a console yet"


def test_the_next_update_is_promised_only_while_one_is_due() -> None:
    """This update moves the next one: it counts from now; a closed incident has none, and its length ends with it."""
    shown = template_variables(incident(), snapshot(), RESPONSE, now=NOW + 60)
    assert shown["next_update"] != "-"
    began = incident().began_at
    over = template_variables(replace(incident(), closed_at=began + 600), snapshot(), RESPONSE, now=began + 9000)
    assert (over["next_update"], over["duration"]) == ("-", "10m")
    still = template_variables(incident(), snapshot(), RESPONSE, now=began + 9000)
    assert still["duration"] == "2h30m"


def test_the_service_has_the_name_that_people_outside_use() -> None:
    """From the components of its alerts: the config's name, else ours, else the platform; two are both named."""
    labels = [(("component", name),) for name in ("ocr", "ocr", "render", "vision")]
    linked = tuple(LinkedAlert(str(at), "A", labels=pairs) for at, pairs in enumerate(labels))
    shown = replace(incident(), alerts=linked)
    own = {"render": "PDF export", "ocr": "Reading drawings"}
    assert name_service(shown, own) == "Reading drawings and PDF export and drawing analysis (Vision)"
    assert name_service(shown, {}) == "text recognition (OCR) and drawing analysis (Vision)"
    assert name_service(replace(shown, alerts=linked[2:3]), {}) == "the CAD ML platform"


def test_people_outside_read_what_they_notice() -> None:
    """Slow answers and waiting jobs only while their panels are over a threshold."""
    bad = {"p95_latency": 4.25, "queue_depth": 900.0}
    panels = tuple(
        replace(item, verdict=Verdict.WARN, value=bad[item.spec.id]) if item.spec.id in bad else item
        for item in snapshot().panels
    )
    assert describe_symptoms(replace(snapshot(), panels=panels)) == (
        "About 7.8 % of all requests fail. Responses are slow: one request in twenty takes longer than 4.2 s. "
        "New jobs wait longer than usual before they start."
    )
    assert describe_symptoms(snapshot()) == "About 7.8 % of all requests fail."
    assert describe_symptoms(None) == "It is not known how many requests are affected."


def test_chat_has_the_details() -> None:
    """Alerts with their state now, panels with their values, who leads."""
    told = Templates.load().fill(
        CHAT, template_variables(incident(), snapshot(), RESPONSE, now=NOW + 60), PublicStatus.MONITORING
    )
    assert "Alerts: HighErrorRate firing" in told
    assert "Panels: Error ratio CRIT 7.84 %" in told
    assert "Commander: ann" in told


@pytest.mark.parametrize("verdict", [Verdict.NO_DATA, Verdict.STALE])
def test_what_is_not_known_is_said(verdict: Verdict) -> None:
    """Without a present error ratio, without alerts, without a snapshot: never 'all is well'."""
    unknown = "It is not known how many requests are affected."
    value = None if verdict is Verdict.NO_DATA else 0.1
    assert impact_sentence(panel(snapshot(), verdict=verdict, value=value)) == unknown
    assert impact_sentence(None) == unknown
    facts = template_variables(incident(), replace(snapshot(), alerts_known=False), RESPONSE, now=NOW)
    assert facts["alerts"] == "HighErrorRate not known"
    assert template_variables(incident(), None, RESPONSE, now=NOW)["panels"] == "not known"
    gone = replace(snapshot(), alerts=())
    assert template_variables(incident(), gone, RESPONSE, now=NOW)["alerts"] == "HighErrorRate resolved"


def test_text_from_outside_is_inert() -> None:
    """A hostile title keeps its words and loses its control characters; a $ in it fills nothing."""
    told = Templates.load().fill(
        CHAT, template_variables(incident(HOSTILE + " $severity"), snapshot(), RESPONSE, now=NOW), PublicStatus.RESOLVED
    )
    assert "\x1b" not in told
    assert "$severity" in told


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("chat.txt", "ok\n\n$sevrity", r"chat.txt:3: unknown variable \$sevrity; known: title"),
        ("chat.txt", "it costs 5 $ now", r"chat.txt:1: a lone \$"),
        ("chat.later.txt", "x", "unknown status 'later'; known: investigating"),
        ("readme.md", "x", "there is no template"),
    ],
)
def test_a_team_s_own_text_that_does_not_fit(tmp_path: Path, name: str, text: str, told: str) -> None:
    """File, line, and what there is instead."""
    (tmp_path / name).write_text(text)
    with pytest.raises(TemplateError, match=told):
        Templates.load(str(tmp_path))


def test_a_team_s_own_texts(tmp_path: Path) -> None:
    """One for a phase comes before one for all; what nobody wrote is said."""
    (tmp_path / "board.txt").write_text("all: ${severity}")
    (tmp_path / "board.resolved.txt").write_text("over, $$5")
    templates = Templates.load(str(tmp_path))
    facts = template_variables(incident(), snapshot(), RESPONSE, now=NOW)
    assert templates.fill("board", facts, PublicStatus.MONITORING) == "all: P1"
    assert templates.fill("board", facts, PublicStatus.RESOLVED) == "over, $5"
    with pytest.raises(TemplateError, match=r"there is no template chat\.monitoring\.txt and no chat\.txt"):
        templates.fill(CHAT, facts, PublicStatus.MONITORING)
    with pytest.raises(TemplateError, match="cannot be read"):
        Templates.load(str(tmp_path / "nowhere"))


def state_of_alerts(item: Incident, shown: Snapshot) -> str:
    return template_variables(item, shown, RESPONSE, now=NOW + 60)["alerts"]


def test_an_update_calls_an_alert_resolved_only_where_that_is_proven() -> None:
    """Prometheus down behind an Alertmanager that answers, an Alertmanager that does not, and a lost peer prove no end;
    a whole list and evaluated rules do. An old list does not say that it fires either.
    """
    item, gone = incident(), snapshot(alerts=())
    assert state_of_alerts(item, gone) == "HighErrorRate resolved"

    def changed(name: str, health: Health, shown: Snapshot = gone) -> Snapshot:
        sources = tuple(replace(each, health=health) if each.name == name else each for each in shown.sources)
        return replace(shown, sources=sources, alerts_from="alertmanager")

    unproven = [changed("prometheus", Health.DOWN), changed("alertmanager", Health.DEGRADED), replace(gone, alerts_known=False)]
    unproven += [changed("alertmanager", Health.DOWN), changed("alertmanager", Health.DOWN, snapshot())]
    assert [state_of_alerts(item, shown) for shown in unproven] == ["HighErrorRate not known"] * 5
    assert state_of_alerts(item, changed("prometheus", Health.DOWN, snapshot())) == "HighErrorRate firing"


def test_an_update_follows_an_alert_to_another_fingerprint() -> None:
    """Linked before Alertmanager had it, an alert has another fingerprint and more labels once delivered: it still fires."""
    item, first = incident(), snapshot().alerts[0]
    linked = LinkedAlert("prometheus:1", first.alert.name, first.alert.starts_at, first.alert.labels)
    more = tuple(sorted((*first.alert.labels, ("cluster", "eu"))))
    delivered = replace(first, alert=replace(first.alert, labels=more))
    shown = replace(item, alerts=(linked,))
    assert state_of_alerts(shown, snapshot(alerts=(delivered,))) == "HighErrorRate firing"
    assert state_of_alerts(shown, snapshot(alerts=())) == "HighErrorRate resolved"
