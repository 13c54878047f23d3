"""Tiles keep their size, explain missing data, and never overflow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len
from screen_samples import HOSTILE, NOW, panels

from queries.model.panel import PanelState
from queries.model.verdict import Verdict
from widgets.panel import PanelRow
from widgets.panel_grid import PanelTile, render_tile


def drawn(tile: PanelTile, width: int = 39, height: int = 3) -> list[str]:
    return ["".join(words for words, _ in line).rstrip() for line in render_tile(tile, width, height)]


def tile(identity: str, **more: object) -> PanelTile:
    state = next(item for item in panels() if item.spec.id == identity)
    return PanelTile(PanelRow(replace(state, trend_window=(NOW - 3600.0, NOW))), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("height", [3, 4, 7, 14])
@pytest.mark.parametrize("width", [20, 39, 52, 79])
def test_a_tile_has_exactly_its_size(width: int, height: int) -> None:
    """Every state of a panel gives exactly that many lines; high tiles have a chart, low ones a sparkline."""
    assert panels()
    for state in panels():
        lines = render_tile(PanelTile(PanelRow(state), "yesterday 0.41 %"), width, height)
        assert len(lines) == height
        charted = any(words[:1] in ("│", "▒", "█") for line in lines for words, _ in line)
        assert charted == (height >= 7 and bool(state.trend) and state.value is not None and state.verdict is not None)


def test_verdict_value_unit_threshold_and_comparison() -> None:
    """All of them in three lines of 39 cells."""
    head, middle, remark = drawn(tile("error_ratio", compared="yesterday 0.41 %"))
    assert head.strip() == "CRIT      Error ratio"
    assert middle.split()[:3] == ["7.84", "%", ">5"] and middle.endswith("yesterday 0.41 %")
    assert max(map(len, (head, middle, remark))) <= 39
    assert "rising since 14:01" in remark


def test_no_data_has_no_number() -> None:
    """A panel without a value shows the reason instead, on as many lines as there are."""
    lines = drawn(tile("error_budget"))
    assert lines[0].strip().startswith("NO DATA")
    assert "no series for slo_availability" in lines[1]
    assert not any("%" in line for line in lines)


def test_a_stale_value_shows_its_age() -> None:
    """The age replaces the verdict."""
    assert drawn(tile("cpu"))[0].strip().startswith("STALE 40s")


def test_a_panel_without_threshold_is_not_ok() -> None:
    """Without a threshold to compare with, a value is neither ok nor not, and says so."""
    head = drawn(tile("request_rate"))[0]
    assert "no limit" in head and "ok" not in head


def test_the_cursor_is_visible_without_colour() -> None:
    """A mark precedes the tile under the cursor."""
    state = panels()[0]
    pointed = render_tile(PanelTile(PanelRow(state)), 39, 3, selected=True)[0]
    assert pointed[0][0] == "›" and {tone.partition("+")[0] for _, tone in pointed} == {"cursor"}


def test_a_panel_for_all_providers_says_so() -> None:
    """A panel that could not be limited to a provider says so, in low tiles and in high ones."""
    from dataclasses import replace

    state = next(item for item in panels() if item.spec.id == "memory")
    wide = replace(state, spec=replace(state.spec, scope="all providers"))
    for height in (3, 10):
        assert "all providers" in "\n".join(drawn(PanelTile(PanelRow(wide)), height=height))


def test_hostile_text_stays_in_its_tile() -> None:
    """Control characters in labels and reasons are escaped and never make a line longer than its tile."""
    from dataclasses import replace

    assert panels()
    for state in panels():
        bad: PanelState = replace(state, note=HOSTILE, reason=HOSTILE, verdict=Verdict.WARN)
        for line in render_tile(PanelTile(PanelRow(bad), "yesterday 1 %"), 39, 3):
            words = "".join(part for part, _ in line)
            assert words.isprintable()
            assert cell_len(words) <= 39
