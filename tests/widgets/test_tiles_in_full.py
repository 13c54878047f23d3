"""Panels as rows and as tiles, each line in full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from queries.model.panel import PanelSpec, PanelState, Threshold, Unit
from queries.model.verdict import Verdict
from queries.text.axes import format_tick
from widgets.formatting import NO_ANSWER
from widgets.panel import PanelRow, fit_parts, panel_remark, render_panel
from widgets.panel_grid import PanelTile, render_tile
from widgets.styled_text import Line, width_of

SPEC = PanelSpec("x", "Error ratio", Unit.PERCENT)
TREND = tuple((float(60 * at), float(at % 3)) for at in range(61))
STATE = PanelState(
    SPEC, Verdict.WARN, Threshold(1.0, 5.0), 1.5, trend=TREND, trend_window=(0.0, 3600.0), note="worst api · since 14:01"
)
BARE = PanelState(SPEC, Verdict.OK, Threshold(), 1.5)


def words_of(line: Line) -> str:
    return "".join(words for words, _ in line)


def tones_of(line: Line) -> dict[str, str]:
    return {words.strip(): tone for words, tone in line if words.strip()}


def row(state: PanelState, width: int = 80, **more: bool) -> str:
    return words_of(render_panel(PanelRow(state, **more), width))


def tile(state: PanelState, width: int = 40, height: int = 3, *, compared: str = "", **more: bool) -> list[str]:
    return [words_of(line).rstrip() for line in render_tile(PanelTile(PanelRow(state, **more), compared), width, height)]


@pytest.mark.parametrize(
    ("width", "titles", "trend"),
    [(80, 17, 12), (99, 17, 12), (100, 17, 25), (109, 17, 27), (110, 22, 27), (192, 22, 48), (300, 22, 48)],
)
def test_the_columns_of_a_row(width: int, titles: int, trend: int) -> None:
    """Verdict, title, value, trend, threshold, remark: from 100 cells on the trend is a quarter of the row, up to 48; from 110
    on a title has 22 cells."""
    line = row(STATE, width)
    assert line.startswith(" WARN      " + "Error ratio".ljust(titles) + " 1.50 %     ")
    drawn = line[11 + titles + 1 + 11 :][:trend]
    assert drawn.strip() == drawn and set(drawn) <= set("▁▂▃▄▅▆▇█")
    assert line[11 + titles + 12 + trend :].startswith(" >1     ")
    remark = line[11 + titles + 12 + trend + 8 :]
    room = width - (11 + titles + 12 + trend + 8)
    assert remark == ("worst api · since 14:01" if room >= 23 else "worst api")


@pytest.mark.parametrize(
    ("room", "kept"), [(23, "worst api · since 14:01"), (22, "worst api"), (9, "worst api"), (8, "worst api")]
)
def test_a_remark_loses_whole_parts(room: int, kept: str) -> None:
    """As many parts as fit; the first one stays and is cut by whoever draws it."""
    assert fit_parts("worst api · since 14:01", room) == kept
    assert (fit_parts("日本 · 日本", 11), fit_parts("日本 · 日本", 10)) == ("日本 · 日本", "日本")


def test_what_a_row_says_without_a_value() -> None:
    """The reason, else the panel's own, else that there are no series; until the first answer, and why there is none yet."""
    gone = PanelState(SPEC, Verdict.NO_DATA)
    assert row(gone).endswith("the source returned no series")
    assert row(replace(gone, spec=replace(SPEC, no_data_reason="no rule"))).endswith("   no rule")
    assert row(replace(gone, reason="timed out", spec=replace(SPEC, no_data_reason="no rule"))).endswith("   timed out")
    assert row(gone, waiting=True) == " …         Error ratio       " + NO_ANSWER
    assert row(replace(gone, reason=NO_ANSWER), waiting=True).endswith(f"   {NO_ANSWER}")
    assert row(replace(gone, reason="asleep"), waiting=True).endswith(f"   {NO_ANSWER}: asleep")
    assert row(gone, denied=True).split()[0] == "DENIED" and row(STATE, denied=True).split()[0] == "WARN"
    assert tile(gone) == ["  NO DATA   Error ratio", "   the source returned no series", ""]
    assert tile(replace(gone, reason="timed out after ten seconds; the server is slow"), height=4)[1:] == [
        "   timed out after ten seconds; the",
        "   server is slow",
        "",
    ]
    assert tile(gone, waiting=True)[:2] == ["  …         Error ratio", f"   {NO_ANSWER}"]
    assert tile(replace(gone, reason=NO_ANSWER), waiting=True)[1] == f"   {NO_ANSWER}"
    assert tile(replace(gone, reason="asleep"), waiting=True)[1] == f"   {NO_ANSWER}: asleep"
    assert tile(gone, denied=True)[0].split()[0] == "DENIED" and tile(STATE, denied=True)[0].split()[0] == "WARN"


