"""What a person does at the keyboard: look, open, filter, and go back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from painting import notices_of
from screen_samples import HOSTILE, NOW, alerts, panels, settings, snapshot, tracked
from textual.drivers.headless_driver import HeadlessDriver

from console.config.errors import ConfigError
from console.screens.app import ConsoleApp
from console.screens.filterable_screen import FilterField
from console.screens.messages import RenderRequested
from queries.model.change import Change
from queries.model.panel import Origin
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict


async def test_the_first_screen_shows_what_is_wrong(stage: Callable[..., Any]) -> None:
    """The first screen shows the place, the role, every problem with value, unit and threshold, firing alerts and changes."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        shown = await scene.until(pilot, "HighErrorRate")
        for words in (
            "PRODUCTION  cad-ml-platform  ACTING", "1 CRIT · 2 unknown  P1:1 P3:2  14:03Z", "DENIED 401",
            "CRIT      Error ratio       7.84 %", ">5", "STALE 40s CPU", "NO DATA   Error budget", "P1 CRIT HighErrorRate",
            "13:58Z rollout", "B roll back",
        ):  # fmt: skip
            assert words in shown, words
        assert max(len(line) for line in shown.splitlines()) <= 80


async def test_open_alert_then_runbook_and_back_to_the_same_row(stage: Callable[..., Any]) -> None:
    """Enter opens, b shows the runbook, esc goes back step by step, and the cursor is where it was."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "down", "enter")
        await scene.until(pilot, "P3 WARN ProviderTimeout ocr/deepseek")
        await scene.press(pilot, "b")
        await scene.until(pilot, "for ProviderTimeout")
        await scene.press(pilot, "escape", "escape")
        assert scene.app.screen.current_alert().alert.name == "ProviderTimeout"
        await scene.press(pilot, "escape")
        assert "Circuit breakers" in scene.text


async def test_the_cursor_moves_from_panels_into_alerts(stage: Callable[..., Any]) -> None:
    """Down from the last panel is the first alert; enter there opens it."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, *["down"] * 10, "enter")
        shown = await scene.until(pilot, "fires at 5")
        assert "roll back cad-ml-api 42 → 41" in shown
        assert "platform_error_ratio > 5" in shown


