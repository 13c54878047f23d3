"""A person runs the morning checklist: agrees, overrules, adds notes, inspects, is interrupted, continues, signs."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from journalled_session import JournalledSession, matrix, vector
from painting import text_of
from screen_samples import HOSTILE, NOW, settings, snapshot, tracked
from textual.pilot import Pilot

from console.checklists.evaluate import evaluate
from console.checklists.result import ItemResult
from console.checklists.service import RunSignedError
from console.journal.event import Event
from console.journal.payloads import ItemAnswered, RunSigned, RunStarted
from console.screens.app import ConsoleApp
from console.screens.checklist_run import ChecklistRunScreen
from console.screens.handover import HandoverScreen
from console.state.checklist_runs import ChecklistRun, ChecklistRuns, Signature
from queries.model.series import Sample

pytestmark = pytest.mark.usefixtures("utc")

FIRED = {"__q__": "fired", "alertname": "DriftScoreHigh", "severity": "info", "component": "model"}


def told(request: httpx.Request) -> httpx.Response:
    """An alert that ended during the night, an uninterrupted Prometheus, and half of every value yesterday."""
    form = parse_qs((request.content or request.url.query).decode())
    if not request.url.path.endswith("range"):
        return vector(({"__q__": "error_ratio"}, 0.4), ({"__q__": "provider_health", "provider": "deepseek"}, 99.0))
    start, end, step = (float(form[name][0]) for name in ("start", "end", "step"))
    moments = [end - step * back for back in range(int((end - start) / step + 1e-6), -1, -1)]
    return matrix((FIRED, [(at, 4.0) for at in moments[-90:-80]]), ({"__q__": "seen"}, [(at, 1.0) for at in moments]))


class Walker:
    """One console on the journal in `folder`."""

    def __init__(self, folder: Path, *, user: str = "you@bastion", answer: Any = told, **changes: object) -> None:
        self.settings = replace(settings(folder), user=user)
        self.session = JournalledSession(self.settings, snapshot(**changes), told=answer)
        self.app = ConsoleApp(self.settings, session_factory=lambda _: self.session, clock=lambda: NOW, ascii_only=False)

    @property
    def text(self) -> str:
        return text_of(self.app.screen)

    @property
    def events(self) -> tuple[Event, ...]:
        assert self.session.journal is not None
        return self.session.journal.events()

    @property
    def at(self) -> str:
        assert isinstance(self.app.screen, ChecklistRunScreen)
        return self.app.screen.at

    async def press(self, pilot: Pilot[None], *keys: str) -> str:
        await pilot.press(*keys)
        await pilot.pause()
        return self.text

    async def until(self, pilot: Pilot[None], words: str) -> str:
        deadline = time.monotonic() + 20.0
        while words not in self.text:
            assert time.monotonic() < deadline, f"{words!r} did not appear:\n{self.text}"
            await pilot.pause(0.02)
        return self.text

    async def show_error_ratio(self, pilot: Pilot[None], value: float) -> None:
        """Another value of the panel, on the page in view or under a dialog."""
        shown = self.session.shown
        other: dict[str, Any] = {"value": value, "samples": (Sample((), value),)}
        panels = tuple(replace(item, **other) if item.spec.id == "error_ratio" else item for item in shown.panels)
        self.session.deliver(replace(shown, panels=panels))
        page = next(item for item in reversed(self.app.screen_stack) if isinstance(item, ChecklistRunScreen))
        deadline = time.monotonic() + 20.0
        while page.context is None or page.context.snapshot is not self.session.shown:
            assert time.monotonic() < deadline, "the page did not get the snapshot"
            await pilot.pause(0.02)

    async def begin(self, pilot: Pilot[None]) -> str:
        """Go to the first page of the morning run, with its evidence."""
        await self.until(pilot, "HighErrorRate")
        await self.press(pilot, "8")
        await self.until(pilot, "Morning")
        await self.press(pilot, "enter")
        return await self.until(pilot, "yesterday 0 firing")


@pytest.mark.slow
async def test_a_complete_morning_run(tmp_path: Path) -> None:
    """From the list to the signature: the journal has each answer before the next page, and the list knows it afterwards."""
    walker = Walker(tmp_path)
    async with walker.app.run_test(size=(80, 24)) as pilot:
        shown = await walker.begin(pilot)
        for words in (
            "1 of 8", "Overnight alerts", "CRIT  3 firing · 1 resolved · 1 silenced", "P1 HighErrorRate firing",
            "yesterday 0 firing", "○ CRIT     Overnight alerts", "○ STALE    CPU", "sign     8 open",
        ):  # fmt: skip
            assert words in shown, words
        assert max(len(line) for line in shown.splitlines()) <= 80
        assert [event.kind for event in walker.events] == ["walk.begun"]

        await walker.press(pilot, "enter")
        shown = await walker.until(pilot, "2 of 8")
        assert "● CRIT     Overnight alerts" in shown and "NO DATA  not known" in shown
        assert [event.kind for event in walker.events] == ["walk.begun", "walk.item"]

        await walker.press(pilot, "enter")
        shown = await walker.until(pilot, "3 of 8")
        assert "● NO DATA  Platform" in shown and "yesterday 0.40 % (now +7.44)" in shown

        await walker.press(pilot, "n", *"seen", "enter")
        await walker.until(pilot, "you@bastion: seen")
        await walker.press(pilot, "o")
        await walker.until(pilot, "the data says CRIT, you say ok")
        await walker.press(pilot, *"a", "space", *"test", "enter")
        shown = await walker.until(pilot, "4 of 8")
        assert "▲ CRIT     Error ratio" in shown and "deepseek: 81.2 % is under 90 %" in shown

        await walker.press(pilot, "g")
        await walker.until(pilot, "Go to")
        await walker.press(pilot, "down", "enter")
        await walker.until(pilot, "P3 WARN ProviderTimeout ocr/deepseek")
        await walker.press(pilot, "escape")
        await walker.until(pilot, "4 of 8")
        assert walker.at == "providers"

        await walker.press(pilot, "enter", "enter", "enter", "enter", "enter")
        shown = await walker.until(pilot, "Sign-off")
        for words in (
            "Overnight alerts: CRIT 3 firing",
            "Platform: NO DATA not known",
            "Providers: WARN 81.2 %",
            "CPU: STALE 41 %",
            "overruled CRIT to ok: a test",
        ):
            assert words in " ".join(shown.replace("│", " ").split()), words
        await walker.press(pilot, "enter")
        await walker.until(pilot, "Sign Morning: 4 open")
        await walker.press(pilot, *["backspace"] * 11, *"Ann", "tab", *"ok", "enter")
        await walker.until(pilot, "signed 14:03 UTC by Ann (you@bastion)")
        assert [event.kind for event in walker.events] == [
            "walk.begun",
            "walk.item",
            "walk.item",
            "walk.note",
            "walk.item",
            "walk.item",
            "walk.item",
            "walk.item",
            "walk.item",
            "walk.item",
            "walk.signed",
        ]
        assert walker.events[-1].data["open"] == [
            "Overnight alerts: CRIT 3 firing · 1 resolved · 1 silenced",
            "Platform: NO DATA not known",
            "Providers: WARN 81.2 %",
            "CPU: STALE 41 %",
        ]
        await walker.press(pilot, "escape")
        shown = await walker.until(pilot, "Past runs of Morning")
        assert "14:03 UTC Ann, 4 open" in shown


async def test_a_run_continues_where_it_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The console dies in the middle; another one on the same journal has every answer and continues at the first open item."""
    first = Walker(tmp_path)
    async with first.app.run_test(size=(80, 24)) as pilot:
        await first.begin(pilot)
        await first.press(pilot, "enter")
        for number in (2, 3, 4):
            await first.until(pilot, f"{number} of 8")
            await first.press(pilot, *["enter"] * (number < 4))
    second = Walker(tmp_path)
    async with second.app.run_test(size=(80, 24)) as pilot:
        await second.until(pilot, "HighErrorRate")
        await second.press(pilot, "8")
        await second.until(pilot, "open, 3 of 8, you@bastion")
        await second.press(pilot, "enter")
        shown = await second.until(pilot, "4 of 8")
        assert "● CRIT     Error ratio" in shown and second.at == "providers"
        drawn: list[str] = []
        screen = second.app.screen
        assert isinstance(screen, ChecklistRunScreen)
        draw = screen.draw
        monkeypatch.setattr(screen, "draw", lambda view: (drawn.append(screen.at), draw(view)))
        await pilot.pause(0.3)
        assert set(drawn) <= {"providers"} and len(drawn) < 5, "the page stands still"
        assert [event.kind for event in second.events] == ["walk.begun", "walk.item", "walk.item", "walk.item"]


