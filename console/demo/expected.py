"""Expectations of scenarios: compares what the console shows with the simulated platform."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

from console.demo.scenario_test import Say, ScenarioTimeout, wait_for
from console.demo.scenarios import SLOW_PROVIDER
from console.demo.simulator import Simulator
from console.monitor.session import Session
from console.state.snapshot import Snapshot
from queries.model.frozen import dataclass
from queries.model.panel import Origin, PanelState
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_duration
from queries.text.numbers import format_figure

SHARE = 0.15
"""The relative tolerance of a figure, since traffic and windows move."""
WATCH_SECONDS = 15.0
_POLL_SECONDS = 0.2
_VERB_SECONDS = 60.0
_GROUPS = re.compile(r"\bforeign-\w+.*\bcad-\w+|\bcad-\w+.*\bforeign-\w+")
"""A foreign group and one of ours in one line."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The input of an expectation: the console, the platform behind it, and the environment of a command."""

    session: Session
    simulator: Simulator
    environ: Mapping[str, str]
    say: Say


def true_figures(simulator: Simulator) -> dict[str, float]:
    """The expected values of overview panels by id, from the platform's state."""
    budget = 100.0 * (1.0 - simulator.mean_error_share() / 0.001)
    return {
        "error_ratio": simulator.error_percent(),
        "request_rate": simulator.requests_per_second(),
        "provider_health": 70.0 * (1.0 - simulator.provider_failing_share(SLOW_PROVIDER)) + 30.0,
        "circuit_breakers": float(simulator.open_circuits()),
        "error_budget": budget,
    }


def wrong_panels(now: Snapshot, simulator: Simulator) -> list[str]:
    """The panels with a wrong value that are not in doubt."""
    found = []
    for identity, truth in true_figures(simulator).items():
        state = now.panel(identity)
        if state is None or state.verdict is Verdict.IN_DOUBT:
            continue
        # A share is too small a tolerance near an exhausted budget.
        slack = max(SHARE * abs(truth), 5.0 if identity == "error_budget" else 0.0)
        if state.value is None or abs(state.value - truth) > slack:
            found.append(f"{_sentence(state)}, expected {truth:.2f}")
    return found


def _sentence(state: PanelState) -> str:
    value = "nothing" if state.value is None else format_figure(state.value, state.spec.unit, state.spec.decimals)
    return visible(f"{state.spec.title}: {state.verdict.word} {value} ({state.origin.value})")


async def expect_silent_failure(watch: Watch) -> None:
    """A failure without an error status shows in error ratio, provider health and open circuits."""
    await _true_figures(watch)
    now = watch.session.snapshot()
    for identity in ("error_ratio", "provider_health"):
        state = now.panel(identity)
        if state is None or state.verdict is not Verdict.CRITICAL:
            raise ScenarioTimeout(f"{_sentence(state) if state else identity} is not critical")


async def expect_foreign_rules(watch: Watch) -> None:
    """Shows no figure of a foreign rule: after comparing the rules it reads raw values, or is in doubt."""
    await wait_for(watch.session, _rules_compared, "the console did not compare the loaded rules with its own")
    await _true_figures(watch)
    ends = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < ends:
        now = watch.session.snapshot()
        if found := wrong_panels(now, watch.simulator):
            raise ScenarioTimeout("; ".join(found))
        recorded = [state for state in now.panels if state.origin is Origin.RECORDED and state.verdict is not Verdict.IN_DOUBT]
        if recorded:
            raise ScenarioTimeout(f"read from foreign rules: {', '.join(_sentence(state) for state in recorded)}")
        await asyncio.sleep(_POLL_SECONDS)
    watch.say(f"no panel read a foreign rule for {format_duration(WATCH_SECONDS)}", step="rules")


def _rules_compared(now: Snapshot) -> bool | None:
    """Whether there are values, and the console verified every recorded one; on a busy machine the rules arrive later."""
    measured = [state for state in now.panels if state.origin is not Origin.NONE]
    return True if measured and not any(state.caveat and state.origin is Origin.RECORDED for state in measured) else None


async def expect_two_rule_sets(watch: Watch) -> None:
    """`check` and `doctor` name both groups that record one name, and `check` fails."""
    for verb in ("check", "doctor"):
        code, text = await _command(watch, verb)
        named = [line for line in text.splitlines() if _GROUPS.search(line)]
        if not named:
            raise ScenarioTimeout(f"`cad-console {verb}` does not name two groups that record one name")
        watch.say(f"{verb}: {visible(named[0].strip())}", step="two groups")
        if verb == "check" and code == 0:
            raise ScenarioTimeout("`cad-console check` passes with two groups that record one name")


async def expect_not_ready(watch: Watch) -> None:
    """`status` and `check` report the platform as not ready with the failing check of /ready."""
    for verb in ("status", "check"):
        code, text = await _command(watch, verb)
        bad = "NOT READY" if verb == "status" else "FAILED"
        lines = [line for line in text.splitlines() if bad in line and "models" in line]
        if not lines:
            raise ScenarioTimeout(f"`cad-console {verb}` does not say that the platform is not ready because of its models")
        watch.say(f"{verb}: {visible(lines[0].strip())}", step="not ready")
        if verb == "check" and code == 0:
            raise ScenarioTimeout("`cad-console check` passes while /ready answers 503")


async def _true_figures(watch: Watch) -> None:
    def look(now: Snapshot) -> list[str] | None:
        there = all(now.panel(identity) is not None for identity in true_figures(watch.simulator))
        return [] if there and not wrong_panels(now, watch.simulator) else None

    try:
        await wait_for(watch.session, look, "wrong figures")
    except ScenarioTimeout as reason:
        raise ScenarioTimeout(f"{reason}: {'; '.join(wrong_panels(watch.session.snapshot(), watch.simulator))}") from None
    now = watch.session.snapshot()
    for identity, truth in true_figures(watch.simulator).items():
        state = now.panel(identity)
        if state is not None:
            watch.say(f"{_sentence(state)}, expected {truth:.2f}", step="figure")


async def _command(watch: Watch, verb: str) -> tuple[int, str]:
    """Exit code and output of a console command on the demo's servers."""

    def run() -> tuple[int, str]:
        done = subprocess.run(  # noqa: S603  # this program and a verb
            [sys.executable, "-m", "console", verb],
            env={**os.environ, **watch.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERB_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return await asyncio.to_thread(run)


EXPECTED: Mapping[str, Callable[[Watch], Awaitable[None]]] = {
    "silent-failure": expect_silent_failure,
    "foreign-rules": expect_foreign_rules,
    "two-rule-sets": expect_two_rule_sets,
    "not-ready": expect_not_ready,
}
"""By the scenario's name."""
