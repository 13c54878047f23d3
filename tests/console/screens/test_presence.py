"""What a console shows of the others: line 1, the screen of who is on, and one line for what somebody just did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from screen_samples import HOSTILE, NOW, cluster, settings, snapshot

from console.journal.event import Event
from console.journal.payloads import AlertAcknowledged, AlertReleased, IncidentDeclared, NoteWritten, Payload, create_event
from console.journal.presence import Presence, PresentConsole
from console.screens.flows.actions import OpenPreview
from console.screens.header import render_header
from console.screens.overview import render_on_it
from console.screens.presence import render_presence
from console.screens.render_context import RenderContext
from console.state.news import describe_news
from queries.model.severity import Priority
from widgets.dialogs.confirm import ConfirmDialog

BOB = PresentConsole("vm boot 1 1", "bob@vm", "Workloads", "Roll back deployment/cad-ml-api", "deployment/cad-ml-api")
ANN = PresentConsole("bastion boot 2 2", "ann@bastion", "Alerts", clock_ahead_seconds=-600.0)


def line(folder: Path, width: int, *others: PresentConsole) -> str:
    shown = snapshot(presence=Presence(others, known=True))
    return "".join(words for words, _ in render_header(RenderContext(settings(folder), NOW, None, shown), width)[0])


@pytest.mark.parametrize(
    ("width", "shown"),
    [(160, "bob@vm previews Roll back deployment/cad-ml-api"), (110, "bob previews"), (88, "1 preview  "), (80, "ACTING")],
)
def test_line_1_shows_who_is_about_to_change_something(tmp_path: Path, width: int, shown: str) -> None:
    """Who previews what is on every screen where there is room, then that somebody does; never does it hide ACTING."""
    text = line(tmp_path, width, ANN, BOB)
    assert shown in text and "ACTING" in text and len(text) <= width
    assert "preview" not in line(tmp_path, width, ANN)
    assert "previews Roll back deployment/cad-ml-api +1" in line(tmp_path, 160, BOB, replace(ANN, preview="Scale it"))


def test_a_name_with_markup_is_text_in_line_1(tmp_path: Path) -> None:
    """Whatever somebody writes to the store is drawn as what it is, escape sequences written out."""
    text = line(tmp_path, 160, replace(BOB, user=HOSTILE[:60], preview="\x1b[31mred"))
    assert "\x1b" not in text and len(text) <= 160


def who(folder: Path, presence: Presence, **changes: Any) -> str:
    """The page of who is on, at 80 columns."""
    context = RenderContext(settings(folder, **changes), NOW, None, snapshot(presence=presence))
    lines = ["".join(part for part, _ in line) for line in render_presence(context, 79)]
    assert all(len(line) <= 79 for line in lines)
    return "\n".join(lines)


def test_who_is_on_at_80_columns(tmp_path: Path) -> None:
    """Everybody with screen and preview, a clock that is wrong, and who holds what although no console of theirs is on; names
    with markup and escape sequences are text.
    """
    hostile = replace(BOB, user=HOSTILE, screen="", preview="[bold]x[/]")
    text = who(tmp_path, Presence((ANN, BOB, hostile), known=True, shown=True))
    assert "ann@bastion Alerts · its clock is 10m behind this one" in text
    assert "bob@vm Workloads · previews Roll back deployment/cad-ml-api" in text
    assert "you (not on): ProviderTimeout" in text
    assert "2 firing alerts have no owner" in text
    assert "\x1b" not in text and "[bold]x[/]" in text


def test_a_read_only_console_says_that_nobody_sees_it(tmp_path: Path) -> None:
    """It lists the others, none here, and says that they do not see it."""
    text = who(tmp_path, Presence(known=True), read_only=True)
    assert "no other console is on" in text
    assert "READ-ONLY: the others do not see this console" in text


def test_who_is_on_is_not_known_while_the_store_is_away(tmp_path: Path) -> None:
    """An empty list is never shown as nobody: the reason stands there, and no owner is called absent."""
    text = who(tmp_path, Presence(error="the cluster does not answer"))
    assert "cannot tell who else is on: the cluster does not answer" in text
    assert "no other console is on" not in text
    assert "not on)" not in text
    nothing = snapshot(presence=Presence(error="the cluster does not answer"), alerts=(), alerts_known=False)
    lines = render_on_it(RenderContext(settings(tmp_path), NOW, None, nothing), 79)
    overview = ["".join(part for part, _ in line).strip() for line in lines]
    assert overview[1:] == ["cannot tell who else is on: the cluster does not answer", "the alerts are unknown"]


def test_a_preview_notices_a_change_of_any_kind_of_workload() -> None:
    """A preview of a StatefulSet says that it changed, and one of a Deployment of the same name does not."""
    given = cluster()
    (api, *_) = given.workloads
    store = replace(api, kind="StatefulSet", uid="uid-store")
    before = snapshot(cluster=replace(given, workloads=(api, store)))
    after = snapshot(cluster=replace(given, workloads=(api, replace(store, generation=store.generation + 1))))
    said = "statefulset/cad-ml-api changed since this preview: confirming shows a new one first"
    for target, sentences in (("statefulset/cad-ml-api", (said,)), ("deployment/cad-ml-api", ()), ("node/cad-ml-api", ())):
        assert OpenPreview(ConfirmDialog((), verb="Go"), (target,), before).moved(after, now=NOW) == sentences


def test_a_preview_dates_what_another_did_by_the_clock_of_their_console() -> None:
    """Bob has two consoles, one with a clock that is ten minutes ahead; the intent names the one on which he acted."""
    target = "deployment/cad-ml-api"
    presence = Presence(
        (replace(BOB, preview="", clock_ahead_seconds=600.0), replace(BOB, console="b", preview="")), known=True
    )
    preview = OpenPreview(ConfirmDialog((), verb="Go"), (target,), snapshot())
    for console, ahead in (("vm boot 1 1", 600.0), ("b", 0.0), ("gone", 0.0)):
        data: dict[str, Any] = {"action": "scale", "title": "Scale it", "target": target}
        events = (
            Event(NOW - 6.0 + ahead, "action.intent", "r1", BOB.user, "", {**data, "process": console}, 1, "e1"),
            Event(
                NOW - 5.0 + ahead, "action.outcome", "r1", BOB.user, "", {**data, "outcome": "done", "text": "done"}, 2, "e2"
            ),
        )
        (first, *_) = preview.moved(snapshot(presence=presence, news=events), now=NOW)
        assert first == "bob@vm: Scale it, 5s ago: done"


def news(*payloads: Payload, author: str = "bob@vm", first: int = 1) -> tuple[Event, ...]:
    """As the journal delivers them."""
    made = (create_event(item, at=NOW, subject=f"s{at}", author=author) for at, item in enumerate(payloads))
    return tuple(replace(event, sequence=first + at, id=f"id{first + at}") for at, event in enumerate(made))


def test_each_thing_that_people_do_is_a_sentence() -> None:
    """Acknowledged, taken over, handed over and released are told apart; what the console does by itself is no news."""
    found = news(
        AlertAcknowledged("HighErrorRate"),
        AlertAcknowledged("HighErrorRate", over="x"),
        AlertAcknowledged("HighErrorRate", over="x", to="ann@bastion"),
        AlertReleased("HighErrorRate"),
        AlertReleased(why=AlertReleased.RESOLVED),
        NoteWritten("we look at it"),
        IncidentDeclared.of("errors", Priority.P1),
    )
    assert [describe_news(event) for event in found] == [
        "bob@vm acknowledged HighErrorRate",
        "bob@vm took over HighErrorRate",
        "bob@vm handed HighErrorRate to ann@bastion",
        "bob@vm released HighErrorRate",
        "",
        "bob@vm noted: we look at it",
        "bob@vm declared an incident: P1 errors",
    ]


async def test_what_others_do_is_one_line_once_and_they_see_this_screen(stage: Callable[..., Any]) -> None:
    """At 80 columns: a preview is named once, not again with the next refresh, and again for the next one; an event is
    one notice; a dozen that arrive together are one line that counts them; markup is text. f6 opens who is on, and each screen
    that opens is announced, with its own name where it is about one alert.
    """
    staged = stage()
    places: list[str] = []
    staged.session.announce = lambda *, screen=None, **_: places.append(screen)
    async with staged.app.run_test(size=(80, 24)) as pilot:
        app, session = staged.app, staged.session
        notices: list[str] = []
        app.notify = lambda message, **_: notices.append(message)
        await staged.until(pilot, "7.84 %")
        app.flows  # noqa: B018 - opened by the first key, as in a running console
        for count, preview in ((1, BOB.preview), (1, BOB.preview), (2, "Scale deployment/cad-ml-api")):
            session.deliver(snapshot(presence=Presence((replace(BOB, preview=preview),), known=True)))
            await pilot.pause()
            assert len(notices) == count
            assert notices[-1] == f"bob@vm previews {preview}"
        notices.clear()
        for _ in range(2):
            session.deliver(snapshot(news=news(NoteWritten("[bold]we[/] look at it"))))
            await pilot.pause()
            assert notices == ["bob@vm noted: [bold]we[/] look at it"]
        session.deliver(snapshot(news=news(*[NoteWritten(str(at)) for at in range(12)], first=2)))
        await pilot.pause()
        assert notices[1:] == ["12 events arrived from other consoles; 6 shows them"]
        await staged.press(pilot, "f6")
        await staged.until(pilot, "Who holds which alert")
        await staged.press(pilot, "2")
        await staged.until(pilot, "worst first")
        await staged.press(pilot, "enter")
        await staged.until(pilot, "fires at")
    assert list(dict.fromkeys(places))[-3:] == ["Who is on", "Alerts", "Alert HighErrorRate"]