async def test_two_people_in_one_run(tmp_path: Path) -> None:
    """The other person's answer appears on the open item; both stand, and the sign-off says that they differ."""
    ann = Walker(tmp_path, user="ann")
    bob = Walker(tmp_path, user="bob")
    async with ann.app.run_test(size=(80, 24)) as pilot:
        await ann.begin(pilot)
        walk = ann.events[0].subject
        answer = ItemAnswered("error-ratio", answer="overrule", resulting_verdict="ok", verdict="critical", reason=HOSTILE)
        await bob.session.record(walk, answer)
        await ann.press(pilot, "down", "down")
        ann.session.look()
        shown = await ann.until(pilot, "bob overruled CRIT to ok")
        assert "\x1b" not in shown and "[bold]x[/bold]" in shown.replace("│", "").replace("\n", "")
        await ann.press(pilot, "enter")
        await ann.until(pilot, "4 of 8")
        await ann.press(pilot, "up")
        await ann.until(pilot, "Answers: they differ")
        await ann.press(pilot, "end")
        await ann.until(pilot, "Error ratio: the answers differ: bob")


async def test_signed_is_signed(tmp_path: Path) -> None:
    """Nobody signs a run again or changes its answers; a note is a correction, and the page shows what was recorded, also
    after the platform changed.
    """
    walker = Walker(tmp_path)
    async with walker.app.run_test(size=(80, 24)) as pilot:
        await walker.begin(pilot)
        await walker.press(pilot, "enter")
        await walker.until(pilot, "2 of 8")
        run_id = walker.events[0].subject
        await walker.session.record(run_id, RunSigned("morning", "Morning", "Ann"))
        kinds = [event.kind for event in walker.events]
        await walker.press(pilot, "end")
        shown = await walker.until(pilot, "signed 14:03 UTC by Ann")
        assert "enter signs it" not in shown
        for key in ("enter", "o"):
            await walker.press(pilot, key)
            assert "Sign Morning" not in walker.text and [event.kind for event in walker.events] == kinds
        walker.session.deliver(replace(walker.session.shown, alerts=()))
        await walker.press(pilot, "home")
        shown = await walker.until(pilot, "as recorded at 2026-01-01 14:03:27Z")
        assert "CRIT  3 firing · 1 resolved" in shown and "nothing is firing" not in shown
        await walker.press(pilot, "enter", "n", *"wrong", "enter")
        await walker.until(pilot, "you@bastion: wrong")
        assert [event.kind for event in walker.events] == [*kinds, "walk.note"]
        checklist = (await walker.session.checklists.load()).get("morning")
        run = walker.session.shown.ledger.checklist_runs.get(run_id)
        assert checklist is not None and run is not None
        with pytest.raises(RunSignedError, match=r"^Ann signed this run at 2026-01-01 14:03:27Z: it can no longer be changed"):
            await walker.session.checklists.sign(checklist, run, (), name="Bob")
        with pytest.raises(RunSignedError):
            await walker.session.checklists.answer(run_id, ItemResult(checklist.items[0], None, "", ""), "agree")


