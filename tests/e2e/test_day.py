"""The day on real servers: checklists headless and at the keyboard, a console that is killed in the middle, the handover."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from painting import text_of
from terminal import Terminal
from textual.pilot import Pilot

from console.checklists.definition import AlertsEvidence, Checklist, Item
from console.checklists.evidence_queries import CollectedEvidence, fetch_evidence
from console.cli.main import main
from console.cli.one_shot import with_session
from console.config.load import load_settings
from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack
from console.monitor.session import Session
from console.screens.app import ConsoleApp
from console.state.checklist_runs import ChecklistRuns

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("utc")]
ENTER = "\r"


@pytest.fixture(scope="module")
def slow_provider(servers: Servers) -> Iterator[DemoStack]:
    """The OCR provider deepseek times out, and Alertmanager has its alert."""
    with DemoStack(scenario("provider-timeout"), servers) as stack:
        stack.settle()
        yield stack


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """A headless command on a stack, with a journal of its own."""

    def call(stack: DemoStack, *words: str) -> tuple[int, str]:
        with monkeypatch.context() as environ:
            for name, value in {**stack.addresses.environment(), "XDG_STATE_HOME": str(tmp_path)}.items():
                environ.setenv(name, value)
            code = main(list(words))
        return code, capsys.readouterr().out

    return call


def test_a_calm_platform_passes_every_checklist(calm_stack: DemoStack, run: Callable[..., tuple[int, str]]) -> None:
    """Morning, hourly and end of day are 0; yesterday is known; the backup succeeded; the shipped queries are taken."""
    calm_stack.settle()
    for name in ("morning", "hourly", "end-of-day"):
        code, out = run(calm_stack, "checklist", name)
        assert code == 0, out
    assert "CronJob nightly-backup succeeded" in out and "Error budget spent today" in out
    _, told = run(calm_stack, "checklist", "morning", "--format", "json")
    items = {item["id"]: item for item in json.loads(told)["items"]}
    assert {item["verdict"] for item in items.values()} == {"ok"}
    assert "now" in items["error-ratio"]["yesterday"] and items["overnight-alerts"]["yesterday"] == "0 firing"
    code, out = run(calm_stack, "checklist", "--lint")
    assert code == 0 and "all valid" in out


def test_the_rules_that_a_calm_platform_has_loaded_are_clean(
    calm_stack: DemoStack, run: Callable[..., tuple[int, str]]
) -> None:
    """Our own rules, asked of the server, step into no trap: what is allowed in their files is allowed there, `for: 0s` is
    not taken for none, and a metric that not every cluster has is a note."""
    calm_stack.settle()
    code, out = run(calm_stack, "rules", "lint", "--live")
    assert (code, "0 errors, 0 warnings" in out) == (0, True), out


def test_a_slow_provider_fails_the_morning_and_is_named(
    slow_provider: DemoStack, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """Exit code 1, with the provider in every form; the end of day tells the alert with times and total."""
    code, out = run(slow_provider, "checklist", "morning")
    assert code == 1 and "WARN Providers: deepseek: " in out and "ProviderTimeout deepseek" in out
    code, out = run(slow_provider, "checklist", "morning", "--format", "junit")
    failed = [case.get("name") for case in ElementTree.fromstring(out) if case.find("failure") is not None]  # our own output
    assert code == 1 and {"Overnight alerts", "Providers"} <= set(failed)
    file = tmp_path / "day.md"
    assert run(slow_provider, "checklist", "end-of-day", "--format", "markdown", "--output", str(file)) == (1, "")
    summary = file.read_text()
    for words in ("### Key figures", "ProviderTimeout (deepseek)  1 time, ", "### Silences in force", "### Backup"):
        assert words in summary, summary


def test_the_window_agrees_with_prometheus_own_record(slow_provider: DemoStack) -> None:
    """For how long an alert fired is what counting its samples gives, to the evaluations that lie between the two questions."""
    settings = load_settings({}, {**os.environ, **slow_provider.addresses.environment()})
    checklist = Checklist("x", "X", (Item("a", "A", "?", AlertsEvidence(otherwise_seconds=3600.0)),))

    async def work(session: Session) -> CollectedEvidence:
        snapshot = await session.once()
        return await fetch_evidence(
            checklist, snapshot, ChecklistRuns(), prometheus=session.prometheus, kubernetes=session.kubernetes, clock=time.time
        )

    answers = with_session(settings, work)
    window = answers.alerts["a"].value
    assert window is not None and window.gaps == ()
    record = next(item for item in window.histories if item.name == "ProviderTimeout")
    query = 'count_over_time(ALERTS{alertname="ProviderTimeout",alertstate="firing"}[2h])'
    asked = {"query": query, "time": str(answers.fetched_at)}
    reply = httpx.get(f"{slow_provider.addresses.prometheus}/api/v1/query", params=asked, timeout=10.0).json()
    samples = float(reply["data"]["result"][0]["value"][1])
    assert record.times == 1 and record.still_firing
    assert record.total_seconds == pytest.approx(2.0 * samples, abs=2.0)


def shown(app: ConsoleApp) -> str:
    return text_of(app.screen)


async def until(app: ConsoleApp, pilot: Pilot[None], *words: str) -> str:
    deadline = time.monotonic() + 30.0
    while not all(each in shown(app) for each in words):
        assert time.monotonic() < deadline, f"{words} did not appear:\n{shown(app)}"
        await asyncio.sleep(0.05)
        await pilot.pause()
    return shown(app)


async def test_a_morning_and_a_handover_at_the_keyboard(slow_provider: DemoStack, tmp_path: Path) -> None:
    """The whole walk with real evidence, signed with what was open; then the handover, which names the provider, signed."""
    environment = {**os.environ, **slow_provider.addresses.environment(), "XDG_STATE_HOME": str(tmp_path)}
    settings = load_settings({"refresh": 0.5}, environment)
    app = ConsoleApp(settings, ascii_only=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(app, pilot, "ProviderTimeout")
        await pilot.press("8")
        await until(app, pilot, "Morning", "End of day")
        await pilot.press("enter")
        await until(app, pilot, "1 of 8", "yesterday 0 firing")
        for number in range(2, 9):
            await pilot.press("enter")
            await until(app, pilot, f"{number} of 8  ")
        await pilot.press("enter")
        await until(app, pilot, "Sign-off", "Providers: WARN")
        await pilot.press("enter")
        await until(app, pilot, "Sign Morning")
        await pilot.press("tab", *"deepseek", "enter")
        await until(app, pilot, "signed", ": deepseek")
        await pilot.press("escape", "colon", *"handover", "enter")
        text = await until(app, pilot, "Shift handover", "Morning, signed", "% left")
        assert "P3 ProviderTimeout deepseek  firing for" in text and "unacknowledged" in text
        await pilot.press("s")
        await until(app, pilot, "who takes over")
        await pilot.press("tab", *"Bob", "enter")
        await until(app, pilot, "the last handover, signed by", "to Bob")
        assert app.session is not None and app.session.journal is not None
        events = [event for event in app.session.journal.events() if event.kind != "rollout.complete"]
    assert [event.kind for event in events] == ["walk.begun", *["walk.item"] * 8, "walk.signed", "handover.signed"]
    answers = {event.data["item"]: event.data for event in events if event.kind == "walk.item"}
    assert answers["providers"]["why"].startswith("deepseek: ") and answers["providers"]["verdict"] == "warn"
    assert any("ProviderTimeout" in line for line in events[-1].data["handed_over"]["Alerts still firing"])


def test_killed_in_the_middle_of_a_walk(slow_provider: DemoStack, open_console: Callable[..., Terminal]) -> None:
    """kill -9 right after an answer was seen: the next console has it, and goes on behind it."""
    first = open_console(slow_provider)
    first.wait_for("ProviderTimeout")
    first.send("8")
    first.wait_for("Morning", "End of day")
    first.send(ENTER)
    first.wait_for("1 of 8", "yesterday 0 firing")
    first.send(ENTER)
    first.wait_for("2 of 8  Platform")
    first.kill(signal.SIGKILL)
    assert first.wait_exit() == -signal.SIGKILL
    second = open_console(slow_provider)
    second.wait_for("ProviderTimeout")
    second.send("8")
    second.wait_for("open, 1 of 8")
    second.send(ENTER)
    second.wait_for("2 of 8  Platform", "● WARN     Overnight alerts")


def test_a_handover_headless(slow_provider: DemoStack, run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """Text, JSON and Markdown name the alert and the budget; --sign begins the next shift, and the journal tells of it."""
    code, out = run(slow_provider, "handover")
    assert code == 0 and "no signed handover yet" in out and "P3 ProviderTimeout deepseek" in out and "% left" in out
    file = tmp_path / "handover.md"
    words = ("--sign", "--to", "Bob", "--remark", "see deepseek")
    assert run(slow_provider, "handover", "--format", "markdown", "--output", str(file), *words) == (0, "")
    assert "### Alerts still firing" in file.read_text()
    code, out = run(slow_provider, "handover", "--format", "json")
    told: dict[str, Any] = json.loads(out)
    assert code == 0 and told["signed_by"] and "remark: see deepseek" in json.dumps(told["sections"][0])
    assert "handover: signed by" in run(slow_provider, "journal")[1]


def test_an_incident_is_pending_in_the_morning_and_handed_on(
    slow_provider: DemoStack, run: Callable[..., tuple[int, str]]
) -> None:
    """Declared in the console's journal, it is named by the checklist, asked about at the end of the day, and handed over."""
    assert run(slow_provider, "incident", "declare", "deepseek is slow", "--severity", "P2")[0] == 0
    code, out = run(slow_provider, "checklist", "morning")
    assert code == 1 and "WARN Pending incidents: P2 deepseek is slow (1), open for" in out
    _, out = run(slow_provider, "checklist", "end-of-day")
    assert "ASK Are the tickets of today's incidents up to date? (1 today)" in out and "1 question for a person" in out
    assert "WARN: P2 deepseek is slow (1), open for" in run(slow_provider, "handover")[1]
