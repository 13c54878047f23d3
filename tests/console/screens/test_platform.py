"""The Platform screen: the platform's own status with verdicts, at any width and without a response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, panels, snapshot
from served_platform import EXTENDED, HEALTH, NOT_READY, PROVIDERS, READY
from textual import events

from console.checks.platform_lines import evaluate_platform
from console.state.snapshot import Snapshot
from queries.model.fault import Fault, FaultKind
from queries.model.platform import PlatformHealth, Readiness, ReadinessCheck
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.platform.pages import health_of, providers_of, readiness_of, vectors_of

HOSTILE = "\x1b[2J[red]x[/]"


def build_health(**changed: Any) -> PlatformHealth:
    """Everything that a build can report."""
    whole = replace(
        health_of(HEALTH),
        readiness=readiness_of(READY, status=200),
        vectors=vectors_of(EXTENDED),
        providers=providers_of(PROVIDERS),
    )
    return replace(whole, **changed)


def snapshot_with(found: PlatformHealth | None, **changed: Any) -> Snapshot:
    health = evaluate_platform(found).health if found else Health.NOT_CONFIGURED
    detail = evaluate_platform(found).detail if found else ""
    state = SourceState("platform", health, detail=detail, last_good_at=NOW - 1.0 if found else None)
    others = [item for item in snapshot().sources if item.name != "platform"]
    fine = tuple(replace(item, verdict=Verdict.OK, value=1.0) for item in panels())
    return snapshot(sources=(*others, replace(state, **changed)), platform=found, alerts=(), panels=fine)


@pytest.mark.parametrize("size", [(80, 24), (132, 40)])
async def test_everything_is_shown_with_its_verdict(stage: Callable[..., Any], size: tuple[int, int]) -> None:
    """Readiness, services, breakers, models, providers, rates, vector versions and faiss, each with its text."""
    scene = stage(snapshot_with(build_health()))
    async with scene.app.run_test(size=size) as pilot:
        await scene.until(pilot, "api")
        await scene.press(pilot, "f2")
        shown = await scene.until(pilot, "Readiness")
        if "faiss" not in shown:
            await scene.press(pilot, "end")
            shown += await scene.until(pilot, "faiss")
    for words in (
        "WARN     ocr/deepseek_hf: not ready: model file is missing",
        "ok       /ready                   ready",
        "ok       models_loaded            ready",
        "-        redis                    disabled",
        "ok       vision                   closed, failures 1 of 5",
        "ok       ocr_paddle               loaded",
        "WARN     ocr/deepseek_hf          not ready: model file is missing",
        "v3 300 · v4 1200 · 1500 in total",
        "enabled yes",
        "1.00 % fail",
    ):
        assert words in shown, words


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.03], ids=["at once", "10 ms", "30 ms"])
async def test_a_key_typed_with_the_one_that_opens_the_screen_reaches_it(stage: Callable[..., Any], pause: float) -> None:
    """`f2` and `end` in one piece show the end of the page: the key waits until the new screen is filled and laid out."""
    scene = stage(snapshot_with(build_health()))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "api")
        scene.app.post_message(events.Key("f2", None))
        await asyncio.sleep(pause)
        scene.app.post_message(events.Key("end", None))
        assert "Readiness" not in await scene.until(pilot, "faiss")


async def test_not_ready_comes_first(stage: Callable[..., Any]) -> None:
    """Line 2 says NOT READY and what is missing, line 1 is not green, and the screen starts with the reason."""
    scene = stage(snapshot_with(build_health(readiness=readiness_of(NOT_READY, status=503))))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "api NOT READY models_loaded")
        tones = dict(scene.app.screen.header.lines[0])
        assert tones["none firing, api NOT READY "] == "unknown"
        shown = await scene.press(pilot, "f2")
    assert "CRIT     /ready: 503 not ready; models_loaded: not_ready: ocr_paddle:missing" in shown


async def test_an_unknown_status_is_reported(stage: Callable[..., Any]) -> None:
    """Without an API, with one that no longer responds, and with a build that returns only a constant, nothing is ok."""
    scene = stage(snapshot_with(None))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "not configured")
        assert "set CAD_ML_API_URL" in await scene.press(pilot, "f2")
    fault = Fault(FaultKind.UNREACHABLE, "no connection", where="http://api")
    scene = stage(snapshot_with(build_health(), health=Health.DOWN, fault=fault, last_good_at=NOW - 40.0))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "DOWN")
        shown = await scene.press(pilot, "f2")
        assert "as of 40s ago: the platform DOWN" in shown and "no connection at http://api" in shown
    scene = stage(snapshot_with(PlatformHealth("healthy", unread=(("/ready", ""), ("/health/extended", "401 no")))))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "DEGRADED")
        shown = await scene.press(pilot, "f2")
        assert "NO DATA  /health reports healthy, which some builds always do" in shown
        assert "NO DATA  /health/extended         401 no" in shown
        assert not [line for line in shown.splitlines() if line.startswith(" ok ")]


async def test_untrusted_text_stays_text(stage: Callable[..., Any]) -> None:
    """Control characters and markup in any field of the platform have no effect."""
    found = PlatformHealth(
        HOSTILE,
        services=((HOSTILE, HOSTILE),),
        degraded_reasons=(HOSTILE,),
        models=((HOSTILE, HOSTILE),),
        readiness=Readiness(ready=False, checks=(ReadinessCheck(HOSTILE, HOSTILE, HOSTILE),), reason=HOSTILE),
        unread=((HOSTILE, HOSTILE),),
    )
    scene = stage(snapshot_with(found))
    async with scene.app.run_test(size=(100, 40)) as pilot:
        await scene.until(pilot, "NOT READY")
        shown = await scene.press(pilot, "f2")
    assert "\x1b" not in shown and "[red]" in shown