async def test_an_answer_that_is_not_journalled_is_not_shown(tmp_path: Path) -> None:
    """When the journal fails, the item stays open and says so; the page does not advance."""
    walker = Walker(tmp_path)
    async with walker.app.run_test(size=(80, 24), notifications=True) as pilot:
        await walker.begin(pilot)
        assert walker.session.journal is not None
        walker.session.journal.close()
        await walker.press(pilot, "enter")
        await walker.until(pilot, "not recorded")
        assert walker.at == "overnight-alerts" and "○ CRIT     Overnight alerts" in walker.text


async def test_pending_evidence_cannot_be_agreed_to(tmp_path: Path) -> None:
    """While Prometheus has not returned the night's alerts, enter does not agree; without them it is NO DATA and can be."""
    walker = Walker(tmp_path, answer=lambda _: httpx.Response(503, text="starting"), alerts=())
    async with walker.app.run_test(size=(80, 24)) as pilot:
        await walker.until(pilot, "7.8")  # its value, not the title that precedes it
        await walker.press(pilot, "8")
        await walker.until(pilot, "Morning")
        await walker.press(pilot, "enter")
        shown = await walker.until(pilot, "is not known:")
        assert "NO DATA" in shown and "yesterday" not in shown
        screen = walker.app.screen
        assert isinstance(screen, ChecklistRunScreen)
        screen.evidence = None
        await walker.press(pilot, "enter")
        assert [event.kind for event in walker.events] == ["walk.begun"]
        await walker.press(pilot, "u")
        await walker.until(pilot, "is not known:")
        await walker.press(pilot, "enter")
        await walker.until(pilot, "2 of 8")
        assert walker.events[-1].data["stands"] == "no_data"


