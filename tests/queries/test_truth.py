"""Every panel of every board shows what happened, whatever rules the server has: held against the events themselves.

The events (tests/support/platform_events.py) follow the platform's own semantics, a real Prometheus scrapes what its pods
export of them, and the console asks that Prometheus as it does for a person. What is true is counted from the events in plain
Python (tests/support/platform_truth.py). docs/truth.md holds what came of it; `make truth` writes it anew.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from platform_truth import Truth, failed, users, window
from platform_truth import truths as count
from told_events import RULES, Told, told_servers

from console.checks.panels import grade
from console.config.load import load_settings
from console.monitor.session import Session
from queries.catalogue.loader import load_board
from queries.model.dashboard import DASHBOARDS, DashboardChoice
from queries.model.panel import Origin, PanelSpec, PanelState, Unit
from queries.model.verdict import Verdict
from queries.text.numbers import format_figure

pytestmark = pytest.mark.servers

PAGE = Path(__file__).parents[2] / "docs" / "truth.md"
LOOK_SECONDS = 4.0
"""So long a board is looked at; what it shows meanwhile is judged too."""
FAILED_WITHIN = (45.0, 600.0, 2700.0)
"""Windows, seconds: a quick recovery, one after ten minutes, and one in which a provider began to fail.

None begins where the written past ends and the scraped present begins: on a loaded machine no sample lies there for ten
seconds, and Prometheus extrapolates a counter by half an interval only.
"""
SHARE = 0.04
"""By so much of the truth a figure may differ: a window ends between two scrapes."""
SLACK = {Unit.PERCENT: 0.15, Unit.PER_SECOND: 0.3, Unit.PER_MINUTE: 1.6, Unit.SECONDS: 0.02, Unit.TIMES: 0.3, Unit.HOURS: 0.05}
"""Or by so much, in the panel's unit: a few events at the edges of a window that has few."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one board showed of one panel, and when (seconds from the present of the events)."""

    board: str
    state: PanelState
    at: float

    @property
    def place(self) -> str:
        return f"{self.board}/{self.state.spec.id}"


@dataclass(slots=True)
class Shown:
    """Everything that a console showed of one server, in order."""

    looks: list[Look] = field(default_factory=list)
    failures: dict[float, tuple[float | None, float, str]] = field(default_factory=dict)
    """By the seconds of a window that ends now: how many requests failed as the page of an action counts them, when, and why
    it could not.
    """

    def last(self) -> dict[str, Look]:
        return {look.place: look for look in self.looks}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shown]]:
    folder = tmp_path_factory.mktemp("truth")
    with told_servers(folder / "servers") as told:
        found = asyncio.run(_look(told, folder))
    yield found


async def _look(told: Told, folder: Path) -> dict[str, Shown]:
    names = list(told.urls)
    looked = await asyncio.gather(*(_look_at(told.urls[name], told.present, folder / f"home-{name}") for name in names))
    return dict(zip(names, looked, strict=True))


async def _look_at(url: str, present: float, home: Path) -> Shown:
    environ = {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", ""),
        "PROMETHEUS_URL": url,
        "XDG_STATE_HOME": str(home / "state"),
        "KUBECONFIG": str(home / "none"),
    }
    session = Session.open(load_settings({"refresh": 1.0}, environ))
    found = Shown()
    session.start(lambda snapshot: None)
    try:
        for board in ("overview", *(name for name, _ in DASHBOARDS)):
            ends = time.monotonic() + LOOK_SECONDS * (3.0 if board == "overview" else 1.0)
            while time.monotonic() < ends:
                if board != "overview":
                    session.dashboards.keep_alive(DashboardChoice(board))
                await asyncio.sleep(0.5)
                snapshot = session.snapshot()
                dashboard = snapshot.dashboard
                if board == "overview":
                    states = tuple(item for item in snapshot.panels if item.spec.source == "prometheus")
                else:
                    states = dashboard.panels if dashboard is not None and dashboard.choice.name == board else ()
                found.looks += [Look(board, state, time.time() - (state.age_seconds or 0.0) - present) for state in states]
        for seconds in FAILED_WITHIN:
            now = time.time()
            count, why = await session.failed_requests(now - seconds, now)
            found.failures[seconds] = (count, now - present, why)
    finally:
        await session.close()
    return found