async def test_panel_detail_has_series_chart_and_time_range(stage: Callable[..., Any]) -> None:
    """A panel opens with its series by label, its query and threshold; a key changes the time range."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "down", "down", "down", "enter")
        shown = await scene.until(pilot, "1━ deepseek")
        assert '{provider="deepseek"}' in shown
        assert "provider_health_score" in shown
        assert "1━ deepseek" in shown and "2━ paddle" in shown
        await scene.press(pilot, "right_square_bracket", "right_square_bracket")
        assert "[24h]" in scene.text
        await scene.press(pilot, "plus", "plus", "plus", "plus")
        assert "[5m]" in scene.text
        await scene.press(pilot, "minus", "minus", "comma")
        assert "[1h]" in await scene.until(pilot, "until 13:33")
        await scene.press(pilot, "full_stop", "minus", "c")
        await scene.until(pilot, "vs yesterday")
        await scene.press(pilot, "f")
        await scene.until(pilot, "critical 70 %")
        assert "provider_health_score" not in scene.text
        await scene.press(pilot, "left", "left")
        await scene.until(pilot, "Z  deepseek ")
        await scene.press(pilot, "f", "escape", "enter")
        assert "[6h]" in await scene.until(pilot, "vs yesterday")


async def test_panel_detail_explains_how_its_series_are_counted(stage: Callable[..., Any]) -> None:
    """A raw panel shows its signals, the definition of each, and still its chart at 80x24; x opens the PromQL."""
    basis = (
        "ocr failures: starts without success, because no series has status=error|failed|failure; 3 of 4 definitions apply",
        'vision failures: requests with status="error"; 4 of 4 definitions apply',
        "ocr attempts: starts; 3 of 3 definitions apply",
        "vision attempts: starts; 3 of 3 definitions apply",
        "ocr_circuit_state: 0 is closed, 1 is half-open, 2 is open, by its help text",
    )
    counted = tuple(
        replace(item, basis=basis, origin=Origin.RAW, query="clamp_min(x, 0)") if item.spec.id == "provider_health" else item
        for item in panels()
    )
    scene = stage(snapshot(panels=counted))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "down", "down", "down", "enter")
        shown = " ".join((await scene.until(pilot, "1━ deepseek")).split())
        assert "raw expression ${provider_health[5m]}" in shown
        assert " · ".join(basis) in shown.replace("│", "")
        assert '{provider="deepseek"}' in shown
        await scene.press(pilot, "Q")
        assert "clamp_min(x, 0)" in await scene.until(pilot, "Explore")


async def test_a_truncated_panel_says_that_it_shows_the_worst(stage: Callable[..., Any]) -> None:
    """When only the worst series were queried, the detail says so below them."""
    crowd = tuple(replace(item, truncated=True) if item.spec.id == "provider_health" else item for item in panels())
    scene = stage(snapshot(panels=crowd))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "down", "down", "down", "enter")
        assert "(Q opens the whole query)" in await scene.until(pilot, "only the worst series are queried")


async def test_filter_takes_matchers_and_words(stage: Callable[..., Any]) -> None:
    """/ filters by matcher and word, reports what it cannot parse, and esc shows all rows again."""
    scene = stage()
    async with scene.app.run_test(size=(120, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "slash")
        await scene.press(pilot, *'severity="warning" deep'.replace('"', "'").replace("'", '"'))
        shown = await scene.until(pilot, "1 of 5")
        assert "ProviderTimeout" in shown
        assert "HighErrorRate" not in shown
        await scene.press(pilot, "escape")
        assert "HighErrorRate" in scene.text
        await scene.press(pilot, "slash", *'a=~"("')
        assert "not a regular expression" in scene.text


async def test_the_footer_offers_only_what_can_be_done(stage: Callable[..., Any]) -> None:
    """Without a silence the keys that need one are dim, and say why when pressed; while a filter is typed, none opens it."""
    scene = stage()
    async with scene.app.run_test(size=(120, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        shown = await scene.press(pilot, "4")
        assert all(words in shown.splitlines()[-1] for words in ("n new", "e edit", "d expire", "enter open"))
        scene.session.deliver(snapshot(silences=()))
        shown = await scene.until(pilot, "no silence (n creates one)")
        assert "n new" in shown.splitlines()[-1]
        footer = scene.app.screen.footer.line_at(0, 120)
        assert {(" d", "dim"), (" e", "dim"), (" enter", "dim"), (" n", "key"), (" esc", "key"), (" q", "key")} <= set(footer)
        await scene.press(pilot, "e", "enter")
        assert notices_of(scene.app) == ["edit: no silence under the cursor", "open: the list is empty"]
        await scene.press(pilot, "x")
        assert "no silence under the cursor" in await scene.until(pilot, "Actions:")
        await scene.press(pilot, "escape")
        assert "Edit this silence (not now: no silence under the cursor)" in await scene.press(
            pilot, "question_mark", "pagedown"
        )
        await scene.press(pilot, "escape")
        assert " / " in (await scene.press(pilot, "2")).splitlines()[-1]
        shown = await scene.press(pilot, "slash")
        assert "enter to the list" in shown.splitlines()[-1]
        assert " / " not in shown.splitlines()[-1]


@pytest.mark.slow
async def test_every_screen_and_its_help_render_at_every_size(stage: Callable[..., Any]) -> None:
    """All screens, their help, the command line and the dialogs render from 20x5 to 160x45, resized at any moment."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        for size in ((20, 5), (80, 24), (160, 45), (41, 9)):
            await pilot.resize_terminal(*size)
            for key in "123456780":
                await scene.press(pilot, key, "question_mark", "escape")
            await scene.press(
                pilot, "colon", "escape", "2", "enter", "b", "escape", "z", "escape", "escape", "1", "enter", "escape"
            )
        assert scene.app.is_running


