"""How often rules with thousands of alerts are requested."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fake_prometheus import FakePrometheus
from hypothesis import given
from hypothesis import strategies as st
from limits import extend
from screen_samples import settings

from console.monitor.pauses import PauseDetector
from console.monitor.polling import SourcePolling
from console.monitor.rules_pace import LARGE_BYTES, RulesPace
from queries.http.endpoint import Endpoint
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelSpec, Unit
from queries.model.series import Sample
from queries.prometheus.client import Prometheus

KEYS = ("/alerts/started", "/alerts/firing")


def signal(*values: float) -> dict[str, object]:
    return {key: (Sample((), value),) for key, value in zip(KEYS, values, strict=True)}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def at_rest(clock: Clock, *, stale_after: float = 30.0) -> RulesPace:
    """Large rules that were just requested, and of whose alerts none began, fired or ended since."""
    pace = RulesPace(every_seconds=3.0, stale_after_seconds=stale_after, clock=clock)
    pace.note_request()
    pace.note_answer(LARGE_BYTES)
    pace.note_signal(signal(1.0, 2.0))
    pace.note_request()
    pace.note_answer(LARGE_BYTES)
    assert not pace.note_signal(signal(1.0, 2.0))
    return pace


def test_small_rules_are_requested_by_every_poll() -> None:
    """And nothing is asked beside the panels."""
    pace = at_rest(Clock())
    pace.note_answer(LARGE_BYTES - 1)
    assert (pace.queries(), pace.least_pause()) == ((), 0.0)


@pytest.mark.parametrize(("stale_after", "pause"), [(30.0, 15.0), (3600.0, 15.0), (4.0, 2.0)])
def test_large_rules_at_rest(stale_after: float, pause: float) -> None:
    """Every fifteen seconds, but twice within the age from which they are stale."""
    pace = at_rest(Clock(), stale_after=stale_after)
    assert tuple(query.key for query in pace.queries()) == KEYS
    assert pace.least_pause() == pause


@pytest.mark.parametrize("values", [(9.0, 2.0), (1.0, 9.0)], ids=["another began", "another number fires"])
def test_a_movement_requests_them_at_once(values: tuple[float, float]) -> None:
    """But not more often than small ones; until the request it is not forgotten, and after it the answer holds."""
    clock = Clock()
    pace = at_rest(clock)
    clock.now += 10.0
    assert pace.note_signal(signal(*values))
    pace.note_request()
    assert not pace.note_signal(signal(*values)) and pace.least_pause() == 0.0  # where the request fails
    pace.note_answer(LARGE_BYTES)
    assert pace.least_pause() == 15.0
    clock.now += 1.0
    assert not pace.note_signal(signal(1.0, 2.0))
    clock.now += 2.0
    assert pace.note_signal(signal(1.0, 2.0))


@pytest.mark.parametrize(
    "answers",
    [{}, {KEYS[0]: (), KEYS[1]: ()}, {**signal(1.0, 2.0), KEYS[0]: Fault(FaultKind.REJECTED, "no")}],
    ids=["not asked", "no series", "refused"],
)
def test_without_a_signal_nothing_is_requested_less_often(answers: dict[str, object]) -> None:
    """A server that does not store its alerts says nothing of them: every poll reads the rules."""
    clock = Clock()
    pace = at_rest(clock)
    clock.now += 3.0
    assert pace.note_signal(answers)
    pace.note_request()
    pace.note_answer(LARGE_BYTES)
    assert pace.least_pause() == 0.0


def test_a_partial_answer_is_no_signal() -> None:
    """The store that did not answer may hold the series of an alert that began."""
    pace = at_rest(Clock())
    pace.note_signal(signal(1.0, 2.0), partial=True)
    assert pace.least_pause() == 0.0


@given(st.sets(st.integers(0, 50)), st.sets(st.integers(51, 100)), st.sets(st.integers(0, 50)))
def test_two_sets_of_alerts_have_two_sums(before: set[int], begun: set[int], ended: set[int]) -> None:
    """The sum of the seconds at which alerts began tells apart any two sets of which one follows the other."""
    now = 1_800_000_000
    after = (before - ended) | begun
    old, new = (float(sum(now + second for second in found)) for found in (before, after))
    assert (old == new) == (before == after)


class Served:
    """A Prometheus with a large list of rules; what is requested of it, in order."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._requested = asyncio.Event()
        self.fake = FakePrometheus()
        self.fake.series = {"up": [({}, "1")], "sum(ALERTS_FOR_STATE)": [({}, "7")]}
        self.fake.series['count(ALERTS{alertstate="firing"})'] = [({}, "1")]
        rule = {"type": "alerting", "name": "Large", "query": "up", "labels": {}, "annotations": {"text": "x" * LARGE_BYTES}}
        self.rules = {"status": "success", "data": {"groups": [{"name": "g", "file": "f", "interval": 1, "rules": [rule]}]}}

    def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        self.paths.append(name)
        self._requested.set()
        return httpx.Response(200, content=json.dumps(self.rules)) if name == "rules" else self.fake.answer(request)

    async def wait(self, holds: Callable[[list[str]], bool]) -> None:
        """Until it holds for what was requested from now on."""
        self.paths.clear()
        async with asyncio.timeout(extend(30.0)):
            while not holds(self.paths):
                await self._requested.wait()
                self._requested.clear()


async def test_a_console_requests_large_rules_when_an_alert_begins(tmp_path: Path) -> None:
    """At rest thirty refreshes in a row request none; then the one that says that something moved does."""
    served = Served()
    own = replace(settings(tmp_path), refresh_seconds=0.02, stale_after_seconds=3600.0)
    prometheus = Prometheus(Endpoint("http://prometheus"), transport=httpx.MockTransport(served.answer))
    polling = SourcePolling(
        own,
        (PanelSpec("p", "Panel", Unit.PERCENT, raw="up"),),
        prometheus=prometheus,
        alertmanager=None,
        kubernetes=None,
        platform=None,
        log_panels=None,
        deliver=lambda result: None,
        on_late=lambda source, since: None,
        on_pauses=lambda pauses: None,
        detector=PauseDetector(),
        clock=time.time,
    )
    tasks = [asyncio.create_task(loop) for loop in polling.loops().values()]
    try:
        await served.wait(lambda paths: paths[-30:].count("query") == 30)
        served.fake.series["sum(ALERTS_FOR_STATE)"] = [({}, "9")]
        await served.wait(lambda paths: "rules" in paths)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await prometheus.close()
