"""The rows of a heat map, against what Prometheus 3.16 itself counts between two bounds (recorded)."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from loopback import RECORDINGS

from queries.catalogue.heat_maps import load_heat_maps
from queries.catalogue.loader import load_board
from queries.catalogue.signals import expand_signals
from queries.http.endpoint import Endpoint
from queries.model.heat_map import HeatRow
from queries.model.panel import Unit
from queries.model.panel_result import PanelHistory
from queries.model.series import Series
from queries.prometheus.client import Prometheus
from queries.prometheus.heat_rows import build_bucket_rows, build_label_rows
from queries.prometheus.history import Window
from queries.prometheus.responses import HistogramSeries, RangeResult, decode_range
from queries.promql.syntax import parse_promql

RECORDED = json.loads((RECORDINGS / "prometheus-3.16-histograms.json").read_text())
NAMES = ["≤ 100 ms", "≤ 250 ms", "≤ 500 ms", "≤ 1 s", "≤ 2 s", "≤ 5 s", "≤ 10 s", "> 10 s"]


def recorded(name: str) -> RangeResult:
    return decode_range(json.dumps(RECORDED[name]).encode(), where="http://p")


def values(points: list[list[Any]]) -> dict[float, float]:
    return {at: float(text) for at, text in points}


def row(rows: tuple[HeatRow, ...], name: str) -> dict[float, float]:
    return dict(next(row.points for row in rows if row.name == name))


def test_buckets_hold_what_the_server_counts_between_their_bounds() -> None:
    """A server that changed over to native histograms with custom buckets: the same rows before and after, no bucket is lost,
    the first one, which the server begins at -Inf, included."""
    rows, note = build_bucket_rows(recorded("changed"), Unit.SECONDS)
    assert [row.name for row in rows] == NAMES and not note
    assert [row.low for row in rows] == [0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0]
    change = 1795971025.0
    for name, points in zip(NAMES, RECORDED["fractions"].values(), strict=True):
        for at, counted in values(points).items():
            if at != change:
                assert row(rows, name)[at] == pytest.approx(counted, abs=1e-6), (name, at)
    totals = {at: sum(dict(row.points)[at] for row in rows) for at, _ in rows[0].points}
    assert len(totals) == 9
    # In the window of the change each form has its half.
    assert totals[change - 10.0] == pytest.approx(20.3, abs=0.1) and totals[change] == pytest.approx(19.9, abs=0.1)


def test_a_native_histogram_of_many_buckets_keeps_its_count() -> None:
    """Exponential buckets: their bounds are the rows, there is none beyond, and the sums are the server's own."""
    result = recorded("native")
    rows, _ = build_bucket_rows(result, Unit.SECONDS)
    assert len(rows) > 3 and not any(row.name.startswith(">") for row in rows)
    for at, counted in values(RECORDED["native_count"]).items():
        assert sum(dict(row.points)[at] for row in rows) == pytest.approx(counted)
    for at, counted in values(RECORDED["native_fractions"]["0.001"]).items():
        quick = sum(dict(row.points)[at] for row in rows if row.low is not None and row.low < 0.00098)
        assert quick == pytest.approx(counted, abs=0.06), "one bucket reaches over the bound"


def classic(labels: tuple[tuple[str, str], ...], at: float, **counts: float) -> tuple[Series, ...]:
    return tuple(
        Series((("le", le.removeprefix("le").replace("_", ".")), *labels), ((at, count),)) for le, count in counts.items()
    )


def test_histograms_with_other_buckets_are_put_together() -> None:
    """The rows have the bounds of both, and a bucket is spread evenly over the rows that it covers."""
    ocr, vision = (("service", "ocr"),), (("service", "vision"),)
    result = RangeResult(
        (
            *classic(ocr, 60.0, le1=4.0, le2=8.0, **{"le+Inf": 10.0}),
            *classic(vision, 60.0, le0_5=1.0, le2=3.0, **{"le+Inf": 3.0}),
        )
    )
    rows, note = build_bucket_rows(result, Unit.SECONDS)
    assert {row.name: row.points[0][1] for row in rows} == {
        "≤ 500 ms": pytest.approx(3.0), "≤ 1 s": pytest.approx(2.0 + 2 / 3), "≤ 2 s": pytest.approx(4.0 + 4 / 3), "> 2 s": 2.0,
    }  # fmt: skip
    assert not note


