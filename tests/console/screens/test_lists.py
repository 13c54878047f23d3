"""What every list has: a filter, an order, columns, and views that a person saved by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from painting import notices_of
from screen_samples import snapshot, tracked
from textual.pilot import Pilot

from console.screens.messages import SilenceAlertsRequested, SilenceRequested
from console.screens.views import MOST, View, Views
from queries.text.durations import measure_text
from widgets.rows import Rows
from widgets.table import Arrangement, Table, cell_key


async def filter_by(scene: Any, pilot: Pilot[None], words: str) -> str:
    await pilot.press("slash")
    scene.app.screen.query_one("#filter").value = words
    await pilot.pause()
    return scene.text


async def test_every_list_has_a_filter(stage: Callable[..., Any]) -> None:
    """`/` selects the rows with all words, in any case, and says so where there is none; esc shows all again."""
    scene = stage()
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        for key in "234568":
            await scene.press(pilot, key)
            for _ in range(100):
                if scene.app.screen.query(Rows).first().items or key == "6":
                    break
                await pilot.pause(0.02)
            rows = scene.app.screen.query(Rows).first()
            before = tuple(rows.items)
            assert before or key == "6", key
            text = await filter_by(scene, pilot, "zzzz no such row")
            assert not rows.items and ("nothing matches the filter" in text or key == "6"), (key, text)
            await scene.press(pilot, "escape")
            assert tuple(rows.items) == before
        await scene.press(pilot, "1", "slash")
        assert "Alerts" in scene.text and scene.app.screen.query_one("#filter").has_focus
        await scene.press(pilot, "escape", "5")
        text = await filter_by(scene, pilot, "ERROR high")
        assert "high-error-rate" in text and "provider-timeout" not in text


async def test_a_table_is_sorted_by_any_column(stage: Callable[..., Any]) -> None:
    """`o` goes through its own orders and then the columns, `O` reverses; the heading marks the column, the cursor stays."""
    alerts = tuple(tracked(name, "warning", minutes=age) for name, age in (("Bravo", 3000), ("Alpha", 90), ("Charlie", 2)))
    scene = stage(snapshot(alerts=alerts))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "Alpha")
        await scene.press(pilot, "2")
        table = scene.app.screen.query_one("#alerts", Table)

        def names() -> list[str]:
            return [item.alert.name for item in table.items]

        table.move_to(alerts[2].alert.fingerprint)
        table.rearrange(Arrangement("since"))
        await pilot.pause()
        assert names() == ["Charlie", "Alpha", "Bravo"] and "since↑" in scene.text and "by since" in scene.text
        await scene.press(pilot, "O")
        assert names() == ["Bravo", "Alpha", "Charlie"] and "since↓" in scene.text
        assert table.current.alert.name == "Charlie"
        table.rearrange(Arrangement())
        seen = []
        for _ in range(5):
            await pilot.press("o")
            seen.append(table.order)
        assert seen[:4] == ["oldest unacknowledged first", "newest first", "by name", "sev"]


@pytest.mark.parametrize(("marks", "silenced"), [(0, ["Alpha"]), (1, ["Alpha"]), (2, ["Alpha", "Bravo"])])
async def test_a_silence_is_for_what_is_marked(stage: Callable[..., Any], marks: int, silenced: list[str]) -> None:
    """A mark moves the cursor to the next alert: one marked alert is the one to silence, as two are; without any, the one
    under the cursor.
    """
    alerts = tuple(tracked(name, "warning", minutes=age) for name, age in (("Alpha", 90), ("Bravo", 60), ("Charlie", 2)))
    asked: list[SilenceRequested] = []
    scene = stage(snapshot(alerts=alerts))
    async with scene.app.run_test(
        size=(100, 30), message_hook=lambda message: asked.append(message) if isinstance(message, SilenceRequested) else None
    ) as pilot:
        await scene.until(pilot, "Alpha")
        await scene.press(pilot, "2")
        scene.app.screen.query_one("#alerts", Table).rearrange(Arrangement("alert"))
        await scene.press(pilot, "home", *["space"] * marks, "z")
        (request,) = {id(item): item for item in asked}.values()
        found = request.alerts if isinstance(request, SilenceAlertsRequested) else (request.alert,)
        assert [item.alert.name for item in found] == silenced


async def test_hidden_columns_are_reached_at_80_columns(stage: Callable[..., Any]) -> None:
    """`>` scrolls through cells and to columns that did not fit, as wide as their cells; the name stays; `<` goes back."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        text = await scene.press(pilot, "2")
        assert "HighErrorRate of platform" not in text and text.splitlines()[3].endswith("›")
        reason = "cache is being rebuilt"
        assert reason not in text and reason in await scene.press(pilot, *["greater_than_sign"] * 3)
        text = await scene.press(pilot, *["greater_than_sign"] * 3)
        assert "HighErrorRate of platform" in text and text.splitlines()[3].startswith("‹")
        assert "HighErrorRate  " in text
        assert "HighErrorRate of platform" not in await scene.press(pilot, *["less_than_sign"] * 6)