async def test_a_streak_and_the_previous_run_are_shown(tmp_path: Path) -> None:
    """A warning in each of the last runs is named on the list and on the item, with the previous answer."""
    walker = Walker(tmp_path)
    for day in (3, 2, 1):
        at, walk = NOW - day * 86_400.0, f"w{day}"
        events = (
            ("walk.begun", {"checklist": "morning"}),
            ("walk.item", {"item": "providers", "answer": "agree", "verdict": "warn", "stands": "warn", "told": f"8{day}.0 %"}),
            ("walk.signed", {"name": "Ann", "open": ["Providers: WARN"]}),
        )
        for kind, data in events:
            assert walker.session.journal is not None
            walker.session.journal.append(Event(at, kind, walk, "ann", "production", data))
    walker.session.look()
    async with walker.app.run_test(size=(80, 24)) as pilot:
        await walker.until(pilot, "HighErrorRate")
        await walker.press(pilot, "8")
        shown = await walker.until(pilot, "Recurring findings")
        assert "WARN Providers: in 3 runs in a row" in shown
        await walker.press(pilot, "right", "down")
        shown = await walker.until(pilot, "compared with the previous one")
        assert "WARN 82.0 %   before WARN 83.0 %" in shown
        await walker.press(pilot, "left", "enter")
        await walker.until(pilot, "1 of 8")
        await walker.press(pilot, "down", "down", "down")
        shown = await walker.until(pilot, "WARN in 4 runs in a row")
        assert "last run  agreed to WARN, 81.0 %" in shown


@pytest.mark.slow
async def test_every_page_renders_at_every_size(tmp_path: Path) -> None:
    """From 20x5 to 160x45, each checklist and every page of it, with its help."""
    walker = Walker(tmp_path)
    async with walker.app.run_test(size=(80, 24)) as pilot:
        await walker.until(pilot, "HighErrorRate")
        for size, downs in (((20, 5), 0), ((160, 45), 2), ((41, 9), 1)):
            await pilot.resize_terminal(*size)
            await walker.press(pilot, "8", *["up"] * 4, *["down"] * downs, "enter", *["down"] * 7, "home", "question_mark")
            await walker.press(pilot, "escape", "escape", "colon", *"handover", "enter")
            await walker.press(pilot, "pagedown", "question_mark", "escape", "escape")
        assert walker.app.is_running


async def test_the_handover_is_signed(tmp_path: Path) -> None:
    """Alerts with their owner and the open items of the run; signing starts the next shift; a hostile remark stays text."""
    walker = Walker(tmp_path)
    async with walker.app.run_test(size=(80, 24)) as pilot:
        await walker.until(pilot, "HighErrorRate")
        await walker.session.record("w", RunStarted("morning"))
        await walker.press(pilot, "colon", *"handover", "enter")
        shown = await walker.until(pilot, "Open items of today's checklists")
        for words in ("since 02:03 UTC (12h)", "CRIT     P1 HighErrorRate  firing for 2m12s, unacknowledged", "owner you"):
            assert words in shown, words
        await walker.press(pilot, "end")
        await walker.until(pilot, "Morning: started 14:03 UTC by you@bastion, not answered: Overnight")
        await walker.press(pilot, "s")
        await walker.until(pilot, "who takes over")
        await walker.press(pilot, "tab", *"Bob", "tab", *"[b]x", "enter")
        await walker.press(pilot, "home")
        shown = await walker.until(pilot, "signed by you@bastion to Bob")
        assert "remark: [b]x" in shown
        assert walker.events[-1].kind == "handover.signed"


