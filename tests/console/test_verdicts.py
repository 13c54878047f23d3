"""Every verdict in every place that tells them apart, and IN DOUBT as a verdict of its own: there is a value, and nobody can
rely on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from screen_samples import NOW, panels, snapshot

from console.checklists.definition import Checklist, Item, KpisEvidence, PanelEvidence, QueryEvidence
from console.checklists.evaluate import EvaluationInput, evaluate
from console.checklists.evidence_queries import CollectedEvidence
from console.checklists.result import exit_code as checklist_code
from console.checklists.run_review import resulting_verdict
from console.cli.status import as_text, exit_code
from console.incidents.observations import observe_sources
from console.incidents.templates import impact_sentence
from console.state.checklist_runs import AGREE
from console.state.snapshot import Snapshot
from queries.catalogue.loader import CatalogueError, parse_board
from queries.model.panel import Aggregation, PanelSpec, PanelState, Range, Threshold, Unit
from queries.model.panel_result import Contradiction, ContradictionKind, Figure
from queries.model.series import Series
from queries.model.source import PollResult
from queries.model.verdict import UNKNOWN, Verdict
from queries.prometheus.query_batch import BatchResult
from widgets.formatting import VERDICT_WIDTH
from widgets.panel import PanelRow, render_panel
from widgets.panel_grid import PanelTile, render_tile
from widgets.styled_text import VERDICT_TONES
from widgets.styles import TONES

ROOT = Path(__file__).resolve().parents[2]
WHY = '12 or 240: OCR failures in 5m, paddle, by status="error" or by the error counter'
NAMES = frozenset(Verdict.__members__)


def doubtful(verdict: Verdict = Verdict.IN_DOUBT) -> PanelState:
    ratio = next(item for item in panels() if item.spec.id == "error_ratio")
    return replace(ratio, verdict=verdict, value=0.4, reason=WHY, note="12 or 240 · paddle · OCR failures in 5m")


def quiet(*changed: PanelState) -> Snapshot:
    """A platform of which everything is known and fine, but for these panels."""
    fine = (replace(item, verdict=Verdict.OK, value=1.0, reason="", note="") for item in panels())
    by_id = {item.spec.id: item for item in changed}
    return replace(snapshot(alerts=()), panels=tuple(by_id.get(item.spec.id, item) for item in fine), sources=())


def literals() -> Iterator[tuple[str, ast.AST, frozenset[str]]]:
    """Every literal, match and comparison of the product that names several verdicts, with the names of these."""
    for package in ("queries", "widgets", "console"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                parts: list[ast.AST | None] = []
                if isinstance(node, ast.Dict):
                    parts = list(node.keys)
                elif isinstance(node, ast.Tuple | ast.List | ast.Set):
                    parts = list(node.elts)
                elif isinstance(node, ast.Match):
                    parts = [case.pattern.value for case in node.cases if isinstance(case.pattern, ast.MatchValue)]
                names = frozenset(
                    part.attr
                    for part in parts
                    if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "Verdict"
                )
                if names:
                    yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", node, names


def test_every_table_of_verdicts_knows_each_of_them() -> None:
    """A dict or a match with two verdicts or more has all of them; a list with NO DATA and STALE has IN DOUBT too."""
    found = list(literals())
    tables = [(where, names) for where, node, names in found if isinstance(node, ast.Dict | ast.Match) and len(names) > 1]
    assert len(tables) >= 3, "the words, the ranks and the tones are tables"
    assert [where for where, names in tables if names != NAMES] == []
    unknown = [(where, names) for where, _, names in found if {"NO_DATA", "STALE"} <= names]
    assert unknown
    assert [where for where, names in unknown if "IN_DOUBT" not in names] == []


def test_a_verdict_has_a_word_a_rank_and_a_tone_of_its_own() -> None:
    """In doubt is worse than no data and better than a warning; no two verdicts look alike without colour."""
    ordered = sorted(Verdict, key=lambda item: item.rank)
    assert [item.name for item in ordered] == ["OK", "STALE", "NO_DATA", "IN_DOUBT", "WARN", "CRITICAL"]
    assert len({item.word.casefold() for item in Verdict}) == len(Verdict)
    assert max(len(item.word) for item in Verdict) < VERDICT_WIDTH
    assert set(VERDICT_TONES.values()) <= set(TONES)
    assert {item for item in Verdict if not item.known} == UNKNOWN == {Verdict.STALE, Verdict.NO_DATA, Verdict.IN_DOUBT}


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_row_in_doubt_says_its_word_its_value_and_why(width: int) -> None:
    """The word stands apart from the title at every width, and both figures fit."""
    shown = "".join(words for words, _ in render_panel(PanelRow(doubtful()), width))
    assert shown.startswith(" IN DOUBT  Error ratio")
    assert "0.40 %" in shown and "12 or 240 · paddle" in shown
    tile = "\n".join("".join(words for words, _ in line) for line in render_tile(PanelTile(PanelRow(doubtful())), 60, 4))
    assert "IN DOUBT  Error ratio" in tile and "12 or 240 · paddle" in tile


def test_status_never_exits_0_for_what_is_in_doubt() -> None:
    """3 with one panel in doubt and the rest fine; what is critical comes first; the text has the reason."""
    assert exit_code(_answered(quiet())) == 0
    now = _answered(quiet(doubtful()))
    assert exit_code(now) == 3
    assert "IN DOUBT  Error ratio" in as_text(now) and WHY in as_text(now)
    health = replace(next(item for item in panels() if item.spec.id == "provider_health"), verdict=Verdict.CRITICAL)
    assert exit_code(_answered(quiet(doubtful(), health))) == 1
    whole = tuple(replace(item, verdict=Verdict.IN_DOUBT) for item in now.panels if item.spec.source == "prometheus")
    assert exit_code(replace(now, panels=whole)) == 2, "nothing can be judged at all"


def _answered(now: Snapshot) -> Snapshot:
    return replace(now, sources=(snapshot().source("prometheus"),))  # type: ignore[arg-type]


def test_a_checklist_leaves_it_open() -> None:
    """An item whose panel is in doubt is in doubt whatever the item's own thresholds; agreeing to it does not make it ok."""
    item = Item("error-ratio", "Error ratio", "is it low?", PanelEvidence("error_ratio", Threshold(50.0)))
    (found,) = evaluate(Checklist("hourly", "Hourly", (item,)), EvaluationInput(quiet(doubtful()), None, NOW))
    assert (found.verdict, found.label, found.reason, found.value_text) == (Verdict.IN_DOUBT, "IN DOUBT", WHY, "0.40 %")
    assert checklist_code((found,)) == 2
    assert resulting_verdict(found.verdict, AGREE) is Verdict.IN_DOUBT