@cache
def truths(second: int) -> dict[str, Truth]:
    return count(float(second))


def _truth(look: Look) -> Truth:
    return truths(round(look.at / 5.0) * 5)[look.state.spec.id]


def _equal(spec: PanelSpec, found: float, truth: float) -> bool:
    return abs(found - truth) <= max(SHARE * abs(truth), SLACK.get(spec.unit, 0.5 if spec.decimals == 0 else 0.0))


def _named(state: PanelState) -> dict[str, float]:
    """The series by what names them in the truth: the panel's label, with the service where one name is in two."""
    spec = state.spec
    names = (spec.group_by, "service") if spec.id == "p95_latency" else (spec.group_by,)
    # A code stands with the spellings that it was counted under: RESOURCE_EXHAUSTED (circuit_open).
    told = ((" ".join(sample.label(name) for name in names).partition(" (")[0], sample.value) for sample in state.samples)
    return dict(told)


def _wrong(look: Look, truth: Truth) -> str:
    """Why the figure is not the truth, empty where it is."""
    state, spec = look.state, look.state.spec
    told = (
        f"{look.place} says {state.verdict.word} {format_figure(state.value, spec.unit, spec.decimals)} ({state.origin.value})"
    )
    if truth.value is None:
        return "" if state.verdict is Verdict.NO_DATA else f"{told}, where nobody exports it"
    if state.value is None or state.verdict is Verdict.NO_DATA:
        return f"{told}, true is {truth.value:.4g}: {state.reason}"
    if not _equal(spec, state.value, truth.value):
        return f"{told}, true is {truth.value:.4g}"
    series = _named(state)
    if spec.group_by and truth.series and not state.truncated:
        if set(series) != set(truth.series):
            return f"{told}, of {sorted(series)}, true is {sorted(truth.series)}"
        off = [key for key, value in series.items() if not _equal(spec, value, truth.series[key])]
        if off:
            return f"{told}; " + ", ".join(f"{key} {series[key]:.4g}, true is {truth.series[key]:.4g}" for key in off)
    return ""


def _wrongly_ok(look: Look, truth: Truth) -> str:
    """Where a panel is called ok or merely a warning although what is true is worse."""
    state = look.state
    if truth.value is None or state.verdict not in (Verdict.OK, Verdict.WARN) or state.verdict is Verdict.IN_DOUBT:
        return ""
    real = grade(truth.value, state.threshold, below=state.spec.lower_is_worse, allowed=state.spec.allowed)
    worse = real.rank > state.verdict.rank and not (state.value is not None and _equal(state.spec, state.value, truth.value))
    return f"{look.place} says {state.verdict.word}, true is {real.word} {truth.value:.4g}" if worse else ""


def test_every_panel_has_a_truth() -> None:
    """No panel of a board is left out, and nothing is counted that no panel shows."""
    boards = ("overview", *(name for name, _ in DASHBOARDS))
    panels = {spec.id for name in boards for spec in load_board(name) if spec.source == "prometheus"}
    assert panels == set(truths(0))


@pytest.mark.parametrize("rules", ["none", "ours"])
def test_every_figure_is_true(shown: dict[str, Shown], rules: str) -> None:
    """Without rules and with ours every figure of every panel equals the count of events, none is IN DOUBT, and NO DATA stands
    only where the platform exports nothing."""
    last = shown[rules].last()
    assert len(last) == sum(1 for name in ("overview", *(n for n, _ in DASHBOARDS)) for s in load_board(name) if s.raw)
    wrong = [told for look in last.values() if (told := _wrong(look, _truth(look)))]
    doubted = [f"{look.place}: {look.state.reason}" for look in last.values() if look.state.verdict is Verdict.IN_DOUBT]
    assert not wrong, "\n" + "\n".join(wrong)
    assert not doubted, "\n" + "\n".join(doubted)