def test_a_note_alone_takes_the_whole_row() -> None:
    """A value with neither trend nor threshold that is explained by its note shows that instead."""
    noted = replace(BARE, note="5/6 ready · rev 42 · 3 pods restarted")
    assert row(noted) == " ok        Error ratio       5/6 ready · rev 42 · 3 pods restarted"
    assert [row(noted, width)[29:] for width in (66, 65, 47, 46, 38, 30)] == [
        "5/6 ready · rev 42 · 3 pods restarted",
        "5/6 ready · rev 42",
        "5/6 ready · rev 42",
        "5/6 ready",
        "5/6 ready",
        "5/6 ready",
    ]
    assert "1.50 %" in row(replace(noted, trend=TREND)) and "1.50 %" in row(replace(noted, threshold=Threshold(9.0)))
    assert "1.50 %" in row(BARE)
    tones = [
        render_panel(PanelRow(replace(noted, verdict=each)), 80)[-1][1] for each in (Verdict.OK, Verdict.WARN, Verdict.STALE)
    ]
    assert tones == ["", "strong", "dim"]


@pytest.mark.parametrize(
    ("verdict", "value", "trend", "title"),
    [
        (Verdict.OK, "", "ok", ""),
        (Verdict.WARN, "strong", "warn", "strong"),
        (Verdict.CRITICAL, "strong", "critical", "strong"),
        (Verdict.IN_DOUBT, "strong", "doubt", "strong"),
        (Verdict.STALE, "dim", "dim", ""),
    ],
)
def test_the_tones_of_a_value(verdict: Verdict, value: str, trend: str, title: str) -> None:
    """What needs a look is strong, what is old is dim; the trend has the tone of the verdict. Tiles agree with rows."""
    state = replace(STATE, verdict=verdict, age_seconds=40.0)
    line = render_panel(PanelRow(state), 80)
    assert [line[2][1], line[3][1], line[4][1], line[5][1]] == [title, value, trend, "dim"]
    head, middle, _ = render_tile(PanelTile(PanelRow(state)), 40, 3)
    assert [head[3][1], middle[1][1], middle[3][1]] == [title or "title", value, trend]
    high = render_tile(PanelTile(PanelRow(state)), 60, 8)[0]
    assert [tone for words, tone in high if "1.50 %" in words] == [value]
    assert render_panel(PanelRow(state, changed=True), 80)[0] == ("•", "changed")
    assert render_panel(PanelRow(state, waiting=True), 80)[1][1] == "unknown"
    assert [tone for words, tone in render_tile(PanelTile(PanelRow(state, waiting=True)), 40, 3)[0] if "…" in words] == [
        "unknown"
    ]


def test_the_remark_of_a_panel() -> None:
    """Its note, else the reason of a verdict that needs one: the line of sources explains a stale value."""
    plain = replace(STATE, note="", reason="two counts differ")
    shown = {
        verdict: panel_remark(replace(plain, verdict=verdict)) for verdict in (Verdict.OK, Verdict.STALE, Verdict.IN_DOUBT)
    }
    assert shown == {Verdict.OK: "", Verdict.STALE: "", Verdict.IN_DOUBT: "two counts differ"}
    assert panel_remark(replace(plain, note="worst api")) == "worst api"