def test_what_one_of_them_lacks_is_said_and_what_all_lack_is_a_gap() -> None:
    """A time with only one of two is marked in the note; NaN and a histogram without its last bucket are unknown, not 0."""
    ocr, vision = (("service", "ocr"),), (("service", "vision"),)
    known = (*classic(ocr, 60.0, le1=1.0, **{"le+Inf": 1.0}), *classic(ocr, 120.0, le1=1.0, **{"le+Inf": 1.0}))
    rows, note = build_bucket_rows(RangeResult((*known, *classic(vision, 120.0, le1=1.0, **{"le+Inf": 2.0}))), Unit.SECONDS)
    assert [at for at, _ in rows[0].points] == [60.0, 120.0] and note == 'without {service="vision"} at times'
    for counts in ({"le1": math.nan, "le+Inf": 2.0}, {"le1": 1.0}):
        assert build_bucket_rows(RangeResult(classic(ocr, 60.0, **counts)), Unit.SECONDS) == ((), "")
    nothing, _ = build_bucket_rows(RangeResult(classic(ocr, 60.0, le1=0.0, **{"le+Inf": 0.0})), Unit.SECONDS)
    assert [row.points for row in nothing] == [((60.0, 0.0),), ((60.0, 0.0),)]


def test_hundreds_of_buckets_are_forty_rows_at_most() -> None:
    """And none of them is left out."""
    buckets = tuple((1.02**at, 1.02 ** (at + 1), 1.0) for at in range(300))
    rows, _ = build_bucket_rows(RangeResult((), histograms=(HistogramSeries((), ((60.0, buckets),)),)), Unit.SECONDS)
    assert 30 <= len(rows) <= 40 and sum(row.points[0][1] for row in rows) == pytest.approx(300.0)


def test_codes_of_one_meaning_are_one_row_and_the_largest_is_at_the_top() -> None:
    """Provider and code name a row; NaN is left out of its time; a missing point stays missing."""
    result = RangeResult(
        tuple(
            Series((("code", code), ("provider", provider)), points)
            for provider, code, points in (
                ("paddle", "TIMEOUT", ((60.0, 1.0), (120.0, math.nan))),
                ("deepseek", "PROVIDER_TIMEOUT", ((60.0, 5.0), (180.0, 5.0))),
                ("deepseek", "TIMEOUT", ((60.0, 2.0),)),
            )
        )
    )
    rows = build_label_rows(result, ("provider", "code"))
    assert [row.name.split()[0] for row in rows] == ["paddle", "deepseek"]
    assert rows[0].points == ((60.0, 1.0),)
    assert dict(rows[1].points) == {60.0: 7.0, 180.0: 5.0}


def test_every_heat_map_is_promql_and_some_panel_shows_it() -> None:
    """Its bounds are in the panel's unit."""
    boards = [spec for name in ("overview", "ocr_performance", "error_analysis") for spec in load_board(name)]
    heat_maps = load_heat_maps().values()
    assert heat_maps
    for heat in heat_maps:
        shown = [spec for spec in boards if spec.heat_map == heat]
        assert shown and all(spec.unit is Unit.SECONDS for spec in shown if "le" in heat.by)
        text = expand_signals(heat.template.replace("$step", "5m")).replace('provider=~"$provider"', 'provider="a"')
        assert parse_promql(text).root is not None


async def fetch(panel_id: str, window: Window, answer: dict[str, Any] | int) -> tuple[PanelHistory, dict[str, str]]:
    asked: dict[str, str] = {}

    def handle(request: httpx.Request) -> httpx.Response:
        text = request.content.decode() if request.method == "POST" else request.url.query.decode()
        asked.update({name: found[0] for name, found in parse_qs(text).items()})
        return httpx.Response(answer, text="no") if isinstance(answer, int) else httpx.Response(200, json=answer)

    source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(handle))
    spec = next(spec for spec in load_board("overview") if spec.id == panel_id)
    history = await source.heat_history(spec, window)
    await source.close()
    return history, asked


@pytest.mark.parametrize(("step", "counted"), [(15.0, "[5m]"), (10_800.0, "[3h]")])
def test_every_request_is_in_a_column(step: float, counted: str) -> None:
    """A column counts its whole step, however long the range: an excursion of a minute in thirty days is in one of them."""
    history, asked = asyncio.run(fetch("p95_latency", Window(0.0, 240 * step, step), RECORDED["changed"]))
    assert counted in asked["query"] and asked["step"] == f"{step:.3f}"
    assert history.heat_map is not None and history.heat_map.buckets and len(history.heat_map.rows) == 8


@pytest.mark.parametrize("panel_id", ["p95_latency", "error_ratio"])
def test_no_series_and_a_failure_are_told_apart(panel_id: str) -> None:
    """No rows without a fault, or the fault; what is missing from a partial answer is in the note."""
    empty = {"status": "success", "data": {"resultType": "matrix", "result": []}, "warnings": ["store x is down"]}
    window = Window(0.0, 3600.0, 15.0)
    history, _ = asyncio.run(fetch(panel_id, window, empty))
    assert history.heat_map is not None and not history.heat_map.rows and history.fault is None
    assert "IN DOUBT: partial: store x is down" in history.note
    failed, _ = asyncio.run(fetch(panel_id, window, 503))
    assert failed.fault is not None and failed.heat_map is None
    other, _ = asyncio.run(fetch("cpu", window, empty))
    assert other.fault is not None and "CPU has no heat map" in other.fault.sentence()
