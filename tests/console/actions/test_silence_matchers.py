"""What the preview of a silence says it hides, and what Alertmanager hides then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import ALERTMANAGERS, alertmanager_of, start_alertmanager
from tower import Tower, tower_of

from console.actions.plan import ActionRefused, Outcome, Request
from console.actions.silence import CreateSilence, SilenceFacts
from queries.alertmanager import Alertmanager
from queries.http.endpoint import Endpoint
from queries.model.matcher import Matcher

pytestmark = pytest.mark.servers

CITIES = {
    "Ascii": "Ulm",
    "Umlaut": "Zürich",
    "Digits": "42",
    "Arabic": "٤٢",
    "Newline": "Ulm\n",
    "Dots": "a.b",
    "Kelvin": "\u212a",
}
PATTERNS = (
    *("[[:upper:]][[:lower:]]+", r"\w+", r"\W+", r"\d+", r"\D+", r"\S+", r"\pL+", r"\p{Lu}\p{Ll}+", r"\p{Nd}+", r"\QUlm\E"),
    *(r"Ul.\z", "Ulm$", "Ulm.", "(?s)Ulm.", "(?i)ulm", "(?i)k", "(?m)Ulm$", "(?i:ULM)\n?", "a.b", r"a\.b", "Ulm|42", "U"),
    *("", ".*", ".+", "a?", r"[^\n]+", "[a-zA-Z]+", "(U)(l)m", "(?U)U.+", r"\x55lm", r"\x{212A}", "[[:alpha:]]+", r"U\Blm"),
    *("^Ulm", "(?:)"),
)
REFUSED = (
    *("(?=U).*", "U(?!x).*", "(?<=U)lm", "(?>U)lm", "U++", r"(U)\1", r"Ulm\Z", r"Ul\C", "(", "[", "a{1001}"),
    r"\p{Nonsense}",
)


@pytest.fixture(params=ALERTMANAGERS)
def tower(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tower]:
    """One alert a city, and one without the label."""
    fired = [{"alertname": name, "city": city} for name, city in CITIES.items()] + [{"alertname": "Nowhere"}]
    programs = alertmanager_of(request.param)
    with (
        start_alertmanager(folder=tmp_path / "alertmanager", programs=programs) as server,
        tower_of(server.url, tmp_path, fired) as made,
    ):
        yield made


async def test_the_preview_names_the_alerts_that_alertmanager_then_silences(tower: Tower) -> None:
    """For expressions that Python and RE2 read differently, negated and not: the very same set of alerts."""
    manager = Alertmanager((Endpoint(tower.url),))
    facts = SilenceFacts((await manager.state()).alerts, None)
    await manager.close()
    previewed: dict[str, set[str]] = {}
    for pattern in PATTERNS:
        for equal in (True, False):
            target = f'{Matcher("city", pattern, is_regex=True, is_equal=equal)}, alertname!="Other", alertname=~".+"'
            request = Request("silence", target, {"duration": "1h", "comment": target}, user="tester")
            plan = CreateSilence().plan(request, facts, tower.now)
            made = tower.http.post("/api/v2/silences", json=plan.body).raise_for_status().json()["silenceID"]
            previewed[made] = {line.split()[0] for line in plan.notes[1:]}
    hidden: dict[str, set[str]] = {made: set() for made in previewed}
    for alert in tower.http.get("/api/v2/alerts").json():
        for made in alert["status"]["silencedBy"]:
            hidden[made].add(alert["labels"]["alertname"])
    comments = {item["id"]: item["comment"] for item in tower.silences()}
    differ = {comments[made]: (names, hidden[made]) for made, names in previewed.items() if names != hidden[made]}
    assert not differ
    assert len({frozenset(names) for names in hidden.values()}) > 15


@pytest.mark.parametrize("pattern", REFUSED)
async def test_an_expression_that_alertmanager_refuses_is_not_previewed(tower: Tower, pattern: str) -> None:
    """The preview says why it is none, as Alertmanager does with 400; it never says that no alert matches."""
    matcher = Matcher("city", pattern, is_regex=True)
    steps = await tower.act("silence", f'{matcher}, alertname="Ascii"', duration="1h", comment="x")
    assert steps[-1].outcome is Outcome.REFUSED
    assert "not a regular expression: " in steps[-1].text
    assert (tower.previews, tower.silences()) == ([], [])
    api = {"name": "city", "value": pattern, "isRegex": True, "isEqual": True}
    body = {"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z", "createdBy": "x", "comment": "x"}
    answer = tower.http.post("/api/v2/silences", json={**body, "matchers": [api]})
    assert (answer.status_code, "regular expression" in answer.text) == (400, True)


@pytest.mark.parametrize("pattern", ["a)|(?:b", r"\Qa"])
def test_an_expression_must_compile_alone_and_between_anchors(pattern: str) -> None:
    """Alertmanager checks a silence's expression alone and matches by it between anchors: one of them is not enough."""
    target = str(Matcher("city", pattern, is_regex=True))
    with pytest.raises(ActionRefused, match="not a regular expression"):
        CreateSilence().plan(
            Request("silence", target, {"duration": "1h", "comment": "x"}, user="tester"), SilenceFacts((), None), 0.0
        )
