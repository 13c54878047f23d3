"""The review as one HTML file: strict markup, inert whatever is in it, times in two zones, and complete."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report_samples import HOSTILE_NOTE, INCIDENT, T, charts, long_report, report

from console.incidents.postmortem import as_markdown, build_report_sections
from console.incidents.postmortem_html import as_html
from console.incidents.report_charts import build_timeline_marks, fetch_charts
from console.state.incident import Source, TimelineEntry
from queries.model.fault import Fault, FaultKind
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.panel import HeatMapSpec, PanelSpec, Unit
from queries.model.panel_result import PanelHistory
from queries.model.series import Series
from queries.prometheus.history import Window

DRAWING = {"svg", "title", "rect", "text", "line", "polyline", "circle", "g"}
WRITING = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "p", "dl", "dt", "dd", "table",
    "thead", "tbody", "tr", "th", "td", "time", "span", "ul", "li", "figure", "blockquote", "div", "b",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "datetime", "xmlns", "width", "height", "viewBox",
    "font-family", "font-size", "font-weight", "fill", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "points", "stroke",
    "stroke-width", "stroke-dasharray", "text-anchor",
}  # fmt: skip


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def tree(html: str) -> ElementTree.Element:
    """Parsed as XML, which forgives nothing."""
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))


def text_of(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def test_the_file_is_well_formed_and_can_neither_run_nor_load_anything() -> None:
    """Only elements and attributes that show something; the policy allows this one style and nothing else."""
    page = tree(as_html(report(charts=charts())))
    names = [(item.tag.rpartition("}")[2], item.attrib) for item in page.iter()]
    assert {name for name, _ in names} <= WRITING | DRAWING and len(names) > 300
    assert {name for _, attributes in names for name in attributes} <= ATTRIBUTES
    policy = next(item.attrib["content"] for item in page.iter("meta") if "http-equiv" in item.attrib)
    style = page.findtext(".//style") or ""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style and "@import" not in style


def test_markup_in_names_and_notes_stays_text() -> None:
    """A title, a note, an owner, an update and a chart's mark that are markup are shown as they were typed."""
    page = tree(as_html(report(charts=charts())))
    shown = text_of(page)
    assert shown.count(HOSTILE_NOTE) >= 5
    assert "\x1b" not in shown and "\u202e" not in shown


@pytest.mark.usefixtures("berlin")
def test_every_time_stands_in_utc_and_in_the_local_zone() -> None:
    """The machine-readable time, UTC, and below it the zone of the machine that wrote the report."""
    page = tree(as_html(report()))
    cells = [cell for cell in page.iter("td") if cell.find("time") is not None]
    assert len(cells) > 10
    for cell in cells:
        when = cell.find("time")
        assert when is not None
        assert re.fullmatch(r"2026-01-01 \d\d:\d\d:\d\dZ", when.text or "")
        assert (when.text or "").replace(" ", "T") == when.attrib["datetime"]
        assert re.fullmatch(r"2026-01-01 \d\d:\d\d:\d\d CET", cell.findtext("span") or "")


def test_html_has_the_sections_and_rows_of_the_markdown() -> None:
    """One report, two formats: the same headings, and as many rows of the timeline; the charts have the timeline's marks."""
    made = report(charts=charts())
    page = tree(as_html(made))
    headings = [item.text for item in page.iter("h2")]
    assert headings == [item.title for item in build_report_sections(made)] == re.findall(r"^## (.+)$", as_markdown(made), re.M)
    timeline = next(item for item in page.iter("section") if item.findtext("h2") == "Timeline")
    assert len(list(timeline.iter("tr"))) == 1 + len(made.incident.entries)
    chart = next(item for item in page.iter() if item.tag.endswith("svg"))
    marks = [item.text for item in chart.iter() if item.tag.endswith("text") and item.attrib.get("font-weight") == "bold"]
    assert [item.letter for item in build_timeline_marks(made.incident)] == ["F", "A", "I", "M"]
    assert marks[1:] == ["F", "A", "I", "M"]  # after the chart's title


def test_five_thousand_entries_take_less_than_two_seconds() -> None:
    """From the journal's events to either format, in CPU seconds of this process; nothing is left out."""
    began = time.process_time()
    made = long_report(5000)
    html, markdown = as_html(made), as_markdown(made)
    spent = time.process_time() - began
    assert html.count("<tr>") > 5000 and markdown.count("entry ") == html.count("entry ") == 5000
    assert spent < 2.0
    assert made.incident.entries[0].at == T


async def no_logs(spec: PanelSpec, window: Window) -> PanelHistory:
    raise AssertionError(f"{spec.id} is no panel over logs")