def test_nobody_outside_is_told_a_figure_in_doubt() -> None:
    """The sentence for the status page says that it is not known; the incident's timeline says the word."""
    assert impact_sentence(quiet(doubtful())) == "It is not known how many requests are affected."
    now = replace(quiet(doubtful()), sources=snapshot().sources)
    sight = next(item for item in observe_sources(now) if item.thing == "panel:error_ratio")
    assert sight.value == "in_doubt" and "→ IN DOUBT 0.40 %" in sight.describe("ok")


def test_a_query_of_a_checklist_is_held_against_its_second_count() -> None:
    """An item that asks for itself is in doubt where its signals contradict themselves, and a KPI with it."""
    spec = PanelSpec(
        "availability", "Availability", Unit.PERCENT, Aggregation.MIN, raw="x", lower_is_worse=True, threshold=Threshold(99.9)
    )
    found = Contradiction(
        ContradictionKind.WITNESS, "OCR failures in 5m", Unit.COUNT, Figure("a", 12, "a"), Figure("b", 240, "b")
    )
    tracks = (Series((), ((NOW - 86_400.0, 99.99), (NOW, 99.99))),)
    items = (
        Item("own", "Own", "?", QueryEvidence(spec, Threshold())),
        Item("kpis", "KPIs", "?", KpisEvidence(("availability",), (spec,))),
    )
    answers = CollectedEvidence(
        NOW,
        series={"own": PollResult("prometheus", NOW, 0.0, value=BatchResult({spec.id: list(tracks)}))},
        figures={"kpis": PollResult("prometheus", NOW, 0.0, value=BatchResult({"availability": list(tracks)}))},
        contradictions={"own": (found,), "availability": (found,)},
    )
    own, kpis = evaluate(Checklist("x", "X", items), EvaluationInput(quiet(), answers, NOW))
    assert own.verdict is kpis.verdict is Verdict.IN_DOUBT
    assert own.reason == "12 or 240: OCR failures in 5m, by a or by b" and "12 or 240" in kpis.details[0].text


def test_a_range_is_a_least_and_a_largest() -> None:
    """An end may be missing; what ends before it begins, or is no pair of numbers, is refused with what is expected."""
    assert (Range.read([None, 100]), Range.read((0, None))) == (Range(high=100.0), Range(0.0))
    for wrong in ([100, 0], [0, 0], [0], "0..100", [0, "x"], [True, 2], None):
        with pytest.raises(ValueError, match=r"expected (a range|the lower end)"):
            Range.read(wrong)
    with pytest.raises(CatalogueError, match=r"own.yaml: the panel a: expected the lower end of the range below"):
        parse_board("panels: [{id: a, title: A, unit: percent, raw: x, range: [100, 0]}]", where="own.yaml")
