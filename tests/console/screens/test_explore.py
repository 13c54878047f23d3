"""The page that evaluates an expression: what it shows of the server's answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from console.screens.messages import OpenExploreRequested
from queries.model.annotations import Annotations
from queries.prometheus.responses import InstantResult


async def test_a_warning_is_shown_with_an_empty_result(stage: Callable[..., Any]) -> None:
    """A Thanos that lost a store may answer with no series: NO DATA, and the warning that says why."""
    scene = stage()

    async def evaluate(query: str) -> InstantResult:
        return InstantResult((), Annotations(("no store for cluster b",)))

    scene.session.evaluate = evaluate
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.flows.navigation.open(OpenExploreRequested("up == 0"))
        shown = await scene.until(pilot, "NO DATA: the expression returns no series now")
        assert "no store for cluster b" in shown and "0 series" not in shown