@pytest.mark.parametrize("rules", list(RULES))
def test_the_requests_that_an_action_says_failed_are_those_that_did(shown: dict[str, Shown], rules: str) -> None:
    """`recovered 9s after confirmation; N requests failed`: N is the number of events that failed in the window, also across
    restarts and replaced pods, and with foreign rules of the same names; it may differ by the scrapes at both ends.
    """
    failures = shown[rules].failures
    assert failures
    for seconds, (found, at, why) in failures.items():
        begun, truth, ended = (len(failed(users(window(at + late, seconds)))) for late in (-15.0, 0.0, 15.0))
        slack = max(SHARE * truth, abs(begun - truth), abs(ended - truth), 3.0)
        assert found is not None and abs(found - truth) <= slack, (seconds, found, truth, why)


def test_a_foreign_rule_makes_no_figure_wrong(shown: dict[str, Shown]) -> None:
    """Where the names mean something else a panel reads raw and is true, or is IN DOUBT; it is never wrong."""
    wrong = [
        told
        for look in shown["foreign"].last().values()
        if look.state.verdict is not Verdict.IN_DOUBT and (told := _wrong(look, _truth(look)))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("rules", list(RULES))
def test_nothing_is_called_ok_wrongly_at_any_time(shown: dict[str, Shown], rules: str) -> None:
    """From the first figure on, also before rules and evidence are known, nothing that is bad is called ok."""
    wrong = {told for look in shown[rules].looks if (told := _wrongly_ok(look, truths(20)[look.state.spec.id]))}
    assert not wrong, "\n" + "\n".join(sorted(wrong))


def _said(look: Look, truth: Truth) -> str:
    """A cell of the table."""
    if look.state.verdict is Verdict.IN_DOUBT:
        return "IN DOUBT"
    if _wrong(look, truth):
        return f"**wrong**: {format_figure(look.state.value, look.state.spec.unit, look.state.spec.decimals)}"
    if truth.value is None:
        return "NO DATA"
    return "raw" if look.state.origin is Origin.RAW else "recorded"


def page(shown: dict[str, Shown]) -> str:
    """docs/truth.md."""
    lasts = {name: found.last() for name, found in shown.items()}
    rows = []
    true_now = truths(0)
    for place in lasts["none"]:
        spec, truth = lasts["none"][place].state.spec, true_now[lasts["none"][place].state.spec.id]
        cells = [_said(looks[place], _truth(looks[place])) if place in looks else "**missing**" for looks in lasts.values()]
        value = format_figure(truth.value, spec.unit, spec.decimals) if truth.value is not None else "not exported"
        rows.append(f"| {place.split('/')[0]} | {spec.title} | {truth.counts} | {value} | {' | '.join(cells)} |")
    return _HEAD + "\n".join(rows) + "\n"


_HEAD = """\
# Truth: every figure against counted events

<!-- Generated by tests/queries/test_truth.py (make truth); do not edit. -->

The test exports a platform of events (requests with outcome and latency, refusals, jobs, lookups, a restarted and a replaced
pod; four days of them) as the real platform does, a real Prometheus scrapes it, and the console shows it. Plain Python counts
the true values from the events. The test fails if a figure differs by more than 4 % and by more than a few events at the edges
of its window. The last three columns say what the panel read when it was right: the raw expression or the recorded series;
IN DOUBT means that the panel reported it as unreliable. *ours* are the rules of `queries/rules/`, *foreign* are others with the
same names and other units, windows and denominators (`console/demo/foreign_rules.yaml`).

| board | panel | what is counted | true | no rules | ours | foreign |
| --- | --- | --- | --- | --- | --- | --- |
"""


def test_the_page_says_what_came_of_it(shown: dict[str, Shown]) -> None:
    """docs/truth.md is what this run gives; with TRUTH_PAGE set it is written."""
    written = page(shown)
    if os.environ.get("TRUTH_PAGE"):
        PAGE.write_text(written)
    assert PAGE.read_text() == written, "make truth writes docs/truth.md anew"
