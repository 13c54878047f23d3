"""Silence and expire on a real Alertmanager, and what is refused before one is asked."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from action_bench import outcome
from cutting_proxy import CuttingProxy
from hypothesis import given
from hypothesis import strategies as st
from servers import start_alertmanager
from tower import Tower, tower_of

from console.actions import run_effect
from console.actions.plan import ActionRefused, CheckLevel, Outcome, Plan, Request
from console.actions.silence import CreateSilence, SilenceFacts
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertState
from queries.model.matcher import parse_matchers
from queries.text.durations import format_duration, parse_duration
from queries.text.times import InvalidTime


@pytest.fixture
async def tower(tmp_path: Path) -> AsyncIterator[Tower]:
    with start_alertmanager(folder=tmp_path / "alertmanager") as server, tower_of(server.url, tmp_path) as made:
        yield made


@pytest.mark.servers
async def test_a_silence_is_made_edited_and_expired(tower: Tower) -> None:
    """Made with the server's id and seen to suppress its alert; edited with the id kept; expired and seen to be."""
    steps = await tower.act("silence", 'alertname="HighErrorRate"', duration="2h", comment="rolling back")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert "1 alert suppressed" in steps[-1].text
    assert tower.previews[0].plan.notes[0] == "hides 1 alert of 2 now:"
    (made,) = tower.silences()
    assert (made["comment"], made["createdBy"], made["status"]["state"]) == ("rolling back", "tester", "active")
    edited = await tower.act("silence", "", duration="4h", comment="still at it", id=made["id"])
    assert outcome(edited)[0] is Outcome.DONE, edited
    assert tower.previews[-1].plan.command.startswith("amtool silence update")
    (now,) = tower.silences()
    assert (now["id"], now["comment"]) == (made["id"], "still at it")
    ended = await tower.act("expire", f"silence/{made['id']}")
    assert outcome(ended)[0] is Outcome.DONE, ended
    assert tower.previews[-1].plan.notes == ("1 alert will notify again: HighErrorRate",)
    assert tower.silences()[0]["status"]["state"] == "expired"
    again = outcome(await tower.act("expire", f"silence/{made['id']}"))
    assert (again[0], "has already expired" in again[1]) == (Outcome.REFUSED, True)


@pytest.mark.servers
async def test_other_matchers_give_another_id_which_is_adopted(tower: Tower) -> None:
    """Editing the matchers makes Alertmanager answer with a new id; that one is verified, the old one has expired."""
    await tower.act("silence", 'alertname="HighErrorRate"', duration="2h", comment="one")
    (made,) = tower.silences()
    steps = await tower.act("silence", 'alertname="HighLatency"', duration="2h", comment="two", id=made["id"])
    assert outcome(steps)[0] is Outcome.DONE, steps
    states = {item["id"]: item["status"]["state"] for item in tower.silences()}
    assert states.pop(made["id"]) == "expired"
    assert list(states.values()) == ["active"]
    assert next(iter(states)) in steps[-1].text


@pytest.mark.servers
async def test_a_lost_answer_is_found_on_the_server(tower: Tower) -> None:
    """The connection breaks after Alertmanager took the silence: it is found by what it says, and not sent twice."""
    with CuttingProxy(tower.url) as proxy:
        proxy.cut = lambda chunk: chunk.startswith(b"POST /api/v2/silences")
        steps = await tower.act(
            "silence", 'alertname="HighErrorRate"', settings=tower.settings(proxy.url), duration="1h", comment="once"
        )
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert proxy.cuts == 1
    assert len(tower.silences()) == 1


@pytest.mark.servers
async def test_a_lost_answer_is_found_where_the_silence_hides_nothing_now(tower: Tower) -> None:
    """The silence is active but no alert names it: it is found in the list of silences, and the outcome has its id."""
    with CuttingProxy(tower.url) as proxy:
        proxy.cut = lambda chunk: chunk.startswith(b"POST /api/v2/silences")
        steps = await tower.act(
            "silence", 'alertname="NotYetFiring"', settings=tower.settings(proxy.url), duration="1h", comment="ahead of it"
        )
    (silence,) = tower.silences()
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert silence["id"][:8] in outcome(steps)[1]
    assert proxy.cuts == 1