async def test_what_resolved_while_a_handover_was_read_is_in_it(tmp_path: Path) -> None:
    """The next shift begins with the signature: what fired and resolved while the dialog was open would be in neither."""
    meanwhile = {}

    def answer(request: httpx.Request) -> httpx.Response:
        body = told(request).text
        return httpx.Response(200, text=body.replace("DriftScoreHigh", "FaissIndexStale") if meanwhile else body)

    walker = Walker(tmp_path, answer=answer)
    async with walker.app.run_test(size=(80, 24)) as pilot:
        await walker.until(pilot, "HighErrorRate")
        await walker.press(pilot, "colon", *"handover", "enter")
        await walker.until(pilot, "DriftScoreHigh")
        await walker.press(pilot, "s")
        await walker.until(pilot, "who takes over")
        meanwhile["it"] = "fired and resolved"
        await walker.press(pilot, "enter", "home")
        await walker.until(pilot, "signed by you@bastion")
        (resolved,) = walker.events[-1].data["handed_over"]["Resolved alerts of this shift"]
    assert "FaissIndexStale" in resolved


def taken(*keys: str) -> Any:
    async def press(pilot: Pilot[None]) -> None:
        await pilot.pause(0.4)
        await pilot.press(*keys)
        await pilot.pause(0.4)

    return press


def test_picture_of_a_walk(snap_compare: Any, tmp_path: Path) -> None:
    """The rail with every item's verdict and answer, the evidence, the answers, where to go."""
    walker = Walker(tmp_path)
    asyncio.run(walker.session.record("w", RunStarted("morning")))
    for item, answer, stands in (("overnight-alerts", "agree", "critical"), ("error-ratio", "overrule", "ok")):
        payload = ItemAnswered(item, answer=answer, resulting_verdict=stands, verdict="critical", reason="a test")
        asyncio.run(walker.session.record("w", payload))
    assert snap_compare(walker.app, terminal_size=(80, 24), run_before=taken("8", "enter"))


def test_picture_of_a_handover(snap_compare: Any, tmp_path: Path) -> None:
    """The sections in the order in which the next person needs them, each with a verdict."""
    assert snap_compare(Walker(tmp_path).app, terminal_size=(80, 24), run_before=taken("colon", *"handover", "enter"))


@pytest.mark.parametrize(
    ("name", "due", "hours", "state"),
    [
        ("Morning", "09:00", (6.0, 6.0), "done"),
        ("Morning", "09:00", (1.0, 1.0), "done"),
        ("Morning", "09:00", (20.0, 20.0), "overdue since 09:00 UTC"),
        ("Morning", "09:00", (14.25, 13.75), "overdue since 09:00 UTC"),
        ("Hourly", "hourly", (0.02, 0.01), "done"),
        ("Hourly", "hourly", (0.1, 0.01), "overdue since 14:00 UTC"),
    ],
)
async def test_a_run_that_began_in_this_period_is_done(
    tmp_path: Path, name: str, due: str, hours: tuple[float, float], state: str
) -> None:
    """It is 14:03, and the list and the handover agree: begun and signed at 08:03 for 09:00 or at 13:03 it is done. It is
    overdue where it was begun yesterday, or for the hour before, also if it was signed after midnight or within this hour.
    """
    began_at, signed_at = (NOW - 3600.0 * ago for ago in hours)
    run = ChecklistRun("w", name.lower(), began_at, "ann", signatures=(Signature("Ann", "ann", signed_at),))
    walker = Walker(tmp_path)
    ledger = replace(walker.session.snapshot().ledger, checklist_runs=ChecklistRuns(((name.lower(), (run,)),)))
    walker.session.deliver(replace(walker.session.shown, ledger=ledger))
    async with walker.app.run_test(size=(120, 50)) as pilot:
        await walker.until(pilot, "HighErrorRate")
        await walker.press(pilot, "8")
        await walker.until(pilot, "Morning")
        row = next(line for line in walker.text.splitlines() if name in line and due in line)
        assert state in row
        await walker.press(pilot, "escape", "colon", *"handover", "enter")
        await walker.until(pilot, "Open items of today's checklists")
        await walker.press(pilot, "end")
        assert (f"{name}: overdue since" in walker.text) is (state != "done")