async def test_the_command_line_completes_and_runs(stage: Callable[..., Any]) -> None:
    """A part of a name is enough; tab completes; an unknown command is reported."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "colon", *"silen", "tab")
        assert scene.app.screen.query_one("#command-input").value == "silences"
        await scene.press(pilot, "enter")
        assert "What it suppresses now" in scene.text
        await scene.press(pilot, "colon", *"theme li", "enter")
        assert scene.app.theme == "console-light"


async def test_hostile_text_stays_text(stage: Callable[..., Any]) -> None:
    """Markup, actions, escape sequences, newlines, bidi and very long values stay text on every screen they reach."""
    bad = tracked("HighErrorRate", "critical", component=HOSTILE, runbook="high-error-rate", evil=HOSTILE)
    bad = replace(bad, alert=replace(bad.alert, annotations=(("summary", HOSTILE), ("description", HOSTILE))), owner=HOSTILE)
    worse = tuple(replace(item, note=HOSTILE, reason=HOSTILE) for item in panels())
    fault = SourceState("prometheus", Health.UP, HOSTILE)
    scene = stage(snapshot(alerts=(bad,), panels=worse, sources=(fault,)))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "[bold]")
        for keys in (("2",), ("enter",), ("b",), ("escape", "z"), ("escape", "1", "enter"), ("7",)):
            await scene.press(pilot, *keys)
            shown = scene.text
            assert "\x1b" not in shown
            assert "\u202e" not in shown
            assert "\x07" not in shown
        assert scene.app.is_running


async def test_unknown_never_looks_healthy(stage: Callable[..., Any]) -> None:
    """Without a response nothing is green: alerts are unknown, panels have no data, sources say why."""
    down = (SourceState("prometheus", Health.DOWN), SourceState("alertmanager", Health.DOWN))
    empty = tuple(replace(item, verdict=Verdict.NO_DATA, value=None, note="", reason="no traffic") for item in panels())
    scene = stage(snapshot(alerts=(), alerts_known=False, panels=empty, sources=down, cluster=None))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        shown = await scene.until(pilot, "DOWN")
        assert "alerts not known" in shown
        assert "nothing fires" not in shown
        assert shown.count("no answer yet: no traffic") == len(empty) - 1
        assert shown.count("NO DATA   Workloads") == 1
        assert " ok " not in shown


async def test_the_cursor_keeps_its_alert_while_others_arrive(stage: Callable[..., Any]) -> None:
    """A new P1 above does not move the cursor to another alert."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "down", "down")
        scene.session.deliver(snapshot(alerts=(tracked("ProviderDown", "critical", provider="paddle"), *alerts())))
        await scene.until(pilot, "ProviderDown")
        assert scene.app.screen.current_alert().alert.name == "PodNotReady"
        assert "•" in scene.text


