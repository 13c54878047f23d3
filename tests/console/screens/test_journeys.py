"""What a person does at the keyboard: look, open, filter, and go back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from screen_samples import HOSTILE, NOW, alerts, panels, snapshot, tracked

from queries.model.panel import Origin
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict


async def test_the_first_screen_shows_what_is_wrong(stage: Callable[..., Any]) -> None:
    """The first screen shows the place, the role, every problem with value, unit and threshold, firing alerts and changes."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        shown = await scene.until(pilot, "HighErrorRate")
        for words in (
            "PRODUCTION  cad-ml-platform  ACTING (you@bastion)", "P1:1 P3:2  14:03Z", "DENIED 401",
            "CRIT      Error ratio       7.84 %", ">5", "STALE 40s CPU", "NO DATA   Error budget", "P1 CRIT HighErrorRate",
            "13:58 rollout", "^L roll back",
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
        shown = await scene.until(pilot, "warn 90%")
        assert '{provider="deepseek"}' in shown
        assert "provider_health_score" in shown
        await scene.press(pilot, "right_square_bracket", "right_square_bracket")
        assert "[24 h]" in scene.text


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
        shown = " ".join((await scene.until(pilot, "warn 90%")).split())
        assert "raw expression ${provider_health[5m]}" in shown
        assert " · ".join(basis) in shown.replace("│", "")
        assert '{provider="deepseek"}' in shown
        await scene.press(pilot, "x")
        assert "clamp_min(x, 0)" in await scene.until(pilot, "Explore")


async def test_a_truncated_panel_says_that_it_shows_the_worst(stage: Callable[..., Any]) -> None:
    """When only the worst series were queried, the detail says so below them."""
    crowd = tuple(replace(item, truncated=True) if item.spec.id == "provider_health" else item for item in panels())
    scene = stage(snapshot(panels=crowd))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "down", "down", "down", "enter")
        assert "(x opens the whole query)" in await scene.until(pilot, "only the worst series are queried")


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
    """Without a silence no key offers to edit, expire or open one; while a filter is typed, none to open the filter."""
    scene = stage()
    async with scene.app.run_test(size=(120, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        shown = await scene.press(pilot, "4")
        assert all(words in shown.splitlines()[-1] for words in ("n new", "e edit", "d expire", "enter open"))
        scene.session.deliver(snapshot(silences=()))
        shown = await scene.until(pilot, "no silence (n creates one)")
        assert "n new" in shown.splitlines()[-1]
        assert not any(words in shown.splitlines()[-1] for words in ("e edit", "d expire", "enter open"))
        assert "Edit this silence" in await scene.press(pilot, "question_mark")
        await scene.press(pilot, "escape")
        assert "/ filter" in (await scene.press(pilot, "2")).splitlines()[-1]
        shown = await scene.press(pilot, "slash")
        assert "enter to the list" in shown.splitlines()[-1]
        assert "/ filter" not in shown.splitlines()[-1]


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


async def test_an_equal_snapshot_sends_no_bytes(stage: Callable[..., Any]) -> None:
    """What did not change is not written to the terminal again."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await pilot.pause(0.3)
        sent: list[str] = []
        scene.app._driver.write = sent.append
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
            scene.app._tick()
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
        await scene.press(pilot, *["down"] * 10, "ctrl+l")
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
        assert [notice.message for notice in scene.app._notifications] == [
            "[b]/tmp/token[/b] is readable by everybody (0644): chmod 600 \\e[2J"
        ]
        await scene.press(pilot, "7", "end")
        shown = await scene.until(pilot, "chmod 600")
        assert "[b]/tmp/token[/b]" in shown and "\x1b" not in shown
