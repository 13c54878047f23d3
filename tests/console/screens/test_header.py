"""Line 1: what every console shows of an incident that somebody declared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from screen_samples import NOW, StillSession, settings, snapshot

from console.incidents.response_timers import RESPONSE
from console.journal.payloads import Role, Step
from console.screens.header import render_header
from console.screens.render_context import RenderContext
from console.state.incident import Incident, Incidents, StepCompletion
from console.state.journal_state import JournalState
from queries.model.severity import Priority

LED = Incident("p4", 4, "error ratio", Priority.P1, NOW - 14 * 60, "ann@bastion", roles=((Role.COMMANDER, "ann@bastion"),))


def line(folder: Path, width: int, *incidents: Incident) -> str:
    shown = snapshot(ledger=JournalState(incidents=Incidents(incidents)))
    return "".join(words for words, _ in render_header(RenderContext(settings(folder), NOW, None, shown), width)[0])


@pytest.mark.parametrize(
    ("width", "shown"), [(160, "incident 4 P1 14m led by ann@bastion"), (100, "incident 4 P1 14m "), (80, "INC 4 P1 14m ")]
)
def test_an_open_incident_is_in_line_1_of_every_screen(tmp_path: Path, width: int, shown: str) -> None:
    """Number, severity and age of an open incident are seen at every width, who leads it where there is room."""
    text = line(tmp_path, width, LED)
    assert shown in text and len(text) <= width
    assert "PRODUCTION" in text and "P1:1" in text


def test_the_gravest_of_several_and_how_many_more(tmp_path: Path) -> None:
    """Of three open incidents the P1 is named, the others are counted, and that nobody leads it is said."""
    third = replace(LED, id="p5", number=5, severity=Priority.P3, declared_at=NOW - 3600)
    text = line(tmp_path, 160, third, replace(LED, roles=()), replace(third, id="p6", number=6))
    assert "incident 4 P1 14m nobody leads +2" in text


def test_the_nearest_timer_is_in_line_1(tmp_path: Path) -> None:
    """Until the response is complete its time, then the next update, then the stability window; what is overdue comes first,
    and at 80 columns it makes room for the environment.
    """

    def render(width: int, incident: Incident, *, at: float = NOW) -> str:
        session = StillSession(settings(tmp_path), snapshot(ledger=JournalState(incidents=Incidents((incident,)))))
        context = RenderContext(session.settings, at, session, session.shown)
        text = "".join(words for words, _ in render_header(context, width)[0])
        assert len(text) <= width and "PRODUCTION" in text
        return text

    young = replace(LED, declared_at=NOW - 120)
    assert "incident 4 P1 2m led by ann@bastion · response in 13m" in render(160, young)
    assert "INC 4 P1 2m" in render(80, young)
    done = {step: StepCompletion(NOW - 60, "ann") for step in RESPONSE}
    answered = replace(young, completions=MappingProxyType(done))
    assert "update in 14m" in render(160, answered)
    told = {**done, Step.COMMUNICATE: StepCompletion(NOW - 1020, "ann")}
    overdue = replace(answered, declared_at=NOW - 3600, completions=MappingProxyType(told))
    late = render(160, overdue)
    assert "update OVERDUE 2m" in late
    assert "INC 4 update OVERDUE 2m" in render(80, overdue)
    calm = replace(
        answered, completions=MappingProxyType({**done, Step.MITIGATE: StepCompletion(NOW - 30, "bob")}), stability_seconds=90.0
    )
    assert "stable in 1m" in render(160, calm)
    assert "update in" in render(160, replace(calm, stability_seconds=7200.0))
    assert " stable " in render(160, calm, at=NOW + 61)


@pytest.mark.parametrize(
    ("width", "shown"), [(160, " +2 (INC 7 OVERDUE) · response in 13m"), (80, "INC 4 P1 2m +2 (INC 7 OVERDUE)")]
)
def test_what_is_overdue_at_another_open_incident_is_in_line_1(tmp_path: Path, width: int, shown: str) -> None:
    """The P1 has time left; of the two others one has none, and that one is named."""
    young = replace(LED, declared_at=NOW - 120)
    late = replace(LED, id="p7", number=7, severity=Priority.P2, declared_at=NOW - 7200)
    new = replace(late, id="p8", number=8, declared_at=NOW - 60)
    session = StillSession(settings(tmp_path), snapshot(ledger=JournalState(incidents=Incidents((young, late, new)))))
    text = "".join(words for words, _ in render_header(RenderContext(session.settings, NOW, session, session.shown), width)[0])
    assert shown in text and len(text) <= width


def test_a_closed_incident_is_gone(tmp_path: Path) -> None:
    """Line 1 is as it was before the incident once it is closed."""
    assert "incident" not in line(tmp_path, 160, replace(LED, closed_at=NOW))
    assert line(tmp_path, 160, replace(LED, closed_at=NOW)) == line(tmp_path, 160)