async def test_an_equal_snapshot_sends_no_bytes(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What did not change is not written to the terminal again."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await pilot.pause(0.3)
        sent: list[str] = []
        monkeypatch.setattr(HeadlessDriver, "write", lambda driver, data: sent.append(data))
        for _ in range(3):
            scene.session.deliver(snapshot())
            await pilot.pause(0.1)
        assert "".join(sent) == ""
        scene.session.deliver(snapshot(panels=(replace(panels()[0], value=7.94), *panels()[1:])))
        await pilot.pause(0.2)
        assert "7.9" in scene.text


async def test_a_tick_redraws_only_what_changed(stage: Callable[..., Any]) -> None:
    """A second later nothing differs; in the next minute the clock does, and a silent source gets an age."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        before = scene.text.splitlines()
        for later, differing in ((1, []), (60, [0, 1])):
            scene.now = NOW + later
            scene.app.post_message(RenderRequested())
            await pilot.pause()
            after = scene.text.splitlines()
            assert [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new][:2] == differing
        assert "14:04Z" in after[0] and "1m" in after[1]


async def test_five_thousand_alerts(stage: Callable[..., Any]) -> None:
    """With 5,000 alerts a key responds at once and the last row can be reached."""
    many = tuple(tracked("PodNotReady", "warning", pod=f"pod-{at:04d}") for at in range(5000))
    scene = stage(snapshot(alerts=many))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "PodNotReady")
        await scene.press(pilot, "2", "end")
        assert scene.app.screen.current_alert().alert.fingerprint.endswith("pod-4999")


async def test_keys_can_be_remapped_by_id(stage: Callable[..., Any]) -> None:
    """`keys` of the config gives a binding another key, by its id; the footer shows it."""
    scene = stage()
    scene.app.set_keymap({"alert.own": "ctrl+a"})
    async with scene.app.run_test(size=(120, 24)) as pilot:
        shown = await scene.until(pilot, "HighErrorRate")
        assert "^a ack" in shown.replace("^A", "^a")


async def test_an_unknown_key_id_is_reported(stage: Callable[..., Any]) -> None:
    """`keys` with an id that no binding has would change nothing: a notice names it and the nearest id."""
    scene = stage(keys=(("alert.silnce", "ctrl+s"), ("alert.own", "ctrl+a")))
    async with scene.app.run_test(size=(120, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        while not (notices := notices_of(scene.app)):  # noqa: ASYNC110  # nothing signals a notice
            await asyncio.sleep(0.05)
        assert notices == ["keys.alert.silnce: no key has this id; did you mean 'alert.silence'?"]


def test_an_unknown_theme_is_a_config_error(tmp_path: Path) -> None:
    """An unknown theme is refused before the first frame, with the flag or line that named it and the nearest name."""
    with pytest.raises(ConfigError) as raised:
        ConsoleApp(settings(tmp_path, theme="colorblind", origins=(("theme", "flag --theme"),)))
    assert str(raised.value).startswith("flag --theme: unknown theme 'colorblind', did you mean 'colour-blind'?")


async def test_tab_cycles_screens_and_arrows_switch_lists(stage: Callable[..., Any]) -> None:
    """Tab and shift+tab open the next and the previous screen; left and right move between the lists of one screen."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "tab", "tab")
        assert scene.app.current_mode == "workloads"
        await scene.press(pilot, "right")
        assert scene.app.focused.id == "pods"
        await scene.press(pilot, "left", "shift+tab")
        assert scene.app.current_mode == "alerts"
        await scene.press(pilot, "escape")
        assert scene.app.current_mode == "workloads"


async def test_1_is_always_the_overview(stage: Callable[..., Any]) -> None:
    """A detail that was left open there does not stand in its place; of another screen it does."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "enter")
        await scene.until(pilot, "platform_error_ratio")
        await scene.press(pilot, "2", "enter")
        await scene.until(pilot, "fires at 5")
        await scene.press(pilot, "1")
        await scene.until(pilot, "Circuit breakers")
        await scene.press(pilot, "2")
        await scene.until(pilot, "fires at 5")


async def test_a_new_silence_begins_with_its_matchers(stage: Callable[..., Any]) -> None:
    """Without an alert the first field has the focus; from an alert the matchers are there, and the comment is missing."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "4", "n")
        await scene.until(pilot, "no matcher yet")
        assert scene.app.focused.id == "matchers"
        await scene.press(pilot, "escape", "2", "z")
        await scene.until(pilot, "would match 1 alert now")
        assert scene.app.focused.id == "comment"


async def test_the_page_of_a_resolved_alert_is_frozen(stage: Callable[..., Any]) -> None:
    """It says since when and after which change the alert is gone, offers no action, and fetches nothing again; a list that
    may be incomplete resolves nothing."""
    scene = stage()
    fetched: list[str] = []
    histories = scene.session.alert_histories

    def count(fingerprint: str, *more: Any, **options: Any) -> Any:
        fetched.append(fingerprint)
        return histories(fingerprint, *more, **options)

    scene.session.alert_histories = count
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "enter")
        await scene.until(pilot, "roll back cad-ml-api 42 → 41")
        down = tuple(replace(item, health=Health.DOWN) if item.name == "alertmanager" else item for item in snapshot().sources)
        scene.session.deliver(snapshot(alerts=(), sources=down, alerts_from="alertmanager"))
        await scene.until(pilot, "it may not be resolved")
        assert "roll back cad-ml-api" in scene.text
        undone = Change(NOW - 40, "action", "deployment/cad-ml-api", "rollback cad-ml-api", "bob")
        scene.session.deliver(snapshot(alerts=(), changes=(undone, *snapshot().changes)))
        shown = await scene.until(pilot, "not listed since 14:03Z, 40s after action rollback")
        assert "RESOLVED" in shown and "was active" in shown and "resolved: no action is suggested" in shown
        assert "roll back cad-ml-api" not in shown and " now 7.84" not in shown
        before, scene.now = len(fetched), NOW + 60
        scene.app.post_message(RenderRequested())
        await pilot.pause()
        assert len(fetched) == before and "not listed since 14:03" in scene.text