def test_a_low_tile_in_full() -> None:
    """Verdict and title; value, threshold, trend and comparison; the scope and the remark. The trend takes what is left, up to
    36 cells, and less than six are none."""
    head, middle, remark = tile(STATE, 60, compared="yesterday 0.4 %")
    assert head == "  WARN      Error ratio"
    assert middle[:13] == "   1.50 % >1 " and middle.endswith(" yesterday 0.4 %") and len(middle) == 60
    assert set(middle[13:-16]) <= set("▁▂▃▄▅▆▇█")
    assert remark == "   worst api · since 14:01"
    assert (
        tile(replace(STATE, spec=replace(SPEC, scope="all providers")), 60)[2] == "   all providers · worst api · since 14:01"
    )
    assert tile(replace(STATE, spec=replace(SPEC, scope="all providers")), 41)[2] == "   all providers · worst api"
    assert len(tile(STATE, 49)[1]) == 49 and len(tile(STATE, 50)[1]) == 49, "at most 36 cells"
    assert len(tile(STATE, 19)[1]) == 19 and tile(STATE, 18)[1] == "   1.50 % >1"
    assert tile(replace(STATE, trend=()), 40)[1] == "   1.50 % >1"
    for width in range(20, 70):
        assert all(len(line) <= width for line in tile(STATE, width, compared="yesterday 0.4 %"))


def test_a_high_tile_in_full() -> None:
    """The value stands at the right of the head, then a chart of all lines but three, and the remark with the comparison."""
    lines = tile(STATE, 60, 12, compared="yesterday 0.4 %")
    assert lines[0].startswith("  WARN      Error ratio ") and lines[0].endswith(" 1.50 % >1") and len(lines[0]) == 60
    assert lines[-2:] == ["   yesterday 0.4 % · worst api · since 14:01", ""] and len(lines) == 12
    assert format_tick(900.0, 3600.0) in lines[-3] and "└" in lines[-4]
    assert tile(replace(STATE, trend=()), 60, 7)[1:] == [
        " no trend: this panel queries a long range",
        *("", "", ""),
        "   worst api · since 14:01",
        "",
    ]
    assert "│" not in "".join(tile(STATE, 60, 6)) and "1.50 %" in tile(STATE, 60, 6)[1]
    for width in range(26, 70):
        head = render_tile(PanelTile(PanelRow(STATE)), width, 8)[0]
        assert width_of(head) == width and words_of(head).endswith(" 1.50 % >1")


def test_the_tile_of_the_cursor() -> None:
    """Its head is marked over its whole width."""
    head = render_tile(PanelTile(PanelRow(STATE, changed=True)), 40, 3, selected=True)[0]
    assert words_of(head) == "›•WARN      Error ratio".ljust(40) and {tone.partition("+")[0] for _, tone in head} == {"cursor"}
    plain = render_tile(PanelTile(PanelRow(STATE)), 40, 3)[0]
    assert words_of(plain).startswith("  WARN") and not any("cursor" in tone for _, tone in plain)


@pytest.mark.parametrize(
    ("threshold", "verdict", "word"),
    [
        (Threshold(), Verdict.OK, "no limit"),
        (Threshold(9.0), Verdict.OK, "ok"),
        (Threshold(None, 9.0), Verdict.OK, "ok"),
        (Threshold(), Verdict.IN_DOUBT, "IN DOUBT"),
    ],
)
def test_a_value_without_a_limit_is_not_called_ok(threshold: Threshold, verdict: Verdict, word: str) -> None:
    """One threshold is enough to compare with."""
    head, middle, _ = render_tile(PanelTile(PanelRow(replace(STATE, threshold=threshold, verdict=verdict))), 40, 3)
    assert words_of(head)[2:].startswith(word + " ")
    assert middle[3][1] == ("accent" if word == "no limit" else "ok" if word == "ok" else "doubt")
