"""Actions that take several steps: each is journalled before it begins, and the journal names the one that was under way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import outcome, settings_for

from console.actions import registry
from console.actions.action import ChangeWriter, ClusterReader
from console.actions.plan import ActionRefused, Outcome, Plan, PreflightCheck, Preview, Request, RunStep, Stage, StepReport
from console.actions.runner import RunContext, run
from console.config.settings import Settings
from console.journal import process
from console.journal.sqlite import Journal
from console.journal.unfinished import UnfinishedProjection, examine

TARGET = "external/render"


class Swap:
    """Two steps; `end` is its last report, or what it raises before the first one."""

    name, title, target_kind, kinds, expects_recovery, parameters = "swap", "Swap", "external", (), False, ()

    def __init__(self, end: StepReport | Exception) -> None:
        self.end = end
        self.carried_out: list[str] = []

    async def fetch_facts(self, request: Request, reader: ClusterReader) -> None:
        return None

    def plan(self, request: Request, facts: None, now: float) -> Plan:
        return Plan(request, "Swap render", TARGET, (), (), "backup && update", "render", {})

    async def preflight(self, *_: Any) -> tuple[PreflightCheck, ...]:
        return ()

    async def check_undone(self, plan: Plan, reader: ClusterReader) -> None:
        return None

    async def carry_out(self, plan: Plan, reader: ClusterReader, writer: ChangeWriter) -> AsyncGenerator[StepReport, None]:
        if isinstance(self.end, Exception):
            raise self.end
        for step in ("backup", "update"):
            yield StepReport(step, f"{step}: ./{step}", command=f"./{step}")
            self.carried_out.append(step)
            yield StepReport(step, f"{step}: done", done=True, seconds=1.0, output="fine")
        yield self.end


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path, None)


@pytest.fixture
def journal(settings: Settings) -> Iterator[Journal]:
    with Journal.open(settings.paths.journal_file) as opened:
        yield opened


async def act(
    action: Swap, settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch, stop: str = ""
) -> list[RunStep]:
    async def agree(preview: Preview) -> bool:
        return True

    monkeypatch.setattr(registry, "action_named", lambda name: action)
    found: list[RunStep] = []
    steps = run(Request("swap", TARGET), RunContext(settings, None, None, journal), agree)  # type: ignore[arg-type]
    async with aclosing(steps):
        async for step in steps:
            found.append(step)
            if step.text == stop:
                break
    return found


@pytest.mark.parametrize("result", [Outcome.DONE, Outcome.ROLLED_BACK, Outcome.ROLLBACK_FAILED, Outcome.FAILED])
async def test_the_last_report_is_the_outcome(
    result: Outcome, settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step stands in the journal twice, with its command and what it printed; the outcome is what the action says."""
    action = Swap(StepReport("", f"{result}: so it was", Stage.VERIFY, outcome=result))
    steps = await act(action, settings, journal, monkeypatch)
    assert outcome(steps)[0] is result
    written = journal.events()
    assert [(event.kind, event.data.get("state") or event.data.get("outcome")) for event in written] == [
        ("action.intent", None), ("action.step", "begun"), ("action.step", "done"), ("action.step", "begun"),
        ("action.step", "done"), ("action.outcome", result.value),
    ]  # fmt: skip
    assert (written[1].data["command"], written[2].data["output"], written[2].data["seconds"]) == ("./backup", "fine", 1.0)


async def test_a_step_is_on_disk_before_it_begins(
    settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the caller sees that a step begins, the journal has it and the step has not begun; left there, it never does."""
    action = Swap(StepReport("", "", outcome=Outcome.DONE))
    await act(action, settings, journal, monkeypatch, stop="update: ./update")
    assert action.carried_out == ["backup"]
    assert journal.events()[-2].data["text"] == "update: ./update"
    end = journal.events()[-1].data
    assert (end["outcome"], end["text"]) == (
        "unknown",
        "unknown: the console exited; the last step that began: update: ./update",
    )


async def test_refused_before_the_first_step_sends_nothing(
    settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the action or read-only refuses before a step is `refused`, as of every other action."""
    for error in (ActionRefused("the secret changed"), PermissionError("read-only")):
        result, text = outcome(await act(Swap(error), settings, journal, monkeypatch))
        assert (result, text) == (Outcome.REFUSED, f"refused, nothing was sent: {error}")


async def test_the_step_under_way_is_named_after_kill_9(
    settings: Settings, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a console that was killed the journal names the last step that began, in its own file and where it is shared."""
    await act(Swap(StepReport("", "", outcome=Outcome.DONE)), settings, journal, monkeypatch)
    monkeypatch.setattr(process, "is_running", lambda text: False)
    for killed_after, step in ((1, None), (2, "backup: ./backup"), (3, "backup: ./backup"), (4, "update: ./update")):
        events = journal.events()[:killed_after]
        projection = UnfinishedProjection()
        (intent,) = projection.fold(projection.initial(), events).values()
        assert intent.data.get("step") == step
        found = examine(intent)
        assert found is not None
        sentence = found.sentence("2m")
        assert sentence.endswith(f"; the last step that began: {step}") is (step is not None), sentence
        with Journal.open(f"{settings.paths.journal_file}{killed_after}") as other:
            for event in events:
                other.append(replace(event, id="", sequence=0, stamp=0))
            (unfinished,) = other.unfinished()
            assert (unfinished.ended, unfinished.intent.data.get("step")) == (True, step)
