"""Changing a silence on real Alertmanagers: what nobody asked to change stays as it is, or the preview shows it."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from action_bench import outcome
from servers import ALERTMANAGERS, alertmanager_of, start_alertmanager
from tower import Tower, tower_of

from console.actions.plan import Outcome, Request
from console.actions.silence import CreateSilence, SilenceFacts
from queries.model.silence import ExistingSilence
from queries.text.times import parse_rfc3339, utc

MATCHERS = [
    {"name": "team", "value": "", "isRegex": False, "isEqual": False},
    {"name": "alertname", "value": "High.*", "isRegex": True, "isEqual": True},
]
NOTES = {"ticket": "OPS-1"}
STAYS = ("id", "startsAt", "endsAt", "createdBy", "annotations", "matchers", "comment")


@pytest.fixture(params=ALERTMANAGERS)
def tower(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tower]:
    programs = alertmanager_of(request.param)
    with (
        start_alertmanager(folder=tmp_path / "alertmanager", programs=programs) as server,
        tower_of(server.url, tmp_path) as made,
    ):
        yield made


def post(tower: Tower, *, starts_in: float = 0.0) -> dict[str, Any]:
    """A silence of somebody else, with annotations where this Alertmanager knows them."""
    times = {"startsAt": utc(tower.now + starts_in), "endsAt": utc(tower.now + starts_in + 7200)}
    body = {**times, "matchers": MATCHERS, "createdBy": "ops@example.com", "comment": "disk swap", "annotations": NOTES}
    made = tower.http.post("/api/v2/silences", json=body).raise_for_status().json()["silenceID"]
    return found(tower, made)


def found(tower: Tower, identity: str) -> dict[str, Any]:
    return dict(tower.http.get(f"/api/v2/silence/{identity}").raise_for_status().json())


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in STAYS if before.get(name) != after.get(name)}


def shown(tower: Tower) -> dict[str, tuple[str, str]]:
    """The differences of the last preview that are none."""
    return {item.name: (item.before, item.after) for item in tower.previews[-1].plan.differences if item.before != item.after}


@pytest.mark.servers
@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 20.0])
async def test_a_console_whose_clock_is_wrong_silences_at_once(
    tower: Tower, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """Its silence is active at once and lasts as long as was asked for, by the clock of Alertmanager that ends it; the next one
    that it lengthens ends as long after now.
    """
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + ahead)
    steps = await tower.act("silence", 'alertname="HighErrorRate"', duration="30m", comment="rolling back")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert "1 alert suppressed" in steps[-1].text
    (made,) = tower.silences()
    assert made["status"]["state"] == "active"
    assert parse_rfc3339(made["endsAt"]) == pytest.approx(true_time() + 1800.0, abs=30.0)
    steps = await tower.act("silence", "", id=made["id"], duration="2h")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert parse_rfc3339(found(tower, made["id"])["endsAt"]) == pytest.approx(true_time() + 7200.0, abs=30.0)


@pytest.mark.servers
@pytest.mark.parametrize("starts_in", [0.0, 3600.0], ids=["active", "scheduled"])
async def test_only_what_is_asked_for_changes(tower: Tower, starts_in: float) -> None:
    """Another comment leaves id, start, end, author, annotations and matchers alone, in their order; so does the preview."""
    before = post(tower, starts_in=starts_in)
    steps = await tower.act("silence", "", id=before["id"], comment="disk swap, part two")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert changed(before, found(tower, before["id"])) == {"comment"}
    assert shown(tower) == {"comment": ("disk swap", "disk swap, part two")}
    assert "ops@example.com stays its author; the journal records that you changed it" in tower.previews[-1].plan.notes
    assert tower.previews[-1].plan.command.startswith("amtool silence update --end=")


@pytest.mark.servers
async def test_a_scheduled_silence_stays_scheduled(tower: Tower) -> None:
    """Its duration counts from its start: it does not begin now, and hides nothing yet."""
    before = post(tower, starts_in=3600.0)
    steps = await tower.act("silence", "", id=before["id"], duration="4h")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert "is scheduled from" in steps[-1].text
    after = found(tower, before["id"])
    assert (changed(before, after), after["status"]["state"]) == ({"endsAt"}, "pending")
    assert parse_rfc3339(after["endsAt"]) == pytest.approx(tower.now + 3600 + 4 * 3600, abs=1.0)
    assert set(shown(tower)) == {"until"}
    assert not any(item["status"]["silencedBy"] for item in tower.http.get("/api/v2/alerts").json())


@pytest.mark.servers
async def test_a_longer_silence_keeps_its_author_and_its_annotations(tower: Tower) -> None:
    """An active one is prolonged from now on; the preview shows the new end alone."""
    before = post(tower)
    steps = await tower.act("silence", "", id=before["id"], duration="6h")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert changed(before, found(tower, before["id"])) == {"endsAt"}
    assert set(shown(tower)) == {"until"}


@pytest.mark.servers
@pytest.mark.parametrize("starts_in", [0.0, 3600.0], ids=["active", "scheduled"])
async def test_other_matchers_take_the_rest_with_them(tower: Tower, starts_in: float) -> None:
    """Alertmanager makes another silence of it: author, annotations, comment and end go along, and the preview says so."""
    before = post(tower, starts_in=starts_in)
    steps = await tower.act("silence", 'alertname="HighLatency"', id=before["id"])
    assert outcome(steps)[0] is Outcome.DONE, steps
    (after,) = (item for item in tower.silences() if item["id"] != before["id"])
    assert found(tower, before["id"])["status"]["state"] == "expired"
    assert changed(before, after) == {"id", "matchers"} | ({"startsAt"} if not starts_in else set())
    assert set(shown(tower)) == {"matchers"} | ({"starts"} if not starts_in else set())
    assert any("a new id" in note for note in tower.previews[-1].plan.notes)


@pytest.mark.servers
async def test_another_author_is_shown(tower: Tower) -> None:
    """Only who says so takes a silence over, and the preview shows it."""
    before = post(tower)
    steps = await tower.act("silence", "", id=before["id"], created_by="tester")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert changed(before, found(tower, before["id"])) == {"createdBy"}
    assert shown(tower) == {"by": ("ops@example.com", "tester")}


@pytest.mark.servers
async def test_a_silence_that_is_not_there_cannot_be_changed(tower: Tower) -> None:
    """An id that Alertmanager does not have, and one that cannot be one, are refused with the same words."""
    for identity in ("9d3f4f3e-0000-4000-8000-000000000000", "no-uuid"):
        steps = await tower.act("silence", "", id=identity, duration="1h")
        assert (steps[-1].outcome, "has no silence with this id" in steps[-1].text) == (Outcome.REFUSED, True)


HIGH_ONE, ANY_HIGH = 'alertname="HighErrorRate"', 'alertname=~"High.*"'


@dataclass(frozen=True)
class Twin:
    """A second Alertmanager of the same release, and the shell of a person whose amtool reaches it."""

    url: str
    amtool: str
    http: httpx.Client

    def run(self, command: str) -> None:
        shell = f'amtool() {{ {shlex.quote(self.amtool)} --alertmanager.url={self.url} "$@"; }}; {command}'
        done = subprocess.run(["sh", "-c", shell], check=False, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, (command, done.stderr)

    def silences(self) -> list[dict[str, Any]]:
        return list(self.http.get("/api/v2/silences").json())


def assert_same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], command: str) -> None:
    """All but the ids; a time that a server or a shell took from its clock differs by the time of the command."""

    def facts(silence: dict[str, Any]) -> tuple[Any, ...]:
        matchers = sorted((item["name"], item["value"], item["isRegex"], item["isEqual"]) for item in silence["matchers"])
        notes = sorted((silence.get("annotations") or {}).items())
        return silence["status"]["state"], silence["comment"], silence["createdBy"], matchers, notes

    def times(silence: dict[str, Any]) -> tuple[float, ...]:
        return tuple(parse_rfc3339(silence[name]) for name in ("startsAt", "endsAt"))

    for one, other in zip(sorted(ours, key=facts), sorted(theirs, key=facts), strict=True):
        assert (facts(one), times(one)) == (facts(other), pytest.approx(times(other), abs=5.0)), command


@pytest.fixture
def twin(tower: Tower, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Twin]:
    programs = alertmanager_of(request.node.callspec.params["tower"])
    with (
        start_alertmanager(folder=tmp_path / "twin", programs=programs) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        yield Twin(server.url, programs.amtool, client)


@pytest.mark.servers
async def test_the_printed_amtool_line_does_the_same(tower: Tower, twin: Twin) -> None:
    """Each change here, and its printed line on a twin with the same silences: afterwards both servers hold the same."""
    await tower.act("silence", ANY_HIGH, duration="90m", comment='"new" one')
    twin.run(command := tower.previews[-1].plan.command)
    assert_same(tower.silences(), twin.silences(), command)
    (made,), (same,) = tower.silences(), twin.silences()
    await tower.act("expire", f"silence/{made['id']}")
    twin.run(command := tower.previews[-1].plan.command.replace(made["id"], same["id"]))
    assert_same(tower.silences(), twin.silences(), command)
    changes: tuple[tuple[float, str, dict[str, str]], ...] = (
        (0.0, "", {"duration": "6h"}),
        (0.0, "", {"comment": "disk swap, part two"}),
        (0.0, HIGH_ONE, {}),
        (3600.0, "", {"duration": "6h"}),
        (3600.0, HIGH_ONE, {"duration": "3h"}),
        (0.0, "", {"created_by": "tester"}),
    )
    for starts_in, target, parameters in changes:
        here = post(tower, starts_in=starts_in)
        tower.ahead_seconds = 0.0 if starts_in else 600.0
        body = {name: value for name, value in here.items() if name not in ("id", "status", "updatedAt")}
        there = twin.http.post("/api/v2/silences", json=body).raise_for_status().json()["silenceID"]
        steps = await tower.act("silence", target, id=here["id"], **parameters)
        assert outcome(steps)[0] is Outcome.DONE, steps
        plan = tower.previews[-1].plan
        twin.run(plan.command.replace(here["id"], there))
        ours, theirs = tower.silences(), twin.silences()
        if "created_by" in parameters:  # amtool can do this only by a new silence, and the preview says so
            assert any("amtool cannot change the author" in note for note in plan.notes)
            ours, theirs = ([item for item in found if item["status"]["state"] == "active"] for found in (ours, theirs))
        assert_same(ours, theirs, plan.command)


def test_fields_that_nobody_here_knows_go_back_as_they_came() -> None:
    """A newer Alertmanager's fields of silence and matcher are sent again; what the server alone decides is not."""
    raw = {
        "id": "s1",
        "status": {"state": "active"},
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "startsAt": "2026-01-01T00:00:00.123Z",
        "endsAt": "2026-01-02T00:00:00.456Z",
        "createdBy": "ops",
        "comment": "why",
        "annotations": NOTES,
        "matchers": [{**MATCHERS[1], "caseSensitive": False}],
        "recurrence": {"every": "week"},
    }
    request = Request("silence", 'alertname=~"High.*"', {"id": "s1", "comment": "because"}, user="you")
    body = CreateSilence().plan(request, SilenceFacts((), ExistingSilence.decode(raw)), 1_767_276_207.0).body
    assert body == {
        **{name: value for name, value in raw.items() if name not in ("status", "updatedAt")},
        "comment": "because",
    }