async def test_what_is_signed_is_what_the_dialog_said(tmp_path: Path) -> None:
    """A verdict that changes while the dialog is open signs nothing and says so; a figure that moves does not, and the
    signature has the figures that were shown.
    """
    walker = Walker(tmp_path)
    async with walker.app.run_test(size=(80, 24), notifications=True) as pilot:
        await walker.begin(pilot)
        await walker.press(pilot, "end")
        await walker.until(pilot, "Sign-off")
        await walker.press(pilot, "enter")
        await walker.until(pilot, "Sign Morning: 8 open")
        await walker.show_error_ratio(pilot, 0.4)
        await walker.press(pilot, "enter")
        await walker.until(pilot, "not signed: the results changed")
        assert [event.kind for event in walker.events] == ["walk.begun"]
        await walker.show_error_ratio(pilot, 7.84)
        await walker.press(pilot, "enter")
        await walker.until(pilot, "Sign Morning: 8 open")
        await walker.show_error_ratio(pilot, 7.91)
        await walker.press(pilot, "enter")
        await walker.until(pilot, "signed 14:03 UTC")
        assert "Error ratio: not answered (CRIT 7.84 %)" in walker.events[-1].data["open"]


async def test_a_page_that_stays_open_fetches_its_evidence_again(tmp_path: Path) -> None:
    """After five minutes, not before, also back in time: who answers or signs later agrees with what is. So does the handover;
    a signed run keeps what was recorded.
    """
    asked: list[float] = []
    now = [NOW]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("range"):
            form = parse_qs((request.content or request.url.query).decode())
            asked.append(float(form["end"][0]))
        return told(request)

    walker = Walker(tmp_path, answer=answer)
    walker.session.clock = lambda: now[0]
    walker.app = ConsoleApp(walker.settings, session_factory=lambda _: walker.session, clock=lambda: now[0], ascii_only=False)

    async def pass_time(pilot: Pilot[None], at: float, *, fetches: bool) -> None:
        now[0] = at
        asked.clear()
        walker.session.deliver(replace(walker.session.shown, taken_at=at))
        deadline = time.monotonic() + (20.0 if fetches else 0.3)
        while at not in asked and time.monotonic() < deadline:
            await pilot.pause(0.02)
            walker.session.deliver(replace(walker.session.shown, taken_at=at))  # the fetch before may not have ended yet
        assert (at in asked) is fetches

    async with walker.app.run_test(size=(100, 30)) as pilot:
        await walker.begin(pilot)
        await pass_time(pilot, NOW + 299.0, fetches=False)
        await pass_time(pilot, NOW + 300.0, fetches=True)
        await pass_time(pilot, NOW + 0.5, fetches=False)
        await pass_time(pilot, NOW, fetches=True)
        run = walker.session.snapshot().ledger.checklist_runs.for_checklist("morning")[0]
        await walker.session.record(run.id, RunSigned(checklist="morning", name="Ann"))
        await walker.until(pilot, "signed")
        await pass_time(pilot, NOW + 900.0, fetches=False)
        walker.app.push_screen(HandoverScreen())
        await walker.until(pilot, "Shift handover")
        await pass_time(pilot, NOW + 1199.0, fetches=False)
        await pass_time(pilot, NOW + 1200.0, fetches=True)
        await pass_time(pilot, NOW + 900.0, fetches=True)


async def test_a_crowd_is_evaluated_beside_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With hundreds of alerts no key waits for the evaluation; until it ends, the page has the former results."""
    crowd = tuple(tracked(f"Crowded{number}", "warning") for number in range(400))
    walker, threads, gate = Walker(tmp_path, alerts=crowd), set[threading.Thread](), threading.Event()

    def evaluate_slowly(*given: Any) -> tuple[ItemResult, ...]:
        threads.add(threading.current_thread())
        assert gate.wait(20.0)
        return evaluate(*given)

    monkeypatch.setattr("console.screens.checklist_run.evaluate", evaluate_slowly)
    async with walker.app.run_test(size=(80, 24)) as pilot:
        await walker.until(pilot, "Crowded")
        await walker.press(pilot, "8")
        await walker.until(pilot, "Morning")
        await walker.press(pilot, "enter")
        await walker.until(pilot, "evaluating …")
        await walker.press(pilot, "enter")
        assert [event.kind for event in walker.events] == ["walk.begun"]
        gate.set()
        await walker.until(pilot, "400 firing")
        gate.clear()
        walker.session.deliver(replace(walker.session.shown, alerts=crowd[:350]))
        await pilot.pause(0.1)
        assert "400 firing" in walker.text
        gate.set()
        await walker.until(pilot, "350 firing")
        assert threads and threading.main_thread() not in threads