@pytest.mark.servers
async def test_a_lost_request_is_unknown_and_claims_nothing(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request never reached Alertmanager: it is not listed, which is said with how long was looked, and no more."""
    monkeypatch.setattr(run_effect, "APPLIED_SECONDS", 1.0)
    with CuttingProxy(tower.url) as proxy:
        proxy.deliver = False
        proxy.cut = lambda chunk: chunk.startswith(b"POST /api/v2/silences")
        steps = await tower.act(
            "silence", 'alertname="HighErrorRate"', settings=tower.settings(proxy.url), duration="1h", comment="once"
        )
    result, text = outcome(steps)
    assert result is Outcome.UNKNOWN
    assert "Alertmanager lists no such silence 1s later; it may still arrive" in text
    assert tower.silences() == []


@pytest.mark.servers
async def test_a_lost_answer_is_not_mistaken_for_an_older_silence(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silence of the same matchers, author and comment that ends at another time is not the one that was sent."""
    monkeypatch.setattr(run_effect, "APPLIED_SECONDS", 1.0)
    assert outcome(await tower.act("silence", 'alertname="HighErrorRate"', duration="2h", comment="once"))[0] is Outcome.DONE
    with CuttingProxy(tower.url) as proxy:
        proxy.deliver = False
        proxy.cut = lambda chunk: chunk.startswith(b"POST /api/v2/silences")
        steps = await tower.act(
            "silence", 'alertname="HighErrorRate"', settings=tower.settings(proxy.url), duration="1h", comment="once"
        )
    assert outcome(steps)[0] is Outcome.UNKNOWN, steps


@pytest.mark.servers
async def test_a_lost_answer_to_an_expiry_is_looked_up(tower: Tower) -> None:
    """The connection breaks after Alertmanager expired the silence: its state says so."""
    await tower.act("silence", 'alertname="HighErrorRate"', duration="2h", comment="once")
    (silence,) = tower.silences()
    with CuttingProxy(tower.url) as proxy:
        proxy.cut = lambda chunk: chunk.startswith(b"DELETE")
        steps = await tower.act("expire", f"silence/{silence['id']}", settings=tower.settings(proxy.url))
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert proxy.cuts == 1


@pytest.mark.servers
async def test_a_dead_first_peer_is_passed_over_before_the_write(tower: Tower) -> None:
    """The write goes to the first peer that answers a look."""
    dead = Endpoint("http://127.0.0.1:9", timeout_seconds=1.0)
    told = replace(tower.settings(), alertmanagers=(dead, *tower.settings().alertmanagers))
    steps = await tower.act("silence", 'alertname="HighLatency"', settings=told, duration="30m", comment="x")
    assert outcome(steps)[0] is Outcome.DONE, steps


@pytest.mark.servers
async def test_read_only_reaches_no_alertmanager_write(tower: Tower) -> None:
    """Under read-only Alertmanager gets neither a new silence nor an expiry."""
    told = replace(tower.settings(), read_only=True)
    steps = await tower.act("silence", 'alertname="HighLatency"', settings=told, duration="30m", comment="x")
    assert outcome(steps)[0] is Outcome.REFUSED
    assert tower.silences() == []


def alert(name: str, **labels: str) -> Alert:
    return Alert(name, AlertState.ACTIVE, tuple(sorted({"alertname": name, **labels}.items())))


def planned(target: str, **parameters: str) -> Plan:
    facts = SilenceFacts((alert("HighErrorRate", severity="critical"), alert("HighLatency", severity="warning")), None)
    given = {"duration": "2h", "comment": "why", "created_by": "me", **parameters}
    return CreateSilence().plan(Request("silence", target, given), facts, 1_700_000_000.0)


@pytest.mark.parametrize(
    ("target", "parameters", "words"),
    [
        ("", {}, "without matchers"),
        ("{}", {}, "without matchers"),
        ('alertname=~".*"', {}, "match everything"),
        ('team!="x"', {}, "match everything"),
        ('alertname="A" nonsense', {}, "invalid matchers"),
        ('alertname=~"("', {}, "invalid matchers"),
        ('alertname="A"', {"comment": "  "}, "needs a comment"),
        ('alertname="A"', {"duration": "soon"}, "is not a duration"),
        ('alertname="A"', {"duration": "0m"}, "not between"),
        ('alertname="A"', {"duration": "999999d"}, "not between"),
    ],
)
def test_what_no_silence_can_be_made_of(target: str, parameters: dict[str, str], words: str) -> None:
    """Empty comment, matchers that match everything, and what is not understood are refused in words."""
    with pytest.raises((ActionRefused, InvalidTime), match=words):
        planned(target, **parameters)


async def test_hiding_everything_is_warned_of() -> None:
    """A matcher that hides every alert there is gets a warning, and so does one that hides none."""
    facts = SilenceFacts((alert("A", severity="x"), alert("B", severity="y")), None)
    for target, words in (('alertname=~".+"', "every firing alert"), ('alertname="C"', "no firing alert")):
        plan = CreateSilence().plan(
            Request("silence", target, {"duration": "1h", "comment": "c", "created_by": "m"}), facts, 0.0
        )
        (_, check) = await CreateSilence().preflight(plan, facts, None, None)  # type: ignore[arg-type]
        assert (check.level, words in check.text) == (CheckLevel.WARN, True)


def test_times_are_utc() -> None:
    """What is sent carries Z, and the end is the duration after now. The start is past, which Alertmanager makes now."""
    body = planned('alertname="A"').body
    assert isinstance(body, dict)
    assert (body["startsAt"], body["endsAt"]) == ("2023-11-14T22:12:20Z", "2023-11-15T00:13:20Z")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(value=TEXT, comment=TEXT.filter(str.strip))
def test_the_shell_gets_back_what_was_meant(value: str, comment: str) -> None:
    """Whatever a label value or a comment holds, a POSIX shell splits the command into exactly those words."""
    matchers = parse_matchers(str(parse_matchers('x="1"')[0]).replace('"1"', _quoted(value)))
    plan = planned(", ".join(str(item) for item in matchers), comment=comment)
    words = shlex.split(plan.command)
    assert words[:3] == ["amtool", "silence", "add"]
    assert f"--comment={comment.strip()}" in words
    assert parse_matchers(words[-1])[0].value == value


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@given(st.integers(min_value=1, max_value=366 * 86400))
def test_durations_survive_their_writing(seconds: int) -> None:
    """What is written for a number of seconds means that number again."""
    assert parse_duration(format_duration(seconds)) == seconds
