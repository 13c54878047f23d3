"""The key dashboards on a real Prometheus with the platform's rules and traffic: every panel has data, in one request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.demo.server_config import fast_windows
from console.demo.stack import DemoStack
from queries.catalogue.loader import load_dashboard
from queries.grafana.dashboard import OpenDashboard
from queries.http.endpoint import Endpoint
from queries.model.dashboard import DASHBOARDS, DashboardChoice, DashboardResult
from queries.prometheus.client import Prometheus

pytestmark = pytest.mark.servers
OCR_ONLY = "ocr_performance"


@pytest.fixture(scope="module")
def settled(calm_stack: DemoStack) -> Iterator[DemoStack]:
    calm_stack.settle()
    yield calm_stack


class Counting(Prometheus):
    """Counts the requests it sends."""

    sent = 0

    async def _ask(self, *words: object, **more: object) -> object:  # type: ignore[override]
        self.sent += 1
        return await super()._ask(*words, **more)  # type: ignore[arg-type]


async def asked(stack: DemoStack, choice: DashboardChoice, *, recorded: bool = True) -> tuple[DashboardResult, int]:
    """The second refresh, and how many requests it took."""
    source = Counting(Endpoint(stack.addresses.prometheus))
    source.windows = fast_windows()
    if recorded:
        await source.rules()
    board = load_dashboard(choice.name, provider=choice.provider)
    if not recorded:
        from dataclasses import replace

        board = replace(board, panels=tuple(replace(spec, recorded=None, recorded_names=()) for spec in board.panels))
    opened = OpenDashboard(source, board, choice)
    await opened.refresh()
    source.sent = 0
    answer = await opened.refresh()
    await opened.close()
    await source.close()
    return answer, source.sent


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "raw"])
@pytest.mark.parametrize("name", [name for name, _ in DASHBOARDS])
async def test_every_panel_has_data(settled: DemoStack, name: str, recorded: bool) -> None:
    """With the rules and without them; a refresh is one or two requests; both give the same order of size."""
    answer, sent = await asked(settled, DashboardChoice(name), recorded=recorded)
    for told in answer.results:
        assert told.fault is None, f"{told.id}: {told.fault}"
        assert told.samples, f"{told.id}: {told.query}"
    assert sent <= 2
    assert {"paddle", "deepseek", "clip"} <= set(answer.providers)


@pytest.mark.parametrize(("name", "provider"), [(name, "paddle") for name, _ in DASHBOARDS] + [("platform_overview", "clip")])
async def test_every_panel_can_be_narrowed(settled: DemoStack, name: str, provider: str) -> None:
    """One provider: every panel still has data, and where it is by provider, of that one alone."""
    answer, _ = await asked(settled, DashboardChoice(name, provider=provider))
    scopes = {spec.id: spec for spec in answer.dashboard.panels}
    assert answer.results
    for told in answer.results:
        spec = scopes[told.id]
        assert told.fault is None, f"{told.id}: {told.fault}"
        assert told.samples, f"{told.id}: {told.query}"
        if spec.group_by == "provider" and not spec.scope:
            assert {sample.label("provider") for sample in told.samples} == {provider}, told.id


async def test_yesterday_is_known_where_it_was_kept(settled: DemoStack) -> None:
    """The week of history answers for what was recorded; the rest is empty, and nothing fails."""
    answer, _ = await asked(settled, DashboardChoice("platform_overview", back_seconds=86400.0))
    known = {told.id for told in answer.earlier if told.samples}
    assert {"error_ratio", "p95_latency", "cpu", "error_budget"} <= known
    assert all(told.fault is None for told in answer.earlier)