async def test_a_silence_is_never_the_first_action(stage: Callable[..., Any]) -> None:
    """Where nothing else fits, enter opens the runbook; a P1's page has the actions of what started with it first."""
    p1, *others = alerts()
    quiet = replace(p1.suggestions[0], action="silence", sentence="silence HighErrorRate")
    scene = stage(snapshot(alerts=(replace(p1, suggestions=(quiet,)), *others)))
    async with scene.app.run_test(size=(120, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "enter")
        shown = await scene.until(pilot, "the console knows no action for it")
        assert shown.index("open the runbook high-error-rate") < shown.index("silence HighErrorRate")
        await scene.press(pilot, "enter")
        await scene.until(pilot, "Confirm")
        cured = replace(p1, suggestions=(*p1.suggestions, quiet))
        scene.session.deliver(snapshot(alerts=(cured, *others)))
        await scene.press(pilot, "escape")
        shown = await scene.until(pilot, "roll back cad-ml-api 42 → 41")
        assert shown.index("roll back cad-ml-api") < shown.index("silence HighErrorRate") and "open the runbook" not in shown


async def test_the_palette_finds_screens_panels_and_alerts(stage: Callable[..., Any]) -> None:
    """ctrl+p searches every command of the command line."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "ctrl+p", *"panel queue")
        await scene.until(pilot, "Queue depth: series")
        await scene.press(pilot, "enter", "enter")
        await scene.until(pilot, "none of its alerts is firing")


async def test_acknowledging_without_a_journal_is_refused(stage: Callable[..., Any]) -> None:
    """An acknowledgement is a journal event: without a journal the console says so and acknowledges nothing."""
    scene = stage()
    async with scene.app.run_test(size=(100, 24), notifications=True) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "a")
        await scene.until(pilot, "not acknowledged: there is no journal")


async def test_an_action_on_an_alert_is_verified_on_its_panel(stage: Callable[..., Any]) -> None:
    """Roll back from the overview carries alert, cause and panel, so that the outcome can report what became of them."""
    scene = stage()
    requests: list[Any] = []
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.flows.actions.run = requests.append
        await scene.press(pilot, *["down"] * 10, "B")
        assert requests[0].action == "rollback"
        assert requests[0].target == "deployment/cad-ml-api"
        assert requests[0].parameters == {"revision": "41"}
        assert requests[0].panel_id == "error_ratio"
        assert requests[0].cause == "alert HighErrorRate"


async def test_a_file_readable_by_others_is_reported(stage: Callable[..., Any]) -> None:
    """A notice once the session is open, and the sources screen while it lasts; its text stays text."""
    scene = stage()
    scene.session.file_warnings = ("[b]/tmp/token[/b] is readable by everybody (0644): chmod 600 \x1b[2J",)
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        assert notices_of(scene.app) == ["[b]/tmp/token[/b] is readable by everybody (0644): chmod 600 \\e[2J"]
        await scene.press(pilot, "7", "end")
        shown = await scene.until(pilot, "chmod 600")
        assert "[b]/tmp/token[/b]" in shown and "\x1b" not in shown


async def test_without_colour_the_caret_is_seen(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under NO_COLOR no colour is sent: the caret of a field is in reverse; with colour that would undo it."""
    for value, reverse in (("1", True), ("", None)):
        monkeypatch.setenv("NO_COLOR", value)
        scene = stage()
        async with scene.app.run_test(size=(80, 24)) as pilot:
            await scene.until(pilot, "HighErrorRate")
            await scene.press(pilot, "2", "/", "a", "b")
            assert isinstance(scene.app.focused, FilterField)
            segments = [item for item in scene.app.focused.render_line(0) if item.text.strip() != "ab"]
            assert segments[0].text == " " and segments[0].style and segments[0].style.reverse is reverse