@pytest.mark.parametrize("metrics", [None, object()], ids=["without Prometheus", "beside Prometheus"])
async def test_a_panel_over_logs_is_drawn_or_says_why_not(metrics: object) -> None:
    """Its series come from Loki, whether there is a Prometheus or not; without an answer its chart has the reason."""
    asked: list[tuple[str, float]] = []

    async def logs(spec: PanelSpec, window: Window) -> PanelHistory:
        asked.append((spec.id, window.end))
        history = PanelHistory(spec.id, window.start, window.end, window.step, (Series((), ((T, 7.0), (T + 15, 9.0))),))
        return history if spec.id == "timeouts" else replace(history, series=(), fault=Fault(FaultKind.UNREACHABLE, "refused"))

    specs = tuple(PanelSpec(id=name, title=name, unit=Unit.COUNT, raw="x", source="loki") for name in ("timeouts", "lost"))
    drawn = await fetch_charts(metrics, specs, INCIDENT, start=T, end=T + 900, now=T + 960, fetch_logs=logs)  # type: ignore[arg-type]
    assert asked == [("timeouts", T + 960), ("lost", T + 960)]
    html = as_html(report(charts=drawn))
    assert "timeouts" in html
    assert "refused" in html
    assert drawn[0].data.series
    assert not drawn[1].data.series


async def test_a_panel_with_a_heat_map_has_it_after_the_lines() -> None:
    """The report asks for both over the same window; one without a heat map has lines only, and a failure has its reason."""
    windows: list[tuple[float, float, float]] = []

    class Metrics:
        async def history(self, spec: PanelSpec, *, start: float, end: float, step_seconds: float) -> PanelHistory:
            windows.append((start, end, step_seconds))
            return PanelHistory(spec.id, start, end, step_seconds, (Series((), ((T, 1.0), (T + 15, 2.0))),))

        async def heat_history(self, spec: PanelSpec, window: Window) -> PanelHistory:
            windows.append((window.start, window.end, window.step))
            history = PanelHistory(spec.id, window.start, window.end, window.step)
            if spec.id == "errors":
                return replace(history, fault=Fault(FaultKind.UNREACHABLE, "connection refused"))
            rows = (HeatRow("≤ 2 s", ((T, 3.0),), 0.0, 2.0), HeatRow("> 2 s", ((T, 1.0),), 2.0, math.inf))
            return replace(history, heat_map=HeatMap("requests by duration", Unit.PER_SECOND, rows, buckets=True))

    heat = HeatMapSpec("requests by duration", Unit.PER_SECOND, ("le",), "x")
    specs = (
        PanelSpec(id="p95", title="P95 latency", unit=Unit.SECONDS, heat_map=heat),
        PanelSpec(id="cpu", title="CPU", unit=Unit.PERCENT),
        PanelSpec(id="errors", title="Error ratio", unit=Unit.PERCENT, heat_map=heat),
    )
    drawn = await fetch_charts(Metrics(), specs, INCIDENT, start=T, end=T + 900, now=T + 960, fetch_logs=no_logs)  # type: ignore[arg-type]
    assert [item.title for item in drawn] == [
        "P95 latency", "CPU", "Error ratio", "P95 latency, requests by duration",
        "Error ratio, requests by duration",
    ]  # fmt: skip
    assert len(windows) == 5 and len(set(windows)) == 1
    assert windows[0][1] == T + 960, "the incident is open: nothing is drawn beyond now"
    await fetch_charts(Metrics(), specs, INCIDENT, start=T, end=T + 900, now=T + 9000, fetch_logs=no_logs)  # type: ignore[arg-type]
    assert windows[-1][1] == T + 1200
    html = as_html(report(charts=drawn))
    names = {item.tag.rpartition("}")[2] for item in tree(html).iter()}
    assert names <= WRITING | DRAWING
    assert "≤ 2 s" in html and "connection refused" in html


@pytest.mark.parametrize(("letters", "long"), [(16, False), (17, True)])
def test_a_word_over_sixteen_letters_may_break(letters: int, long: bool) -> None:
    """It would make a table wider than a page; shorter words, however many, keep whole."""
    word = "x" * letters
    entry = TimelineEntry(T, Source.PERSON, "ann", f"a short start and {word}", "e1", T)
    page = as_html(replace(report(), incident=replace(INCIDENT, entries=(entry,))))
    cells = re.findall(rf"<td( class=\"long\")?>[^<]*\b{word}\b", page)
    assert cells and {bool(kind) for kind in cells} == {long}