async def test_columns_are_chosen_and_kept_as_a_view(stage: Callable[..., Any], tmp_path: Path) -> None:
    """Filter, order, grouping and columns are saved by name, survive a restart, and open their list from anywhere."""
    scene = stage()
    async with scene.app.run_test(size=(120, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "v")
        await filter_by(scene, pilot, "ocr")
        await scene.press(pilot, "enter", "C", "space", "down", "down", "enter", "escape")
        text = await scene.until(pilot, "alert↑")
        assert " sev " not in text.splitlines()[3]
        scene.app.flows.views.run("save my ocr")
        await pilot.pause()
        assert "saved; `:view my ocr` opens it" in notices_of(scene.app)
        await scene.press(pilot, "3")
    kept = json.loads((tmp_path / "views.json").read_text())["views"]["my ocr"]
    assert kept["filter"] == "ocr" and kept["group"] == "name" and kept["tables"]["alerts"]["hidden"] == ["sev"]
    later = stage()
    async with later.app.run_test(size=(120, 30)) as pilot:
        await later.until(pilot, "HighErrorRate")
        later.app.flows.views.run("my ocr")
        text = await later.until(pilot, "alert↑")
        assert "filter: ocr" in text and "PodNotReady" not in text and " sev " not in text.splitlines()[3]
        await later.press(pilot, "1", "3", "V")
        assert "alerts" in await later.until(pilot, "my ocr")
        later.app.flows.views.run("delete my ocr")
    assert json.loads((tmp_path / "views.json").read_text()) == {"views": {}}


def test_two_consoles_keep_each_others_views() -> None:
    """What the other console saved is added; a name that was deleted here does not come back; a broken entry is left out."""
    ours, theirs = Views(), Views()
    theirs.save("a", View("alerts", "x"))
    theirs.save("b", View("nodes", tables=(("nodes", Arrangement("age", True, frozenset({"pods"}))),)))
    ours.save("a", View("alerts", "mine"))
    ours.delete("gone")
    ours.restore(theirs.encode())
    assert ours.get("a") == View("alerts", "mine") and ours.get("b") == theirs.get("b")
    ours.restore(
        json.dumps({"views": {"gone": {"screen": "alerts"}, "bad": 3, "odd": {"tables": {"t": 1, "u": {"hidden": 2}}}}})
    )
    assert ours.get("gone") is None and ours.get("bad") is None
    assert ours.get("odd") == View("", tables=(("u", Arrangement()),))
    for at in range(MOST):
        last = ours.save(f"view {at}", View("alerts"))
    assert f"at most {MOST} views" in last
    with pytest.raises(ValueError):
        ours.restore("[]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3h5m", 11_100.0), ("in 2m", 120.0), ("4m ago", 240.0), ("5/6", 5.0), ("41 %", 41.0), ("1,200", 1200.0), ("-", None),
        ("2x", None),
    ],
)  # fmt: skip
def test_cells_are_compared_by_what_they_mean(text: str, expected: float | None) -> None:
    """An age by its length, a number by its size, other text as text; empty cells come last."""
    assert measure_text(text) == expected
    assert cell_key("") > cell_key("zz") > cell_key("3d") > cell_key("90s") > cell_key("2")


async def test_the_mouse_presses_the_footer_and_line_1(stage: Callable[..., Any]) -> None:
    """A click on a key of the footer presses it; in line 1 it opens what is named there, in line 2 the sources."""
    scene = stage()
    async with scene.app.run_test(size=(120, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")

        async def click(words: str, line: int) -> str:
            await pilot.click(offset=(scene.text.splitlines()[line].index(words) + 1, line if line >= 0 else 24 + line))
            await pilot.pause()
            return str(scene.text)

        await click("P1:1", 0)
        assert scene.app.current_mode == "alerts"
        await click("prom ok", 1)
        assert scene.app.current_mode == "sources"
        await click("esc", -1)
        assert scene.app.current_mode == "alerts"
        assert "enter to the list" in (await click(" / : ?", -1)).splitlines()[-1]
        await scene.press(pilot, "escape")
        await click("1 CRIT", 0)
        assert scene.app.current_mode == "overview"
